"""The sections of ``czsl.toml`` that say what the data are; :mod:`czsl.config` joins them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from czsl.errors import nearest
from czsl.names import class_slips
from czsl.recipes import Number, Settings, Whole
from czsl.remote import address_slips
from czsl.slips import refuse


def _as_text(value: Any) -> Any:
    """Spell a whole number, or yes and no, as tables do."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int) else value


Text = Annotated[str, BeforeValidator(_as_text)]
"""Text; a whole number is taken for its digits, since codes in tables are often numbers."""

Texts = Annotated[
    tuple[Text, ...],
    BeforeValidator(lambda value: value if isinstance(value, list | tuple) else (value,)),
]
"""One text or several."""


MAX_BANDS = 8
"""An image of more bands cannot be used."""


class CatalogueSettings(Settings):
    """Where the objects are: ``[catalogue]``.

    Parameters
    ----------
    table
        CSV, ECSV, Parquet, FITS or VOTable file, relative to the configuration file, or its
        address (``"s3://survey/galaxies.parquet"``).
    id
        Column of the object's id; read as text always.
    images
        Where an object's image is: a pattern of columns (``"images/{id}.jpg"``), which
        may lead into an archive (``"cutouts.zip/{id}.jpg"``), an HDF5 data set
        (``"cutouts.h5"``) or a column of image bytes in the table (``"{image_bytes}"``).
        ``{band}`` stands for each of the bands in ``[images]``. Files and Parquet may be given
        by address (``"s3://survey/images/{id}.jpg"``).
    fold
        Column of fold numbers; without it folds are made by seed.
    position
        Columns of right ascension and declination, degrees: objects within 1 arcsecond of one
        another are told of.
    roots
        More folders that images may lie in, besides the configuration file's own and that of
        an address in ``images``.
    """

    table: str
    id: str
    images: str | None = None
    fold: str | None = None
    position: tuple[str, str] | None = None
    roots: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        left = re.sub(r"\{[^{}]+\}", "", self.images or "")
        if "{" in left or "}" in left:
            refuse([f"'images' is {self.images!r}; each column stands in braces, as {{{self.id}}}"])
        named = {"table": (self.table,), "images": (self.images or "",), "roots": self.roots}
        refuse(
            [
                f"{key!r} {slip}"
                for key, places in named.items()
                for place in places
                for slip in address_slips(place)
            ]
        )
        return self


class VotesSettings(Settings):
    """What volunteers could answer to one question: ``[votes]`` or one of ``[[votes]]``.

    Parameters
    ----------
    question
        Name of the question; needed where there are several.
    after
        The answer (of another question) after which alone this question is asked.
    answers
        Column of votes for each answer.
    unit
        Whether the columns hold ``"counts"`` or ``"fractions"``; by default told from
        the numbers: fractions where one of them is not whole.
    total
        Column of the number of volunteers who answered. Fractions times it are counts;
        counts may not exceed it.
    label
        Column of the volunteers' class, for objects without counts.
    label_values
        What the label column holds for each answer; by default the answer itself.
    extra
        More columns of numbers that the transfer may use.
    mirror
        Answers that swap when the image is mirrored.
    """

    question: str = "question"
    after: str | None = None
    answers: dict[str, str] = Field(default_factory=dict)
    unit: Literal["auto", "counts", "fractions"] = "auto"
    total: str | None = None
    label: str | None = None
    label_values: dict[str, Texts] = Field(default_factory=dict)
    extra: tuple[str, ...] = ()
    mirror: dict[str, str] = Field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The answers in their order; those that only labels name come last."""
        return tuple(dict.fromkeys([*self.answers, *self.label_values]))

    @model_validator(mode="after")
    def _check(self) -> Self:
        slips = [*_mirror_slips(self.mirror, self.names, "answer"), *self._label_slips()]
        columns = list(self.answers.values())
        for column in dict.fromkeys(columns):
            if columns.count(column) > 1:
                slips.append(
                    f"'answers' gives the column {column!r} to two answers; each has its own"
                )
        if not self.answers and self.label is None:
            slips.append(
                "neither 'answers' nor 'label' is given; name a column for each answer, or one "
                "of classes"
            )
        refuse(slips)
        return self

    def _label_slips(self) -> Iterator[str]:
        """Find what the volunteers' class cannot be read with."""
        if self.label is None and self.label_values:
            yield "'label_values' is given and 'label' is not; name the column that holds them"
        if self.label is not None and not self.names:
            yield "'label' is given alone; say in 'label_values' what it holds for each answer"
        values = {answer: self.label_values.get(answer, (answer,)) for answer in self.names}
        yield from _value_slips(values)


class ClassesSettings(Settings):
    """What experts say: ``[classes]``.

    Parameters
    ----------
    column
        Column of the experts' class; empty where no expert has looked.
    values
        What the column holds for each class: one value or several.
    ignore
        Values that mean "no class".
    from_answers
        The answers that a class is made of, for the volunteers' majority.
    debiased
        For each class an extra column of ``[votes]`` with the volunteers' debiased
        fraction, for the debiased majority among the arms of a comparison.
    mirror
        Classes that swap when the image is mirrored.
    selection
        Column of the probability, up to a factor, with which an object was given to experts,
        where they saw no random sample; 0 only for objects that they could not be shown.
    weight
        In its place, column of the number of objects that each stands for, up to a factor;
        infinite for objects that experts could not be shown.
    """

    column: str
    values: dict[str, Texts]
    ignore: Texts = ()
    from_answers: dict[str, Texts] = Field(default_factory=dict)
    debiased: dict[str, str] = Field(default_factory=dict)
    mirror: dict[str, str] = Field(default_factory=dict)
    selection: str | None = None
    weight: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The classes in their order, which is the order of every probability."""
        return tuple(self.values)

    @property
    def has_senses(self) -> bool:
        """Whether a class becomes another in the mirror."""
        return bool(self.mirror)

    @model_validator(mode="after")
    def _check(self) -> Self:
        slips = [*_value_slips({**self.values, "ignore": self.ignore}), *class_slips(self.names)]
        if len(self.values) < 2:
            slips.append(f"'values' names {len(self.values)} class; two or more are needed")
        for name in self.from_answers:
            if name not in self.values:
                slips.append(
                    f"'from_answers' names the class {name!r}; {nearest(name, self.values)}"
                )
        if self.debiased and set(self.debiased) != set(self.values):
            slips.append(
                f"'debiased' names {', '.join(map(repr, self.debiased))}; give a column for each "
                f"of the classes {', '.join(map(repr, self.values))}, or leave it out"
            )
        if self.selection is not None and self.weight is not None:
            slips.append(
                "'selection' and 'weight' are both given; a weight is one over the probability of "
                "selection, so give one of them"
            )
        refuse([*slips, *_mirror_slips(self.mirror, self.names, "class")])
        return self


class StretchSettings(Settings):
    """The asinh stretch of FITS pixels (Lupton et al. 2004, PASP 116, 133).

    Parameters
    ----------
    scale
        Linear stretch: the flux range that is shown almost linearly, in pixel units.
    softening
        The asinh softening Q.
    minimum
        Pixel value shown black.
    """

    scale: Number = Field(default=5.0, gt=0)
    softening: Number = Field(default=8.0, gt=0)
    minimum: Number = 0.0


GROUPS = ("tiers", "votes", "fusion", "published", "ablations", "sampling", "images")
"""Words that stand for several arms: see :func:`czsl.compare.arms.select_arms`."""


class CompareSettings(Settings):
    """What ``czsl compare`` compares: ``[compare]``.

    Parameters
    ----------
    arms
        Names of arms, or of groups of them (see :func:`czsl.compare.arms.select_arms`).
    """

    arms: Texts = ("tiers",)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.arms:
            refuse(["'arms' is empty; name arms or groups of them, or leave it out"])
        return self


class ImagesSettings(Settings):
    """How cutouts become the arrays that networks see: ``[images]``.

    Parameters
    ----------
    crop
        Central square before resizing: pixels (a whole number) or a fraction of the
        smaller side (at most 1.0); by default all of it.
    size
        Side of the stored images, pixels.
    view
        Side of the central square of a stored image that networks see, pixels; by default
        all of it. A margin lets training images rotate without empty corners.
    channels
        3 (colour; greyscale is repeated), 1 (grey; colour becomes its luma), or the number
        of bands, up to 8. Alpha is laid over black. By default bands are channels for FITS
        and where there are neither one nor three; all else becomes colour.
    bands
        Names that ``{band}`` takes in the image pattern, from red to blue.
    stretch
        For FITS and other images of floating-point numbers.
    """

    crop: Whole | Number | None = None
    size: Whole = Field(default=64, ge=8, le=1024)
    view: Whole | None = Field(default=None, ge=8)
    channels: Whole | None = Field(default=None, ge=1, le=MAX_BANDS)
    bands: tuple[str, ...] = Field(default=(), max_length=MAX_BANDS)
    stretch: StretchSettings = StretchSettings()

    @model_validator(mode="after")
    def _check(self) -> Self:
        slips = []
        if isinstance(self.crop, float) and not 0 < self.crop <= 1:
            slips.append(
                f"'crop' is {self.crop}; a fraction is above 0 and at most 1.0, pixels are whole"
            )
        if isinstance(self.crop, int) and self.crop < 8:
            slips.append(f"'crop' is {self.crop}; in pixels it must be 8 or more")
        if self.view is not None and self.view > self.size:
            slips.append(f"'view' is {self.view}; it must be 'size' or less, which is {self.size}")
        elif (self.size - self.seen) % 2:
            slips.append(
                f"'view' is {self.view} of 'size' {self.size}; both must be even or both odd, so "
                "that the margin is the same on all sides"
            )
        refuse(slips)
        return self

    @property
    def seen(self) -> int:
        """Side of the square that networks see, pixels."""
        return self.size if self.view is None else self.view


def _value_slips(values: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Find texts that stand for two names."""
    owners: dict[str, str] = {}
    for name, texts in values.items():
        for text in texts:
            if owners.setdefault(text, name) != name:
                yield (
                    f"the value {text!r} stands for both {owners[text]!r} and {name!r}; "
                    "leave it to one"
                )


def _mirror_slips(mirror: Mapping[str, str], names: Sequence[str], noun: str) -> Iterator[str]:
    """Find a mirror that names an unknown answer or class, or does not pair up."""
    for one, other in mirror.items():
        unknown = [name for name in (one, other) if name not in names]
        for name in unknown:
            yield (
                f"'mirror' pairs {one!r} with {other!r}, and there is no {noun} {name!r}; "
                f"{nearest(name, names)}"
            )
        twice = list(mirror.values()).count(other) > 1
        if not unknown and (one == other or mirror.get(other, one) != one or twice):
            yield (
                f"'mirror' pairs {one!r} with {other!r}, which is not a pair of its own; name each "
                'pair once, as { clockwise = "anticlockwise" }'
            )
