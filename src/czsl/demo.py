"""The demo: simulate a small survey, run everything on it, compare with the known truth."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from czsl.catalogue import Catalogue, majority_class, read_table, scan_catalogue
from czsl.check import Checked, check
from czsl.compare.arms import ARM_NAMES, MAJORITY, TIERS, tier_recipes
from czsl.config import Config, read_config
from czsl.errors import RunError, check_seed
from czsl.files import write_json
from czsl.model import CzSL
from czsl.recipes import Recipe, recipe_settings
from czsl.report.page import Plot, Plots, Section, data_address, write_page
from czsl.report.picture import PER_CLASS, draw_survey
from czsl.report.tables import score_table
from czsl.run import fit_run
from czsl.scores import accuracy, balanced_accuracy, scores
from czsl.simulate import simulate_survey
from czsl.survey.predict import predict_table

SHORTENED = {
    "czsl2023": {
        "name": "czsl2023",
        "folds": 3,
        "reconstruct": {"epochs": 5},
        "pretrain": {"epochs": 40, "experts": False},
        "finetune": {"epochs": 10},
    }
}
"""The published recipe, shortened so that the demo ends soon; said so in its table."""

MARKER = "demo.json"
"""The file by which a demo knows its own folder; it holds the seed."""


@dataclass(frozen=True, kw_only=True)
class Demo:
    """What the demo leaves.

    Attributes
    ----------
    folder
        The survey's files; ``czsl.toml`` among them.
    arms
        Scores of each arm against the known truth of the test objects.
    """

    folder: Path
    arms: dict[str, dict[str, Any]]

    @property
    def report(self) -> Path:
        """The page with the picture and the table."""
        return self.folder / "report.html"


def run_demo(
    folder: str | Path,
    *,
    seed: int = 0,
    make_model: Callable[[Recipe], CzSL],
    simulated: Callable[[int, int], None] | None = None,
    checked: Callable[[Checked], None] | None = None,
    started: Callable[[str], None] | None = None,
) -> Demo:
    """Simulate a survey, fit every arm, score them on objects that no arm has seen.

    Parameters
    ----------
    folder
        Where the survey goes; its runs go into ``runs`` in it. A new or empty folder, or
        that of a demo of the same seed, which goes on.
    seed
        Seed of the simulation.
    make_model
        Makes a model for a recipe, with its seed and device.
    simulated
        Called with the objects drawn and all.
    checked
        Called with what a check of the survey found.
    started
        Called with an arm's name before it is fitted.

    Raises
    ------
    RunError
        Where the folder holds anything else, or the demo of another seed.
    ArgumentError
        Where the seed is negative.
    MissingExtraError
        Where GalSim, Jinja2 or matplotlib is not installed.
    """
    check_seed(seed)
    folder = Path(folder)
    _claim(folder, seed)
    if not (folder / "czsl.toml").exists():
        simulate_survey(folder, seed=seed, progress=simulated)
    found = check(folder)
    if checked is not None:
        checked(found)
    config = read_config(folder)
    truth = read_truth(folder / "truth.csv", config)
    catalogue = Catalogue.read(config)
    shortened = {name: recipe_settings(arm) for name, arm in SHORTENED.items()}
    arms: dict[str, dict[str, Any]] = {}
    for name, recipe in tier_recipes(config.recipe, shortened).items():
        if started is not None:
            started(name)
        model = make_model(recipe)
        runs = folder / "runs"
        fit_run(model, catalogue, runs / name, stages=runs / "stages", resume=True)
        arms[name] = score_survey(model, folder, truth)
    arms[MAJORITY] = score_majority(config, folder / "test_votes.csv", truth)
    demo = Demo(folder=folder, arms={name: arms[name] for name in TIERS})
    _write_report(demo, config, truth)
    return demo


def _claim(folder: Path, seed: int) -> None:
    """Mark a new folder as that of a demo, or see that it is one of this seed.

    The mark comes before the first file of the survey, so that a demo that was stopped
    while it simulated goes on, too.
    """
    marker = folder / MARKER
    if not marker.exists():
        if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
            raise RunError(
                f"{folder}: is not empty and not the folder of a demo, which would write over what "
                "is in it; name a new folder"
            )
        write_json(marker, {"seed": seed})
        return
    try:
        before = json.loads(marker.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(
            f"{marker}: is not whole or not ours ({error}); name a new folder"
        ) from error
    if not isinstance(before, dict) or list(before) != ["seed"]:
        raise RunError(f"{marker}: is not of a demo; name a new folder")
    if before["seed"] != seed:
        raise RunError(
            f"{folder}: holds the demo of seed {before['seed']}, and seed {seed} was asked for; "
            f"name a new folder, or give the seed {before['seed']}"
        )


def read_truth(path: Path, config: Config) -> dict[str, int]:
    """Read the true class of every simulated object, by its id."""
    with path.open(newline="", encoding="utf-8") as file:
        return {
            row["object_id"]: config.classes.names.index(row["truth"])
            for row in csv.DictReader(file)
        }


def score_survey(model: CzSL, folder: Path, truth: dict[str, int]) -> dict[str, Any]:
    """Predict the test objects from their images and score them against the truth."""
    out = folder / "predictions.parquet"
    predict_table(model, folder / "test.csv", out)
    table = read_table(out, text=("object_id",))
    posterior = np.stack([table[f"p_{name}"].to_numpy() for name in model.classes_], axis=1)
    labels = _labels(table["object_id"].to_pylist(), truth)
    return scores(posterior.astype(np.float64), labels)


def score_majority(config: Config, path: Path, truth: dict[str, int]) -> dict[str, Any]:
    """Score the volunteers' majority on the test objects, whose votes were kept aside."""
    parts = [
        (majority_class(part), _labels(part.ids.tolist(), truth))
        for part in scan_catalogue(config, path, rows=65_536)
    ]
    predicted = np.concatenate([part for part, _ in parts])
    labels = np.concatenate([part for _, part in parts])
    return {
        **accuracy(predicted, labels),
        "balanced_accuracy": balanced_accuracy(predicted, labels),
    }


def _write_report(demo: Demo, config: Config, truth: dict[str, int]) -> None:
    """Draw the picture and write the page; the scores also stand in ``metrics.json``."""
    names = {**ARM_NAMES, "czsl2023": "czsl2023, shortened"}
    named = [(names.get(name, name), scores) for name, scores in demo.arms.items()]
    write_json(demo.folder / "metrics.json", {"arms": demo.arms})
    picture = demo.folder / "demo.png"
    draw_survey(_cutouts(demo.folder, config, truth), named, picture)
    shown = Plot(
        image=data_address(picture.read_bytes(), "image/png"),
        alternative="Example cutouts of each class, and the accuracy of each arm with its interval",
        caption="",
    )
    caption = "Arms on test objects that no arm was trained on"
    write_page(
        demo.report,
        title="A simulated survey, learned from experts, volunteers and unlabelled images",
        lead=[
            "Every arm is scored against the known truth of test objects that no arm was trained "
            "on. The volunteers' votes on these were kept aside, for the majority's row alone: "
            "the networks see nothing but the image.",
            "The published recipe czsl2023 was shortened here: 5, 40 and 10 epochs instead of "
            "100 each, and one pre-training for all folds.",
        ],
        sections=[
            Section(
                title="Result",
                blocks=[Plots(plots=[shown], wide=True), score_table("arm", named, caption)],
            )
        ],
    )


def _cutouts(folder: Path, config: Config, truth: dict[str, int]) -> dict[str, NDArray[np.uint8]]:
    """Take the first images of each class."""
    found: dict[str, NDArray[np.uint8]] = {}
    for index, name in enumerate(config.classes.names):
        ids = [one for one, label in truth.items() if label == index][:PER_CLASS]
        found[name] = np.stack(
            [np.asarray(Image.open(folder / f"images/{one}.jpg")) for one in ids]
        )
    return found


def _labels(ids: list[str], truth: dict[str, int]) -> NDArray[np.int64]:
    """Give the true classes of objects."""
    return np.array([truth[name] for name in ids], dtype=np.int64)
