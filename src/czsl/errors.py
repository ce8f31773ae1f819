"""Everything that can be wrong, in one tree.

==================  ==================================================================
raise               when
==================  ==================================================================
ConfigError         ``czsl.toml`` or a setting given from Python cannot be used
CatalogueError      the table, the votes or the experts' classes cannot be used
ImageError          images as a whole cannot be used (one bad image is a flag)
ModelError          a model folder is truncated, foreign, changed or of another schema
RunError            a run folder cannot be continued, or a training has diverged
WriteError          a file cannot be written; what stood there before is intact
ServerError         a server does not give a file, though it was asked several times
ProcessLostError    of the processes of one fit another has ended, or cannot be reached
ClusterError        a Ray cluster does not answer, or its workers die again and again
MissingExtraError   an optional package is needed and not installed
ArgumentError       an array or a value given to a function of ours cannot be used
NotFittedError      a result is asked of a model that was not fitted
==================  ==================================================================

All derive from :class:`CzslError`. Errors of other libraries are translated where we
call them, so that ``except CzslError`` catches everything a user can mend.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

LARGEST_SEED = 2**31 - 1
"""Half of what scikit-learn takes: the seeds of executions count on from it."""


class CzslError(Exception):
    """The root of every error that this package raises on purpose."""


class ConfigError(CzslError):
    """The configuration cannot be used."""


class CatalogueError(CzslError):
    """The table, the votes or the experts' classes cannot be used."""


class ImageError(CzslError):
    """The images cannot be used as a whole."""


class ModelError(CzslError):
    """A model folder cannot be loaded or does not fit what it is applied to."""


class RunError(CzslError):
    """A run folder cannot be continued."""


class WriteError(CzslError):
    """A file cannot be written; what stood there before is intact."""


class ServerError(CzslError):
    """A server does not give a file; what was finished before is kept."""


class ProcessLostError(CzslError):
    """Of the processes of one fit another has ended; what was finished before is kept."""


class ClusterError(CzslError):
    """A cluster does not answer, or its workers die again and again."""


class MissingExtraError(CzslError):
    """An optional package is needed and not installed."""


class ArgumentError(CzslError, ValueError):
    """A value or an array given to a function cannot be used."""


class NotFittedError(CzslError):
    """A result was asked of a model that was not fitted."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong, in the words that its user needs.

    Parameters
    ----------
    where
        The file and the column, row or setting.
    found
        What stands there.
    remedy
        What is allowed and what to do.
    fatal
        Whether work stops; otherwise it is a warning.

    Examples
    --------
    >>> print(Problem(where="a.csv, column 'n'", found="2 negative counts",
    ...               remedy="counts are zero or more"))
    a.csv, column 'n': 2 negative counts; counts are zero or more
    """

    where: str
    found: str
    remedy: str
    fatal: bool = True

    def __str__(self) -> str:
        return f"{self.where}: {self.found}; {self.remedy}"


@dataclass
class Problems:
    """Collects problems, so that all of them are told at once.

    Examples
    --------
    >>> problems = Problems()
    >>> problems.add("a.csv", "2 empty ids", "give every row an id")
    >>> problems.warn("a.csv", "no unlabelled objects", "reconstruct is left out")
    >>> len(problems), len(problems.fatal)
    (2, 1)
    >>> problems.raise_if_fatal(CatalogueError)
    Traceback (most recent call last):
    czsl.errors.CatalogueError: 1 problem
      1. a.csv: 2 empty ids; give every row an id
    """

    found: list[Problem] = field(default_factory=list)

    def add(self, where: str, found: str, remedy: str) -> None:
        """Note what stops the work."""
        self.found.append(Problem(where=where, found=found, remedy=remedy))

    def warn(self, where: str, found: str, remedy: str) -> None:
        """Note what the user should know and what does not stop the work."""
        self.found.append(Problem(where=where, found=found, remedy=remedy, fatal=False))

    def extend(self, other: Problems) -> None:
        """Take over what another collector found."""
        self.found.extend(other.found)

    @property
    def fatal(self) -> list[Problem]:
        """The problems that stop the work."""
        return [problem for problem in self.found if problem.fatal]

    @property
    def warnings(self) -> list[Problem]:
        """The problems that do not stop the work."""
        return [problem for problem in self.found if not problem.fatal]

    def raise_if_fatal(self, error: type[CzslError]) -> None:
        """Raise one ``error`` that lists every fatal problem, if there is any.

        Raises
        ------
        CzslError
            Of the class given.
        """
        if self.fatal:
            raise error(listed(self.fatal))

    def __len__(self) -> int:
        return len(self.found)


def listed(problems: Sequence[Problem]) -> str:
    """Say how many problems there are, then each on a numbered line."""
    noun = "problem" if len(problems) == 1 else "problems"
    lines = [f"  {number}. {problem}" for number, problem in enumerate(problems, 1)]
    return "\n".join([f"{len(problems)} {noun}", *lines])


def nearest(name: str, names: Iterable[str]) -> str:
    """Name the known names that look most like an unknown one.

    Examples
    --------
    >>> nearest("EL_DBE", ["EL_DEB", "CS_DEB", "NVOTE"])
    "did you mean 'EL_DEB'?"
    >>> nearest("x", ["first", "second"])
    "there are 'first', 'second'"
    """
    known = [str(candidate) for candidate in names]
    # Case is the commonest slip: compare without it, then answer with the true spelling.
    folded = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(name.lower(), folded, n=3, cutoff=0.6)
    if close:
        return f"did you mean {' or '.join(repr(folded[match]) for match in close)}?"
    shown = ", ".join(repr(candidate) for candidate in known[:12])
    return f"there are {shown}{' …' if len(known) > 12 else ''}" if known else "there are none"


def first_rows(rows: Sequence[int], ids: Sequence[str] | None = None, start: int = 0) -> str:
    """Name the first three rows of many; rows count from 1, the header not counted.

    ``start`` is the number of rows that came before, where a table is read in parts.

    Examples
    --------
    >>> first_rows([0, 4, 7, 9], ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"])
    "first in rows 1 (id 'a'), 5 (id 'e'), 8 (id 'h')"
    """
    named = [
        f"{start + row + 1}" + (f" (id {str(ids[row])!r})" if ids is not None else "")
        for row in rows[:3]
    ]
    return f"first in row{'s' if len(named) > 1 else ''} {', '.join(named)}"


def require_extra(module: str, extra: str) -> ModuleType:
    """Import an optional package, or say which extra installs it.

    Raises
    ------
    MissingExtraError
        Where the package is not installed.

    Examples
    --------
    >>> require_extra("math", "demo").pi > 3
    True
    >>> require_extra("no_such_package", "demo")
    Traceback (most recent call last):
    czsl.errors.MissingExtraError: this needs the package 'no_such_package', which is not \
installed; install it with: pip install "czsl[demo]", or from a clone: pip install ".[demo]"
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"this needs the package '{module.partition('.')[0]}', which is not installed; "
            f'install it with: pip install "czsl[{extra}]", or from a clone: '
            f'pip install ".[{extra}]"'
        ) from error


def check_seed(seed: int) -> None:
    """Refuse what no random numbers can start from.

    Raises
    ------
    ArgumentError
        Where the seed is negative or larger than :data:`LARGEST_SEED`.

    Examples
    --------
    >>> check_seed(20261128)
    >>> check_seed(-1)
    Traceback (most recent call last):
    czsl.errors.ArgumentError: seed: got -1; it must be from 0 to 2147483647
    """
    if not 0 <= seed <= LARGEST_SEED:
        raise ArgumentError(f"seed: got {seed}; it must be from 0 to {LARGEST_SEED}")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Translate a full disk or a missing permission into a :class:`WriteError`.

    Raises
    ------
    WriteError
        Names the path and the system's reason.
    """
    try:
        yield
    except OSError as error:
        raise WriteError(
            f"{path}: cannot be written ({error.strerror or error}); what stood there before is "
            "intact; free space or choose another place"
        ) from error
