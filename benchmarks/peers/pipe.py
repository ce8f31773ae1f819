"""Sides of a comparison, each a program of its own that is asked over a pipe.

A side lives as long as the comparison, so that what it compiled and allocated stays; it
waits while another works. TensorFlow and PyTorch never share a process, nor cores at a
time. Requests and answers are JSON, one line each.

Only the standard library is imported: peers run in an environment of their own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

FOLDER = Path(__file__).resolve().parent
PEERS = FOLDER.parents[1] / ".venv-peers" / "bin" / "python"
"""Python of the peers' environment."""

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "SIDE_THREADS")


class Side:
    """A program that measures itself when asked.

    Parameters
    ----------
    program
        Its file, in this folder.
    python
        What runs it.
    threads
        How many it may use; it is bound to as many cores.
    environment
        Variables to set.
    """

    def __init__(
        self,
        program: str,
        *,
        python: Path | str = sys.executable,
        threads: int,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = program
        cores = sorted(os.sched_getaffinity(0))[:threads]
        set_here = dict.fromkeys(THREADS, str(threads))
        self._process = subprocess.Popen(
            [str(python), str(FOLDER / program)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **set_here, **(environment or {})},
            preexec_fn=lambda: os.sched_setaffinity(0, cores),  # noqa: PLW1509 - no threads yet
        )

    def ask(self, what: str, **settings: Any) -> Any:
        """Let it do something and give what it answers.

        Raises
        ------
        RuntimeError
            Where it fails; what it said stands on standard error.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):  # then it answers nothing either
            print(json.dumps([what, settings]), file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self.name} ended while it was asked to {what} {settings}")
        return json.loads(answer)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it may have ended already
            self._process.stdin.close()
        self._process.wait()


def serve(answers: Mapping[str, Callable[..., Any]]) -> None:
    """Answer requests until there are no more.

    Parameters
    ----------
    answers
        By what is asked, the function that answers.
    """
    # Whatever libraries print goes to standard error: standard output is the pipe.
    pipe = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        what, settings = json.loads(line)
        print(json.dumps(answers[what](**settings)), file=pipe, flush=True)


def threads() -> int:
    """Give the number of threads that this side may use."""
    return int(os.environ["SIDE_THREADS"])
