"""Images on servers: found, read together, flagged where missing; a failing server is told of."""

import io
import os
import pickle
import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from czsl import remote
from czsl.errors import ImageError, ServerError
from czsl.flags import Flag
from czsl.images import remote as images
from czsl.images.build import build_store
from czsl.images.decoder import Decoder
from czsl.images.places import Places
from czsl.images.source import open_source, refuse_outside
from czsl.images.store import ImageStore
from czsl.sections import ImagesSettings
from pictures import png
from servers import failing, put, unsteady

SETTINGS = ImagesSettings(size=8)
NAMES = [f"{number:03d}" for number in range(300)]
ROOT = "unsteady://survey/images"


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(remote, "WAIT", 0.001)
    with unsteady() as system:
        for name in NAMES:
            put(f"{ROOT}/{name}.png", png(int(name)))
        system.asked.clear()
        yield system


@pytest.fixture
def local(tmp_path):
    """The same images in a folder of this machine."""
    (tmp_path / "images").mkdir()
    for name in NAMES:
        (tmp_path / f"images/{name}.png").write_bytes(png(int(name)))
    return tmp_path


def build(folder: Path, pattern: str, names=NAMES, **changes) -> ImageStore:
    references = [pattern.replace("{id}", name) for name in names]
    source = open_source(pattern, folder=folder, table=changes.pop("table", None))
    options = {"settings": SETTINGS, "source": source, "processes": 1, "shard_rows": 200}
    return build_store(folder / "store", names, references, **options | changes)


def gathered(store: ImageStore) -> np.ndarray:
    return store.gather(np.arange(len(store)))


@pytest.fixture
def expected(local):
    store = build(local, "images/{id}.png")
    pixels = gathered(store)
    (local / "store").rename(local / "expected")
    return pixels


@pytest.mark.parametrize("pattern", [f"{ROOT}/{{id}}.png", ROOT, f"{ROOT}/"])
def test_a_store_of_images_from_a_server(server, local, expected, pattern):
    np.testing.assert_array_equal(gathered(build(local, pattern)), expected)


@pytest.mark.parametrize("pattern", ["file://{folder}/images/{id}.png", "file://{folder}/images"])
def test_several_processes_read_addresses(local, expected, pattern):
    pattern = pattern.replace("{folder}", str(local))
    np.testing.assert_array_equal(gathered(build(local, pattern, processes=2)), expected)


def test_images_in_a_parquet_file_on_a_server(server, local, expected):
    column = pa.array([png(int(name)) for name in NAMES], pa.binary())
    pq.write_table(pa.table({"id": NAMES, "image": column}), local / "a.parquet", row_group_size=70)
    put("unsteady://survey/a.parquet", (local / "a.parquet").read_bytes())
    server.before = failing(2, "open")
    store = build(local, "unsteady://survey/a.parquet/image")
    np.testing.assert_array_equal(gathered(store), expected)
    (local / "store").rename(local / "other")
    rows = np.arange(300)
    table = "unsteady://survey/a.parquet"
    store = build(local, "{image}", table=table, rows=rows)
    np.testing.assert_array_equal(gathered(store), expected)


def test_what_has_not_changed_is_not_read_again(server, local):
    pattern = f"{ROOT}/{{id}}.png"
    build(local, pattern)
    server.asked.clear()
    put(f"{ROOT}/007.png", png(1))
    server.asked.clear()
    store = build(local, pattern)
    assert [path for request, path in server.asked if request == "cat"] == [
        "/survey/images/007.png"
    ]
    np.testing.assert_array_equal(store.gather(np.array([7])), store.gather(np.array([1])))


def test_missing_images_are_flagged(server, local):
    del server.store["/survey/images/005.png"]
    put(f"{ROOT}/006.png", b"not an image")
    store = build(local, f"{ROOT}/{{id}}.png")
    assert store.flags[[4, 5, 6]].tolist() == [0, Flag.IMAGE_MISSING, Flag.IMAGE_UNREADABLE]
    assert store.column("reason", np.array([5])).to_pylist() == ["no such file"]


@pytest.mark.parametrize("request_kind", ["info", "cat"])
def test_a_failure_that_passes_flags_nothing(server, local, expected, request_kind):
    server.before = failing(4, request_kind, "005.png")
    store = build(local, f"{ROOT}/{{id}}.png")
    np.testing.assert_array_equal(gathered(store), expected)
    assert not store.flags.any()


def test_a_server_that_fails_stops_the_work_and_loses_nothing(server, local, expected):
    server.before = failing(10**6, "cat", "150.png")
    with pytest.raises(ServerError, match=r"images/150\.png: the server failed 5 times, last with"):
        build(local, f"{ROOT}/{{id}}.png")
    server.before = lambda request, path: None
    server.asked.clear()
    store = build(local, f"{ROOT}/{{id}}.png")
    np.testing.assert_array_equal(gathered(store), expected)
    again = sorted(path[-7:-4] for request, path in server.asked if request == "cat")
    assert set(again) == set(NAMES[128:])  # two chunks of 64 were kept


def test_images_that_do_not_fit_are_told_of_before_a_failing_server(server, local):
    server.before = failing(10**6, "cat", "150.png")
    with pytest.raises(ImageError, match="128 of 200 images do not fit the settings"):
        build(local, f"{ROOT}/{{id}}.png", settings=ImagesSettings(size=8, crop=100, channels=3))
    assert not list((local / "store").glob("*.npy"))


def test_images_are_asked_for_at_the_same_time(server, local):
    """Every request waits until as many others are under way."""
    together = threading.Barrier(60)
    server.before = lambda request, path: together.wait(timeout=20)
    source = open_source(f"{ROOT}/{{id}}.png", folder=local)
    references = [f"{ROOT}/{name}.png" for name in NAMES[:60]]
    with Decoder(source, settings=SETTINGS, channels=3, processes=1) as decoder:
        batch = decoder.decode(NAMES[:60], references)
    assert not batch.flags.any()
    assert len(server.asked) == 120  # a stamp and the content of each


def test_a_folder_is_listed_once(server, local):
    source = open_source(ROOT, folder=local)
    with Decoder(source, settings=SETTINGS, channels=3, processes=1) as decoder:
        for name in NAMES[:4]:
            assert decoder.decode([name], [ROOT]).flags.tolist() == [0]
    folder = "/survey/images"
    asked = [request for request, path in server.asked if path == folder]
    assert sorted(asked) == ["info", "ls"]


def test_bands_of_one_file_each(server, local):
    for band in "rg":
        for name in NAMES[:2]:
            image = Image.open(io.BytesIO(png(int(name)))).convert("L")
            buffer = io.BytesIO()
            image.save(buffer, "PNG")
            put(f"{ROOT}/{name}_{band}.png", buffer.getvalue())
    settings = ImagesSettings(size=8, bands=("r", "g"), channels=2)
    store = build(local, f"{ROOT}/{{id}}_{{band}}.png", NAMES[:2], settings=settings)
    assert gathered(store).shape == (2, 8, 8, 2)
    assert not store.flags.any()


def test_a_source_is_pickled_without_what_it_has_read(server, local):
    source = open_source(f"{ROOT}/{{id}}.png", folder=local)
    before = len(pickle.dumps(source))
    source.ahead([f"{ROOT}/{name}.png" for name in NAMES], content=True)
    assert len(pickle.dumps(source)) == before
    assert source.read(f"{ROOT}/000.png") == png(0)


def test_a_file_that_is_absurdly_large_is_not_read(server, local, monkeypatch):
    monkeypatch.setattr(images, "MAX_BYTES", 100)
    put(f"{ROOT}/001.png", b"x" * 101)
    put(f"{ROOT}/002.png", b"x" * 100)
    with Decoder(
        open_source(f"{ROOT}/{{id}}.png", folder=local), settings=SETTINGS, channels=3, processes=1
    ) as decoder:
        batch = decoder.decode(["001", "002"], [f"{ROOT}/001.png", f"{ROOT}/002.png"])
    assert batch.flags.tolist() == [Flag.IMAGE_TOO_LARGE, Flag.IMAGE_UNREADABLE]
    assert [path for request, path in server.asked if request == "cat"][-1].endswith("002.png")


@pytest.mark.parametrize("name", ["a.zip/{id}.png", "a.tar.gz", "a.h5", "a.hdf5/images"])
def test_archives_and_hdf5_are_not_read_from_a_server(local, name):
    with pytest.raises(ImageError, match="archives and HDF5 files are not read from a server"):
        build(local, f"unsteady://survey/{name}")


# Where images may lie.

INSIDE = {
    "s3://survey/images/{id}.jpg": "s3://survey/images/a/b.jpg",
    "s3://survey/images": "s3://survey/images/a.jpg",
    "s3://survey/a.parquet/image": "s3://survey/a.parquet/image[3]",
    "https://a.org/cut?ra={ra}&dec={dec}": "https://a.org/cut?ra=1.5&dec=-3",
}
OUTSIDE = {
    "s3://survey/images/../other/1.jpg": "",
    "s3://survey/images/%2e%2E/other/1.jpg": "",
    "s3://survey/images/%252e%252e/other/1.jpg": "",
    "s3://survey/images/..\\1.jpg": "",
    "s3://survey/images/zip://a::file:///etc/passwd": "",
    "s3://survey/imagesque/1.jpg": "s3://survey/imagesque/",
    "s3://other/images/1.jpg": "s3://other/images/",
    "file:///etc/passwd": "file:///etc/",
    "s3://survey/other.parquet/image[3]": "s3://survey/",
}


@pytest.mark.parametrize("pattern", INSIDE)
def test_addresses_inside(pattern):
    source = open_source(pattern, folder=Path("/survey"))
    assert source.outside(INSIDE[pattern]) is None


@pytest.mark.parametrize("reference", OUTSIDE)
def test_addresses_outside(reference):
    source = open_source("s3://survey/images/{id}.jpg", folder=Path("/survey"))
    assert source.outside(reference) == OUTSIDE[reference]
    with pytest.raises(ImageError, match="1 image paths lead out of the configuration's folder"):
        refuse_outside(source, [reference])


@pytest.mark.parametrize("pattern", ["{url}", "https://{server}/1.jpg", "file://{path}", "a/{id}"])
def test_a_column_of_addresses_needs_roots(pattern):
    for reference in ("https://a.org/1.jpg", "file:///etc/passwd"):
        assert open_source(pattern, folder=Path("/survey")).outside(reference)
    roots = ["https://a.org", "more"]
    source = open_source(pattern, folder=Path("/survey"), roots=roots)
    assert source.outside("https://a.org/1.jpg") is None
    assert source.outside("https://a.org.evil/1.jpg") == "https://a.org.evil/"
    assert source.outside("more/1.jpg") is None
    # Behind a folder's name, an address is a path like any other.
    assert source.outside("images/file:///etc/passwd") is None
    assert Places(folder=Path("/a")).path("images/s3://b") == "/a/images/s3://b"


def test_links_lead_out_of_an_address_of_this_machine(tmp_path):
    for name in ("images", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.jpg").write_bytes(b"x")
    os.symlink(tmp_path / "other/1.jpg", tmp_path / "images/2.jpg")
    pattern = f"file://{tmp_path}/images/{{id}}.jpg"
    source = open_source(pattern, folder=Path("/survey"))
    assert source.outside(f"file://{tmp_path}/images/1.jpg") is None
    assert source.outside(f"file://{tmp_path}/images/2.jpg") == f"file://{tmp_path}/other"
    roots = [f"file://{tmp_path}/other"]
    source = open_source(pattern, folder=Path("/survey"), roots=roots)
    assert source.outside(f"file://{tmp_path}/images/2.jpg") is None


def test_a_credential_is_never_repeated(local):
    for place in ("https://me:hush@a.org/{id}.jpg", "https://a.org/{id}.jpg?token=hush"):
        with pytest.raises(ImageError, match="credentials belong into the places") as caught:
            open_source(place, folder=local)
        assert "hush" not in str(caught.value)
