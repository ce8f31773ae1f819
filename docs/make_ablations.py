"""Write docs/ablations.md and docs/ablations.json: what each part of the default recipe adds.

Usage: python docs/make_ablations.py [RUNS [PAGE]], by default runs and docs/ablations.md; the JSON
file lies beside the page. Every figure is a difference of two arms on the same objects. Figures of
comparisons that are not among the runs stay as the JSON file has them, with the day when they were
measured; what was never measured is left out: nothing is made up for it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import ascii_lowercase

from czsl.compare.contest import Contest
from czsl.files import write_json, write_text
from czsl.scores import known_rows

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "docs"))

from goal_rows import BASE, gained, open_contest  # noqa: E402 (lies beside)
from kept import Row, day, grouped, read_rows, renewed  # noqa: E402 (lies beside)

MEASURES = {"accuracy": "accuracy", "log_likelihood": "ln L"}

HEAD = """\
# What each part adds

Written by `python docs/make_ablations.py`, beside `docs/ablations.json`; not edited by hand. Every
figure is what the default *gains* by a part: the score with it less the score without it, on the
same objects, with the 95% interval of a bootstrap over objects and executions
([how](comparing.md)). Above zero the part helps; where the interval holds zero, this data cannot
tell. With one execution the interval says nothing of another training, in which accuracies move by
about a hundredth. *ln L* is the mean logarithm of the probability of the experts' class. A figure
stays, with the day when it was measured, until its comparison is run again. On 2026-11-28 the
[pre-training](recipes.md#pretrain) and the [calibration](recipes.md#calibrate) of the default
changed; figures from before have those of their day on both sides. *The default before* differs
from the present one in two things, which changed last: images stood beside their mirror images
whatever the classes, and [fine-tuning](recipes.md#finetune) learned the votes too.
"""


@dataclass(frozen=True, kw_only=True)
class Data:
    """Where a comparison lies, which of its settings is meant, and what the page calls its data."""

    folder: str
    task: str
    name: str
    setting: str = BASE


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of the page.

    Parameters
    ----------
    title, about, command
        Heading, what is compared, and the command that makes it.
    data
        Comparisons, a column each.
    pairs
        The arm with a part and the arm without, by what the row is called.
    """

    title: str
    about: str
    command: str
    data: tuple[Data, ...]
    pairs: Mapping[str, tuple[str, str]]


REAL = Data(folder="gz1", task="galaxies", name="real")
DEBIASED = Data(folder="gz1-debiased", task="debiased", name="real, debiased columns")
SIMULATED = tuple(
    Data(folder="simulated", task=task, name=f"simulated, {name}")
    for task, name in (
        ("early_late", "early or late"),
        ("spirals", "three classes"),
        ("mergers", "mergers"),
    )
)


def few_experts(folder: str, early_late: str, spirals: str) -> tuple[Data, ...]:
    """Give a comparison's two simulated surveys, where nine experts' objects teach."""
    named = ((early_late, "early or late"), (spirals, "three classes"))
    return tuple(
        Data(
            folder=folder,
            task=task,
            setting="experts=9",
            name=f"simulated, {name}, 9 experts",
        )
        for task, name in named
    )


FEW_EXPERTS = few_experts("sweep-experts", "early_late", "spirals")
PARTS = (
    Data(folder="gz1-parts", task="parts", name="real"),
    Data(folder="simulated-parts", task="parts", name="simulated, early or late"),
    Data(folder="spirals-parts", task="spirals_parts", name="simulated, three classes"),
    Data(folder="mergers-parts", task="mergers_parts", name="simulated, mergers"),
)
FEW_EXPERTS_PARTS = few_experts("few-experts-parts", "parts", "spirals_parts")
TABLES = (
    Table(
        title="The three tiers",
        about=(
            "What the network of the default learns from, judged by the image alone. Transferred "
            "labels are for few experts: among some hundred, their weight is chosen to be 0 or "
            "makes no difference. The published recipe is shortened on the real galaxies "
            "(30 epochs of fine-tuning instead of 100)."
        ),
        command="make gz1-fusion simulated sweep-experts",
        data=(REAL, *SIMULATED, *FEW_EXPERTS),
        pairs={
            "volunteers' votes (against experts' classes alone)": ("default", "experts"),
            "experts' classes (against volunteers alone)": ("default", "volunteers"),
            "transferred labels, their weight chosen": ("default", "no_transfer"),
            "all of it, against the published recipe": ("default", "czsl2023"),
        },
    ),
    Table(
        title="Image and votes together",
        about=(
            "The fused posterior against each source alone and against the rules in use elsewhere."
        ),
        command="make gz1-fusion simulated",
        data=(REAL, DEBIASED, *SIMULATED),
        pairs={
            "votes (against the image alone)": ("fused", "default"),
            "image (against votes alone)": ("fused", "logistic"),
            "image (against votes with their extra columns)": ("fused", "logistic_extra"),
            "extra columns (against the fusion of plain votes)": ("fused", "fused_raw"),
            "fitted exponents (against the plain product)": ("fused", "product"),
            "one for each source (against one for both)": ("fused", "tempered_product"),
            "against CROWDLAB": ("fused", "crowdlab"),
            "against Space Warps": ("fused", "space_warps"),
            "against Gravity Spy": ("fused", "gravity_spy"),
        },
    ),
    Table(
        title="The network and its training",
        about=(
            "The default against itself with one part changed, judged by the image alone. The "
            "settings stand in `examples/parts.toml`. An image stands beside its mirror image "
            "where a class becomes another in the mirror, and apart from it elsewhere."
        ),
        command="make ablations",
        data=PARTS,
        pairs={
            "volunteers' votes as shares (against their majority)": ("default", "majority_labels"),
            "as shares (against their likelihood)": ("default", "likelihood"),
            "50 passes, or 40,000 images, of volunteers' objects (against 20, or 16,000)": (
                "default",
                "short_pretraining",
            ),
            "every pass (against stopping early)": ("default", "stopping"),
            "batches of 32 (against 64)": ("default", "large_batches"),
            "16 channels (against 8)": ("default", "half_width"),
            "moving average of the weights": ("default", "no_average"),
            "augmentation, all of it": ("default", "no_augmentation"),
            "turns by any angle (against quarter turns)": ("default", "quarter_turns"),
            "mirror images": ("default", "no_mirroring"),
            "mirror images apart (against beside)": ("default", "mirrored_beside"),
            "mirror images beside (against apart)": ("default", "mirrored_apart"),
            "weight of transferred labels chosen (against 1)": ("default", "all_transferred"),
            "classes' head starts as a regression": ("default", "random_head"),
            "earlier layers learn more slowly": ("default", "one_rate"),
            "dropout": ("default", "no_dropout"),
            "normalisation as pre-trained": ("default", "moving_statistics"),
            "eight views at prediction (against one)": ("default", "one_view"),
            "calibration": ("default", "no_calibration"),
            "its lapses (against a temperature alone)": ("default", "no_lapses"),
        },
    ),
    Table(
        title="Where experts are few",
        about=(
            "Parts that some hundred experts' objects leave undecided, and what nine say of them, "
            "judged by the image alone."
        ),
        command="make ablations",
        data=FEW_EXPERTS_PARTS,
        pairs={
            "moving average of the weights": ("default", "no_average"),
            "normalisation as pre-trained": ("default", "moving_statistics"),
        },
    ),
    Table(
        title="What stays out",
        about=(
            "What the default would gain by parts that it does not have, judged by the image "
            "alone. They are settings, and off."
        ),
        command="make ablations",
        data=PARTS,
        pairs={
            "noise in training": ("noise", "default"),
            "blur in training": ("blur", "default"),
            "the image in the transfer, where that is better": ("image_in_transfer", "default"),
            "the same, where transferred labels weigh 1": (
                "image_in_transfer_always",
                "all_transferred",
            ),
        },
    ),
    Table(
        title="Unlabelled images",
        about=(
            "What the default would gain by learning from unlabelled images too, by the arms of "
            "`examples/unlabelled`, judged by the image alone."
        ),
        command="make unlabelled",
        data=(
            Data(
                folder="unlabelled-gz1",
                task="few_votes",
                name="real, 300 with votes, 5,957 without",
            ),
            *(
                Data(folder=folder, task=task, setting=setting, name=f"simulated, {name}")
                for folder, task, setting, name in (
                    ("unlabelled", "early_late", BASE, "early or late, 1,677 images"),
                    ("unlabelled", "early_late", "unlabelled=600", "early or late, 600 images"),
                )
            ),
        ),
        pairs={
            "an autoencoder as a start": ("autoencoder", "default"),
            "a denoising autoencoder as a start": ("denoising", "default"),
            "training once more, without pseudo-labels": ("once_more", "default"),
            "training once more, with pseudo-labels": ("pseudo_labels", "default"),
            "pseudo-labels themselves": ("pseudo_labels", "once_more"),
            "aligning their class shares": ("pseudo_labels", "not_aligned"),
            "BYOL and the votes at once, as a start": ("byol", "default"),
            "the votes alone, twice": ("votes_twice", "default"),
            "BYOL itself": ("byol", "votes_twice"),
        },
    ),
)


def main(runs: Path, page: Path) -> None:
    """Write the page and its figures."""
    figures = page.with_suffix(".json")
    old = read_rows(figures)
    rows = {table.title: table_rows(table, runs, old) for table in TABLES}
    write_json(figures, [row for found in rows.values() for row in found])
    lines = [HEAD, *(line for table in TABLES for line in section(table, rows[table.title]))]
    write_text(page, "\n".join(lines))
    print(page)


def table_rows(table: Table, runs: Path, old: Sequence[Row]) -> list[Row]:
    """Give the figures of a table, column by column.

    A comparison on disk may have some of the arms only: each part is replaced on its own.
    """

    def key(row: Row) -> tuple[str, str]:
        return row["on"], row["part"]

    keys = [(data.name, part) for data in table.data for part in table.pairs]
    new = [row for data in table.data for row in measured(table, data, runs)]
    mine = [row for row in old if row["table"] == table.title]
    found = renewed(keys, grouped(mine, key), grouped(new, key))
    return [row | {"command": table.command} for rows in found.values() for row in rows]


def measured(table: Table, data: Data, runs: Path) -> Iterator[Row]:
    """Give the figures of a comparison on disk: a row for each part and measure."""
    one = open_contest(runs / data.folder, data.task, data.setting)
    if one is None:
        return
    of = {"of": len(one.labels), "measured": day(runs / data.folder)}
    for part, pair in table.pairs.items():
        for measure, short in MEASURES.items():
            if found := gain(one, *pair, measure):
                names = {"table": table.title, "on": data.name, "part": part, "measure": short}
                yield names | found | of


def gain(one: Contest, arm: str, other: str, measure: str) -> Row:
    """Give what an arm gains over another; nothing where one of them is not there."""
    if not {arm, other} <= set(one.posteriors):
        return {}
    found = gained(one.difference(arm, other).interval(measure, one.bootstrap))
    both = known_rows(one.posteriors[arm]) & known_rows(one.posteriors[other])
    return found and found | {"objects": int(both.sum(axis=1).min())}


def section(table: Table, rows: Sequence[Row]) -> Iterator[str]:
    """Write the tables of a heading: a row for each part, a column for each comparison."""
    yield f"## {table.title}\n"
    yield f"{table.about} Command: `{table.command}`.\n"
    if not rows:
        yield "Not measured.\n"
        return
    # What most cells of a column have in common is told once: that of its newest figure.
    newest = sorted(rows, key=lambda row: (row["measured"], "of_default" not in row))
    common = {row["on"]: basis(row) for row in newest}
    columns = list(dict.fromkeys(row["on"] for row in rows))
    yield from (f"- {name}: {common[name]}" for name in columns)
    others = dict.fromkeys(basis(row) for row in rows if basis(row) != common[row["on"]])
    marks = {other: f" ({letter})" for other, letter in zip(others, ascii_lowercase, strict=False)}
    yield from (f"-{mark} {other}" for other, mark in marks.items())
    yield ""
    cells = {
        (row["on"], row["part"], row["measure"]): cell(row)
        + (marks[basis(row)] if basis(row) != common[row["on"]] else "")
        for row in rows
    }
    for short in MEASURES.values():
        yield f"| gain in {short} | {' | '.join(columns)} |"
        yield f"| --- |{' ---: |' * len(columns)}"
        for part in table.pairs:
            line = [cells.get((name, part, short), "") for name in columns]
            if any(line):
                yield f"| {part} | {' | '.join(line)} |"
        yield ""


def cell(row: Row) -> str:
    """Spell a gain, bold where it is sure."""
    told = f"{row['value']:+.3f} ({row['low']:+.3f} to {row['high']:+.3f})"
    told = told if row["verdict"] == "undecided" else f"**{told}**"
    return told if row["objects"] == row["of"] else f"{told}, on {row['objects']:,}"


def basis(row: Row) -> str:
    """Say how many objects and executions stand behind a figure, and when it was measured."""
    executions = f"{row['executions']} execution{'s' if row['executions'] != 1 else ''}"
    told = f"{row['of']:,} objects, {executions}, measured {row['measured']}"
    return f"{told}, {row['of_default']}" if "of_default" in row else told


if __name__ == "__main__":
    runs = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "runs"
    main(runs, Path(sys.argv[2]) if len(sys.argv) > 2 else ROOT / "docs" / "ablations.md")
