"""Images that are members of a zip or tar archive."""

from __future__ import annotations

import bz2
import gzip
import lzma
import posixpath
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from czsl.errors import ImageError, writing
from czsl.files import fingerprint, is_zip, replacing
from czsl.flags import Flag
from czsl.images.adapter import MAX_BYTES, Opened, Place, parse
from czsl.images.folder import Listing, too_many_bytes
from czsl.images.places import Places
from czsl.images.unusable import UnusableImageError
from czsl.locks import locked_in_turn

_DAMAGED = (
    OSError,
    EOFError,
    RuntimeError,  # a password is needed; a version or a packing that zipfile does not know
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
)
"""What the libraries raise where an archive, or a member of it, is damaged."""


class Archive(Protocol):
    """An open archive."""

    @property
    def stamps(self) -> Mapping[str, str]:
        """For each member that is a file, text that changes with its content."""
        ...

    def read(self, member: str) -> bytes:
        """Give a member's bytes."""
        ...


class ArchiveSource:
    """Members of zip and tar archives.

    A member is named ``archive/path/inside``. An archive named alone holds a file for each
    object, named by its id. A zip archive, and a tar archive that is not compressed, are
    read where they are. A compressed tar archive cannot be read at random: it is unpacked
    once, to one tar file in ``.czsl`` beside the configuration, which may be deleted.

    Parameters
    ----------
    places
        Where archives may lie.
    """

    def __init__(self, places: Places) -> None:
        self.places = places
        self._open: Opened[Archive] = Opened()
        self._listed: Opened[Listing] = Opened()

    def complete(
        self, reference: str, ids: Sequence[str], rows: NDArray[np.int64] | None
    ) -> list[str]:
        """Name a member for each object, where the reference is an archive."""
        place = _place(reference)
        if place.inside:
            return [reference] * len(ids)
        if place.file not in self._listed:
            self._listed[place.file] = Listing(self._archive(place.file).stamps, place.file)
        return self._listed[place.file].find(ids)

    def outside(self, reference: str) -> str | None:
        """Name the folder that would have to be allowed first; empty where none helps."""
        place = _place(reference)
        return "" if _leaves(place.inside) else self.places.outside(place.file)

    def stamp(self, reference: str) -> str:
        """Give a member's checksum (zip) or time of change (tar), and its size."""
        place = _place(reference)
        return self._archive(place.file).stamps.get(posixpath.normpath(place.inside), "")

    def read(self, reference: str) -> bytes:
        """Give a member's bytes."""
        place = _place(reference)
        archive, member = self._archive(place.file), posixpath.normpath(place.inside)
        if member not in archive.stamps:
            reason = f"no such member of {place.file}"
            raise UnusableImageError(Flag.IMAGE_MISSING, reason)
        try:
            return archive.read(member)
        except _DAMAGED as error:
            reason = f"cannot be read from {place.file}: {error}"
            raise UnusableImageError(Flag.IMAGE_UNREADABLE, reason) from error

    def _archive(self, file: str) -> Archive:
        """Open an archive, once in each process.

        Raises
        ------
        ImageError
            Where it is missing or not an archive.
        """
        if file not in self._open:
            path = Path(self.places.path(file))
            try:
                zipped = is_zip(path)
                self._open[file] = _Zip(path) if zipped else _Tar(self._readable(path))
            except (*_DAMAGED, tarfile.TarError) as error:
                raise ImageError(
                    f"{path}: cannot be opened as an archive ({error}); zip and tar archives, "
                    "also with gz, bz2 or xz, can be read"
                ) from error
        return self._open[file]

    def _readable(self, path: Path) -> Path:
        """Give a tar archive that can be read at random: unpack one that is compressed.

        Raises
        ------
        ImageError
            Where it is damaged.
        WriteError
            Where there is no space to unpack it.
        """
        with path.open("rb") as file:
            start = file.read(6)
        opener = next((opener for magic, opener in _COMPRESSED if start.startswith(magic)), None)
        if opener is None:
            return path
        status = path.stat()
        name = f"unpacked-{fingerprint(str(path.resolve()))}"
        stamp = fingerprint(status.st_mtime_ns, status.st_size)
        target = self.places.folder / ".czsl" / f"{name}-{stamp}.tar"
        if not target.exists():
            with writing(target):
                target.parent.mkdir(parents=True, exist_ok=True)
            # All processes that decode come here at once: one unpacks, the others wait for it.
            with locked_in_turn(target.with_name(f"{name}.lock")):
                _unpack(path, opener, target)
                for old in target.parent.glob(f"{name}-*.tar"):
                    if old != target:
                        old.unlink(missing_ok=True)
        return target


class _Zip:
    """An open zip archive."""

    def __init__(self, path: Path) -> None:
        self._archive = zipfile.ZipFile(path)
        self._members = {
            posixpath.normpath(one.filename): one
            for one in self._archive.infolist()
            if one.filename and not one.is_dir()  # a damaged list may hold a name of nothing
        }
        self.stamps = {
            name: f"{one.CRC:08x}-{one.file_size}" for name, one in self._members.items()
        }

    def read(self, member: str) -> bytes:
        """Give a member's bytes; its checksum is compared."""
        one = self._members[member]
        if one.file_size > MAX_BYTES:
            raise too_many_bytes(one.file_size)
        return self._archive.read(one)


class _Tar:
    """A tar archive that is not compressed: where each member's bytes are."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._spans: dict[str, tuple[int, int]] = {}
        self.stamps: dict[str, str] = {}
        with tarfile.open(path, "r:") as archive:
            for one in archive:
                name, first = posixpath.normpath(one.name), posixpath.normpath(one.linkname)
                if one.isreg() and not one.issparse():
                    self._spans[name] = one.offset_data, one.size
                    self.stamps[name] = f"{one.mtime}-{one.size}"
                elif one.islnk() and first in self._spans:  # a second name of the same file
                    self._spans[name] = self._spans[first]
                    self.stamps[name] = self.stamps[first]

    def read(self, member: str) -> bytes:
        """Give a member's bytes."""
        offset, size = self._spans[member]
        if size > MAX_BYTES:
            raise too_many_bytes(size)
        with self._path.open("rb") as file:
            file.seek(offset)
            return file.read(size)


_COMPRESSED: tuple[tuple[bytes, Callable[[Path], Any]], ...] = (
    (b"\x1f\x8b", gzip.GzipFile),
    (b"BZh", bz2.BZ2File),
    (b"\xfd7zXZ\x00", lzma.LZMAFile),
)


def _unpack(path: Path, opener: Callable[[Path], Any], target: Path) -> None:
    """Uncompress a file, unless another process has done so meanwhile."""
    if not target.exists():
        with replacing(target) as temporary, temporary.open("wb") as out:
            for block in _blocks(path, opener):
                out.write(block)


def _blocks(path: Path, opener: Callable[[Path], Any]) -> Iterator[bytes]:
    """Uncompress a file, some megabytes at a time."""
    try:
        with opener(path) as file:
            while block := file.read(2**22):
                yield block
    except _DAMAGED as error:
        raise ImageError(
            f"{path}: is damaged or incomplete ({error}); copy or download it again"
        ) from error


def _place(reference: str) -> Place:
    """Take a reference apart that is known to lead into an archive."""
    place = parse(reference)
    assert place is not None
    return place


def _leaves(member: str) -> bool:
    """Say whether a member's name would lead out of a folder that it is unpacked in."""
    name = posixpath.normpath(member)
    return name.startswith(("/", "../")) or name == ".."
