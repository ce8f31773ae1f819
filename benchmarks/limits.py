"""What the hardware can do at most: the roofline that the other figures are shares of.

Rates of a large matrix product, of copying memory, of decoding JPEG and of reading a
memory-mapped store. Each is the best of a few tries, as a limit is.
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import Figure, alternate, compare, finish, options

PRECISIONS = {"32": "float32", "bf16": "bfloat16"}


def product_rate(precision: str, *, side: int = 1024, tries: int = 8) -> float:
    """Give the rate of a square matrix product in torch, operations a second.

    Parameters
    ----------
    precision
        ``"32"`` or ``"bf16"``.
    side
        Rows and columns of the matrices.
    tries
        Products, of which the fastest counts.
    """
    import torch

    one = torch.ones(side, side, dtype=getattr(torch, PRECISIONS[precision]))
    return 2 * side**3 / _least(lambda: one @ one, tries)


def copy_rate(megabytes: int) -> float:
    """Give the rate of copying memory that no cache holds, bytes a second (read and written)."""
    source = np.ones(megabytes * 2**17)
    target = np.empty_like(source)
    return 2 * source.nbytes / _least(lambda: np.copyto(target, source), 5)


def decode_rate(how: str, files: list[bytes]) -> float:
    """Give the rate of decoding JPEG at full size, images a second.

    Parameters
    ----------
    how
        ``"pillow"``, or ``"libjpeg-turbo"`` (simplejpeg).
    files
        What is decoded.
    """
    decode: Callable[[bytes], Any]
    if how == "pillow":
        from PIL import Image

        def decode(data: bytes) -> Any:
            return Image.open(io.BytesIO(data)).load()
    else:
        import simplejpeg

        def decode(data: bytes) -> Any:
            return simplejpeg.decode_jpeg(data, fastdct=True, fastupsample=True)

    return len(files) / _least(lambda: [decode(data) for data in files], 3)


def read_rate(path: Path) -> float:
    """Give the rate of reading a memory-mapped array that the page cache holds, bytes a second."""
    mapped = np.load(path, mmap_mode="r")
    return mapped.nbytes / _least(lambda: np.array(mapped), 5)


def jpegs(count: int, side: int = 423) -> list[bytes]:
    """Make JPEG cutouts: a blob on a noisy sky, by seed."""
    from PIL import Image

    random = np.random.default_rng(0)
    place = np.linspace(-3, 3, side)
    blob = np.exp(-(place[:, None] ** 2) - place**2)
    files = []
    for _ in range(count):
        sky = random.normal(12, 5, (side, side, 3)) + 200 * blob[..., None]
        with io.BytesIO() as file:
            Image.fromarray(sky.clip(0, 255).astype(np.uint8)).save(file, "jpeg", quality=90)
            files.append(file.getvalue())
    return files


def _least(work: Callable[[], Any], tries: int) -> float:
    """Give the least time of several tries, after one that does not count."""
    work()
    times = []
    for _ in range(tries):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def _gigaflops(precision: str, threads: int) -> float:
    """Measure products with so many threads, in a process that nothing else has used."""
    import torch

    torch.set_num_threads(threads)
    return product_rate(precision) / 1e9


def _products(repeats: int) -> tuple[list[Figure], dict[str, float]]:
    """Compare all cores with one, and bfloat16 with float32."""
    cores = len(os.sched_getaffinity(0))
    sides: dict[str, Callable[[], float]] = {}
    with get_context("spawn").Pool(1) as one, get_context("spawn").Pool(1) as many:
        for precision, name in PRECISIONS.items():
            one_core, every = (precision, 1), (precision, cores)
            sides[f"{name}, one core, GFLOP/s"] = partial(one.apply, _gigaflops, one_core)
            sides[f"{name}, {cores} cores, GFLOP/s"] = partial(many.apply, _gigaflops, every)
        rates = alternate(sides, repeats=repeats)
    names = list(sides)
    figures = [
        compare(rates, names[2], names[0], what="matrix product, bfloat16, one core"),
        compare(rates, names[1], names[0], what=f"matrix product, float32, {cores} cores"),
        compare(rates, names[3], names[2], what=f"matrix product, bfloat16, {cores} cores"),
    ]
    return figures, {name: max(found) for name, found in rates.items()}


def main() -> None:
    """Measure the limits."""
    asked = options("Rates that the hardware allows.").parse_args()
    few = 2 if asked.quick else asked.repeats
    figures, limits = _products(few)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.npy"
        np.save(path, np.ones((2_000 if asked.quick else 40_000, 64, 64, 3), np.uint8))
        memory = alternate(
            {
                "memory map, GB/s": lambda: read_rate(path) / 1e9,
                "copy, GB/s": lambda: copy_rate(64 if asked.quick else 512) / 1e9,
            },
            repeats=few,
        )
    files = jpegs(8 if asked.quick else 64)
    decoders = {"pillow": lambda: decode_rate("pillow", files)}
    try:
        import simplejpeg  # noqa: F401
    except ImportError:
        pass
    else:
        decoders["libjpeg-turbo"] = lambda: decode_rate("libjpeg-turbo", files)
    decoded = alternate(decoders, repeats=few)
    figures.append(
        compare(memory, *memory, what="reading a memory-mapped store that the cache holds")
    )
    if "libjpeg-turbo" in decoded:
        figures.append(
            compare(decoded, "libjpeg-turbo", "pillow", what="423-pixel JPEG, full size, one core")
        )
    limits |= {name: max(found) for name, found in memory.items()}
    limits |= {f"{name}, 423-pixel JPEG, images/s": max(found) for name, found in decoded.items()}
    finish("limits", figures, out=asked.out, more={"limits": limits})


if __name__ == "__main__":
    main()
