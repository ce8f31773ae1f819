"""Memory of a prediction: of a million rows against ten thousand.

Of the process that predicts, and of all processes together; each the most that it ever held.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from harness import Figure, finish, options
from small_survey import Ran, fit_model, predict, threads, write_table

ALLOWED = 1.1


def main() -> None:
    """Measure."""
    parser = options(__doc__.splitlines()[0], repeats=1)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the long table")
    asked = parser.parse_args()
    rows = 30_000 if asked.quick else asked.rows
    few, many = [], []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        model = fit_model(folder)
        tables = [write_table(folder / f"{n}.parquet", n) for n in (10_000, rows)]
        more = ("--threads", str(threads()), "--device", "cpu")
        for _ in range(asked.repeats):
            few.append(predict(model, tables[0], folder / "few.parquet", *more))
            many.append(predict(model, tables[1], folder / "many.parquet", *more))
    what = f"of a prediction, {rows:,} rows"
    figures = [
        figure(f"memory {what}", [one.own for one in few], [one.own for one in many]),
        figure(
            f"memory {what}, all processes",
            [one.memory for one in few],
            [one.memory for one in many],
        ),
    ]
    finish("memory", figures, out=asked.out, more={"rows": rows, "seconds": seconds(many)})


def seconds(runs: list[Ran]) -> list[float]:
    """Give how long runs took."""
    return [one.seconds for one in runs]


def figure(what: str, few: list[float], many: list[float]) -> Figure:
    """Compare the peaks of long tables with those of short ones."""
    ratios = sorted(large / small for large, small in zip(many, few, strict=True))
    return Figure(
        what=what,
        peer="10,000 rows",
        ratio=ratios[len(ratios) // 2],
        low=ratios[0],
        high=ratios[-1],
        goal=ALLOWED,
        at_most=True,
        rates={"many, MiB": max(many), "few, MiB": max(few)},
    )


if __name__ == "__main__":
    main()
