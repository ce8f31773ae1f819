"""Which pattern of columns names the files in a folder or an archive of images."""

from __future__ import annotations

import lzma
import os
import re
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations_with_replacement, islice
from pathlib import Path

from czsl.catalogue.guess_columns import Column, Finding
from czsl.errors import CatalogueError
from czsl.files import is_zip

ENDINGS = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".fits", ".fit", ".fits.gz", ".fz")
"""Endings of images."""

MOST = 200_000
"""Names that are looked at, at most."""

_SETTING = "[catalogue] images"


def guess_images(
    columns: Sequence[Column], images: Path | None, folder: Path, first: Finding
) -> Finding:
    """Guess the pattern of images.

    Parameters
    ----------
    columns
        The table's columns.
    images
        The folder or archive of images; None looks for columns of paths and of bytes.
    folder
        What the pattern is relative to.
    first
        The guess of the ids, which are preferred where several columns do.

    Raises
    ------
    CatalogueError
        Where there is no such folder or archive.
    """
    if images is None:
        return _from_table(columns, folder)
    base = relative_to(images, folder)
    if images.suffix.lower() in (".h5", ".hdf5"):
        return Finding(setting=_SETTING, value=base, reason="an HDF5 file, in the table's order")
    names = list(islice(_names(images), MOST))
    ordered = sorted(
        (column for column in columns if column.kind in ("text", "whole")),
        key=lambda column: column.name != first.value,
    )
    best: tuple[int, str, str] = (0, "", "")
    for column in ordered:
        found, pattern = _pattern(column, names)
        if found > best[0]:
            best = (found, f"{base}/{pattern}", column.name)
    if not best[0]:
        reason = f"none of the {len(names):,} images in {base} is named by a column"
        return Finding(setting=_SETTING, value=None, reason=reason)
    rows = len(ordered[0].values)
    reason = f"{best[0]:,} of {rows:,} rows have an image so called"
    return Finding(setting=_SETTING, value=best[1], reason=reason)


def _from_table(columns: Sequence[Column], folder: Path) -> Finding:
    """Find a column of paths that exist, or of image bytes."""
    for column in columns:
        if column.kind == "bytes":
            value = "{" + column.name + "}"
            return Finding(setting=_SETTING, value=value, reason="a column of bytes")
        paths = [value for value in column.values if value and value.lower().endswith(ENDINGS)]
        if column.kind == "text" and paths and (folder / paths[0]).exists():
            value, reason = "{" + column.name + "}", f"it holds paths, such as {paths[0]!r}"
            return Finding(setting=_SETTING, value=value, reason=reason)
    reason = "no folder of images was given, and no column holds paths that exist"
    return Finding(setting=_SETTING, value=None, reason=reason)


def _names(images: Path) -> Iterator[str]:
    """List the images in a folder, at any depth, or in an archive."""
    if images.is_dir():
        for place, _, files in os.walk(images):
            below = Path(place).relative_to(images)
            yield from ((below / name).as_posix() for name in sorted(files) if _is_image(name))
        return
    try:
        if is_zip(images):
            with zipfile.ZipFile(images) as archive:
                yield from (name for name in archive.namelist() if _is_image(name))
            return
        with tarfile.open(images) as archive:
            yield from (member.name for member in archive if _is_image(member.name))
    except (OSError, EOFError, tarfile.TarError, zlib.error, lzma.LZMAError) as error:
        raise CatalogueError(
            f"{images}: is not a folder, a zip or tar archive, or an HDF5 file of images ({error})"
        ) from error


def _is_image(name: str) -> bool:
    """Whether a name is that of an image."""
    return name.lower().endswith(ENDINGS)


def _pattern(column: Column, names: Sequence[str]) -> tuple[int, str]:
    """Find what stands before and after a column's values in names, and how many rows it fits.

    Some names are searched for values, from word to word; what stands around those found
    is tried on all rows.
    """
    values = {value for value in column.values if value}
    around: Counter[tuple[str, str]] = Counter()
    for name in names[:: len(names) // 1000 + 1]:
        words = [(word.start(), word.end()) for word in re.finditer("[A-Za-z0-9]+", name)]
        for (start, _), (_, end) in combinations_with_replacement(words[-8:], 2):
            if name[start:end] in values:
                around[name[:start], name[end:]] += 1
    there = set(names)
    best = (0, "")
    for (before, after), _ in around.most_common(5):
        found = sum(before + value + after in there for value in values)
        best = max(best, (found, f"{before}{{{column.name}}}{after}"))
    return best


def relative_to(path: Path, folder: Path) -> str:
    """Spell a path from the folder, or whole where it lies elsewhere."""
    whole, base = path.resolve(), folder.resolve()
    return whole.relative_to(base).as_posix() if whole.is_relative_to(base) else whole.as_posix()
