"""What a finished fit left, read back for its report."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from czsl.bundle import ModelContent, read_bundle
from czsl.catalogue import Catalogue, Given, class_shares, majority_class, read_table
from czsl.config import Config
from czsl.errors import CzslError, RunError
from czsl.images.build import store_folder
from czsl.images.store import ImageStore
from czsl.run import Run
from czsl.stages.fitted_transfer import FittedTransfer
from czsl.train.checkpoint import without_prefix

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Results:
    """What a finished fit left.

    Attributes
    ----------
    run
        Its folder.
    given
        What it was started with.
    config
        Its configuration.
    content
        Its model's.
    scores, notes
        As in ``metrics.json``.
    history
        Every epoch of every stage.
    transfer
        The transfer from votes to classes; None where there is none.
    transfer_map
        What votes mean to it, as in ``transfer.csv``; empty where it has no map.
    ended
        When the fit ended.
    ids
        The experts' objects, shape (object,).
    experts
        Their class, shape (object,).
    image, votes, fused
        Their posterior out of fold from the image, from the votes and from both, shape
        (object, class); NaN where there is none.
    sets
        Their sets, as text, shape (object,).
    voters
        Volunteers on each, shape (object,); NaN where unknown.
    catalogue
        The whole catalogue; None where it is gone or has changed.
    rows
        Rows of the experts' objects in it, shape (object,).
    images
        The image store, opened for the catalogue's objects, or without a catalogue for
        the experts'; None where it is gone.
    absent
        What is gone, and what is missing from the report for it.
    """

    run: Run
    given: dict[str, Any]
    config: Config
    content: ModelContent
    scores: dict[str, Any]
    notes: Sequence[str]
    history: Sequence[dict[str, Any]]
    transfer: FittedTransfer | None
    transfer_map: Sequence[dict[str, Any]]
    ended: datetime
    ids: NDArray[np.str_]
    experts: Labels
    image: Floats
    votes: Floats
    fused: Floats
    sets: NDArray[np.str_]
    voters: Floats
    catalogue: Catalogue | None
    rows: Labels
    images: ImageStore | None
    absent: Sequence[str]

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes, in the order of every probability."""
        return self.content.classes.names

    @property
    def has_image(self) -> bool:
        """Whether any object was scored by its image."""
        return bool(np.any(~np.isnan(self.image)))

    @property
    def has_votes(self) -> bool:
        """Whether any object was scored by its votes."""
        return bool(np.any(~np.isnan(self.votes)))

    @property
    def has_majority(self) -> bool:
        """Whether volunteers could say the class of any experts' object."""
        # Unknown numbers of volunteers are NaN, which is not none.
        return bool(self.config.classes.from_answers and np.any(self.voters != 0))

    @cached_property
    def majority(self) -> Labels | None:
        """The volunteers' majority on the experts' objects, -1 for none; None if unknown."""
        if self.catalogue is None or not self.config.classes.from_answers:
            return None
        experts = self.catalogue.select(self.rows)
        return majority_class(experts) if experts.has_votes.any() else None

    @cached_property
    def shares(self) -> Floats | None:
        """Share of the votes for each class on the experts' objects; NaN without counts.

        None where no object has any.
        """
        if self.catalogue is None or not self.config.classes.from_answers:
            return None
        questions = self.catalogue.select(self.rows).questions
        if not questions or not (known := questions[0].given >= Given.FRACTIONS).any():
            return None
        shares, _ = class_shares(questions, self.config.classes.from_answers, self.classes)
        return np.where(known[:, None], shares, np.nan)

    def pixels(self, objects: Labels) -> NDArray[np.uint8] | None:
        """Give the cutouts of some experts' objects, with their margins."""
        if self.images is None:
            return None
        rows = objects if self.catalogue is None else self.rows[objects]
        return self.images.gather(rows)

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Whether the image of each experts' object can be shown, shape (object,)."""
        if self.images is None:
            return np.zeros(len(self.ids), bool)
        return self.images.usable if self.catalogue is None else self.images.usable[self.rows]


def read_results(folder: Path) -> Results:
    """Read what a finished fit left, and as much of its data as is still there.

    Parameters
    ----------
    folder
        The run's folder.

    Raises
    ------
    RunError
        Where the folder holds no run, or one that has not ended.
    ModelError
        Where its model is damaged.
    """
    run = Run(folder=folder)
    run.finished()
    config = run.config()
    content, tensors = read_bundle(run.model)
    transfer = {name: one.numpy() for name, one in without_prefix("transfer", tensors).items()}
    metrics = _read_metrics(folder / "metrics.json")
    table = read_table(folder / "predictions.parquet", text=(config.catalogue.id,))
    names = content.classes.names
    ids = np.array(table[config.catalogue.id].to_pylist(), dtype=str)
    source = np.array(table["source"].fill_null("").to_pylist(), dtype=np.str_)[:, None]
    catalogue, rows, gone = _read_catalogue(run, ids)
    images, hidden = _read_images(config, ids if catalogue is None else catalogue.ids)
    return Results(
        run=run,
        given=run.given(),
        config=config,
        content=content,
        scores=metrics["scores"],
        notes=metrics["notes"],
        history=_read_history(folder / "history.csv"),
        transfer=FittedTransfer.from_arrays(transfer, collapsed=content.transfer == "collapsed")
        if transfer
        else None,
        transfer_map=_read_map(run.transfer_map),
        ended=datetime.fromtimestamp((folder / "metrics.json").stat().st_mtime, UTC),
        ids=ids,
        experts=np.array([names.index(name) for name in table["expert"].to_pylist()], np.int64),
        image=_posterior(table, "p_image", names),
        votes=_posterior(table, "p_votes", names),
        fused=np.where(source == "fused", _posterior(table, "p", names), np.nan),
        sets=np.array(table["set"].fill_null("").to_pylist(), dtype=np.str_),
        voters=_numbers(table, "n_votes"),
        catalogue=catalogue,
        rows=rows,
        images=images,
        absent=[*gone, *hidden],
    )


def _read_metrics(path: Path) -> dict[str, Any]:
    """Read the scores and the notes."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: cannot be read ({error}); fit again with --resume") from error


def _read_history(path: Path) -> list[dict[str, Any]]:
    """Read the epochs; what a stage does not have is None."""
    with path.open(newline="", encoding="utf-8") as file:
        return [
            {
                "stage": line["stage"],
                "fold": int(line["fold"]) if line["fold"] else None,
                "epoch": int(line["epoch"]),
                "loss": float(line["loss"]),
                "held_out": float(line["held_out"]) if line["held_out"] else None,
                "images_per_second": float(line["images_per_second"]),
            }
            for line in csv.DictReader(file)
        ]


def _read_map(path: Path) -> list[dict[str, Any]]:
    """Read what votes mean to the transfer; nothing where there is no such file."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [
            {
                **line,
                "votes": int(line["votes"]),
                "share": float(line["share"]),
                **{name: float(line[name]) for name in line if name.startswith("p_")},
            }
            for line in csv.DictReader(file)
        ]


def _posterior(table: Any, prefix: str, names: Sequence[str]) -> Floats:
    """Read a posterior, shape (object, class)."""
    return np.stack([_numbers(table, f"{prefix}_{name}") for name in names], axis=1)


def _numbers(table: Any, name: str) -> Floats:
    """Read a column of numbers; NaN where it is null."""
    numbers = [np.nan if value is None else value for value in table[name].to_pylist()]
    return np.array(numbers, dtype=np.float64)


def _read_catalogue(
    run: Run, ids: NDArray[np.str_]
) -> tuple[Catalogue | None, Labels, tuple[str, ...]]:
    """Read the catalogue, and find the experts' objects in it."""
    nothing = np.zeros(0, np.int64)
    missing = "the counts of the table and what volunteers said are left out"
    try:
        catalogue = run.catalogue()
    except CzslError as error:
        return None, nothing, (f"The table cannot be read any more, so {missing}: {error}",)
    place = {name: row for row, name in enumerate(catalogue.ids.tolist())}
    rows = np.array([place.get(name, -1) for name in ids.tolist()], np.int64)
    if (rows < 0).any():
        changed = f"The table has changed since the fit, so {missing}: "
        return None, nothing, (f"{changed}{int((rows < 0).sum())} of its objects are gone",)
    return catalogue, rows, ()


def _read_images(
    config: Config, ids: NDArray[np.str_]
) -> tuple[ImageStore | None, tuple[str, ...]]:
    """Open the image store as it is: nothing is decoded for a report."""
    pattern = config.catalogue.images or ""
    try:
        return ImageStore.open(store_folder(config.folder, pattern, config.images), ids), ()
    except CzslError as error:
        note = (
            f"The images are not in their store any more, so no cutout is shown ({error}); where "
            "the files are still there, 'czsl check' on this run's folder decodes them again"
        )
        return None, (note,)
