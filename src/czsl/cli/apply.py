"""Commands that take a fitted model: predict, explain."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from czsl.cli.shared import (
    PATH,
    device_option,
    folder_option,
    images_option,
    model_argument,
    refuse_several,
    threads_option,
)
from czsl.errors import CzslError, MissingExtraError, RunError
from czsl.machine import prepare_process

if TYPE_CHECKING:
    from czsl.survey.explain import Explanation


@click.command()
@model_argument
@click.argument("table", type=click.Path())
@click.option(
    "--out",
    default="predictions.parquet",
    show_default=True,
    type=PATH,
    help="Parquet, CSV, ECSV, FITS or VOTable, by the ending.",
)
@images_option
@folder_option
@click.option(
    "--decide",
    default="accuracy",
    show_default=True,
    help="How the class follows from the posterior: accuracy, gmean, f1, or a file of costs.",
)
@click.option(
    "--coverage",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    help="Coverage of the sets; default: the recipe's.",
)
@click.option(
    "--reestimate", is_flag=True, help="Estimate the classes' shares from TABLE, and move to them."
)
@click.option("--limit", type=click.IntRange(1), help="Stop after so many rows.")
@click.option("--resume", is_flag=True, help="Go on with the parts beside --out.")
@click.option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="This machine, or a Ray cluster (extra: ray).",
)
@click.option("--address", help="The Ray cluster's; default: Ray is started on this machine.")
@device_option
@threads_option
def predict(
    model: Path,
    table: str,
    out: Path,
    images: str | None,
    folder: Path | None,
    decide: str,
    coverage: float | None,
    reestimate: bool,
    limit: int | None,
    resume: bool,
    engine: Literal["local", "ray"],
    address: str | None,
    device: str,
    threads: int | None,
) -> None:
    """Predict every object of TABLE with a MODEL.

    MODEL is the folder "model" in the run of a 'czsl fit'. Tables of any length are streamed.
    --decide moves the class alone, --reestimate the posterior: use it where the classes'
    shares are others than among the experts' objects. What is stopped goes on with --resume.
    """
    refuse_several("predict")
    prepare_process()
    from czsl import CzSL
    from czsl.survey.predict import Asked, predict_table
    from czsl.terminal import FitDisplay, show_predicted

    loaded = CzSL.load(model, device=device, threads=threads)
    with FitDisplay() as display, kept_parts(out):
        done = predict_table(
            loaded,
            table,
            out,
            images=images,
            folder=folder,
            asked=Asked(decide=decide, coverage=coverage, reestimate=reestimate),
            processes=threads,
            limit=limit,
            resume=resume,
            engine=engine,
            address=address,
            progress=display.predicted,
        )
    show_predicted(done)


@contextmanager
def kept_parts(out: Path) -> Iterator[None]:
    """Where a prediction is stopped or fails, say what is kept and how to go on."""
    from czsl.survey.parts import parts_folder, rows_kept

    def tell(first: str) -> None:
        rows = rows_kept(out)
        kept = f"{rows:,} rows are kept in {parts_folder(out)}; go on with the same command and"
        kept = f"{kept} --resume" if rows else "no part was done"
        click.echo(f"{first}{kept}", err=True)

    try:
        yield
    except KeyboardInterrupt:
        tell("\nstopped; ")
        sys.exit(130)
    except RunError:  # says itself what to do with the parts
        raise
    except CzslError:
        if rows_kept(out):
            tell("")
        raise


@click.command()
@model_argument
@click.argument("object_id", metavar="ID")
@click.option(
    "--table",
    type=click.Path(),
    help="Holds the object; default: that of the training. Needed where MODEL is not in its run.",
)
@images_option
@folder_option
@click.option("--out", type=PATH, help="The page; default: explain-ID.html here.")
@device_option
@threads_option
def explain(
    model: Path,
    object_id: str,
    table: str | None,
    images: str | None,
    folder: Path | None,
    out: Path | None,
    device: str,
    threads: int | None,
) -> None:
    """Explain what a MODEL says of the object ID.

    MODEL is the folder "model" in the run of a 'czsl fit'. Shows the posterior of each
    source, the set, the votes, the flags, and the experts' objects that look most alike; with
    the extra "report" as a page with images, too.
    """
    prepare_process()
    from czsl import CzSL
    from czsl.survey.explain import explain_object
    from czsl.terminal import show_explained

    loaded = CzSL.load(model, device=device, threads=threads)
    found = explain_object(
        loaded, model, object_id, table=table, images=images, start=folder, processes=threads
    )
    show_explained(found)
    write_explanation_of(found, out)


def write_explanation_of(found: Explanation, out: Path | None) -> None:
    """Write the page of an explanation, or say what it takes."""
    from czsl.report.explain import write_explanation
    from czsl.terminal import show_path, show_warnings

    try:
        show_path("page", write_explanation(found, out))
    except MissingExtraError as error:
        show_warnings([f"no page was written: {error}"])
