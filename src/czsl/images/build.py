"""Decode the images of a catalogue into an image store, once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from czsl.errors import ImageError, ServerError, writing
from czsl.files import fingerprint
from czsl.flags import Flag
from czsl.images.adapter import anywhere, quick_order
from czsl.images.decoder import Decoder, refuse_unfit
from czsl.images.inspect import refuse_unusable, too_many_unusable
from czsl.images.shards import SHARD_ROWS, Form, Shards, latest, locked
from czsl.images.source import ImageSource, refuse_outside
from czsl.images.store import ImageStore
from czsl.images.unusable import UnfitImageError, UnusableImageError
from czsl.images.worker import Batch, Task, all_files, read_picture, stamp_of
from czsl.sections import MAX_BANDS, ImagesSettings

Progress = Callable[[int, int], None]

PREPARATION = 4
"""Raised whenever the same file and settings would give other pixels or flags than before."""


def store_folder(folder: Path, pattern: str, settings: ImagesSettings) -> Path:
    """Name the store of a configuration: other settings, another folder.

    Examples
    --------
    >>> store_folder(Path("survey"), "images/{id}.jpg", ImagesSettings()).parent
    PosixPath('survey/.czsl')
    """
    return Path(folder) / ".czsl" / f"images-{fingerprint(pattern, _fingerprint(settings))[:8]}"


def _prepared(settings: ImagesSettings) -> dict[str, Any]:
    """Say what images are prepared with: which part of them networks see is not stored."""
    return settings.model_dump(mode="json", exclude={"view"})


def _fingerprint(settings: ImagesSettings) -> str:
    return fingerprint("preparation", PREPARATION, _prepared(settings))


def decide_channels(source: ImageSource, located: Sequence[str], settings: ImagesSettings) -> int:
    """Say how many channels the images have: as set, or as the first readable image has.

    Its bands decide where it is FITS or has neither one nor three; all else becomes colour.

    Parameters
    ----------
    source, settings
        Where images come from and what becomes of them.
    located
        A located reference for each object.
    """
    if settings.channels is not None:
        return settings.channels
    for reference in located:
        try:
            picture = read_picture(Task(source, settings, 3), reference)
        except (UnusableImageError, UnfitImageError):
            continue  # told of with all others when it is decoded
        bands = min(picture.pixels.shape[-1], MAX_BANDS)  # more are refused when all are decoded
        return bands if picture.mode == "FITS" or bands not in (1, 3) else 3
    return 3


def build_store(
    folder: Path,
    ids: Sequence[str],
    references: Sequence[str],
    *,
    settings: ImagesSettings,
    source: ImageSource,
    rows: NDArray[np.int64] | None = None,
    processes: int | None = None,
    progress: Progress | None = None,
    shard_rows: int = SHARD_ROWS,
) -> ImageStore:
    """Decode what is new or changed, and open the store.

    Killed at any moment, the next call goes on, and the store ends with the same bytes.

    Parameters
    ----------
    folder
        The store's own folder (:func:`store_folder`); made where it is missing.
    ids
        The objects' ids, each once.
    references
        What the catalogue says of each object's image; empty where it says nothing.
    settings
        What becomes of the images.
    source
        Where they come from.
    rows
        The objects' rows in the catalogue's table, from 0, for images that are kept in
        its order.
    processes
        How many decode; by default one for each processor.
    progress
        Called with the images done and those to do.
    shard_rows
        Images in a shard.

    Raises
    ------
    ImageError
        Where paths lead out of the folder, images do not fit the settings, more than half
        are unusable, the store was built with other settings, or another process is
        building it.
    WriteError
        Where the disk is full or the folder cannot be written.
    ServerError
        Where a server does not give an image: those before it are kept.
    """
    folder, names = Path(folder), [str(one) for one in ids]
    located = source.locate(names, references, rows)
    refuse_outside(source, located, bands=settings.bands)
    shards = _found(folder, settings)
    pending = _pending(shards, names, located, source, settings)
    if pending or not shards.finished:
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        with locked(folder):
            before, shards = shards.numbers, _found(folder, settings)
            if shards.numbers != before:  # another process was building until now
                pending = _pending(shards, names, located, source, settings)
            shards.sweep()
            shards.form = shards.form or Form(
                size=settings.size,
                channels=decide_channels(source, located, settings),
                fingerprint=_fingerprint(settings),
                settings=_prepared(settings),
            )
            with Decoder(
                source, settings=settings, channels=shards.form.channels, processes=processes
            ) as decoder:
                for start in range(0, len(pending), shard_rows):
                    part = pending[start : start + shard_rows]
                    report = _Report(progress, start, len(pending))
                    _write_shard(shards, names, located, part, decoder, report)
            shards.finish()
    store = ImageStore.open(folder, names)
    refuse_unusable(store)
    return store


def _found(folder: Path, settings: ImagesSettings) -> Shards:
    """See what is in the store's folder, and refuse what other settings made."""
    shards = Shards.found(folder)
    if shards.form is not None and shards.form.fingerprint != _fingerprint(settings):
        raise ImageError(
            f"{folder}: holds images that were prepared with other settings; choose another "
            "folder, or delete this one and the images are decoded again"
        )
    return shards


def _pending(
    shards: Shards,
    names: list[str],
    located: list[str],
    source: ImageSource,
    settings: ImagesSettings,
) -> list[int]:
    """List the objects whose image is not in the store, or has changed since.

    They come in the order in which their images are read soonest, in which they are stored.

    Raises
    ------
    ImageError
        Where more than half of the images are not there at all: nothing is written then.
    """
    rows = shards.read_rows(["id", "reference", "stamp"])
    found = latest(pa.array(names, pa.string()), rows["id"])
    pending, missing = [], []
    order = quick_order(located)
    for start in range(0, len(names), SHARD_ROWS):
        some = order[start : start + SHARD_ROWS]
        taken = pa.array(found[some], mask=found[some] < 0)
        known = zip(
            rows["reference"].take(taken).to_pylist(),
            rows["stamp"].take(taken).to_pylist(),
            strict=True,
        )
        source.ahead(all_files([located[index] for index in some], settings), content=False)
        for index, (reference, stamp) in zip(some.tolist(), known, strict=True):
            now = stamp_of(source, located[index], settings)
            if not now:
                missing.append(index)
            if now != stamp or anywhere(located[index]) != anywhere(reference):
                pending.append(index)
    if 2 * len(missing) > len(names):
        missing.sort()
        shown = [located[index] or names[index] for index in missing]
        reasons = ["no such file" if located[index] else "no image" for index in missing]
        raise too_many_unusable(len(names), {Flag.IMAGE_MISSING: len(missing)}, shown, reasons)
    return pending


class _Report:
    """Adds what a shard has done to what was done before it."""

    def __init__(self, progress: Progress | None, done: int, total: int) -> None:
        self.progress, self.done, self.total = progress, done, total

    def add(self, count: int) -> None:
        """Tell that so many more images are done."""
        self.done += count
        if self.progress is not None:
            self.progress(self.done, self.total)


def _write_shard(
    shards: Shards,
    names: list[str],
    located: list[str],
    part: list[int],
    decoder: Decoder,
    report: _Report,
) -> None:
    """Decode some objects' images into one shard."""
    references = [located[index] for index in part]

    def batches() -> Iterator[Batch]:
        unfit: list[tuple[int, str]] = []
        done = 0
        try:
            for batch in decoder.batches(references):
                unfit += [(done + index, reason) for index, reason in batch.unfit]
                done += len(batch.modes)
                report.add(len(batch.modes))
                yield batch
        except ServerError:  # what came before is kept, unless it does not fit
            refuse_unfit(unfit, references)
            raise
        refuse_unfit(unfit, references)

    shards.write([names[index] for index in part], references, batches())
