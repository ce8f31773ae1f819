"""The tiny survey, and a model of it of each recipe."""

import pytest

from czsl.recipes import RECIPES
from czsl.run import fit_run
from tiny import quick, tiny_catalogue, tiny_model, write_survey


@pytest.fixture(scope="session")
def survey(tmp_path_factory):
    """The folder of the tiny survey; only its image store is added to it."""
    return write_survey(tmp_path_factory.mktemp("tiny") / "survey")


@pytest.fixture(scope="session")
def runs(survey, tmp_path_factory):
    """The folder of a whole run of each recipe, by its name."""
    return {name: _run(survey, tmp_path_factory.mktemp("runs") / name, name) for name in RECIPES}


@pytest.fixture(scope="session")
def fitted(survey):
    """A fitted model of the default recipe, and its catalogue."""
    catalogue = tiny_catalogue(survey, quick("default"))
    return tiny_model(seed=3).fit(catalogue), catalogue


def _run(survey, folder, name):
    recipe = quick(name)
    fit_run(tiny_model(seed=3), tiny_catalogue(survey, recipe), folder)
    return folder
