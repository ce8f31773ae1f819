"""Everything a user may set about the data, in one file: the sections of ``czsl.toml``.

The settings of the stages are in :mod:`czsl.recipes`. Every value is frozen; every
slip in a file is reported at once, by its place in the file, with the nearest words
that are allowed.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from pydantic import Field, ValidationError, model_validator

from czsl.errors import ConfigError, Problems, nearest
from czsl.files import write_text
from czsl.names import id_slips
from czsl.recipes import Recipe, Settings, make_recipe, recipe_settings
from czsl.remote import located
from czsl.sections import (
    GROUPS,
    CatalogueSettings,
    ClassesSettings,
    CompareSettings,
    ImagesSettings,
    StretchSettings,
    VotesSettings,
)
from czsl.slips import note_slips, refuse

__all__ = [
    "CatalogueSettings",
    "ClassesSettings",
    "CompareSettings",
    "Config",
    "ImagesSettings",
    "StretchSettings",
    "VotesSettings",
    "make_config",
    "read_config",
    "write_config",
]


class Config(Settings):
    """A whole ``czsl.toml``.

    Parameters
    ----------
    catalogue, votes, classes, images, recipe
        Its sections; ``votes`` one for each question.
    arms
        ``[arms.NAME]``: recipes that ``czsl compare`` tries besides the standard arms, or
        in the place of one of them; each like ``[recipe]``.
    compare
        ``[compare]``: which arms it compares.
    folder
        The folder that relative paths start from: the configuration file's own.
    """

    catalogue: CatalogueSettings
    votes: tuple[VotesSettings, ...] = ()
    classes: ClassesSettings
    images: ImagesSettings = ImagesSettings()
    recipe: Recipe
    arms: dict[str, Recipe] = Field(default_factory=dict)
    compare: CompareSettings = CompareSettings()
    folder: Path = Field(default=Path(), exclude=True)

    @model_validator(mode="after")
    def _check(self) -> Self:
        slips = [*_question_slips(self.votes), *_class_slips(self), *_debiased_slips(self)]
        names = id_slips(self.catalogue.id, self.classes.names)
        more = (*_band_slips(self), *_recipe_slips(self), *_arm_slips(self.arms))
        refuse([*slips, *more, *names])
        return self

    @property
    def table(self) -> Path | str:
        """Where the table is: its path, or its address."""
        return located(self.folder, self.catalogue.table)

    def to_toml(self) -> str:
        """Write the configuration, every default spelled out, as TOML."""
        import tomli_w

        content = self.model_dump(mode="json")
        # A stage that is None is left out, which TOML says by false.
        content["recipe"] = _false_for_none(content["recipe"])
        content["arms"] = {name: _false_for_none(arm) for name, arm in content["arms"].items()}
        return tomli_w.dumps(_without_none(content))


def read_config(path: str | Path) -> Config:
    """Read a configuration file.

    Parameters
    ----------
    path
        The file, or the folder that holds a ``czsl.toml``. In the folder of a run,
        relative paths start from where they started in its fit.

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
    return make_config(content, folder=_start(path), name=str(path))


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
    problems = Problems()
    content = dict(content)
    votes = content.get("votes", [])
    if not isinstance(votes, list):
        content["votes"] = votes = [votes]
    if "folder" in content:
        problems.add(f"{name}, folder", "is not a setting", "leave it out")
    recipe = make_recipe(content.get("recipe", {}), problems, name=name)
    content["recipe"] = recipe or recipe_settings({})
    arms = content.get("arms", {})
    if isinstance(arms, dict):
        made = {
            arm: make_recipe(settings, problems, name=name, section=f"arms.{arm}")
            for arm, settings in arms.items()
        }
        content["arms"] = {arm: recipe for arm, recipe in made.items() if recipe is not None}
    try:
        config = Config.model_validate({**content, "folder": Path(folder)})
    except ValidationError as error:
        note_slips(error, Config, problems, name=name, sections=_headings(votes))
    problems.raise_if_fatal(ConfigError)
    return config


def write_config(config: Config, path: Path) -> None:
    """Write a configuration as it was resolved.

    Raises
    ------
    WriteError
        Where the file cannot be written.
    """
    write_text(path, config.to_toml())


def _start(path: Path) -> Path:
    """Give the folder that a file's relative paths start from: in a run, the fit's."""
    record = path.with_name("run.json")
    if not record.exists():
        return path.parent
    try:
        return Path(json.loads(record.read_text(encoding="utf-8")).get("folder", path.parent))
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"{record}: is not whole or not ours ({error}), and says where the paths of {path} "
            "start; choose another configuration"
        ) from error


def _question_slips(questions: Sequence[VotesSettings]) -> Iterator[str]:
    """Find questions and answers that cannot be told apart, or follow nothing."""
    owners: dict[str, str] = {}
    for place, votes in enumerate(questions):
        if votes.question in [other.question for other in questions[:place]]:
            yield (
                f"two questions of [[votes]] are called {votes.question!r}; give each a 'question' "
                "of its own"
            )
        if votes.after is not None and votes.after not in owners:
            yield (
                f"[[votes]] {votes.question!r} is asked after {votes.after!r}, which is no answer "
                f"of a question before it; {nearest(votes.after, owners)}"
            )
        for answer in votes.names:
            owner = owners.setdefault(answer, votes.question)
            if owner != votes.question:
                yield (
                    f"[[votes]]: the answer {answer!r} belongs to both {owner!r} and "
                    f"{votes.question!r}; give each a name of its own"
                )


def _class_slips(config: Config) -> Iterator[str]:
    """Find answers that make a class and are not there, or make two."""
    answers = [answer for votes in config.votes for answer in votes.names]
    owners: dict[str, str] = {}
    for name, parts in config.classes.from_answers.items():
        for part in parts:
            if part not in answers:
                yield (
                    f"[classes] from_answers of {name!r} names the answer {part!r}; "
                    f"{nearest(part, answers)}"
                )
            if owners.setdefault(part, name) != name:
                yield (
                    f"[classes] from_answers: the answer {part!r} makes both {owners[part]!r} and "
                    f"{name!r}; leave it to one"
                )


def _debiased_slips(config: Config) -> Iterator[str]:
    """Find columns of debiased fractions that are not read."""
    extra = [name for votes in config.votes for name in votes.extra]
    for column in config.classes.debiased.values():
        if column not in extra:
            yield (
                f"[classes] debiased names the column {column!r}, which [votes] extra does not; "
                "add it there"
            )


def _band_slips(config: Config) -> Iterator[str]:
    """Find a pattern of images in bands that are not named."""
    if "{band}" in (config.catalogue.images or "") and not config.images.bands:
        yield "[catalogue] images holds {band}, and [images] names no 'bands'; name them"


def _recipe_slips(config: Config) -> Iterator[str]:
    """Find what the recipe asks for and the images or the votes do not have."""
    recipe, seen = config.recipe, config.images.seen
    if recipe.network == "published" and seen % 8:
        yield (
            f"[images] gives views of {seen} pixels, and the published network of [recipe] halves "
            f"images three times; choose a multiple of 8, as {8 * max(1, round(seen / 8))}"
        )
    wanted = () if recipe.transfer is None else recipe.transfer.extra
    known = [name for votes in config.votes for name in votes.extra]
    for name in () if isinstance(wanted, bool) else wanted:
        if name not in known:
            yield (
                f"[recipe] transfer: 'extra' names {name!r}, which [votes] extra does not; "
                f"{nearest(name, known)}"
            )


def _arm_slips(names: Iterable[str]) -> Iterator[str]:
    """Find names of arms that mean several arms, or make no folder of their own."""
    for name in names:
        if name in GROUPS:
            yield f"[arms] {name!r} is the name of a group of arms; choose another"
        elif name in ("", ".", "..") or "/" in name:
            yield f"[arms] {name!r} cannot be the name of a folder; choose a name without '/'"


def _headings(votes: Any) -> dict[tuple[Any, ...], str]:
    """Give the headings of the sections of votes, by the question where there are several."""
    if not isinstance(votes, list) or len(votes) < 2:
        return {("votes", 0): "[votes]"}
    names = [votes.get("question") if isinstance(votes, dict) else None for votes in votes]
    return {
        ("votes", place): f"[[votes]] {name!r}" if name else f"[[votes]] number {place + 1}"
        for place, name in enumerate(names)
    }


def _false_for_none(value: Any) -> Any:
    """Say false for what is None, at any depth."""
    if isinstance(value, dict):
        return {key: _false_for_none(item) for key, item in value.items()}
    return False if value is None else value


def _without_none(value: Any) -> Any:
    """Leave out the settings that are None, which TOML cannot say; their default is None."""
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_none(item) for item in value]
    return value
