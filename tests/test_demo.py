"""The demo, on a survey small enough for a test."""

import json
from pathlib import Path

import pytest

from czsl.catalogue import read_table
from czsl.check import Checked
from czsl.demo import Demo, run_demo
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
    for name in ("experts only", "volunteers' majority", "czsl2023", "default"):
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
