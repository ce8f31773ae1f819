"""Batches on their way to the device: held there, sent one ahead, or taken as they come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from czsl.images.augment import central_pixels
from czsl.train.samples import Images, Samples, to_floats

Rows = NDArray[np.int64]
Part = tuple[Rows, slice]
"""Places of a batch's rows, and which of them are this process's."""

SHARE = 0.5
"""Images are held on a device where they take no more than this share of its free memory."""

Item = TypeVar("Item")


class Resident:
    """Images that stay on a device, as they are stored: whole numbers from 0 to 255.

    Parameters
    ----------
    images
        Where they come from.
    device
        Where they stay.
    budget
        Bytes that they may take there.
    """

    def __init__(self, images: Images, device: torch.device, *, budget: int) -> None:
        self.images, self.device, self.budget = images, device, budget
        self.rows = np.zeros(0, np.int64)
        self.pixels = torch.zeros(0, dtype=torch.uint8, device=device)

    @classmethod
    def on(cls, images: Images, device: torch.device) -> Self | None:
        """Hold images on an NVIDIA GPU, in a share of its free memory; None on other devices."""
        if device.type != "cuda":
            return None
        return cls(images, device, budget=int(SHARE * torch.cuda.mem_get_info(device)[0]))

    def hold(self, rows: Rows) -> bool:
        """Bring images to the device that are not there yet; tell whether all of them are.

        Parameters
        ----------
        rows
            Rows of the images, each as often as you like, shape (row,).
        """
        wanted = np.union1d(self.rows, rows)
        if len(wanted) == len(self.rows):
            return True
        one = self.images.gather(wanted[:1])
        if len(wanted) * one.nbytes > self.budget:
            return False
        # The old ones go first, so that both never stand side by side.
        self.rows, self.pixels = wanted, self.pixels.new_zeros(0)
        self.pixels = self.pixels.new_empty((len(wanted), *one.shape[1:]))
        for start in range(0, len(wanted), 4096):
            part = self.images.gather(wanted[start : start + 4096])
            self.pixels[start : start + len(part)] = torch.from_numpy(part)
        return True

    def places(self, rows: Rows) -> Tensor:
        """Say where rows stand in ``pixels``, on the device."""
        return torch.from_numpy(np.searchsorted(self.rows, rows)).to(self.device)


def batches(
    samples: Samples,
    parts: Sequence[Part],
    device: torch.device,
    *,
    resident: Resident | None = None,
    side: int | None = None,
) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
    """Give batches on the device.

    Parameters
    ----------
    samples
        The rows.
    parts
        Which of them each batch holds.
    device
        Where networks run.
    resident
        Images that may be held there.
    side
        Side of the central square that is needed; by default all of the image.

    Yields
    ------
    Tensor
        The images that are this process's, shape (object, channel, row, column), 0 to 1.
    dict of Tensor
        Targets of all objects of the batch.
    """
    targets = {name: target.to(device) for name, target in samples.targets.items()}
    order = np.concatenate([places for places, _ in parts]) if parts else np.zeros(0, np.int64)
    index = torch.from_numpy(order).to(device)
    starts = np.cumsum([0, *(len(places) for places, _ in parts)]).tolist()
    for number, pixels in enumerate(_pixels(samples, parts, device, resident, side)):
        batch = index[starts[number] : starts[number + 1]]
        yield to_floats(pixels), {name: target[batch] for name, target in targets.items()}


def _pixels(
    samples: Samples,
    parts: Sequence[Part],
    device: torch.device,
    resident: Resident | None,
    side: int | None,
) -> Iterator[Tensor]:
    """Give the pixels of each batch on the device."""
    own = [samples.rows[places[share]] for places, share in parts]
    if resident is not None and resident.hold(samples.rows):
        places = resident.places(np.concatenate(own) if own else np.zeros(0, np.int64))
        for batch in torch.split(places, [len(rows) for rows in own]):
            held = resident.pixels[batch]
            margin = 0 if side is None else max(0, (held.shape[1] - side) // 2)
            yield held[:, margin : held.shape[1] - margin, margin : held.shape[2] - margin]
        return

    def read(rows: Rows) -> Tensor:
        pixels = samples.images.gather(rows)
        taken = pixels if side is None else central_pixels(pixels, min(side, pixels.shape[1]))
        if device.type != "cuda":
            return torch.from_numpy(taken)
        return torch.from_numpy(np.ascontiguousarray(taken)).pin_memory()

    read_parts = (read(rows) for rows in own)
    for pixels in read_parts if device.type == "cpu" else one_ahead(read_parts):
        yield pixels.to(device, non_blocking=True)


def one_ahead(items: Iterable[Item]) -> Iterator[Item]:
    """Give items in their order while the next one is made in a thread.

    Parameters
    ----------
    items
        What makes an item when it is asked for it.

    Examples
    --------
    >>> list(one_ahead(number**2 for number in range(4)))
    [0, 1, 4, 9]
    """
    source, end = iter(items), object()
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, source, end)
        while (item := coming.result()) is not end:
            coming = thread.submit(next, source, end)
            yield item  # type: ignore[misc]
