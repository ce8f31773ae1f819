"""Processes that decode: order, errors, and scripts without a guard."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from czsl.errors import ImageError
from czsl.flags import Flag
from czsl.images import decoder as decoders
from czsl.images.decoder import Decoder
from czsl.images.source import open_source
from czsl.images.worker import Batch
from czsl.sections import ImagesSettings

NAMES = [str(number) for number in range(40)]


@pytest.fixture
def survey(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(decoders, "FEW", 10)  # processes start for few images too
    monkeypatch.setattr(decoders, "CHUNK", 4)
    for seed, name in enumerate(NAMES):
        pixels = np.random.default_rng(seed).integers(0, 256, (10, 12, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    (tmp_path / "7.png").write_bytes(b"")
    return tmp_path


def decoder(survey: Path, *, processes: int, crop: int | None = None) -> Decoder:
    return Decoder(
        open_source("{id}.png", folder=survey),
        settings=ImagesSettings(size=8, crop=crop),
        channels=3,
        processes=processes,
    )


def references(names: list[str]) -> list[str]:
    return [f"{name}.png" for name in names]


def test_several_processes_give_what_one_gives_in_order(survey):
    names = [*NAMES, "none"]
    with decoder(survey, processes=1) as one, decoder(survey, processes=3) as three:
        alone = one.decode(names, references(names))
        for _ in range(2):  # the processes stay for the next batch
            together = three.decode(names, references(names))
            for name in ("pixels", "flags", "sizes"):
                np.testing.assert_array_equal(getattr(together, name), getattr(alone, name))
            assert together.reasons == alone.reasons
            assert together.stamps == alone.stamps
    assert alone.flags[[0, 7, 40]].tolist() == [0, Flag.IMAGE_EMPTY, Flag.IMAGE_MISSING]
    assert alone.sizes[0].tolist() == [10, 12, 3]
    assert alone.modes[0] == "RGB"


def test_a_few_images_start_no_process(survey):
    with decoder(survey, processes=3) as few:
        assert few.decode(NAMES[:5], references(NAMES[:5])).flags.tolist() == [0] * 5
        assert few._workers == []


def test_no_images_are_an_empty_batch(survey):
    with decoder(survey, processes=2) as none:
        batch = none.decode([], [])
    assert batch.pixels.shape == (0, 8, 8, 3)
    assert batch.flags.shape == (0,)


def test_batches_put_one_after_the_other_keep_their_indices():
    one, two = Batch.empty(2, 8, 1), Batch.empty(3, 8, 1)
    two.flags[1] = 4
    two.unfit.append((2, "too small"))
    joined = Batch.joined([one, two])
    assert joined.flags.tolist() == [0, 0, 0, 4, 0]
    assert joined.unfit == [(4, "too small")]


def test_images_that_do_not_fit_are_told_of_all_at_once(survey):
    words = r"40 of 40 images .* '0.png' \(12 x 10 pixels, smaller than the 11 of"
    with decoder(survey, processes=2, crop=11) as unfit:
        (survey / "7.png").write_bytes((survey / "8.png").read_bytes())
        with pytest.raises(ImageError, match=words):
            unfit.decode(NAMES, references(NAMES))


def test_paths_that_lead_out_are_refused(survey):
    with decoder(survey, processes=1) as out, pytest.raises(ImageError, match="lead out of"):
        out.decode(["1"], ["../1.png"])


def test_what_is_wrong_with_a_place_as_a_whole_comes_through(survey):
    (survey / "a.zip").write_text("no archive")
    names = [f"a.zip/{name}" for name in NAMES]
    with (
        decoder(survey, processes=2) as broken,
        pytest.raises(ImageError, match=r"a.zip: cannot be opened as an archive"),
    ):
        broken.decode(NAMES, names)


def test_process_that_dies_is_named(survey):
    with decoder(survey, processes=1 + 1) as dying:
        dying.decode(NAMES, references(NAMES))
        for worker in dying._workers:
            os.kill(worker._process.pid, signal.SIGKILL)
        with pytest.raises(
            ImageError, match=r"process died \(exit code -9\) .*use fewer processes"
        ):
            dying.decode(NAMES, references(NAMES))


SCRIPT = """
import sys
from pathlib import Path
from czsl.images import decoder
from czsl.images.source import open_source
from czsl.sections import ImagesSettings
print("once")
decoder.FEW = 1
source = open_source("{id}.png", folder=Path(sys.argv[1]))
with decoder.Decoder(source, settings=ImagesSettings(size=8), channels=3, processes=2) as both:
    batch = both.decode(["0", "1"], ["0.png", "1.png"])
    print(batch.flags.tolist(), len(both._workers), "torch" in sys.modules)
"""


def test_script_needs_no_guard_and_its_processes_no_torch(survey):
    path = survey / "script.py"
    path.write_text(SCRIPT)
    found = subprocess.run(
        [sys.executable, path, survey], capture_output=True, text=True, check=True, timeout=60
    )
    assert found.stdout == "once\n[0, 0] 2 False\n"
    assert found.stderr == ""
    code = "import sys; import czsl.images.worker; print('torch' in sys.modules)"
    worker = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert worker.stdout == "False\n"


def test_a_path_object_in_the_search_path_stops_no_process(survey, monkeypatch):
    monkeypatch.setattr(sys, "path", [Path("/no such folder"), *sys.path])
    with decoder(survey, processes=2) as several:
        assert several.decode(NAMES, references(NAMES)).flags.tolist()[:7] == [0] * 7
        assert len(several._workers) == 2


def test_interrupt_ends_the_processes(survey):
    def work() -> None:
        with stopped:
            next(stopped.batches(references(NAMES)))
            raise KeyboardInterrupt("now")

    stopped = decoder(survey, processes=2)
    with pytest.raises(KeyboardInterrupt, match="now"):
        work()
    assert all(worker._process.poll() is not None for worker in stopped._workers)
