"""SIGKILL at many stages and epochs: the resumed fit ends with the same bytes."""

import os
import shutil
import signal
import subprocess
import sys

import pytest

import tiny
from czsl.run import fit_run
from tiny import quick, tiny_catalogue, tiny_model

# Where each process dies, counted from its own start: after so many epochs (before the
# checkpoint of the last one is written), or at so many batches of images.
KILLS = {
    "default": [("epoch", 2), ("batch", 4), ("epoch", 3)],
    "czsl2023": [("batch", 5), ("epoch", 4), ("epoch", 3)],
}


@pytest.mark.parametrize("name", list(KILLS))
def test_a_fit_killed_three_times_ends_with_the_same_model(survey, runs, tmp_path, name):
    own = shutil.copytree(survey, tmp_path / "survey", ignore=shutil.ignore_patterns(".czsl"))
    out = tmp_path / "run"
    finished = []
    for where, number in KILLS[name]:
        command = [sys.executable, tiny.__file__, str(own), str(out), name, where, str(number)]
        died = subprocess.run(
            command,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert died.returncode == -signal.SIGKILL, died.stderr
        assert not (out / "model").exists()
        files = [path.name for path in (out / "stages").glob("[!.]*.safetensors")]
        finished.append(sum("checkpoint" not in file for file in files))
    assert finished == sorted(finished)
    assert finished[-1] > 0
    told = []
    catalogue = tiny_catalogue(own, quick(name))
    fit_run(tiny_model(seed=3, report=told.append), catalogue, out, resume=True)
    whole = runs[name]
    for file in ("model/weights.safetensors", "predictions.parquet", "metrics.json"):
        assert (out / file).read_bytes() == (whole / file).read_bytes(), file
    epochs = sum(1 for one in told if one.share == 1.0)
    lines = (whole / "history.csv").read_text().count("\n") - 1
    if name == "default":
        lines += 4  # those of the weight that was not chosen: two folds of two epochs
    assert 0 < epochs < lines  # it went on, and did not begin again
    assert not list((out / "stages").glob("*.checkpoint*"))
