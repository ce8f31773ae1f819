"""How long ``czsl --help`` takes, beside an interpreter that does nothing."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from harness import Figure, alternate, finish, options

ALLOWED = 0.3
"""Seconds that the help may take more than the bare interpreter."""


def main() -> None:
    """Measure."""
    asked = options(__doc__.splitlines()[0], repeats=21).parse_args()
    command = str(Path(sys.executable).with_name("czsl"))
    sides = {
        "help, s": lambda: seconds([command, "--help"]),
        "interpreter, s": lambda: seconds([sys.executable, "-c", "pass"]),
    }
    found = alternate(sides, repeats=3 if asked.quick else asked.repeats, warm_up=2)
    more = [mine - bare for mine, bare in zip(*found.values(), strict=True)]
    figure = Figure(
        what="start-up of czsl --help: seconds more than",
        peer="bare interpreter",
        ratio=median(more),
        low=min(more),
        high=max(more),
        goal=ALLOWED,
        at_most=True,
        rates={name: median(values) for name, values in found.items()},
    )
    finish("startup", [figure], out=asked.out)


def seconds(command: list[str]) -> float:
    """Run a command to its end."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
