"""Reading an image store: order, damage, checksums."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from czsl.errors import ImageError
from czsl.flags import Flag
from czsl.images.shards import Form, Shards
from czsl.images.store import ImageStore
from czsl.images.worker import Batch
from czsl.sections import ImagesSettings

COUNT = 23


def images(count: int = COUNT) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A store of 23 images in shards of 5, without decoding anything."""
    folder = tmp_path_factory.mktemp("store")
    shards = Shards(
        folder, form=Form(size=8, channels=3, fingerprint="x", settings={"size": 8, "crop": 0.5})
    )
    for start in range(0, COUNT, 5):
        pixels = images()[start : start + 5]
        batch = Batch.empty(len(pixels), 8, 3)
        batch.pixels[:] = pixels
        batch.flags[:] = np.arange(start, start + len(pixels)) % 2 * int(Flag.NO_VOTES)
        names = [f"id {start + index}" for index in range(len(pixels))]
        shards.write(names, names, [batch])
    shards.finish()
    return folder


@given(order=st.lists(st.integers(0, COUNT - 1), max_size=40), data=st.data())
@settings(max_examples=50, deadline=None)
def test_any_rows_of_any_order_of_ids(folder, order, data):
    ids = data.draw(st.permutations(range(COUNT)))
    store = ImageStore.open(folder, [f"id {number}" for number in ids])
    found = store.gather(np.array(order, dtype=np.int64))
    np.testing.assert_array_equal(found, images()[np.array(ids)[order]])


def test_flags_follow_the_ids(folder):
    store = ImageStore.open(folder, ["id 3", "id 4", "id 22"])
    assert store.flags.tolist() == [Flag.NO_VOTES, 0, 0]
    assert store.usable.all()  # having no votes is no fault of the image
    assert store.column("reference").to_pylist() == ["id 3", "id 4", "id 22"]


def test_store_tells_what_its_images_were_prepared_with(folder):
    store = ImageStore.open(folder, ["id 0"])
    assert store.settings == ImagesSettings(size=8, crop=0.5)
    assert (store.size, store.channels) == (8, 3)


def test_objects_that_are_not_in_the_store(folder):
    with pytest.raises(ImageError, match="2 objects are not in the image store, first 'a', 'b'"):
        ImageStore.open(folder, ["id 0", "a", "b"])


def test_folder_without_a_store(tmp_path):
    with pytest.raises(ImageError, match="there is no finished image store; build it first"):
        ImageStore.open(tmp_path, ["a"])


@pytest.fixture
def copy(folder, tmp_path) -> Path:
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def test_a_changed_pixel_is_found(copy):
    names = [f"id {number}" for number in range(COUNT)]
    ImageStore.open(copy, names).verify()
    raw = bytearray((copy / "shard-00002.npy").read_bytes())
    raw[-1] ^= 1
    (copy / "shard-00002.npy").write_bytes(raw)
    with pytest.raises(ImageError, match="1 images differ from what was written, first 'id 14'"):
        ImageStore.open(copy, names).verify()


def test_store_with_a_damaged_shard_is_not_finished(copy):
    names = ["id 1", "id 7"]
    store = ImageStore.open(copy, names)
    (copy / "shard-00001.npy").write_bytes(b"")
    np.testing.assert_array_equal(store.gather(np.array([0])), images()[[1]])
    with pytest.raises(ImageError, match=r"shard-00001.npy: is missing or damaged .*; delete the"):
        store.gather(np.array([1]))
    with pytest.raises(ImageError, match="there is no finished image store; build it first"):
        ImageStore.open(copy, names)


def test_images_are_plain_npy_files(folder):
    np.testing.assert_array_equal(np.load(folder / "shard-00000.npy"), images()[:5])


def test_no_objects(folder):
    store = ImageStore.open(folder, [])
    assert store.gather(np.array([], dtype=np.int64)).shape == (0, 8, 8, 3)
