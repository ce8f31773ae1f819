"""The catalogue: a table with one row per object, read and checked at the door."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from czsl.catalogue.experts import check_tiers, read_experts
from czsl.catalogue.images import image_references, pattern_columns
from czsl.catalogue.parts import (
    Objects,
    check_columns,
    check_pattern,
    extra_names,
    needed_columns,
    read_extra,
    read_folds,
    read_ids,
    read_positions,
    read_questions,
    read_weights,
    wanted_columns,
    warn_of_duplicates,
    warn_of_partial_votes,
)
from czsl.catalogue.table import bytes_columns, column_names, read_table, scan_table
from czsl.catalogue.votes import Given, Votes, mirror_order
from czsl.config import Config, read_config
from czsl.errors import CatalogueError, Problem, Problems

TIERS = ("expert", "volunteer", "unlabelled")
"""What an object is, by the best that is known of it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Catalogue:
    r"""Objects, their images' places, and what volunteers and experts say of them.

    Parameters
    ----------
    config
        The configuration; the unit of votes that it left open is told here.
    ids : (object,)
        Text, each its own.
    rows : (object,)
        The row of the table that each object stands in, from 0.
    images : (object,)
        References to images as the pattern gives them; ``""`` where there is none.
        ``{band}`` and columns of image bytes stay in braces.
    questions
        The votes on each question.
    experts : (object,)
        The class's place in ``classes``, -1 where no expert has looked.
    extra : (object, column)
        More columns that the transfer may use, NaN where missing.
    extra_names
        Their names.
    folds : (object,)
        Fold of each object, from 0, -1 where it has none; None without a fold column.
    positions : (object, 2)
        Right ascension and declination in degrees, NaN where missing; None without columns.
    weights : (object,)
        Objects of the survey that each stands for, up to a factor, NaN where missing; None
        where experts are taken to have seen a random sample.
    warnings
        What the user should know.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "galaxies.csv").write_text(
    ...     "id,smooth,disc,expert\na,9,1,E\nb,2,8,S\nc,8,1,E\nd,1,9,S\ne,5,5,\nf,,,\n")
    >>> _ = (folder / "czsl.toml").write_text('''
    ... [catalogue]
    ... table = "galaxies.csv"
    ... id = "id"
    ... [votes]
    ... answers = { smooth = "smooth", disc = "disc" }
    ... [classes]
    ... column = "expert"
    ... values = { early = "E", late = "S" }
    ... ''')
    >>> catalogue = Catalogue.read(folder)
    >>> catalogue
    <Catalogue of 6 objects: 4 expert (4 with votes), 1 volunteer, 1 unlabelled;
    classes early, late>
    >>> catalogue.tier.tolist()
    ['expert', 'expert', 'expert', 'expert', 'volunteer', 'unlabelled']
    """

    config: Config
    ids: NDArray[np.str_]
    rows: NDArray[np.int64]
    images: NDArray[np.object_]
    questions: tuple[Votes, ...]
    experts: NDArray[np.int64]
    extra: NDArray[np.float64]
    extra_names: tuple[str, ...] = ()
    folds: NDArray[np.int64] | None = None
    positions: NDArray[np.float64] | None = None
    weights: NDArray[np.float64] | None = None
    warnings: tuple[Problem, ...] = ()

    @classmethod
    def read(cls, source: str | Path | Config) -> Catalogue:
        """Read a catalogue and check all of it, images excepted.

        Parameters
        ----------
        source
            The configuration, its file, or the folder that holds a ``czsl.toml``.

        Raises
        ------
        ConfigError
            Where the configuration cannot be used.
        CatalogueError
            Where the table cannot be used: everything that is wrong, at once.
        """
        config = source if isinstance(source, Config) else read_config(source)
        problems = Problems()
        catalogue = _read(config, problems)
        problems.raise_if_fatal(CatalogueError)
        return replace(catalogue, warnings=tuple(problems.warnings))

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes, in the order of every probability."""
        return self.config.classes.names

    @property
    def class_mirror(self) -> NDArray[np.int64]:
        """The class that each becomes when the image is mirrored, (class,)."""
        return mirror_order(self.classes, self.config.classes.mirror)

    @property
    def is_expert(self) -> NDArray[np.bool_]:
        """Whether an expert gave a class, (object,)."""
        return self.experts >= 0

    @property
    def has_votes(self) -> NDArray[np.bool_]:
        """Whether anything is known of volunteers' answers to any question, (object,)."""
        given = [votes.given != Given.NOTHING for votes in self.questions]
        return np.any(given, axis=0) if given else np.zeros(len(self), dtype=bool)

    @property
    def is_unlabelled(self) -> NDArray[np.bool_]:
        """Whether neither experts nor volunteers said anything, (object,)."""
        return ~self.is_expert & ~self.has_votes

    @property
    def tier(self) -> NDArray[np.str_]:
        """What each object is, (object,): one of ``TIERS``."""
        places = np.where(self.is_expert, 0, np.where(self.has_votes, 1, 2))
        return np.array(TIERS)[places]

    def select(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Catalogue:
        """Take some objects, by their numbers or by a mask, in the order given."""
        return replace(
            self,
            ids=self.ids[rows],
            rows=self.rows[rows],
            images=self.images[rows],
            questions=tuple(votes.select(rows) for votes in self.questions),
            experts=self.experts[rows],
            extra=self.extra[rows],
            folds=None if self.folds is None else self.folds[rows],
            positions=None if self.positions is None else self.positions[rows],
            weights=None if self.weights is None else self.weights[rows],
        )

    def hiding(self, *, classes: NDArray[np.bool_], votes: NDArray[np.bool_]) -> Catalogue:
        """Leave out what experts or volunteers said of some objects, to test without it.

        Parameters
        ----------
        classes, votes
            Whether the experts' class, or the votes, of each object are left out, (object,).
        """
        return replace(
            self,
            experts=np.where(classes, -1, self.experts),
            questions=tuple(question.hiding(votes) for question in self.questions),
        )

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        expert, volunteer, unlabelled = (int((self.tier == tier).sum()) for tier in TIERS)
        both = int((self.is_expert & self.has_votes).sum())
        return (
            f"<Catalogue of {len(self):,} objects: {expert:,} expert ({both:,} with votes), "
            f"{volunteer:,} volunteer, {unlabelled:,} unlabelled; "
            f"classes {', '.join(self.classes)}>"
        )

    def _repr_html_(self) -> str:
        """Show the tiers as a table, in a notebook."""
        numbers = {tier: int((self.tier == tier).sum()) for tier in TIERS}
        numbers |= {
            f"experts' class {name}": int((self.experts == place).sum())
            for place, name in enumerate(self.classes)
        }
        rows = "".join(
            f"<tr><td>{escape(name)}</td><td>{number:,}</td></tr>"
            for name, number in numbers.items()
        )
        return f"<table><caption>Catalogue of {len(self):,} objects</caption>{rows}</table>"


def scan_catalogue(
    config: Config, path: str | Path | None = None, *, rows: int = 65_536
) -> Iterator[Catalogue]:
    """Read a table of any length in parts, in constant memory, to predict from.

    The ids and the columns of the image pattern are needed. Votes, extra columns and
    experts' classes are read where all their columns are there; folds are not read.
    Rows count on from part to part. Ids that occur twice are found within a part only.

    Parameters
    ----------
    config
        The configuration, or that of a model.
    path
        The table, or its address; by default that of the configuration.
    rows
        Objects in a part.

    Raises
    ------
    CatalogueError
        Where the table cannot be used, or a part of it: all that is wrong with the part.
    """
    path = config.table if path is None else path
    problems = Problems()
    names = column_names(path)
    check_columns(needed_columns(config), names, problems, name=str(path))
    check_pattern(config, problems, name=str(path))
    problems.raise_if_fatal(CatalogueError)
    warn_of_partial_votes(config, names, problems, name=str(path))
    reader = _Reader(config, path, names)
    start = 0
    for table in scan_table(path, **reader.columns(), rows=rows, problems=problems):
        part = reader.read(table, problems, start)
        problems.raise_if_fatal(CatalogueError)
        yield replace(part, warnings=tuple(problems.warnings))
        start += len(part)


def _read(config: Config, problems: Problems) -> Catalogue:
    """Read the whole table, noting all that is wrong."""
    path, name = config.table, str(config.table)
    names = column_names(path)
    check_columns(wanted_columns(config), names, problems, name=name)
    check_pattern(config, problems, name=name)
    reader = _Reader(config, path, names)
    table = read_table(path, **reader.columns(), problems=problems)
    catalogue = reader.read(table, problems)
    fold = config.catalogue.fold
    if fold in names:
        objects = Objects(table=table, problems=problems, name=name, ids=catalogue.ids)
        folds = read_folds(objects, fold, catalogue.experts)
        catalogue = replace(catalogue, folds=folds)
    if not problems.fatal:  # else votes or classes may only seem to be missing
        known = (catalogue.positions, catalogue.experts, catalogue.folds)
        warn_of_duplicates(*known, problems, name=name, ids=catalogue.ids)
        check_tiers(config, catalogue.experts, catalogue.has_votes, problems, name=name)
    return replace(catalogue, config=_with_units(config, catalogue.questions))


def _with_units(config: Config, questions: Sequence[Votes]) -> Config:
    """Settle the units that the numbers told, so that no part of a table is read otherwise."""
    settled = [
        settings.model_copy(update={"unit": votes.unit})
        if (votes.given >= Given.FRACTIONS).any()
        else settings
        for settings, votes in zip(config.votes, questions, strict=True)
    ]
    return config.model_copy(update={"votes": tuple(settled)})


class _Reader:
    """Reads the parts of a catalogue from a table whose columns are known."""

    def __init__(self, config: Config, path: str | Path, names: Sequence[str]) -> None:
        self.config = config
        self.name = str(path)
        pattern = config.catalogue.images
        usable = set(pattern_columns(pattern)) <= set(names)
        self.pattern = pattern if usable else None
        self.pixels = [name for name in bytes_columns(path) if pattern == "{" + name + "}"]
        self.wanted = [
            one
            for one in wanted_columns(config)
            if one.column in names and one.column not in self.pixels
        ]

    def columns(self) -> dict[str, list[str]]:
        """Say which columns are read, and as what."""
        return {
            "columns": [one.column for one in self.wanted],
            "text": [one.column for one in self.wanted if one.text],
            "numbers": [one.column for one in self.wanted if not one.text],
        }

    def read(self, table: pa.Table, problems: Problems, start: int = 0) -> Catalogue:
        """Read a catalogue from rows of the table, the first of which is ``start``."""
        config, name = self.config, self.name
        ids = read_ids(table, config.catalogue.id, problems, name=name, start=start)
        experts = np.full(len(ids), -1)
        if config.classes.column in table.column_names:
            experts = read_experts(table, config.classes, problems, name=name)
        more = extra_names(config)
        objects = Objects(table=table, problems=problems, name=name, ids=ids, start=start)
        positions = read_positions(objects, config)
        weights = read_weights(objects, config, experts)
        return Catalogue(
            config=config,
            ids=ids,
            rows=np.arange(start, start + len(ids)),
            images=image_references(self.pattern, table, self.pixels),
            questions=read_questions(objects, config),
            experts=experts,
            extra=read_extra(objects, more),
            extra_names=more,
            positions=positions,
            weights=weights,
        )
