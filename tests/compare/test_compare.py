"""A whole comparison: stored, resumed, killed, in several processes, summed up."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from czsl.catalogue import majority_probability
from czsl.compare.compare import compare, read_tasks
from czsl.compare.plan import CellName, CellStore, Plan, Task, describe_arm, identify_arm
from czsl.compare.protocols import Protocol
from czsl.compare.results import Results
from czsl.compare.statistics import corrected_resampled_t
from czsl.compare.summary import CELLS, DIFFERENCES, SUMMARY, summarise
from czsl.compare.sweeps import Setting
from czsl.errors import ArgumentError, ConfigError, RunError
from czsl.model import Hardware
from tiny import quick, tiny_config, write_survey
from votes_only import votes_config, write_table

ONE_THREAD = Hardware(device="cpu", threads=1)
PROTOCOL = Protocol(name="czsl2023", experts=0.2, folds=3)


def nearest(cell):
    """Judge by the nearest experts' object: an arm of a user's own."""
    votes = cell.catalogue.questions[0].fractions
    rows = cell.split.experts
    distance = ((votes[cell.scored][:, None] - votes[rows][None]) ** 2).sum(axis=2)
    return np.eye(len(cell.truth.classes))[cell.training.experts[rows[distance.argmin(axis=1)]]]


def perfect(cell):
    """Know everything."""
    return np.eye(len(cell.truth.classes))[cell.truth.experts[cell.scored]]


def broken(cell):
    """Fail in one fold."""
    if cell.fold == 2:
        raise ZeroDivisionError("no luck")
    return nearest(cell)


def votes_task(folder, **more):
    config = votes_config(write_table(folder / "table"))
    return Task.of(config, "types", arms=("majority", "logistic"), more=more)


def table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_tables_of_a_comparison(tmp_path):
    results = compare(
        [votes_task(tmp_path, nearest=nearest)],
        tmp_path / "out",
        protocol=PROTOCOL,
        executions=2,
        sweeps=["experts=10"],
        reference="majority",
        hardware=ONE_THREAD,
    )
    summary = table(tmp_path / "out" / "summary.csv")
    assert list(summary[0]) == list(SUMMARY)
    assert {row["setting"] for row in summary} == {"all", "experts=10"}
    assert {row["set"] for row in summary} == {"test", "L", "A", "U", "U_published"}
    for row in summary:
        assert (row["executions"], row["folds"], row["failures"]) == ("2", "3", "0")
        if row["set"] == "test" and row["measure"] == "accuracy":
            assert float(row["low"]) <= float(row["mean"]) <= float(row["high"])
    # The mean is that of the posteriors, computed here anew.
    labels = results.labels("types")
    posterior = results.posterior("types", "all", "logistic")
    assert posterior.shape == (2, 300, 2)
    mean = np.mean(posterior.argmax(axis=2) == labels)
    told = next(
        row
        for row in summary
        if (row["arm"], row["setting"], row["set"], row["measure"])
        == ("logistic", "all", "test", "accuracy")
    )
    assert float(told["mean"]) == pytest.approx(mean, abs=1e-6)
    differences = table(tmp_path / "out" / "differences.csv")
    assert list(differences[0]) == list(DIFFERENCES)
    assert {(row["arm"], row["reference"]) for row in differences} == {
        ("logistic", "majority"),
        ("nearest", "majority"),
    }
    for row in differences:
        assert row["verdict"] in ("better", "worse", "undecided")
        assert float(row["p_holm"] or 1) >= float(row["p"] or 0)
    cells = table(tmp_path / "out" / "cells.csv")
    assert list(cells[0]) == list(CELLS)
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())["arms"]
    assert metrics["logistic"]["accuracy"] == pytest.approx(mean)
    assert metrics["logistic"]["n"] == 300


def test_the_moved_decision_is_by_what_each_fold_learned_from(tmp_path):
    config = votes_config(write_table(tmp_path / "table"))
    task = Task.of(config, "types", arms=("logistic", "logistic_ceiling"))
    protocol = Protocol(name="czsl2023", experts=0.05, folds=3)
    out = tmp_path / "out"
    results = compare([task], out, protocol=protocol, executions=2, hardware=ONE_THREAD)
    labels, apart = results.labels("types"), set()
    for arm in task.arms:
        posterior = results.posterior("types", "all", arm)
        right = np.zeros(posterior.shape[:2], bool)
        for name, content in results.cells("types", "all", arm):
            inside = results.folds("types", name.execution) == name.fold
            moved = posterior[name.execution - 1, inside] / content["prior"]
            right[name.execution - 1, inside] = moved.argmax(axis=1) == labels[inside]
            if arm == "logistic_ceiling":  # it learned from every object of the other folds
                shares = np.bincount(labels[~inside]) / np.sum(~inside)
                assert content["prior"] == pytest.approx(shares)
            apart.add(tuple(content["prior"]))
        told = next(
            row
            for row in table(out / "summary.csv")
            if (row["arm"], row["set"], row["measure"]) == (arm, "test", "accuracy_moved")
        )
        assert float(told["mean"]) == pytest.approx(right.mean(), abs=1e-6)
    assert len(apart) > 2


def test_fewer_experts_only_change_what_learns_from_them(tmp_path):
    compare(
        [votes_task(tmp_path)],
        tmp_path / "out",
        protocol=PROTOCOL,
        sweeps=["experts=10"],
        hardware=ONE_THREAD,
    )
    results = Results(tmp_path / "out")
    for arm, same in (("majority", True), ("logistic", False)):
        base = results.posterior("types", "all", arm)
        assert np.array_equal(base, results.posterior("types", "experts=10", arm)) == same


def test_a_failing_arm_is_reported_and_the_rest_goes_on(tmp_path):
    told = []
    compare(
        [votes_task(tmp_path, broken=broken)],
        tmp_path / "out",
        protocol=PROTOCOL,
        hardware=ONE_THREAD,
        told=told.append,
    )
    assert (told[-1].done, told[-1].total, told[-1].failed) == (9, 9, 1)
    failed = [tally for tally in told if tally.error]
    assert (failed[0].last.arm, failed[0].last.fold) == ("broken", 2)
    rows = {
        row["arm"]: row
        for row in table(tmp_path / "out" / "summary.csv")
        if row["measure"] == "accuracy" and row["set"] == "test"
    }
    assert (rows["broken"]["failures"], rows["broken"]["folds"]) == ("1", "2")
    assert rows["logistic"]["failures"] == "0"
    errors = [row for row in table(tmp_path / "out" / "cells.csv") if row["error"]]
    assert [row["error"] for row in errors] == ["ZeroDivisionError: no luck"]
    # Its difference is over the objects that both judge.
    objects = {row["arm"]: row["objects"] for row in table(tmp_path / "out" / "differences.csv")}
    assert objects == {"logistic": "300", "broken": "200"}


def guess(cell):
    """Judge by the votes, and guess where there are none."""
    shares = majority_probability(cell.catalogue)[cell.scored]
    return np.where(np.isnan(shares), [0.6, 0.4], shares)


def half(cell):
    """Judge other objects than those of another arm."""
    posterior = guess(cell)
    posterior[::2] = np.nan
    return posterior


def test_tests_are_of_the_objects_that_both_judge(tmp_path):
    rows = table(write_table(tmp_path / "table") / "objects.csv")
    with (tmp_path / "table" / "objects.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        for place, row in enumerate(rows):
            lost = dict.fromkeys(("smooth", "disc", "other"), "") if place % 3 == 1 else {}
            writer.writerow(row | lost)
    config = votes_config(tmp_path / "table")
    arms = {"guess": guess, "half": half, "perfect": perfect}
    task = Task.of(config, "types", arms=("majority",), more=arms)
    out = tmp_path / "out"
    results = compare([task], out, executions=2, reference="majority", hardware=ONE_THREAD)
    found = {(row["arm"], row["measure"]): row for row in table(out / "differences.csv")}
    # What both judge they judge alike, so that nothing speaks for a difference.
    for arm, objects in (("guess", "200"), ("half", "100")):
        for measure in ("accuracy", "log_likelihood", "auc", "gmean_moved"):
            row = found[arm, measure]
            told = (row["difference"], row["p"], row["equal"], row["objects"])
            assert told == ("0", "1", "1", objects)
    # Against one that is always right the differences are what the majority gets wrong.
    posterior = results.posterior("types", "all", "majority")
    known = ~np.isnan(posterior).any(axis=2)
    wrong = [
        np.mean((posterior.argmax(axis=2) != results.labels("types"))[execution][inside & judged])
        for execution, judged in enumerate(known)
        for fold in range(1, 6)
        for inside in [results.folds("types", execution + 1) == fold]
    ]
    p = float(found["perfect", "accuracy"]["p"])
    assert p == pytest.approx(corrected_resampled_t(np.array(wrong), 0.25).p, rel=1e-4)


def test_an_arm_that_fails_everywhere_has_a_row(tmp_path):
    def never(cell):
        raise ArgumentError("not today")

    compare(
        [votes_task(tmp_path, never=never)],
        tmp_path / "out",
        protocol=PROTOCOL,
        reference="logistic",
        hardware=ONE_THREAD,
    )
    row = next(row for row in table(tmp_path / "out" / "summary.csv") if row["arm"] == "never")
    assert (row["mean"], row["failures"]) == ("", "3")


def test_resume_runs_only_what_is_new(tmp_path):
    task = votes_task(tmp_path)
    compare([task], tmp_path / "out", protocol=PROTOCOL, hardware=ONE_THREAD)
    with pytest.raises(RunError, match="holds a comparison already; go on with it by --resume"):
        compare([task], tmp_path / "out", protocol=PROTOCOL, hardware=ONE_THREAD)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "cells").rglob("*.*")}
    told = []
    more = votes_task(tmp_path, nearest=nearest)
    compare(
        [more],
        tmp_path / "out",
        protocol=PROTOCOL,
        executions=2,
        hardware=ONE_THREAD,
        resume=True,
        told=told.append,
    )
    assert (told[0].done, told[0].total) == (6, 18)
    assert all(path.stat().st_mtime_ns == when for path, when in before.items())
    # Another seed is another comparison: its cells run again.
    compare(
        [task],
        tmp_path / "out",
        protocol=PROTOCOL,
        seed=5,
        hardware=ONE_THREAD,
        resume=True,
        told=told.append,
    )
    assert told[-1].total == 6
    assert any(path.stat().st_mtime_ns != when for path, when in before.items())


def with_folds(folder, change):
    """Write the table anew, its fold column changed."""
    path = folder / "objects.csv"
    rows = table(path)
    for row in rows:
        row["fold"] = change(int(row["fold"]))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_other_folds_in_the_table_run_every_cell_again(tmp_path):
    folder = write_table(tmp_path / "table")
    task = Task.of(votes_config(folder, catalogue={"fold": "fold"}), "types", arms=("logistic",))
    options = {"hardware": ONE_THREAD, "resume": True}
    compare([task], tmp_path / "out", **options)
    # Names alone say nothing new: the objects stay together as they were.
    for change, done in ((lambda fold: fold + 7, 4), (lambda fold: (fold * 7 + 2) % 4, 0)):
        with_folds(folder, change)
        told = []
        compare([task], tmp_path / "out", told=told.append, **options)
        assert (told[0].done, told[0].total) == (done, 4)
    anew = compare([task], tmp_path / "new", hardware=ONE_THREAD)
    resumed = Results(tmp_path / "out").posterior("types", "all", "logistic")
    assert np.array_equal(resumed, anew.posterior("types", "all", "logistic"))


def test_a_posterior_of_other_folds_is_refused(tmp_path):
    compare([votes_task(tmp_path)], tmp_path / "out", protocol=PROTOCOL, hardware=ONE_THREAD)
    path = CellStore(tmp_path / "out").path(CellName(1, 2, "types", "all", "logistic"))
    whole = np.load(path.with_suffix(".npy"))
    for content in (whole[:1], whole[:, :1]):  # both would spread over the fold
        np.save(path.with_suffix(".npy"), content)
        with pytest.raises(RunError, match=r"1-2\.npy: holds a posterior of .*\(100, 2\).* delete"):
            summarise(tmp_path / "out")
    path.with_suffix(".npy").unlink()
    with pytest.raises(RunError, match=r"1-2\.npy: holds no posterior"):
        summarise(tmp_path / "out")


def test_a_damaged_cell_is_named(tmp_path):
    task = votes_task(tmp_path)
    compare([task], tmp_path / "out", protocol=PROTOCOL, hardware=ONE_THREAD)
    path = CellStore(tmp_path / "out").path(CellName(1, 2, "types", "all", "logistic"))
    path.write_text('{"key": ')
    with pytest.raises(RunError, match=r"1-2\.json: is not whole or not ours .* delete it"):
        compare([task], tmp_path / "out", protocol=PROTOCOL, hardware=ONE_THREAD, resume=True)


def test_several_processes_give_the_same(tmp_path):
    task = votes_task(tmp_path)
    for name, jobs in (("one", 1), ("two", 2)):
        compare([task], tmp_path / name, protocol=PROTOCOL, jobs=jobs, hardware=ONE_THREAD)
    one, two = Results(tmp_path / "one"), Results(tmp_path / "two")
    for arm in task.arms:
        first, second = one.posterior("types", "all", arm), two.posterior("types", "all", arm)
        assert np.array_equal(first, second)
    assert (tmp_path / "one" / "summary.csv").read_text() == (
        tmp_path / "two" / "summary.csv"
    ).read_text()


def image_tasks(folder):
    config = tiny_config(folder, quick("default"))
    arms = {"czsl2023": quick("czsl2023", folds=1)}
    config = config.model_copy(update={"arms": arms})
    return [Task.of(config, "tiny")]


def test_image_arms_share_their_stages(tmp_path):
    trained = []
    compare(
        image_tasks(write_survey(tmp_path / "survey")),
        tmp_path / "out",
        protocol=Protocol(folds=2),
        hardware=ONE_THREAD,
        report=lambda progress: trained.append((progress.stage, progress.epoch, progress.share)),
    )
    ends = [stage for stage, epoch, share in trained if epoch == 2 and share == 1]
    # The default's pre-training serves two arms and both folds; the published one is of a fold.
    assert ends.count("pretrain") == 1
    assert ends.count("pretrain, fold 1") == 2
    assert ends.count("reconstruct") == 1
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())["arms"]
    assert list(metrics) == ["experts", "majority", "volunteers", "czsl2023", "default"]
    assert {score["n"] for score in metrics.values()} == {20, 16}  # four have no votes


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from compare.test_compare import image_tasks
from czsl.compare.compare import compare
from czsl.compare.protocols import Protocol
from czsl.model import Hardware

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    compare(image_tasks(folder / "survey"), folder / "out", protocol=Protocol(folds=2),
            hardware=Hardware(device="cpu", threads=1), resume=True)
"""


def test_killed_in_the_middle_it_goes_on_and_ends_the_same(tmp_path):
    write_survey(tmp_path / "survey")
    script = tmp_path / "run.py"
    script.write_text(KILLED.format(tests=str(Path(__file__).parents[1])))
    process = subprocess.Popen([sys.executable, str(script), str(tmp_path)])
    cells = tmp_path / "out" / "cells"
    deadline = time.monotonic() + 120
    while len(list(cells.rglob("*.json"))) < 4 and time.monotonic() < deadline:
        assert process.poll() is None, "the comparison ended before it could be killed"
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    told = []
    tasks = image_tasks(tmp_path / "survey")
    options = {"protocol": Protocol(folds=2), "hardware": ONE_THREAD}
    compare(tasks, tmp_path / "out", resume=True, told=told.append, **options)
    assert 4 <= told[0].done < told[0].total == 10
    whole = compare(tasks, tmp_path / "whole", **options)
    for arm in tasks[0].arms:
        again = Results(tmp_path / "out").posterior("tiny", "all", arm)
        assert np.array_equal(again, whole.posterior("tiny", "all", arm), equal_nan=True)


def test_tasks_are_read_from_files(tmp_path):
    config = votes_config(write_table(tmp_path))
    (tmp_path / "czsl.toml").write_text(config.to_toml())
    (tmp_path / "other.toml").write_text(config.to_toml() + "\n")
    tasks = read_tasks([tmp_path, tmp_path / "other.toml"], ("majority",))
    assert [task.name for task in tasks] == ["objects", "other"]
    assert list(tasks[0].arms) == ["majority"]
    with pytest.raises(ConfigError, match="there is no such file"):
        read_tasks([tmp_path / "nothing.toml"])


def test_arms_of_the_configuration_are_the_default(tmp_path):
    config = votes_config(write_table(tmp_path), compare={"arms": ["logistic", "majority"]})
    assert list(Task.of(config).arms) == ["logistic", "majority"]


def test_twins_and_strangers_are_refused(tmp_path):
    task = votes_task(tmp_path)
    with pytest.raises(ArgumentError, match="'types'; give each task a name of its own"):
        compare([task, task], tmp_path / "out")
    with pytest.raises(ArgumentError, match="tasks: there are none"):
        compare([], tmp_path / "out")
    bare = Task(name="bare", config=task.config, arms={})
    with pytest.raises(ArgumentError, match="tasks: 'bare' without any arm; give each"):
        compare([task, bare], tmp_path / "out")
    with pytest.raises(ArgumentError, match="reference 'best': is not among the arms logistic"):
        compare([task], tmp_path / "out", reference="best")
    assert not (tmp_path / "out").exists()


def test_a_foreign_folder_is_no_comparison(tmp_path):
    with pytest.raises(RunError, match=r"comparison\.json: cannot be read .* 'czsl compare'"):
        summarise(tmp_path)


def test_long_stages_start_first_and_end_last(tmp_path):
    task = image_tasks(write_survey(tmp_path / "survey"))[0]
    plan = Plan(
        folder=tmp_path,
        tasks=(task,),
        protocol=Protocol(folds=2),
        settings=(Setting(),),
        executions=2,
        seed=0,
        hardware=ONE_THREAD,
    )
    cells = list(plan.cells({"tiny": 2}))
    assert len(cells) == len(set(cells)) == 20
    assert [name.execution for name in cells] == [1] * 10 + [2] * 10
    told = [(name.arm, name.fold) for name in cells[:10]]
    assert told[0] == ("czsl2023", 1)
    assert told[1:5] == [("experts", 1), ("majority", 1), ("volunteers", 1), ("default", 1)]
    assert told[-1] == ("czsl2023", 2)


def first_try(cell):
    return nearest(cell)


def second_try(cell):
    return nearest(cell)[:, ::-1]


def test_a_function_whose_code_changed_is_another_arm(tmp_path):
    first_name = first_try.__qualname__
    second_try.__qualname__ = first_name
    assert describe_arm(second_try) == describe_arm(first_try)
    assert identify_arm(second_try) != identify_arm(first_try)
    options = {"protocol": PROTOCOL, "hardware": ONE_THREAD, "resume": True}
    for arm, done in ((first_try, 0), (first_try, 9), (second_try, 6)):
        told = []
        task = votes_task(tmp_path, mine=arm)
        compare([task], tmp_path / "out", told=told.append, **options)
        assert told[0].done == done
