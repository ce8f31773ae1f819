"""Refuse to write predictions over what they are made from."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from czsl.catalogue import Catalogue
from czsl.errors import ArgumentError
from czsl.images.adapter import TABLE, parse
from czsl.images.places import local_path
from czsl.images.worker import all_files
from czsl.remote import is_address, located


def refuse_replacing(out: Path, read: Mapping[str, str | Path]) -> None:
    """Refuse a file to write to that is one of those that are read.

    Parameters
    ----------
    out
        Where predictions go.
    read
        The files, or their addresses, by what they are.

    Raises
    ------
    ArgumentError
        Where it is one of them, under whatever name.

    Examples
    --------
    >>> refuse_replacing(Path("predictions.csv"), {"the table": "objects.csv"})
    """
    for what, place in read.items():
        if _same(out, place):
            raise ArgumentError(
                f"{out}: predictions would be written over {what}, {place}; give them a file of "
                "their own (--out)"
            )


def spared(catalogues: Iterator[Catalogue], out: Path) -> Iterator[Catalogue]:
    """Give the same catalogues, none of which has its images in the file that is written to.

    Which files hold images is known only when their rows are read; nothing is written to
    ``out`` before all are.

    Parameters
    ----------
    catalogues
        The objects.
    out
        Where predictions go.

    Raises
    ------
    ArgumentError
        Where that file is an image, or holds images.
    """
    seen: set[str] = set()
    for catalogue in catalogues:
        if out.exists():
            files = _files(catalogue, out.name) - seen
            seen |= files
            for one in sorted(files):
                refuse_replacing(out, {"images": located(catalogue.config.folder, one)})
        yield catalogue


def _files(catalogue: Catalogue, name: str) -> set[str]:
    """List the files of many images, and those of one image that have this name."""
    files = set()
    for reference in all_files(catalogue.images.tolist(), catalogue.config.images):
        place = parse(reference)
        if place is None and reference.endswith(name):  # a look at each would take long
            files.add(reference)
        elif place is not None and place.kind != TABLE:
            files.add(place.file)
    return files


def _same(one: Path, other: str | Path) -> bool:
    """Say whether two paths, or a path and an address, lead to one file that is there."""
    path = local_path(other) if isinstance(other, str) and is_address(other) else other
    if path is None:
        return False
    try:
        return os.path.samefile(one, path)
    except (OSError, ValueError):  # one of them is not there
        return False
