"""The example that asks what images without a label are worth: its arms, and its program."""

import csv
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from czsl.catalogue import Catalogue, make_folds
from czsl.compare.cell import Cell
from czsl.compare.protocols import Protocol
from czsl.compare.recipe_arm import fit_recipe, judged_images
from czsl.config import write_config
from czsl.images.augment import steady
from czsl.model import Hardware
from czsl.stages.calibrate import Calibrator
from czsl.stages.finetune import layer_rates
from czsl.train.checkpoint import load_tensors
from czsl.train.samples import to_tensor
from scripts import load
from tiny import Recorded, quick, tiny_config, write_survey

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "unlabelled" / "unlabelled.py"
ONE = {"finetune": {"transferred": 1.0}}  # one weight: none is chosen by out-of-fold scores


@pytest.fixture(scope="module")
def example():
    """The program, as a module."""
    yield load(EXAMPLE)
    for name in (EXAMPLE.stem, "begun", "byol"):
        del sys.modules[name]


@pytest.fixture(scope="module")
def begun(example):
    """Its module of encoders that begin as another training leaves them."""
    return sys.modules["begun"]


@pytest.fixture(scope="module")
def byol(example):
    """Its module that learns from images alone and votes at once."""
    return sys.modules["byol"]


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    """The tiny survey."""
    return read_survey(tmp_path_factory.mktemp("unlabelled"))


def read_survey(folder, count=60):
    return Catalogue.read(tiny_config(write_survey(folder / "s", count=count), quick("default")))


class Watched(Recorded):
    """Images that remember which rows were read, and know all else that a store knows."""

    def __getattr__(self, name):
        return getattr(self.store, name)


def make_cell(survey, folder):
    protocol = Protocol(folds=2)
    cell = Cell(
        truth=survey,
        split=protocol.split(survey, protocol.fold_numbers(survey, 0), 0, 0),
        seed=0,
        fold=1,
        stages=folder,
        hardware=Hardware(device="cpu", threads=1),
    )
    cell.images = Watched(cell.images)
    cell.report = cell.images.report
    return cell


def everything_read(cell):
    return {row for rows in [*cell.images.read.values(), cell.images.pending] for row in rows}


def relabelled(cell, labels):
    """Give the cell anew with other classes of its experts' objects."""
    experts = cell.truth.experts.copy()
    experts[cell.split.experts] = labels
    return replace(cell, truth=replace(cell.truth, experts=experts))


def test_alignment_gives_the_shares_as_brute_force_does(example):
    random = np.random.default_rng(3)
    posterior, shares = random.dirichlet([1, 1, 1], size=40), np.array([0.6, 0.3, 0.1])
    once = example.aligned(posterior, shares)
    for row, given in zip(posterior, once, strict=True):
        raised = [p * s / m for p, s, m in zip(row, shares, posterior.mean(axis=0), strict=True)]
        assert given == pytest.approx([one / sum(raised) for one in raised])
    apart = np.abs(posterior.mean(axis=0) - shares).max()
    assert np.abs(once.mean(axis=0) - shares).max() < 0.5 * apart

    # Applied until nothing changes it has the wanted mean: that of two classes by bisection.
    two, wanted = posterior[:, :2] / posterior[:, :2].sum(axis=1, keepdims=True), 0.8
    low, high = 1e-6, 1e6
    for _ in range(100):
        odds = np.sqrt(low * high)
        raised = two[:, 0] * odds / (two[:, 0] * odds + two[:, 1])
        low, high = (odds, high) if raised.mean() < wanted else (low, odds)
    for _ in range(500):
        two = example.aligned(two, np.array([wanted, 1 - wanted]))
    assert two[:, 0] == pytest.approx(raised, abs=1e-6)
    assert two.mean(axis=0) == pytest.approx([wanted, 1 - wanted], abs=1e-6)


def test_the_denoiser_restores_better_than_the_mean_image(example, tmp_path):
    cell = make_cell(read_survey(tmp_path, count=200), tmp_path)
    rapid = {"epochs": 25, "batch": 8, "rate": 5e-3, "average": 0.9}
    example.Denoising(quick("default", width=8, pretrain=rapid)).encoder(cell)
    rows = np.flatnonzero(cell.usable & ~cell.training.is_expert)
    assert set(cell.images.read["denoise"]) == set(rows)
    _, content = load_tensors(next(tmp_path.glob("denoise-*.safetensors")))
    views = steady(to_tensor(cell.images.gather(rows), torch.device("cpu")), 24, resampled=True)
    mean_image = float((views - views.mean(dim=0)).square().mean())
    held_out = [epoch["held_out"] for epoch in content["epochs"]]
    assert min(held_out) < 0.9 * mean_image < held_out[0]


def test_noise_and_patches_are_as_asked(begun, survey, tmp_path):
    encoder = begun.new_network(make_cell(survey, tmp_path), quick("default")).encoder
    grey = torch.full((50, 3, 24, 24), 0.5)
    changed = begun.Denoiser(encoder, 3, 0.1, 0.4).eval().corrupted(grey)
    black = (changed == 0).all(dim=1)
    assert black.float().mean() == pytest.approx(0.4, abs=0.03)
    patches = black.reshape(50, 8, 3, 8, 3).float().mean(dim=(2, 4))
    assert ((patches == 0) | (patches == 1)).all()
    left = changed.permute(0, 2, 3, 1)[~black]
    assert left.std() == pytest.approx(0.1, abs=0.005)
    same = begun.Denoiser(encoder, 3, 0.0, 0.0).corrupted(grey)
    assert torch.equal(same, grey)
    odd = torch.rand(2, 3, 25, 25)
    assert begun.Denoiser(encoder, 3, 0.1, 0.4)(odd).shape == odd.shape


def test_the_denoised_encoder_begins_the_recipes_own_network(example, begun, survey, tmp_path):
    cell, recipe = make_cell(survey, tmp_path), quick("default", **ONE)
    still = {"rate": 1e-9, "average": 0.0, "weight_decay": 0.0}  # what begins is what ends
    frozen = quick("default", pretrain=still, finetune={**ONE["finetune"], **still, "freeze": True})
    learned = example.Denoising(frozen).fit(cell)
    assert not set(cell.images.read["denoise"]) & set(cell.split.experts)
    assert not everything_read(cell) & set(cell.split.test)
    first = example.Denoising(frozen).encoder(cell).state_dict()
    for weights in learned.networks:
        for name in ("stem.0.weight", "blocks.3.second.weight"):
            assert torch.allclose(weights[f"encoder.{name}"], first[name], atol=1e-5)

    # Names and rates are those of the recipe's own network, so it can read the weights.
    own = example.new_network(cell, recipe)
    assert set(learned.networks[0]) == set(own.state_dict())
    given = begun.GivenEncoder(own.encoder, channels=3, size=24)
    given.layers = tuple(f"module.{layer}" for layer in own.encoder.layers)
    rates = layer_rates(own, recipe.finetune)
    own.encoder = given
    named = {f"{name}x": torch.zeros(0) for name in layer_rates(own, recipe.finetune)}
    assert list(begun.own_names(named)) == [f"{name}x" for name in rates]
    posterior = judged_images(cell, frozen, learned, cell.scored)
    assert posterior.sum(axis=1) == pytest.approx(1)


def test_the_average_follows_and_the_views_are_foretold(begun, byol, survey, tmp_path):
    network = byol.Byol(begun.new_network(make_cell(survey, tmp_path), quick("default", width=8)))
    before = [slow.clone() for slow in network.target.parameters()]
    images = torch.rand(6, 3, 24, 24)
    with torch.no_grad():
        for fast in network.network.encoder.parameters():
            fast.add_(1.0)
    network.train()(images)[1].backward()
    own = [*network.network.encoder.parameters(), *network.project.parameters()]
    for slow, was, fast in zip(network.target.parameters(), before, own, strict=True):
        assert slow.grad is None
        assert torch.allclose(slow, 0.99 * was + 0.01 * fast, atol=1e-6)
        assert fast.grad is not None

    outputs, apart = network.eval()(images)
    seen = network.target(byol.other_view(images, fixed=True))
    foretold = network.predict(network.project(outputs.features))
    angles = [
        (one @ other / (one.norm() * other.norm())).item()
        for one, other in zip(foretold, seen, strict=True)
    ]
    assert apart.item() == pytest.approx(2 - 2 * np.mean(angles), abs=1e-5)


def test_another_view_is_never_a_mirror_image(byol):
    """A spot a quarter of a turn counter-clockwise of a larger one stays so."""
    images = torch.zeros(40, 1, 33, 33)
    images[:, :, 14:19, 24:29], images[:, :, 5:8, 15:18] = 1.0, 0.5
    torch.manual_seed(0)
    for view in byol.other_view(images, fixed=False)[:, 0]:
        rows, columns = torch.meshgrid(torch.arange(33.0), torch.arange(33.0), indexing="ij")
        places = []
        for chosen in (view > 0.55, (view > 0.25) & (view < 0.48)):
            assert chosen.any()
            places.append(((columns - 16)[chosen].mean(), (16 - rows)[chosen].mean()))
        (x, y), (other_x, other_y) = places
        assert x * other_y - y * other_x > 0


def test_byol_sees_no_expert_and_as_many_unlabelled_as_voted(example, byol, survey, tmp_path):
    cell, recipe = make_cell(survey, tmp_path), quick("default", **ONE)
    arm = byol.Contrasted(recipe)
    learned = arm.fit(cell)
    assert not set(cell.images.read["byol"]) & set(cell.split.experts)
    assert set(cell.images.read["byol"]) & set(cell.split.unlabelled)
    assert not everything_read(cell) & set(cell.split.test)
    assert set(learned.networks[0]) == set(example.new_network(cell, recipe).state_dict())
    voted = set(cell.split.volunteers) - {41}
    samples = arm.samples(cell, byol.vote_targets(cell.training))
    assert set(samples.rows[: samples.always]) == voted
    others = len(samples) - samples.always
    assert samples.companions == min(others, len(voted))
    alone = replace(arm, weight=0.0).samples(cell, byol.vote_targets(cell.training))
    assert set(alone.rows) == voted
    assert alone.companions == 0


def test_no_network_of_pseudo_labels_knows_the_classes_that_it_judges(example, survey, tmp_path):
    cell = make_cell(survey, tmp_path / "a")
    arm = example.PseudoLabels(quick("default", **ONE))
    learned = arm.fit(cell)
    assert not everything_read(cell) & set(cell.split.test)
    assert {"finetune, fold 1", "finetune, fold 2"} <= set(cell.images.read)
    labels = cell.truth.experts[learned.experts]
    changed, fold = next(swaps(labels, learned.folds))
    other = arm.fit(make_other(cell, changed, tmp_path / "b"))
    assert np.array_equal(other.folds, learned.folds)
    for number in range(2):
        pairs = [one.networks[number]["classes.weight"] for one in (learned, other)]
        assert torch.equal(*pairs) == (number == fold)
    left = learned.folds == fold
    plain = [one.calibrator.before(one.image_posterior[left]) for one in (learned, other)]
    plain = [np.log(one.clip(1e-6)) for one in plain]  # below, calibration forgets
    assert plain[0] == pytest.approx(plain[1], abs=1e-4)


def make_other(cell, labels, folder):
    """Give the cell with other classes, and a folder of its own."""
    other = relabelled(cell, labels)
    other.stages = folder
    other.images = cell.images
    return other


def swaps(labels, folds):
    """Give classes with two of a fold swapped, for which the folds are made the same."""
    for first in range(len(labels)):
        for second in range(first):
            changed = labels.copy()
            changed[[first, second]] = labels[[second, first]]
            same = np.array_equal(make_folds(changed, 2, 0), folds)
            if same and folds[first] == folds[second] and labels[first] != labels[second]:
                yield changed, int(folds[first])


def test_without_unlabelled_images_there_are_no_pseudo_labels(example, survey, tmp_path):
    cell, recipe = make_cell(survey, tmp_path), quick("default", **ONE)
    learned = [example.PseudoLabels(recipe, votes=votes).fit(cell) for votes in (20.0, 0.0)]
    cell.split = replace(cell.split, unlabelled=np.zeros(0, np.int64))
    learned.append(example.PseudoLabels(recipe).fit(cell))
    default = fit_recipe(cell, recipe)
    heads = [one.networks[0]["classes.weight"] for one in [default, *learned]]
    same = [[torch.equal(one, other) for other in heads] for one in heads]
    assert np.array_equal(same, np.eye(4) + np.eye(4)[[0, 1, 3, 2]] * [0, 0, 1, 1])


def test_pseudo_labels_are_what_the_network_says(example, survey, tmp_path, monkeypatch):
    """Aligned and sharpened by brute force; an object's own network gives them."""
    cell, recipe = make_cell(survey, tmp_path), quick("default", **ONE)
    given = []
    original = example.finetune

    def watched(context, network, votes, labels, settings, *, sampling):
        given.append((context.fold, votes, labels))
        return original(context, network, votes, labels, settings, sampling=sampling)

    monkeypatch.setattr(example, "finetune", watched)
    example.PseudoLabels(recipe, temperature=0.5).fit(cell)
    default = fit_recipe(cell, recipe)
    assert [fold for fold, _, _ in given] == [0, 1]
    for fold, votes, labels in given:
        assert set(labels.experts) == set(default.experts[default.folds != fold])
        new = np.isin(labels.volunteers, cell.split.unlabelled)
        assert set(labels.volunteers[new]) == set(cell.split.unlabelled) - {59}
        assert set(labels.volunteers[~new]) == set(cell.split.volunteers) - {41}
        assert votes.counts[labels.volunteers[new]].sum(axis=1) == pytest.approx(20)
        plain = Calibrator(shares=default.prior)
        alone = replace(default, networks=(default.networks[fold],), calibrator=plain)
        says = judged_images(cell, recipe, alone, labels.volunteers[new])
        counts = [(labels.classes == label).sum() + 0.5 for label in range(3)]
        counts[1] = counts[2] = (counts[1] + counts[2]) / 2  # mirror images
        wanted = np.array(counts) / sum(counts)
        squared = (says * wanted / says.mean(axis=0)) ** 2
        assert labels.transferred[new] == pytest.approx(
            squared / squared.sum(axis=1, keepdims=True), rel=1e-3
        )


def test_the_program_compares_and_goes_on(tmp_path):
    config = tmp_path / "survey" / "blobs.toml"
    write_config(tiny_config(write_survey(config.parent), quick("default")), config)
    out = tmp_path / "out"
    command = [sys.executable, "-W", "error", EXAMPLE, config, "--out", out]
    command += ["--folds", "2", "--threads", "1", "--sweep", "unlabelled=0"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}

    def run():
        done = subprocess.run(
            list(map(str, command)), env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "pseudo_labels" in run()
    with (out / "summary.csv").open(newline="") as file:
        rows = [r for r in csv.DictReader(file) if (r["set"], r["measure"]) == ("test", "accuracy")]
    arms = {"default", "autoencoder", "denoising", "pseudo_labels", "not_aligned", "once_more"}
    arms |= {"byol", "votes_twice"}
    assert {(r["setting"], r["arm"], r["failures"]) for r in rows} == {
        (setting, arm, "0") for setting in ("all", "unlabelled=0") for arm in arms
    }
    cells = out / "cells" / "blobs" / "unlabelled=0"
    given = [np.load(cells / arm / "1-1.npy") for arm in ("default", "denoising", "autoencoder")]
    assert not np.array_equal(given[0], given[1])
    assert not np.array_equal(given[0], given[2])
    before = {path: path.stat().st_mtime_ns for path in out.glob("cells/*/*/*/*.json")}
    assert len(before) == 32
    run()
    assert {path: path.stat().st_mtime_ns for path in before} == before
