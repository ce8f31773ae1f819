"""From arrays and plots to what stands in a page; the picture of the demo."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from czsl.errors import require_extra
from czsl.files import replacing
from czsl.images.prepare import viewable
from czsl.report.page import Plot, data_address
from czsl.report.plots import plain, plot_scores

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PER_CLASS = 6
"""Cutouts of each class in the picture of the demo."""

LARGEST = 160
"""Side of the cutouts in a page, pixels: larger ones are made smaller, so that pages stay small."""


def plot_block(ax: Axes, *, alternative: str, caption: str) -> Plot:
    """Put a plot into a page.

    Parameters
    ----------
    ax
        Axes of the plot.
    alternative
        What it shows, for those who do not see it.
    caption
        What stands below.
    """
    return Plot(image=inline_svg(ax, alternative), alternative=alternative, caption=caption)


def inline_svg(ax: Axes, alternative: str) -> str:
    """Write the figure of a plot as SVG that can stand inside HTML; its text stays text.

    Parameters
    ----------
    ax
        Axes of the plot.
    alternative
        What it shows, for those who do not see it.
    """
    import matplotlib as mpl

    figure: Any = ax.figure
    file = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "czsl"}):
        figure.savefig(file, format="svg", metadata={"Date": None}, transparent=True)
    text = file.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    # HTML knows the name spaces; ids must be the page's own, and each plot has the same.
    text = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", text).replace("xlink:href", "href")
    mark = hashlib.sha256(text.encode()).hexdigest()[:8]
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{mark}-", text)
    return text.replace("<svg", f'<svg role="img" aria-label="{escape(alternative)}"', 1).strip()


def cutout_address(pixels: NDArray[np.uint8]) -> str:
    """Write a cutout as a ``data:`` address, as JPEG.

    Parameters
    ----------
    pixels
        Shape (row, column, channel).
    """
    from PIL import Image

    image = Image.fromarray(viewable(pixels))
    image.thumbnail((LARGEST, LARGEST))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90, subsampling=0)
    return data_address(file.getvalue(), "image/jpeg")


def draw_survey(
    cutouts: Mapping[str, NDArray[np.uint8]],
    arms: Sequence[tuple[str, Mapping[str, Any]]],
    path: Path,
) -> None:
    """Draw example cutouts of each class beside what each arm reached.

    Parameters
    ----------
    cutouts
        Images of each class, shape (object, row, column, 3).
    arms
        Name and scores of each arm, the one that matters last.
    path
        The PNG to write.

    Raises
    ------
    MissingExtraError
        Where matplotlib is not installed.
    WriteError
        Where the file cannot be written.
    """
    require_extra("matplotlib", "report")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.6), layout="constrained")
    panels: Any = figure.subfigures(1, 2, width_ratios=[1.05, 1])
    left, right = panels
    grid = left.subplots(len(cutouts), PER_CLASS, squeeze=False)
    for axes, (name, images) in zip(grid, cutouts.items(), strict=True):
        for place, ax in enumerate(axes):
            ax.set_axis_off()
            if place < len(images):
                ax.imshow(images[place])
        axes[0].set_title(plain(name), loc="left", fontsize=9, pad=2)
    plot_scores(arms, right.subplots())
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)
