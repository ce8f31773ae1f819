"""A file system of fsspec in memory, of which tests say when it fails and how it waits."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import fsspec
from fsspec.implementations.memory import MemoryFileSystem


class Unsteady(MemoryFileSystem):
    """Files in memory; each request first does what the test says, which may raise.

    Attributes
    ----------
    before
        Called with the request (``"info"``, ``"cat"``, ``"open"``, ``"ls"``) and the path.
    asked
        The requests so far.
    """

    protocol = "unsteady"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    before: ClassVar[Callable[[str, str], object]] = lambda request, path: None
    asked: ClassVar[list[tuple[str, str]]] = []

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(path.replace("unsteady://", "memory://"))

    def _ask(self, request: str, path: str) -> None:
        Unsteady.asked.append((request, path))
        Unsteady.before(request, path)

    def info(self, path, **options):
        self._ask("info", path)
        return super().info(path, **options)

    def cat_file(self, path, *arguments, **options):
        self._ask("cat", path)
        return super().cat_file(path, *arguments, **options)

    def ls(self, path, *arguments, **options):
        self._ask("ls", path)
        return super().ls(path, *arguments, **options)

    def open(self, path, *arguments, **options):
        self._ask("open", path)
        return super().open(path, *arguments, **options)


@contextmanager
def unsteady() -> Iterator[type[Unsteady]]:
    """Give the empty file system of addresses ``unsteady://``."""
    fsspec.register_implementation("unsteady", Unsteady, clobber=True)
    Unsteady.store.clear()
    Unsteady.pseudo_dirs[:] = [""]
    Unsteady.before = lambda request, path: None
    Unsteady.asked.clear()
    yield Unsteady


def put(address: str, content: bytes) -> None:
    """Write a file at an address, whatever the file system is to do."""
    system, path = fsspec.core.url_to_fs(address)
    system.pipe_file(path, content)


def failing(times: int, request: str, name: str = "") -> Callable[[str, str], None]:
    """Fail so many times at a request for paths that hold a name."""
    left = [times]

    def fail(asked: str, path: str) -> None:
        if asked == request and name in path and left[0]:
            left[0] -= 1
            raise ConnectionError("the line is cut")

    return fail
