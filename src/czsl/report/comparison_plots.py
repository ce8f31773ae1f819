"""Plots of a comparison: arms, differences, ladders, rare classes and sweeps.

Each takes data and, if given, axes to draw on, and returns the axes. An arm keeps its
colour, its marker and its line in all plots of a page (:func:`arm_styles`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from czsl.report.plots import BLUE, GREY, ORANGE, add_legend, new_axes, plain

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

Floats = NDArray[np.float64]
Style = dict[str, Any]

STYLES: tuple[Style, ...] = (
    {"color": "#0072B2", "marker": "o", "ls": "-"},
    {"color": "#D55E00", "marker": "s", "ls": "--"},
    {"color": "#009E73", "marker": "^", "ls": "-."},
    {"color": "#CC79A7", "marker": "D", "ls": (0, (5, 1))},
    {"color": "#E69F00", "marker": "v", "ls": (0, (3, 1, 1, 1))},
    {"color": "#56B4E9", "marker": "P", "ls": (0, (1, 1))},
    {"color": "#000000", "marker": "X", "ls": "-"},
    {"color": "#999999", "marker": "*", "ls": "--"},
)
"""Okabe and Ito's colours, each with a marker and a line of its own."""

VERDICTS: dict[str, Style] = {
    "better": {"color": BLUE, "marker": ">", "mfc": BLUE},
    "worse": {"color": ORANGE, "marker": "<", "mfc": ORANGE},
    "undecided": {"color": "#666666", "marker": "o", "mfc": "white"},
}


@dataclass(frozen=True, kw_only=True)
class Value:
    """A value with its 95% interval; without one ``low`` and ``high`` are NaN.

    Attributes
    ----------
    mean, low, high
        The value and its limits.
    """

    mean: float
    low: float
    high: float

    @property
    def bounded(self) -> bool:
        """Whether there is an interval."""
        return not (np.isnan(self.low) or np.isnan(self.high))


def arm_styles(arms: Sequence[str]) -> dict[str, Style]:
    """Give each arm its colour, marker and line.

    Parameters
    ----------
    arms
        Names of the arms; from the ninth on colours come again.

    Examples
    --------
    >>> arm_styles(["majority", "default"])["default"]["marker"]
    's'
    """
    return {arm: STYLES[place % len(STYLES)] for place, arm in enumerate(arms)}


def plot_arms(
    arms: Sequence[tuple[str, Value]],
    ax: Axes | None = None,
    *,
    measure: str = "accuracy",
    marked: str | None = None,
) -> Axes:
    """Draw what arms reach, a row each: a dot with its interval.

    Parameters
    ----------
    arms
        Name and value of each.
    ax
        Axes to draw on.
    measure
        What the values are.
    marked
        The arm that others are compared with.

    Examples
    --------
    >>> ax = plot_arms([("experts only", Value(mean=0.8, low=0.75, high=0.84))])
    >>> ax.get_xlabel(), [label.get_text() for label in ax.get_yticklabels()]
    ('accuracy', ['experts only'])
    """
    ax = new_axes(ax, height=0.75 + 0.36 * len(arms))
    for place, (name, value) in enumerate(arms):
        at = name == marked
        style: Style = {"color": ORANGE, "marker": "D"} if at else {"color": BLUE, "marker": "o"}
        if value.bounded:
            ax.plot([value.low, value.high], [-place] * 2, color=style["color"], lw=2.5, alpha=0.45)
        ax.plot(value.mean, -place, ms=6, **style)
    return _rows(ax, [name for name, _ in arms], measure)


def plot_differences(
    rows: Sequence[tuple[str, Value, str]],
    ax: Axes | None = None,
    *,
    measure: str = "accuracy",
    region: float | None = 0.005,
) -> Axes:
    """Draw differences to an arm with their intervals, and where there would be none.

    Parameters
    ----------
    rows
        Name, difference and verdict (``"better"``, ``"worse"``, ``"undecided"``) of each.
    ax
        Axes to draw on.
    measure
        What the differences are of.
    region
        Half the width of the band that counts as practically equal; None for no band.

    Examples
    --------
    >>> ax = plot_differences([("majority", Value(mean=-0.02, low=-0.03, high=-0.01), "worse")])
    >>> ax.get_xlabel()
    'difference in accuracy'
    """
    ax = new_axes(ax, height=0.75 + 0.36 * len(rows))
    if region is not None:
        ax.axvspan(-region, region, color=GREY, alpha=0.25, lw=0)
    ax.axvline(0, color="#333333", lw=1)
    for place, (_, value, verdict) in enumerate(rows):
        style = VERDICTS[verdict]
        if value.bounded:
            ax.plot([value.low, value.high], [-place] * 2, color=style["color"], lw=2, zorder=2)
        ax.plot(value.mean, -place, ms=7, ls="", zorder=3, **style)
    return _rows(ax, [name for name, _, _ in rows], f"difference in {measure}")


def plot_ladder(
    rungs: Sequence[tuple[str, Value]],
    ax: Axes | None = None,
    *,
    steps: Sequence[str] = (),
    measure: str = "accuracy",
) -> Axes:
    """Draw what each tier adds: rungs from few labels to all, joined by steps.

    Parameters
    ----------
    rungs
        Name and value of each rung, the poorest first.
    ax
        Axes to draw on.
    steps
        What stands beside each step, one fewer than rungs.
    measure
        What the values are.
    """
    ax = new_axes(ax, height=0.8 + 0.6 * len(rungs))
    places = [-place for place in range(len(rungs))]
    ax.plot([value.mean for _, value in rungs], places, color=GREY, lw=1.2, ls=":", zorder=1)
    for place, (_, value) in zip(places, rungs, strict=True):
        if value.bounded:
            ax.plot([value.low, value.high], [place] * 2, color=BLUE, lw=2.5, alpha=0.45)
        ax.plot(value.mean, place, "o", color=BLUE, ms=7)
    for place, text in enumerate(steps):
        middle = (rungs[place][1].mean + rungs[place + 1][1].mean) / 2
        ax.annotate(
            plain(text),
            (middle, -place - 0.5),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            annotation_clip=False,
        ).set_in_layout(False)
    ax.margins(x=0.15)
    return _rows(ax, [name for name, _ in rungs], measure)


def plot_precision_recall(
    curves: Mapping[str, tuple[Floats, Floats]],
    share: float,
    ax: Axes | None = None,
    *,
    styles: Mapping[str, Style] | None = None,
) -> Axes:
    """Draw precision against recall of a class, a line for each arm.

    Parameters
    ----------
    curves
        Recall and precision of each arm, of one shape (point,).
    share
        Share of the objects that have the class: the precision of guessing.
    ax
        Axes to draw on.
    styles
        Colour and line of each arm.
    """
    ax = new_axes(ax, height=3.4 + 0.14 * len(curves))
    chosen = arm_styles(list(curves)) if styles is None else styles
    ax.axhline(share, color=GREY, lw=1, ls=":")
    ax.annotate(
        "guessing",
        (0.99, share),
        xytext=(0, -9),
        textcoords="offset points",
        fontsize=8,
        ha="right",
    )
    drawn: list[tuple[Artist, str]] = []
    for name, (recall, precision) in curves.items():
        line = {key: value for key, value in chosen[name].items() if key != "marker"}
        drawn += [(made, name) for made in ax.plot(recall, precision, lw=1.5, **line)]
    ax.set_xlim(-0.02, 1.02)
    ax.set_ylim(-0.02, 1.04)
    ax.set_xlabel("recall: share of them that are found")
    ax.set_ylabel("precision: share that is right")
    return _legend(_grid(ax), drawn)


@dataclass(frozen=True, kw_only=True)
class Line:
    """What an arm reaches along a sweep.

    Attributes
    ----------
    places
        Where each point stands, shape (point,).
    values
        What it reached there.
    """

    places: Sequence[float]
    values: Sequence[Value]


def plot_sweep(
    lines: Mapping[str, Line],
    ticks: Mapping[float, str],
    ax: Axes | None = None,
    *,
    sweep: str,
    measure: str = "accuracy",
    logarithmic: bool = True,
    styles: Mapping[str, Style] | None = None,
) -> Axes:
    """Draw what arms reach along a sweep, each a line in the band of its interval.

    Parameters
    ----------
    lines
        Of each arm.
    ticks
        What stands below each place.
    ax
        Axes to draw on.
    sweep
        What is varied.
    measure
        What the values are.
    logarithmic
        Whether places are logarithmic.
    styles
        Colour, marker and line of each arm.
    """
    ax = new_axes(ax, height=3.1 + 0.14 * len(lines))
    chosen = arm_styles(list(lines)) if styles is None else styles
    drawn: list[tuple[Artist, str]] = []
    for name, line in lines.items():
        means = [value.mean for value in line.values]
        made = ax.plot(line.places, means, lw=1.5, ms=5, **chosen[name])
        drawn += [(one, name) for one in made]
        low, high = ([getattr(value, end) for value in line.values] for end in ("low", "high"))
        ax.fill_between(line.places, low, high, color=chosen[name]["color"], alpha=0.13, lw=0)
    if logarithmic:
        ax.set_xscale("log")
    ax.set_xticks(list(ticks), _spaced(ticks) if logarithmic else list(ticks.values()))
    ax.minorticks_off()
    ax.set_xlabel(sweep)
    ax.set_ylabel(measure)
    return _legend(_grid(ax), drawn)


def _spaced(ticks: Mapping[float, str]) -> list[str]:
    """Leave out what would stand on its neighbour's name; the last is always there.

    Examples
    --------
    >>> _spaced({20: "20", 1000: "1,000", 1636: "1,636"})
    ['20', '', '1,636']
    """
    places = list(ticks)
    least = (places[-1] / places[0]) ** 0.12  # an eighth of the axis
    names = [
        name if following / place > least else ""
        for (place, name), following in zip(list(ticks.items())[:-1], places[1:], strict=True)
    ]
    return [*names, ticks[places[-1]]]


def _rows(ax: Axes, names: Sequence[str], label: str) -> Axes:
    """Name rows from the top, and take away what carries no numbers."""
    from matplotlib.ticker import MaxNLocator

    ax.set_yticks([-place for place in range(len(names))], [plain(name) for name in names])
    ax.set_ylim(-len(names) + 0.5, 0.5)
    ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.set_xlabel(label)
    ax.grid(axis="x", color=GREY, alpha=0.3)
    ax.set_axisbelow(True)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(left=False)
    return ax


def _grid(ax: Axes) -> Axes:
    """Take away what carries no numbers."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(color=GREY, alpha=0.25)
    ax.set_axisbelow(True)
    return ax


def _legend(ax: Axes, drawn: Sequence[tuple[Artist, str]]) -> Axes:
    """Say above the plot which line is whose."""
    add_legend(
        ax,
        drawn,
        loc="lower left",
        bbox_to_anchor=(-0.02, 1.0),
        ncols=2,
        fontsize=8.5,
        borderaxespad=0,
        handlelength=2.6,
        columnspacing=1.2,
    )
    return ax
