"""The folder of a run: what it holds, and whom it refuses."""

import csv
import json
import shutil
import tomllib

import numpy as np
import pyarrow.parquet as pq
import pytest

from czsl.catalogue import Catalogue
from czsl.check import check
from czsl.config import read_config
from czsl.errors import ConfigError, NotFittedError, RunError, WriteError
from czsl.model import CzSL
from czsl.run import HISTORY, Run, fit_run, sample
from czsl.scores import scores
from tiny import quick, tiny_catalogue, tiny_config, tiny_model


def test_files_are_as_documented(runs):
    for recipe, folder in runs.items():
        autoencoder = ["autoencoder.safetensors"] if recipe == "czsl2023" else []
        transfer = ["transfer.csv"] if recipe == "default" else []
        assert sorted(path.name for path in folder.iterdir()) == [
            *autoencoder,
            "czsl.toml",
            "history.csv",
            "metrics.json",
            "model",
            "predictions.parquet",
            "run.json",
            "stages",
            *transfer,
        ]
        for name in Run.__doc__.split("``")[1::2][:7]:
            assert (folder / name).exists()
        assert not [path for path in folder.rglob("*") if ".checkpoint" in path.name]


def test_the_configuration_is_kept_as_it_was_resolved(runs):
    content = tomllib.loads((runs["czsl2023"] / "czsl.toml").read_text())
    assert content["recipe"]["pretrain"]["epochs"] == 2
    assert content["recipe"]["finetune"]["rate"] == 0.01
    assert content["votes"][0]["unit"] == "counts"
    assert read_config(runs["czsl2023"]).recipe == quick("czsl2023")


def test_a_run_finds_its_data_from_anywhere(runs, survey, tmp_path):
    moved = shutil.copytree(runs["default"], tmp_path / "elsewhere")
    expected = tiny_catalogue(survey, quick("default"))
    catalogue = Run(folder=moved).catalogue()
    assert catalogue.config == expected.config.model_copy(update={"folder": survey})
    assert catalogue.ids.tolist() == expected.ids.tolist()
    found = check(moved, processes=1)
    assert not found.problems
    assert found.images["usable"] == 58


def test_a_run_goes_on_by_its_own_configuration(runs):
    folder = runs["default"]
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    model = tiny_model(seed=3, recipe=Run(folder=folder).config().recipe)
    fit_run(model, Catalogue.read(folder), folder, resume=True)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_with_a_limit_a_run_reads_the_objects_that_were_drawn(survey, tmp_path):
    Run(folder=tmp_path).begin(
        tiny_config(survey, quick("default")), seed=3, limit=30, resume=False
    )
    drawn = sample(tiny_catalogue(survey, quick("default")), 30, seed=3)
    assert Run(folder=tmp_path).catalogue().ids.tolist() == drawn.ids.tolist()
    with pytest.raises(RunError, match=r"has not ended; go on with it by: czsl fit .* --resume"):
        Run(folder=tmp_path).finished()


def test_a_folder_without_a_run_is_told(tmp_path):
    with pytest.raises(RunError, match=r"holds no run, there is no run\.json in it; name the fold"):
        Run(folder=tmp_path).config()


def test_where_the_paths_start_must_be_readable(runs, tmp_path):
    shutil.copy(runs["default"] / "czsl.toml", tmp_path)
    (tmp_path / "run.json").write_text("[")
    with pytest.raises(ConfigError, match=r"run\.json: is not whole or not ours .*; choose anoth"):
        read_config(tmp_path)


def test_the_history_has_a_line_for_every_epoch_of_every_stage(runs):
    with (runs["czsl2023"] / "history.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert tuple(lines[0]) == HISTORY
    assert [(line["stage"], line["fold"], line["epoch"]) for line in lines] == [
        ("reconstruct", "", "1"),
        ("reconstruct", "", "2"),
        *((stage, fold, epoch) for fold in "12" for stage in ("pretrain", "finetune")
          for epoch in "12"),
    ]  # fmt: skip
    assert all(float(line["loss"]) > 0 and float(line["held_out"]) > 0 for line in lines)


def test_scores_are_those_of_the_predictions_out_of_fold(runs, survey):
    for name, folder in runs.items():
        metrics = json.loads((folder / "metrics.json").read_text())
        table = pq.read_table(folder / "predictions.parquet")
        catalogue = tiny_catalogue(survey, quick(name))
        classes = catalogue.experts[catalogue.is_expert]
        assert table["id"].to_pylist() == catalogue.ids[catalogue.is_expert].tolist()
        for kind in ("image", "votes"):
            columns = [table[f"p_{kind}_{one}"].to_numpy() for one in catalogue.classes]
            found = scores(np.stack(columns, axis=1).astype(float), classes)
            for score, value in found.items():
                assert metrics["scores"][kind][score] == pytest.approx(value, rel=1e-4)
        assert metrics["scores"]["image"]["n"] == 20
        assert metrics["scores"]["votes"]["n"] == metrics["scores"]["majority"]["n"] == 16
        assert table.schema.metadata[b"out_of_fold"] == b"true"
        assert table["expert"].to_pylist() == [catalogue.classes[one] for one in classes]
        assert set(table["fold"].to_pylist()) == {1, 2}


def test_a_run_is_not_overwritten(survey, runs):
    catalogue = tiny_catalogue(survey, quick("default"))
    before = (runs["default"] / "run.json").read_bytes()
    with pytest.raises(RunError, match="holds a run already; go on with it by --resume, or choose"):
        fit_run(tiny_model(seed=3), catalogue, runs["default"])
    assert (runs["default"] / "run.json").read_bytes() == before


@pytest.mark.parametrize(
    ("seed", "epochs", "limit", "what"),
    [
        (4, 4, None, "seed"),
        (3, 5, None, "config"),
        (3, 4, 30, "limit"),
        (4, 5, None, "seed and config"),
    ],
)
def test_another_run_does_not_go_on_with_it(survey, runs, seed, epochs, limit, what):
    catalogue = tiny_catalogue(survey, quick("default", pretrain={"epochs": epochs}))
    before = (runs["default"] / "czsl.toml").read_bytes()
    with pytest.raises(RunError, match=f"its run was started with another {what}; resume with the"):
        fit_run(tiny_model(seed=seed), catalogue, runs["default"], resume=True, limit=limit)
    assert (runs["default"] / "czsl.toml").read_bytes() == before


def test_resuming_a_finished_run_trains_nothing_and_changes_nothing(survey, runs):
    folder = runs["czsl2023"]
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    told = []
    catalogue = tiny_catalogue(survey, quick("czsl2023"))
    fit_run(tiny_model(seed=3, report=told.append), catalogue, folder, resume=True)
    assert told == []
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_damaged_run_file_is_told(survey, tmp_path):
    (tmp_path / "run.json").write_text('{"seed": ')
    with pytest.raises(RunError, match=r"run\.json: is not whole or not ours .*; choose another"):
        Run(folder=tmp_path).begin(
            tiny_config(survey, quick("default")), seed=0, limit=None, resume=True
        )


def test_a_folder_that_cannot_be_written_names_its_path(survey, tmp_path):
    (tmp_path / "file").write_text("in the way")
    catalogue = tiny_catalogue(survey, quick("default"))
    with pytest.raises(WriteError, match=r"file/run/czsl\.toml: cannot be written"):
        fit_run(tiny_model(), catalogue, tmp_path / "file" / "run")


def test_without_experts_the_run_is_whole_all_the_same(tmp_path, survey):
    """Nothing can be scored, which JSON says by null."""
    sections = {"classes": {"ignore": ["round", "cw", "acw"], "values": {"round": "r", "cw": "c",
                                                                        "acw": "a"}}}  # fmt: skip
    catalogue = tiny_catalogue(survey, quick("czsl2023"), **sections)
    fit_run(tiny_model(), catalogue, tmp_path)
    metrics = json.loads((tmp_path / "metrics.json").read_text(), parse_constant=pytest.fail)
    assert metrics["scores"]["image"]["accuracy"] is None
    assert metrics["scores"]["majority"] == {"accuracy": None, "low": 0.0, "high": 1.0, "n": 0}
    assert metrics["notes"]
    card = (tmp_path / "model" / "README.md").read_text()
    assert "None: no expert's object was held out." in card


def test_a_quick_try_keeps_every_tier_and_enough_experts(survey):
    catalogue = tiny_catalogue(survey, quick("default"))
    drawn = sample(catalogue, 30, seed=0)
    tiers = {
        tier: int((drawn.tier == tier).sum()) for tier in ("expert", "volunteer", "unlabelled")
    }
    assert tiers == {"expert": 20, "volunteer": 14, "unlabelled": 6}
    np.testing.assert_array_equal(drawn.ids, sample(catalogue, 30, seed=0).ids)
    assert set(drawn.ids) < set(catalogue.ids)
    assert drawn.rows.tolist() == sorted(drawn.rows)


def test_same_seed_same_model_and_another_seed_another(survey, runs, tmp_path):
    catalogue = tiny_catalogue(survey, quick("czsl2023"))
    expected = (runs["czsl2023"] / "model" / "weights.safetensors").read_bytes()
    for seed in (3, 4):
        model = tiny_model(seed=seed).fit(catalogue)
        model.save(tmp_path / str(seed))
        found = (tmp_path / str(seed) / "weights.safetensors").read_bytes()
        assert (found == expected) == (seed == 3)


def test_what_a_loaded_model_does_not_hold_is_told(runs):
    loaded = CzSL.load(runs["default"] / "model", device="cpu", threads=1)
    for name in ("out_of_fold_", "out_of_fold_table_", "history_", "transfer_map_", "autoencoder_"):
        with pytest.raises(NotFittedError, match="not fitted; call fit"):
            getattr(CzSL(), name)
        with pytest.raises(NotFittedError, match=r"not hold this; .* predictions\.parquet"):
            getattr(loaded, name)


def test_a_folder_of_stages_may_be_text(survey, tmp_path):
    catalogue = tiny_catalogue(survey, quick("default", pretrain=False, transfer=False))
    tiny_model(seed=1).fit(catalogue, stages=str(tmp_path / "stages"))
    assert list((tmp_path / "stages").glob("finetune-*.safetensors"))


def test_attributes_of_a_fitted_model(fitted):
    model, catalogue = fitted
    assert model.classes_ == ("round", "cw", "acw")
    assert set(model.scores_) == {"image", "votes", "majority", "fused"}
    assert {line["stage"] for line in model.history_} == {"pretrain", "finetune"}
    assert model.out_of_fold_["id"].tolist() == catalogue.ids[:20].tolist()
    assert isinstance(model, CzSL)
    assert model.predictor.content.data["tiers"] == {
        "expert": 20,
        "volunteer": 28,
        "unlabelled": 12,
    }
