"""FITS cutouts to arrays, against astropy file by file.

One-band images in single precision of 64 and 256 pixels, drawn here. Both sides open each file,
which the page cache holds, and end with native float32.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from astropy.io import fits

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import Figure, alternate, compare, finish, options, rate

from czsl.images.fits import decode_fits

GOALS = {64: 5.0, 256: 2.5}


def main() -> None:
    """Measure reading FITS cutouts."""
    asked = options("FITS cutouts to arrays, images a second.", repeats=7).parse_args()
    count, repeats = (20, 1) if asked.quick else (400, asked.repeats)
    figures = []
    for side in GOALS:
        with tempfile.TemporaryDirectory() as folder:
            figures.append(of_side(written(Path(folder), side, count), side, repeats))
    finish("fits", figures, out=asked.out)


def written(folder: Path, side: int, count: int) -> list[Path]:
    """Write cutouts with some cards of an instrument."""
    random = np.random.default_rng(0)
    files = [folder / f"{number}.fits" for number in range(count)]
    for file in files:
        unit = fits.PrimaryHDU(random.normal(size=(side, side)).astype(np.float32))
        unit.header.update({"OBJECT": "a galaxy", "CRVAL1": 150.1, "CRVAL2": 2.2, "FILTER": "r"})
        unit.writeto(file)
    return files


def of_side(files: Sequence[Path], side: int, repeats: int) -> Figure:
    """Compare reading files of one size."""

    def ours() -> None:
        for file in files:
            decode_fits(file.read_bytes())

    def theirs() -> None:
        for file in files:
            with fits.open(file, memmap=False) as units:
                np.asarray(units[0].data).astype(np.float32)

    sides = {"ours": rate(ours, len(files)), "astropy": rate(theirs, len(files))}
    rates = alternate(sides, repeats=repeats)
    what = f"FITS cutouts of {side} px to arrays"
    return compare(rates, "ours", "astropy", what=what, goal=GOALS[side])


if __name__ == "__main__":
    main()
