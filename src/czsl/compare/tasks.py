"""Tasks that ship: the published ones, for the tables of Galaxy Zoo 1 as published.

``votes_es_erl.csv`` and ``votes_mergers.csv`` are the tables of Jimenez et al. (2023):
early or late type; elliptical and the two senses of spirals; mergers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from czsl.compare.arms import VotesArm, select_arms
from czsl.compare.cell import Arm
from czsl.compare.plan import Task
from czsl.config import Config, make_config
from czsl.errors import ConfigError
from czsl.recipes import Transfer

TABLES = ("votes_es_erl.csv", "votes_mergers.csv")

ANSWERS = {
    "elliptical": "N_EL",
    "clockwise": "N_CW",
    "anticlockwise": "N_ACW",
    "edge": "N_EDGE",
    "other": "N_DK",
    "merger": "N_MG",
}
SPIRALS = ["clockwise", "anticlockwise", "edge"]
SAMPLED = ("perceptron_over", "perceptron_under", "logistic_over", "logistic_under")
AMATEUR = ("CS",)
TRANSFORMED = ("CS", "EL_DEB[123]", "CS_DEB[123]")

CLASSES: dict[str, dict[str, Any]] = {
    "early_late": {
        "column": "EXPERT",
        "values": {"early": "M", "late": "L"},
        "from_answers": {"early": ["elliptical"], "late": SPIRALS},
        "debiased": {"early": "EL_DEB", "late": "CS_DEB"},
    },
    "spirals": {
        "column": "HAND",
        "values": {"elliptical": "0", "clockwise": "1", "anticlockwise": "-1"},
        "from_answers": {
            "elliptical": ["elliptical"],
            "clockwise": ["clockwise"],
            "anticlockwise": ["anticlockwise"],
        },
        "mirror": {"clockwise": "anticlockwise"},
    },
    "mergers": {
        "column": "MG_EXPERT",
        "values": {"other": "0", "merger": "1"},
        "from_answers": {"other": ["elliptical", *SPIRALS, "other"], "merger": ["merger"]},
    },
}
"""The classes of each task; handedness 1 is clockwise, as the votes show."""


def published_tables(folder: Path) -> bool:
    """Tell whether a folder holds the published tables, and no configuration."""
    return not (folder / "czsl.toml").exists() and any((folder / name).exists() for name in TABLES)


def published_tasks(folder: Path, arms: tuple[str, ...] = ()) -> list[Task]:
    """Give the tasks of the published tables, on votes alone.

    The perceptron takes the columns that the publication calls "amateur": the fractions
    of all answers and of all spirals; ``perceptron_extra`` takes the "transformed" ones
    too, ``EL_DEB[123]`` and ``CS_DEB[123]``, where the table has them.

    Parameters
    ----------
    folder
        Holds ``votes_es_erl.csv`` and ``votes_mergers.csv``.
    arms
        Names of arms and groups; by default all that judge by votes, for mergers with
        over- and under-sampling.

    Raises
    ------
    ConfigError
        Where a table is missing.
    """
    missing = [name for name in TABLES if not (folder / name).exists()]
    if missing:
        raise ConfigError(
            f"{folder}: there is no {' and no '.join(missing)}; name the folder of the published "
            "tables, or a czsl.toml"
        )
    tasks = []
    for name, classes in CLASSES.items():
        config = _config(folder, name, classes)
        names = arms or (("votes", *SAMPLED) if name == "mergers" else ("votes",))
        chosen = {
            arm: _exact(made, config.votes[0].extra)
            for arm, made in select_arms(config, names).items()
        }
        tasks.append(Task(name=name, config=config, arms=chosen))
    return tasks


def _config(folder: Path, name: str, classes: dict[str, Any]) -> Config:
    """Describe the table of a task."""
    mergers = name == "mergers"
    extra = ["CS", "EL_DEB", "CS_DEB"] + ([] if mergers else ["EL_DEB[123]", "CS_DEB[123]"])
    return make_config(
        {
            "catalogue": {"table": TABLES[mergers], "id": "OBJID", "fold": "FOLD"},
            "votes": {
                "answers": ANSWERS,
                "extra": extra,
                "mirror": {"clockwise": "anticlockwise"},
            },
            "classes": classes,
        },
        folder=folder,
        name=f"task {name}",
    )


def _exact(arm: Arm, columns: tuple[str, ...]) -> Arm:
    """Give a perceptron the columns of the publication, as far as the table has them."""
    if not isinstance(arm, VotesArm) or arm.transfer.kind != "perceptron":
        return arm
    # The table of mergers has no transformed columns: then all that it has.
    transformed = TRANSFORMED if set(TRANSFORMED) <= set(columns) else columns
    extra = transformed if arm.transfer.extra else AMATEUR
    return VotesArm(Transfer(kind="perceptron", extra=extra), arm.sampling, arm.ceiling)
