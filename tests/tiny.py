"""A tiny seeded survey in which handedness matters, and recipes short enough for tests.

Sixty images of 32 pixels: round blobs, and spirals that wind one way or the other.
Twenty have an expert's class (four of them without votes), 28 have volunteers' votes
(four of them as a class alone), twelve have neither. One image is missing and one is
truncated.
"""

import csv
import os
import signal
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image

from czsl.catalogue import Catalogue
from czsl.config import Config, make_config
from czsl.images.store import ImageStore
from czsl.imaging import open_images
from czsl.model import CzSL
from czsl.recipes import Recipe, recipe_settings
from czsl.run import fit_run
from czsl.stages.context import Context
from czsl.train.device import make_fabric
from czsl.train.progress import Progress, silent

CLASSES = ("round", "cw", "acw")
ANSWERS = ("smooth", "clockwise", "anticlockwise", "other")
MISSING, TRUNCATED = 59, 41  # an unlabelled and a volunteers' object

SHORT = {"epochs": 2, "batch": 16}
TWICE = {"epochs": 4, "batch": 16, "images": 0}
"""Two passes, since each image stands beside its mirror image."""

QUICK: dict[str, dict[str, Any]] = {
    "default": {
        "name": "default",
        "width": 4,
        "folds": 2,
        "precision": "32",
        "pretrain": {**TWICE, "held_out": 0.2},
        "finetune": TWICE,
    },
    "czsl2023": {
        "name": "czsl2023",
        "folds": 2,
        "reconstruct": SHORT,
        "pretrain": SHORT,
        "finetune": SHORT,
    },
}


def quick(name: str, **changes: Any) -> Recipe:
    """Shorten a recipe, and change more of it; tables of changes are joined."""
    merged = dict(QUICK[name])
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = {**merged[key], **value} if both else value
    return recipe_settings(merged)


def draw(kind: int, random: np.random.Generator, side: int = 32) -> np.ndarray:
    """Draw a blob (0) or a spiral that winds one way (1) or the other (2), uint8."""
    rows, columns = np.mgrid[:side, :side] - (side - 1) / 2
    radius, angle = np.hypot(rows, columns), np.arctan2(rows, columns)
    light = np.exp(-((radius / (side / 5)) ** 2))
    if kind:
        winding = 2.5 * np.log1p(radius / 2) * (1 if kind == 1 else -1)
        arms = 0.5 + 0.5 * np.cos(2 * (angle - winding) + random.uniform(0, 2 * np.pi))
        light = np.exp(-radius / (side / 5)) * (0.3 + arms)
    colour = light[..., None] * np.array([1.0, 0.9, 0.8 - 0.2 * (kind == 0)])
    noisy = 200 * colour + 20 + random.normal(0, 5, (side, side, 3))
    return noisy.clip(0, 255).astype(np.uint8)


def truth(count: int = 60) -> np.ndarray:
    """Give the true class of every object, shape (object,)."""
    return np.arange(count) % 3


def name_of(index: int) -> str:
    """Give an object's id, of 18 digits."""
    return str(587722981742084100 + index)


def write_survey(folder: Path, *, tiers: str = "evu", count: int = 60) -> Path:
    """Write images and the table; ``tiers`` holds e, v and u for those that are there."""
    random = np.random.default_rng(7)
    (folder / "images").mkdir(parents=True)
    with (folder / "objects.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", *(f"n_{a}" for a in ANSWERS), "label", "deb", "expert", "fold"])
        for index, kind in enumerate(truth(count)):
            picture = draw(int(kind), random)
            path = folder / "images" / f"{name_of(index)}.png"
            Image.fromarray(picture).save(path)
            if index == TRUNCATED:
                path.write_bytes(path.read_bytes()[:200])
            if index == MISSING:
                path.unlink()
            writer.writerow([name_of(index), *_row(index, int(kind), random, tiers)])
    return folder


def write_containers(folder: Path) -> None:
    """Put the images of a survey into ``cutouts.zip`` and ``cutouts.parquet`` too."""
    paths = sorted((folder / "images").iterdir(), reverse=True)  # not in the table's order
    with zipfile.ZipFile(folder / "cutouts.zip", "w") as archive:
        for path in paths:
            archive.write(path, path.name)
    values = pa.array([path.read_bytes() for path in paths], pa.binary())
    table = pa.table({"id": [path.stem for path in paths], "image": values})
    pq.write_table(table, folder / "cutouts.parquet")


def _row(index: int, kind: int, random: np.random.Generator, tiers: str) -> list[Any]:
    """Give what volunteers and experts say of an object."""
    share = np.full(4, 0.1)
    share[kind] = 0.7
    counts = random.multinomial(20, share).tolist()
    expert = index < 20 and "e" in tiers
    voted = "v" in tiers and (index < 16 or 20 <= index < 48)
    alone = voted and 44 <= index < 48
    return [
        *(counts if voted and not alone else [""] * 4),
        ANSWERS[kind] if alone else "",
        round(float(random.uniform()), 3),
        CLASSES[kind] if expert else "",
        index // 3 % 2,
    ]


def tiny_config(folder: Path, recipe: Recipe, **changes: Any) -> Config:
    """Give the survey's configuration; ``changes`` add to its sections."""
    content: dict[str, Any] = {
        "catalogue": {"table": "objects.csv", "id": "id", "images": "images/{id}.png"},
        "votes": {
            "answers": {answer: f"n_{answer}" for answer in ANSWERS},
            "label": "label",
            "extra": ["deb"],
            "mirror": {"clockwise": "anticlockwise"},
        },
        "classes": {
            "column": "expert",
            "values": {name: name for name in CLASSES},
            "from_answers": {
                "round": ["smooth"],
                "cw": ["clockwise"],
                "acw": ["anticlockwise"],
            },
            "mirror": {"cw": "acw"},
        },
        "images": {"size": 32, "view": 24},
    }
    for section, values in changes.items():
        content[section] = {**content[section], **values} if values is not None else []
    return make_config(content, folder=folder).model_copy(update={"recipe": recipe})


def tiny_catalogue(folder: Path, recipe: Recipe, **changes: Any) -> Catalogue:
    """Read the survey."""
    return Catalogue.read(tiny_config(folder, recipe, **changes))


def tiny_model(**settings: Any) -> CzSL:
    """Make a model that runs on one thread of the processor."""
    return CzSL(device="cpu", threads=1, **settings)


class Recorded:
    """Images that remember which rows were read during which stage."""

    def __init__(self, store: ImageStore) -> None:
        self.store = store
        self.pending: list[int] = []
        self.read: dict[str, list[int]] = {}

    def gather(self, rows: np.ndarray) -> np.ndarray:
        """Give images and remember their rows."""
        self.pending += rows.tolist()
        return self.store.gather(rows)

    def report(self, progress: Progress) -> None:
        """At the end of an epoch, put down what was read to its stage."""
        if progress.share == 1.0:
            self.read.setdefault(progress.stage, []).extend(self.pending)
            self.pending = []


def tiny_context(
    catalogue: Catalogue, folder: Path, *, seed: int = 0, images: Any = None, report: Any = silent
) -> tuple[Context, np.ndarray]:
    """Give what stages are given, and which images can be used."""
    store = open_images(catalogue, processes=1)
    context = Context(
        images=images or store,
        images_fingerprint=store.fingerprint,
        channels=store.channels,
        view=catalogue.config.images.seen,
        folder=folder,
        fabric=make_fabric("cpu", threads=1),
        seed=seed,
        report=report,
    )
    return context, store.usable


def kill_at(number: int) -> Callable[[Any], None]:
    """Make a listener that kills this process, without mercy, when it is called so often."""
    left = [number]

    def listener(_: Any) -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    return listener


def fit_and_die(survey: Path, out: Path, name: str, where: str, number: int) -> None:
    """Fit with resume; die at the end of an epoch, or while an epoch reads its images."""
    torch.set_num_threads(1)
    recipe = quick(name)
    catalogue = tiny_catalogue(survey, recipe)
    listener = kill_at(number)
    if where == "batch":
        original = ImageStore.gather

        def gather(self: ImageStore, rows: np.ndarray) -> np.ndarray:
            listener(rows)
            return original(self, rows)

        ImageStore.gather = gather  # type: ignore[method-assign]
    report = listener if where == "epoch" else silent
    fit_run(tiny_model(seed=3, report=report), catalogue, out, resume=True)


if __name__ == "__main__":
    fit_and_die(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4], int(sys.argv[5]))
