"""The demo, on a survey small enough for a test."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from czsl.catalogue import read_table
from czsl.check import Checked
from czsl.cli import main
from czsl.demo import MARKER, Demo, run_demo
from czsl.errors import RunError
from czsl.model import CzSL
from czsl.simulate import simulate_survey

pytest.importorskip("galsim", reason="needs the extra 'demo'")
pytest.importorskip("jinja2", reason="needs the extra 'demo'")
pytest.importorskip("matplotlib", reason="needs the extra 'demo'")

SHORT = """
pretrain = { epochs = 2, images = 0 }
finetune = { epochs = 2, images = 0 }
width = 4
"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Demo, list[Checked]]:
    """A demo with 30 experts' objects, of short recipes."""
    folder = tmp_path_factory.mktemp("demo")
    (folder / MARKER).write_text('{"seed": 0}')
    config = simulate_survey(folder, experts=30, voted=70, unlabelled=20, test=25, processes=1)
    config.write_text(config.read_text() + SHORT)
    checked: list[Checked] = []
    done = run_demo(
        folder,
        make_model=lambda recipe: CzSL(recipe, device="cpu", threads=1),
        checked=checked.append,
    )
    return done, checked


def test_every_arm_is_scored_on_the_same_test_objects(demo: tuple[Demo, list[Checked]]) -> None:
    metrics = json.loads((demo[0].folder / "metrics.json").read_text())
    assert list(metrics["arms"]) == ["experts", "majority", "volunteers", "czsl2023", "default"]
    for scores in metrics["arms"].values():
        assert scores["n"] == 25
        assert 0 <= scores["low"] <= scores["accuracy"] <= scores["high"] <= 1


def test_test_objects_are_in_no_training_table(demo: tuple[Demo, list[Checked]]) -> None:
    folder = demo[0].folder
    test = set(read_table(folder / "test.csv", text=("object_id",))["object_id"].to_pylist())
    trained = read_table(folder / "galaxies.csv", text=("object_id",))["object_id"].to_pylist()
    predicted = read_table(folder / "predictions.parquet", text=("object_id",))
    assert not test & set(trained)
    assert set(predicted["object_id"].to_pylist()) == test
    assert predicted["n_votes"].to_pylist() == [0.0] * 25  # their votes stay aside


def test_the_survey_is_checked_first(demo: tuple[Demo, list[Checked]]) -> None:
    (found,) = demo[1]
    assert not found.problems
    assert found.catalogue["tiers"] == {"expert": 30, "volunteer": 40, "unlabelled": 20}
    assert found.images["usable"] == 90


def test_the_report_is_one_file_with_the_table_and_the_picture(
    demo: tuple[Demo, list[Checked]],
) -> None:
    page = demo[0].report.read_text()
    assert 'src="data:image/png;base64,' in page
    assert "http" not in page
    for name in ("experts only", "volunteers' majority", "czsl2023, shortened", "default"):
        assert f">{name}</th>" in page.replace("&#39;", "'")
    assert demo[0].report.stat().st_size < 10_000_000


def test_a_second_demo_goes_on_where_the_first_ended(demo: tuple[Demo, list[Checked]]) -> None:
    folder = Path(demo[0].folder)
    before = (folder / "metrics.json").read_bytes()
    stages = {path.name for path in (folder / "runs" / "stages").iterdir()}
    again = run_demo(folder, make_model=lambda recipe: CzSL(recipe, device="cpu", threads=1))
    assert (folder / "metrics.json").read_bytes() == before
    assert {path.name for path in (folder / "runs" / "stages").iterdir()} == stages
    assert again.arms == demo[0].arms


def _content(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _never(_: object) -> CzSL:
    raise AssertionError("nothing may be fitted in a folder that is refused")


@pytest.mark.parametrize("name", ["galaxies.csv", "czsl.toml", "report.html", "images/a.jpg"])
def test_a_folder_with_anything_of_ones_own_is_refused_untouched(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    before = _content(tmp_path)
    with pytest.raises(RunError, match=r"is not empty and not the folder of a demo.*new folder"):
        run_demo(tmp_path, make_model=_never)
    assert _content(tmp_path) == before


@pytest.mark.parametrize("content", ["{", '{"seed": 0, "shown": true}', "[]", "0"])
def test_a_file_that_is_only_called_as_the_marker_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / MARKER).write_text(content)
    with pytest.raises(RunError, match=r"demo\.json: is not .*; name a new folder"):
        run_demo(tmp_path, make_model=_never)
    assert [path.name for path in tmp_path.iterdir()] == [MARKER]


def test_another_seed_is_refused_and_named(demo: tuple[Demo, list[Checked]]) -> None:
    folder = demo[0].folder
    before = _content(folder)
    done = CliRunner().invoke(main, ["demo", str(folder), "--seed", "1"])
    assert done.exit_code == 1
    assert "holds the demo of seed 0, and seed 1 was asked for" in done.output
    assert _content(folder) == before


def test_a_simulation_that_was_stopped_starts_again(tmp_path: Path) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    folder = tmp_path / "new"
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run_demo(folder, seed=3, make_model=_never, simulated=stop)
        assert json.loads((folder / MARKER).read_text()) == {"seed": 3}
        assert not (folder / "czsl.toml").exists()
        assert any((folder / "images").iterdir())
