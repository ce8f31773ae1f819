"""What is told of the images."""

import json

import numpy as np
import pytest
from PIL import Image

from czsl.errors import ImageError
from czsl.images.build import build_store
from czsl.images.inspect import refuse_unusable, summary
from czsl.images.source import open_source
from czsl.images.store import ImageStore
from czsl.sections import ImagesSettings


@pytest.fixture
def store(tmp_path):
    rng = np.random.default_rng(0)
    for name, shape in {"a": (9, 12, 3), "b": (9, 12, 4), "c": (7, 12), "d": (20, 20, 3)}.items():
        Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(tmp_path / f"{name}.png")
    (tmp_path / "e.png").write_bytes(b"")
    Image.new("L", (9, 9)).save(tmp_path / "f.png")
    names = [*"abcdef", "g"]
    references = [f"{name}.png" for name in "abcdef"] + [""]
    source = open_source("{id}.png", folder=tmp_path)
    settings = ImagesSettings(size=8)
    return build_store(tmp_path / "store", names, references, settings=settings, source=source)


def test_summary_counts_flags_sizes_and_modes(store):
    found = summary(store)
    assert json.loads(json.dumps(found)) == found
    assert found["images"] == 7
    assert found["usable"] == 4
    assert found["sizes"] == {"12 x 9": 2, "12 x 7": 1, "20 x 20": 1, "9 x 9": 1}
    assert found["modes"] == {"RGB": 2, "L": 2, "RGBA": 1}
    assert found["bands"] == {"3": 2, "1": 2, "4": 1}
    assert found["enlarged"] == 1
    assert found["flags"] == {
        "image_missing": {
            "count": 1,
            "first": [{"id": "g", "reference": "", "reason": "the catalogue names no image"}],
        },
        "image_empty": {
            "count": 1,
            "first": [{"id": "e", "reference": "e.png", "reason": "has no bytes"}],
        },
        "image_blank": {
            "count": 1,
            "first": [
                {
                    "id": "f",
                    "reference": "f.png",
                    "reason": "every pixel has the same value, or none is finite",
                }
            ],
        },
    }


def test_half_unusable_is_allowed_and_more_is_not(store):
    refuse_unusable(ImageStore.open(store.folder, list("abef")))
    words = (
        r"^3 of 5 images are unusable \(image_missing: 1, image_empty: 1, image_blank: 1\): "
        r"'e.png' \(has no bytes\), 'f.png' \(every .*\), 'g' \(the catalogue names no image\); "
    )
    with pytest.raises(ImageError, match=words):
        refuse_unusable(ImageStore.open(store.folder, list("abefg")))
