"""Decoded images on disk, read at random by memory map."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from czsl.errors import ImageError
from czsl.files import fingerprint
from czsl.flags import UNUSABLE_IMAGE
from czsl.images.shards import READERS, Shards, latest, unreadable
from czsl.locks import Lock, lock_shared
from czsl.sections import ImagesSettings


@dataclass(frozen=True, kw_only=True)
class ImageStore:
    """The prepared images of some objects, in the order in which it was opened.

    While it is there, no other process deletes what it reads.

    Parameters
    ----------
    folder
        Where the store is.
    size
        Side of the images, pixels.
    channels
        Of an image, 1 to 8.
    ids
        The objects' ids, shape (object,).
    settings
        What the images were prepared with.
    flags
        Sums of :class:`~czsl.flags.Flag`, shape (object,), uint32.
    sizes
        Height and width in pixels and bands of each image as it came, shape (object, 3),
        int32; zeros where it could not be decoded.
    """

    folder: Path
    size: int
    channels: int
    ids: NDArray[np.str_]
    settings: ImagesSettings
    flags: NDArray[np.uint32]
    sizes: NDArray[np.int32]
    _shards: Shards = field(repr=False)
    _starts: NDArray[np.int64] = field(repr=False)
    _found: NDArray[np.int64] = field(repr=False)
    _reading: Lock = field(default_factory=Lock, repr=False)
    _maps: dict[int, NDArray[np.uint8]] = field(default_factory=dict, repr=False)

    @classmethod
    def open(cls, folder: Path, ids: Any) -> Self:
        """Open a store for some objects.

        Parameters
        ----------
        folder
            A finished store.
        ids
            The objects that rows are counted by, shape (object,).

        Raises
        ------
        ImageError
            Where there is no finished store, it is damaged, or objects are not in it.
        """
        folder = Path(folder)
        there = (folder / "manifest.json").exists()
        reading = lock_shared(folder / READERS) if there else Lock()
        shards = Shards.found(folder)  # what the manifest names from now on stays
        if shards.form is None or not shards.finished:
            raise ImageError(f"{folder}: there is no finished image store; build it first")
        ids = np.asarray(ids, dtype=str)
        rows = shards.read_rows(["id", "flags", "height", "width", "bands"])
        found = latest(pa.array(ids, pa.string()), rows["id"])
        if (found < 0).any():
            absent = ids[found < 0]
            raise ImageError(
                f"{folder}: {len(absent)} objects are not in the image store, first "
                f"{', '.join(map(repr, absent[:3].tolist()))}; build it for them"
            )
        taken = {name: rows[name].to_numpy()[found] for name in rows.column_names[1:]}
        return cls(
            folder=folder,
            size=shards.form.size,
            channels=shards.form.channels,
            ids=ids,
            settings=ImagesSettings.model_validate(shards.form.settings),
            flags=taken["flags"],
            sizes=np.stack([taken["height"], taken["width"], taken["bands"]], axis=-1),
            _shards=shards,
            _starts=shards.starts(),
            _found=found,
            _reading=reading,
        )

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Which images may be trained on and predicted from, shape (object,)."""
        usable: NDArray[np.bool_] = np.equal(self.flags & int(UNUSABLE_IMAGE), 0)
        return usable

    def gather(self, rows: NDArray[np.integer]) -> NDArray[np.uint8]:
        """Read images.

        Parameters
        ----------
        rows
            Rows of the order in which the store was opened, any order, shape (image,).

        Returns
        -------
        ndarray
            Grey levels, shape (image, row, column, channel); zeros where unusable.
        """
        found = self._found[np.asarray(rows)]
        places = np.searchsorted(self._starts, found, side="right") - 1
        images = np.empty((len(found), self.size, self.size, self.channels), np.uint8)
        within = found - self._starts[places]
        if len(found) and (places == places[0]).all():
            shard = self._map(self._shards.numbers[places[0]])
            return shard.take(within, axis=0, out=images, mode="clip")  # others copy twice
        for image, place, row in zip(images, places.tolist(), within.tolist(), strict=True):
            image[...] = self._map(self._shards.numbers[place])[row]
        return images

    def only(self, rows: NDArray[np.integer]) -> ImageStore:
        """Give the store of some objects alone, which is light enough to travel.

        Parameters
        ----------
        rows
            Rows of the order in which the store was opened; they become 0, 1, 2, …
        """
        return replace(
            self,
            ids=self.ids[rows],
            flags=self.flags[rows],
            sizes=self.sizes[rows],
            _found=self._found[rows],
            _maps={},
        )

    def _map(self, number: int) -> NDArray[np.uint8]:
        """Map a shard into memory, once."""
        if number not in self._maps:
            path = self._shards.pixels_path(number)
            try:
                self._maps[number] = np.asarray(np.load(path, mmap_mode="r"))
            except (OSError, EOFError, ValueError) as error:
                raise unreadable(path, error) from error
        return self._maps[number]

    def column(self, name: str, rows: NDArray[np.integer] | None = None) -> pa.ChunkedArray:
        """Read what else is known of the images.

        Parameters
        ----------
        name
            ``"reference"`` (where an image came from), ``"mode"`` (what its file held),
            ``"reason"`` (what stands against it, or empty), ``"checksum"``, ``"stamp"``.
        rows
            Rows of the order in which the store was opened; by default all.
        """
        found = self._found if rows is None else self._found[rows]
        return self._shards.read_rows([name])[name].take(pa.array(found))

    @cached_property
    def fingerprint(self) -> str:
        """Hash of every image and why it is unusable, which changes when one of them does.

        Other flags change nothing that is learned.
        """
        checksums = self.column("checksum").to_numpy()
        unusable = self.flags & np.uint32(UNUSABLE_IMAGE)
        return fingerprint(self.size, self.channels, checksums.tobytes(), unusable.tobytes())

    def verify(self) -> None:
        """Compare every image with the checksum that it was written with.

        Raises
        ------
        ImageError
            How many images differ, and the first three.
        """
        expected = self.column("checksum").to_pylist()
        changed = [
            str(self.ids[row])
            for start in range(0, len(self), 1024)
            for row, image in enumerate(self.gather(np.arange(len(self))[start:][:1024]), start)
            if zlib.crc32(image.tobytes()) != expected[row]
        ]
        if changed:
            raise ImageError(
                f"{self.folder}: {len(changed)} images differ from what was written, first "
                f"{', '.join(map(repr, changed[:3]))}; delete the folder and they are decoded again"
            )
