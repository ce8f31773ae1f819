"""Draw a whole survey and write it as ordinary files: the demo's data."""

import csv
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from czsl.errors import ArgumentError, RunError, check_seed, require_extra, writing
from czsl.machine import cores
from czsl.simulate.crowd import Crowd, draw_crowd, expert_class, perceived, vote
from czsl.simulate.galaxies import draw_galaxy
from czsl.simulate.tasks import write_tasks
from czsl.simulate.telescope import photograph
from czsl.simulate.universe import ANSWERS, CLASSES, Universe

_Row = tuple[str | int, ...]

VOTE_COLUMNS = tuple(f"n_{answer}" for answer in ANSWERS)

CONFIG = """\
# A simulated survey, described for czsl. Lines after "#" are comments.

[catalogue]
table  = "galaxies.csv"                # one row per galaxy; CSV, Parquet, FITS, ...
id     = "object_id"                   # read as text: 18 digits do not fit a float
images = "images/{object_id}.jpg"      # the image of each row, relative to this file

# How many volunteers gave each answer: the answer, and the column with its count.
[votes]
answers = { elliptical = "n_elliptical", clockwise = "n_clockwise", \
anticlockwise = "n_anticlockwise", edge = "n_edge", merger = "n_merger", other = "n_other" }
mirror  = { clockwise = "anticlockwise" }   # what they swap when the image is mirrored

# What experts say: the class, and the text that stands for it in the column.
[classes]
column  = "expert"
values  = { elliptical = "elliptical", clockwise = "clockwise", \
anticlockwise = "anticlockwise", edge = "edge", merger = "merger" }
mirror  = { clockwise = "anticlockwise" }

# Which answers count for which class in the volunteers' plain majority.
[classes.from_answers]
elliptical    = ["elliptical"]
clockwise     = ["clockwise"]
anticlockwise = ["anticlockwise"]
edge          = ["edge"]
merger        = ["merger"]             # "other" counts for no class

[images]
size = 64                              # pixels of the network's input

[recipe]
name  = "default"
folds = 3                              # 5 by default; fewer to end sooner
"""


@dataclass(frozen=True, kw_only=True)
class _Observed:
    """What is known of one object: true and experts' class as indices, votes per answer."""

    kind: int
    expert: int
    votes: tuple[int, ...]


def simulate_survey(
    directory: str | Path,
    *,
    experts: int = 300,
    voted: int = 3000,
    unlabelled: int = 2500,
    test: int = 1200,
    seed: int = 0,
    processes: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    universe: Universe | None = None,
) -> Path:
    """Simulate a survey into a folder and return the path of its ``czsl.toml``.

    The folder then holds ``images/<object_id>.jpg``; ``galaxies.csv`` with the votes and
    the experts' classes; ``early_late.toml``, ``spirals.toml`` and ``mergers.toml``, which
    ask for other classes; ``test.csv`` with the ids of test objects, which stand in no other
    table but ``test_votes.csv`` (their votes) and ``truth.csv`` (the true class of all).
    Every file depends on the seed and the numbers alone, not on the number of processes.

    Parameters
    ----------
    directory
        Made where it does not exist; files of the same names are replaced.
    experts
        Objects with an expert's class, drawn among those with votes in proportion to the
        true classes.
    voted, unlabelled, test
        Objects with votes, without votes, and kept aside.
    seed
        Of all random numbers.
    processes
        How many to use, by default one per core that this process may use. With more than
        one, a script must guard its own work by ``if __name__ == "__main__":``, since every
        process imports it.
    progress
        Called with the number of objects done and of all.
    universe
        How galaxies, volunteers and experts are.

    Raises
    ------
    ArgumentError
        Where the seed or a number of objects is negative, or there are more experts than voted
        objects.
    MissingExtraError
        Where GalSim is not installed.
    RunError
        Where a process dies.
    WriteError
        Where a file cannot be written.
    """
    require_extra("galsim", "demo")
    check_seed(seed)
    if min(experts, voted, unlabelled, test) < 0 or experts > voted:
        raise ArgumentError(
            f"a survey cannot have {experts} experts, {voted} voted, {unlabelled} unlabelled and "
            f"{test} test objects; numbers are zero or more, and experts are among the voted"
        )
    universe = universe or Universe()
    directory = Path(directory)
    ids = _object_ids(voted + unlabelled + test, _stream(seed, 0))
    images = directory / "images"
    with writing(images):
        images.mkdir(parents=True, exist_ok=True)
    observe = partial(_observe, images=images, seed=seed, universe=universe)
    observed = _gather(observe, list(enumerate(ids)), processes, progress)
    kinds = np.array([one.kind for one in observed[:voted]], dtype=int)
    named = _expert_sample(kinds, experts, _stream(seed, 1))
    _write_tables(directory, ids, observed, named, voted, len(ids) - test)
    config = directory / "czsl.toml"
    with writing(config):
        config.write_text(CONFIG, encoding="utf-8")
    write_tasks(directory, CONFIG)
    return config


def _stream(seed: int, purpose: int) -> np.random.Generator:
    """Return a generator for what concerns the survey as a whole; objects have their own."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(purpose,)))


def _object_ids(number: int, rng: np.random.Generator) -> list[str]:
    """Make unique texts of 18 digits in no order, like those of the Sloan survey."""
    ids = 587_000_000_000_000_000 + np.cumsum(rng.integers(1, 10**11, number))
    return [str(object_id) for object_id in rng.permutation(ids)]


def _crowd(seed: int, universe: Universe) -> Crowd:
    return draw_crowd(_stream(seed, 2), universe)


def _observe(
    objects: list[tuple[int, str]], *, images: Path, seed: int, universe: Universe
) -> list[_Observed]:
    """Draw some objects, write their images and ask volunteers and an expert."""
    crowd = _crowd(seed, universe)
    observed = []
    for index, object_id in objects:
        rng = np.random.default_rng(np.random.SeedSequence([seed, index]))
        kind = int(rng.choice(len(CLASSES), p=universe.shares))
        galaxy = draw_galaxy(CLASSES[kind], rng, universe)
        picture = Image.fromarray(photograph(galaxy.light, rng))
        path = images / f"{object_id}.jpg"
        with writing(path):
            picture.save(path, quality=95, subsampling=0)
        seen = perceived(
            np.array([kind]), np.array([galaxy.detail]), np.array([galaxy.axis_ratio]), universe
        )
        votes = vote(seen[0], crowd, rng, universe)
        named = expert_class(kind, galaxy.detail, rng, universe)
        observed.append(_Observed(kind=kind, expert=named, votes=tuple(votes.tolist())))
    return observed


def _gather(
    observe: Callable[[list[tuple[int, str]]], list[_Observed]],
    objects: list[tuple[int, str]],
    processes: int | None,
    progress: Callable[[int, int], None] | None,
) -> list[_Observed]:
    """Observe all objects in batches, in this process or several."""
    batches = [objects[start : start + 50] for start in range(0, len(objects), 50)]
    processes = processes or cores()
    gathered: list[_Observed] = []
    for batch in _map(observe, batches, min(processes, len(batches))):
        gathered += batch
        if progress is not None:
            progress(len(gathered), len(objects))
    return gathered


def _map(
    observe: Callable[[list[tuple[int, str]]], list[_Observed]],
    batches: list[list[tuple[int, str]]],
    processes: int,
) -> Iterator[list[_Observed]]:
    if processes <= 1:
        yield from map(observe, batches)
        return
    # Spawned, not forked: the caller may have threads.
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(processes, mp_context=context) as pool:
            yield from pool.map(observe, batches)
    except BrokenProcessPool as error:
        raise RunError(
            "a process that drew galaxies died: for want of memory (ask for fewer processes), or "
            'since the script that called it does not guard its work by if __name__ == "__main__":'
        ) from error


def _expert_sample(
    kinds: NDArray[np.int64], number: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Choose rows for experts: every k-th of a shuffled list sorted by true class."""
    shuffled = rng.permutation(kinds.size)
    by_class = shuffled[np.argsort(kinds[shuffled], kind="stable")]
    places = (np.arange(number) + rng.random()) * kinds.size / max(number, 1)
    chosen: NDArray[np.int64] = by_class[places.astype(int)]
    return chosen


def _write_tables(
    directory: Path,
    ids: list[str],
    observed: list[_Observed],
    named: NDArray[np.int64],
    voted: int,
    first_test: int,
) -> None:
    """Write the four tables, rows by id, so that their order says nothing."""
    order = sorted(range(len(ids)), key=ids.__getitem__)
    seen_by_expert = set(named.tolist())
    known: list[_Row] = []
    kept: list[_Row] = []
    tests: list[_Row] = []
    truth: list[_Row] = []
    for index in order:
        one = observed[index]
        truth.append((ids[index], CLASSES[one.kind]))
        if index >= first_test:
            tests.append((ids[index],))
            kept.append((ids[index], *one.votes))
            continue
        votes = one.votes if index < voted else ("",) * len(ANSWERS)
        expert = CLASSES[one.expert] if index in seen_by_expert else ""
        known.append((ids[index], *votes, expert))
    _write_csv(directory / "galaxies.csv", ("object_id", *VOTE_COLUMNS, "expert"), known)
    _write_csv(directory / "test.csv", ("object_id",), tests)
    _write_csv(directory / "test_votes.csv", ("object_id", *VOTE_COLUMNS), kept)
    _write_csv(directory / "truth.csv", ("object_id", "truth"), truth)


def _write_csv(path: Path, header: tuple[str, ...], rows: list[_Row]) -> None:
    with writing(path), path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
