"""The one training loop: epochs over samples, kept after each so that a kill loses little.

Everything random in an epoch comes from the seed and the epoch's number, so that a
resumed run sees the same order and the same augmentation as one that never stopped.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor, nn

from czsl.errors import RunError
from czsl.images.augment import steady
from czsl.recipes import Training
from czsl.train.checkpoint import (
    load_tensors,
    optimiser_tensors,
    prefixed,
    restore_optimiser,
    save_tensors,
    without_prefix,
)
from czsl.train.feed import Resident, batches
from czsl.train.progress import Progress, Reporter
from czsl.train.ranks import ALONE, Ranks
from czsl.train.samples import Samples
from czsl.train.sharing import Learner, Sharing, WholeBatch, share_layers
from czsl.train.shown import objects_in_batch, seed_of, shown_batches

Loss = Callable[[nn.Module, Tensor, dict[str, Tensor]], Tensor]
"""Network, images and targets of a batch to the mean loss over its objects."""

Epochs = list[dict[str, float | None]]
"""What each epoch reached: ``epoch, loss, held_out, images_per_second``."""

SCORE_BATCH = 256


@dataclass(kw_only=True)
class _State:
    """What training changes; ``pairs`` are the averaged tensors beside the network's own."""

    network: nn.Module
    average: nn.Module
    optimiser: torch.optim.Optimizer
    pairs: tuple[list[Tensor], list[Tensor]] = ([], [])
    step: int = 0
    history: Epochs = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)

    @property
    def best_epoch(self) -> int:
        """The epoch (from 1) with the lowest held-out score; 0 where none has a finite one."""
        found = [math.nan if e["held_out"] is None else e["held_out"] for e in self.history]
        scores = np.where(np.isfinite(found), found, math.inf)
        return int(np.argmin(scores)) + 1 if (scores < math.inf).any() else 0


def train(
    network: nn.Module,
    loss: Loss,
    samples: Samples,
    held_out: Samples,
    training: Training,
    *,
    rates: dict[str, float] | None = None,
    freeze: bool = False,
    seed: int,
    fabric: Fabric,
    stage: str,
    checkpoint: Path,
    report: Reporter,
    ranks: Ranks = ALONE,
    resident: Resident | None = None,
) -> tuple[dict[str, Tensor], Epochs]:
    """Train a network and give its weights.

    Where ``checkpoint`` stands already, training goes on from there. Several processes
    train on the same batches as one: each takes a share of every batch.

    Parameters
    ----------
    network
        Changed in place.
    loss
        What is minimised.
    samples, held_out
        Rows that train, and rows that score each epoch (none of them may be empty of
        both).
    training
        Optimiser, length, augmentation.
    rates
        Learning rate of the parameters whose name starts with a key, relative to the
        others'.
    freeze
        Whether normalisation layers keep their statistics.
    seed
        Seed of order and augmentation.
    fabric
        Device and precision.
    stage
        Name for the progress.
    checkpoint
        File that keeps the state after each epoch.
    report
        Listener.
    ranks
        The processes that train together, each of which calls this; the first one writes.
    resident
        Images that are held on the device.

    Returns
    -------
    dict of Tensor
        Weights: averaged where the training asks for it, of the best epoch where it
        has patience and rows are held out, otherwise of the last.
    list of dict
        The epochs.

    Raises
    ------
    WriteError
        Where the checkpoint cannot be written.
    RunError
        Where training has diverged: rows are held out, and after no epoch their loss is finite, or
        the weights are not.
    """
    sharing = Sharing(ranks)
    if ranks.count > 1:
        share_layers(network, sharing)
    state = _start(network, training, rates or {}, fabric)
    _restore(state, checkpoint, ranks)
    learns, optimiser = _set_up(state, loss, sharing, fabric)
    epochs = epochs_needed(training, samples.in_epoch)
    shown = samples.in_epoch * training.shown
    # Of a few rows none may be held out: then no epoch is the best, and none is waited for.
    patience = math.ceil(training.patience * epochs / training.epochs) if len(held_out) else 0
    steps = epochs * math.ceil(samples.in_epoch / objects_in_batch(training))
    for epoch in range(len(state.history) + 1, epochs + 1):
        if patience and epoch - 1 - state.best_epoch >= patience:
            break
        clock = _Clock(stage=stage, epoch=epoch, epochs=epochs, report=report)
        _training_mode(state.network, freeze)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_of([seed, epoch]))  # for dropout
            for images, targets in shown_batches(
                samples, training, [seed, epoch], fabric.device, sharing, resident
            ):
                _set_rate(optimiser, training, state.step, steps)
                optimiser.zero_grad(set_to_none=True)
                batch_loss = learns(images, targets)
                fabric.backward(batch_loss * ranks.count)  # gradients are averaged over processes
                optimiser.step()
                state.step += 1
                _average(state, training.average)
                clock.add(batch_loss, sharing.count, shown)
        scored = None
        if len(held_out):
            resampled, device = training.resampled, fabric.device
            scored = score(
                state.average, loss, held_out, device, resampled=resampled,
                sharing=sharing, resident=resident,
            )  # fmt: skip
        ended = clock.end(scored)
        # One process says how the epoch went, so that all of them stop after the same one.
        state.history.append(ranks.told(lambda ended=ended: ended))  # type: ignore[misc]
        if patience and state.best_epoch == epoch:
            state.best = {name: value.clone() for name, value in state.average.state_dict().items()}
        if ranks.leads:
            _keep(state, checkpoint)
    weights = state.best or dict(state.average.state_dict())
    if lost := _lost(state, weights, scored=len(held_out) > 0):
        raise RunError(
            f"{stage}: {lost}: training has diverged, and its weights are good for nothing; begin "
            f"a new run with a lower rate of this stage in the recipe (it is {training.rate:g})"
        )
    return weights, state.history


def _lost(state: _State, weights: dict[str, Tensor], *, scored: bool) -> str:
    """Say by what training has diverged; nothing where it has not."""
    epochs = len(state.history)
    if scored and not state.best_epoch:
        return f"the loss on held-out images is not finite after any of {epochs} epochs"
    finite = [value.isfinite().all() for value in weights.values() if value.is_floating_point()]
    if finite and not torch.stack(finite).all():
        return f"after {epochs} epochs there are weights that are not finite"
    return ""


def _set_up(
    state: _State, loss: Loss, sharing: Sharing, fabric: Fabric
) -> tuple[Callable[[Tensor, dict[str, Tensor]], Tensor], Any]:
    """Give what maps a batch to its loss, and the optimiser, as the processes share them."""
    if sharing.ranks.count > 1:
        set_up = fabric.setup(Learner(state.network, loss, sharing), state.optimiser)
        return set_up[0], set_up[1]
    set_up = fabric.setup(state.network, state.optimiser)
    model = set_up[0]
    return lambda images, targets: loss(model, images, targets), set_up[1]


@torch.no_grad()
def score(
    network: nn.Module,
    loss: Loss,
    samples: Samples,
    device: torch.device,
    *,
    resampled: bool,
    sharing: Sharing | None = None,
    resident: Resident | None = None,
) -> float:
    """Give the mean loss over samples without augmentation, network in evaluation mode.

    Rows that have a target ``weight`` count by it, as in the loss.

    Parameters
    ----------
    network, loss, samples
        What is scored, how, and on what.
    device
        Where the network is.
    resampled
        Whether training rotated its images.
    sharing
        The processes that score together; by default one.
    resident
        Images that are held on the device.
    """
    network.eval()
    sharing = sharing or Sharing(ALONE)
    model = WholeBatch(network, sharing) if sharing.ranks.count > 1 else network
    every = np.split(np.arange(len(samples)), range(SCORE_BATCH, len(samples), SCORE_BATCH))
    parts = [(places, sharing.ranks.rows(len(places))) for places in every]
    side = None if resampled else samples.view
    found = []
    taken = batches(samples, parts, device, resident=resident, side=side)
    for (places, _), (images, targets) in zip(parts, taken, strict=True):
        sharing.count = len(places)
        views = steady(images, samples.view, resampled=resampled)
        found.append(loss(model, views, targets))
    losses = torch.stack(found).tolist()  # read once: a read waits for the device
    weights, total = [_weight(samples, places) for places in every], 0.0
    for value, weight in zip(losses, weights, strict=True):
        total += value * weight
    return total / sum(weights) if any(weights) else 0.0


def _weight(samples: Samples, places: NDArray[np.int64]) -> float:
    """Say how much a batch counts: as many rows as it has, or what they weigh in its loss."""
    given = samples.targets.get("weight")
    if given is None:
        return float(len(places))
    return float(given[torch.from_numpy(places)].double().sum())


def learning_rate(training: Training, step: int, steps: int) -> float:
    """Give the learning rate at a step (from 0): constant, or warm-up and cosine to zero.

    Examples
    --------
    >>> training = Training(epochs=1, batch=1, optimiser="adamw", rate=1.0, warm_up=0.1)
    >>> [round(learning_rate(training, step, 100), 3) for step in (0, 9, 10, 55, 99)]
    [0.1, 1.0, 1.0, 0.5, 0.0]
    """
    if training.optimiser == "sgd":
        return training.rate
    warm = round(training.warm_up * steps)
    if step < warm:
        return training.rate * (step + 1) / warm
    return training.rate * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def epochs_needed(training: Training, rows: int) -> int:
    """Give the number of epochs: as set, or more where there are few rows.

    Examples
    --------
    >>> training = Training(epochs=2, images=100, batch=1, optimiser="sgd", rate=0.1)
    >>> epochs_needed(training, 10), epochs_needed(training, 1000)
    (10, 2)
    """
    return max(training.epochs, math.ceil(training.images / (rows * training.shown)))


def _start(
    network: nn.Module, training: Training, rates: dict[str, float], fabric: Fabric
) -> _State:
    """Put a network on its device and make its optimiser."""
    network.to(fabric.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        relative = next((rate for start, rate in rates.items() if name.startswith(start)), 1.0)
        # Weights decay; biases and the scales of normalisation (one axis) do not.
        decay = training.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((relative, decay), []).append(parameter)
    settings: list[dict[str, Any]] = [
        {"params": parameters, "relative": relative, "weight_decay": decay}
        for (relative, decay), parameters in groups.items()
    ]
    kind = torch.optim.SGD if training.optimiser == "sgd" else torch.optim.AdamW
    optimiser = kind(settings, lr=training.rate, fused=True)
    average = deepcopy(network) if training.average else network
    # Each tensor once, however many names a module gives it.
    tensors = zip(
        (*average.parameters(), *average.buffers()),
        (*network.parameters(), *network.buffers()),
        strict=True,
    )
    pairs = [(a.detach(), b.detach()) for a, b in tensors if a.is_floating_point()]
    return _State(
        network=network,
        average=average,
        optimiser=optimiser,
        pairs=([mean for mean, _ in pairs], [value for _, value in pairs]),
    )


def _training_mode(network: nn.Module, freeze: bool) -> None:
    """Put a network in training mode, its normalisation too unless that is frozen."""
    network.train()
    for module in network.modules():
        if freeze and isinstance(module, nn.BatchNorm2d):
            module.eval()


def _set_rate(optimiser: Any, training: Training, step: int, steps: int) -> None:
    """Set the rate of every group of parameters for the step to come."""
    rate = learning_rate(training, step, steps)
    for group in optimiser.param_groups:
        group["lr"] = rate * group["relative"]


@torch.no_grad()
def _average(state: _State, decay: float) -> None:
    """Move the averaged weights towards the network's; early on faster than the decay says."""
    if not decay:
        return
    weight = 1 - min(decay, (1 + state.step) / (10 + state.step))
    torch._foreach_lerp_(*state.pairs, weight)


def _keep(state: _State, checkpoint: Path) -> None:
    """Write the state after an epoch."""
    tensors = {
        **prefixed("network", state.network.state_dict()),
        **prefixed("average", state.average.state_dict()),
        **prefixed("best", state.best),
        **prefixed("optimiser", optimiser_tensors(state.optimiser)),
    }
    save_tensors(checkpoint, tensors, {"step": state.step, "history": state.history})


def _restore(state: _State, checkpoint: Path, ranks: Ranks) -> None:
    """Take up the state of a checkpoint, if there is one; the first process reads it."""
    found = ranks.told(lambda: load_tensors(checkpoint) if checkpoint.exists() else None)
    if found is None:
        return
    tensors, content = found
    state.network.load_state_dict(without_prefix("network", tensors))
    state.average.load_state_dict(without_prefix("average", tensors))
    state.best = without_prefix("best", tensors)
    restore_optimiser(state.optimiser, without_prefix("optimiser", tensors))
    state.step, state.history = content["step"], content["history"]


@dataclass(kw_only=True)
class _Clock:
    """Measures an epoch and tells how far it is."""

    stage: str
    epoch: int
    epochs: int
    report: Reporter
    start: float = field(default_factory=time.perf_counter)
    told: float = field(default_factory=time.perf_counter)
    loss: float = 0.0
    images: int = 0
    unread: list[tuple[Tensor, int]] = field(default_factory=list)

    def add(self, batch_loss: Tensor, count: int, rows: int) -> None:
        """Count a batch; tell about it at most every half second.

        The loss stays on the device until it is told: a read waits for all work there.
        """
        self.unread.append((batch_loss.detach(), count))
        self.images += count
        if time.perf_counter() - self.told > 0.5 and self.images < rows:
            self.told = time.perf_counter()
            self.report(self._progress(self.images / rows, None))

    def end(self, held_out: float | None) -> dict[str, float | None]:
        """Tell that the epoch has ended and give its line of the history."""
        progress = self._progress(1.0, held_out)
        self.report(progress)
        return {
            "epoch": self.epoch,
            "loss": progress.loss,
            "held_out": held_out,
            "images_per_second": round(progress.images_per_second, 1),
        }

    def _progress(self, share: float, held_out: float | None) -> Progress:
        if self.unread:
            losses = torch.stack([loss for loss, _ in self.unread]).tolist()
            for loss, (_, count) in zip(losses, self.unread, strict=True):
                self.loss += loss * count
            self.unread.clear()
        seconds = time.perf_counter() - self.start
        return Progress(
            stage=self.stage,
            epoch=self.epoch,
            epochs=self.epochs,
            share=share,
            loss=self.loss / max(1, self.images),
            held_out=held_out,
            images_per_second=self.images / max(seconds, 1e-9),
            seconds_left=seconds * (self.epochs - self.epoch + 1 - share) / max(share, 1e-9),
        )
