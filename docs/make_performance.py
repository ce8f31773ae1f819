"""Write performance.md, performance.json and the tables of scale.md in docs.

Usage: python docs/make_performance.py [BENCH [DOCS]], by default runs/bench, where 'make bench'
leaves a JSON file for each benchmark, and docs. Figures of benchmarks that are not there stay as
performance.json has them, with the day when they were measured; what was never measured is left
out: nothing is made up for it.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from czsl.files import write_json, write_text

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "docs"))

from kept import Row, grouped, read_rows, renewed  # noqa: E402 (lies beside)
from scale_tables import Bench, filled, long_run  # noqa: E402 (lies beside)
from speed_limits import MEMORY, limit_of  # noqa: E402 (lies beside)

ORDER = (
    *("training", "fit", "images", "fits", "store", "predict", "startup", "memory", "million"),
    *("gpu", "cluster"),
)
"""Benchmarks come in this order, all others behind them by their names."""

TITLES = {
    "fit": "A whole fit",
    "images": "Decoding images",
    "fits": "FITS cutouts",
    "store": "The image store",
    "predict": "Prediction",
    "startup": "Start-up",
    "memory": "Memory of a prediction",
    "million": "Many rows, and a kill",
    "gpu": "On a GPU",
    "cluster": "On Ray",
    "remote": "Images on a server",
    "limits": "The hardware's limits",
}
"""Headings of benchmarks; of others their names."""

APART = ("growth", "limits")
"""Benchmarks that have a section of their own form."""

LIMIT = re.compile(
    r"peak|limit|matrix rate|product|raw|memory map|bandwidth|decode rate|libjpeg-turbo at",
    re.IGNORECASE,
)
"""What a figure is compared with where that is a limit of the hardware, not a peer."""

VERDICTS = {None: "", True: "reached", False: "missed"}
"""Words for whether a goal is met."""

AXES = {
    "objects": "number of objects",
    "pixels": "pixels of an image",
    "classes": "number of classes",
    "columns": "columns of votes",
}

DRAWN = {"growth-objects.png": "objects", "growth-others.png": "other sizes"}
"""Files of the curves of growth, and what they are by."""

HEAD = """\
# Performance

Written by `python docs/make_performance.py` from the benchmarks that `make bench` runs; not edited
by hand. A figure is a ratio of two rates that were measured in turn on one machine, ours, theirs,
ours, theirs: the median of the pairs, with the least and the greatest. Above 1 ours is faster,
unless the goal says *at most*. Rows of memory, seconds and shares of a limit say so: their figures
are of that, not of speed. A figure stays, with the day when it was measured, until its benchmark is
run again. The same figures stand in `docs/performance.json`. What they mean for ten million objects
and for a billion is told under [Scale](scale.md).
"""

UNMEASURED = """\
Not measured: a whole fit of gz1 in less than 60 seconds, and 300,000 images of 64 pixels a second
predicted from the store, both on one GPU. No GPU was at hand; `python benchmarks/gpu.py` measures
them where there is one.
"""
"""Goals that wait for a machine."""

MORE = ("growth", "limits", "million", "memory")
"""Benchmarks of which the pages show more than their figures."""


def main(bench: Path, docs: Path = ROOT / "docs") -> None:
    """Write the page, its figures, and the tables of the page on scale."""
    left = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(bench.glob("*.json"))]
    rows = renewed_rows(read_rows(docs / "performance.json"), left)
    write_json(docs / "performance.json", rows)
    for one in left:
        if one["benchmark"] == "growth":
            draw(one["more"]["curves"], docs / "_static")
    found = benches(rows)
    write_text(docs / "performance.md", "\n".join([HEAD, *page(found)]) + "\n")
    scale = docs / "scale.md"
    write_text(scale, filled(scale.read_text(encoding="utf-8"), found))


def renewed_rows(old: Iterable[Row], left: Iterable[dict[str, Any]]) -> list[Row]:
    """Give the figures of every benchmark that has a script: those it left, else the old."""
    kept = grouped(old, lambda row: str(row["benchmark"]))
    new = {one["benchmark"]: list(rows(one)) for one in left if one["figures"]}
    names = [name for name in {**kept, **new} if (ROOT / "benchmarks" / f"{name}.py").exists()]
    found = renewed(sorted(names, key=place), kept, new)
    return [row for figures in found.values() for row in figures]


def place(name: str) -> tuple[int, str]:
    """Give a benchmark's place on the page."""
    return (ORDER.index(name) if name in ORDER else len(ORDER), name)


def rows(one: dict[str, Any]) -> Iterator[Row]:
    """Turn what a benchmark left into rows; what else the pages show stands in the first."""
    versions = one["machine"]["versions"] | one["more"].get("peers", {})
    common = {
        "command": one["command"],
        "measured": one["date"],
        "benchmark": one["benchmark"],
        "machine": machine(one["machine"]),
        "cores": one["machine"]["cores"],
        "versions": ", ".join(f"{name} {number}" for name, number in versions.items()),
    }
    rest = {"more": more(one)} if one["benchmark"] in MORE else {}
    for figure in one["figures"]:
        kept = {key: figure[key] for key in ("what", "peer", "ratio", "low", "high")}
        told = {key: figure[key] for key in ("met", "rates", "limit")}
        yield kept | {"goal": goal(figure)} | common | told | rest
        rest = {}


def more(one: dict[str, Any]) -> dict[str, Any]:
    """Give what the pages show besides figures; of a curve its last point, the rest is drawn."""
    if one["benchmark"] != "growth":
        return dict(one["more"])
    curves = [curve | {"points": curve["points"][-1:]} for curve in one["more"]["curves"]]
    return {"curves": curves, "steep": one["more"]["steep"]}


def benches(rows: Iterable[Row]) -> list[Bench]:
    """Put the rows of each benchmark together, with what they have in common."""
    names = ("benchmark", "command", "measured", "machine", "cores", "versions")
    return [
        {name: figures[0][name] for name in names}
        | {"figures": figures, "more": figures[0].get("more", {})}
        for figures in grouped(rows, lambda row: str(row["benchmark"])).values()
    ]


def machine(found: dict[str, Any]) -> str:
    """Name a machine."""
    cores, gpu = found["cores"], found.get("gpu")
    named = f"{found['cpu']}, {cores} core{'s' if cores != 1 else ''}"
    return f"{named}, {gpu}" if gpu else named


def goal(figure: dict[str, Any]) -> str:
    """Spell a goal; empty where there is none."""
    if figure["goal"] is None:
        return ""
    return f"at most {figure['goal']:g}" if figure["at_most"] else f"{figure['goal']:g}"


def page(found: Sequence[Bench]) -> Iterator[str]:
    """Write the sections."""
    if not found:
        yield "Nothing is measured yet: run `make bench`."
        return
    yield from machines(found)
    yield from reached([one for one in found if one["benchmark"] != "growth"])
    for one in found:
        if one["benchmark"] not in APART:
            yield from section(one)
    yield from roofline(found)
    for one in found:
        if one["benchmark"] == "growth":
            yield from growth(one)


def machines(found: Sequence[Bench]) -> Iterator[str]:
    """Say when, and on which machines."""
    yield from ("## Measured on", "", "| benchmarks | date | machine | versions |")
    yield "| --- | --- | --- | --- |"
    told: dict[tuple[str, str, str], list[str]] = {}
    for one in found:
        where = (one["measured"], one["machine"], one["versions"])
        told.setdefault(where, []).append(one["benchmark"])
    for where, names in told.items():
        yield row(", ".join(names), *where)
    yield ""


def reached(found: Sequence[Bench]) -> Iterator[str]:
    """Count the goals, and show each; where one is missed, with what limits it."""
    aimed = [figure for one in found for figure in one["figures"] if figure["goal"]]
    if not aimed:
        return
    met = sum(bool(figure["met"]) for figure in aimed)
    yield from ("## Goals", "", f"{met} of {len(aimed)} goals are reached.", "")
    if all(one["benchmark"] != "gpu" for one in found):
        yield UNMEASURED
    yield "| what | against | ratio | goal | | measured | limit where it is missed |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for figure in aimed:
        names = ("what", "peer", "goal", "measured")
        what, peer, aim, day = (figure[name] for name in names)
        limit = "" if figure["met"] else limit_of(figure, found) or "not known"
        yield row(what, peer, spread(figure), aim, VERDICTS[figure["met"]], day, limit)
    yield ""


def made(one: Bench) -> str:
    """Say what made the figures of a benchmark, when and where."""
    return f"`{one['command']}`, {one['measured']}, {one['machine']}"


def section(one: Bench) -> Iterator[str]:
    """Show the figures of a benchmark."""
    yield from (f"## {TITLES.get(one['benchmark'], heading(one['benchmark']))}", "")
    yield from (f"{made(one)}.", "")
    yield "| what | against | ratio (least to most) | goal | | rates |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for figure in one["figures"]:
        yield row(
            figure["what"],
            figure["peer"],
            spread(figure),
            figure["goal"],
            VERDICTS[figure["met"]],
            "; ".join(f"{side}: {number(rate)}" for side, rate in figure["rates"].items()),
        )
    yield ""
    if one["benchmark"] == "memory" and one["more"]:
        yield from (long_run(one), "")


def roofline(found: Sequence[Bench]) -> Iterator[str]:
    """Show the hardware's limits, and the share of them that each figure reaches."""
    limits = [one for one in found if one["benchmark"] == "limits"]
    shares = [
        figure
        for one in found
        for figure in one["figures"]
        if one["benchmark"] not in APART and LIMIT.search(figure["peer"])
    ]
    if not limits and not shares:
        return
    yield from ("## Against the hardware's limits", "")
    for one in limits:
        yield from (f"{made(one)}.", "")
        yield from ("| limit | measured |", "| --- | ---: |")
        for name, value in one["more"].get("limits", {}).items():
            yield row(name, number(value))
        yield ""
    if shares:
        yield from ("What is reached of them:", "")
        yield "| what | limit | share reached | measured | what takes the rest |"
        yield "| --- | --- | --- | --- | --- |"
        for figure in shares:
            share = f"{figure['ratio']:.0%} ({figure['low']:.0%} to {figure['high']:.0%})"
            rest = limit_of(figure, found)
            yield row(figure["what"], figure["peer"], share, figure["measured"], rest)
        yield ""


def growth(one: Bench) -> Iterator[str]:
    """Show how time and memory grow, and explain what grows faster than linearly."""
    curves, steep = one["more"]["curves"], one["more"]["steep"]
    yield from ("## Growth", "", f"{made(one)}, one thread.")
    yield from (
        "",
        "Time and memory grow as a power of the size. The exponent is fitted to the upper sizes,",
        "where a call's fixed cost no longer counts; of what stays below a fiftieth of a second no",
        "exponent is told. Memory is the peak above what the input takes, mapped files included.",
        "What only copies an array grows faster than linearly too, once the array outgrows the",
        "processor's caches: the rows *for comparison* show it.",
        "",
    )
    for name, axis in DRAWN.items():
        yield from (f"![Time and memory of each part by {axis}](_static/{name})", "")
    yield "| part | by | largest | time there | exponent | peak there | exponent |"
    yield "| --- | --- | ---: | ---: | ---: | ---: | ---: |"
    for curve in curves:
        last = curve["points"][-1]
        yield row(
            curve["name"],
            AXES.get(curve["axis"], curve["axis"]),
            f"{last['size']:,}",
            f"{last['seconds']:.3g} s",
            power(curve["time"], steep),
            f"{last['bytes'] / 1e6:,.0f} MB",
            power(curve["memory"], steep),
        )
    yield ""
    yield from explained("time", ((one, one["why"]) for one in curves if above(one, "time", steep)))
    greedy = (one for one in curves if above(one, "memory", steep))
    told = ((one, MEMORY.get((one["name"], one["axis"]), "")) for one in greedy)
    yield from explained("memory", told)


def above(curve: dict[str, Any], name: str, steep: float) -> bool:
    """Tell whether time or memory grows faster than linearly."""
    return (curve[name] or 0.0) > steep


def explained(name: str, steeper: Iterable[tuple[dict[str, Any], str]]) -> Iterator[str]:
    """List the parts whose time or memory grows faster than linearly, with the reason."""
    lines = [
        f"- **{curve['name']}**, by {AXES.get(curve['axis'], curve['axis'])}: "
        f"{why or 'not explained'}."
        for curve, why in steeper
    ]
    if lines:
        yield from (f"What grows faster than linearly in {name}, and why:", "", *lines, "")


def power(found: float | None, steep: float) -> str:
    """Spell an exponent, bold where it is above linear."""
    if found is None:
        return ""
    return f"**{found:.2f}**" if found > steep else f"{found:.2f}"


def spread(figure: dict[str, Any]) -> str:
    """Spell a ratio with its least and greatest."""
    return f"{figure['ratio']:.2f} ({figure['low']:.2f} to {figure['high']:.2f})"


def number(value: float) -> str:
    """Spell a rate with three digits or more.

    >>> number(375123.4), number(0.123456)
    ('375,123', '0.123')
    """
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def heading(name: str) -> str:
    """Turn a script's name into a heading."""
    return name.replace("_", " ").capitalize()


def row(*cells: object) -> str:
    """Write a row of a table; what would part cells is escaped."""
    return f"| {' | '.join(str(cell).replace('|', '&#124;') for cell in cells)} |"


def draw(curves: Sequence[dict[str, Any]], folder: Path) -> None:
    """Draw a small plot for each part, time and memory."""
    for name, axis in DRAWN.items():
        some = [one for one in curves if (one["axis"] == "objects") == (axis == "objects")]
        plot(some, folder / name)


def plot(curves: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw curves, each in a plot of its own, with few colours, so that the file is small."""
    import matplotlib as mpl
    from PIL import Image

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    across = 4
    down = max(-(-len(curves) // across), 1)
    with mpl.rc_context({"font.size": 7}):
        figure, axes = plt.subplots(
            down, across, figsize=(2.1 * across, 1.7 * down), squeeze=False, layout="constrained"
        )
        for ax in axes.flat[len(curves) :]:
            ax.set_axis_off()
        for curve, ax in zip(curves, axes.flat, strict=False):
            sizes = [point["size"] for point in curve["points"]]
            seconds = [point["seconds"] for point in curve["points"]]
            ax.loglog(sizes, seconds, "o-", color="#0b5394", ms=2.5, lw=1)
            ax.tick_params(axis="y", colors="#0b5394")
            memory = ax.twinx()
            peaks = [max(point["bytes"] / 1e6, 0.1) for point in curve["points"]]
            memory.loglog(sizes, peaks, "s--", color="#b45f06", ms=2, lw=0.8)
            memory.tick_params(axis="y", colors="#b45f06")
            ax.set_title(curve["name"].replace(", ", ",\n", 1).replace(": ", ":\n", 1), fontsize=7)
            ax.set_xlabel(AXES.get(curve["axis"], curve["axis"]))
            for one in (ax, memory):
                one.minorticks_off()
        figure.suptitle("seconds (blue, solid, left) and megabytes (orange, dashed, right)")
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=110)
        plt.close(figure)
    with Image.open(path) as image:
        small = image.convert("RGB").quantize(32)
    small.save(path, optimize=True)


if __name__ == "__main__":
    given = [Path(argument) for argument in sys.argv[1:]]
    main(*(given or [ROOT / "runs" / "bench"]))
