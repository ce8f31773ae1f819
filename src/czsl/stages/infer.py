"""Apply trained networks: class logits, averaged over views of the image and over networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from czsl.catalogue.tree import whole_shares
from czsl.images.augment import steady
from czsl.nets.losses import answer_probabilities
from czsl.nets.network import Network, Outputs, make_network
from czsl.nets.residual import for_prediction
from czsl.recipes import Recipe
from czsl.stages.targets import Layout
from czsl.train.checkpoint import Tensors
from czsl.train.device import has_bfloat16, side_by_side
from czsl.train.feed import one_ahead
from czsl.train.samples import Images, to_tensor

BATCH_PIXELS = {"cpu": 64 * 64**2, "mps": 256 * 64**2, "cuda": 4096 * 64**2}
"""Pixels that a network takes at once, by the device: on a processor so many as its cache holds."""

FEWEST, MOST = 4, 4096
"""Images in a batch, at least and at most."""

GATHERED = 4096
"""Images that are read from a store at once."""

TINY = 1e-6
"""Least probability of a class from answers, before its logarithm."""


def open_reader(
    weights: Sequence[Tensors],
    recipe: Recipe,
    layout: Layout,
    *,
    channels: int,
    view: int,
    from_answers: bool,
    device: torch.device,
    encoder: nn.Module | None = None,
) -> ClassReader:
    """Put weights into a recipe's networks and read classes off them.

    Parameters
    ----------
    weights
        Of each network.
    recipe
        The networks' shape, and how many views they take.
    layout
        The answers and the classes.
    channels, view
        Channels of the images, and side (pixels) of the square that the networks see.
    from_answers
        Whether classes are read off the volunteers' head.
    device
        Where the networks go.
    encoder
        The module that they stand on, where they do; its own weights do not matter.

    Raises
    ------
    RuntimeError
        Where the weights do not fit the recipe: torch's word for it.
    """
    networks = []
    for tensors in weights:
        network = make_network(
            recipe.network,
            channels=channels,
            size=view,
            width=recipe.width,
            questions=layout.questions,
            classes=layout.classes,
            seed=0,
            encoder=encoder,
        )
        network.load_state_dict(tensors)
        network.encoder = for_prediction(network.encoder)
        networks.append(network)
    half = recipe.precision == "bf16" and has_bfloat16(device.type)
    return ClassReader(
        networks,
        layout=layout,
        from_answers=from_answers,
        views=recipe.views,
        view=view,
        resampled=recipe.resampled,
        device=device,
        products=torch.bfloat16 if half else None,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Read:
    """What networks say of images.

    Attributes
    ----------
    logits
        Mean log-probability of each class, shape (object, class); the softmax of a row is
        its posterior before calibration.
    features
        Features of the first network, averaged over the views, shape (object, feature).
    """

    logits: NDArray[np.float64]
    features: NDArray[np.float32]


class ClassReader:
    """Reads class log-probabilities off networks that share a shape.

    Parameters
    ----------
    networks
        The networks; their log-probabilities are averaged.
    layout
        The answers and the classes.
    from_answers
        Whether classes are read off the volunteers' head; otherwise off the classes' head.
    views
        1, or 8: quarter turns and their mirror images.
    view
        Side of the central square that the networks see, pixels.
    resampled
        Whether training rotated its images.
    device
        Where the networks go.
    products
        Type that products are taken in; None for that of the weights.
    """

    def __init__(
        self,
        networks: Sequence[Network],
        *,
        layout: Layout,
        from_answers: bool,
        views: int,
        view: int,
        resampled: bool,
        device: torch.device,
        products: torch.dtype | None = None,
    ) -> None:
        self.networks = [
            network.to(device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
            for network in networks
        ]
        answers = torch.from_numpy(layout.class_answers).float().to(device)
        self.answers = answers if from_answers else None
        self.layout = layout
        self.mirror = torch.from_numpy(layout.class_mirror).to(device)
        self.views, self.view, self.device = views, view, device
        self.resampled, self.products = resampled, products

    def read(self, pixels: NDArray[np.uint8]) -> Read:
        """Read classes and features off images.

        Parameters
        ----------
        pixels
            Images, shape (object, row, column, channel).
        """
        if not len(pixels):  # a module of a user's may refuse no image at all
            features = self.networks[0].classes.in_features
            return Read(
                logits=np.zeros((0, len(self.mirror))), features=np.zeros((0, features), np.float32)
            )
        size = batch_size(self.view, self.device)
        starts = range(0, len(pixels), size)
        batches = [pixels[start : start + size] for start in starts]
        return _joined(side_by_side(self._read, batches, self.device))

    @torch.inference_mode()
    def _read(self, pixels: NDArray[np.uint8]) -> Read:
        """Read classes and features off one batch."""
        images = to_tensor(pixels, self.device)
        logits, features = self._turned(images)
        if self.views == 8:
            # Mirrored before it is resampled: so a mirrored image has the very same views.
            mirrored, more = self._turned(images.flip(3))
            logits, features = logits + mirrored[:, self.mirror], features + more
        return Read(
            # Widened where that can be: a GPU of Apple's has no 64 bits.
            logits=(logits / (self.views * len(self.networks))).cpu().double().numpy(),
            features=(features / self.views).float().cpu().numpy(),
        )

    def logits(self, pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Give the mean log-probability of each class, as :meth:`read` does."""
        return self.read(pixels).logits

    def stored(self, images: Images, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Give the same for rows of an image store, in batches."""
        return self.read_stored(images, rows).logits

    def read_stored(self, images: Images, rows: NDArray[np.int64]) -> Read:
        """Read rows of an image store, some thousand at a time."""
        starts = range(0, max(1, len(rows)), GATHERED)
        gathered = (images.gather(rows[start:][:GATHERED]) for start in starts)
        # To a GPU the next ones are on their way while the networks work.
        coming = one_ahead(map(_pinned, gathered)) if self.device.type == "cuda" else gathered
        return _joined([self.read(pixels) for pixels in coming])

    def _turned(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Sum over the networks and, of 8 views, the quarter turns: logits and features."""
        images = steady(images, self.view, resampled=self.resampled)
        turns = range(4 if self.views == 8 else 1)
        seen = [self._log_probabilities(quarter_turned(images, turn)) for turn in turns]
        logits, features = zip(*seen, strict=True)
        return torch.stack(logits).sum(dim=0), torch.stack(features).sum(dim=0)

    def _log_probabilities(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Sum over the networks, shape (object, class), and the first one's features."""
        total, features = torch.zeros(len(images), len(self.mirror), device=self.device), []
        for network in self.networks:
            with torch.autocast(
                self.device.type, dtype=self.products, enabled=self.products is not None
            ):
                outputs = Outputs(*(one.float() for one in network(images)))
            features.append(outputs.features)
            if self.answers is None:
                total += outputs.classes.log_softmax(dim=1)
            else:
                total += classes_from_answers(outputs.answers, self.layout, self.answers)
        return total, features[0]


def classes_from_answers(logits: Tensor, layout: Layout, class_answers: Tensor) -> Tensor:
    """Read classes off the volunteers' head.

    An answer's share is the expected one, times that of the answer after which its question is
    asked, all the way up. Answers that make no class are left out.

    Parameters
    ----------
    logits
        For each question the logits of its answers and of its precision, side by side,
        shape (object, answers + questions).
    layout
        The questions.
    class_answers
        Those of the layout on the device of the logits, shape (answer, class).

    Returns
    -------
    Tensor
        Log-probabilities, shape (object, class), none below that of ``TINY``.

    Examples
    --------
    Half are led to the second question, of which half again give each of its answers.

    >>> layout = Layout(questions=(2, 2), answer_mirror=np.arange(4), class_mirror=np.arange(3),
    ...                 class_answers=np.eye(4, 3)[[0, 3, 1, 2]], after=(None, (0, 1)))
    >>> made = torch.from_numpy(layout.class_answers).float()
    >>> classes_from_answers(torch.zeros(1, 6), layout, made).exp()
    tensor([[0.5000, 0.2500, 0.2500]])
    """
    shares = answer_probabilities(logits, layout.questions)
    if any(layout.after):
        parts = torch.split(shares, list(layout.questions), dim=1)
        shares = torch.cat(whole_shares(parts, layout.after), dim=1)
    made = shares @ class_answers
    known = made.sum(dim=1, keepdim=True).clamp(min=TINY)
    return (made / known).clamp(min=TINY).log()


def quarter_turned(images: Tensor, turns: int) -> Tensor:
    """Turn images by quarter turns, and lay them out as convolutions are fastest.

    Parameters
    ----------
    images
        Shape (object, channel, row, column).
    turns
        How many quarter turns, 0 to 3.

    Returns
    -------
    Tensor
        The turned images, channels last in memory; by no turn the very same ones where they
        lie so already.

    Examples
    --------
    >>> quarter_turned(torch.arange(4.0).reshape(1, 1, 2, 2), 1)
    tensor([[[[1., 3.],
              [0., 2.]]]])
    """
    # By no turn torch would copy them, channels first, to be copied back.
    turned = images.rot90(turns, dims=(2, 3)) if turns else images
    return turned.contiguous(memory_format=torch.channels_last)


def batch_size(view: int, device: torch.device) -> int:
    """Say how many images a network takes at once: more where they are smaller.

    Parameters
    ----------
    view
        Side of the square that networks see, pixels.
    device
        Where they are.

    Examples
    --------
    >>> [batch_size(view, torch.device("cpu")) for view in (24, 64, 224, 1024)]
    [455, 64, 5, 4]
    """
    return min(max(BATCH_PIXELS[device.type] // view**2, FEWEST), MOST)


def _pinned(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Put images into memory that a GPU copies from without help."""
    pinned: NDArray[np.uint8] = torch.from_numpy(pixels).pin_memory().numpy()
    return pinned


def _joined(parts: Sequence[Read]) -> Read:
    """Put what was read one after the other."""
    return Read(
        logits=np.vstack([part.logits for part in parts]),
        features=np.vstack([part.features for part in parts]),
    )
