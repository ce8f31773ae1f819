"""A first ``czsl.toml`` from a look at a table: for ``czsl init``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from czsl.catalogue.guess_columns import (
    Column,
    Finding,
    describe_columns,
    guess_class,
    guess_fold,
    guess_id,
    guess_position,
)
from czsl.catalogue.guess_images import guess_images, relative_to
from czsl.catalogue.guess_label import guess_label
from czsl.catalogue.guess_text import Guesses, config_text
from czsl.catalogue.guess_votes import guess_votes
from czsl.catalogue.table import KINDS, bytes_columns, column_names, ending, scan_table
from czsl.errors import CatalogueError

ROWS = 100_000
"""Rows of the table that are looked at, at most."""


@dataclass(frozen=True, kw_only=True)
class Guess:
    """A first configuration.

    Parameters
    ----------
    text
        The content of ``czsl.toml``; what could not be guessed is a comment to fill in.
    findings
        What was guessed, in the order of the file, and why.
    """

    text: str
    findings: tuple[Finding, ...]


def guess_config(
    table: str | Path, images: str | Path | None = None, *, folder: str | Path | None = None
) -> Guess:
    r"""Look at a table, and at the names of images, and write a configuration.

    Parameters
    ----------
    table
        The table; its first rows are looked at.
    images
        A folder, an archive or an HDF5 file of images, or none.
    folder
        Where the configuration will lie; by default beside the table.

    Raises
    ------
    CatalogueError
        Where the table or the images cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "galaxies.csv"
    >>> _ = path.write_text("id,n_smooth,n_disc,expert\n1,9,1,E\n2,2,8,S\n3,8,2,E\n4,1,9,S\n")
    >>> for finding in guess_config(path).findings:
    ...     print(finding.setting, "=", finding.value)
    [catalogue] id = id
    [catalogue] images = None
    [catalogue] fold = None
    [catalogue] position = None
    [votes] answers = {'smooth': 'n_smooth', 'disc': 'n_disc'}
    [votes] label = None
    [classes] column = expert
    """
    table = Path(table)
    images = None if images is None else Path(images)
    folder = table.parent if folder is None else Path(folder)
    columns = _columns(table)
    found_id = guess_id(columns)
    left = [column for column in columns if column.name != found_id.value]
    found_class = guess_class(left)
    found_fold = guess_fold(left)
    found_position = guess_position(left)
    spent = (found_fold.value, found_class.value, *(found_position.value or ()))
    questions = guess_votes([column for column in left if column.name not in spent])
    guesses = Guesses(
        table=relative_to(table, folder),
        id=found_id,
        images=guess_images(columns, images, folder, found_id),
        fold=found_fold,
        position=found_position,
        questions=questions,
        label=guess_label([c for c in left if c.name not in spent], questions),
        classes=found_class,
        values=next((list(c.often) for c in left if c.name == found_class.value), []),
        root=_root(images, folder),
    )
    return Guess(text=config_text(guesses), findings=guesses.findings)


def _root(images: Path | None, folder: Path) -> str | None:
    """Give the folder of images that lie elsewhere."""
    if images is None or images.resolve().is_relative_to(folder.resolve()):
        return None
    return (images if images.is_dir() else images.parent).resolve().as_posix()


def _columns(table: Path) -> list[Column]:
    """Look at the first rows of every column, those of bytes excepted."""
    pixels = bytes_columns(table)
    names = [name for name in column_names(table) if name not in pixels]
    try:
        looked_at = _looked_at(table, names)
    except CatalogueError:
        # One column that no table of ours can hold does not stop the others.
        looked_at = [column for name in names for column in _alone(table, name)]
        if all(column.kind == "other" for column in looked_at):
            raise
    return looked_at + [_unread(name, "bytes") for name in pixels]


def _looked_at(table: Path, names: list[str]) -> list[Column]:
    """Look at the first rows of some columns."""
    # What a column of a CSV file holds is told by all of these rows, as they are spelled.
    spelled = KINDS.get(ending(table)) == "csv"
    first = next(scan_table(table, columns=names, text=names if spelled else (), rows=ROWS))
    return describe_columns(first, spelled=spelled)


def _alone(table: Path, name: str) -> list[Column]:
    """Look at one column, of another kind where it cannot be read."""
    try:
        return _looked_at(table, [name])
    except CatalogueError:
        return [_unread(name, "other")]


def _unread(name: str, kind: str) -> Column:
    """Describe a column whose values are not looked at."""
    return Column(name=name, kind=kind, values=[], numbers=np.zeros(0), unique=False)
