"""The chain of stages: from a catalogue and its images to networks, transfer and temperature.

Every expert's object is scored out of fold: by a network that saw neither its class nor
its votes. The networks of all folds together are the model.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from czsl.catalogue import Catalogue, make_folds
from czsl.errors import CatalogueError, ConfigError
from czsl.learned import Learned
from czsl.nets.network import Network, make_network
from czsl.recipes import Finetune, Recipe
from czsl.stages.calibrate import fit_temperature, softmax
from czsl.stages.context import Context
from czsl.stages.finetune import Labels, finetune, from_scratch
from czsl.stages.infer import ClassReader
from czsl.stages.pretrain import pretrain
from czsl.stages.reconstruct import reconstruct
from czsl.stages.targets import (
    TransferInputs,
    VoteTargets,
    transfer_inputs,
    vote_targets,
)
from czsl.stages.transfer import FittedTransfer, fit_transfer
from czsl.train.checkpoint import Tensors, without_prefix

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Work:
    """What the steps below share."""

    catalogue: Catalogue
    recipe: Recipe
    context: Context
    usable: NDArray[np.bool_]
    votes: VoteTargets
    transfer: TransferInputs | None
    experts: Rows
    folds: Rows
    history: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def each_fold(self) -> range:
        """The folds; none where no expert's object can be scored by what others taught.

        With a single network there is one, which leaves no object out.
        """
        if self.recipe.folds == 1 and len(self.experts) > 1:
            return range(1)
        folds = len(np.unique(self.folds))
        return range(folds if folds > 1 else 0)

    @property
    def tunes(self) -> bool:
        """Whether experts' classes train the networks."""
        return self.recipe.finetune is not None and bool(self.each_fold)

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def record(self, stage: str, fold: int | None, epochs: list[dict[str, Any]]) -> None:
        number = None if fold is None else fold + 1
        self.history.extend({"stage": stage, "fold": number, **epoch} for epoch in epochs)


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
    experts = np.flatnonzero(catalogue.is_expert)
    work = _Work(
        catalogue=catalogue,
        recipe=recipe,
        context=context,
        usable=usable,
        votes=vote_targets(catalogue),
        transfer=transfer_inputs(catalogue, recipe.transfer) if recipe.transfer else None,
        experts=experts,
        folds=_folds(catalogue, experts, recipe, context.seed),
    )
    _check_stages(work)
    start, autoencoder = _start(work)
    shared = _pretrained(work, start, fold=None)
    transfers = [_transfer(work, experts[work.folds != fold]) for fold in work.each_fold]
    own = recipe.pretrain is not None and recipe.pretrain.experts and bool(work.each_fold)
    networks, logits = [], np.full((len(experts), len(catalogue.classes)), np.nan)
    if work.tunes or own:
        for fold, transfer in enumerate(transfers):
            network = _fold(work, start, shared, fold, transfer)
            networks.append({name: value.clone() for name, value in network.state_dict().items()})
            scored = np.flatnonzero(work.folds == fold)
            logits[scored] = _image_logits(work, network, experts[scored])
    else:
        if shared is None:
            raise CatalogueError(_nothing_learned(work))
        networks.append(dict(shared.state_dict()))
        logits[:] = _image_logits(work, shared, experts)
    votes = _votes_posterior(work, transfers)
    return _learned(work, networks, autoencoder, logits, votes)


def _folds(catalogue: Catalogue, experts: Rows, recipe: Recipe, seed: int) -> Rows:
    """Give the fold of each expert's object: the table's, or made by seed; -1 for no fold."""
    if recipe.folds == 1:
        return np.full(len(experts), -1)
    if len(experts) < 2:
        return np.zeros(len(experts), np.int64)
    if catalogue.folds is None:
        return make_folds(catalogue.experts[experts], min(recipe.folds, len(experts)), seed)
    return np.unique(catalogue.folds[experts], return_inverse=True)[1].astype(np.int64)


def _check_stages(work: _Work) -> None:
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
    missing = [name for name in classes.names if not classes.from_answers.get(name)]
    if _from_answers(work) and missing:
        raise ConfigError(
            f"[classes] from_answers: names no answer for {', '.join(map(repr, missing))}; without "
            "the stage finetune classes are read off the volunteers' answers, so name them"
        )


def _nothing_learned(work: _Work) -> str:
    """Say that no stage taught a network, and why."""
    told = "".join(f"; {note}" for note in work.notes)
    return (
        f"{work.catalogue.config.table}: nothing teaches a network its classes: neither pretrain "
        f"nor finetune has anything to learn from{told}; give volunteers' votes or experts' "
        "classes, or leave the stages in the recipe"
    )


def _network(work: _Work) -> Network:
    """Make the recipe's network with the weights of its seed."""
    return make_network(
        work.recipe.network,
        channels=work.context.channels,
        size=work.context.view,
        width=work.recipe.width,
        questions=work.votes.layout.questions,
        classes=work.votes.layout.classes,
        seed=work.context.seed,
    )


def _start(work: _Work) -> tuple[Tensors, Tensors | None]:
    """Give the weights that every network starts from, and those of a trained autoencoder."""
    network, autoencoder = _network(work), None
    if work.recipe.reconstruct is not None:
        # Images of experts' objects stay unseen, so that their scores are honest.
        rows = np.flatnonzero(work.usable & ~work.catalogue.is_expert)
        if len(rows) < 2:
            work.note("reconstruct is left out: every object has an expert's class")
        else:
            autoencoder, epochs = reconstruct(work.context, rows, work.recipe.reconstruct)
            work.record("reconstruct", None, epochs)
            encoder = without_prefix("convolutions", autoencoder)
            network.encoder.convolutions.load_state_dict(encoder)  # type: ignore[union-attr]
    return dict(network.state_dict()), autoencoder


def _pretrained(work: _Work, start: Tensors, fold: int | None) -> Network | None:
    """Give a network trained on volunteers' votes; of a fold's own where experts' votes train."""
    settings = work.recipe.pretrain
    if settings is None or (settings.experts and work.each_fold and fold is None):
        return None
    allowed = work.usable & ~work.catalogue.is_expert
    if settings.experts and fold is not None:
        allowed[work.experts[work.folds != fold]] = work.usable[work.experts[work.folds != fold]]
    rows = np.flatnonzero(allowed & _has_target(work))
    if len(rows) < 2:
        work.note("pretrain is left out: no object without an expert's class has votes to use")
        return None
    network = _network(work)
    network.load_state_dict(start)
    context = work.context if fold is None else work.context.for_fold(fold)
    weights, epochs = pretrain(
        context, network, work.votes, rows, settings, sampling=work.recipe.sampling
    )
    work.record("pretrain", fold, epochs)
    network.load_state_dict(weights)
    return network


def _has_target(work: _Work) -> NDArray[np.bool_]:
    """Tell which objects pretrain can learn from."""
    settings = work.recipe.pretrain
    if settings is not None and settings.targets == "majority":
        return work.votes.majority >= 0
    voted: NDArray[np.bool_] = np.any(work.votes.counts > 0, axis=1)
    return voted


def _fold(
    work: _Work,
    start: Tensors,
    shared: Network | None,
    fold: int,
    transfer: FittedTransfer | None,
) -> Network:
    """Train one fold's network."""
    pretrained = shared or _pretrained(work, start, fold)
    network = _network(work)
    network.load_state_dict(start if pretrained is None else pretrained.state_dict())
    if work.recipe.finetune is not None:
        settings = work.recipe.finetune
        if pretrained is None and work.recipe.reconstruct is None:
            settings = from_scratch(settings)
        _finetune(work, network, work.experts[work.folds != fold], transfer, settings, fold)
    elif pretrained is None:
        raise CatalogueError(_nothing_learned(work))
    return network


def _votes_posterior(work: _Work, transfers: list[FittedTransfer | None]) -> Floats:
    """Give the posterior of experts' objects from their votes, by the other folds' transfer."""
    posterior = np.full((len(work.experts), work.votes.layout.classes), np.nan)
    for fold, transfer in enumerate(transfers):
        if transfer is not None and work.transfer is not None:
            judged = (work.folds == fold) & work.transfer.usable[work.experts]
            features = work.transfer.features[work.experts[judged]]
            posterior[judged] = transfer.probabilities(features)
    return posterior


def _transfer(work: _Work, training: Rows) -> FittedTransfer | None:
    """Fit the transfer to the training experts' objects that have votes."""
    settings, inputs = work.recipe.transfer, work.transfer
    if settings is None or inputs is None:
        return None
    rows = training[inputs.usable[training]]
    labels = work.catalogue.experts[rows]
    if len(np.unique(labels)) < 2:
        work.note(
            "transfer is left out: it needs experts' objects of two classes or more that have votes"
        )
        return None
    fitted = fit_transfer(settings, inputs, rows, labels, work.votes.layout, work.context.seed)
    if fitted.collapsed:
        work.note(
            f"transfer: the {settings.kind} collapsed, it has lost a class or more; its labels "
            "teach nothing of them"
        )
    return fitted


def _finetune(
    work: _Work,
    network: Network,
    training: Rows,
    transfer: FittedTransfer | None,
    settings: Finetune,
    fold: int,
) -> None:
    """Train a network, in place, on the experts' classes and the transferred labels."""
    experts = training[work.usable[training]]
    volunteers = np.zeros(0, np.int64)
    transferred = np.zeros((0, work.votes.layout.classes))
    if transfer is not None and work.transfer is not None and settings.transferred:
        volunteers = np.flatnonzero(work.usable & work.transfer.usable & ~work.catalogue.is_expert)
        transferred = transfer.probabilities(work.transfer.features[volunteers])
    labels = Labels(
        experts=experts,
        classes=work.catalogue.experts[experts],
        volunteers=volunteers,
        transferred=transferred,
    )
    context = work.context.for_fold(fold)
    weights, epochs = finetune(
        context, network, work.votes, labels, settings, sampling=work.recipe.sampling
    )
    work.record("finetune", fold, epochs)
    network.load_state_dict(weights)


def _from_answers(work: _Work) -> bool:
    """Tell whether nothing taught the classes' head, so that answers must say the class."""
    pretrain = work.recipe.pretrain
    return not work.tunes and pretrain is not None and pretrain.targets == "counts"


def _image_logits(work: _Work, network: Network, rows: Rows) -> Floats:
    """Give the class logits of objects; NaN where the image cannot be used."""
    device = work.context.fabric.device
    reader = ClassReader(
        [network.to(device)],
        layout=work.votes.layout,
        from_answers=_from_answers(work),
        views=work.recipe.views,
        view=work.context.view,
        resampled=work.recipe.resampled,
        device=device,
    )
    logits = np.full((len(rows), work.votes.layout.classes), np.nan)
    usable = work.usable[rows]
    logits[usable] = reader.stored(work.context.images, rows[usable])
    return logits


def _learned(
    work: _Work,
    networks: list[Tensors],
    autoencoder: Tensors | None,
    logits: Floats,
    votes: Floats,
) -> Learned:
    """Fit the temperature to the out-of-fold logits and put everything together."""
    known = ~np.isnan(logits).any(axis=1)
    temperature = 1.0
    if work.recipe.calibrate and known.any():
        temperature = fit_temperature(logits[known], work.catalogue.experts[work.experts[known]])
    image = np.full_like(logits, np.nan)
    image[known] = softmax(logits[known] / temperature)
    return Learned(
        networks=tuple(networks),
        from_answers=_from_answers(work),
        transfer=_transfer(work, work.experts),
        autoencoder=autoencoder,
        temperature=temperature,
        experts=work.experts,
        folds=work.folds,
        image_posterior=image,
        votes_posterior=votes,
        history=work.history,
        notes=tuple(work.notes),
    )
