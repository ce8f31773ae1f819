"""Training that diverges: what was good before is given, and nothing good is an error."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from czsl.errors import RunError
from czsl.recipes import Training
from czsl.report.fit_data import training as training_section
from czsl.train.device import make_fabric
from czsl.train.loop import train
from czsl.train.progress import silent
from czsl.train.samples import Samples


class Black:
    """Images of which nothing is learned."""

    def gather(self, rows: np.ndarray) -> np.ndarray:
        return np.zeros((len(rows), 8, 8, 1), np.uint8)


class Line(nn.Module):
    """One weight that should come to nothing."""

    def __init__(self, start: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[start]]))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.weight * torch.ones(len(images), 1)


def fourth_power(network: nn.Module, images: torch.Tensor, targets: dict) -> torch.Tensor:
    return (network(images) ** 4).mean()


def diverge(path, start: float, *, patience: int, held_out: int = 10):
    """Train by steps that are far too long."""
    samples = Samples(images=Black(), view=8, rows=np.arange(20), targets={})
    return train(
        Line(start),
        fourth_power,
        samples.take(np.arange(10)),
        samples.take(np.arange(10, 10 + held_out)),
        Training(epochs=9, batch=10, optimiser="sgd", rate=1.0, patience=patience, held_out=0.5),
        seed=0,
        fabric=make_fabric("cpu", threads=1),
        stage="line",
        checkpoint=path / "line.safetensors",
        report=silent,
    )


def test_an_epoch_without_a_finite_loss_is_not_the_best(tmp_path):
    weights, epochs = diverge(tmp_path, 1.0, patience=8)
    scores = [epoch["held_out"] for epoch in epochs]
    assert scores[0] == pytest.approx(81.0, rel=1e-5)  # 1 - 4 is -3
    assert np.isnan(scores).any()
    assert len(scores) == 9  # the first was the best, and eight more were waited for
    assert weights["weight"].item() == pytest.approx(-3.0, rel=1e-5)


@pytest.mark.parametrize("patience", [0, 3])
def test_where_no_epoch_has_a_finite_loss_nothing_is_given(tmp_path, patience):
    epochs = patience or 9
    words = rf"^line: .* not finite after any of {epochs} epochs: .* \(it is 1\)$"
    for _ in range(2):  # what was kept gives nothing else
        with pytest.raises(RunError, match=words):
            diverge(tmp_path, 1e12, patience=patience)


def test_the_report_names_the_best_finite_epoch():
    epochs = [
        {"stage": "pretrain", "fold": None, "epoch": number, "loss": 1.0, "held_out": score}
        | {"images_per_second": 1.0}
        for number, score in enumerate([float("nan"), 0.5, float("inf")], 1)
    ]
    table = training_section(SimpleNamespace(history=epochs)).blocks[1]
    assert table.rows == [["pretrain", "all", 3, 1.0, 0.5, 2, 1]]
