"""One contract for every kind of place that images come from."""

import io
import os
import pickle
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from czsl.errors import ImageError, MissingExtraError
from czsl.flags import Flag
from czsl.images import adapter, folder
from czsl.images.decode import decode
from czsl.images.source import open_source
from czsl.images.unusable import UnusableImageError
from czsl.locks import locked_in_turn
from pictures import pixels, png

IDS = ["587722952767439450", "b", "c"]
ROWS = np.arange(3)


def write_folder(place: Path, seeds: dict[str, int]) -> str:
    (place / "images").mkdir(exist_ok=True)
    for name, seed in seeds.items():
        (place / f"images/{name}.png").write_bytes(png(seed))
    return "images/{id}.png"


def write_whole_folder(place: Path, seeds: dict[str, int]) -> str:
    write_folder(place, seeds)
    return "images"


def write_zip(place: Path, seeds: dict[str, int]) -> str:
    with zipfile.ZipFile(place / "cutouts.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, seed in seeds.items():
            archive.writestr(f"deep/{name}.png", png(seed))
    return "cutouts.zip/deep/{id}.png"


def write_whole_zip(place: Path, seeds: dict[str, int]) -> str:
    write_zip(place, seeds)
    return "cutouts.zip"


def write_tar(place: Path, seeds: dict[str, int], ending: str = "tar") -> str:
    mode = {"tar": "w", "tar.gz": "w:gz", "tgz": "w:gz", "tar.xz": "w:xz"}[ending]
    with tarfile.open(place / f"cutouts.{ending}", mode) as archive:
        for name, seed in seeds.items():
            member = tarfile.TarInfo(f"./{name}.png")
            member.size, member.mtime = len(png(seed)), 1_700_000_000 + seed
            archive.addfile(member, io.BytesIO(png(seed)))
    return f"cutouts.{ending}/{{id}}.png"


def write_hdf5(place: Path, seeds: dict[str, int], *, ids: bool = True) -> str:
    with h5py.File(place / "cutouts.h5", "w") as file:
        file["images"] = np.stack([pixels(seed) for seed in seeds.values()])
        if ids:
            file["ids"] = list(seeds)
    return "cutouts.h5"


def write_table(place: Path, seeds: dict[str, int], name: str = "galaxies") -> str:
    values = [png(seed) for seed in seeds.values()]
    table = pa.table({"id": list(seeds), "bytes": pa.array(values, pa.binary())})
    pq.write_table(table, place / f"{name}.parquet", row_group_size=2)
    return "{bytes}"


def write_other_table(place: Path, seeds: dict[str, int]) -> str:
    write_table(place, seeds, "cutouts")
    return "cutouts.parquet/bytes"


KINDS: dict[str, Callable[[Path, dict[str, int]], str]] = {
    "folder": write_folder,
    "whole folder": write_whole_folder,
    "zip": write_zip,
    "whole zip": write_whole_zip,
    "tar": write_tar,
    "tar.gz": lambda place, seeds: write_tar(place, seeds, "tar.gz"),
    "tgz": lambda place, seeds: write_tar(place, seeds, "tgz"),
    "tar.xz": lambda place, seeds: write_tar(place, seeds, "tar.xz"),
    "hdf5": write_hdf5,
    "hdf5 in order": lambda place, seeds: write_hdf5(place, seeds, ids=False),
    "table": write_table,
    "other table": write_other_table,
}


def opened(place: Path, pattern: str, **options):
    return open_source(pattern, folder=place, table=place / "galaxies.parquet", **options)


def located(source, pattern: str, ids: list[str] = IDS, rows=ROWS) -> list[str]:
    return source.locate(ids, [pattern.replace("{id}", one) for one in ids], rows[: len(ids)])


@pytest.fixture(params=KINDS)
def kind(request):
    return KINDS[request.param]


def test_each_object_has_its_image(kind, tmp_path):
    pattern = kind(tmp_path, dict(zip(IDS, range(3), strict=True)))
    source = opened(tmp_path, pattern)
    for seed, reference in enumerate(located(source, pattern)):
        np.testing.assert_array_equal(decode(source.read(reference)).pixels, pixels(seed))
        assert source.outside(reference) is None


@pytest.mark.parametrize("ids", [["c"], ["c", "none", "b"]])
def test_a_reference_to_one_image_is_that_image_whoever_asks(kind, ids, tmp_path):
    """A column of the table may say which row of a data set is an object's; of one object too."""
    pattern = kind(tmp_path, dict(zip(IDS, range(3), strict=True)))
    source = opened(tmp_path, pattern)
    first = located(source, pattern)[0]
    for rows in (None, np.arange(1, 1 + len(ids)), np.arange(len(ids)) + 99):
        assert source.locate(ids, [first] * len(ids), rows) == [first] * len(ids)


def test_images_are_read_in_any_order_and_after_pickling(kind, tmp_path):
    pattern = kind(tmp_path, dict(zip(IDS, range(3), strict=True)))
    source = opened(tmp_path, pattern)
    references = located(source, pattern)
    source.read(references[0])  # what is open now stays behind
    copy = pickle.loads(pickle.dumps(source))
    for seed in (2, 0, 1, 1):
        np.testing.assert_array_equal(decode(copy.read(references[seed])).pixels, pixels(seed))


def test_stamp_changes_with_the_image_and_with_nothing_else(kind, tmp_path):
    pattern = kind(tmp_path, {"a": 0, "b": 1})
    source = opened(tmp_path, pattern)
    references = located(source, pattern, ["a", "b"])
    before = [source.stamp(reference) for reference in references]
    assert all(before)
    del source  # closes what was open: HDF5 does not write to it otherwise
    assert before == [opened(tmp_path, pattern).stamp(one) for one in references]
    for path in tmp_path.rglob("*"):
        if path.is_file():  # a file system may count time in seconds
            os.utime(path, (1, 1))
    kind(tmp_path, {"a": 0, "b": 7})
    after = opened(tmp_path, pattern)
    assert after.stamp(references[1]) != before[1]


def effort(work: Callable[[], object]) -> int:
    """Count the functions that are called, Python's own too; the least of three times."""
    counts = []
    for _ in range(3):  # now and then somebody else's are called as well
        events: list[str] = []
        before = sys.getprofile()
        sys.setprofile(lambda frame, event, value, events=events: events.append(event))
        try:
            work()
        finally:
            sys.setprofile(before)
        counts.append(events.count("call") + events.count("c_call"))
    return min(counts)


def test_what_a_place_holds_is_listed_once_and_not_pickled(kind, tmp_path):
    """A place of many images is asked for one as quickly as a place of few."""
    efforts, sizes = [], []
    for count in (3, 90):
        place = tmp_path / f"{count:02d}"
        place.mkdir()
        pattern = kind(place, {f"{number:02d}": 0 for number in range(count)})
        source = opened(place, pattern)
        first = located(source, pattern, ["02"], ROWS[2:])
        assert first[0]
        efforts.append(effort(lambda: located(source, pattern, ["01"], ROWS[1:])))  # noqa: B023
        assert located(source, pattern, ["02"], ROWS[2:]) == first
        sizes.append(len(pickle.dumps(source)))
    assert efforts[0] == efforts[1]
    assert sizes[0] == sizes[1]


def test_missing_image_has_no_stamp_and_is_flagged(kind, tmp_path):
    pattern = kind(tmp_path, {"a": 0, "b": 1})
    source = opened(tmp_path, pattern)
    if pattern == "{bytes}" or kind is KINDS["hdf5 in order"]:
        references = [located(source, pattern, ["a"])[0].replace("[0]", "[2]")]
    else:
        references = located(source, pattern, ["none"])
    if references == [""]:
        return  # nothing to ask for
    assert source.stamp(references[0]) == ""
    with pytest.raises(UnusableImageError, match=r"no such|holds no image") as caught:
        source.read(references[0])
    assert caught.value.flag == Flag.IMAGE_MISSING


def test_absurdly_large_file_is_not_read(kind, tmp_path, monkeypatch):
    pattern = kind(tmp_path, {"a": 0, "b": 1})
    for module in ("folder", "archive", "hdf5", "parquet"):
        monkeypatch.setattr(f"czsl.images.{module}.MAX_BYTES", 100)
    source = opened(tmp_path, pattern)
    with pytest.raises(UnusableImageError, match="bytes, of which 100 at most") as caught:
        source.read(located(source, pattern, ["a"])[0])
    assert caught.value.flag == Flag.IMAGE_TOO_LARGE


# What is special to one kind.


def test_chained_addresses_are_refused():
    with pytest.raises(ImageError, match="is no plain address; one begins with its protocol"):
        open_source("zip://{id}.jpg::https://survey.org/a.zip", folder=Path())


def test_folder_with_two_images_of_one_object(tmp_path):
    write_folder(tmp_path, {"a": 0, "b": 1})
    (tmp_path / "images/a.JPG").write_bytes(b"another")
    source = opened(tmp_path, "images")
    assert source.locate(["b"], ["images"]) == ["images/b.png"]
    for _ in range(2):
        with pytest.raises(ImageError, match=r"for one object, first \['a.JPG', 'a.png'\]"):
            source.locate(["a", "b"], ["images", "images"])


def test_a_folder_a_device_and_a_name_that_is_none(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    source = opened(tmp_path, "{id}")
    with pytest.raises(UnusableImageError, match="is not a file but a folder or a device"):
        source.read("pipe.png")
    for reference in ("no\0name.png", "x" * 5000, "pipe.png/deeper.png"):
        with pytest.raises(UnusableImageError, match=r"no such file|cannot be read"):
            source.read(reference)
        assert source.stamp(reference) == ""


def test_archive_that_is_none(tmp_path):
    (tmp_path / "cutouts.zip").write_text("an error page")
    source = opened(tmp_path, "cutouts.zip/{id}.png")
    with pytest.raises(ImageError, match=r"cutouts.zip: cannot be opened as an archive"):
        source.stamp("cutouts.zip/a.png")
    with pytest.raises(ImageError, match=r"gone.tar: cannot be opened as an archive \(.*No such"):
        source.stamp("gone.tar/a.png")


def test_compressed_tar_that_is_cut_short(tmp_path):
    write_tar(tmp_path, {"a": 0}, "tar.gz")
    path = tmp_path / "cutouts.tar.gz"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ImageError, match="is damaged or incomplete"):
        opened(tmp_path, "").stamp("cutouts.tar.gz/a.png")
    assert [one.suffix for one in (tmp_path / ".czsl").iterdir()] == [".lock"]


def test_compressed_tar_is_unpacked_once_and_again_when_it_changed(tmp_path):
    for seed in (0, 0, 5):
        write_tar(tmp_path, {"a": seed}, "tar.gz")
        os.utime(tmp_path / "cutouts.tar.gz", (seed, seed))
        source = opened(tmp_path, "")
        np.testing.assert_array_equal(
            decode(source.read("cutouts.tar.gz/a.png")).pixels, pixels(seed)
        )
        assert len(list((tmp_path / ".czsl").glob("*.tar"))) == 1


def test_second_names_in_a_tar_archive_are_images_too(tmp_path):
    write_folder(tmp_path, {"a": 0, "b": 1})
    os.link(tmp_path / "images/a.png", tmp_path / "images/z.png")
    with tarfile.open(tmp_path / "cutouts.tar", "w") as archive:
        archive.add(tmp_path / "images", ".")
        assert [one.name for one in archive.getmembers() if one.islnk()] == ["./z.png"]
        dangling = tarfile.TarInfo("none.png")
        dangling.type, dangling.linkname = tarfile.LNKTYPE, "elsewhere.png"
        archive.addfile(dangling)
    source = opened(tmp_path, "cutouts.tar")
    found = located(source, "cutouts.tar", ["a", "z", "b"])
    assert found == ["cutouts.tar/a.png", "cutouts.tar/z.png", "cutouts.tar/b.png"]
    for reference, seed in zip(found, (0, 0, 1), strict=True):
        np.testing.assert_array_equal(decode(source.read(reference)).pixels, pixels(seed))
        assert source.stamp(reference)
    assert source.stamp("cutouts.tar/none.png") == ""


@pytest.mark.parametrize("ending", ["tar", "tar.gz"])
def test_tar_archive_that_ends_with_a_zip_archive(tmp_path, ending):
    write_zip(tmp_path, {"inner": 1})
    mode = "w:gz" if ending == "tar.gz" else "w"
    options = {"compresslevel": 0} if ending == "tar.gz" else {}
    with tarfile.open(tmp_path / f"survey.{ending}", mode, **options) as archive:
        member = tarfile.TarInfo("a.png")
        member.size = len(png(0))
        archive.addfile(member, io.BytesIO(png(0)))
        archive.add(tmp_path / "cutouts.zip", "cutouts.zip")
    assert zipfile.is_zipfile(tmp_path / f"survey.{ending}")
    found = opened(tmp_path, "").read(f"survey.{ending}/a.png")
    np.testing.assert_array_equal(decode(found).pixels, pixels(0))


UNPACK = """
import pathlib, sys
from czsl.images.source import open_source
waiting, renamed = [], []

def hook(event, told):
    if event == "open" and str(told[0]).endswith(".lock") and not waiting:
        waiting.append(told[0])
        print("waiting", flush=True)
    if event == "os.rename" and str(told[1]).endswith(".tar"):
        renamed.append(told[1])

sys.addaudithook(hook)
source = open_source("{id}", folder=pathlib.Path(sys.argv[1]))
print(len(renamed), len(source.read("cutouts.tar.gz/a.png")), len(renamed))
"""


def test_of_several_processes_one_unpacks_and_the_others_wait(tmp_path):
    write_tar(tmp_path, {"a": 0}, "tar.gz")
    opened(tmp_path, "").read("cutouts.tar.gz/a.png")
    (unpacked,) = (tmp_path / ".czsl").glob("*.tar")
    (lock,) = (tmp_path / ".czsl").glob("*.lock")
    unpacked.unlink()
    command = [sys.executable, "-c", UNPACK, tmp_path]
    with ExitStack() as ended:
        with locked_in_turn(lock):
            some = [
                ended.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
                for _ in range(3)
            ]
            assert [one.stdout.readline() for one in some] == ["waiting\n"] * 3
        told = sorted(one.communicate(timeout=60)[0] for one in some)
    size = len(png(0))
    assert told == [f"0 {size} 0\n", f"0 {size} 0\n", f"0 {size} 1\n"]


def test_member_of_a_zip_that_is_damaged_or_locked(tmp_path):
    write_zip(tmp_path, {"a": 0})
    raw = bytearray((tmp_path / "cutouts.zip").read_bytes())
    raw[60] ^= 255
    (tmp_path / "cutouts.zip").write_bytes(raw)
    with pytest.raises(UnusableImageError, match=r"cannot be read from cutouts\.zip") as caught:
        opened(tmp_path, "").read("cutouts.zip/deep/a.png")
    assert caught.value.flag == Flag.IMAGE_UNREADABLE
    flags = raw.index(b"PK\1\2") + 8
    raw[flags] |= 1  # encrypted
    (tmp_path / "cutouts.zip").write_bytes(raw)
    with pytest.raises(UnusableImageError, match="password"):
        opened(tmp_path, "").read("cutouts.zip/deep/a.png")


def test_several_archives_in_one_pattern(tmp_path):
    for name, seed in (("one", 1), ("two", 2)):
        write_zip(tmp_path, {"a": seed})
        (tmp_path / "cutouts.zip").rename(tmp_path / f"{name}.zip")
    source = opened(tmp_path, "{field}.zip/deep/{id}.png")
    for name, seed in (("one", 1), ("two", 2)):
        found = source.locate(["a"], [f"{name}.zip/deep/a.png"])
        np.testing.assert_array_equal(decode(source.read(found[0])).pixels, pixels(seed))


def test_hdf5_names_the_data_sets_that_are_there(tmp_path):
    with h5py.File(tmp_path / "cutouts.h5", "w") as file:
        file["pictures"] = np.zeros((2, 4, 4, 3))
    source = opened(tmp_path, "cutouts.h5")
    with pytest.raises(ImageError, match=r"no data set 'images' .*; there are pictures \(2, 4"):
        located(source, "cutouts.h5")
    found = located(source, "cutouts.h5/pictures", ["a", "b"])
    assert found == ["cutouts.h5/pictures[0]", "cutouts.h5/pictures[1]"]


def test_hdf5_with_too_few_images_or_ids(tmp_path):
    write_hdf5(tmp_path, {"a": 0, "b": 1}, ids=False)
    source = opened(tmp_path, "cutouts.h5")
    message = r"has 2 images and no data set 'ids', where .* has a row 3"
    with pytest.raises(ImageError, match=message):
        located(source, "cutouts.h5")
    with pytest.raises(ImageError, match="has no data set 'ids', so that the rows of"):
        source.locate(["a", "b"], ["cutouts.h5"] * 2)
    del source
    with h5py.File(tmp_path / "cutouts.h5", "a") as file:
        file["ids"] = ["a"]
    with pytest.raises(ImageError, match="has 2 images and 1 ids"):
        located(opened(tmp_path, "cutouts.h5"), "cutouts.h5")


def test_images_in_the_order_of_a_table_are_as_many_as_its_rows(tmp_path):
    """Else they are those of another table, or of one that was cut since."""
    pq.write_table(pa.table({"id": ["a", "b"]}), tmp_path / "galaxies.parquet")
    for count in (1, 3):
        write_hdf5(tmp_path, dict.fromkeys("xyz"[:count], 0), ids=False)
        source = opened(tmp_path, "cutouts.h5")
        message = (
            f"has {count} images and no data set 'ids', where the catalogue's table has 2 rows"
        )
        with pytest.raises(ImageError, match=message):
            located(source, "cutouts.h5", ["a"])
        del source
        (tmp_path / "cutouts.h5").unlink()


def test_a_column_of_ids_that_is_spelled_otherwise_is_not_passed_over(tmp_path):
    table = pa.table({"ID": ["b", "a"], "image": pa.array([png(0), png(1)], pa.binary())})
    pq.write_table(table, tmp_path / "cutouts.parquet")
    source = opened(tmp_path, "cutouts.parquet/image")
    with pytest.raises(ImageError, match=r"no column 'id', .* but 'ID'; call them alike"):
        located(source, "cutouts.parquet/image", ["a", "b"])


def test_ids_that_are_stored_twice(tmp_path):
    write_hdf5(tmp_path, {"a": 0, "b": 1}, ids=False)
    with h5py.File(tmp_path / "cutouts.h5", "a") as file:
        file["ids"] = [7, 7]
    with pytest.raises(ImageError, match="1 ids stand there more than once, first '7'"):
        located(opened(tmp_path, "cutouts.h5"), "cutouts.h5")


def test_hdf5_needs_an_extra(tmp_path, monkeypatch):
    pattern = write_hdf5(tmp_path, {"a": 0})
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(MissingExtraError, match=r'pip install "czsl\[hdf5\]"'):
        located(opened(tmp_path, pattern), pattern)


def test_objects_that_are_not_in_a_container_have_no_image(tmp_path):
    for kind in (write_whole_folder, write_whole_zip, write_hdf5, write_other_table):
        pattern = kind(tmp_path, {"a": 0, "b": 1})
        found = located(opened(tmp_path, pattern), pattern, ["b", "none", "a"])
        assert found[1] == ""
        assert found[0]
        assert found[2]


def test_row_of_the_table_without_an_image(tmp_path):
    table = pa.table({"id": ["a", "b"], "bytes": pa.array([png(0), None], pa.binary())})
    pq.write_table(table, tmp_path / "galaxies.parquet")
    source = opened(tmp_path, "{bytes}")
    found = located(source, "{bytes}", ["a", "b"])
    assert source.stamp(found[1]) == ""
    with pytest.raises(UnusableImageError, match="the table holds no image in this row"):
        source.read(found[1])


def test_column_of_the_table_that_holds_no_bytes(tmp_path):
    write_table(tmp_path, {"a": 0})
    source = opened(tmp_path, "{id}")
    with pytest.raises(ImageError, match=r"no column 'id' of bytes; there are 'bytes'"):
        source.read("{id}[0]")
    with pytest.raises(ImageError, match=r"none.parquet: cannot be opened as Parquet"):
        source.read("none.parquet/bytes[0]")


def test_a_table_may_be_read_by_rows_or_by_ids(tmp_path):
    write_table(tmp_path, {"a": 0, "b": 1, "c": 2})
    source = opened(tmp_path, "{bytes}")
    assert source.locate(["c", "a"], ["{bytes}"] * 2) == ["{bytes}[2]", "{bytes}[0]"]
    rows = np.array([2, 0])
    assert source.locate(["c", "a"], ["{bytes}"] * 2, rows) == ["{bytes}[2]", "{bytes}[0]"]


def test_endings_are_known_in_any_case():
    listing = folder.Listing(["A.FITS.GZ", "b.fits.fz", "c.Png", "d.txt"], "x")
    assert listing.find(list("Abcd")) == ["x/A.FITS.GZ", "x/b.fits.fz", "x/c.Png", ""]
    assert adapter.parse("X.ZIP/a.jpg").kind == "zip"
    assert adapter.parse("a.zipper/b.jpg") is None
