"""A page: one HTML file that needs no network, readable on a phone and in print.

A page is a title, some words and sections; a section is a list of blocks: text, tables,
plots, pictures, galleries, code. Every report is made of these, by one template.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from czsl.errors import require_extra
from czsl.files import write_text

Cell = str | int | float | None
"""What stands in a table: floats are written with three decimals, None as nothing."""


class Number(str):
    """A number that is written already, such as ``<0.001``."""


@dataclass(frozen=True, kw_only=True)
class Text:
    """A paragraph.

    Attributes
    ----------
    text
        Plain text.
    warning
        Whether it must not be overlooked.
    """

    kind: ClassVar[str] = "text"
    text: str
    warning: bool = False


@dataclass(frozen=True, kw_only=True)
class Items:
    """A list of points.

    Attributes
    ----------
    items
        Plain text each.
    """

    kind: ClassVar[str] = "items"
    items: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class Figures:
    """A few numbers that a reader should see first.

    Attributes
    ----------
    figures
        Number, what it is, and what else must be said with it.
    """

    kind: ClassVar[str] = "figures"
    figures: Sequence[tuple[str, str, str]]


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of numbers that can be copied.

    Attributes
    ----------
    caption
        What it shows.
    heads
        Headings of the columns; the first names the rows.
    rows
        The rows, as long as ``heads``.
    folded
        Whether it is opened by a click; in print it is open.
    last
        Whether the last row is the one that matters.
    """

    kind: ClassVar[str] = "table"
    caption: str
    heads: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    folded: bool = False
    last: bool = False

    @property
    def words(self) -> list[bool]:
        """Whether each column holds text."""
        return [
            any(isinstance(row[i], str) and not isinstance(row[i], Number) for row in self.rows)
            for i in range(len(self.heads))
        ]


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A plot or a picture with what it shows in words.

    Attributes
    ----------
    image
        SVG as :func:`czsl.report.picture.inline_svg` gives it, or a ``data:`` address.
    alternative
        What it shows, for those who do not see it.
    caption
        What stands below.
    """

    image: str
    alternative: str
    caption: str

    @property
    def drawn(self) -> bool:
        """Whether it is drawn in lines rather than pixels."""
        return not self.image.startswith("data:")


@dataclass(frozen=True, kw_only=True)
class Plots:
    """Plots side by side, as many as the width allows.

    Attributes
    ----------
    plots
        The plots.
    wide
        Whether each takes the whole width.
    """

    kind: ClassVar[str] = "plots"
    plots: Sequence[Plot]
    wide: bool = False


@dataclass(frozen=True, kw_only=True)
class Card:
    """A cutout with its id and its numbers; or two, such as an image and its copy.

    Attributes
    ----------
    images
        ``data:`` addresses.
    alternative
        What the images show.
    name
        The object's id.
    lines
        Name and number of what is said of it.
    """

    images: Sequence[str]
    alternative: str
    name: str
    lines: Sequence[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """Cutouts side by side.

    Attributes
    ----------
    title
        What they have in common.
    cards
        The cutouts.
    """

    kind: ClassVar[str] = "gallery"
    title: str
    cards: Sequence[Card]


@dataclass(frozen=True, kw_only=True)
class Code:
    """Text to be copied as it is: a command, a file.

    Attributes
    ----------
    caption
        What it is.
    text
        The text.
    """

    kind: ClassVar[str] = "code"
    caption: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Beside:
    """Blocks side by side where the width allows, such as a plot and its table.

    Attributes
    ----------
    blocks
        The blocks.
    """

    kind: ClassVar[str] = "beside"
    blocks: Sequence[Table | Plots]


Block = Text | Items | Figures | Table | Plots | Gallery | Code | Beside


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of a page.

    Attributes
    ----------
    title
        Its heading, which the list of contents shows too.
    blocks
        What it holds.
    group
        What the sections of a group are about, such as one task of several.
    """

    title: str
    blocks: Sequence[Block]
    group: str = ""

    @property
    def anchor(self) -> str:
        """The name that the list of contents leads to."""
        words = f"{self.group} {self.title}".lower()
        return "-".join("".join(c if c.isalnum() else " " for c in words).split())


def write_page(path: Path, *, title: str, lead: Sequence[str], sections: Sequence[Section]) -> None:
    """Write a page.

    Parameters
    ----------
    path
        The HTML file.
    title
        Its title.
    lead
        Lines below the title.
    sections
        The rest; with three or more a list of contents comes first.

    Raises
    ------
    MissingExtraError
        Where Jinja2 is not installed.
    WriteError
        Where the file cannot be written.
    """
    template = _environment().get_template("page.html")
    write_text(path, template.render(title=title, lead=lead, sections=sections))


def data_address(content: bytes, media: str) -> str:
    """Give the address that holds a file's content itself.

    Examples
    --------
    >>> data_address(b"GIF", "image/gif")
    'data:image/gif;base64,R0lG'
    """
    return f"data:{media};base64,{base64.b64encode(content).decode('ascii')}"


def show_cell(value: Cell) -> str:
    """Write a cell of a table.

    Examples
    --------
    >>> show_cell(0.12345), show_cell(1234), show_cell("early"), show_cell(None)
    ('0.123', '1,234', 'early', '')
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"


def require_report() -> None:
    """Say what a page needs that is not installed, before any work is done for it.

    Raises
    ------
    MissingExtraError
        Where Jinja2 or matplotlib is not installed.
    """
    for package in ("jinja2", "matplotlib"):
        require_extra(package, "report")


def _environment() -> Any:
    """Open the templates; whatever is put into them is escaped."""
    jinja2 = require_extra("jinja2", "report")
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("czsl.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["cell"] = show_cell
    return environment
