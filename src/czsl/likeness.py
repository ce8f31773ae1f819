"""How like one another images are: the training's, the experts', those of a survey."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from czsl.images.store import ImageStore
from czsl.stages.infer import ClassReader
from czsl.stages.novelty import FittedNovelty, fit_novelty
from czsl.stages.representative import TwoSample, two_sample

LOOKED_AT = 5000
"""Images besides the experts' that are looked at: enough for a quantile of .995."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Likeness:
    """What images look like to the first network of a model.

    Attributes
    ----------
    features
        Of the experts' objects, shape (expert, feature); NaN where the image cannot be used.
    novelty
        Tells images unlike those of the catalogue; None where there are too few.
    two_sample
        Whether the experts' images can be told from the others; None where there are too few.
    """

    features: NDArray[np.float32]
    novelty: FittedNovelty | None
    two_sample: TwoSample | None


def look(
    reader: ClassReader, images: ImageStore, experts: NDArray[np.int64], seed: int
) -> Likeness:
    """Look at the images of a catalogue through the first network of a model.

    Parameters
    ----------
    reader
        That network alone: what others say of the images is not asked.
    images
        The catalogue's images.
    experts
        Rows of experts' objects, shape (expert,).
    seed
        Of the choice of the images that are looked at.
    """
    usable = images.usable[experts]
    seen = reader.read_stored(images, experts[usable]).features
    others = np.setdiff1d(np.flatnonzero(images.usable), experts)
    chosen = np.random.default_rng([seed, len(others)]).permutation(others)[:LOOKED_AT]
    rest = reader.read_stored(images, np.sort(chosen)).features
    width = max(seen.shape[1], rest.shape[1])
    features = np.full((len(experts), width), np.nan, np.float32)
    features[usable] = seen.reshape(-1, width)
    everything = np.vstack([seen.reshape(-1, width), rest.reshape(-1, width)])
    return Likeness(
        features=features,
        novelty=fit_novelty(everything.astype(np.float64), seed),
        two_sample=two_sample(seen.astype(np.float64), rest.astype(np.float64), seed)
        if len(seen) and len(rest)
        else None,
    )
