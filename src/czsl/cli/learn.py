"""Commands that train, and what reports of it: fit, compare, report."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from czsl.cli.shared import (
    PATH,
    command_to_go_on,
    config_argument,
    device_option,
    join_others,
    model_maker,
    refuse_several,
    seed_option,
    threads_option,
)
from czsl.errors import MissingExtraError
from czsl.machine import launched, prepare_process


@click.command()
@config_argument
@click.option("--recipe", help="A recipe that ships, as it is; default: the configuration's.")
@click.option("--out", default="runs/fit", show_default=True, type=PATH)
@click.option("--resume", is_flag=True, help="Go on with the run in --out.")
@click.option("--limit", type=click.IntRange(10), help="Use so many objects only: a quick try.")
@seed_option
@device_option
@threads_option
def fit(
    config: Path,
    recipe: str | None,
    out: Path,
    resume: bool,
    limit: int | None,
    seed: int,
    device: str,
    threads: int | None,
) -> None:
    """Fit a model and keep it in a run folder.

    CONFIG is a czsl.toml or its folder. At the end a report is written beside the model.
    Started by torchrun or srun in several processes it is one fit, of which each process
    trains its share.
    """
    prepare_process()
    if launched() is not None:
        join_others()
    from czsl import Catalogue
    from czsl.images.inspect import summary
    from czsl.imaging import open_images
    from czsl.recipes import recipe_settings
    from czsl.run import fit_run
    from czsl.terminal import FitDisplay, be_silent, show_fit, show_images, show_warnings
    from czsl.train.device import open_ranks

    ranks = open_ranks(device)
    if not ranks.leads:
        be_silent()
    with ranks.watched("reading the table"):
        catalogue = ranks.in_turn(lambda: Catalogue.read(config))
    show_warnings([str(warning) for warning in catalogue.warnings])
    chosen = recipe_settings({"name": recipe}) if recipe else catalogue.config.recipe
    try:
        with FitDisplay() as display, ranks.watched("decoding"):
            images = ranks.in_turn(
                lambda: open_images(catalogue, processes=threads, progress=display.decoded)
            )
            show_images(summary(images))
            model = model_maker(seed, device, threads, display)(chosen)
            run = fit_run(model, catalogue, out, limit=limit, resume=resume)
    except KeyboardInterrupt:
        if ranks.leads:
            click.echo(f"\nstopped; go on with: {command_to_go_on()}", err=True)
        sys.exit(130)
    if not ranks.leads:
        return
    show_fit(model, run)
    write_report_of(run.folder)


@click.command()
@click.argument("configs", nargs=-1, type=PATH)
@click.option("--arms", help="Arms or groups of them, separated by commas.")
@click.option(
    "--protocol",
    type=click.Choice(["own", "czsl2023"]),
    default="own",
    show_default=True,
    help="Tiers as they are, or as published: 5% experts, 20% volunteers.",
)
@click.option(
    "--order",
    type=click.Choice(["redrawn", "file"]),
    default="redrawn",
    show_default=True,
    help="redrawn: each execution draws anew the folds, where the table has no fold column, and "
    "with czsl2023 the tiers. file: all executions share their folds, and tiers are in the table's "
    "order.",
)
@click.option(
    "--folds",
    type=click.IntRange(2, 20),
    default=5,
    show_default=True,
    help="Where the table has none.",
)
@click.option("--executions", type=click.IntRange(1), default=1, show_default=True)
@click.option("--sweep", "sweeps", multiple=True, help="NAME or NAME=VALUE,VALUE; repeatable.")
@click.option(
    "--reference", help="The arm that others are compared with; default: 'default', or 'majority'."
)
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Processes.")
@click.option("--out", default="runs/compare", show_default=True, type=PATH)
@click.option("--resume", is_flag=True, help="Go on with the comparison in --out.")
@seed_option
@device_option
@threads_option
def compare(
    configs: tuple[Path, ...],
    arms: str | None,
    protocol: str,
    order: str,
    folds: int,
    executions: int,
    sweeps: tuple[str, ...],
    reference: str | None,
    jobs: int,
    out: Path,
    resume: bool,
    seed: int,
    device: str,
    threads: int | None,
) -> None:
    """Compare each tier alone, recipes and their parts.

    CONFIGS are czsl.toml files or their folders, a task each; or the folder of the
    published tables of Galaxy Zoo 1, three tasks. Every arm is scored on the same
    experts' objects, each by what never saw it. Arms are named by --arms or in [compare];
    "tiers", "votes", "fusion", "published", "ablations", "sampling", "images" are groups.
    Sweeps: confidence, experts, volunteers, votes, unlabelled.
    """
    refuse_several("compare")
    prepare_process()
    from czsl.compare.compare import compare as run_compare
    from czsl.compare.compare import read_metrics, read_tasks
    from czsl.compare.protocols import Protocol
    from czsl.model import Hardware
    from czsl.terminal import FitDisplay, show_comparison

    tasks = read_tasks(configs or (Path(),), tuple(arms.split(",")) if arms else ())
    try:
        with FitDisplay() as display:
            run_compare(
                tasks,
                out,
                protocol=Protocol(name=protocol, order=order, folds=folds),
                sweeps=sweeps,
                executions=executions,
                reference=reference,
                jobs=jobs,
                seed=seed,
                hardware=Hardware(device=device, threads=threads),
                resume=resume,
                decoded=display.decoded,
                report=display.trained,
                told=display.told,
            )
    except KeyboardInterrupt:
        click.echo(f"\nstopped; go on with: {command_to_go_on()}", err=True)
        sys.exit(130)
    show_comparison(out, read_metrics(out))
    write_report_of(out)


@click.command()
@click.argument("run", type=PATH)
def report(run: Path) -> None:
    """Write the report of a finished RUN again.

    RUN is the folder that 'czsl fit' or 'czsl compare' wrote; the page is report.html in
    it. It needs the extra "report", and shows of the table and the images what is still
    there.
    """
    from czsl.report.write import write_report
    from czsl.terminal import show_path

    show_path("report", write_report(run))


def write_report_of(folder: Path) -> None:
    """Write the report of a folder, or say what it takes."""
    from czsl.report.write import write_report
    from czsl.terminal import show_path, show_warnings

    try:
        show_path("report", write_report(folder))
    except MissingExtraError as error:
        command = shlex.join(["czsl", "report", str(folder)])
        show_warnings([f"no report was written: {error}, then: {command}"])
