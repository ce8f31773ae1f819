"""What this machine gives to this process."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


def cores() -> int:
    """Count the cores that this process may use, or all where the system does not say.

    Examples
    --------
    >>> cores() >= 1
    True
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True, kw_only=True)
class Launched:
    """Which of the processes of one job this is.

    Parameters
    ----------
    launcher
        What started them.
    rank
        Its number among all, from 0.
    count
        How many there are.
    local
        How many of them are on this machine.
    """

    launcher: Literal["torchrun", "srun"]
    rank: int
    count: int
    local: int


def launched(given: Mapping[str, str] = os.environ) -> Launched | None:
    """Tell which of several processes this is, where torchrun or srun started several.

    Parameters
    ----------
    given
        The environment.

    Examples
    --------
    >>> launched({"RANK": "1", "WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2"})
    Launched(launcher='torchrun', rank=1, count=4, local=2)
    >>> launched({}) is None
    True
    """
    if int(given.get("WORLD_SIZE", 1)) > 1 and "RANK" in given:
        count = int(given["WORLD_SIZE"])
        local = int(given.get("LOCAL_WORLD_SIZE", count))
        return Launched(launcher="torchrun", rank=int(given["RANK"]), count=count, local=local)
    # A batch script has SLURM_NTASKS too; what srun starts has this besides.
    if int(given.get("SLURM_STEP_NUM_TASKS", 1)) > 1 and "SLURM_PROCID" in given:
        count = int(given["SLURM_STEP_NUM_TASKS"])
        local = count // int(given.get("SLURM_STEP_NUM_NODES", given.get("SLURM_NNODES", 1)))
        return Launched(launcher="srun", rank=int(given["SLURM_PROCID"]), count=count, local=local)
    return None


def python_command(call: str, *, module: str) -> list[str]:
    """Give the command of a plain interpreter that calls a function of a module of ours.

    It finds modules where this process finds them, however this one was started. What is no
    text in ``sys.path``, such as a path object, Python passes over, and so does this.

    Parameters
    ----------
    call
        The function with its arguments.
    module
        Where it is.

    Examples
    --------
    >>> import subprocess
    >>> command = python_command("cores()", module="czsl.machine")
    >>> subprocess.run(command, check=True).returncode
    0
    """
    places = [place for place in sys.path if isinstance(place, str)]
    name = call.partition("(")[0]
    code = f"import sys; sys.path[:] = {places!r}; from {module} import {name}; {call}"
    return [sys.executable, "-c", code]


SPINS = "1000"
"""Rounds that a thread waits awake for the others before it sleeps."""


def prepare_process() -> None:
    """Set what makes small networks slow otherwise, before torch is imported.

    The C library (glibc) keeps freed blocks: giving them back costs small networks half their
    time. And threads that wait for others (GNU OpenMP) soon sleep: by torch's default they stay
    awake, and where another program wants their processor, everything takes ten times as long.
    Arrow takes its memory from the C library, too, not from a second heap beside it.
    Whoever has set these himself is left alone.
    """
    import ctypes

    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
    if sys.platform != "linux" or "MALLOC_TRIM_THRESHOLD_" in os.environ:
        return
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return
    trim_threshold, mmap_threshold = -1, -3
    mallopt(trim_threshold, 1 << 30)
    mallopt(mmap_threshold, 1 << 30)


def give_back_memory() -> None:
    """Give freed blocks that the C library (glibc) keeps back to the system, all at once.

    Between two steps of which the second is small: it then starts from what is in use.
    """
    import ctypes

    if sys.platform != "linux":
        return
    try:
        trim = ctypes.CDLL("libc.so.6").malloc_trim
    except (OSError, AttributeError):
        return
    trim(0)
