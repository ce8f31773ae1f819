"""A Ray cluster: found or started, and left as it was."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from czsl.errors import ClusterError, require_extra
from czsl.machine import cores

ANSWER = 30.0
"""Seconds within which a cluster has to answer."""

ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is sent to anyone
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # else Ray warns that this will be its default
    "RAY_enable_metrics_collection": "0",
}


@dataclass(frozen=True, kw_only=True)
class Seat:
    """What one worker is given.

    Parameters
    ----------
    processors, gpus
        Their numbers.
    """

    processors: int
    gpus: int


@contextmanager
def connected(address: str | None, processors: int | None) -> Iterator[Any]:
    """Give Ray, connected to a cluster, and leave the cluster at the end.

    Where Ray is connected already, by who calls, that cluster is taken and stays connected.

    Parameters
    ----------
    address
        The cluster's; by default that of the environment variable ``RAY_ADDRESS``; without
        either one is started on this machine and ended at the end.
    processors
        Processors of a cluster that is started; by default all.

    Raises
    ------
    MissingExtraError
        Where Ray is not installed.
    ClusterError
        Where the cluster does not answer, or Ray cannot be started.
    """
    address = address or os.environ.get("RAY_ADDRESS")
    before = {name: os.environ.get(name) for name in (*ENVIRONMENT, "RAY_AUTH_MODE")}
    os.environ.update(ENVIRONMENT)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ray = require_extra("ray", "ray")
        if ray.is_initialized():
            yield ray
        else:
            with _joined(ray, address) if address else _started(ray, processors):
                yield ray
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def seats(nodes: Sequence[Mapping[str, Any]], device: str) -> list[Seat]:
    """Share out the machines of a cluster among workers.

    A machine with GPUs has a worker for each, which has its share of the processors to decode;
    another has a worker for each processor. So every processor has one thing to do.

    Parameters
    ----------
    nodes
        The machines, as ``ray.nodes()`` gives them.
    device
        ``"auto"``, ``"cpu"`` or ``"cuda"``.

    Raises
    ------
    ClusterError
        Where there is nothing to work with.

    Examples
    --------
    >>> machine = {"Alive": True, "Resources": {"CPU": 8.0, "GPU": 2.0}}
    >>> seats([machine], "auto")
    [Seat(processors=4, gpus=1), Seat(processors=4, gpus=1)]
    >>> len(seats([machine], "cpu"))
    8
    """
    kind = device.partition(":")[0]
    found: list[Seat] = []
    for node in nodes:
        has = node["Resources"] if node["Alive"] else {}
        processors, gpus = int(has.get("CPU", 0)), int(has.get("GPU", 0))
        if gpus and processors and kind != "cpu":
            found += [Seat(processors=max(1, processors // gpus), gpus=1)] * min(gpus, processors)
        elif kind in ("auto", "cpu"):
            found += [Seat(processors=1, gpus=0)] * processors
    if not found:
        raise ClusterError(
            f"the cluster has nothing for device = {device!r}: of its {len(nodes)} machines none "
            f"offers {'GPUs and processors' if kind == 'cuda' else 'processors'}; start Ray there "
            "with --num-cpus (and --num-gpus)"
        )
    return found


@contextmanager
def _started(ray: Any, processors: int | None) -> Iterator[None]:
    """Start Ray on this machine; at the end it is gone, with all that it wrote."""
    folder = tempfile.mkdtemp(prefix="ray-", dir=_short_folder())
    try:
        with _initialised(
            ray,
            f"Ray cannot be started on this machine (its files are in {folder})",
            address="local",
            num_cpus=processors or cores(),
            include_dashboard=False,
            _temp_dir=folder,
        ):
            yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _short_folder() -> str | None:
    """Give a folder whose name is short enough for that of a socket in it, 107 bytes."""
    usual = tempfile.gettempdir()
    return "/tmp" if len(usual) > 30 and os.path.isdir("/tmp") else usual


@contextmanager
def _joined(ray: Any, address: str) -> Iterator[None]:
    """Connect to a cluster."""
    _ask(address)
    with _initialised(ray, f"{address}: the Ray cluster cannot be joined", address=address):
        yield


def _ask(address: str) -> None:
    """Refuse a cluster that does not answer."""
    # In a process of its own: Ray waits two minutes for one and then ends the process.
    command = [sys.executable, "-c", _JOIN, address]
    end, said = time.monotonic() + ANSWER, ""
    while (left := end - time.monotonic()) > 0:  # it may be starting
        try:
            found = subprocess.run(
                command, capture_output=True, timeout=left, check=False, stdin=subprocess.DEVNULL
            )
        except subprocess.TimeoutExpired:
            break
        if found.returncode == 0:
            return
        said = found.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        time.sleep(min(1.0, ANSWER))
    words = f" ({said[:300]})" if said else ""
    raise ClusterError(
        f"{address}: no Ray cluster answers there within {ANSWER:.0f} seconds{words}; 'ray start "
        "--head' starts one and prints its address, such as '10.0.0.1:6379', and this machine must "
        "have joined it, too ('ray start --address=…')"
    )


_JOIN = """
import sys
import ray
ray.init(address=sys.argv[1], logging_level="error", log_to_driver=False)
"""


@contextmanager
def _initialised(ray: Any, failure: str, **settings: Any) -> Iterator[None]:
    """Connect, quietly; disconnect at the end."""
    ends = signal.getsignal(signal.SIGTERM)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ray.init(logging_level="error", log_to_driver=False, **settings)
        except (OSError, RuntimeError, ValueError, ImportError, SystemExit) as error:
            ray.shutdown()
            raise ClusterError(f"{failure}: {' '.join(str(error).split())[:300]}") from error
    try:
        yield
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ray.shutdown()
        if ends is not None and signal.getsignal(signal.SIGTERM) is not ends:
            signal.signal(signal.SIGTERM, ends)
