"""Images that look unlike others, told by a whole fit: the experts' and those of a survey."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from czsl.flags import Flag
from czsl.imaging import open_images
from tiny import draw, name_of, quick, tiny_catalogue, tiny_model, write_survey

SHORT = {"pretrain": {"epochs": 2}, "finetune": {"epochs": 2}}


def unlike(table) -> np.ndarray:
    return (np.asarray(table["flags"]) & int(Flag.UNLIKE_TRAINING)) > 0


def paint(folder, row: int, pixels: np.ndarray) -> None:
    Image.fromarray(pixels).save(folder / "images" / f"{name_of(row)}.png")


@pytest.fixture(scope="module")
def chosen(survey, tmp_path_factory):
    """The tiny survey, where experts were shown what is bright on a bright sky."""
    own = shutil.copytree(survey, tmp_path_factory.mktemp("chosen") / "survey")
    random = np.random.default_rng(3)
    for row in range(20):
        paint(own, row, draw(row % 3, random) // 2 + 120)
    lines = (own / "objects.csv").read_text().splitlines()
    rows = [f"{line},{0.5 if row < 20 else 0.1}" for row, line in enumerate(lines[1:])]
    (own / "objects.csv").write_text("\n".join([lines[0] + ",chance", *rows]) + "\n")
    return own


@pytest.mark.parametrize("weighted", [False, True])
def test_experts_images_that_look_unlike_the_others_are_told_of(chosen, weighted):
    recipe = quick("default", **SHORT)
    sections = {"classes": {"selection": "chance"}} if weighted else {}
    model = tiny_model(seed=3).fit(tiny_catalogue(chosen, recipe, **sections))
    sample = model.predictor.content.representative
    assert sample["unlike"]
    assert sample["low"] > 0.6
    assert sample["n"] == 20
    (note,) = [note for note in model.notes_ if "look unlike" in note]
    assert f"with an area under the curve of {sample['auc']:.2f} ({sample['low']:.2f} to" in note
    told = "sets are weighted by 'chance', scores are not and hold for objects like the experts'"
    both = "; scores and sets hold for objects like the experts'. Give experts a random sample"
    assert (told in note, both in note) == (weighted, not weighted)


@pytest.fixture(scope="module")
def sampled(tmp_path_factory):
    """A model of 260 objects, of which experts saw a random sample, and the survey's folder."""
    survey = write_survey(tmp_path_factory.mktemp("sampled") / "survey", count=260)
    return tiny_model(seed=3).fit(tiny_catalogue(survey, quick("default", **SHORT))), survey


def test_a_random_sample_of_experts_raises_no_note(sampled):
    model, _ = sampled
    assert not model.predictor.content.representative["unlike"]
    assert not [note for note in model.notes_ if "look unlike" in note]


def test_noise_is_flagged_and_images_like_the_trainings_are_not(sampled, tmp_path):
    """Of 130 images the farthest is the limit: of 100 others like them one or two are beyond."""
    model, survey = sampled
    own = shutil.copytree(survey, tmp_path / "survey")
    random = np.random.default_rng(11)
    like, noise, negative = range(100), range(100, 120), range(120, 140)
    for row in range(140):
        pixels = draw(row % 3, random)
        if row in noise:
            pixels = random.integers(0, 256, pixels.shape, dtype=np.uint8)
        paint(own, row, 255 - pixels if row in negative else pixels)
    found = unlike(model.predict(tiny_catalogue(own, quick("default", **SHORT))))
    assert found[like].sum() <= 5
    assert found[noise].all()
    assert found[negative].all()


def test_experts_images_look_as_the_whole_model_reads_them(fitted):
    model, catalogue = fitted
    predictor, images = model.predictor, open_images(catalogue, processes=1)
    experts = np.flatnonzero(catalogue.is_expert)
    assert len(predictor.networks) == 2
    expected = predictor.reader.read_stored(images, experts).features
    np.testing.assert_array_equal(predictor.record.features, expected)
    other = replace(predictor, networks=predictor.networks[1:]).reader
    different = other.read_stored(images, experts).features - expected
    assert np.abs(different).max() > 1e-3  # else the test says nothing
