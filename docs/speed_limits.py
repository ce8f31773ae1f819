"""What stands in the way of a goal of speed: what profiles tell, and arithmetic on the figures."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Any

Figure = dict[str, Any]
Bench = dict[str, Any]

TRAINED = {"cnn": 16_025_856, "autoencoder": 33_841_152}
"""Operations for an image of 64 pixels in colour, forward and backward, by published network."""

CONVOLUTIONS = 2 / 3
"""Share of the default's training that convolutions take in a profile."""

SAME = {
    "training, default's network, bfloat16, bare steps": "training, default's network, bfloat16, "
    "whole loop"
}
"""Figures without words of their own, and those whose words hold for them, too."""

OPERATIONS = "three convolutions take two thirds of the time, pooling a sixth"
"""What takes the rest of the time of the published network's prediction."""

MEMORY = {
    ("image store, read at random", "pixels"): "the least size takes 3 MB of mapped file, "
    "next to nothing; from the second on memory grows in proportion",
    ("transfer, fit", "classes"): "Newton's steps keep the second derivatives of each pair of "
    "classes",
    ("transfer, fit, one question", "columns"): "the map has the products of all pairs of a "
    "question's shares, and keeps them for every object",
}
"""Why the memory of a part grows faster than linearly, by its name and what it grows with."""


def limit_of(figure: Figure, found: Sequence[Bench]) -> str:
    """Say what limits a figure: its own words or those of one like it, and what arithmetic shows.

    Parameters
    ----------
    figure
        A row of performance.json.
    found
        All benchmarks.
    """
    what = figure["what"]
    told = figure["limit"]
    if not told and what in SAME:
        told = next((one["limit"] for one in figures(found) if one["what"] == SAME[what]), "")
    if not told and re.fullmatch(r".*, published network, \d threads?, operations", what):
        told = OPERATIONS
    shown = [one for one in (work(figure, found) for work in ARITHMETIC) if one]
    if figure["met"] is not False or not shown:
        return str(told)
    return f"{told.rstrip('.')}. {' '.join(shown)}" if told else " ".join(shown)


def figures(found: Sequence[Bench]) -> Iterator[Figure]:
    """Give the figures of all benchmarks."""
    return chain.from_iterable(one["figures"] for one in found)


def rate(found: Sequence[Bench], what: str, side: str) -> float | None:
    """Give a rate by patterns of its figure's words and of its name; None if not measured."""
    for figure in figures(found):
        if re.search(what, figure["what"]):
            for name, value in figure["rates"].items():
                if re.search(side, name):
                    return float(value)
    return None


def peak(found: Sequence[Bench], kind: str, threads: str) -> float | None:
    """Give the product rate of a kind of numbers on so many threads, GFLOP/s."""
    cores = "one core" if threads == "1" else f"{threads} cores"
    limits: dict[str, float] = {}
    for one in found:
        limits |= one["more"].get("limits", {})
    beside = rate(found, rf"default's network, {kind}, whole loop", f"{kind} product")
    return beside if threads == "1" and beside else limits.get(f"{kind}, {cores}, GFLOP/s")


def published_training(figure: Figure, found: Sequence[Bench]) -> str:
    """Tell the share of the peak that the goal of training a published network would take."""
    match = re.fullmatch(
        r"training, published (\w+), (\d) threads, (batch 32|best settings)", figure["what"]
    )
    if not match:
        return ""
    network, threads, way = match.groups()
    kind = "float32" if way == "batch 32" else "bfloat16"
    most, theirs = peak(found, kind, threads), figure["rates"].get(figure["peer"])
    if most is None or theirs is None:
        return ""
    needed = float(figure["goal"]) * theirs * TRAINED[network] / 1e9
    return of_peak(figure, needed, most, kind)


def published_prediction(figure: Figure, found: Sequence[Bench]) -> str:
    """Tell the same of prediction from the store, from the row of its operations."""
    if not re.fullmatch(
        r"prediction from the store, published network, \d threads?", figure["what"]
    ):
        return ""
    row = rf"^{re.escape(figure['what'])}, operations"
    reached, most = rate(found, row, "reached"), rate(found, row, "product")
    if reached is None or most is None:
        return ""
    theirs = next(one for name, one in figure["rates"].items() if "plain loop" in name)
    ours = next(one for name, one in figure["rates"].items() if "ours" in name)
    return of_peak(figure, float(figure["goal"]) * theirs / ours * reached, most, "float32")


def of_peak(figure: Figure, needed: float, most: float, kind: str) -> str:
    """Spell a share of the peak."""
    return (
        f"A ratio of {figure['goal']} would take {needed:.0f} of {most:.0f} GFLOP/s, "
        f"{needed / most:.0%} of the {kind} peak measured."
    )


def default_training(figure: Figure, found: Sequence[Bench]) -> str:
    """Tell what the loop would reach if it did nothing but convolutions."""
    if not re.search(r"default's network, bfloat16, whole loop", figure["what"]):
        return ""
    alone = figure["ratio"] / CONVOLUTIONS
    return f"A loop of nothing but these convolutions would reach {alone:.2f}."


def files(figure: Figure, found: Sequence[Bench]) -> str:
    """Tell what decoding and the network, as fast as each is alone, would reach together."""
    if not re.search(r"^prediction from JPEG files, published network", figure["what"]):
        return ""
    network = rate(found, r"from the store, published network, 2 threads$", "ours")
    decoding = figure["rates"].get("decode alone")
    if network is None or decoding is None:
        return ""
    share = 1 / (1 + decoding / network)
    return f"Decoding and the network, each as fast as alone, would reach {share:.2f}."


ARITHMETIC: tuple[Callable[[Figure, Sequence[Bench]], str], ...] = (
    published_training,
    published_prediction,
    default_training,
    files,
)
