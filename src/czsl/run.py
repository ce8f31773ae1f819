"""A run: one fit of a configuration, kept in a folder of its own."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from czsl.catalogue import Catalogue
from czsl.catalogue.write import write_table
from czsl.config import Config
from czsl.errors import RunError
from czsl.files import fingerprint, replacing, write_json, write_text
from czsl.model import CzSL

HISTORY = ("stage", "fold", "epoch", "loss", "held_out", "images_per_second")


@dataclass(frozen=True, kw_only=True)
class Run:
    """The folder of one fit.

    ========================  ======================================================
    ``czsl.toml``             the configuration as it was resolved
    ``run.json``              what the run was started with
    ``stages/``               results of the stages; a resumed fit goes on from them
    ``history.csv``           every epoch of every stage
    ``metrics.json``          scores on experts' objects not trained on
    ``predictions.parquet``   experts' objects, predicted out of fold
    ``model/``                the model
    ========================  ======================================================

    Parameters
    ----------
    folder
        Where it is.
    """

    folder: Path

    @property
    def model(self) -> Path:
        """The model's folder."""
        return self.folder / "model"

    @property
    def stages(self) -> Path:
        """The folder of the stages' results."""
        return self.folder / "stages"

    def begin(self, config: Config, *, seed: int, limit: int | None, resume: bool) -> None:
        """Claim the folder for a fit, or check that it belongs to the same one.

        Raises
        ------
        RunError
            Where the folder holds a run and ``resume`` is false, or one of another
            configuration.
        WriteError
            Where the folder cannot be written.
        """
        text = config.to_toml()
        given = {"seed": seed, "limit": limit, "config": fingerprint(text)}
        path = self.folder / "run.json"
        if path.exists() and not resume:
            raise RunError(
                f"{self.folder}: holds a run already; go on with it by --resume, or choose "
                "another folder by --out"
            )
        if path.exists():
            kept = _read_json(path)
            changed = [name for name in given if kept.get(name) != given[name]]
            if changed:
                raise RunError(
                    f"{self.folder}: its run was started with another {' and '.join(changed)}; "
                    "resume with the same, or choose another folder by --out"
                )
        start = f"# As resolved; relative paths start from {config.folder.resolve()}\n\n"
        write_text(self.folder / "czsl.toml", start + text)
        write_json(path, given)

    def end(self, model: CzSL) -> None:
        """Write the history, the scores, the out-of-fold predictions and the model.

        Raises
        ------
        WriteError
            Where one of them cannot be written.
        """
        with replacing(self.folder / "history.csv") as temporary, temporary.open("w") as file:
            writer = csv.DictWriter(file, HISTORY, lineterminator="\n")
            writer.writeheader()
            writer.writerows(model.history_)
        write_json(self.folder / "metrics.json", {"scores": model.scores_, "notes": model.notes_})
        write_table(
            [model.out_of_fold_table_],
            self.folder / "predictions.parquet",
            metadata={"model": model.predictor.content.fingerprint, "out_of_fold": "true"},
        )
        model.save(self.model)


def _read_json(path: Path) -> dict[str, Any]:
    """Read what a run was started with."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise RunError(
            f"{path}: is not whole or not ours ({error}); choose another folder by --out"
        ) from error


def fit_run(
    model: CzSL,
    catalogue: Catalogue,
    folder: str | Path,
    *,
    limit: int | None = None,
    resume: bool = False,
    stages: Path | None = None,
) -> Run:
    """Fit a model and keep everything about it in a folder.

    Parameters
    ----------
    model
        Not fitted yet; it is fitted in place.
    catalogue
        The objects.
    folder
        The run's folder.
    limit
        Use so many objects only, drawn at random by the model's seed, every tier in its
        share: a quick try.
    resume
        Go on with a run that was stopped; what its stages have finished is kept.
    stages
        Folder of the stages' results, where runs share it; by default the run's own.

    Raises
    ------
    RunError
        Where the folder holds another run.
    CzslError
        Whatever stops the fit.
    """
    run = Run(folder=Path(folder))
    recipe = model.recipe or catalogue.config.recipe
    config = catalogue.config.model_copy(update={"recipe": recipe})
    run.begin(config, seed=model.seed, limit=limit, resume=resume)
    if limit is not None and limit < len(catalogue):
        catalogue = sample(catalogue, limit, model.seed)
    model.fit(catalogue, stages=stages or run.stages)
    run.end(model)
    return run


def sample(catalogue: Catalogue, number: int, seed: int) -> Catalogue:
    """Draw objects at random, each tier in its share but at least some experts' objects.

    Parameters
    ----------
    catalogue
        The objects.
    number
        How many to draw.
    seed
        Seed of the draw.
    """
    random = np.random.default_rng(seed)
    chosen: list[Any] = []
    for tier in np.unique(catalogue.tier):
        rows = np.flatnonzero(catalogue.tier == tier)
        share = round(number * len(rows) / len(catalogue))
        least = min(len(rows), 20 * len(catalogue.classes)) if tier == "expert" else 0
        chosen.append(random.permutation(rows)[: max(share, least)])
    return catalogue.select(np.sort(np.concatenate(chosen)))
