"""A comparison as one HTML file: no network, readable on a phone and in print."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from czsl.files import write_text

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto;
       padding: 0 1rem; color: #1a1a1a; }
img { max-width: 100%; height: auto; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .8rem; text-align: right; border-bottom: 1px solid #ccc; }
th:first-child, td:first-child { text-align: left; }
tr:last-child { font-weight: bold; }
code { background: #f2f2f2; padding: .1rem .3rem; }
"""

MEASURES = {
    "accuracy": "accuracy",
    "interval": "95% interval",
    "balanced_accuracy": "balanced",
    "auc": "AUC",
    "log_loss": "log loss",
    "n": "objects",
}


def write_page(
    path: Path,
    *,
    title: str,
    paragraphs: Sequence[str],
    arms: Sequence[tuple[str, Mapping[str, Any]]],
    picture: Path,
    alternative: str,
) -> None:
    """Write the page of a comparison.

    Parameters
    ----------
    path
        The HTML file.
    title
        Its title.
    paragraphs
        Text before the table.
    arms
        Name and scores of each arm, the one that matters last.
    picture
        A PNG, which is put into the page.
    alternative
        What the picture shows, for those who do not see it.

    Raises
    ------
    WriteError
        Where the file cannot be written.
    """
    image = base64.b64encode(picture.read_bytes()).decode("ascii")
    head = "".join(f"<th>{escape(name)}</th>" for name in ("arm", *MEASURES.values()))
    rows = "".join(_row(name, score) for name, score in arms)
    text = "".join(f"<p>{escape(paragraph)}</p>" for paragraph in paragraphs)
    write_text(
        path,
        "<!doctype html>\n"
        f'<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style></head><body><h1>{escape(title)}</h1>{text}"
        f'<div class="wide"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
        f'<p><img src="data:image/png;base64,{image}" alt="{escape(alternative)}"></p>'
        "</body></html>\n",
    )


def _row(name: str, score: Mapping[str, Any]) -> str:
    """Write an arm's row; a measure that it lacks stays empty."""
    cells = [f"<td>{escape(name)}</td>"]
    for measure in MEASURES:
        value = score.get(measure)
        if measure == "interval":
            text = f"{score['low']:.3f} to {score['high']:.3f}"
        elif value is None:
            text = ""
        else:
            text = f"{value:,}" if isinstance(value, int) else f"{value:.3f}"
        cells.append(f"<td>{text}</td>")
    return f"<tr>{''.join(cells)}</tr>"
