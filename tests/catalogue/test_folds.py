"""Folds made by seed are balanced in every class."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from czsl.catalogue import make_folds
from czsl.errors import ArgumentError

labels = st.lists(st.integers(0, 4), min_size=8, max_size=80)


@given(labels, st.integers(2, 8), st.integers(0, 2**32 - 1))
def test_sizes_differ_by_one_at_most_in_every_class_and_altogether(labels, folds, seed):
    labels = np.array(labels)
    dealt = make_folds(labels, folds, seed)
    assert dealt.shape == labels.shape
    for some in (dealt, *(dealt[labels == label] for label in np.unique(labels))):
        sizes = np.bincount(some, minlength=folds)
        assert len(sizes) == folds
        assert sizes.max() - sizes.min() <= 1


@given(labels, st.integers(0, 1000))
def test_the_same_seed_gives_the_same_folds(labels, seed):
    labels = np.array(labels)
    np.testing.assert_array_equal(make_folds(labels, 4, seed), make_folds(labels, 4, seed))


def test_another_seed_gives_other_folds():
    labels = np.zeros(100, dtype=np.int64)
    assert (make_folds(labels, 5, 0) != make_folds(labels, 5, 1)).any()


def test_every_object_is_as_likely_in_every_fold():
    labels = np.array([0] * 7 + [1] * 3)
    dealt = np.stack([make_folds(labels, 2, seed) for seed in range(4000)])
    # A share of half, with a standard error of .008.
    np.testing.assert_allclose(dealt.mean(axis=0), 0.5, atol=0.04)


def test_the_names_of_the_classes_do_not_matter():
    labels = np.array([0, 1] * 20 + [2])
    renamed = np.array([10, 20, 30])[labels]
    np.testing.assert_array_equal(make_folds(labels, 4, 3), make_folds(renamed, 4, 3))


def test_a_class_of_fewer_objects_than_folds_is_spread():
    labels = np.array([0] * 20 + [1] * 3)
    assert len(set(make_folds(labels, 5, 0)[20:].tolist())) == 3


@pytest.mark.parametrize("folds", [1, 0, 5])
def test_folds_that_cannot_be_made(folds):
    with pytest.raises(ArgumentError, match=f"got {folds} folds for 4 objects; there are two"):
        make_folds(np.zeros(4, dtype=np.int64), folds, 0)
