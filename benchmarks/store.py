"""Random reads of the image store, against a memory-mapped ``.npy`` file of the same images.

Batches of 256 rows drawn at random; the page cache holds both. One shard, as most surveys have
it, and many.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import Figure, alternate, compare, finish, options, rate

from czsl.images.shards import Form, Shards
from czsl.images.store import ImageStore
from czsl.images.worker import Batch
from czsl.sections import ImagesSettings

SIZE, ROWS, GOAL = 64, 256, 0.9


def main() -> None:
    """Measure random reads."""
    asked = options("Random reads of the store, images a second.", repeats=15).parse_args()
    images, batches, repeats = (500, 4, 1) if asked.quick else (30_000, 150, asked.repeats)
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (images, SIZE, SIZE, 3), dtype=np.uint8)
    rows = [random.integers(0, images, ROWS) for _ in range(batches)]
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "images.npy", pixels)
        mapped = np.load(Path(folder) / "images.npy", mmap_mode="r")
        one = written(Path(folder) / "one", pixels, images)
        many = written(Path(folder) / "many", pixels, images // 6)
        del pixels
        rates = alternate(
            {
                "one shard": reading(one.gather, rows),
                "memory map": reading(mapped.__getitem__, rows),
                "six shards": reading(many.gather, rows),
            },
            repeats=repeats,
        )
    finish(
        "store",
        [of_store(rates, "one shard", GOAL), of_store(rates, "six shards", None)],
        out=asked.out,
    )


def of_store(rates: dict[str, list[float]], side: str, goal: float | None) -> Figure:
    """Compare a store with the memory map."""
    what = f"random reads of {ROWS} images of {SIZE} px from the store, {side}"
    return compare(rates, side, "memory map", what=what, goal=goal)


def reading(read: Callable[[Any], Any], rows: Sequence[NDArray[np.int64]]) -> Callable[[], float]:
    """Measure reading all batches."""
    return rate(lambda: [len(read(some)) for some in rows], len(rows) * ROWS)


def written(folder: Path, pixels: NDArray[np.uint8], per_shard: int) -> ImageStore:
    """Write a store of images as they are."""
    folder.mkdir()
    settings = ImagesSettings(size=SIZE).model_dump(mode="json")
    shards = Shards(folder, Form(size=SIZE, channels=3, fingerprint="", settings=settings))
    ids = [str(number) for number in range(len(pixels))]
    for start in range(0, len(pixels), per_shard):
        some = ids[start : start + per_shard]
        batch = Batch.empty(len(some), SIZE, 3)
        batch.pixels = pixels[start : start + per_shard]
        shards.write(some, some, [batch])
    shards.finish()
    return ImageStore.open(folder, ids)


if __name__ == "__main__":
    main()
