"""Where networks run, and in which precision."""

from __future__ import annotations

import logging
import warnings

import torch
from lightning_fabric import Fabric

from czsl.errors import ArgumentError


def make_fabric(
    device: str = "auto", *, precision: str = "32", threads: int | None = None
) -> Fabric:
    """Choose the device and the precision of networks.

    Parameters
    ----------
    device
        ``"auto"`` (a GPU where there is one), ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
    precision
        ``"32"``; or ``"bf16"``: products in bfloat16 where the device computes them
        natively, otherwise as ``"32"``.
    threads
        Processor threads; by default torch's own choice.

    Raises
    ------
    ArgumentError
        Where there is no such device.

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
    native = precision == "bf16" and has_bfloat16(kind)
    # Fabric remarks on its precision and on devices that were left alone on purpose.
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Fabric(
            accelerator=kind,
            devices=[int(number)] if number else 1,
            precision="bf16-mixed" if native else "32-true",
        )


def has_bfloat16(device: str) -> bool:
    """Tell whether a device multiplies bfloat16 natively; emulated it is slower than float32."""
    if device == "mps":
        return False
    if device != "cpu" and torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
