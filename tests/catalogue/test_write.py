"""Tables are written whole or not at all, and read back the same by us and by astropy."""

import os
import resource
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.io.votable import parse
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st

from czsl.catalogue import write
from czsl.catalogue.table import read_table
from czsl.catalogue.write import WRITABLE, check_ending, write_table
from czsl.errors import ArgumentError, WriteError

BIG = 588015510343123099
META = {"model": "galaxies", "fingerprint": "0123456789abcdef", "classes": '["early", "late"]'}

TABLE = pa.table(
    {
        "id": [str(BIG), "007", 'a, "b" & <c> d', "x"],
        "number": pa.array([BIG, None, -1, 0], pa.int64()),
        "flags": pa.array([0, 1, 255, 16], pa.uint8()),
        "p": pa.array([0.1, None, 1.0, 1e-30], pa.float32()),
        "score": [1 / 3, None, -2.5, 1e300],
        "seen": [True, False, None, True],
        "class": ["early", None, "late", "early"],
    }
)
PARTS = [TABLE.slice(0, 1), TABLE.slice(1, 0), TABLE.slice(1, 3)]
TEXT = ["id", "class"]


def written(path, parts=PARTS, **more):
    rows = write_table(iter(parts), path, **more)
    assert sorted(os.listdir(path.parent)) == [path.name]
    return rows


@pytest.mark.parametrize("kind", WRITABLE)
def test_what_is_written_is_read_back(tmp_path, kind):
    path = tmp_path / f"out{kind}"
    assert written(path, metadata=META) == 4
    read = read_table(path, text=TEXT, numbers=["p", "score"])
    for name in TABLE.column_names:
        same = read[name].cast(TABLE[name].type)
        assert same.to_pylist() == TABLE[name].to_pylist(), name


# Of a missing yes or no in FITS, which the standard knows, astropy makes no.
@pytest.mark.filterwarnings("ignore:Column 'seen' contains NULL")
@pytest.mark.parametrize("kind", [".ecsv", ".fits", ".vot", ".parquet", ".csv"])
def test_another_library_reads_the_same(tmp_path, kind):
    path = tmp_path / f"out{kind}"
    written(path)
    if kind == ".parquet":
        frame = pd.read_parquet(path)
    elif kind == ".csv":
        frame = pd.read_csv(path, dtype={"id": str, "number": "Int64"})
    else:
        names = {".ecsv": "ascii.ecsv", ".fits": "fits", ".vot": "votable"}
        table = Table.read(path, format=names[kind])
        if kind == ".fits":
            table.convert_bytestring_to_unicode()
        frame = table.to_pandas()
    assert frame["id"].tolist() == TABLE["id"].to_pylist()
    assert frame["flags"].tolist() == [0, 1, 255, 16]
    if kind != ".parquet":  # pandas makes floats of whole numbers with a missing one
        assert frame["number"][0] == BIG
    np.testing.assert_array_equal(frame["score"], [1 / 3, np.nan, -2.5, 1e300])
    np.testing.assert_array_equal(
        np.asarray(frame["p"], dtype="f4"), np.array([0.1, np.nan, 1.0, 1e-30], "f4")
    )
    classes = [None if pd.isna(v) or not v else v for v in frame["class"]]
    assert classes == TABLE["class"].to_pylist()


def test_missing_values_in_fits_are_nan_and_null(tmp_path):
    path = tmp_path / "out.fits"
    written(path)
    with fits.open(path) as file:
        file.verify("exception")
        table = file[1]
        assert table.columns["number"].null == -(2**63)
        assert table.columns["flags"].null is None
        assert np.isnan(table.data["p"][1])
        assert table.columns["p"].format == "E"
        assert table.columns["id"].format == "18A"
        assert path.stat().st_size % 2880 == 0


def test_small_numbers_with_a_missing_one_in_fits(tmp_path):
    path = tmp_path / "out.fits"
    table = pa.table(
        {"n": pa.array([0, 255, None], pa.uint8()), "m": pa.array([-5, None, 5], "i1")}
    )
    written(path, [table])
    assert read_table(path).to_pydict() == {"n": [0, 255, None], "m": [-5, None, 5]}


def test_metadata_is_found_where_the_format_keeps_it(tmp_path):
    long = {**META, "long": "x" * 200, "tab": "a\tb", "naïve": "é"}
    for kind in (".parquet", ".fits", ".vot", ".ecsv"):
        written((tmp_path / kind[1:]) / f"out{kind}", metadata=long)
    schema = pq.read_schema(tmp_path / "parquet" / "out.parquet").metadata
    assert {key.decode(): value.decode() for key, value in schema.items()} == long
    header = fits.getheader(tmp_path / "fits" / "out.fits", 1)
    assert header["CZSL fingerprint"] == META["fingerprint"]
    assert header["CZSL classes"] == META["classes"]
    assert f"CZSL long = {'x' * 200}" in "".join(header["HISTORY"])
    infos = parse(tmp_path / "vot" / "out.vot").resources[0].infos
    assert {info.name: info.value for info in infos} == long
    assert Table.read(tmp_path / "ecsv" / "out.ecsv", format="ascii.ecsv").meta == long


def test_csv_is_plain(tmp_path):
    path = tmp_path / "out.csv"
    written(path, metadata=META)
    assert path.read_text(encoding="utf-8").splitlines() == [
        "id,number,flags,p,score,seen,class",
        f"{BIG},{BIG},0,0.1,0.3333333333333333,true,early",
        "007,,1,,,false,",
        '"a, ""b"" & <c> d",-1,255,1,-2.5,,late',
        "x,0,16,1e-30,1e+300,true,early",
    ]


@pytest.mark.parametrize("kind", WRITABLE)
def test_a_table_without_rows_is_written(tmp_path, kind):
    path = tmp_path / f"out{kind}"
    assert written(path, [TABLE.slice(0, 0)]) == 0
    assert read_table(path, text=TEXT).column_names == TABLE.column_names


@pytest.mark.parametrize("kind", [".vot", ".csv", ".ecsv", ".parquet"])
def test_text_that_is_not_ascii(tmp_path, kind):
    path = tmp_path / f"out{kind}"
    table = pa.table({"id": ["Bögli", "星雲", "plain"]})
    written(path, [table])
    assert read_table(path, text=["id"])["id"].to_pylist() == table["id"].to_pylist()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"id": ["Bögli"]}, r"out\.fits: the text of column 'id' is not ASCII.*write Parquet, CSV"),
        ({"größe": [1]}, r"out\.fits: the name of column 'größe' is not ASCII"),
        ({"n": pa.array([2**63], pa.uint64())}, r"column 'n' holds whole numbers above 2\*\*63"),
        ({"v": [[1, 2]]}, r"column 'v' holds list<.*>, which fits cannot hold; write Parquet"),
    ],
)
def test_what_fits_cannot_hold_is_refused_and_the_old_file_intact(tmp_path, table, message):
    path = tmp_path / "out.fits"
    path.write_text("old")
    with pytest.raises(WriteError, match=message):
        write_table([pa.table(table)], path)
    assert os.listdir(tmp_path) == ["out.fits"]
    assert path.read_text() == "old"


def test_a_character_that_xml_forbids_is_refused(tmp_path):
    with pytest.raises(WriteError, match=r"out\.vot: a text holds the character '\\x01'"):
        write_table([pa.table({"id": ["a\x01"]})], tmp_path / "out.vot")
    assert os.listdir(tmp_path) == []


@contextmanager
def files_no_larger_than(size):
    """Let the system refuse to write more, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("kind", WRITABLE)
def test_a_full_disk_names_the_path_and_leaves_the_old_file(tmp_path, kind):
    path = tmp_path / f"out{kind}"
    path.write_text("old")
    rng = np.random.default_rng(0)
    parts = [pa.table({"id": [str(i)] * 5_000, "p": rng.random(5_000)}) for i in range(10)]
    message = rf"out{kind}: cannot be written \(.*\); what stood there before is intact"
    with files_no_larger_than(100_000), pytest.raises(WriteError, match=message):
        write_table(parts, path)
    assert os.listdir(tmp_path) == [path.name]
    assert path.read_text() == "old"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(WriteError, match=r"out\.csv: cannot be written \(Permission denied\)"):
        write_table([TABLE], tmp_path / "out.csv")


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match=r"out\.csv: cannot be written \((Not a dir|File exists)"):
        write_table([TABLE], tmp_path / "file" / "out.csv")


@pytest.mark.parametrize("kind", [".parquet", ".csv", ".fits"])
def test_an_error_while_the_parts_are_made_leaves_the_old_file(tmp_path, kind):
    path = tmp_path / f"out{kind}"
    path.write_text("old")

    def parts():
        yield TABLE
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        write_table(parts(), path)
    assert os.listdir(tmp_path) == [path.name]
    assert path.read_text() == "old"


def test_endings_that_cannot_be_written(tmp_path):
    with pytest.raises(WriteError, match=r"the ending '\.txt' is not one .* \.csv, \.ecsv"):
        write_table([TABLE], tmp_path / "out.txt")
    with pytest.raises(WriteError, match=r"the ending '\.fits\.gz' is not one"):
        check_ending("out.fits.gz")


def test_no_part_and_parts_of_other_columns(tmp_path):
    with pytest.raises(ArgumentError, match="got no part to write"):
        write_table([], tmp_path / "out.csv")
    other = pa.table({"id": ["1"]})
    with pytest.raises(ArgumentError, match=r"with the columns \['id'\], but the first part has"):
        write_table([TABLE, other], tmp_path / "out.csv")
    assert os.listdir(tmp_path) == []


def test_record_batches_are_parts_too(tmp_path):
    assert written(tmp_path / "out.parquet", TABLE.to_batches()) == 4


printable = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12)
rows = st.lists(
    st.tuples(
        printable | st.none(),
        st.floats(allow_nan=False) | st.none(),
        st.integers(-(2**63) + 1, 2**63 - 1) | st.none(),
    ),
    max_size=20,
)


@pytest.mark.parametrize("kind", [".csv", ".ecsv", ".fits", ".parquet", ".vot"])
@given(rows=rows, cut=st.integers(0, 20))
@settings(max_examples=25, deadline=None)
def test_any_table_survives_the_round_trip(tmp_path_factory, kind, rows, cut):
    schema = pa.schema({"t": pa.string(), "x": pa.float64(), "n": pa.int64()})
    table = pa.Table.from_pylist([dict(zip("txn", row, strict=True)) for row in rows], schema)
    path = tmp_path_factory.mktemp("any") / f"out{kind}"
    assert write_table([table.slice(0, cut), table.slice(cut)], path) == len(rows)
    read = read_table(path, text=["t", "n"], numbers=["x"])
    assert read["t"].to_pylist() == table["t"].to_pylist()
    assert read["x"].to_pylist() == table["x"].to_pylist()
    assert read["n"].to_pylist() == table["n"].cast(pa.string()).to_pylist()


@pytest.mark.parametrize("size", [1, 7, 10, 25, 100])
def test_short_parts_share_row_groups(tmp_path, monkeypatch, size):
    monkeypatch.setattr(write, "GROUP", 10)
    table = pa.table({"id": [str(row) for row in range(96)], "p": np.arange(96) / 7})
    parts = [table.slice(start, size) for start in range(0, 96, size)]
    assert write_table(parts, tmp_path / "a.parquet", metadata={"model": "m"}) == 96
    with pq.ParquetFile(tmp_path / "a.parquet") as file:
        groups = [file.metadata.row_group(k).num_rows for k in range(file.num_row_groups)]
        assert file.read().equals(table)
        assert file.schema_arrow.metadata == {b"model": b"m"}
    assert groups == [10] * 9 + [6]
