"""The classes' head at the start: features and fits are plain ones, each image looked at once."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from czsl.images.augment import steady
from czsl.nets.network import make_network
from czsl.stages import head
from czsl.stages.head import STRENGTHS, Heads, turned_features
from czsl.stages.logistic import fit_logistic
from czsl.stages.targets import vote_targets
from czsl.train.device import has_bfloat16, make_fabric
from czsl.train.samples import to_tensor
from tiny import Recorded, quick, tiny_catalogue, tiny_context, truth, write_survey

FOLDS = 3


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("kind", ["residual", "published"])
def test_features_are_the_mean_over_quarter_turns(kind, mirrored, tmp_path, monkeypatch):
    survey = write_survey(tmp_path / "survey", count=60)
    context, usable = tiny_context(tiny_catalogue(survey, quick("default")), tmp_path)
    network = make_network(
        kind, channels=3, size=context.view, width=4, questions=(3,), classes=3, seed=0
    ).train()
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            layer.weight.data.mul_(3)  # images differ by more than rounding
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.uniform_(-0.1, 0.1)
            layer.running_var.uniform_(0.5, 2.0)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    monkeypatch.setattr(head, "batch_size", lambda view, device: 4)  # several, the last one short
    rows = np.flatnonzero(usable)[:10]
    found = turned_features(context, network, rows, mirrored=mirrored, resampled=True)

    after = network.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    network.eval()
    expected = []
    for row in rows:
        image = to_tensor(context.images.gather(np.array([row])), torch.device("cpu"))
        image = steady(image.flip(3) if mirrored else image, context.view, resampled=True)
        with torch.no_grad():
            expected.append(
                sum(network.encoder(torch.rot90(image, turn, (2, 3)))[0] for turn in range(4)) / 4
            )
    np.testing.assert_allclose(found, torch.stack(expected), rtol=1e-4, atol=1e-6 * found.max())
    assert found.std(axis=0).max() > 1e-4 * found.max()  # else the test says nothing


@pytest.fixture(scope="module")
def setting(tmp_path_factory):
    """Give a context, the layout, experts' objects by fold, and classes."""
    folder = tmp_path_factory.mktemp("heads")
    catalogue = tiny_catalogue(write_survey(folder / "survey", count=60), quick("default"))
    context, usable = tiny_context(catalogue, folder)
    rows = np.flatnonzero(usable)[:24]
    classes = truth(60)
    parts = {fold: rows[8 * fold : 8 * fold + 8] for fold in range(FOLDS)}
    return context, vote_targets(catalogue).layout, parts, classes


def network(seed: int):
    made = make_network(
        "residual", channels=3, size=24, width=4, questions=(3,), classes=3, seed=seed
    )
    for layer in made.modules():
        if isinstance(layer, nn.Conv2d):
            layer.weight.data.mul_(3)  # images differ by more than rounding
    return made


def plain_head(context, layout, made, rows, classes):
    """Look at the images of one fold's training at once, whatever was seen before."""
    plain, mirrored = (
        turned_features(context, made, rows, mirrored=flip, resampled=True)
        for flip in (False, True)
    )
    fitted = fit_logistic(
        [(plain, classes[rows]), (mirrored, layout.class_mirror[classes[rows]])],
        classes=layout.classes,
        strengths=STRENGTHS,
        seed=context.seed,
    )
    weight = (fitted.weight / fitted.scale[:, None]).T
    return weight, fitted.bias - weight @ fitted.mean


@pytest.mark.parametrize("shared", [True, False])
def test_heads_are_those_of_plain_fits_and_images_are_looked_at_once(setting, shared):
    context, layout, parts, classes = setting
    recorded = Recorded(context.images)
    heads = Heads(replace(context, images=recorded), layout, resampled=True)
    found = []
    for fold in [*range(FOLDS)] * 2:  # with two weights of the transferred labels
        made = network(0 if shared else fold)
        others = {part: rows for part, rows in parts.items() if part != fold}
        heads.start(fold, made, others, classes, shared=shared)
        found.append([made.classes.weight.detach().numpy(), made.classes.bias.detach().numpy()])
    for fold, (weight, bias) in enumerate(found[:FOLDS]):
        made = network(0 if shared else fold)
        rows = np.concatenate([parts[part] for part in range(FOLDS) if part != fold])
        expected = plain_head(context, layout, made, np.sort(rows), classes)
        np.testing.assert_allclose(weight, expected[0], rtol=2e-3, atol=1e-3 * np.ptp(weight))
        np.testing.assert_allclose(bias, expected[1], rtol=2e-3, atol=1e-3 * np.ptp(bias))
        np.testing.assert_array_equal(weight, found[FOLDS + fold][0])
        np.testing.assert_array_equal(bias, found[FOLDS + fold][1])
    assert np.abs(found[0][0] - found[1][0]).max() > 0.05 * np.ptp(found[0][0])
    times = 2 if shared else 2 * (FOLDS - 1)  # the image and its mirror image, by each encoder
    every = np.concatenate(list(parts.values())).tolist()
    assert Counter(recorded.pending) == dict.fromkeys(every, times)


def test_no_bit_depends_on_which_fold_asks_first(setting):
    context, layout, parts, classes = setting
    found = []
    for order in ([0, 1, 2], [2, 0, 1]):
        heads, each = Heads(context, layout, resampled=True), {}
        for fold in order:
            made = network(0)
            others = {part: rows for part, rows in parts.items() if part != fold}
            heads.start(fold, made, others, classes, shared=True)
            each[fold] = made.classes.weight.detach().clone()
        found.append(each)
    assert all(torch.equal(found[0][fold], found[1][fold]) for fold in range(FOLDS))


@pytest.mark.skipif(not has_bfloat16("cpu"), reason="this processor has no products in bfloat16")
def test_features_in_bfloat16_are_those_in_float32_but_for_rounding(setting):
    context, _, experts, _ = setting
    network = make_network(
        "residual", channels=3, size=context.view, width=8, questions=(3,), classes=3, seed=0
    ).eval()
    rows = np.concatenate(list(experts.values()))
    plain, half = (
        turned_features(
            replace(context, fabric=make_fabric("cpu", precision=precision)),
            network,
            rows,
            mirrored=False,
            resampled=True,
        )
        for precision in ("32", "bf16")
    )
    apart = np.abs(half - plain)
    assert apart.max() > 0  # else both are in one precision
    assert apart.mean() < 0.01 * np.abs(plain).mean()
