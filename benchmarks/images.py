"""JPEG cutouts into the arrays of the store, against Pillow, draft mode and simplejpeg.

The cutouts are those of ``../shared/data/gz1`` (423 pixels) where they are, or else drawn here.
Every side reads the files, which the page cache holds, and ends with 64 x 64 x 3 grey levels. The
yardstick is Pillow's full decode and its Lanczos resize; ours also looks for blank images and for
edges of the frame.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before numpy is there: one process is one core

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import Figure, alternate, compare, finish, options, rate

from czsl.images.decoder import Decoder
from czsl.images.prepare import central_box
from czsl.images.source import open_source
from czsl.images.worker import Task, decode_batch
from czsl.sections import ImagesSettings

REAL = Path(__file__).resolve().parents[2] / "shared/data/gz1/images"
SIDE, SIZE = 423, 64
CROPS = (None, 192, 128)
GOAL, TWO_GOAL = 3.5, 1.85

Levels = NDArray[np.uint8]


def main() -> None:
    """Measure reading JPEG cutouts."""
    asked = options("JPEG cutouts to arrays of 64 pixels, images a second.").parse_args()
    count, repeats = (60, 1) if asked.quick else (800, asked.repeats)
    figures: list[Figure] = []
    more: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        files, more["images"] = cutouts(count, Path(folder))
        for crop in CROPS:
            figures += of_crop(files, crop, repeats, more)
            figures += of_processes(files, crop, repeats)
    finish("images", figures, out=asked.out, more=more)


def cutouts(count: int, folder: Path) -> tuple[list[Path], str]:
    """Give files of cutouts, real where they are there, and say which."""
    real = sorted(REAL.iterdir())[:count] if REAL.is_dir() else []
    if len(real) == count:
        return real, "SDSS cutouts of gz1, 423 pixels"
    random = np.random.default_rng(0)
    files = [folder / f"{number}.jpg" for number in range(count)]
    for file in files:
        Image.fromarray(galaxy(random)).save(file, "JPEG", quality=85)
    return files, "drawn ellipses with noise, 423 pixels"


def galaxy(random: np.random.Generator) -> Levels:
    """Draw an ellipse of light with noise that is smooth, as cutouts have it."""
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE - 0.5
    light = 220 * np.exp(-np.hypot(x, y * random.uniform(1, 3)) * random.uniform(8, 25))
    noise = random.normal(12, 6, (SIDE // 4, SIDE // 4, 3)).clip(0, 255).astype(np.uint8)
    smooth = np.asarray(Image.fromarray(noise).resize((SIDE, SIDE), Image.Resampling.BICUBIC))
    return (light[..., None] * [1.0, 0.8, 0.6] + smooth).clip(0, 255).astype(np.uint8)


def of_crop(
    files: Sequence[Path], crop: int | None, repeats: int, more: dict[str, Any]
) -> list[Figure]:
    """Compare every way of reading, in one process."""
    sides = ways(files, crop)
    whole = sides["Pillow, full"]().astype(int)
    apart = {name: np.abs(read().astype(int) - whole) for name, read in sides.items()}
    name = "whole image" if crop is None else f"crop {crop}"
    more[f"grey levels from the full path, {name}"] = {
        side: {"mean": float(by.mean()), "worst image": float(by.mean(axis=(1, 2, 3)).max())}
        for side, by in apart.items()
    }
    rates = alternate(
        {side: rate(read, len(files)) for side, read in sides.items()}, repeats=repeats
    )
    figures = []
    for side in sides:
        if side != "Pillow, full":
            what = f"JPEG to {SIZE} px, {name}: {side} (apart {apart[side].mean():.2f} levels)"
            goal = GOAL if side == "ours" and crop is None else None
            figures.append(compare(rates, side, "Pillow, full", what=what, goal=goal))
    return figures


def ways(files: Sequence[Path], crop: int | None) -> dict[str, Callable[[], Levels]]:
    """Give the ways of reading, ours first."""
    top, left, side = central_box(SIDE, SIDE, crop)
    box = (left, top, left + side, top + side)
    factor = 2 if side >= 2 * SIZE and not (top % 2 or left % 2) else 1
    task = task_of(files, crop)
    names = [file.name for file in files]

    def small(image: Image.Image, factor: int) -> Levels:
        at = tuple(edge / factor for edge in box)
        return np.asarray(image.resize((SIZE, SIZE), Image.Resampling.LANCZOS, box=at))

    def full() -> Levels:
        return np.stack([small(Image.open(file), 1) for file in files])

    def draft() -> Levels:
        found = []
        for file in files:
            with Image.open(file) as image:
                image.draft("RGB", (SIDE // factor, SIDE // factor))
                found.append(small(image, factor))
        return np.stack(found)

    def direct() -> Levels:
        least = -(-SIDE // factor)
        decoded = (
            simplejpeg.decode_jpeg(
                file.read_bytes(), min_height=least, min_width=least, min_factor=factor
            )
            for file in files
        )
        return np.stack([small(Image.fromarray(pixels), factor) for pixels in decoded])

    return {
        "ours": lambda: decode_batch(task, names).pixels,
        "Pillow, full": full,
        "Pillow, draft": draft,
        "simplejpeg, half, Lanczos": direct,
    }


def task_of(files: Sequence[Path], crop: int | None) -> Task:
    """Say where the files are and what becomes of them."""
    source = open_source("{id}.jpg", folder=files[0].parent)
    return Task(source, ImagesSettings(crop=crop, size=SIZE), 3)


def of_processes(files: Sequence[Path], crop: int | None, repeats: int) -> list[Figure]:
    """Compare two decoding processes with one, all running before.

    Two programs that keep what they decode say how far this machine goes.
    """
    task = task_of(files, crop)
    names = [file.name for file in files] * (4 if len(files) > 100 else 8)

    def decoder(processes: int) -> Decoder:
        return Decoder(
            task.source, settings=task.settings, channels=task.channels, processes=processes
        )

    apart = ProcessPoolExecutor(2, mp_context=get_context("spawn"))
    with decoder(1) as one, decoder(2) as two, apart:

        def decode(by: Decoder) -> Callable[[], float]:
            return rate(lambda: [len(batch.modes) for batch in by.batches(names)], len(names))

        halves = [names[::2], names[1::2]]
        sides = {
            "two processes": decode(two),
            "two that keep it": rate(
                lambda: list(apart.map(decode_and_keep, [task] * 2, halves)), len(names)
            ),
            "one process": decode(one),
        }
        rates = alternate(sides, repeats=repeats)
    name = "whole image" if crop is None else f"crop {crop}"
    reached = [
        compare(rates, side, "one process", what=f"JPEG to {SIZE} px, {name}: {side}", goal=goal)
        for side, goal in (("two processes", TWO_GOAL), ("two that keep it", None))
    ]
    limit = f"two programs that keep what they decode reach {reached[1].ratio:.2f} on this machine"
    return [replace(reached[0], limit=limit), reached[1]]


def decode_and_keep(task: Task, names: Sequence[str]) -> int:
    """Decode images in this process and say how many; nothing else is sent back."""
    alone = Decoder(task.source, settings=task.settings, channels=task.channels, processes=1)
    return sum(len(batch.modes) for batch in alone.batches(names))


if __name__ == "__main__":
    main()
