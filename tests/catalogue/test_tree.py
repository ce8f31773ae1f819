"""Shares along a tree of questions, against a recursion by hand."""

import numpy as np
import pyarrow as pa
import pytest
import torch

from czsl.catalogue import class_shares, read_votes
from czsl.catalogue.tree import asked_after, first_answers, whole_shares
from czsl.errors import Problems
from czsl.stages.targets import make_layout
from trees import FROM, NAMES, SIZES, expected, split_shares, tree_config


def votes_of(config, counts: np.ndarray) -> list:
    table = pa.table({name: counts[:, place] for place, name in enumerate(NAMES)})
    return [read_votes(table, one, Problems(), name="t.csv") for one in config.votes]


def counts_of(objects: int = 40) -> np.ndarray:
    """Draw votes, of which whole questions are sometimes missing."""
    random = np.random.default_rng(0)
    counts = random.integers(0, 9, (objects, len(NAMES)))
    hidden = np.repeat(random.random((objects, len(SIZES))) < 0.2, SIZES, axis=1)
    return np.where(hidden, 0, counts)


def test_places_of_the_answers_that_lead_to_questions():
    config = tree_config()
    layout = make_layout(config.votes, config.classes)
    assert layout.after == (None, (0, 1), (1, 1), None)
    assert asked_after([], []) == ()


@pytest.mark.parametrize("kind", ["array", "tensor"])
def test_whole_shares_are_those_of_a_recursion(kind):
    parts = split_shares(np.random.default_rng(1).random((20, len(NAMES))))
    given = [torch.from_numpy(part) for part in parts] if kind == "tensor" else parts
    found = whole_shares(given, (None, (0, 1), (1, 1), None))
    np.testing.assert_allclose(
        np.hstack([np.asarray(part) for part in found]), expected(np.hstack(parts))
    )
    assert found[0] is given[0]
    assert found[3] is given[3]


def test_without_a_tree_shares_are_the_very_same():
    parts = split_shares(np.random.default_rng(1).random((20, len(NAMES))))
    for after in ((), (None,) * len(SIZES)):
        assert all(a is b for a, b in zip(whole_shares(parts, after), parts, strict=True))


def test_class_shares_are_those_of_a_recursion_whatever_is_missing():
    config, counts = tree_config(), counts_of()
    shares, _ = class_shares(votes_of(config, counts), FROM, list(FROM))
    whole = expected(np.hstack(split_shares(counts.astype(float))))
    np.testing.assert_allclose(shares, whole[:, [NAMES.index(made[0]) for made in FROM.values()]])


def test_an_answer_and_what_it_leads_to_count_once_for_one_class():
    made = {"early": ["smooth"], "late": ["edge", "cw", "disc", "plain"]}
    config = tree_config(made=made)
    led = {name: one.after for one in config.votes for name in one.names}
    assert first_answers(made["late"], led) == ["disc", "plain"]
    assert first_answers(["cw", "smooth", "edge"], led) == ["cw", "smooth", "edge"]
    counts = counts_of()
    shares, _ = class_shares(votes_of(config, counts), made, ["early", "late"])
    whole = expected(np.hstack(split_shares(counts.astype(float))))
    disc, plain = NAMES.index("disc"), NAMES.index("plain")
    np.testing.assert_allclose(shares[:, 1], whole[:, disc] + whole[:, plain])
    layout = make_layout(config.votes, config.classes)
    assert np.flatnonzero(layout.class_answers[:, 1]).tolist() == [disc, plain]
