"""Where each object's image is: from the pattern in the configuration to references."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

BAND = "band"
"""The name in a pattern that stands for each band, not for a column."""

_PLACE = re.compile(r"\{([^{}]*)\}")
_CONTAINERS = (".h5", ".hdf5")

References = Callable[[pa.Table, NDArray[np.str_]], NDArray[np.object_]]


def pattern_columns(pattern: str | None) -> list[str]:
    """List the columns that a pattern of images names.

    Examples
    --------
    >>> pattern_columns("images/{field}/{id}-{band}.fits")
    ['field', 'id']
    """
    names = _PLACE.findall(pattern or "")
    return [name for name in dict.fromkeys(names) if name != BAND]


def image_references(pattern: str | None, folder: Path, kept: Sequence[str]) -> References:
    """Make the function that gives the image references of a batch of the table.

    Parameters
    ----------
    pattern
        Columns in braces are replaced by their values. Without any, it is a folder of
        files named by the objects' ids, or an HDF5 file in the order of the table.
    folder
        What a folder of images is relative to.
    kept
        Names that stay in the references as they are: ``band``, and columns of image
        bytes, which are read by row.

    Returns
    -------
    function
        From a table and its ids to references, (object,) of text; ``""`` where a column
        of the pattern is empty.

    Examples
    --------
    >>> references = image_references("images/{id}.jpg", Path(), ["band"])
    >>> references(pa.table({"id": ["a", None]}), np.array(["a", ""])).tolist()
    ['images/a.jpg', '']
    """
    if pattern is None:
        return lambda table, ids: np.full(len(ids), "", dtype=object)
    if not _PLACE.search(pattern):
        if (folder / pattern).is_dir():
            return _by_stem(pattern, folder / pattern)
        return lambda table, ids: np.full(len(ids), pattern, dtype=object)
    parts = _PLACE.split(pattern)  # text, name, text, name, ..., text

    def references(table: pa.Table, ids: NDArray[np.str_]) -> NDArray[np.object_]:
        pieces = [
            part if place % 2 == 0 else f"{{{part}}}" if part in kept else table.column(part)
            for place, part in enumerate(parts)
        ]
        if not any(isinstance(piece, pa.ChunkedArray) for piece in pieces):
            return np.full(len(ids), "".join(pieces), dtype=object)
        joined = pc.binary_join_element_wise(*pieces, "", null_handling="emit_null")
        return np.array(pc.fill_null(joined, "").to_pylist(), dtype=object)

    return references


def is_container(pattern: str, folder: Path) -> bool:
    """Whether a pattern without columns can hold an image for each object."""
    return pattern.lower().endswith(_CONTAINERS) or (folder / pattern).is_dir()


def _by_stem(pattern: str, folder: Path) -> References:
    """Find files by the ids of the objects, whatever their ending."""
    names = sorted((entry.name for entry in folder.iterdir()), reverse=True)
    by_stem = {name.partition(".")[0]: name for name in names}
    by_stem |= {Path(name).stem: name for name in names}

    def references(table: pa.Table, ids: NDArray[np.str_]) -> NDArray[np.object_]:
        base = pattern.rstrip("/")
        found = [f"{base}/{by_stem.get(name, name)}" if name else "" for name in ids.tolist()]
        return np.array(found, dtype=object)

    return references
