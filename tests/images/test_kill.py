"""A build that is killed goes on, and ends with the bytes of one that was not."""

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from czsl.images.store import ImageStore
from processes import have_ended

NAMES = [str(number) for number in range(70)]

BUILD = """
import os, signal, sys
from pathlib import Path
from czsl.images import decoder
from czsl.images.build import build_store
from czsl.images.source import open_source
from czsl.sections import ImagesSettings

decoder.FEW = 1  # processes start for few images too
survey, store, kill_at, processes = Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:])
names = [str(number) for number in range(70)]
events = 0

def hook(event, arguments):
    # Whatever is about to be opened, renamed or deleted in the store's folder.
    global events
    if event in ("open", "os.rename", "os.remove", "os.mkdir") and str(store) in str(arguments):
        events += 1
        if events == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

def progress(done, total):
    print(done, flush=True)

sys.addaudithook(hook)
build_store(
    store,
    names,
    [f"images/{name}.png" for name in names],
    settings=ImagesSettings(size=8),
    source=open_source("images/{id}.png", folder=survey),
    processes=processes,
    progress=progress,
    shard_rows=16,
)
"""


def start(survey: Path, store: Path, kill_at: int = 0, processes: int = 1) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", BUILD, survey, store, str(kill_at), str(processes)],
        stdout=subprocess.PIPE,
        text=True,
    )


def run(survey: Path, store: Path, kill_at: int = 0) -> int:
    with start(survey, store, kill_at) as process:
        process.communicate(timeout=60)
    return process.returncode


def files(folder: Path) -> dict[str, bytes]:
    locks = ("lock", "readers")
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name not in locks}


@pytest.fixture(scope="module")
def survey(tmp_path_factory) -> Path:
    survey = tmp_path_factory.mktemp("survey")
    rng = np.random.default_rng(0)
    (survey / "images").mkdir()
    for name in NAMES:
        pixels = rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(survey / f"images/{name}.png")
    (survey / "images/5.png").write_bytes(b"")
    assert run(survey, survey / "whole") == 0
    return survey


def test_killed_before_each_kind_of_step(survey, tmp_path):
    whole, store = files(survey / "whole"), tmp_path / "store"
    assert len(whole) == 5 * 2 + 1
    kills = 0
    # Opening, renaming and syncing of pixels, rows and manifest, in one build after another.
    for kill_at in (3, 12, 10, 14, 16, 21):
        code = run(survey, store, kill_at)
        assert code in (0, -signal.SIGKILL)
        kills += code != 0
    assert kills >= 4
    assert run(survey, store) == 0
    assert files(store) == whole
    ImageStore.open(store, NAMES).verify()


def test_killed_at_any_time_with_processes_of_its_own(survey, tmp_path):
    whole, store = files(survey / "whole"), tmp_path / "store"
    for lines in (1, 2, 1):
        with start(survey, store, processes=2) as process:
            for _ in range(lines):
                process.stdout.readline()  # so many shards are being written, or are
            process.kill()
    assert not (store / "manifest.json").exists()
    assert run(survey, store) == 0
    assert files(store) == whole


def test_decoding_processes_end_with_the_one_that_started_them(tmp_path):
    code = """
import os, pathlib, sys, time
from czsl.images.decoder import Decoder
from czsl.images.source import open_source
from czsl.sections import ImagesSettings
source = open_source("{id}", folder=pathlib.Path("."))
decoder = Decoder(source, settings=ImagesSettings(), channels=3, processes=2)
print(len(decoder.decode([str(n) for n in range(500)], ["none"] + ["1.jpg"] * 499).flags))
print(*[worker._process.pid for worker in decoder._workers], flush=True)
time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout.readline() == "500\n"
        workers = [int(pid) for pid in process.stdout.readline().split()]
        assert len(workers) == 2
        process.kill()
    assert have_ended(workers, 10), "a decoding process outlived its parent by ten seconds"
