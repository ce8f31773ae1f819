"""Several processes that decode, fed and emptied in order."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache
from queue import SimpleQueue
from threading import Lock
from types import TracebackType
from typing import IO, Self

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from czsl.errors import CzslError, ImageError
from czsl.images.adapter import quick_order
from czsl.images.source import ImageSource, refuse_outside
from czsl.images.unusable import first_three
from czsl.images.worker import Batch, Task, decode_batch
from czsl.machine import cores, python_command
from czsl.sections import ImagesSettings

CHUNK = 64
"""Images that a process is given at once."""

PIPE = 2**20
"""Bytes that a process may be ahead of this one's reading: a batch of ordinary images."""

FEW = 256
"""So many images are decoded sooner than processes start."""


class Decoder:
    """Decodes images in several processes; use it in a ``with`` statement.

    The processes are started when they are first needed. They are plain interpreters that
    read jobs from a pipe: unlike those of :mod:`multiprocessing` they do not import the
    caller's script, which therefore needs no ``if __name__ == "__main__"``, and they
    import no torch.

    Parameters
    ----------
    source
        Where images come from.
    settings
        What becomes of them.
    channels
        That an image is brought to, 1 to 8.
    processes
        How many; by default one for each processor. With 1 no process is started.

    Examples
    --------
    >>> from pathlib import Path
    >>> from czsl.images.source import open_source
    >>> source = open_source("{id}.jpg", folder=Path("."))
    >>> with Decoder(source, settings=ImagesSettings(), channels=3) as decoder:
    ...     batch = decoder.decode(["1"], ["no such file.jpg"])
    >>> batch.reasons, int(batch.flags[0])
    (['no such file'], 1)
    """

    def __init__(
        self,
        source: ImageSource,
        *,
        settings: ImagesSettings,
        channels: int,
        processes: int | None = None,
    ) -> None:
        self.task = Task(source, settings, channels)
        self.processes = processes or cores()
        self._workers: list[_Worker] = []
        self._idle: SimpleQueue[_Worker] = SimpleQueue()
        self._threads: ThreadPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for worker in self._workers:
            worker.stop()
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)

    def decode(
        self,
        ids: Sequence[str],
        references: Sequence[str],
        rows: NDArray[np.int64] | None = None,
    ) -> Batch:
        """Decode the images of some objects, as a catalogue names them.

        Parameters
        ----------
        ids, references, rows
            As in :meth:`~czsl.images.source.ImageSource.locate`.

        Raises
        ------
        ImageError
            Where paths lead out of the folder, or images do not fit the settings.
        """
        settings = self.task.settings
        located = self.task.source.locate(ids, references, rows)
        refuse_outside(self.task.source, located, bands=settings.bands)
        none = Batch.empty(0, settings.size, self.task.channels)
        order = quick_order(located)
        batch = Batch.joined([none, *self.batches([located[index] for index in order])])
        batch = batch.taken(np.argsort(order))
        refuse_unfit(batch.unfit, located)
        return batch

    def batches(self, located: Sequence[str]) -> Iterator[Batch]:
        """Decode images in their order, some at a time.

        Parameters
        ----------
        located
            A located reference for each object.

        Raises
        ------
        ImageError
            Where a decoding process died.
        """
        chunks = [located[start : start + CHUNK] for start in range(0, len(located), CHUNK)]
        if self.processes == 1 or (len(located) <= FEW and self._threads is None):
            for chunk in chunks:
                # Products as small as the resize's only wait for further threads.
                with _libraries().limit(limits=1, user_api="blas"):
                    batch = decode_batch(self.task, chunk)
                yield batch
            return
        threads = self._start()
        waiting: deque[Future[Batch]] = deque()
        for chunk in chunks:
            waiting.append(threads.submit(self._ask, list(chunk)))
            # Enough ahead that no process waits for the slowest, and memory stays small.
            if len(waiting) > 4 * self.processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def _start(self) -> ThreadPoolExecutor:
        """Start the processes, and two threads for each that speak with it."""
        if self._threads is None:
            task = pickle.dumps(self.task)
            self._workers = [_Worker(task) for _ in range(self.processes)]
            # Each has a second job waiting, so that it need not wait for this process.
            for worker in 2 * self._workers:
                self._idle.put(worker)
            self._threads = ThreadPoolExecutor(2 * self.processes)
        return self._threads

    def _ask(self, references: list[str]) -> Batch:
        """Let the next idle process decode."""
        worker = self._idle.get()
        try:
            return worker.ask(references)
        finally:
            self._idle.put(worker)


class _Worker:
    """One decoding process."""

    def __init__(self, task: bytes) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            python_command("main()", module="czsl.images.worker"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            process_group=0,  # Ctrl-C is for the first process, which ends this one
        )
        _widen(self._process.stdout)
        self._sending, self._reading = Lock(), Lock()
        self._asked: deque[tuple[list[str], Future[Batch | CzslError]]] = deque()
        self._send(task)

    def _send(self, message: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(message)
        self._process.stdin.flush()

    def ask(self, references: list[str]) -> Batch:
        """Decode some images.

        Raises
        ------
        CzslError
            What the process met and cannot flag; or that it has died.
        """
        mine: Future[Batch | CzslError] = Future()
        with self._sending:
            self._asked.append((references, mine))
            self._write(pickle.dumps(references))
        with self._reading:
            while not mine.done():  # answers come in the order of the questions
                self._answer(*self._asked.popleft())
        answer = mine.result()
        if isinstance(answer, CzslError):
            raise answer
        return answer

    def _write(self, message: bytes) -> None:
        """Send a message; that the process has died is told when its answer is read."""
        with suppress(OSError):
            self._send(message)

    def _answer(self, references: list[str], asked: Future[Batch | CzslError]) -> None:
        """Read the next answer."""
        assert self._process.stdout is not None
        try:
            asked.set_result(pickle.load(self._process.stdout))
        except (EOFError, OSError, ValueError, pickle.UnpicklingError) as error:
            code = self._process.wait()
            died = ImageError(
                f"a decoding process died (exit code {code}) at one of the images "
                f"{references[0]!r} to {references[-1]!r}; if memory ran out, use fewer processes"
            )
            died.__cause__ = error
            asked.set_exception(died)

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


@lru_cache(maxsize=1)
def _libraries() -> ThreadpoolController:
    """Find the libraries that compute with threads, once."""
    return ThreadpoolController()


def _widen(pipe: IO[bytes] | None) -> None:
    """Let a pipe hold a batch, where the system does that and still has room for it."""
    if pipe is not None and sys.platform == "linux":
        import fcntl

        with suppress(OSError):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE)


def refuse_unfit(unfit: Sequence[tuple[int, str]], located: Sequence[str]) -> None:
    """Refuse to go on where images do not fit the settings.

    Parameters
    ----------
    unfit
        Index and reason of each such image.
    located
        References of all images that were looked at.

    Raises
    ------
    ImageError
        How many, and the first three with what is wrong.
    """
    if unfit:
        names = [located[index] for index, _ in unfit]
        raise ImageError(
            f"{len(names)} of {len(located)} images do not fit the settings: "
            f"{first_three(names, [reason for _, reason in unfit])}; "
            "change [images], or move these images away, so that their objects have none"
        )
