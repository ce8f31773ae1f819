"""A catalogue of predictions as a table: its columns are what users read for years."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from czsl.catalogue import Catalogue
from czsl.flags import Flag

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
    flags
        Sum of :class:`czsl.flags.Flag`, shape (object,).
    """

    image: Floats
    votes: Floats
    flags: NDArray[np.uint32]


def predictions_table(catalogue: Catalogue, posteriors: Posteriors) -> pa.Table:
    """Make the table of predictions.

    Parameters
    ----------
    catalogue
        The objects.
    posteriors
        What the model says of them.

    Returns
    -------
    pyarrow.Table
        The user's id column; ``class``; ``p_<class>``, at present the image's posterior;
        ``p_image_<class>``; ``p_votes_<class>``; ``n_votes``; ``tier``; ``flags``. What
        is not known is null.
    """
    image, votes = posteriors.image, posteriors.votes
    known = ~np.any(np.isnan(image), axis=1)
    names = np.array([*catalogue.classes, ""])
    best = np.where(known, np.where(known[:, None], image, 0.0).argmax(axis=1), -1)
    columns: dict[str, pa.Array] = {
        catalogue.config.catalogue.id: pa.array(catalogue.ids.tolist(), pa.string()),
        "class": pa.array(names[best].tolist(), pa.string(), mask=~known),
    }
    for prefix, values in (("p", image), ("p_image", image), ("p_votes", votes)):
        for index, name in enumerate(catalogue.classes):
            columns[f"{prefix}_{name}"] = _numbers(values[:, index])
    columns["n_votes"] = _numbers(votes_on(catalogue))
    columns["tier"] = pa.array(catalogue.tier.tolist(), pa.string())
    no_votes = np.where(catalogue.has_votes, 0, int(Flag.NO_VOTES))
    columns["flags"] = pa.array((posteriors.flags | no_votes).astype(np.int32))
    return pa.table(columns)


def votes_on(catalogue: Catalogue) -> Floats:
    """Give the number of volunteers on each object: the most over the questions, NaN if unknown."""
    if not catalogue.questions:
        return np.zeros(len(catalogue))
    totals = np.stack([votes.total for votes in catalogue.questions])  # (question, object)
    unknown = np.all(np.isnan(totals), axis=0)
    return np.where(unknown, np.nan, np.nan_to_num(totals).max(axis=0))


def _numbers(values: Floats) -> pa.Array:
    """Make a column of single-precision numbers; NaN becomes null."""
    return pa.array(values.astype(np.float32), pa.float32(), mask=np.isnan(values))
