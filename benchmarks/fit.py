"""A whole fit: the time in which the default reaches what czsl2023 trained in full reaches.

The survey is simulated, and half of its objects have an expert's class, a setting that is
kind to czsl2023: with few experts it hardly leaves the majority class, and anything reaches
that. Its accuracy is that of our czsl2023, whose steps are those of Keras
(``peers/check.py``); its time is the number of its steps times what a step takes Keras. The
default is trained for longer and longer until it is as accurate, in the mean of three seeds, on
objects that neither has seen; images are decoded before either starts.
"""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER / "peers"))
sys.path.insert(0, str(FOLDER))

from harness import Figure, alternate, finish, options
from pipe import PEERS, Side
from training import trained, write_arrays

from czsl.machine import prepare_process

prepare_process()  # as the command line does, before torch allocates anything

from czsl import Catalogue, CzSL
from czsl.config import Config, read_config
from czsl.demo import score_survey
from czsl.imaging import open_images
from czsl.recipes import CZSL2023, Recipe, recipe_settings
from czsl.simulate import simulate_survey

GOAL = 0.1
LENGTHS = (500, 700, 1_000, 1_400, 2_000, 2_800, 4_000, 8_000, 16_000, 40_000)
"""Images that the default's pre-training sees, at least; the last is its own."""

LIMIT = (
    "In a profile half of the time goes into training; features, the first head of the classes and "
    "the search for unlike images take the rest, at any length."
)

SEEDS = (0, 1, 2)
"""Of the default's fits at each length: so short ones differ much."""

TRAINED = 0.7
"""Share of the rows that train in czsl2023; the others are held out."""


@dataclass(frozen=True, kw_only=True)
class Survey:
    """A simulated survey on disk.

    Parameters
    ----------
    config
        Of its task, ellipticals against all others but mergers.
    truth
        True class of every object.
    experts, voted
        Objects with an expert's class, among those with votes.
    """

    config: Config
    truth: dict[str, int]
    experts: int
    voted: int


def main() -> None:
    """Measure whole fits."""
    asked = options("Whole fits: time to an accuracy.", repeats=2).parse_args()
    experts, epochs = (60, 2) if asked.quick else (300, 100)
    lengths = LENGTHS[:1] if asked.quick else LENGTHS
    with tempfile.TemporaryDirectory() as folder:
        survey = simulate(Path(folder), experts, 2 * experts)
        full = {stage: {"epochs": epochs} for stage in ("reconstruct", "pretrain", "finetune")}
        published, own = fitted(survey, recipe_settings({"name": "czsl2023", "folds": 1, **full}))
        ladder: list[dict[str, Any]] = []
        for images in lengths:
            runs = [fitted(survey, shortened(images), seed) for seed in SEEDS]
            accuracies, seconds = zip(*runs, strict=True)
            step = {"images": images, "accuracies": accuracies, "accuracy": fmean(accuracies)}
            ladder.append({**step, "seconds": median(seconds)})
            if ladder[-1]["accuracy"] >= published:
                break
        more = {"czsl2023": {"accuracy": published, "seconds in ours": own}, "default": ladder}
        print(f"czsl2023: {published:.4f} in {own:.1f} s of ours; default: {ladder}")
        figures: list[Figure] = []
        if not PEERS.exists():
            print("Keras is left out: 'make bench-peers' makes its environment")
        elif ladder[-1]["accuracy"] >= published or asked.quick:
            recipe = shortened(ladder[-1]["images"])
            figures.append(against_keras(survey, recipe, epochs, asked.repeats, asked.quick))
        else:
            print("the default has not reached the accuracy: there is no figure")
        finish("fit", figures, out=asked.out, more=more)


def simulate(folder: Path, experts: int, voted: int) -> Survey:
    """Simulate a survey and decode its images."""
    simulate_survey(folder, experts=experts, voted=voted, unlabelled=0, test=experts, seed=0)
    config = read_config(folder / "early_late.toml")
    open_images(Catalogue.read(config))
    names = {"elliptical": 0, "clockwise": 1, "anticlockwise": 1, "edge": 1}
    lines = (folder / "truth.csv").read_text().splitlines()[1:]
    kinds = dict(line.split(",") for line in lines)
    truth = {name: names[kind] for name, kind in kinds.items() if kind in names}
    # Mergers are neither early nor late: they are not asked about.
    asked = [line for line in (folder / "test.csv").read_text().splitlines() if line in truth]
    (folder / "test.csv").write_text("\n".join(["object_id", *asked]) + "\n")
    return Survey(config=config, truth=truth, experts=experts, voted=voted)


def shortened(images: int) -> Recipe:
    """Give the default with one network and a shorter schedule."""
    return recipe_settings(
        {
            "name": "default",
            "folds": 1,
            "pretrain": {"epochs": 1, "images": images},
            "finetune": {"epochs": 1, "images": min(5_000, images), "transferred": 1.0},
        }
    )


def fitted(survey: Survey, recipe: Recipe, seed: int = 0) -> tuple[float, float]:
    """Fit a recipe on one core; give its accuracy on unseen objects and the seconds."""
    catalogue = Catalogue.read(survey.config)
    start = time.perf_counter()
    model = CzSL(recipe, seed=seed, device="cpu", threads=1).fit(catalogue)
    seconds = time.perf_counter() - start
    scores = score_survey(model, survey.config.folder, survey.truth)
    return float(scores["accuracy"]), seconds


def against_keras(survey: Survey, recipe: Recipe, epochs: int, repeats: int, quick: bool) -> Figure:
    """Compare the seconds of our fit with steps times Keras' seconds a step, in turn."""
    assert CZSL2023.pretrain is not None
    images, batch = (256 if quick else 2048), CZSL2023.pretrain.batch
    # Rows of each network: the autoencoder's have no expert's class, the classifier is
    # trained on volunteers and then on experts and transferred labels.
    rows = {"autoencoder": survey.voted - survey.experts, "cnn": 2 * survey.voted}
    with tempfile.TemporaryDirectory() as folder:
        arrays = write_arrays(Path(folder), images)
        peers = {name: Side("keras_side.py", python=PEERS, threads=1) for name in rows}
        sides = {"ours, s": lambda: fitted(survey, recipe)[1]}
        for name, peer in peers.items():
            peer.ask("open", arrays=arrays)
            peer.ask("make", network=name)
            sides[name] = trained(peer, images, batch=batch, how="loop")
        seconds = alternate(sides, repeats=repeats)
        for peer in peers.values():
            peer.__exit__(None, None, None)
    theirs = [
        sum(epochs * TRAINED * rows[name] / rate for name, rate in zip(rows, found, strict=True))
        for found in zip(*(seconds[name] for name in rows), strict=True)
    ]
    pairs = [own / other for own, other in zip(seconds["ours, s"], theirs, strict=True)]
    return Figure(
        what=f"whole fit to the accuracy of czsl2023, one core, {survey.voted:,} objects",
        peer="czsl2023 in Keras, steps x seconds a step",
        ratio=median(pairs),
        low=min(pairs),
        high=max(pairs),
        goal=GOAL,
        at_most=True,
        limit=LIMIT,
        rates={"ours, s": median(seconds["ours, s"]), "Keras, s": median(theirs)},
    )


if __name__ == "__main__":
    main()
