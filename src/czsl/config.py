"""Everything a user may set about the data, in one file: the sections of ``czsl.toml``.

The settings of the stages are in :mod:`czsl.recipes`. Every value is frozen; every
slip in a file is reported at once, by its place in the file, with the nearest words
that are allowed.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, BeforeValidator, Field, ValidationError, model_validator

from czsl.errors import ConfigError, Problems, nearest, writing
from czsl.recipes import Recipe, Settings, recipe_settings

Text = Annotated[
    str, BeforeValidator(lambda value: str(value) if isinstance(value, int) else value)
]
"""Text; a whole number is taken for its digits, since codes in tables are often numbers."""

Texts = Annotated[
    tuple[Text, ...],
    BeforeValidator(lambda value: (value,) if isinstance(value, str | int) else value),
]
"""One text or several."""


class CatalogueSettings(Settings):
    """Where the objects are: ``[catalogue]``.

    Parameters
    ----------
    table
        CSV, ECSV, Parquet, FITS or VOTable file, relative to the configuration file.
    id
        Column of the object's id; read as text always.
    images
        Where an object's image is: a pattern of columns (``"images/{id}.jpg"``), which
        may lead into an archive (``"cutouts.zip/{id}.jpg"``), an HDF5 data set
        (``"cutouts.h5"``) or a column of image bytes in the table (``"{image_bytes}"``).
        ``{band}`` stands for each of the bands in ``[images]``.
    fold
        Column of fold numbers; without it folds are made by seed.
    roots
        More folders that images may lie in, besides the configuration file's own.
    """

    table: str
    id: str
    images: str | None = None
    fold: str | None = None
    roots: tuple[str, ...] = ()


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
        if not self.answers and self.label is None:
            raise ValueError(
                "needs 'answers' (a column per answer) or 'label' (a column of classes)"
            )
        if self.label is not None and not self.names:
            raise ValueError("needs 'label_values' (what the label column holds) or 'answers'")
        _check_mirror(self.mirror, self.names, "answer")
        return self


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
    mirror
        Classes that swap when the image is mirrored.
    """

    column: str
    values: dict[str, Texts]
    ignore: Texts = ()
    from_answers: dict[str, Texts] = Field(default_factory=dict)
    mirror: dict[str, str] = Field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The classes in their order, which is the order of every probability."""
        return tuple(self.values)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(self.values) < 2:
            raise ValueError("'values' needs two classes or more")
        owners: dict[str, str] = {}
        for name, values in [*self.values.items(), ("ignore", self.ignore)]:
            for value in values:
                if owners.setdefault(value, name) != name:
                    raise ValueError(
                        f"the value {value!r} stands for both {owners[value]!r} and {name!r}"
                    )
        for name in self.from_answers:
            if name not in self.values:
                raise ValueError(
                    f"'from_answers' names the class {name!r}: {nearest(name, self.values)}"
                )
        _check_mirror(self.mirror, self.names, "class")
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

    scale: float = Field(default=5.0, gt=0)
    softening: float = Field(default=8.0, gt=0)
    minimum: float = 0.0


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
        3 (colour; greyscale is repeated) or 1 (grey; colour becomes its luma). Alpha is
        laid over black. For FITS the number of bands decides unless this is given.
    bands
        Names that ``{band}`` takes in the image pattern, from red to blue.
    stretch
        For FITS and other images of floating-point numbers.
    """

    crop: int | float | None = None
    size: int = Field(default=64, ge=8, le=1024)
    view: int | None = Field(default=None, ge=8)
    channels: Literal[1, 3] | None = None
    bands: tuple[str, ...] = ()
    stretch: StretchSettings = StretchSettings()

    @model_validator(mode="after")
    def _check(self) -> Self:
        if isinstance(self.crop, float) and not 0 < self.crop <= 1:
            raise ValueError(
                "'crop' as a fraction is above 0 and at most 1.0; as pixels a whole number"
            )
        if isinstance(self.crop, int) and self.crop < 8:
            raise ValueError("'crop' in pixels is 8 or more")
        if self.view is not None and self.view > self.size:
            raise ValueError(f"'view' is {self.view}; it is at most 'size', which is {self.size}")
        return self

    @property
    def seen(self) -> int:
        """Side of the square that networks see, pixels."""
        return self.size if self.view is None else self.view


class Config(Settings):
    """A whole ``czsl.toml``.

    Parameters
    ----------
    catalogue, votes, classes, images, recipe
        Its sections; ``votes`` one for each question.
    folder
        The folder that relative paths start from: the configuration file's own.
    """

    catalogue: CatalogueSettings
    votes: tuple[VotesSettings, ...] = ()
    classes: ClassesSettings
    images: ImagesSettings = ImagesSettings()
    recipe: Recipe
    folder: Path = Field(default=Path(), exclude=True)

    @model_validator(mode="after")
    def _check(self) -> Self:
        questions = [votes.question for votes in self.votes]
        if len(set(questions)) < len(questions):
            raise ValueError(f"[[votes]]: each needs its own 'question', got {questions}")
        answers = [name for votes in self.votes for name in votes.names]
        for votes in self.votes:
            if votes.after is not None and votes.after not in answers:
                raise ValueError(
                    f"[[votes]] after = {votes.after!r}: {nearest(votes.after, answers)}"
                )
        for name, parts in self.classes.from_answers.items():
            for part in parts:
                if part not in answers:
                    raise ValueError(
                        f"[classes] from_answers of {name!r} names the answer {part!r}: "
                        f"{nearest(part, answers)}"
                    )
        return self

    @property
    def table(self) -> Path:
        """Where the table is."""
        return self.folder / self.catalogue.table

    def to_toml(self) -> str:
        """Write the configuration, every default spelled out, as TOML."""
        import tomli_w

        return tomli_w.dumps(without_none(self.model_dump(mode="json")))


def read_config(path: str | Path) -> Config:
    """Read a configuration file.

    Parameters
    ----------
    path
        The file, or the folder that holds a ``czsl.toml``.

    Raises
    ------
    ConfigError
        Where the file is missing, is not TOML, or holds anything that cannot be used:
        every such place is named.
    """
    path = Path(path)
    path = path / "czsl.toml" if path.is_dir() else path
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: there is no such file; 'czsl init TABLE' writes one") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error})") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: is not TOML: {error}") from error
    return make_config(content, folder=path.parent, name=str(path))


def make_config(
    content: dict[str, Any], *, folder: str | Path = ".", name: str = "configuration"
) -> Config:
    """Make a configuration from the content of a TOML file.

    Parameters
    ----------
    content
        Sections and their settings, as in ``czsl.toml``.
    folder
        The folder that relative paths start from.
    name
        What errors call the source.

    Raises
    ------
    ConfigError
        Names every setting that cannot be used.

    Examples
    --------
    >>> config = make_config({
    ...     "catalogue": {"table": "galaxies.csv", "id": "id"},
    ...     "votes": {"answers": {"smooth": "n_smooth", "disc": "n_disc"}},
    ...     "classes": {"column": "expert", "values": {"early": "E", "late": ["S", "I"]}},
    ... })
    >>> config.classes.names, config.votes[0].names, config.recipe.name
    (('early', 'late'), ('smooth', 'disc'), 'default')
    >>> make_config({"catalogue": {"tabel": "a.csv", "id": "id"}, "classes": {}})
    Traceback (most recent call last):
    czsl.errors.ConfigError: 4 problems
      1. configuration, [catalogue] table: is missing; give it
      2. configuration, [catalogue] tabel: is not a setting; did you mean 'table'?
      3. configuration, [classes] column: is missing; give it
      4. configuration, [classes] values: is missing; give it
    """
    content = dict(content)
    if isinstance(content.get("votes"), dict):
        content["votes"] = [content["votes"]]
    problems = Problems()
    recipe = content.get("recipe", {})
    try:
        content["recipe"] = recipe_settings(recipe) if isinstance(recipe, dict) else recipe
    except ConfigError as error:
        problems.add(f"{name}, [recipe]", str(error), "correct it")
        content["recipe"] = recipe_settings({})
    try:
        config = Config.model_validate({**content, "folder": Path(folder)})
    except ValidationError as error:
        _translate(error, name, problems)
    problems.raise_if_fatal(ConfigError)
    return config


def write_config(config: Config, path: Path) -> None:
    """Write a configuration as it was resolved.

    Raises
    ------
    WriteError
        Where the file cannot be written.
    """
    with writing(path):
        path.write_text(config.to_toml(), encoding="utf-8")


def without_none(value: Any) -> Any:
    """Leave out the settings that are None, which TOML cannot say; their default is None."""
    if isinstance(value, dict):
        return {key: without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_none(item) for item in value]
    return value


def _check_mirror(mirror: dict[str, str], names: tuple[str, ...], noun: str) -> None:
    """Refuse a mirror that names an unknown answer or class, or does not pair up."""
    for one, other in mirror.items():
        for name in (one, other):
            if name not in names:
                raise ValueError(f"'mirror' names the {noun} {name!r}: {nearest(name, names)}")
        if one == other or mirror.get(other, one) != one or list(mirror.values()).count(other) > 1:
            raise ValueError(
                f"'mirror' pairs {one!r} with {other!r}, which is not a pair of its own: "
                f'name each pair once, as {{ clockwise = "anticlockwise" }}'
            )


def _translate(error: ValidationError, name: str, problems: Problems) -> None:
    """Turn pydantic's findings into problems in the user's words."""
    for slip in error.errors():
        section, setting, fields = _place(slip["loc"])
        where = f"{name}, {section} {setting}".rstrip()
        if slip["type"] == "missing":
            problems.add(where, "is missing", "give it")
        elif slip["type"] == "extra_forbidden":
            problems.add(where, "is not a setting", nearest(str(slip["loc"][-1]), fields))
        elif slip["type"] == "value_error":
            problems.add(where, str(slip["ctx"]["error"]), "correct it")
        else:
            message = slip["msg"][0].lower() + slip["msg"][1:]
            problems.add(where, f"got {slip['input']!r}", message)


def _place(location: tuple[int | str, ...]) -> tuple[str, str, list[str]]:
    """Name the section and the setting, and list what the section may hold."""
    model: type[BaseModel] = Config
    names: list[str] = []
    for part in location:
        if isinstance(part, int):
            continue
        names.append(part)
        annotation = model.model_fields[part].annotation if part in model.model_fields else None
        inner = [kind for kind in (annotation, *get_args(annotation)) if isinstance(kind, type)]
        model = next((kind for kind in inner if issubclass(kind, BaseModel)), model)
    fields = [field for field in model.model_fields if field != "folder"]
    section = f"[{names[0]}]" if names else ""
    return section, ".".join(names[1:]), fields
