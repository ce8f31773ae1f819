"""Locks on files: they keep processes apart, and end with the process that holds them."""

from __future__ import annotations

import errno
import os
import sys
import warnings
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from czsl.errors import writing

_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)
"""How a file system that has no locks refuses one: some of Lustre, NFS and CIFS."""


class Lock:
    """A lock that is held until it is released, or until nobody knows this value any more.

    Pickled it holds nothing: who sent it goes on holding it.

    Parameters
    ----------
    handle
        The open file that is locked; None where nothing is.
    """

    def __init__(self, handle: int | None = None) -> None:
        self._close = None if handle is None else weakref.finalize(self, os.close, handle)

    def release(self) -> None:
        """Let others lock the file."""
        if self._close is not None:
            self._close()

    def __reduce__(self) -> tuple[type[Lock], tuple[()]]:
        return Lock, ()


def lock_alone(path: Path) -> Lock | None:
    """Lock a file against everybody else; None where somebody else has locked it.

    Where the file system has no locks a warning says so, and nothing is locked.

    Parameters
    ----------
    path
        A file that is there for its locks alone; made where it is missing.

    Raises
    ------
    WriteError
        Where it cannot be made or locked.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "lock"
    >>> first = lock_alone(path)
    >>> lock_alone(path) is None
    True
    >>> first.release()
    >>> lock_alone(path) is None
    False
    """
    if sys.platform == "win32":
        return Lock()
    import fcntl

    with writing(path):
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        lock = Lock(handle)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.release()
            return None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            _warn(path, error)
    return lock


def lock_shared(path: Path) -> Lock:
    """Lock a file together with others: nobody locks it alone meanwhile.

    Waits for who has locked it alone. Nothing is locked where the file is missing in a folder
    that is only for reading, or where the file system has no locks.

    Parameters
    ----------
    path
        As of :func:`lock_alone`.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "lock"
    >>> some = [lock_shared(path), lock_shared(path)]
    >>> lock_alone(path) is None
    True
    """
    if sys.platform != "win32":
        import fcntl

        for mode in (os.O_RDWR | os.O_CREAT, os.O_RDONLY):
            with suppress(OSError):
                handle = os.open(path, mode, 0o666)
                lock = Lock(handle)
                fcntl.flock(handle, fcntl.LOCK_SH)
                return lock
    return Lock()


@contextmanager
def locked_in_turn(path: Path) -> Iterator[None]:
    """Wait until nobody else has locked a file, and lock it.

    Where the file system has no locks a warning says so, and nothing is locked.

    Parameters
    ----------
    path
        As of :func:`lock_alone`.

    Raises
    ------
    WriteError
        Where it cannot be made or locked.
    """
    from filelock import FileLock

    lock = FileLock(path)
    with writing(path):
        try:
            lock.acquire()
        except NotImplementedError as error:  # so old versions of filelock say ENOSYS
            _warn(path, error)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            _warn(path, error)
    try:
        yield
    finally:
        lock.release()


def _warn(path: Path, error: Exception) -> None:
    """Say that work goes on without a lock."""
    warnings.warn(
        f"{path.parent}: its file system has no locks ({error}); see to it that no other process "
        "writes into this folder at the same time",
        stacklevel=2,
    )
