"""Programs that a test starts in several processes, as torchrun or srun would."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
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


def have_ended(processes: Iterable[int], seconds: float) -> bool:
    """Wait until none of some processes runs; give up after so many seconds."""
    deadline = time.monotonic() + seconds
    left = set(processes)
    while left and time.monotonic() < deadline:
        time.sleep(0.1)
        left = {one for one in left if _runs(one)}
    return not left


def _runs(process: int) -> bool:
    """Tell whether a process runs; one that nobody waits for stays listed, but does nothing."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{process}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"
