"""Our training as the package does it, asked through :mod:`pipe`."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from pipe import serve, threads

from czsl.machine import prepare_process

prepare_process()  # as the command line does, before torch allocates anything

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from czsl.nets.losses import squared_error, votes_loss
from czsl.nets.network import make_network
from czsl.nets.published import PublishedAutoencoder
from czsl.recipes import CZSL2023, DEFAULT, Training
from czsl.stages.reconstruct import pixel_loss
from czsl.train.device import make_fabric
from czsl.train.loop import Loss, train
from czsl.train.progress import silent
from czsl.train.samples import Samples

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from limits import product_rate

ANSWERS = 6


class Memory:
    """Images in memory.

    Parameters
    ----------
    pixels
        Shape (object, side, side, channel).
    """

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        self.pixels = pixels

    def gather(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Give images by row."""
        return self.pixels[rows]


class Ours:
    """What is asked of this side, in the order of its methods."""

    def open(self, arrays: str) -> dict[str, Any]:
        """Read images and labels."""
        torch.set_num_threads(threads())
        content = np.load(arrays)
        self.images, self.labels = content["images"], torch.from_numpy(content["labels"])
        return {"torch": torch.__version__}

    def make(self, network: str) -> dict[str, int]:
        """Make a network; the next questions are about it."""
        self.network = network
        self.model, self.loss, self.training, self.targets, self.mirrors = self._made(network)
        return {"parameters": sum(one.numel() for one in self.model.parameters())}

    def save(self, weights: str) -> dict[str, int]:
        """Write the weights for Keras: an array for each layer's kernel and bias, in order."""
        arrays = {str(place): one for place, one in enumerate(keras_weights(self.model))}
        np.savez(weights, **arrays)
        return {"saved": len(arrays)}

    def batch_loss(self, rows: int) -> dict[str, float]:
        """Give the loss over the first rows as one batch."""
        images, targets = self._samples(rows).batch(np.arange(rows), torch.device("cpu"))
        with torch.no_grad():
            return {"loss": float(self.loss(self.model, images, targets))}

    def step(self, rows: int) -> dict[str, float]:
        """Make one step on the first rows and give the loss after it."""
        self._run(self._samples(rows), batch=rows, epochs=1, precision="32")
        return self.batch_loss(rows)

    def train(self, batch: int, images: int, precision: str = "32") -> dict[str, float]:
        """Train on so many images and give the seconds."""
        samples = self._samples(min(images, len(self.images)))
        epochs = max(1, images // len(samples))
        start = time.perf_counter()
        self._run(samples, batch=batch, epochs=epochs, precision=precision)
        return {"seconds": time.perf_counter() - start}

    def bare(self, batch: int, images: int, precision: str = "32") -> dict[str, float]:
        """Make the same steps of network and optimiser, on one batch, without the loop."""
        batch_images, targets = self._samples(batch).batch(np.arange(batch), torch.device("cpu"))
        model = self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        kind = torch.optim.SGD if self.training.optimiser == "sgd" else torch.optim.AdamW
        optimiser = kind(model.parameters(), lr=self.training.rate, fused=True)
        model.train()
        start = time.perf_counter()
        for _ in range(images // batch):
            optimiser.zero_grad(set_to_none=True)
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                loss = self.loss(model, batch_images, targets)
            loss.backward()
            optimiser.step()
        return {"seconds": time.perf_counter() - start}

    def flops(self, batch: int) -> dict[str, float]:
        """Count the operations of a step for an image, forward and backward."""
        images, targets = self._samples(batch).batch(np.arange(batch), torch.device("cpu"))
        with FlopCounterMode(display=False) as counter:
            self.loss(self.model, images, targets).backward()
        self.model.zero_grad(set_to_none=True)
        return {"flops": counter.get_total_flops() / batch}

    def peak(self, precision: str) -> dict[str, float]:
        """Give the rate of a large product, operations a second."""
        return {"rate": product_rate(precision)}

    def _made(self, network: str) -> tuple[nn.Module, Loss, Training, Any, Any]:
        """Give network, loss, training, targets and mirrors as the recipe has them."""
        size, classes = self.images.shape[1], self.labels.shape[1]
        made = {"channels": 3, "size": size, "width": DEFAULT.width, "classes": classes, "seed": 0}
        assert CZSL2023.reconstruct is not None
        assert CZSL2023.pretrain is not None
        assert DEFAULT.pretrain is not None
        if network == "autoencoder":
            torch.manual_seed(0)
            return PublishedAutoencoder(channels=3), pixel_loss, CZSL2023.reconstruct, {}, {}
        if network == "cnn":
            model = make_network("published", questions=(), **made)
            return model, class_loss, CZSL2023.pretrain, {"classes": self.labels}, {}
        model = make_network("residual", questions=(ANSWERS,), **made)
        counts = {"counts": torch.randint(0, 8, (len(self.images), ANSWERS)).float()}
        mirrors = {"counts": torch.tensor([0, 2, 1, *range(3, ANSWERS)])}
        return model, counts_loss, DEFAULT.pretrain.for_senses(False), counts, mirrors

    def _samples(self, rows: int) -> Samples:
        return Samples(
            images=Memory(self.images),
            view=self.images.shape[1],
            rows=np.arange(rows),
            targets={name: target[:rows] for name, target in self.targets.items()},
            mirrors=self.mirrors,
        )

    def _run(self, samples: Samples, *, batch: int, epochs: int, precision: str) -> None:
        changes = {"batch": batch, "epochs": epochs, "images": 0, "patience": 0}
        with tempfile.TemporaryDirectory() as folder:
            train(
                self.model,
                self.loss,
                samples,
                samples.take(np.zeros(0, np.int64)),
                self.training.model_copy(update=changes),
                seed=0,
                fabric=make_fabric("cpu", precision=precision, threads=threads()),
                stage="benchmark",
                checkpoint=Path(folder) / "checkpoint.safetensors",
                report=silent,
            )


def class_loss(network: nn.Module, images: Tensor, targets: dict[str, Tensor]) -> Tensor:
    """Give the published classifier's loss."""
    return squared_error(network(images).classes, targets["classes"])


def counts_loss(network: nn.Module, images: Tensor, targets: dict[str, Tensor]) -> Tensor:
    """Give the default's loss on volunteers' votes."""
    return votes_loss(network(images).answers, targets["counts"], [ANSWERS])


def keras_weights(model: nn.Module) -> list[NDArray[np.float32]]:
    """Give kernels and biases as Keras lays them out.

    Convolutions are (row, column, given, made) there, dense layers (given, made), and maps
    are flattened channels last.
    """
    arrays: list[NDArray[np.float32]] = []
    channels = 0
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            channels = layer.out_channels
            arrays.append(layer.weight.detach().permute(2, 3, 1, 0).contiguous().numpy())
        elif isinstance(layer, nn.Linear):
            weight = layer.weight.detach()
            if channels:  # the first after the convolutions
                side = round((weight.shape[1] // channels) ** 0.5)
                maps = weight.reshape(-1, channels, side, side).permute(0, 2, 3, 1)
                weight, channels = maps.reshape(weight.shape), 0
            arrays.append(weight.T.contiguous().numpy())
        else:
            continue
        assert layer.bias is not None
        arrays.append(layer.bias.detach().numpy())
    return arrays


if __name__ == "__main__":
    ours = Ours()
    names = ("open", "make", "save", "batch_loss", "step", "train", "bare", "flops", "peak")
    serve({name: getattr(ours, name) for name in names})
