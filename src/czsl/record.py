"""The experts' objects as a model keeps them: what sets, decisions and neighbours come from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from czsl.scores import known_rows
from czsl.stages.sets import Calibration

Floats = NDArray[np.float64]

SOURCES = ("image", "votes", "fused")
"""Where a posterior comes from."""

SHOWN = {
    "majority": "volunteers' majority",
    "votes": "votes (transfer)",
    "image": "image",
    "fused": "image and votes",
}
"""What the scores of a source are called; the posterior that counts comes last."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Record:
    """What was said out of fold of the objects that experts classified.

    Parameters
    ----------
    ids
        The objects, shape (object,).
    labels
        The experts' classes, shape (object,).
    image, votes, fused
        Posteriors out of fold or held out, shape (object, class); NaN where unknown.
    folds
        Fold of each, shape (object,); -1 for none.
    held
        Whether the object was held out of all teaching, shape (object,). Where there are
        such, they alone make the sets.
    weights
        Objects of the survey that each stands for, up to a factor, shape (object,).
    features
        Of the first network, shape (object, feature); NaN where the image cannot be used.
    prior
        Shares of the classes that the posteriors take for granted, shape (class,).
    mirror
        The class that each becomes when the image is mirrored, where the posterior from the
        image follows exactly, shape (class,); else each class itself.
    """

    ids: NDArray[np.str_]
    labels: NDArray[np.int64]
    image: Floats
    votes: Floats
    fused: Floats
    folds: NDArray[np.int64]
    held: NDArray[np.bool_]
    weights: Floats
    features: NDArray[np.float32]
    prior: Floats
    mirror: NDArray[np.int64]

    @property
    def fuses(self) -> bool:
        """Whether any object has a posterior that is fused."""
        both = known_rows(self.image) & known_rows(self.votes) & known_rows(self.fused)
        return bool(both.any())

    @cached_property
    def _rows(self) -> dict[str, int]:
        """The row of each object."""
        return {name: row for row, name in enumerate(self.ids.tolist())}

    def rows(self, ids: NDArray[np.str_]) -> NDArray[np.int64]:
        """Give the row of each object in this record, shape (object,); -1 where it has none."""
        return np.array([self._rows.get(name, -1) for name in ids.tolist()], np.int64)

    def posterior(self, source: str) -> Floats:
        """Give the posteriors from one source."""
        return {"image": self.image, "votes": self.votes, "fused": self.fused}[source]

    def calibration(self, source: str) -> Calibration | None:
        """Give what makes the sets of a source; None where there is nothing to make them of.

        Its objects are numbered by their rows.

        Parameters
        ----------
        source
            ``"image"``, ``"votes"`` or ``"fused"``.
        """
        posterior = self.posterior(source)
        if source == "fused":
            posterior = where_fused(self.image, self.votes, posterior)
        made = Calibration.of(posterior, self.labels, self.weights, self.held)
        # Volunteers may prefer one sense of rotation: with their votes a mirror is no mirror.
        return made.with_mirror_images(self.mirror) if made and source == "image" else made

    def best(self) -> Floats:
        """Give each object's best posterior: fused, or of what there is."""
        return best_posterior(self.image, self.votes, self.fused)

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Name every array, to keep them."""
        text = json.dumps(self.ids.tolist(), ensure_ascii=False).encode()  # ids are any text
        return {
            "ids": np.frombuffer(text, np.uint8).copy(),
            "labels": self.labels,
            # As they are: sets compare posteriors with them, and what was equal stays equal.
            "image": self.image,
            "votes": self.votes,
            "fused": self.fused,
            "folds": self.folds,
            "held": self.held.astype(np.uint8),
            "weights": self.weights,
            "features": self.features.astype(np.float16),
            "prior": self.prior,
            "mirror": self.mirror,
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[np.generic]]) -> Record:
        """Make a record from the arrays that :meth:`arrays` named."""
        ids = json.loads(arrays["ids"].tobytes())
        posteriors = {name: arrays[name].astype(np.float64) for name in SOURCES}
        return cls(
            **posteriors,
            ids=np.array(ids, dtype=np.str_),
            labels=arrays["labels"].astype(np.int64),
            folds=arrays["folds"].astype(np.int64),
            held=arrays["held"].astype(bool),
            weights=arrays["weights"].astype(np.float64),
            features=arrays["features"].astype(np.float32),
            prior=arrays["prior"].astype(np.float64),
            mirror=arrays["mirror"].astype(np.int64),
        )


def where_fused(image: Floats, votes: Floats, fused: Floats) -> Floats:
    """Give the fused posterior where there are two to fuse: elsewhere one stands in for it.

    Parameters
    ----------
    image, votes, fused
        Shape (object, class); rows of NaN where unknown.
    """
    return np.where((known_rows(image) & known_rows(votes))[:, None], fused, np.nan)


def best_posterior(image: Floats, votes: Floats, fused: Floats) -> Floats:
    """Give the fused posterior where it is known, else the image's, else the votes'.

    Parameters
    ----------
    image, votes, fused
        Shape (object, class); rows of NaN where unknown.

    Examples
    --------
    >>> nothing = np.full((1, 2), np.nan)
    >>> best_posterior(nothing, np.array([[0.3, 0.7]]), nothing)
    array([[0.3, 0.7]])
    """
    first = np.where(known_rows(image)[:, None], image, votes)
    return np.where(known_rows(fused)[:, None], fused, first)
