"""FITS files of the plain kind, straight from their bytes."""

from __future__ import annotations

import re
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from czsl.images.picture import MAX_NUMBERS

CARD = 80
"""Characters of a header's line."""

BLOCK = 2880
"""Bytes that a header and the numbers are filled up to."""

KINDS = {b"8": "u1", b"16": ">i2", b"32": ">i4", b"64": ">i8", b"-32": ">f4", b"-64": ">f8"}
"""The numbers of each BITPIX."""

_SIMPLE = b"SIMPLE  =                    T "
_END = b"END".ljust(CARD)
_CARDS = re.compile(
    rb"(?:(?=[A-Z0-9_-]+ *= )[ -~]{8}= [ -~]{70}|(?:COMMENT |HISTORY | {8})[ -~]{72})*"
)
_WHOLE = re.compile(rb" *(-?[1-9][0-9]{0,8})(?: */.*| *)")
_MEANING_MORE = re.compile(rb"BSCALE|BZERO|BLANK|GROUPS|PCOUNT|GCOUNT|EXT(?:NAME|VER|LEVEL)")
"""Words that change the numbers or how much of them there is."""


def decode_plain(raw: bytes) -> NDArray[Any] | None:
    """Read the numbers of a plain FITS file: one primary image as it stands.

    Plain is a file whose first unit is an image of two or three axes, its header in
    standard form without scaling, blanks or groups, and all its blocks there.

    Parameters
    ----------
    raw
        The file.

    Returns
    -------
    ndarray or None
        As astropy reads them, shape ([band,] row, column). None for every other file:
        it is astropy's.

    Examples
    --------
    >>> decode_plain(b"SIMPLE  =                    T") is None
    True
    """
    if not raw.startswith(_SIMPLE):
        return None
    header = _header(raw)
    if header is None or _MEANING_MORE.search(header):
        return None
    values = [_value(header, 1, b"BITPIX"), _value(header, 2, b"NAXIS")]
    if values[0] not in KINDS or values[1] not in (b"2", b"3"):
        return None
    axes = int(values[1])
    values += [_value(header, 2 + axis, b"NAXIS%d" % axis) for axis in range(1, axes + 1)]
    if None in values or header.count(b"NAXIS") != axes + 1 or header.count(b"BITPIX") != 1:
        return None
    shape = tuple(int(value or 0) for value in reversed(values[2:]))
    kind = np.dtype(KINDS[values[0]])
    start, count = -(-(len(header) + CARD) // BLOCK) * BLOCK, prod(shape)
    stop = start + -(-count * kind.itemsize // BLOCK) * BLOCK
    if min(shape) < 1 or count > MAX_NUMBERS or stop > len(raw):
        return None
    return np.frombuffer(raw, kind, count, start).reshape(shape)


def _header(raw: bytes) -> bytes | None:
    """Cut out the header before its end, where every line of it is in standard form."""
    end = raw.find(_END)
    while end % CARD and end > 0:
        end = raw.find(_END, end + 1)
    if end < 0 or raw[end : -(-(end + CARD) // BLOCK) * BLOCK].strip() != b"END":
        return None
    return raw[:end] if _CARDS.fullmatch(raw, 0, end) else None


def _value(header: bytes, line: int, word: bytes) -> bytes | None:
    """Give the whole number of a line that has to begin with a word."""
    card = header[line * CARD : (line + 1) * CARD]
    found = _WHOLE.fullmatch(card, 10)
    return found[1] if found and card[:10] == word.ljust(8) + b"= " else None
