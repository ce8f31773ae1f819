"""How time and memory grow with objects, image size, classes and columns of votes.

Each part of the way has a process of its own, with one thread, in which it is given more and
more. Time is the processor's, the least of several runs; memory is the peak above what the input
takes. Exponents are fitted by least squares to logarithms, over the upper sizes, where the call
itself no longer counts.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import Figure, finish, options

FIT_FROM = 0.02
"""Seconds from which on a time counts for the exponent, where three sizes reach it."""

FIT_SIZES = 3
"""The exponent is fitted to so many of the upper sizes at least."""

STEEP = 1.1
"""An exponent above it is told of."""

FLOOR = 2**20
"""Bytes below which a peak is the allocator's, not the part's."""

BUDGET = 12.0
"""Seconds after which a part is given no more, where the next size would take longer."""


def main() -> None:
    """Measure all parts, or one where this process was started for it."""
    parser = options(__doc__ or "", repeats=3)
    parser.add_argument("--part", type=int, help="measure this part here, and print it as JSON")
    given = parser.parse_args()
    if given.part is not None:
        print(json.dumps(measured(given.part, repeats=given.repeats, quick=given.quick)))
        return
    from growth_parts import PARTS

    with ThreadPoolExecutor(2 if given.quick else 1) as threads:  # times count alone only
        curves = list(
            threads.map(lambda part: apart(part, given.repeats, given.quick), range(len(PARTS)))
        )
    figures = [figure(curve) for curve in curves]
    finish("growth", figures, out=given.out, more={"curves": curves, "steep": STEEP})


def apart(number: int, repeats: int, quick: bool) -> dict[str, Any]:
    """Measure a part in a process of its own."""
    command = [sys.executable, __file__, "--part", str(number), "--repeats", str(repeats)]
    single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    done = subprocess.run(
        [*command, *(["--quick"] if quick else [])],
        env=os.environ | single,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"part {number} failed:\n{done.stderr}")
    curve: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    shown = ", ".join(f"{point['size']:,}: {point['seconds']:.3g} s" for point in curve["points"])
    print(f"{curve['name']} by {curve['axis']}: {shown}", flush=True)
    return curve


def measured(number: int, *, repeats: int, quick: bool) -> dict[str, Any]:
    """Measure a part here."""
    import pyarrow as pa
    from growth_parts import PARTS

    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    part = PARTS[number]
    sizes = part.sizes[:2] if quick else part.sizes
    points: list[dict[str, Any]] = []
    for size in sizes:
        if expected(points, size) > BUDGET:
            break
        with tempfile.TemporaryDirectory() as folder:
            work = part.make(size, Path(folder))
            if not points:
                work()  # imports what it needs
            points.append({"size": size} | measure(work, 1 if quick else repeats))
            del work
    curve = {"name": part.name, "axis": part.axis, "points": points, "why": part.why}
    return curve | {
        "time": exponent(points, "seconds", FIT_FROM),
        "memory": exponent(points, "bytes", FLOOR),
    }


def expected(points: Sequence[dict[str, Any]], size: int) -> float:
    """Guess the seconds of the next size from the last two."""
    if len(points) < 2:
        return 0.0
    (a, s), (b, t) = ((point["size"], point["seconds"]) for point in points[-2:])
    return float(t * (size / b) ** max(np.log(t / s) / np.log(b / a), 1.0))


def measure(work: Any, repeats: int) -> dict[str, float]:
    """Run it, first for memory; give the least time and the peak above what was there."""
    gc.collect()
    free_heap()
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here on
    times = [timed(work)]
    peak = resident("VmHWM")
    while len(times) < min(repeats, 2) or (len(times) < repeats and sum(times) < 1.5):
        times.append(timed(work))
    return {"seconds": min(times), "bytes": max(peak - before, 0)}


def timed(work: Any) -> float:
    """Give the processor's seconds of one run, which neighbours on the machine change least."""
    start = time.process_time()
    work()
    return time.process_time() - start


def free_heap() -> None:
    """Give back to the system what libraries keep for later, so that the peak is the part's."""
    import pyarrow as pa

    pa.default_memory_pool().release_unused()
    ctypes.CDLL("libc.so.6").malloc_trim(0)


def resident(field: str) -> int:
    """Read a field of this process's memory, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


def exponent(points: Sequence[dict[str, Any]], name: str, least: float) -> float | None:
    """Fit the power that a quantity grows with, over the upper sizes.

    Sizes at which the quantity is below ``least`` are left out, as long as three are left.
    None where there are fewer than three sizes, or where even the largest is below.
    """
    values = np.array([float(point[name]) for point in points])
    sizes = np.array([float(point["size"]) for point in points])
    if len(points) < FIT_SIZES or values[-1] < least:
        return None
    start = min(int(np.argmax(values >= least)), len(points) - FIT_SIZES)
    upper = slice(start, None)
    slope, _ = np.polyfit(np.log(sizes[upper]), np.log(np.maximum(values[upper], 1e-12)), 1)
    return float(slope)


def figure(curve: dict[str, Any]) -> Figure:
    """Put the exponent of a part's time into the table, where one was fitted."""
    found, memory = curve["time"], curve["memory"]
    last = curve["points"][-1]
    return Figure(
        what=f"{curve['name']}: exponent of time",
        peer=curve["axis"],
        ratio=found,
        low=found,
        high=found,
        goal=STEEP,
        at_most=True,
        rates={
            f"seconds at {last['size']:,}": last["seconds"],
            "peak MB": last["bytes"] / 1e6,
            **({} if memory is None else {"exponent of memory": memory}),
        },
        limit=curve["why"] if found is not None and found > STEEP else "",
    )


if __name__ == "__main__":
    main()
