"""The processes of one fit: who does what, and what each is told by the others."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch import distributed as dist

from czsl.errors import ProcessLostError

Result = TypeVar("Result")

STEP = timedelta(minutes=10)
"""A step of training in which another process keeps silent for longer has lost it."""

LONG = timedelta(days=2)
"""How long processes wait while the first one works alone: it may decode a whole survey."""

SIGNS = ("gloo", "nccl", "connection", "timed out", "timeout", "broken pipe", "socket", "store")
"""Words of what torch says where another process is gone."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Ranks:
    """Which process of a fit this is, of how many.

    Parameters
    ----------
    rank
        Number of this process, from 0.
    count
        How many there are.
    words
        Group in which they tell one another values and wait; None where there is one.
    """

    rank: int = 0
    count: int = 1
    words: Any = None

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes files and talks to the user."""
        return self.rank == 0

    def rows(self, count: int) -> slice:
        """Give this process's share of so many rows: the shares differ by one row at most.

        Examples
        --------
        >>> [Ranks(rank=rank, count=3).rows(8) for rank in range(3)]
        [slice(0, 2, None), slice(2, 5, None), slice(5, 8, None)]
        """
        return slice(self.rank * count // self.count, (self.rank + 1) * count // self.count)

    def whole(self, own: Sequence[Tensor], count: int) -> list[Tensor]:
        """Join the shares of all processes; gradients flow into this one's own rows.

        Parameters
        ----------
        own
            This process's share of the rows of some arrays, each of shape (row, ...).
        count
            Rows of all shares together.

        Returns
        -------
        list of Tensor
            Each of shape (count, ...), the same in every process.
        """
        if self.count == 1:
            return list(own)
        others = [Ranks(rank=rank, count=self.count).rows(count) for rank in range(self.count)]
        sizes = [share.stop - share.start for share in others]
        # One message instead of one for each array. It takes equal shapes, so that some are padded.
        flat = torch.cat([tensor.detach().flatten(1) for tensor in own], dim=1)
        padded = flat.new_zeros((max(sizes), flat.shape[1]))
        padded[: len(flat)] = flat
        shares = [torch.empty_like(padded) for _ in sizes]
        dist.all_gather(shares, padded)
        widths = [math.prod(tensor.shape[1:]) for tensor in own]
        columns = [torch.split(share, widths, dim=1) for share in shares]
        joined = []
        for place, tensor in enumerate(own):
            parts = [
                part[place][:size].reshape(size, *tensor.shape[1:])
                for part, size in zip(columns, sizes, strict=True)
            ]
            parts[self.rank] = tensor
            joined.append(torch.cat(parts))
        return joined

    def told(self, work: Callable[[], Result]) -> Result:
        """Let the first process work, and tell all what it found.

        Parameters
        ----------
        work
            Called in the first process alone.

        Raises
        ------
        ProcessLostError
            In the other processes, where it failed in the first.
        """
        if self.count == 1:
            return work()
        box: list[tuple[bool, Any]] = [(False, None)]
        try:
            if self.leads:
                box = [(True, work())]
        finally:  # the others are told of a failure, too, instead of waiting for ever
            dist.broadcast_object_list(box, group=self.words)
        done, found = box[0]
        if not done:
            raise ProcessLostError(
                f"process {self.rank + 1} of {self.count}: the first one has failed; it says why"
            )
        result: Result = found
        return result

    def in_turn(self, work: Callable[[], Result]) -> Result:
        """Do the same work in every process, in the first one before the others.

        What it keeps on disk the others find there; what is wrong it tells alone.

        Parameters
        ----------
        work
            Called in every process.

        Raises
        ------
        ProcessLostError
            In the other processes, where it failed in the first.
        """
        made: list[Result] = []
        self.told(lambda: made.append(work()))
        return made[0] if made else work()

    def dealt(
        self, rows: NDArray[np.int64], read: Callable[[NDArray[np.int64]], NDArray[Any]]
    ) -> NDArray[Any]:
        """Let each process read its share of rows, and give all of them to every process.

        Every process so has the very same numbers.

        Parameters
        ----------
        rows
            Shape (row,).
        read
            Gives an array (row, ...) for some of the rows.
        """
        if self.count == 1:
            return read(rows)
        own = rows[self.rows(len(rows))]
        parts: list[Any] = [None] * self.count
        dist.all_gather_object(parts, read(own) if len(own) else None, group=self.words)
        found = [part for part in parts if part is not None]
        return np.concatenate(found) if found else read(rows)

    @contextmanager
    def watched(self, stage: str) -> Iterator[None]:
        """Say in which stage another process was lost.

        Parameters
        ----------
        stage
            What the processes are at.

        Raises
        ------
        ProcessLostError
            Where torch says that it cannot reach another process.
        """
        try:
            yield
        except RuntimeError as error:
            told = " ".join(str(error).split())
            if self.count == 1 or not any(sign in told.lower() for sign in SIGNS):
                raise
            raise ProcessLostError(
                f"process {self.rank + 1} of {self.count}: {stage}: another process was lost, or "
                f"its machine ({told[:160]}); what it said last, or the scheduler, says why. "
                "Finished stages and epochs are kept: start the same command again with --resume, "
                "on as many processes as you like"
            ) from error


ALONE = Ranks()
"""A fit in one process."""


@cache
def joined() -> Ranks:
    """Give the processes of this fit, once torch has joined them."""
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return ALONE
    words = dist.new_group(backend="gloo", timeout=LONG)
    return Ranks(rank=dist.get_rank(), count=dist.get_world_size(), words=words)
