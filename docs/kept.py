"""Keep or replace: figures of what is on disk are new, all others stay as they were."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

Row = dict[str, Any]
Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


def read_rows(path: Path) -> list[Row]:
    """Read the rows that the last run of a generator left; none where there is no file."""
    if not path.exists():
        return []
    rows: list[Row] = json.loads(path.read_text(encoding="utf-8"))
    return rows


def grouped(rows: Iterable[Row], key: Callable[[Row], Key]) -> dict[Key, list[Row]]:
    """Put rows together that are kept or replaced together.

    >>> grouped([{"on": "a", "n": 1}, {"on": "b", "n": 2}, {"on": "a", "n": 3}], lambda r: r["on"])
    {'a': [{'on': 'a', 'n': 1}, {'on': 'a', 'n': 3}], 'b': [{'on': 'b', 'n': 2}]}
    """
    found: dict[Key, list[Row]] = {}
    for row in rows:
        found.setdefault(key(row), []).append(row)
    return found


def renewed(
    keys: Iterable[Key], old: Mapping[Key, Value], new: Mapping[Key, Value]
) -> dict[Key, Value]:
    """Take what is new, and what was there of the rest; what the keys do not name drops out.

    >>> renewed(["a", "b", "c"], {"a": 1, "b": 1, "z": 1}, {"b": 2})
    {'a': 1, 'b': 2}
    """
    return {key: new[key] if key in new else old[key] for key in keys if key in new or key in old}


def day(*places: Path) -> str:
    """Give the day of the newest of some files, or of all files in some folders."""
    files = (file for place in places for file in (place, *place.rglob("*")) if file.is_file())
    newest = max(file.stat().st_mtime for file in files)
    return datetime.fromtimestamp(newest, UTC).date().isoformat()
