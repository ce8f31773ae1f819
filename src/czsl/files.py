"""Files that are whole or not there: written under another name, synced, renamed."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import tarfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from czsl.errors import writing


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary name to write to; at the end it takes the place of ``path``.

    Whatever goes wrong, what stood at ``path`` before is intact and the temporary file
    is gone (after a kill it may be left, and is never read).

    Parameters
    ----------
    path
        The file to make; its folder is made where it is missing.

    Raises
    ------
    WriteError
        Where the system refuses: names the path and the reason.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.txt"
    >>> with replacing(path) as temporary:
    ...     _ = temporary.write_text("whole")
    >>> path.read_text()
    'whole'
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            sync(temporary)
            temporary.replace(path)
            sync(path.parent)
    finally:
        if temporary.exists():
            temporary.unlink()


def sync(path: Path) -> None:
    """Wait until a file's content, or a folder's names, have reached the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all.

    Raises
    ------
    WriteError
        Where the file cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file whole or not at all; numbers that are not finite are refused.

    Raises
    ------
    WriteError
        Where the file cannot be written.
    ValueError
        Where a number is NaN or infinite, which JSON cannot say.
    """
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write a table with a header whole or not at all; None is written as nothing.

    Raises
    ------
    WriteError
        Where the file cannot be written.
    """
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def is_zip(path: Path) -> bool:
    """Tell whether a file is a zip archive, which is known by its end.

    The end of a tar archive may be that of a zip archive in it: where a file begins as a tar
    archive, plain or compressed, it is one.

    Raises
    ------
    OSError
        Where it cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with zipfile.ZipFile(folder / "a.zip", "w") as inner:
    ...     inner.writestr("a.txt", "text")
    >>> with tarfile.open(folder / "a.tar", "w") as outer:
    ...     outer.add(folder / "a.zip", "a.zip")
    >>> is_zip(folder / "a.zip"), is_zip(folder / "a.tar")
    (True, False)
    """
    with path.open("rb") as file:
        start = file.read(tarfile.BLOCKSIZE)
    if start.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00")):
        return False
    try:
        tarfile.TarInfo.frombuf(start, tarfile.ENCODING, "surrogateescape")
    except tarfile.HeaderError:
        return zipfile.is_zipfile(path)
    return False


def fingerprint(*parts: object) -> str:
    """Hash what a result depends on: 64 bits of SHA-256, in hexadecimal.

    Parameters
    ----------
    parts
        Bytes, or anything that JSON can say.

    Examples
    --------
    >>> fingerprint("a", 1) == fingerprint("a", 1), fingerprint("a", 1) == fingerprint("a", 2)
    (True, False)
    """
    digest = hashlib.sha256()
    for part in parts:
        content = part if isinstance(part, bytes) else json.dumps(part, sort_keys=True).encode()
        digest.update(len(content).to_bytes(8, "little") + content)
    return digest.hexdigest()[:16]
