"""Tables and other files that are given by their addresses."""

import functools
import gzip
import http.server
import io
import threading
from pathlib import Path
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from czsl import remote
from czsl.catalogue import Catalogue, count_rows, read_table, scan_table, write_table
from czsl.config import make_config
from czsl.errors import ArgumentError, CatalogueError, ConfigError, ServerError
from czsl.images.source import open_source
from czsl.images.unusable import UnusableImageError
from czsl.remote import address_slips, opened, read_bytes, stamp_and_size
from servers import failing, put, unsteady

ENDINGS = ["csv", "csv.gz", "parquet", "fits", "ecsv", "vot"]


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(remote, "WAIT", 0.001)
    with unsteady() as system:
        yield system


def table(rows: int = 5000) -> pa.Table:
    random = np.random.default_rng(1)
    return pa.table(
        {
            "id": [f"58772295276743945{row:05d}" for row in range(rows)],
            "n": random.integers(0, 50, rows),
            "expert": [("E", "S", None)[row % 3] for row in range(rows)],
        }
    )


def write(folder: Path, ending: str) -> Path:
    path = folder / f"galaxies.{ending.removesuffix('.gz')}"
    write_table([table()], path)
    if ending.endswith(".gz"):
        (folder / f"galaxies.{ending}").write_bytes(gzip.compress(path.read_bytes()))
    return folder / f"galaxies.{ending}"


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_table_is_the_same_from_a_server(server, tmp_path, ending):
    path = write(tmp_path, ending)
    address = f"unsteady://survey/{path.name}"
    put(address, path.read_bytes())
    options = {"columns": ["expert", "id", "n"], "text": ["id"], "numbers": ["n"]}
    assert read_table(address, **options).equals(read_table(path, **options))
    assert count_rows(address) == 5000
    parts = list(scan_table(address, **options, rows=1999))
    assert [len(part) for part in parts] == [1999, 1999, 1002]
    assert pa.concat_tables(parts).equals(read_table(path, **options))


def test_a_catalogue_is_read_from_a_server(server, tmp_path):
    put("unsteady://survey/galaxies.parquet", write(tmp_path, "parquet").read_bytes())
    config = make_config(
        {
            "catalogue": {"table": "unsteady://survey/galaxies.parquet", "id": "id"},
            "classes": {"column": "expert", "values": {"early": "E", "late": "S"}},
        },
        folder=tmp_path,
    )
    here = config.model_copy(
        update={"catalogue": config.catalogue.model_copy(update={"table": "galaxies.parquet"})}
    )
    catalogue, expected = Catalogue.read(config), Catalogue.read(here)
    assert catalogue.ids.tolist() == expected.ids.tolist()
    assert catalogue.experts.tolist() == expected.experts.tolist()


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_failure_that_passes_changes_nothing(server, tmp_path, ending):
    path = write(tmp_path, ending)
    address = f"unsteady://survey/{path.name}"
    put(address, path.read_bytes())
    server.before = failing(3, "cat" if ending in ("ecsv", "vot") else "open")
    assert read_table(address).equals(read_table(path))


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_server_that_fails_is_told_of(server, tmp_path, ending):
    address = f"unsteady://survey/galaxies.{ending}"
    put(address, write(tmp_path, ending).read_bytes())
    server.before = failing(10**6, "cat" if ending in ("ecsv", "vot") else "open")
    told = rf"^{address}: the server failed 5 times, last with ConnectionError: the line is cut; "
    with pytest.raises(ServerError, match=told + "see to the network and to the credentials"):
        read_table(address)


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_missing_table(server, ending):
    with pytest.raises(CatalogueError, match=f"^unsteady://a.{ending}: there is no such file$"):
        read_table(f"unsteady://a.{ending}")
    assert len(server.asked) == 1  # a file that is not there is not asked for again


def test_access_that_is_refused_is_not_asked_for_again(server):
    def refuse(request, path):
        raise PermissionError("forbidden")

    server.before = refuse
    with pytest.raises(ServerError, match=r"^unsteady://a\.csv: access is refused \(PermissionErr"):
        read_table("unsteady://a.csv")
    assert len(server.asked) == 1


def test_a_connection_that_breaks_amid_a_file(server, monkeypatch):
    content = np.random.default_rng(0).bytes(300_000)
    put("unsteady://a.bin", content)
    whole = server.open
    reads = iter(range(10**6))

    def broken(self, path, *arguments, **options):
        file = whole(self, path, *arguments, **options)

        class Breaks(io.BytesIO):
            def read(self, size=-1):
                if next(reads) % 2:
                    raise TimeoutError("no answer")
                return super().read(size)

        return Breaks(file.getvalue())

    monkeypatch.setattr(server, "open", broken)
    monkeypatch.setattr(remote, "BUFFER", 10_000)
    with opened("unsteady://a.bin") as file:
        first = file.read(25_000)
        file.seek(-100, io.SEEK_END)
        last = file.read()
        file.seek(25_000)
        rest = file.read()
    assert first + rest == content
    assert last == content[-100:]
    assert next(reads) > 30


def test_what_an_address_may_not_hold():
    for secret in ("https://me:hush@a.org/b.csv", "https://a.org/b.csv?X-Amz-Signature=hush"):
        (slip,) = address_slips(secret)
        assert "hush" not in slip
        with pytest.raises(ConfigError, match="credentials belong into the places") as caught:
            read_table(secret)
        assert "hush" not in str(caught.value)
        content = {
            "catalogue": {"table": secret, "id": "id", "roots": [secret]},
            "classes": {"column": "c", "values": {"a": "a", "b": "b"}},
        }
        with pytest.raises(ConfigError, match=r"2 problems\n.*'table' holds") as caught:
            make_config(content)
        assert "hush" not in str(caught.value)
    assert address_slips("https://a.org/b.csv?download=1") == []
    assert "is no plain address" in address_slips("zip::s3://survey/a.zip")[0]


def test_a_protocol_that_nobody_knows():
    with pytest.raises(ArgumentError, match="has a protocol that fsspec does not know"):
        read_table("nosuch://a/b.csv")


def test_the_stamp_tells_another_content(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("id\n1\n")
    first = stamp_and_size(f"file://{path}")
    assert first[1] == 5
    assert stamp_and_size(f"file://{path}") == first
    path.write_text("id\n2\n")
    assert stamp_and_size(f"file://{path}") != first
    with pytest.raises(IsADirectoryError):
        stamp_and_size(f"file://{tmp_path}")


def test_a_web_server_that_gives_no_parts(tmp_path):
    pytest.importorskip("aiohttp")
    path = write(tmp_path, "parquet")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as web:
        thread = threading.Thread(target=web.serve_forever)
        thread.start()
        try:
            base = f"http://127.0.0.1:{web.server_port}"
            found = read_table(f"{base}/{path.name}?download=1")
            assert found.equals(pq.read_table(path))
            assert read_bytes(f"{base}/{path.name}") == path.read_bytes()
            with pytest.raises(CatalogueError, match="there is no such file"):
                read_table(f"{base}/none.csv")
        finally:
            web.shutdown()
            thread.join()


class Troubled(http.server.BaseHTTPRequestHandler):
    """Answers by the status that the address names, some of them so many times."""

    left: ClassVar[dict[str, int]] = {}

    def do_HEAD(self):
        status, _, times = self.path.strip("/").partition("-")
        left = self.left.setdefault(self.path, int(times or 1000))
        self.left[self.path] -= left > 0
        self.send_response(int(status) if left else 200)
        self.send_header("Content-Length", "0" if left else "5")
        self.end_headers()
        if self.command == "GET" and not left:
            self.wfile.write(b"image")

    do_GET = do_HEAD  # noqa: N815

    def log_message(self, *_):
        """Keep the terminal quiet."""


def test_a_web_server_that_fails_is_not_one_without_the_file(tmp_path, monkeypatch):
    """fsspec's client says of every failure that there is no such file."""
    pytest.importorskip("aiohttp")
    monkeypatch.setattr(remote, "WAIT", 0)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Troubled) as web:
        thread = threading.Thread(target=web.serve_forever)
        thread.start()
        try:
            base = f"http://127.0.0.1:{web.server_port}"
            source = open_source(f"{base}/{{id}}", folder=tmp_path)
            assert source.read(f"{base}/503-3") == b"image"
            with pytest.raises(ServerError, match=r"failed 5 times, last with .*503"):
                source.read(f"{base}/503")
            with pytest.raises(ServerError, match="access is refused"):
                source.read(f"{base}/403")
            for gone in ("404", "410"):
                with pytest.raises(UnusableImageError, match="no such file"):
                    source.read(f"{base}/{gone}")
        finally:
            web.shutdown()
            thread.join()
