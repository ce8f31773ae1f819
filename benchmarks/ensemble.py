"""Networks of one shape applied and trained as one: many small products become a few large ones.

On a processor it is no faster than one network after the other. On a GPU small networks
leave most of the chip idle; there it is meant to pay: ``gpu.py`` measures whether it does, and
``czsl`` takes it up once it does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, stack_module_state, vmap

from czsl.images.augment import steady
from czsl.nets.network import Network, Outputs
from czsl.stages.infer import ClassReader, classes_from_answers


class Ensemble:
    """Networks of one shape, their weights stacked.

    Parameters
    ----------
    networks
        In evaluation mode; their weights are copied.
    """

    def __init__(self, networks: Sequence[Network]) -> None:
        # An encoder's side stands beside its weights as no tensor; all of one shape share it.
        self.shape: nn.Module = networks[0]
        self.parameters, self.buffers = stack_module_state([*networks])

    def __call__(self, images: Tensor) -> Outputs:
        """Apply every network to the same images.

        Parameters
        ----------
        images
            Shape (object, channel, row, column), 0 to 1.

        Returns
        -------
        Outputs
            As a network gives them, each of shape (network, object, ...).
        """
        outputs: Outputs = vmap(self.one, in_dims=(0, 0, None))(
            self.parameters, self.buffers, images
        )
        return outputs

    def one(self, parameters: Any, buffers: Any, images: Tensor) -> Any:
        """Apply the network that some of the weights make."""
        return functional_call(self.shape, (parameters, buffers), (images,))


class EnsembleStep:
    """A step in the training of several networks, each on images of its own.

    Losses and weights are those of the networks trained one after the other, up to the order of
    sums; dropout draws other masks.

    Parameters
    ----------
    networks
        In training mode; their weights are copied.
    loss
        Outputs and targets of one network to its loss.
    optimiser
        Makes an optimiser of weights, each stacked over the networks.
    """

    def __init__(
        self,
        networks: Sequence[Network],
        loss: Callable[[Outputs, Tensor], Tensor],
        optimiser: Callable[[list[Tensor]], torch.optim.Optimizer],
    ) -> None:
        self.ensemble, self.loss = Ensemble(networks), loss
        self.optimiser = optimiser(list(self.ensemble.parameters.values()))
        self._gradients = vmap(grad_and_value(self._one), in_dims=0, randomness="different")

    def __call__(self, images: Tensor, targets: Tensor) -> Tensor:
        """Change the weights.

        Parameters
        ----------
        images, targets
            Shapes (network, object, channel, row, column) and (network, object, ...).

        Returns
        -------
        Tensor
            Losses before the step, shape (network,).
        """
        weights = self.ensemble.parameters
        gradients, losses = self._gradients(weights, self.ensemble.buffers, images, targets)
        for name, gradient in gradients.items():
            weights[name].grad = gradient
        self.optimiser.step()
        found: Tensor = losses.detach()
        return found

    def _one(self, parameters: Any, buffers: Any, images: Tensor, targets: Tensor) -> Tensor:
        """Give the loss of one network."""
        return self.loss(self.ensemble.one(parameters, buffers, images), targets)


class EnsembleReader(ClassReader):
    """Reads what a :class:`ClassReader` reads, all networks and quarter turns at once.

    Its arguments are the same; logits and features agree within 1e-5 in float32. It takes
    memory for networks times turns as many maps.
    """

    def __init__(self, networks: Sequence[Network], **settings: Any) -> None:
        super().__init__(networks, **settings)
        self.ensemble = Ensemble(self.networks)

    def _turned(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Sum over the networks and, of 8 views, the quarter turns: logits and features."""
        images = steady(images, self.view, resampled=self.resampled)
        turns = 4 if self.views == 8 else 1
        views = torch.cat([images.rot90(turn, dims=(2, 3)) for turn in range(turns)])
        views = views.contiguous(memory_format=torch.channels_last)
        with torch.autocast(
            self.device.type, dtype=self.products, enabled=self.products is not None
        ):
            outputs = Outputs(*(one.float() for one in self.ensemble(views)))
        logs = self._logs(outputs)  # (network, turn and object, class)
        features = outputs.features[0]
        return (
            logs.reshape(-1, len(images), logs.shape[2]).sum(dim=0),
            features.reshape(turns, len(images), features.shape[1]).sum(dim=0),
        )

    def _logs(self, outputs: Outputs) -> Tensor:
        """Give log-probabilities of the classes, shape (network, object, class)."""
        if self.answers is None:
            return outputs.classes.log_softmax(dim=2)
        logs = classes_from_answers(outputs.answers.flatten(0, 1), self.layout, self.answers)
        return logs.reshape(*outputs.answers.shape[:2], logs.shape[1])
