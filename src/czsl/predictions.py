"""A catalogue of predictions as a table: its columns are what users read for years."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from czsl.catalogue import Catalogue
from czsl.flags import Flag
from czsl.names import BETWEEN, POSTERIORS, posterior_names
from czsl.record import best_posterior
from czsl.scores import known_rows
from czsl.verdicts import Verdicts

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Posteriors:
    """What a model says of some objects.

    Attributes
    ----------
    image
        Posterior from the image, shape (object, class); rows of NaN where the image
        cannot be used.
    votes
        Posterior from the votes, shape (object, class); rows of NaN where there are none.
    fused
        Posterior from both, shape (object, class): that of the one where the other is
        missing, NaN where both are; all NaN in models that do not fuse.
    flags
        Sum of :class:`czsl.flags.Flag`, shape (object,).
    hashes
        Hash of each image's pixels, shape (object,), uint64; 0 where it was not
        looked at.
    """

    image: Floats
    votes: Floats
    fused: Floats
    flags: NDArray[np.uint32]
    hashes: NDArray[np.uint64]

    def marked(self, duplicates: NDArray[np.bool_]) -> Posteriors:
        """Give the same with the flag of duplicates where it is true, shape (object,)."""
        more = np.where(duplicates, np.uint32(Flag.DUPLICATE), np.uint32(0))
        return replace(self, flags=self.flags | more)

    @property
    def best(self) -> Floats:
        """The posterior that counts: fused, or else the image's, or else the votes'."""
        return best_posterior(self.image, self.votes, self.fused)

    @property
    def source(self) -> NDArray[np.str_]:
        """Where that comes from, shape (object,): a name of ``SOURCES``, or ``""``."""
        seen, voted = known_rows(self.image), known_rows(self.votes)
        both = np.where(known_rows(self.fused), "fused", "image")
        alone = np.where(seen, "image", np.where(voted, "votes", ""))
        return np.where(seen & voted, both, alone)


def predictions_table(catalogue: Catalogue, posteriors: Posteriors, verdicts: Verdicts) -> pa.Table:
    """Make the table of predictions.

    Parameters
    ----------
    catalogue
        The objects.
    posteriors
        What the model says of them.
    verdicts
        What is decided of them.

    Returns
    -------
    pyarrow.Table
        The user's id column; ``class``; ``p_<class>`` and ``source``, which says where it
        comes from: ``fused``, ``image`` or ``votes``; ``set``, the classes that cannot be
        ruled out with ``|`` between them; ``p_image_<class>``; ``p_votes_<class>``;
        ``n_votes``; ``tier``; ``flags``. What is not known is null.
    """
    names = np.array([*catalogue.classes, ""])
    source, sets = posteriors.source, verdicts.sets
    unknown = np.array([name == "" for name in source.tolist()], bool)
    columns: dict[str, pa.Array] = {
        catalogue.config.catalogue.id: pa.array(catalogue.ids.tolist(), pa.string()),
        "class": words(names[verdicts.decided], verdicts.decided < 0),
    }
    best, image, votes = POSTERIORS
    columns |= posterior_columns(best, verdicts.posterior, catalogue.classes)
    columns["source"] = words(source, unknown)
    empty: NDArray[np.bool_] = ~np.any(sets, axis=1, keepdims=True)[:, 0]
    columns["set"] = words(set_names(sets, catalogue.classes), empty)
    columns |= posterior_columns(image, posteriors.image, catalogue.classes)
    columns |= posterior_columns(votes, posteriors.votes, catalogue.classes)
    columns["n_votes"] = _whole_numbers(votes_on(catalogue))
    columns["tier"] = pa.array(catalogue.tier.tolist(), pa.string())
    columns["flags"] = pa.array(posteriors.flags.astype(np.int32))
    return pa.table(columns)


def set_names(sets: NDArray[np.bool_], classes: Sequence[str]) -> NDArray[np.str_]:
    """Write sets of classes as words, shape (object,).

    Parameters
    ----------
    sets
        Whether each class is in the set, shape (object, class).
    classes
        Names of the classes.

    Examples
    --------
    >>> set_names(np.array([[True, False], [True, True]]), ["early", "late"]).tolist()
    ['early', 'early|late']
    """
    kinds, which = np.unique(sets, axis=0, return_inverse=True)
    words = [BETWEEN.join(np.array(classes)[kind].tolist()) for kind in kinds]
    named: NDArray[np.str_] = np.array(words, dtype=np.str_)[which.ravel()]
    return named


def posterior_columns(
    prefix: str, posterior: Floats, classes: Sequence[str]
) -> dict[str, pa.Array]:
    """Make a column for each class."""
    names = posterior_names(prefix, classes)
    return {name: _numbers(posterior[:, k]) for k, name in enumerate(names)}


def words(values: NDArray[np.str_], missing: NDArray[np.bool_]) -> pa.Array:
    """Make a column of words."""
    return pa.array(values.tolist(), pa.string(), mask=missing)


def votes_on(catalogue: Catalogue) -> Floats:
    """Give the number of volunteers on each object, the most over the questions, shape (object,).

    0 where nothing is given; NaN where votes are given, and on no question their number.
    """
    if not catalogue.questions:
        return np.zeros(len(catalogue))
    totals = np.stack([votes.total for votes in catalogue.questions])  # (question, object)
    most = np.nan_to_num(totals).max(axis=0)
    return np.where(np.isnan(totals).any(axis=0) & (most == 0), np.nan, most)


def _numbers(values: Floats) -> pa.Array:
    """Make a column of single-precision numbers; NaN becomes null."""
    return pa.array(values.astype(np.float32), pa.float32(), mask=np.isnan(values))


def _whole_numbers(values: Floats) -> pa.Array:
    """Make a column of whole numbers, whatever their size; NaN becomes null."""
    missing = np.isnan(values)
    # 64 bits end at 2^63, and the last double below it is 2^63 - 1024.
    whole = np.clip(np.where(missing, 0, values), 0, 2.0**63 - 1024).astype(np.int64)
    return pa.array(whole, mask=missing)
