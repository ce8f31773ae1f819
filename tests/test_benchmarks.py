"""What benchmarks share, the limits, and the peers where their environment is."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from czsl.train.device import has_bfloat16
from scripts import load

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "benchmarks"
PEERS = ROOT / ".venv-peers" / "bin" / "python"

harness = load(BENCHMARKS / "harness.py")


def test_sides_take_turns_and_the_first_round_does_not_count():
    asked = []
    rates = iter([9.0, 9.0, 2.0, 1.0, 6.0, 2.0])

    def side(name):
        def measure():
            asked.append(name)
            return next(rates)

        return measure

    found = harness.alternate({"a": side("a"), "b": side("b")}, repeats=2)
    assert asked == ["a", "b"] * 3
    assert found == {"a": [2.0, 6.0], "b": [1.0, 2.0]}


def test_a_ratio_is_the_median_of_pairs_not_the_ratio_of_medians():
    rates = {"ours": [2.0, 8.0, 3.0], "theirs": [1.0, 2.0, 3.0]}
    figure = harness.compare(rates, "ours", "theirs", what="x", goal=2.0)
    assert (figure.low, figure.ratio, figure.high) == (1.0, 2.0, 4.0)
    assert figure.met is True
    assert figure.rates == {"ours": 3.0, "theirs": 2.0}


@pytest.mark.parametrize(("ratio", "at_most", "met"), [(1.2, True, False), (1.2, False, True)])
def test_a_goal_may_be_a_ceiling(ratio, at_most, met):
    figure = harness.Figure(
        what="x", peer="y", ratio=ratio, low=1, high=2, goal=1.1, at_most=at_most
    )
    assert figure.met is met


def test_a_benchmark_records_the_command_that_measures_the_same_again(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["x.py", "--rows", "300", "--out", "a b", "--repeats=3"])
    unknown = harness.Figure(what="x", peer="y", ratio=None, low=None, high=None, goal=1.1)
    harness.finish("x", [unknown], out=tmp_path)
    content = json.loads((tmp_path / "x.json").read_text())
    assert content["command"] == "python benchmarks/x.py --rows 300 --repeats=3"
    (figure,) = content["figures"]
    assert (figure["ratio"], figure["met"]) == (None, None)


def test_limits_run_and_leave_json(tmp_path):
    script = [sys.executable, BENCHMARKS / "limits.py", "--quick", "--out", tmp_path]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    content = json.loads((tmp_path / "limits.json").read_text())
    assert content["machine"]["cores"] >= 1
    limits = content["more"]["limits"]
    assert all(rate > 0 for rate in limits.values())
    assert any("float32" in name for name in limits)


def test_what_a_gpu_does_runs_without_one_and_leaves_no_figure(tmp_path):
    """All of it, few images; products as the recipes have them, which prediction takes, too."""
    asked = ["--device", "cpu", "--quick", "--out", tmp_path, "--data", tmp_path / "none"]
    script = [sys.executable, BENCHMARKS / "gpu.py", *asked]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []
    for line in (
        "training, residual network, bfloat16, augmented, batch 16",
        "stacked: ",
        "predicting, published CNN, TF32, one network, one view, one by one",
        "whole fit of demo",
        "no GPU was used",
    ):
        assert f"\n{line}" in done.stdout.replace("bare steps: ", "bare steps:\n")
    half = "bfloat16" if has_bfloat16("cpu") else "TF32"
    told = f"predicting, residual network, {half}, 2 networks, eight views, stacked"
    assert f"\n{told}" in done.stdout


@pytest.mark.skipif(not PEERS.exists(), reason="no environment of peers: make bench-peers")
def test_the_networks_in_keras_are_ours():
    script = [sys.executable, BENCHMARKS / "peers" / "check.py"]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "parameters [166803, 166803]" in done.stdout
    assert "parameters [4963, 4963]" in done.stdout


def test_plain_torch_networks_have_as_many_parameters(tmp_path):
    code = (
        "import sys, os; os.environ['SIDE_THREADS'] = '1'; sys.path.insert(0, sys.argv[1])\n"
        "import torch_side, torch\n"
        "side = torch_side.Plain()\n"
        "side.images, side.labels = torch.rand(2, 3, 64, 64), torch.eye(3)[:2]\n"
        "print([side.make(n)['parameters'] for n in ('cnn', 'autoencoder')])"
    )
    script = [sys.executable, "-c", code, BENCHMARKS / "peers"]
    done = subprocess.run(script, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.stdout.strip() == "[166803, 4963]", done.stderr
