"""What every kind of place that images come from can do, and the grammar of references."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from czsl.catalogue.table import count_rows
from czsl.errors import ImageError
from czsl.remote import is_address

Value = TypeVar("Value")

BAND = "{band}"
"""Stands in a reference for each of the bands in ``[images]``."""

MAX_BYTES = 2**30
"""An image's file of more bytes is not read."""

_CONTAINER = re.compile(
    r"(?P<file>.*?\.(?P<kind>zip|tar|tgz|h5|hdf5|parquet)(?:\.(?:gz|bz2|xz))?)"
    r"(?:/(?P<inside>.*?))?(?:\[(?P<row>\d+)\])?",
    re.IGNORECASE,
)
_HINT = re.compile(r"\.(?:zip|tar|tgz|h5|hdf5|parquet)|^\{", re.IGNORECASE)
"""Tells most references to plain files from all others at a third of the time."""

_COLUMN = re.compile(r"\{(?P<inside>[^{}]+)\}(?:\[(?P<row>\d+)\])?")

TABLE = "table"
"""Kind of the catalogue's own table."""


class Place(NamedTuple):
    """A reference that leads into a file of many images.

    Parameters
    ----------
    file
        The file, as the reference names it; empty for the catalogue's own table.
    kind
        Its ending, in small letters: zip, tar, tgz, h5, hdf5, parquet; or ``"table"``.
    inside
        Member, data set or column; empty where the reference names none.
    row
        Row of a data set or a column; None where the reference names none.
    """

    file: str
    kind: str
    inside: str
    row: int | None


def parse(reference: str) -> Place | None:
    """Take a reference apart; None where it names a file of one image, or a folder.

    Examples
    --------
    >>> parse("cutouts.zip/a/1.jpg")
    Place(file='cutouts.zip', kind='zip', inside='a/1.jpg', row=None)
    >>> parse("cutouts.h5/images[17]")
    Place(file='cutouts.h5', kind='h5', inside='images', row=17)
    >>> parse("{image}[17]")
    Place(file='', kind='table', inside='image', row=17)
    >>> parse("images/1.jpg") is None
    True
    """
    if _HINT.search(reference) is None:
        return None
    if match := _CONTAINER.fullmatch(reference):
        file, kind = match["file"], match["kind"].lower()
    elif match := _COLUMN.fullmatch(reference):
        file, kind = "", TABLE
    else:
        return None
    row = match["row"]
    return Place(file, kind, match["inside"] or "", None if row is None else int(row))


def rows_by_id(stored: Iterable[str], where: str) -> dict[str, int]:
    """Give each row by the id that is stored beside its image.

    Raises
    ------
    ImageError
        Where an id is stored twice.

    Examples
    --------
    >>> rows_by_id(["a", "b"], "cutouts.h5")
    {'a': 0, 'b': 1}
    """
    rows: dict[str, int] = {}
    twice = [one for row, one in enumerate(stored) if rows.setdefault(one, row) != row]
    if twice:
        raise ImageError(
            f"{where}: {len(twice)} ids stand there more than once, first "
            f"{', '.join(map(repr, twice[:3]))}; each image needs its own"
        )
    return rows


class TableOrder:
    """Takes images for stored in the order of the catalogue's table.

    Parameters
    ----------
    table
        Its path; its rows are counted, once. Those of an address, or of no table, are not.
    """

    def __init__(self, table: Path | str | None) -> None:
        self._table = None if table is None or is_address(table) else Path(table)
        self._rows: int | None = None

    def find(
        self, rows: NDArray[np.int64] | None, count: int, where: str, missing: str
    ) -> list[int | None]:
        """Give the image of each row.

        Parameters
        ----------
        rows
            Rows of the table, shape (object,); None where the caller knows none.
        count
            How many images there are.
        where, missing
            The images' file, and what would tell whose they are, for errors.

        Raises
        ------
        ImageError
            Where the table has not as many rows, or the caller knows none.
        """
        if rows is None:
            raise ImageError(
                f"{where}: has {missing}, so that the rows of the catalogue's table are needed"
            )
        known = self._known_rows()
        if (len(rows) and rows.max() >= count) or known not in (None, count):
            has = f"{known:,} rows" if known else f"a row {rows.max() + 1:,}"
            raise ImageError(
                f"{where}: has {count:,} images and {missing}, where the catalogue's table has "
                f"{has}; keep as many in the same order, or store the ids beside the images"
            )
        return [int(row) for row in rows]

    def _known_rows(self) -> int | None:
        """Count the rows of the table."""
        if self._rows is None and self._table is not None and self._table.exists():
            self._rows = count_rows(self._table)
        return self._rows


def quick_order(references: Sequence[str]) -> NDArray[np.int64]:
    """Give the order in which images are read soonest: rows of a file as they follow there.

    A step back in a column of a Parquet file reads its row group anew, from the start. All
    else stays in the order in which it comes.

    Parameters
    ----------
    references
        Located references, of objects in any order.

    Returns
    -------
    Array
        Their places, each once, shape (object,).

    Examples
    --------
    >>> quick_order(["a.parquet/image[7]", "a.parquet/image[2]", "b.jpg", "a.jpg"]).tolist()
    [2, 3, 1, 0]
    """
    files: dict[tuple[str, str], int] = {}
    keys = np.zeros((len(references), 2), np.int64)
    for index, reference in enumerate(references):
        place = parse(reference)
        if place is not None and place.row is not None:
            file = files.setdefault((place.file, place.inside), len(files))
            keys[index] = file + 1, min(place.row, sys.maxsize)
    return np.lexsort((keys[:, 1], keys[:, 0]))


def in_bands(reference: str, bands: Sequence[str]) -> list[str]:
    """Name the files of one object: one for each band, or a single one.

    Raises
    ------
    ImageError
        Where the reference asks for bands and there are none.

    Examples
    --------
    >>> in_bands("1_{band}.fits", ["r", "g"])
    ['1_r.fits', '1_g.fits']
    """
    if BAND not in reference:
        return [reference]
    if not bands:
        raise ImageError(
            f"[catalogue] images holds {BAND}, and [images] names no bands; name them from red to "
            'blue, such as bands = ["i", "r", "g"]'
        )
    return [reference.replace(BAND, band) for band in bands]


def anywhere(reference: str | None) -> str | None:
    """Leave out the row: a Parquet file's stamp tells whether another image is meant.

    Examples
    --------
    >>> anywhere("galaxies.parquet/image[3]"), anywhere("1.jpg")
    ('galaxies.parquet/image', '1.jpg')
    """
    place = parse(reference) if reference else None
    if place is None or place.row is None:
        return reference
    return f"{place.file}/{place.inside}"


class Opened(dict[str, Value]):
    """What is open or listed, by name; pickled it is empty, so that each process opens for itself.

    Examples
    --------
    >>> import pickle
    >>> pickle.loads(pickle.dumps(Opened({"a.zip": "open"})))
    {}
    """

    def __reduce__(self) -> tuple[Any, ...]:
        return Opened, ()


class ImageReader(Protocol):
    """Reads images that are named one by one."""

    def outside(self, reference: str) -> str | None:
        """Name the folder that would have to be allowed first; None where all is well.

        Empty where a path inside an archive leads out of it, which nothing allows.
        """
        ...

    def stamp(self, reference: str) -> str:
        """Give text that changes when the image may have changed; empty: no such image."""
        ...

    def read(self, reference: str) -> bytes | NDArray[Any]:
        """Give an image's file as bytes, or its pixels, shape (row, column, band).

        Raises
        ------
        UnusableImageError
            Where it is missing, cannot be read, or is absurdly large.
        """
        ...


class Adapter(ImageReader, Protocol):
    """A kind of place that images come from.

    An adapter is a value that can be pickled. What it holds open it opens where it is
    used, so that each decoding process reads for itself. What a place holds is listed
    once, however many objects are asked for afterwards and however few at a time.
    """

    def complete(
        self, reference: str, ids: Sequence[str], rows: NDArray[np.int64] | None
    ) -> list[str]:
        """Tell the images of several objects apart that one reference stands for.

        Parameters
        ----------
        reference
            Names a folder, an archive, a data set or a column as a whole. One that names
            a single image is given back as it came.
        ids
            The objects' ids.
        rows
            Their rows in the catalogue's table, for a place that is kept in that order;
            None where the caller does not know them.

        Returns
        -------
        list of str
            A reference for each object; empty where it has no image.

        Raises
        ------
        ImageError
            Where the place as a whole cannot be used.
        """
        ...
