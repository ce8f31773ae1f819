"""Sections of a fit's report that show objects: galleries and the autoencoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from czsl.images.augment import central
from czsl.report.galleries import doubted, farthest, least_sure, surest
from czsl.report.page import Block, Card, Gallery, Section, Table, Text
from czsl.report.picture import cutout_address
from czsl.report.results import Results
from czsl.stages.reconstruct import reconstructed
from czsl.train.checkpoint import load_tensors

Labels = NDArray[np.int64]

ROW, ROWS = 6, 12
"""Cutouts in a gallery: of each class, and of all classes."""

MOST_CLASSES = 12
"""Galleries of single classes, and of single disagreements: so many at most."""


def autoencoder(results: Results) -> Section | None:
    """Show images beside what the autoencoder makes of them."""
    chosen = np.flatnonzero(results.usable)[:ROWS]
    if not results.run.autoencoder.exists() or not len(chosen):
        return None
    weights, _ = load_tensors(results.run.autoencoder)
    pixels = results.pixels(chosen)
    assert pixels is not None
    view = results.config.images.seen
    copies = reconstructed(weights, pixels, view)
    seen = _seen(pixels, view)
    cards = []
    for place, image, copy in zip(chosen.tolist(), seen, copies, strict=True):
        error = float(np.sqrt(np.mean((image / 255 - copy / 255) ** 2)))
        cards.append(
            Card(
                images=[cutout_address(image), cutout_address(copy)],
                alternative=f"cutout of {results.ids[place]}",
                name=str(results.ids[place]),
                lines=[("error (rms)", f"{error:.3f}")],
            )
        )
    text = (
        "The autoencoder learned from images alone to write an image in few numbers and to draw it "
        "from them again. These are experts' objects, which it never saw: left the image, right "
        "its reconstruction. Where the reconstruction keeps what tells the classes apart, the "
        "encoder is a good start. Errors are root mean squares of pixels from 0 to 1."
    )
    gallery = Gallery(title="Images and their reconstructions", cards=cards)
    return Section(title="Autoencoder", blocks=[Text(text=text), gallery])


def galleries(results: Results) -> Section | None:
    """Show the objects that a reader should look at."""
    if not results.has_image:
        return None
    text = (
        "Experts' objects, each judged by a network that never saw it. Beside 'image' and 'votes' "
        "stand the likeliest class and its probability, beside 'majority' its share of the votes."
    )
    blocks: list[Block] = [Text(text=text)]
    for title, chosen in _chosen(results):
        if len(chosen):
            blocks.append(Gallery(title=title, cards=_cards(results, chosen)))
    return Section(title="Objects to look at", blocks=blocks)


def disagreements(results: Results, majority: Labels) -> list[Block]:
    """Count what experts say where the volunteers' majority says something else; show some."""
    pairs, counts = np.unique(
        np.stack([majority, results.experts])[:, (majority >= 0) & (majority != results.experts)],
        axis=1,
        return_counts=True,
    )
    order = np.argsort(-counts, kind="stable")
    names = results.classes
    rows: list[list[str | int]] = []
    shown: list[Block] = []
    for place in order.tolist():
        one, other = pairs[:, place].tolist()
        rows.append([names[one], names[other], int(counts[place])])
        chosen = np.flatnonzero((majority == one) & (results.experts == other))[:ROW]
        if len(shown) < MOST_CLASSES:
            title = f"Volunteers say {names[one]}, experts say {names[other]} ({rows[-1][2]})"
            shown.append(Gallery(title=title, cards=_cards(results, chosen)))
    if not rows:
        return [Text(text="Wherever the volunteers' majority is for a class, experts agree.")]
    heads = ("volunteers' majority says", "experts say", "objects")
    return [Table(caption="Where they disagree", heads=heads, rows=rows), *shown]


def _chosen(results: Results) -> list[tuple[str, Labels]]:
    """Choose the objects of each gallery."""
    image, votes = results.image, results.votes
    return [
        (
            "Experts and model disagree most: look here for wrong labels",
            doubted(image, results.experts, ROWS),
        ),
        ("Image and votes disagree most", farthest(image, votes, ROWS)),
        ("Least sure", least_sure(image, ROWS)),
        *(
            (f"Surest of {name}", surest(image, k, ROW))
            for k, name in enumerate(results.classes[:MOST_CLASSES])
        ),
    ]


def _cards(results: Results, chosen: Labels) -> list[Card]:
    """Give the cutouts of objects with what is said of each."""
    pixels = results.pixels(chosen)
    images: Sequence[Any] = [None] * len(chosen)
    if pixels is not None:
        images = list(_seen(pixels, results.config.images.seen))
    cards = []
    for place, image in zip(chosen.tolist(), images, strict=True):
        name = str(results.ids[place])
        shown = image is not None and bool(results.usable[place])
        cards.append(
            Card(
                images=[cutout_address(image)] if shown else [],
                alternative=f"cutout of {name}",
                name=name,
                lines=_lines(results, place),
            )
        )
    return cards


def _lines(results: Results, place: int) -> list[tuple[str, str]]:
    """Say what experts, image and votes say of an object."""
    lines = [("experts", results.classes[results.experts[place]])]
    for name, posterior in (("image", results.image[place]), ("votes", results.votes[place])):
        if not np.isnan(posterior).any():
            best = int(posterior.argmax())
            lines.append((name, f"{results.classes[best]} {posterior[best]:.2f}"))
    if results.majority is not None and results.majority[place] >= 0:
        share = "" if results.shares is None else results.shares[place, results.majority[place]]
        known = "" if share == "" or np.isnan(share) else f" {share:.0%}"
        lines.append(("majority", results.classes[results.majority[place]] + known))
    if results.voters[place] > 0:
        lines.append(("volunteers", f"{results.voters[place]:,.0f}"))
    return lines


def _seen(pixels: NDArray[np.uint8], view: int) -> NDArray[np.uint8]:
    """Cut what the networks see from images (object, row, column, channel)."""
    shown = central(torch.from_numpy(pixels).permute(0, 3, 1, 2), view)
    cut: NDArray[np.uint8] = shown.permute(0, 2, 3, 1).numpy()
    return cut
