"""A prediction that was stopped goes on by part, and gives what one that was not gives."""

import csv
import fcntl
import json
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from czsl import CzSL
from czsl.errors import RunError
from czsl.stages.context import tensor_digest
from czsl.survey import predict as module
from czsl.survey.parts import opened, parts_folder, rows_kept
from czsl.survey.predict import Asked, predict_table
from stopped_predict import run
from tiny import quick, tiny_catalogue, tiny_model, write_survey

PLACES = {"catalogue": {"position": ["ra", "dec"]}}


def add_places(survey: Path) -> None:
    """Give every object a place; 30 rows on, the same object stands again, in another part."""
    rows = list(csv.reader((survey / "objects.csv").read_text().splitlines()))
    rows[0] += ["ra", "dec"]
    for index, row in enumerate(rows[1:]):
        row += [str(10 + index % 30), "-5"]
    with (survey / "objects.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    folder = write_survey(tmp_path_factory.mktemp("parts") / "survey")
    add_places(folder)
    return folder


@pytest.fixture(scope="module")
def model_folder(survey, tmp_path_factory):
    folder = tmp_path_factory.mktemp("parts") / "model"
    tiny_model(seed=1).fit(tiny_catalogue(survey, quick("czsl2023"), **PLACES)).save(folder)
    return folder


@pytest.fixture(scope="module")
def model(model_folder):
    return CzSL.load(model_folder, device="cpu", threads=1)


@pytest.fixture
def small(monkeypatch):
    """Make parts of ten rows, so that sixty are six parts."""
    monkeypatch.setattr(module, "ROWS", 5)
    monkeypatch.setattr(module, "PART", 2)


@pytest.fixture
def whole(survey, model, tmp_path, small):
    """The catalogue of a prediction that was not stopped."""
    out = tmp_path / "whole.parquet"
    predict_table(model, survey / "objects.csv", out, processes=1)
    return out


def stop_after(rows: int):
    def progress(done: int) -> None:
        if done >= rows:
            raise KeyboardInterrupt

    return progress


def stopped(model, survey: Path, out: Path, rows: int, **settings) -> None:
    """Stop a prediction when so many rows are done."""
    settings = {"processes": 1, "progress": stop_after(rows), **settings}
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        predict_table(model, survey / "objects.csv", out, **settings)


@pytest.mark.parametrize("row", [10, 35, 60])
def test_a_killed_prediction_goes_on_to_the_same_bytes(
    survey, model_folder, model, whole, tmp_path, row
):
    out = tmp_path / "a.parquet"
    code, _ = run(model_folder, survey / "objects.csv", out, "kill", row)
    assert code == -signal.SIGKILL
    assert not out.exists()
    assert rows_kept(out) == row // 10 * 10
    told = []
    settings = {"processes": 1, "resume": True, "progress": told.append}
    done = predict_table(model, survey / "objects.csv", out, **settings)
    assert told[0] == row // 10 * 10
    assert out.read_bytes() == whole.read_bytes()
    assert done.rows == 60
    assert sorted(tmp_path.iterdir()) == [out, whole]


def test_what_is_done_is_not_predicted_again(survey, model, whole, tmp_path):
    own = shutil.copytree(survey, tmp_path / "survey")
    out = tmp_path / "a.parquet"
    stopped(model, own, out, 30)
    for path in sorted((own / "images").iterdir())[:30]:
        path.write_bytes(b"")
    predict_table(model, own / "objects.csv", out, processes=1, resume=True)
    assert pq.read_table(out).equals(pq.read_table(whole))


def test_duplicates_are_flagged_in_the_order_of_the_table_whatever_the_parts(survey, model, whole):
    duplicate = pq.read_table(whole)["flags"].to_numpy() & 2048 > 0
    np.testing.assert_array_equal(duplicate, np.arange(60) >= 30)


@pytest.mark.parametrize("ending", ["csv", "fits", "vot"])
def test_shares_are_estimated_when_all_parts_are_there(survey, model, tmp_path, small, ending):
    asked, table = Asked(reestimate=True), survey / "objects.csv"
    whole, out = tmp_path / f"whole.{ending}", tmp_path / f"a.{ending}"
    expected = predict_table(model, table, whole, processes=1, asked=asked)
    stopped(model, survey, out, 20, asked=asked)
    done = predict_table(model, table, out, processes=1, asked=asked, resume=True)
    assert done.shares == expected.shares
    assert done.flags == expected.flags
    assert out.read_bytes() == whole.read_bytes()


def test_parts_are_not_lost_by_a_slip(survey, model, tmp_path, small):
    out = tmp_path / "a.parquet"
    stopped(model, survey, out, 30)
    message = r"a\.parquet\.parts: holds 30 rows of a prediction that was stopped; go on with "
    with pytest.raises(RunError, match=message + r"--resume .* or delete that folder"):
        predict_table(model, survey / "objects.csv", out, processes=1)
    assert rows_kept(out) == 30


def test_what_differs_from_then_is_named(survey, model, tmp_path, small):
    own = shutil.copytree(survey, tmp_path / "survey")
    out = tmp_path / "a.parquet"
    stopped(model, own, out, 30, limit=50)
    with (own / "objects.csv").open("a") as file:
        file.write("\n")
    settings = {"asked": Asked(decide="gmean"), "processes": 1, "resume": True}
    with pytest.raises(RunError, match="of another prediction") as found:
        predict_table(model, own / "objects.csv", out, **settings)
    assert "its content was " in str(found.value)
    assert "--limit was 50, now not given" in str(found.value)
    assert "--decide was accuracy, now gmean" in str(found.value)
    assert "--images" not in str(found.value)


def test_another_model_is_not_gone_on_with_however_alike(survey, tmp_path, small):
    """Votes on experts' objects teach the transfer and no network: networks are the same."""
    own = shutil.copytree(survey, tmp_path / "survey")
    short = {"finetune": {"transferred": 0.0, "epochs": 2}, "pretrain": {"epochs": 2}}
    catalogue = tiny_catalogue(own, quick("default", **short))
    before = tiny_model(seed=3).fit(catalogue)
    rows = list(csv.reader((own / "objects.csv").read_text().splitlines()))
    for row in rows[1:17]:
        row[1:5] = ["5"] * 4
    with (own / "objects.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    after = tiny_model(seed=3).fit(tiny_catalogue(own, quick("default", **short)))
    first, second = before.predictor, after.predictor
    for one, other in zip(first.networks, second.networks, strict=True):
        assert tensor_digest(one) == tensor_digest(other)
    assert first.content.temperature == second.content.temperature
    assert first.content.fingerprint != second.content.fingerprint
    out = tmp_path / "a.parquet"
    stopped(before, own, out, 20)
    with pytest.raises(RunError, match="the model"):
        predict_table(after, own / "objects.csv", out, processes=1, resume=True)
    predict_table(before, own / "objects.csv", out, processes=1, resume=True)


def test_a_part_that_is_damaged_or_was_not_noted_is_made_again(survey, model, whole, tmp_path):
    out = tmp_path / "a.parquet"
    stopped(model, survey, out, 40)
    folder = parts_folder(out)
    damaged = folder / "part-000001.parquet"
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
    manifest = folder / "manifest.jsonl"
    manifest.write_text(manifest.read_text()[:-5])  # the last line was not written to its end
    (folder / ".part-000009.parquet.1.part").write_text("left by a kill")
    told = []
    settings = {"processes": 1, "resume": True, "progress": told.append}
    predict_table(model, survey / "objects.csv", out, **settings)
    assert told[0] == 20
    assert out.read_bytes() == whole.read_bytes()


def test_the_manifest_tells_what_was_asked_and_what_is_done(survey, model, tmp_path, small):
    out = tmp_path / "a.parquet"
    stopped(model, survey, out, 20)
    lines = (parts_folder(out) / "manifest.jsonl").read_text().splitlines()
    first, *parts = map(json.loads, lines)
    assert first["asked"]["the table"] == str(survey / "objects.csv")
    assert first["asked"]["the model"] == model.predictor.content.fingerprint
    assert [(one["part"], one["rows"]) for one in parts] == [(0, 10), (1, 10)]
    table = pq.read_table(parts_folder(out) / "part-000001.parquet")
    assert table.num_rows == 10


def test_a_foreign_manifest_is_refused(survey, model, tmp_path):
    out = tmp_path / "a.parquet"
    parts_folder(out).mkdir()
    (parts_folder(out) / "manifest.jsonl").write_text('{"schema": 9}\n')
    with pytest.raises(RunError, match=r"of version 9, this program knows 1\); delete the folder"):
        predict_table(model, survey / "objects.csv", out, resume=True)


def test_two_processes_do_not_write_the_same_parts(survey, model, tmp_path):
    out = tmp_path / "a.parquet"
    parts_folder(out).mkdir()
    with (parts_folder(out) / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(RunError, match="another process is predicting into it; wait"):
            predict_table(model, survey / "objects.csv", out)


def test_nothing_is_left_where_open_files_stay_in_their_folder(tmp_path, monkeypatch):
    """As on NFS, where a file that is deleted while it is open gets another name."""
    unlink = Path.unlink

    def delete(path, missing_ok=False):
        handle = os.open(path, os.O_RDWR)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            path.rename(path.with_name(".nfs0001"))
        else:
            unlink(path, missing_ok=missing_ok)
        finally:
            os.close(handle)

    monkeypatch.setattr(Path, "unlink", delete)
    with opened(tmp_path / "a.csv", {}, part_rows=1, resume=False) as parts:
        parts.write(0, [pa.table({"id": ["1"]})])
        parts.remove()
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_where_no_part_was_done(tmp_path):
    with (
        pytest.raises(ValueError, match="early"),
        opened(tmp_path / "a.csv", {}, part_rows=1, resume=False),
    ):
        raise ValueError("early")
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_says_how_to_go_on(survey, model_folder, tmp_path):
    out = tmp_path / "a.parquet"
    code, said = run(model_folder, survey / "objects.csv", out, "interrupt", 25)
    assert code == 130
    assert f"stopped; 20 rows are kept in {out}.parts; go on with the same command and" in said
    assert "--resume" in said


def test_a_table_without_rows_gives_a_catalogue_without_rows(model, tmp_path):
    (tmp_path / "none.csv").write_text("id\n")
    out = tmp_path / "a.parquet"
    assert predict_table(model, tmp_path / "none.csv", out, processes=1).rows == 0
    assert pq.read_metadata(out).num_rows == 0
