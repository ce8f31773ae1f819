"""Stage calibrate: one temperature that makes probabilities mean what they say."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SHARPEST, FLATTEST = 0.05, 20.0

SPREAD = 0.5
"""Standard deviation of the logarithm of the temperature before any data: from 0.6 to 1.6."""


def softmax(logits: Floats) -> Floats:
    """Turn logits into probabilities, shape (object, class), rows sum to 1.

    Examples
    --------
    >>> softmax(np.array([[0.0, 0.0]]))
    array([[0.5, 0.5]])
    """
    exponential = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: Floats = exponential / exponential.sum(axis=1, keepdims=True)
    return probabilities


def fit_temperature(logits: Floats, labels: NDArray[np.int64], *, spread: float = SPREAD) -> float:
    r"""Fit the temperature that makes labels most likely, held near 1 where they are few.

    .. math:: T = \arg\max_T \sum_i \ln \mathrm{softmax}(z_i / T)_{y_i}
        - \frac{(\ln T)^2}{2 s^2}

    (Guo et al. 2017, ICML, PMLR 70, 1321, section 4.2, with a normal prior of ln T), between
    0.05 and 20. Without the prior a dozen objects that are all judged rightly would make the
    network certain of everything.

    Parameters
    ----------
    logits
        Logits z of objects that the network did not train on, shape (object, class).
    labels
        Their classes y, shape (object,).
    spread
        s, the standard deviation of ln T before any data; infinite for no prior.

    Returns
    -------
    float
        T; above 1 where the network was too sure.

    Examples
    --------
    >>> logits = np.array([[2.0, 0.0], [2.0, 0.0], [2.0, 0.0], [2.0, 0.0]])
    >>> round(fit_temperature(logits, np.array([0, 0, 0, 1]), spread=np.inf), 2)
    1.82
    >>> round(fit_temperature(logits, np.array([0, 0, 0, 0])), 2)
    0.82
    """
    from scipy.optimize import minimize_scalar

    def cost(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        largest = scaled.max(axis=1)
        norm = largest + np.log(np.exp(scaled - largest[:, None]).sum(axis=1))
        surprise = np.sum(norm - scaled[np.arange(len(labels)), labels])
        return float(surprise + 0.5 * (log_temperature / spread) ** 2) / len(labels)

    found = minimize_scalar(cost, bounds=(np.log(SHARPEST), np.log(FLATTEST)), method="bounded")
    return float(np.exp(found.x))


def tempered(posterior: Floats, temperature: float) -> Floats:
    r"""Give the posterior at another temperature: :math:`p_k^T` over its sum.

    Parameters
    ----------
    posterior
        Shape (object, class); rows of NaN stay.
    temperature
        With the temperature that the logits were divided by, gives the posterior before.

    Examples
    --------
    >>> logits = np.array([[2.0, 0.0]])
    >>> bool(np.allclose(tempered(softmax(logits / 3), 3), softmax(logits)))
    True
    """
    return softmax(temperature * np.log(np.maximum(posterior, 1e-12)))
