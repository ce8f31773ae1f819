"""The report of whatever a folder holds."""

from __future__ import annotations

from pathlib import Path

from czsl.errors import RunError
from czsl.report.fit import write_fit_report

WRITERS = {"run.json": write_fit_report}
"""What writes the report of a folder, by the file that tells what the folder holds."""


def write_report(folder: str | Path) -> Path:
    """Write the report of a run, by what its folder holds.

    Parameters
    ----------
    folder
        The folder that 'czsl fit' wrote.

    Returns
    -------
    Path
        The page, ``report.html`` in the folder.

    Raises
    ------
    MissingExtraError
        Where the extra "report" is not installed.
    RunError
        Where the folder holds nothing to report, or a fit that has not ended.
    """
    for name, write in WRITERS.items():
        if (Path(folder) / name).exists():
            return write(folder)
    raise RunError(
        f"{folder}: holds nothing to report, there is no {' or '.join(WRITERS)} in it; name the "
        "folder that 'czsl fit' wrote"
    )
