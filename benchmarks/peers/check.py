"""Check that the networks in Keras are ours: as many parameters, and the same loss.

With our weights put into the Keras model the loss over one batch is to agree within 1e-5, and
again after one step of training on it. Ends with an error where it does not.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from pipe import PEERS, Side

ROWS, TOLERANCE = 32, 1e-5


def differences(arrays: str, folder: Path) -> list[str]:
    """Compare both networks; give what differs, in words, and print what was compared."""
    wrong: list[str] = []
    with (
        Side("keras_side.py", python=PEERS, threads=1) as peer,
        Side("ours_side.py", threads=1) as ours,
    ):
        print(peer.ask("open", arrays=arrays), ours.ask("open", arrays=arrays))
        for network in ("cnn", "autoencoder"):
            counts = [side.ask("make", network=network)["parameters"] for side in (peer, ours)]
            weights = str(folder / f"{network}.npz")
            ours.ask("save", weights=weights)
            peer.ask("weigh", weights=weights)
            before = [peer.ask("loss", rows=ROWS), ours.ask("batch_loss", rows=ROWS)]
            after = [side.ask("step", rows=ROWS) for side in (peer, ours)]
            print(f"{network}: parameters {counts}, loss {before}, after a step {after}")
            if counts[0] != counts[1]:
                wrong.append(f"{network}: Keras has {counts[0]} parameters, ours {counts[1]}")
            for when, (theirs, own) in (("at first", before), ("after a step", after)):
                if abs(theirs["loss"] - own["loss"]) > TOLERANCE:
                    wrong.append(f"{network}: {when} Keras' loss is {theirs}, ours {own}")
    return wrong


def main() -> None:
    """Check, and end with an error where something differs."""
    if not PEERS.exists():
        sys.exit("there is no environment of the peers: 'make bench-peers' makes it")
    random = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        arrays = Path(folder) / "arrays.npz"
        images = random.integers(0, 256, (ROWS, 64, 64, 3), dtype=np.uint8)
        labels = np.eye(3, dtype=np.float32)[random.integers(0, 3, ROWS)]
        np.savez(arrays, images=images, labels=labels)
        wrong = differences(str(arrays), Path(folder))
    if wrong:
        sys.exit("\n".join(wrong))
    print("the networks in Keras are ours")


if __name__ == "__main__":
    main()
