"""Reads our pages back, as a browser would: elements, tables, text."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

VOID = {"meta", "img", "br", "hr", "link", "input"}


@dataclass
class Page(HTMLParser):
    """What stands in a page: elements with their attributes, tables, text by section."""

    elements: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    tables: dict[str, list[list[str]]] = field(default_factory=dict)
    sections: dict[str, str] = field(default_factory=dict)
    open: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self._table: list[list[str]] = []
        self._section = ""

    def handle_starttag(self, tag, attributes):
        given = {name: value or "" for name, value in attributes}
        self.elements.append((tag, given))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "section":
            self._section = given["id"]
            self.sections[self._section] = ""
        if tag == "table":
            self._table = self.tables.setdefault(given["aria-label"], [])
        if tag == "tr":
            self._table.append([])
        if tag in {"td", "th"}:
            self._table[-1].append("")

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data):
        if self.open and self.open[-1] in {"td", "th"}:
            self._table[-1][-1] += data
        if self._section:
            self.sections[self._section] += data

    def all(self, tag: str) -> list[dict[str, str]]:
        """Give the attributes of every element of a name."""
        return [given for name, given in self.elements if name == tag]


def read_page(path: Path) -> Page:
    """Read a page; every element must be closed in its order."""
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    assert page.open == []
    return page
