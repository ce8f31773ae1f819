"""Trainings that one process and two processes run alike; as a program, one of two processes."""

import json
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import nn

from czsl.nets.losses import cross_entropy
from czsl.nets.network import make_network
from czsl.nets.published import PublishedAutoencoder
from czsl.recipes import Augment, Training
from czsl.stages.context import Context
from czsl.stages.reconstruct import pixel_loss
from czsl.train import loop
from czsl.train.device import make_fabric, open_ranks
from czsl.train.progress import silent
from czsl.train.ranks import Ranks
from czsl.train.samples import Samples

ROWS = 43  # in batches of 14 the last one has a single row: a process of two has none
EVERYTHING = Augment(blur=1.0, noise=0.05)
ADAM = {"optimiser": "adamw", "rate": 0.01, "weight_decay": 0.05, "warm_up": 0.2, "average": 0.9}
SETTINGS: dict[str, dict[str, Any]] = {
    "moving statistics, any change": {**ADAM, "augment": EVERYTHING},
    "frozen statistics, patience": {**ADAM, "augment": Augment(rotate="quarter"), "patience": 3},
    # 7 objects and their mirror images: one of the pairs is torn
    "pairs of mirror images": {**ADAM, "augment": Augment(mirror="both")},
    "no change, descent": {"optimiser": "sgd", "rate": 0.05},
    "autoencoder": {"optimiser": "sgd", "rate": 0.05},
}


class Pixels:
    """Random images."""

    pixels = np.random.default_rng(0).integers(0, 256, (ROWS, 32, 32, 3), dtype=np.uint8)

    def gather(self, rows: np.ndarray) -> np.ndarray:
        return self.pixels[rows]


class Precise(nn.Module):
    """A network in double precision: where training is chaotic, rounding shows late."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.inner = network.double()

    def forward(self, images: torch.Tensor) -> Any:
        return self.inner(images.double())


def weighted(network: nn.Module, images: torch.Tensor, targets: dict) -> torch.Tensor:
    """A loss whose rows count differently; it leaves the answers' head alone."""
    logits = network(images).classes
    return cross_entropy(logits, targets["classes"], targets["weight"])


def run(name: str, folder: Path, **changes: Any) -> tuple[dict[str, torch.Tensor], list]:
    """Train as a name says."""
    torch.manual_seed(3)
    network: nn.Module = make_network(
        "residual", channels=3, size=24, width=4, questions=[4], classes=3, seed=0
    )
    network.dropout.p = 0.2
    loss: Any = weighted
    if name == "autoencoder":
        network, loss = PublishedAutoencoder(channels=3), pixel_loss
    samples = Samples(
        images=Pixels(),
        view=24,
        rows=np.arange(ROWS),
        targets={
            "classes": torch.eye(3)[torch.arange(ROWS) % 3],
            "weight": 0.1 + torch.arange(ROWS) / ROWS,
        },
        mirrors={"classes": torch.tensor([0, 2, 1])},
    )
    settings = {
        "seed": 5,
        "fabric": make_fabric("cpu", threads=1, several=True),
        "stage": name,
        "checkpoint": folder / "checkpoint.safetensors",
        "report": silent,
        "freeze": name.startswith("frozen"),
        "ranks": open_ranks("cpu"),
    }
    with patch.object(loop, "SCORE_BATCH", 5):  # 14 rows are scored in three batches
        return loop.train(
            Precise(network),
            loss,
            samples.take(np.arange(8, ROWS) if name == "autoencoder" else np.arange(14, ROWS)),
            samples.take(np.arange(14)),
            Training(epochs=4, batch=14, **SETTINGS[name]),
            **{**settings, **changes},
        )


def kept(folder: Path, ranks: Ranks) -> float:
    """Keep a stage of which each process makes another result; give what it is taken for."""
    context = Context(
        images=Pixels(),
        images_fingerprint="",
        channels=3,
        view=24,
        folder=folder / "stages",
        fabric=make_fabric("cpu", threads=1, several=True),
        seed=0,
        ranks=ranks,
    )
    own = {"mean": torch.tensor(float(ranks.rank))}
    return float(context.kept("stage", [], lambda _: (own, {}))[0]["mean"])


def main(folder: Path) -> None:
    """Train all, and write what each process found."""
    ranks = open_ranks("cpu")
    found = {}
    for name in SETTINGS:
        weights, history = run(name, folder / name)
        sums = {key: float(value.double().sum()) for key, value in weights.items()}
        found[name] = {"history": history, "sums": sums}
        if ranks.leads:
            torch.save(weights, folder / f"{name}.pt")
    found["dealt"] = ranks.dealt(np.arange(5), lambda rows: rows[:, None] * 10).tolist()
    found["dealt one"] = ranks.dealt(np.arange(1), lambda rows: rows * 10.0).tolist()
    found["told"] = ranks.told(lambda: ranks.rank)
    found["kept"] = kept(folder, ranks)
    (folder / f"found-{ranks.rank}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
