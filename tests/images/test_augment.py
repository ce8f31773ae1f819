"""Random changes of images: what moves, what stays, what swaps."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import affine_transform, gaussian_filter

from czsl.images.augment import _grid, _resample, augment, blurred, central, mirror_targets, steady
from czsl.recipes import Augment

STILL = Augment(rotate="none", mirror=False, shift=0.0)
FLIPS = Augment(rotate="none", mirror=True, shift=0.0)
TURNS = Augment(rotate="any", mirror=True, shift=0.0, zoom=0.0)
HARSH = {"blur": 1.5, "noise": 0.1}
QUARTERS = Augment(rotate="quarter", mirror=True, shift=0.0)


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


def test_quarter_turns_move_pixels_and_change_none():
    images = torch.rand(64, 3, 20, 20)
    turned, mirrored = augment(images, QUARTERS, generator(), view=14)
    found = set()
    for before, after, flipped in zip(central(images, 14), turned, mirrored, strict=True):
        kinds = [
            (turns, flip)
            for turns in range(4)
            for flip in (False, True)
            if torch.equal(after, (before.flip(2) if flip else before).rot90(turns, dims=(1, 2)))
        ]
        assert len(kinds) == 1
        assert kinds[0][1] == flipped
        found.add(kinds[0])
    assert len(found) == 8


@pytest.mark.parametrize("rotate", ["none", "quarter"])
def test_without_interpolation_shifts_are_whole_pixels(rotate):
    images = torch.zeros(100, 1, 33, 33)
    images[:, :, 16, 16] = 1
    settings = Augment(rotate=rotate, mirror=False, shift=0.1)
    moved, _ = augment(images, settings, generator(), view=21)
    assert torch.equal(moved.sum(dim=(1, 2, 3)), torch.ones(100))
    places = moved[:, 0].flatten(1).argmax(dim=1)
    away = torch.stack([places // 21 - 10, places % 21 - 10])
    assert away.abs().max() == 2  # a tenth of 21 pixels
    assert len(set(map(tuple, away.T.tolist()))) > 15


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
    for settings in (Augment(), FLIPS, STILL, STILL.model_copy(update=HARSH)):
        augment(images, settings, generator(), view=16)
    assert torch.equal(images, before)


def test_answers_swap_exactly_where_mirrored():
    target, mirror = torch.rand(16, 4), torch.tensor([0, 2, 1, 3])
    mirrored = torch.rand(16) < 0.5
    swapped = mirror_targets(target, mirrored, mirror)
    assert torch.equal(swapped[mirrored], target[mirrored][:, [0, 2, 1, 3]])
    assert torch.equal(swapped[~mirrored], target[~mirrored])
    assert torch.equal(mirror_targets(swapped, mirrored, mirror), target)


def test_images_are_scored_as_smooth_as_they_were_trained():
    """Interpolation takes noise away; the sixteenth of a turn takes as much as the others."""
    noise = torch.randn(64, 1, 48, 48, generator=generator())
    turns = Augment(mirror=False, shift=0, zoom=0)
    trained = augment(noise, turns, generator(), view=24)[0].std()
    scored = steady(noise, 24, resampled=True).std()
    assert torch.equal(steady(noise, 24, resampled=False), central(noise, 24))
    assert scored == pytest.approx(trained.item(), rel=0.05)
    assert scored < 0.8 * noise.std()


def test_the_steady_view_turns_with_its_image():
    images = torch.rand(3, 3, 20, 20)
    for turn in range(4):
        turned = steady(images.rot90(turn, dims=(2, 3)), 16, resampled=True)
        expected = steady(images, 16, resampled=True).rot90(turn, dims=(2, 3))
        torch.testing.assert_close(turned, expected, atol=1e-5, rtol=0)


def test_without_blur_and_noise_nothing_more_is_drawn():
    images, one, other = torch.rand(8, 3, 16, 16), generator(), generator()
    augment(images, Augment(blur=0, noise=0), one, view=12)
    torch.rand(8, 5, generator=other)
    assert torch.equal(one.get_state(), other.get_state())


@pytest.mark.parametrize("changes", [{"blur": 1.0}, {"noise": 0.1}, HARSH])
def test_blur_and_noise_leave_the_other_changes_of_a_batch_as_they_are(changes):
    images = spiral(24, 0.35) * torch.rand(16, 1, 1, 1) / 2
    plain, mirrored = augment(images, FLIPS, generator(), view=16)
    wide = torch.full((16,), 2.0)
    harsh, same = augment(images, FLIPS.model_copy(update=changes), generator(), view=16)
    again, _ = augment(images, FLIPS.model_copy(update=changes), generator(), view=16)
    assert torch.equal(mirrored, same)
    assert torch.equal(harsh, again)
    assert not torch.equal(harsh, plain)
    torch.testing.assert_close(
        blurred(harsh, wide, largest=2), blurred(plain, wide, largest=2), atol=0.1, rtol=0
    )


def test_each_image_draws_its_own_noise_up_to_the_setting():
    images = torch.full((400, 3, 32, 32), 0.5)
    noisy, _ = augment(images, Augment(**STILL.model_dump() | {"noise": 0.1}), generator(), view=32)
    spread = noisy.flatten(1).std(dim=1)
    assert spread.max() < 0.105
    assert spread.mean() == pytest.approx(0.05, abs=0.005)
    assert spread.std() == pytest.approx(0.1 / 12**0.5, rel=0.1)  # as uniform draws have
    assert noisy.mean() == pytest.approx(0.5, abs=1e-3)
    assert torch.corrcoef(noisy[spread.argmax()].flatten(1))[0, 1].abs() < 0.1  # each band its own


def test_noise_stays_among_the_grey_levels():
    dark, _ = augment(torch.zeros(8, 1, 16, 16), Augment(noise=0.5), generator(), view=16)
    assert dark.min() == 0
    assert 0.1 < dark.max() <= 1


@pytest.mark.parametrize("side", [5, 32, 33])
def test_blur_is_scipys_and_keeps_the_mean(side):
    images = torch.rand(4, 3, side, side, generator=generator())
    spread = torch.tensor([0.3, 0.7, 1.5, 2.0])
    found = blurred(images, spread, largest=2.0)
    for image, blur, width in zip(images.numpy(), found, spread.tolist(), strict=True):
        radius = (0, 8, 8)  # where ours ends; scipy's own choice is four standard deviations
        expected = gaussian_filter(image, (0, width, width), mode="reflect", radius=radius)
        np.testing.assert_allclose(blur, expected, atol=1e-5)
        cut = gaussian_filter(image, (0, width, width), mode="reflect")
        np.testing.assert_allclose(blur, cut, atol=5e-4)
    torch.testing.assert_close(found.mean(dim=(2, 3)), images.mean(dim=(2, 3)))


def test_corners_do_not_tell_the_angle():
    """No corner is empty but holds the reflection; with a margin it shows what is there."""
    images = torch.rand(64, 3, 17, 17, generator=generator())
    laid_out = torch.from_numpy(np.pad(images, ((0, 0), (0, 0), (17, 17), (17, 17)), "symmetric"))
    found, expected = (
        augment(one, Augment(), generator(), view=17)[0] for one in (images, laid_out)
    )
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
    side, view = 40, 24  # 24 times the root of 2, and the shift and the zoom, are within 40
    rows, columns = np.mgrid[:side, :side] - (side - 1) / 2
    inner = torch.from_numpy(np.hypot(rows, columns) <= 20).float()
    images = (0.5 * inner).expand(64, 1, side, side)  # a reflection would bring the dark outside
    turned, _ = augment(images, Augment(shift=0.02, zoom=0.05), generator(), view=view)
    corners = torch.stack([turned[..., row, column] for row in (0, -1) for column in (0, -1)])
    torch.testing.assert_close(corners, torch.full_like(corners, 0.5))


@pytest.mark.parametrize("view", [1, 7, 64])
def test_the_grid_is_torchs_to_rounding(view):
    affine = torch.randn(9, 2, 3, generator=generator())
    expected = torch.nn.functional.affine_grid(affine, [9, 1, view, view], align_corners=False)
    torch.testing.assert_close(_grid(affine, view), expected, rtol=1e-6, atol=1e-6)


def test_images_turn_and_zoom_as_scipys_do():
    """Where torch's and scipy's interpolation agree: inside, linear between pixels."""
    side, view = 40, 16
    images = torch.rand(6, 1, side, side, generator=generator())
    angle, zoom = torch.linspace(0.1, 6, 6), torch.linspace(0.8, 1.2, 6)
    cosine, sine = zoom * angle.cos(), zoom * angle.sin()
    shift = torch.tensor([0.1, -0.05]).expand(6, 2)  # of half the view
    rows = [
        torch.stack([cosine, -sine, shift[:, 0]], 1),
        torch.stack([sine, cosine, shift[:, 1]], 1),
    ]
    found = _resample(images, torch.stack(rows, dim=1), view)
    for image, one, turn, scale in zip(images[:, 0], found[:, 0], angle, zoom, strict=True):
        across, along = scale.item() * math.cos(turn), scale.item() * math.sin(turn)
        turned = np.array([[across, along], [-along, across]])  # of row and column
        centre, middle = (side - 1) / 2, np.full(2, (view - 1) / 2)
        offset = centre + np.array([-0.05, 0.1]) * view / 2 - turned @ middle
        expected = affine_transform(image.numpy(), turned, offset, (view, view), order=1)
        np.testing.assert_allclose(one, expected, atol=2e-5)
