"""Random changes of images: what moves, what stays, what swaps."""

import numpy as np
import pytest
import torch

from czsl.images.augment import augment, central, mirror_targets
from czsl.recipes import Augment

STILL = Augment(rotate=False, mirror=False)
FLIPS = Augment(rotate=False, mirror=True)
TURNS = Augment(rotate=True, mirror=True, shift=0.0, zoom=0.0)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def spiral(side: int, winding: float) -> torch.Tensor:
    """Draw a pattern that is the same after a third of a turn, and handed, (1, 1, side, side)."""
    rows, columns = np.mgrid[:side, :side] - (side - 1) / 2
    radius, angle = np.hypot(rows, columns), np.arctan2(rows, columns)
    light = np.exp(-((radius / (side / 4)) ** 2)) * (1 + np.cos(3 * angle - winding * radius))
    return torch.from_numpy(light).float()[None, None]


def handedness(images: torch.Tensor) -> torch.Tensor:
    """Give a statistic that turning keeps and mirroring negates, shape (object,)."""
    side = images.shape[-1]
    rows, columns = np.mgrid[:side, :side] - (side - 1) / 2
    radius, angle = np.hypot(rows, columns), np.arctan2(rows, columns)
    phase = []
    for low in (side / 8, side / 5):  # the phase of the pattern on two rings
        ring = (np.abs(radius - low) < 1) * np.exp(-3j * angle)
        real, imaginary = (torch.from_numpy(part).float() for part in (ring.real, ring.imag))
        phase.append(
            torch.complex((images[:, 0] * real).sum((1, 2)), (images[:, 0] * imaginary).sum((1, 2)))
        )
    return torch.angle(phase[1] * phase[0].conj())


def test_mirror_twice_is_nothing():
    images = torch.rand(64, 3, 16, 16)
    once, mirrored = augment(images, FLIPS, generator(), view=16)
    twice, again = augment(once, FLIPS, generator(), view=16)
    assert torch.equal(mirrored, again)
    assert mirrored.any()
    assert not mirrored.all()
    assert torch.equal(twice, images)


def test_a_mirrored_image_is_numpys_flip_of_its_columns():
    images = torch.rand(32, 3, 20, 20)
    changed, mirrored = augment(images, FLIPS, generator(), view=12)
    for before, after, flipped in zip(images, changed, mirrored, strict=True):
        expected = before.numpy()[:, 4:16, 4:16]
        np.testing.assert_array_equal(after, expected[..., ::-1] if flipped else expected)


@pytest.mark.parametrize("view", [16, 10])
def test_nothing_changed_is_the_central_view(view):
    images = torch.rand(4, 3, 16, 16)
    changed, mirrored = augment(images, STILL, generator(), view=view)
    assert torch.equal(changed, central(images, view))
    assert not mirrored.any()


@pytest.mark.parametrize(("side", "view"), [(16, 16), (24, 16)])
def test_resampling_knows_where_the_centre_is(side, view):
    """Turned images of a round thing are the view of the round thing, to the resampling."""
    rows, columns = np.mgrid[:side, :side] - (side - 1) / 2
    blob = np.exp(-(rows**2 + columns**2) / (2 * 3.0**2))
    images = torch.from_numpy(blob).float().expand(16, 1, side, side)
    turned, _ = augment(images, TURNS, generator(), view=view)
    # What a corner shows of the outside is not round; within the circle nothing changes.
    inside = central(torch.from_numpy(rows**2 + columns**2 < (view / 2) ** 2)[None, None], view)
    difference = (turned - central(images, view)) * inside
    assert difference.abs().max() < 0.03


def test_a_bright_centre_stays_where_it_is():
    images = torch.zeros(32, 1, 17, 17)
    images[:, :, 8, 8] = 1
    turned, _ = augment(images, TURNS, generator(), view=17)
    assert (turned.flatten(1).argmax(dim=1) == 8 * 17 + 8).all()
    torch.testing.assert_close(turned[:, 0, 8, 8], torch.ones(32))


def test_the_image_is_mirrored_exactly_where_the_flag_says_so():
    images = spiral(48, 0.35).expand(64, 1, 48, 48)
    sense = handedness(images)[0]
    assert handedness(images.flip(3))[0] == pytest.approx(-sense.item(), abs=1e-3)
    changed, mirrored = augment(images, TURNS, generator(), view=48)
    assert 20 < mirrored.sum() < 44
    signs = torch.where(mirrored, -1.0, 1.0)
    torch.testing.assert_close(handedness(changed), signs * sense, atol=0.15, rtol=0)


def test_angles_are_spread_over_the_whole_turn():
    images = torch.zeros(400, 1, 33, 33)
    images[:, :, 16, 26:29] = 1  # to the right of the centre
    turned, _ = augment(images, Augment(mirror=False, shift=0, zoom=0), generator(), view=33)
    rows, columns = np.mgrid[:33, :33] - 16
    weight = turned[:, 0].numpy()
    angle = np.arctan2((weight * rows).sum((1, 2)), (weight * columns).sum((1, 2)))
    quarters = np.histogram(angle, bins=4, range=(-np.pi, np.pi))[0]
    assert quarters.min() > 60


def test_shift_is_at_most_its_share_of_the_view():
    side, view, share = 48, 32, 0.1
    rows, columns = np.mgrid[:side, :side] - (side - 1) / 2
    blob = np.exp(-(rows**2 + columns**2) / 8)
    images = torch.from_numpy(blob).float().expand(200, 1, side, side)
    moved, _ = augment(images, Augment(zoom=0, shift=share), generator(), view=view)
    inner = np.mgrid[:view, :view] - (view - 1) / 2
    weight = moved[:, 0].double().numpy()
    weight /= weight.sum((1, 2), keepdims=True)
    away = np.hypot(*[(weight * axis).sum((1, 2)) for axis in inner])
    assert away.max() <= np.sqrt(2) * share * view + 0.1
    assert away.max() > share * view


def test_zoom_is_at_most_its_setting():
    side = 48
    rows, columns = np.mgrid[:side, :side] - (side - 1) / 2
    blob = np.exp(-(rows**2 + columns**2) / (2 * 4.0**2))
    images = torch.from_numpy(blob).float().expand(200, 1, side, side)
    zoomed, _ = augment(images, Augment(shift=0, zoom=0.2), generator(), view=side)
    area = zoomed.sum(dim=(1, 2, 3)) / images.sum(dim=(1, 2, 3))
    assert area.min() > 1 / 1.2**2 - 0.02
    assert area.max() < 1 / 0.8**2 + 0.02
    assert area.max() - area.min() > 0.6


def test_same_generator_same_images():
    images, settings = torch.rand(8, 3, 16, 16), Augment()
    one, first = augment(images, settings, generator(1), view=12)
    same, second = augment(images, settings, generator(1), view=12)
    other, _ = augment(images, settings, generator(2), view=12)
    assert torch.equal(one, same)
    assert torch.equal(first, second)
    assert not torch.equal(one, other)


def test_input_is_not_modified():
    images = torch.rand(8, 3, 16, 16)
    before = images.clone()
    for settings in (Augment(), FLIPS, STILL):
        augment(images, settings, generator(), view=16)
    assert torch.equal(images, before)


def test_answers_swap_exactly_where_mirrored():
    target, mirror = torch.rand(16, 4), torch.tensor([0, 2, 1, 3])
    mirrored = torch.rand(16) < 0.5
    swapped = mirror_targets(target, mirrored, mirror)
    assert torch.equal(swapped[mirrored], target[mirrored][:, [0, 2, 1, 3]])
    assert torch.equal(swapped[~mirrored], target[~mirrored])
    assert torch.equal(mirror_targets(swapped, mirrored, mirror), target)
