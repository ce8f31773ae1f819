"""A seeded table of votes without images, on which every object has an expert's class."""

import csv
from pathlib import Path
from typing import Any

import numpy as np

from czsl.compare.arms import all_arms
from czsl.compare.compare import compare
from czsl.compare.plan import Task
from czsl.compare.protocols import Protocol
from czsl.config import Config, make_config
from czsl.model import Hardware

ANSWERS = ("smooth", "disc", "other")


def write_table(folder: Path, *, count: int = 300, seed: int = 5) -> Path:
    """Write objects with votes, debiased fractions, a class each, and a fold."""
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "objects.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", *ANSWERS, "e_deb", "l_deb", "expert", "fold"])
        for index in range(count):
            late = index % 3 == 0
            share = 0.25 + 0.5 * late + random.normal(0, 0.15)
            share = float(np.clip(share, 0.02, 0.95))
            votes = random.multinomial(30, [0.97 - share, share, 0.03])
            debiased = np.clip(share + random.normal(0, 0.02), 0.0, 1.0)
            deb = [round(1 - debiased, 3), round(float(debiased), 3)]
            writer.writerow(
                [f"o{index:04d}", *votes, *deb, "L" if late else "E", random.integers(4)]
            )
    return folder


def votes_config(folder: Path, **changes: Any) -> Config:
    """Describe the table; ``changes`` add to its sections."""
    content: dict[str, Any] = {
        "catalogue": {"table": "objects.csv", "id": "id"},
        "votes": {"answers": {name: name for name in ANSWERS}, "extra": ["e_deb", "l_deb"]},
        "classes": {
            "column": "expert",
            "values": {"early": "E", "late": "L"},
            "from_answers": {"early": ["smooth"], "late": ["disc"]},
            "debiased": {"early": "e_deb", "late": "l_deb"},
        },
    }
    for section, values in changes.items():
        content[section] = {**content.get(section, {}), **values}
    return make_config(content, folder=folder)


def compare_votes(folder: Path, out: Path, *, sweeps: tuple[str, ...] = ()) -> None:
    """Compare arms of votes on the table, two of them under names that pages show."""
    config = votes_config(write_table(folder))
    arms = all_arms(config)
    task = Task.of(
        config,
        "spirals",
        arms=("majority",),
        more={"default": arms["logistic"], "experts": arms["perceptron"]},
    )
    compare(
        [task],
        out,
        protocol=Protocol(name="czsl2023", experts=0.2, folds=3),
        sweeps=sweeps,
        hardware=Hardware(device="cpu", threads=1),
    )
