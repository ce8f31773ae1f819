"""Rows to train on: which image each has, and what it should give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class Images(Protocol):
    """Anything that gives images by row number, as the image store does."""

    def gather(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Give images, shape (row, side, side, channel)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Samples:
    """Training rows; a row that stands twice counts twice.

    Parameters
    ----------
    images
        Where images are.
    view
        Side of the central square that the network sees, pixels.
    rows
        Number of each row's image, shape (row,).
    targets
        What each row should give, by name, each of shape (row, ...).
    always
        So many of the rows, the first ones, train in every epoch; by default all.
    companions
        So many of the others, drawn anew, train in an epoch.
    mirrors
        For targets that change when the image is mirrored: what each column becomes,
        shape (column,).
    """

    images: Images
    view: int
    rows: NDArray[np.int64]
    targets: Mapping[str, Tensor]
    mirrors: Mapping[str, Tensor] = field(default_factory=dict)
    always: int | None = None
    companions: int = 0

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def in_epoch(self) -> int:
        """Number of rows in an epoch."""
        return len(self) if self.always is None else self.always + self.companions

    def order(self, random: np.random.Generator) -> NDArray[np.int64]:
        """Give the places of an epoch's rows in random order."""
        if self.always is None:
            return random.permutation(len(self))
        others = self.always + random.permutation(len(self) - self.always)[: self.companions]
        return random.permutation(np.concatenate([np.arange(self.always), others]))

    def take(self, chosen: NDArray[np.int64]) -> Samples:
        """Keep the rows at the places given, which ascend; those that always train still do."""
        index = torch.from_numpy(np.asarray(chosen, dtype=np.int64))
        targets = {name: target[index] for name, target in self.targets.items()}
        kept = replace(self, rows=self.rows[chosen], targets=targets)
        if self.always is None:
            return kept
        always = int(np.sum(chosen < self.always))
        least = 0 if always else 1  # an epoch has a row
        companions = min(max(self.companions, least), len(chosen) - always)
        return replace(kept, always=always, companions=companions)

    def batch(
        self, places: NDArray[np.int64], device: torch.device
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Give the images (object, channel, row, column), 0 to 1, and targets of a batch."""
        index = torch.from_numpy(places)
        targets = {name: target[index].to(device) for name, target in self.targets.items()}
        return to_tensor(self.images.gather(self.rows[places]), device), targets

    def tensors(self) -> dict[str, Tensor]:
        """Everything that training depends on besides the pixels, for a fingerprint."""
        mirrors = {f"mirror of {name}": mirror for name, mirror in self.mirrors.items()}
        always = len(self) if self.always is None else self.always
        epoch = torch.tensor([always, self.companions])
        return {"rows": torch.from_numpy(self.rows), "epoch": epoch, **mirrors, **self.targets}


def to_tensor(pixels: NDArray[np.uint8], device: torch.device) -> Tensor:
    """Turn pixels of the image store into a network's input.

    Parameters
    ----------
    pixels
        Shape (object, row, column, channel), 0 to 255.
    device
        Where the tensor goes.

    Returns
    -------
    Tensor
        Shape (object, channel, row, column), 0 to 1, float32. The channels stay last in
        memory, which is how convolutions are fastest.
    """
    return to_floats(torch.from_numpy(pixels).to(device))


def to_floats(pixels: Tensor) -> Tensor:
    """Turn stored pixels, on whichever device, into a network's input, as :func:`to_tensor`."""
    return pixels.permute(0, 3, 1, 2).float().div_(255)


def split(
    count: int, share: float, *, last: bool, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split places into those that train and those that are held out.

    Parameters
    ----------
    count
        Number of rows.
    share
        Share that is held out, 0 to below 1; at least one row trains.
    last
        Hold out the last rows in order, as the published method does; otherwise random ones.
    seed
        Seed of the choice.

    Examples
    --------
    >>> split(10, 0.3, last=True, seed=0)
    (array([0, 1, 2, 3, 4, 5, 6]), array([7, 8, 9]))
    """
    order = np.arange(count)
    if not last:
        order = np.random.default_rng([seed, count]).permutation(count)
    kept = max(count - round(share * count), min(count, 1))
    return np.sort(order[:kept]), np.sort(order[kept:])
