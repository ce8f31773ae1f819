"""The chain of stages: from a catalogue and its images to networks, transfer and posteriors.

Every expert's object is scored out of fold: by a network that saw neither its class nor
its votes. The networks of all folds together are the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from czsl.catalogue import Catalogue, make_folds
from czsl.conclude import Judged, conclude, held_out_loss
from czsl.crossfit import FoldNetwork, fold_networks
from czsl.errors import CatalogueError, ConfigError
from czsl.expected import expected_shares
from czsl.learned import Learned
from czsl.recipes import Recipe
from czsl.scores import known_rows
from czsl.stages.context import Context
from czsl.stages.targets import transfer_inputs, vote_targets, weights_of_votes
from czsl.stages.transfer import FittedTransfer, fit_transfer
from czsl.train.checkpoint import Tensors
from czsl.training import Start, Work, begin, image_logits, nothing_learned

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

EVIDENCE = 20.0
"""How much likelier experts' classes have to be under another weight than the largest: with a dozen
experts' objects a difference is chance, and volunteers know more."""


def learn(
    catalogue: Catalogue, recipe: Recipe, context: Context, usable: NDArray[np.bool_]
) -> Learned:
    """Run the stages of a recipe over folds of the experts' objects.

    Parameters
    ----------
    catalogue
        Votes, classes, folds.
    recipe
        Settings of the stages; those that have nothing to learn from are left out.
    context
        Images, device, seed, folder of the stages' results.
    usable
        Whether each object's image can be used, shape (object,).

    Raises
    ------
    CatalogueError
        Where no stage has anything to learn from.
    ConfigError
        Where classes are to be read off answers, and one has none.
    """
    work = _begin(catalogue, recipe, context, usable)
    _check_stages(work)
    start = begin(work)
    transfers = _transfers(work)
    seeing, relabelling = _relabelling(work, start, transfers)
    taught = _networks(seeing, start, relabelling)
    transfer = _transfer(work, work.experts)
    rows = np.sort(np.concatenate([work.experts, work.held]))
    place = np.searchsorted(rows, work.experts)
    labels = catalogue.experts[rows]
    judged = Judged.nothing(len(rows), len(catalogue.classes))
    judged.weight[:] = weights_of_votes(catalogue)[rows]
    judged.folds[place] = work.folds
    judged.logits[place] = taught.logits
    judged.votes[place] = _votes_posterior(work, transfers)
    if len(work.held):
        held = np.searchsorted(rows, work.held)
        judged.held[held] = True
        judged.logits[held] = image_logits(work, list(taught.networks), work.held)
        judged.votes[held] = _judged_by(work, transfer, work.held)
    return Learned(
        **vars(conclude(judged, labels, work.recipe, work.votes.layout.class_mirror)),
        networks=taught.networks,
        from_answers=work.from_answers,
        transfer=transfer,
        autoencoder=start.autoencoder,
        choices=taught.choices,
        experts=rows,
        history=work.history,
        notes=tuple(work.notes),
    )


def _begin(
    catalogue: Catalogue, recipe: Recipe, context: Context, usable: NDArray[np.bool_]
) -> Work:
    """Put together what the steps share; deal the experts' objects."""
    experts = np.flatnonzero(catalogue.is_expert)
    recipe = recipe.for_senses(catalogue.config.classes.has_senses)
    held = _held_out(catalogue, experts, recipe, context.seed)
    work = Work(
        catalogue=catalogue,
        recipe=recipe,
        context=context,
        usable=usable,
        votes=vote_targets(catalogue),
        transfer=transfer_inputs(catalogue, recipe.transfer) if recipe.transfer else None,
        experts=experts[~held],
        folds=_folds(catalogue, experts[~held], recipe, context.seed),
        held=experts[held],
    )
    _note_folds(work)
    return work


def _held_out(catalogue: Catalogue, experts: Rows, recipe: Recipe, seed: int) -> NDArray[np.bool_]:
    """Choose the experts' objects that make the sets alone, a share of every class."""
    chosen = np.zeros(len(experts), bool)
    if recipe.sets is None or not recipe.sets.held_out:
        return chosen
    random = np.random.default_rng([seed, len(experts)])
    labels = catalogue.experts[experts]
    for label in np.unique(labels):
        inside = random.permutation(np.flatnonzero(labels == label))
        chosen[inside[: round(recipe.sets.held_out * len(inside))]] = True
    return chosen


def _folds(catalogue: Catalogue, experts: Rows, recipe: Recipe, seed: int) -> Rows:
    """Give the fold of each expert's object: the table's, or made by seed; -1 for no fold."""
    if recipe.folds == 1:
        return np.full(len(experts), -1)
    if len(experts) < 2:
        return np.zeros(len(experts), np.int64)
    if catalogue.folds is None:
        labels = catalogue.experts[experts]
        return make_folds(labels, _number_of_folds(labels, recipe.folds), seed)
    return np.unique(catalogue.folds[experts], return_inverse=True)[1].astype(np.int64)


def _number_of_folds(labels: Rows, folds: int) -> int:
    """Take fewer folds where a class has fewer objects, unless it has one, which no fold helps."""
    counts = np.bincount(labels)
    several = counts[counts > 1]
    return min(folds, len(labels), int(several.min()) if len(several) else folds)


def _note_folds(work: Work) -> None:
    """Say where a class has too few experts' objects for the folds."""
    if work.recipe.folds == 1 or work.catalogue.folds is not None or len(work.experts) < 2:
        return
    labels, made = work.catalogue.experts[work.experts], len(np.unique(work.folds))
    counts = np.bincount(labels, minlength=len(work.catalogue.classes))
    if made < work.recipe.folds:
        given = ", ".join(
            f"{one} {count}"
            for one, count in zip(work.catalogue.classes, counts.tolist(), strict=True)
        )
        work.note(
            f"{made} folds instead of {work.recipe.folds}: each is to have an expert's object of "
            f"every class, and there are {given}"
        )
    for alone in np.flatnonzero(counts == 1).tolist():
        work.note(
            f"{work.catalogue.classes[alone]!r} has one object with an expert's class: the network "
            "that judges it has seen none of its class, so its scores say little"
        )


def _check_stages(work: Work) -> None:
    """Note what the experts' objects cannot teach; refuse classes that nothing can tell."""
    recipe, classes = work.recipe, work.catalogue.config.classes
    if recipe.folds == 1:
        work.note(
            "folds = 1: one network learns from every expert's object, so that none is left to "
            "score it or to fit the temperature; compare it, or take 2 folds or more"
        )
    if not work.each_fold and recipe.finetune is not None:
        work.note(
            f"finetune is left out: {len(work.experts)} object(s) with an expert's class, and it "
            "takes two folds of them, so that each is scored by a network that never saw it"
        )
    elif work.unseen and recipe.finetune is not None:
        _note_unseen(work)
    missing = [name for name in classes.names if not classes.from_answers.get(name)]
    if work.from_answers and missing:
        raise ConfigError(
            f"[classes] from_answers: names no answer for {', '.join(map(repr, missing))}; without "
            "the stage finetune classes are read off the volunteers' answers, so name them"
        )


def _note_unseen(work: Work) -> None:
    """Say that experts' objects without images cannot teach networks, and what follows."""
    folds = ", ".join(str(fold + 1) for fold in work.unseen)
    why = f"no expert's object that teaches the network of fold {folds} has an image to use"
    if work.tunes:
        work.note(f"finetune: {why}, so transferred labels alone teach it its classes")
    else:
        work.note(f"finetune is left out: {why}, and no transferred labels stand in for them")


@dataclass(frozen=True, kw_only=True, eq=False)
class _Taught:
    """The networks of all folds, and what they say of the objects that each never saw."""

    networks: tuple[Tensors, ...]
    logits: Floats
    choices: tuple[dict[str, Any], ...] = ()


def _relabelling(
    work: Work, start: Start, transfers: list[FittedTransfer | None]
) -> tuple[Work, list[FittedTransfer | None]]:
    """Let the transfers that label the volunteers' objects see the image where that is better.

    Those that judge by the votes do not: the fusion joins image and votes.
    """
    settings, inputs, tuned = work.recipe.transfer, work.transfer, work.recipe.finetune
    labels = tuned is not None and any(tuned.transferred) and any(transfers)
    if settings is None or inputs is None or not (settings.image and labels):
        return work, transfers
    image = expected_shares(work, start)
    if image is None:
        return work, transfers
    seeing = replace(work, transfer=inputs.with_image(image))
    return seeing, _transfers(seeing)


def _transfers(work: Work) -> list[FittedTransfer | None]:
    """Fit a transfer for each fold, to the other folds' experts' objects."""
    return [_transfer(work, work.others(fold)) for fold in work.each_fold]


def _networks(work: Work, start: Start, transfers: list[FittedTransfer | None]) -> _Taught:
    """Train the networks: for each weight of the transferred labels, of which one stays."""
    own = work.recipe.pretrain is not None and work.recipe.pretrain.experts and work.each_fold
    if not (work.tunes or own):
        if start.pretrained is None:
            raise CatalogueError(nothing_learned(work))
        shared = dict(start.pretrained.state_dict())
        return _Taught(networks=(shared,), logits=image_logits(work, [shared], work.experts))
    weights = work.weights or (0.0,)
    made = fold_networks(work, start, transfers, weights)
    taught = [_judged(work, networks) for networks in made]
    labels = work.catalogue.experts[work.experts]
    losses = [held_out_loss(one.logits, labels) for one in taught]
    best = preferred(weights, losses, int(known_rows(taught[0].logits).sum()))
    for network in made[best]:
        work.history.extend(network.history)
    if len(weights) == 1:
        return taught[0]
    choices = tuple(
        {"transferred": weight, "log_loss": loss, "chosen": place == best}
        for place, (weight, loss) in enumerate(zip(weights, losses, strict=True))
    )
    return replace(taught[best], choices=choices)


def preferred(weights: Sequence[float], losses: Sequence[float], objects: int) -> int:
    """Choose a weight of the transferred labels: the largest, unless experts speak against it.

    Another is taken where the experts' classes are :data:`EVIDENCE` times as likely under it;
    of several such the likeliest.

    Parameters
    ----------
    weights
        The weights.
    losses
        Mean negative log-likelihood, out of fold, of the experts' classes under each.
    objects
        Over how many objects.

    Examples
    --------
    >>> preferred((0.0, 1.0), (0.10, 0.20), objects=9)
    1
    >>> preferred((0.0, 1.0), (0.10, 0.20), objects=90)
    0
    """
    against = np.where(np.array(weights) < max(weights), np.log(EVIDENCE), 0.0)
    return int(np.argmin(objects * np.array(losses) + against))


def _judged(work: Work, networks: list[FoldNetwork]) -> _Taught:
    """Let each fold's network judge the objects of that fold."""
    logits = np.full((len(work.experts), len(work.catalogue.classes)), np.nan)
    for fold, network in enumerate(networks):
        left = work.folds == fold
        logits[left] = image_logits(work, [network.weights], work.experts[left])
    return _Taught(networks=tuple(network.weights for network in networks), logits=logits)


def _votes_posterior(work: Work, transfers: list[FittedTransfer | None]) -> Floats:
    """Give the posterior of experts' objects from their votes, by the other folds' transfer."""
    posterior = np.full((len(work.experts), work.votes.layout.classes), np.nan)
    for fold, transfer in enumerate(transfers):
        left = work.folds == fold
        posterior[left] = _judged_by(work, transfer, work.experts[left])
    return posterior


def _judged_by(work: Work, transfer: FittedTransfer | None, rows: Rows) -> Floats:
    """Give the posterior of objects from their votes; NaN where there are none."""
    posterior = np.full((len(rows), work.votes.layout.classes), np.nan)
    if transfer is not None and work.transfer is not None:
        usable = work.transfer.usable[rows]
        posterior[usable] = transfer.probabilities(work.transfer.features[rows[usable]])
    return posterior


def _transfer(work: Work, training: Rows) -> FittedTransfer | None:
    """Fit the transfer to the training experts' objects that have votes."""
    settings, inputs = work.recipe.transfer, work.transfer
    if settings is None or inputs is None:
        return None
    if not work.transfers(training):
        work.note(
            "transfer is left out: it needs experts' objects of two classes or more that have votes"
        )
        return None
    rows = training[inputs.usable[training]]
    labels = work.catalogue.experts[rows]
    fitted = fit_transfer(settings, inputs, rows, labels, work.votes.layout, work.context.seed)
    for note in fitted.notes:
        work.note(f"transfer: {note}")
    if fitted.collapsed:
        work.note(
            f"transfer: the {settings.kind} collapsed, it has lost a class or more; its labels "
            "teach nothing of them"
        )
    return fitted
