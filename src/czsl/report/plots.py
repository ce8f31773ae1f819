"""Plots of scores, training, calibration and votes, for pages and notebooks.

Each takes data and, if given, axes to draw on, and returns the axes; ``ax.figure`` shows
them in a notebook. Colours are those of Okabe and Ito, which colour-blind readers tell
apart, and what colours say lines or markers say too. matplotlib is imported when a plot is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from czsl.errors import require_extra
from czsl.reliability import Bin

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

GREY, BLUE, ORANGE, YELLOW = "#999999", "#0072B2", "#D55E00", "#F0E442"
"""Some of Okabe and Ito's colours."""

WIDTH, HEIGHT = 4.2, 3.4
"""Size of a plot, inches: as wide as a phone's page, so that its text stays readable there."""

MOST_NUMBERED = 12
"""Confusion matrices of more classes have no numbers in their cells."""


def new_axes(ax: Axes | None = None, *, height: float = HEIGHT) -> Axes:
    """Give the axes, or new ones of a figure of their own.

    Parameters
    ----------
    ax
        Axes to draw on.
    height
        Height of the new figure, inches.

    Raises
    ------
    MissingExtraError
        Where matplotlib is not installed.
    """
    if ax is not None:
        return ax
    require_extra("matplotlib", "report")
    from matplotlib.figure import Figure

    made: Axes = Figure(figsize=(WIDTH, height), layout="constrained").subplots()
    return made


def plain(name: str) -> str:
    r"""Write a name so that matplotlib draws it as it is, and takes no part for mathematics.

    Examples
    --------
    >>> print(plain("$a or $b"))  # drawn without the backslashes
    \$a or \$b
    """
    return name.replace("$", r"\$")


def add_legend(ax: Axes, entries: Sequence[tuple[Artist, str]], **style: Any) -> None:
    """Say what is whose, whatever the names.

    matplotlib leaves out of a legend what has a name that starts with ``_``. So names come
    in when the legend is there.

    Parameters
    ----------
    ax
        Axes to draw on.
    entries
        What is drawn, and its name.
    style
        As for the legends of matplotlib.
    """
    places = [str(place) for place in range(len(entries))]
    legend = ax.legend([drawn for drawn, _ in entries], places, frameon=False, **style)
    for text, (_, name) in zip(legend.get_texts(), entries, strict=True):
        text.set_text(plain(name))


def plot_scores(arms: Sequence[tuple[str, Mapping[str, Any]]], ax: Axes | None = None) -> Axes:
    """Draw accuracies with their 95% intervals, a row each.

    Parameters
    ----------
    arms
        Name and scores (``accuracy``, ``low``, ``high``) of each; the last is emphasised.
    ax
        Axes to draw on.

    Examples
    --------
    >>> ax = plot_scores([("majority", {"accuracy": 0.9, "low": 0.85, "high": 0.94})])
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['majority']
    """
    ax = new_axes(ax, height=0.9 + 0.5 * len(arms))
    for place, (_, score) in enumerate(arms):
        last = place == len(arms) - 1
        colour = ORANGE if last else BLUE
        ax.plot([score["low"], score["high"]], [-place, -place], color=colour, lw=3, alpha=0.4)
        ax.plot(score["accuracy"], -place, "D" if last else "o", color=colour, ms=8)
        ax.annotate(
            f"{score['accuracy']:.3f}",
            (score["accuracy"], -place),
            textcoords="offset points",
            xytext=(0, 8),
            ha="center",
            weight="bold" if last else "normal",
        )
    ax.set_yticks([-place for place in range(len(arms))], [plain(name) for name, _ in arms])
    ax.set_ylim(-len(arms) + 0.4, 0.75)
    ax.margins(x=0.12)
    ax.set_xlabel("accuracy, 95% interval")
    ax.grid(axis="x", color=GREY, alpha=0.3)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(left=False)
    return ax


def plot_history(epochs: Sequence[Mapping[str, Any]], ax: Axes | None = None) -> Axes:
    """Draw the loss of a stage by epoch, and the loss on held-out images.

    Parameters
    ----------
    epochs
        Each with ``fold``, ``epoch``, ``loss`` and ``held_out``; a line for each fold.
    ax
        Axes to draw on.
    """
    ax = new_axes(ax)
    from matplotlib.ticker import MaxNLocator

    folds = list(dict.fromkeys(one["fold"] for one in epochs))
    for kind, colour, style in (("loss", BLUE, "-"), ("held_out", ORANGE, "--")):
        name = {"loss": "training images", "held_out": "held-out images"}[kind]
        for fold in folds:
            rows = [one for one in epochs if one["fold"] == fold and one[kind] is not None]
            if not rows:
                continue
            x, y = [one["epoch"] for one in rows], [one[kind] for one in rows]
            marker = "." if len(rows) < 30 else ""
            ax.plot(x, y, style, color=colour, marker=marker, lw=1.3, alpha=0.85, label=name)
            name = "_"
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("epoch")
    ax.set_ylabel("loss")
    ax.legend(frameon=False)
    return _tidy(ax)


def plot_confusion(
    objects: NDArray[np.int64],
    rows: Sequence[str],
    columns: Sequence[str],
    ax: Axes | None = None,
    *,
    said: str = "model",
) -> Axes:
    """Draw a confusion matrix: the shade is the share of the row, the numbers are objects.

    Parameters
    ----------
    objects
        Numbers of objects, shape (expert's class, what was said).
    rows, columns
        Names of the classes.
    ax
        Axes to draw on.
    said
        What says the columns.

    Examples
    --------
    >>> ax = plot_confusion(np.array([[8, 2], [1, 9]]), ["early", "late"], ["early", "late"])
    >>> ax.get_xlabel(), [text.get_text() for text in ax.texts]
    ('model', ['8', '2', '1', '9'])
    """
    ax = new_axes(ax)
    share = objects / np.maximum(objects.sum(axis=1, keepdims=True), 1)
    ax.imshow(share, cmap="Blues", vmin=0, vmax=1.15, aspect="auto")
    if len(rows) <= MOST_NUMBERED:
        for place, number in np.ndenumerate(objects):
            colour = "white" if share[place] > 0.6 else "black"
            ax.text(place[1], place[0], f"{number:,}", ha="center", va="center", color=colour)
    crowded = max(map(len, columns)) * len(columns) > 32
    turned: dict[str, Any] = {"rotation": 35, "ha": "right"} if crowded else {}
    ax.set_xticks(range(len(columns)), map(plain, columns), rotation_mode="anchor", **turned)
    ax.set_yticks(range(len(rows)), map(plain, rows))
    ax.set_xlabel(plain(said))
    ax.set_ylabel("experts")
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return ax


def plot_reliability(
    found: Sequence[Bin], ax: Axes | None = None, *, before: Sequence[Bin] = ()
) -> Axes:
    """Draw how often the likeliest class is right against its stated probability.

    Parameters
    ----------
    found
        Bins, as :func:`czsl.reliability.reliability` gives them.
    ax
        Axes to draw on.
    before
        Bins before the calibration.

    Examples
    --------
    >>> from czsl.reliability import reliability
    >>> posterior = np.array([[0.9, 0.1], [0.2, 0.8]])
    >>> plot_reliability(reliability(posterior, np.array([0, 1]))).get_xlabel()
    'stated probability of the likeliest class'
    """
    ax = _compared(found, new_axes(ax), name="calibrated" if before else "")
    if before:
        x, y = [one.stated for one in before], [one.found for one in before]
        ax.plot(x, y, "x--", color=ORANGE, lw=1, ms=6, label="before calibration", zorder=1)
        ax.legend(frameon=False, loc="upper left")
    ax.set_xlabel("stated probability of the likeliest class")
    ax.set_ylabel("share that is right")
    return ax


def plot_votes(found: Sequence[Bin], name: str, ax: Axes | None = None) -> Axes:
    """Draw how often experts give a class against the share of volunteers' votes for it.

    Parameters
    ----------
    found
        Bins of the share of votes, as :func:`czsl.reliability.bins` gives them.
    name
        Name of the class.
    ax
        Axes to draw on.
    """
    ax = _compared(found, new_axes(ax))
    name = plain(name)
    ax.set_title(name, loc="left", fontsize=11)
    ax.set_xlabel(f"share of volunteers' votes for {name}")
    ax.set_ylabel(f"share of experts for {name}")
    return ax


def plot_balance(
    classes: Sequence[str], counts: Mapping[str, Sequence[int]], ax: Axes | None = None
) -> Axes:
    """Draw how many objects have each class, by who says so.

    Parameters
    ----------
    classes
        Names of the classes.
    counts
        Objects of each class by who says so: one or two.
    ax
        Axes to draw on.
    """
    ax = new_axes(ax, height=1 + (0.3 + 0.25 * (len(counts) - 1)) * len(classes))
    high = 0.8 / len(counts)
    styles: tuple[dict[str, Any], ...] = (
        {"color": BLUE},
        {"color": YELLOW, "edgecolor": "#555", "hatch": "///"},
    )
    for index, ((who, numbers), style) in enumerate(zip(counts.items(), styles, strict=False)):
        places = np.arange(len(classes)) + (index - (len(counts) - 1) / 2) * high
        bars = ax.barh(places, numbers, height=0.9 * high, label=who, lw=0.5, **style)
        ax.bar_label(bars, [f"{number:,}" for number in numbers], padding=3)
    ax.set_yticks(range(len(classes)), map(plain, classes))
    ax.invert_yaxis()
    ax.margins(x=0.15)
    ax.set_xlabel("objects")
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(left=False)
    if len(counts) > 1:
        ax.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1), ncols=len(counts))
    return ax


def _compared(found: Sequence[Bin], ax: Axes, name: str = "") -> Axes:
    """Draw bins with their intervals, the numbers of objects, and where all would agree."""
    ax.plot([0, 1], [0, 1], color=GREY, lw=1, ls=":")
    x = [one.stated for one in found]
    y = np.array([one.found for one in found])
    low = y - [one.found_low for one in found]
    high = [one.found_high for one in found] - y
    # At 0 and 1 the interval ends where the share is, save for rounding.
    error = np.maximum([low, high], 0)
    ax.errorbar(x, y, yerr=error, fmt="o-", color=BLUE, lw=1.3, capsize=2, label=name or None)
    for one in found:
        ax.text(
            (one.low + one.high) / 2, -0.1, _short(one.n), ha="center", fontsize=8, color="#555"
        )
    ax.set_xlim(-0.02, 1.02)
    ax.set_ylim(-0.15, 1.05)
    return _tidy(ax)


def _short(number: int) -> str:
    """Write a number of objects in four characters or less."""
    if number < 10_000:
        return str(number)
    return f"{number / 1e3:.0f}k" if number < 999_500 else f"{number / 1e6:.0f}M"


def _tidy(ax: Axes) -> Axes:
    """Take away what carries no numbers."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(color=GREY, alpha=0.25)
    ax.set_axisbelow(True)
    return ax
