"""Locks: who keeps whom out, and file systems that have none."""

import errno
import fcntl
import itertools
import os
import pickle
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from czsl.errors import ImageError, RunError, WriteError
from czsl.images.shards import locked
from czsl.locks import Lock, lock_alone, lock_shared, locked_in_turn
from czsl.survey.parts import opened


def test_one_alone_or_several_together(tmp_path):
    path = tmp_path / "lock"
    together = [lock_shared(path), lock_shared(path)]
    assert lock_alone(path) is None
    together.pop().release()
    assert lock_alone(path) is None
    together.clear()  # forgotten is released
    alone = lock_alone(path)
    assert isinstance(alone, Lock)
    assert lock_alone(path) is None
    alone.release()
    alone.release()
    assert isinstance(lock_alone(path), Lock)


def test_what_is_pickled_holds_nothing(tmp_path):
    lock = lock_shared(tmp_path / "lock")
    copy = pickle.loads(pickle.dumps(lock))
    lock.release()
    assert isinstance(lock_alone(tmp_path / "lock"), Lock)
    copy.release()


def test_a_kill_ends_a_lock(tmp_path):
    code = """
import sys, time, pathlib
from czsl.locks import lock_alone
lock = lock_alone(pathlib.Path(sys.argv[1]))
print("locked", flush=True)
time.sleep(60)
"""
    path = tmp_path / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", code, path], stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "locked\n"
        assert lock_alone(path) is None
        other.kill()
    assert isinstance(lock_alone(path), Lock)


def test_a_file_that_cannot_be_made(tmp_path):
    path = tmp_path / "no such folder" / "lock"
    with pytest.raises(WriteError, match=r"lock: cannot be written \(No such file"):
        lock_alone(path)
    lock_shared(path).release()  # nothing to lock: who only reads needs no more
    assert list(tmp_path.iterdir()) == []


def parts(folder: Path):
    return opened(folder / "a.parquet", {}, part_rows=1, resume=False)


@contextmanager
def in_turn(folder: Path):
    with locked_in_turn(folder / "lock"):
        yield


WORKS = [locked, parts, in_turn]
"""Whatever is done under a lock, by the folder that it is done in."""


def refusing(monkeypatch, number: int) -> None:
    """Let the system refuse every lock: no such file system is at hand where tests run."""

    def flock(handle: int, kind: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", flock)


@pytest.mark.parametrize(
    ("work", "number"),
    [
        *itertools.product(WORKS, [errno.ENOLCK, errno.EOPNOTSUPP]),
        *itertools.product([locked, parts], [errno.ENOSYS]),  # as Lustre says without "flock"
    ],
)
def test_work_goes_on_where_a_file_system_has_no_locks(tmp_path, monkeypatch, work, number):
    refusing(monkeypatch, number)
    done = []
    with pytest.warns(UserWarning, match="its file system has no locks"), work(tmp_path):
        done.append(1)
    assert done == [1]


@pytest.mark.parametrize("work", WORKS)
def test_another_error_is_told_with_its_path(tmp_path, monkeypatch, work):
    refusing(monkeypatch, errno.EIO)
    with (
        pytest.raises(WriteError, match=r"lock: cannot be written \(Input/output error"),
        work(tmp_path),
    ):
        pass


def test_somebody_else_is_told_of(tmp_path):
    with (
        locked(tmp_path),
        pytest.raises(ImageError, match="another process is decoding into this image store"),
        locked(tmp_path),
    ):
        pass
    (tmp_path / "a.parquet.parts").mkdir()
    with (
        locked(tmp_path / "a.parquet.parts"),
        pytest.raises(RunError, match="another process is predicting into it; wait until"),
        parts(tmp_path),
    ):
        pass
