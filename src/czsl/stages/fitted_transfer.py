"""A fitted transfer: from votes to the probability of each class, as plain numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from czsl.errors import ArgumentError

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

ABSENT = -30.0
"""Logit of a class that no expert's object with votes has: votes cannot tell it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedTransfer:
    """A transfer as numbers, kept without pickle and applied without scikit-learn.

    Inputs are scaled; where there are pairs, values beyond -1 and 1 are cut, missing ones are
    0, and products of pairs of inputs are inputs too; then come layers with ReLU between
    them.

    Parameters
    ----------
    mean, scale
        Of each input, shape (feature,): inputs are (x - mean) / scale.
    weights
        Matrix of each layer, shape (given, made); the last makes one logit per class.
    biases
        Bias of each layer, shape (made,).
    collapsed
        Whether it has lost a class: it finds less than a tenth of the objects of that class
        that it was fitted on.
    pairs
        Inputs whose products are inputs too, shape (pair, 2); None for the perceptron.
    uses_image
        Whether its features end with those of the image.
    image_gain, image_gain_error
        By how much the image lowers the mean negative log-likelihood of experts' classes
        that were left out, in nats, and the standard error; NaN where it was not tried.
    fallback
        Whether it is the calibrated majority, which foretold experts' classes better.
    notes
        What the experts' objects could not teach, and which model was taken.
    """

    mean: Floats
    scale: Floats
    weights: tuple[Floats, ...]
    biases: tuple[Floats, ...]
    collapsed: bool
    pairs: Rows | None = None
    uses_image: bool = False
    image_gain: float = np.nan
    image_gain_error: float = np.nan
    fallback: bool = False
    notes: tuple[str, ...] = ()

    def probabilities(self, features: Floats) -> Floats:
        r"""Give the probability of each class, :math:`q(y \mid \mathrm{votes})`.

        Parameters
        ----------
        features
            Shape (object, feature).

        Returns
        -------
        Array
            Shape (object, class), rows sum to 1. A 0 says that votes cannot tell this class: no
            expert's object with votes has it.

        Raises
        ------
        ArgumentError
            Where there are more or fewer features than it was fitted on.
        """
        if features.shape[1] != len(self.mean):
            image = ", those of the image among them" if self.uses_image else ""
            raise ArgumentError(
                f"features: got {features.shape[1]} columns; this transfer was fitted on "
                f"{len(self.mean)}{image}; give TransferInputs.matrix(rows, uses_image) of the "
                "same answers and extra columns"
            )
        values = (features - self.mean) / self.scale
        if self.pairs is not None:
            values = with_products(values, self.pairs)
        layers = list(zip(self.weights, self.biases, strict=True))
        for weight, bias in layers[:-1]:
            values = np.maximum(values @ weight + bias, 0.0)
        logits = values @ layers[-1][0] + layers[-1][1]
        if self.pairs is not None:
            logits = np.where(layers[-1][1] > ABSENT, logits, -np.inf)
        exponential = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities: Floats = exponential / exponential.sum(axis=1, keepdims=True)
        return probabilities

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Name every array, to keep them."""
        layers = enumerate(zip(self.weights, self.biases, strict=True))
        named: dict[str, NDArray[Any]] = {f"weight{i}": w for i, (w, _) in layers}
        named |= {f"bias{i}": bias for i, bias in enumerate(self.biases)}
        if self.pairs is not None:
            named["pairs"] = self.pairs
            chosen = (self.uses_image, self.image_gain, self.image_gain_error, self.fallback)
            named["chosen"] = np.array(chosen, dtype=float)
        return {"mean": self.mean, "scale": self.scale, **named}

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]], *, collapsed: bool) -> FittedTransfer:
        """Make a transfer from the arrays that :meth:`arrays` named."""
        layers = range(sum(name.startswith("weight") for name in arrays))
        image, gain, error, fallback = arrays.get("chosen", (0.0, np.nan, np.nan, 0.0))
        return cls(
            mean=arrays["mean"],
            scale=arrays["scale"],
            weights=tuple(arrays[f"weight{i}"] for i in layers),
            biases=tuple(arrays[f"bias{i}"] for i in layers),
            collapsed=collapsed,
            pairs=arrays.get("pairs"),
            uses_image=bool(image),
            image_gain=float(gain),
            image_gain_error=float(error),
            fallback=bool(fallback),
        )


def with_products(values: Floats, pairs: Rows) -> Floats:
    """Cut scaled inputs to [-1, 1], put 0 for missing ones, and add products of pairs.

    Examples
    --------
    >>> with_products(np.array([[0.5, 3.0, np.nan]]), np.array([[0, 0], [0, 1]]))
    array([[0.5 , 1.  , 0.  , 0.25, 0.5 ]])
    """
    known = np.clip(np.where(np.isnan(values), 0.0, values), -1.0, 1.0)
    return np.hstack([known, known[:, pairs[:, 0]] * known[:, pairs[:, 1]]])
