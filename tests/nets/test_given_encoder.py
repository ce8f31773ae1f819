"""Torch modules as encoders: what may come, what is refused, in which order layers learn."""

from collections import OrderedDict

import pytest
import torch
from torch import nn
from torch.nn import functional

from czsl.errors import ArgumentError
from czsl.nets.given import GivenEncoder, wrap_encoder
from czsl.nets.network import make_network
from czsl.recipes import recipe_settings
from czsl.stages.finetune import layer_rates


def convolutions(channels: int = 3) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            stem=nn.Conv2d(channels, 4, 3),
            norm=nn.BatchNorm2d(4),
            stages=nn.Sequential(nn.Conv2d(4, 5, 3), nn.ReLU(), nn.Conv2d(5, 6, 3)),
        )
    )


class Says(nn.Module):
    """Gives what a function makes of the images, and holds a parameter of its own."""

    def __init__(self, say):
        super().__init__()
        self.say, self.scale = say, nn.Parameter(torch.ones(()))

    def forward(self, images):
        return self.say(images * self.scale)


class Sized(nn.Module):
    """Takes one side alone, as networks with a token for each patch do."""

    def __init__(self, side: int):
        super().__init__()
        self.pretrained_cfg = {"input_size": (3, side, side), "mean": (0.5,) * 3, "std": (0.2,) * 3}
        self.weight, self.side = nn.Linear(side * side, 7), side

    def forward(self, images):
        if images.shape[-1] != self.side:
            raise ValueError(f"Input size {images.shape[-1]} doesn't match model {self.side}")
        return self.weight(images.mean(dim=1).flatten(1))


IMAGES = torch.rand(5, 3, 12, 12, generator=torch.Generator().manual_seed(0))
MEAN = IMAGES.mean(dim=(2, 3))
TOKENS = torch.stack([MEAN, MEAN + 2], dim=1)  # (object, token, feature)


@pytest.mark.parametrize(
    ("say", "expected"),
    [
        (lambda images: images.mean(dim=(2, 3)), MEAN),
        (lambda images: images, MEAN),
        (lambda images: (images, "more"), MEAN),
        (lambda images: {"last_hidden_state": images}, MEAN),
        (
            lambda images: {"last_hidden_state": images, "pooler_output": 3 * images},
            3 * MEAN,
        ),
        (lambda images: {"pooler_output": images.mean(dim=(2, 3)), "more": 1}, MEAN),
        (
            lambda images: torch.stack([images.mean((2, 3)), images.mean((2, 3)) + 2], dim=1),
            TOKENS.mean(dim=1),
        ),
        (
            lambda images: {
                "last_hidden_state": images.flatten(2).transpose(1, 2),
                "pooler_output": 5 * images.mean(dim=(2, 3)),
            },
            MEAN,
        ),
    ],
)
def test_whatever_a_module_gives_becomes_features(say, expected):
    encoder = GivenEncoder(Says(say), channels=3, size=12)
    assert encoder.features == 3
    torch.testing.assert_close(encoder(IMAGES), expected)


@pytest.mark.parametrize(
    ("say", "message"),
    [
        (lambda images: {"logits": images}, "gives 'logits'; 'last_hidden_state' or"),
        (lambda images: "text", "the encoder gives str; a tensor is needed"),
        (lambda images: images.sum(), r"an array of shape \(\) for 2 images"),
        (lambda images: images[:1].mean((2, 3)), r"an array of shape \(1, 3\) for 2 images"),
        (lambda images: images.reshape(3, -1, 5), r"cannot take images of 3 channel\(s\) and 12 x"),
    ],
)
def test_what_is_no_features_is_refused(say, message):
    with pytest.raises(ArgumentError, match=message):
        GivenEncoder(Says(say), channels=3, size=12)


class Flattened(nn.Module):
    """Flattens maps by a view of them, which their layout in training does not allow."""

    def __init__(self) -> None:
        super().__init__()
        self.maps, self.last = nn.Conv2d(3, 4, 3, 4), nn.Linear(36, 8)

    def forward(self, images):
        maps = self.maps(images)
        return self.last(maps.view(maps.size(0), -1))


def test_what_would_fail_in_training_is_refused_before():
    with pytest.raises(ArgumentError, match=r"cannot take images .* Use \.reshape"):
        GivenEncoder(Flattened(), channels=3, size=12)


def test_grey_levels_are_scaled_per_channel():
    mean, std = (0.1, 0.2, 0.3), (0.5, 0.25, 2.0)
    encoder = GivenEncoder(Says(lambda images: images), channels=3, size=12, mean=mean, std=std)
    torch.testing.assert_close(encoder(IMAGES), (MEAN - torch.tensor(mean)) / torch.tensor(std))


def test_one_band_is_repeated_for_three_channels():
    module = convolutions()
    grey = IMAGES[:, :1]
    found = GivenEncoder(module, channels=1, size=12).eval()(grey)
    expected = GivenEncoder(module, channels=3, size=12).eval()(grey.repeat(1, 3, 1, 1))
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(("takes", "channels"), [(3, 5), (1, 3), (4, 1)])
def test_other_numbers_of_channels_are_refused(takes, channels):
    words = rf"takes {takes} channel\(s\), and the images have {channels}; set channels = {takes}"
    with pytest.raises(ArgumentError, match=words):
        GivenEncoder(convolutions(takes), channels=channels, size=12)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mean": (0.5,)}, r"'mean' has 1 numbers, and it takes 3 channel\(s\)"),
        ({"std": (1.0, 0.0, 1.0)}, "each must be above 0"),
    ],
)
def test_scaling_that_does_not_fit(changes, message):
    with pytest.raises(ArgumentError, match=message):
        GivenEncoder(convolutions(), channels=3, size=12, **changes)


def test_an_encoder_of_one_side_gets_that_side():
    module = Sized(8)
    encoder = wrap_encoder(module, channels=3, size=12).eval()
    assert (encoder.side, encoder.features) == (8, 7)
    small = functional.interpolate(IMAGES, (8, 8), mode="bilinear", antialias=True)
    torch.testing.assert_close(encoder(IMAGES), module((small - 0.5) / 0.2))
    as_asked = GivenEncoder(convolutions(), channels=3, size=12, side=20)
    assert as_asked.side == 20


def test_an_encoder_of_one_side_that_it_does_not_tell_is_refused():
    module = Sized(8)
    module.pretrained_cfg = {}
    words = r"cannot take images of 3 channel\(s\) and 12 x 12 pixels \(Input size 12 doesn't match"
    with pytest.raises(ArgumentError, match=words):
        wrap_encoder(module, channels=3, size=12)
    fitting = GivenEncoder(module, channels=3, size=12, side=8)
    assert wrap_encoder(fitting, channels=3, size=12).side == 8
    with pytest.raises(
        ArgumentError, match=r"made for images of 3 .* 12 pixels; these have 1 and 9"
    ):
        wrap_encoder(fitting, channels=1, size=9)


@pytest.mark.parametrize("kind", [KeyError, AssertionError, ZeroDivisionError, StopIteration])
def test_whatever_error_a_module_raises_is_told_of_and_its_own_side_is_tried(kind):
    def refuse(images):
        if images.shape[-1] != 8:
            raise kind("no such side")
        return images

    module = Says(refuse)
    words = r"cannot take images of 3 channel\(s\) and 12 x 12 pixels \('?no such side'?\)"
    with pytest.raises(ArgumentError, match=words) as caught:
        GivenEncoder(module, channels=3, size=12)
    assert type(caught.value.__cause__) is kind
    module.pretrained_cfg = {"input_size": (3, 8, 8)}
    assert GivenEncoder(module, channels=3, size=12).side == 8


def test_the_given_module_is_neither_changed_nor_shared():
    module = convolutions().double().train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    network = make_network(
        "given",
        channels=3,
        size=12,
        width=4,
        questions=[2],
        classes=3,
        seed=0,
        encoder=module,
    )
    network.train()(IMAGES)
    with torch.no_grad():
        network.encoder.module.stem.weight.zero_()
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert module.training


def test_heads_depend_on_the_seed_and_the_encoder_keeps_its_weights():
    module = convolutions()
    settings = {"channels": 3, "size": 12, "width": 4, "questions": [2], "classes": 3}
    one, same, other = (
        make_network("given", **settings, seed=seed, encoder=module) for seed in (0, 0, 1)
    )
    assert torch.equal(one.classes.weight, same.classes.weight)
    assert not torch.equal(one.classes.weight, other.classes.weight)
    for network in (one, other):
        assert torch.equal(network.encoder.module.stem.weight, module.stem.weight)
    assert one(IMAGES).answers.shape == (5, 3)


def test_earlier_layers_learn_more_slowly():
    settings = {"channels": 3, "size": 12, "width": 4, "questions": [], "classes": 2, "seed": 0}
    network = make_network("given", **settings, encoder=convolutions())
    assert network.encoder.layers == (
        "module.stem",
        "module.norm",
        "module.stages.0",
        "module.stages.2",
    )
    finetune = recipe_settings({"finetune": {"layer_decay": 0.5}}).finetune
    rates = layer_rates(network, finetune)
    assert rates["encoder.module.stages.2."] == 1.0
    assert rates["encoder.module.stem."] == 0.125


def test_every_parameter_has_a_layer_and_those_of_none_learn_as_the_first():
    class Tokens(nn.Module):
        def __init__(self):
            super().__init__()
            self.token = nn.Parameter(torch.zeros(3))
            self.body = nn.Module()
            self.body.blocks = nn.ModuleList([nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)])

        def forward(self, images):
            for block in self.body.blocks:
                images = block(images)
            return images.mean(dim=(2, 3)) + self.token

    encoder = GivenEncoder(Tokens(), channels=3, size=12)
    assert encoder.layers == ("module", "module.body.blocks.0", "module.body.blocks.1")
    whole = GivenEncoder(Says(lambda images: images), channels=3, size=12)
    assert whole.layers == ("module",)
