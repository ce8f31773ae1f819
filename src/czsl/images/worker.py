"""What a decoding process does: references in, a batch of prepared images out."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from czsl.errors import CzslError
from czsl.flags import Flag
from czsl.images.adapter import in_bands
from czsl.images.decode import decode
from czsl.images.edge import empty_sides
from czsl.images.picture import Picture
from czsl.images.prepare import prepare_square
from czsl.images.source import ImageSource
from czsl.images.unusable import UnfitImageError, UnusableImageError
from czsl.sections import ImagesSettings


class Task(NamedTuple):
    """What is the same for all images: where they come from and what becomes of them."""

    source: ImageSource
    settings: ImagesSettings
    channels: int


@dataclass
class Batch:
    """Prepared images and what was found on the way.

    Parameters
    ----------
    pixels
        Grey levels, shape (object, row, column, channel), uint8; zeros where unusable.
    flags
        Sums of :class:`~czsl.flags.Flag`, shape (object,), uint32.
    sizes
        Height and width in pixels and bands of each image as it came, shape (object, 3),
        int32; zeros where it could not be decoded.
    modes
        What each file held: ``"RGB"``, ``"L"``, ``"RGBA"``, ``"FITS"`` …; may be empty.
    reasons
        What stands against each image, in words; empty where nothing does.
    stamps
        The source's stamp of each image, taken before it was read.
    unfit
        Index and reason of each image that does not fit the settings.
    """

    pixels: NDArray[np.uint8]
    flags: NDArray[np.uint32]
    sizes: NDArray[np.int32]
    modes: list[str]
    reasons: list[str]
    stamps: list[str]
    unfit: list[tuple[int, str]] = field(default_factory=list)

    @classmethod
    def empty(cls, count: int, size: int, channels: int) -> Batch:
        """Make a batch of images that are all zero."""
        return cls(
            pixels=np.zeros((count, size, size, channels), np.uint8),
            flags=np.zeros(count, np.uint32),
            sizes=np.zeros((count, 3), np.int32),
            modes=[""] * count,
            reasons=[""] * count,
            stamps=[""] * count,
        )

    @classmethod
    def joined(cls, batches: Sequence[Batch]) -> Batch:
        """Put batches one after the other."""
        starts = np.cumsum([0] + [len(batch.modes) for batch in batches]).tolist()
        return cls(
            pixels=np.concatenate([batch.pixels for batch in batches]),
            flags=np.concatenate([batch.flags for batch in batches]),
            sizes=np.concatenate([batch.sizes for batch in batches]),
            modes=[mode for batch in batches for mode in batch.modes],
            reasons=[reason for batch in batches for reason in batch.reasons],
            stamps=[stamp for batch in batches for stamp in batch.stamps],
            unfit=[
                (start + index, reason)
                for start, batch in zip(starts, batches, strict=False)
                for index, reason in batch.unfit
            ],
        )

    def taken(self, rows: NDArray[np.int64]) -> Batch:
        """Give some of the images, in another order.

        Parameters
        ----------
        rows
            Their rows here, shape (image,).
        """
        if np.array_equal(rows, np.arange(len(self.modes))):
            return self  # as most are: nothing is copied
        unfit = dict(self.unfit)
        places = rows.tolist()
        return Batch(
            pixels=self.pixels[rows],
            flags=self.flags[rows],
            sizes=self.sizes[rows],
            modes=[self.modes[row] for row in places],
            reasons=[self.reasons[row] for row in places],
            stamps=[self.stamps[row] for row in places],
            unfit=[(new, unfit[row]) for new, row in enumerate(places) if row in unfit],
        )


def decode_batch(task: Task, references: Sequence[str]) -> Batch:
    """Read, decode and prepare images; what is wrong with one of them is noted.

    Parameters
    ----------
    task
        Source, settings and channels.
    references
        A located reference for each object.
    """
    batch = Batch.empty(len(references), task.settings.size, task.channels)
    task.source.ahead(all_files(references, task.settings), content=True)
    for index, reference in enumerate(references):
        try:
            _decode_one(task, reference, batch, index)
        except UnusableImageError as error:
            batch.flags[index] = error.flag
            batch.reasons[index] = error.reason
            if error.again:
                batch.stamps[index] = ""
        except UnfitImageError as error:
            batch.unfit.append((index, str(error)))
    return batch


def _decode_one(task: Task, reference: str, batch: Batch, index: int) -> None:
    """Prepare one image in its place in the batch."""
    batch.stamps[index] = stamp_of(task.source, reference, task.settings)
    picture = read_picture(task, reference)
    batch.sizes[index] = picture.height, picture.width, picture.bands
    batch.modes[index] = picture.mode
    batch.pixels[index] = prepare_square(
        picture.pixels, task.settings, task.channels, span=picture.span
    )
    if sides := empty_sides(picture.pixels):
        batch.flags[index] = Flag.EDGE_OF_FRAME
        batch.reasons[index] = f"no sky at its {' and '.join(sides)}"


def all_files(references: Sequence[str], settings: ImagesSettings) -> list[str]:
    """List the files of several objects' images."""
    return [one for reference in references for one in in_bands(reference, settings.bands) if one]


def stamp_of(source: ImageSource, reference: str, settings: ImagesSettings) -> str:
    """Join the stamps of an object's files; empty where one of them is missing."""
    if not reference:
        return ""
    stamps = [source.stamp(one) for one in in_bands(reference, settings.bands)]
    return "+".join(stamps) if all(stamps) else ""


def read_picture(task: Task, reference: str) -> Picture:
    """Read and decode the central square of an object's image.

    Of one file for each band, the bands are stacked.

    Raises
    ------
    UnusableImageError
        Where it cannot be read or decoded, or the bands differ in size.
    UnfitImageError
        Where the crop is larger than the image.
    """
    if not reference:
        raise UnusableImageError(Flag.IMAGE_MISSING, "the catalogue names no image")
    grey = task.channels == 1
    files = in_bands(reference, task.settings.bands)
    if files == [reference]:
        return decode(task.source.read(reference), settings=task.settings, grey=grey)
    pictures = [decode(task.source.read(one), settings=task.settings) for one in files]
    first = pictures[0]
    sizes = [(one.height, one.width, one.pixels.shape[-1]) for one in pictures]
    if set(sizes) != {(first.height, first.width, 1)}:
        reason = f"its bands differ in size, or are not grey: {sorted(set(sizes))}"
        raise UnusableImageError(Flag.IMAGE_UNREADABLE, reason)
    pixels = np.concatenate([one.pixels for one in pictures], axis=-1)
    return first._replace(pixels=pixels, bands=len(pictures))


def serve(jobs: BinaryIO, results: BinaryIO) -> None:
    """Answer lists of references with batches, until there are no more."""
    task: Task = pickle.load(jobs)
    while True:
        try:
            references = pickle.load(jobs)
        except EOFError:
            return
        answer: Batch | CzslError
        try:
            answer = decode_batch(task, references)
        except CzslError as error:  # the place as a whole: its archive is gone, say
            answer = error
        pickle.dump(answer, results, protocol=pickle.HIGHEST_PROTOCOL)
        results.flush()


def main() -> None:
    """Run a decoding process: pickled jobs on standard input, batches on standard output."""
    with os.fdopen(os.dup(1), "wb") as results:
        os.dup2(2, 1)  # a library that prints must not write between the batches
        serve(sys.stdin.buffer, results)
