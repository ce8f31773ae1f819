"""Tables through one door: what every format gives, and what a bad file gets."""

import gzip
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.table import MaskedColumn, Table

from czsl.catalogue.table import (
    ENDINGS,
    bytes_columns,
    column_names,
    count_rows,
    ending,
    read_table,
    scan_table,
)
from czsl.errors import CatalogueError, Problems

BIG = [588015510343123099, 587722952767439450, 587722953303916935]
CODES = ["0007", "12 b", None]
FLOATS = [0.25, None, -1.5]


def save(path, *, ids=BIG):
    """Write the same small table with a library that is not ours."""
    kind = ending(path)
    if kind in (".csv", ".csv.gz"):
        lines = ["id,code,p"] + [
            f"{i},{c or ''},{'' if p is None else p}"
            for i, c, p in zip(ids, CODES, FLOATS, strict=True)
        ]
        text = "\n".join(lines) + "\n"
        path.write_bytes(gzip.compress(text.encode()) if kind.endswith("gz") else text.encode())
        return path
    if kind == ".parquet":
        pq.write_table(pa.table({"id": ids, "code": CODES, "p": FLOATS}), path)
        return path
    missing = [False, False, True]
    code = MaskedColumn([c or "" for c in CODES], mask=missing, name="code")
    value = MaskedColumn([p or 0.0 for p in FLOATS], mask=[False, True, False], name="p")
    table = Table([MaskedColumn(ids, name="id"), code, value])
    kinds = {".ecsv": "ascii.ecsv", ".fits": "fits", ".fit": "fits", ".fits.gz": "fits"}
    table.write(path, format=kinds.get(kind, "votable"), overwrite=True)
    return path


@pytest.fixture(params=ENDINGS)
def path(request, tmp_path):
    return save(tmp_path / f"galaxies{request.param}")


def test_every_format_gives_the_same_table(path):
    table = read_table(path, text=["id", "code"], numbers=["p"])
    assert table.to_pydict() == {"id": [str(i) for i in BIG], "code": CODES, "p": FLOATS}
    assert table.schema.types == [pa.string(), pa.string(), pa.float64()]


def test_ids_of_18_digits_survive_as_numbers_too(path):
    assert read_table(path, columns=["id"])["id"].to_pylist() == BIG


def test_ids_of_18_digits_survive_as_text_in_the_file(tmp_path, path):
    again = save(tmp_path / f"again{ending(path)}", ids=[str(i) for i in BIG])
    assert read_table(again, text=["id"])["id"].to_pylist() == [str(i) for i in BIG]


def test_columns_come_in_the_order_asked_for(path):
    assert read_table(path, columns=["p", "id"]).column_names == ["p", "id"]
    assert column_names(path) == ["id", "code", "p"]


def test_rows_are_counted(path):
    assert count_rows(path) == 3


def test_batches_have_the_size_asked_for_and_add_up(path):
    batches = list(scan_table(path, text=["id", "code"], numbers=["p"], rows=2))
    assert [batch.num_rows for batch in batches] == [2, 1]
    assert pa.concat_tables(batches) == read_table(path, text=["id", "code"], numbers=["p"])


def test_leading_zeros_survive_only_as_text(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("id\n007\n010\n")
    assert read_table(path, text=["id"])["id"].to_pylist() == ["007", "010"]
    assert read_table(path)["id"].to_pylist() == [7, 10]


@pytest.mark.parametrize("kind", [".csv", ".ecsv", ".parquet", ".fits", ".vot"])
def test_a_table_without_rows_keeps_its_columns(tmp_path, kind):
    path = tmp_path / f"empty{kind}"
    if kind == ".csv":
        path.write_text("id,p\n")
    elif kind == ".parquet":
        pq.write_table(pa.table({"id": pa.array([], pa.int64()), "p": pa.array([], "f8")}), path)
    else:
        empty = Table({"id": np.array([], "i8"), "p": np.array([], "f8")})
        empty.write(path, format={".ecsv": "ascii.ecsv", ".fits": "fits"}.get(kind, "votable"))
    batches = list(scan_table(path, text=["id"], numbers=["p"]))
    assert [batch.num_rows for batch in batches] == [0]
    assert batches[0].schema.types == [pa.string(), pa.float64()]
    assert read_table(path, text=["id"], numbers=["p"]) == batches[0]
    assert count_rows(path) == 0


def test_csv_in_many_blocks_equals_csv_at_once(tmp_path):
    path = tmp_path / "long.csv"
    rows = 60_000  # several blocks of pyarrow's 1 MiB
    path.write_text("id,n\n" + "".join(f"{BIG[0] + i},{i}\n" for i in range(rows)))
    whole = read_table(path, text=["id"], numbers=["n"])
    parts = list(scan_table(path, text=["id"], numbers=["n"], rows=7_000))
    assert [part.num_rows for part in parts] == [7_000] * 8 + [4_000]
    assert pa.concat_tables(parts).equals(whole)
    assert whole["id"][-1].as_py() == str(BIG[0] + rows - 1)


def test_fits_of_other_byte_order_types_and_nulls(tmp_path):
    path = tmp_path / "a.fits"
    columns = [
        fits.Column("name", "6A", array=np.array(["ab", "", "c d"])),
        fits.Column("n", "I", null=-99, array=np.array([1, -99, 3], dtype="i2")),
        fits.Column("u", "J", bzero=2**31, array=np.array([1, 2**32 - 1, 3], dtype="u4")),
        fits.Column("ok", "L", array=np.array([True, False, True])),
        fits.Column("v", "2E", array=np.arange(6, dtype="f4").reshape(3, 2)),
    ]
    fits.BinTableHDU.from_columns(columns).writeto(path)
    assert read_table(path).to_pydict() == {
        "name": ["ab", None, "c d"],
        "n": [1, None, 3],
        "u": [1, 2**32 - 1, 3],
        "ok": [True, False, True],
        "v": [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]],
    }


def write_fits(path, columns, **cards):
    """Write a table whose header gets more cards when its numbers stand as they are stored."""
    table = fits.BinTableHDU.from_columns(columns)
    table.header.update(cards)
    table.writeto(path)


def test_fits_nulls_are_those_of_astropy_where_numbers_are_not_scaled(tmp_path):
    random = np.random.default_rng(0)
    forms = {"b": "B", "i": "I", "j": "J", "k": "K", "vector": "3I", "shaped": "4J"}
    columns = [
        fits.Column(name, form, null=3, array=random.integers(0, 6, (20, int(form[:-1] or 1))))
        for name, form in forms.items()
    ]
    write_fits(tmp_path / "a.fits", columns, TDIM6="(4)")
    expected = Table.read(tmp_path / "a.fits")
    whole = read_table(tmp_path / "a.fits").to_pydict()
    for name in forms:
        assert whole[name] == expected[name].tolist()
        assert 0 < expected[name].mask.sum() < expected[name].mask.size


@pytest.mark.parametrize(
    ("form", "null", "scale", "zero"),
    [("I", -32768, 0.001, 0), ("B", 255, 1, -128), ("J", -7, 0.5, 3), ("4I", 9, 0.1, 2),
     ("I", -32768, 1, 2**15), ("J", 7 - 2**31, 1, 2**31), ("K", -(2**63), 1, 2**63)],
)  # fmt: skip
def test_fits_nulls_are_stored_numbers_and_the_others_are_scaled(tmp_path, form, null, scale, zero):
    """FITS standard 4.0, section 7.3.2: TNULL is compared before TSCAL and TZERO apply."""
    random = np.random.default_rng(1)
    stored = random.integers(0, 100, (9, int(form[:-1] or 1)))
    stored[::3, 0] = null
    physical = np.where(stored == null, None, stored.astype(object) * scale + zero)
    write_fits(
        tmp_path / "a.fits", [fits.Column("n", form, null=null, array=stored)],
        TSCAL1=scale, TZERO1=zero,
    )  # fmt: skip
    expected = physical.tolist() if form[:-1] else physical[:, 0].tolist()
    assert read_table(tmp_path / "a.fits")["n"].to_pylist() == expected
    parts = scan_table(tmp_path / "a.fits", rows=2)
    assert [one for part in parts for one in part["n"].to_pylist()] == expected


def test_fits_truth_values_may_be_missing_in_any_form(tmp_path):
    truth = np.array([[True, False], [True, True]])
    columns = [fits.Column("one", "1L", array=truth[:, 0]), fits.Column("v", "2L", array=truth)]
    write_fits(tmp_path / "a.fits", columns)
    content = (tmp_path / "a.fits").read_bytes()
    assert content.count(b"TTFTTT") == 1
    (tmp_path / "a.fits").write_bytes(content.replace(b"TTFTTT", b"\0TFT\0T"))
    assert read_table(tmp_path / "a.fits").to_pydict() == {
        "one": [None, True],
        "v": [[True, False], [None, True]],
    }


def test_fits_tables_of_ascii_have_nulls_and_text_filled_with_blanks(tmp_path):
    columns = [
        fits.Column("n", "I6", null="NULL", array=np.array([1, 222, 3]), ascii=True),
        fits.Column("t", "A3", array=np.array(["a", "b c", ""]), ascii=True),
    ]
    fits.TableHDU.from_columns(columns).writeto(tmp_path / "a.fits")
    content = (tmp_path / "a.fits").read_bytes()
    assert content.count(b"   222") == 1
    (tmp_path / "a.fits").write_bytes(content.replace(b"   222", b"  NULL"))
    assert read_table(tmp_path / "a.fits").to_pydict() == {
        "n": [1, None, 3],
        "t": ["a", "b c", None],
    }


def test_the_first_table_of_a_fits_file_is_read(tmp_path):
    path = tmp_path / "a.fits"
    one = fits.BinTableHDU.from_columns([fits.Column("a", "J", array=[1])])
    two = fits.BinTableHDU.from_columns([fits.Column("b", "J", array=[2])])
    image = fits.ImageHDU(np.zeros((4, 4)))
    fits.HDUList([fits.PrimaryHDU(), image, one, two]).writeto(path)
    assert read_table(path).to_pydict() == {"a": [1]}


@pytest.mark.parametrize("kind", [".parquet", ".fits", ".vot", ".ecsv"])
def test_a_float_id_that_lost_digits_is_refused(tmp_path, kind):
    path = save(tmp_path / f"a{kind}", ids=[float(i) for i in BIG])
    message = (
        r"column 'id': holds floating-point numbers \(such as 5\.88\d*e\+17\), which may have lost "
        r"digits; store the column as text or as 64-bit integers"
    )
    with pytest.raises(CatalogueError, match=message):
        read_table(path, text=["id"])


def test_slips_of_columns_are_collected_where_a_collector_is_given(tmp_path):
    path = save(tmp_path / "a.parquet", ids=[0.5, 1.5, 2.5])
    problems = Problems()
    table = read_table(path, text=["id", "p"], problems=problems)
    assert [problem.where for problem in problems.fatal] == [
        f"{path}, column 'id'",
        f"{path}, column 'p'",
    ]
    assert table["id"].to_pylist() == [None] * 3


def test_small_whole_floats_are_exact_text(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"fold": [1.0, None, float("nan"), 2.0]}), path)
    assert read_table(path, text=["fold"])["fold"].to_pylist() == ["1", None, None, "2"]


@pytest.mark.parametrize("missing", ["", "NA", "null", "N/A", "None", " "])
def test_missing_numbers_in_a_text_file(tmp_path, missing):
    path = tmp_path / "a.csv"
    path.write_text(f"n,code\n1,{missing}\n{missing},x\n 3 ,y\n")
    table = read_table(path, numbers=["n"], text=["code"])
    assert table["n"].to_pylist() == [1.0, None, 3.0]
    # A text is missing only where it is empty: NA may be a code.
    assert table["code"].to_pylist() == [missing or None, "x", "y"]


def test_a_column_with_a_text_that_is_no_number_comes_as_text(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("n\n1\ntwo\n")
    assert read_table(path, numbers=["n"])["n"].to_pylist() == ["1", "two"]


def test_parquet_of_dictionaries_large_strings_and_bytes(tmp_path):
    path = tmp_path / "a.parquet"
    table = pa.table(
        {
            "label": pa.array(["E", "S", "E"]).dictionary_encode(),
            "id": pa.array(["1", "2", ""], pa.large_string()),
            "image": [b"\x00", b"\xff", None],
            "n": pa.array([1, 2, None]).dictionary_encode(),
        }
    )
    pq.write_table(table, path)
    read = read_table(path, columns=["label", "id", "n"], text=["label", "id"], numbers=["n"])
    assert read.to_pydict() == {
        "label": ["E", "S", "E"],
        "id": ["1", "2", None],
        "n": [1.0, 2.0, None],
    }
    assert bytes_columns(path) == ["image"]


def test_only_parquet_has_bytes(tmp_path):
    assert bytes_columns(save(tmp_path / "a.csv")) == []


def test_quoted_values_may_hold_commas_quotes_and_line_breaks(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('id,note\n1,"a, ""b""\nc"\n2,d\n')
    assert read_table(path, text=["note"])["note"].to_pylist() == ['a, "b"\nc', "d"]


@pytest.mark.parametrize(("start", "end"), [("\ufeff", "\n"), ("", "\r\n")])
def test_csv_of_other_systems(tmp_path, start, end):
    path = tmp_path / "a.csv"
    path.write_bytes((start + end.join(["id,n", "1,2", "3,4", ""])).encode())
    assert read_table(path, text=["id"]).to_pydict() == {"id": ["1", "3"], "n": [2, 4]}
    assert count_rows(path) == 2


def test_a_file_that_has_changed_is_read_again(path):
    assert count_rows(path) == 3
    save(path, ids=[7, 8, 9])
    assert read_table(path, columns=["id"])["id"].to_pylist() == [7, 8, 9]


def test_unknown_columns_are_named_with_the_nearest(path):
    message = r"galaxies\..*: there is no column 'cdoe': did you mean 'code'\?"
    with pytest.raises(CatalogueError, match=message):
        read_table(path, columns=["id", "cdoe"])


def test_a_missing_file_is_named(tmp_path):
    for name in ("a.csv", "a.parquet", "a.fits", "a.vot", "a.ecsv", "a.csv.gz"):
        with pytest.raises(CatalogueError, match=f"{name}: there is no such file"):
            read_table(tmp_path / name)


def test_an_unknown_ending_is_named_with_those_there_are(tmp_path):
    with pytest.raises(CatalogueError, match=r"a\.xls: the ending '\.xls' is not one .* \.csv, "):
        column_names(tmp_path / "a.xls")


@pytest.mark.parametrize("kind", ENDINGS)
def test_a_broken_file_is_named(tmp_path, kind):
    path = tmp_path / f"broken{kind}"
    path.write_bytes(b"\x1f\x8b\x08\x00broken \xff\xfe \x00 \n\n<a>")
    with pytest.raises(CatalogueError, match=rf"broken{kind}: cannot be read"):
        read_table(path, text=["id"])


@pytest.mark.parametrize("kind", [".csv", ".csv.gz", ".ecsv", ".parquet", ".fits", ".vot"])
def test_an_empty_file_is_named(tmp_path, kind):
    path = tmp_path / f"empty{kind}"
    path.write_bytes(b"")
    with pytest.raises(CatalogueError, match=rf"empty{kind}: cannot be read"):
        count_rows(path)


@pytest.mark.parametrize("kind", [".csv.gz", ".parquet", ".fits", ".vot"])
def test_a_truncated_file_is_named(tmp_path, kind):
    path = save(tmp_path / f"a{kind}")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) - max(12, len(content) // 3)])
    with pytest.raises(CatalogueError, match=rf"a{kind}: cannot be read"):
        read_table(path, text=["id"])


def test_a_fits_file_without_a_table_is_named(tmp_path):
    path = tmp_path / "image.fits"
    fits.PrimaryHDU(np.zeros((4, 4))).writeto(path)
    with pytest.raises(CatalogueError, match=r"image\.fits: holds no table; give a FITS file"):
        column_names(path)


def test_columns_of_one_name_are_refused(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("id,n,n\n1,2,3\n")
    with pytest.raises(CatalogueError, match="more than one column is called 'n'; rename them"):
        read_table(path)


def test_a_column_of_complex_numbers_is_refused_only_where_it_is_asked_for(tmp_path):
    path = tmp_path / "a.fits"
    Table({"id": [1], "z": [1 + 2j]}).write(path)
    assert read_table(path, columns=["id"]).num_rows == 1
    with pytest.raises(CatalogueError, match=r"column 'z': holds complex128 .* cannot be read"):
        read_table(path)


def test_csv_that_changes_its_kind_late_is_an_error_that_names_the_column(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("n\n" + "1\n" * 700_000 + "x\n")
    with pytest.raises(CatalogueError, match=r"a\.csv: cannot be read .* to int64"):
        list(scan_table(path))
    assert read_table(path)["n"][-1].as_py() == "x"


LARGE = """
import sys
import pyarrow as pa
from czsl.catalogue import scan_table
from czsl.images.source import open_source
folder = sys.argv[1]
rows = sum(len(part) for part in scan_table(f"{folder}/a.parquet", rows=100))
source = open_source("a.parquet/image", folder=folder)
read = sum(len(source.read(f"a.parquet/image[{row}]")) for row in range(rows))
print(rows, read, pa.default_memory_pool().max_memory())
"""


def test_a_long_row_group_is_not_held_in_memory(tmp_path):
    random = np.random.default_rng(0)
    column = pa.array([random.bytes(10_000) for _ in range(8000)], pa.binary())
    pq.write_table(pa.table({"image": column}), tmp_path / "a.parquet", row_group_size=8000)
    command = [sys.executable, "-c", LARGE, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows, read, peak = map(int, done.stdout.split())
    assert (rows, read) == (8000, 80_000_000)
    assert peak < 50_000_000  # 110 where the row group is held whole


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_what_only_looks_like_an_end_of_line_stays_in_an_ecsv_text(tmp_path, line_end):
    path = tmp_path / "a.ecsv"
    names = ["M 51\u2028pair", "form\x0cfeed", "plain"]
    Table({"id": [1, 2, 3], "name": names}).write(path, format="ascii.ecsv")
    path.write_bytes(path.read_bytes().replace(b"\n", line_end.encode()))
    assert read_table(path, text=["name"]).to_pydict()["name"] == names
