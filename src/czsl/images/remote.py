"""Images that are files on a server."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from czsl.flags import Flag
from czsl.images.adapter import BAND, MAX_BYTES, Opened
from czsl.images.folder import ENDINGS, Listing, too_many_bytes
from czsl.images.places import Places
from czsl.images.unusable import UnusableImageError
from czsl.remote import file_system, is_folder, list_files, read_bytes, stamp_and_size

AT_ONCE = 64
"""Files that are asked for at the same time: an answer takes long, whatever is asked."""


@dataclass
class Known:
    """What a server has told of an image.

    Parameters
    ----------
    stamp
        Its stamp; empty where there is none.
    content
        Its bytes, or what stands against it; None where it was not read.
    """

    stamp: str
    content: bytes | UnusableImageError | None = None


class RemoteSource:
    """Files of a server, named by their addresses, one for each object or each band.

    Parameters
    ----------
    places
        Where images may lie.
    """

    def __init__(self, places: Places) -> None:
        self.places = places
        self._known: Opened[Known] = Opened()
        self._listed: Opened[Listing] = Opened()

    def complete(
        self, reference: str, ids: Sequence[str], rows: NDArray[np.int64] | None
    ) -> list[str]:
        """Name a file for each object, where the reference is a folder: id and any ending.

        Raises
        ------
        ImageError
            Where several images have an object's name.
        ServerError
            Where the server fails.
        """
        if reference not in self._listed:
            named = BAND in reference or reference.lower().endswith(ENDINGS)
            if named or not is_folder(reference):
                return [reference] * len(ids)
            names = [name.rpartition("/")[2] for name in list_files(reference)]
            self._listed[reference] = Listing(names, reference)
        return self._listed[reference].find(ids)

    def outside(self, reference: str) -> str | None:
        """Name the folder that would have to be allowed first; None where all is well."""
        return self.places.outside(reference)

    def ahead(self, references: Sequence[str], *, content: bool) -> None:
        """See :meth:`~czsl.images.source.ImageSource.ahead`.

        Raises
        ------
        ServerError
            Where the server fails.
        """
        self._known.clear()
        for reference in references:
            file_system(reference)  # in one thread, which all others share it with
        threads = ThreadPoolExecutor(AT_ONCE)
        try:
            found = threads.map(_read if content else _look, references)
            self._known.update(zip(references, found, strict=True))
        finally:
            threads.shutdown(cancel_futures=True)

    def stamp(self, reference: str) -> str:
        """Give the server's tag of the content, or the time of change, and the size."""
        known = self._known.get(reference)
        return (known or _look(reference)).stamp

    def read(self, reference: str) -> bytes:
        """Give the file's bytes."""
        known = self._known.pop(reference, None)
        if known is None or known.content is None:
            known = _read(reference)
        if isinstance(known.content, UnusableImageError):
            raise known.content
        assert known.content is not None
        return known.content


def _look(reference: str) -> Known:
    """Ask for an image's stamp."""
    try:
        stamp, _ = stamp_and_size(reference)
    except OSError:
        return Known("")
    return Known(stamp)


def _read(reference: str) -> Known:
    """Ask for an image's stamp, then for its bytes."""
    try:
        stamp, size = stamp_and_size(reference)
        if size is not None and size > MAX_BYTES:
            return Known(stamp, too_many_bytes(size))
        return Known(stamp, read_bytes(reference))
    except (FileNotFoundError, NotADirectoryError):
        return Known("", UnusableImageError(Flag.IMAGE_MISSING, "no such file"))
    except IsADirectoryError:
        reason = "is not a file but a folder"
        return Known("", UnusableImageError(Flag.IMAGE_UNREADABLE, reason))
