"""What a model says of one object, and why: sources, votes, likest experts' objects, flags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from czsl.catalogue import Catalogue, scan_catalogue
from czsl.config import Config
from czsl.errors import CatalogueError, CzslError, ModelError, nearest
from czsl.fitted import make_judge
from czsl.flags import MEANING, UNUSABLE_IMAGE, Flag
from czsl.images.augment import central_pixels
from czsl.model import CzSL
from czsl.predictions import Posteriors, votes_on
from czsl.predictor import Predictor
from czsl.quality import disagreeing
from czsl.remote import absolute, beside
from czsl.run import Run
from czsl.scores import known_rows

NEIGHBOURS = 6
"""Experts' objects that are shown beside an object."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Neighbour:
    """An expert's object that looks like another object.

    Attributes
    ----------
    name
        Its id.
    expert
        The experts' class.
    distance
        From the object in the feature space of the first network, in units of the median of
        all experts' objects' distances from it.
    pixels
        What the networks see of its image, shape (row, column, channel); None where the image
        is not there any more.
    """

    name: str
    expert: str
    distance: float
    pixels: NDArray[np.uint8] | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Explanation:
    """What a model says of one object.

    Attributes
    ----------
    model
        Name of the model.
    name
        The object's id.
    tier
        What is known of it.
    expert
        The experts' class, where there is one.
    pixels
        What the networks see of its image, shape (row, column, channel); None without one.
    posteriors
        Probability of each class by source: ``image``, ``votes``, ``fused``.
    source
        The source that counts.
    decided
        The class, or ``""``.
    classes
        The classes that cannot be ruled out.
    coverage
        Coverage of that set; None without sets.
    votes
        For each question the number or the share of the votes for each answer.
    number
        Volunteers on the object; None where unknown.
    flags
        Name and meaning of each flag that is set, by the posteriors above: of an expert's
        object these are of what had not learned from it, so it is not said to be trained on,
        unless the model left nothing out.
    neighbours
        Experts' objects that look most alike, the likest first.
    notes
        What the table lacks: votes that are left out.
    """

    model: str
    name: str
    tier: str
    expert: str | None
    pixels: NDArray[np.uint8] | None
    posteriors: Mapping[str, Mapping[str, float]]
    source: str
    decided: str
    classes: Sequence[str]
    coverage: float | None
    votes: Mapping[str, Mapping[str, float]]
    number: float | None
    flags: Mapping[str, str]
    neighbours: Sequence[Neighbour]
    notes: Sequence[str]


def explain_object(
    model: CzSL,
    folder: str | Path,
    name: str,
    *,
    table: str | Path | None = None,
    images: str | None = None,
    start: str | Path | None = None,
    processes: int | None = None,
) -> Explanation:
    """Say what a model says of one object, and by what.

    Parameters
    ----------
    model
        A fitted model.
    folder
        Its folder. Inside a run, the run tells where the training's table and images are.
    name
        The object's id.
    table
        The table that holds it; by default that of the training, which is known where the
        model lies in its run.
    images
        Another image pattern than that of the training.
    start
        The folder that relative images start from; by default the table's.
    processes
        How many processes decode.

    Raises
    ------
    CatalogueError
        Where the table cannot be used, or has no such object.
    ModelError
        Where no table is named and the training's is not known.
    """
    predictor, training = model.predictor, _training(Path(folder))
    config = _config(predictor, training, Path(folder), table, images, start)
    catalogue = _object(config, name)
    with predictor.decoder(config, processes) as decoder:
        posteriors = _out_of_fold(predictor, name, predictor.posteriors(catalogue, decoder))
        part = decoder.decode(catalogue.ids.tolist(), catalogue.images.tolist(), catalogue.rows)
    judge = make_judge(predictor)
    verdicts = judge.judge(posteriors.best, posteriors.source, catalogue.weights, catalogue.ids)
    classes, flags = predictor.content.classes.names, int(posteriors.flags[0])
    seen = not part.flags[0] & int(UNUSABLE_IMAGE)
    features = predictor.reader.read(part.pixels).features[0] if seen else None
    given = {"image": posteriors.image, "votes": posteriors.votes, "fused": posteriors.fused}
    number = float(votes_on(catalogue)[0])
    place = int(verdicts.decided[0])
    return Explanation(
        model=predictor.content.name,
        name=name,
        tier=str(catalogue.tier[0]),
        expert=classes[catalogue.experts[0]] if catalogue.experts[0] >= 0 else None,
        pixels=central_pixels(part.pixels, config.images.seen)[0] if seen else None,
        posteriors={
            source: dict(zip(classes, posterior[0].tolist(), strict=True))
            for source, posterior in given.items()
            if np.isfinite(posterior[0]).all()
        },
        source=str(posteriors.source[0]),
        decided=classes[place] if place >= 0 else "",
        classes=[one for one, inside in zip(classes, verdicts.sets[0], strict=True) if inside],
        coverage=judge.coverage,
        votes=_votes(catalogue),
        number=None if np.isnan(number) else number,
        flags={str(flag.name).lower(): MEANING[flag] for flag in Flag if flags & flag},
        neighbours=_neighbours(predictor, training, features, name, processes),
        notes=[str(warning) for warning in catalogue.warnings],
    )


def _training(folder: Path) -> Config | None:
    """Give the configuration of the run that a model lies in; None where it lies in none."""
    try:
        return Run(folder=folder.resolve().parent).config()
    except CzslError:
        return None


def _config(
    predictor: Predictor,
    training: Config | None,
    folder: Path,
    table: str | Path | None,
    images: str | None,
    start: str | Path | None,
) -> Config:
    """Give the configuration that reads the object as the model was trained."""
    if table is not None:
        place = beside(table) if start is None else Path(start)
        return predictor.config(place, absolute(table), images)
    if training is None:
        raise ModelError(
            f"{folder}: lies in no run, so the table of its training is not known; name the "
            "object's table by --table"
        )
    place = training.folder if start is None else Path(start)
    return predictor.config(place, absolute(training.table), images)


def _object(config: Config, name: str) -> Catalogue:
    """Find one object in a table of any length."""
    seen: list[str] = []
    for part in scan_catalogue(config, config.table):
        rows = np.flatnonzero(part.ids == name)
        if len(rows):
            return part.select(rows[:1])
        seen += part.ids[: max(0, 1000 - len(seen))].tolist()
    raise CatalogueError(
        f"{config.table}, column {config.catalogue.id!r}: there is no object {name!r}; "
        f"{nearest(name, seen)}"
    )


def _out_of_fold(predictor: Predictor, name: str, posteriors: Posteriors) -> Posteriors:
    """Of an expert's object take what was said by what had not learned from it, if anything was."""
    record = predictor.record
    place = np.flatnonzero(record.ids == name)
    if not known_rows(record.best()[place]).any():
        return posteriors
    image, votes = record.image[place], record.votes[place]
    flags = posteriors.flags & ~np.uint32(Flag.TRAINED_ON | Flag.IMAGE_VOTES_DISAGREE)
    flags[disagreeing(image, votes)] |= np.uint32(Flag.IMAGE_VOTES_DISAGREE)
    return replace(posteriors, image=image, votes=votes, fused=record.fused[place], flags=flags)


def _votes(catalogue: Catalogue) -> dict[str, dict[str, float]]:
    """Give the votes of each question that has any: counts where known, else shares."""
    found = {}
    for question in catalogue.questions:
        values = question.counts[0] if np.isfinite(question.counts[0]).all() else None
        values = question.fractions[0] if values is None else values
        if np.isfinite(values).all():
            found[question.question] = dict(zip(question.answers, values.tolist(), strict=True))
    return found


def _neighbours(
    predictor: Predictor,
    training: Config | None,
    features: NDArray[np.float32] | None,
    name: str,
    processes: int | None,
) -> list[Neighbour]:
    """Find the experts' objects that look most alike."""
    record = predictor.record
    if features is None or not len(record.ids):
        return []
    known = np.flatnonzero(np.isfinite(record.features).all(axis=1) & (record.ids != name))
    distances = feature_distances(record.features[known], features)
    order = np.argsort(distances, kind="stable")[:NEIGHBOURS]
    chosen, classes = known[order], predictor.content.classes.names
    pixels = _pixels(predictor, training, record.ids[chosen], processes)
    return [
        Neighbour(
            name=str(record.ids[place]),
            expert=classes[record.labels[place]],
            distance=float(distances[rank]),
            pixels=pixels.get(str(record.ids[place])),
        )
        for place, rank in zip(chosen.tolist(), order.tolist(), strict=True)
    ]


def feature_distances(
    known: NDArray[np.float32], features: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Give distances in standardised features, in units of their median, shape (object,).

    Parameters
    ----------
    known
        Features of objects, shape (object, feature).
    features
        Features that the distance is taken from, shape (feature,).

    Examples
    --------
    >>> known = np.array([[0.0], [1.0], [3.0]], np.float32)
    >>> feature_distances(known, np.array([0.0], np.float32)).round(2).tolist()
    [0.0, 1.0, 3.0]
    """
    spread = known.std(axis=0)
    scale = np.where(spread > 0, spread, 1.0)
    apart = np.sqrt(np.square((known - features) / scale).astype(np.float64).sum(axis=1))
    middle = float(np.median(apart)) if len(apart) else 1.0
    distances: NDArray[np.float64] = apart / (middle if middle > 0 else 1.0)
    return distances


def _pixels(
    predictor: Predictor,
    training: Config | None,
    ids: NDArray[np.str_],
    processes: int | None,
) -> dict[str, NDArray[np.uint8]]:
    """Give what the networks see of experts' objects, as far as they are still there."""
    if training is None:
        return {}
    try:
        config = predictor.config(training.folder, absolute(training.table), None)
        parts = [part.select(np.isin(part.ids, ids)) for part in scan_catalogue(config)]
        found: dict[str, NDArray[np.uint8]] = {}
        with predictor.decoder(config, processes) as decoder:
            for part in parts:
                names, places = part.ids.tolist(), part.images.tolist()
                batch = decoder.decode(names, places, part.rows)
                seen = central_pixels(batch.pixels, config.images.seen)
                found |= dict(zip(names, seen, strict=True))
    except CzslError:
        return {}
    return found
