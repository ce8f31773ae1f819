"""Section of a comparison's report: what changes with fewer labels, votes or images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from czsl.compare.curves import Worth, labels_needed
from czsl.compare.sweeps import BASE, Setting
from czsl.report.comparison_data import Compared
from czsl.report.comparison_plots import Line, plot_sweep
from czsl.report.comparison_scores import MEASURE_NAMES, known
from czsl.report.page import Block, Cell, Number, Plots, Section, Table, Text
from czsl.report.picture import plot_block

PLOTTED = ("accuracy", "log_likelihood", "gmean", "auc")

TITLES = {
    "experts": "experts' labels",
    "volunteers": "objects labelled by volunteers",
    "unlabelled": "unlabelled images",
    "votes": "votes on each object",
    "confidence": "least leading share of the votes",
}
"""What each sweep varies."""

COUNTED = {"experts": "L", "volunteers": "A", "unlabelled": "U"}
"""The set whose size a sweep varies."""

BASELINES = ("experts", "czsl2023_experts")
"""Arms that learn from experts' labels alone."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """A point of a sweep.

    Attributes
    ----------
    setting
        Its name in the tables.
    place
        Where it stands in a plot.
    label
        What stands below it.
    """

    setting: str
    place: float
    label: str


def sweeps(task: Compared) -> Section | None:
    """Show what arms reach along each sweep."""
    blocks: list[Block] = []
    for sweep, settings in task.sweeps().items():
        points = _points(task, sweep, settings)
        if len(points) > 1:
            blocks += _sweep(task, sweep, points)
            if sweep == "experts":
                blocks += _worth(task, points)
    return Section(title="With fewer labels", blocks=blocks) if blocks else None


def _points(task: Compared, sweep: str, settings: Sequence[str]) -> list[Point]:
    """Place the points of a sweep; the last is the base, where nothing is left out."""
    kind = COUNTED.get(sweep)
    values = {name: Setting.named(name).value for name in settings}
    if kind is not None:
        whole = task.sizes().get(kind, 0.0)
        points = [
            Point(setting=name, place=value, label=f"{value:,.0f}")
            for name, value in values.items()
            # More than there are is the same as all.
            if value < whole
        ]
        last = Point(setting=BASE, place=whole, label=f"{whole:,.0f}")
    else:
        points = [
            Point(setting=name, place=value, label=name.partition("=")[2])
            for name, value in values.items()
        ]
        if sweep == "confidence":
            return [Point(setting=BASE, place=min(values.values()) - 0.1, label="all"), *points]
        last = Point(setting=BASE, place=2 * max(values.values()), label="all")
    points = sorted(points, key=lambda point: point.place)
    if points and points[0].place == 0:
        # A logarithm has no place for nothing: it stands left of the others.
        after = points[1].place if len(points) > 1 else last.place
        points[0] = Point(setting=points[0].setting, place=after / 4, label="0")
    return [*points, last]


def _sweep(task: Compared, sweep: str, points: Sequence[Point]) -> list[Block]:
    """Show one sweep."""
    title, plots = TITLES[sweep], []
    ticks = {point.place: point.label for point in points}
    for measure in PLOTTED:
        lines = {task.name(arm): _line(task, arm, measure, points) for arm in task.main}
        shown = {name: line for name, line in lines.items() if line.places}
        if not shown:
            continue
        words = "; ".join(
            f"{name} from {line.values[0].mean:.3f} to {line.values[-1].mean:.3f}"
            for name, line in shown.items()
        )
        ax = plot_sweep(
            shown,
            ticks,
            sweep=title,
            measure=MEASURE_NAMES[measure],
            logarithmic=sweep != "confidence",
            styles=task.styles,
        )
        alternative = f"{MEASURE_NAMES[measure]} by {title}, left to right: {words}."
        plots.append(plot_block(ax, alternative=alternative, caption=""))
    text = f"{_words(sweep)} Bands hold 95%.{_incomplete(task, points)}"
    return [
        Text(text=text),
        Plots(plots=plots),
        _sweep_table(task, sweep, points),
    ]


def _incomplete(task: Compared, points: Sequence[Point]) -> str:
    """Say where cells failed, so that a score is of fewer objects than its neighbours."""
    names = [
        f"{task.name(arm)} at {point.label}"
        for arm in task.main
        for point in points
        if any(content["error"] is not None for _, content in task.cells(arm, point.setting))
    ]
    if not names:
        return ""
    return f" Cells failed, so that scores are of fewer objects: {'; '.join(names)}."


def _words(sweep: str) -> str:
    """Say what a sweep varies."""
    return {
        "experts": "With fewer experts' labels: objects that lose theirs are used as unlabelled.",
        "volunteers": "With fewer objects labelled by volunteers: others are used as unlabelled.",
        "unlabelled": "With fewer unlabelled images: the others are not used at all.",
        "votes": "With fewer votes on each object, drawn from those that it has. Extra columns, "
        "such as debiased fractions, stay as they are: arms that use them still see all votes.",
        "confidence": "With only those objects labelled by volunteers whose leading answer has at "
        "least this share of the votes: the others are used as unlabelled.",
    }[sweep]


def _line(task: Compared, arm: str, measure: str, points: Sequence[Point]) -> Line:
    """Give what an arm reaches at the points where it is known."""
    found = [(point.place, task.score(arm, measure, point.setting)) for point in points]
    return Line(
        places=[place for place, value in found if value is not None],
        values=[value for _, value in found if value is not None],
    )


def _sweep_table(task: Compared, sweep: str, points: Sequence[Point]) -> Table:
    """Give a sweep in numbers."""
    rows: list[list[Cell]] = []
    for point in points:
        sizes = task.sizes(point.setting)
        for arm in task.arms:
            values = [task.score(arm, measure, point.setting) for measure in PLOTTED]
            first = values[0]
            if first is not None:
                limits = [known(first.low), known(first.high)]
                rest = [None if one is None else known(one.mean) for one in values[1:]]
                counts = [round(sizes[name]) for name in ("L", "A")]
                rows.append([point.label, task.name(arm), *counts, first.mean, *limits, *rest])
    names = [MEASURE_NAMES[measure] for measure in PLOTTED]
    heads = (TITLES[sweep], "arm", "L", "A", names[0], "95% from", "95% to", *names[1:])
    return Table(caption=f"By {TITLES[sweep]}, in numbers", heads=heads, rows=rows, folded=True)


def _worth(task: Compared, points: Sequence[Point]) -> list[Block]:
    """Say how many experts' labels the volunteers' replace."""
    baseline = next((arm for arm in BASELINES if arm in task.arms), None)
    arms = [arm for arm in task.main if {"pretrain", "transfer"} & set(task.stages(arm))]
    if baseline is None or not arms:
        return []
    curve = _line(task, baseline, "accuracy", points)
    if len(curve.places) < 2:
        return []
    rows = [row for arm in arms for row in _worth_rows(task, arm, points, curve)]
    name = task.name(baseline)
    text = (
        f"How many experts' labels “{name}” would need to reach what an arm reaches that "
        "uses volunteers too: where its own curve, a line over the logarithm of the number between "
        "the points of the sweep, first reaches the same accuracy. The interval is that of the "
        "arm; the curve is taken as it stands. < and > are beyond the sweep: there is only a "
        "bound. The last column divides the objects that volunteers labelled by the experts' "
        "labels that are saved: so many of theirs replace one."
    )
    return [
        Table(
            caption="What volunteers' labels are worth",
            heads=(
                *("arm", "experts' labels used", "volunteers' objects used", "accuracy"),
                *("experts' labels needed", "95%", "volunteers' objects for one label saved"),
            ),
            rows=rows,
        ),
        Text(text=text),
    ]


def _worth_rows(task: Compared, arm: str, points: Sequence[Point], curve: Line) -> list[list[Cell]]:
    """Compare an arm with the curve of experts' labels alone, at each point."""
    alone = not {"transfer", "finetune"} & set(task.stages(arm))
    reached = [value.mean for value in curve.values]
    rows: list[list[Cell]] = []
    # What learns nothing from experts is the same all along.
    for point in points[-1:] if alone else points:
        value = task.score(arm, "accuracy", point.setting)
        if value is None:
            continue
        used, volunteers = 0.0 if alone else point.place, task.sizes(point.setting).get("A", 0.0)
        needed = labels_needed(curve.places, reached, value.mean)
        limits = [str(labels_needed(curve.places, reached, one)) for one in (value.low, value.high)]
        rows.append(
            [
                *(task.name(arm), round(used), round(volunteers), value.mean),
                *(
                    Number(needed),
                    Number(
                        "\N{NO-BREAK SPACE}to\N{NO-BREAK SPACE}".join(limits)
                        if value.bounded
                        else ""
                    ),
                ),
                Number(_saved(needed, used, volunteers)),
            ]
        )
    return rows


def _saved(needed: Worth, used: float, volunteers: float) -> str:
    """Say how many volunteers' objects replace one expert's label."""
    saved = needed.number - used
    if needed.place == "beyond":
        return f"<{volunteers / saved:,.1f}" if saved > 0 else "unknown: beyond the sweep"
    if saved <= 0:
        return "none is saved"
    return f"{'>' if needed.place == 'below' else ''}{volunteers / saved:,.1f}"
