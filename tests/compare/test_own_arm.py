"""An arm of one's own, as the documentation shows it, runs in several processes."""

import csv
import os
import subprocess
import sys
import time
from pathlib import Path

from czsl.config import write_config
from processes import have_ended
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


ENDLESS = """
import os
import sys
import time
from pathlib import Path

from czsl.compare.compare import compare
from czsl.compare.plan import Task
from czsl.config import read_config


def endless(cell):
    Path(sys.argv[2], f"worker-{os.getpid()}").touch()
    time.sleep(600)


if __name__ == "__main__":
    task = Task.of(read_config(sys.argv[1]), arms=("majority",), more={"endless": endless})
    compare([task], sys.argv[2], jobs=2)
"""


def test_workers_end_with_a_comparison_that_is_killed(tmp_path):
    folder, out = write_table(tmp_path / "table"), tmp_path / "out"
    write_config(votes_config(folder), folder / "types.toml")
    script = tmp_path / "endless.py"
    script.write_text(ENDLESS)
    process = subprocess.Popen([sys.executable, str(script), folder / "types.toml", out])
    deadline = time.monotonic() + 120
    while len(workers := list(out.glob("worker-*"))) < 2:
        assert time.monotonic() < deadline, "the workers did not start"
        time.sleep(0.05)
    process.kill()
    process.wait()
    assert have_ended((int(path.name.split("-")[1]) for path in workers), 60)


def test_the_arm_of_the_documentation_is_short():
    assert len(EXAMPLE.read_text(encoding="utf-8").splitlines()) < 30
