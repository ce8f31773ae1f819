"""Where networks run, in which precision, and in how many processes."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning_fabric.strategies.ddp import DDPStrategy

from czsl.errors import ArgumentError
from czsl.machine import Launched, launched
from czsl.train.ranks import ALONE, STEP, Ranks, joined


def make_fabric(
    device: str = "auto",
    *,
    precision: str = "32",
    threads: int | None = None,
    several: bool = False,
) -> Fabric:
    """Choose the device and the precision of networks.

    Parameters
    ----------
    device
        ``"auto"`` (a GPU where there is one), ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
    precision
        ``"32"`` (on an NVIDIA GPU products are then taken in TF32, of 10 bits); or
        ``"bf16"``: products in bfloat16 where the device computes them natively, otherwise
        as ``"32"``.
    threads
        Processor threads; by default torch's own choice.
    several
        Whether the processes that torchrun or srun started train together; each then
        has a device of its own kind.

    Raises
    ------
    ArgumentError
        Where there is no such device, or not one for every process.

    Examples
    --------
    >>> make_fabric("cpu").device
    device(type='cpu')
    >>> make_fabric("abacus")
    Traceback (most recent call last):
    czsl.errors.ArgumentError: device = 'abacus': ...
    """
    if threads is not None:
        torch.set_num_threads(threads)
    kind, number = _checked(device)
    native = precision == "bf16" and has_bfloat16(kind)
    if kind != "cpu" and torch.cuda.is_available():
        torch.set_float32_matmul_precision("high")
    team = launched() if several else None
    settings: dict[str, Any] = {
        "accelerator": kind,
        "devices": [int(number)] if number else 1,
        # One process is one process, whoever started it and however many others.
        "plugins": LightningEnvironment(),
    }
    if team is not None:
        settings = _together(team, kind, number)
    # Fabric remarks on its precision and on devices that were left alone on purpose.
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fabric = Fabric(precision="bf16-mixed" if native else "32-true", **settings)
        if team is not None:
            fabric.launch()
    return fabric


def open_ranks(device: str = "auto") -> Ranks:
    """Join the processes that torchrun or srun started for one fit; one alone is joined to none.

    Parameters
    ----------
    device
        As in :func:`make_fabric`; says by which means they speak.

    Raises
    ------
    ArgumentError
        Where there is not such a device for every process.
    """
    if launched() is None:
        return ALONE
    make_fabric(device, several=True)
    return joined()


def has_bfloat16(device: str) -> bool:
    """Tell whether a device multiplies bfloat16 natively; emulated it is slower than float32."""
    if device == "mps":
        return False
    if device != "cpu" and torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


Given = TypeVar("Given")
Made = TypeVar("Made")


def side_by_side(
    work: Callable[[Given], Made], parts: Sequence[Given], device: torch.device
) -> list[Made]:
    """Do the same work with several parts, on a processor as many at once as it has threads.

    A small network gains little from a second thread. Two batches, each on one thread, take
    half the time.

    Parameters
    ----------
    work
        What is done with a part.
    parts
        The parts.
    device
        Where it is done.

    Returns
    -------
    list
        What became of each part, in their order.

    Examples
    --------
    >>> side_by_side(torch.sum, [torch.ones(2), torch.ones(3)], torch.device("cpu"))
    [tensor(2.), tensor(3.)]
    """
    threads = torch.get_num_threads()
    at_once = min(threads, len(parts))
    if device.type != "cpu" or at_once < 2:
        return [work(part) for part in parts]
    # The number holds for the thread that sets it and for those that start later.
    each = partial(torch.set_num_threads, threads // at_once)
    try:
        with ThreadPoolExecutor(at_once, "czsl-batch", initializer=each) as pool:
            return list(pool.map(work, parts))
    finally:
        torch.set_num_threads(threads)


def _checked(device: str) -> tuple[str, str]:
    """Split a device into kind and number; refuse one that is not there."""
    kind, colon, number = device.partition(":")
    available = {"auto", "cpu"}
    if torch.cuda.is_available():
        available.add("cuda")
    if torch.backends.mps.is_available():
        available.add("mps")
    numbers = [str(one) for one in range(torch.cuda.device_count())] if kind == "cuda" else []
    if kind not in available or (colon and number not in numbers):
        raise ArgumentError(
            f"device = {device!r}: this machine has {', '.join(sorted(available))}; "
            "choose one of them"
        )
    return kind, number


def _together(team: Launched, kind: str, number: str) -> dict[str, Any]:
    """Give Fabric's settings for processes that train together, each on its own device."""
    gpus = torch.cuda.device_count()
    kind = ("cuda" if gpus else "cpu") if kind == "auto" else kind
    if number or kind == "mps":
        raise ArgumentError(
            f"device = '{kind}{':' if number else ''}{number}': {team.count} processes cannot "
            "share one device; leave --device out, or choose cuda or cpu"
        )
    if kind == "cuda" and team.local > gpus:
        raise ArgumentError(
            f"device = 'cuda': {team.local} processes on this machine, and it has {gpus} GPU(s); "
            "start one process for each, or choose --device cpu"
        )
    if team.count % team.local:
        raise ArgumentError(
            f"{team.count} processes, of which {team.local} on this machine: start as many on "
            "every machine"
        )
    slurm = team.launcher == "srun"
    try:
        environment = SLURMEnvironment(auto_requeue=False) if slurm else TorchElasticEnvironment()
    except RuntimeError as error:  # srun was not told how many tasks a node has
        raise ArgumentError(
            f"srun: {team.count} tasks, and SLURM does not say how many a node has; give "
            "--ntasks-per-node to sbatch or srun"
        ) from error
    # A head that a stage does not train gets no gradient: it must be looked for.
    strategy = DDPStrategy(timeout=STEP, find_unused_parameters=True)
    nodes = team.count // team.local
    return {
        "accelerator": kind,
        "devices": team.local,
        "num_nodes": nodes,
        "strategy": strategy,
        "plugins": environment,
    }
