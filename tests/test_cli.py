"""The command line, run as users run it."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from czsl import __version__
from czsl.catalogue import read_table
from czsl.catalogue.table import KINDS
from czsl.cli import main
from czsl.compare.arms import GROUPS
from czsl.compare.compare import compare, read_tasks
from czsl.compare.sweeps import SWEEPS
from czsl.config import read_config, write_config
from czsl.demo import run_demo
from czsl.errors import ArgumentError
from czsl.model import CzSL
from tiny import quick, tiny_config, write_survey

HEAVY = ("torch", "astropy", "matplotlib", "pyarrow", "sklearn", "scipy", "numpy", "pydantic")


@pytest.fixture
def survey(tmp_path: Path) -> Path:
    """A tiny survey with a short default recipe in its configuration."""
    folder = write_survey(tmp_path / "survey")
    write_config(tiny_config(folder, quick("default")), folder / "czsl.toml")
    return folder


def run(*arguments: object) -> Result:
    """Run a command in this process; what it raises is raised here."""
    return CliRunner().invoke(main, [str(one) for one in arguments], catch_exceptions=False)


def test_importing_the_command_line_imports_nothing_heavy() -> None:
    code = f"import sys, czsl.cli; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_help_lists_every_command_with_a_line() -> None:
    result = run("--help")
    assert result.exit_code == 0
    for name in main.commands:
        assert f"\n  {name} " in result.output
    assert "..." not in result.output.partition("Commands:")[2]


def test_the_help_of_compare_names_every_group_and_every_sweep() -> None:
    told = run("compare", "--help").output
    groups, sweeps = told.partition("are groups.")[0], told.partition("Sweeps:")[2]
    for name in GROUPS:
        assert f'"{name}"' in groups, name
    for name in SWEEPS:
        assert name in sweeps.partition("Options:")[0], name


def test_the_help_of_predict_names_every_format_that_is_written() -> None:
    told = run("predict", "--help").output.partition("--out")[2].partition("[default")[0].lower()
    for kind in set(KINDS.values()):
        assert kind in told.replace(",", "").split(), kind


def test_init_takes_an_hdf5_file_as_its_help_says(survey: Path) -> None:
    assert "HDF5" in run("init", "--help").output
    (survey / "czsl.toml").unlink()
    (survey / "cutouts.h5").touch()
    assert run("init", survey / "objects.csv", survey / "cutouts.h5").exit_code == 0
    assert read_config(survey).catalogue.images == "cutouts.h5"


def test_version() -> None:
    assert __version__ in run("--version").output


def test_init_writes_a_configuration_that_check_accepts(survey: Path) -> None:
    (survey / "czsl.toml").unlink()
    result = run("init", survey / "objects.csv", survey / "images")
    assert result.exit_code == 0
    assert "because" in result.output
    found = json.loads(run("check", survey, "--threads", 1, "--json").output)
    assert found["ok"]
    # Four rows hold no more than a volunteers' class, in a column too thin to be guessed.
    assert found["catalogue"]["tiers"] == {"expert": 20, "volunteer": 24, "unlabelled": 16}


def test_init_does_not_replace_a_configuration(survey: Path) -> None:
    before = (survey / "czsl.toml").read_bytes()
    result = run("init", survey / "objects.csv")
    assert result.exit_code == 2
    assert "exists; delete it, or choose another name by --out" in result.output
    assert (survey / "czsl.toml").read_bytes() == before


def test_check_tells_tiers_classes_and_damaged_images(survey: Path) -> None:
    result = run("check", survey, "--threads", 1)
    assert result.exit_code == 0
    assert "58 of 60 can be used" in result.output
    assert "image_missing" in result.output
    assert "image_unreadable" in result.output
    assert "Volunteers' majority against experts" in result.output
    assert f"next: czsl fit {survey}" in result.output.replace("\n", "")


def test_an_address_is_no_path_of_this_machine(survey: Path, tmp_path: Path) -> None:
    for words in (["fit", survey, "--out", "s3://a/fit"], ["init", "s3://a/galaxies.csv"]):
        result = run(*words)
        assert result.exit_code == 2
        assert "is an address; name a file or folder on this machine" in result.output


def test_check_ends_with_1_where_something_must_be_mended(survey: Path) -> None:
    config = (survey / "czsl.toml").read_text()
    (survey / "czsl.toml").write_text(config.replace('column = "expert"', 'column = "exprt"'))
    result = run("check", survey, "--json")
    assert result.exit_code == 1
    found = json.loads(result.output)
    assert not found["ok"]
    assert "did you mean 'expert'?" in found["problems"][0]
    assert "to mend" in run("check", survey).output


def test_a_known_error_is_text_and_exit_code_1(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "czsl.cli", "fit", str(tmp_path / "none.toml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "there is no such file; 'czsl init TABLE' writes one" in done.stderr
    assert "Traceback" not in done.stderr


def test_fit_then_predict(survey: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    result = run("fit", survey, "--out", out, "--threads", 1, "--device", "cpu")
    assert result.exit_code == 0
    assert "58 of 60 can be used" in result.output
    assert "out of fold" in result.output
    assert {path.name for path in out.iterdir()} >= {
        "czsl.toml",
        "history.csv",
        "metrics.json",
        "predictions.parquet",
        "model",
    }
    target = tmp_path / "predictions.csv"
    result = run("predict", out / "model", survey / "objects.csv", "--out", target, "--threads", 1)
    assert result.exit_code == 0
    assert "60 objects predicted" in result.output
    table = read_table(target, text=("id",))
    assert table.num_rows == 60
    assert table["class"].null_count == 1  # neither image nor votes
    assert "note: sets: 'cw' has too few experts' objects for a coverage of 0.9" in result.output


def test_fit_refuses_a_folder_that_holds_a_run(survey: Path, tmp_path: Path) -> None:
    arguments = ("fit", survey, "--out", tmp_path / "run", "--threads", 1, "--limit", 60)
    assert run(*arguments).exit_code == 0
    again = run(*arguments)
    assert again.exit_code == 1
    assert "holds a run already; go on with it by --resume" in again.output
    assert run(*arguments, "--resume").exit_code == 0


@pytest.mark.parametrize(
    ("command", "option", "value", "allowed"),
    [
        ("compare", "--folds", 1, "2<=x<=20"),
        ("compare", "--folds", 50, "2<=x<=20"),
        ("compare", "--seed", -1, "0<=x<=2147483647"),
        ("fit", "--seed", -1, "0<=x<=2147483647"),
        ("demo", "--seed", -1, "0<=x<=2147483647"),
    ],
)
def test_numbers_that_cannot_be_used_are_refused_before_any_work(
    survey: Path, tmp_path: Path, command: str, option: str, value: int, allowed: str
) -> None:
    before = sorted(tmp_path.rglob("*"))
    result = run(command, survey, option, value)
    assert result.exit_code == 2
    assert f"Invalid value for '{option}': {value} is not in the range {allowed}" in result.output
    assert sorted(tmp_path.rglob("*")) == before


def test_seeds_below_zero_are_refused_in_python_too(survey: Path, tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="seed: got -1; it must be from 0 to 2147483647"):
        CzSL(seed=-1)
    with pytest.raises(ArgumentError, match="seed: got -1; it must be from 0 to 2147483647"):
        run_demo(tmp_path / "new", seed=-1, make_model=CzSL)
    with pytest.raises(ArgumentError, match="seed: got -1; it must be from 0 to 2147483647"):
        compare(read_tasks([survey]), tmp_path / "out", seed=-1)
    assert not (tmp_path / "new").exists()
    assert not (tmp_path / "out").exists()


def test_compare_writes_the_scores_of_all_arms(survey: Path, tmp_path: Path) -> None:
    config = tiny_config(survey, quick("default"))
    config = config.model_copy(update={"arms": {"czsl2023": quick("czsl2023")}})
    write_config(config, survey / "czsl.toml")
    out = tmp_path / "compare"
    result = run("compare", survey, "--out", out, "--threads", 1, "--device", "cpu")
    assert result.exit_code == 0
    arms = json.loads((out / "metrics.json").read_text())["arms"]
    assert list(arms) == ["experts", "majority", "volunteers", "czsl2023", "default"]
    for name, scores in arms.items():
        assert 0 <= scores["low"] <= scores["accuracy"] <= scores["high"] <= 1
        assert scores["n"] == (16 if name == "majority" else 20)  # four have no votes


@pytest.mark.parametrize(
    ("command", "whole", "options"),
    [
        # The whole name: while it is written it has another, which an interrupt removes.
        ("fit", "stages/*.checkpoint.safetensors", ["--limit", "60"]),
        ("compare", "comparison.json", ["--arms", "default", "--folds", "2"]),
    ],
)
def test_ctrl_c_ends_cleanly_and_says_how_to_go_on(
    survey: Path, tmp_path: Path, command: str, whole: str, options: list[str]
) -> None:
    config = tiny_config(survey, quick("default", pretrain={"epochs": 5000, "patience": 0}))
    write_config(config, survey / "czsl.toml")
    out = tmp_path / "a run"
    given = [command, str(survey), "--out", str(out), "--resume", "--seed", "3", *options]
    with subprocess.Popen(
        [sys.executable, "-m", "czsl.cli", *given, "--threads", "1"],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        # Whoever runs the tests in the background has it ignored, and children take that over.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    ) as process:
        deadline = time.monotonic() + 300
        while not list(out.glob(whole)) and time.monotonic() < deadline:
            time.sleep(0.2)
        os.kill(process.pid, signal.SIGINT)
        _, text = process.communicate(timeout=60)
    assert process.returncode == 130
    said = shlex.split(text.partition("go on with: ")[2])
    assert said == [
        "czsl",
        *(one for one in given if one != "--resume"),
        "--threads",
        "1",
        "--resume",
    ]
    assert "Traceback" not in text
    assert list(out.glob(whole))
    assert not (out / "model").exists()
