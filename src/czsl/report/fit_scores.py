"""Sections of a fit's report: scores, confusion, calibration, volunteers against experts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from czsl.names import BETWEEN
from czsl.record import SHOWN
from czsl.reliability import bins, calibration_error, confusion, reliability
from czsl.report.fit_objects import disagreements
from czsl.report.page import Beside, Block, Cell, Figures, Plot, Plots, Section, Table, Text
from czsl.report.picture import plot_block
from czsl.report.plots import plot_confusion, plot_reliability, plot_scores, plot_votes
from czsl.report.results import Results
from czsl.report.tables import BINS, bin_rows, confusion_table, score_table
from czsl.scores import known_rows, log_loss

Floats = NDArray[np.float64]


def result(results: Results) -> Section:
    """Show the scores out of fold."""
    arms = [
        (name, results.scores[source])
        for source, name in SHOWN.items()
        if results.scores.get(source, {}).get("accuracy") is not None
        and (source != "majority" or results.has_majority)
    ]
    if not arms:
        text = "No expert's object was held out, so nothing could be scored."
        return Section(title="Result", blocks=[Text(text=text, warning=True)])
    tiles = [
        (
            f"{score['accuracy']:.3f}",
            f"accuracy, {name}",
            f"95%: {score['low']:.3f} to {score['high']:.3f}, {score['n']:,} objects",
        )
        for name, score in reversed(arms)
    ]
    words = "; ".join(
        f"{name} {score['accuracy']:.3f} ({score['low']:.3f} to {score['high']:.3f})"
        for name, score in arms
    )
    plot = plot_block(plot_scores(arms), alternative=f"Accuracies: {words}.", caption="")
    text = (
        "Experts' objects, each scored by a network that never saw it (out of fold). The interval "
        "is Wilson's, of 95%, and holds for the number of objects, not for the choice of them."
    )
    table = score_table("by", arms, "Scores out of fold")
    return Section(
        title="Result",
        blocks=[
            Figures(figures=tiles),
            Text(text=text),
            Beside(blocks=[Plots(plots=[plot]), table]),
        ],
    )


def image(results: Results) -> Section | None:
    """Show what the image's posterior gets wrong, and whether it means what it says."""
    if not results.has_image:
        return None
    before = results.content.calibrator.before(results.image)
    calibrated = results.content.recipe.calibrate is not None
    blocks = _judged(results, results.image, "image", before if calibrated else None)
    if calibrated:
        blocks.append(_calibration(results, before))
        blocks.append(
            Text(
                text="Temperature and rate of lapses were fitted to these same objects, so what is "
                "said after them flatters a little: the less, the more objects there are."
            )
        )
    return Section(title="From the image", blocks=blocks)


def votes(results: Results) -> Section | None:
    """Show the same of the votes' posterior, by the transfer."""
    if not results.has_votes:
        return None
    text = (
        "The transfer learns from experts' objects that have votes what votes are worth: the "
        "probability of each class given the votes alone, out of fold."
    )
    blocks = [Text(text=text), *_judged(results, results.votes, "votes", None)]
    return Section(title="From the votes", blocks=blocks)


def fused(results: Results) -> Section | None:
    """Show the same of both together, and the sets."""
    blocks: list[Block] = []
    if np.isfinite(results.fused).any():
        blocks.append(
            Text(
                text="The posterior from image and votes together, for the experts' objects that "
                "have both; each fold is joined by what was fitted to the others."
            )
        )
        blocks += _judged(results, results.fused, SHOWN["fused"], None)
    if results.content.choices:
        blocks.append(_choices(results))
    if results.content.calibration:
        blocks.append(_errors(results))
    if results.content.sets:
        blocks += _sets(results)
    return Section(title="How far to trust a row", blocks=blocks) if blocks else None


def _choices(results: Results) -> Table:
    """Show the weights of transferred labels that were tried."""
    rows: list[list[Cell]] = [
        [f"{choice['transferred']:g}", choice["log_loss"], "taken" if choice["chosen"] else ""]
        for choice in results.content.choices
    ]
    heads = ("weight of transferred labels", "log loss out of fold", "")
    return Table(caption="The mix, chosen by the objects left out", heads=heads, rows=rows)


def _errors(results: Results) -> Table:
    """Show the calibration error of every source, beside what chance alone gives."""
    names = {
        "image_before": "image, before calibration",
        "image": "image",
        "votes": "votes",
        "fused": "image and votes",
    }
    rows: list[list[Cell]] = [
        [names[name], one["error"], one["low"], one["high"], one["by_chance"], one["n"]]
        for name, one in results.content.calibration.items()
    ]
    heads = ("posterior from", "error", "95% from", "to", "by chance", "objects")
    return Table(caption="Expected calibration error out of fold", heads=heads, rows=rows)


def _sets(results: Results) -> list[Block]:
    """Show how large the sets are, class by class."""
    sets = results.content.sets
    rows: list[list[Cell]] = []
    for k, name in enumerate(results.classes):
        words = [one for one in results.sets[results.experts == k].tolist() if one]
        sizes = np.array([len(one.split(BETWEEN)) for one in words])
        if len(sizes):
            rows.append([name, float(sizes.mean()), float(np.mean(sizes == 1)), len(sizes)])
    kind = {
        "held out": "made by experts' objects that taught nothing: the coverage is exact",
        "cross-conformal": "made by experts' objects out of fold: the coverage is approximate",
    }[sets["method"]]
    text = (
        f"Sets hold the class of {sets['coverage']:.0%} of the objects of each class, or of more; "
        f"they are {kind}. The smaller the sets, the more is said."
    )
    heads = ("experts' class", "classes in a set", "share of single classes", "objects")
    return [Text(text=text), Table(caption="Sets of experts' objects", heads=heads, rows=rows)]


def volunteers(results: Results) -> Section | None:
    """Show what experts say where volunteers' votes say something."""
    blocks: list[Block] = []
    if results.majority is not None:
        blocks += _majority(results, results.majority)
    if results.shares is not None:
        blocks += _vote_map(results, results.shares)
    if results.majority is not None:
        blocks += disagreements(results, results.majority)
    return Section(title="Volunteers and experts", blocks=blocks) if blocks else None


def _judged(results: Results, posterior: Floats, said: str, before: Floats | None) -> list[Block]:
    """Show the confusion matrix and the reliability of a posterior."""
    known = known_rows(posterior)
    table = confusion(
        posterior[known].argmax(axis=1), results.experts[known], len(results.classes)
    )[:, :-1]
    found = reliability(posterior, results.experts)
    earlier = [] if before is None else reliability(before, results.experts)
    ax = plot_reliability(found, before=earlier)
    error = calibration_error(found)
    words = "" if error is None else f" The expected calibration error is {error:.3f}."
    diagram = plot_block(
        ax,
        alternative=f"Reliability of the posterior from the {said}.{words} Numbers below.",
        caption=f"Reliability: on the dotted line probabilities mean what they say.{words} "
        "Bars: 95%; below: objects in each bin.",
    )
    return [
        Plots(plots=[_confusion_plot(results, table, results.classes, said), diagram]),
        confusion_table(table, results.classes, results.classes, said),
        Table(
            caption=f"Reliability of the posterior from the {said}",
            heads=("stated", *BINS),
            rows=bin_rows(found),
            folded=True,
        ),
    ]


def _confusion_plot(
    results: Results, table: NDArray[np.int64], columns: Sequence[str], said: str
) -> Plot:
    """Draw a confusion matrix."""
    agreed = np.trace(table) / max(table.sum(), 1)
    words = f"{agreed:.1%} of {table.sum():,} objects are on the diagonal"
    return plot_block(
        plot_confusion(table, results.classes, columns, said=said),
        alternative=f"Confusion matrix, experts against {said}: {words}. Numbers below.",
        caption=f"By row the experts' class, by column that from the {said}: {words}.",
    )


def _calibration(results: Results, before: Floats) -> Table:
    """Compare log loss and calibration error before and after."""
    known = known_rows(results.image)
    labels = results.experts[known]
    rows: list[list[Cell]] = [
        [
            name,
            temperature,
            lapse,
            log_loss(posterior[known], labels),
            calibration_error(reliability(posterior, results.experts)),
        ]
        for name, temperature, lapse, posterior in (
            ("before", 1.0, 0.0, before),
            ("after", results.content.temperature, results.content.lapse, results.image),
        )
    ]
    heads = (
        "calibration",
        "temperature",
        "rate of lapses",
        "log loss",
        "expected calibration error",
    )
    return Table(caption="Calibration of the image's posterior", heads=heads, rows=rows)


def _majority(results: Results, majority: NDArray[np.int64]) -> list[Block]:
    """Show the volunteers' majority against the experts."""
    assert results.catalogue is not None
    voted = results.catalogue.has_votes[results.rows]
    table = confusion(majority[voted], results.experts[voted], len(results.classes))
    columns = (*results.classes, "none")
    said = "volunteers' majority"
    plot = plot_block(
        plot_confusion(table, results.classes, columns, said=said),
        alternative=f"Confusion matrix, experts against {said}; numbers below.",
        caption=f"Experts' class by row, the {said} by column; 'none': most votes are for an "
        "answer of no class.",
    )
    numbers = confusion_table(table, results.classes, columns, said)
    return [Beside(blocks=[Plots(plots=[plot]), numbers])]


def _vote_map(results: Results, shares: Floats) -> list[Block]:
    """Show how often experts give a class against the share of votes for it."""
    known = known_rows(shares)
    plots: list[Plot] = []
    rows: list[list[Cell]] = []
    for k, name in enumerate(results.classes):
        if not results.config.classes.from_answers.get(name):
            continue
        found = bins(shares[known, k], results.experts[known] == k)
        answers = ", ".join(results.config.classes.from_answers[name])
        plots.append(
            plot_block(
                plot_votes(found, name),
                alternative=f"Share of experts who say {name} by the share of volunteers' votes "
                "for it; numbers below.",
                caption=f"Answers of {name}: {answers}.",
            )
        )
        rows += [[name, *row] for row in bin_rows(found)]
    text = (
        f"What votes are worth: of {int(known.sum()):,} objects with an expert's class and counted "
        "votes, how many have the class by experts, against the share of all votes for the "
        "answers that make it. Above the dotted line experts give the class more often than "
        "volunteers do. Bars: 95%; below: objects in each bin."
    )
    table = Table(
        caption="Experts by the share of votes for a class",
        heads=("class", "share of votes", *BINS),
        rows=rows,
        folded=True,
    )
    return [Text(text=text), Plots(plots=plots), table]
