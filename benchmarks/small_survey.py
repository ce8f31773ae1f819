"""A survey of small images and a small model, for what is measured over very many rows.

Images are JPEG files of 24 pixels in a column of the table itself: a thousand different ones
again and again, each with an id of its own.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from czsl import Catalogue, CzSL
from czsl.config import make_config

SIDE = 24
DIFFERENT = 1000
EXPERTS = 120
GROUP = 8192
"""Rows of a row group of the table."""

RECIPE = {
    "name": "default",
    "width": 4,
    "folds": 2,
    "pretrain": {"epochs": 2, "images": 0},
    "finetune": {"epochs": 2, "images": 0},
}


def image(number: int, random: np.random.Generator) -> bytes:
    """Draw a disc or a bar, with noise, as a JPEG file."""
    rows, columns = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    across = rows if number % 2 else rows / 3
    light = np.exp(-(np.square(across) + np.square(columns)) / random.uniform(8, 20))
    pixels: NDArray[np.float64] = 200 * light[..., None] + random.normal(20, 5, (SIDE, SIDE, 3))
    buffer = io.BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def write_table(path: Path, rows: int) -> Path:
    """Write a table of so many rows; the first have an expert's class."""
    random = np.random.default_rng(0)
    images = [image(number, random) for number in range(DIFFERENT)]
    writer: pq.ParquetWriter | None = None
    for start in range(0, rows, GROUP):
        numbers = range(start, min(start + GROUP, rows))
        known = [("round", "long")[n % 2] if n < EXPERTS else None for n in numbers]
        columns = {
            "id": pa.array([f"{10**17 + n}" for n in numbers]),
            "expert": pa.array(known, pa.string()),
            "ra": pa.array([n * 0.618 % 360 for n in numbers]),
            "dec": pa.array([n * 0.381 % 160 - 80 for n in numbers]),
            "image": pa.array([images[n % DIFFERENT] for n in numbers], pa.binary()),
        }
        table = pa.table(columns)
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()
    return path


def fit_model(folder: Path) -> Path:
    """Fit a small network to some of these images and keep it."""
    write_table(folder / "train.parquet", 2 * EXPERTS)
    content = {
        "catalogue": {
            "table": "train.parquet",
            "id": "id",
            "images": "{image}",
            "position": ["ra", "dec"],
        },
        "classes": {"column": "expert", "values": {"round": "round", "long": "long"}},
        "images": {"size": SIDE},
        "recipe": RECIPE,
    }
    model = CzSL(device="cpu").fit(Catalogue.read(make_config(content, folder=folder)))
    model.save(folder / "model")
    return folder / "model"


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What running a command took.

    Parameters
    ----------
    seconds
        From its start to its end.
    memory
        The most that it and all processes that came of it held at once, MiB; what they share is
        counted once.
    own
        The most that it held by itself, MiB.
    code
        Its exit code.
    """

    seconds: float
    memory: float
    own: float
    code: int


def predict(model: Path, table: Path, out: Path, *more: str, kill_at: Path | None = None) -> Ran:
    """Predict a table by the command line, and watch.

    Parameters
    ----------
    model, table, out, more
        Arguments of ``czsl predict``.
    kill_at
        Where given, the process is killed, without mercy, as soon as this file is there.
    """
    command = [sys.executable, "-m", "czsl", "predict", str(model), str(table), "--out", str(out)]
    begun = time.perf_counter()
    process = subprocess.Popen([*command, *more], stdout=subprocess.DEVNULL)
    peaks = {"memory": 0.0, "own": 0.0}

    def watch() -> None:
        while process.returncode is None:
            family = [process.pid, *children(process.pid)]
            peaks["memory"] = max(peaks["memory"], sum(shared(one) for one in family))
            peaks["own"] = max(peaks["own"], high_water(process.pid))
            if kill_at is not None and kill_at.exists():
                process.kill()
            time.sleep(0.25)

    watcher = threading.Thread(target=watch)
    watcher.start()
    process.wait()
    seconds = time.perf_counter() - begun
    watcher.join()
    if process.returncode and kill_at is None:
        raise SystemExit(f"{' '.join(command)} ended with exit code {process.returncode}")
    return Ran(seconds=seconds, code=process.returncode, **peaks)


def children(parent: int) -> Iterator[int]:
    """Give all processes that came of one."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        parents[int(folder.name)] = int(fields[1])
    family = [parent]
    for one in family:
        for child in [child for child, above in parents.items() if above == one]:
            family.append(child)
            yield child


def shared(process: int) -> float:
    """Give a process's memory, MiB, its share of what it shares."""
    return field(process, "smaps_rollup", "Pss:")


def high_water(process: int) -> float:
    """Give the most memory that a process had, MiB."""
    return field(process, "status", "VmHWM:")


def field(process: int, file: str, name: str) -> float:
    """Read a number of kB from a process's files; 0 where it has ended."""
    try:
        lines: Sequence[str] = Path(f"/proc/{process}/{file}").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(name)), 0.0)


def threads() -> int:
    """Count the cores."""
    return len(os.sched_getaffinity(0))
