"""The model card: what a reader should know before trusting a model."""

from __future__ import annotations

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
        f"- Networks: {content.networks}, temperature {content.temperature:.3f}",
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


def _images(content: ModelContent) -> str:
    """Say what cutouts the model takes."""
    settings = content.images
    native = "of several sizes"
    if content.native is not None:
        native = f"{content.native[0]} x {content.native[1]} pixels, {content.native[2]} band(s)"
    crop = "all of it" if settings.crop is None else f"the central {settings.crop}"
    return f"cutouts {native}; {crop}, resized to {settings.size} pixels"


def _scores(scores: dict[str, Any]) -> list[str]:
    """Write the scores as a table."""
    rows = ["| from | accuracy | 95% interval | objects |", "| --- | --- | --- | --- |"]
    for name, score in scores.items():
        if score.get("accuracy") is not None:
            interval = f"{score['low']:.3f} to {score['high']:.3f}"
            rows.append(f"| {name} | {score['accuracy']:.3f} | {interval} | {score['n']} |")
    return rows if len(rows) > 2 else ["None: no expert's object was held out."]
