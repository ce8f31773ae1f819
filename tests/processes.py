"""Programs that a test starts in several processes, as torchrun or srun would."""

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def free_port() -> int:
    """Give a port that nobody listens at."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def of_torchrun(rank: int, count: int) -> dict[str, str]:
    """Give what torchrun tells a process."""
    return {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "GROUP_RANK": "0",
        "WORLD_SIZE": str(count),
        "LOCAL_WORLD_SIZE": str(count),
    }


def of_srun(rank: int, count: int) -> dict[str, str]:
    """Give what srun tells a process."""
    return {
        "SLURM_PROCID": str(rank),
        "SLURM_LOCALID": str(rank),
        "SLURM_NODEID": "0",
        "SLURM_NTASKS": str(count),
        "SLURM_NTASKS_PER_NODE": str(count),
        "SLURM_NNODES": "1",
        "SLURM_STEP_NUM_TASKS": str(count),
        "SLURM_STEP_NUM_NODES": "1",
        "SLURM_JOB_ID": "123",
        "SLURM_JOB_NAME": "czsl",
    }


def start(
    arguments: Sequence[str | Path], folder: Path, *, count: int = 2, told=of_torchrun
) -> list[subprocess.Popen]:
    """Start a Python program so many times; each writes into a file of its own."""
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "OMP_NUM_THREADS": "1"}
    started = []
    for rank in range(count):
        with (folder / f"told-{rank}.txt").open("w") as file:
            one = subprocess.Popen(
                [sys.executable, *map(str, arguments)],
                env={**os.environ, **place, **told(rank, count)},
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        started.append(one)
    return started


def told(folder: Path, rank: int) -> str:
    """Read what a process has written so far."""
    return (folder / f"told-{rank}.txt").read_text()
