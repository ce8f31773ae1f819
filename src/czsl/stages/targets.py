"""What images should give, and what the transfer is told, as arrays over all objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from czsl.catalogue import Catalogue, Given, majority_class
from czsl.catalogue.tree import After, asked_after, first_answers
from czsl.catalogue.votes import mirror_order
from czsl.config import ClassesSettings, VotesSettings
from czsl.crowd.features import (
    LABEL_VOTES,
    extra_features,
    mirrored_features,
    thinned_counts,
    tree_features,
    trusted_counts,
    votes_weight,
)
from czsl.errors import ArgumentError, ConfigError, nearest
from czsl.recipes import Transfer
from czsl.scores import known_rows

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Layout:
    """How answers and classes stand side by side, and how they hang together.

    Parameters
    ----------
    questions
        Number of answers of each question, in order.
    answer_mirror
        The answer that each becomes when the image is mirrored, shape (answer,), the
        answers of all questions side by side.
    class_mirror
        The class that each becomes when the image is mirrored, shape (class,).
    class_answers
        Which answers make each class, shape (answer, class), 0 or 1.
    after
        For each question the answer after which alone it is asked; nothing where every question
        is asked of everyone. Read classes off shares of :func:`czsl.catalogue.tree.whole_shares`.
    answer_names, class_names
        What notes call them; none where nobody is told.
    """

    questions: tuple[int, ...]
    answer_mirror: Rows
    class_mirror: Rows
    class_answers: Floats
    after: tuple[After, ...] = ()
    answer_names: tuple[str, ...] = ()
    class_names: tuple[str, ...] = ()

    @property
    def answers(self) -> int:
        """Number of answers over all questions."""
        return sum(self.questions)

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.class_mirror)


@dataclass(frozen=True, kw_only=True, eq=False)
class VoteTargets:
    """What volunteers said of every object.

    Parameters
    ----------
    layout
        The answers and the classes.
    counts
        Votes to learn from, shape (object, answer); zeros where nothing is given.
    majority
        Class of the volunteers' majority, shape (object,); -1 for none.
    """

    layout: Layout
    counts: Floats
    majority: Rows


@dataclass(frozen=True, kw_only=True, eq=False)
class TransferInputs:
    """What the transfer is told of every object.

    Parameters
    ----------
    features
        Shape (object, feature).
    usable
        Whether there is anything to tell, shape (object,).
    mirror
        The feature that each becomes when the image is mirrored, shape (feature,).
    labels_alone
        The features as if only the volunteers' class were known of every object, shape
        (object, feature); None where that is so of no object, or the transfer has no use
        for it.
    counts
        Votes that may be thinned, shape (object, answer); None where the transfer has no use
        for them.
    extra_names
        Names of the extra columns.
    after
        For each question the answer after which alone it is asked, as in the layout.
    image
        Logarithms of the shares of the answers that a network expects from the image, and
        that was not trained on the object's own votes, shape (object, answer), NaN where
        there is none; None where nothing is told of images.
    """

    features: Floats
    usable: NDArray[np.bool_]
    mirror: Rows
    labels_alone: Floats | None = None
    counts: Floats | None = None
    extra_names: tuple[str, ...] = ()
    after: tuple[After, ...] = ()
    image: Floats | None = None

    def matrix(self, rows: Rows | NDArray[np.bool_], image: bool) -> Floats:
        """Give the features of some objects, those of the image behind those of the votes.

        Parameters
        ----------
        rows
            Objects.
        image
            Whether the image's features are asked for: see
            :attr:`~czsl.stages.transfer.FittedTransfer.uses_image`. Of an object without
            they are NaN.

        Returns
        -------
        Array
            Shape (row, feature).
        """
        features = self.features[rows]
        return np.hstack([features, self._image(rows)]) if image else features

    def thinned(
        self, rows: Rows, votes: Rows, questions: Sequence[int], random: np.random.Generator
    ) -> Floats:
        """Give the features as if so many of the votes were known, and no extra column.

        Extra columns come from all votes, so they are hidden here.

        Parameters
        ----------
        rows
            Objects, shape (row,).
        votes
            Votes to keep on each, shape (row,).
        questions
            Number of answers of each question.
        random
            Draws.

        Returns
        -------
        Array
            Shape (row, feature), without the image's.
        """
        assert self.counts is not None
        counts = thinned_counts(self.counts[rows], questions, votes, random)
        hidden = np.full((len(rows), len(self.extra_names)), np.nan)
        return features_of_counts(counts, questions, hidden, self.after)

    def with_image(self, image: Floats) -> TransferInputs:
        """Add what a network expects from the images, shape (object, answer)."""
        return replace(self, image=image)

    def _image(self, rows: Rows | NDArray[np.bool_]) -> Floats:
        """Give the image's features: log shares, then whether they are known."""
        if self.image is None:
            raise ArgumentError(
                "image: the transfer was fitted with what the image shows, and nothing is told "
                "of the images; give the log shares of the answers with with_image()"
            )
        image = self.image[rows]
        return np.hstack([image, known_rows(image)[:, None]])


def features_of_counts(
    counts: Floats, questions: Sequence[int], extra: Floats, after: Sequence[After] = ()
) -> Floats:
    """Give the logistic transfer's features of votes and extra columns.

    Parameters
    ----------
    counts
        Votes, shape (object, answer), the answers of all questions side by side.
    questions
        Number of answers of each question.
    extra
        Extra columns, shape (object, column); NaN where missing.
    after
        For each question the answer after which alone it is asked; nothing where there is none.

    Returns
    -------
    Array
        Shape (object, feature).
    """
    parts = np.split(counts, np.cumsum(questions)[:-1], axis=1) if len(questions) else []
    number = [part.sum(axis=1, keepdims=True) for part in parts]
    shares = [part / np.maximum(n, 1e-12) for part, n in zip(parts, number, strict=True)]
    return _stacked(shares, parts, extra, after)


def make_layout(votes: Sequence[VotesSettings], classes: ClassesSettings) -> Layout:
    """Lay out the answers and classes of a configuration."""
    answers = [answer for question in votes for answer in question.names]
    mirrors, start = [np.zeros(0, np.int64)], 0
    for question in votes:
        mirrors.append(start + mirror_order(question.names, question.mirror))
        start += len(question.names)
    led = {answer: question.after for question in votes for answer in question.names}
    class_answers = np.zeros((len(answers), len(classes.names)))
    for name, parts in classes.from_answers.items():
        for part in first_answers(parts, led):
            class_answers[answers.index(part), classes.names.index(name)] = 1
    return Layout(
        questions=tuple(len(question.names) for question in votes),
        answer_mirror=np.concatenate(mirrors),
        class_mirror=mirror_order(classes.names, classes.mirror),
        class_answers=class_answers,
        after=asked_after([one.after for one in votes], [one.names for one in votes]),
        answer_names=tuple(answers),
        class_names=tuple(classes.names),
    )


def vote_targets(catalogue: Catalogue) -> VoteTargets:
    """Put the votes of a catalogue in the form that the network learns from."""
    return VoteTargets(
        layout=make_layout(catalogue.config.votes, catalogue.config.classes),
        counts=np.hstack([np.zeros((len(catalogue), 0)), *_counts(catalogue)]),
        majority=majority_class(catalogue),
    )


def weights_of_votes(catalogue: Catalogue) -> Floats:
    """Say how much could be learned from the votes on each object, shape (object,); 0 without."""
    counts = _counts(catalogue)
    return votes_weight(counts) if counts else np.zeros(len(catalogue))


def transfer_inputs(catalogue: Catalogue, settings: Transfer) -> TransferInputs:
    """Put the votes of a catalogue in the form that a transfer learns from.

    The published perceptron takes the shares of the answers as they are; objects that
    lack one of its inputs it cannot judge. The logistic transfer takes the features of
    :func:`czsl.crowd.features.tree_features`.
    """
    fractions = [votes.fractions for votes in catalogue.questions]
    columns = _extra_columns(catalogue, settings)
    if settings.kind == "perceptron":
        inputs = np.hstack([columns[:, :0], *fractions, columns])
        known = catalogue.has_votes & known_rows(inputs)
        mirror = np.arange(inputs.shape[1])
        return TransferInputs(features=np.nan_to_num(inputs), usable=known, mirror=mirror)
    counts = _counts(catalogue)
    after = make_layout(catalogue.config.votes, catalogue.config.classes).after
    features = _stacked(fractions, counts, columns, after)
    alone = [votes.given == Given.LABEL for votes in catalogue.questions]
    labels_alone = None
    if any(label.any() for label in alone):
        pluralities = [_plurality(share) for share in fractions]
        alone_votes = [LABEL_VOTES * np.nan_to_num(plurality) for plurality in pluralities]
        labels_alone = _stacked(pluralities, alone_votes, columns, after)
    mirrors = [votes.mirror for votes in catalogue.questions]
    return TransferInputs(
        features=features,
        usable=catalogue.has_votes,
        mirror=mirrored_features(mirrors, columns.shape[1]),
        labels_alone=labels_alone,
        counts=np.hstack([columns[:, :0], *counts]),
        extra_names=_extra_names(catalogue, settings),
        after=after,
    )


def _extra_columns(catalogue: Catalogue, settings: Transfer) -> Floats:
    """Give the extra columns that the settings take, shape (object, column).

    Raises
    ------
    ConfigError
        Where the settings name a column that the catalogue does not have.
    """
    names = _extra_names(catalogue, settings)
    for name in names:
        if name not in catalogue.extra_names:
            raise ConfigError(
                f"[recipe] transfer: 'extra' names {name!r}, which [votes] extra does not; "
                f"{nearest(name, catalogue.extra_names)}"
            )
    return catalogue.extra[:, [catalogue.extra_names.index(name) for name in names]]


def _extra_names(catalogue: Catalogue, settings: Transfer) -> tuple[str, ...]:
    """Name the extra columns that the settings take."""
    if isinstance(settings.extra, bool):
        return tuple(catalogue.extra_names) if settings.extra else ()
    return settings.extra


def _stacked(
    fractions: list[Floats], counts: list[Floats], columns: Floats, after: Sequence[After]
) -> Floats:
    """Put the features of all questions and the extra columns side by side.

    Beside extra columns votes mean something else, so they then stand behind them, times
    the share of these that is known, and before them times the rest.
    """
    votes = np.hstack([columns[:, :0], *tree_features(fractions, counts, after)])
    if not columns.shape[1]:
        return votes
    extra = extra_features(columns)
    return np.hstack([votes * (1 - extra[:, -1:]), extra, votes * extra[:, -1:]])


def _plurality(fractions: Floats) -> Floats:
    """Give all votes to the answer that has most; NaN where nothing is given."""
    given = known_rows(fractions)[:, None]
    return np.where(given, np.eye(fractions.shape[1])[fractions.argmax(axis=1)], np.nan)


def one_hot(labels: Rows, classes: int) -> Tensor:
    """Turn class numbers into probabilities of 0 and 1, shape (object, class).

    Examples
    --------
    >>> one_hot(np.array([1, 0]), 2)
    tensor([[0., 1.],
            [1., 0.]])
    """
    return functional.one_hot(torch.from_numpy(labels), classes).float()


def _counts(catalogue: Catalogue) -> list[Floats]:
    """Give the votes of each question that the likelihood is to count."""
    return [
        trusted_counts(
            votes.fractions,
            votes.total,
            label=votes.given == Given.LABEL,
            counts=votes.unit == "counts",
        )
        for votes in catalogue.questions
    ]
