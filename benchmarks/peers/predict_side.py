"""Prediction from an image store, ours or by a plain PyTorch loop; asked through a pipe.

``SIDE_KIND=plain`` is PyTorch as it comes: channels first, its own allocator settings, a
``DataLoader`` over a memory-mapped array, batches of 256.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

PLAIN = os.environ.get("SIDE_KIND") == "plain"
if not PLAIN:
    from czsl.machine import prepare_process

    prepare_process()

import numpy as np
import torch
from pipe import serve, threads
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from limits import product_rate

FILTERS = (16, 8, 8)
CLASSES = 2


class Side:
    """What is asked of this side, in the order of its methods."""

    def open(self, folder: str, network: str) -> dict[str, Any]:
        """Open the images, and a network with random weights."""
        torch.set_num_threads(threads())
        torch.manual_seed(0)
        if PLAIN:
            self.pixels = np.load(f"{folder}/images.npy", mmap_mode="r+")
            layers: list[nn.Module] = []
            for given, made in ((3, 16), (16, 8), (8, 8)):
                layers += [nn.Conv2d(given, made, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
            layers += [nn.Flatten(), nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU()]
            self.network = nn.Sequential(*layers, nn.Linear(128, CLASSES)).eval()
            return {"images": len(self.pixels)}
        self.store, self.reader = _ours(folder, network)
        return {"images": len(self.store)}

    def predict(self, images: int) -> dict[str, float]:
        """Predict so many images and give the seconds."""
        start = time.perf_counter()
        if PLAIN:
            self._plain(images)
        else:
            self.reader.read_stored(self.store, np.arange(images))
        return {"seconds": time.perf_counter() - start}

    def flops(self) -> dict[str, float]:
        """Count the operations of the networks for an object, every view of it."""
        count = 8
        pixels = np.zeros((count, 64, 64, 3), np.uint8)
        with FlopCounterMode(display=False) as counter:
            self.reader.read(pixels)
        return {"flops": counter.get_total_flops() / count}

    def peak(self) -> dict[str, float]:
        """Give the rate of a large product in the reader's precision, operations a second."""
        return {"rate": product_rate("32" if self.reader.products is None else "bf16")}

    @torch.no_grad()
    def _plain(self, images: int) -> None:
        loader = DataLoader(TensorDataset(torch.from_numpy(self.pixels[:images])), batch_size=256)
        parts = [
            self.network(batch.permute(0, 3, 1, 2).float() / 255).softmax(1) for (batch,) in loader
        ]
        torch.cat(parts).numpy()


def _ours(folder: str, network: str) -> tuple[Any, Any]:
    """Open the store and what reads classes off networks of a recipe."""
    from czsl.images.store import ImageStore
    from czsl.nets.network import make_network
    from czsl.recipes import RECIPES
    from czsl.stages.infer import open_reader
    from czsl.stages.targets import Layout

    recipe = RECIPES["default" if network.startswith("default") else "czsl2023"]
    if network == "default, one view":
        recipe = recipe.model_copy(update={"views": 1})
    layout = Layout(
        questions=(6,),
        answer_mirror=np.arange(6),
        class_mirror=np.arange(CLASSES),
        class_answers=np.zeros((6, CLASSES)),
    )
    number = 1 if network == "published" else 5
    weights = [
        make_network(
            recipe.network, channels=3, size=64, width=recipe.width, questions=(6,),
            classes=CLASSES, seed=seed,
        ).state_dict()
        for seed in range(number)
    ]  # fmt: skip
    reader = open_reader(
        weights, recipe, layout, channels=3, view=64, from_answers=False,
        device=torch.device("cpu"),
    )  # fmt: skip
    ids = np.load(f"{folder}/ids.npy")
    return ImageStore.open(Path(folder) / "store", ids), reader


if __name__ == "__main__":
    side = Side()
    names = ("open", "predict", "flops", "peak")
    serve({name: getattr(side, name) for name in names})
