"""Models that stand on a module of the user's, or on a pretrained encoder of a folder."""

import shutil

import pytest
import torch
from torch import nn

from czsl.errors import ModelError
from czsl.model import CzSL
from czsl.nets.given import GivenEncoder
from tiny import quick, tiny_catalogue


def module(width: int = 6) -> nn.Sequential:
    torch.manual_seed(width)
    return nn.Sequential(
        nn.Conv2d(3, width, 5, 2), nn.ReLU(), nn.Conv2d(width, 2 * width, 3, 2), nn.BatchNorm2d(12)
    )


def rows(table) -> list[tuple]:
    return [tuple(row) for row in table.as_array().tolist()]


@pytest.fixture(scope="module")
def given(survey, tmp_path_factory):
    """A model on a module, its catalogue, its predictions and its folder."""
    catalogue = tiny_catalogue(survey, quick("default"))
    model = CzSL(encoder=module(), seed=3, device="cpu", threads=1).fit(catalogue)
    folder = tmp_path_factory.mktemp("given") / "model"
    model.save(folder)
    return model, catalogue, rows(model.predict(catalogue)), folder


def test_a_module_is_trained_and_left_as_it_was(given):
    model, _, _, _ = given
    assert model.predictor.content.recipe.network == "given"
    for weights in model.predictor.networks:
        trained = weights["encoder.module.0.weight"]
        assert not torch.equal(trained, module()[0].weight)
    assert torch.equal(model.encoder[0].weight, module()[0].weight)


def test_a_loaded_model_takes_the_weights_of_its_folder(given):
    _, catalogue, expected, folder = given
    untrained = module()
    nn.init.zeros_(untrained[0].weight)
    loaded = CzSL.load(folder, encoder=untrained, device="cpu", threads=1)
    assert rows(loaded.predict(catalogue)) == expected


def test_side_and_scaling_are_those_of_the_fit(survey, tmp_path):
    recipe = quick("default", pretrain=False, folds=1)
    catalogue = tiny_catalogue(survey, recipe)
    scaling = {"mean": (0.2, 0.3, 0.4), "std": (0.5, 0.6, 0.7), "side": 40}
    view = catalogue.config.images.seen
    encoder = GivenEncoder(module(), channels=3, size=view, **scaling)
    model = CzSL(encoder=encoder, seed=3, device="cpu", threads=1).fit(catalogue)
    model.save(tmp_path / "model")
    loaded = CzSL.load(tmp_path / "model", encoder=module(), device="cpu", threads=1)
    assert rows(loaded.predict(catalogue)) == rows(model.predict(catalogue))
    (network,) = loaded.predictor.reader.networks
    assert (network.encoder.side, view) == (40, 24)


def test_a_model_on_a_module_cannot_be_loaded_without_it(given):
    with pytest.raises(ModelError, match=r"given from Python; .* CzSL\.load\(folder, encoder=mod"):
        CzSL.load(given[3], device="cpu")


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (nn.Sequential(nn.Conv2d(3, 6, 5, 2)), "the weights do not fit the settings"),
        (nn.Conv2d(5, 6, 5), r"takes 5 channel\(s\), and the images have 3"),
    ],
)
def test_a_module_of_another_shape_is_refused(given, other, message):
    with pytest.raises(ModelError, match=message):
        CzSL.load(given[3], encoder=other, device="cpu")


def test_a_model_on_a_pretrained_encoder_needs_its_folder_no_more(survey, tmp_path):
    transformers = pytest.importorskip(
        "transformers", reason="the extra 'encoders' is not installed"
    )
    config = transformers.ResNetConfig(
        embedding_size=4, hidden_sizes=[4, 4, 8, 8], depths=[1, 1, 1, 1], layer_type="basic"
    )
    encoder = tmp_path / "encoder"
    torch.manual_seed(0)
    transformers.AutoModel.from_config(config).save_pretrained(encoder)
    recipe = quick("default", network="pretrained", encoder=str(encoder))
    catalogue = tiny_catalogue(survey, recipe)
    model = CzSL(seed=3, device="cpu", threads=1).fit(catalogue)
    expected = rows(model.predict(catalogue))
    model.save(tmp_path / "model")
    shutil.rmtree(encoder)
    loaded = CzSL.load(tmp_path / "model", device="cpu", threads=1)
    assert rows(loaded.predict(catalogue)) == expected
    assert loaded.recipe == recipe
