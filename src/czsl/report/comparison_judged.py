"""Sections of a comparison's report: confusion, calibration, rare classes."""

from __future__ import annotations

import numpy as np

from czsl.compare.curves import mean_confusion, pooled_reliability, precision_recall
from czsl.report.comparison_data import Compared
from czsl.report.comparison_plots import plot_precision_recall
from czsl.report.page import Beside, Block, Cell, Number, Plot, Plots, Section, Table, Text
from czsl.report.picture import plot_block
from czsl.report.plots import plot_confusion, plot_reliability
from czsl.report.tables import BINS, bin_rows

RARE = 0.15
"""Share of the objects below which a class is rare."""

SAMPLED = {"none": "", "over": "_over", "under": "_under"}
"""How the arms of each sampling end."""


def confusions(task: Compared) -> Section | None:
    """Show what the main arms take for what."""
    plots, rows = [], []
    for arm in task.main:
        table = mean_confusion(task.posterior(arm), task.labels)
        columns, name = list(task.classes), task.name(arm)
        share = np.trace(table) / max(table[:, :-1].sum(), 1)
        without = ""
        if table[:, -1].any():
            columns.append("none")
            without = f" {table[:, -1].sum():,.0f} objects without its judgement stand under none."
        else:
            table = table[:, :-1]
        counts = np.round(table).astype(np.int64)
        plots.append(
            plot_block(
                plot_confusion(counts, task.classes, columns, said=name),
                alternative=f"Confusion matrix, experts against {name}: {share:.1%} of what it "
                "judges is on the diagonal. Numbers below.",
                caption=f"{name}: {share:.1%} on the diagonal.{without}",
            )
        )
        rows += _confusion_rows(task, name, table, columns)
    if not plots:
        return None
    text = (
        "Objects of the test folds by experts' class (row) and by the class that an arm gives "
        "(column), mean over executions; the shade is the share of the row."
    )
    heads = ("arm", "experts", "given", "objects", "share of the class")
    table_block = Table(caption="The same in numbers", heads=heads, rows=rows, folded=True)
    blocks: list[Block] = [Text(text=text), Plots(plots=plots), table_block]
    return Section(title="Confusion", blocks=blocks)


def calibration(task: Compared) -> Section | None:
    """Show whether the probabilities of the main arms mean what they say."""
    plots: list[Plot] = []
    rows: list[list[Cell]] = []
    for arm in task.main:
        found = pooled_reliability(task.posterior(arm), task.labels)
        error = task.value(arm, "calibration_error").mean
        name = task.name(arm)
        if found:
            plots.append(
                plot_block(
                    plot_reliability(found),
                    alternative=f"Reliability of {name}: the calibration error is {error:.3f}. "
                    "Numbers below.",
                    caption=f"{name}: calibration error {error:.3f}.",
                )
            )
            rows += [[name, *row] for row in bin_rows(found)]
    if not plots:
        return None
    text = (
        "On the dotted line probabilities mean what they say: below it an arm is too sure of "
        "itself, above it not sure enough. Bars hold 95%; below stand the objects in each bin. All "
        "executions together; the calibration error is the mean over executions."
    )
    heads = ("arm", "stated", *BINS)
    return Section(
        title="Calibration",
        blocks=[
            Text(text=text),
            Plots(plots=plots),
            Table(caption="The bins in numbers", heads=heads, rows=rows, folded=True),
        ],
    )


def rare_classes(task: Compared) -> Section | None:
    """Show how the rarest class fares, where it is rare."""
    place = task.rarest
    share = float(task.counts[place] / max(task.counts.sum(), 1))
    if share >= RARE or not task.counts[place]:
        return None
    name = task.classes[place]
    curves = {
        task.name(arm): precision_recall(task.posterior(arm), task.labels, place)
        for arm in task.main
    }
    shown = {arm: curve for arm, curve in curves.items() if len(curve[0])}
    precisions = "; ".join(
        f"{task.name(arm)} {task.value(arm, 'average_precision').mean:.3f}" for arm in task.main
    )
    plot = plot_block(
        plot_precision_recall(shown, share, styles=task.styles),
        alternative=f"Precision against recall of {name}. Average precision: {precisions}.",
        caption=f"Precision against recall of {name}, all executions together.",
    )
    text = (
        f"{name} is rare: {share:.1%} of the scored objects. Accuracy says little of it: an arm "
        f"that never gives {name} can be right on {1 - share:.1%}. The moved decision takes the "
        "class whose probability has most outgrown its share among the training experts."
    )
    return Section(
        title="Rare classes",
        blocks=[Text(text=text), Beside(blocks=[Plots(plots=[plot]), _samplings(task)])],
    )


def _samplings(task: Compared) -> Table:
    """Compare the G-mean of arms by how rare classes are sampled."""
    rows: list[list[Cell]] = []
    for arm in task.arms:
        if arm.endswith(("_over", "_under")):
            continue
        values = [task.score(f"{arm}{ending}", "gmean") for ending in SAMPLED.values()]
        values.append(task.score(arm, "gmean_moved"))
        rows.append([task.name(arm), *(None if one is None else one.mean for one in values)])
    return Table(
        caption="G-mean by sampling",
        heads=("arm", "none", "over-sampled", "under-sampled", "moved decision"),
        rows=rows,
    )


def _confusion_rows(
    task: Compared, name: str, table: np.ndarray, columns: list[str]
) -> list[list[Cell]]:
    """Write a confusion matrix a cell a row."""
    return [
        [
            name,
            task.classes[row],
            column,
            Number(f"{table[row, place]:,.1f}"),
            float(table[row, place] / max(table[row].sum(), 1)),
        ]
        for row in range(len(task.classes))
        for place, column in enumerate(columns)
    ]
