"""The training loop: what it trains, when it stops, and that it goes on where it was."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from czsl.errors import RunError
from czsl.nets.losses import cross_entropy
from czsl.nets.network import make_network
from czsl.recipes import Augment, Training
from czsl.train import loop
from czsl.train.device import has_bfloat16, make_fabric
from czsl.train.loop import epochs_needed, learning_rate, score, train
from czsl.train.progress import silent
from czsl.train.samples import Samples, split
from tiny import draw

ROWS = 40


class Pixels:
    """Random images that remember the rows that were asked for."""

    def __init__(self) -> None:
        random = np.random.default_rng(0)
        self.pixels = random.integers(0, 256, (ROWS, 16, 16, 3), dtype=np.uint8)
        self.read: list[int] = []

    def gather(self, rows: np.ndarray) -> np.ndarray:
        self.read += rows.tolist()
        return self.pixels[rows]


def all_samples(**changes) -> Samples:
    target = torch.eye(3)[torch.arange(ROWS) % 3]
    settings = {
        "images": Pixels(),
        "view": 16,
        "rows": np.arange(ROWS),
        "targets": {"classes": target},
        "mirrors": {"classes": torch.tensor([0, 2, 1])},
    }
    return Samples(**{**settings, **changes})


def make(kind: str = "residual"):
    network = make_network(kind, channels=3, size=16, width=4, questions=[], classes=3, seed=0)
    network.dropout.p = 0.2
    return network


def loss(network: nn.Module, images: torch.Tensor, targets: dict) -> torch.Tensor:
    return nn.functional.cross_entropy(network(images).classes, targets["classes"])


ADAM = {
    "epochs": 5,
    "batch": 16,
    "optimiser": "adamw",
    "rate": 0.01,
    "weight_decay": 0.05,
    "warm_up": 0.2,
    "average": 0.9,
    "augment": Augment(),
}
SGD = {"epochs": 5, "batch": 16, "optimiser": "sgd", "rate": 0.05}


def run(path, training: Training, *, network=None, samples=None, held_out=(), **changes):
    samples = samples or all_samples()
    settings = {
        "seed": 5,
        "fabric": make_fabric("cpu", threads=1),
        "stage": "test",
        "checkpoint": path / "checkpoint.safetensors",
        "report": silent,
    }
    places = np.setdiff1d(np.arange(len(samples)), held_out)
    return train(
        network or make(),
        loss,
        samples.take(places),
        samples.take(np.array(held_out, np.int64)),
        training,
        **{**settings, **changes},
    )


def same(one: dict, other: dict) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


class StoppedError(Exception):
    """Stands for a kill."""


@pytest.mark.parametrize("settings", [ADAM, SGD, {**ADAM, "average": 0.0, "patience": 5}])
@pytest.mark.parametrize("after", [1, 3, 5])
def test_a_resumed_run_is_the_uninterrupted_one_bit_for_bit(tmp_path, settings, after):
    training = Training(**settings)
    whole, half = all_samples(), all_samples()
    expected, history = run(tmp_path / "a", training, samples=whole, held_out=range(30, 40))

    def stop(progress):
        if progress.share == 1.0 and progress.epoch == after:
            raise StoppedError("stopped")

    with pytest.raises(StoppedError, match="stopped"):
        run(tmp_path / "b", training, samples=half, held_out=range(30, 40), report=stop)
    half.images.read.clear()
    weights, resumed = run(tmp_path / "b", training, samples=half, held_out=range(30, 40))
    assert same(weights, expected)
    scores = [[(e["epoch"], e["loss"], e["held_out"]) for e in h] for h in (history, resumed)]
    assert scores[0] == scores[1]
    # The epochs that were left read the same images in the same order.
    assert half.images.read == whole.images.read[-len(half.images.read) :]


def test_a_finished_checkpoint_trains_no_more(tmp_path):
    training = Training(**ADAM)
    expected, _ = run(tmp_path, training)
    samples = all_samples()
    again, history = run(tmp_path, training, samples=samples)
    assert same(again, expected)
    assert len(history) == 5
    assert samples.images.read == []


def test_same_seed_same_weights_and_another_seed_others(tmp_path):
    training = Training(**ADAM)
    one, _ = run(tmp_path / "a", training)
    two, _ = run(tmp_path / "b", training)
    other, _ = run(tmp_path / "c", training, seed=6)
    assert same(one, two)
    assert not same(one, other)


def test_the_global_generator_has_no_say(tmp_path):
    torch.manual_seed(1)
    one, _ = run(tmp_path / "a", Training(**ADAM))
    torch.manual_seed(2)
    two, _ = run(tmp_path / "b", Training(**ADAM))
    assert same(one, two)


def test_held_out_rows_are_scored_and_never_trained(tmp_path):
    """What a held-out row should give changes no weight; its image is read for scores alone."""
    training = Training(**ADAM)
    held_out = list(range(3, 40, 4))
    samples = all_samples()
    weights, history = run(tmp_path / "a", training, samples=samples, held_out=held_out)
    per_epoch = np.array_split(samples.images.read, 5)
    for epoch in per_epoch:
        assert sorted(epoch[: -len(held_out)]) == sorted(set(range(ROWS)) - set(held_out))
        assert epoch[-len(held_out) :].tolist() == held_out
    target = samples.targets["classes"].clone()
    target[held_out] = target[held_out].roll(1, dims=1)
    other = all_samples(targets={"classes": target})
    changed, others = run(tmp_path / "b", training, samples=other, held_out=held_out)
    assert same(weights, changed)
    assert [e["held_out"] for e in history] != [e["held_out"] for e in others]


def test_the_published_method_holds_out_the_last_30_percent_of_the_rows():
    kept, held_out = split(ROWS, 0.3, last=True, seed=0)
    assert kept.tolist() == list(range(28))
    assert held_out.tolist() == list(range(28, 40))


def test_patience_stops_and_gives_the_best_epoch(tmp_path):
    training = Training(**{**SGD, "epochs": 60, "rate": 0.5, "patience": 2})
    weights, history = run(tmp_path, training, held_out=range(20, 40))
    scores = [epoch["held_out"] for epoch in history]
    best = int(np.argmin(scores))
    assert len(history) == best + 1 + 2 < 60
    network = make()
    network.load_state_dict(weights)
    held_out = all_samples().take(np.arange(20, 40))
    assert score(network, loss, held_out, torch.device("cpu"), resampled=False) == pytest.approx(
        scores[best]
    )


def test_patience_lasts_longer_where_few_rows_need_more_epochs(tmp_path):
    # 20 rows: 300 images are 15 epochs instead of 5, and the patience of 2 becomes one of 6.
    settings = {**SGD, "epochs": 5, "images": 300, "rate": 0.5, "patience": 2}
    _, history = run(tmp_path, Training(**settings), held_out=range(20, 40))
    best = int(np.argmin([epoch["held_out"] for epoch in history]))
    assert len(history) == min(15, best + 1 + 6)
    _, hasty = run(tmp_path / "b", Training(**{**settings, "epochs": 15}), held_out=range(20, 40))
    assert len(hasty) == min(15, int(np.argmin([e["held_out"] for e in hasty])) + 1 + 2)
    assert len(hasty) < len(history)


def test_where_no_row_is_held_out_patience_stops_nothing(tmp_path):
    patient, _ = run(tmp_path / "a", Training(**{**SGD, "patience": 2, "held_out": 0.01}))
    plain, history = run(tmp_path / "b", Training(**SGD))
    assert len(history) == 5
    assert same(patient, plain)


def test_weights_that_diverged_are_not_given(tmp_path):
    """No row is held out, so that no score tells."""
    training = Training(**{**SGD, "rate": 1e20})
    message = "test: after 5 epochs there are weights that are not finite: training has diverged"
    with pytest.raises(RunError, match=message):
        run(tmp_path, training)


def test_without_patience_the_last_epoch_is_given(tmp_path):
    training = Training(**{**SGD, "rate": 0.5})
    weights, history = run(tmp_path, training, held_out=range(20, 40))
    network = make()
    network.load_state_dict(weights)
    held_out = all_samples().take(np.arange(20, 40))
    found = score(network, loss, held_out, torch.device("cpu"), resampled=False)
    assert found == pytest.approx(history[-1]["held_out"])


@pytest.mark.parametrize("weighs", ["more", "less", "nothing"])
def test_the_held_out_score_is_the_weighted_loss_in_batches_of_any_size(monkeypatch, weighs):
    """Of experts' objects first and volunteers' behind them, each batch weighs as it does."""

    def weighted(network, images, targets):
        logits = network(images).classes
        return cross_entropy(logits, targets["classes"], targets["weight"])

    behind = {"more": 3.0, "less": 0.01, "nothing": 0.0}[weighs]
    weight = torch.where(torch.arange(ROWS) < 16, 0.0 if weighs == "nothing" else 1.0, behind)
    samples = all_samples(targets={**all_samples().targets, "weight": weight})
    network, settings = make(), {"resampled": False}
    whole = score(network, weighted, samples, torch.device("cpu"), **settings)
    images, targets = samples.batch(np.arange(ROWS), torch.device("cpu"))
    with torch.no_grad():
        assert whole == pytest.approx(weighted(network, images, targets).item(), rel=1e-6)
    assert (whole == 0) == (weighs == "nothing")
    monkeypatch.setattr(loop, "SCORE_BATCH", 16)
    assert score(network, weighted, samples, torch.device("cpu"), **settings) == pytest.approx(
        whole, rel=1e-6
    )


class Line(nn.Module):
    """One weight that should come to nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[1.0]]))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.weight * torch.ones(len(images), 1)


def half_square(network: nn.Module, images: torch.Tensor, targets: dict) -> torch.Tensor:
    return (network(images) ** 2).mean() / 2


def train_line(path, training: Training, **changes) -> tuple[float, list]:
    samples = all_samples(targets={}, mirrors={})
    weights, history = train(
        Line(),
        half_square,
        samples,
        samples.take(np.zeros(0, np.int64)),
        training,
        seed=0,
        fabric=make_fabric("cpu", threads=1),
        stage="line",
        checkpoint=path / "line.safetensors",
        report=silent,
        **changes,
    )
    return weights["weight"].item(), history


def test_sgd_steps_are_those_done_by_hand(tmp_path):
    weight, history = train_line(tmp_path, Training(**{**SGD, "epochs": 2, "batch": 10}))
    assert weight == pytest.approx((1 - 0.05) ** 8, rel=1e-6)
    first = np.mean([((1 - 0.05) ** step) ** 2 / 2 for step in range(4)])
    assert history[0]["loss"] == pytest.approx(first, rel=1e-6)


def test_averaged_weights_are_those_done_by_hand(tmp_path):
    training = Training(**{**SGD, "epochs": 3, "batch": 20, "average": 0.3})
    found, _ = train_line(tmp_path, training)
    weight = mean = 1.0
    for step in range(1, 7):
        weight *= 1 - 0.05
        decay = min(0.3, (1 + step) / (10 + step))
        mean = decay * mean + (1 - decay) * weight
    assert found == pytest.approx(mean, rel=1e-6)


def test_layers_learn_at_their_relative_rates(tmp_path):
    slow, _ = train_line(tmp_path / "a", Training(**SGD), rates={"weight": 0.1})
    none, _ = train_line(tmp_path / "b", Training(**SGD), rates={"weight": 0.0})
    assert slow == pytest.approx((1 - 0.005) ** 15, rel=1e-6)
    assert none == 1.0


def test_adamw_follows_its_schedule_step_by_step(tmp_path):
    settings = {**ADAM, "epochs": 3, "batch": 10, "average": 0.0, "augment": None, "rate": 0.1}
    found, _ = train_line(tmp_path, Training(**settings))
    weight = nn.Parameter(torch.tensor([[1.0]]))
    optimiser = torch.optim.AdamW([weight], lr=0.1, weight_decay=0.05)
    for step in range(12):
        warm = round(0.2 * 12)
        rise = (step + 1) / warm
        fall = 0.5 * (1 + math.cos(math.pi * (step - warm) / (12 - warm)))
        optimiser.param_groups[0]["lr"] = 0.1 * (rise if step < warm else fall)
        weight.grad = weight.detach().clone()
        optimiser.step()
    assert found == pytest.approx(weight.item(), rel=1e-5)


def test_weights_decay_and_biases_do_not(tmp_path):
    training = Training(**{**ADAM, "weight_decay": 0.5, "average": 0.0})

    def flat(network, images, targets):
        return network(images).classes.sum() * 0.0

    start = make("published")
    start.classes.bias.data.fill_(1.0)
    before = {name: value.clone() for name, value in start.state_dict().items()}
    samples = all_samples()
    weights, _ = train(
        start, flat, samples, samples.take(np.zeros(0, np.int64)), training, seed=0,
        fabric=make_fabric("cpu", threads=1), stage="test",
        checkpoint=tmp_path / "a", report=silent,
    )  # fmt: skip
    assert torch.equal(weights["classes.bias"], before["classes.bias"])
    assert weights["classes.weight"].norm() < 0.98 * before["classes.weight"].norm()


@pytest.mark.parametrize("freeze", [True, False])
def test_frozen_normalisation_keeps_its_statistics(tmp_path, freeze):
    weights, _ = run(tmp_path, Training(**{**SGD, "epochs": 1}), freeze=freeze)
    kept = weights["encoder.stem.1.running_mean"].eq(0).all().item()
    assert kept is freeze


def shown_ramps(folder, mirror, batch) -> list[list[tuple[bool, int]]]:
    """Of each batch, whether a ramp from left to right falls, and the class that is told."""
    seen: list[list[tuple[bool, int]]] = []
    ramp = np.broadcast_to(np.arange(16)[None, None, :, None] * 10, (ROWS, 16, 16, 3))

    class Ramps(Pixels):
        def gather(self, rows):
            return ramp[rows].astype(np.uint8)

    def look(network, images, targets):
        falls = images[:, 0, 0, 0] > images[:, 0, 0, -1]
        told = targets["classes"].argmax(dim=1)
        seen.append(list(zip(falls.tolist(), told.tolist(), strict=True)))
        return loss(network, images, targets)

    samples = all_samples(
        images=Ramps(), targets={"classes": torch.eye(3)[torch.ones(ROWS).long()]}
    )
    changes = Augment(rotate="none", shift=0.0, mirror=mirror)
    training = Training(**{**SGD, "batch": batch, "augment": changes})
    train(
        make(), look, samples, samples.take(np.zeros(0, np.int64)), training, seed=0,
        fabric=make_fabric("cpu", threads=1), stage="test",
        checkpoint=folder / "a", report=silent,
    )  # fmt: skip
    return seen


def test_mirrored_images_train_with_mirrored_classes(tmp_path):
    """A network that sees columns only from left to right is told the class that it sees."""
    batches = shown_ramps(tmp_path, True, 16)
    assert {one for batch in batches for one in batch} == {(False, 1), (True, 2)}
    assert {len(batch) for batch in batches} == {16, 8}


@pytest.mark.parametrize("batch", [16, 7, 1])
def test_every_image_may_stand_beside_its_mirror_image(tmp_path, batch):
    batches = shown_ramps(tmp_path, "both", batch)
    objects = max(1, batch // 2)
    assert len(batches) == SGD["epochs"] * math.ceil(ROWS / objects)
    for shown in batches:
        assert shown == [(False, 1), (True, 2)] * (len(shown) // 2)
        assert len(shown) in (2 * objects, 2 * (ROWS % objects))


def test_rows_that_always_train_do_so_in_every_epoch(tmp_path):
    samples = all_samples(always=10, companions=6)
    run(tmp_path, Training(**SGD), samples=samples)
    epochs = np.array_split(samples.images.read, 5)
    assert all(set(range(10)) <= set(epoch.tolist()) and len(epoch) == 16 for epoch in epochs)
    assert len({tuple(sorted(epoch)) for epoch in epochs}) > 1


def test_more_epochs_are_made_where_rows_are_few():
    training = Training(**{**SGD, "images": 101})
    assert epochs_needed(training, 10) == 11
    assert epochs_needed(training, 1000) == 5
    both = training.model_copy(update={"augment": Augment(mirror="both")})
    assert epochs_needed(both, 10) == 6


def test_the_schedule_rises_to_its_peak_and_falls_to_zero():
    training = Training(**{**ADAM, "warm_up": 0.1})
    rates = [learning_rate(training, step, 100) for step in range(100)]
    assert rates[:10] == pytest.approx([0.001 * (step + 1) for step in range(10)])
    assert max(rates) == rates[9] == rates[10] == 0.01
    assert all(np.diff(rates[10:]) < 0)
    assert rates[-1] < 1e-5
    assert learning_rate(Training(**SGD), 0, 9) == learning_rate(Training(**SGD), 8, 9) == 0.05


def test_progress_tells_every_epoch(tmp_path):
    told = []
    _, history = run(tmp_path, Training(**SGD), report=told.append, held_out=[1, 2])
    ends = [one for one in told if one.share == 1.0]
    assert [one.epoch for one in ends] == [1, 2, 3, 4, 5]
    assert {(one.stage, one.epochs) for one in told} == {("test", 5)}
    assert [one.loss for one in ends] == [epoch["loss"] for epoch in history]
    assert [one.held_out for one in ends] == [epoch["held_out"] for epoch in history]
    assert ends[-1].seconds_left == 0
    assert all(one.images_per_second > 0 for one in ends)


class Drawn(Pixels):
    """Blobs and spirals, which a short training tells apart."""

    def __init__(self) -> None:
        super().__init__()
        random = np.random.default_rng(0)
        self.pixels = np.stack([draw(row % 3, random, 24) for row in range(120)])


@pytest.mark.skipif(not has_bfloat16("cpu"), reason="this processor has no products in bfloat16")
def test_products_in_bfloat16_train_along_the_curve_of_float32(tmp_path):
    """Every epoch's loss within .03, while it falls from .7 below .1: no dropout, little chaos."""
    classes = torch.eye(3)[torch.arange(120) % 3]
    samples = all_samples(
        images=Drawn(), view=24, rows=np.arange(120), targets={"classes": classes}
    )
    training = Training(**{**ADAM, "epochs": 8, "batch": 30, "rate": 3e-3, "average": 0.0})
    curves = {}
    for precision in ("32", "bf16"):
        network = make_network(
            "residual", channels=3, size=24, width=8, questions=[], classes=3, seed=0
        )
        network.dropout.p = 0.0
        fabric = make_fabric("cpu", precision=precision, threads=1)
        _, history = run(
            tmp_path / precision, training, network=network, samples=samples, fabric=fabric
        )
        curves[precision] = np.array([epoch["loss"] for epoch in history])
    assert curves["32"][0] > 0.6
    assert curves["32"][-1] < 0.1
    assert 0 < np.abs(curves["bf16"] - curves["32"]).max() < 0.03
