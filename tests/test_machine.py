"""What is set before torch is imported, and processes of our own."""

import os
import subprocess
import sys

import pytest

from czsl.machine import python_command

SAY = (
    "import ctypes, sys; from czsl.machine import prepare_process; prepare_process(); "
    "assert 'torch' not in sys.modules; get = ctypes.CDLL(None).getenv; "
    "get.restype = ctypes.c_char_p; print((get(b'GOMP_SPINCOUNT') or b'not set').decode())"
)
OURS = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")


@pytest.mark.parametrize(
    ("given", "expected"),
    [({}, "1000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "not set")],
)
def test_threads_soon_sleep_unless_the_user_says_otherwise(given, expected):
    inherited = {name: value for name, value in os.environ.items() if name not in OURS}
    said = subprocess.run(
        [sys.executable, "-c", SAY],
        env={**inherited, **given},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.strip() == expected


KEPT = (
    "import ctypes; from pathlib import Path; from czsl.machine import give_back_memory, "
    "prepare_process; prepare_process(); c = ctypes.CDLL(None); "
    "c.malloc.restype = ctypes.c_void_p; c.malloc.argtypes = [ctypes.c_size_t]; "
    "c.free.argtypes = [ctypes.c_void_p]; size = 200 << 20\n"
    "def resident():\n"
    "    return int(Path('/proc/self/statm').read_text().split()[1]) * 4096\n"
    "before = resident(); block = c.malloc(size); ctypes.memset(block, 1, size); c.free(block)\n"
    "kept = resident() - before; give_back_memory()\n"
    "print(kept / size, (resident() - before) / size)"
)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs glibc")
@pytest.mark.parametrize("given", [{}, {"MALLOC_TRIM_THRESHOLD_": "131072"}])
def test_freed_blocks_are_kept_for_later_unless_the_user_says_otherwise(given):
    """Of 200 MiB that are freed all are kept, or none; what is kept can be given back."""
    said = subprocess.run(
        [sys.executable, "-c", KEPT],
        env={name: value for name, value in os.environ.items() if "MALLOC" not in name} | given,
        capture_output=True,
        text=True,
        check=True,
    )
    kept, left = map(float, said.stdout.split())
    assert kept < 0.1 if given else kept > 0.9
    assert left < 0.1


def test_a_process_finds_modules_where_this_one_does(tmp_path, monkeypatch):
    (tmp_path / "ours.py").write_text("def say(what, times):\n    print(what * times)\n")
    monkeypatch.setattr(sys, "path", [tmp_path / "no text", str(tmp_path), *sys.path])
    command = python_command("say('it\\'s ', 2)", module="ours")
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    assert said.stdout == "it's it's \n"
