"""Reading many small images from a server that answers late: all at once, and one by one.

The server is a file system in memory that waits before every answer, as an object store does.
"""

from __future__ import annotations

import io
import sys
import time
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
from fsspec.implementations.memory import MemoryFileSystem
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import alternate, compare, finish, options, rate

from czsl.images.source import open_source
from czsl.images.worker import Task, decode_batch
from czsl.sections import ImagesSettings

LATENCY = 0.03
"""Seconds that the server takes for each answer."""

CHUNK = 64
"""Images that a decoding process is given at once."""


class Late(MemoryFileSystem):
    """Files in memory behind a delay."""

    protocol = "late"

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(super()._strip_protocol(path.replace("late://", "memory://")))

    def info(self, path: str, **options: Any) -> Any:
        """Answer late."""
        time.sleep(LATENCY)
        return super().info(path, **options)

    def cat_file(self, path: str, *arguments: Any, **options: Any) -> Any:
        """Answer late."""
        time.sleep(LATENCY)
        return super().cat_file(path, *arguments, **options)


def main() -> None:
    """Measure both."""
    asked = options(__doc__ or "", repeats=3).parse_args()
    count = CHUNK if asked.quick else 4 * CHUNK
    fsspec.register_implementation("late", Late, clobber=True)
    random = np.random.default_rng(0)
    for number in range(count):
        buffer = io.BytesIO()
        pixels = random.integers(0, 256, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(buffer, "JPEG", quality=90)
        MemoryFileSystem().pipe_file(f"/images/{number}.jpg", buffer.getvalue())
    references = [f"late://images/{number}.jpg" for number in range(count)]
    source = open_source("late://images/{id}.jpg", folder=Path())
    task = Task(source, ImagesSettings(size=64), 3)

    def read(at_once: int) -> None:
        for start in range(0, count, at_once):
            batch = decode_batch(task, references[start : start + at_once])
            assert not batch.flags.any()

    sides = {
        "together, images/s": rate(lambda: read(CHUNK), count),
        "one by one, images/s": rate(lambda: read(1), count),
    }
    rates = alternate(sides, repeats=asked.repeats, warm_up=0)
    what = f"JPEG of 64 px from a server that answers after {1000 * LATENCY:.0f} ms, one process"
    figures = [compare(rates, *sides, what=what)]
    more = {"latency, s": LATENCY, "images": count}
    finish("remote", figures, out=asked.out, more=more)


if __name__ == "__main__":
    main()
