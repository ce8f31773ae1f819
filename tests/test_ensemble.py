"""Networks applied and trained as one are what they are one after the other."""

from copy import deepcopy
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from czsl.nets.network import make_network
from czsl.stages.infer import ClassReader
from czsl.stages.targets import Layout
from scripts import load

PROGRAM = load(Path(__file__).parents[1] / "benchmarks" / "ensemble.py")
Ensemble, EnsembleReader = PROGRAM.Ensemble, PROGRAM.EnsembleReader
EnsembleStep = PROGRAM.EnsembleStep

LAYOUT = Layout(
    questions=(4,),
    answer_mirror=np.array([0, 2, 1, 3]),
    class_mirror=np.array([0, 2, 1]),
    class_answers=np.eye(4, 3),
)


def networks(kind: str, questions: list[int], count: int = 3) -> list:
    """Networks of different weights and, where there are any, different statistics."""
    made = []
    for seed in range(count):
        network = make_network(
            kind, channels=3, size=24, width=4, questions=questions, classes=3, seed=seed
        )
        generator = torch.Generator().manual_seed(seed)
        for name, buffer in network.named_buffers():
            if buffer.is_floating_point():
                noise = torch.rand(buffer.shape, generator=generator)
                buffer.copy_(noise + (0.5 if "var" in name else -0.5))
        made.append(network.eval())
    return made


def test_an_ensemble_reads_the_tree_of_its_layout():
    settings = {
        "layout": replace(LAYOUT, questions=(2, 2), after=(None, (0, 1))),
        "from_answers": True,
        "views": 8,
        "view": 24,
        "resampled": False,
        "device": torch.device("cpu"),
    }
    pixels = np.random.default_rng(0).integers(0, 256, (7, 24, 24, 3), dtype=np.uint8)
    made = networks("residual", [2, 2])
    expected = ClassReader(made, **settings).logits(pixels)
    np.testing.assert_allclose(EnsembleReader(made, **settings).logits(pixels), expected, atol=1e-5)
    flat = {**settings, "layout": replace(settings["layout"], after=())}
    assert np.abs(ClassReader(made, **flat).logits(pixels) - expected).max() > 0.1


@pytest.mark.parametrize("kind", ["residual", "published"])
@pytest.mark.parametrize("views", [1, 8])
@pytest.mark.parametrize("from_answers", [False, True])
@pytest.mark.parametrize("resampled", [False, True])
def test_an_ensemble_reads_what_its_networks_read(kind, views, from_answers, resampled):
    if kind == "published" and from_answers:
        pytest.skip("the published network has no head for answers")
    settings = {
        "layout": LAYOUT,
        "from_answers": from_answers,
        "views": views,
        "view": 24,
        "resampled": resampled,
        "device": torch.device("cpu"),
    }
    pixels = np.random.default_rng(0).integers(0, 256, (7, 32, 32, 3), dtype=np.uint8)
    made = networks(kind, [4])
    loop, one = ClassReader(made, **settings), EnsembleReader(made, **settings)
    expected, found = loop.read(pixels), one.read(pixels)
    assert np.ptp(expected.logits) > 0.01
    np.testing.assert_allclose(found.logits, expected.logits, atol=1e-5)
    np.testing.assert_allclose(found.features, expected.features, atol=1e-5, rtol=1e-5)


def test_every_network_has_its_own_outputs():
    made, images = networks("residual", [4]), torch.rand(5, 3, 24, 24)
    with torch.no_grad():
        found = Ensemble(made)(images)
        for place, network in enumerate(made):
            for name, expected in network(images)._asdict().items():
                torch.testing.assert_close(getattr(found, name)[place], expected)
    assert (found.classes[0] - found.classes[1]).abs().max() > 0.01


@pytest.mark.parametrize("frozen", [False, True])
def test_networks_trained_as_one_take_the_steps_that_each_takes_alone(frozen):
    made = [network.train(not frozen) for network in networks("residual", [4])]
    random = torch.Generator().manual_seed(0)
    images = torch.rand(3, 6, 3, 24, 24, generator=random)
    classes = torch.randint(3, (3, 6), generator=random)

    def loss(outputs, targets):
        return torch.nn.functional.cross_entropy(outputs.classes, targets)

    descent = partial(torch.optim.SGD, lr=0.05)
    alone = deepcopy(made)
    together = EnsembleStep(made, loss, descent)
    losses = torch.stack([together(images, classes) for _ in range(3)])
    for place, network in enumerate(alone):
        optimiser = descent(network.parameters())
        for step in range(3):
            optimiser.zero_grad()
            value = loss(network(images[place]), classes[place])
            value.backward()
            optimiser.step()
            torch.testing.assert_close(losses[step, place], value.detach(), rtol=1e-4, atol=1e-5)
        stacked = {**together.ensemble.parameters, **together.ensemble.buffers}
        for name, expected in network.state_dict().items():
            torch.testing.assert_close(
                stacked[name][place], expected, rtol=1e-3, atol=1e-4, check_dtype=False
            )
    assert (losses[0] - losses[-1]).abs().min() > 1e-3
