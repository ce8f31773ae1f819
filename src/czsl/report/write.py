"""The report of whatever a folder holds."""

from __future__ import annotations

from pathlib import Path

from czsl.errors import RunError
from czsl.report.comparison import write_comparison_report
from czsl.report.fit import write_fit_report

WRITERS = {"run.json": write_fit_report, "comparison.json": write_comparison_report}
"""What writes the report of a folder, by the file that tells what the folder holds."""


def write_report(folder: str | Path) -> Path:
    """Write the report of a fit or a comparison, by what its folder holds.

    Parameters
    ----------
    folder
        The folder that 'czsl fit' or 'czsl compare' wrote.

    Returns
    -------
    Path
        The page, ``report.html`` in the folder.

    Raises
    ------
    MissingExtraError
        Where the extra "report" is not installed.
    RunError
        Where the folder holds nothing to report, or what has not ended.
    """
    for name, write in WRITERS.items():
        if (Path(folder) / name).exists():
            return write(folder)
    raise RunError(
        f"{folder}: holds nothing to report, there is no {' or '.join(WRITERS)} in it; name the "
        "folder that 'czsl fit' or 'czsl compare' wrote"
    )
