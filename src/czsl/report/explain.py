"""The page that explains what a model says of one object."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from czsl.report.page import (
    Block,
    Card,
    Cell,
    Figures,
    Gallery,
    Section,
    Table,
    Text,
    require_report,
    write_page,
)
from czsl.report.picture import cutout_address

if TYPE_CHECKING:
    from czsl.survey.explain import Explanation


def write_explanation(found: Explanation, path: Path | None = None) -> Path:
    """Write the page.

    Parameters
    ----------
    found
        What the model says.
    path
        The HTML file; by default ``explain-ID.html`` in the working directory.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    MissingExtraError
        Where Jinja2 or matplotlib is not installed.
    WriteError
        Where the page cannot be written.
    """
    require_report()
    safe = "".join(c if c.isalnum() or c in "-_." else "_" for c in found.name)
    path = Path(f"explain-{safe}.html") if path is None else path
    lead = [f"{found.model}. The object is of the tier {found.tier}."]
    if found.expert is not None:
        learned = "has" if "trained_on" in found.flags else "had not"
        lead.append(
            f"An expert calls it {found.expert}; the posteriors here are of what {learned} learned "
            "from it."
        )
    sections = [_verdict(found), _sources(found), _votes(found), _flags(found), _neighbours(found)]
    shown = [section for section in sections if section is not None]
    write_page(path, title=f"Object {found.name}", lead=lead, sections=shown)
    return path


def _verdict(found: Explanation) -> Section:
    """Show the image, the class and the set."""
    blocks: list[Block] = []
    if found.pixels is not None:
        card = Card(
            images=[cutout_address(found.pixels)],
            alternative=f"cutout of {found.name}, as the networks see it",
            name=found.name,
            lines=[],
        )
        blocks.append(Gallery(title="As the networks see it", cards=[card]))
    if not found.decided:
        text = "Nothing can be said of it: its image cannot be used, and it has no votes."
        return Section(title="Class", blocks=[*blocks, Text(text=text, warning=True)])
    probability = found.posteriors[found.source][found.decided]
    figures = [(found.decided, "class", f"probability {probability:.3f}, from {found.source}")]
    if found.coverage is not None and found.classes:
        figures.append(
            (
                " or ".join(found.classes),
                "cannot be ruled out",
                f"a set that holds the class of {found.coverage:.0%} of the objects of each class",
            )
        )
    return Section(title="Class", blocks=[Figures(figures=figures), *blocks])


def _sources(found: Explanation) -> Section | None:
    """Show the posterior of each source."""
    if not found.posteriors:
        return None
    classes = list(next(iter(found.posteriors.values())))
    rows: list[list[Cell]] = [
        [source, *(posterior[name] for name in classes)]
        for source, posterior in found.posteriors.items()
    ]
    table = Table(caption="Posterior by source", heads=("source", *classes), rows=rows)
    text = f"The posterior that counts is the one from: {found.source}."
    return Section(title="Image and votes", blocks=[table, Text(text=text)])


def _votes(found: Explanation) -> Section | None:
    """Show what volunteers said."""
    if not found.votes:
        return None
    blocks: list[Block] = []
    for question, answers in found.votes.items():
        total = sum(answers.values())
        rows: list[list[Cell]] = [
            [answer, f"{value:g}" if total > 1.01 else f"{value:.2f}", value / total]
            for answer, value in answers.items()
        ]
        heads = ("answer", "votes", "share")
        blocks.append(Table(caption=f"Votes on {question!r}", heads=heads, rows=rows))
    return Section(title="Votes", blocks=blocks)


def _flags(found: Explanation) -> Section:
    """Show what is said against the object."""
    rows: list[list[Cell]] = [[name, meaning] for name, meaning in found.flags.items()]
    blocks: list[Block] = [Table(caption="Flags", heads=("flag", "meaning"), rows=rows)]
    return Section(title="Flags", blocks=blocks if rows else [Text(text="None is set.")])


def _neighbours(found: Explanation) -> Section | None:
    """Show the experts' objects that look most alike."""
    if not found.neighbours:
        return None
    cards = [
        Card(
            images=[] if one.pixels is None else [cutout_address(one.pixels)],
            alternative=f"cutout of {one.name}",
            name=one.name,
            lines=[("experts", one.expert), ("distance", f"{one.distance:.2f}")],
        )
        for one in found.neighbours
    ]
    text = (
        "Experts' objects that the first network sees most alike, the likest first. Distances are "
        "in units of the median distance of all experts' objects from this one."
    )
    gallery = Gallery(title="Likest experts' objects", cards=cards)
    return Section(title="Likest experts' objects", blocks=[Text(text=text), gallery])
