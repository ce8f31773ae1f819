"""How far training is: told by the loop, drawn by whoever listens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where a stage stands.

    Attributes
    ----------
    stage
        Name of the stage, with its fold where it has one.
    epoch, epochs
        The epoch that runs (from 1) and how many there are.
    share
        How much of the epoch is done, 0 to 1; at 1 the scores below are the epoch's.
    loss
        Mean training loss of the epoch so far.
    held_out
        Loss on the held-out rows after the epoch; None before its end or where no rows
        are held out.
    images_per_second
        Training images a second.
    seconds_left
        Estimate for the rest of the stage, if it does not stop early.
    """

    stage: str
    epoch: int
    epochs: int
    share: float
    loss: float
    held_out: float | None
    images_per_second: float
    seconds_left: float


Reporter = Callable[[Progress], None]


def silent(progress: Progress) -> None:
    """Tell nobody."""
