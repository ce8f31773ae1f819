"""Images that are files in a folder."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from czsl.errors import ImageError
from czsl.flags import Flag
from czsl.images.adapter import BAND, MAX_BYTES, Opened
from czsl.images.places import Places
from czsl.images.unusable import UnusableImageError

ENDINGS = (
    *(".jpg", ".jpeg", ".png", ".tif", ".tiff"),
    *(".fits", ".fit", ".fts", ".fits.gz", ".fits.fz"),
)
"""File names that are taken for images where only a folder or an archive is named."""


class FolderSource:
    """Files, one for each object or one for each of its bands.

    Parameters
    ----------
    places
        Where images may lie.
    """

    def __init__(self, places: Places) -> None:
        self.places = places
        self._listed: Opened[Listing] = Opened()

    def complete(
        self, reference: str, ids: Sequence[str], rows: NDArray[np.int64] | None
    ) -> list[str]:
        """Name a file for each object, where the reference is a folder: id and any ending."""
        if reference not in self._listed:
            path = self.places.path(reference)
            if BAND in reference or not reference or not os.path.isdir(path):
                return [reference] * len(ids)
            self._listed[reference] = Listing(os.listdir(path), reference)
        return self._listed[reference].find(ids)

    def outside(self, reference: str) -> str | None:
        """Name the folder that would have to be allowed first; None where all is well."""
        return self.places.outside(reference)

    def stamp(self, reference: str) -> str:
        """Give the file's time of change (nanoseconds) and its size (bytes)."""
        try:
            status = os.stat(self.places.path(reference))
        except (OSError, ValueError):
            return ""
        return f"{status.st_mtime_ns}-{status.st_size}"

    def read(self, reference: str) -> bytes:
        """Give the file's bytes."""
        try:
            return read_file(self.places.path(reference))
        except (FileNotFoundError, NotADirectoryError, ValueError) as error:
            raise UnusableImageError(Flag.IMAGE_MISSING, "no such file") from error
        except OSError as error:
            reason = f"cannot be read: {error.strerror or error}"
            raise UnusableImageError(Flag.IMAGE_UNREADABLE, reason, again=True) from error


def read_file(path: str) -> bytes:
    """Read a file, if it is one and of a size that an image may have.

    Raises
    ------
    UnusableImageError
        Where it is a folder or a device, or absurdly large.
    """
    status = os.stat(path)  # before opening: a named pipe would wait for ever
    if not stat.S_ISREG(status.st_mode):
        raise UnusableImageError(Flag.IMAGE_UNREADABLE, "is not a file but a folder or a device")
    if status.st_size > MAX_BYTES:
        raise too_many_bytes(status.st_size)
    with open(path, "rb") as file:
        return file.read()


def too_many_bytes(size: int) -> UnusableImageError:
    """Say that a file is too large to be a cutout."""
    reason = f"{size} bytes, of which {MAX_BYTES} at most are read"
    return UnusableImageError(Flag.IMAGE_TOO_LARGE, reason)


class Listing:
    """The images of a folder or an archive, by the ids that they are named by.

    Parameters
    ----------
    names
        What the folder or archive holds, paths inside it.
    container
        The folder or archive, as references name it.

    Examples
    --------
    >>> Listing(["a/7.jpg", "notes.txt"], "cutouts.zip").find(["7", "8"])
    ['cutouts.zip/a/7.jpg', '']
    """

    def __init__(self, names: Iterable[str], container: str) -> None:
        self._container = container
        self._names: dict[str, str] = {}
        self._several: dict[str, list[str]] = {}
        for name in names:
            lower = name.lower()
            for ending in ENDINGS:
                if lower.endswith(ending):
                    one = os.path.basename(name)[: -len(ending)]
                    if one in self._names:
                        self._several.setdefault(one, [self._names[one]]).append(name)
                    else:
                        self._names[one] = name

    def find(self, ids: Sequence[str]) -> list[str]:
        """Name the image of each object, ``container/name``, or empty.

        Raises
        ------
        ImageError
            Where several images have an object's name.
        """
        base = self._container.rstrip("/")
        twice = [self._several[one] for one in ids if one in self._several]
        if twice:
            raise ImageError(
                f"{self._container}: several images for one object, first {sorted(twice[0])}, and "
                f"{len(twice) - 1} objects more; write a pattern that tells them apart, as "
                f'images = "{base}/{{id}}.jpg"'
            )
        return [f"{base}/{self._names[one]}" if one in self._names else "" for one in ids]
