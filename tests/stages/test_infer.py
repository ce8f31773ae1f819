"""Reading classes off networks: exact symmetry, averages, answers."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from czsl.nets.losses import answer_probabilities
from czsl.nets.network import make_network
from czsl.recipes import Augment, Training
from czsl.stages import infer
from czsl.stages.infer import (
    TINY,
    ClassReader,
    batch_size,
    classes_from_answers,
    quarter_turned,
)
from czsl.stages.targets import Layout, make_layout
from czsl.train.device import make_fabric
from czsl.train.loop import train
from czsl.train.progress import silent
from czsl.train.samples import Samples
from tiny import draw
from trees import FROM, NAMES, expected, tree_config

LAYOUT = Layout(
    questions=(4, 2),
    answer_mirror=np.array([0, 2, 1, 3, 4, 5]),
    class_mirror=np.array([0, 2, 1]),
    class_answers=np.array(
        [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0], [0, 0, 0], [0, 0, 0]], float
    ),
)
CPU = torch.device("cpu")


def networks(count: int = 2):
    """Make networks whose normalisation is not the identity."""
    found = []
    for seed in range(count):
        network = make_network(
            "residual",
            channels=3,
            size=24,
            width=4,
            questions=LAYOUT.questions,
            classes=3,
            seed=seed,
        )
        generator = torch.Generator().manual_seed(seed)
        for layer in network.modules():
            if isinstance(layer, torch.nn.BatchNorm2d):
                layer.weight.data.uniform_(0.5, 1.5, generator=generator)
                layer.running_mean.uniform_(-0.1, 0.1, generator=generator)
        network.classes.weight.data.mul_(20)
        network.answers.weight.data.mul_(20)
        found.append(network)
    return found


def reader(count: int = 2, **changes) -> ClassReader:
    settings = {
        "layout": LAYOUT,
        "from_answers": False,
        "views": 8,
        "view": 24,
        "resampled": False,
        "device": CPU,
    }
    return ClassReader(changes.pop("networks", networks(count)), **{**settings, **changes})


def pixels(count: int = 5, side: int = 32) -> np.ndarray:
    random = np.random.default_rng(0)
    drawn = [draw(1 + index % 2, random, side) for index in range(count)]
    return np.array(drawn, np.uint8).reshape(count, side, side, 3)


def test_no_image_asks_no_network():
    """A user's module may refuse to look at no image at all, as attention does."""
    (network,) = networks(1)

    def refuse(*_):
        raise RuntimeError("cannot reshape tensor of 0 elements")

    network.encoder.forward = refuse
    found = reader(networks=[network]).read(pixels(0))
    assert found.logits.shape == (0, 3)
    assert found.features.shape == (0, network.classes.in_features)


RESAMPLED = pytest.mark.parametrize("resampled", [False, True])


@RESAMPLED
@pytest.mark.parametrize(("side", "view"), [(32, 24), (33, 25), (25, 25), (24, 24)])
@pytest.mark.parametrize("from_answers", [False, True])
def test_a_mirrored_image_has_the_mirrored_classes(from_answers, side, view, resampled):
    read = reader(from_answers=from_answers, resampled=resampled, view=view)
    images = pixels(side=side)
    found = read.logits(images)
    mirrored = read.logits(np.ascontiguousarray(images[:, :, ::-1]))
    np.testing.assert_allclose(mirrored, found[:, [0, 2, 1]], atol=1e-5)
    assert np.abs(found[:, 1] - found[:, 2]).max() > 1e-4  # else the test says nothing


@RESAMPLED
@pytest.mark.parametrize(("side", "view"), [(32, 24), (33, 25)])
@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_turned_image_has_the_same_classes(turns, side, view, resampled):
    read, images = reader(resampled=resampled, view=view), pixels(side=side)
    turned = np.ascontiguousarray(np.rot90(images, turns, axes=(1, 2)))
    np.testing.assert_allclose(read.logits(turned), read.logits(images), atol=1e-5)


def test_resampling_changes_what_networks_see():
    found = [reader(1, views=1, resampled=resampled).logits(pixels()) for resampled in (0, 1)]
    assert np.abs(found[0] - found[1]).max() > 1e-4


def test_one_view_is_not_symmetric():
    read, images = reader(views=1), pixels()
    mirrored = read.logits(np.ascontiguousarray(images[:, :, ::-1]))
    assert np.abs(mirrored - read.logits(images)[:, [0, 2, 1]]).max() > 1e-4


def test_log_probabilities_of_networks_are_averaged():
    each = [reader(views=1, networks=[network]) for network in networks()]
    mean = np.mean([one.logits(pixels()) for one in each], axis=0)
    np.testing.assert_allclose(reader(views=1).logits(pixels()), mean, atol=1e-6)


def test_one_network_and_one_view_is_the_networks_own_log_probability():
    images, network = pixels(), networks(1)[0].eval()
    centre = torch.from_numpy(images[:, 4:28, 4:28].transpose(0, 3, 1, 2) / 255).float()
    expected = network(centre).classes.log_softmax(dim=1).detach().numpy()
    np.testing.assert_allclose(reader(1, views=1).logits(images), expected, atol=1e-5)


def test_classes_from_answers_are_the_shares_of_their_answers():
    images, network = pixels(), networks(1)[0].eval()
    centre = torch.from_numpy(images[:, 4:28, 4:28].transpose(0, 3, 1, 2) / 255).float()
    shares = answer_probabilities(network(centre).answers, LAYOUT.questions).detach().numpy()
    expected = shares[:, :3] / shares[:, :3].sum(axis=1, keepdims=True)
    found = np.exp(reader(1, views=1, from_answers=True).logits(images))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_classes_of_a_tree_of_questions_are_those_of_a_recursion():
    config = tree_config()
    layout = make_layout(config.votes, config.classes)
    logits = torch.randn(30, layout.answers + len(layout.questions)) * 2
    asked = answer_probabilities(logits, layout.questions)
    made = torch.from_numpy(layout.class_answers).float()
    found = classes_from_answers(logits, layout, made).exp().numpy()
    whole = expected(asked.double().numpy())[:, [NAMES.index(one[0]) for one in FROM.values()]]
    np.testing.assert_allclose(found, whole / whole.sum(axis=1, keepdims=True), atol=1e-5)
    flat = classes_from_answers(logits, replace(layout, after=()), made).exp().numpy()
    assert np.abs(flat - found).max() > 0.1  # else the test says nothing


def test_a_network_reads_the_tree_of_its_layout():
    # The first question leads to the second by its second answer; they tell all classes.
    answers = np.zeros((6, 3))
    answers[[0, 4, 5], [0, 1, 2]] = 1
    layout = replace(LAYOUT, class_answers=answers, after=(None, (0, 1)))
    images, network = pixels(), networks(1)[0].eval()
    centre = torch.from_numpy(images[:, 4:28, 4:28].transpose(0, 3, 1, 2) / 255).float()
    shares = answer_probabilities(network(centre).answers, LAYOUT.questions).detach().numpy()
    made = np.stack([shares[:, 0], shares[:, 1] * shares[:, 4], shares[:, 1] * shares[:, 5]], 1)
    found = np.exp(reader(1, views=1, from_answers=True, layout=layout).logits(images))
    np.testing.assert_allclose(found, made / made.sum(axis=1, keepdims=True), atol=1e-5)


def test_questions_that_everyone_is_asked_give_the_very_same_bits():
    images = pixels()
    found = [
        reader(from_answers=True, layout=replace(LAYOUT, after=after)).logits(images)
        for after in ((), (None, None))
    ]
    np.testing.assert_array_equal(*found)


def test_a_class_without_answers_gets_next_to_nothing():
    answers = LAYOUT.class_answers.copy()
    answers[:, 1] = 0
    layout = replace(LAYOUT, class_answers=answers)
    found = np.exp(reader(1, views=1, from_answers=True, layout=layout).logits(pixels()))
    np.testing.assert_allclose(found[:, 1], TINY, rtol=1e-3)


def test_batches_of_a_store_are_read_in_order():
    class Store:
        def gather(self, rows):
            return pixels(600, 24)[rows]

    rows = np.random.default_rng(1).permutation(600)[:300]
    read = reader(1, views=1)
    expected = np.vstack([read.logits(pixels(600, 24)[row : row + 1]) for row in rows[:5]])
    found = read.stored(Store(), rows)
    assert found.shape == (300, 3)
    np.testing.assert_allclose(found[:5], expected, atol=1e-5)
    assert read.stored(Store(), rows[:0]).shape == (0, 3)


def test_rows_of_a_store_that_come_in_several_parts_are_those_of_one(monkeypatch):
    class Store:
        pixels = pixels(60, 24)

        def gather(self, rows):
            return self.pixels[rows]

    rows, read = np.random.default_rng(1).permutation(60)[:50], reader()
    expected = read.read(Store().gather(rows))
    for size in (7, 50):
        monkeypatch.setattr(infer, "GATHERED", size)
        found = read.read_stored(Store(), rows)
        np.testing.assert_allclose(found.logits, expected.logits, atol=1e-5)
        np.testing.assert_allclose(found.features, expected.features, rtol=1e-4, atol=1e-6)
    assert np.ptp(expected.logits) > 0.01  # else the test says nothing


@RESAMPLED
def test_no_image_at_all_gives_no_row(resampled):
    assert reader(resampled=resampled).logits(pixels(0)).shape == (0, 3)


def test_an_answer_of_no_class_that_is_certain_leaves_the_classes_undecided():
    (network,) = networks(1)
    with torch.no_grad():
        network.answers.weight.zero_()
        network.answers.bias.zero_()
        network.answers.bias[3] = 200.0  # "other", whose share the softmax makes exactly 1
    found = reader(networks=[network], views=1, from_answers=True).logits(pixels())
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, np.log(TINY), rtol=1e-6)


def drawn(count: int) -> np.ndarray:
    random = np.random.default_rng(0)
    return np.stack([draw(number % 3, random, 24) for number in range(count)])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Two networks that a short training has taught to tell blobs and spirals apart."""

    class Store:
        pixels = drawn(120)

        def gather(self, rows):
            return self.pixels[rows]

    samples = Samples(
        images=Store(),
        view=24,
        rows=np.arange(120),
        targets={"classes": torch.eye(3)[torch.arange(120) % 3]},
        mirrors={"classes": torch.tensor([0, 2, 1])},
    )
    training = Training(
        epochs=20, batch=30, optimiser="adamw", rate=3e-3, average=0.9, augment=Augment()
    )
    found = [
        make_network("residual", channels=3, size=24, width=8, questions=[], classes=3, seed=seed)
        for seed in range(2)
    ]
    for seed, network in enumerate(found):
        weights, _ = train(
            network,
            lambda network, images, targets: torch.nn.functional.cross_entropy(
                network(images).classes, targets["classes"]
            ),
            samples,
            samples.take(np.zeros(0, np.int64)),
            training,
            seed=seed,
            fabric=make_fabric("cpu", threads=1),
            stage="test",
            checkpoint=tmp_path_factory.mktemp("trained") / "checkpoint",
            report=silent,
        )
        network.load_state_dict(weights)
    return found


def test_products_in_bfloat16_move_a_posterior_little(trained):
    """By less than a thousandth on average, two hundredths at most: docs/formats.md says so."""
    noise = np.random.default_rng(5).normal(0, 40, (300, 24, 24, 3))
    pixels = (drawn(300) + noise).clip(0, 255).astype(np.uint8)
    full, half = (
        reader(networks=trained, products=products).read(pixels)
        for products in (None, torch.bfloat16)
    )
    posterior, other = (
        np.exp(one.logits - np.logaddexp.reduce(one.logits, axis=1, keepdims=True))
        for one in (full, half)
    )
    assert (posterior.max(axis=1) < 0.9).mean() > 0.2  # or there is little that could move
    assert 0 < np.abs(posterior - other).max() < 0.02
    assert np.abs(posterior - other).mean() < 0.001


def test_what_is_read_does_not_depend_on_what_is_read_beside_it():
    size = batch_size(24, CPU)
    pixels, rows = drawn(size + 50), [0, size - 1, size, size + 49]
    together = reader().read(pixels)
    alone = [reader().read(pixels[row : row + 1]) for row in rows]
    np.testing.assert_allclose(
        together.logits[rows], np.vstack([one.logits for one in alone]), atol=1e-5
    )


def test_no_image_gives_no_row():
    nothing = reader().read(np.zeros((0, 24, 24, 3), np.uint8))
    assert nothing.logits.shape == (0, 3)
    assert len(nothing.features) == 0


@pytest.mark.parametrize("network", ["published", "residual"])
def test_batches_read_side_by_side_are_those_read_one_by_one(network):
    made = make_network(
        network, channels=3, size=24, width=4, questions=LAYOUT.questions, classes=3, seed=1
    )
    pixels = drawn(3 * batch_size(24, CPU) + 7)
    before, found = torch.get_num_threads(), []
    for threads in (1, 3):
        torch.set_num_threads(threads)
        try:
            read = reader(networks=[made], views=1)
            found.append(read.logits(pixels))
            assert torch.get_num_threads() == threads  # the caller's number stays
        finally:
            torch.set_num_threads(before)
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)
    assert np.ptp(found[0]) > 0.01


@pytest.mark.parametrize("margin", [0, 2])
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("turns", range(4))
def test_quarter_turns_are_numpys_with_channels_last(turns, layout, margin):
    images = torch.rand(5, 3, 16, 16).contiguous(memory_format=layout)
    images = images[..., margin : 16 - margin, margin : 16 - margin]
    before = images.clone()
    turned = quarter_turned(images, turns)
    assert turned.is_contiguous(memory_format=torch.channels_last)
    np.testing.assert_array_equal(turned, np.rot90(before.numpy(), turns, axes=(2, 3)))
    assert torch.equal(images, before)
