"""An epoch's batches as the network is shown them: in random order, changed at random."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from czsl.images.augment import augment, central, mirror_targets, reach, with_mirror_images
from czsl.recipes import Training
from czsl.train.feed import Resident, batches
from czsl.train.samples import Samples
from czsl.train.sharing import Sharing


def seed_of(seed: list[int]) -> int:
    """Turn a seed of several numbers into one."""
    return int(np.random.SeedSequence(seed).generate_state(1)[0])


def objects_in_batch(training: Training) -> int:
    """Give the number of objects in a batch."""
    return max(1, training.batch // training.shown)


def shown_batches(
    samples: Samples,
    training: Training,
    seed: list[int],
    device: torch.device,
    sharing: Sharing,
    resident: Resident | None,
) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
    """Give an epoch's batches in random order, augmented.

    Parameters
    ----------
    samples, training
        The rows, and how they are shown.
    seed
        Seed of order and augmentation: of the training, and the epoch.
    device
        Where networks run.
    sharing
        The processes that train together; told the images of each batch.
    resident
        Images that are held on the device.

    Yields
    ------
    Tensor
        The images that are this process's, shape (image, channel, view, view): one of each
        object or, where training shows both, the second behind the first.
    dict of Tensor
        Targets of all images of the batch.
    """
    order, shown = samples.order(np.random.default_rng(seed)), training.shown
    generator = torch.Generator(device).manual_seed(seed_of(seed))
    mirrors = {name: mirror.to(device) for name, mirror in samples.mirrors.items()}
    step = objects_in_batch(training)
    every = np.split(order, range(step, len(order), step))
    shares = [sharing.ranks.rows(shown * len(places)) for places in every]  # of the images
    parts = [
        (places, slice(share.start // shown, -(-share.stop // shown)))
        for places, share in zip(every, shares, strict=True)
    ]
    side = reach(training.augment, samples.view)
    taken = batches(samples, parts, device, resident=resident, side=side)
    for (places, own), share, (images, targets) in zip(parts, shares, taken, strict=True):
        sharing.count = shown * len(places)
        if training.augment is None:
            yield central(images, samples.view), targets
            continue
        changed, mirrored = augment(
            images, training.augment, generator, view=samples.view, share=(own, len(places))
        )
        told = targets
        if shown == 2:
            first = shown * own.start
            changed = with_mirror_images(changed)[share.start - first : share.stop - first]
            mirrored = torch.tensor([False, True], device=device).repeat(len(places))
            told = {name: target.repeat_interleave(2, dim=0) for name, target in targets.items()}
        swapped = {
            name: mirror_targets(told[name], mirrored, mirror) for name, mirror in mirrors.items()
        }
        yield changed, told | swapped
