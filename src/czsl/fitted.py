"""From what the stages learned to a model: its content, its scores, what it keeps of experts."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import nn

from czsl.bundle import ModelContent
from czsl.catalogue import Catalogue, majority_class
from czsl.decisions import make_rule
from czsl.errors import ModelError
from czsl.flags import Flag
from czsl.images.store import ImageStore
from czsl.learned import Learned
from czsl.likeness import Likeness, look
from czsl.nets.pretrained import encoder_json
from czsl.predictions import Posteriors, predictions_table
from czsl.predictor import Predictor, id_hashes
from czsl.promises import check_coverage, in_every_set, promise_notes, unsupported_classes
from czsl.quality import vote_flags
from czsl.recipes import Recipe
from czsl.record import SOURCES, Record
from czsl.reliability import calibration_interval
from czsl.scores import accuracy, known_rows, scores
from czsl.stages.calibrate import Calibrator
from czsl.stages.infer import open_reader
from czsl.stages.map_table import map_table
from czsl.stages.targets import make_layout, vote_targets
from czsl.verdicts import Judge


def make_predictor(
    catalogue: Catalogue,
    recipe: Recipe,
    images: ImageStore,
    learned: Learned,
    *,
    seed: int,
    fabric: Fabric,
    encoder: nn.Module | None = None,
) -> Predictor:
    """Put a model together.

    Parameters
    ----------
    catalogue, recipe, images
        What it was fitted with.
    learned
        What the stages gave.
    seed
        Of the fit.
    fabric
        Device and precision.
    encoder
        The module that the networks stand on; None for networks of our own.
    """
    config = catalogue.config
    first = open_reader(
        learned.networks[:1],
        recipe,
        make_layout(config.votes, config.classes),
        channels=images.channels,
        view=config.images.seen,
        from_answers=learned.from_answers,
        device=fabric.device,
        encoder=encoder,
    )
    likeness = look(first, images, learned.experts, seed)
    record = _record(catalogue, learned, likeness)
    content = _content(catalogue, recipe, images, learned, likeness, record, seed)
    if encoder is not None and recipe.network == "pretrained":
        content = content.model_copy(update={"encoder": encoder_json(encoder)})
    return Predictor(
        content=content,
        networks=learned.networks,
        transfer=learned.transfer,
        fusion=learned.fusion,
        record=record,
        novelty=likeness.novelty,
        trained=np.sort(id_hashes(catalogue.ids[_taught(catalogue, images, learned, recipe)])),
        fabric=fabric,
        encoder=encoder,
    ).with_fingerprint()


def out_of_fold_table(predictor: Predictor, catalogue: Catalogue, images: ImageStore) -> pa.Table:
    """Make the predictions of the experts' objects, with the experts' class and the fold.

    Parameters
    ----------
    predictor
        The model.
    catalogue, images
        What it was fitted with.
    """
    record = predictor.record
    experts = catalogue.select(np.flatnonzero(catalogue.is_expert))
    flags = images.flags[catalogue.is_expert] | vote_flags(experts, record.image, record.votes)
    if predictor.novelty is not None:
        seen = np.flatnonzero(np.isfinite(record.features).all(axis=1))
        unlike = seen[predictor.novelty.unlike(record.features[seen])]
        flags[unlike] |= np.uint32(Flag.UNLIKE_TRAINING)
    posteriors = Posteriors(
        image=record.image,
        votes=record.votes,
        fused=record.fused,
        flags=flags,
        hashes=np.zeros(len(experts), np.uint64),
    )
    judge = make_judge(predictor)
    verdicts = judge.judge(posteriors.best, posteriors.source, experts.weights, experts.ids)
    table = predictions_table(experts, posteriors, verdicts)
    said = pa.array([catalogue.classes[place] for place in experts.experts], pa.string())
    folds = pa.array(record.folds + 1, pa.int32(), mask=record.folds < 0)
    return table.append_column("expert", said).append_column("fold", folds)


def transfer_map(predictor: Predictor, catalogue: Catalogue) -> list[dict[str, Any]]:
    """Say what votes mean to the transfer: the posterior at votes that stand for many objects.

    Parameters
    ----------
    predictor
        The model.
    catalogue
        What it was fitted with.

    Returns
    -------
    list
        The rows of :func:`czsl.stages.map_table.map_table` with their ``question`` first;
        none without a transfer, and none for the perceptron.
    """
    if predictor.transfer is None:
        return []
    counts = vote_targets(catalogue).counts
    return [
        {"question": asked.question, **row}
        for place, asked in enumerate(predictor.content.votes)
        for row in map_table(predictor.transfer, predictor.layout, counts, question=place)
    ]


def make_judge(
    predictor: Predictor, decide: str | Path = "accuracy", coverage: float | None = None
) -> Judge:
    """Make what decides on classes and sets, by what a model keeps of its experts' objects.

    Parameters
    ----------
    predictor
        The model.
    decide
        ``"accuracy"``, ``"gmean"``, ``"f1"``, or a file of costs.
    coverage
        Coverage of the sets; by default that of the recipe, which may be without sets.

    Raises
    ------
    ConfigError
        Where the rule is not known, or the file of costs cannot be used.
    ModelError
        Where no class has experts' objects enough for the coverage, or "gmean" is asked of
        networks that learned from resampled classes.
    """
    if decide == "gmean":
        refuse_resampled(predictor, "--decide gmean")
    content, record = predictor.content, predictor.record
    sets = content.recipe.sets
    if coverage is None:
        coverage = None if sets is None else sets.coverage
    else:
        check_coverage(record, coverage, content.classes.names)
    rule = make_rule(decide, record.best(), record.labels, record.prior, content.classes.names)
    return Judge(record=record, rule=rule, coverage=coverage)


def refuse_resampled(predictor: Predictor, asked: str) -> None:
    """Refuse what starts from the classes' shares that posteriors take for granted.

    Raises
    ------
    ModelError
        Where the networks learned from classes that were over- or under-sampled.
    """
    sampling = predictor.content.recipe.sampling
    if sampling != "none":
        raise ModelError(
            f"{predictor.content.name}: its networks learned from classes of other shares "
            f"(sampling = {sampling!r}), so {asked} would not know what its posteriors take for "
            "granted; leave it out, or fit a model with sampling = 'none'"
        )


def predictions_metadata(predictor: Predictor, judge: Judge, decide: str | Path) -> dict[str, str]:
    """Say what predictions say of themselves.

    Parameters
    ----------
    predictor
        The model.
    judge
        What decides.
    decide
        By which rule, as for :func:`make_judge`.

    Returns
    -------
    dict
        ``model``, ``fingerprint``, ``czsl`` (the version that fitted it), ``decide``,
        ``coverage`` and ``in every set``: the classes that have too few experts' objects for
        it, each with the sources of the posteriors where that is so.
    """
    content, coverage = predictor.content, judge.coverage
    lost = in_every_set(predictor.record, coverage, content.classes.names)
    return {
        "model": content.name,
        "fingerprint": content.fingerprint,
        "czsl": content.version,
        "decide": str(decide),
        "coverage": "" if coverage is None else f"{coverage:g}",
        "in every set": "; ".join(f"{name} ({', '.join(given)})" for name, given in lost.items()),
    }


def _taught(
    catalogue: Catalogue, images: ImageStore, learned: Learned, recipe: Recipe
) -> NDArray[np.bool_]:
    """Tell which objects' labels taught the networks; votes do by themselves, or transferred."""
    weights = [one["transferred"] for one in learned.choices if one["chosen"]]
    if recipe.finetune is not None and not weights:
        weights = [*recipe.finetune.transferred]
    votes = recipe.pretrain is not None or (learned.transfer is not None and any(weights))
    taught = images.usable & (catalogue.is_expert | (catalogue.has_votes & votes))
    taught[learned.experts[learned.held]] = False
    return taught


def _record(catalogue: Catalogue, learned: Learned, likeness: Likeness) -> Record:
    """Keep what was said of the experts' objects."""
    experts = learned.experts
    weights = np.ones(len(experts)) if catalogue.weights is None else catalogue.weights[experts]
    return Record(
        ids=catalogue.ids[experts],
        labels=catalogue.experts[experts],
        image=learned.image_posterior,
        votes=learned.votes_posterior,
        fused=learned.fused_posterior,
        folds=learned.folds,
        held=learned.held,
        weights=weights,
        features=likeness.features,
        prior=learned.prior,
        mirror=learned.mirror,
    )


def _scores(catalogue: Catalogue, record: Record) -> dict[str, Any]:
    """Score the experts' objects out of fold, beside the volunteers' majority."""
    rows = np.flatnonzero(catalogue.is_expert)
    majority = majority_class(catalogue)[rows]
    voted = known_rows(record.image) & catalogue.has_votes[rows]
    found = {
        "image": scores(record.image, record.labels),
        "votes": scores(record.votes, record.labels),
        "majority": accuracy(majority[voted], record.labels[voted]),
    }
    if record.fuses:
        found["fused"] = scores(record.fused, record.labels)
    return found


def _calibration(record: Record, calibrator: Calibrator) -> dict[str, Any]:
    """Give the calibration error of each source, and of the image before it is calibrated."""
    before = calibrator.before(record.image)
    posteriors = {"image_before": before, **{name: record.posterior(name) for name in SOURCES}}
    errors = {
        name: calibration_interval(posterior, record.labels)
        for name, posterior in posteriors.items()
    }
    if not record.fuses:
        errors["fused"] = None
    return {name: error for name, error in errors.items() if error is not None}


def _sets(record: Record, recipe: Recipe, classes: tuple[str, ...]) -> dict[str, Any]:
    """Say how sets are made, and which classes have too few experts for them."""
    if recipe.sets is None:
        return {}
    coverage = recipe.sets.coverage
    return {
        "coverage": coverage,
        "method": "held out" if recipe.sets.held_out else "cross-conformal",
        "weighted": bool(np.ptp(record.weights) > 0) if len(record.weights) else False,
        "unsupported": unsupported_classes(record, coverage, classes),
    }


def _content(
    catalogue: Catalogue,
    recipe: Recipe,
    images: ImageStore,
    learned: Learned,
    likeness: Likeness,
    record: Record,
    seed: int,
) -> ModelContent:
    """Put together what a model folder holds besides the weights."""
    config = catalogue.config
    sizes = images.sizes[images.usable]  # (object, 3): height, width, bands
    tiers = {
        name: int(np.sum(catalogue.tier == name)) for name in ("expert", "volunteer", "unlabelled")
    }
    collapsed = learned.transfer is not None and learned.transfer.collapsed
    transfer = "collapsed" if collapsed else "fitted" if learned.transfer else "none"
    sample = likeness.two_sample
    calibration = (learned.calibrator.temperature, learned.calibrator.lapse)
    return ModelContent(
        version=metadata.version("czsl"),
        name=f"{recipe.name} model of {Path(config.catalogue.table).stem}",
        fingerprint="",  # of the whole model, once it is put together
        catalogue=config.catalogue,
        votes=config.votes,
        classes=config.classes,
        images=config.images,
        channels=images.channels,
        native=_native(sizes),
        recipe=recipe,
        networks=len(learned.networks),
        from_answers=learned.from_answers,
        temperature=calibration[0],
        lapse=calibration[1],
        shares=tuple(learned.calibrator.shares.tolist()),
        transfer=transfer,
        scores=_scores(catalogue, record),
        calibration=_calibration(record, learned.calibrator),
        sets=_sets(record, recipe, config.classes.names),
        choices=learned.choices,
        representative=None if sample is None else sample.as_dict(),
        notes=(*learned.notes, *promise_notes(catalogue, recipe, record, likeness)),
        data={"tiers": tiers, "seed": seed, "images": images.fingerprint},
    )


def _native(sizes: NDArray[np.int32]) -> tuple[int, int, int]:
    """Give the size and the bands that all cutouts share; 0 where they differ."""
    alike = np.all(sizes == sizes[:1], axis=0)
    square = bool(alike[0] and alike[1])
    height, width, bands = sizes[0].tolist()
    return (height if square else 0, width if square else 0, bands if alike[2] else 0)
