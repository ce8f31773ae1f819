"""Real galaxies: the example's tables are joined, read and learned from."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from czsl.catalogue import Catalogue, majority_class
from czsl.config import read_config
from czsl.model import CzSL
from czsl.run import sample
from tiny import quick

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "gz1"


@pytest.fixture(scope="module")
def catalogue(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    """The catalogue of the example."""
    out = tmp_path_factory.mktemp("gz1")
    runpy.run_path(str(EXAMPLE / "join.py"))["main"](shared_data / "gz1", out)
    return Catalogue.read(out)


def test_tiers_and_ids_of_18_digits(catalogue: Catalogue) -> None:
    assert len(catalogue) == 6664
    assert catalogue.is_expert.sum() == 407
    assert (catalogue.tier == "volunteer").sum() == 6257
    assert {len(name) for name in catalogue.ids.tolist()} == {18}


def test_the_majority_agrees_with_the_experts_as_was_known(catalogue: Catalogue) -> None:
    experts = catalogue.is_expert
    agree = majority_class(catalogue)[experts] == catalogue.experts[experts]
    assert agree.mean() == pytest.approx(0.936, abs=0.002)


def test_the_published_arm_says_how_it_was_shortened(catalogue: Catalogue) -> None:
    arm = read_config(catalogue.config.folder).arms["czsl2023"]
    assert arm.name == "czsl2023"
    assert arm.finetune is not None
    assert arm.finetune.epochs == 30
    assert arm.reconstruct is not None
    assert arm.reconstruct.epochs == 100


@pytest.mark.parametrize("recipe", ["default", "czsl2023"])
def test_both_recipes_learn_from_real_images(catalogue: Catalogue, recipe: str) -> None:
    some = sample(catalogue, 150, seed=0)
    model = CzSL(quick(recipe), device="cpu", threads=1).fit(some)
    assert model.scores_["image"]["n"] == some.is_expert.sum()
    predictions = model.predict(some.select(np.arange(20)))
    total = np.asarray(predictions["p_early"]) + np.asarray(predictions["p_late"])
    assert total == pytest.approx(1, abs=1e-6)
