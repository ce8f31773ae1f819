"""Pictures of a survey and of a comparison; matplotlib is imported only here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from czsl.errors import require_extra
from czsl.files import replacing

# Okabe and Ito's colours, which colour-blind readers tell apart.
GREY, BLUE, ORANGE = "#999999", "#0072B2", "#D55E00"

PER_CLASS = 6
"""Cutouts of each class in the picture."""


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
    require_extra("matplotlib", "demo")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    panels: Any = figure.subfigures(1, 2, width_ratios=[1.05, 1])
    left, right = panels
    grid = left.subplots(len(cutouts), PER_CLASS, squeeze=False)
    for axes, (name, images) in zip(grid, cutouts.items(), strict=True):
        for place, ax in enumerate(axes):
            ax.set_axis_off()
            if place < len(images):
                ax.imshow(images[place])
        axes[0].set_title(name, loc="left", fontsize=9, pad=2)
    draw_arms(right.subplots(), arms)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)


def draw_arms(ax: Any, arms: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
    """Draw the accuracy of each arm with its 95% interval.

    Parameters
    ----------
    ax
        Axes of matplotlib.
    arms
        Name and scores of each arm, the one that matters last.
    """
    for place, (_, score) in enumerate(arms):
        last = place == len(arms) - 1
        colour = ORANGE if last else BLUE
        ax.plot([score["low"], score["high"]], [-place, -place], color=colour, lw=3, alpha=0.4)
        ax.plot(score["accuracy"], -place, "o", color=colour, ms=8)
        ax.annotate(
            f"{score['accuracy']:.3f}",
            (score["accuracy"], -place),
            textcoords="offset points",
            xytext=(0, 9),
            ha="center",
            fontsize=10,
            weight="bold" if last else "normal",
        )
    ax.set_yticks([-place for place in range(len(arms))], [name for name, _ in arms])
    ax.set_ylim(-len(arms) + 0.4, 0.7)
    ax.set_xlabel("accuracy, 95% interval")
    ax.grid(axis="x", color=GREY, alpha=0.3)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(left=False)
