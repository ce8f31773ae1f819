"""What the page of results shows: comparisons, sweeps, claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from czsl.compare.sweeps import BASE

TASKS = {
    "early_late": "early or late type",
    "spirals": "elliptical and the two senses of spirals",
    "mergers": "mergers",
    "galaxies": "early or late type",
}
PHOTOGRAPHS = (
    "Images: Sloan Digital Sky Survey, data release 7 (Abazajian et al. 2009, ApJS 182, 543). "
    "Votes: Galaxy Zoo 1 (Lintott et al. 2008, MNRAS 389, 1179; 2011, MNRAS 410, 166). Votes and "
    "experts' classes as published with Jimenez et al. (2023, MNRAS 526, 1742)."
)
PUBLISHED = (
    "The published protocol: of each training set 5% of the objects are L (experts' classes used), "
    "20% are A (votes used), the rest is U (images only)."
)


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A comparison that the page shows.

    Parameters
    ----------
    folder
        Its name among the runs.
    title
        Its heading.
    command
        What makes it.
    about
        The data, and what is scored against what.
    """

    folder: str
    title: str
    command: str
    about: str


COMPARISONS = (
    Comparison(
        folder="gz1",
        title="Real galaxies: early or late type",
        command="make gz1-fusion",
        about=(
            "Galaxies of Galaxy Zoo 1. Every score is against the experts' class; each galaxy is "
            "scored by networks that saw neither its class nor its votes. The networks see the "
            f"image alone. {PHOTOGRAPHS} The configuration is `examples/gz1/czsl.toml`: `czsl2023` "
            "is shortened there."
        ),
    ),
    Comparison(
        folder="gz1-spirals",
        title="Real galaxies: elliptical and the two senses of spirals",
        command="make gz1-spirals",
        about=(
            "The same galaxies, and the sense in which experts see a spiral turn. Volunteers could "
            "also say that they see a spiral edge-on or without a sense: such votes are for none "
            "of the classes, and are left out of the majority's shares."
        ),
    ),
    Comparison(
        folder="gz1-mergers",
        title="Real galaxies: mergers",
        command="make gz1-mergers",
        about=(
            "The same galaxies, 32 mergers among 439 with an expert's class: too few to conclude, "
            "as the intervals of the G-mean show."
        ),
    ),
    Comparison(
        folder="simulated",
        title="Simulated galaxies: three tasks",
        command="make simulated",
        about=(
            "A survey that the package simulates, in which volunteers and experts judged every "
            f"galaxy. {PUBLISHED} Here `czsl2023` is as published, at full length."
        ),
    ),
    Comparison(
        folder="votes",
        title="Votes alone: the published tables, L and A redrawn",
        command="make votes",
        about=(
            f"All rows of the published tables, without images. {PUBLISHED} Every execution draws "
            "L and A anew. *accuracy_standing* and the like are over the cells in which the "
            "perceptron did not collapse; *collapsed* is the share of those in which it did, "
            f"and finds hardly any object of a class. {PHOTOGRAPHS}"
        ),
    ),
    Comparison(
        folder="votes-file",
        title="Votes alone: the published tables, in file order",
        command="make votes",
        about=(
            "The same with L and A as published, the first of the training rows in the table's "
            "order. Folds 2 to 5 then share one L and one A, so the spread over folds and "
            "executions says little of other experts."
        ),
    ),
)
SWEEPS = (
    Comparison(
        folder="sweep-votes",
        title="Votes alone: fewer experts, fewer votes",
        command="make sweep-votes",
        about=(
            "The published tables; L and A redrawn. Accuracy on the test folds. Few votes are "
            "drawn from the counts; the extra columns, debiased from all votes, stay as they are."
        ),
    ),
    Comparison(
        folder="sweep-confidence",
        title="Simulated galaxies: confidence of the volunteers' labels",
        command="make sweep-confidence",
        about=(
            "Only objects whose leading vote fraction is at least the confidence count as labelled "
            "by volunteers; the others are unlabelled. Accuracy on the test folds."
        ),
    ),
)


class Pair(NamedTuple):
    """A difference: where it lies, its arms, its measure, and which setting of a sweep is meant."""

    folder: str
    arm: str
    other: str
    measure: str
    setting: str = BASE


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A claim of the publication's abstract, and the differences that speak to it.

    Parameters
    ----------
    text
        The claim.
    pairs
        The differences.
    tasks
        The tasks that count.
    """

    text: str
    pairs: tuple[Pair, ...]
    tasks: tuple[str, ...]


def _against(
    folder: str, measure: str, arms: Mapping[str, Sequence[str]], setting: str = BASE
) -> tuple[Pair, ...]:
    """Pair arms with what they are compared with."""
    return tuple(
        Pair(folder, arm, other, measure, setting)
        for arm, others in arms.items()
        for other in others
    )


BASELINES = {
    "czsl2023": ("czsl2023_experts", "czsl2023_volunteers"),
    "default": ("experts", "volunteers"),
}
TRANSFER = {"czsl2023": ("czsl2023_no_transfer",), "default": ("no_transfer",)}
CLAIMS = (
    Claim(
        text="It improves over its baselines: experts' classes alone, volunteers' labels alone",
        pairs=(
            *_against("simulated", "accuracy", BASELINES),
            *_against("gz1", "accuracy", {"default": ("experts", "volunteers")}),
            *_against("gz1", "accuracy", {"czsl2023": ("czsl2023_experts",)}),
        ),
        tasks=("early_late", "spirals", "galaxies"),
    ),
    Claim(
        text="It works for several classes",
        pairs=(
            *_against("simulated", "balanced_accuracy", BASELINES),
            *_against("gz1-spirals", "balanced_accuracy", {"default": ("experts", "volunteers")}),
        ),
        tasks=("spirals",),
    ),
    Claim(
        text="It works for imbalanced classes",
        pairs=(
            *_against("simulated", "gmean", BASELINES),
            *_against("simulated", "gmean", {"czsl2023_over": ("czsl2023",)}),
            *_against("simulated", "gmean", {"czsl2023_under": ("czsl2023",)}),
            *_against("simulated", "gmean_moved", BASELINES),
            *_against("simulated", "auc", BASELINES),
        ),
        tasks=("mergers",),
    ),
    Claim(
        text="The autoencoder helps",
        pairs=tuple(
            pair
            for folder in ("simulated", "gz1")
            for pair in _against(folder, "accuracy", {"czsl2023": ("czsl2023_no_autoencoder",)})
        ),
        tasks=("early_late", "spirals", "mergers", "galaxies"),
    ),
    Claim(
        text="The transfer helps",
        pairs=tuple(
            pair
            for folder, setting in (
                ("simulated", BASE),
                ("gz1", BASE),
                ("sweep-experts", "experts=9"),
            )
            for measure in ("accuracy", "auc")
            for pair in _against(folder, measure, TRANSFER, setting)
        ),
        tasks=("early_late", "spirals", "mergers", "galaxies"),
    ),
)
