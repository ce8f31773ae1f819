"""What networks expect volunteers to say of images whose votes taught them nothing."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.tiny import quick, tiny_catalogue, tiny_context

from czsl.chain import _begin, learn
from czsl.expected import expected_shares
from czsl.training import Work, begin

IMAGE = {"transfer": {"image": True}}


def tiny_work(survey: Path, folder: Path, **changes: object) -> Work:
    """Begin a fit of the tiny survey whose transfer may see the image."""
    recipe = quick("default", **{**IMAGE, **changes})
    catalogue = tiny_catalogue(survey, recipe)
    context, usable = tiny_context(catalogue, folder)
    return _begin(catalogue, recipe, context, usable)


def test_an_objects_own_votes_do_not_change_what_is_expected_of_it(
    survey: Path, tmp_path: Path
) -> None:
    work = tiny_work(survey, tmp_path)
    first = expected_shares(work, begin(work))
    changed = 30
    counts = work.votes.counts.copy()
    counts[changed] = [0, 0, 0, 40]
    again = replace(work, votes=replace(work.votes, counts=counts))
    second = expected_shares(again, begin(again))
    assert first is not None
    assert second is not None
    assert np.array_equal(first[changed], second[changed])
    moved = np.any(first != second, axis=1) & ~np.isnan(first[:, 0])
    assert moved.sum() > 10  # the half that it does not belong to was trained on it


def test_shares_are_given_where_there_are_votes_and_an_image(survey: Path, tmp_path: Path) -> None:
    work = tiny_work(survey, tmp_path)
    shares = expected_shares(work, begin(work))
    assert shares is not None
    known = ~np.isnan(shares).any(axis=1)
    assert np.array_equal(known, work.usable & (work.votes.counts.sum(axis=1) > 0))
    assert np.allclose(np.exp(shares[known]).sum(axis=1), 1)


def test_only_the_labels_that_teach_see_the_image(survey: Path, tmp_path: Path) -> None:
    posteriors, histories = [], []
    for number, image in enumerate((False, True)):
        recipe = quick("default", transfer={"image": image})
        catalogue = tiny_catalogue(survey, recipe)
        context, usable = tiny_context(catalogue, tmp_path / str(number))
        found = learn(catalogue, recipe, context, usable)
        assert found.transfer is not None
        assert not found.transfer.uses_image
        posteriors.append(found.votes_posterior)
        histories.append({one["stage"] for one in found.history})
        seen = [note for note in found.notes if "network expects from the image" in note]
        assert bool(seen) == image
    assert np.array_equal(posteriors[0], posteriors[1], equal_nan=True)
    assert histories[1] - histories[0] == {"pretrain, half 1", "pretrain, half 2"}


@pytest.mark.parametrize(
    "changes", [{"pretrain": False}, {"pretrain": {"targets": "majority"}}], ids=["none", "classes"]
)
def test_without_networks_of_shares_it_is_left_out_and_said(
    survey: Path, tmp_path: Path, changes: dict[str, object]
) -> None:
    work = tiny_work(survey, tmp_path, **changes)
    assert expected_shares(work, begin(work)) is None
    assert any("transfer: image is left out" in note for note in work.notes)
