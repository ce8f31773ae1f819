"""Archives and tables that are damaged: what can be read is read, and nothing else stops."""

import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from czsl.errors import ImageError
from czsl.flags import Flag
from czsl.images.build import build_store
from czsl.images.decode import decode
from czsl.images.source import open_source
from czsl.images.unusable import UnusableImageError
from czsl.sections import ImagesSettings
from pictures import pixels, png


def opened(place: Path, pattern: str):
    return open_source(pattern, folder=place, table=place / "galaxies.parquet")


@pytest.mark.parametrize("kind", ["lzma", "bzip2", "version", "packing"])
def test_member_that_is_damaged_spares_the_others(tmp_path, kind):
    packing = {"lzma": zipfile.ZIP_LZMA, "bzip2": zipfile.ZIP_BZIP2}.get(kind, zipfile.ZIP_DEFLATED)
    with zipfile.ZipFile(tmp_path / "cutouts.zip", "w", packing) as archive:
        archive.writestr("a.png", 20 * png(0))
        archive.writestr("b.png", png(1))
    raw = bytearray((tmp_path / "cutouts.zip").read_bytes())
    central = raw.index(b"PK\1\2")  # the list of members: its version at 6, its packing at 10
    damage = {"version": (central + 6, 1), "packing": (central + 10, 1)}
    start, length = damage.get(kind, (60, 140))
    for place in range(start, start + length):
        raw[place] ^= 90
    (tmp_path / "cutouts.zip").write_bytes(raw)
    source = opened(tmp_path, "cutouts.zip/{id}.png")
    if kind == "version":  # the list as a whole cannot be trusted
        with pytest.raises(ImageError, match=r"cannot be opened as an archive \(zip file version"):
            source.read("cutouts.zip/b.png")
        return
    with pytest.raises(UnusableImageError, match=r"cannot be read from cutouts\.zip") as caught:
        source.read("cutouts.zip/a.png")
    assert caught.value.flag == Flag.IMAGE_UNREADABLE
    np.testing.assert_array_equal(decode(source.read("cutouts.zip/b.png")).pixels, pixels(1))


def write_damaged_table(place: Path, column: str) -> str:
    """Write 400 rows in two groups, of which the first has one damaged page in a column."""
    names = [f"{row:03d}" for row in range(400)]
    values = [np.random.default_rng(row).bytes(600) for row in range(400)]
    table = pa.table({"id": names, "bytes": pa.array(values, pa.binary())})
    path = place / "galaxies.parquet"
    pq.write_table(table, path, row_group_size=200, data_page_size=8_000, use_dictionary=False)
    chunk = pq.read_metadata(path).row_group(0).column(table.column_names.index(column))
    middle = chunk.data_page_offset + chunk.total_compressed_size // 2
    raw = bytearray(path.read_bytes())
    raw[middle : middle + 700] = b"\xff" * 700
    path.write_bytes(raw)
    return "{bytes}"


def test_member_without_a_name(tmp_path):
    with zipfile.ZipFile(tmp_path / "cutouts.zip", "w") as archive:
        archive.writestr("abcd.png", png(0))
        archive.writestr("b.png", png(1))
    raw = bytearray((tmp_path / "cutouts.zip").read_bytes())
    name = raw.index(b"PK\1\2") + 46  # in the list of members
    raw[name] = 0  # ends the name
    (tmp_path / "cutouts.zip").write_bytes(raw)
    found = opened(tmp_path, "cutouts.zip").locate(["abcd", "b"], ["cutouts.zip"] * 2)
    assert found == ["", "cutouts.zip/b.png"]


@pytest.mark.parametrize("order", [1, -1])
def test_damaged_part_of_a_parquet_file_flags_what_stands_behind_it(tmp_path, order):
    write_damaged_table(tmp_path, "bytes")
    source = opened(tmp_path, "{bytes}")
    readable, flagged = [], []
    for row in list(range(400))[::order]:
        try:
            assert source.read(f"{{bytes}}[{row}]") == np.random.default_rng(row).bytes(600)
            readable.append(row)
        except UnusableImageError as error:
            flagged.append((error.flag, error.reason[:38]))
    assert set(flagged) == {(Flag.IMAGE_UNREADABLE, "cannot be read from the column 'bytes'")}
    assert 0 < len(readable) - 200 < 150
    readable.sort()
    assert readable == [*range(len(readable) - 200), *range(200, 400)]
    assert source.stamp("{bytes}[150]") == "unreadable"  # it is there: no stamp would deny that
    assert len({source.stamp("{bytes}[0]"), source.stamp("{bytes}[399]"), "unreadable"}) == 3


def test_images_behind_a_damaged_part_are_decoded_when_the_file_is_whole(tmp_path):
    values = [png(row) for row in range(128)]
    table = pa.table({"id": [str(row) for row in range(128)], "bytes": values})
    path = tmp_path / "galaxies.parquet"
    pq.write_table(table, path, data_page_size=1_000, use_dictionary=False, compression="none")
    whole = path.read_bytes()
    chunk = pq.read_metadata(path).row_group(0).column(1)
    late = chunk.data_page_offset + chunk.total_compressed_size * 3 // 4
    path.write_bytes(whole[:late] + b"\xff" * 900 + whole[late + 900 :])

    def usable() -> list[bool]:
        return build_store(
            tmp_path / "store",
            table["id"].to_pylist(),
            ["{bytes}"] * 128,
            settings=ImagesSettings(size=8),
            source=opened(tmp_path, "{bytes}"),
            rows=np.arange(128),
            processes=1,
        ).usable.tolist()

    assert usable() == [True] * 64 + [False] * 64  # rows are read 64 at a time
    path.write_bytes(whole)
    assert usable() == [True] * 128


def test_damaged_ids_of_a_parquet_file(tmp_path):
    write_damaged_table(tmp_path, "id")
    (tmp_path / "galaxies.parquet").rename(tmp_path / "cutouts.parquet")
    source = opened(tmp_path, "cutouts.parquet/bytes")
    with pytest.raises(ImageError, match=r"cutouts.parquet: its column 'id' cannot be read"):
        source.locate(["000", "001"], ["cutouts.parquet/bytes"] * 2)
