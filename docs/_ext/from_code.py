"""Directives whose text is taken from the code, so that it cannot go stale.

``czsl-help COMMAND``     what ``czsl COMMAND --help`` prints; without a command, ``czsl --help``
``czsl-flags``            the quality flags: bit, name, meaning
``czsl-errors``           the tree of errors
``czsl-settings STAGE``   settings of a stage in the recipes that ship; without a stage, the others
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import click
from docutils import nodes
from pydantic import BaseModel
from sphinx.util.docutils import SphinxDirective

import czsl.errors
from czsl.cli import main
from czsl.flags import MEANING
from czsl.recipes import RECIPES
from czsl.slips import settings_of

WIDTH = 88

LEFT_OUT, BELOW = "stage left out", "as below"
"""What stands where a recipe is without a stage, and where a setting has a row for each part."""

WORDS = ("", LEFT_OUT, BELOW)
"""Cells of the tables of settings that are no values."""


def help_text(command: str = "") -> str:
    """Give the help of a command; without one that of ``czsl`` itself."""
    top = click.Context(main, info_name="czsl", terminal_width=WIDTH, **main.context_settings)
    if not command:
        return main.get_help(top)
    found = main.get_command(top, command)
    if found is None:
        raise ValueError(f"there is no command {command!r}; there are {main.list_commands(top)}")
    inner = click.Context(found, parent=top, info_name=command, terminal_width=WIDTH)
    return found.get_help(inner)


def flag_rows() -> list[tuple[str, str, str]]:
    """Give the bit, the name and the meaning of each flag."""
    return [(str(flag.value), str(flag.name).lower(), text) for flag, text in MEANING.items()]


def error_rows() -> list[tuple[str, str]]:
    """Give every error's name, indented by its depth in the tree, and its meaning."""
    return list(_errors(czsl.errors.CzslError, 0))


def _errors(error: type[Exception], depth: int) -> Iterator[tuple[str, str]]:
    yield "\N{NO-BREAK SPACE}" * 3 * depth + error.__name__, str(error.__doc__)
    for inner in error.__subclasses__():
        if inner.__module__ == czsl.errors.__name__:
            yield from _errors(inner, depth + 1)


def setting_rows(stage: str = "") -> list[tuple[str, ...]]:
    """Give the settings of a stage, or of the recipe itself, a column for each recipe."""
    found = []
    for recipe in RECIPES.values():
        content = getattr(recipe, stage) if stage else recipe
        found.append(dict(_flat(content)) if content is not None else None)
    names = list(dict.fromkeys(name for settings in found if settings for name in settings))
    return [
        (name, *(LEFT_OUT if one is None else one.get(name, "") for one in found)) for name in names
    ]


def _flat(settings: BaseModel) -> Iterator[tuple[str, str]]:
    """Spell settings as TOML does; those of stages are left to their own tables."""
    for name, field in type(settings).model_fields.items():
        value: Any = getattr(settings, name)
        if name == "name":
            continue
        if isinstance(value, BaseModel) and name == "augment":
            yield name, BELOW
            yield from ((f"augment.{inner}", text) for inner, text in _flat(value))
        elif name == "augment" or settings_of(field.annotation) is None:
            yield name, spelled(value)


def spelled(value: Any) -> str:
    """Spell a value as TOML does; a file says ``false`` for what is None.

    >>> [spelled(one) for one in (None, True, "sgd", (0.0, 1.0), 0.002)]
    ['false', 'true', '"sgd"', '[0.0, 1.0]', '0.002']
    """
    if isinstance(value, tuple):
        return f"[{', '.join(map(spelled, value))}]"
    return json.dumps(False if value is None else value)


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], literal: int) -> nodes.table:
    """Make a table whose first columns, so many, are code, but for :data:`WORDS`."""
    group = nodes.tgroup(cols=len(headings))
    group += [nodes.colspec(colwidth=1) for _ in headings]
    head, body = nodes.thead(), nodes.tbody()
    group += [head, body]
    head += _row([nodes.Text(heading) for heading in headings])
    for row in rows:
        body += _row(
            [
                nodes.literal(text, text)
                if place < literal and text not in WORDS
                else nodes.Text(text)
                for place, text in enumerate(row)
            ]
        )
    made = nodes.table()
    made += group
    return made


def _row(cells: Sequence[nodes.Node]) -> nodes.row:
    row = nodes.row()
    for cell in cells:
        entry = nodes.entry()
        paragraph = nodes.paragraph()
        paragraph += cell
        entry += paragraph
        row += entry
    return row


class FromCode(SphinxDirective):
    """Is read anew by every build, since the code may have changed."""

    def made(self) -> nodes.Node:
        """Give what the directive stands for."""
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        """Give it to Sphinx."""
        self.env.note_reread()
        return [self.made()]


class Help(FromCode):
    """What a command prints for ``--help``."""

    optional_arguments = 1

    def made(self) -> nodes.Node:
        """Give it as it stands."""
        text = help_text(*self.arguments)
        return nodes.literal_block(text, text, language="text")


class Flags(FromCode):
    """The table of the flags."""

    def made(self) -> nodes.Node:
        """Give the table."""
        return table(("bit", "name", "meaning"), flag_rows(), literal=2)


class Errors(FromCode):
    """The tree of the errors."""

    def made(self) -> nodes.Node:
        """Give the table."""
        return table(("error", "when"), error_rows(), literal=1)


class RecipeSettings(FromCode):
    """The settings of a stage in both recipes."""

    optional_arguments = 1

    def made(self) -> nodes.Node:
        """Give the table."""
        rows = setting_rows(*self.arguments)
        return table(("setting", *RECIPES), rows, literal=1 + len(RECIPES))


def setup(app: Any) -> dict[str, bool]:
    """Tell Sphinx about the directives."""
    app.add_directive("czsl-help", Help)
    app.add_directive("czsl-flags", Flags)
    app.add_directive("czsl-errors", Errors)
    app.add_directive("czsl-settings", RecipeSettings)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
