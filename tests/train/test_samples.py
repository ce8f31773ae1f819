"""Rows to train on."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from czsl.train.samples import Samples, split, to_tensor


class Pixels:
    """Images whose every pixel is the row's number."""

    def gather(self, rows: np.ndarray) -> np.ndarray:
        return np.broadcast_to(rows[:, None, None, None], (len(rows), 4, 4, 3)).astype(np.uint8)


def samples(count: int = 10, **changes) -> Samples:
    rows = np.arange(100, 100 + count)
    targets = {"classes": torch.arange(count * 2.0).reshape(count, 2)}
    return Samples(images=Pixels(), view=4, rows=rows, targets=targets, **changes)


def test_a_batch_holds_each_rows_own_image_and_target():
    images, targets = samples().batch(np.array([3, 0, 3]), torch.device("cpu"))
    assert (images[:, 0, 0, 0] * 255).round().tolist() == [103, 100, 103]
    assert targets["classes"].tolist() == [[6, 7], [0, 1], [6, 7]]


def test_pixels_become_numbers_from_0_to_1_with_channels_first():
    pixels = np.random.default_rng(0).integers(0, 256, (2, 5, 6, 3), dtype=np.uint8)
    tensor = to_tensor(pixels, torch.device("cpu"))
    assert tensor.shape == (2, 3, 5, 6)
    np.testing.assert_allclose(tensor.numpy(), pixels.transpose(0, 3, 1, 2) / 255, rtol=1e-6)
    assert tensor.is_contiguous(memory_format=torch.channels_last)


def test_an_epoch_has_every_row_once_in_random_order():
    order = samples(50).order(np.random.default_rng(0))
    assert sorted(order) == list(range(50))
    assert order.tolist() != list(range(50))


def test_some_rows_train_always_and_others_take_turns():
    mixed = samples(30, always=4, companions=5)
    seen = set()
    for seed in range(20):
        order = mixed.order(np.random.default_rng(seed))
        assert len(order) == mixed.in_epoch == 9
        assert set(range(4)) <= set(order)
        assert len(set(order)) == 9
        seen |= set(order)
    assert seen == set(range(30))


def test_rows_that_are_taken_keep_their_targets_and_their_part_in_an_epoch():
    taken = samples(10, always=4, companions=3).take(np.array([1, 3, 5, 8, 9]))
    assert taken.rows.tolist() == [101, 103, 105, 108, 109]
    assert taken.targets["classes"][:, 0].tolist() == [2, 6, 10, 16, 18]
    assert (taken.always, taken.companions, taken.in_epoch) == (2, 3, 5)
    assert samples(10).take(np.array([2, 3])).in_epoch == 2
    assert samples(10, always=1, companions=0).take(np.array([3, 5])).in_epoch == 1  # not empty
    none = samples(10, always=4, companions=3).take(np.zeros(0, np.int64))
    assert (len(none), none.in_epoch) == (0, 0)


@pytest.mark.parametrize(
    "changes",
    [
        {"rows": np.arange(10)},
        {"targets": {"classes": torch.zeros(10, 2)}},
        {"mirrors": {"classes": torch.tensor([1, 0])}},
        {"always": 4, "companions": 2},
        {"always": 4, "companions": 3},
    ],
)
def test_what_training_depends_on_is_in_the_tensors(changes):
    base = {"images": Pixels(), "view": 4, "rows": samples().rows, "targets": samples().targets}
    plain, changed = samples().tensors(), Samples(**{**base, **changes}).tensors()
    same = plain.keys() == changed.keys() and all(
        torch.equal(plain[name], changed[name]) for name in plain
    )
    assert not same


@given(
    count=st.integers(1, 60),
    share=st.floats(0, 0.99),
    last=st.booleans(),
    seed=st.integers(0, 5),
)
def test_a_split_deals_out_every_row_once(count, share, last, seed):
    kept, held_out = split(count, share, last=last, seed=seed)
    assert sorted([*kept, *held_out]) == list(range(count))
    assert len(kept) >= 1
    assert len(held_out) == min(round(share * count), count - 1)
    assert kept.tolist() == sorted(kept)
    if last and len(held_out):
        assert kept.max() < held_out.min()


def test_random_rows_are_held_out_by_seed():
    first, same, other = (split(50, 0.2, last=False, seed=seed)[1].tolist() for seed in (0, 0, 1))
    assert first == same != other
    assert first != list(range(40, 50))
