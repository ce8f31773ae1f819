"""What is set before torch is imported."""

import os
import subprocess
import sys

import pytest

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
