"""A run: one fit of a configuration, kept in a folder of its own."""

from __future__ import annotations

import json
import platform
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from czsl.catalogue import Catalogue
from czsl.catalogue.write import write_table
from czsl.config import Config, read_config
from czsl.errors import RunError
from czsl.files import fingerprint, write_csv, write_json, write_text
from czsl.model import CzSL
from czsl.train.checkpoint import save_tensors
from czsl.train.device import open_ranks

HISTORY = ("stage", "fold", "epoch", "loss", "held_out", "images_per_second")


@dataclass(frozen=True, kw_only=True)
class Run:
    """The folder of one fit.

    ============================  ====================================================
    ``czsl.toml``                 the configuration as it was resolved
    ``run.json``                  what the run was started with, and where its paths start
    ``stages/``                   results of the stages; a resumed fit goes on from them
    ``history.csv``               every epoch of every stage
    ``metrics.json``              scores on experts' objects not trained on
    ``predictions.parquet``       experts' objects, predicted out of fold
    ``model/``                    the model
    ``autoencoder.safetensors``   where the recipe has one: its weights
    ``transfer.csv``              where a map from votes was fitted: what votes mean to it
    ============================  ====================================================

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

    @property
    def transfer_map(self) -> Path:
        """The table of what votes mean to the transfer."""
        return self.folder / "transfer.csv"

    @property
    def autoencoder(self) -> Path:
        """The file of the autoencoder's weights."""
        return self.folder / "autoencoder.safetensors"

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
        write_json(path, {**given, "folder": str(config.folder.resolve()), "versions": _versions()})

    def config(self) -> Config:
        """Read the configuration back; its paths start where they did in the fit.

        Raises
        ------
        RunError
            Where the folder holds no run.
        """
        self.given()
        return read_config(self.folder)

    def given(self) -> dict[str, Any]:
        """Say what the run was started with: ``seed``, ``limit``, ``folder``, ``versions``.

        Raises
        ------
        RunError
            Where the folder holds no run.
        """
        path = self.folder / "run.json"
        if not path.exists():
            raise RunError(
                f"{self.folder}: holds no run, there is no run.json in it; name the folder that "
                "'czsl fit' wrote"
            )
        return _read_json(path)

    def catalogue(self) -> Catalogue:
        """Read the objects of the run: with a limit, the same that were drawn for the fit.

        Raises
        ------
        RunError
            Where the folder holds no run.
        ConfigError, CatalogueError
            Where the table is not there any more, or cannot be used.
        """
        given = self.given()
        return _limited(Catalogue.read(self.config()), given["limit"], given["seed"])

    def finished(self) -> None:
        """Check that the fit has ended.

        Raises
        ------
        RunError
            Where the folder holds no run, or one that was stopped: says how to go on.
        """
        given = self.given()
        # The model is written last.
        if not (self.model / "model.json").exists():
            raise RunError(
                f"{self.folder}: its fit has not ended; go on with it by: "
                f"{fit_command(self.folder, given, self.folder)} --resume"
            )

    def end(self, model: CzSL) -> None:
        """Write the history, the scores, what votes mean, the predictions and the model.

        Raises
        ------
        WriteError
            Where one of them cannot be written.
        """
        write_csv(self.folder / "history.csv", HISTORY, model.history_)
        if model.transfer_map_:
            write_csv(self.transfer_map, list(model.transfer_map_[0]), model.transfer_map_)
        write_json(self.folder / "metrics.json", {"scores": model.scores_, "notes": model.notes_})
        write_table(
            [model.out_of_fold_table_],
            self.folder / "predictions.parquet",
            metadata={"model": model.predictor.content.fingerprint, "out_of_fold": "true"},
        )
        if model.autoencoder_ is not None:
            save_tensors(self.autoencoder, model.autoencoder_, {})
        model.save(self.model)


def _read_json(path: Path) -> dict[str, Any]:
    """Read what a run was started with."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise RunError(
            f"{path}: is not whole or not ours ({error}); choose another folder by --out"
        ) from error


def fit_command(config: Path, given: Mapping[str, Any], out: Path | str) -> str:
    """Spell the command that fits as a run was fitted.

    Examples
    --------
    >>> fit_command(Path("runs/fit"), {"seed": 3, "limit": 800}, "runs/again")
    'czsl fit runs/fit --out runs/again --seed 3 --limit 800'
    """
    limit = "" if given["limit"] is None else f" --limit {given['limit']}"
    places = f"{shlex.quote(str(config))} --out {shlex.quote(str(out))}"
    return f"czsl fit {places} --seed {given['seed']}{limit}"


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

    Of several processes that torchrun or srun started the first one writes.

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
    ranks = open_ranks(model.hardware.device)
    with ranks.watched("before the first stage"):
        ranks.told(lambda: run.begin(config, seed=model.seed, limit=limit, resume=resume))
    catalogue = _limited(catalogue, limit, model.seed)
    model.fit(catalogue, stages=stages or run.stages)
    with ranks.watched("after the last stage"):
        ranks.told(lambda: run.end(model))
    return run


def _versions() -> dict[str, str]:
    """Say what the fit runs on, as far as its numbers may depend on it."""
    names = {"czsl": "czsl", "numpy": "numpy", "PyTorch": "torch", "scikit-learn": "scikit-learn"}
    versions = {shown: metadata.version(name) for shown, name in names.items()}
    return {"Python": platform.python_version(), **versions}


def _limited(catalogue: Catalogue, limit: int | None, seed: int) -> Catalogue:
    """Draw as many objects as the limit allows."""
    if limit is None or limit >= len(catalogue):
        return catalogue
    return sample(catalogue, limit, seed)


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
