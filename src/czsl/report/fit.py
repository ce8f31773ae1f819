"""The report of a fit: what went in, what it reached, and which objects to look at."""

from __future__ import annotations

from pathlib import Path

from czsl.report.fit_data import data, left_out, settings, training
from czsl.report.fit_objects import autoencoder, galleries
from czsl.report.fit_scores import fused, image, result, volunteers, votes
from czsl.report.fit_votes import votes_map
from czsl.report.page import Section, require_report, write_page
from czsl.report.results import Results, read_results

PAGE = "report.html"


def write_fit_report(folder: str | Path) -> Path:
    """Write the report of a finished fit into its folder.

    Parameters
    ----------
    folder
        The run's folder. Of the table and the images it shows what is still there.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    MissingExtraError
        Where Jinja2 or matplotlib is not installed.
    RunError
        Where the folder holds no run, or one that has not ended.
    WriteError
        Where the page cannot be written.
    """
    require_report()
    results = read_results(Path(folder))
    path = Path(folder) / PAGE
    write_page(path, title=_title(results), lead=_lead(results), sections=fit_sections(results))
    return path


def fit_sections(results: Results) -> list[Section]:
    """Make the sections of a fit's page; those with nothing to show are left out.

    Parameters
    ----------
    results
        What the fit left.
    """
    made = [
        result(results),
        left_out(results),
        data(results),
        training(results),
        autoencoder(results),
        image(results),
        votes(results),
        votes_map(results),
        fused(results),
        volunteers(results),
        galleries(results),
        settings(results),
    ]
    return [section for section in made if section is not None]


def _title(results: Results) -> str:
    """Say what was fitted."""
    return f"Fit of {Path(results.config.catalogue.table).name}"


def _lead(results: Results) -> list[str]:
    """Say by what and when."""
    return [
        f"Classes: {', '.join(results.classes)}.",
        f"Recipe {results.content.recipe.name}, czsl {results.content.version}, "
        f"model {results.content.fingerprint}. "
        f"The fit ended on {results.ended:%d %B %Y at %H:%M} UTC.",
    ]
