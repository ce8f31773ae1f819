"""Predicting on a Ray cluster gives the rows of the local engine, whatever dies on the way."""

import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from PIL import Image

from czsl import CzSL
from czsl.catalogue import scan_catalogue
from czsl.errors import ArgumentError, ClusterError, MissingExtraError, ModelError
from czsl.survey import cluster, ray_cluster
from czsl.survey import predict as module
from czsl.survey.parts import opened, rows_kept
from czsl.survey.predict import Asked, predict_table
from czsl.survey.ray_cluster import seats
from czsl.survey.work import Work
from tiny import name_of, quick, tiny_catalogue, tiny_model, write_containers, write_survey

# Ray itself is imported by the first test, which has set its token.
pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="needs the package 'ray'")


@pytest.fixture(scope="module", autouse=True)
def token():
    """Let the clusters of these tests obey these tests alone, and leave no token in the home."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RAY_AUTH_MODE", "token")
        environment.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
        yield


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    folder = write_survey(tmp_path_factory.mktemp("ray") / "survey")
    write_containers(folder)
    return folder


@pytest.fixture(scope="module")
def model_folder(survey, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ray") / "model"
    tiny_model(seed=1).fit(tiny_catalogue(survey, quick("default"))).save(folder)
    return folder


@pytest.fixture(scope="module")
def model(model_folder):
    return CzSL.load(model_folder, device="cpu", threads=1)


@pytest.fixture
def expected(survey, model, tmp_path, monkeypatch):
    """The local engine's catalogue; parts of ten rows from now on."""
    monkeypatch.setattr(module, "ROWS", 5)
    monkeypatch.setattr(module, "PART", 2)
    out = tmp_path / "local.parquet"
    predict_table(model, survey / "objects.csv", out, processes=1)
    return out


def children(parent: int) -> Iterator[tuple[int, str]]:
    """Give the processes that came of one, with what they call themselves."""
    parents, names = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int(
                (folder / "stat").read_text().rpartition(")")[2].split()[1]
            )
            names[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ").strip()
        except OSError:  # it has ended
            continue
    family = [parent]
    for one in family:
        for child in [child for child, above in parents.items() if above == one]:
            family.append(child)
            yield child, names[child]


@pytest.fixture(scope="module")
def head(tmp_path_factory):
    """A cluster of two processors that was there before; gives its process and its address."""
    from socket import socket

    with socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = Path("/tmp") / f"czsl-{os.getpid()}"  # sockets have short names
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block"]
    command += ["--num-cpus=2", f"--port={port}", f"--temp-dir={folder}"]
    command += ["--include-dashboard=false", "--disable-usage-stats"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(command, cwd=tmp_path_factory.mktemp("head"), **quiet)
    yield process, f"127.0.0.1:{port}"
    family = [one for one, _ in children(process.pid)]
    for one in [process.pid, *family]:
        try:
            os.kill(one, signal.SIGKILL)
        except ProcessLookupError:
            continue
    process.wait()
    subprocess.run(["rm", "-rf", str(folder)], check=True)


def workers(process: subprocess.Popen, doing: str = "PartWorker") -> list[int]:
    """Find the cluster's workers of ours."""
    return [one for one, name in children(process.pid) if name.startswith(f"ray::{doing}")]


def same(out: Path, expected: Path) -> None:
    """Compare catalogues: the same rows, the same classes, probabilities within 1e-6."""
    one, other = pq.read_table(out), pq.read_table(expected)
    assert one.column_names == other.column_names
    for name in one.column_names:
        if name.startswith("p_"):
            assert one[name].to_pylist() == pytest.approx(other[name].to_pylist(), abs=1e-6)
        else:
            assert one[name].to_pylist() == other[name].to_pylist(), name


def test_the_command_line_starts_ray_and_leaves_nothing(survey, model_folder, expected, tmp_path):
    """In an empty folder, with nothing of Ray's on the terminal."""
    folder = tmp_path / "empty"
    folder.mkdir()
    before = set(Path("/tmp").glob("ray*"))
    command = [sys.executable, "-m", "czsl", "predict", str(model_folder)]
    command += [str(survey / "objects.csv"), "--engine", "ray", "--threads", "2", "--device", "cpu"]
    ended = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=600, check=False
    )
    assert ended.returncode == 0
    told = ended.stderr.splitlines()  # what the tiny model cannot promise, and no more
    assert all(line.startswith("note: sets: ") for line in told), ended.stderr
    assert ended.stdout.startswith("60 objects predicted: predictions.parquet")
    assert "ray" not in ended.stdout.lower()
    assert [path.name for path in folder.iterdir()] == ["predictions.parquet"]
    assert set(Path("/tmp").glob("ray*")) - before == set()
    same(folder / "predictions.parquet", expected)


def test_relative_paths_start_from_where_the_command_was_typed(
    survey, model, head, expected, tmp_path, monkeypatch
):
    """The cluster was started in another folder."""
    settings = {"engine": "ray", "address": head[1]}
    cases = [
        (survey.parent, "survey/objects.csv", {}),
        (survey.parent, survey / "objects.csv", {"folder": "survey"}),
        (survey, f"file://{survey}/objects.csv", {}),
    ]
    for number, (working, table, folder) in enumerate(cases):
        monkeypatch.chdir(working)
        out = tmp_path / f"{number}.parquet"
        predict_table(model, table, out, **settings, **folder)
        same(out, expected)


@pytest.mark.parametrize("images", ["cutouts.zip", "cutouts.parquet/image"])
def test_images_in_a_container(survey, model, head, expected, tmp_path, images):
    out = tmp_path / "a.parquet"
    settings = {"engine": "ray", "address": head[1], "images": images}
    assert predict_table(model, survey / "objects.csv", out, **settings).rows == 60
    same(out, expected)


def test_a_worker_lists_a_folder_once(survey, model, monkeypatch, listed):
    """For all the parts that it is given; here it is no process of its own."""
    for name in ("ARROW_DEFAULT_MEMORY_POOL", "OMP_WAIT_POLICY", "MALLOC_TRIM_THRESHOLD_"):
        monkeypatch.setenv(name, os.environ.get(name, ""))  # this process stays as it is
    predictor = model.predictor
    config = predictor.config(survey, str(survey / "objects.csv"), "images")
    work = Work(predictor=predictor, judge=Asked().judge(predictor), config=config)
    worker = cluster.PartWorker(work.without_device(), "cpu", 1)
    answers = [worker.predict([part]) for part in scan_catalogue(config, rows=20)]
    assert [len(table) for (table,) in answers] == [20, 20, 20]
    assert listed.count(str(survey / "images")) == 1


def test_a_killed_worker_changes_nothing(survey, model, head, expected, tmp_path):
    killed = []

    def progress(rows: int) -> None:
        if not killed:
            killed.append(workers(head[0])[0])
            os.kill(killed[0], signal.SIGKILL)

    out = tmp_path / "a.parquet"
    settings = {"engine": "ray", "address": head[1], "progress": progress}
    done = predict_table(model, survey / "objects.csv", out, **settings)
    assert (len(killed), done.rows) == (1, 60)
    same(out, expected)


def test_the_cluster_goes_on_where_this_machine_stopped(survey, model, head, expected, tmp_path):
    def progress(rows: int) -> None:
        if rows >= 30:
            raise KeyboardInterrupt

    out, table = tmp_path / "a.parquet", survey / "objects.csv"
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        predict_table(model, table, out, processes=1, progress=progress)
    told = []
    settings = {"engine": "ray", "address": head[1], "progress": told.append, "resume": True}
    predict_table(model, table, out, **settings)
    assert told[0] == 30
    same(out, expected)


def test_few_parts_are_under_way_at_once(survey, model, head, expected, tmp_path):
    predictor = model.predictor
    config = predictor.config(survey, str(survey / "objects.csv"), None)
    work = Work(predictor=predictor, judge=Asked().judge(predictor), config=config)
    most = []
    with opened(tmp_path / "a.parquet", {}, part_rows=2, resume=False) as parts:

        def todo():
            for number, catalogue in enumerate(scan_catalogue(config, config.table, rows=2)):
                most.append(number + 1 - len(parts.done))
                time.sleep(0.2)  # the worker that starts second finds parts left
                yield number, [catalogue]

        settings = {"address": head[1], "device": "cpu", "processors": None}
        cluster.predict_on_ray(work, todo(), parts, None, **settings)
        assert parts.rows == 60
    assert max(most) == 2 * cluster.AHEAD


def test_a_part_that_ends_every_worker_is_named(survey, model, head, expected, tmp_path):
    """Every worker is killed while it predicts."""
    ended = threading.Event()

    def kill() -> None:
        while not ended.is_set():
            for one in workers(head[0], "PartWorker.predict"):
                os.kill(one, signal.SIGKILL)
            time.sleep(0.001)

    thread = threading.Thread(target=kill)
    thread.start()
    own = survey.parent / "large"  # a part that takes its time
    write_survey(own, count=300) if not own.exists() else None
    message = r"3 workers died of rows [\d,]+ to [\d,]+ \(ids '\d+' to '\d+'\): .* move it away"
    settings = {"engine": "ray", "address": head[1], "folder": own}
    module.ROWS, module.PART = 150, 1
    try:
        with pytest.raises(ClusterError, match=message):
            predict_table(model, own / "objects.csv", tmp_path / "a.parquet", **settings)
    finally:
        ended.set()
        thread.join()


def test_what_is_wrong_with_images_is_told_as_here(survey, model, head, expected, tmp_path):
    image = Image.new("RGB", (50, 50))
    image.putpixel((3, 3), (1, 2, 3))
    own = tmp_path / "own"
    write_survey(own)
    image.save(own / "images" / f"{name_of(50)}.png")
    with pytest.raises(ModelError, match=f"object '{name_of(50)}': its cutout has 50 x 50 pixels"):
        predict_table(model, own / "objects.csv", tmp_path / "a.csv", engine="ray", address=head[1])


def test_an_address_that_does_not_answer_is_told(survey, model, tmp_path, monkeypatch):
    monkeypatch.setattr(ray_cluster, "ANSWER", 3.0)
    out = tmp_path / "a.csv"
    with pytest.raises(ClusterError, match=r"127\.0\.0\.1:1: no Ray cluster answers there within"):
        predict_table(model, survey / "objects.csv", out, engine="ray", address="127.0.0.1:1")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_ray_is_told(survey, model, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"'ray', .* pip install \"czsl\[ray\]\""):
        predict_table(model, survey / "objects.csv", tmp_path / "a.csv", engine="ray")
    assert rows_kept(tmp_path / "a.csv") == 0


def test_slips_of_the_engine_are_told(survey, model, tmp_path):
    table, out = survey / "objects.csv", tmp_path / "a.csv"
    with pytest.raises(ArgumentError, match="engine = 'dask': there are 'local' and 'ray'"):
        predict_table(model, table, out, engine="dask")
    with pytest.raises(ArgumentError, match="is a Ray cluster's, and the engine is 'local'"):
        predict_table(model, table, out, address="10.0.0.1:6379")


def test_machines_are_shared_out():
    bare = {"Alive": True, "Resources": {"CPU": 3.0}}
    rich = {"Alive": True, "Resources": {"CPU": 9.0, "GPU": 2.0}}
    gone = {"Alive": False, "Resources": {"CPU": 64.0}}
    auto = [(seat.processors, seat.gpus) for seat in seats([bare, rich, gone], "auto")]
    assert auto == [(1, 0)] * 3 + [(4, 1)] * 2
    assert len(seats([bare, rich], "cpu")) == 12
    assert len(seats([bare, rich], "cuda")) == 2
    with pytest.raises(ClusterError, match="of its 1 machines none offers GPUs and processors"):
        seats([bare], "cuda")
