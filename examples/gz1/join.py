"""Join the tables of Galaxy Zoo 1 into one catalogue, beside three files that read it.

Usage: python join.py DATA OUT, where DATA holds amateur_class.csv, votes_es_erl.csv,
votes_mergers.csv and images/. OUT then holds galaxies.csv, and czsl.toml (early or late type),
debiased.toml (the same, with the debiased fractions for the transfer), spirals.toml (elliptical
and the two senses of spirals) and mergers.toml.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

COUNTS = ("N_EL", "N_CW", "N_ACW", "N_EDGE", "N_DK", "N_MG")
DEBIASED = ("EL_DEB", "CS_DEB")
EXPERTS = ("EXPERT", "HAND", "MG_EXPERT")
TABLES = ("votes_es_erl.csv", "votes_mergers.csv")

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
    """Write OUT/galaxies.csv, a row for each image, and the files that read it."""
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
    with (
        (data / "amateur_class.csv").open(newline="") as file,
        (out / "galaxies.csv").open("w", newline="") as joined,
    ):
        writer = csv.writer(joined)
        writer.writerow(["OBJID", "AMATEUR_CLASS", *COUNTS, *DEBIASED, *EXPERTS])
        for row in csv.DictReader(file):
            known = votes.get(row["OBJID"], {})
            extra = [known.get(name, "") for name in (*COUNTS, *DEBIASED, *EXPERTS)]
            writer.writerow([row["OBJID"], row["AMATEUR_CLASS"], *extra])
    config = Path(__file__).with_name("czsl.toml").read_text(encoding="utf-8")
    place = data.resolve().as_posix()
    config = config.replace('"data/images', f'"{place}/images')
    start, end = config.index("[classes]"), config.index("[images]")
    for name, classes in {"czsl": config[start:end], **CLASSES}.items():
        text = config[:start] + classes + config[end:]
        (out / f"{name}.toml").write_text(text, encoding="utf-8")
    extra = "extra   = " + str(list(DEBIASED)).replace("'", '"') + "\nmirror  ="
    (out / "debiased.toml").write_text(config.replace("mirror  =", extra, 1), encoding="utf-8")
    print(
        f"{out / 'galaxies.csv'}, and beside it czsl.toml, debiased.toml, spirals.toml and "
        "mergers.toml"
    )


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
