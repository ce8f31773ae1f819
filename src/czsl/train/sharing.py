"""One network trained by several processes, each on its share of every batch.

The loss of a batch is that of all its rows: every process joins what the networks say of
all shares, and takes the same loss of it; gradients flow into its own rows, and are
summed over the processes. Batch statistics and dropout are those of the whole batch, so
that losses and weights are those of a single process, up to the order of sums.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch import distributed as dist
from torch.nn import functional

from czsl.train.ranks import Ranks


class Sharing:
    """What the layers of a shared network know of the batch at hand.

    Parameters
    ----------
    ranks
        The processes.

    Attributes
    ----------
    count
        Rows of the batch in all processes together.
    """

    def __init__(self, ranks: Ranks) -> None:
        self.ranks = ranks
        self.count = 0

    def __deepcopy__(self, _: object) -> Self:
        """Stay one: a copy of a network sees the same batch."""
        return self


class WholeBatch(nn.Module):
    """A network that takes this process's share of a batch and answers for the whole batch.

    Parameters
    ----------
    network
        Gives a tensor, or a named tuple of tensors, each of shape (object, ...).
    sharing
        The batch at hand.
    """

    def __init__(self, network: nn.Module, sharing: Sharing) -> None:
        super().__init__()
        self.network, self.sharing = network, sharing

    def forward(self, images: Tensor) -> Any:
        """Give the outputs for all rows of the batch."""
        given = self.network(images)
        if isinstance(given, Tensor):
            return self.whole(given)
        # Each stands alone: what the loss leaves aside gets no gradient, as in one process.
        return type(given)(*self._joined([_not_halved(tensor) for tensor in given]))

    def whole(self, own: Tensor) -> Tensor:
        """Join the processes' shares of an array with a row for each object."""
        return self._joined([_not_halved(own)])[0]

    def _joined(self, own: list[Tensor]) -> list[Tensor]:
        """Join the processes' shares of arrays."""
        return self.sharing.ranks.whole(own, self.sharing.count)


class Learner(nn.Module):
    """A network and its loss in one module, which is what gradients are summed over.

    Parameters
    ----------
    network, loss, sharing
        What is trained, on what, by whom.
    """

    def __init__(
        self,
        network: nn.Module,
        loss: Callable[[nn.Module, Tensor, dict[str, Tensor]], Tensor],
        sharing: Sharing,
    ) -> None:
        super().__init__()
        self.network, self.loss = WholeBatch(network, sharing), loss

    def forward(self, images: Tensor, targets: dict[str, Tensor]) -> Tensor:
        """Give the loss of the whole batch from this process's images and all targets."""
        return self.loss(self.network, images, targets)


def rows_of_all(model: nn.Module, own: Tensor) -> Tensor:
    """Join what goes with a model's outputs and is at hand for this process's rows alone.

    Parameters
    ----------
    model
        What a loss is given.
    own
        This process's rows, shape (object, ...); all rows where it works alone.
    """
    return model.whole(own) if isinstance(model, WholeBatch) else own


def share_layers(network: nn.Module, sharing: Sharing) -> None:
    """Put layers that look at the whole batch in the place of those that look at a share.

    Those are batch normalisation of maps, and dropout; names and weights stay.

    Parameters
    ----------
    network
        Changed in place.
    sharing
        The batch at hand.
    """
    for module in network.modules():
        for name, child in module.named_children():
            if type(child) is nn.BatchNorm2d and child.track_running_stats:
                shared = SharedBatchNorm(child.num_features, child.eps, child.momentum)
                shared.affine = child.affine
                shared.weight, shared.bias = child.weight, child.bias
                shared.running_mean, shared.running_var = child.running_mean, child.running_var
                shared.num_batches_tracked = child.num_batches_tracked
                shared.train(child.training)
                setattr(module, name, shared)
            if type(child) is nn.Dropout:
                setattr(module, name, SharedDropout(child.p, sharing).train(child.training))


class SharedBatchNorm(nn.BatchNorm2d):
    """Batch normalisation by the mean and variance of all processes' rows.

    torch's own runs on NVIDIA's GPUs alone; this one wherever processes can add numbers.
    """

    def forward(self, maps: Tensor) -> Tensor:
        """Normalise maps, shape (object, channel, row, column)."""
        if not self.training:
            return super().forward(maps)
        values, axes = _not_halved(maps), (0, 2, 3)
        count = values.new_full((1,), values.numel() / values.shape[1])
        sums = _sum(torch.cat([values.sum(axes), count]))
        count = sums[-1].detach()
        mean = sums[:-1] / count
        centred = values - mean[:, None, None]
        variance = _sum(centred.square().sum(axes)) / count
        self._remember(mean.detach(), variance.detach() * count / (count - 1).clamp(min=1))
        scale = (variance + self.eps).rsqrt()
        if self.weight is not None:
            scale = scale * self.weight
        normal = centred * scale[:, None, None]
        if self.bias is not None:
            normal = normal + self.bias[:, None, None]
        normalised: Tensor = normal.to(maps.dtype)
        return normalised

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics, which evaluation takes."""
        assert self.num_batches_tracked is not None
        assert self.running_mean is not None
        assert self.running_var is not None
        self.num_batches_tracked.add_(1)
        steps = float(self.num_batches_tracked)
        momentum = 1 / steps if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, momentum)
        self.running_var.lerp_(variance, momentum)


class SharedDropout(nn.Dropout):
    """Dropout whose mask is drawn for the whole batch in every process.

    Parameters
    ----------
    p
        Probability that a number is dropped.
    sharing
        The batch at hand.
    """

    def __init__(self, p: float, sharing: Sharing) -> None:
        super().__init__(p)
        self.sharing = sharing

    def forward(self, values: Tensor) -> Tensor:
        """Drop numbers at random, shape (object, ...)."""
        rows = self.sharing.ranks.rows(self.sharing.count)
        if not (self.training and self.p) or len(values) != rows.stop - rows.start:
            return functional.dropout(values, self.p, self.training)
        whole = values.new_empty((self.sharing.count, *values.shape[1:]))
        kept = whole.bernoulli_(1 - self.p)[rows]
        return values * kept.div_(1 - self.p)


def _not_halved(values: Tensor) -> Tensor:
    """Give numbers of 16 bits as 32 bits: sums and losses take that."""
    return values.float() if values.dtype in (torch.bfloat16, torch.float16) else values


def _sum(own: Tensor) -> Tensor:
    """Add up a tensor over the processes."""
    total: Tensor = _Sum.apply(own)  # type: ignore[no-untyped-call]
    return total


class _Sum(torch.autograd.Function):
    """Add up a tensor over the processes; gradients are added up too."""

    @staticmethod
    def forward(ctx: Any, own: Tensor) -> Tensor:
        total = own.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.contiguous().clone()
        dist.all_reduce(total)
        return total
