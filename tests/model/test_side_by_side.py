"""Networks trained in processes of their own are those that this process would train."""

import os
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from czsl import CzSL, crossfit
from czsl.errors import RunError
from czsl.imaging import open_images
from czsl.nets.losses import votes_loss
from czsl.nets.network import make_network
from czsl.recipes import Augment, Training
from czsl.stages.pretrain import _answers_loss, class_loss
from czsl.train.helpers import Helpers, Job
from czsl.train.progress import silent
from czsl.train.samples import Samples
from tiny import quick, tiny_catalogue

ROWS = np.array([7, 3, 3, 20, 41, 0, 12, 33, 50, 51, 2, 9])
TRAINING = Training(epochs=3, batch=5, optimiser="adamw", rate=0.01, average=0.9, augment=Augment())


@pytest.fixture
def job(survey, tmp_path):
    """Make what makes jobs on the tiny survey's images."""
    images = open_images(tiny_catalogue(survey, quick("default")), processes=1)

    def make(seed: int, **changes) -> Job:
        network = make_network(
            "residual", channels=3, size=24, width=4, questions=[4], classes=3, seed=seed
        )
        network.dropout.p = 0.2
        counts = torch.from_numpy(np.random.default_rng(seed).integers(1, 9, (len(ROWS), 4)))
        samples = Samples(images=images, view=24, rows=ROWS, targets={"counts": counts.float()})
        settings = {
            "network": network,
            "loss": partial(_answers_loss, loss=votes_loss, questions=(4,)),
            "samples": samples,
            "held_out": samples.take(np.arange(3)),
            "training": TRAINING,
            "rates": {"encoder.": 0.5},
            "freeze": False,
            "seed": seed,
            "stage": f"pretrain, fold {seed}",
            "checkpoint": tmp_path / f"{os.getpid()}-{seed}.safetensors",
        }
        return Job(**{**settings, **changes})

    return make


def test_a_helper_trains_what_this_process_trains(job, tmp_path):
    heard, jobs = [], [job(seed) for seed in (1, 2, 3)]
    with (
        Helpers(2, threads=1, precision="32", report=heard.append) as helpers,
        ThreadPoolExecutor(2) as threads,
    ):
        found = list(threads.map(helpers.train, jobs))
    for seed, (weights, epochs) in zip((1, 2, 3), found, strict=True):
        here = job(seed, checkpoint=tmp_path / "here.safetensors")
        own, history = here.run("32", 1, silent)
        (tmp_path / "here.safetensors").unlink()
        for name, value in own.items():
            torch.testing.assert_close(weights[name], value, atol=1e-5, rtol=1e-5)
        for epoch, other in zip(epochs, history, strict=True):
            assert epoch["loss"] == pytest.approx(other["loss"], abs=1e-6)
            assert epoch["held_out"] == pytest.approx(other["held_out"], abs=1e-6)
    assert {one.stage for one in heard} == {f"pretrain, fold {seed}" for seed in (1, 2, 3)}


def test_what_fails_there_is_told_here(job):
    with Helpers(1, threads=1, precision="32", report=silent) as helpers:
        with pytest.raises(RuntimeError, match=r"fold 1, in a process of its own:(.|\n)*'classes'"):
            helpers.train(job(1, loss=class_loss))  # of targets that are not there
        weights, _ = helpers.train(job(2))  # the process goes on
    assert weights


def test_a_helper_that_dies_is_named_with_a_way_on(job):
    def kill(progress):
        for process in helpers._processes:
            os.kill(process._process.pid, signal.SIGKILL)

    with (
        Helpers(1, threads=1, precision="32", report=kill) as helpers,
        pytest.raises(RunError, match=r"fold 1: the process .* died \(exit code -9\).*--resume"),
    ):
        helpers.train(job(1, training=TRAINING.model_copy(update={"epochs": 5000})))


def test_no_process_is_left_behind(job):
    with Helpers(2, threads=1, precision="32", report=silent) as helpers:
        running = [process._process for process in helpers._processes]
    assert all(process.poll() is not None for process in running)


def by_fold(model: CzSL, pixels: np.ndarray) -> list[np.ndarray]:
    """Give the posteriors of each fold's network alone."""
    found = []
    for weights in model.predictor.networks:
        logits = replace(model.predictor, networks=(weights,)).reader.logits(pixels)
        found.append(np.exp(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)))
    return found


@pytest.mark.parametrize(("name", "rounding"), [("default", 0.02), ("czsl2023", 1e-5)])
def test_a_fit_side_by_side_is_that_of_one_process(survey: Path, name, rounding, monkeypatch):
    catalogue = tiny_catalogue(survey, quick(name))
    one = CzSL(device="cpu", threads=1, seed=3).fit(catalogue)
    started = []
    start = subprocess.Popen
    monkeypatch.setattr(crossfit, "FEW_IMAGES", 0)
    monkeypatch.setattr(
        subprocess, "Popen", lambda *given, **more: started.append(given) or start(*given, **more)
    )
    # What networks share is trained by two threads else, whose sums differ in the last digit.
    several = CzSL(device="cpu", threads=2, seed=3).fit(catalogue)
    torch.set_num_threads(1)
    assert len([given for given in started if "helpers" in str(given)]) == 2
    image = one.predictor.record.image
    np.testing.assert_allclose(several.predictor.record.image, image, atol=rounding)
    pixels = open_images(catalogue, processes=1).gather(np.arange(20))
    mine, theirs = by_fold(one, pixels), by_fold(several, pixels)
    np.testing.assert_allclose(theirs, mine, atol=rounding)
    # Another fold's network says something else: one in its place would show.
    assert np.abs(mine[0] - mine[1]).max() > 5 * rounding
    assert [(e["stage"], e["fold"], e["epoch"]) for e in several.history_] == [
        (e["stage"], e["fold"], e["epoch"]) for e in one.history_
    ]
