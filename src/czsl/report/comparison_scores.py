"""Sections of a comparison's report: result, arms, differences, tier by tier."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from czsl.compare.about import TIERS
from czsl.compare.differences import steps
from czsl.compare.measures import MEASURES
from czsl.compare.protocols import SETS
from czsl.report.comparison_data import TEST, Compared, Difference
from czsl.report.comparison_plots import Value, plot_arms, plot_differences, plot_ladder
from czsl.report.page import (
    Block,
    Cell,
    Figures,
    Items,
    Number,
    Plot,
    Plots,
    Section,
    Table,
    Text,
)
from czsl.report.picture import plot_block

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MEASURE_NAMES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "gmean": "G-mean",
    "auc": "AUC",
    "average_precision": "average precision",
    "log_likelihood": "log-likelihood",
    "brier": "Brier score",
    "calibration_error": "calibration error",
    "accuracy_moved": "accuracy, moved decision",
    "balanced_accuracy_moved": "balanced accuracy, moved",
    "gmean_moved": "G-mean, moved decision",
}
"""What pages call the measures."""

SHORT = {
    **MEASURE_NAMES,
    "balanced_accuracy": "balanced",
    "average_precision": "av. prec.",
    "log_likelihood": "log-lik.",
    "brier": "Brier",
    "calibration_error": "calib.",
}
"""The same in the head of a wide table."""

WHOLE = tuple(name for name in MEASURES if not name.endswith("_moved"))

RESTS = tuple(SHORT[name] for name in WHOLE[1:])

PLOTTED = ("accuracy", "gmean", "log_likelihood")

MEANINGS = (
    "Balanced accuracy and G-mean are the arithmetic and the geometric mean of the shares of each "
    "class that are found. AUC is the area under the ROC curve, mean over classes; average "
    "precision (av. prec.) is of the rarest class. Log-likelihood is the mean log-probability "
    "of the true class, in nats (0 is perfect). For the Brier score and the calibration error "
    "(calib.) lower is better."
)

INTERVALS = (
    "Intervals hold 95%: objects of the test folds and, independently, executions are drawn with "
    "replacement, 1,000 times, and all arms are scored on the same draws."
)

SET_NAMES = {"test": "test", "L": "L", "A": "A", "U": "U", "U_published": "U as published"}


def result(task: Compared) -> list[Block]:
    """Say first what matters most: who reaches what, and who is better than the reference."""
    arms = [task.best, *(arm for arm in ("default", "majority", "experts") if arm in task.arms)]
    if task.reference is not None:
        arms.insert(1, task.reference)
    tiles = [
        (
            f"{task.value(arm).mean:.3f}",
            f"accuracy, {task.name(arm)}",
            f"{_range(task.value(arm))}{f'; {task.highest}' if arm == task.best else ''}",
        )
        for arm in list(dict.fromkeys(arms))[:4]
    ]
    blocks: list[Block] = [Figures(figures=tiles)]
    if task.reference is not None:
        blocks.append(Items(items=_verdicts(task)))
    return blocks


def arms(task: Compared) -> Section:
    """Show what every arm reaches."""
    title = "Arms"
    marked = None if task.reference is None else task.name(task.reference)
    plots = []
    for measure in PLOTTED:
        rows = [(task.name(arm), task.value(arm, measure)) for arm in task.arms]
        shown = [row for row in rows if not np.isnan(row[1].mean)]
        if shown:
            ax = plot_arms(shown, measure=MEASURE_NAMES[measure], marked=marked)
            plots.append(_plot(ax, MEASURE_NAMES[measure], shown))
    orange = "" if marked is None else f" The diamond is {marked}, to which others are compared."
    text = f"Scores on the test folds, each object judged by what never saw it.{orange} {INTERVALS}"
    blocks: list[Block] = [
        Text(text=text),
        Plots(plots=plots),
        Table(
            caption="Scores on the test folds",
            heads=("arm", "objects", SHORT[WHOLE[0]], "95% from", "95% to", *RESTS),
            rows=[_score_row(task, arm) for arm in task.arms],
        ),
        Text(text=MEANINGS),
        _every_measure(task),
    ]
    return Section(title=title, blocks=[*blocks, *_sets(task)])


def differences(task: Compared) -> Section | None:
    """Show the differences to the arm that others are compared with."""
    if task.reference is None:
        return None
    name = task.name(task.reference)
    text = (
        f"Each arm less {name}, on the objects that both judge. An arm is better or worse where "
        "the interval of its difference leaves out 0. Beside it stand two tests over the folds of "
        "all executions, which allow for training sets that overlap: p of the corrected resampled "
        "t test (Nadeau and Bengio 2003), adjusted for the number of arms (Holm 1979), and of the "
        "Bayesian correlated t test (Corani and Benavoli 2015) the probabilities that the arm is "
        "worse, practically equal (within half a point, 0.005: the grey band) and better. Right of "
        f"the line is better than {name}; hollow dots are undecided."
    )
    plots = [
        _difference_plot(task, measure, name) for measure in PLOTTED if task.differences(measure)
    ]
    heads = ("arm", "diff.", *DIFFERENCE_HEADS)
    others = [measure for measure in WHOLE if measure != "accuracy" and task.differences(measure)]
    return Section(
        title=f"Differences to {name}",
        blocks=[
            Text(text=text),
            Plots(plots=plots),
            Table(
                caption=f"Accuracy less that of {name}",
                heads=heads,
                rows=[[task.name(row.arm), *_difference_row(row)] for row in task.differences()],
            ),
            Table(
                caption=f"Other measures less those of {name}",
                heads=("arm", "measure", *heads[1:]),
                rows=[
                    [task.name(row.arm), MEASURE_NAMES[measure], *_difference_row(row)]
                    for measure in others
                    for row in task.differences(measure)
                ],
                folded=True,
            ),
        ],
    )


def ladder(task: Compared) -> Section | None:
    """Show what each tier adds."""
    ladders = []
    for pairs in steps(task.arms):
        rungs = [row for pair in pairs if (row := task.step(*pair)) is not None]
        if len(rungs) == len(pairs):
            ladders.append(rungs)
    if not ladders:
        return None
    text = (
        "Each rung learns from all that the rung above it learns from, and from one thing more; "
        "the number beside a step is the difference in accuracy."
    )
    plots = Plots(plots=[_ladder_plot(task, rungs) for rungs in ladders])
    tables = [_ladder_table(task, rungs) for rungs in ladders]
    return Section(title="Tier by tier", blocks=[Text(text=text), plots, *tables])


DIFFERENCE_HEADS = (
    *("95% from", "95% to", "verdict", "p (Holm)", "P worse", "P equal", "P better", "objects"),
)


def signed(value: float) -> Number | None:
    """Write a difference with its sign; nothing where it is unknown.

    Examples
    --------
    >>> signed(0.0123), signed(-0.5)
    ('+0.012', '-0.500')
    """
    return None if np.isnan(value) else Number(f"{value:+.3f}")


def known(value: float) -> float | None:
    """Give a number, or None for NaN."""
    return None if np.isnan(value) else value


def _score_row(task: Compared, arm: str) -> list[Cell]:
    """Give what a table says of an arm."""
    value = task.value(arm)
    limits = [known(value.low), known(value.high)]
    rest = [_mean(task.score(arm, measure)) for measure in WHOLE[1:]]
    return [task.name(arm), task.judged(arm), value.mean, *limits, *rest]


def _difference_row(row: Difference) -> list[Cell]:
    """Give what a table says of a difference."""
    p = None if np.isnan(row.p) else Number("<0.001" if row.p < 0.001 else f"{row.p:.3f}")
    return [
        signed(row.value.mean),
        signed(row.value.low),
        signed(row.value.high),
        row.verdict,
        p,
        known(row.worse),
        known(row.equal),
        known(row.better),
        row.objects,
    ]


def _difference_plot(task: Compared, measure: str, name: str) -> Plot:
    """Draw the differences in a measure."""
    found = task.differences(measure)
    rows = [(task.name(row.arm), row.value, row.verdict) for row in found]
    region = None if measure == "log_likelihood" else 0.005
    words = "; ".join(
        f"{label} {signed(value.mean)} ({signed(value.low)} to {signed(value.high)}), {said}"
        for label, value, said in rows
    )
    return plot_block(
        plot_differences(rows, measure=MEASURE_NAMES[measure], region=region),
        alternative=f"Differences in {MEASURE_NAMES[measure]} to {name}: {words}.",
        caption="",
    )


def _ladder_plot(task: Compared, found: Sequence[Difference]) -> Plot:
    """Draw the rungs of one ladder."""
    rungs = _rungs(found)
    words = "; ".join(
        f"{task.name(row.arm)} {signed(row.value.mean)} over {task.name(row.reference)}"
        for row in found
    )
    return plot_block(
        plot_ladder(
            [(task.name(arm), task.value(arm)) for arm in rungs],
            steps=[str(signed(row.value.mean)) for row in found],
        ),
        alternative=f"Accuracy rung by rung, from {task.name(rungs[0])}: {words}.",
        caption="",
    )


def _ladder_table(task: Compared, found: Sequence[Difference]) -> Table:
    """Give the rungs of one ladder in numbers."""
    first, *_, last = _rungs(found)
    rows: list[list[Cell]] = [
        [
            task.name(row.arm),
            _added(task, row),
            task.value(row.arm).mean,
            *(signed(one) for one in (row.value.mean, row.value.low, row.value.high)),
            row.verdict,
        ]
        for row in found
    ]
    start: list[Cell] = [
        task.name(first),
        f"starts from {_learned(task, first)}",
        task.value(first).mean,
    ]
    return Table(
        caption=f"From {task.name(first)} to {task.name(last)}",
        heads=("arm", "what is added", "accuracy", "step", "95% from", "95% to", "verdict"),
        rows=[[*start, None, None, None, None], *rows],
    )


def _rungs(found: Sequence[Difference]) -> list[str]:
    """Name the arms of a ladder."""
    return [found[0].reference, *(row.arm for row in found)]


def _added(task: Compared, row: Difference) -> str:
    """Say what an arm learns from that the one before it does not."""
    before = task.stages(row.reference)
    return " and ".join(TIERS[stage] for stage in task.stages(row.arm) if stage not in before)


def _learned(task: Compared, arm: str) -> str:
    """Say what an arm learns from."""
    return " and ".join(TIERS[stage] for stage in task.stages(arm)) or task.name(arm)


def _range(value: Value) -> str:
    """Write an interval."""
    return f"95%: {value.low:.3f} to {value.high:.3f}" if value.bounded else "no interval"


def _mean(value: Value | None) -> float | None:
    """Give the mean of a value that is known."""
    return None if value is None else known(value.mean)


def _verdicts(task: Compared) -> list[str]:
    """Say in words which arms are better and worse than the reference."""
    assert task.reference is not None  # there are differences
    found, name = task.differences(), task.name(task.reference)
    words = {
        "better": f"Better than {name} in accuracy",
        "worse": f"Worse than {name}",
        "undecided": f"Undecided against {name}",
    }
    items = []
    for verdict, start in words.items():
        names = [
            f"{task.name(row.arm)} ({signed(row.value.mean)})"
            for row in found
            if row.verdict == verdict
        ]
        if names:
            items.append(f"{start}: {'; '.join(names)}.")
    return items


def _plot(ax: Axes, measure: str, rows: Sequence[tuple[str, Value]]) -> Plot:
    """Put a plot of arms into words."""
    words = "; ".join(
        f"{name} {value.mean:.3f}"
        + (f" ({value.low:.3f} to {value.high:.3f})" if value.bounded else "")
        for name, value in rows
    )
    return plot_block(ax, alternative=f"{measure} of each arm: {words}.", caption="")


def _every_measure(task: Compared) -> Table:
    """Give every measure of every arm with its interval."""
    rows: list[list[Cell]] = []
    for arm in task.arms:
        for measure in MEASURES:
            value = task.score(arm, measure)
            if value is not None:
                limits = [known(value.low), known(value.high)]
                rows.append([task.name(arm), MEASURE_NAMES[measure], value.mean, *limits])
    return Table(
        caption="Every measure with its interval",
        heads=("arm", "measure", "mean", "95% from", "95% to"),
        rows=rows,
        folded=True,
    )


def _sets(task: Compared) -> list[Block]:
    """Show the scores on the other sets."""
    shown = ("accuracy", "gmean", "auc", "log_likelihood")
    rows: list[list[Cell]] = []
    for arm in task.arms:
        for kind in SETS:
            value = task.score(arm, kind=kind)
            if kind != TEST and value is not None:
                limits = [known(value.low), known(value.high)]
                rest = [_mean(task.score(arm, one, kind=kind)) for one in shown[1:]]
                rows.append([task.name(arm), SET_NAMES[kind], value.mean, *limits, *rest])
    if not rows:
        return []
    heads = ("arm", "set", "accuracy", "95% from", "95% to", *(MEASURE_NAMES[n] for n in shown[1:]))
    text = (
        "L are training objects whose experts' class was used, so that a score on them says how "
        "well an arm remembers. A are those whose votes were used: networks have learned from them "
        "what a fused posterior counts again. U are training objects without label: their images "
        "were seen, their classes were not. U as published holds A too. Intervals here are of the "
        "spread between executions alone: with one execution there are none."
    )
    table = Table(caption="Scores on the sets L, A and U", heads=heads, rows=rows, folded=True)
    return [table, Text(text=text)]
