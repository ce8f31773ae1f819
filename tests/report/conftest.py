"""Runs of the tiny survey."""

import pytest

from czsl.recipes import RECIPES
from czsl.run import fit_run
from tiny import quick, tiny_catalogue, tiny_model, write_survey

pytest.importorskip("jinja2", reason="needs the extra 'report'")
pytest.importorskip("matplotlib", reason="needs the extra 'report'")


@pytest.fixture(scope="session")
def survey(tmp_path_factory):
    """The folder of the tiny survey."""
    return write_survey(tmp_path_factory.mktemp("tiny") / "survey")


@pytest.fixture(scope="session")
def runs(survey, tmp_path_factory):
    """The folder of a run of each recipe, by its name; only reports are added to it."""
    folders = {}
    for name in RECIPES:
        folders[name] = tmp_path_factory.mktemp("runs") / name
        fit_run(tiny_model(seed=3), tiny_catalogue(survey, quick(name)), folders[name])
    return folders
