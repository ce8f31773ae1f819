"""Prediction from JPEG files, end to end, against the rate at which the cores decode JPEG.

Ours is ``predict_table``: a table of paths becomes a catalogue of probabilities by the published
network, one network on 64 pixels. The limit is libjpeg-turbo decoding the same files, which are in
memory, at the same scale, one process for each core, with nothing else to do. Cutouts as in
``images.py``.
"""

from __future__ import annotations

import csv
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import Figure, alternate, compare, finish, options, rate

from czsl.catalogue import Catalogue
from czsl.config import make_config
from czsl.images.prepare import reduction
from czsl.machine import cores
from czsl.model import CzSL
from czsl.recipes import recipe_settings
from czsl.sections import ImagesSettings
from czsl.survey.predict import predict_table
from images import SIDE, SIZE, cutouts

CROPS, GOAL = (128, None), 0.7
CLASSES = ("early", "late")
SHORT = {"epochs": 1}
QUICK = {"name": "czsl2023", "folds": 1, "reconstruct": SHORT, "pretrain": SHORT, "finetune": SHORT}


LIMIT = (
    "The limit is decoding alone. Of a process's time decoding takes two fifths and the network a "
    "third; opening files, looking for blank and cut-off images, and bookkeeping take the rest."
)


def main() -> None:
    """Measure prediction from files."""
    asked = options("Prediction from JPEG files, images a second.").parse_args()
    count, times, repeats = (60, 2, 1) if asked.quick else (800, 15, asked.repeats)
    figures, more = [], {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        files, more["images"] = cutouts(count, folder)
        write_table(folder / "few.csv", files[:60])
        write_table(folder / "many.csv", files * times)
        for crop in CROPS:
            figures.append(of_crop(folder, files, crop, repeats, count * times))
    finish("from_files", figures, out=asked.out, more=more)


def write_table(path: Path, files: Sequence[Path]) -> None:
    """Write a table of paths with votes and classes made up."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "path", "smooth", "disc", "class"])
        for number, image in enumerate(files):
            votes = [20, 5] if number % 2 else [4, 21]
            writer.writerow([f"g{number}", image, *votes, CLASSES[1 - number % 2]])


def of_crop(
    folder: Path, files: Sequence[Path], crop: int | None, repeats: int, count: int
) -> Figure:
    """Compare prediction with decoding, for one crop."""
    model = fitted(folder, files, crop)
    factor = reduction(SIDE, SIDE, ImagesSettings(crop=crop, size=SIZE))
    data = [file.read_bytes() for file in files]
    shares = [data[core :: cores()] for core in range(cores())]
    rounds = count // len(files)

    def predict() -> Any:
        return predict_table(model, folder / "many.csv", folder / "out.parquet")

    with get_context("spawn").Pool(cores()) as pool:

        def decode() -> Any:
            return pool.map(partial(decode_all, factor=factor, rounds=rounds), shares, chunksize=1)

        sides: dict[str, Callable[[], float]] = {
            "predict": rate(predict, count),
            "decode alone": rate(decode, count),
        }
        rates = alternate(sides, repeats=repeats)
    what = "prediction from JPEG files, published network, " + (
        "whole image" if crop is None else f"crop {crop}"
    )
    peer = f"libjpeg-turbo at 1/{factor}, all cores"
    return compare(rates, "predict", "decode alone", what=what, goal=GOAL, peer=peer, limit=LIMIT)


def decode_all(files: Sequence[bytes], factor: int, rounds: int) -> int:
    """Decode files again and again."""
    import simplejpeg

    least = -(-SIDE // factor)
    for _ in range(rounds):
        for one in files:
            simplejpeg.decode_jpeg(one, min_height=least, min_width=least, min_factor=factor)
    return len(files) * rounds


def fitted(folder: Path, files: Sequence[Path], crop: int | None) -> CzSL:
    """Fit the published network in a few steps: its rate does not depend on its weights."""
    sections: dict[str, Any] = {
        "catalogue": {
            "table": "few.csv",
            "id": "id",
            "images": "{path}",
            "roots": [str(files[0].parent)],
        },
        "votes": {"answers": {"smooth": "smooth", "disc": "disc"}},
        "classes": {"column": "class", "values": {name: name for name in CLASSES}},
        "images": {"crop": crop, "size": SIZE},
    }
    config = make_config(sections, folder=folder)
    config = config.model_copy(update={"recipe": recipe_settings(QUICK)})
    return CzSL(device="cpu").fit(Catalogue.read(config))


if __name__ == "__main__":
    main()
