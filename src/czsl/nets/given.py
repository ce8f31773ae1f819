"""Any torch module as an encoder: what it takes, what it gives, in which order it learns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from czsl.errors import ArgumentError

LISTS = (nn.Sequential, nn.ModuleList)
"""Modules that only hold others, one after the other."""


class GivenEncoder(nn.Module):
    """A torch module, given by the user, as the encoder of a network.

    What the module gives may be features (object, feature); maps (object, channel, row,
    column), of which the mean is taken; tokens (object, token, feature), of which the mean
    is taken; a tuple, whose first item counts; or a mapping with ``last_hidden_state`` or
    ``pooler_output``. Maps with a ``pooler_output`` beside them are taken as that gives
    them.

    Parameters
    ----------
    module
        The encoder; copied, and never changed.
    channels, size
        Channels and side (pixels) of the images that come.
    mean, std
        Of each channel that the module takes, grey levels from 0 to 1: taken off, and
        divided by. By default images come as they are.
    side
        Side that images are brought to, pixels. By default they come as they are where the
        module takes that; else at the side that its own settings name (``image_size`` of
        its ``config``, ``input_size`` of its ``pretrained_cfg``).

    Attributes
    ----------
    features : int
        Number of features.
    layers : tuple of str
        Starts of the parameters' names, from the first layer to the last. Where a parameter
        stands in none of the others it is in the first, which is the whole module.

    Raises
    ------
    ArgumentError
        Where the module cannot take the images, or gives no features.

    Examples
    --------
    >>> module = nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU())
    >>> encoder = GivenEncoder(module, channels=1, size=16)
    >>> encoder.features, encoder.layers
    (5, ('module.0',))
    >>> encoder(torch.rand(2, 1, 16, 16)).shape
    torch.Size([2, 5])
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        module: nn.Module,
        *,
        channels: int,
        size: int,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        side: int | None = None,
    ) -> None:
        super().__init__()
        self.module = deepcopy(module).float().cpu()
        takes = _channels(self.module) or channels
        if channels != takes and (channels, takes) != (1, 3):
            raise ArgumentError(
                f"the encoder takes {takes} channel(s), and the images have {channels}; set "
                f"channels = {takes} in [images], or give an encoder for {channels}"
            )
        self.channels, self.takes, self.size = channels, takes, size
        self.register_buffer("mean", _per_channel(mean, takes, 0.0, "mean"))
        self.register_buffer("std", _per_channel(std, takes, 1.0, "std"))
        self.side = side or size
        self.features = self._try(fixed=side is not None)
        self.layers = tuple(_layers(self.module))

    def forward(self, images: Tensor) -> Tensor:
        """Give the features of images, shape (object, feature)."""
        if self.side != images.shape[-1]:
            images = functional.interpolate(
                images, (self.side, self.side), mode="bilinear", antialias=True
            )
        if images.shape[1] != self.takes:
            images = images.expand(-1, self.takes, -1, -1)
        return _pooled(self.module((images - self.mean) / self.std))

    def get_extra_state(self) -> Tensor:
        """Keep the side beside the weights, as torch asks for it."""
        return torch.tensor(self.side)

    def set_extra_state(self, state: Tensor) -> None:
        """Take the side that the weights were trained at."""
        self.side = int(state)

    def _try(self, *, fixed: bool) -> int:
        """Find the number of features, and the side that the module takes."""
        other = None if fixed else _own_side(self.module)
        sides = [self.side] if other in (None, self.side) else [self.side, other]
        failed: Exception | None = None
        for side in sides:
            self.side = side or self.side
            try:
                return self._dry()
            except ArgumentError:
                raise
            # A user's module may refuse a side by any error, and the other side may do.
            except Exception as error:
                failed = failed or error
        told = " ".join(str(failed).split()) or type(failed).__name__
        raise ArgumentError(
            f"the encoder cannot take images of {self.takes} channel(s) and {sides[0]} x "
            f"{sides[0]} pixels ({told}); give one that does, or wrap it: "
            "GivenEncoder(module, channels=..., size=..., side=...)"
        ) from failed

    @torch.no_grad()
    def _dry(self) -> int:
        """Give the number of features of two black images."""
        images = torch.zeros(2, self.channels, self.size, self.size)
        last = torch.channels_last  # as in training
        encoder = deepcopy(self).to(memory_format=last).eval()  # type: ignore[call-overload]
        found = encoder(images.contiguous(memory_format=last))
        if found.ndim != 2 or len(found) != 2:
            raise ArgumentError(
                f"the encoder gives an array of shape {tuple(found.shape)} for 2 images; features "
                "have the shape (object, feature), or (object, channel, row, column)"
            )
        return int(found.shape[1])


def wrap_encoder(module: nn.Module, *, channels: int, size: int) -> GivenEncoder:
    """Copy an encoder for these images; what it says of its mean and deviation is heeded.

    Parameters
    ----------
    module
        A module, or a :class:`GivenEncoder` that was made for such images.
    channels, size
        Channels and side (pixels) of the images.

    Raises
    ------
    ArgumentError
        Where the module cannot take the images, or gives no features.
    """
    if isinstance(module, GivenEncoder):
        if (module.channels, module.size) != (channels, size):
            raise ArgumentError(
                f"the encoder was made for images of {module.channels} channel(s) and "
                f"{module.size} pixels; these have {channels} and {size}"
            )
        return deepcopy(module)
    known = _stated(module)
    return GivenEncoder(
        module, channels=channels, size=size, mean=known.get("mean"), std=known.get("std")
    )


def _per_channel(values: Sequence[float] | None, takes: int, usual: float, name: str) -> Tensor:
    """Give a number for each channel, shape (1, channel, 1, 1)."""
    given = [usual] * takes if values is None else list(values)
    if len(given) != takes:
        raise ArgumentError(
            f"the encoder's '{name}' has {len(given)} numbers, and it takes {takes} channel(s); "
            "give one for each"
        )
    if name == "std" and min(given) <= 0:
        raise ArgumentError(f"the encoder's 'std' is {given}; each must be above 0")
    return torch.tensor(given, dtype=torch.float32).reshape(1, takes, 1, 1)


def _channels(module: nn.Module) -> int | None:
    """Give the channels that a module takes: those of its first convolution."""
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            return layer.in_channels
    return None


def _stated(module: nn.Module) -> Mapping[str, Any]:
    """Give what a module says of its input, as those of timm do; empty for others."""
    known = getattr(module, "pretrained_cfg", None)
    return known if isinstance(known, Mapping) else {}


def _own_side(module: nn.Module) -> int | None:
    """Give the side of the images that a module says it was made for."""
    own = getattr(getattr(module, "config", None), "image_size", None)
    own = own or _stated(module).get("input_size")
    if isinstance(own, Sequence) and own:
        own = own[-1]
    return own if isinstance(own, int) else None


def _pooled(given: Any) -> Tensor:
    """Bring what a module gives to features, shape (object, feature)."""
    if isinstance(given, Mapping):
        last, pooled = given.get("last_hidden_state"), given.get("pooler_output")
        if last is None and pooled is None:
            raise ArgumentError(
                f"the encoder gives {', '.join(map(repr, given)) or 'nothing'}; "
                "'last_hidden_state' or 'pooler_output' is needed"
            )
        # A pooler of tokens is often not trained with the rest; one of maps has little to learn.
        given = last if pooled is None or (last is not None and last.ndim == 3) else pooled
    elif isinstance(given, tuple | list) and given:
        given = given[0]
    if not isinstance(given, Tensor):
        raise ArgumentError(f"the encoder gives {type(given).__name__}; a tensor is needed")
    if given.ndim == 4:
        return given.mean(dim=(2, 3))
    return given.mean(dim=1) if given.ndim == 3 else given


def _layers(module: nn.Module) -> Iterator[str]:
    """Name the layers of a module from the first to the last; first the whole, if need be."""
    found = list(_inner("module", module))
    names = [f"module.{name}" for name, _ in module.named_parameters()]
    covered = all(any(name.startswith(f"{layer}.") for layer in found) for name in names)
    if not covered or not found:
        yield "module"
    yield from found


def _inner(name: str, module: nn.Module) -> Iterator[str]:
    """Name the children that hold parameters; of a list of layers, its members."""
    for child_name, child in _holding(module):
        full, held = f"{name}.{child_name}", _holding(child)
        if isinstance(child, LISTS):
            yield from (f"{full}.{member}" for member, _ in held)
        elif len(held) == 1 and isinstance(held[0][1], LISTS):
            inner, members = held[0]
            yield from (f"{full}.{inner}.{member}" for member, _ in _holding(members))
        else:
            yield full


def _holding(module: nn.Module) -> list[tuple[str, nn.Module]]:
    """List the children that hold parameters, by name."""
    children = module.named_children()
    return [(name, child) for name, child in children if any(True for _ in child.parameters())]
