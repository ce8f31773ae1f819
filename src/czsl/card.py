"""The model card: what a reader should know before trusting a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from czsl.bundle import ModelContent


def model_card(content: ModelContent) -> str:
    """Write the model card in Markdown.

    Parameters
    ----------
    content
        What ``model.json`` holds.
    """
    tiers = content.data.get("tiers", {})
    counts = ", ".join(f"{number} {tier}" for tier, number in tiers.items())
    lines = [
        f"# {content.name}",
        "",
        f"A model of `czsl` {content.version}, recipe `{content.recipe.name}`, "
        f"fingerprint `{content.fingerprint}`.",
        "",
        f"- Classes: {', '.join(content.classes.names)}",
        f"- Trained on: {counts} objects",
        f"- Images: {_images(content)}",
        f"- Networks: {content.networks}, temperature {content.temperature:.3f}, "
        f"rate of lapses {content.lapse:.4f}",
        "",
        "## Scores on experts' objects that it was not trained on",
        "",
        *_scores(content.scores),
    ]
    if content.notes:
        lines += ["", "## Notes", "", *(f"- {note}" for note in content.notes)]
    lines += [
        "",
        "## Use",
        "",
        "```",
        "czsl predict MODEL_FOLDER TABLE --out predictions.parquet",
        "```",
        "",
        "Class order, image scaling and stretch come from the model. It knows nothing of classes "
        "that no expert named, nor of images unlike those it was trained on.",
        "",
    ]
    return "\n".join(lines)


def describe_size(size: Sequence[int]) -> str:
    """Say height, width and bands of cutouts; 0 stands for several.

    Examples
    --------
    >>> describe_size([423, 423, 3]), describe_size([0, 0, 1])
    ('423 x 423 pixels and 3 band(s)', 'several sizes and 1 band(s)')
    """
    height, width, bands = size
    pixels = f"{height} x {width} pixels" if height else "several sizes"
    return f"{pixels} and {bands or 'several'} band(s)"


def _images(content: ModelContent) -> str:
    """Say what cutouts the model takes."""
    settings = content.images
    crop = "all of it" if settings.crop is None else f"the central {settings.crop}"
    return f"cutouts of {describe_size(content.native)}; {crop}, resized to {settings.size} pixels"


def _scores(scores: dict[str, Any]) -> list[str]:
    """Write the scores as a table."""
    rows = ["| from | accuracy | 95% interval | objects |", "| --- | --- | --- | --- |"]
    for name, score in scores.items():
        if score.get("accuracy") is not None:
            interval = f"{score['low']:.3f} to {score['high']:.3f}"
            rows.append(f"| {name} | {score['accuracy']:.3f} | {interval} | {score['n']} |")
    return rows if len(rows) > 2 else ["None: no expert's object was held out."]
