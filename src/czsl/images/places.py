"""Where images may lie: the configuration's folder, and the roots that it allows."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Places:
    """The folders that images may be read from.

    Parameters
    ----------
    folder
        The configuration file's folder, which relative references start from.
    roots
        More folders, relative to it or absolute.

    Examples
    --------
    >>> places = Places(folder=Path("/no/such/survey"))
    >>> places.outside("images/1.jpg") is None
    True
    >>> places.outside("../other/1.jpg")
    '/no/such/other'
    """

    folder: Path
    roots: tuple[str, ...] = ()
    _seen: dict[str, str | None] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def allowed(self) -> tuple[str, ...]:
        """The folders that images may lie in, links resolved."""
        return tuple(os.path.realpath(self.folder / root) for root in (".", *self.roots))

    @cached_property
    def _base(self) -> str:
        return str(self.folder)

    def path(self, reference: str) -> str:
        """Give the path of a file that a reference names."""
        return os.path.join(self._base, reference)

    def outside(self, reference: str) -> str | None:
        """Give the folder that would have to be allowed, or None where none is needed.

        Links are resolved. What is learned about a folder is kept, so that a million
        files in one folder cost one look each.
        """
        path = self.path(reference)
        parent = os.path.dirname(path)
        if parent not in self._seen:
            self._seen[parent] = self._needed(os.path.realpath(parent))
        try:
            link = stat.S_ISLNK(os.lstat(path).st_mode)
        except (OSError, ValueError):  # no such file, or no name of a file: missing, later
            link = False
        if link or reference.endswith(("..", "/")):
            real = os.path.realpath(path)
            return self._needed(real if os.path.isdir(real) else os.path.dirname(real))
        return self._seen[parent]

    def _needed(self, real: str) -> str | None:
        """Give a resolved folder back where no allowed folder holds it."""
        held = any(real == root or real.startswith(root.rstrip("/") + "/") for root in self.allowed)
        return None if held else real
