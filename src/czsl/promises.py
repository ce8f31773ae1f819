"""What a model's experts' objects can promise of sets and scores, and what they cannot."""

from __future__ import annotations

import numpy as np

from czsl.catalogue import Catalogue
from czsl.errors import ModelError
from czsl.likeness import Likeness
from czsl.recipes import Recipe
from czsl.record import SOURCES, Record
from czsl.stages.representative import TwoSample
from czsl.stages.sets import needed, unsupported


def unsupported_classes(
    record: Record, coverage: float, classes: tuple[str, ...]
) -> dict[str, list[str]]:
    """Give the classes with too few experts' objects for a coverage, by the source of the set.

    Parameters
    ----------
    record
        The experts' objects of a model.
    coverage
        Of the sets.
    classes
        Names of the classes.

    Returns
    -------
    dict
        Of each source that makes sets, ``image``, ``votes`` or ``fused``, perhaps none.
    """
    made = {name: record.calibration(name) for name in SOURCES}
    return {
        name: [classes[k] for k in unsupported(one, coverage)]
        for name, one in made.items()
        if one is not None
    }


def in_every_set(
    record: Record, coverage: float | None, classes: tuple[str, ...]
) -> dict[str, list[str]]:
    """Give the classes that stand in every set of a source for want of experts' objects.

    Parameters
    ----------
    record, coverage, classes
        As for :func:`unsupported_classes`; without a coverage there are no sets.

    Returns
    -------
    dict
        Of each such class the sources where that is so.
    """
    lost: dict[str, list[str]] = {}
    if coverage is None:
        return lost
    for source, names in unsupported_classes(record, coverage, classes).items():
        for name in names:
            lost.setdefault(name, []).append(source)
    return lost


def sets_notes(record: Record, coverage: float | None, classes: tuple[str, ...]) -> tuple[str, ...]:
    """Say which classes stand in every set.

    Parameters
    ----------
    record, coverage, classes
        As for :func:`in_every_set`.

    Returns
    -------
    tuple of str
        A note for each such class.
    """
    return tuple(
        f"sets: {name!r} has too few experts' objects for a coverage of {coverage:g} "
        f"(posterior from {', '.join(sources)}): it stands in every such set"
        for name, sources in in_every_set(record, coverage, classes).items()
    )


def check_coverage(record: Record, coverage: float, classes: tuple[str, ...]) -> None:
    """Refuse a coverage that no class has experts' objects enough for.

    Parameters
    ----------
    record, coverage, classes
        As for :func:`unsupported_classes`.

    Raises
    ------
    ModelError
        Says how many each class has, and how many it takes.
    """
    lost = unsupported_classes(record, coverage, classes)
    if any(len(names) < len(classes) for names in lost.values()):
        return
    counts = np.bincount(record.labels, minlength=len(classes)).tolist()
    given = ", ".join(f"{name} {count}" for name, count in zip(classes, counts, strict=True))
    raise ModelError(
        f"a coverage of {coverage:g} takes {needed(coverage)} experts' objects of a class that "
        f"the model was scored on, and it has {given}: every set would hold every class; ask for "
        "less, or fit with more experts' classes"
    )


def promise_notes(
    catalogue: Catalogue, recipe: Recipe, record: Record, likeness: Likeness
) -> tuple[str, ...]:
    """Say which promises the experts' objects of a fit cannot support.

    Parameters
    ----------
    catalogue, recipe
        What was fitted, and how.
    record
        The experts' objects, as the model keeps them.
    likeness
        Whether their images look like the others.

    Returns
    -------
    tuple of str
        A note for each class that stands in every set, and one of images that look unlike.
    """
    coverage = None if recipe.sets is None else recipe.sets.coverage
    notes = [*sets_notes(record, coverage, catalogue.classes)]
    if likeness.two_sample is not None and likeness.two_sample.unlike:
        notes.append(_unlike_note(catalogue, likeness.two_sample))
    return tuple(notes)


def _unlike_note(catalogue: Catalogue, sample: TwoSample) -> str:
    """Say for which objects scores and sets hold, where the experts' images are told apart."""
    found = (
        "the experts' images look unlike the others: a classifier tells them apart with an "
        f"area under the curve of {sample.auc:.2f} ({sample.low:.2f} to {sample.high:.2f}); "
    )
    classes = catalogue.config.classes
    if catalogue.weights is None:
        return (
            f"{found}scores and sets hold for objects like the experts'. Give experts a random "
            "sample, or say in [classes] selection how likely each object was to be chosen, which "
            "weights the sets"
        )
    column = classes.selection or classes.weight
    return (
        f"{found}sets are weighted by {column!r}, scores are not and hold for objects like the "
        "experts'"
    )
