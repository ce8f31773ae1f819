"""What benchmarks share: runs that alternate, ratios with their spread, tables and JSON.

A figure is a ratio of two rates that were measured side by side: ours, theirs, ours,
theirs, each pair giving one ratio. Machines drift by a fifth within minutes; neighbours in
time share the drift.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

OUT = Path("runs/bench")
PACKAGES = ("czsl", "numpy", "torch", "pillow", "simplejpeg", "astropy", "pyarrow", "ray")


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One ratio of the tables.

    Parameters
    ----------
    what
        What was measured, in a few words.
    peer
        What it is compared with: a peer, or a limit.
    ratio, low, high
        Our rate over the peer's: median, least and greatest of the pairs; None where it could
        not be told.
    goal
        The ratio to reach; None where there is none.
    at_most
        Whether the ratio is to stay below the goal (memory, seconds) instead of above.
    rates
        Median rate of each side, by name, with its unit in the name.
    limit
        What limits it where the goal is missed, in a sentence.
    """

    what: str
    peer: str
    ratio: float | None
    low: float | None
    high: float | None
    goal: float | None = None
    at_most: bool = False
    rates: Mapping[str, float] = field(default_factory=dict)
    limit: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached; None where there is none, or no ratio."""
        if self.goal is None or self.ratio is None:
            return None
        return self.ratio <= self.goal if self.at_most else self.ratio >= self.goal


def rate(work: Callable[[], Any], count: int) -> Callable[[], float]:
    """Turn work on so many things into what measures its rate, things a second.

    Parameters
    ----------
    work
        Does all of it once.
    count
        Things that it works on.
    """

    def measure() -> float:
        start = time.perf_counter()
        work()
        return count / (time.perf_counter() - start)

    return measure


def alternate(
    sides: Mapping[str, Callable[[], float]], *, repeats: int, warm_up: int = 1
) -> dict[str, list[float]]:
    """Measure several sides in turn, round after round.

    Parameters
    ----------
    sides
        By name, what measures a rate once.
    repeats
        Rounds that count.
    warm_up
        Rounds before that do not.

    Returns
    -------
    dict
        The rates of each side, a number for each round.

    Examples
    --------
    >>> alternate({"a": lambda: 2.0, "b": lambda: 1.0}, repeats=2)
    {'a': [2.0, 2.0], 'b': [1.0, 1.0]}
    """
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for round_number in range(warm_up + repeats):
        for name, measure in sides.items():
            found = measure()
            if round_number >= warm_up:
                rates[name].append(found)
    return rates


def compare(
    rates: Mapping[str, Sequence[float]],
    ours: str,
    theirs: str,
    *,
    what: str,
    goal: float | None = None,
    peer: str = "",
    limit: str = "",
) -> Figure:
    """Put two sides of :func:`alternate` into one figure.

    Examples
    --------
    >>> figure = compare({"a": [3.0, 4.0, 6.0], "b": [2.0, 2.0, 2.0]}, "a", "b", what="sums")
    >>> figure.low, figure.ratio, figure.high
    (1.5, 2.0, 3.0)
    """
    pairs = [mine / other for mine, other in zip(rates[ours], rates[theirs], strict=True)]
    return Figure(
        what=what,
        peer=peer or theirs,
        ratio=median(pairs),
        low=min(pairs),
        high=max(pairs),
        goal=goal,
        rates={name: median(rates[name]) for name in (ours, theirs)},
        limit=limit,
    )


def options(description: str, *, repeats: int = 5) -> argparse.ArgumentParser:
    """Give the arguments that every benchmark takes."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=repeats, help="rounds that count")
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the JSON files")
    parser.add_argument(
        "--quick", action="store_true", help="a few objects only, to see that it runs"
    )
    return parser


def machine() -> dict[str, Any]:
    """Say what the figures were measured on, and with which versions."""
    cpu = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {"cpu": cpu, "cores": len(os.sched_getaffinity(0)), "versions": versions}


def command(name: str, given: Sequence[str]) -> str:
    """Give the command that measures the same again, wherever its file is to go.

    Parameters
    ----------
    name
        The benchmark's, that of its script.
    given
        The arguments that it was started with.

    Examples
    --------
    >>> command("million", ["--out", "/tmp/bench", "--rows", "300000"])
    'python benchmarks/million.py --rows 300000'
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--out")
    _, told = parser.parse_known_args(given)
    return shlex.join(["python", f"benchmarks/{name}.py", *told])


def finish(
    name: str,
    figures: Sequence[Figure],
    *,
    out: Path,
    more: Mapping[str, Any] | None = None,
) -> None:
    """Print the figures as a table and write them to ``<out>/<name>.json``.

    Parameters
    ----------
    name
        The benchmark's, that of its script.
    figures
        What it measured.
    out
        Folder of the JSON files.
    more
        What else later readers want: curves, counts, settings.
    """
    table = Table(title=name)
    for column in ("what", "against", "ratio", "least", "most", "goal", "rates"):
        table.add_column(column, justify="left" if column in ("what", "against") else "right")
    for one in figures:
        goal = "" if one.goal is None else f"{'<=' if one.at_most else '>='} {one.goal:g}"
        table.add_row(
            one.what,
            one.peer,
            *("" if found is None else f"{found:.2f}" for found in (one.ratio, one.low, one.high)),
            goal,
            "\n".join(f"{side} {number:,.4g}" for side, number in one.rates.items()),
        )
    Console(width=150 if not sys.stdout.isatty() else None).print(table)
    out.mkdir(parents=True, exist_ok=True)
    content = {
        "benchmark": name,
        "command": command(name, sys.argv[1:]),
        "date": time.strftime("%Y-%m-%d"),
        "machine": machine(),
        "figures": [asdict(one) | {"met": one.met} for one in figures],
        "more": dict(more or {}),
    }
    path = out / f"{name}.json"
    path.write_text(json.dumps(content, indent=1) + "\n")
    print(path)
