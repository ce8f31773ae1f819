"""The published networks, layer by layer."""

import math
from itertools import pairwise

import pytest
import torch
from torch import nn

from czsl.errors import ArgumentError
from czsl.nets.network import make_network
from czsl.nets.published import (
    Halve,
    PublishedAutoencoder,
    PublishedConvolutions,
    PublishedEncoder,
    doubled_convolution,
)
from czsl.nets.residual import ResidualBlock, ResidualEncoder


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def shapes(layers, images: torch.Tensor) -> list[tuple[str, tuple[int, ...]]]:
    found = []
    for layer in layers:
        images = layer(images)
        found.append((type(layer).__name__, tuple(images.shape[1:])))
    return found


def published(**changes) -> nn.Module:
    settings = {"channels": 3, "size": 64, "width": 16, "questions": [6], "classes": 2, "seed": 0}
    return make_network("published", **{**settings, **changes})


def test_encoder_halves_three_times_with_16_8_8_filters():
    found = shapes(PublishedConvolutions(3), torch.rand(2, 3, 64, 64))
    assert found == [
        ("Conv2d", (16, 64, 64)),
        ("Halve", (16, 32, 32)),
        ("ReLU", (16, 32, 32)),
        ("Conv2d", (8, 32, 32)),
        ("Halve", (8, 16, 16)),
        ("ReLU", (8, 16, 16)),
        ("Conv2d", (8, 16, 16)),
        ("Halve", (8, 8, 8)),
        ("ReLU", (8, 8, 8)),
    ]


@pytest.mark.parametrize("asked", [True, False])
def test_halving_is_max_pooling_with_and_without_a_gradient(asked):
    maps = torch.randn(3, 5, 8, 6).contiguous(memory_format=torch.channels_last)
    maps[0, 0, 0, 1] = float("nan")
    maps.requires_grad_(asked)
    with torch.set_grad_enabled(asked):
        found = Halve()(maps)
    expected = nn.functional.max_pool2d(maps.detach(), 2)
    assert torch.equal(found.nan_to_num(9.0), expected.nan_to_num(9.0))
    assert found.requires_grad == asked


def test_classifier_is_512_256_128_and_the_classes():
    network = published()
    assert shapes(network.encoder.dense, torch.rand(2, 8, 8, 8)) == [
        ("Flatten", (512,)),
        ("Linear", (256,)),
        ("ReLU", (256,)),
        ("Linear", (128,)),
        ("ReLU", (128,)),
    ]
    outputs = network(torch.rand(2, 3, 64, 64))
    assert outputs.classes.shape == (2, 2)
    assert outputs.answers.shape == (2, 0)  # it has no head for answers


def test_decoder_mirrors_the_encoder():
    network = PublishedAutoencoder(channels=3)
    assert shapes(network.decoder, torch.rand(2, 8, 8, 8)) == [
        ("Conv2d", (8, 8, 8)),
        ("ReLU", (8, 8, 8)),
        ("Upsample", (8, 16, 16)),
        ("Conv2d", (8, 16, 16)),
        ("ReLU", (8, 16, 16)),
        ("Upsample", (8, 32, 32)),
        ("Conv2d", (16, 32, 32)),
        ("ReLU", (16, 32, 32)),
        ("Upsample", (16, 64, 64)),
        ("Conv2d", (3, 64, 64)),
    ]


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_what_the_autoencoder_gives_is_its_decoder_layer_by_layer(channels):
    """Pixels at the borders too, and the gradients of every weight and of the image."""
    network = PublishedAutoencoder(channels=channels)
    with torch.no_grad():
        network.decoder[-1].bias.uniform_(-0.5, 0.5)
    weight, found = torch.randn(4, channels, 32, 32), []
    for forward in (network, nn.Sequential(network.convolutions, network.decoder)):
        images = torch.rand(4, channels, 32, 32, generator=torch.Generator().manual_seed(0))
        network.zero_grad()
        pixels = forward(images.requires_grad_())
        (weight * pixels).sum().backward()
        gradients = [parameter.grad.clone() for parameter in network.parameters()]
        found.append([pixels.detach(), images.grad, *gradients])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5 * other.abs().max().item())
        assert other.abs().max() > 1e-2  # else the test says nothing


def test_each_weight_of_a_doubled_convolution_falls_where_it_does_after_doubling():
    maps = torch.randn(2, 3, 5, 4, generator=torch.Generator().manual_seed(1))
    doubled = nn.functional.interpolate(maps, scale_factor=2)
    for place in range(2 * 3 * 9):
        weight = torch.zeros(2 * 3 * 9)
        weight[place] = 1.0
        weight, bias = weight.reshape(2, 3, 3, 3), torch.tensor([0.5, -1.0])
        expected = nn.functional.conv2d(doubled, weight, bias, padding=1)
        assert torch.equal(doubled_convolution(maps, weight, bias), expected)


def test_numbers_of_parameters():
    convolutions = (3 * 9 * 16 + 16) + (16 * 9 * 8 + 8) + (8 * 9 * 8 + 8)
    dense = (512 * 256 + 256) + (256 * 128 + 128) + (128 * 2 + 2)
    assert convolutions + dense == 166_674
    assert count(published()) == 166_674
    assert count(published(classes=3)) == 166_674 + 129
    decoder = 2 * (8 * 9 * 8 + 8) + (8 * 9 * 16 + 16) + (16 * 9 * 3 + 3)
    assert convolutions + decoder == 4_963
    assert count(PublishedAutoencoder(channels=3)) == 4_963


def test_pooling_before_relu_gives_the_values_of_the_published_order():
    network = PublishedConvolutions(3)
    images = torch.randn(4, 3, 64, 64)
    published_order = images
    for convolution in (layer for layer in network if isinstance(layer, nn.Conv2d)):
        published_order = nn.functional.max_pool2d(torch.relu(convolution(published_order)), 2)
    assert torch.equal(network(images), published_order)


def test_weights_start_glorot_uniform_and_biases_at_zero():
    for network in (published(), PublishedAutoencoder(channels=3)):
        for layer in network.modules():
            if not isinstance(layer, nn.Conv2d | nn.Linear):
                continue
            made, given = layer.weight.shape[:2]
            window = math.prod(layer.weight.shape[2:])
            bound = math.sqrt(6 / (window * (given + made)))
            largest = layer.weight.abs().max().item()
            assert largest <= bound
            if layer.weight.numel() > 500:  # uniform up to the bound, not a narrower draw
                assert largest > 0.98 * bound
                spread = layer.weight.std().item()
                assert spread == pytest.approx(bound / math.sqrt(3), rel=0.1)
            assert not layer.bias.any()


def test_weights_depend_on_the_seed_alone_and_leave_the_global_generator():
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    one, same, other = published(), published(), published(seed=1)
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.equal(one.classes.weight, same.classes.weight)
    assert not torch.equal(one.classes.weight, other.classes.weight)


def test_a_side_that_eight_does_not_divide_is_refused():
    with pytest.raises(
        ArgumentError,
        match=r"size = 60: the published network halves images three times; .* as 64$",
    ):
        published(size=60)


@pytest.mark.parametrize("size", [8, 32, 128])
def test_features_fit_every_side_that_eight_divides(size):
    encoder = PublishedEncoder(channels=1, size=size)
    assert encoder(torch.rand(2, 1, size, size)).shape == (2, 128)


@pytest.mark.parametrize("size", [8, 30, 50, 63, 64])
def test_residual_network_sees_any_side_and_has_two_heads(size):
    network = make_network(
        "residual", channels=1, size=size, width=4, questions=[3, 2], classes=3, seed=0
    )
    outputs = network(torch.rand(2, 1, size, size))
    assert outputs.answers.shape == (2, 7)  # five answers and a precision for each question
    assert outputs.classes.shape == (2, 3)
    assert ResidualEncoder(channels=1, size=size, width=4).features == 32
    assert network.classes.in_features == 32


@pytest.mark.parametrize(
    ("size", "last", "blocks"),
    [
        (8, 2, 4),
        (16, 2, 4),
        (17, 2, 4),
        (32, 2, 4),
        (63, 4, 4),
        (64, 4, 4),
        (65, 5, 4),
        (96, 6, 4),
        (112, 7, 4),
        (113, 4, 5),
        (127, 4, 5),
        (128, 4, 5),
        (224, 7, 5),
        (225, 4, 6),
    ],
)
def test_residual_network_grows_until_its_last_maps_are_small(size, last, blocks):
    encoder = ResidualEncoder(channels=2, size=size, width=4).eval()
    maps = encoder.blocks(encoder.stem(torch.rand(1, 2, size, size)))
    assert maps.shape == (1, 32, last, last)
    assert len(encoder.blocks) == blocks
    assert encoder.layers == ("stem", *(f"blocks.{block}" for block in range(blocks)))


@pytest.mark.parametrize("size", [8, 9, 15, 16, 17, 24])
def test_one_small_image_is_enough_for_a_step(size):
    """As the last batch of an epoch may be: normalisation needs more than one pixel of it."""
    network = make_network(
        "residual", channels=1, size=size, width=4, questions=[2], classes=2, seed=0
    ).train()
    outputs = network(torch.rand(1, 1, size, size))
    assert torch.isfinite(outputs.classes).all()
    assert ResidualEncoder(channels=1, size=size, width=4).features == 32


@pytest.mark.parametrize(("size", "made"), [(64, (1, 2, 4, 8)), (224, (1, 2, 4, 8, 8))])
@pytest.mark.parametrize("channels", range(1, 9))
def test_residual_network_has_the_parameters_of_its_layers(size, made, channels):
    width = 4
    expected = channels * 25 * width + 2 * width
    for given, more in pairwise(width * times for times in (1, *made)):
        expected += 9 * given * more + 9 * more * more + 4 * more
        expected += 0 if given == more == width else given * more + 2 * more
    encoder = ResidualEncoder(channels=channels, size=size, width=width)
    assert count(encoder) == expected
    assert encoder.eval()(torch.rand(2, channels, size, size)).shape == (2, 8 * width)


@pytest.mark.parametrize("size", [24, 48, 64, 96, 112])
def test_up_to_112_pixels_the_residual_network_is_the_same(size):
    """What was measured at 64 pixels holds: same names, same numbers from the same seed."""
    network = make_network(
        "residual", channels=3, size=size, width=4, questions=[2], classes=2, seed=5
    )
    torch.manual_seed(5)
    stem = nn.Conv2d(3, 4, 5, 2, 2, bias=False)
    blocks = [ResidualBlock(4, 4, stride=1)]
    blocks += [ResidualBlock(4 * given, 8 * given, stride=2) for given in (1, 2, 4)]
    heads = nn.Linear(32, 3), nn.Linear(32, 2)
    expected = {"encoder.stem.0.weight": stem.weight, "classes.weight": heads[1].weight}
    for place, block in enumerate(blocks):
        names = dict(block.named_parameters())
        expected |= {f"encoder.blocks.{place}.{name}": value for name, value in names.items()}
    found = dict(network.named_parameters())
    for name, value in expected.items():
        assert torch.equal(found[name], value), name
    assert len(found) == len(expected) + 5  # two numbers of the stem's scales, three of the heads


def test_precisions_start_at_four_and_answers_near_equal_shares():
    network = make_network(
        "residual", channels=1, size=16, width=4, questions=[3, 2], classes=3, seed=0
    )
    bias = network.answers.bias.detach()
    precision = 1 + 100 * torch.sigmoid(bias[[3, 6]])
    assert precision.tolist() == pytest.approx([4.2, 4.2], abs=0.1)
    assert bias[[0, 1, 2, 4, 5]].abs().max() < 1 / math.sqrt(32)  # as linear layers start


def test_without_questions_there_is_no_head_for_them():
    network = make_network(
        "residual", channels=1, size=16, width=4, questions=[], classes=3, seed=0
    )
    assert network.answers is None
    assert network(torch.rand(2, 1, 16, 16)).answers.shape == (2, 0)


def test_residual_blocks_change_their_maps_from_the_start():
    block = ResidualBlock(4, 4, stride=1).eval()
    maps = torch.rand(2, 4, 8, 8)
    assert (block(maps) - maps).abs().max() > 0.01


def test_residual_block_adds_its_shortcut():
    block = ResidualBlock(4, 4, stride=1).eval()
    with torch.no_grad():
        block.second_norm.weight.zero_()  # what is left is the shortcut
    maps = torch.rand(2, 4, 8, 8)
    assert torch.equal(block(maps), maps)  # not negative, so ReLU keeps it


def test_layers_that_rates_are_given_to_hold_every_parameter_of_the_encoder():
    for kind in ("published", "residual"):
        network = make_network(kind, channels=3, size=32, width=4, questions=[2], classes=2, seed=0)
        for name, _ in network.encoder.named_parameters():
            assert sum(name.startswith(f"{layer}.") for layer in network.encoder.layers) == 1, name


@pytest.mark.parametrize("size", [24, 33, 128])
def test_a_folded_network_gives_the_same_features(size):
    encoder = ResidualEncoder(channels=2, size=size, width=4).eval()
    for layer in encoder.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.weight.data.uniform_(0.5, 1.5)
            layer.bias.data.uniform_(-0.5, 0.5)
            layer.running_mean.uniform_(-0.5, 0.5)
            layer.running_var.uniform_(0.5, 2.0)
    images = torch.rand(4, 2, size, size)
    expected = encoder(images)
    encoder.fold()
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in encoder.modules())
    torch.testing.assert_close(encoder(images), expected, rtol=1e-5, atol=1e-6)
    assert expected.std() > 0.01  # else the test says nothing
