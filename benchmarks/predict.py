"""Prediction from the image store, against a plain PyTorch loop.

The loop is what a user writes first: a ``DataLoader`` over a memory-mapped array, channels
first, batches of 256, PyTorch's own settings. Ours is what ``czsl predict`` does once the
images are decoded. The default recipe has five networks, and shows each eight views.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import Figure, alternate, compare, finish, options
from peers.pipe import Side
from store import written

GOAL = 8.0
PLAIN = {"SIDE_KIND": "plain"}
LIMIT = (
    "The recipe asks for float32, and the row below tells which share of its peak is reached: "
    "three convolutions take two thirds of the time, pooling a sixth."
)
PEAKS = {"published": "float32", "default, one view": "bfloat16", "default": "bfloat16"}
"""The products of each network, where the processor has them."""
NETWORKS = {"published": 8192, "default, one view": 1024, "default": 128}
"""Networks, and the images that each predicts at a time."""


def main() -> None:
    """Measure prediction from the store."""
    asked = options("Prediction from the store, images a second.").parse_args()
    share = 32 if asked.quick else 1
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        images(Path(folder), 8192 // share)
        for threads in (1, 2):
            with (
                Side("predict_side.py", threads=threads) as ours,
                Side(
                    "predict_side.py", threads=threads, environment={"SIDE_KIND": "plain"}
                ) as loop,
            ):
                loop.ask("open", folder=folder, network="published")
                for network, count in NETWORKS.items():
                    ours.ask("open", folder=folder, network=network)
                    rates = alternate(
                        {
                            f"ours, {network}": rate(ours, max(1, count // share)),
                            "plain loop, published": rate(loop, 8192 // share),
                        },
                        repeats=1 if asked.quick else asked.repeats,
                    )
                    published = network == "published"
                    cores = f"{threads} thread{'s' * (threads > 1)}"
                    figures.append(
                        compare(
                            rates,
                            f"ours, {network}",
                            "plain loop, published",
                            what=f"prediction from the store, {network} network, {cores}",
                            peer="plain loop with the published network, PyTorch's defaults",
                            goal=GOAL if published else None,
                            limit=LIMIT if published else "",
                        )
                    )
                    figures.append(of_the_peak(ours, rates[f"ours, {network}"], network, cores))
    finish("predict", figures, out=asked.out)


def of_the_peak(side: Side, rates: list[float], network: str, cores: str) -> Figure:
    """Compare the operations that a network's products take with what the cores can do."""
    operations = side.ask("flops")["flops"] / 1e9
    peak = f"{PEAKS[network]} product, GFLOP/s"
    found = {
        "reached, GFLOP/s": [rate * operations for rate in rates],
        peak: [side.ask("peak")["rate"] / 1e9 for _ in rates],
    }
    what = f"prediction from the store, {network} network, {cores}, operations"
    return compare(found, "reached, GFLOP/s", peak, what=what, peer=peak)


def images(folder: Path, count: int) -> None:
    """Write random images as an array and as a store."""
    pixels = np.random.default_rng(0).integers(0, 256, (count, 64, 64, 3), dtype=np.uint8)
    np.save(folder / "images.npy", pixels)
    np.save(folder / "ids.npy", np.array([str(number) for number in range(count)]))
    written(folder / "store", pixels, count)


def rate(side: Side, count: int) -> Callable[[], float]:
    """Measure how many images a side predicts in a second."""
    return lambda: count / float(side.ask("predict", images=count)["seconds"])


if __name__ == "__main__":
    main()
