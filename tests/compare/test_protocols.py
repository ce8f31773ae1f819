"""Protocols: who learns from what, and who is scored."""

import numpy as np
import pytest

from czsl.catalogue import Catalogue
from czsl.compare.protocols import Protocol
from czsl.errors import ArgumentError, CatalogueError
from tiny import quick, tiny_catalogue, write_survey
from votes_only import votes_config, write_table


@pytest.fixture(scope="module")
def everyone(tmp_path_factory):
    """A catalogue in which experts named every object."""
    return Catalogue.read(votes_config(write_table(tmp_path_factory.mktemp("table"))))


@pytest.fixture(scope="module")
def tiers(tmp_path_factory):
    """A catalogue with all three tiers."""
    return tiny_catalogue(write_survey(tmp_path_factory.mktemp("t") / "s"), quick("default"))


def splits(protocol, catalogue, seed=0):
    numbers = protocol.fold_numbers(catalogue, seed)
    return [
        protocol.split(catalogue, numbers, fold, seed) for fold in range(int(numbers.max()) + 1)
    ]


def test_own_tiers_stay_and_every_expert_is_tested_once(tiers):
    found = splits(Protocol(folds=4), tiers)
    tested = np.concatenate([split.test for split in found])
    assert sorted(tested) == np.flatnonzero(tiers.is_expert).tolist()
    for split in found:
        assert set(split.experts) == set(np.flatnonzero(tiers.is_expert)) - set(split.test)
        assert set(split.volunteers) == set(np.flatnonzero(tiers.tier == "volunteer"))
        assert set(split.unlabelled) == set(np.flatnonzero(tiers.is_unlabelled))


def test_published_shares_in_file_order_without_a_fold_column(everyone):
    protocol = Protocol(name="czsl2023", order="file")
    numbers = protocol.fold_numbers(everyone, 3)
    for fold in range(5):
        split = protocol.split(everyone, numbers, fold, 3)
        training = np.flatnonzero(numbers != fold)
        assert split.experts.tolist() == training[:12].tolist()  # 5% of 240
        assert split.volunteers.tolist() == training[12:60].tolist()  # the next 20%
        assert split.unlabelled.tolist() == training[60:].tolist()
        assert split.training.tolist() == training.tolist()
    assert np.array_equal(numbers, protocol.fold_numbers(everyone, 4))


def test_redrawn_tiers_differ_by_execution_and_fold(everyone):
    protocol = Protocol(name="czsl2023")
    first, again, other = (splits(protocol, everyone, seed) for seed in (0, 0, 1))
    for one, same in zip(first, again, strict=True):
        assert one.experts.tolist() == same.experts.tolist()
    assert first[0].experts.tolist() != other[0].experts.tolist()
    assert len({tuple(split.experts) for split in first}) == 5
    for split in first:
        sizes = [len(rows) for rows in (split.experts, split.volunteers, split.test)]
        assert sizes == [12, 48, 60]
        parts = [split.experts, split.volunteers, split.unlabelled, split.test]
        assert sorted(np.concatenate(parts)) == list(range(300))


def test_folds_of_the_table_are_taken(tmp_path):
    config = votes_config(write_table(tmp_path), catalogue={"fold": "fold"})
    catalogue = Catalogue.read(config)
    numbers = Protocol(name="czsl2023").fold_numbers(catalogue, 9)
    assert np.array_equal(numbers, catalogue.folds)
    assert numbers.max() == 3


def test_published_u_holds_a(everyone):
    sets = splits(Protocol(name="czsl2023"), everyone)[0].sets()
    assert list(sets) == ["test", "L", "A", "U", "U_published"]
    assert set(sets["U"]) < set(sets["U_published"])
    assert len(sets["U_published"]) == 48 + len(sets["U"])
    assert set(sets["A"]) == set(sets["U_published"]) - set(sets["U"])
    assert not set(sets["U_published"]) & set(sets["L"])


def test_too_few_experts_are_an_error(tmp_path):
    catalogue = Catalogue.read(votes_config(write_table(tmp_path)))
    catalogue = catalogue.hiding(classes=np.arange(300) > 2, votes=np.zeros(300, bool))
    with pytest.raises(CatalogueError, match=r"3 object\(s\) with an expert's class for 5 folds"):
        Protocol().fold_numbers(catalogue, 0)


def test_shares_and_folds_have_limits_and_all_that_is_wrong_is_told_at_once():
    bad = {"experts": 0.0, "folds": 50, "name": "mine", "ordre": "file"}
    with pytest.raises(ArgumentError) as caught:
        Protocol(**bad)
    assert str(caught.value).splitlines() == [
        "4 problems",
        "  1. protocol, name: got 'mine'; it is one of 'own' or 'czsl2023'",
        "  2. protocol, folds: got 50; it must be 20 or less",
        "  3. protocol, experts: got 0.0; it must be above 0",
        "  4. protocol, ordre: is not a setting; did you mean 'order'?",
    ]
