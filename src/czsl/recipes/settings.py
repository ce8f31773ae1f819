"""The settings of single stages."""

from __future__ import annotations

from numbers import Integral
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictFloat
from pydantic_core import PydanticKnownError

from czsl.errors import ArgumentError


def whole(value: Any) -> int:
    """Take a whole number of Python or numpy, and nothing that could be read as one.

    Raises
    ------
    PydanticKnownError
        For anything else, such as ``True`` or ``"7"``; pydantic gathers it.
    """
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise PydanticKnownError("int_type")
    return int(value)


Whole = Annotated[int, BeforeValidator(whole)]
Number = StrictFloat
"""Whole numbers, too."""
Switch = StrictBool


class Settings(BaseModel):
    """Frozen settings that refuse words they do not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Augment(Settings):
    """Random changes of a training image that do not change its class.

    Parameters
    ----------
    rotate
        ``"any"`` angle, with a zoom, which interpolates; ``"quarter"`` turns, which keep
        every pixel's value and noise; or ``"none"``.
    mirror
        True: mirror half of the images, and swap their mirrored answers and classes.
        ``"both"``: show every image and, in the same batch, its mirror image; what tells the
        two apart is learned from fewer images, since all else about them is equal.
        ``"senses"``: that, in half as many epochs, where a class becomes another in the
        mirror; else True.
    shift
        Largest shift, as a fraction of the view's side; whole pixels unless ``"any"``.
    zoom
        Largest relative change of scale; none unless ``"any"``.
    blur
        Largest standard deviation of a Gaussian blur, pixels; each image draws its own from
        0 to this.
    noise
        Largest standard deviation of Gaussian noise, as a fraction of the range of grey
        levels; each image draws its own from 0 to this.
    """

    rotate: Literal["any", "quarter", "none"] = "any"
    mirror: Switch | Literal["both", "senses"] = True
    shift: Number = Field(default=0.05, ge=0, lt=0.5)
    zoom: Number = Field(default=0.1, ge=0, lt=0.5)
    blur: Number = Field(default=0.0, ge=0, le=5)
    noise: Number = Field(default=0.0, ge=0, le=0.5)


class Training(Settings):
    """How one network is trained.

    Parameters
    ----------
    epochs
        Passes over the training rows.
    images
        Images to train on at least: where ``epochs`` passes are fewer, more are made. A
        mirror image that is shown beside its image is one more.
    batch
        Images in a batch, such mirror images among them.
    optimiser
        ``"sgd"`` (constant rate) or ``"adamw"`` (linear warm-up, then cosine to zero).
    rate
        Learning rate (its peak, for adamw).
    weight_decay
        Decoupled weight decay of adamw.
    warm_up
        Share of the steps over which the rate of adamw rises.
    average
        Decay per step of the moving average of the weights; 0 is none.
    patience
        Epochs without a better held-out score after which training stops; 0 is never. It takes
        ``held_out``.
        Where ``images`` asks for more epochs, it lasts longer in proportion.
    held_out
        Share of the training rows that score the epochs and train nothing.
    hold_out
        Which rows those are: ``"random"`` ones or the ``"last"`` in the table's order.
    augment
        Random changes of the images; none where it is left out.
    """

    epochs: Whole = Field(ge=1)
    images: Whole = Field(default=0, ge=0)
    batch: Whole = Field(ge=1)
    optimiser: Literal["sgd", "adamw"]
    rate: Number = Field(gt=0)
    weight_decay: Number = Field(default=0.0, ge=0)
    warm_up: Number = Field(default=0.0, ge=0, lt=1)
    average: Number = Field(default=0.0, ge=0, lt=1)
    patience: Whole = Field(default=0, ge=0)
    held_out: Number = Field(default=0.0, ge=0, lt=1)
    hold_out: Literal["random", "last"] = "random"
    augment: Augment | None = None

    @property
    def shown(self) -> int:
        """Images of an object in a batch: 2 where its mirror image is shown beside it."""
        if self.augment is not None and self.augment.mirror == "senses":
            raise ArgumentError('mirror = "senses" depends on the classes: call for_senses first')
        return 2 if self.augment is not None and self.augment.mirror == "both" else 1

    def for_senses(self, senses: bool) -> Self:
        """Settle ``mirror = "senses"``; either way each object's images are as many.

        Parameters
        ----------
        senses
            Whether a class becomes another in the mirror.

        Examples
        --------
        >>> training = Training(epochs=50, batch=32, optimiser="adamw", rate=1e-3,
        ...                     augment=Augment(mirror="senses"))
        >>> for senses in (True, False):
        ...     settled = training.for_senses(senses)
        ...     print(settled.augment.mirror, settled.epochs)
        both 25
        True 50
        """
        if self.augment is None or self.augment.mirror != "senses":
            return self
        augment = self.augment.model_copy(update={"mirror": "both" if senses else True})
        epochs = -(-self.epochs // 2) if senses else self.epochs
        return self.model_copy(update={"augment": augment, "epochs": epochs})

    @property
    def resampled(self) -> bool:
        """Whether training images are rotated by any angle, hence interpolated."""
        return self.augment is not None and self.augment.rotate == "any"


class Pretrain(Training):
    """The stage that learns from volunteers.

    Parameters
    ----------
    targets
        ``"majority"``: the class whose answers have most votes, by squared error;
        ``"shares"``: each answer's share of the votes, by cross-entropy; ``"counts"``: the
        votes themselves, by the Dirichlet-multinomial likelihood.
    experts
        Whether the votes on experts' objects train too. Then each fold pre-trains its
        own network, without the votes on the objects that it is scored on.
    """

    targets: Literal["majority", "shares", "counts"]
    experts: Switch


class Transfer(Settings):
    """The stage that learns from votes to experts' classes.

    Parameters
    ----------
    kind
        ``"perceptron"`` (published: unscaled, hidden layers of 8, 7, 5 and 3) or
        ``"logistic"`` (quadratic in the shares of the votes, for any number of votes;
        mirrored rows; where the calibrated majority is better, that).
    extra
        Which extra columns of ``[votes]`` are inputs too: true for all, false for none, or
        their names.
    image
        Whether ``"logistic"`` may use what the network expects volunteers to say of the
        image; it does so where that makes experts' classes clearly likelier.
    """

    kind: Literal["perceptron", "logistic"]
    extra: Switch | tuple[str, ...] = True
    image: Switch = False


Weight = Annotated[Number, Field(ge=0)]

Weights = Annotated[
    tuple[Weight, ...],
    BeforeValidator(lambda value: value if isinstance(value, list | tuple) else (value,)),
    Field(min_length=1, max_length=5),
]
"""One weight, or a few to choose from."""


class Finetune(Training):
    """The stage that learns from experts and transferred labels.

    Parameters
    ----------
    loss
        ``"squared"`` against one class, or ``"entropy"`` against its probability.
    transferred
        Weight of a transferred label against an expert's, multiplied by n / (n + 20) for n
        votes, since a label stands on its votes; so many of them, drawn anew, are in an
        epoch as their weights sum to. Of several weights the largest is taken, unless under
        another experts' classes that the networks did not see are 20 times as likely. With
        ``"squared"`` all are in every epoch and weigh the same, and 0 leaves them out.
    head
        ``"logistic"``: the classes' head starts as the logistic regression of the experts'
        classes on the pre-trained features; ``"random"``: as the network has it.
    encoder_rate
        Learning rate of the encoder's last layer, relative to the heads'.
    layer_decay
        Learning rate of each earlier layer, relative to the next.
    dropout
        Share of the features that training leaves out.
    freeze
        Whether normalisation keeps the statistics of the pre-training.
    """

    loss: Literal["squared", "entropy"]
    transferred: Weights
    head: Literal["logistic", "random"] = "random"
    encoder_rate: Number = Field(default=1.0, ge=0)
    layer_decay: Number = Field(default=1.0, ge=0, le=1)
    dropout: Number = Field(default=0.0, ge=0, lt=1)
    freeze: Switch = False


class Sets(Settings):
    """The set of classes of an object that cannot be ruled out.

    Parameters
    ----------
    coverage
        Share of the objects of each class whose set is to hold that class.
    held_out
        Share of the experts' objects that train nothing and make the sets alone, which then
        hold their coverage exactly; with 0 all experts' objects make them, each judged out
        of fold, and the coverage is approximate.
    """

    coverage: Number = Field(default=0.9, gt=0, lt=1)
    held_out: Number = Field(default=0.0, ge=0, le=0.8)
