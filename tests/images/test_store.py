"""Reading an image store: order, damage, checksums."""

import os
import pickle
import resource
import subprocess
import sys
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
    with pytest.raises(ImageError, match=r"shard-00001.npy: is damaged .*; delete the"):
        store.gather(np.array([1]))
    with pytest.raises(ImageError, match="there is no finished image store; build it first"):
        ImageStore.open(copy, names)


def superseded(folder: Path) -> None:
    """Write images 0 to 4 again, black, so that the first shard counts no more."""
    shards = Shards.found(folder)
    names = [f"id {number}" for number in range(5)]
    shards.write(names, names, [Batch.empty(5, 8, 3)])
    shards.finish()


def test_what_a_store_reads_stays_while_it_is_open(copy):
    names = [f"id {number}" for number in range(COUNT)]
    before = ImageStore.open(copy, names)
    travelled = pickle.loads(pickle.dumps(before.only(np.arange(5))))
    superseded(copy)
    assert not ImageStore.open(copy, names).gather(np.arange(5)).any()
    np.testing.assert_array_equal(travelled.gather(np.arange(5)), images()[:5])
    np.testing.assert_array_equal(before.gather(np.arange(COUNT)), images())
    assert (copy / "shard-00000.npy").exists()
    part = before.only(np.array([1]))
    del before
    Shards.found(copy).sweep()
    np.testing.assert_array_equal(part.gather(np.array([0])), images()[[1]])
    del part
    Shards.found(copy).sweep()
    assert not (copy / "shard-00000.npy").exists()
    assert not (copy / "shard-00000.parquet").exists()


def test_a_store_in_another_process_keeps_its_shards(copy):
    code = """
import sys, pathlib, numpy as np
from czsl.images.store import ImageStore
store = ImageStore.open(pathlib.Path(sys.argv[1]), ["id 2"])
print("open", flush=True)
input()
print(store.gather(np.array([0])).sum())
"""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", code, copy], **pipes) as other:
        assert other.stdout.readline() == "open\n"
        superseded(copy)
        told, _ = other.communicate("\n", timeout=60)
    assert int(told) == images()[2].sum()
    Shards.found(copy).sweep()
    assert not (copy / "shard-00000.npy").exists()


def test_half_written_files_are_swept_while_others_read(copy):
    store = ImageStore.open(copy, ["id 1"])
    (copy / ".shard-00005.npy.77.part").write_bytes(b"half")
    superseded(copy)
    assert not list(copy.glob(".*.part"))
    assert len(store) == 1


def test_store_in_a_folder_where_no_lock_can_be_made(copy):
    (copy / "readers").unlink(missing_ok=True)
    (copy / "readers").symlink_to("no such folder/readers")  # root may write anywhere else
    found = ImageStore.open(copy, ["id 9"]).gather(np.array([0]))
    np.testing.assert_array_equal(found, images()[[9]])


def test_no_lock_is_left_where_there_is_no_store(tmp_path):
    with pytest.raises(ImageError, match="there is no finished image store"):
        ImageStore.open(tmp_path, ["a"])
    assert list(tmp_path.iterdir()) == []


def test_shard_that_somebody_deletes(copy):
    store = ImageStore.open(copy, ["id 1"])
    for path in copy.iterdir():
        path.unlink()
    for work in (lambda: store.gather(np.array([0])), lambda: store.column("checksum")):
        with pytest.raises(ImageError, match=r"shard-0000.*: was deleted while .*--resume"):
            work()


def test_too_many_open_files_are_no_damage(copy):
    names = [f"id {number}" for number in range(COUNT)]
    store = ImageStore.open(copy, names)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)  # the lowest number that no open file has
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        for work in (
            lambda: store.gather(np.arange(COUNT)),
            lambda: store.column("checksum"),
            lambda: ImageStore.open(copy, names),
            lambda: Shards.found(copy),
        ):
            with pytest.raises(ImageError, match=r"does not let this .*Too many open.*ulimit -n"):
                work()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    np.testing.assert_array_equal(store.gather(np.arange(COUNT)), images())


def test_images_are_plain_npy_files(folder):
    np.testing.assert_array_equal(np.load(folder / "shard-00000.npy"), images()[:5])


def test_no_objects(folder):
    store = ImageStore.open(folder, [])
    assert store.gather(np.array([], dtype=np.int64)).shape == (0, 8, 8, 3)
