"""Prediction on Ray against the local engine, on this machine: rate, start-up, memory.

Each side runs as the command line does, from its start to its end, over all rows and over a
fifth of them. The difference tells the rate; what is left of the time is the start-up.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import median

import pyarrow.parquet as pq
from harness import Figure, alternate, compare, finish, options
from small_survey import Ran, fit_model, predict, threads, write_table

ENGINES = ("ray", "local")


def main() -> None:
    """Measure."""
    parser = options(__doc__.splitlines()[0], repeats=3)
    parser.add_argument("--rows", type=int, default=100_000, help="images")
    asked = parser.parse_args()
    rows = 20_000 if asked.quick else asked.rows
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        model = fit_model(folder)
        tables = [write_table(folder / f"{n}.parquet", n) for n in (rows, rows // 5)]
        runs: dict[str, list[tuple[Ran, Ran]]] = {engine: [] for engine in ENGINES}

        def side(engine: str) -> float:
            more = ("--engine", engine, "--threads", str(threads()), "--device", "cpu")
            out = folder / f"{engine}.parquet"
            few = predict(model, tables[1], out, *more)
            all_of_them = predict(model, tables[0], out, *more)
            runs[engine].append((all_of_them, few))
            return (rows - rows // 5) / (all_of_them.seconds - few.seconds)

        sides = {f"{engine}, images/s": lambda engine=engine: side(engine) for engine in ENGINES}
        repeats = 1 if asked.quick else asked.repeats
        rates = alternate(sides, repeats=repeats, warm_up=0)
        same = pq.read_table(folder / "ray.parquet").equals(pq.read_table(folder / "local.parquet"))
    figures = [
        compare(
            rates,
            "ray, images/s",
            "local, images/s",
            what=f"prediction of {rows:,} images on Ray, after start-up",
            peer="local engine",
            goal=0.8,
        ),
        ratio("the same, start-up included", rows, runs),
        memory(runs),
    ]
    start = {
        engine: median(many.seconds - (many.seconds - few.seconds) * 1.25 for many, few in both)
        for engine, both in runs.items()
    }
    finish(
        "cluster", figures, out=asked.out, more={"start-up, s": start, "rows": rows, "same": same}
    )
    print(f"start-up: {', '.join(f'{name} {found:.1f} s' for name, found in start.items())}")
    print(f"the same catalogue: {same}")


def ratio(what: str, rows: int, runs: dict[str, list[tuple[Ran, Ran]]]) -> Figure:
    """Compare the rates of whole runs."""
    rates = {engine: [rows / many.seconds for many, _ in both] for engine, both in runs.items()}
    named = {f"{engine}, images/s": found for engine, found in rates.items()}
    return compare(named, *named, what=what, peer="local engine")


def memory(runs: dict[str, list[tuple[Ran, Ran]]]) -> Figure:
    """Compare the peaks of memory."""
    peaks = {f"{engine}, MiB": [many.memory for many, _ in both] for engine, both in runs.items()}
    return compare(peaks, *peaks, what="peak memory of all processes", peer="local engine")


if __name__ == "__main__":
    main()
