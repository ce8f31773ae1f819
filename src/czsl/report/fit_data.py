"""Sections of a fit's report: what went in, what was left out, training, settings."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any

import numpy as np

from czsl.catalogue import majority_class, summarise
from czsl.flags import MEANING, Flag
from czsl.images.inspect import summary
from czsl.images.store import ImageStore
from czsl.report.page import Beside, Block, Code, Items, Plots, Section, Table, Text
from czsl.report.picture import plot_block
from czsl.report.plots import plot_balance, plot_history
from czsl.report.results import Results
from czsl.run import fit_command

LOSSES = {
    "reconstruct": "pixel-wise binary cross-entropy of the autoencoder",
    "pretrain": "loss on the volunteers' votes",
    "finetune": "loss on the experts' classes and the transferred labels",
}
"""What each stage minimises, in words."""


def left_out(results: Results) -> Section | None:
    """Say what the fit left out, what the catalogue warns of, and what is gone."""
    warnings = () if results.catalogue is None else results.catalogue.warnings
    notes = [*results.notes, *map(str, warnings), *results.absent]
    if not notes:
        return None
    return Section(title="What was left out", blocks=[Items(items=notes)])


def data(results: Results) -> Section:
    """Show the tiers, the balance of the classes, and the images."""
    blocks: list[Block] = [_tiers(results), *_balance(results)]
    if results.catalogue is not None:
        blocks += _answers(results)
        if results.images is not None:
            blocks += _images(results.images)
    return Section(title="What went in", blocks=blocks)


def _tiers(results: Results) -> Table:
    """Count the objects of each tier."""
    tiers = results.content.data["tiers"]
    meaning = {
        "expert": "have an expert's class",
        "volunteer": "have volunteers' votes and no expert's class",
        "unlabelled": "have neither",
    }
    rows = [[tier, number, meaning[tier]] for tier, number in tiers.items()]
    if results.catalogue is not None:
        both = int((results.catalogue.is_expert & results.catalogue.has_votes).sum())
        rows.append(["expert, with votes too", both, "teach what votes are worth"])
    rows.append(["all", sum(tiers.values()), "rows of the table that were used"])
    return Table(caption="Objects", heads=("tier", "objects", "which"), rows=rows, last=True)


def _balance(results: Results) -> list[Block]:
    """Count the objects of each class, by experts and by the volunteers' majority."""
    number = len(results.classes)
    counts = {"experts": np.bincount(results.experts, minlength=number).tolist()}
    catalogue = results.catalogue
    if (
        catalogue is not None
        and catalogue.config.classes.from_answers
        and catalogue.has_votes.any()
    ):
        majority = majority_class(catalogue)
        counts["volunteers' majority"] = np.bincount(
            majority[majority >= 0], minlength=number
        ).tolist()
    rows = [
        [name, *(who[place] for who in counts.values())]
        for place, name in enumerate(results.classes)
    ]
    words = "; ".join(f"{row[0]}: {' and '.join(f'{n:,}' for n in row[1:])}" for row in rows)
    plot = plot_block(
        plot_balance(results.classes, counts),
        alternative=f"Objects of each class by {' and by '.join(counts)}. {words}.",
        caption="Objects of each class, among those that each of them looked at.",
    )
    table = Table(caption="Objects of each class", heads=("class", *counts), rows=rows)
    return [Beside(blocks=[Plots(plots=[plot]), table])]


def _answers(results: Results) -> list[Block]:
    """Count the answers to each question."""
    assert results.catalogue is not None
    several = len(results.catalogue.questions) > 1
    return [
        Table(
            caption="Volunteers' answers" + (f" to “{question.question}”" if several else ""),
            heads=("answer", "votes", "mean share", "objects where first"),
            rows=[[one.answer, round(one.votes), one.share, one.first] for one in question.answers],
            folded=True,
        )
        for question in summarise(results.catalogue).questions
    ]


def _images(store: ImageStore) -> list[Block]:
    """Say how many images can be used, and what is wrong with the others."""
    found = summary(store)
    sizes = list(found["sizes"].items())
    shown = ", ".join(f"{count:,} of {size}" for size, count in sizes[:3])
    more = f" and {len(sizes) - 3} sizes more" if len(sizes) > 3 else ""
    text = (
        f"Images: {found['usable']:,} of {found['images']:,} can be used. "
        f"Size in pixels: {shown}{more}; stored at {store.size} x {store.size}."
    )
    rows = [
        [
            name,
            MEANING[Flag[name.upper()]],
            flag["count"],
            ", ".join(one["id"] for one in flag["first"]),
        ]
        for name, flag in found["flags"].items()
    ]
    if not rows:
        return [Text(text=text)]
    heads = ("flag", "meaning", "images", "first")
    return [Text(text=text), Table(caption="Images with a flag", heads=heads, rows=rows)]


def training(results: Results) -> Section | None:
    """Show the loss of every stage by epoch."""
    if not results.history:
        return None
    stages = list(dict.fromkeys(one["stage"] for one in results.history))
    by_stage = {
        stage: [one for one in results.history if one["stage"] == stage] for stage in stages
    }
    plots = [
        plot_block(
            plot_history(epochs),
            alternative=f"Loss of the stage {stage} by epoch: {_fell(epochs)}",
            caption=f"{stage}: {LOSSES.get(stage, 'loss')}{_lines(epochs)}.",
        )
        for stage, epochs in by_stage.items()
    ]
    rows = [_last(stage, epochs) for stage, every in by_stage.items() for epochs in _folds(every)]
    heads = ("stage", "fold", "epochs", "last loss", "best held out", "in epoch", "images/s")
    table = Table(caption="Every training", heads=heads, rows=rows, folded=len(rows) > 8)
    return Section(title="Training", blocks=[Plots(plots=plots), table])


def _folds(epochs: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Part the epochs of a stage by their fold."""
    folds = dict.fromkeys(one["fold"] for one in epochs)
    return [[one for one in epochs if one["fold"] == fold] for fold in folds]


def _lines(epochs: Sequence[dict[str, Any]]) -> str:
    """Say how many lines there are."""
    folds = len(_folds(epochs))
    return f"; a line for each of {folds} folds" if folds > 1 else ""


def _fell(epochs: Sequence[dict[str, Any]]) -> str:
    """Say from what to what the loss fell, a fold's mean."""
    folds = _folds(epochs)
    first, last = (float(np.mean([fold[i]["loss"] for fold in folds])) for i in (0, -1))
    return f"from {first:.3f} to {last:.3f} on training images; numbers in the table below"


def _last(stage: str, epochs: Sequence[dict[str, Any]]) -> list[str | int | float | None]:
    """Give the row of one training."""
    held = [one for one in epochs if one["held_out"] is not None and isfinite(one["held_out"])]
    best = min(held, key=lambda one: one["held_out"]) if held else {"held_out": None, "epoch": None}
    fold = epochs[0]["fold"]
    return [
        stage,
        "all" if fold is None else str(fold),
        len(epochs),
        epochs[-1]["loss"],
        best["held_out"],
        best["epoch"],
        round(float(np.mean([one["images_per_second"] for one in epochs]))),
    ]


def settings(results: Results) -> Section:
    """Show what it takes to do the same again."""
    given, folder = results.given, results.run.folder.resolve()
    limit = "none" if given["limit"] is None else f"{given['limit']:,} objects"
    versions = given.get("versions", {})
    rows = [
        ["seed", str(given["seed"])],
        ["limit", limit],
        ["networks", str(results.content.networks)],
        ["temperature", f"{results.content.temperature:.4f}"],
        ["rate of lapses", f"{results.content.lapse:.4f}"],
        ["transfer", results.content.transfer],
        ["model", results.content.fingerprint],
        ["images", results.content.data["images"]],
        ["configuration", given["config"]],
        ["relative paths start from", str(results.config.folder)],
        *([name, version] for name, version in versions.items()),
    ]
    text = (folder / "czsl.toml").read_text(encoding="utf-8")
    command = fit_command(folder, given, "NEW_FOLDER")
    return Section(
        title="Settings",
        blocks=[
            Code(caption="To fit the same again", text=command),
            Table(caption="Seed, fingerprints and versions", heads=("what", "value"), rows=rows),
            Code(caption="czsl.toml, as it was resolved", text=text),
        ],
    )
