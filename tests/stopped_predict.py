"""Predict a table in small parts and stop at some row, by a kill or Ctrl-C."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from czsl.survey import predict as module
from czsl.terminal import FitDisplay

STOPS = {"kill": signal.SIGKILL, "interrupt": signal.SIGINT}


def main(model: str, table: str, out: str, how: str, row: int) -> None:
    """Run the command line; stop when so many rows are done."""
    # Ignored where the tests run in the background, and inherited.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    from czsl.cli import main as command

    module.ROWS, module.PART = 5, 2

    def predicted(self: FitDisplay, rows: int) -> None:
        if rows >= row:
            os.kill(os.getpid(), STOPS[how])

    FitDisplay.predicted = predicted  # type: ignore[method-assign]
    arguments = [model, table, "--out", out, "--threads", "1", "--device", "cpu"]
    command(["predict", *arguments])


def run(model: Path, table: Path, out: Path, how: str, row: int) -> tuple[int, str]:
    """Do so in a process; give its exit code and what it said on the error stream."""
    command = [sys.executable, __file__, str(model), str(table), str(out), how, str(row)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return ended.returncode, ended.stderr


if __name__ == "__main__":
    main(*sys.argv[1:5], int(sys.argv[5]))
