"""Building an image store: what is decoded, what is kept, what is refused."""

import os
import resource
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tifffile
import torch
from astropy.io import fits
from PIL import Image

from czsl.errors import ImageError, WriteError
from czsl.files import write_json
from czsl.flags import Flag
from czsl.images import worker
from czsl.images.build import build_store, decide_channels, store_folder
from czsl.images.decoder import Decoder
from czsl.images.prepare import prepare
from czsl.images.shards import locked
from czsl.images.source import open_source
from czsl.images.store import ImageStore
from czsl.images.stretch import asinh_stretch
from czsl.nets.network import make_network
from czsl.sections import ImagesSettings, StretchSettings
from czsl.train.samples import to_tensor

SETTINGS = ImagesSettings(size=8)
NAMES = list("012345")


def save(path: Path, seed: int, *, side: int = 16) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def survey(tmp_path):
    for name in NAMES:
        save(tmp_path / f"images/{name}.png", int(name))
    return tmp_path


@pytest.fixture
def decoded(monkeypatch):
    """The references that were decoded, as they come."""
    found: list[str] = []
    whole = worker.read_picture

    def read(task, reference):
        found.append(reference)
        return whole(task, reference)

    monkeypatch.setattr(worker, "read_picture", read)
    return found


def build(survey, names=NAMES, *, pattern="images/{id}.png", **changes):
    options = {
        "settings": SETTINGS,
        "source": open_source(pattern, folder=survey),
        "processes": 1,
        "shard_rows": 4,
    }
    references = [pattern.replace("{id}", name) for name in names]
    return build_store(survey / "store", names, references, **options | changes)


def files(folder: Path) -> dict[str, bytes]:
    locks = ("lock", "readers")
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name not in locks}


def test_images_come_back_in_the_order_asked_for(survey):
    store = build(survey)
    images = store.gather(np.arange(6))
    for name, image in zip(NAMES, images, strict=True):
        whole = Image.open(survey / f"images/{name}.png")
        np.testing.assert_array_equal(image, prepare(np.asarray(whole), SETTINGS, 3))
    again = ImageStore.open(survey / "store", ["5", "3", "1"])
    np.testing.assert_array_equal(again.gather(np.array([2, 0, 2])), images[[1, 5, 1]])
    assert again.sizes.tolist() == [[16, 16, 3]] * 3
    assert len(again) == 3


def test_several_processes_write_the_same_bytes(tmp_path):
    names = [str(number) for number in range(300)]  # enough for processes to start
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in names:
            save(tmp_path / "1.png", int(name), side=8)
            archive.write(tmp_path / "1.png", f"{name}.png")
    alone = build(tmp_path, names, pattern="a.zip/{id}.png", shard_rows=130)
    first = files(alone.folder)
    alone.folder.rename(tmp_path / "alone")
    several = build(tmp_path, names, pattern="a.zip/{id}.png", shard_rows=130, processes=3)
    assert files(several.folder) == first
    assert len([name for name in first if name.endswith(".npy")]) == 3


@pytest.fixture
def steps(monkeypatch):
    """The row groups of Parquet files that were begun, as they come."""
    found: list[int] = []
    whole = pq.ParquetFile.iter_batches

    def begin(file, *options, row_groups, **more):
        found.extend(row_groups)
        return whole(file, *options, row_groups=row_groups, **more)

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", begin)
    return found


def write_column(folder: Path, count: int, group: int) -> np.ndarray:
    """Store images in a column, in row groups of so many; their pixels."""
    pixels = np.random.default_rng(3).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
    values = []
    for one in pixels:
        Image.fromarray(one).save(folder / "one.png")
        values.append((folder / "one.png").read_bytes())
    table = pa.table({"id": [f"{row}" for row in range(count)], "image": values})
    pq.write_table(table, folder / "cutouts.parquet", row_group_size=group)
    return pixels


@pytest.mark.parametrize("processes", [1, 2])
def test_a_column_in_another_order_is_read_from_start_to_end(tmp_path, steps, processes):
    pixels = write_column(tmp_path, 300, 100)
    rows = np.random.default_rng(0).permutation(300)
    pattern, names = "cutouts.parquet/image", [f"{row}" for row in rows]
    source = open_source(pattern, folder=tmp_path)
    with Decoder(source, settings=SETTINGS, channels=3, processes=processes) as decoder:
        batch = decoder.decode(names, [pattern] * 300)
        np.testing.assert_array_equal(batch.pixels, pixels[rows])
        assert batch.stamps == decoder.decode(names, [pattern] * 300).stamps
    assert steps == ([0, 1, 2] * 2 if processes == 1 else [])  # others read, each its share
    del steps[:]
    settings = {"settings": SETTINGS, "source": source, "processes": processes}
    store = build_store(tmp_path / "store", names, [pattern] * 300, **settings, shard_rows=64)
    np.testing.assert_array_equal(store.gather(np.arange(300)), pixels[rows])
    assert steps[:3] == steps[-3:] == [0, 1, 2]  # all stamps, all images
    assert len(steps) <= 7  # and the first, which tells the channels


def test_what_is_wrong_with_rows_is_told_of_their_own_objects(tmp_path):
    write_column(tmp_path, 5, 5)
    source = open_source("{file}", folder=tmp_path)
    places = [f"cutouts.parquet/image[{row}]" for row in (4, 9, 1, 0)]
    with Decoder(source, settings=SETTINGS, channels=3, processes=1) as decoder:
        batch = decoder.decode(list("abcd"), places)
    assert batch.reasons == ["", "the table holds no image in this row", "", ""]
    small = Decoder(source, settings=ImagesSettings(crop=9, size=8), channels=3, processes=1)
    with small, pytest.raises(ImageError, match=r"3 of 4 .*: 'cutouts\.parquet/image\[4\]' "):
        small.decode(list("abcd"), places)


def test_second_run_decodes_nothing_and_writes_nothing(survey, decoded):
    before = files(build(survey).folder)
    assert len(decoded) == 6
    times = {path.name: path.stat().st_mtime_ns for path in (survey / "store").iterdir()}
    decoded.clear()
    assert files(build(survey).folder) == before
    assert decoded == []
    assert times == {path.name: path.stat().st_mtime_ns for path in (survey / "store").iterdir()}


def test_only_new_images_are_decoded_into_a_new_shard(survey, decoded):
    build(survey)
    decoded.clear()
    save(survey / "images/new.png", 77)
    store = build(survey, ["new", *NAMES])
    assert decoded == ["images/new.png"]
    assert sorted(path.name for path in store.folder.glob("*.npy"))[-1] == "shard-00002.npy"
    assert len(np.unique(store.gather(np.arange(7)), axis=0)) == 7


def test_only_changed_images_are_decoded_and_the_last_counts(survey, decoded):
    before = build(survey).gather(np.arange(6))
    decoded.clear()
    save(survey / "images/4.png", 99)
    os.utime(survey / "images/4.png", (1, 1))
    after = build(survey).gather(np.arange(6))
    assert decoded == ["images/4.png"]
    assert (before != after).any(axis=(1, 2, 3)).tolist() == [name == "4" for name in NAMES]


def test_another_reference_is_decoded(survey, decoded):
    build(survey)
    save(survey / "others/0.png", 50)
    decoded.clear()
    references = ["others/0.png"] + [f"images/{name}.png" for name in NAMES[1:]]
    source = open_source("{file}", folder=survey)
    build_store(survey / "store", NAMES, references, settings=SETTINGS, source=source)
    assert decoded == ["others/0.png"]


def test_shard_of_which_nothing_counts_is_deleted(survey):
    build(survey, NAMES[:4])
    for name in NAMES[:4]:
        os.utime(survey / f"images/{name}.png", (5, 5))
    store = build(survey)
    assert [path.name for path in sorted(store.folder.glob("*.npy"))] == [
        "shard-00001.npy",
        "shard-00002.npy",
    ]
    store.verify()


def test_image_that_comes_later_is_decoded_later(survey):
    store = build(survey, ["0", "1", "late"])
    assert store.flags.tolist() == [0, 0, Flag.IMAGE_MISSING]
    assert store.usable.tolist() == [True, True, False]
    assert not store.gather(np.array([2])).any()
    save(survey / "images/late.png", 3)
    assert build(survey, ["0", "1", "late"]).usable.all()


def test_unusable_images_are_rows_with_flag_and_reason(survey):
    (survey / "images/a.png").write_bytes(b"")
    (survey / "images/b.png").write_bytes((survey / "images/0.png").read_bytes()[:100])
    (survey / "images/c.png").write_text("<html>")
    Image.new("RGB", (9, 9), "blue").save(survey / "images/d.png")
    (survey / "images/e.png").mkdir()
    store = build(survey, [*NAMES, *"abcde"])
    assert store.flags[6:].tolist() == [
        Flag.IMAGE_EMPTY,
        Flag.IMAGE_UNREADABLE,
        Flag.IMAGE_UNREADABLE,
        Flag.IMAGE_BLANK,
        Flag.IMAGE_UNREADABLE,
    ]
    reasons = store.column("reason").to_pylist()
    assert reasons[:6] == [""] * 6
    assert all(reasons[6:])
    assert store.sizes[9].tolist() == [9, 9, 3]
    assert not store.gather(np.arange(6, 11)).any()


def test_reason_that_may_pass_is_tried_again(survey, monkeypatch, decoded):
    def fails(path):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("czsl.images.folder.read_file", fails)
        with pytest.raises(ImageError, match=r"6 of 6 .*cannot be read: Input/output error"):
            build(survey)
    decoded.clear()
    assert build(survey).usable.all()
    assert len(decoded) == 6


def test_more_than_half_missing_is_an_error_before_anything_is_written(survey):
    with pytest.raises(ImageError) as caught:
        build(survey, ["0", "1", "x", "y", "z", "w"])
    assert str(caught.value) == (
        "4 of 6 images are unusable (image_missing: 4): 'images/x.png' (no such file), "
        "'images/y.png' (no such file), 'images/z.png' (no such file) …; correct [catalogue] "
        "images, or the files"
    )
    assert not (survey / "store").exists()


def test_more_than_half_unusable_is_an_error_that_names_three(survey):
    for name in "abcdefg":
        (survey / f"images/{name}.png").write_text("")
    words = r"7 of 13 .*\(image_empty: 7\): 'images/a.png' \(has no bytes\), 'images/b.png'"
    with pytest.raises(ImageError, match=words):
        build(survey, [*NAMES, *"abcdefg"])
    assert build(survey, [*NAMES, *"abcdef"]).usable.sum() == 6


def test_crop_larger_than_images_stops_and_names_three(survey):
    for name in "24":
        save(survey / f"images/{name}.png", 1, side=40)
    words = (
        r"^3 of 4 images do not fit the settings: 'images/0.png' \(16 x 16 pixels, smaller than "
        r"the 20 of \[images\] crop\), .*; change \[images\]"
    )
    with pytest.raises(ImageError, match=words):
        build(survey, ["0", "2", "1", "3"], settings=ImagesSettings(size=8, crop=20))
    assert not list((survey / "store").glob("shard*"))


def test_paths_that_leave_the_folder_are_refused_before_anything_is_read(survey, decoded):
    with pytest.raises(ImageError, match="6 image paths lead out"):
        build(survey, pattern="../{id}.png")
    assert decoded == []
    assert not (survey / "store").exists()


def test_other_settings_are_refused_and_have_another_folder(survey):
    build(survey)
    other = ImagesSettings(size=8, crop=10)
    with pytest.raises(ImageError, match="prepared with other settings; choose another folder"):
        build(survey, settings=other)
    folders = {
        store_folder(survey, pattern, settings)
        for pattern in ("a", "b")
        for settings in (SETTINGS, other, ImagesSettings(size=8, stretch=StretchSettings(scale=2)))
    }
    assert len(folders) == 6


def test_progress_counts_up_to_what_is_to_be_done(survey):
    told: list[tuple[int, int]] = []
    build(survey, progress=lambda done, total: told.append((done, total)))
    assert told == [(4, 6), (6, 6)]


def test_full_disk_leaves_the_store_as_it_was(survey):
    before = files(build(survey, NAMES[:3]).folder)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, hard))
    try:
        with pytest.raises(WriteError, match=r"shard-00001.npy: cannot be written \(File too lar"):
            build(survey)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert files(survey / "store") == before
    ImageStore.open(survey / "store", NAMES[:3]).verify()
    assert build(survey).usable.all()


def test_folder_that_cannot_be_made(survey):
    (survey / "store").write_text("a file")
    with pytest.raises(WriteError, match=r"store: cannot be written .* choose another place"):
        build(survey)


def test_two_processes_do_not_build_the_same_store(survey):
    store = build(survey, NAMES[:2])
    with (
        locked(store.folder),
        pytest.raises(ImageError, match="another process is decoding into this image store"),
    ):
        build(survey)
    build(survey)
    with locked(store.folder):
        build(survey)  # nothing to do, so nothing to wait for


def test_bands_in_files_of_their_own(tmp_path):
    rng = np.random.default_rng(0)
    flux = {band: rng.normal(20, 9, (12, 12)).astype(np.float32) for band in "irg"}
    for band, values in flux.items():
        fits.PrimaryHDU(values).writeto(tmp_path / f"1-{band}.fits")
    fits.PrimaryHDU(np.stack([flux["i"], flux["r"], flux["g"]])).writeto(tmp_path / "cube.fits")
    settings = ImagesSettings(size=12, bands=("i", "r", "g"))
    files = build_store(
        tmp_path / "store",
        ["1", "2", "3"],
        ["1-{band}.fits", "cube.fits", "2-{band}.fits"],
        settings=settings,
        source=open_source("{file}", folder=tmp_path),
    )
    one, cube, _ = files.gather(np.arange(3))
    assert one.any()
    np.testing.assert_array_equal(one, cube)
    assert files.flags.tolist() == [0, 0, Flag.IMAGE_MISSING]
    assert files.sizes[0].tolist() == [12, 12, 3]
    fits.PrimaryHDU(flux["g"][:5]).writeto(tmp_path / "1-g.fits", overwrite=True)
    source = open_source("{file}", folder=tmp_path)
    task = worker.Task(source, settings, 3)
    batch = worker.decode_batch(task, ["1-{band}.fits"])
    assert batch.reasons == ["its bands differ in size, or are not grey: [(5, 12, 1), (12, 12, 1)]"]


@pytest.mark.parametrize(
    ("name", "given", "channels"),
    [
        ("a.fits", None, 1),
        ("b.fits", None, 3),
        ("c.png", None, 3),
        ("b.fits", 1, 1),
        ("d.fits", None, 2),
        ("e.tif", None, 4),
        ("e.tif", 4, 4),
    ],
)
def test_channels_are_as_set_or_as_the_first_readable_image_has(tmp_path, name, given, channels):
    pixels = np.random.default_rng(0).normal(size=(3, 9, 9))
    fits.PrimaryHDU(pixels[0]).writeto(tmp_path / "a.fits")
    fits.PrimaryHDU(pixels).writeto(tmp_path / "b.fits")
    Image.fromarray(pixels[0].astype(np.uint8)).save(tmp_path / "c.png")
    fits.PrimaryHDU(pixels[:2]).writeto(tmp_path / "d.fits")
    four = np.random.default_rng(1).integers(0, 2**16, (4, 9, 9), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "e.tif", four, photometric="minisblack")
    (tmp_path / "damaged.fits").write_bytes(b"SIMPLE  =")
    settings = ImagesSettings(size=8, channels=given)
    source = open_source("{file}", folder=tmp_path)
    assert decide_channels(source, ["none", "damaged.fits", name], settings) == channels
    store = build_store(tmp_path / "store", ["1"], [name], settings=settings, source=source)
    assert store.gather(np.array([0])).shape == (1, 8, 8, channels)


def test_images_of_other_bands_than_the_first_are_refused(tmp_path):
    rng = np.random.default_rng(0)
    for name, bands in (("1", 5), ("2", 4)):
        fits.PrimaryHDU(rng.normal(size=(bands, 9, 9))).writeto(tmp_path / f"{name}.fits")
    words = r"'2.fits' \(4 band\(s\), where 5 channel\(s\) are made of 5;"
    with pytest.raises(ImageError, match=words):
        build(tmp_path, ["1", "2"], pattern="{id}.fits")


@pytest.mark.parametrize("kind", ["fits", "tif"])
def test_more_than_eight_bands_are_refused(tmp_path, kind):
    cube = np.random.default_rng(0).normal(size=(9, 9, 9)).astype(np.float32)
    if kind == "fits":
        fits.PrimaryHDU(cube).writeto(tmp_path / "1.fits")
    else:
        tifffile.imwrite(tmp_path / "1.tif", cube, photometric="minisblack")
    with pytest.raises(ImageError, match=r"\(9 bands, of which 8 at most can be used\)"):
        build(tmp_path, ["1"], pattern=f"{{id}}.{kind}")


@pytest.mark.parametrize("kind", ["cube", "files", "tiff", "hdf5"])
def test_five_bands_from_files_to_a_network(tmp_path, kind):
    """Whatever holds five bands, the store and the decoder give the same, and a network sees it."""
    rng = np.random.default_rng(0)
    cubes = rng.normal(3, 2, (4, 5, 20, 20)).astype(np.float32)
    shown = cubes[:, :, ::-1]  # FITS counts rows upwards
    settings = ImagesSettings(crop=16, size=16, bands=tuple("zirgu") if kind == "files" else ())
    ids = ["1", "2", "3", "4"]
    for name, cube, seen in zip(ids, cubes, shown, strict=True):
        if kind == "cube":
            fits.PrimaryHDU(cube).writeto(tmp_path / f"{name}.fits")
        elif kind == "tiff":
            tifffile.imwrite(tmp_path / f"{name}.tif", seen, photometric="minisblack")
        elif kind == "files":
            for band, flux in zip("zirgu", cube, strict=True):
                fits.PrimaryHDU(flux).writeto(tmp_path / f"{name}_{band}.fits")
    if kind == "hdf5":
        with h5py.File(tmp_path / "cutouts.h5", "w") as file:
            file["images"], file["ids"] = np.moveaxis(shown, 1, -1), ids
    patterns = {"cube": "{}.fits", "tiff": "{}.tif", "files": "{}_{{band}}.fits"}
    references = [patterns.get(kind, "cutouts.h5").format(name) for name in ids]
    source = open_source("{file}", folder=tmp_path)
    store = build_store(tmp_path / "store", ids, references, settings=settings, source=source)
    assert (store.channels, store.sizes[0].tolist()) == (5, [20, 20, 5])
    images = store.gather(np.arange(4))
    expected = asinh_stretch(np.moveaxis(shown, 1, -1)[:, 2:18, 2:18], settings.stretch)
    np.testing.assert_array_equal(images, expected)
    with Decoder(source, settings=settings, channels=5) as decoder:
        np.testing.assert_array_equal(decoder.decode(ids, references).pixels, images)
    network = make_network(
        "residual", channels=5, size=16, width=4, questions=[2], classes=3, seed=0
    )
    outputs = network.eval()(to_tensor(images, torch.device("cpu")))
    blind = network(to_tensor(np.where(np.arange(5) == 4, 0, images), torch.device("cpu")))
    assert outputs.classes.shape == (4, 3)
    assert (outputs.classes - blind.classes).abs().max() > 1e-5  # the last band is seen too


@pytest.mark.parametrize("name", ["shard-00000.npy", "shard-00000.parquet"])
@pytest.mark.parametrize("damage", ["gone", "short"])
def test_damaged_shard_is_decoded_again(survey, decoded, name, damage):
    before = build(survey).gather(np.arange(6))
    path = survey / "store" / name
    raw = path.read_bytes()
    path.unlink()
    if damage == "short":
        path.write_bytes(raw[: len(raw) // 2])
    decoded.clear()
    store = build(survey)
    assert len(decoded) == 4
    np.testing.assert_array_equal(store.gather(np.arange(6)), before)
    store.verify()


def test_store_of_a_later_version_is_refused(survey):
    store = build(survey)
    write_json(store.folder / "manifest.json", {"schema": 99})
    with pytest.raises(ImageError, match="is of version 99, where this program knows 1; delete"):
        build(survey)
    for foreign in ("{", "[]", '{"schema": 1}', '{"schema": 1, "form": {"size": 8}}'):
        (store.folder / "manifest.json").write_text(foreign)
        with pytest.raises(ImageError, match="is not the manifest of an image store"):
            ImageStore.open(store.folder, NAMES)
