"""Stage calibrate: a temperature and a lapse rate that make probabilities mean what they say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SHARPEST, FLATTEST = 0.05, 20.0

SPREAD = 0.5
"""Standard deviation of the logarithm of the temperature before any data: from 0.6 to 1.6."""

RIGHT = 100.0
"""Objects without a lapse that the lapse rate's prior stands for, beside one with: 1 in 101."""


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


@dataclass(frozen=True, kw_only=True, eq=False)
class Calibrator:
    r"""Makes posteriors of logits, by a temperature and a lapse rate.

    .. math:: p_k = (1 - \varepsilon)\, \mathrm{softmax}(z / T)_k + \varepsilon\, \pi_k

    Of some objects the image tells nothing, or the expert erred, however sure the network is:
    without a lapse rate (Wichmann & Hill 2001, Percept. Psychophys. 63, 1293, equation 1) a few
    of them flatten the posterior of all.

    Parameters
    ----------
    temperature
        T, divides the logits.
    lapse
        :math:`\varepsilon`, share of the objects whose class is as if drawn by the shares.
    shares
        :math:`\pi`, shares of the classes, shape (class,).
    """

    temperature: float = 1.0
    lapse: float = 0.0
    shares: Floats

    @classmethod
    def fit(
        cls,
        logits: Floats,
        labels: NDArray[np.int64],
        shares: Floats,
        kind: Literal["temperature", "lapse"],
    ) -> Self:
        r"""Fit temperature and lapse rate to objects that the network did not train on.

        The likeliest, with the prior of :func:`fit_temperature` and, of the lapse rate, a density
        that goes as :math:`\varepsilon (1 - \varepsilon)^{100}`.

        Parameters
        ----------
        logits
            Shape (object, class).
        labels
            Their classes, shape (object,).
        shares
            Shares of the classes, shape (class,).
        kind
            ``"temperature"`` for no lapses.
        """
        temperature, lapse = fit_temperature(logits, labels), 0.0
        if kind == "lapse":
            temperature, lapse = _fit_lapse(logits, labels, shares, temperature)
        return cls(temperature=temperature, lapse=lapse, shares=shares)

    def probabilities(self, logits: Floats) -> Floats:
        """Give the posterior of logits, shape (object, class).

        Examples
        --------
        >>> halves = np.array([0.5, 0.5])
        >>> Calibrator(lapse=0.02, shares=halves).probabilities(np.array([[50.0, 0.0]]))
        array([[0.99, 0.01]])
        """
        said = softmax(logits / self.temperature)
        return (1 - self.lapse) * said + self.lapse * self.shares

    def before(self, posterior: Floats) -> Floats:
        """Give back the softmax of the logits, shape (object, class); rows of NaN stay."""
        said = (posterior - self.lapse * self.shares) / (1 - self.lapse)
        return tempered(said, self.temperature)


def _fit_lapse(
    logits: Floats, labels: NDArray[np.int64], shares: Floats, temperature: float
) -> tuple[float, float]:
    """Fit temperature and lapse rate, from the best temperature without lapses and from half it."""
    from scipy.optimize import minimize
    from scipy.special import expit

    rows, chance = np.arange(len(labels)), shares[labels]

    def cost(place: Floats) -> tuple[float, Floats]:
        log_temperature, lapse = place[0], expit(place[1])
        scaled = logits / np.exp(log_temperature)
        all_said = softmax(scaled)
        said = all_said[rows, labels]
        found = np.maximum((1 - lapse) * said + lapse * chance, 1e-300)
        value = -np.log(found).sum() - np.log(lapse) - RIGHT * np.log1p(-lapse)
        value += 0.5 * (log_temperature / SPREAD) ** 2
        warmer = said * ((all_said * scaled).sum(axis=1) - scaled[rows, labels])
        slopes = [
            log_temperature / SPREAD**2 - (1 - lapse) * np.sum(warmer / found),
            RIGHT * lapse - (1 - lapse) - lapse * (1 - lapse) * np.sum((chance - said) / found),
        ]
        return value / len(labels), np.array(slopes) / len(labels)

    starts = [np.array([np.log(temperature / part), np.log(1 / RIGHT)]) for part in (1, 2)]
    bounds = [(np.log(SHARPEST), np.log(FLATTEST)), (-14.0, 0.0)]
    tried = [minimize(cost, start, jac=True, bounds=bounds) for start in starts]
    best = min(tried, key=lambda one: float(one.fun)).x
    return float(np.exp(best[0])), float(expit(best[1]))


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
