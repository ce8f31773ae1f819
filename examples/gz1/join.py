"""Join the tables of Galaxy Zoo 1 into one catalogue, beside a czsl.toml that reads it.

Usage: python join.py DATA OUT, where DATA holds amateur_class.csv, votes_es_erl.csv and
images/.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

COUNTS = ("N_EL", "N_CW", "N_ACW", "N_EDGE", "N_DK", "N_MG")


def main(data: Path, out: Path) -> None:
    """Write OUT/galaxies.csv, a row for each image, and OUT/czsl.toml."""
    missing = [
        name
        for name in ("amateur_class.csv", "votes_es_erl.csv", "images")
        if not (data / name).exists()
    ]
    if missing:
        sys.exit(
            f"{data}: there is no {', '.join(missing)}; "
            "name the folder of the data: make gz1 DATA=..."
        )
    with (data / "votes_es_erl.csv").open(newline="") as file:
        votes = {row["OBJID"]: row for row in csv.DictReader(file)}
    out.mkdir(parents=True, exist_ok=True)
    with (
        (data / "amateur_class.csv").open(newline="") as file,
        (out / "galaxies.csv").open("w", newline="") as joined,
    ):
        writer = csv.writer(joined)
        writer.writerow(["OBJID", "AMATEUR_CLASS", *COUNTS, "EXPERT"])
        for row in csv.DictReader(file):
            known = votes.get(row["OBJID"], {})
            extra = [known.get(name, "") for name in (*COUNTS, "EXPERT")]
            writer.writerow([row["OBJID"], row["AMATEUR_CLASS"], *extra])
    config = Path(__file__).with_name("czsl.toml").read_text(encoding="utf-8")
    place = data.resolve().as_posix()
    config = config.replace('"data/images', f'"{place}/images')
    (out / "czsl.toml").write_text(config, encoding="utf-8")
    print(f"{out / 'galaxies.csv'} and {out / 'czsl.toml'}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
