"""The image store on disk: shards of pixels, a list of rows beside each, a manifest.

A store is a folder that only grows by whole shards::

    manifest.json          which shards count, and what the images were prepared with
    shard-00000.npy        pixels, uint8, shape (row, size, size, channel)
    shard-00000.parquet    for each row: id, reference, stamp, checksum, flags, …
    lock                   held by the process that writes
    readers                held, together, by the processes that read

Each file is written under a temporary name, synced and renamed: first the pixels, then
the list of rows, and at the very end the manifest. A shard counts as finished when its
list of rows is there, so that a build that was killed goes on after its last finished
shard. An image that changed is written again to a later shard; the last row of an id
counts, and a shard of which no row counts any more is deleted as soon as nobody reads the
store: who opened it before maps its shards only when they are first needed.
"""

from __future__ import annotations

import errno
import json
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from czsl.errors import ImageError, ServerError
from czsl.files import replacing, write_json
from czsl.images.worker import Batch
from czsl.locks import lock_alone

SCHEMA = 1
"""Version of the format."""

SHARD_ROWS = 65_536
"""Images in a shard: 0.8 GB at 64 pixels and three channels."""

READERS = "readers"
"""The file that is locked by who reads a store."""

ROWS = pa.schema(
    [
        ("id", pa.string()),
        ("reference", pa.string()),
        ("stamp", pa.string()),
        ("checksum", pa.uint32()),
        ("flags", pa.uint32()),
        ("height", pa.int32()),
        ("width", pa.int32()),
        ("bands", pa.int32()),
        ("mode", pa.string()),
        ("reason", pa.string()),
    ]
)


@dataclass(frozen=True, kw_only=True)
class Form:
    """What all images of a store have in common.

    Parameters
    ----------
    size
        Side, pixels.
    channels
        Of an image, 1 to 8.
    fingerprint
        Of the settings, and of the version of this program's preparation.
    settings
        What the images were prepared with: the section ``[images]``.
    """

    size: int
    channels: int
    fingerprint: str
    settings: dict[str, Any]

    @property
    def row_bytes(self) -> int:
        """Bytes of one image."""
        return self.size * self.size * self.channels

    def header(self, rows: int) -> bytes:
        """Write the header of a ``.npy`` file of so many images."""
        buffer = BytesIO()
        shape = (rows, self.size, self.size, self.channels)
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(buffer, header)
        return buffer.getvalue()


@dataclass
class Shards:
    """The shards of a store.

    Parameters
    ----------
    folder
        Where the store is.
    form
        What its images have in common; None while there is no image.
    numbers
        The shards that count, in the order in which they were written.
    following
        The number of the next shard. Numbers are never given twice.
    finished
        Whether the manifest names exactly these shards.
    """

    folder: Path
    form: Form | None = None
    numbers: list[int] = field(default_factory=list)
    following: int = 0
    finished: bool = False

    @classmethod
    def found(cls, folder: Path) -> Shards:
        """See what is in a folder: the manifest's shards, and those finished after it.

        Shards of which a file is missing or of the wrong size do not count: their images
        are decoded again.

        Raises
        ------
        ImageError
            Where the manifest is none of ours, or of a version that we do not know.
        """
        shards = cls(folder)
        if (folder / "manifest.json").exists():
            shards.form, named, shards.following = _read_manifest(folder / "manifest.json")
            shards.numbers = [number for number in named if shards._whole_form(number)]
            shards.finished = shards.numbers == named
        while form := shards._whole_form(shards.following):
            shards.form, shards.finished = form, False
            shards.numbers.append(shards.following)
            shards.following += 1
        return shards

    def pixels_path(self, number: int) -> Path:
        """Give the file of a shard's pixels."""
        return self.folder / f"shard-{number:05d}.npy"

    def rows_path(self, number: int) -> Path:
        """Give the file that lists a shard's rows."""
        return self.folder / f"shard-{number:05d}.parquet"

    def _whole_form(self, number: int) -> Form | None:
        """Say what the images of a shard have in common; None where it is not whole."""
        try:
            rows = pq.read_metadata(self.rows_path(number))
            size = self.pixels_path(number).stat().st_size
            form = Form(**json.loads(rows.metadata[b"czsl"]))
        except (OSError, pa.ArrowException, LookupError, TypeError, ValueError) as error:
            if _is_limit(error):
                raise unreadable(self.rows_path(number), error) from error
            return None
        whole = size == len(form.header(rows.num_rows)) + rows.num_rows * form.row_bytes
        return form if whole else None

    def starts(self) -> NDArray[np.int64]:
        """Count the rows before each shard, shape (shard,)."""
        counts = [pq.read_metadata(self.rows_path(number)).num_rows for number in self.numbers]
        return np.cumsum([0, *counts], dtype=np.int64)[:-1]

    def read_rows(self, columns: list[str]) -> pa.Table:
        """Read some columns of all rows of all shards.

        Raises
        ------
        ImageError
            Where a file is missing or damaged.
        """
        schema = pa.schema([ROWS.field(name) for name in columns])
        tables = [_read_table(self.rows_path(number), columns) for number in self.numbers]
        return pa.concat_tables([schema.empty_table(), *tables])

    def write(self, ids: list[str], references: list[str], batches: Iterable[Batch]) -> Batch:
        """Write one shard, pixels first; return what is known of its rows.

        Parameters
        ----------
        ids, references
            Of all rows of the shard.
        batches
            Their images, in that order.

        Returns
        -------
        Batch
            All rows without their pixels.

        Raises
        ------
        WriteError
            Where the disk is full or the folder cannot be written.
        ServerError
            Where the batches end by one: what came before is a shard of its own.
        """
        assert self.form is not None
        checksums: list[int] = []
        without: list[Batch] = []
        stopped: ServerError | None = None
        with replacing(self.pixels_path(self.following)) as temporary, temporary.open("wb") as file:
            file.write(self.form.header(len(ids)))
            try:
                for batch in batches:
                    file.write(batch.pixels.tobytes())
                    checksums += [zlib.crc32(image.tobytes()) for image in batch.pixels]
                    batch.pixels = batch.pixels[:0]
                    without.append(batch)
            except ServerError as error:
                if not checksums:
                    raise
                stopped = error
                file.seek(0)  # a header is as long for fewer rows
                file.write(self.form.header(len(checksums)))
            file.flush()
        whole = Batch.joined(without)
        count = len(checksums)
        self._write_rows(ids[:count], references[:count], whole, checksums)
        self.numbers.append(self.following)
        self.following += 1
        self.finished = False
        if stopped is not None:
            raise stopped
        return whole

    def _write_rows(
        self, ids: list[str], references: list[str], batch: Batch, checksums: list[int]
    ) -> None:
        """Write the list of a shard's rows: from now on the shard is finished."""
        assert self.form is not None
        columns: list[Any] = [ids, references, batch.stamps, checksums, batch.flags]
        columns += [*batch.sizes.T, batch.modes, batch.reasons]
        table = pa.table(
            [pa.array(values, kind) for values, kind in zip(columns, ROWS.types, strict=True)],
            schema=ROWS.with_metadata({"czsl": json.dumps(asdict(self.form))}),
        )
        with replacing(self.rows_path(self.following)) as temporary:
            pq.write_table(table, temporary, compression="zstd")

    def finish(self) -> None:
        """Leave out the shards of which no row counts any more, and write the manifest."""
        rows = self.read_rows(["id"])
        last = latest(rows["id"], rows["id"])
        counting = np.unique(np.searchsorted(self.starts(), last, side="right") - 1)
        self.numbers = [self.numbers[place] for place in counting.tolist()]
        assert self.form is not None
        content = {
            "schema": SCHEMA,
            "form": asdict(self.form),
            "following": self.following,
            "shards": self.numbers,
        }
        write_json(self.folder / "manifest.json", content)
        self.finished = True
        self.sweep()

    def sweep(self) -> None:
        """Delete what a killed build left, and shards that count no more and nobody reads."""
        kept = {self.pixels_path(number) for number in self.numbers}
        kept |= {self.rows_path(number) for number in self.numbers}
        for path in self.folder.glob(".*.part"):
            path.unlink(missing_ok=True)
        superseded = set(self.folder.glob("shard-*")) - kept
        if superseded and (alone := lock_alone(self.folder / READERS)) is not None:
            for path in superseded:
                path.unlink(missing_ok=True)
            alone.release()


def latest(ids: Any, stored: Any) -> NDArray[np.int64]:
    """Find each id's last row among those that are stored; -1 where there is none.

    Examples
    --------
    >>> latest(pa.array(["b", "c"]), pa.array(["a", "b", "b"])).tolist()
    [2, -1]
    """
    if isinstance(stored, pa.ChunkedArray):
        stored = stored.combine_chunks()
    backwards = stored.take(pa.array(np.arange(len(stored))[::-1]))
    found = pc.fill_null(pc.index_in(ids, value_set=backwards), -1)
    first = found.to_numpy().astype(np.int64)
    return np.where(first < 0, -1, len(stored) - 1 - first)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes from building the same store; a kill ends it too.

    Raises
    ------
    ImageError
        Where another process is at it.
    WriteError
        Where the folder cannot be written.
    """
    lock = lock_alone(folder / "lock")
    if lock is None:
        raise ImageError(
            f"{folder}: another process is decoding into this image store; wait until it has ended"
        )
    try:
        yield
    finally:
        lock.release()


def _read_manifest(path: Path) -> tuple[Form, list[int], int]:
    """Read a manifest, if it is one of ours: form, numbers of shards, the next number."""
    again = f"delete the folder {path.parent} and the images are decoded again"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["schema"] != SCHEMA:
            raise ImageError(
                f"{path}: is of version {content['schema']}, where this program knows {SCHEMA}; "
                f"{again}"
            )
        return Form(**content["form"]), content["shards"], content["following"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        if _is_limit(error):
            raise unreadable(path, error) from error
        raise ImageError(
            f"{path}: is not the manifest of an image store ({error}); {again}"
        ) from error


def _read_table(path: Path, columns: list[str]) -> pa.Table:
    try:
        return pq.read_table(path, columns=columns)
    except (OSError, pa.ArrowException) as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: Exception) -> ImageError:
    """Say why a file of a store that was open cannot be read, and what to do.

    Examples
    --------
    >>> str(unreadable(Path("store/shard-00000.npy"), ValueError("no header")))[:54]
    'store/shard-00000.npy: is damaged (no header); delete '
    """
    if isinstance(error, FileNotFoundError):
        said = (
            "was deleted while the image store was in use; run the same command again, a fit with "
            "--resume: what is missing is decoded again"
        )
    elif _is_limit(error):
        said = (
            f"the system does not let this process open it ({error}): each shard of an image "
            "store is a file that stays open; raise the limit, as by: ulimit -n 65536"
        )
    else:
        again = f"delete the folder {path.parent} and the images are decoded again"
        said = f"is damaged ({error}); {again}"
    return ImageError(f"{path}: {said}")


def _is_limit(error: Exception) -> bool:
    """Tell whether an error says nothing of the file, but of the process or the system."""
    limits = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
    return isinstance(error, OSError) and error.errno in limits
