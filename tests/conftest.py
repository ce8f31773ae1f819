"""What tests of all floors share."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes depends on what else the machine does.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture
def listed(monkeypatch) -> list[str]:
    """The folders that this process lists during the test."""
    folders, listdir = [], os.listdir

    def listing(folder=".", /):
        folders.append(str(folder))
        return listdir(folder)

    monkeypatch.setattr(os, "listdir", listing)
    return folders


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data, which is not part of the repository."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("CZSL_DATA", beside))
    if not (folder / "gz1").is_dir():
        pytest.skip(f"needs the real data: there is no folder {folder / 'gz1'} (set CZSL_DATA)")
    return folder
