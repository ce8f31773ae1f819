"""Objects that a table holds twice: at the same place, or with the same image."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

APART = 1.0
"""Separation in arcseconds below which two rows are one object."""


def pixel_hashes(pixels: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Hash images, shape (object,); equal images have equal hashes, and none is 0.

    Parameters
    ----------
    pixels
        Shape (object, row, column, channel).

    Examples
    --------
    >>> images = np.zeros((2, 8, 8, 1), np.uint8)
    >>> one, other = pixel_hashes(images).tolist()
    >>> one == other
    True
    """
    digests = [hashlib.blake2b(image.tobytes(), digest_size=8).digest() for image in pixels]
    return np.maximum(np.frombuffer(b"".join(digests), np.uint64), 1)


def neighbours(positions: Floats, others: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find pairs of places that lie within 1 arcsecond of one another.

    Parameters
    ----------
    positions, others
        Right ascension and declination in degrees, shape (object, 2); rows of NaN have no
        neighbour.

    Returns
    -------
    Array, Array
        Rows of the one and of the other, shape (pair,) each.

    Examples
    --------
    >>> places = np.array([[10.0, 20.0], [10.0, 20.0001], [11.0, 20.0]])
    >>> one, other = neighbours(places, places)
    >>> [pair for pair in zip(one.tolist(), other.tolist()) if pair[0] < pair[1]]
    [(0, 1)]
    """
    from scipy.spatial import cKDTree

    first = np.flatnonzero(np.isfinite(positions).all(axis=1))
    second = np.flatnonzero(np.isfinite(others).all(axis=1))
    chord = 2 * np.sin(np.radians(APART / 3600) / 2)
    pairs = cKDTree(_directions(positions[first])).query_ball_tree(
        cKDTree(_directions(others[second])), chord
    )
    one = np.repeat(np.arange(len(first)), [len(found) for found in pairs])
    other = np.array([place for found in pairs for place in found], np.int64)
    return first[one], second[other]


class Seen:
    """Remembers objects of a long table, to tell those that come again.

    Of every object it keeps 8 bytes of its image's hash and its place.

    Examples
    --------
    >>> seen, nowhere = Seen(), None
    >>> seen.add(np.array([7, 8, 7], np.uint64), nowhere)
    array([False, False,  True])
    >>> seen.add(np.array([8, 9, 0], np.uint64), nowhere)
    array([ True, False, False])
    """

    def __init__(self) -> None:
        self._hashes = np.zeros(0, np.uint64)
        self._places: list[Floats] = []

    def add(self, hashes: NDArray[np.uint64], positions: Floats | None) -> NDArray[np.bool_]:
        """Take in objects and tell which of them were there before, shape (object,).

        Parameters
        ----------
        hashes
            Hash of each image, shape (object,); 0 where there is none.
        positions
            Right ascension and declination in degrees, shape (object, 2), NaN where missing;
            or None.
        """
        again = np.isin(hashes, self._hashes) & (hashes > 0)
        _, first = np.unique(hashes, return_index=True)
        later = hashes > 0
        later[first] = False
        self._hashes = np.union1d(self._hashes, hashes[hashes > 0])
        if positions is None:
            return again | later
        one, other = neighbours(positions, positions)
        later[one[one > other]] = True
        for known in self._places:
            again[neighbours(positions, known)[0]] = True
        self._places.append(positions.astype(np.float64))
        return again | later


def _directions(positions: Floats) -> Floats:
    """Give unit vectors, shape (object, 3)."""
    longitude, latitude = np.radians(positions).T
    across = np.cos(latitude)
    return np.stack(
        [across * np.cos(longitude), across * np.sin(longitude), np.sin(latitude)], axis=1
    )
