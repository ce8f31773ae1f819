"""Section of a fit's report: what votes mean to the transfer that was fitted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from czsl.report.comparison_plots import STYLES
from czsl.report.page import Beside, Block, Cell, Plot, Plots, Section, Table, Text
from czsl.report.picture import plot_block
from czsl.report.plots import GREY, add_legend, new_axes, plain
from czsl.report.results import Results

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Row = Mapping[str, Any]

MOST_PLOTS = 3
"""Questions that are drawn; the table has all."""

MOST_CLASSES = 6
"""Classes that are drawn: those that some mixture of votes makes likeliest."""

MOST_ROWS = 24
"""Tables of more rows are opened by a click."""

DASHES = ("-", "--", ":")
"""Lines of the most votes and of fewer."""


def votes_map(results: Results) -> Section | None:
    """Show the posterior at unanimous votes and at mixtures of two answers.

    Nothing is shown where no transfer was fitted, or the perceptron, which does not know the
    number of votes.
    """
    if not results.transfer_map or results.transfer is None:
        return None
    blocks: list[Block] = [Text(text=_how_to_read(results))]
    if results.transfer.fallback:
        blocks.append(
            Text(
                text="The fitted map was not taken: this is the calibrated majority, which "
                "foretold the classes of experts' objects that were left out better."
            )
        )
    plots = _plots(results)
    drawn: list[Block] = [Plots(plots=plots)] if plots else []
    table = _unanimous(results)
    beside = len(plots) == 1 and not table.folded
    blocks += [Beside(blocks=[Plots(plots=plots), table])] if beside else [*drawn, table]
    return Section(title="What the votes mean", blocks=blocks)


def plot_votes_map(rows: Sequence[Row], classes: Sequence[str], ax: Axes | None = None) -> Axes:
    """Draw the posterior of each class against the share of the votes for one of two answers.

    A class has a colour and a marker, a number of votes a line.

    Parameters
    ----------
    rows
        Mixtures of two answers, as :func:`czsl.stages.map_table.map_table` gives them.
    classes
        Names of the classes to draw, eight or fewer.
    ax
        Axes to draw on.

    Examples
    --------
    >>> rows = [{"votes": 5, "first": "smooth", "second": "arms", "share": share,
    ...          "p_early": share} for share in (0.0, 0.5, 1.0)]
    >>> ax = plot_votes_map(rows, ["early"])
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['early', '5 votes']
    """
    from matplotlib.lines import Line2D

    numbers = sorted({row["votes"] for row in rows}, reverse=True)
    ax = new_axes(ax, height=3.3 + 0.19 * max(len(classes), len(numbers)))
    for style, name in zip(STYLES, classes, strict=False):
        for number, dashes in zip(numbers, DASHES, strict=False):
            points = [row for row in rows if row["votes"] == number]
            x, y = [row["share"] for row in points], [row[f"p_{name}"] for row in points]
            ax.plot(x, y, color=style["color"], ls=dashes, marker=style["marker"], ms=4, lw=1.5)
    names = [
        (Line2D([], [], color=style["color"], marker=style["marker"], ms=5, lw=1.5), name)
        for style, name in zip(STYLES, classes, strict=False)
    ]
    lines = [
        (Line2D([], [], color="#333333", ls=dashes, lw=1.5), f"{number} votes")
        for number, dashes in zip(numbers, DASHES, strict=False)
    ]
    empty = [(Line2D([], [], ls=""), " ")] * abs(len(names) - len(lines))
    columns = [*names, *empty, *lines] if len(names) < len(lines) else [*names, *lines, *empty]
    add_legend(
        ax,
        columns,
        loc="lower left",
        bbox_to_anchor=(-0.02, 1.02),
        ncols=2,
        fontsize=9.5,
        borderaxespad=0,
    )
    ax.set_xlim(-0.02, 1.02)
    ax.set_ylim(-0.03, 1.03)
    first, second = plain(rows[0]["first"]), plain(rows[0]["second"])
    ax.set_xlabel(f"share of votes for {first},\nthe rest for {second}")
    ax.set_ylabel("posterior from these votes")
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(color=GREY, alpha=0.25)
    ax.set_axisbelow(True)
    return ax


def _how_to_read(results: Results) -> str:
    """Say how to read the plots and the table, and what is taken for unknown."""
    assert results.transfer is not None
    questions = results.config.votes
    led = any(one.after is not None for one in questions)
    way = ", but for those on the way, where as many votes all lead here" if led else ""
    unknown = [
        *([f"no votes on the other questions{way}"] if len(questions) > 1 else []),
        *(["extra columns unknown"] if any(one.extra for one in questions) else []),
        *(["the image unknown"] if results.transfer.uses_image else []),
    ]
    known = f" and nothing else ({', '.join(unknown)})" if unknown else ""
    shown = f" The first {MOST_PLOTS} of {len(questions)} questions are drawn."
    return (
        "For each class the probability that an expert gives it to an object with these votes"
        f"{known}, as learned from experts' objects; what hardly any of these have, such as all "
        "votes for a rare answer, is extrapolated."
        f"{shown if len(questions) > MOST_PLOTS else ''} All numbers are in transfer.csv."
    )


def _plots(results: Results) -> list[Plot]:
    """Draw the mixtures of each question's two most frequent answers."""
    mixtures = [row for row in results.transfer_map if row["kind"] == "mixture"]
    questions = list(dict.fromkeys(row["question"] for row in mixtures))[:MOST_PLOTS]
    return [
        _plot(results, [row for row in mixtures if row["question"] == question])
        for question in questions
    ]


def _plot(results: Results, rows: Sequence[Row]) -> Plot:
    """Draw one question."""
    classes = _drawn(rows, results.classes)
    first, second = rows[0]["first"], rows[0]["second"]
    most = max(row["votes"] for row in rows)
    ends = [
        f"all {most} votes for {answer}: "
        + ", ".join(f"{name} {row[f'p_{name}']:.2f}" for name in classes)
        for answer, share in ((second, 0.0), (first, 1.0))
        for row in rows
        if row["votes"] == most and row["share"] == share
    ]
    caption = f"Votes for {first} and {second}, the two commonest answers"
    if len(results.config.votes) > 1:
        caption += f" to “{rows[0]['question']}”"
    if len(classes) < len(results.classes):
        caption += f"; {len(classes)} of {len(results.classes)} classes are drawn, the likeliest"
    return plot_block(
        plot_votes_map(rows, classes),
        alternative=f"Posterior of each class by the share of votes for {first}. "
        f"{'; '.join(ends)}.",
        caption=f"{caption}.",
    )


def _drawn(rows: Sequence[Row], classes: Sequence[str]) -> list[str]:
    """Choose the classes to draw, in their order."""
    highest = np.array([max(row[f"p_{name}"] for row in rows) for name in classes])
    chosen = np.sort(np.argsort(-highest, kind="stable")[:MOST_CLASSES])
    return [classes[place] for place in chosen]


def _unanimous(results: Results) -> Table:
    """Give the posterior where all votes are for one answer."""
    rows = [row for row in results.transfer_map if row["kind"] == "unanimous"]
    order = {name: place for place, name in enumerate(dict.fromkeys(r["first"] for r in rows))}
    cells: list[list[Cell]] = [
        [
            row["first"],
            row["votes"],
            *(row[f"p_{name}"] for name in results.classes),
        ]
        for row in sorted(rows, key=lambda row: (order[row["first"]], row["votes"]))
    ]
    return Table(
        caption="Posterior where all votes are for one answer",
        heads=("all votes for", "votes", *results.classes),
        rows=cells,
        folded=len(cells) > MOST_ROWS,
    )
