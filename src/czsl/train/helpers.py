"""Several networks trained at once, each in a process of its own.

A small network gains little from a second thread; two of them in two processes take half
the time. The processes are plain interpreters that read jobs from a pipe, as those that
decode are (:mod:`czsl.images.decoder`): the caller's script is not imported again.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import traceback
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np
from torch import nn

from czsl.errors import CzslError, RunError
from czsl.images.store import ImageStore
from czsl.machine import prepare_process, python_command
from czsl.recipes import Training
from czsl.train.checkpoint import Tensors
from czsl.train.device import make_fabric
from czsl.train.loop import Epochs, Loss, train
from czsl.train.progress import Progress, Reporter
from czsl.train.samples import Samples


@dataclass(frozen=True, kw_only=True, eq=False)
class Job:
    """What :func:`czsl.train.loop.train` is asked for, as it travels to another process."""

    network: nn.Module
    loss: Loss
    samples: Samples
    held_out: Samples
    training: Training
    rates: dict[str, float]
    freeze: bool
    seed: int
    stage: str
    checkpoint: Path

    def run(self, precision: str, threads: int, report: Reporter) -> tuple[Tensors, Epochs]:
        """Train here, on the processor."""
        fabric = make_fabric("cpu", precision=precision, threads=threads)
        return train(**vars(self), fabric=fabric, report=report)


class Helpers:
    """Processes that train networks; use them in a ``with`` statement.

    Parameters
    ----------
    count
        How many processes.
    threads
        Of each.
    precision
        As in :func:`czsl.train.device.make_fabric`.
    report
        Listener of the progress of all of them; it hears one at a time.
    """

    def __init__(self, count: int, *, threads: int, precision: str, report: Reporter) -> None:
        self.count, self.threads, self.precision = count, threads, precision
        self._report, self._heard = report, Lock()
        self._processes: list[_Process] = []
        self._idle: SimpleQueue[_Process] = SimpleQueue()

    def __enter__(self) -> Self:
        self._processes = [_Process(self.precision, self.threads) for _ in range(self.count)]
        for process in self._processes:
            self._idle.put(process)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the processes, whatever they are doing."""
        for process in self._processes:
            process.stop()

    def train(self, job: Job) -> tuple[Tensors, Epochs]:
        """Train a network in the next idle process; several threads may ask at once.

        Parameters
        ----------
        job
            What is to be trained. Its network stays as it is: the weights are returned.

        Raises
        ------
        RunError
            Where the process died.
        CzslError
            What training met there.
        """
        process = self._idle.get()
        try:
            return process.ask(_light(job), self._told)
        finally:
            self._idle.put(process)

    def _told(self, progress: Progress) -> None:
        """Pass on what a process says, one word at a time."""
        with self._heard:
            self._report(progress)


def _light(job: Job) -> Job:
    """Leave behind the images that a job does not use: only where they are stored travels."""
    return replace(job, samples=_narrowed(job.samples), held_out=_narrowed(job.held_out))


def _narrowed(samples: Samples) -> Samples:
    """Take a store that holds no other image than these rows'."""
    if not isinstance(samples.images, ImageStore):
        return samples
    used, rows = np.unique(samples.rows, return_inverse=True)
    return replace(samples, images=samples.images.only(used), rows=rows)


class _Process:
    """One process that trains."""

    def __init__(self, precision: str, threads: int) -> None:
        self._process = subprocess.Popen(
            python_command(f"main({precision!r}, {threads})", module="czsl.train.helpers"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "OMP_NUM_THREADS": str(threads)},
            process_group=0,  # Ctrl-C is for the first process, which ends this one
        )

    def ask(self, job: Job, report: Reporter) -> tuple[Tensors, Epochs]:
        """Let the process train, and listen to it until it has ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            pickle.dump(job, self._process.stdin, protocol=pickle.HIGHEST_PROTOCOL)
            self._process.stdin.flush()
            while isinstance(said := pickle.load(self._process.stdout), Progress):
                report(said)
        except (EOFError, OSError, pickle.UnpicklingError) as error:
            raise RunError(
                f"{job.stage}: the process that trained it died (exit code "
                f"{self._process.wait()}), perhaps for want of memory; go on with --resume and "
                "fewer --threads: finished stages and epochs are kept"
            ) from error
        if isinstance(said, BaseException):
            raise said
        weights, epochs = said
        return weights, epochs

    def stop(self) -> None:
        """End the process, whatever it is doing."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:  # what was still to be sent has lost its reader
                    continue


def serve(jobs: BinaryIO, results: BinaryIO, precision: str, threads: int) -> None:
    """Answer jobs with their progress and, at the end, their result, until there are no more."""

    def say(word: Any) -> None:
        pickle.dump(word, results, protocol=pickle.HIGHEST_PROTOCOL)
        results.flush()

    while True:
        try:
            job: Job = pickle.load(jobs)
        except EOFError:
            return
        try:
            say(job.run(precision, threads, say))
        except CzslError as error:
            say(error)
        except BrokenPipeError:  # whoever asked is gone
            return
        except Exception:
            say(RuntimeError(f"{job.stage}, in a process of its own:\n{traceback.format_exc()}"))


def main(precision: str, threads: int) -> None:
    """Run a training process: pickled jobs on standard input, what becomes of them on output."""
    prepare_process()
    with os.fdopen(os.dup(1), "wb") as results:
        os.dup2(2, 1)  # a library that prints must not write between the words
        serve(sys.stdin.buffer, results, precision, threads)
