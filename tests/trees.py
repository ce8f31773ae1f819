"""A tree of questions of three levels, and its shares by hand."""

from typing import Any

import numpy as np

from czsl.config import Config, make_config

ANSWERS = {
    "shape": ("smooth", "disc", "star"),
    "edge": ("edge", "face"),
    "sense": ("cw", "acw", "unclear"),
    "odd": ("dust", "plain"),
}
AFTER = {"edge": "disc", "sense": "face"}
FROM = {"early": ["smooth"], "side": ["edge"], "cw": ["cw"], "acw": ["acw"]}
SIZES = tuple(len(names) for names in ANSWERS.values())
NAMES = [name for names in ANSWERS.values() for name in names]
"""Nobody asks "odd" after an answer; "star", "unclear", "dust" and "plain" make no class."""


def tree_config(
    after: dict[str, str] = AFTER, made: dict[str, list[str]] = FROM, **catalogue: Any
) -> Config:
    """Configure the tree; each answer has a column of its own name."""
    votes = [
        {"question": question, "answers": {name: name for name in names}}
        | ({"after": after[question]} if question in after else {})
        for question, names in ANSWERS.items()
    ]
    classes = {"column": "expert", "values": {name: name for name in made}, "from_answers": made}
    return make_config(
        {"catalogue": {"table": "t.csv", "id": "id", **catalogue}, "votes": votes}
        | {"classes": classes}
    )


def by_hand(asked: dict[str, float], answer: str, after: dict[str, str] = AFTER) -> float:
    """Give an answer's share of all votes from those among its question's, by recursion."""
    (question,) = [question for question, names in ANSWERS.items() if answer in names]
    if question not in after:
        return asked[answer]
    return asked[answer] * by_hand(asked, after[question], after)


def split_shares(values: np.ndarray) -> list[np.ndarray]:
    """Scale each question's part of positive values, shape (object, answer), to a sum of 1."""
    parts = np.split(values, np.cumsum(SIZES)[:-1], axis=1)
    sums = [part.sum(axis=1, keepdims=True) for part in parts]
    return [
        np.divide(part, total, out=np.zeros_like(part), where=total > 0)
        for part, total in zip(parts, sums, strict=True)
    ]


def expected(shares: np.ndarray, after: dict[str, str] = AFTER) -> np.ndarray:
    """Give every answer's share of all votes by hand, shape (object, answer)."""
    rows = [dict(zip(NAMES, row.tolist(), strict=True)) for row in shares]
    return np.array([[by_hand(row, name, after) for name in NAMES] for row in rows])
