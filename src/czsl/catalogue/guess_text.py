"""The text of a first ``czsl.toml``, with the reason for every guess as a comment."""

from __future__ import annotations

import itertools
import json
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from czsl.catalogue.guess_columns import Finding
from czsl.catalogue.guess_label import LabelGuess
from czsl.catalogue.guess_votes import VoteGuess, mirrored
from czsl.names import BETWEEN, class_slips

_NO_CLASS = {"none", "unknown", "unclassified", "uncertain", "nan", "na", "?", "-"}

_LAST = """
[images]
# crop = 128   # central pixels before resizing (or a fraction of the side, 0.5); all of them here
size = 64

[recipe]
name = "default"   # or "czsl2023", the published method
"""


@dataclass(frozen=True, kw_only=True)
class Guesses:
    """Everything that was guessed.

    Parameters
    ----------
    table
        The table, as the configuration names it.
    id, images, fold, position, classes
        The single guesses.
    questions
        The votes.
    label
        The volunteers' class.
    values
        The values of the column of experts' classes.
    root
        The folder of the images, where it must be allowed.
    """

    table: str
    id: Finding
    images: Finding
    fold: Finding
    position: Finding
    questions: Sequence[VoteGuess]
    label: LabelGuess
    classes: Finding
    values: Sequence[str]
    root: str | None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was guessed, in the order of the file."""
        label = Finding(setting="[votes] label", value=self.label.column, reason=self.label.reason)
        votes = [
            Finding(setting="[votes] answers", value=votes.answers, reason=votes.reason)
            for votes in self.questions
        ]
        if not votes and self.label.column is None:
            reason = "no columns add up to another, or to one, or are called n_… or votes_…"
            votes = [Finding(setting="[votes] answers", value=None, reason=reason)]
        single = (self.id, self.images, self.fold, self.position)
        return (*single, *votes, label, self.classes)


def config_text(guesses: Guesses) -> str:
    """Write the configuration.

    Parameters
    ----------
    guesses
        What was guessed; the rest becomes comments to fill in.
    """
    head = (
        "Guessed from the table: look at every line. What begins with # is a comment; what could "
        "not be guessed is one to fill in. Then run: czsl check"
    )
    lines = [
        *_comment(head),
        "",
        *_catalogue(guesses),
        *_votes(guesses),
        *_classes(guesses),
        *_LAST.split("\n"),
    ]
    return "\n".join(lines)


def _catalogue(guesses: Guesses) -> Iterator[str]:
    """Write ``[catalogue]``."""
    yield "[catalogue]"
    yield f"table = {_text(guesses.table)}"
    yield from _setting("id", guesses.id, '"object_id"   # the column of ids')
    yield from _setting("images", guesses.images, '"images/{id}.jpg"   # columns in braces')
    if guesses.root is not None and guesses.images.value is not None:
        yield from _comment("The images lie outside this file's folder, which must be allowed.")
        yield f"roots = [{_text(guesses.root)}]"
    yield from _setting("fold", guesses.fold, '"fold"')
    yield from _setting("position", guesses.position, '["RA", "DEC"]   # degrees')


def _votes(guesses: Guesses) -> Iterator[str]:
    """Write ``[votes]``, or ``[[votes]]`` where there are several questions."""
    label = guesses.label
    if not guesses.questions:
        found = label.column is not None
        yield from ("", "[votes]" if found else "# [votes]")
        if found:
            yield from _comment(label.reason)
            yield f"label = {_text(label.column or '')}"
            yield f"label_values = {_table(label.values)}"
            yield from _mirror(list(label.values))
        else:
            yield '# answers = { smooth = "n_smooth", disc = "n_disc" }   # a column for each'
        return
    several = len(guesses.questions) > 1
    for place, votes in enumerate(guesses.questions):
        yield from ("", "[[votes]]" if several else "[votes]")
        if several:
            yield f"question = {_text(votes.question)}"
            yield '# after = "…"   # the answer after which alone it is asked'
        yield from _comment(votes.reason)
        yield f"answers = {_table(votes.answers)}"
        if votes.total is not None:
            yield f"total = {_text(votes.total)}"
        yield f"unit = {_text(votes.unit)}"
        if label.question == place:
            yield from _comment(label.reason)
            yield f"label = {_text(label.column or '')}"
            yield f"label_values = {_table(label.values)}"
        elif place == 0:
            yield from _comment(f"The volunteers' class, for objects without votes: {label.reason}")
            yield '# label = "…"'
        if place == 0:
            yield "# extra = []   # more columns of numbers that the transfer may use"
        yield from _mirror(list(votes.answers))


def _classes(guesses: Guesses) -> Iterator[str]:
    """Write ``[classes]``."""
    column = guesses.classes.value
    texts = [value for value in sorted(guesses.values) if value.lower() not in _NO_CLASS]
    values = usable_names(texts)
    names = list(values)
    known = column is not None and len(names) > 1
    mark = "" if known else "# "
    yield from ("", f"{mark}[classes]", *_comment(guesses.classes.reason))
    if not known:
        yield '# column = "expert"   # the experts\' class, empty where no expert has looked'
        yield '# values = { early = "E", late = "S" }   # what the column holds for each class'
        return
    yield f"column = {_text(column)}"
    yield f"values = {_table(values)}   # class = value; rename classes"
    ignored = sorted(set(guesses.values) - set(texts))
    if ignored:
        yield f"ignore = [{', '.join(_text(value) for value in ignored)}]   # no class"
    answers = [answer for votes in guesses.questions for answer in votes.answers]
    answers += [answer for answer in guesses.label.values if answer not in answers]
    same = {name: a for name in names for a in answers if a.lower() == name.lower()}
    if len(same) == len(names):
        yield f"from_answers = {_table(same)}"
    else:
        example = ", ".join(f"{_key(name)} = []" for name in names)
        yield f"# from_answers = {{ {example} }}   # the answers that make each class"
    yield from _mirror(names)


def usable_names(values: Sequence[str]) -> dict[str, str]:
    """Give each value the name of a class: its own, or one like it where that cannot be used.

    Examples
    --------
    >>> usable_names(["E|S0", "S0", "s0"])
    {'E/S0': 'E|S0', 'S0': 'S0', 's0_2': 's0'}
    """
    named: dict[str, str] = {}
    for value in values:
        plain = value.replace(BETWEEN, "/") if value.strip() else "blank"
        tries = (plain if number == 1 else f"{plain}_{number}" for number in itertools.count(1))
        free = (name for name in tries if name not in named)
        named[next(name for name in free if not any(class_slips([*named, name])))] = value
    return named


def _setting(name: str, finding: Finding, example: str) -> Iterator[str]:
    """Write a setting and why, or how it would be given."""
    yield from _comment(finding.reason)
    if finding.value is None:
        yield f"# {name} = {example}"
    else:
        value = finding.value
        one = isinstance(value, str)
        yield f"{name} = " + (_text(value) if one else f"[{', '.join(map(_text, value))}]")


def _mirror(names: Sequence[str]) -> Iterator[str]:
    """Write which names swap in a mirrored image, if their names say so."""
    if pair := mirrored(names):
        yield f"mirror = {_table(pair)}   # they swap when the image is mirrored"


def _comment(text: str) -> list[str]:
    """Write a comment, in lines of some 96 characters."""
    plain = "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)
    return [f"# {line}" for line in textwrap.wrap(plain, 94)]


def _table(values: Mapping[str, str]) -> str:
    """Write an inline table."""
    return "{ " + ", ".join(f"{_key(key)} = {_text(value)}" for key, value in values.items()) + " }"


def _key(name: str) -> str:
    """Write a key, in quotes where TOML needs them."""
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _text(name)


def _text(value: str) -> str:
    """Write text in quotes: JSON's are TOML's, but for the one control character above ASCII's."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
