import csv
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from czsl.config import read_config
from czsl.errors import ArgumentError, MissingExtraError, WriteError
from czsl.simulate import simulate_survey
from czsl.simulate.universe import ANSWERS, CLASSES

SIZES = {"experts": 20, "voted": 40, "unlabelled": 15, "test": 15}
VOTES = [f"n_{answer}" for answer in ANSWERS]


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def calls():
    return []


@pytest.fixture(scope="module")
def survey(tmp_path_factory, calls):
    folder = tmp_path_factory.mktemp("survey")
    config = simulate_survey(
        folder, **SIZES, seed=7, processes=1, progress=lambda done, of: calls.append((done, of))
    )
    assert config == folder / "czsl.toml"
    return folder


def test_the_files_are_those_promised(survey):
    names = sorted(path.name for path in survey.iterdir())
    tables = ["galaxies.csv", "test.csv", "test_votes.csv", "truth.csv"]
    tasks = ["early_late.toml", "mergers.toml", "spirals.toml"]
    assert names == sorted(["czsl.toml", *tasks, *tables, "images"])
    header = [list(rows(survey / table)[0]) for table in tables]
    assert header[0] == ["object_id", *VOTES, "expert"]
    assert header[1:] == [["object_id"], ["object_id", *VOTES], ["object_id", "truth"]]


def test_ids_are_unique_texts_of_18_digits(survey):
    ids = [row["object_id"] for row in rows(survey / "truth.csv")]
    assert len(set(ids)) == len(ids) == 70
    assert all(len(one) == 18 and one.isdecimal() for one in ids)
    # As floats some would be another galaxy's.
    assert any(str(int(float(one))) != one for one in ids)


def test_test_objects_stand_apart(survey):
    known = {row["object_id"] for row in rows(survey / "galaxies.csv")}
    test = [row["object_id"] for row in rows(survey / "test.csv")]
    assert test == [row["object_id"] for row in rows(survey / "test_votes.csv")]
    assert len(test) == 15
    assert not known & set(test)
    assert known | set(test) == {row["object_id"] for row in rows(survey / "truth.csv")}


def test_tiers_have_the_numbers_asked_for(survey):
    table = rows(survey / "galaxies.csv")
    voted = [row for row in table if row["n_edge"]]
    assert len(table) == 55
    assert len(voted) == 40
    assert sum(bool(row["expert"]) for row in voted) == 20
    assert not any(row["expert"] for row in table if not row["n_edge"])
    assert {row["expert"] for row in table} <= {*CLASSES, ""}
    for row in voted + rows(survey / "test_votes.csv"):
        assert sum(int(row[column]) for column in VOTES) == 40
    for row in table:
        if row not in voted:
            assert not any(row[column] for column in VOTES)


def test_row_order_tells_nothing_about_tiers(survey):
    table = rows(survey / "galaxies.csv")
    places = np.flatnonzero([not row["n_edge"] for row in table])
    assert 15 < places.mean() < 40
    assert places.min() < 15 < 40 < places.max()


def test_experts_are_a_fair_sample_of_the_classes(survey):
    truth = {row["object_id"]: row["truth"] for row in rows(survey / "truth.csv")}
    voted = [row for row in rows(survey / "galaxies.csv") if row["n_edge"]]
    everyone = Counter(truth[row["object_id"]] for row in voted)
    seen = Counter(truth[row["object_id"]] for row in voted if row["expert"])
    assert all(abs(seen[name] - everyone[name] / 2) <= 1 for name in CLASSES)
    right = [row["expert"] == truth[row["object_id"]] for row in voted if row["expert"]]
    assert np.mean(right) >= 0.8


def test_every_object_has_an_image(survey):
    for row in rows(survey / "truth.csv"):
        with Image.open(survey / "images" / f"{row['object_id']}.jpg") as image:
            assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (64, 64))
            assert np.asarray(image).std() > 3
    assert len(list((survey / "images").iterdir())) == 70


def test_the_configuration_is_one_that_we_read(survey):
    config = read_config(survey)
    (votes,) = config.votes
    assert votes.answers == dict(zip(ANSWERS, VOTES, strict=True))
    assert votes.mirror == config.classes.mirror == {"clockwise": "anticlockwise"}
    assert tuple(config.classes.values) == tuple(config.classes.from_answers) == CLASSES
    assert config.catalogue.images == "images/{object_id}.jpg"
    assert config.images.size == 64
    assert config.recipe.name == "default"


def test_the_same_bytes_whatever_the_number_of_processes(survey, tmp_path):
    simulate_survey(tmp_path / "deep" / "again", **SIZES, seed=7, processes=2)
    assert contents(tmp_path / "deep" / "again") == contents(survey)


def test_another_seed_is_another_survey(survey, tmp_path):
    simulate_survey(tmp_path, experts=2, voted=5, unlabelled=0, test=1, seed=8, processes=1)
    ours = {row["object_id"] for row in rows(tmp_path / "truth.csv")}
    assert not ours & {row["object_id"] for row in rows(survey / "truth.csv")}
    images = set(contents(survey / "images").values())
    assert not images & set(contents(tmp_path / "images").values())


def test_progress_counts_every_object(survey, calls):
    assert calls[-1] == (70, 70)
    assert [done for done, _ in calls] == sorted({done for done, _ in calls})


@pytest.mark.parametrize("wrong", [{"experts": 41}, {"test": -1}])
def test_impossible_numbers_are_refused(tmp_path, wrong):
    with pytest.raises(ArgumentError, match=r"cannot have .* experts are among the voted"):
        simulate_survey(tmp_path, **(SIZES | wrong))
    assert not list(tmp_path.iterdir())


def test_a_seed_below_zero_is_refused(tmp_path):
    with pytest.raises(ArgumentError, match="seed: got -1; it must be from 0 to 2147483647"):
        simulate_survey(tmp_path, **SIZES, seed=-1)
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(WriteError, match=r"file.images: cannot be written"):
        simulate_survey(tmp_path / "file", **SIZES, processes=1)
    assert (tmp_path / "file").read_text() == "in the way"
    (tmp_path / "survey" / "test.csv").mkdir(parents=True)
    with pytest.raises(WriteError, match=r"test\.csv: cannot be written"):
        simulate_survey(tmp_path / "survey", experts=1, voted=1, unlabelled=0, test=0, processes=1)


def test_without_galsim_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "galsim", None)
    with pytest.raises(MissingExtraError, match=r"pip install \"czsl\[demo\]\""):
        simulate_survey(tmp_path / "survey", **SIZES)
    assert not (tmp_path / "survey").exists()


def test_a_process_that_dies_is_told(tmp_path):
    """Spawned processes import a script that does not guard its work, and die of it."""
    script = tmp_path / "unguarded.py"
    script.write_text(
        "from czsl.errors import RunError\n"
        "from czsl.simulate import simulate_survey\n"
        "try:\n"
        f"    simulate_survey({str(tmp_path / 'survey')!r}, experts=1, voted=60, unlabelled=0, "
        "test=0, processes=2)\n"
        "except RunError as error:\n"
        "    print(error)\n"
    )
    ended = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, check=False, timeout=120
    )
    assert "a process that drew galaxies died" in ended.stdout
    assert 'if __name__ == "__main__"' in ended.stdout
