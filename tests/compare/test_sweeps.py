"""Sweeps: one thing varies, the rest stays."""

import numpy as np
import pytest

from czsl.catalogue import Catalogue
from czsl.compare.protocols import Protocol
from czsl.compare.sweeps import SWEEPS, Setting, apply_setting, leading_fraction, read_sweep
from czsl.errors import ArgumentError
from tiny import quick, tiny_catalogue, write_survey
from votes_only import votes_config, write_table


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """A catalogue and what one fold learns from."""
    catalogue = Catalogue.read(votes_config(write_table(tmp_path_factory.mktemp("table"))))
    protocol = Protocol(name="czsl2023", experts=0.2, volunteers=0.4)
    return catalogue, protocol.split(catalogue, protocol.fold_numbers(catalogue, 0), 0, 0)


def test_the_base_changes_nothing(parts):
    assert apply_setting(Setting(), *parts, 0) == parts


def test_confidence_leaves_unsure_volunteers_unlabelled(parts):
    catalogue, split = parts
    same, kept = apply_setting(Setting("confidence", 0.7), catalogue, split, 0)
    assert same is catalogue
    sure = catalogue.questions[0].fractions.max(axis=1) >= 0.7
    assert 0 < len(kept.volunteers) < len(split.volunteers)
    assert sure[kept.volunteers].all()
    lost = np.setdiff1d(split.volunteers, kept.volunteers)
    assert not sure[lost].any()
    assert set(lost) <= set(kept.unlabelled)
    assert np.array_equal(kept.experts, split.experts)
    everyone = apply_setting(Setting("confidence", 0.0), catalogue, split, 0)[1]
    assert np.array_equal(everyone.volunteers, split.volunteers)


@pytest.mark.parametrize("tier", ["experts", "volunteers"])
def test_fewer_labels_of_a_tier_are_nested(parts, tier):
    catalogue, split = parts
    few = apply_setting(Setting(tier, 10), catalogue, split, 1)[1]
    more = apply_setting(Setting(tier, 30), catalogue, split, 1)[1]
    every = apply_setting(Setting(tier, 10_000), catalogue, split, 1)[1]
    assert len(getattr(few, tier)) == 10
    assert set(getattr(few, tier)) < set(getattr(more, tier)) < set(getattr(split, tier))
    assert np.array_equal(getattr(every, tier), getattr(split, tier))
    assert np.array_equal(few.training, split.training)  # their images are still used
    other = apply_setting(Setting(tier, 10), catalogue, split, 2)[1]
    assert set(getattr(other, tier)) != set(getattr(few, tier))


def test_fewer_unlabelled_images_are_not_used_at_all(parts):
    catalogue, split = parts
    few = apply_setting(Setting("unlabelled", 7), catalogue, split, 0)[1]
    assert len(few.unlabelled) == 7
    assert len(few.training) == len(split.training) - len(split.unlabelled) + 7
    none = apply_setting(Setting("unlabelled", 0), catalogue, split, 0)[1]
    assert len(none.unlabelled) == 0


def test_votes_are_thinned_without_replacement(parts):
    catalogue, split = parts
    thin, same = apply_setting(Setting("votes", 5), catalogue, split, 0)
    assert same is split
    before, after = catalogue.questions[0], thin.questions[0]
    assert (after.counts.sum(axis=1) == 5).all()
    assert (after.counts <= before.counts).all()
    assert np.array_equal(after.total, np.full(300, 5.0))
    assert after.fractions == pytest.approx(after.counts / 5)
    # Hypergeometric: the mean share is the share before.
    assert after.fractions.mean(axis=0) == pytest.approx(before.fractions.mean(axis=0), abs=0.03)
    whole = apply_setting(Setting("votes", 30), catalogue, split, 0)[0]
    assert np.array_equal(whole.questions[0].counts, before.counts)


def test_classes_alone_and_missing_votes_are_not_thinned(tmp_path):
    catalogue = tiny_catalogue(write_survey(tmp_path / "s"), quick("default"))
    thin = catalogue.questions[0].thinned(3, seed=0)
    alone = catalogue.questions[0].given == 1
    assert alone.sum() == 4
    assert np.array_equal(
        thin.fractions[alone], catalogue.questions[0].fractions[alone], equal_nan=True
    )
    assert np.isnan(thin.fractions[~catalogue.has_votes]).all()
    assert (leading_fraction(catalogue)[alone] == 1).all()
    assert (leading_fraction(catalogue)[~catalogue.has_votes] == 0).all()


def test_names_come_back():
    for name, values in SWEEPS.items():
        for value in values:
            setting = Setting(name, value)
            assert Setting.named(setting.name) == setting
    assert Setting.named("all") == Setting()


def test_settings_are_called_by_the_values_given():
    given = "volunteers=1234567,1234568,1e6,1234567890123"
    names = ["1e+06", "1234567", "1234568", "1234567890123"]
    settings = read_sweep(given)
    assert [setting.name for setting in settings] == [f"volunteers={name}" for name in names]
    assert [Setting.named(setting.name) for setting in settings] == settings
    fine = read_sweep("confidence=0.12345678,0.5,0.95")
    assert [one.name.partition("=")[2] for one in fine] == ["0.12345678", "0.5", "0.95"]
    assert Setting.named(fine[0].name) == fine[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("confident", "there is no such sweep; did you mean 'confidence'"),
        ("confidence=1.5", "values are fractions from 0 to 1"),
        ("confidence=nan", "values are fractions from 0 to 1"),
        ("experts=0", "values are whole numbers from 1"),
        ("experts=20.7", "values are whole numbers from 1"),
        ("experts=20,inf", "values are whole numbers from 1"),
        ("unlabelled=-1", "values are whole numbers from 0"),
        ("votes=2.5", "values are whole numbers from 1"),
        (
            "votes=few",
            "values are whole numbers from 1, separated by commas; for example votes=3,5,10",
        ),
    ],
)
def test_what_is_no_sweep_is_told(text, message):
    with pytest.raises(ArgumentError, match=message):
        read_sweep(text)
