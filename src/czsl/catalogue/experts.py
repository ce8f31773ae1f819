"""What experts say: one class per object, or none; and what too few of them prevent."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from czsl.catalogue.columns import match_values, text_column
from czsl.config import ClassesSettings, Config
from czsl.errors import Problems


def read_experts(
    table: pa.Table, settings: ClassesSettings, problems: Problems, *, name: str
) -> NDArray[np.int64]:
    """Read the experts' classes.

    Parameters
    ----------
    table
        Holds the column that the settings name.
    settings
        The column and what it holds for each class.
    problems
        Takes the values that the mapping does not know.
    name
        What the problems call the table.

    Returns
    -------
    array, (object,)
        The class's place, -1 where no expert has looked.

    Examples
    --------
    >>> settings = ClassesSettings(column="expert", values={"early": "E", "late": "S"})
    >>> table = pa.table({"expert": ["S", None, "E"]})
    >>> read_experts(table, settings, Problems(), name="a.csv").tolist()
    [1, -1, 0]
    """
    return match_values(
        text_column(table, settings.column, problems, name=name),
        settings.values,
        problems,
        where=f"{name}, column {settings.column!r}",
        ignore=settings.ignore,
        remedy="add them to 'values' in [classes], or to 'ignore' where they are no class",
    )


def check_tiers(
    config: Config,
    experts: NDArray[np.int64],
    has_votes: NDArray[np.bool_],
    problems: Problems,
    *,
    name: str,
) -> None:
    """Say what the catalogue cannot teach, and which stages are left out for it.

    Parameters
    ----------
    config
        Names the classes and the answers that they are made of.
    experts : (object,)
        The class's place, or -1.
    has_votes : (object,)
        Whether anything is known of the volunteers' answers.
    problems
        Takes warnings; a fatal problem only where nothing at all can be learned.
    name
        What the problems call the table.
    """
    names = config.classes.names
    number = np.bincount(experts[experts >= 0], minlength=len(names))
    if not len(experts):
        problems.add(name, "no rows", "give a table with an object in each row")
    elif not has_votes.any():
        _without_volunteers(number, names, problems, name)
    elif not number.any():
        _without_experts(config, problems, name)
    else:
        _rare_classes(number, names, problems, f"{name}, column {config.classes.column!r}")
    if len(experts) and (has_votes | (experts >= 0)).all():
        problems.warn(
            name,
            "no unlabelled objects",
            "nothing is learned from images alone: the stage reconstruct, where the recipe has "
            "it, sees labelled objects only",
        )


def _without_volunteers(
    number: NDArray[np.int64], names: Sequence[str], problems: Problems, name: str
) -> None:
    """Tell a table without votes from one with nothing to learn from."""
    if np.count_nonzero(number) < 2:
        problems.add(
            name,
            f"no volunteers' votes, and experts' classes of {number.sum():,} objects "
            f"({_numbers(number, names)}): nothing can be learned",
            "give experts' classes of two kinds or more, or volunteers' votes",
        )
        return
    problems.warn(
        name,
        "no volunteers' votes",
        "the classes are learned from experts alone: the stages pretrain and transfer are left out",
    )
    _rare_classes(number, names, problems, name)


def _without_experts(config: Config, problems: Problems, name: str) -> None:
    """Tell votes that name the classes from votes that do not."""
    where = f"{name}, column {config.classes.column!r}"
    missing = [name for name in config.classes.names if name not in config.classes.from_answers]
    if missing:
        problems.add(
            where,
            f"no experts' classes, and no answers of volunteers for {', '.join(map(repr, missing))}"
            ": nothing can be learned of them",
            "give experts' classes, or name each class's answers in 'from_answers' of [classes]",
        )
        return
    problems.warn(
        where,
        "no experts' classes",
        "the classes are the volunteers' answers in 'from_answers': the stages transfer, finetune "
        "and calibrate are left out, and nothing can be scored",
    )


def _rare_classes(
    number: NDArray[np.int64], names: Sequence[str], problems: Problems, where: str
) -> None:
    """Warn of classes that cannot be both learned from and scored."""
    for count, name in zip(number.tolist(), names, strict=True):
        if count < 2:
            problems.warn(
                where,
                f"class {name!r} has {count or 'no'} expert object{'' if count == 1 else 's'}",
                "it takes two for a class to be learned from one and scored on the other: the "
                "stages transfer and finetune cannot tell this class; find more examples",
            )


def _numbers(number: NDArray[np.int64], names: Sequence[str]) -> str:
    """Spell how many objects there are of each class."""
    return ", ".join(f"{name} {count}" for name, count in zip(names, number.tolist(), strict=True))
