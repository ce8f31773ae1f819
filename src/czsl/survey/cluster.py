"""Predict on a Ray cluster: a pool of workers, each with the model, given one part after another.

This process reads the table, gives each worker a part and one to go on with, and writes what
comes back; the workers read, decode and look at the images. So at most two parts for each worker
are under way, however long the table is. A part whose worker dies is given out again, by itself:
the one that ends its worker is known.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import pyarrow as pa

from czsl.catalogue import Catalogue
from czsl.errors import ClusterError, CzslError
from czsl.machine import prepare_process
from czsl.survey.parts import Parts
from czsl.survey.ray_cluster import Seat, connected, seats
from czsl.survey.work import Some, Work
from czsl.train.device import make_fabric

AHEAD = 2
"""Parts that a worker has at once: one that it predicts, one that waits for it."""

TRIES = 3
"""So many workers may die of a part, or before they begin."""

START = 300.0
"""Seconds that may go by without any worker."""

Answer = list[pa.Table] | CzslError


class PartWorker:
    """Predicts parts in a process of its own.

    Parameters
    ----------
    work
        What is done, its model without a device.
    device
        Where networks run.
    processes
        Processors that it has: threads of the networks, and processes that decode.
    """

    def __init__(self, work: Work, device: str, processes: int) -> None:
        prepare_process()
        self.work = work.on(make_fabric(device, threads=processes))
        self.decoder = self.work.predictor.decoder(work.config, processes)

    def version(self) -> str:
        """Say which version of this program it runs."""
        return version("czsl")

    def predict(self, catalogues: list[Catalogue]) -> Answer:
        """Predict a part; what is wrong with the table or the images is an answer, too."""
        try:
            return [table for _, table in self.work.tables(catalogues, self.decoder)]
        except CzslError as error:
            return error


def predict_on_ray(
    work: Work,
    todo: Iterable[Some],
    parts: Parts,
    progress: Callable[[int], None] | None,
    *,
    address: str | None,
    device: str,
    processors: int | None,
) -> None:
    """Predict parts on a Ray cluster and write them.

    Parameters
    ----------
    work
        What is done.
    todo
        The parts, read when a worker can take them.
    parts
        Takes what is done.
    progress
        Called with the rows done.
    address
        The cluster's; None for one that is started on this machine and ended afterwards.
    device
        ``"auto"``: a worker for each GPU on machines that have any, else for each processor;
        ``"cpu"``; ``"cuda"``.
    processors
        Processors of a cluster that is started; by default all.

    Raises
    ------
    MissingExtraError
        Where Ray is not installed.
    ClusterError
        Where the cluster does not answer, or has nothing to work with; where workers die again
        and again.
    CatalogueError, ImageError, ModelError
        Where the table or its images cannot be used.
    """
    with connected(address, processors) as ray:
        pool = _Pool(ray, work, parts, progress, iter(todo))
        try:
            pool.start(seats(ray.nodes(), device))
            pool.run()
        finally:
            pool.stop()


@dataclass(eq=False)
class _Worker:
    """A worker of the pool."""

    actor: Any
    seat: Seat
    parts: set[int] = field(default_factory=set)
    alone: bool = False
    dead: bool = False


@dataclass(eq=False)
class _Pool:
    """Workers, and what each of them has to do."""

    ray: Any
    work: Work
    parts: Parts
    progress: Callable[[int], None] | None
    todo: Iterator[Some]
    idle: list[_Worker] = field(default_factory=list)  # with room for a part
    starting: dict[Any, _Worker] = field(default_factory=dict)  # by what they will answer
    running: dict[Any, tuple[_Worker, Some]] = field(default_factory=dict)
    again: deque[Some] = field(default_factory=deque)
    tries: Counter[int] = field(default_factory=Counter)
    failed_starts: int = 0
    model: Any = None
    exhausted: bool = False

    def start(self, seats: list[Seat]) -> None:
        """Start a worker on every seat."""
        self.model = self.ray.put(self.work.without_device())
        for seat in seats:
            self._start(seat)

    def _start(self, seat: Seat) -> None:
        """Start one worker."""
        made = self.ray.remote(PartWorker).options(num_cpus=seat.processors, num_gpus=seat.gpus)
        actor = made.remote(self.model, "cuda" if seat.gpus else "cpu", seat.processors)
        self.starting[actor.version.remote()] = _Worker(actor=actor, seat=seat)

    def stop(self) -> None:
        """End all workers."""
        for worker in {*self.starting.values(), *self.idle, *(w for w, _ in self.running.values())}:
            self.ray.kill(worker.actor)

    def run(self) -> None:
        """Give out parts and write what comes back until nothing is left."""
        begun = time.monotonic()  # of having no worker
        while self._give():
            waited = [*self.running, *self.starting]
            answers, _ = self.ray.wait(waited, timeout=1.0)
            for answer in answers:
                if answer in self.starting:
                    self._welcome(answer)
                else:
                    self._take(answer)
            if self.idle or self.running:
                begun = time.monotonic()
            elif time.monotonic() - begun > START:
                free = self.ray.available_resources().get("CPU", 0)
                raise ClusterError(
                    f"no worker has started within {START:.0f} seconds; {free:g} processors of the "
                    "cluster are free: wait until others have ended, or ask for more machines"
                )

    def _give(self) -> bool:
        """Give parts to workers that have room; tell whether any is still to come back."""
        full = []
        for worker in list(self.idle):
            while len(worker.parts) < AHEAD and not worker.alone:
                # A part that may have killed its worker is given to one that has no other.
                some = self.again.popleft() if self.again and not worker.parts else None
                worker.alone = some is not None
                if some is None:
                    some = self._next()
                if some is None:
                    break
                worker.parts.add(some[0])
                self.running[worker.actor.predict.remote(some[1])] = worker, some
            if worker.alone or len(worker.parts) >= AHEAD:
                full.append(worker)
        self.idle = [worker for worker in self.idle if worker not in full]
        return bool(self.running or self.again or not self.exhausted)

    def _next(self) -> Some | None:
        """Read the next part of the table; None at its end."""
        some = next(self.todo, None)
        self.exhausted = some is None
        return some

    def _welcome(self, answer: Any) -> None:
        """Take in a worker that has started."""
        worker = self.starting.pop(answer)
        try:
            theirs = self.ray.get(answer)
        except self.ray.exceptions.RayError as error:
            self.failed_starts += 1
            if self.failed_starts >= TRIES:
                raise ClusterError(
                    f"{TRIES} workers died before they began: {told(error)}; every machine of the "
                    f"cluster needs czsl {version('czsl')} with its requirements, and about 1 GB "
                    "of memory for each worker"
                ) from error
            self._start(worker.seat)
            return
        if theirs != version("czsl"):
            raise ClusterError(
                f"a worker runs czsl {theirs}, and this is {version('czsl')}; install the same "
                "version on every machine of the cluster"
            )
        self.idle.append(worker)

    def _take(self, answer: Any) -> None:
        """Write a part that came back; give it out again where its worker died."""
        worker, some = self.running.pop(answer)
        try:
            found: Answer = self.ray.get(answer)
        except self.ray.exceptions.RayTaskError:
            raise  # a slip of ours
        except self.ray.exceptions.RayError as error:
            self._lost(worker, some, error)
            return
        if isinstance(found, CzslError):
            raise found
        self.parts.write(some[0], found)
        if self.progress is not None:
            self.progress(self.parts.rows)
        worker.parts.discard(some[0])
        worker.alone = False
        if worker not in self.idle and not worker.dead:
            self.idle.append(worker)

    def _lost(self, worker: _Worker, some: Some, error: Exception) -> None:
        """Give a part out again, and start another worker for the one that died."""
        part, catalogues = some
        self.tries[part] += 1
        if self.tries[part] >= TRIES:
            first, last = catalogues[0], catalogues[-1]
            raise ClusterError(
                f"{TRIES} workers died of rows {first.rows[0] + 1:,} to {last.rows[-1] + 1:,} "
                f"(ids {str(first.ids[0])!r} to {str(last.ids[-1])!r}): {told(error)}; if memory "
                "ran out, give each worker more; otherwise one of these images ends the process: "
                "move it away, so that its object has none, and go on with --resume"
            ) from error
        self.again.append(some)
        if not worker.dead:
            worker.dead = True
            self.idle = [one for one in self.idle if one is not worker]
            self.ray.kill(worker.actor)
            self._start(worker.seat)


def told(error: Exception) -> str:
    r"""Say in a line what Ray says in many.

    Examples
    --------
    >>> told(ValueError("The actor died.\n\tclass_name: Worker\n"))
    'The actor died. class_name: Worker'
    """
    words = " ".join(str(error).split())
    return words if len(words) <= 300 else f"{words[:300]} …"
