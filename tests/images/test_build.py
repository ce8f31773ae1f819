"""Building an image store: what is decoded, what is kept, what is refused."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from czsl.errors import ImageError
from czsl.flags import Flag
from czsl.images.build import build_store
from czsl.images.source import open_source
from czsl.images.store import ImageStore
from czsl.sections import ImagesSettings

SETTINGS = ImagesSettings(size=8)


def save(path: Path, seed: int, *, side: int = 16) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def survey(tmp_path):
    for number in range(6):
        save(tmp_path / f"images/{number}.png", number)
    return tmp_path


def build(survey, names, **changes):
    source = open_source("images/{id}.png", folder=survey)
    references = [f"images/{name}.png" for name in names]
    options = {"settings": SETTINGS, "source": source, "processes": 1, "shard_rows": 4}
    return build_store(survey / "store", names, references, **options | changes)


def test_images_come_back_in_the_order_asked_for(survey):
    store = build(survey, list("012345"))
    again = ImageStore.open(survey / "store", list("531"))
    np.testing.assert_array_equal(again.gather(np.array([2, 0])), store.gather(np.array([1, 5])))
    assert store.gather(np.arange(6)).shape == (6, 8, 8, 3)
    assert len({image.tobytes() for image in store.gather(np.arange(6))}) == 6


def test_missing_image_is_a_row_of_zeros(survey):
    store = build(survey, ["0", "1", "none"])
    assert store.flags.tolist() == [0, 0, Flag.IMAGE_MISSING]
    assert store.usable.tolist() == [True, True, False]
    assert not store.gather(np.array([2])).any()


def test_more_than_half_missing_is_an_error(survey):
    with pytest.raises(ImageError, match=r"2 of 3 images are unusable .*'images/x.png' \(no such"):
        build(survey, ["0", "x", "y"])
    assert not (survey / "store").exists()
