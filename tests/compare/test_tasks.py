"""Tasks that ship: for the published tables, for the simulated survey, for the real galaxies."""

import csv
import json
import runpy
from pathlib import Path

import numpy as np
import pytest

from czsl.catalogue import Catalogue
from czsl.compare.arms import Majority, VotesArm
from czsl.compare.compare import compare, read_tasks
from czsl.compare.protocols import Protocol
from czsl.compare.tasks import CLASSES, published_tables, published_tasks
from czsl.config import read_config
from czsl.errors import ConfigError
from czsl.model import Hardware
from czsl.simulate.survey import CONFIG
from czsl.simulate.tasks import SECTIONS, write_tasks

ROOT = Path(__file__).resolve().parents[2]
HEADER = "OBJID,NVOTE,N_EL,N_CS,N_CW,N_ACW,N_EDGE,N_DK,N_MG,CS,EL_DEB,CS_DEB"


def write_published(folder):
    """Write the published tables with a few rows of numbers that mean nothing."""
    random = np.random.default_rng(0)
    for name, more in (
        ("votes_es_erl.csv", "EL_DEB[123],CS_DEB[123],EXPERT,HAND,FOLD"),
        ("votes_mergers.csv", "MG_EXPERT,FOLD"),
    ):
        with (folder / name).open("w") as file:
            file.write(f"{HEADER},{more}\n")
            for index in range(40):
                late = index % 2
                counts = random.multinomial(20, [0.5 - 0.3 * late, 0.2, 0.2 + 0.3 * late, 0.1])
                votes = [counts[0], 0, counts[1], counts[2], 0, 0, counts[3]]
                row = [f"58772295276743{index:04d}", 20, *votes, 0.5, 0.4, 0.6]
                if "HAND" in more:
                    row += [0.4, 0.6, "ML"[late], late * (1 - 2 * (index % 4 == 1)), index % 5 + 1]
                else:
                    row += [int(index % 5 == 0), index // 8 + 1]
                file.write(",".join(map(str, row)) + "\n")


def test_the_published_tables_are_known_by_their_names(tmp_path):
    assert not published_tables(tmp_path)
    write_published(tmp_path)
    assert published_tables(tmp_path)
    assert [task.name for task in read_tasks([tmp_path])] == list(CLASSES)
    (tmp_path / "votes_mergers.csv").unlink()
    with pytest.raises(ConfigError, match=r"there is no votes_mergers\.csv; name the folder"):
        published_tasks(tmp_path)


def test_the_published_tasks_have_the_published_columns(tmp_path):
    write_published(tmp_path)
    tasks = {task.name: task for task in published_tasks(tmp_path)}
    early = tasks["early_late"]
    assert early.arms["perceptron"].transfer.extra == ("CS",)
    assert early.arms["perceptron_extra"].transfer.extra == (*("CS", "EL_DEB[123]", "CS_DEB[123]"),)
    assert early.arms["majority_debiased"] == Majority(("EL_DEB", "CS_DEB"))
    assert "majority_debiased" not in tasks["spirals"].arms
    mergers = tasks["mergers"].arms
    assert isinstance(mergers["perceptron_over"], VotesArm)
    assert mergers["perceptron_extra"].transfer.extra == ("CS", "EL_DEB", "CS_DEB")
    catalogue = Catalogue.read(tasks["spirals"].config)
    hands = np.array(tasks["spirals"].config.classes.names)[catalogue.experts]
    assert hands[:4].tolist() == ["elliptical", "anticlockwise", "elliptical", "clockwise"]
    assert catalogue.folds.max() == 4


def test_the_simulated_survey_asks_three_questions(tmp_path):
    write_tasks(tmp_path, CONFIG)
    read = {name: read_config(tmp_path / f"{name}.toml") for name in SECTIONS}
    assert read["early_late"].classes.names == ("early", "late")
    assert read["spirals"].classes.mirror == {"clockwise": "anticlockwise"}
    assert read["mergers"].classes.values["other"] == (
        *("elliptical", "clockwise", "anticlockwise", "edge"),
    )
    for config in read.values():
        assert config.votes[0].names == read["mergers"].votes[0].names
        assert config.recipe.folds == 3


def test_real_galaxies_are_joined_for_three_tasks(shared_data, tmp_path):
    runpy.run_path(str(ROOT / "examples" / "gz1" / "join.py"))["main"](
        shared_data / "gz1", tmp_path
    )
    experts = {
        name: Catalogue.read(tmp_path / f"{name}.toml").is_expert.sum()
        for name in ("czsl", "spirals", "mergers")
    }
    assert experts == {"czsl": 407, "spirals": 407, "mergers": 439}


def test_the_published_protocol_lands_where_it_was(shared_data, tmp_path):
    """One execution; measured before over ten: majority .920, perceptron .951, logistic .951."""
    tasks = [
        task
        for task in published_tasks(shared_data / "gz1", ("majority", "perceptron", "logistic"))
        if task.name == "early_late"
    ]
    compare(
        tasks,
        tmp_path / "out",
        protocol=Protocol(name="czsl2023", order="file"),
        hardware=Hardware(device="cpu", threads=1),
    )
    arms = json.loads((tmp_path / "out" / "metrics.json").read_text())["arms"]
    assert arms["majority"]["accuracy"] == pytest.approx(0.920, abs=0.002)
    assert arms["logistic"]["accuracy"] == pytest.approx(0.951, abs=0.003)
    assert {score["n"] for score in arms.values()} == {40_902}
    with (tmp_path / "out" / "cells.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["arm"] == "perceptron"]
    standing = [
        float(row["value"])
        for row in rows
        if (row["set"], row["measure"], row["collapsed"]) == ("test", "accuracy", "False")
    ]
    assert np.mean(standing) == pytest.approx(0.951, abs=0.003)
    with (tmp_path / "out" / "comparison.json").open() as file:
        assert json.load(file)["protocol"]["experts"] == 0.05
    split = json.loads(
        (tmp_path / "out" / "cells" / "early_late" / "all" / "logistic" / "1-1.json").read_text()
    )["sizes"]
    assert split == {"test": 8181, "L": 1636, "A": 6544, "U": 24541, "U_published": 31085}
