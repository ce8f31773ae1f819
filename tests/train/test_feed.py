"""Batches on their way to the device: however they come, they are the same."""

import numpy as np
import pytest
import torch

from czsl.images.augment import augment, reach
from czsl.nets.network import make_network
from czsl.recipes import Augment, Training
from czsl.train.device import make_fabric
from czsl.train.feed import Resident, batches, one_ahead
from czsl.train.loop import train
from czsl.train.progress import silent
from czsl.train.samples import Samples
from shared_fits import Pixels, weighted

CPU = torch.device("cpu")
IMAGE = 32 * 32 * 3


class Counted(Pixels):
    """Images that count how often they were read."""

    def __init__(self) -> None:
        self.read: list[int] = []

    def gather(self, rows):
        self.read += rows.tolist()
        return super().gather(rows)


def samples(images) -> Samples:
    rows = np.array([30, 2, 2, 17, 5, 40, 8, 9, 21])
    targets = {
        "classes": torch.eye(3)[torch.arange(9) % 3],
        "weight": 0.1 + torch.arange(9) / 9,
    }
    return Samples(images=images, view=24, rows=rows, targets=targets)


PARTS = [
    (np.array([8, 0, 1]), slice(0, 2)),
    (np.array([3, 2]), slice(0, 0)),
    (np.arange(9), slice(9)),
]


@pytest.mark.parametrize("side", [None, 24, 30, 64])
def test_held_images_are_those_that_are_read(side):
    images = Counted()
    resident = Resident(images, CPU, budget=9 * IMAGE)
    held = list(batches(samples(images), PARTS, CPU, resident=resident, side=side))
    assert len(resident.rows) == 8  # each image once, though a row stands twice
    plain = list(batches(samples(Pixels()), PARTS, CPU, side=side))
    assert [len(found[0]) for found in plain] == [2, 0, 9]
    assert plain[2][0].shape[2:] == ((side,) * 2 if side in (24, 30) else (32, 32))
    for (pixels, targets), (expected, wanted) in zip(held, plain, strict=True):
        assert torch.equal(pixels, expected)
        assert all(torch.equal(targets[name], wanted[name]) for name in wanted)
        assert len(wanted["weight"]) in (3, 2, 9)  # of all objects, whoever has their images


def test_images_come_to_the_device_once():
    images = Counted()
    resident = Resident(images, CPU, budget=20 * IMAGE)
    assert resident.hold(np.array([5, 3, 5]))
    before = len(images.read)
    assert resident.hold(np.array([3]))
    assert len(images.read) == before
    assert resident.hold(np.array([3, 7]))
    assert resident.rows.tolist() == [3, 5, 7]
    assert torch.equal(resident.pixels, torch.from_numpy(Pixels.pixels[[3, 5, 7]]))


def test_images_that_do_not_fit_are_read_as_they_are_needed():
    images = Counted()
    resident = Resident(images, CPU, budget=8 * IMAGE - 1)
    found = list(batches(samples(images), PARTS, CPU, resident=resident))
    assert len(resident.pixels) == 0
    expected = list(batches(samples(Pixels()), PARTS, CPU))
    assert all(torch.equal(one[0], two[0]) for one, two in zip(found, expected, strict=True))


def test_no_image_is_held_by_a_processor():
    assert Resident.on(Pixels(), CPU) is None


def test_a_network_learns_the_same_from_held_images(tmp_path):
    def run(folder, resident):
        network = make_network(
            "residual", channels=3, size=24, width=4, questions=[], classes=3, seed=0
        )
        training = Training(
            epochs=2, batch=4, optimiser="adamw", rate=0.01, average=0.9, augment=Augment()
        )
        whole = samples(Pixels())
        return train(
            network, weighted, whole.take(np.arange(7)), whole.take(np.arange(7, 9)), training,
            seed=1, fabric=make_fabric("cpu", threads=1), stage="test",
            checkpoint=tmp_path / folder, report=silent, resident=resident,
        )  # fmt: skip

    plain, history = run("a", None)
    held, again = run("b", Resident(Pixels(), CPU, budget=99 * IMAGE))
    assert all(torch.equal(plain[name], held[name]) for name in plain)
    keys = ("loss", "held_out")
    assert [[e[key] for key in keys] for e in history] == [[e[key] for key in keys] for e in again]


def test_one_ahead_makes_the_next_while_one_is_used_and_no_more():
    made = []

    def items():
        for number in range(4):
            made.append(number)
            yield number

    coming = one_ahead(items())
    assert next(coming) == 0
    assert list(coming) == [1, 2, 3]
    assert made == [0, 1, 2, 3]

    def fails():
        yield 1
        raise ValueError("no such image")

    with pytest.raises(ValueError, match="no such image"):
        list(one_ahead(fails()))


@pytest.mark.parametrize("rotate", ["any", "quarter", "none"])
@pytest.mark.parametrize(("zoom", "shift"), [(0.0, 0.0), (0.2, 0.1), (0.3, 0.0)])
def test_what_augmentation_does_not_reach_changes_nothing(rotate, zoom, shift):
    settings = Augment(rotate=rotate, zoom=zoom, shift=shift)
    side = reach(settings, 16)
    images = torch.rand(200, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    margin = (64 - side) // 2
    cut = images[:, :, margin : 64 - margin, margin : 64 - margin]
    assert cut.shape[-1] == side < 64
    given = [
        augment(one, settings, torch.Generator().manual_seed(1), view=16) for one in (images, cut)
    ]
    torch.testing.assert_close(given[0][0], given[1][0], rtol=0, atol=2e-5)
    assert torch.equal(given[0][1], given[1][1])


def test_a_share_of_a_batch_changes_as_it_does_in_the_whole():
    settings = Augment(blur=1.0, noise=0.1)
    images = torch.rand(9, 3, 20, 20)
    whole, mirrored = augment(images, settings, torch.Generator().manual_seed(1), view=16)
    for share in (slice(0, 4), slice(4, 9), slice(3, 3)):
        own, all_mirrored = augment(
            images[share], settings, torch.Generator().manual_seed(1), view=16, share=(share, 9)
        )
        torch.testing.assert_close(own, whole[share], rtol=0, atol=1e-6)
        assert torch.equal(all_mirrored, mirrored)
