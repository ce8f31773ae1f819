"""The tables of docs/scale.md: sizes, hours, costs and memory of large surveys.

Each table stands between ``<!-- table: NAME -->`` and ``<!-- end -->`` on the page.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

Bench = dict[str, Any]

NUMBERS = {"ten million": 10**7, "a billion": 10**9}
"""Objects that are planned for."""

SIDE, CHANNELS = 64, 3
"""Of the images in the store."""

JPEG = 12_400
"""Bytes of a cutout: the mean of 6,664 of SDSS, 423 pixels a side."""

LISTED = 32
"""Bytes of the store's list for each image, compressed, as measured."""

PREDICTED = 58
"""Bytes of a row of predictions in Parquet, three classes, as measured."""

CORE_HOUR, GPU_HOUR, GIGABYTE_MONTH = 0.05, 4.0, 0.023
"""Prices in US dollars that the costs assume: change them to yours and run the script again."""

DRIVER = 1 / (1 / 300_000 + 1 / 1_300_000)
"""Rows a second of the one process of a prediction that reads the table and writes what comes
back: both rates as measured, on a table without votes, with two cores (docs/cluster.md)."""

CORES, GPUS = (2, 64, 1024), (1, 8)
"""Sizes of machines and clusters that hours are given for."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a rate was measured.

    Parameters
    ----------
    name
        What the step is called on the page.
    benchmark, what
        The benchmark, and a pattern that its figure's words hold.
    side
        A pattern of the name of the rate that is taken; the first that holds it.
    per
        ``"core"``, ``"machine"`` (all of its cores) or ``"GPU"``.
    driven
        Whether one process reads the table for all others and writes what comes back.
    """

    name: str
    benchmark: str
    what: str
    side: str = ""
    per: str = "core"
    driven: bool = True


SOURCES = (
    Source(
        name="decode JPEG",
        benchmark="images",
        what=r"JPEG.*whole image: ours",
        side="ours",
        driven=False,
    ),
    Source(
        name="predict from JPEG files, published network",
        benchmark="from_files",
        what=r"whole image",
        side="predict",
        per="machine",
    ),
    Source(
        name="predict from the store, published network",
        benchmark="predict",
        what=r"published network, 2 threads",
        side="ours",
        per="machine",
    ),
    Source(
        name="predict from the store, default (five networks, eight views)",
        benchmark="predict",
        what=r"default network, 2 threads",
        side="ours",
        per="machine",
    ),
    Source(name="predict from the store", benchmark="gpu", what=r"predicting", per="GPU"),
)

TOGETHER = Source(name="", benchmark="images", what=r"two processes")
"""The figure that says how much faster two processes are than one."""

GROWING = (
    "catalogue, whole",
    "image store, opened",
    "duplicates in a long table",
    "catalogue, in parts",
)
"""Parts whose memory may be what breaks first."""

FLAT = 0.5
"""Memory that grows with a smaller power keeps nothing of every object; all else is linear."""


def filled(text: str, found: Sequence[Bench]) -> str:
    """Put the tables into a page.

    Raises
    ------
    KeyError
        Where the page asks for a table that is not made here.
    """

    def put(match: re.Match[str]) -> str:
        lines = "\n".join(TABLES[match["name"]](found))
        return f"<!-- table: {match['name']} -->\n{lines}\n<!-- end -->"

    pattern = r"<!-- table: (?P<name>\w+) -->\n.*?<!-- end -->"
    return re.sub(pattern, put, text, flags=re.DOTALL)


def sizes(found: Sequence[Bench]) -> Iterator[str]:
    """Give the bytes."""
    stored = SIDE * SIDE * CHANNELS + LISTED
    yield f"| what | bytes an object | {' | '.join(NUMBERS)} |"
    yield "| --- | ---: | ---: | ---: |"
    for name, size in (
        ("JPEG cutouts, 423 pixels", JPEG),
        (f"image store, {SIDE} pixels in colour, with its list", stored),
        ("predictions of three classes, Parquet", PREDICTED),
        ("places and images that duplicates are told by, in memory", 16),
    ):
        yield row(name, f"{size:,}", *(amount(size * n) for n in NUMBERS.values()))
    shards = [f"{-(-n // 65_536):,}" for n in NUMBERS.values()]
    yield row("shards of the store, 65,536 images each", "", *shards)


def hours(found: Sequence[Bench]) -> Iterator[str]:
    """Give the hours of each step, by cores and GPUs."""
    yield f"| step | measured | on | {' | '.join(NUMBERS)} |"
    yield "| --- | --- | --- | ---: | ---: |"
    for source in SOURCES:
        rate = measured(found, source)
        if rate is None:
            yield row(
                source.name, f"not measured{' on a GPU' if source.per == 'GPU' else ''}", *"   "
            )
            continue
        for number in GPUS if source.per == "GPU" else CORES:
            each = rate if number == 1 else rate * kept_of(found, source)
            unit = source.per if source.per == "GPU" else "core"
            on = f"{number:,} {unit}{'s' if number > 1 else ''}"
            told = f"{rate:,.0f} a second and {unit}"
            together = each * number
            if source.driven and together > DRIVER:
                together, on = DRIVER, f"{on}, bound by the driver"
            spelled = [duration(n / together) for n in NUMBERS.values()]
            yield row(source.name, told, on, *spelled)


def costs(found: Sequence[Bench]) -> Iterator[str]:
    """Give the costs of each step."""
    yield f"| step | formula | {' | '.join(NUMBERS)} |"
    yield "| --- | --- | ---: | ---: |"
    for source in SOURCES:
        rate = measured(found, source)
        if rate is None:
            continue
        price, unit = (GPU_HOUR, "GPU") if source.per == "GPU" else (CORE_HOUR, "core")
        each = rate * kept_of(found, source)
        formula = f"N / ({each:,.0f} / s) hours of a {unit} at {price:g} dollars"
        bills = [dollars(n / each / 3600 * price) for n in NUMBERS.values()]
        yield row(source.name, formula, *bills)
    stored = SIDE * SIDE * CHANNELS + LISTED
    for name, size in (("keep the JPEG cutouts", JPEG), ("keep the store", stored)):
        formula = f"N x {size:,} bytes at {GIGABYTE_MONTH:g} dollars a gigabyte and month"
        bills = [f"{dollars(n * size / 1e9 * GIGABYTE_MONTH)} a month" for n in NUMBERS.values()]
        yield row(name, formula, *bills)


def memory(found: Sequence[Bench]) -> Iterator[str]:
    """Give the memory of what grows with the number of objects."""
    curves = [
        curve for one in found if one["benchmark"] == "growth" for curve in one["more"]["curves"]
    ]
    known = {curve["name"]: curve for curve in curves if curve["axis"] == "objects"}
    if not known:
        yield "Not measured yet."
        return
    yield f"| part | peak measured | exponent | {' | '.join(NUMBERS)} |"
    yield "| --- | --- | ---: | ---: | ---: |"
    for name in GROWING:
        if name not in known:
            continue
        last, power = known[name]["points"][-1], known[name]["memory"]
        told = f"{amount(last['bytes'])} for {last['size']:,}"
        if power is None:
            yield row(name, told, "", "", "")
            continue
        carried = power if power < FLAT else 1.0
        peaks = [amount(last["bytes"] * (n / last["size"]) ** carried) for n in NUMBERS.values()]
        yield row(name, told, f"{power:.2f}", *peaks)


def simulated(found: Sequence[Bench]) -> Iterator[str]:
    """Show what was simulated: the run of a million rows."""
    runs = [one for one in found if one["benchmark"] == "million"]
    if not runs:
        yield "Not run yet: `python benchmarks/million.py`."
        return
    for one in runs:
        yield from (f"`{one['command']}`, {one['measured']}, {one['machine']}.", "")
        yield from ("| what | against | ratio | rates |", "| --- | --- | ---: | --- |")
        for figure in one["figures"]:
            told = "; ".join(f"{side} {value:,.4g}" for side, value in figure["rates"].items())
            yield row(figure["what"], figure["peer"], f"{figure['ratio']:.2f}", told)
        plain = {k: v for k, v in one["more"].items() if isinstance(v, int | float | str)}
        if plain:
            yield from ("", "| | |", "| --- | ---: |")
            for key, value in plain.items():
                spelled = value if isinstance(value, str) else f"{value:,.6g}"
                yield row(key.replace("_", " "), spelled)
    yield from (
        f"\n{long_run(one)}" for one in found if one["benchmark"] == "memory" and one["more"]
    )


def long_run(one: Bench) -> str:
    """Tell how long the long table of the benchmark of memory took."""
    many, seconds = one["more"]["rows"], median(one["more"]["seconds"])
    where = f"`{one['command']}`, {one['measured']}, {one['machine']}"
    return f"{where}: {many:,} rows in {seconds:,.0f} s, {many / seconds:,.0f} a second."


TABLES: dict[str, Callable[[Sequence[Bench]], Iterator[str]]] = {
    "sizes": sizes,
    "hours": hours,
    "costs": costs,
    "memory": memory,
    "simulated": simulated,
}


def find(found: Sequence[Bench], source: Source) -> tuple[Bench, dict[str, Any]] | None:
    """Find the figure of a rate; None where it was not measured."""
    for one in found:
        if one["benchmark"] == source.benchmark:
            for figure in one["figures"]:
                if re.search(source.what, figure["what"], re.IGNORECASE) and figure["rates"]:
                    return one, figure
    return None


def measured(found: Sequence[Bench], source: Source) -> float | None:
    """Give a rate, of one core or one GPU; None where it was not measured."""
    pair = find(found, source)
    if pair is None:
        return None
    one, figure = pair
    rates = [rate for side, rate in figure["rates"].items() if re.search(source.side, side)]
    if not rates:
        return None
    return float(rates[0]) / (one["cores"] if source.per == "machine" else 1)


def efficiency(found: Sequence[Bench]) -> float:
    """Give the share of its own rate that each of several processes keeps; 1 where not measured."""
    pair = find(found, TOGETHER)
    return 1.0 if pair is None else min(pair[1]["ratio"] / 2, 1.0)


def kept_of(found: Sequence[Bench], source: Source) -> float:
    """Give that share for a source; one that was measured on all cores has it in its rate."""
    return 1.0 if source.per == "machine" else efficiency(found)


def amount(size: float) -> str:
    """Spell bytes.

    >>> amount(12_320 * 10**9), amount(3e6)
    ('12.3 TB', '3 MB')
    """
    for unit, name in ((1e15, "PB"), (1e12, "TB"), (1e9, "GB"), (1e6, "MB")):
        if size >= unit:
            return f"{size / unit:.3g} {name}"
    return f"{size:,.0f} bytes"


def duration(seconds: float) -> str:
    """Spell a time.

    >>> duration(90), duration(7200), duration(864000)
    ('1.5 min', '2 h', '10 days')
    """
    if seconds < 3600:
        return f"{seconds / 60:.2g} min"
    hours = seconds / 3600
    return f"{hours:.3g} h" if hours < 100 else f"{hours / 24:.3g} days"


def dollars(sum_: float) -> str:
    """Spell a price.

    >>> dollars(0.123), dollars(12345)
    ('0.12 dollars', '12,345 dollars')
    """
    return f"{sum_:.2f} dollars" if sum_ < 10 else f"{sum_:,.0f} dollars"


def row(*cells: object) -> str:
    """Write a row of a table."""
    return f"| {' | '.join(str(cell) for cell in cells)} |"
