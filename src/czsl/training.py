"""The networks of a fit: what each learns from, and what it says of the objects left to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from czsl.catalogue import Catalogue
from czsl.errors import CatalogueError
from czsl.nets.network import Network, make_network
from czsl.recipes import Finetune, Recipe
from czsl.stages.context import Context
from czsl.stages.finetune import Labels, finetune, from_scratch, weighing
from czsl.stages.head import Heads
from czsl.stages.infer import ClassReader, open_reader
from czsl.stages.pretrain import pretrain
from czsl.stages.reconstruct import reconstruct
from czsl.stages.targets import TransferInputs, VoteTargets
from czsl.stages.transfer import FittedTransfer
from czsl.train.checkpoint import Tensors, without_prefix

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Work:
    """What the steps of a fit share.

    Parameters
    ----------
    catalogue, recipe, context
        As :func:`czsl.chain.learn` is given them.
    usable
        Whether each object's image can be used, shape (object,).
    votes
        What the networks are told of the votes.
    transfer
        What the transfer is told of the votes; None where the recipe has none.
    experts
        Rows of experts' objects that teach, shape (expert,).
    folds
        Fold of each, shape (expert,); -1 for none.
    held
        Rows of experts' objects that are held out to make the sets, shape (object,).
    history, notes
        What the steps tell; they append.
    """

    catalogue: Catalogue
    recipe: Recipe
    context: Context
    usable: NDArray[np.bool_]
    votes: VoteTargets
    transfer: TransferInputs | None
    experts: Rows
    folds: Rows
    held: Rows
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

    def others(self, fold: int) -> Rows:
        """Give the experts' objects that teach a fold's network, shape (row,)."""
        teaching: Rows = self.experts[self.folds != fold]
        return teaching

    def transfers(self, training: Rows) -> bool:
        """Tell whether experts' objects teach a transfer: those that have votes, of two classes."""
        if self.transfer is None:
            return False
        voted = training[self.transfer.usable[training]]
        return len(np.unique(self.catalogue.experts[voted])) > 1

    @property
    def labelled(self) -> Rows:
        """Objects that a transfer can label for the networks, shape (row,)."""
        if self.transfer is None:
            return np.zeros(0, np.int64)
        return np.flatnonzero(self.usable & self.transfer.usable & ~self.catalogue.is_expert)

    @property
    def unseen(self) -> list[int]:
        """Folds whose networks no expert's object teaches: none has an image to use."""
        return [fold for fold in self.each_fold if not self.usable[self.others(fold)].any()]

    @property
    def weights(self) -> tuple[float, ...]:
        """Weights of the transferred labels to try; none where a network would learn from nothing.

        Weight 0 is not tried where transferred labels are all that a network has.
        """
        tuned = self.recipe.finetune
        if tuned is None or not self.each_fold:
            return ()
        fitted = [self.transfers(self.others(fold)) for fold in self.each_fold]
        if not self.unseen:
            return tuned.transferred if any(fitted) else (0.0,)
        if not len(self.labelled) or not all(fitted[fold] for fold in self.unseen):
            return ()
        return tuple(weight for weight in tuned.transferred if weight)

    @property
    def tunes(self) -> bool:
        """Whether classes train the networks."""
        return bool(self.weights)

    @property
    def from_answers(self) -> bool:
        """Whether nothing teaches the classes' head, so that answers must say the class."""
        pretrain = self.recipe.pretrain
        return not self.tunes and pretrain is not None and pretrain.targets != "majority"

    def note(self, text: str) -> None:
        """Tell the user something, once."""
        if text not in self.notes:
            self.notes.append(text)

    def record(self, stage: str, fold: int | None, epochs: list[dict[str, Any]]) -> None:
        """Keep the epochs of a stage."""
        number = None if fold is None else fold + 1
        self.history.extend({"stage": stage, "fold": number, **epoch} for epoch in epochs)


@dataclass(frozen=True, kw_only=True, eq=False)
class Start:
    """What every fold's network starts from.

    Attributes
    ----------
    weights
        As drawn by the seed; those of the autoencoder's encoder among them, if there is one.
    autoencoder
        Weights of the autoencoder, or None.
    pretrained
        A network that learned from volunteers and that all folds share, or None.
    """

    weights: Tensors
    autoencoder: Tensors | None
    pretrained: Network | None


def begin(work: Work) -> Start:
    """Train what all folds share: the autoencoder, and the network that knows volunteers."""
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
    weights = dict(network.state_dict())
    return Start(
        weights=weights, autoencoder=autoencoder, pretrained=_pretrained(work, weights, None)
    )


def fold_network(
    work: Work,
    start: Start,
    fold: int,
    transfer: FittedTransfer | None,
    weight: float,
    heads: Heads,
) -> Network:
    """Train one fold's network.

    Parameters
    ----------
    work, start
        The fit, and what its folds share.
    fold
        The fold that teaches nothing.
    transfer
        Fitted on the other folds, or None.
    weight
        Weight of the labels that it transfers.
    heads
        Where the classes' heads start; the same for all folds and weights.

    Raises
    ------
    CatalogueError
        Where nothing teaches the network.
    """
    pretrained = start.pretrained or _pretrained(work, start.weights, fold)
    network = _network(work)
    network.load_state_dict(start.weights if pretrained is None else pretrained.state_dict())
    if work.recipe.finetune is not None and work.tunes:
        settings = weighing(work.recipe.finetune, weight)
        nothing = work.recipe.reconstruct is None and work.context.encoder is None
        if pretrained is None and nothing:
            settings = from_scratch(settings)
        own = pretrained is not None and start.pretrained is None
        _start_head(work, network, heads, settings, fold, shared=not own)
        _finetune(work, network, work.others(fold), transfer, settings, fold)
    elif pretrained is None:
        raise CatalogueError(nothing_learned(work))
    return network


def image_logits(work: Work, networks: list[Tensors], rows: Rows) -> Floats:
    """Give the class logits of objects; NaN where the image cannot be used.

    Parameters
    ----------
    work
        The fit.
    networks
        Weights of the networks, whose log-probabilities are averaged.
    rows
        Objects, shape (row,).
    """
    logits = np.full((len(rows), work.votes.layout.classes), np.nan)
    usable = work.usable[rows]
    reader, context = _reader(work, networks), work.context
    logits[usable] = context.ranks.dealt(
        rows[usable], lambda some: reader.stored(context.images, some)
    )
    return logits


def nothing_learned(work: Work) -> str:
    """Say that no stage taught a network, and why."""
    told = "".join(f"; {note}" for note in work.notes)
    return (
        f"{work.catalogue.config.table}: nothing teaches a network its classes: neither pretrain "
        f"nor finetune has anything to learn from{told}; give volunteers' votes or experts' "
        "classes, or leave the stages in the recipe"
    )


def _reader(work: Work, networks: list[Tensors]) -> ClassReader:
    """Put weights into networks that read classes."""
    return open_reader(
        networks,
        work.recipe,
        work.votes.layout,
        channels=work.context.channels,
        view=work.context.view,
        from_answers=work.from_answers,
        device=work.context.fabric.device,
        encoder=work.context.encoder,
    )


def _network(work: Work) -> Network:
    """Make the recipe's network with the weights of its seed."""
    return make_network(
        work.recipe.network,
        channels=work.context.channels,
        size=work.context.view,
        width=work.recipe.width,
        questions=work.votes.layout.questions,
        classes=work.votes.layout.classes,
        seed=work.context.seed,
        encoder=work.context.encoder,
    )


def _pretrained(work: Work, weights: Tensors, fold: int | None) -> Network | None:
    """Give a network trained on volunteers' votes; of a fold's own where experts' votes train."""
    settings = work.recipe.pretrain
    if settings is None or (settings.experts and work.each_fold and fold is None):
        return None
    allowed = work.usable & ~work.catalogue.is_expert
    if settings.experts and fold is not None:
        others = work.others(fold)
        allowed[others] = work.usable[others]
    rows = np.flatnonzero(allowed & has_target(work))
    if len(rows) < 2:
        work.note("pretrain is left out: no object without an expert's class has votes to use")
        return None
    return pretrained_on(work, weights, rows, fold=fold)


def pretrained_on(
    work: Work, weights: Tensors, rows: Rows, *, fold: int | None = None, stage: str = "pretrain"
) -> Network:
    """Give a network trained on the votes of some objects.

    Parameters
    ----------
    work
        The fit; its recipe has the stage ``pretrain``.
    weights
        Where the network starts.
    rows
        Objects, shape (row,).
    fold
        Fold that it belongs to; None where it serves all.
    stage
        What the history calls it.
    """
    assert work.recipe.pretrain is not None
    network = _network(work)
    network.load_state_dict(weights)
    context = work.context if fold is None else work.context.for_fold(fold)
    trained, epochs = pretrain(
        context, network, work.votes, rows, work.recipe.pretrain, sampling=work.recipe.sampling
    )
    work.record(stage, fold, epochs)
    network.load_state_dict(trained)
    return network


def has_target(work: Work) -> NDArray[np.bool_]:
    """Tell which objects pretrain can learn from."""
    settings = work.recipe.pretrain
    if settings is not None and settings.targets == "majority":
        return work.votes.majority >= 0
    voted: NDArray[np.bool_] = np.any(work.votes.counts > 0, axis=1)
    return voted


def _start_head(
    work: Work, network: Network, heads: Heads, settings: Finetune, fold: int, *, shared: bool
) -> None:
    """Put the classes' head, in place, where the experts' classes of the other folds say."""
    experts, folds = work.experts[work.usable[work.experts]], work.folds[work.usable[work.experts]]
    classes = work.catalogue.experts
    if settings.head != "logistic" or len(np.unique(classes[experts[folds != fold]])) < 2:
        return
    others = {part: experts[folds == part] for part in np.unique(folds).tolist() if part != fold}
    heads.start(fold, network, others, classes, shared=shared)


def _finetune(
    work: Work,
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
    if transfer is not None and work.transfer is not None and settings.transferred[0]:
        volunteers = work.labelled
        transferred = transfer.probabilities(work.transfer.matrix(volunteers, transfer.uses_image))
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
