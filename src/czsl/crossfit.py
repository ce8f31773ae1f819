"""The networks of all folds: one after another, or several at once in processes of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch

from czsl.stages.head import Heads
from czsl.stages.transfer import FittedTransfer
from czsl.train.checkpoint import Tensors
from czsl.train.helpers import Helpers
from czsl.training import Start, Work, fold_network

FEW_IMAGES = 30_000
"""So many images are trained on sooner than processes start."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FoldNetwork:
    """One fold's network.

    Attributes
    ----------
    weights
        Its tensors by name.
    history
        The epochs that made it, as :attr:`czsl.training.Work.history`.
    """

    weights: Tensors
    history: list[dict[str, Any]]


def fold_networks(
    work: Work,
    start: Start,
    transfers: Sequence[FittedTransfer | None],
    weights: Sequence[float],
) -> list[list[FoldNetwork]]:
    """Train a network for each fold, with each weight of the transferred labels.

    On a processor with several threads, networks are trained side by side, each with its
    share of the threads.

    Parameters
    ----------
    work, start
        The fit, and what its folds share.
    transfers
        For each fold, fitted on the others; or None.
    weights
        Of the labels that they transfer.

    Returns
    -------
    list of list of FoldNetwork
        For each weight, each fold's.
    """
    folds = len(transfers)
    asked = [(fold, weight) for weight in weights for fold in range(folds)]
    tuned = work.recipe.finetune
    resampled = tuned is not None and tuned.resampled
    heads = Heads(work.context, work.votes.layout, resampled=resampled)
    with _helpers(work, folds, len(asked)) as helpers:
        context = replace(work.context, helpers=helpers)

        def one(fold: int, weight: float) -> FoldNetwork:
            own = replace(work, context=context, history=[])
            network = fold_network(own, start, fold, transfers[fold], weight, heads)
            kept = {name: value.clone() for name, value in network.state_dict().items()}
            return FoldNetwork(weights=kept, history=own.history)

        if helpers is None:
            made = [one(fold, weight) for fold, weight in asked]
        else:
            made = _side_by_side(one, asked, helpers)
    return [made[place * folds :][:folds] for place in range(len(weights))]


def _side_by_side(
    one: Callable[[int, float], FoldNetwork], asked: Sequence[tuple[int, float]], helpers: Helpers
) -> list[FoldNetwork]:
    """Let a thread for each process see a network through."""
    # Networks draw first weights, which are overwritten: whoever uses torch beside is spared.
    with torch.random.fork_rng(devices=[]), ThreadPoolExecutor(helpers.count) as threads:
        futures = [threads.submit(one, fold, weight) for fold, weight in asked]
        try:
            return [future.result() for future in futures]
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            helpers.stop()  # so that no thread waits for the end of a training
            raise


@contextmanager
def _helpers(work: Work, folds: int, networks: int) -> Iterator[Helpers | None]:
    """Open the processes that train side by side; None where they would not pay."""
    context, threads = work.context, torch.get_num_threads()
    count = min(threads, folds)
    stages = [work.recipe.finetune, work.recipe.pretrain]
    images = max(
        stage.images + stage.epochs * stage.shown * len(work.experts) for stage in stages if stage
    )
    alone = context.encoder is not None or context.ranks.count > 1
    if context.fabric.device.type != "cpu" or alone or count < 2 or networks * images < FEW_IMAGES:
        yield None
        return
    half = context.fabric._precision.precision != "32-true"
    with Helpers(
        count,
        threads=threads // count,
        precision="bf16" if half else "32",
        report=context.report,
    ) as helpers:
        yield helpers
