"""How the images are: what `check` and `fit` tell of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from czsl.errors import ImageError
from czsl.flags import UNUSABLE_IMAGE, Flag
from czsl.images.prepare import central_box
from czsl.images.store import ImageStore
from czsl.images.unusable import first_three


def refuse_unusable(store: ImageStore) -> None:
    """Refuse to go on where more than half of the images are unusable.

    Raises
    ------
    ImageError
        How many of each kind, and the first three with what is wrong.
    """
    bad = np.flatnonzero(~store.usable)
    if 2 * len(bad) > len(store):
        counts = {
            flag: int(np.count_nonzero(store.flags & int(flag)))
            for flag in Flag
            if flag & UNUSABLE_IMAGE
        }
        references = store.column("reference", bad).to_pylist()
        shown = [one or str(store.ids[row]) for one, row in zip(references, bad, strict=True)]
        reasons = store.column("reason", bad).to_pylist()
        raise too_many_unusable(len(store), counts, shown, reasons)


def too_many_unusable(
    total: int, counts: Mapping[Flag, int], names: Sequence[str], reasons: Sequence[str]
) -> ImageError:
    """Say that more than half of the images are unusable.

    Examples
    --------
    >>> print(too_many_unusable(3, {Flag.IMAGE_MISSING: 2}, ["a", "b"], ["no such file"] * 2))
    2 of 3 images are unusable (image_missing: 2): 'a' (no such file), 'b' (no such file); \
correct [catalogue] images, or the files
    """
    kinds = ", ".join(f"{str(flag.name).lower()}: {n}" for flag, n in counts.items() if n)
    return ImageError(
        f"{len(names)} of {total} images are unusable ({kinds}): {first_three(names, reasons)}; "
        "correct [catalogue] images, or the files"
    )


def summary(store: ImageStore) -> dict[str, Any]:
    """Count what the images are like, ready for JSON.

    Parameters
    ----------
    store
        Opened for the objects to be told of.

    Returns
    -------
    dict
        ``images`` (how many objects), ``usable``; ``flags``: for each flag that occurs
        its ``count`` and the ``first`` three images with ``id``, ``reference`` and
        ``reason``; ``sizes``: how many images of each size, as ``"423 x 423"`` (width and
        height, pixels), the commonest first; ``modes``: how many files of each mode, as
        ``"RGB"``; ``bands``: how many of each number of bands; ``enlarged``: how many have
        fewer pixels than are stored of them.
    """
    flags = {
        str(flag.name).lower(): _flagged(store, np.flatnonzero(store.flags & int(flag)))
        for flag in Flag
        if (store.flags & int(flag)).any()
    }
    known = store.sizes[store.sizes[:, 0] > 0].tolist()
    return {
        "images": len(store),
        "usable": int(store.usable.sum()),
        "flags": flags,
        "sizes": _counted(f"{width} x {height}" for height, width, _ in known),
        "modes": _counted(mode for mode in store.column("mode").to_pylist() if mode),
        "bands": _counted(str(bands) for _, _, bands in known),
        "enlarged": _enlarged(store),
    }


def _enlarged(store: ImageStore) -> int:
    """Count the images of which the central square has fewer pixels than are stored."""
    settings = store.settings
    sizes, counts = np.unique(store.sizes[store.usable, :2], axis=0, return_counts=True)
    sides = [central_box(height, width, settings.crop)[2] for height, width in sizes.tolist()]
    return int(counts[np.array(sides, dtype=int) < settings.size].sum())


def _flagged(store: ImageStore, rows: NDArray[np.int64]) -> dict[str, Any]:
    """Count the images with a flag, and name the first three."""
    first = rows[:3]
    columns = {
        "id": store.ids[first].tolist(),
        "reference": store.column("reference", first).to_pylist(),
        "reason": store.column("reason", first).to_pylist(),
    }
    named = [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]
    return {"count": len(rows), "first": named}


def _counted(values: Any) -> dict[str, int]:
    return dict(Counter(values).most_common())
