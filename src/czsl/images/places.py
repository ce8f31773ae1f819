"""Where images may lie: the configuration's folder, and the roots that it allows."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from czsl.images.adapter import parse
from czsl.remote import fixed_root, is_address, leaves, within

_LOCAL = ("file://", "local://")

KNOWN = 65_536
"""Folders that are known at a time, some 8 MB: where each image has its own, all are too many."""


def local_path(address: str) -> str | None:
    """Give the path of an address on this machine; None of one on a server.

    Examples
    --------
    >>> local_path("file:///data/a.zip"), local_path("s3://survey/a.zip")
    ('/data/a.zip', None)
    """
    return address.partition("://")[2] if address.startswith(_LOCAL) else None


@dataclass(frozen=True, kw_only=True)
class Places:
    """The folders that images may be read from.

    Parameters
    ----------
    folder
        The configuration file's folder, which relative references start from.
    roots
        More folders, relative to it or absolute, or addresses of folders.
    pattern
        The pattern of images: where it begins with an address, images may lie in the folder
        of that address too.

    Examples
    --------
    >>> places = Places(folder=Path("/no/such/survey"))
    >>> places.outside("images/1.jpg") is None
    True
    >>> places.outside("../other/1.jpg")
    '/no/such/other'
    >>> places.outside("s3://survey/1.jpg")
    's3://survey/'
    """

    folder: Path
    roots: tuple[str, ...] = ()
    pattern: str = ""
    _seen: dict[str, str | None] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def allowed(self) -> tuple[str, ...]:
        """The folders that images may lie in, links resolved."""
        roots = [root for root in self.roots if not is_address(root)]
        return tuple(os.path.realpath(self.folder / root) for root in (".", *roots))

    @cached_property
    def addresses(self) -> tuple[str, ...]:
        """The addresses of folders that images may lie in."""
        place = parse(self.pattern)
        root = fixed_root(self.pattern if place is None else place.file)
        return (*filter(None, [root]), *filter(is_address, self.roots))

    @cached_property
    def _base(self) -> str:
        return str(self.folder)

    def path(self, reference: str) -> str:
        """Give the path, or the address, of a file that a reference names."""
        return reference if is_address(reference) else os.path.join(self._base, reference)

    def outside(self, reference: str) -> str | None:
        """Give the folder that would have to be allowed, or None where none is needed.

        Links are resolved. What is learned about a folder is kept, so that a million
        files in one folder cost one look each. Empty where an address steps up, which
        nothing allows.
        """
        if is_address(reference):
            return self._address_needed(reference)
        path = self.path(reference)
        parent = os.path.dirname(path)
        if parent not in self._seen:
            if len(self._seen) >= KNOWN:
                self._seen.clear()
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

    def _address_needed(self, address: str) -> str | None:
        """Give the folder of an address back where no allowed one holds it."""
        if leaves(address):
            return ""
        if not within(address, self.addresses):
            return fixed_root(address)
        path = local_path(address)
        if path is None:
            return None
        needed = self._linked.outside(path)
        return None if needed is None else f"file://{needed}"

    @cached_property
    def _linked(self) -> Places:
        """The folders of addresses on this machine, where links lead out of a folder too."""
        local = [path for one in self.addresses if (path := local_path(one)) is not None]
        return Places(folder=Path(local[0]), roots=tuple(local[1:]))
