"""Files on servers: addresses such as ``s3://survey/galaxies.parquet``, read through fsspec.

An address begins with a protocol that fsspec knows and ``://``. Credentials are never part of
it: each protocol's client takes them from its own places (environment, configuration files).
"""

from __future__ import annotations

import gzip
import io
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

from czsl.errors import ArgumentError, ConfigError, MissingExtraError, ServerError, require_extra

Value = TypeVar("Value")

ATTEMPTS = 5
"""How often a server that fails is asked."""

WAIT = 0.5
"""Seconds before it is asked a second time; each further wait is twice as long."""

BUFFER = 2**22
"""Bytes of a file that are asked for at once."""

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_SECRET = re.compile(r"key|token|secret|password|credential|signature|^sig$", re.IGNORECASE)

_FINAL = (
    FileNotFoundError,
    IsADirectoryError,
    NotADirectoryError,
    ImportError,
    NotImplementedError,
    TypeError,
    ValueError,
)
"""What asking again does not change."""

_GONE = (404, 410)
_REFUSED = (401, 403)
"""HTTP's status of a file that is not there, and of one that may not be read."""


def is_address(place: str | Path) -> bool:
    """Tell an address from a path.

    Examples
    --------
    >>> is_address("s3://survey/galaxies.csv"), is_address("images/1.jpg")
    (True, False)
    """
    return isinstance(place, str) and _ADDRESS.match(place) is not None


def refuse_address(place: str | Path) -> None:
    """Refuse an address where a file of this machine is written.

    Raises
    ------
    ArgumentError
        Where it is one.

    Examples
    --------
    >>> refuse_address("predictions.parquet")
    """
    if is_address(place):
        raise ArgumentError(
            f"{place}: is an address, and files are written on this machine; name a file here, and "
            "copy it there afterwards"
        )


def located(folder: Path, name: str) -> Path | str:
    """Give the path of a file that is named relative to a folder; an address as it is.

    Examples
    --------
    >>> located(Path("survey"), "a.csv"), located(Path("survey"), "s3://survey/a.csv")
    (PosixPath('survey/a.csv'), 's3://survey/a.csv')
    """
    return name if is_address(name) else folder / name


def absolute(place: str | Path) -> str:
    """Spell a path from the root of the file system; an address as it is."""
    return str(place) if is_address(place) else str(Path(place).resolve())


def beside(place: str | Path) -> Path:
    """Give the folder that a file lies in; for an address the working folder."""
    return Path() if is_address(place) else Path(place).parent


def host(address: str) -> str:
    """Give protocol and server of an address, ``s3://bucket``; empty where it names no server.

    Examples
    --------
    >>> host("https://archive.org/a/b.csv"), host("s3://"), host("file:///data/a.csv")
    ('https://archive.org', '', 'file://')
    """
    parts = urlsplit(address)
    local = parts.scheme in ("file", "local", "memory")
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc or local else ""


def address_slips(place: str) -> list[str]:
    """List what is wrong with an address, without repeating a secret that it may hold.

    Examples
    --------
    >>> address_slips("s3://survey/a.csv"), address_slips("https://me:pass@archive.org/a.csv")[0][:32]
    ([], 'holds a user name or a password;')
    """
    if "://" not in place:
        return []
    if not is_address(place) or "::" in place:
        return [
            "is no plain address; one begins with its protocol, as 's3://survey/galaxies.csv', "
            "and is not chained by '::'"
        ]
    parts = urlsplit(place)
    remedy = "credentials belong into the places where the protocol's own client looks for them"
    if "@" in parts.netloc:
        return [f"holds a user name or a password; {remedy}"]
    secret = [name for name, _ in parse_qsl(parts.query) if _SECRET.search(name)]
    return [f"holds what looks like a credential, {secret[0]!r}; {remedy}"] if secret else []


def leaves(address: str) -> bool:
    """Tell whether an address steps up, by ``..`` or an escaped one, or chains to another.

    Examples
    --------
    >>> leaves("s3://survey/images/1.jpg"), leaves("https://a.org/x/%2e%2e/secret.jpg")
    (False, True)
    """
    plain = unquote(unquote(address)).replace("\\", "/")
    return ".." in re.split(r"[/?#]", plain) or "::" in plain


def persist(name: str, work: Callable[[], Value]) -> Value:
    """Do what asks a server for a file; where it fails, again after a while.

    Parameters
    ----------
    name
        The file's address, for errors.
    work
        Asks.

    Raises
    ------
    ServerError
        Where the server still fails at the fifth attempt, or refuses.
    OSError
        Where there is no such file, or it is a folder.

    Examples
    --------
    >>> persist("memory://a", lambda: 7)
    7
    """
    for attempt in range(ATTEMPTS):
        try:
            return work()
        except Exception as error:  # each protocol's client has errors of its own
            failure = _failure(name, error)
            if isinstance(failure, PermissionError) or getattr(failure, "status", 0) in _REFUSED:
                raise ServerError(
                    f"{name}: access is refused ({_told(failure)}); give the protocol's client "
                    "credentials that may read it, then run the same command again"
                ) from error
            if isinstance(failure, _FINAL):
                raise
            if attempt + 1 == ATTEMPTS:
                raise ServerError(
                    f"{name}: the server failed {ATTEMPTS} times, last with {_told(failure)}; see "
                    "to the network and to the credentials, then run the same command again: "
                    "finished work is kept"
                ) from error
        time.sleep(WAIT * 2**attempt)
    raise AssertionError("unreachable")


def _failure(name: str, error: Exception) -> Exception:
    """Give what went wrong: fsspec's client of HTTP says of any failure that there is no file."""
    cause = error.__cause__
    hides = isinstance(error, FileNotFoundError) and name.lower().startswith(("http:", "https:"))
    if hides and isinstance(cause, Exception) and getattr(cause, "status", 0) not in _GONE:
        return cause
    return error


def _told(error: Exception) -> str:
    """Say an error of a client in one line."""
    line = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {line}" if line else type(error).__name__


def file_system(address: str) -> tuple[Any, str]:
    """Give fsspec's file system of an address, one for each server, and the path in it.

    Raises
    ------
    MissingExtraError
        Where fsspec, or the client of the protocol, is not installed.
    ConfigError
        Where the address holds a credential.
    ArgumentError
        Where fsspec does not know the protocol.
    """
    if found := address_slips(address):
        raise ConfigError(f"an address {found[0]}")
    system = _connect(host(address))
    return system, system._strip_protocol(address)


@cache
def _connect(server: str) -> Any:
    """Open the file system of a server, which every thread of the process then uses."""
    require_extra("fsspec", "remote")
    from fsspec.core import url_to_fs

    try:
        system, _ = url_to_fs(f"{server}/")
    except ImportError as error:
        raise MissingExtraError(
            f"{server} is read by a package that is not installed ({_told(error)})"
        ) from error
    except ValueError as error:
        raise ArgumentError(
            f"{server}: has a protocol that fsspec does not know ({_told(error)}); "
            "correct the address"
        ) from error
    return system


def read_bytes(address: str) -> bytes:
    """Read a file whole.

    Raises
    ------
    ServerError, OSError
        As in :func:`persist`.
    """
    system, path = file_system(address)
    return bytes(persist(address, lambda: system.cat_file(path)))


def stamp_and_size(address: str) -> tuple[str, int | None]:
    """Give text that changes when a file changes, and its bytes, None where not told.

    The text is the server's tag of the content, or the time of change, and the size.

    Raises
    ------
    ServerError, OSError
        As in :func:`persist`.
    """
    system, path = file_system(address)
    found = persist(address, lambda: system.info(path))
    if found.get("type") == "directory":
        raise IsADirectoryError(path)
    known = {name.lower().replace("_", "").replace("-", ""): found[name] for name in found}
    tags = ("etag", "contentmd5", "md5hash", "mtime", "lastmodified", "updated", "created")
    changed = next((str(known[tag]) for tag in tags if known.get(tag)), "")
    size = known.get("size")
    return f"{changed.strip(chr(34))}-{size}", size


def is_folder(address: str) -> bool:
    """Tell whether an address names a folder.

    Raises
    ------
    ServerError
        As in :func:`persist`.
    """
    system, path = file_system(address)
    return bool(persist(address, lambda: system.isdir(path)))


def list_files(address: str) -> list[str]:
    """List the files of a folder, as addresses.

    Raises
    ------
    ServerError, OSError
        As in :func:`persist`.
    """
    system, path = file_system(address)
    system.invalidate_cache()
    found = persist(address, lambda: system.ls(path, detail=False))
    base = address.rstrip("/")
    return [f"{base}/{name.rstrip('/').rpartition('/')[2]}" for name in found]


def open_file(place: str | Path) -> str | BinaryIO:
    """Give the path of a file, or what reads the file of an address, unpacked if it is ``.gz``.

    What reads an address may be sought in, holds some megabytes, and asks again where the
    server fails. A server that gives no parts of files is read into a temporary file.

    Parameters
    ----------
    place
        Path or address.

    Raises
    ------
    ServerError, OSError
        As in :func:`persist`.
    """
    if not is_address(place):
        return str(place)
    file: Any = io.BufferedReader(_Asking(str(place)), BUFFER)
    if plain(place).lower().endswith(".gz"):
        file = gzip.GzipFile(fileobj=file)
    found: BinaryIO = file
    return found


@contextmanager
def opened(place: str | Path) -> Iterator[str | BinaryIO]:
    """Open a file as :func:`open_file` does, and close it at the end."""
    file = open_file(place)
    try:
        yield file
    finally:
        if not isinstance(file, str):
            file.close()


def plain(place: str | Path) -> str:
    """Give an address without what stands behind ``?``; a path as it is.

    Examples
    --------
    >>> plain("https://zenodo.org/a.csv?download=1")
    'https://zenodo.org/a.csv'
    """
    return str(place).partition("?")[0] if is_address(place) else str(place)


class _Asking(io.RawIOBase):
    """A file of an address that is asked for again, from where it was, where the server fails.

    Parameters
    ----------
    address
        Of the file.
    """

    def __init__(self, address: str) -> None:
        super().__init__()
        self._address = address
        self._system, self._path = file_system(address)
        self._place = 0
        self._file: Any = None
        self._again(self._seekable)

    def _again(self, work: Callable[[], Value]) -> Value:
        """Do it with the open file, which is opened anew where that fails."""

        def attempt() -> Value:
            if self._file is None:
                self._file = self._system.open(self._path, "rb")
            try:
                return work()
            except Exception:
                self._file = None
                raise

        return persist(self._address, attempt)

    def _seekable(self) -> None:
        """Read the file of a server that gives no parts of it into a temporary one."""
        if not self._file.seekable():
            whole = tempfile.TemporaryFile()  # noqa: SIM115 (closed with this file)
            shutil.copyfileobj(self._file, whole)
            self._file.close()
            self._file = whole

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_END:
            self._place = self._again(lambda: int(self._file.seek(0, io.SEEK_END))) + offset
        else:
            self._place = offset + (self._place if whence == io.SEEK_CUR else 0)
        return self._place

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)

        def read() -> bytes:
            self._seekable()  # once more, where it was opened anew
            self._file.seek(self._place)
            return bytes(self._file.read(len(view)))

        found = self._again(read)
        view[: len(found)] = found
        self._place += len(found)
        return len(found)

    def close(self) -> None:
        if not self.closed and self._file is not None:
            self._file.close()
        super().close()


def fixed_root(pattern: str) -> str:
    """Give the folder that every address of a pattern lies in; empty where it names no server.

    Examples
    --------
    >>> fixed_root("s3://survey/images/{field}/{id}.jpg"), fixed_root("{url}")
    ('s3://survey/images/', '')
    >>> fixed_root("https://{server}/1.jpg")
    ''
    """
    if not is_address(pattern):
        return ""
    root = pattern.partition("{")[0].partition("?")[0].rpartition("/")[0] + "/"
    return root if root.partition("://")[2].strip("/") else ""


def within(address: str, roots: Sequence[str]) -> bool:
    """Tell whether an address lies in one of several folders of servers.

    Examples
    --------
    >>> within("s3://survey/a/1.jpg", ["s3://survey/a"]), within("s3://survey/ab", ["s3://survey/a"])
    (True, False)
    """
    return any(address.startswith(root.rstrip("/") + "/") for root in roots)
