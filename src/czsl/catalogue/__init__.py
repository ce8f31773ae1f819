"""Tables, votes, experts' classes, tiers and folds: what is known of every object.

The names below are imported when they are first used, since tables need pyarrow.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from czsl.catalogue.catalogue import TIERS, Catalogue, scan_catalogue
    from czsl.catalogue.folds import make_folds
    from czsl.catalogue.guess import Guess, guess_config
    from czsl.catalogue.majority import class_shares, majority_class, majority_probability
    from czsl.catalogue.summary import Summary, summarise
    from czsl.catalogue.table import (
        ENDINGS,
        column_names,
        count_rows,
        read_table,
        scan_table,
    )
    from czsl.catalogue.votes import Given, Votes, read_votes
    from czsl.catalogue.write import WRITABLE, check_ending, write_table

__all__ = [
    "ENDINGS",
    "TIERS",
    "WRITABLE",
    "Catalogue",
    "Given",
    "Guess",
    "Summary",
    "Votes",
    "check_ending",
    "class_shares",
    "column_names",
    "count_rows",
    "guess_config",
    "majority_class",
    "majority_probability",
    "make_folds",
    "read_table",
    "read_votes",
    "scan_catalogue",
    "scan_table",
    "summarise",
    "write_table",
]

_HOMES = {
    "catalogue": ("TIERS", "Catalogue", "scan_catalogue"),
    "folds": ("make_folds",),
    "guess": ("Guess", "guess_config"),
    "majority": ("class_shares", "majority_class", "majority_probability"),
    "summary": ("Summary", "summarise"),
    "table": ("ENDINGS", "column_names", "count_rows", "read_table", "scan_table"),
    "votes": ("Given", "Votes", "read_votes"),
    "write": ("WRITABLE", "check_ending", "write_table"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a public name from its module."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
