"""Predict a table of any length in constant memory, here or on a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from czsl.catalogue import Catalogue, scan_catalogue
from czsl.catalogue.write import check_ending, check_texts
from czsl.errors import ArgumentError
from czsl.files import fingerprint
from czsl.fitted import make_judge, predictions_metadata, refuse_resampled
from czsl.machine import give_back_memory
from czsl.model import CzSL
from czsl.predictor import Predictor
from czsl.promises import sets_notes
from czsl.remote import absolute, beside, is_address, refuse_address, stamp_and_size
from czsl.survey.assemble import Predicted, assemble
from czsl.survey.parts import Parts, opened
from czsl.survey.spare import refuse_replacing, spared
from czsl.survey.work import Some, Work
from czsl.verdicts import Judge

ROWS = 4096
"""Objects that are read from the table and predicted together."""

PART = 2
"""So many times ``ROWS`` are a part, which a kill loses."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is asked of a model besides its posteriors.

    Parameters
    ----------
    decide
        How the class follows from the posterior: ``"accuracy"``, ``"gmean"``, ``"f1"``, or a
        file of costs (see :func:`czsl.decisions.read_costs`). The posterior stays as it is.
    coverage
        Coverage of the sets; by default that of the model's recipe.
    reestimate
        Whether the shares of the classes are estimated anew from the objects themselves, and
        the posterior is moved to them.
    """

    decide: str | Path = "accuracy"
    coverage: float | None = None
    reestimate: bool = False

    def judge(self, predictor: Predictor) -> Judge:
        """Make what decides, by what the model keeps of its experts' objects.

        Raises
        ------
        ConfigError
            Where the rule is not known, or the file of costs cannot be used.
        ModelError
            Where the model cannot keep the coverage that is asked for.
        """
        return make_judge(predictor, self.decide, self.coverage)

    def state(self) -> dict[str, Any]:
        """Say what the rows of a catalogue depend on; shares are estimated when all are there."""
        file = Path(self.decide)
        costs = f" ({fingerprint(file.read_bytes())})" if file.is_file() else ""
        return {"--decide": f"{self.decide}{costs}", "--coverage": self.coverage}


def predict_table(
    model: CzSL,
    table: str | Path,
    out: str | Path,
    *,
    images: str | None = None,
    folder: str | Path | None = None,
    asked: Asked | None = None,
    processes: int | None = None,
    limit: int | None = None,
    resume: bool = False,
    engine: Literal["local", "ray"] = "local",
    address: str | None = None,
    progress: Callable[[int], None] | None = None,
) -> Predicted:
    """Predict every object of a table and write the catalogue, whole or not at all.

    Until all objects are predicted, those that are lie in parts in the folder ``<out>.parts``,
    from which a prediction that was stopped goes on. Every engine gives the same rows in the
    order of the table.

    Parameters
    ----------
    model
        A fitted model.
    table
        The objects, a file or its address: the model's id column, and what its image pattern
        names. Columns of votes are used where they are there.
    out
        The catalogue of predictions; its ending says its kind.
    images
        Another image pattern than that of the training.
    folder
        The folder that relative images start from; by default the table's, or the working
        folder where the table is given by its address.
    asked
        Decision, coverage and shares; by default those of the model.
    processes
        How many processes decode; by default one for each processor. With Ray, how many
        processors of this machine it is given.
    limit
        Stop after so many rows.
    resume
        Whether to go on with the parts of a prediction that was stopped, by either engine;
        where there are none, it begins.
    engine
        ``"local"``: this process, and others that decode for it. ``"ray"``: the processors and
        GPUs of a Ray cluster, where images have the same paths as here.
    address
        The Ray cluster's; by default Ray is started on this machine and ended with the work.
    progress
        Called with the rows done.

    Returns
    -------
    Predicted
        How many rows, how many bear each flag, and what the sets cannot promise.

    Raises
    ------
    CatalogueError, ImageError, ModelError, ConfigError
        Where the table or its images cannot be used, or the model cannot do what is asked.
    RunError
        Where there are parts that this prediction cannot go on with.
    ArgumentError
        Where ``out`` is an address, the table, or a file that holds images.
    ClusterError, MissingExtraError
        Where the cluster does not answer or its workers die again and again; where Ray is not
        installed.
    WriteError
        Where the catalogue cannot be written; an older one is intact.
    """
    refuse_address(out)
    out, asked = Path(out), asked or Asked()
    check_ending(out)
    _check_engine(engine, address)
    refuse_replacing(out, {"the table": table, "the costs of --decide": asked.decide})
    predictor = model.predictor
    if asked.reestimate:
        refuse_resampled(predictor, "--reestimate")
    # A cluster's workers have working folders of their own.
    start = (beside(table) if folder is None else Path(folder)).absolute()
    config = predictor.config(start, absolute(table), images)
    work = Work(predictor=predictor, judge=asked.judge(predictor), config=config)
    classes = predictor.content.classes.names
    check_texts(out, [config.catalogue.id, *classes])

    def read() -> Iterator[Catalogue]:
        return limited(scan_catalogue(config, table, rows=ROWS), limit)

    warnings, objects = _read_through(spared(read(), out), out), read()
    state = _state(work, asked, table, limit)
    with opened(out, state, part_rows=PART * ROWS, resume=resume) as parts:
        todo = _missing(objects, parts, progress)
        if engine == "ray":
            from czsl.survey.cluster import predict_on_ray

            predict_on_ray(
                work,
                todo,
                parts,
                progress,
                address=address,
                device=model.hardware.device,
                processors=processes,
            )
        else:
            _predict_here(work, todo, parts, progress, processes)
        give_back_memory()  # so that the networks' and what tells duplicates do not add up
        done = assemble(
            parts,
            out,
            work.judge,
            classes=classes,
            metadata=predictions_metadata(predictor, work.judge, asked.decide),
            reestimated=asked.reestimate,
        )
        parts.remove()
    done.notes = (*warnings, *sets_notes(predictor.record, work.judge.coverage, classes))
    return done


def limited(catalogues: Iterator[Catalogue], limit: int | None) -> Iterator[Catalogue]:
    """Give catalogues until they hold so many objects."""
    left = limit
    for catalogue in catalogues:
        if left is None:
            yield catalogue
        elif len(catalogue) < left:
            left -= len(catalogue)
            yield catalogue
        else:
            yield catalogue.select(np.arange(left))
            return


def _check_engine(engine: str, address: str | None) -> None:
    """Refuse an engine that there is not, and an address where none is needed."""
    if engine not in ("local", "ray"):
        raise ArgumentError(f"engine = {engine!r}: there are 'local' and 'ray'")
    if engine == "local" and address is not None:
        raise ArgumentError(
            f"address = {address!r} is a Ray cluster's, and the engine is 'local'; choose the "
            "engine 'ray', or leave the address out"
        )


def _read_through(catalogues: Iterator[Catalogue], out: Path) -> tuple[str, ...]:
    """Read the whole table before any long work, so that what is wrong with it is told now.

    Parameters
    ----------
    catalogues
        Its parts.
    out
        Where predictions go, which must be able to hold the objects' ids.

    Returns
    -------
    tuple of str
        What the table lacks.
    """
    warnings: tuple[str, ...] = ()
    for part in catalogues:
        check_texts(out, part.ids.tolist())
        warnings = tuple(str(warning) for warning in part.warnings)
    return warnings


def _state(work: Work, asked: Asked, table: str | Path, limit: int | None) -> dict[str, Any]:
    """Say what the rows depend on, by what the user calls it."""
    if is_address(table):
        stamp, size = stamp_and_size(str(table))
    else:
        status = Path(table).stat()
        stamp, size = str(status.st_mtime_ns), status.st_size
    return {
        "the table": absolute(table),
        "its content": f"{size} bytes of {stamp}",
        "the model": work.predictor.content.fingerprint,
        "the version of czsl": version("czsl"),
        "--images": work.config.catalogue.images,
        "--folder": str(work.config.folder.resolve()),
        "--limit": limit,
        **asked.state(),
    }


def _missing(
    catalogues: Iterator[Catalogue], parts: Parts, progress: Callable[[int], None] | None
) -> Iterator[Some]:
    """Give the parts that are not done yet, with their objects."""
    kept = frozenset(parts.done)
    if kept and progress is not None:
        progress(parts.rows)

    def number(catalogue: Catalogue) -> int:
        return int(catalogue.rows[0]) // parts.part_rows if len(catalogue) else 0

    for part, some in groupby(catalogues, number):
        if part not in kept:
            yield part, list(some)


def _predict_here(
    work: Work,
    todo: Iterable[Some],
    parts: Parts,
    progress: Callable[[int], None] | None,
    processes: int | None,
) -> None:
    """Predict in this process, whose networks look at images that others decode ahead."""
    kept, held = parts.rows, list[pa.Table]()

    def catalogues() -> Iterator[Catalogue]:
        for _, some in todo:
            yield from some

    with work.predictor.decoder(work.config, processes) as decoder:
        for catalogue, table in work.tables(catalogues(), decoder):
            held.append(table)
            stop = int(catalogue.rows[-1]) + 1 if len(catalogue) else 0
            kept += len(catalogue)
            if stop % parts.part_rows == 0:
                parts.write((stop - 1) // parts.part_rows if stop else 0, held)
                held = []
            if progress is not None:
                progress(kept)
        if held:
            parts.write(stop // parts.part_rows, held)
