"""Names of the columns of a catalogue of predictions, and which names they leave to users."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

FIXED = ("class", "source", "set", "n_votes", "tier", "flags", "expert", "fold")
"""Columns of every catalogue of predictions, and of a run's beside them."""

POSTERIORS = ("p", "p_image", "p_votes")
"""Before a class's name, columns of its posteriors: that which counts, the image's, the votes'."""

PASSING = (":hash", ":ra", ":dec")
"""Columns that stand in the parts of a prediction until it is whole: hash of the image, place."""

BETWEEN = "|"
"""Stands between the classes of a set."""


def posterior_names(prefix: str, classes: Sequence[str]) -> list[str]:
    """Name the columns of a posterior, one for each class.

    Examples
    --------
    >>> posterior_names("p_image", ["early", "late"])
    ['p_image_early', 'p_image_late']
    """
    return [f"{prefix}_{name}" for name in classes]


def id_slips(name: str, classes: Sequence[str]) -> Iterator[str]:
    """Find an id column that would stand in the place of a column of predictions.

    Examples
    --------
    >>> list(id_slips("Source", ["early", "late"]))
    ["[catalogue] id is 'Source', and predictions have a column 'source' of their own; rename the \
column in the table and here (case does not count, as in FITS)"]
    >>> list(id_slips("source_id", ["early", "late"]))
    []
    """
    made = [column for prefix in POSTERIORS for column in posterior_names(prefix, classes)]
    for column in [*FIXED, *PASSING, *made]:
        if _plain(column) == _plain(name):
            yield (
                f"[catalogue] id is {name!r}, and predictions have a column {column!r} of their "
                "own; rename the column in the table and here (case does not count, as in FITS)"
            )
            return


def class_slips(classes: Sequence[str]) -> Iterator[str]:
    """Find classes that could not be told apart, in columns of predictions or in sets.

    Examples
    --------
    >>> for slip in class_slips(["merger", "image_merger", "E|S0"]):
    ...     print(slip)
    the class 'E|S0' holds '|', which stands between the classes of a set; rename the class
    the classes 'image_merger' and 'merger' both make the column 'p_image_merger' of \
predictions; rename one of them (case does not count, as in FITS)
    """
    for name in classes:
        if not name.strip():
            yield f"a class is called {name!r}; give it a name that can be read"
        if BETWEEN in name:
            yield (
                f"the class {name!r} holds {BETWEEN!r}, which stands between the classes of a "
                "set; rename the class"
            )
    owners: dict[str, str] = {}
    told: set[tuple[str, str]] = set()
    for prefix in POSTERIORS:
        for name, column in zip(classes, posterior_names(prefix, classes), strict=True):
            owner = owners.setdefault(_plain(column), name)
            if owner != name and (owner, name) not in told:
                told.add((owner, name))
                yield (
                    f"the classes {owner!r} and {name!r} both make the column {column!r} of "
                    "predictions; rename one of them (case does not count, as in FITS)"
                )


def _plain(name: str) -> str:
    """Give a name as formats compare it that ignore case and blanks at the end."""
    return name.rstrip().lower()
