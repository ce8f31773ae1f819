"""What stands against one image, and against the images as a whole."""

from __future__ import annotations

from collections.abc import Sequence

from czsl.errors import ImageError
from czsl.flags import Flag


class UnusableImageError(ImageError):
    """One image cannot be used: its object is flagged, and the work goes on.

    Parameters
    ----------
    flag
        What the object is flagged with.
    reason
        What is wrong with the image, in the user's words.
    again
        Whether the reason may pass (a permission, a network): then the next run tries
        again though the file has not changed.

    Examples
    --------
    >>> UnusableImageError(Flag.IMAGE_EMPTY, "the file has no bytes").flag.name
    'IMAGE_EMPTY'
    """

    def __init__(self, flag: Flag, reason: str, *, again: bool = False) -> None:
        super().__init__(reason)
        self.flag = flag
        self.reason = reason
        self.again = again

    def __reduce__(self) -> tuple[type[UnusableImageError], tuple[Flag, str]]:
        return UnusableImageError, (self.flag, self.reason)


class UnfitImageError(ImageError):
    """An image does not fit the settings: the settings are wrong, and the work stops."""


def first_three(names: Sequence[str], reasons: Sequence[str]) -> str:
    """Name the first three images of many, each with its reason.

    Examples
    --------
    >>> first_three(["a.jpg", "b.jpg"], ["no such file", "has no bytes"])
    "'a.jpg' (no such file), 'b.jpg' (has no bytes)"
    """
    pairs = list(zip(names, reasons, strict=True))
    shown = ", ".join(f"{name!r} ({reason})" for name, reason in pairs[:3])
    return shown + (" …" if len(pairs) > 3 else "")
