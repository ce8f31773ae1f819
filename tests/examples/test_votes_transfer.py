"""The example that measures the transfer, and the figures to reach that read what it writes."""

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from compare.test_tasks import write_published

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "examples" / "votes" / "transfer.py"


@pytest.fixture
def written(tmp_path, monkeypatch, capsys):
    """What the script writes of a few rows, and the folder of runs that it is in."""
    write_published(tmp_path)
    file = tmp_path / "runs" / "votes-transfer" / "early_late-100-extra.json"
    given = [tmp_path, "early_late", 20, 3, "extra", "--json", file]
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *map(str, given)])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    assert "early_late, 20 experts, extra=True, 3 seeds" in capsys.readouterr().out
    return json.loads(file.read_text(encoding="utf-8")), tmp_path / "runs"


def test_the_script_writes_means_spreads_and_what_they_are_of(written):
    found, _ = written
    assert found["seeds"] == [0, 1, 2]
    assert found["command"].startswith("python examples/votes/transfer.py ")
    assert list(found["votes"]) == ["all", "20", "10", "5", "3", "1"]
    for row in found["votes"].values():
        assert set(row) >= {"score", "log_loss", "calibration_error", "majority_score"}
        for one in row.values():
            assert one["low"] <= one["mean"] <= one["high"]
    # Objects have twenty votes: with twenty of them, nothing changes for the majority.
    assert found["votes"]["20"]["majority_score"] == found["votes"]["all"]["majority_score"]


def test_the_figures_to_reach_are_those_of_the_files(written):
    found, runs = written
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        goals = runpy.run_path(str(ROOT / "docs" / "make_goals.py"))
    finally:
        sys.path.pop(0)
    measured = [row for goal in goals["GOALS"] for row in goals["transfer"](runs, goal).found]
    assert [row["measure"] for row in measured] == ["accuracy", "calibration error"]
    assert {row["on"].split(", ", 1)[1] for row in measured} == {
        "two classes, votes with debiased columns, 100 experts"
    }
    assert measured[0]["value"] == found["votes"]["all"]["score"]["mean"]
    assert measured[0]["seeds"] == [0, 1, 2]


def test_scores_of_mergers_are_of_the_decision_moved_by_the_class_shares():
    scores = runpy.run_path(str(SCRIPT))["scores"]
    posterior = np.array([[0.95, 0.05], [0.8, 0.2], [0.7, 0.3], [0.99, 0.01]])
    truth, prior = np.array([0, 0, 1, 1]), np.array([0.9, 0.1])
    found = scores(posterior, truth, prior, "mergers")
    # Mergers are those above 0.1: the second, wrongly, and the third; one of two in each class.
    np.testing.assert_allclose(found["score"], 0.5)
    np.testing.assert_allclose(found["log_loss"], -np.log([0.95, 0.8, 0.3, 0.01]).mean())
    assert scores(posterior, truth, prior, "early_late")["score"] == 0.5
