"""A million rows: wall time, memory, and a kill in the middle after which the work goes on.

The catalogue of the run that was killed and went on is compared with that of one that was not.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import pyarrow.parquet as pq
from harness import Figure, finish, options
from small_survey import GROUP, fit_model, predict, threads, write_table

PART = 8192
"""Rows of a part of a prediction."""


def main() -> None:
    """Measure."""
    parser = options(__doc__.splitlines()[0], repeats=1)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the table")
    asked = parser.parse_args()
    rows = 20_000 if asked.quick else asked.rows
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        model, table = fit_model(folder), write_table(folder / "table.parquet", rows)
        more = ("--threads", str(threads()), "--device", "cpu")
        whole, again = folder / "whole.parquet", folder / "again.parquet"
        one = predict(model, table, whole, *more)
        middle = folder / "again.parquet.parts" / f"part-{rows // PART // 2:06d}.parquet"
        killed = predict(model, table, again, *more, kill_at=middle)
        kept = len(list(middle.parent.glob("part-*"))) * PART
        rest = predict(model, table, again, *more, "--resume")
        same = whole.read_bytes() == again.read_bytes()
        size = whole.stat().st_size
        groups = pq.read_metadata(whole).num_row_groups
    cost = (killed.seconds + rest.seconds) / one.seconds
    figure = Figure(
        what=f"{rows:,} rows with a kill in the middle: time over that of a run without",
        peer="no kill",
        ratio=cost,
        low=cost,
        high=cost,
        rates={"with, s": killed.seconds + rest.seconds, "without, s": one.seconds},
    )
    more_found = {
        "rows": rows,
        "seconds": one.seconds,
        "images a second": rows / one.seconds,
        "memory, MiB": one.memory,
        "memory of the process that predicts, MiB": one.own,
        "exit code of the killed": killed.code,
        "rows kept": kept,
        "the same bytes after the kill": "yes" if same else "no",
        "bytes of the catalogue": size,
        "row groups of the catalogue": groups,
        "rows in a row group of the table": GROUP,
    }
    finish("million", [figure], out=asked.out, more=more_found)
    for name, found in more_found.items():
        print(f"{name}: {found if isinstance(found, str) else f'{found:,.6g}'}")


if __name__ == "__main__":
    main()
