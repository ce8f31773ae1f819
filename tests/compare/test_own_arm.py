"""An arm of one's own, as the documentation shows it, runs in several processes."""

import csv
import os
import subprocess
import sys
from pathlib import Path

from czsl.config import write_config
from votes_only import votes_config, write_table

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "nearest_arm.py"


def run(script, *arguments):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "error", str(script), *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_arm_of_the_documentation_runs_and_goes_on(tmp_path):
    folder, out = write_table(tmp_path / "table"), tmp_path / "out"
    config = folder / "types.toml"
    write_config(votes_config(folder), config)
    run(EXAMPLE, config, out)
    with (out / "summary.csv").open(newline="") as file:
        rows = {
            row["arm"]: row
            for row in csv.DictReader(file)
            if (row["set"], row["measure"]) == ("test", "accuracy")
        }
    assert list(rows) == ["majority", "logistic", "nearest"]
    assert rows["nearest"]["failures"] == "0"
    assert 0.8 < float(rows["nearest"]["low"]) < float(rows["nearest"]["mean"]) < 1

    # The same script, told to go on, finds what its processes have done.
    cells = sorted(out.glob("cells/*/*/nearest/*.json"))
    before = [path.stat().st_mtime_ns for path in cells]
    assert len(before) == 5
    again = tmp_path / "again.py"
    again.write_text(EXAMPLE.read_text().replace("jobs=2", "jobs=2, resume=True"))
    run(again, config, out)
    assert [path.stat().st_mtime_ns for path in cells] == before


def test_the_arm_of_the_documentation_is_short():
    assert len(EXAMPLE.read_text(encoding="utf-8").splitlines()) < 30
