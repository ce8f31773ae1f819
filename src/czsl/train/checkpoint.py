"""Tensors and a little JSON in one safetensors file; no pickle, so loading runs no code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from czsl.errors import RunError
from czsl.files import replacing

Tensors = dict[str, Tensor]


def save_tensors(path: Path, tensors: Mapping[str, Tensor], content: Mapping[str, Any]) -> None:
    """Write tensors and a JSON object beside them, whole or not at all.

    Parameters
    ----------
    path
        The file.
    tensors
        By name, any shapes.
    content
        What JSON can say.

    Raises
    ------
    WriteError
        Where the file cannot be written.
    """
    # A file holds each tensor once, and a module may have one under two names.
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    with replacing(path) as temporary:
        save_file(plain, temporary, metadata={"czsl": json.dumps(content)})


def load_tensors(path: Path) -> tuple[Tensors, dict[str, Any]]:
    """Read what :func:`save_tensors` wrote.

    Raises
    ------
    RunError
        Where the file is not one of ours or is not whole.
    """
    try:
        with safe_open(path, framework="pt") as file:
            content = json.loads(file.metadata()["czsl"])
            return {name: file.get_tensor(name) for name in file.keys()}, content  # noqa: SIM118
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise RunError(
            f"{path}: is not whole or not ours ({error}); delete it, and the stage runs again"
        ) from error


def prefixed(prefix: str, tensors: Mapping[str, Tensor]) -> Tensors:
    """Put a prefix before every name."""
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def without_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> Tensors:
    """Take the tensors that bear a prefix, without it."""
    start = f"{prefix}."
    return {
        name.removeprefix(start): tensor
        for name, tensor in tensors.items()
        if name.startswith(start)
    }


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> Tensors:
    """Name every tensor of an optimiser's state ``<parameter>.<what>``."""
    state = optimiser.state_dict()["state"]
    return {
        f"{index}.{name}": torch.as_tensor(value)
        for index, entry in state.items()
        for name, value in entry.items()
        if value is not None
    }


def restore_optimiser(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Give an optimiser the state that :func:`optimiser_tensors` named."""
    parameters = [one for group in optimiser.param_groups for one in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        index, _, what = name.partition(".")
        parameter = parameters[int(index)].detach()
        alike = tensor.shape == parameter.shape
        # Laid out in memory as its parameter, which fused steps take for granted.
        placed = torch.empty_like(parameter).copy_(tensor) if alike else tensor
        state.setdefault(int(index), {})[what] = placed
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state})
