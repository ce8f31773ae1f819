"""Where each object's image is: from the pattern in the configuration to references."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path, PurePath

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from czsl.remote import is_address

BAND = "band"
"""The name in a pattern that stands for each band, not for a column."""

_PLACE = re.compile(r"\{([^{}]*)\}")
_CONTAINER = re.compile(r"\.(zip|tar|tgz|h5|hdf5|parquet)(\.(gz|bz2|xz))?$", re.IGNORECASE)


def pattern_columns(pattern: str | None) -> list[str]:
    """List the columns that a pattern of images names.

    Examples
    --------
    >>> pattern_columns("images/{field}/{id}-{band}.fits")
    ['field', 'id']
    """
    names = _PLACE.findall(pattern or "")
    return [name for name in dict.fromkeys(names) if name != BAND]


def image_references(
    pattern: str | None, table: pa.Table, kept: Collection[str] = ()
) -> NDArray[np.object_]:
    """Put the values of a table's columns into the pattern of images.

    Parameters
    ----------
    pattern
        Columns in braces are replaced by their values. Without any it names a folder, an
        archive or a data set as a whole, and so do all references.
    table
        Holds the columns as text, except those kept.
    kept
        Columns of image bytes: they stay in the references in braces, as ``{band}`` does,
        and are read by row.

    Returns
    -------
    array of text, (object,)
        ``""`` where there is no pattern, or a column of it is empty.

    Examples
    --------
    >>> image_references("images/{id}_{band}.fits", pa.table({"id": ["a", None]})).tolist()
    ['images/a_{band}.fits', '']
    """
    if pattern is None:
        return np.full(table.num_rows, "", dtype=object)
    pieces = [  # text, name, text, name, ..., text
        part if place % 2 == 0 else "{" + part + "}" if part in (BAND, *kept) else table[part]
        for place, part in enumerate(_PLACE.split(pattern))
    ]
    if all(isinstance(piece, str) for piece in pieces):
        return np.full(table.num_rows, "".join(pieces), dtype=object)
    joined = pc.binary_join_element_wise(*pieces, "", null_handling="emit_null")
    return np.array(pc.fill_null(joined, "").to_pylist(), dtype=object)


def holds_many(pattern: str, folder: Path) -> bool:
    """Whether a pattern without columns can hold an image for each object.

    Examples
    --------
    >>> holds_many("cutouts.zip", Path()), holds_many("images/galaxy.jpg", Path())
    (True, False)
    """
    inside = any(_CONTAINER.search(part) for part in PurePath(pattern).parts)
    return inside or is_address(pattern) or (folder / pattern).is_dir()
