"""What the command line shows: tables, bars and lines; decides nothing."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import (
    Progress as Bars,
)
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from czsl.catalogue.guess import Guess
    from czsl.check import Checked
    from czsl.compare.runner import Tally
    from czsl.model import CzSL
    from czsl.run import Run
    from czsl.survey.assemble import Predicted
    from czsl.survey.explain import Explanation
    from czsl.train.progress import Progress

# Names are users' own, so they come as Text, in which "[new]" is no markup, and ":star:" is no
# picture.
console = Console(highlight=False, emoji=False)
errors = Console(stderr=True, highlight=False, emoji=False)


def be_silent() -> None:
    """Show nothing from now on: of several processes one speaks."""
    console.quiet = True


class FitDisplay:
    """Shows decoding and training: bars on a terminal, lines elsewhere.

    Use it in a ``with`` statement.
    """

    def __init__(self) -> None:
        self.bars = Bars(
            TextColumn("{task.description:<22}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[text]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self.tasks: dict[str, TaskID] = {}

    def __enter__(self) -> FitDisplay:
        self.bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bars.stop()

    def decoded(self, done: int, total: int) -> None:
        """Show how many images are decoded."""
        task = self._task("decode images", total)
        self.bars.update(task, completed=done, total=total)
        if not console.is_terminal and done == total:
            console.print(f"decoded {total:,} images")

    def trained(self, progress: Progress) -> None:
        """Show how far a stage is."""
        text = describe_progress(progress)
        task = self._task(progress.stage, progress.epochs)
        self.bars.update(
            task, completed=progress.epoch - 1 + progress.share, total=progress.epochs, text=text
        )
        tenth = max(1, progress.epochs // 5)
        if not console.is_terminal and progress.share == 1 and progress.epoch % tenth == 0:
            line = f"{progress.stage}: epoch {progress.epoch}/{progress.epochs}  {text}"
            console.print(line, soft_wrap=True)

    def simulated(self, done: int, total: int) -> None:
        """Show how many objects are simulated."""
        self.bars.update(self._task("simulate", total), completed=done, total=total)
        if not console.is_terminal and done == total:
            console.print(f"simulated {total:,} objects")

    def started(self, arm: str) -> None:
        """Show that an arm is fitted from now on."""
        self.bars.console.print(Text(arm, "bold"))
        for task in self.tasks.values():
            self.bars.remove_task(task)
        self.tasks.clear()

    def told(self, tally: Tally) -> None:
        """Show how many cells of a comparison have ended, and what failed."""
        text = f"{tally.failed} failed" if tally.failed else ""
        task = self._task("cells", tally.total)
        self.bars.update(task, completed=tally.done, text=text)
        if tally.error is not None:
            last = tally.error.strip().splitlines()[-1]
            failed = Text.assemble(("failed:", "red"), f" {tally.last}: {last}")
            self.bars.console.print(failed)
        tenth = max(1, tally.total // 10)
        if not console.is_terminal and tally.done % tenth == 0 and tally.seconds_left is not None:
            left = duration(tally.seconds_left)
            console.print(f"{tally.done:,} of {tally.total:,} cells, {left} left {text}")

    def predicted(self, rows: int) -> None:
        """Show how many rows are predicted."""
        self.bars.update(self._task("predict", None), completed=rows)

    def _task(self, name: str, total: int | None) -> TaskID:
        if name not in self.tasks:
            self.tasks[name] = self.bars.add_task(name, total=total, text="")
        return self.tasks[name]


def describe_progress(progress: Progress) -> str:
    """Say loss, held-out score, speed and time left in a line."""
    held_out = "" if progress.held_out is None else f"  held out {progress.held_out:.4f}"
    return (
        f"loss {progress.loss:.4f}{held_out}  {progress.images_per_second:,.0f} images/s  "
        f"{duration(progress.seconds_left)} left"
    )


def duration(seconds: float) -> str:
    """Write a time as people do.

    Examples
    --------
    >>> duration(42), duration(125), duration(7300)
    ('42 s', '2 min 5 s', '2 h 1 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def layout(*headings: str, title: str = "") -> Table:
    """Start a table: first column text, the others numbers."""
    if title:
        console.print(Text(f"\n{title}", "bold"))
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for place, heading in enumerate(headings):
        table.add_column(Text(heading), justify="right" if place else "left", no_wrap=not place)
    return table


def show_scores(scores: Mapping[str, Mapping[str, Any]], *, first: str, title: str) -> None:
    """Print scores, a row for each name."""
    headings = ("accuracy", "95% interval", "AUC", "log loss", "objects")
    table = layout(first, *headings, title=title)
    for name, score in scores.items():
        if score.get("accuracy") is None:
            table.add_row(Text(name), "-", "-", "-", "-", "0")
            continue
        rest = [score.get(key) for key in ("auc", "log_loss")]
        numbers = ["" if value is None else f"{value:.3f}" for value in rest]
        interval = f"{score['low']:.3f}-{score['high']:.3f}"
        accuracy, objects = f"{score['accuracy']:.3f}", f"{score['n']:,}"
        table.add_row(Text(name), accuracy, interval, *numbers, objects)
    console.print(table)


def show_arms(arms: Mapping[str, Mapping[str, Any]], *, title: str) -> None:
    """Print scores, a row for each arm."""
    rows = {_arm_name(name): scores for name, scores in arms.items()}
    show_scores(rows, first="arm", title=title)


def _arm_name(name: str) -> str:
    """Say what tables call an arm."""
    from czsl.compare.arms import ARM_NAMES

    return ARM_NAMES.get(name, name)


def show_comparison(folder: Path, metrics: Mapping[str, Any]) -> None:
    """Print the scores of every task's arms on the test folds, and where everything is."""
    for task, arms in (metrics.get("tasks") or {"": metrics["arms"]}).items():
        if not arms:
            named = f"{task}: " if task else ""
            why = "every cell failed, or judged no object of its test fold"
            cells = folder / "cells.csv"
            console.print(
                f"\n{named}no arm has a score, {why}; see {cells}", soft_wrap=True, markup=False
            )
            continue
        objects = max(score["n"] for score in arms.values())
        title = f"{objects:,} experts' objects, each scored by what never saw it"
        table = layout(
            *("arm", "accuracy", "95% interval", "G-mean", "AUC", "log loss"),
            title=f"{task}: {title}" if task else title,
        )
        for name, score in arms.items():
            rest = [score[key] for key in ("gmean", "auc", "log_loss")]
            table.add_row(
                Text(_arm_name(name)),
                f"{score['accuracy']:.3f}",
                f"{score['low']:.3f}-{score['high']:.3f}",
                *("" if value is None else f"{value:.3f}" for value in rest),
            )
        console.print(table)
    console.print()
    show_path("scores with intervals", folder / "summary.csv")
    show_path("differences", folder / "differences.csv")
    show_path("every cell", folder / "cells.csv")


def show_path(what: str, path: Path) -> None:
    """Print where something is, in a line that can be copied."""
    console.print(f"{what}: {path}", soft_wrap=True, markup=False)


def show_warnings(warnings: Sequence[str]) -> None:
    """Print what the user should know, on the error stream."""
    for warning in warnings:
        errors.print(_note(warning), soft_wrap=True)


def _note(warning: str) -> Text:
    """Mark what is no error."""
    return Text.assemble(("note:", "yellow"), f" {warning}")


def show_fit(model: CzSL, run: Run) -> None:
    """Print what a fit reached and where it is."""
    from czsl.record import SHOWN

    show_warnings(model.notes_)
    scores = model.scores_
    rows = {shown: scores[name] for name, shown in reversed(SHOWN.items()) if name in scores}
    show_scores(rows, first="posterior from", title="Experts' objects not trained on (out of fold)")
    show_path("model", run.model)
    show_path("scores, history, predictions", run.folder)


def show_predicted(done: Predicted) -> None:
    """Print what became of a table."""
    show_warnings(done.notes)
    flags = ", ".join(f"{count:,} {name}" for name, count in sorted(done.flags.items()))
    told = f"{done.rows:,} objects predicted: {done.path}" + (f"  ({flags})" if flags else "")
    console.print(told, soft_wrap=True, markup=False)
    if done.shares is not None:
        table = layout("class", "share", "95% interval", title="Shares, estimated from the table")
        for name, share in done.shares.values.items():
            interval = f"{done.shares.low[name]:.3f}-{done.shares.high[name]:.3f}"
            table.add_row(Text(name), f"{share:.3f}", interval)
        console.print(table)


def show_explained(found: Explanation) -> None:
    """Print what a model says of one object."""
    show_warnings(found.notes)
    console.print(Text.assemble((found.name, "bold"), f" ({found.tier}) by {found.model}"))
    if found.expert is not None:
        console.print(Text(f"an expert calls it {found.expert}"))
    if found.posteriors:
        classes = list(next(iter(found.posteriors.values())))
        table = layout("posterior from", *classes, title="Image and votes")
        for source, posterior in found.posteriors.items():
            counts = "  (counts)" if source == found.source else ""
            table.add_row(Text(source + counts), *(f"{value:.3f}" for value in posterior.values()))
        console.print(table)
        possible = " or ".join(found.classes)
        level = "" if found.coverage is None else f"; at {found.coverage:.0%} coverage: {possible}"
        console.print(Text.assemble("class: ", (found.decided, "bold"), level))
    for question, answers in found.votes.items():
        table = layout("answer", "votes", title=f"Votes on {question!r}")
        for answer, value in answers.items():
            table.add_row(Text(answer), f"{value:g}")
        console.print(table)
    if found.neighbours:
        table = layout("object", "experts", "distance", title="Likest experts' objects")
        for one in found.neighbours:
            table.add_row(Text(one.name), Text(one.expert), f"{one.distance:.2f}")
        console.print(table)
    for name, meaning in found.flags.items():
        console.print(Text.assemble((name, "yellow"), f": {meaning}"), soft_wrap=True)


def show_guess(guess: Guess, out: Path) -> None:
    """Print what was guessed, and why."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for heading in ("setting", "guess", "because"):
        table.add_column(heading, overflow="fold")
    for finding in guess.findings:
        table.add_row(Text(finding.setting), Text(spelled(finding.value)), Text(finding.reason))
    console.print(table)
    told = f"written: {out}; look it over, then: czsl check {shlex.quote(str(out))}"
    console.print(told, soft_wrap=True, markup=False)


def spelled(value: Any) -> str:
    """Write a guess as people do.

    Examples
    --------
    >>> spelled({"early": "N_EL", "late": "N_CS"}), spelled(None)
    ('early = N_EL, late = N_CS', '-')
    """
    if isinstance(value, Mapping):
        return ", ".join(f"{name} = {item}" for name, item in value.items())
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return "-" if value is None else str(value)


def show_checked(found: Checked, source: Path) -> None:
    """Print what a check of a configuration, given by its file or folder, found."""
    if found.catalogue:
        _show_catalogue(found.catalogue)
    if found.images:
        show_images(found.images)
    for warning in found.warnings:
        console.print(_note(warning), soft_wrap=True)
    for problem in found.problems:
        console.print(Text.assemble(("to mend:", "red"), f" {problem}"), soft_wrap=True)
    if not found.problems:
        command = shlex.join(["czsl", "fit", *([] if source == Path() else [str(source)])])
        told = Text(f"Nothing must be mended; next: {command}", "green")
        console.print(told, soft_wrap=True)


def _show_catalogue(catalogue: Mapping[str, Any]) -> None:
    """Print tiers, classes, answers, and volunteers against experts."""
    objects = f": {catalogue['objects']:,} objects"
    console.print(Text.assemble((catalogue["table"], "bold"), objects))
    tiers = layout("tier", "objects", title="Tiers")
    for tier, count in catalogue["tiers"].items():
        tiers.add_row(tier, f"{count:,}")
    tiers.add_row("expert, with votes too", f"{catalogue['experts_with_votes']:,}")
    console.print(tiers)
    classes = layout("class", "experts' objects", title="Classes")
    for name, count in catalogue["classes"].items():
        classes.add_row(Text(name), f"{count:,}")
    console.print(classes)
    for question in catalogue["questions"]:
        _show_question(question)
    if catalogue["confusion"]:
        _show_confusion(catalogue["confusion"])


def _show_question(question: Mapping[str, Any]) -> None:
    """Print the answers to one question."""
    given = ", ".join(f"{count:,} {kind}" for kind, count in question["given"].items() if count)
    title = f"Votes on {question['question']!r} (objects with: {given})"
    table = layout("answer", "votes", "mean share", "objects where first", title=title)
    for row in question["answers"]:
        share = "" if row["share"] is None else f"{row['share']:.3f}"
        table.add_row(Text(row["answer"]), f"{row['votes']:,.0f}", share, f"{row['first']:,}")
    console.print(table)


def _show_confusion(confusion: Mapping[str, Any]) -> None:
    """Print volunteers' majority against experts."""
    title = f"Volunteers' majority against experts: {confusion['agreement']:.1%} agree"
    table = layout("experts \\ majority", *confusion["columns"], title=title)
    for name, counts in zip(confusion["classes"], confusion["objects"], strict=True):
        table.add_row(Text(name), *(f"{count:,}" for count in counts))
    console.print(table)


def show_images(images: Mapping[str, Any]) -> None:
    """Print how many images can be used, and what is wrong with the others."""
    console.print(
        f"\n[bold]Images[/bold]: {images['usable']:,} of {images['images']:,} can be used"
    )
    for kind in ("sizes", "modes"):
        counts = list(images[kind].items())
        shown = ", ".join(f"{count:,} {name}" for name, count in counts[:4])
        more = f" and {len(counts) - 4} more" if len(counts) > 4 else ""
        console.print(Text(f"  {kind}: {shown}{more}"))
    for flag, found in images["flags"].items():
        first = "; ".join(f"{one['id']}: {one['reason']}" for one in found["first"])
        told = f": {found['count']:,}, first {first}"
        console.print(Text.assemble("  ", (flag, "yellow"), told))
