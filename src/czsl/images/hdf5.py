"""Images that are rows of an HDF5 data set."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from czsl.errors import ImageError, require_extra
from czsl.flags import Flag
from czsl.images.adapter import MAX_BYTES, Opened, Place, TableOrder, parse, rows_by_id
from czsl.images.places import Places
from czsl.images.unusable import UnusableImageError

CACHE = 2**26
"""Bytes of unpacked chunks that are kept: rows beside each other share a chunk."""


class Hdf5Source:
    """Rows of a data set of shape (object, row, column) or (object, row, column, band).

    The file is named alone, and the data set is ``images``; or ``file.h5/path/to/set``. A
    data set ``ids`` beside it holds the objects' ids. Without it, images are taken to be
    as many as the catalogue's table has rows, in its order. A row is named
    ``file.h5/path/to/set[17]``, counted from 0.

    Parameters
    ----------
    places
        Where files may lie.
    table
        Path or address of the catalogue's table.
    """

    def __init__(self, places: Places, *, table: Path | str | None) -> None:
        self.places = places
        self._order = TableOrder(table)
        self._open: Opened[Any] = Opened()
        self._listed: Opened[dict[str, int]] = Opened()

    def complete(
        self, reference: str, ids: Sequence[str], rows: NDArray[np.int64] | None
    ) -> list[str]:
        """Name a row for each object, where the reference names none."""
        place = _place(reference)
        if place.row is not None:
            return [reference] * len(ids)
        images = self._data_set(place)
        name = f"{place.file}/{place.inside or 'images'}"
        stored = images.parent.get("ids")
        if stored is None:
            missing = "no data set 'ids'"
            found = self._order.find(rows, len(images), reference, missing)
        elif len(stored) != len(images):
            raise ImageError(
                f"{reference}: has {len(images)} images and {len(stored)} ids; they belong "
                "together row by row"
            )
        else:
            if name not in self._listed:
                self._listed[name] = rows_by_id(map(_text, stored[:].tolist()), reference)
            listed = self._listed[name]
            found = [listed.get(one) for one in ids]
        return ["" if row is None else f"{name}[{row}]" for row in found]

    def outside(self, reference: str) -> str | None:
        """Name the folder that would have to be allowed first; None where all is well."""
        return self.places.outside(_place(reference).file)

    def stamp(self, reference: str) -> str:
        """Give the file's time of change (nanoseconds) and size (bytes), and the row."""
        place = _place(reference)
        if place.row is None or place.row >= len(self._data_set(place)):
            return ""
        status = os.stat(self.places.path(place.file))
        return f"{status.st_mtime_ns}-{status.st_size}-{place.row}"

    def read(self, reference: str) -> NDArray[Any]:
        """Give an image's pixels."""
        place = _place(reference)
        images = self._data_set(place)
        if place.row is None or place.row >= len(images):
            raise UnusableImageError(Flag.IMAGE_MISSING, f"no such row of {place.file}")
        size = int(np.prod(images.shape[1:])) * images.dtype.itemsize
        if size > MAX_BYTES:
            reason = f"{size} bytes, of which {MAX_BYTES} at most are read"
            raise UnusableImageError(Flag.IMAGE_TOO_LARGE, reason)
        try:
            pixels: NDArray[Any] = images[place.row]
        except OSError as error:
            reason = f"cannot be read from {place.file}: {error}"
            raise UnusableImageError(Flag.IMAGE_UNREADABLE, reason) from error
        return pixels

    def _data_set(self, place: Place) -> Any:
        """Open a data set of images, once in each process.

        Raises
        ------
        ImageError
            Where there is none of that name and shape.
        """
        name = place.inside or "images"
        key = f"{place.file}/{name}"
        if key not in self._open:
            h5py = require_extra("h5py", "hdf5")
            path = self.places.path(place.file)
            try:
                file = h5py.File(path, "r", rdcc_nbytes=CACHE)
            except OSError as error:
                raise ImageError(f"{path}: cannot be opened as HDF5 ({error})") from error
            images = file.get(name)
            if not isinstance(images, h5py.Dataset) or images.ndim not in (3, 4):
                found = [
                    f"{one} {item.shape}"
                    for one, item in file.items()
                    if isinstance(item, h5py.Dataset)
                ]
                raise ImageError(
                    f"{path}: has no data set {name!r} of shape (object, row, column, band); "
                    f"there are {', '.join(found) or 'none'}"
                )
            self._open[key] = images
        return self._open[key]


def _place(reference: str) -> Place:
    """Take a reference apart that is known to lead into an HDF5 file."""
    place = parse(reference)
    assert place is not None
    return place


def _text(value: object) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)
