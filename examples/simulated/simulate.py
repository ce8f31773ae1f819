"""Simulate a survey in which volunteers and experts judged every galaxy, to compare methods on.

Usage: python simulate.py OUT [OBJECTS], by default 3600. OUT then holds the images, galaxies.csv
and a configuration for each task, which names the arms to compare; the protocol czsl2023 hides
most of the labels again.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from czsl.simulate import simulate_survey

VOTES = ["perceptron", "logistic"]
PUBLISHED = [
    *("czsl2023_experts", "czsl2023_volunteers", "czsl2023_volunteers_experts"),
    *("czsl2023_no_autoencoder", "czsl2023_no_transfer", "probe"),
]
SAMPLED = [f"{arm}_{how}" for arm in ("czsl2023", "logistic") for how in ("over", "under")]
ARMS = {
    "early_late": [
        *("tiers", "no_transfer", *VOTES, "fusion"),
        *("czsl2023_experts", "czsl2023_no_autoencoder"),
    ],
    "spirals": ["tiers", "no_transfer", "ceiling", *VOTES, "fusion", *PUBLISHED],
    "mergers": ["tiers", "no_transfer", *VOTES, "fusion", *PUBLISHED, *SAMPLED],
}
"""Fewer where another task says the same, so that all ends within an hour or so."""


def main(out: Path, objects: int) -> None:
    """Write the survey, unless it is there already, and the arms of each task."""
    if not (out / "czsl.toml").exists():
        simulate_survey(
            out, experts=objects, voted=objects, unlabelled=0, test=0, progress=_progress
        )
    for task, arms in ARMS.items():
        path = out / f"{task}.toml"
        described = path.read_text(encoding="utf-8").partition("\n[compare]")[0]
        path.write_text(f"{described}\n[compare]\narms = {json.dumps(arms)}\n", encoding="utf-8")
    print(out)


def _progress(done: int, total: int) -> None:
    """Say every thousand objects."""
    if done % 1000 < 50 or done == total:
        print(f"simulated {done:,} of {total:,} galaxies", flush=True)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) == 3 else 3600)
