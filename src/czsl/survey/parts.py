"""The parts of a prediction that is under way: whole files beside the output, and a manifest.

A folder ``<out>.parts`` only grows by whole parts::

    manifest.jsonl        what was asked; then a line for each part that is done
    part-000000.parquet   predictions of the table's first rows, with what is still needed of them
    lock                  held by the process that writes

A part is written under a temporary name, synced and renamed; only then comes its line in the
manifest, with its rows and its checksum. Whatever a kill leaves half-written is done again.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from czsl.catalogue.write import write_table
from czsl.errors import RunError, writing
from czsl.files import write_text
from czsl.locks import lock_alone

SCHEMA = 1
"""Version of the format."""

MANIFEST = "manifest.jsonl"
LOCK = "lock"

BATCH = 8_192
"""Rows of parts that are read at once."""


@dataclass(frozen=True, kw_only=True)
class Done:
    """A part that is whole.

    Parameters
    ----------
    part
        Its number, from 0.
    rows
        Its rows.
    checksum
        CRC 32 of its file.
    """

    part: int
    rows: int
    checksum: int


@dataclass
class Parts:
    """The parts of a prediction; see :func:`opened`.

    Parameters
    ----------
    folder
        Where they are.
    part_rows
        Rows of each part but the last.
    done
        The parts that are whole, by their number.
    manifest
        The open manifest.
    rows
        Rows that are done.
    """

    folder: Path
    part_rows: int
    manifest: IO[str]
    done: dict[int, Done] = field(default_factory=dict)
    rows: int = 0

    def path(self, part: int) -> Path:
        """Give the file of a part."""
        return _path(self.folder, part)

    def write(self, part: int, tables: Sequence[pa.Table]) -> int:
        """Write a part, then its line in the manifest; return its rows.

        Raises
        ------
        WriteError
            Where the disk is full or the folder cannot be written.
        """
        rows = write_table(tables, self.path(part))
        done = Done(part=part, rows=rows, checksum=_checksum(self.path(part)))
        with writing(self.folder / MANIFEST):
            self.manifest.write(_line(vars(done)))
            self.manifest.flush()
            os.fsync(self.manifest.fileno())
        self.done[part] = done
        self.rows += rows
        return rows

    def batches(self) -> Iterator[pa.Table]:
        """Read all parts in the order of the table, some rows at a time."""
        for part in sorted(self.done):
            with pq.ParquetFile(self.path(part)) as file:
                if not self.done[part].rows:  # of a table without rows
                    yield file.schema_arrow.empty_table()
                for batch in file.iter_batches(BATCH, use_threads=False):
                    yield pa.Table.from_batches([batch])

    def remove(self) -> None:
        """Delete what is in the folder, which goes when the lock in it is given back."""
        self.manifest.close()
        self.done.clear()
        for path in self.folder.iterdir():
            if path.name != LOCK:
                path.unlink()


def parts_folder(out: Path) -> Path:
    """Give the folder of the parts of a catalogue."""
    return out.with_name(f"{out.name}.parts")


def rows_kept(out: Path) -> int:
    """Count the rows that the parts of a catalogue hold; 0 where there are no parts.

    Raises
    ------
    RunError
        Where the manifest is none of ours.
    """
    folder = parts_folder(out)
    if not (folder / MANIFEST).exists():
        return 0
    return sum(one.rows for one in _read(folder)[1].values())


@contextmanager
def opened(out: Path, asked: Mapping[str, Any], *, part_rows: int, resume: bool) -> Iterator[Parts]:
    """Open the parts of a catalogue of predictions, to write those that are missing.

    At the end the folder stays where there are parts in it: it is for the caller to remove.

    Parameters
    ----------
    out
        The catalogue.
    asked
        What its rows depend on, by what the user calls it; JSON can say it.
    part_rows
        Rows of a part; where parts are there already, theirs count.
    resume
        Whether to go on with parts that are there.

    Raises
    ------
    RunError
        Where there are parts and ``resume`` is not asked for, or they were made of something
        else, or another process is at them.
    WriteError
        Where the folder cannot be written.
    """
    folder = parts_folder(out)
    if folder.exists() and not folder.is_dir():
        raise RunError(f"{folder}: is in the way of this prediction's parts; rename or delete it")
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        done: dict[int, Done] = {}
        if (folder / MANIFEST).exists():
            if not resume:
                raise RunError(
                    f"{folder}: holds {rows_kept(out):,} rows of a prediction that was stopped; go "
                    "on with --resume (from Python: resume=True), or delete that folder to begin "
                    "anew"
                )
            begun, done = _read(folder)
            _compare(folder, begun["asked"], json.loads(json.dumps(asked)))
            part_rows = begun["part_rows"]
            done = {part: one for part, one in done.items() if _is_whole(folder, one)}
        first = {"schema": SCHEMA, "part_rows": part_rows, "asked": dict(asked)}
        lines = [_line(first), *(_line(vars(one)) for one in done.values())]
        write_text(folder / MANIFEST, "".join(lines))
        _sweep(folder, done)
        with (folder / MANIFEST).open("a", encoding="utf-8") as manifest:
            rows = sum(one.rows for one in done.values())
            parts = Parts(folder, part_rows, manifest, done, rows)
            try:
                yield parts
            finally:
                if folder.exists() and not parts.done:
                    parts.remove()


def _path(folder: Path, part: int) -> Path:
    return folder / f"part-{part:06d}.parquet"


def _line(content: Mapping[str, Any]) -> str:
    return json.dumps(content) + "\n"


def _read(folder: Path) -> tuple[dict[str, Any], dict[int, Done]]:
    """Read a manifest: what was asked, and the parts that are done."""
    path = folder / MANIFEST
    try:
        first, *lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        begun = json.loads(first)
        if begun["schema"] != SCHEMA:
            raise ValueError(f"it is of version {begun['schema']}, this program knows {SCHEMA}")
        # A line without its end is one that a kill cut short.
        whole = [json.loads(line) for line in lines if line.endswith("\n")]
        return begun, {one["part"]: Done(**one) for one in whole}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"{path}: is not the manifest of a prediction's parts ({error}); delete the folder "
            f"{folder} to begin anew"
        ) from error


def _compare(folder: Path, begun: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    """Refuse to go on with parts that were made of something else."""
    differing = [
        f"{name} was {_said(begun.get(name))}, now {_said(asked.get(name))}"
        for name in dict.fromkeys([*begun, *asked])
        if begun.get(name) != asked.get(name)
    ]
    if differing:
        raise RunError(
            f"{folder}: these parts are of another prediction: {'; '.join(differing)}; ask for the "
            "same as then, or delete that folder to begin anew"
        )


def _said(value: Any) -> str:
    return "not given" if value is None else str(value)


def _is_whole(folder: Path, done: Done) -> bool:
    path = _path(folder, done.part)
    return path.exists() and _checksum(path) == done.checksum


def _checksum(path: Path) -> int:
    """Give a file's CRC 32."""
    found = 0
    with path.open("rb") as file:
        while block := file.read(2**20):
            found = zlib.crc32(block, found)
    return found


def _sweep(folder: Path, done: Mapping[int, Done]) -> None:
    """Delete what a kill left."""
    kept = {_path(folder, part) for part in done}
    for path in folder.iterdir():
        if path.name.endswith(".part") or (path.name.startswith("part-") and path not in kept):
            path.unlink()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other processes from the same parts; a kill ends it too."""
    lock = lock_alone(folder / LOCK)
    if lock is None:
        raise RunError(
            f"{folder}: another process is predicting into it; wait until it has ended, or "
            "choose another --out"
        )
    try:
        yield
    finally:
        lock.release()
        # Only now: NFS keeps a file that is still open in its folder, under another name.
        if not (folder / MANIFEST).exists():
            with suppress(OSError):  # another process may be at it already
                (folder / LOCK).unlink()
                folder.rmdir()
