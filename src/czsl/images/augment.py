"""Random changes of a batch of images, all of it at once on the device."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from czsl.recipes import Augment


def augment(
    images: Tensor,
    settings: Augment,
    generator: torch.Generator,
    *,
    view: int,
    share: tuple[slice, int] | None = None,
) -> tuple[Tensor, Tensor]:
    """Mirror, rotate, shift, zoom and blur each image of a batch at random, and add noise.

    One bilinear resampling moves the pixels, and gives the central view; what lies
    outside the image is its reflection, so a margin around the view is better. Blur and
    noise follow, in the order in which the sky and the camera add them.

    Parameters
    ----------
    images
        Shape (object, channel, row, column), 0 to 1.
    settings
        What may change and by how much.
    generator
        Source of the random numbers, on the device of the images.
    view
        Side of the central square that is given, pixels.
    share
        Where the images are a share of a batch: which of its rows, and how many it has. All
        its random numbers are drawn, so that each image changes as it would among the others.

    Returns
    -------
    Tensor
        The changed images, shape (object, channel, view, view).
    Tensor
        Whether each of the batch was mirrored, shape (object,): its mirrored answers and
        classes swap.

    Examples
    --------
    >>> images = torch.rand(4, 3, 16, 16)
    >>> still = Augment(rotate="none", mirror=False, shift=0.0)
    >>> changed, mirrored = augment(images, still, torch.Generator().manual_seed(0),
    ...                             view=16)
    >>> torch.equal(changed, images), mirrored.any().item()
    (True, False)
    """
    rows, count = share or (slice(None), len(images))
    device, shape = images.device, (count, images.shape[1], view, view)
    # One draw of five numbers for each object, whatever is switched on.
    draws = torch.rand(count, 5, generator=generator, device=device)
    mirrored = draws[:, 0] < (0.5 if settings.mirror is True else 0.0)
    if not len(images):  # there is no grid for no image
        moved = images.new_zeros((0, *shape[1:]))
    elif settings.rotate == "any":
        moved = _resample(images, _affine(draws[rows], mirrored[rows], settings), view)
    else:
        exact = _exact(draws[rows], mirrored[rows], settings, view)
        moved = _resample(images, exact, view, exact=True)
    # What is off draws nothing: the numbers of all else stay as they are.
    if settings.blur:
        spread = settings.blur * torch.rand(count, generator=generator, device=device)[rows]
        moved = blurred(moved, spread, largest=settings.blur) if len(moved) else moved
    if settings.noise:
        spread = settings.noise * torch.rand(count, generator=generator, device=device)[rows]
        grain = torch.randn(shape, generator=generator, device=device)[rows]
        moved = (moved + spread[:, None, None, None] * grain).clamp(0, 1)
    return moved, mirrored


def blurred(images: Tensor, spread: Tensor, *, largest: float) -> Tensor:
    """Blur each image by a Gaussian of its own.

    The image goes on as its reflection, so that its mean stays. The Gaussian ends at four
    times ``largest``.

    Parameters
    ----------
    images
        Shape (object, channel, row, column).
    spread
        Standard deviation of each Gaussian, pixels, shape (object,).
    largest
        No standard deviation is larger, pixels.

    Examples
    --------
    >>> images = torch.rand(3, 1, 9, 9)
    >>> changed = blurred(images, torch.tensor([0.0, 1.0, 2.0]), largest=2.0)
    >>> torch.equal(changed[0], images[0]), bool(changed[2].std() < changed[1].std())
    (True, True)
    """
    count, channels, rows, columns = images.shape
    radius = math.ceil(4 * largest)
    steps = torch.arange(-radius, radius + 1, device=images.device)
    weights = torch.exp(-0.5 * (steps / spread.clamp(min=1e-3)[:, None]) ** 2)  # (object, step)
    weights = (weights / weights.sum(dim=1, keepdim=True)).repeat_interleave(channels, dim=0)
    maps = images.reshape(1, count * channels, rows, columns)
    maps = maps[:, :, _reflected(rows, radius, images.device)]
    maps = functional.conv2d(maps, weights[:, None, :, None], groups=count * channels)
    maps = maps[..., _reflected(columns, radius, images.device)]
    maps = functional.conv2d(maps, weights[:, None, None, :], groups=count * channels)
    return maps.reshape(images.shape)


def _reflected(side: int, radius: int, device: torch.device) -> Tensor:
    """Give the pixels of a row that goes on as its reflection, the edge's own pixel first."""
    places = torch.arange(-radius, side + radius, device=device) % (2 * side)
    return torch.minimum(places, 2 * side - 1 - places)


def central(images: Tensor, view: int) -> Tensor:
    """Give the central square of images.

    Parameters
    ----------
    images
        Shape (object, channel, row, column).
    view
        Side of the square, pixels: at most that of the images, and even where that is.

    Examples
    --------
    >>> central(torch.arange(16.0).reshape(1, 1, 4, 4), 2)
    tensor([[[[ 5.,  6.],
              [ 9., 10.]]]])
    """
    start = (images.shape[-1] - view) // 2
    return images[..., start : start + view, start : start + view]


def central_pixels(pixels: NDArray[np.uint8], view: int) -> NDArray[np.uint8]:
    """Give the central square of stored images, shape (object, row, column, channel)."""
    start = (pixels.shape[1] - view) // 2
    return pixels[:, start : start + view, start : start + view]


def reach(settings: Augment | None, view: int) -> int:
    """Say how large a central square of images :func:`augment` looks at, before blur and noise.

    Parameters
    ----------
    settings
        What may change; None for nothing, which looks at the view.
    view
        Side of the view, pixels.

    Returns
    -------
    int
        Side of the square, pixels, even or odd as the view is. It may be larger than the
        images: what lies outside them is their reflection.

    Examples
    --------
    >>> reach(None, 64), reach(Augment(rotate="any", zoom=0.0, shift=0.0), 64)
    (64, 94)
    """
    if settings is None:
        return view
    turned = math.sqrt(2) * (1 + settings.zoom) if settings.rotate == "any" else 1.0
    # A pixel more on either side is what interpolation looks at.
    margin = math.ceil(view * ((turned - 1) / 2 + settings.shift)) + 1
    return view + 2 * margin


def steady(images: Tensor, view: int, *, resampled: bool) -> Tensor:
    """Give the view of images that scoring and prediction start from.

    Training images that were rotated were interpolated, which smooths their noise. So
    that a network sees noise of the same kind afterwards, images are then rotated too, by
    a sixteenth of a turn: of all angles the farthest from those that leave pixels as they
    are.

    Parameters
    ----------
    images
        Shape (object, channel, row, column).
    view
        Side of the central square that is given, pixels.
    resampled
        Whether training rotated its images.

    Examples
    --------
    >>> images = torch.rand(2, 3, 16, 16)
    >>> torch.equal(steady(images, 8, resampled=False), central(images, 8))
    True
    >>> noisy = torch.randn(8, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    >>> bool(steady(noisy, 32, resampled=True).std() < 0.8 * noisy.std())
    True
    """
    if not resampled or not len(images):  # there is no grid for no image
        return central(images, view)
    cosine, sine = math.cos(math.pi / 8), math.sin(math.pi / 8)
    affine = images.new_tensor([[cosine, -sine, 0.0], [sine, cosine, 0.0]])
    return _resample(images, affine.expand(len(images), 2, 3), view)


def with_mirror_images(images: Tensor) -> Tensor:
    """Put behind each image its mirror image.

    Parameters
    ----------
    images
        Shape (object, channel, row, column).

    Returns
    -------
    Tensor
        Shape (2 objects, channel, row, column): the first, its mirror image, the second, ...

    Examples
    --------
    >>> with_mirror_images(torch.tensor([[[[1.0, 2.0]]], [[[3.0, 4.0]]]])).squeeze()
    tensor([[1., 2.],
            [2., 1.],
            [3., 4.],
            [4., 3.]])
    """
    both = torch.stack([images, images.flip(3)], dim=1).flatten(0, 1)
    return both.contiguous(memory_format=torch.channels_last)


def mirror_targets(target: Tensor, mirrored: Tensor, mirror: Tensor) -> Tensor:
    """Swap the mirrored answers or classes of the objects whose image was mirrored.

    Parameters
    ----------
    target
        Votes or probabilities, shape (object, answer).
    mirrored
        Whether the image was mirrored, shape (object,).
    mirror
        The answer that each becomes in the mirror, shape (answer,).

    Examples
    --------
    >>> target = torch.tensor([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]])
    >>> mirror_targets(target, torch.tensor([False, True]), torch.tensor([0, 2, 1]))
    tensor([[1., 2., 3.],
            [1., 3., 2.]])
    """
    return torch.where(mirrored[:, None], target[:, mirror], target)


def _affine(draws: Tensor, mirrored: Tensor, settings: Augment) -> Tensor:
    """Map places in the new image to places in the old, shape (object, 2, 3)."""
    angle = draws[:, 1] * (2 * math.pi)
    scale = 1 + settings.zoom * (2 * draws[:, 2] - 1)
    shift = 2 * settings.shift * (2 * draws[:, 3:5] - 1)  # the view's side is 2 in these units
    flip = 1 - 2 * mirrored.to(draws.dtype)
    cosine, sine = scale * angle.cos(), scale * angle.sin()
    rows = [
        torch.stack([flip * cosine, -flip * sine, shift[:, 0]], dim=1),
        torch.stack([sine, cosine, shift[:, 1]], dim=1),
    ]
    return torch.stack(rows, dim=1)


def _exact(draws: Tensor, mirrored: Tensor, settings: Augment, view: int) -> Tensor:
    """Map pixels to pixels: quarter turns and whole shifts, shape (object, 2, 3)."""
    turns = (draws[:, 1] * 4).floor() if settings.rotate == "quarter" else 0 * draws[:, 1]
    turned = torch.stack([turns / 4, draws.new_full((len(draws),), 0.5)], dim=1)
    pixels = (settings.shift * view * (2 * draws[:, 3:5] - 1)).round()
    still = settings.model_copy(update={"zoom": 0.0, "shift": 0.0})
    columns = [draws[:, :1], turned, draws[:, 3:5]]
    affine = _affine(torch.cat(columns, dim=1), mirrored, still).round()
    affine[:, :, 2] = 2 * pixels / view
    return affine


def _resample(images: Tensor, affine: Tensor, view: int, *, exact: bool = False) -> Tensor:
    """Draw the view of each image anew at the places that its affine map names."""
    # The grid spans the view, from -1 to 1; the image's own units are larger by its margin.
    grid = _grid(affine * (view / images.shape[-1]), view)
    mode = "nearest" if exact else "bilinear"
    return functional.grid_sample(
        images, grid, mode=mode, padding_mode="reflection", align_corners=False
    )


def _grid(affine: Tensor, view: int) -> Tensor:
    """Give the places that affine maps name, as torch's ``affine_grid``, without its product.

    A product of matrices with three columns takes five times as long, and on a GPU it may be
    taken in ten bits. The shape is (object, view, view, 2): the column first, then the row.
    """
    places = torch.arange(1 - view, view, 2, dtype=affine.dtype, device=affine.device) / view
    by_column, by_row, shift = affine[..., None, None].unbind(2)
    planes = by_column * places + (by_row * places[:, None] + shift)
    return planes.permute(0, 2, 3, 1)
