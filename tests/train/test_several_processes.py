"""One fit in several processes: the losses of one process, and what happens when one is killed."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

import processes
import shared_fits
import tiny
from czsl.machine import Launched, launched
from czsl.train.ranks import Ranks

STAGE = {"epochs": 8, "batch": 16, "images": 0}
RECIPE = tiny.quick("czsl2023", reconstruct=None, pretrain=STAGE, finetune=STAGE)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Every training in two processes: the folder of what they found."""
    folder = tmp_path_factory.mktemp("several")
    started = processes.start([shared_fits.__file__, folder], folder)
    for rank, one in enumerate(started):
        assert one.wait(timeout=300) == 0, processes.told(folder, rank)
    return folder


@pytest.mark.parametrize("name", list(shared_fits.SETTINGS))
def test_two_processes_train_as_one(trained, tmp_path, name):
    weights, history = shared_fits.run(name, tmp_path)
    found = [json.loads((trained / f"found-{rank}.json").read_text())[name] for rank in (0, 1)]
    assert found[0] == found[1]  # both end with the same numbers, to the last bit
    for key in ("loss", "held_out"):
        expected = [epoch[key] for epoch in history]
        assert len(set(expected)) > 1
        assert [e[key] for e in found[0]["history"]] == pytest.approx(expected, rel=1e-6)
    shared = torch.load(trained / f"{name}.pt")
    assert shared.keys() == weights.keys()
    for key in weights:
        torch.testing.assert_close(shared[key], weights[key], rtol=1e-5, atol=1e-6)


def test_processes_deal_out_work_and_tell_one_another(trained):
    for rank in (0, 1):
        found = json.loads((trained / f"found-{rank}.json").read_text())
        assert found["dealt"] == [[0], [10], [20], [30], [40]]
        assert found["dealt one"] == [0.0]
        assert found["told"] == 0
        assert found["kept"] == 0  # what the first process made, whatever the others did


def test_a_checkpoint_of_two_processes_is_gone_on_with_by_one(trained, tmp_path):
    """The state that processes keep is that of a single one: nothing says how many there were."""
    name = "moving statistics, any change"
    _, history = shared_fits.run(name, trained / name)
    found = json.loads((trained / "found-0.json").read_text())[name]
    assert history == found["history"]


def fit(survey, out, *more, recipe=RECIPE):
    config = survey / "short.toml"
    content = tiny.tiny_config(survey, recipe).to_toml()
    config.write_text(content)
    return ["-m", "czsl", "fit", config, "--out", out, "--device", "cpu", "--threads", "1", *more]


def losses(run) -> list[tuple[str, float, float]]:
    with (run / "history.csv").open() as file:
        return [
            (
                row["stage"] + row["fold"] + row["epoch"],
                float(row["loss"]),
                float(row["held_out"] or "nan"),
            )
            for row in csv.DictReader(file)
        ]


def test_a_killed_process_ends_the_fit_which_goes_on_where_it_was(tmp_path):
    survey = tiny.write_survey(tmp_path / "survey")
    out = tmp_path / "run"
    started = processes.start(fit(survey, out), tmp_path, told=processes.of_srun)
    end = time.monotonic() + 300
    while "finetune, fold 1: epoch" not in processes.told(tmp_path, 0):
        assert time.monotonic() < end, processes.told(tmp_path, 0)
        assert all(one.poll() is None for one in started), processes.told(tmp_path, 0)
        time.sleep(0.02)
    started[1].send_signal(signal.SIGKILL)
    assert started[1].wait() == -signal.SIGKILL
    assert started[0].wait(timeout=120) == 1
    said = " ".join(processes.told(tmp_path, 0).split())
    assert "error: process 1 of 2:" in said
    assert "another process was lost" in said
    assert "start the same command again with --resume" in said
    assert "Traceback" not in said
    kept = list((out / "stages").glob("pretrain*.safetensors"))
    assert kept
    stamps = {path: path.stat().st_mtime_ns for path in kept if "checkpoint" not in path.name}
    assert not (out / "model").exists()

    started = processes.start(fit(survey, out, "--resume"), tmp_path, told=processes.of_torchrun)
    for rank, one in enumerate(started):
        assert one.wait(timeout=300) == 0, processes.told(tmp_path, rank)
    assert processes.told(tmp_path, 1) == ""  # one process speaks
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in stamps.items())
    whole = tiny.fit_run(tiny.tiny_model(), tiny.tiny_catalogue(survey, RECIPE), tmp_path / "whole")
    found, expected = losses(out), losses(whole.folder)
    assert [one[0] for one in found] == [one[0] for one in expected]
    np.testing.assert_allclose([one[1:] for one in found], [one[1:] for one in expected], rtol=1e-5)


def test_two_processes_fit_the_default_as_one(tmp_path):
    """Residual network, shared normalisation, start of the head, fusion; in single precision.

    The same batches, so pre-training agrees to the order of sums. The head starts on features of
    a short pre-training, whose rounding it enlarges: weights that were changed by 1e-7 of
    themselves moved posteriors by up to .002.
    """
    survey, recipe = tiny.write_survey(tmp_path / "survey"), tiny.quick("default")
    out = tmp_path / "run"
    started = processes.start(fit(survey, out, recipe=recipe), tmp_path)
    model, catalogue = tiny.tiny_model(), tiny.tiny_catalogue(survey, recipe)
    whole = tiny.fit_run(model, catalogue, tmp_path / "whole")
    for rank, one in enumerate(started):
        assert one.wait(timeout=300) == 0, processes.told(tmp_path, rank)
    found, expected = losses(out), losses(whole.folder)
    assert [one[0] for one in found] == [one[0] for one in expected]
    for one, other in zip(found, expected, strict=True):
        rounding = 1e-5 if one[0].startswith("pretrain") else 1e-3
        np.testing.assert_allclose(one[1:], other[1:], rtol=rounding)
    mine, theirs = (
        pq.read_table(folder / "predictions.parquet").to_pandas() for folder in (out, whole.folder)
    )
    assert "fused" in set(mine["source"])
    assert mine["source"].tolist() == theirs["source"].tolist()
    for name in (f"{prefix}_{one}" for prefix in ("p", "p_image") for one in tiny.CLASSES):
        np.testing.assert_allclose(mine[name], theirs[name], atol=0.01)
        assert np.ptp(mine[name]) > 0.5
    for name in (f"p_votes_{one}" for one in tiny.CLASSES):  # worked out by every process alike
        np.testing.assert_allclose(mine[name], theirs[name], atol=1e-6)


def test_what_is_wrong_is_told_once(tmp_path):
    arguments = ["-m", "czsl", "fit", tmp_path / "none.toml", "--device", "cpu"]
    started = processes.start(arguments, tmp_path)
    assert [one.wait(timeout=300) for one in started] == [1, 1]
    assert "none.toml" in processes.told(tmp_path, 0)
    other = " ".join(processes.told(tmp_path, 1).split())
    assert other == "error: process 2 of 2: the first one has failed; it says why"


def test_other_commands_refuse_to_be_one_of_several():
    ended = subprocess.run(
        [sys.executable, "-m", "czsl", "compare"],
        env={**os.environ, **processes.of_srun(0, 2)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert "'czsl compare' was started 2 times by srun; start it once" in ended.stderr


def test_a_batch_script_of_slurm_is_one_process():
    """There SLURM names the job's tasks, too, but none of them has been started."""
    assert launched({"SLURM_NTASKS": "4", "SLURM_PROCID": "0"}) is None
    many = launched(processes.of_srun(3, 4) | {"SLURM_STEP_NUM_NODES": "2"})
    assert many == Launched(launcher="srun", rank=3, count=4, local=2)
    assert launched(processes.of_torchrun(0, 1)) is None


@pytest.mark.parametrize("rows", [0, 1, 3, 14, 15])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_every_row_is_one_processs(rows, count):
    shares = [np.arange(rows)[Ranks(rank=rank, count=count).rows(rows)] for rank in range(count)]
    assert np.concatenate(shares).tolist() == list(range(rows))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
