"""What networks expect volunteers to say of an image, where its own votes taught them nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from czsl.stages.context import Context
from czsl.stages.infer import ClassReader
from czsl.stages.targets import Layout
from czsl.training import Start, Work, has_target, pretrained_on

Floats = NDArray[np.float64]


def expected_shares(work: Work, start: Start) -> Floats | None:
    """Give the logarithms of the shares of the answers that networks expect from images.

    All objects are dealt to two halves; a network is trained on the votes of each half, as
    the stage ``pretrain`` does it, and judges the other half. Votes on experts' objects train
    neither.

    Parameters
    ----------
    work
        The fit.
    start
        Where networks start.

    Returns
    -------
    Array
        Shape (object, answer), NaN where the image cannot be used or there are no votes; None
        where there are too few votes, or the recipe learns no shares from them.
    """
    settings = work.recipe.pretrain
    told = work.usable & has_target(work)
    teaching = told & ~work.catalogue.is_expert
    half = np.random.default_rng([work.context.seed, len(teaching)]).permutation(len(teaching)) % 2
    smallest = min(np.count_nonzero(teaching & (half == side)) for side in (0, 1))
    if settings is None or settings.targets == "majority" or smallest < 2:
        work.note(
            'transfer: image is left out: it takes the stage pretrain with targets = "shares" or '
            '"counts", and two objects or more with votes and without an expert\'s class in each '
            "of two halves"
        )
        return None
    shares = np.full(work.votes.counts.shape, np.nan)
    for side in (0, 1):
        rows = np.flatnonzero(teaching & (half != side))
        network = pretrained_on(work, start.weights, rows, stage=f"pretrain, half {side + 1}")
        reader = ClassReader(
            [network],
            layout=_answers_as_classes(work.votes.layout),
            from_answers=True,
            views=work.recipe.views,
            view=work.context.view,
            resampled=work.recipe.resampled,
            device=work.context.fabric.device,
        )
        judged = np.flatnonzero(told & (half == side))
        logs = _dealt(work.context, reader, judged)
        shares[judged] = question_logs(logs, work.votes.layout.questions)
    return shares


def _dealt(context: Context, reader: ClassReader, rows: NDArray[np.int64]) -> Floats:
    """Read objects, each process its share."""
    return context.ranks.dealt(rows, lambda some: reader.stored(context.images, some))


def question_logs(logs: Floats, questions: tuple[int, ...]) -> Floats:
    """Scale the shares of each question's answers so that they sum to 1.

    Parameters
    ----------
    logs
        Logarithms of the shares, shape (object, answer), all questions side by side.
    questions
        Number of answers of each question.

    Examples
    --------
    >>> np.exp(question_logs(np.log([[0.3, 0.1, 0.5]]), (2, 1))).round(3)
    array([[0.75, 0.25, 1.  ]])
    """
    parts = np.split(logs, np.cumsum(questions)[:-1], axis=1)
    return np.hstack([part - np.logaddexp.reduce(part, axis=1, keepdims=True) for part in parts])


def _answers_as_classes(layout: Layout) -> Layout:
    """Take every answer for a class of its own, and its share among those of its question."""
    return replace(
        layout,
        class_answers=np.eye(layout.answers),
        class_mirror=layout.answer_mirror,
        after=(),
    )
