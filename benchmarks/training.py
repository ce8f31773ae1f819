"""Training: the published networks against Keras and PyTorch, the default's against the limit.

Ours is the package's own loop: batches gathered, shuffled, augmented where the recipe says so,
kept after each epoch. Keras is measured where ``make bench-peers`` has made its environment.
Every side is a program of its own with the same threads and bound to the same cores.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER / "peers"))
sys.path.insert(0, str(FOLDER))

from harness import Figure, alternate, compare, finish, options
from pipe import PEERS, Side

GOALS = {"autoencoder": 2.5, "cnn": 2.0}
BEST_GOAL, SHARE_GOAL = 4.0, 0.8
LIMITS = {
    "autoencoder": "in a profile of ours convolutions, forward and backward, take two thirds of "
    "the time",
    "cnn": "in a profile of ours convolutions, forward and backward, take half of the time, "
    "pooling and its gradient a third",
    "residual": "in a profile convolutions, of which most have 16 to 64 channels, take two thirds "
    "of the time; normalisation, ReLU and pooling, which move memory, take most of the rest",
}
"""What limits training where a goal is missed."""

WAYS = ("fit", "fit, XLA", "loop", "loop, XLA")
"""How Keras may train: ``Model.fit`` or a compiled loop over data in memory; XLA or not."""

BATCHES = (32, 128, 512)

SETTINGS: dict[str, dict[str, bool]] = {
    "channels last": {"channels_last": True},
    "pooling before ReLU": {"channels_last": True, "pool_first": True},
    "bfloat16": {"channels_last": True, "pool_first": True, "bfloat16": True},
    "compile": {"channels_last": True, "pool_first": True, "bfloat16": True, "compiled": True},
}
"""What is added to PyTorch's defaults, each beside those before it; the allocator between."""


def main() -> None:
    """Measure training."""
    asked = options("Training, images a second.", repeats=3).parse_args()
    images, repeats = (256, 1) if asked.quick else (1024, asked.repeats)
    figures: list[Figure] = []
    more: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        arrays = write_arrays(Path(folder), images)
        figures += residual(arrays, images, repeats, more)
        networks = ("cnn",) if asked.quick else tuple(GOALS)
        figures += settings(arrays, images, repeats, networks)
        if PEERS.exists():
            for threads in (1,) if asked.quick else (1, 2):
                figures += keras(arrays, images, repeats, threads, networks, more)
        else:
            print("Keras is left out: 'make bench-peers' makes its environment")
    finish("training", figures, out=asked.out, more=more)


def write_arrays(folder: Path, images: int) -> str:
    """Write the images and labels that every side trains on."""
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (images, 64, 64, 3), dtype=np.uint8)
    labels = np.eye(3, dtype=np.float32)[random.integers(0, 3, images)]
    np.savez(folder / "arrays.npz", images=pixels, labels=labels)
    return str(folder / "arrays.npz")


def trained(side: Side, images: int, what: str = "train", **how: Any) -> Callable[[], float]:
    """Give what measures a side's training, images a second."""
    return lambda: images / side.ask(what, images=images, **how)["seconds"]


def keras(
    arrays: str,
    images: int,
    repeats: int,
    threads: int,
    networks: Sequence[str],
    more: dict[str, Any],
) -> Iterator[Figure]:
    """Compare with Keras: at batch 32 in float32, then both sides at their best, bfloat16 too."""
    with (
        Side("keras_side.py", python=PEERS, threads=threads) as peer,
        Side("keras_side.py", python=PEERS, threads=threads) as half,
        Side("ours_side.py", threads=threads) as ours,
    ):
        sides = {"float32": peer, "bfloat16": half}
        versions = peer.ask("open", arrays=arrays)
        half.ask("open", arrays=arrays)
        ours.ask("open", arrays=arrays)
        batches = [batch for batch in BATCHES if batch * 2 <= images]
        ways = WAYS if len(batches) == len(BATCHES) else WAYS[::2]
        for network in networks:
            for precision, side in sides.items():
                side.ask("make", network=network, precision=precision)
            ours.ask("make", network=network)
            tried = {
                (precision, way, batch): alternate(
                    {"": trained(side, images, batch=batch, how=way)}, repeats=1
                )[""][0]
                for precision, side in sides.items()
                for way in ways
                for batch in (batches if "XLA" not in way else batches[:1])
            }
            own = {
                (precision, batch): alternate(
                    {"": trained(ours, images, batch=batch, precision=precision)}, repeats=1
                )[""][0]
                for precision in ("32", "bf16")
                for batch in batches
            }
            way = max(ways, key=lambda one: tried["float32", one, 32])
            best_kind, best_way, best_batch = max(tried, key=tried.__getitem__)
            precision, batch = max(own, key=own.__getitem__)
            rates = alternate(
                {
                    "ours, float32, batch 32": trained(ours, images, batch=32),
                    f"Keras {way}, batch 32": trained(peer, images, batch=32, how=way),
                    "Keras fit, batch 32 ": trained(peer, images, batch=32, how="fit"),
                    f"ours at best, {precision}, batch {batch}": trained(
                        ours, images, batch=batch, precision=precision
                    ),
                    f"Keras at best, {best_way}, {best_kind}, batch {best_batch}": trained(
                        sides[best_kind], images, batch=best_batch, how=best_way
                    ),
                },
                repeats=repeats,
            )
            plain, same, fit, best, theirs = rates
            where = f"training, published {network}, {threads} threads"
            limit = LIMITS[network]
            what = f"{where}, batch 32"
            yield compare(rates, plain, same, what=what, goal=GOALS[network], limit=limit)
            yield compare(rates, plain, fit, what=f"{where}, batch 32, Keras' own loop")
            what = f"{where}, best settings"
            yield compare(rates, best, theirs, what=what, goal=BEST_GOAL, limit=limit)
            more[f"{where}: Keras tried"] = {
                f"{key[1]}, {key[0]}, batch {key[2]}": n for key, n in tried.items()
            }
            more[f"{where}: ours tried"] = {
                f"{key[0]}, batch {key[1]}": n for key, n in own.items()
            }
        more["peers"] = versions


def residual(arrays: str, images: int, repeats: int, more: dict[str, Any]) -> Iterator[Figure]:
    """Compare the default's training with the product rate of the core, loop and bare step."""
    with Side("ours_side.py", threads=1) as ours:
        ours.ask("open", arrays=arrays)
        ours.ask("make", network="residual")
        flops = ours.ask("flops", batch=64)["flops"]
        work = flops / 1e9

        def scaled(what: str, precision: str) -> Callable[[], float]:
            rate = trained(ours, images, what, batch=64, precision=precision)
            return lambda: float(work * rate())

        for precision, name in (("bf16", "bfloat16"), ("32", "float32")):
            rates = alternate(
                {
                    "whole loop, GFLOP/s": scaled("train", precision),
                    "bare steps, GFLOP/s": scaled("bare", precision),
                    f"{name} product, GFLOP/s": lambda precision=precision: (
                        ours.ask("peak", precision=precision)["rate"] / 1e9
                    ),
                },
                repeats=repeats,
            )
            loop, bare, peak = rates
            what = f"training, default's network, {name}"
            goal = SHARE_GOAL if precision == "bf16" else None
            limit = LIMITS["residual"] if goal else ""
            yield compare(rates, loop, peak, what=f"{what}, whole loop", goal=goal, limit=limit)
            yield compare(rates, bare, peak, what=f"{what}, bare steps")
            yield compare(rates, loop, bare, what=f"{what}, loop with augmentation")
        more["default's network: operations for an image, forward and backward"] = flops


def settings(arrays: str, images: int, repeats: int, networks: Sequence[str]) -> Iterator[Figure]:
    """Compare ours with PyTorch's defaults, and say what each setting adds, on one core."""
    batch = 128
    with ExitStack() as stack:
        sides = {
            kind: stack.enter_context(
                Side("torch_side.py", threads=1, environment={"SIDE_ALLOCATOR": kind})
            )
            for kind in ("default", "keep")
        }
        ours = stack.enter_context(Side("ours_side.py", threads=1))
        for side in (*sides.values(), ours):
            side.ask("open", arrays=arrays)
        for network in networks:
            measured: dict[str, Callable[[], float]] = {}
            measured["PyTorch's defaults"] = _made(sides["default"], network, {}, batch, images)
            measured["allocator"] = _made(sides["keep"], network, {}, batch, images)
            for name, changes in SETTINGS.items():
                if name == "compile" and images < 2 * batch + 1:
                    continue  # to see that it runs, compiling takes too long
                measured[name] = _made(sides["keep"], network, changes, batch, images)
            ours.ask("make", network=network)
            measured["ours, bfloat16"] = trained(ours, images, batch=batch, precision="bf16")
            rates = alternate(measured, repeats=min(repeats, 3))
            names = list(measured)
            for before, after in pairwise(names[:-1]):
                what = f"published {network}, batch {batch}: {after}"
                yield compare(rates, after, before, what=what)
            what = f"published {network}, batch {batch}, one core, our loop in bfloat16"
            yield compare(rates, names[-1], names[0], what=what)


def _made(
    side: Side, network: str, changes: dict[str, bool], batch: int, images: int
) -> Callable[[], float]:
    """Give what makes a network with some settings, warms it up and measures it."""

    def measure() -> float:
        side.ask("make", network=network, **changes)
        side.ask("train", batch=batch, images=batch * 2)
        return trained(side, images, batch=batch)()

    return measure


if __name__ == "__main__":
    main()
