"""Where images come from: one interface, and an adapter file for each kind of place."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from czsl.errors import ImageError
from czsl.images.adapter import TABLE, Adapter, ImageReader, in_bands, parse
from czsl.images.archive import ArchiveSource
from czsl.images.folder import FolderSource
from czsl.images.hdf5 import Hdf5Source
from czsl.images.parquet import ParquetSource
from czsl.images.places import Places
from czsl.images.remote import RemoteSource
from czsl.remote import address_slips, is_address


class ImageSource(ImageReader, Protocol):
    """A place that images come from, told apart by references: text of the catalogue.

    A source is a value that can be pickled, so that each decoding process reads for
    itself.
    """

    def locate(
        self,
        ids: Sequence[str],
        references: Sequence[str],
        rows: NDArray[np.int64] | None = None,
    ) -> list[str]:
        """Make each reference name one image.

        Parameters
        ----------
        ids
            The objects' ids.
        references
            What the catalogue says of each object's image; empty where it says nothing.
        rows
            The objects' rows in the catalogue's table, from 0, for images that are kept
            in its order.

        Returns
        -------
        list of str
            A reference for each object; empty where it has no image.

        Raises
        ------
        ImageError
            Where a folder, archive or data set as a whole cannot be used.
        """
        ...

    def ahead(self, references: Sequence[str], *, content: bool) -> None:
        """Learn at once what is soon asked of several images, where that hides a delay.

        Parameters
        ----------
        references
            The images, whose stamps are kept until the next call.
        content
            Whether they are read too, until each is asked for once.
        """
        ...


def open_source(
    pattern: str,
    *,
    folder: Path,
    roots: Sequence[str] = (),
    table: Path | str | None = None,
    id_column: str = "id",
) -> ImageSource:
    """Open the place that a pattern of images leads to.

    Parameters
    ----------
    pattern
        ``images`` of ``[catalogue]``.
    folder, roots
        Where images may lie: the configuration's folder, and more.
    table
        Path or address of the catalogue's table, whose column of bytes a pattern may name.
    id_column
        Column of the ids, in that table and in other Parquet files of images.

    Raises
    ------
    ImageError
        Where an address cannot be used, or holds a credential.

    Examples
    --------
    >>> source = open_source("images/{id}.jpg", folder=Path("."))
    >>> source.stamp("images/no such file.jpg")
    ''
    """
    for place in (pattern, *roots):
        if found := address_slips(place):
            raise ImageError(f"[catalogue] images or roots: the address of images {found[0]}")
    places = Places(folder=Path(folder), roots=tuple(roots), pattern=pattern)
    return RoutedSource(places, table=table, id_column=id_column)


class RoutedSource:
    """Hands each reference to the adapter of its kind.

    Parameters
    ----------
    places
        Where images may lie.
    table, id_column
        The catalogue's table, and the column of ids there and in other tables.
    """

    def __init__(self, places: Places, *, table: Path | str | None, id_column: str) -> None:
        self._folder = FolderSource(places)
        self._remote = RemoteSource(places)
        archives, sets = ArchiveSource(places), Hdf5Source(places, table=table)
        tables = ParquetSource(places, table=table, id_column=id_column)
        self._kinds: dict[str, Adapter] = {
            **dict.fromkeys(("zip", "tar", "tgz"), archives),
            **dict.fromkeys(("h5", "hdf5"), sets),
            **dict.fromkeys(("parquet", TABLE), tables),
        }

    def _adapter(self, reference: str) -> Adapter:
        place = parse(reference)
        if place is None:
            return self._remote if is_address(reference) else self._folder
        if is_address(place.file) and place.kind != "parquet":
            raise ImageError(
                f"{place.file}: archives and HDF5 files are not read from a server; download it, "
                "or store the images as files or in a column of a Parquet file"
            )
        return self._kinds[place.kind]

    def locate(
        self,
        ids: Sequence[str],
        references: Sequence[str],
        rows: NDArray[np.int64] | None = None,
    ) -> list[str]:
        """See :meth:`ImageSource.locate`."""
        located = [str(reference) for reference in references]
        same = len(set(located[:2])) == 1 and located.count(located[0]) == len(located)
        groups: dict[str, list[int]] = defaultdict(list)
        for index, reference in enumerate(located):
            if reference and (same or _names_many(reference)):
                groups[reference].append(index)
        for reference, members in groups.items():
            adapter = self._adapter(reference)
            if adapter.outside(reference) is not None:
                continue  # refused later, together with all others
            names = [str(ids[index]) for index in members]
            known = None if rows is None else rows[members]
            found = adapter.complete(reference, names, known)
            for index, one in zip(members, found, strict=True):
                located[index] = one
        return located

    def outside(self, reference: str) -> str | None:
        """See :meth:`ImageSource.outside`."""
        return self._adapter(reference).outside(reference)

    def ahead(self, references: Sequence[str], *, content: bool) -> None:
        """See :meth:`ImageSource.ahead`."""
        remote = [one for one in references if is_address(one) and parse(one) is None]
        if remote:
            self._remote.ahead(remote, content=content)

    def stamp(self, reference: str) -> str:
        """See :meth:`ImageSource.stamp`."""
        return self._adapter(reference).stamp(reference)

    def read(self, reference: str) -> bytes | NDArray[Any]:
        """See :meth:`ImageSource.read`."""
        return self._adapter(reference).read(reference)


def _names_many(reference: str) -> bool:
    """Say whether a reference names a container and not yet an image in it."""
    place = parse(reference)
    if place is None:
        return False
    return not place.inside if place.kind in ("zip", "tar", "tgz") else place.row is None


def refuse_outside(
    source: ImageSource, references: Sequence[str], *, bands: Sequence[str] = ()
) -> None:
    """Refuse references that lead out of the folders that images may lie in.

    Raises
    ------
    ImageError
        How many, the first three, and what to allow.
    """
    out: list[tuple[str, str]] = []
    for reference in references:
        for one in in_bands(reference, bands):
            needed = source.outside(one) if one else None
            if needed is not None:
                out.append((one, needed))
    if out:
        names = ", ".join(repr(name) for name, _ in out[:3]) + (" …" if len(out) > 3 else "")
        roots = list(dict.fromkeys(needed for _, needed in out if needed))
        remedy = (
            f"move the images there, or allow where they are: [catalogue] roots = {roots[:3]} (of "
            "'czsl predict' and 'czsl explain': --folder)"
            if roots
            else "a path inside an archive neither begins with '/' nor holds '..', and neither "
            "does an address"
        )
        raise ImageError(
            f"{len(out)} image paths lead out of the configuration's folder, first {names}; "
            f"{remedy}"
        )
