"""What runs on a GPU, here on ``meta``, a device that knows shapes and types and no values.

It refuses tensors of two devices in one product as a GPU does, and values cannot be read off it.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from czsl.nets.losses import cross_entropy, shares_loss, squared_error, votes_loss
from czsl.nets.network import make_network
from czsl.nets.published import PublishedAutoencoder
from czsl.recipes import Augment, Training
from czsl.stages.head import turned_features
from czsl.stages.infer import BATCH_PIXELS, ClassReader
from czsl.stages.reconstruct import pixel_loss
from czsl.stages.targets import Layout
from czsl.train.feed import Resident
from czsl.train.ranks import ALONE
from czsl.train.samples import Samples
from czsl.train.sharing import Sharing
from czsl.train.shown import shown_batches

META = torch.device("meta")
LAYOUT = Layout(
    questions=(4,),
    answer_mirror=np.arange(4),
    class_mirror=np.array([0, 2, 1]),
    class_answers=np.eye(4, 3),
)


class Images:
    """Forty images of 48 pixels, of which networks see 32."""

    pixels = np.random.default_rng(0).integers(0, 256, (40, 48, 48, 3), dtype=np.uint8)

    def gather(self, rows):
        """Give images by row."""
        return self.pixels[rows]


class Narrow(TorchDispatchMode):
    """Refuses numbers of 64 bits on the device: a GPU of Apple's has none."""

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        """Run an operation and look at what it made."""
        made = operation(*args, **(kwargs or {}))
        for one in made if isinstance(made, tuple | list) else [made]:
            if isinstance(one, torch.Tensor) and one.device == META:
                assert one.dtype != torch.float64, operation
        return made


def residual(questions=(4,)):
    network = make_network(
        "residual", channels=3, size=32, width=8, questions=questions, classes=3, seed=0
    )
    return network.to(META)


def samples():
    return Samples(
        images=Images(),
        view=32,
        rows=np.arange(40),
        targets={
            "classes": torch.eye(3)[torch.arange(40) % 3],
            "counts": torch.ones(40, 4),
            "weight": torch.ones(40),
        },
        mirrors={"classes": torch.tensor([0, 2, 1]), "counts": torch.arange(4)},
    )


AUGMENTATIONS = {
    "none": None,
    "default": Augment(),
    "quarter turns": Augment(rotate="quarter", zoom=0.0),
    "beside, with noise and blur": Augment(mirror="both", noise=0.1, blur=1.0),
}


@pytest.mark.parametrize("resident", [True, False])
@pytest.mark.parametrize("augment", AUGMENTATIONS.values(), ids=AUGMENTATIONS)
def test_a_step_of_training_stays_on_its_device(monkeypatch, augment, resident):
    # Of generators there are only those of devices that compute.
    monkeypatch.setattr(torch, "Generator", lambda device, made=torch.Generator: made())
    held = Resident(Images(), META, budget=10**9) if resident else None
    training = Training(epochs=1, batch=16, optimiser="adamw", rate=1e-3, augment=augment)
    network, seen = residual().train(), 0
    with Narrow():
        for images, targets in shown_batches(
            samples(), training, [0, 1], META, Sharing(ALONE), held
        ):
            outputs = network(images)
            classes, counts = targets["classes"], targets["counts"]
            loss = (
                cross_entropy(outputs.classes, classes, targets["weight"])
                + squared_error(outputs.classes, classes)
                + shares_loss(outputs.answers, counts, [4], half=3)
                + votes_loss(outputs.answers, counts, [4])
            )
            loss.backward()
            seen += len(images)
    assert seen == 40 * training.shown
    assert {parameter.grad.device for parameter in network.parameters()} == {META}


def test_a_step_of_the_autoencoder_stays_on_its_device():
    network = PublishedAutoencoder(channels=3).to(META)
    with Narrow():
        loss = pixel_loss(network, torch.zeros(4, 3, 64, 64, device=META), {})
        loss.backward()
    assert loss.device == META


# Of the tree the first question has two answers, of which the second leads to the other two.
TREE = replace(LAYOUT, questions=(2, 2), after=(None, (0, 1)))


@pytest.mark.parametrize(
    ("from_answers", "layout"), [(True, LAYOUT), (True, TREE), (False, LAYOUT)]
)
def test_prediction_stays_on_its_device_until_it_is_read(monkeypatch, from_answers, layout):
    monkeypatch.setitem(BATCH_PIXELS, "meta", 16 * 32**2)
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
    reader = ClassReader(
        [residual(layout.questions), residual(layout.questions)],
        layout=layout,
        from_answers=from_answers,
        views=8,
        view=32,
        resampled=True,
        device=META,
    )
    with Narrow(), pytest.raises(NotImplementedError, match="out of meta"):
        reader.read(Images.pixels)


def test_networks_that_came_from_a_file_are_put_on_the_device():
    network = make_network(
        "residual", channels=3, size=32, width=4, questions=[4], classes=3, seed=0
    )
    ClassReader(
        [network], layout=LAYOUT, from_answers=False, views=8, view=32, resampled=True, device=META
    )
    assert {parameter.device for parameter in network.parameters()} == {META}


def test_features_stay_on_their_device_until_they_are_read(monkeypatch):
    monkeypatch.setitem(BATCH_PIXELS, "meta", 16 * 32**2)
    context = SimpleNamespace(
        images=Images(), view=32, fabric=SimpleNamespace(device=META, autocast=nullcontext)
    )
    with Narrow(), pytest.raises(NotImplementedError, match="out of meta"):
        turned_features(context, residual(), np.arange(9), mirrored=True, resampled=True)
