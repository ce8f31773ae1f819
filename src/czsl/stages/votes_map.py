"""The map from votes to experts' classes that the default recipe fits, and what it falls back to.

A logistic regression, quadratic in the shares of the votes. Its weights are shrunk to those of the
calibrated majority, which few experts change little; without votes the experts' shares are left.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from czsl.crowd.features import question_places
from czsl.stages.fitted_transfer import ABSENT, FittedTransfer, with_products
from czsl.stages.ridge import deal_folds, fit_ridge, paired_gain
from czsl.stages.targets import Layout, TransferInputs

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

PENALTY = 0.1
"""Inverse prior variance of the weights, about those of the majority, for inputs from 0 to 1."""

VOTE_WORTH = 4 * np.log(4)
"""Logit of all votes there could be for one class, times their weight n / (n + 3): a single vote,
of weight 1 / 4, makes that class four times as likely."""

FOLDS = 5

THINNED = 2
"""How often each object is shown with fewer votes."""

THINNED_WEIGHT = 0.2
"""Weight of such a row against one with all votes."""

FEW_VOTES = 20
"""Votes that thinning keeps: any number from one to this, small ones as often as large ones."""

IMAGE_USED = "what the network expects from the image is used beside the votes"
IMAGE_UNUSED = (
    "what the network expects from the image is not used: it foretells experts' classes that were "
    "left out no better than votes alone"
)

CLEARLY = 2.0
"""Standard errors by which the majority has to be better: with one, 100 experts fell back on it in
a tenth of the fits, which cost more than it saved."""

FALLEN_BACK = (
    "the calibrated majority is used in place of the fitted map: it foretells experts' classes "
    "that were left out better; more experts' objects may change that"
)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Design:
    """Rows to fit, their features scaled and multiplied.

    Parameters
    ----------
    values
        Shape (row, input).
    labels, weights, places
        Class, weight and expert's object of each row; the first rows are the objects as they are.
    mean, scale, pairs
        What made the inputs of the features.
    offset
        Logits of the classes' shares, shape (class,).
    centre
        Weights that the fitted ones are shrunk to, shape (input, class).
    spread
        How far from there each input's weights are expected, shape (input,), 1 for most.
    """

    values: Floats
    labels: Rows
    weights: Floats
    places: Rows
    mean: Floats
    scale: Floats
    pairs: Rows
    offset: Floats
    centre: Floats
    spread: Floats

    def fit(self, kept: NDArray[np.bool_]) -> Floats:
        """Fit the quadratic map to some rows; give its weights, shape (input, class)."""
        present = np.flatnonzero(self.offset > ABSENT)
        values, weight = self.values[kept], self.centre.copy()
        # Weights of a smaller prior deviation are those of an input that is so much smaller.
        weight[:, present] += self.spread[:, None] * fit_ridge(
            values * self.spread,
            np.searchsorted(present, self.labels[kept]),
            self.weights[kept],
            offset=(self.offset + values @ self.centre)[:, present],
            penalty=PENALTY,
        )
        return weight

    def losses(self, weight: Floats, rows: Rows) -> Floats:
        """Give the negative log-likelihood of rows under a map's weights, shape (row,)."""
        logits = self.offset + self.values[rows] @ weight
        logs = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
        losses: Floats = -logs[np.arange(len(rows)), self.labels[rows]]
        return losses

    def left_out(self, folds: Rows) -> Floats:
        """Give the losses of each object as it is under the map fitted without its fold."""
        losses = np.zeros(len(folds))
        for fold in np.unique(folds):
            out = np.flatnonzero(folds == fold)
            losses[out] = self.losses(self.fit(folds[self.places] != fold), out)
        return losses


def fit_votes_map(
    inputs: TransferInputs, rows: Rows, labels: Rows, layout: Layout, *, seed: int, image: bool
) -> FittedTransfer:
    """Fit the map, with the image where that is clearly better, or the calibrated majority.

    "Clearly" is by more than a standard error of the paired difference of the likelihoods of
    experts' objects that were left out. The order of the rows does not matter.

    Parameters
    ----------
    inputs
        What is told of every object.
    rows
        Experts' objects that have votes, shape (row,); one may be there more than once.
    labels
        Their classes, shape (row,).
    layout
        Answers, classes, how they mirror, and which answers make which class.
    seed
        Seed of the folds and of the thinned votes.
    image
        Whether the image may be used, where the inputs tell of it.
    """
    order = np.lexsort((*inputs.features[rows].T, labels))
    rows, labels = rows[order], labels[order]
    _, first, places = np.unique(rows, return_index=True, return_inverse=True)
    folds = deal_folds(first[places], labels, FOLDS, seed)
    design = _design(inputs, rows, labels, layout, seed=seed, image=False)
    answered, seen = _has_majority(layout, labels), image and inputs.image is not None
    losses = design.left_out(folds) if answered or seen else np.zeros(0)
    notes = _slips(inputs, rows, labels, layout)
    gain, error, uses_image = np.nan, np.nan, False
    if seen:
        seeing = _design(inputs, rows, labels, layout, seed=seed, image=True)
        found = seeing.left_out(folds)
        gain, error = paired_gain(losses, found)
        uses_image = gain > error
        notes.append(IMAGE_USED if uses_image else IMAGE_UNUSED)
        design, losses = (seeing, found) if uses_image else (design, losses)
    majority = _majority(design.offset, layout, inputs, len(design.centre), beside=True)
    fallback = False
    if answered:
        better, spread = paired_gain(losses, design.losses(majority, np.arange(len(folds))))
        fallback = better > CLEARLY * spread
    if fallback:
        notes.append(FALLEN_BACK)
    everything = np.ones(len(design.labels), bool)
    weight = majority if fallback else design.fit(everything)
    return FittedTransfer(
        mean=design.mean,
        scale=design.scale,
        weights=(weight,),
        biases=(design.offset,),
        collapsed=False,
        pairs=design.pairs,
        uses_image=uses_image,
        image_gain=gain,
        image_gain_error=error,
        fallback=fallback,
        notes=tuple(notes),
    )


def _design(
    inputs: TransferInputs,
    rows: Rows,
    labels: Rows,
    layout: Layout,
    *,
    seed: int,
    image: bool,
) -> _Design:
    """Show the objects as they are, with a class alone, with few votes; then all mirrored."""
    features = _variants(inputs, rows, layout, seed)
    weights = [1.0] * (len(features) - THINNED) + [THINNED_WEIGHT] * THINNED
    mirror = inputs.mirror
    if image:
        told = inputs.matrix(rows, image=True)[:, inputs.features.shape[1] :]
        features = [np.hstack([part, told]) for part in features]
        start, known = len(mirror), len(mirror) + layout.answers
        mirror = np.concatenate([mirror, start + layout.answer_mirror, [known]])
    taught, repeated = labels, len(features)
    classes = [labels] * repeated
    if not np.array_equal(mirror, np.arange(len(mirror))):
        features = features + [part[:, mirror] for part in features]
        classes += [layout.class_mirror[labels]] * repeated
        weights = weights * 2
        taught = np.concatenate([labels, layout.class_mirror[labels]])
    shares = np.bincount(taught, minlength=layout.classes) / len(taught)
    extra = _vote_features(layout) + np.arange(len(inputs.extra_names))
    columns = extra
    if image:
        columns = np.concatenate([extra, len(inputs.mirror) + np.arange(layout.answers)])
    mean, scale = _scaling(features[0], columns)
    missing = extra + len(extra)  # a column that is never missing, or always, tells nothing by it
    scale[missing[np.ptp(features[0][:, missing], axis=0) == 0]] = np.inf
    pairs = _pairs(layout, inputs, image)
    offset = np.where(shares > 0, np.log(np.maximum(shares, 1e-300)), ABSENT)
    centre = _majority(offset, layout, inputs, len(mean) + len(pairs), beside=False)
    return _Design(
        values=with_products((np.vstack(features) - mean) / scale, pairs),
        labels=np.concatenate(classes),
        weights=np.repeat(weights, len(rows)),
        places=np.tile(np.arange(len(rows)), len(features)),
        mean=mean,
        scale=scale,
        pairs=pairs,
        offset=offset,
        centre=centre if _has_majority(layout, labels) else np.zeros_like(centre),
        spread=np.concatenate([np.ones(len(mean)), _product_spread(pairs, extra)]),
    )


def _variants(inputs: TransferInputs, rows: Rows, layout: Layout, seed: int) -> list[Floats]:
    """Give the features of the objects as they are, of a class alone, and of few votes."""
    variants = [inputs.features[rows]]
    if inputs.labels_alone is not None:
        variants.append(inputs.labels_alone[rows])
    random = np.random.default_rng(seed)
    for _ in range(THINNED):
        # As many draws from 1 to 4 votes as from 5 to 20.
        votes = np.exp(random.uniform(0, np.log(FEW_VOTES + 1), len(rows))).astype(np.int64)
        variants.append(inputs.thinned(rows, votes, layout.questions, random))
    return variants


def _scaling(features: Floats, columns: Rows) -> tuple[Floats, Floats]:
    """Centre some columns and divide them by 3 deviations; leave shares and weights as they are.

    Shares are from 0 to 1, so all inputs have about the same spread, and a rare answer is not
    blown up to that of a common one.
    """
    mean, scale = np.zeros(features.shape[1]), np.ones(features.shape[1])
    for column in columns:
        known = features[~np.isnan(features[:, column]), column]
        if len(known):
            mean[column] = known.mean()
            scale[column] = 3 * known.std() if np.ptp(known) > 0 else 1.0
    return mean, scale


def _pairs(layout: Layout, inputs: TransferInputs, image: bool) -> Rows:
    """Pair the features of each question, and those of the extra columns.

    What the image says is paired with the number of votes, beside which it means less.
    """
    votes = _vote_places(layout, len(inputs.extra_names))
    extra = _vote_features(layout) + np.arange(len(inputs.extra_names))
    blocks = [place for block in votes for place in block]
    pairs = [(a, b) for block in (*blocks, extra) for a in block for b in block[block >= a]]
    if image:
        start = inputs.features.shape[1]
        for again in votes:
            for block, answers in zip(again, _split(layout), strict=True):
                pairs += [(block[-1], start + answer) for answer in answers]
    return np.array(pairs, np.int64).reshape(-1, 2)


def _product_spread(pairs: Rows, extra: Rows) -> Floats:
    """Give the prior deviation of each product's weight, shape (pair,).

    The products of extra columns share the variance of one input: of five columns there are 15,
    often of much the same, which few experts cannot tell apart.
    """
    columns = np.isin(pairs[:, 0], extra)
    return np.where(columns, 1 / np.sqrt(max(columns.sum(), 1)), 1.0)


def _vote_features(layout: Layout) -> int:
    """Count the features of all questions; the extra columns come behind them."""
    return 2 * layout.answers + len(layout.questions)


def _vote_places(layout: Layout, extra: int) -> list[list[Rows]]:
    """Give the places of each question's shares and weight, twice where extra columns are."""
    first = question_places(layout.questions)
    behind = _vote_features(layout) + 2 * extra + 1
    return [first, [behind + block for block in first]] if extra else [first]


def _split(layout: Layout) -> list[Rows]:
    """Give the places of each question's answers among all answers."""
    places: list[Rows] = np.split(np.arange(layout.answers), np.cumsum(layout.questions)[:-1])
    return places


def _has_majority(layout: Layout, labels: Rows) -> bool:
    """Tell whether each class that experts gave is made of some answer."""
    answered = layout.class_answers.sum(axis=0) > 0
    return bool(answered[np.unique(labels)].all())


def _majority(
    offset: Floats, layout: Layout, inputs: TransferInputs, size: int, *, beside: bool
) -> Floats:
    """Give the weights of the calibrated majority, shape (input, class).

    Its logits are (1 - w) ln(share of the class) + a w (share of the votes for it), with
    w = n / (n + 3): the experts' shares without votes, the volunteers' majority with many.
    Along a tree of questions the shares are those of all votes, the w that of the first question.
    Beside extra columns, which may say the same as votes, it is so only where asked for.
    """
    asked, taken = [layout.class_answers[answers] for answers in _split(layout)], _taken(layout)
    prior = np.where(offset > ABSENT, offset, 0.0)
    weight = np.zeros((size, layout.classes))
    for again in _vote_places(layout, len(inputs.extra_names))[: 2 if beside else 1]:
        for places, part, off in zip(again, asked, taken, strict=True):
            weight[places[:-1]] = VOTE_WORTH * part - np.outer(off[:-1], prior)
            weight[places[-1]] = -prior * off[-1]
    return weight


def _taken(layout: Layout) -> list[Floats]:
    """Say how much each question takes off the experts' shares, as weights of its features.

    Questions that are asked alike share it. An answer that makes no class leaves it to the
    questions after it, where any of their answers make one: without votes on these that part of
    the experts' shares stays.

    Returns
    -------
    list
        For each question the weights of its weighted shares and, last, of its weight, shape
        (answer + 1,).
    """
    after = layout.after or (None,) * len(layout.questions)
    made = [layout.class_answers[answers].sum(axis=1) > 0 for answers in _split(layout)]
    tells = [bool(part.any()) for part in made]
    for place, led in reversed(list(enumerate(after))):
        if led is not None and tells[place]:
            tells[led[0]] = True
    telling = [led for led, one in zip(after, tells, strict=True) if one]
    taken: list[Floats] = []
    left: list[Floats] = []  # what each answer leaves to the questions after it
    for place, led in enumerate(after):
        whole = 1.0 if led is None else left[led[0]][led[1]]
        part = float(whole * tells[place] / max(telling.count(led), 1))
        leads = np.array([(place, one) in telling for one in range(len(made[place]))])
        left.append(np.where(leads & ~made[place], part, 0.0))
        # Where everyone is asked the weighted shares sum to the weight; elsewhere to less, which
        # is 0 where the question has no votes.
        weights = [0.0, part] if led is None else [part, 0.0]
        taken.append(np.append(weights[0] - left[-1], weights[1]))
    return taken


def _slips(inputs: TransferInputs, rows: Rows, labels: Rows, layout: Layout) -> list[str]:
    """Note what the experts' objects cannot teach."""
    found = [
        f"no expert's object of class {name!r} has votes; votes cannot tell it, only images can"
        for place, name in enumerate(layout.class_names)
        if place not in labels
    ]
    if inputs.counts is not None:
        voted = inputs.counts[rows].sum(axis=0) > 0
        found += [
            f"no expert's object has a vote for {name!r}; what such votes mean is not learned"
            for name, given in zip(layout.answer_names, voted, strict=False)
            if not given
        ]
    for place, name in enumerate(inputs.extra_names):
        column = inputs.features[rows, _vote_features(layout) + place]
        known: Floats = column[~np.isnan(column)]
        if not len(known):
            found.append(f"extra column {name!r} is missing for every expert's object; unused")
        elif np.ptp(known) == 0:
            found.append(f"extra column {name!r} is {known[0]:g} for every expert's object; unused")
    return found
