"""Features that start the classes' head: those of the network as it stands, by a plain loop."""

import numpy as np
import pytest
import torch
from torch import nn

from czsl.images.augment import steady
from czsl.nets.network import make_network
from czsl.stages import head
from czsl.stages.head import turned_features
from czsl.train.samples import to_tensor
from tiny import quick, tiny_catalogue, tiny_context, write_survey


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
