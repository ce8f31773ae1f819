"""Tables, votes, experts' classes, tiers and folds: what is known of every object.

The names below are imported when they are first used, since tables need pyarrow.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from czsl.catalogue.catalogue import TIERS, Catalogue, scan_catalogue
    from czsl.catalogue.folds import make_folds
    from czsl.catalogue.majority import class_shares, majority_class, majority_probability
    from czsl.catalogue.table import (
        ENDINGS,
        column_names,
        count_rows,
        read_table,
        scan_table,
    )
    from czsl.catalogue.votes import Given, Votes, read_votes

__all__ = [
    "ENDINGS",
    "TIERS",
    "Catalogue",
    "Given",
    "Votes",
    "class_shares",
    "column_names",
    "count_rows",
    "majority_class",
    "majority_probability",
    "make_folds",
    "read_table",
    "read_votes",
    "scan_catalogue",
    "scan_table",
]

_HOMES = {
    "catalogue": ("TIERS", "Catalogue", "scan_catalogue"),
    "folds": ("make_folds",),
    "majority": ("class_shares", "majority_class", "majority_probability"),
    "table": ("ENDINGS", "column_names", "count_rows", "read_table", "scan_table"),
    "votes": ("Given", "Votes", "read_votes"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a public name from its module."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
