"""Flags on both sides of their limits, and objects that come twice."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from czsl.catalogue import Catalogue
from czsl.catalogue.duplicates import Seen, pixel_hashes
from czsl.errors import CatalogueError
from czsl.flags import Flag
from czsl.quality import disagreeing, split, vote_flags
from tiny import quick, tiny_catalogue, tiny_config, tiny_model


def has(flags, flag: Flag):
    return (np.asarray(flags) & int(flag)) > 0


def test_few_votes_are_fewer_than_five(survey):
    catalogue = tiny_catalogue(survey, quick("default"))
    question = catalogue.questions[0]
    total = question.total.copy()
    total[:4] = [4, 5, 1, 20]
    changed = replace(catalogue, questions=(replace(question, total=total),))
    unknown = np.full((60, 3), np.nan)
    flags = vote_flags(changed, unknown, unknown)
    assert has(flags, Flag.FEW_VOTES)[:4].tolist() == [True, False, True, False]
    assert not has(flags, Flag.FEW_VOTES)[44:48].any()  # a class alone: the number is not known
    assert has(flags, Flag.NO_VOTES).tolist() == (~catalogue.has_votes).tolist()
    assert not has(flags, Flag.FEW_VOTES)[has(flags, Flag.NO_VOTES)].any()


def test_split_volunteers_and_disagreement():
    fractions = np.array([[0.49, 0.51], [0.4, 0.3], [np.nan, np.nan]])
    assert split(fractions, np.array([10.0, 10, 0])).tolist() == [False, True, False]
    assert split(fractions, np.array([4.0, np.nan, 0])).tolist() == [False, True, False]
    image = np.array([[0.9, 0.1], [0.9, 0.1], [np.nan, np.nan]])
    votes = np.array([[0.12, 0.88], [0.13, 0.87], [0.1, 0.9]])
    assert disagreeing(image, votes).tolist() == [True, False, False]


def test_a_later_object_at_the_same_place_is_a_duplicate_across_parts():
    seen = Seen()
    places = np.array([[10.0, 0.0], [10.0, 0.0002], [np.nan, np.nan], [20.0, 0.0]])
    hashes = np.arange(1, 5).astype(np.uint64)
    assert seen.add(hashes, places).tolist() == [False, True, False, False]
    assert seen.add(hashes + 10, places).tolist() == [True, True, False, True]


def test_images_are_told_apart_by_every_pixel():
    images = np.random.default_rng(0).integers(0, 256, (50, 8, 8, 3), dtype=np.uint8)
    other = images.copy()
    other[7, 3, 3, 1] ^= 1
    assert np.flatnonzero(pixel_hashes(images) != pixel_hashes(other)).tolist() == [7]


def test_votes_that_taught_no_network_are_not_said_to_have(survey):
    catalogue = tiny_catalogue(survey, quick("default", pretrain=False, transfer=False))
    flags = tiny_model(seed=1).fit(catalogue).predict(catalogue)["flags"]
    np.testing.assert_array_equal(has(flags, Flag.TRAINED_ON), catalogue.is_expert)


def test_the_same_image_twice_is_flagged_in_predictions(fitted):
    model, catalogue = fitted
    table = model.predict(catalogue.select(np.array([3, 4, 3])))
    assert has(table["flags"], Flag.DUPLICATE).tolist() == [False, False, True]


def test_an_image_over_the_edge_of_the_frame_is_flagged_and_predicted_from(fitted, tmp_path):
    model, catalogue = fitted
    folder = catalogue.config.folder
    (tmp_path / "images").mkdir()
    for row, name in enumerate(catalogue.ids[:2]):
        pixels = np.array(Image.open(folder / "images" / f"{name}.png"))
        pixels[: 8 * row] = 0
        Image.fromarray(pixels).save(tmp_path / "images" / f"{name}.png")
    here = replace(catalogue, config=catalogue.config.model_copy(update={"folder": tmp_path}))
    table = model.predict(here.select(np.arange(2)))
    assert has(table["flags"], Flag.EDGE_OF_FRAME).tolist() == [False, True]
    shares = [np.sum([table[f"p_image_{c}"][row] for c in catalogue.classes]) for row in (0, 1)]
    np.testing.assert_allclose(shares, 1, atol=1e-6)


@pytest.fixture
def placed(survey, tmp_path):
    """A table with positions, the first two rows at one place."""
    lines = (survey / "objects.csv").read_text().splitlines()
    places = [f",{10 + 0.1 * max(row, 1)},{5.0}" for row in range(len(lines) - 1)]
    table = [lines[0] + ",RA,DEC", *(a + b for a, b in zip(lines[1:], places, strict=True))]
    (tmp_path / "objects.csv").write_text("\n".join(table) + "\n")
    return tmp_path


def test_pairs_at_one_place_are_told_of(placed):
    config = tiny_config(placed, quick("default"), catalogue={"position": ["RA", "DEC"]})
    catalogue = Catalogue.read(config)
    [warning] = [str(one) for one in catalogue.warnings if "position" in str(one)]
    assert "1 row within 1 arcsecond of an earlier row" in warning
    assert "of 1 of them both have an expert's class" in warning
    assert catalogue.positions.shape == (60, 2)
    assert catalogue.select(np.array([5])).positions.tolist() == [[10.5, 5.0]]


def test_angles_out_of_range_are_refused(placed):
    text = (placed / "objects.csv").read_text().replace(",5.0", ",95.0", 1)
    (placed / "objects.csv").write_text(text)
    config = tiny_config(placed, quick("default"), catalogue={"position": ["RA", "DEC"]})
    with pytest.raises(CatalogueError, match=r"column 'DEC'.*out of range.*-90 to 90"):
        Catalogue.read(config)
