"""Join the tables of Galaxy Zoo 1 into one catalogue, beside the files that read it.

Usage: python join.py DATA OUT, where DATA holds amateur_class.csv, votes_es_erl.csv,
votes_mergers.csv and images/. OUT then holds galaxies.csv, and czsl.toml (early or late type),
debiased.toml (the same, with the debiased fractions for the transfer), spirals.toml (elliptical
and the two senses of spirals) and mergers.toml; and few_votes.csv with few_votes.toml, early or
late type where volunteers saw 300 of the objects that no expert did.
"""

from __future__ import annotations

import csv
import random
import sys
from collections.abc import Sequence
from pathlib import Path

COUNTS = ("N_EL", "N_CW", "N_ACW", "N_EDGE", "N_DK", "N_MG")
DEBIASED = ("EL_DEB", "CS_DEB")
EXPERTS = ("EXPERT", "HAND", "MG_EXPERT")
TABLES = ("votes_es_erl.csv", "votes_mergers.csv")
FEW = 300
"""Objects with votes and without an expert's class in few_votes.csv."""

CLASSES = {
    "spirals": """\
[classes]
column = "HAND"
values = { elliptical = "0", clockwise = "1", anticlockwise = "-1" }
mirror = { clockwise = "anticlockwise" }

[classes.from_answers]
elliptical    = ["elliptical"]
clockwise     = ["clockwise"]
anticlockwise = ["anticlockwise"]

""",
    "mergers": """\
[classes]
column = "MG_EXPERT"
values = { other = "0", merger = "1" }

[classes.from_answers]
other  = ["elliptical", "clockwise", "anticlockwise", "edge", "other"]
merger = ["merger"]

""",
}


def main(data: Path, out: Path) -> None:
    """Write OUT/galaxies.csv and OUT/few_votes.csv, a row for each image, and what reads them."""
    missing = [
        name for name in ("amateur_class.csv", *TABLES, "images") if not (data / name).exists()
    ]
    if missing:
        sys.exit(
            f"{data}: there is no {', '.join(missing)}; "
            "name the folder of the data: make gz1 DATA=..."
        )
    votes: dict[str, dict[str, str]] = {}
    for name in TABLES:
        with (data / name).open(newline="") as file:
            for row in csv.DictReader(file):
                votes.setdefault(row["OBJID"], {}).update(row)
    out.mkdir(parents=True, exist_ok=True)
    columns = ("OBJID", "AMATEUR_CLASS", *COUNTS, *DEBIASED, *EXPERTS)
    with (data / "amateur_class.csv").open(newline="") as file:
        known = [row | votes.get(row["OBJID"], {}) for row in csv.DictReader(file)]
    rows = [{name: row.get(name, "") for name in columns} for row in known]
    write(out / "galaxies.csv", rows)
    write(out / "few_votes.csv", with_few_votes(rows))
    config = Path(__file__).with_name("czsl.toml").read_text(encoding="utf-8")
    place = data.resolve().as_posix()
    config = config.replace('"data/images', f'"{place}/images')
    start, end = config.index("[classes]"), config.index("[images]")
    for name, classes in {"czsl": config[start:end], **CLASSES}.items():
        text = config[:start] + classes + config[end:]
        (out / f"{name}.toml").write_text(text, encoding="utf-8")
    few = config.replace('"galaxies.csv"', '"few_votes.csv"')
    (out / "few_votes.toml").write_text(few, encoding="utf-8")
    extra = "extra   = " + str(list(DEBIASED)).replace("'", '"') + "\nmirror  ="
    (out / "debiased.toml").write_text(config.replace("mirror  =", extra, 1), encoding="utf-8")
    print(
        f"{out / 'galaxies.csv'}, and beside it czsl.toml, debiased.toml, spirals.toml, "
        "mergers.toml, and few_votes.csv with few_votes.toml"
    )


def with_few_votes(rows: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """Leave votes to objects with an expert's class, and to a few of the others."""
    places = [place for place, row in enumerate(rows) if not row["EXPERT"]]
    few = set(random.Random(0).sample(places, FEW))
    empty = dict.fromkeys(("AMATEUR_CLASS", *COUNTS, *DEBIASED), "")
    lost = set(places) - few
    return [row | empty if place in lost else row for place, row in enumerate(rows)]


def write(path: Path, rows: Sequence[dict[str, str]]) -> None:
    """Write a table."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
