"""Objects that a table holds twice: at the same place, or with the same image."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Numbers = NDArray[np.uint64]

APART = 1.0
"""Separation in arcseconds within which two rows are one object."""

STEPS = 1000
"""Places are kept to so many parts of an arcsecond."""

CIRCLE = 360 * 3600 * STEPS

ZONE_BITS = 41
"""Bits of a place's number below those of its zone: 31 of right ascension, 10 of declination."""


def pixel_hashes(pixels: NDArray[np.uint8]) -> Numbers:
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
    return np.maximum(np.frombuffer(b"".join(digests), np.uint64), np.uint64(1))


def duplicates_within(positions: Floats) -> NDArray[np.int64]:
    """Find for each object of a table the first row within 1 arcsecond, if it is an earlier one.

    Places that are equal to a thousandth of an arcsecond are compared once, and pairs are
    never listed, so that a table in which thousands of objects stand at one place, or crowd
    within an arcsecond, takes no more memory than another.

    Parameters
    ----------
    positions
        Right ascension and declination in degrees, shape (object, 2); rows with a NaN are at
        no place.

    Returns
    -------
    Array
        Row of the earlier object, shape (object,); -1 where there is none.

    Examples
    --------
    >>> duplicates_within(np.array([[10.0, 20.0], [11.0, 20.0], [10.0, 20.0001]])).tolist()
    [-1, -1, 0]
    """
    earlier = np.full(len(positions), -1)
    placed = np.flatnonzero(np.isfinite(positions).all(axis=1))
    if len(placed) < 2:
        return earlier
    places, first, which = np.unique(
        place_numbers(positions[placed]), return_index=True, return_inverse=True
    )
    order = np.argsort(first)
    earliest = first.copy()  # (place,)
    earliest[order] = first[order][_first_near(_directions(places[order]))]
    found = placed[earliest[which.ravel()]]
    earlier[placed] = np.where(found < placed, found, -1)
    return earlier


class Seen:
    """Remembers objects of a long table, to tell those that come again.

    Of every object it keeps 16 bytes: its image's hash, and its place in thousandths of an
    arcsecond.

    Examples
    --------
    >>> seen, nowhere = Seen(), None
    >>> seen.add(np.array([7, 8, 7], np.uint64), nowhere)
    array([False, False,  True])
    >>> seen.add(np.array([8, 9, 0], np.uint64), nowhere)
    array([ True, False, False])
    """

    def __init__(self) -> None:
        self._hashes, self._places = _Runs(), _Runs()

    @property
    def bytes(self) -> int:
        """Memory that is taken."""
        return sum(run.nbytes for kept in (self._hashes, self._places) for run in kept.runs)

    def add(self, hashes: Numbers, positions: Floats | None) -> NDArray[np.bool_]:
        """Take in objects and tell which of them were there before, shape (object,).

        Parameters
        ----------
        hashes
            Hash of each image, shape (object,); 0 where there is none.
        positions
            Right ascension and declination in degrees, shape (object, 2), NaN where missing;
            or None.
        """
        again = self._hashes.holds(hashes)
        _, first = np.unique(hashes, return_index=True)
        later = np.ones(len(hashes), bool)
        later[first] = False
        again = (again | later) & (hashes > 0)
        self._hashes.add(hashes[hashes > 0])
        if positions is not None:
            again |= duplicates_within(positions) >= 0
            placed = np.flatnonzero(np.isfinite(positions).all(axis=1))
            numbers = place_numbers(positions[placed])
            new = ~again[placed]  # the others are told already
            again[placed[new]] = _near_any(numbers[new], self._places)
            self._places.add(numbers)
        return again


def place_numbers(positions: Floats) -> Numbers:
    """Give every place a number, shape (object,): its zone of declination, then its angles.

    Zones are 1 arcsecond high, so that whatever lies within 1 arcsecond of a place is in its
    zone or the next to it, and there in one stretch of right ascension (Gray, Nieto-Santisteban
    & Szalay 2006, MSR-TR-2006-52).

    Parameters
    ----------
    positions
        Right ascension and declination in degrees, shape (object, 2), finite.
    """
    steps = np.rint((positions + np.array([0.0, 90.0])) * 3600 * STEPS).astype(np.int64)
    zone, within = np.divmod(steps[:, 1], STEPS)
    right = steps[:, 0] % CIRCLE
    numbers: Numbers = ((zone << ZONE_BITS) | (right << 10) | within).astype(np.uint64)
    return numbers


def _angles(numbers: Numbers) -> Floats:
    """Give right ascension and declination in radians, shape (object, 2), of places' numbers."""
    whole = numbers.astype(np.int64)
    right = (whole >> 10) & ((1 << (ZONE_BITS - 10)) - 1)
    up = (whole >> ZONE_BITS) * STEPS + (whole & 1023)
    return np.radians(np.stack([right, up], axis=1) / (3600 * STEPS) - [0, 90])


def _directions(numbers: Numbers) -> Floats:
    """Give unit vectors, shape (object, 3), of places' numbers."""
    longitude, latitude = _angles(numbers).T
    across = np.cos(latitude)
    return np.stack(
        [across * np.cos(longitude), across * np.sin(longitude), np.sin(latitude)], axis=1
    )


_CHORD = 2 * np.sin(np.radians(APART / 3600) / 2)
"""Length of the chord between unit vectors that are so far apart."""


LEAF = 16
"""So few points are looked at one by one."""

PAIRS = 2**17
"""Pairs whose distance is taken at once, some 20 MB."""


def _first_near(points: Floats) -> NDArray[np.int64]:
    """Find for each point the first that lies within 1 arcsecond, which may be itself.

    Points are halved: those with a neighbour in the first half look on there, the others in
    the second. No pairs are listed, which would be quadratic where many points crowd.

    Parameters
    ----------
    points
        Unit vectors, shape (point, 3).

    Examples
    --------
    >>> _first_near(_directions(place_numbers(np.array([[10.0, 20.0], [10, 30], [10, 20.0001]]))))
    array([0, 1, 0])
    """
    from scipy.spatial import cKDTree

    first = np.arange(len(points))
    least = _CHORD * (1 + 1e-9)  # scipy finds what is nearer than a bound, not what is at it
    distance, _ = cKDTree(points).query(points, k=2, distance_upper_bound=least)
    crowd = np.flatnonzero(distance[:, 1] <= _CHORD)
    todo = [(0, len(crowd), crowd)]
    while todo:
        start, end, asking = todo.pop()
        middle = (start + end) // 2
        if end - start <= LEAF:
            _look(points, crowd[start:end], asking, first)
        elif len(asking):
            half = cKDTree(points[crowd[start:middle]])
            distance, _ = half.query(points[asking], distance_upper_bound=least)
            todo.append((start, middle, asking[distance <= _CHORD]))
            todo.append((middle, end, asking[distance > _CHORD]))
    return first


def _look(
    points: Floats,
    among: NDArray[np.int64],
    asking: NDArray[np.int64],
    first: NDArray[np.int64],
) -> None:
    """Note the first of some points near each that asks, one after another."""
    for one in among:
        if not len(asking):
            return
        near = np.linalg.norm(points[asking] - points[one], axis=1) <= _CHORD
        first[asking[near]] = one
        asking = asking[~near]


def _near_any(numbers: Numbers, known: _Runs) -> NDArray[np.bool_]:
    """Tell which places lie within 1 arcsecond of a known one, shape (object,)."""
    near = np.zeros(len(numbers), bool)
    directions = _directions(numbers)
    for rows, low, high in _stretches(numbers):
        for run in known.runs:
            start = np.searchsorted(run, low)
            ends = np.cumsum(np.searchsorted(run, high, side="right") - start)
            offset = start - np.concatenate([[0], ends])[:-1]
            for begin in range(0, int(ends[-1]) if len(ends) else 0, PAIRS):
                pairs = np.arange(begin, min(begin + PAIRS, int(ends[-1])))
                asked = np.searchsorted(ends, pairs, side="right")
                other = _directions(run[pairs + offset[asked]])
                chords = np.linalg.norm(directions[rows[asked]] - other, axis=1)
                near[rows[asked[chords <= _CHORD]]] = True
    return near


def _stretches(numbers: Numbers) -> Iterator[tuple[NDArray[np.int64], Numbers, Numbers]]:
    """Give rows of places, and the least and greatest number of stretches around them."""
    order = np.argsort(numbers)  # numbers in order are found sooner
    right, up = _angles(numbers[order]).T
    zone = (numbers[order] >> ZONE_BITS).astype(np.int64)
    middle = np.rint(np.degrees(right) * 3600 * STEPS).astype(np.int64)
    # Right ascension spreads towards a pole, and is all of the circle around it.
    ratio = np.sin(np.radians(APART / 3600)) / np.maximum(np.cos(up), 1e-12)
    reach = np.degrees(np.arcsin(np.minimum(ratio, 1))) * 3600 * STEPS
    reach = np.where(ratio >= 1, CIRCLE, np.ceil(reach) + 1).astype(np.int64)
    for turn in (-CIRCLE, 0, CIRCLE):
        low = np.maximum(middle + turn - reach, 0)
        high = np.minimum(middle + turn + reach, CIRCLE - 1)
        for step in (-1, 0, 1):
            there = np.flatnonzero((low <= high) & (zone + step >= 0))
            base = (zone[there] + step) << ZONE_BITS
            least, greatest = base | (low[there] << 10), base | (high[there] << 10) | 1023
            yield order[there], least.astype(np.uint64), greatest.astype(np.uint64)


class _Runs:
    """Numbers in sorted runs, each at least twice as long as the next: cheap to add to."""

    def __init__(self) -> None:
        self.runs: list[Numbers] = []

    def add(self, numbers: Numbers) -> None:
        """Take in numbers; what is there already is kept once."""
        merged = np.unique(numbers)
        while self.runs and len(self.runs[-1]) < 2 * len(merged):
            merged = _union(self.runs.pop(), merged)
        self.runs.append(merged)

    def holds(self, numbers: Numbers) -> NDArray[np.bool_]:
        """Tell which numbers are there, shape (number,)."""
        held = np.zeros(len(numbers), bool)
        for run in self.runs:
            if len(run):
                place = np.minimum(np.searchsorted(run, numbers), len(run) - 1)
                held |= run[place] == numbers
        return held


def _union(one: Numbers, other: Numbers) -> Numbers:
    """Join two sorted runs; of long ones hardly more than the result is ever in memory."""
    joined = np.concatenate([one, other])
    joined.sort(kind="stable")  # which finds the two runs and merges them
    new = np.ones(len(joined), bool)
    np.not_equal(joined[1:], joined[:-1], out=new[1:])
    return joined if new.all() else joined[new]
