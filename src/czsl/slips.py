"""What is wrong with settings, in the words of those who wrote them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import NoneType
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from czsl.errors import Problems, nearest

_KINDS = {
    "string_type": "text",
    "tuple_type": 'a list, such as ["a", "b"],',
    "dict_type": 'a table, such as { a = "b" },',
    "model_type": "a table of settings",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
}

_BOUNDS = {
    "greater_than": "it must be above {gt:g}",
    "greater_than_equal": "it must be {ge:g} or more",
    "less_than": "it must be below {lt:g}",
    "less_than_equal": "it must be {le:g} or less",
    "too_short": "{min_length} or more are needed",
    "too_long": "{max_length} or fewer are needed",
    "literal_error": "it is one of {expected}",
}


def refuse(slips: Sequence[str]) -> None:
    """Raise what a check of settings found, if it found any: on each line what, "; ", the remedy.

    Raises
    ------
    ValueError
        For pydantic, which gathers it; :func:`note_slips` takes the lines apart.
    """
    if slips:
        raise ValueError("\n".join(slips))


def note_slips(
    error: ValidationError,
    model: type[BaseModel],
    problems: Problems,
    *,
    name: str,
    sections: Mapping[tuple[Any, ...], str],
) -> None:
    """Note everything that pydantic found, by its place in the file.

    Parameters
    ----------
    error
        What pydantic found.
    model
        The settings that were checked.
    problems
        Takes a problem for each slip.
    name
        What the problems call the source.
    sections
        How the file calls the sections: for the first parts of a place, such as
        ``("votes", 1)``, their heading.
    """
    noted: dict[str, tuple[str, list[str]]] = {}
    for slip in error.errors():
        place, fields = _place(slip["loc"], model)
        where = f"{name}, {_heading(place, sections)}".removesuffix(", ")
        if slip["type"] == "value_error":
            for line in str(slip["ctx"]["error"]).split("\n"):
                found, _, remedy = line.rpartition("; ")
                problems.add(where, found, remedy)
            continue
        found, remedy = _told(slip, fields)
        # A setting that may be of several kinds has a slip for each of them.
        noted.setdefault(where, (found, []))[1].append(remedy)
    for where, (found, remedies) in noted.items():
        told = " or ".join(dict.fromkeys(remedies)).replace(" is needed or ", " or ")
        told = told.replace(" or it is one of ", " or ")
        problems.add(where, found, told)


def _told(slip: Any, fields: Sequence[str]) -> tuple[str, str]:
    """Say what stands there, and what should."""
    if slip["type"] == "missing":
        return "is missing", "give it"
    if slip["type"] == "extra_forbidden":
        return "is not a setting", nearest(str(slip["loc"][-1]), fields)
    found = f"got {slip['input']!r}"
    if slip["type"] in _KINDS:
        return found, f"{_KINDS[slip['type']]} is needed"
    if slip["type"] in _BOUNDS:
        return found, _BOUNDS[slip["type"]].format(**slip["ctx"])
    return found, slip["msg"][0].lower() + slip["msg"][1:]


def _heading(place: Sequence[str | int], sections: Mapping[tuple[Any, ...], str]) -> str:
    """Spell a place as its section and the setting in it."""
    for length in range(len(place), -1, -1):
        heading = sections.get(tuple(place[:length]))
        if heading is not None:
            return f"{heading} {_dotted(place[length:])}".strip()
    return f"[{place[0]}] {_dotted(place[1:])}".rstrip() if place else ""


def _dotted(place: Sequence[str | int]) -> str:
    """Spell the way to a setting within its section."""
    return ".".join(str(part) for part in place)


def _place(
    location: Sequence[str | int], model: type[BaseModel]
) -> tuple[list[str | int], list[str]]:
    """Give the settings on the way to a slip, and those that there are where it happened.

    Left out are the places in lists of text, and pydantic's names for the kinds that a
    setting may be of.
    """
    kind: Any = model
    place: list[str | int] = []
    fields: list[str] = []
    for part in location:
        inner = settings_of(kind)
        if isinstance(part, int):
            if inner is not None:
                place.append(part)
        elif inner is not None:
            fields = [field for field, info in inner.model_fields.items() if not info.exclude]
            place.append(part)
            kind = inner.model_fields[part].annotation if part in inner.model_fields else None
        elif get_origin(kind) is dict:
            place.append(part)
            kind = get_args(kind)[1]
    return place, fields


def settings_of(kind: Any) -> type[BaseModel] | None:
    """Find the settings that a type holds, in a list or as one of several kinds.

    Examples
    --------
    >>> class Inner(BaseModel):
    ...     a: int
    >>> settings_of(tuple[Inner, ...] | None).__name__
    'Inner'
    """
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return kind
    if get_origin(kind) is dict:
        return None
    inner = (settings_of(part) for part in get_args(kind) if part is not NoneType)
    return next((found for found in inner if found is not None), None)
