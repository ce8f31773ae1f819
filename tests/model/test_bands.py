"""A whole fit of large images of five bands: fit, save, load, predict, explain."""

import numpy as np
import pytest
from astropy.io import fits

from czsl import CzSL
from czsl.run import fit_run
from czsl.survey.explain import explain_object
from tiny import draw, name_of, quick, tiny_catalogue, tiny_model, truth, write_survey

COLOUR = np.array([0.3, 0.8, 1.0, 0.9, 0.6])
"""Flux of the five bands, as shares of the brightest."""


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """A run over 24 cubes of 5 bands and 140 pixels, of which networks see 128."""
    folder = tmp_path_factory.mktemp("bands")
    survey, random = write_survey(folder / "survey", count=24), np.random.default_rng(5)
    for row, kind in enumerate(truth(24)):
        grey = draw(int(kind), random, side=140)[..., 1].astype(np.float32) / 50
        cube = grey * COLOUR[:, None, None].astype(np.float32)
        fits.PrimaryHDU(cube).writeto(survey / "images" / f"{name_of(row)}.fits")
    catalogue = tiny_catalogue(
        survey,
        quick("default", pretrain={"epochs": 2, "batch": 4}, finetune={"epochs": 2}),
        catalogue={"images": "images/{id}.fits"},
        images={"size": 140, "view": 128},
    )
    model = tiny_model(seed=3)
    fit_run(model, catalogue, folder / "run")
    return model, catalogue, folder / "run" / "model"


def test_128_pixels_and_five_bands_go_the_whole_way(fitted):
    model, catalogue, folder = fitted
    content = model.predictor.content
    assert (content.native, content.channels, content.images.seen) == ((140, 140, 5), 5, 128)
    predicted = model.predict(catalogue)
    again = CzSL.load(folder, device="cpu", threads=1).predict(catalogue)
    values = np.stack([predicted[f"p_image_{name}"] for name in model.classes_], axis=1)
    np.testing.assert_allclose(values.sum(axis=1), 1, atol=1e-6)
    assert len(np.unique(values[:, 0])) > 12  # each image is looked at
    for name in predicted.colnames:
        assert predicted[name].tolist() == again[name].tolist()


def test_an_object_of_five_bands_is_explained(fitted, tmp_path):
    model, _, folder = fitted
    found = explain_object(model, folder, name_of(22), processes=1)
    assert found.pixels.shape == (128, 128, 5)
    mean = found.pixels.mean(axis=(0, 1))
    np.testing.assert_allclose(mean / mean.max(), COLOUR, atol=0.02)
    assert all(one.pixels.shape == (128, 128, 5) for one in found.neighbours)
    pytest.importorskip("jinja2")
    from czsl.report.explain import write_explanation

    page = write_explanation(found, tmp_path / "one.html").read_text(encoding="utf-8")
    assert page.count("<img") == 7
