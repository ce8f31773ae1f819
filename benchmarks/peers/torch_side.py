"""The same networks in a plain PyTorch loop, to see what each setting adds; asked through a pipe.

``SIDE_ALLOCATOR=keep`` lets the C library keep freed blocks, as the package's command line does.
"""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np

if os.environ.get("SIDE_ALLOCATOR") == "keep":
    from czsl.machine import prepare_process

    prepare_process()

import torch
from pipe import serve, threads
from torch import Tensor, nn
from torch.nn import functional

FILTERS = (16, 8, 8)


class Plain:
    """What is asked of this side, in the order of its methods."""

    def open(self, arrays: str) -> dict[str, Any]:
        """Read images and labels, and keep them as PyTorch's examples do: channels first."""
        torch.set_num_threads(threads())
        content = np.load(arrays)
        pixels = torch.from_numpy(content["images"]).permute(0, 3, 1, 2)
        self.images = pixels.contiguous().float() / 255
        self.labels = torch.from_numpy(content["labels"])
        return {"torch": torch.__version__}

    def make(
        self,
        network: str,
        channels_last: bool = False,
        pool_first: bool = False,
        bfloat16: bool = False,
        compiled: bool = False,
    ) -> dict[str, int]:
        """Make a network with some settings; the next questions are about it."""
        torch.manual_seed(0)
        self.layout = torch.channels_last if channels_last else torch.contiguous_format
        self.network, self.bfloat16 = network, bfloat16
        layers = _encoder(pool_first)
        if network == "cnn":
            side = self.images.shape[-1] // 8
            layers += [nn.Flatten(), nn.Linear(8 * side**2, 256), nn.ReLU(), nn.Linear(256, 128)]
            layers += [nn.ReLU(), nn.Linear(128, self.labels.shape[1])]
        else:
            for given, made in ((8, 8), (8, 8), (8, 16)):
                layers += [nn.Conv2d(given, made, 3, padding=1), nn.ReLU(), nn.Upsample(None, 2)]
            layers.append(nn.Conv2d(16, 3, 3, padding=1))
        self.model: Any = nn.Sequential(*layers).to(memory_format=self.layout)  # type: ignore[call-overload]
        self.optimiser = torch.optim.SGD(self.model.parameters(), lr=0.01)
        parameters = sum(one.numel() for one in self.model.parameters())
        if compiled:
            self.model = torch.compile(self.model)
        return {"parameters": parameters}

    def train(self, batch: int, images: int) -> dict[str, float]:
        """Train on so many images and give the seconds."""
        start = time.perf_counter()
        done = 0
        while done < images:
            order = torch.randperm(len(self.images))[: images - done]
            for places in order.split(batch):
                self._step(self.images[places], self.labels[places])
            done += len(order)
        return {"seconds": time.perf_counter() - start}

    def _step(self, images: Tensor, labels: Tensor) -> None:
        images = images.contiguous(memory_format=self.layout)
        self.optimiser.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16):
            made = self.model(images)
        if self.network == "cnn":
            loss = functional.mse_loss(made.float().softmax(dim=1), labels)
        else:
            loss = functional.binary_cross_entropy_with_logits(made.float(), images)
        loss.backward()
        self.optimiser.step()


def _encoder(pool_first: bool) -> list[nn.Module]:
    """Give three blocks of convolution, ReLU and pooling, the last two in either order."""
    layers: list[nn.Module] = []
    for given, made in zip((3, *FILTERS), FILTERS, strict=False):
        layers.append(nn.Conv2d(given, made, 3, padding=1))
        pool, rectify = nn.MaxPool2d(2), nn.ReLU(inplace=pool_first)
        layers += [pool, rectify] if pool_first else [rectify, pool]
    return layers


if __name__ == "__main__":
    plain = Plain()
    serve({name: getattr(plain, name) for name in ("open", "make", "train")})
