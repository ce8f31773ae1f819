"""The command line: words in, words out; no logic.

Nothing heavy is imported before a command runs, so that ``czsl --help`` is quick.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from czsl import __version__
from czsl.errors import CzslError, MissingExtraError

if TYPE_CHECKING:
    from czsl.model import CzSL
    from czsl.recipes import Recipe
    from czsl.survey.explain import Explanation
    from czsl.terminal import FitDisplay

config_argument = click.argument("config", default=".", type=click.Path(path_type=Path))
seed_option = click.option(
    "--seed", default=0, show_default=True, help="Seed of everything random."
)
device_option = click.option(
    "--device", default="auto", show_default=True, help="auto, cpu, cuda, mps."
)
threads_option = click.option(
    "--threads", type=click.IntRange(1), help="Processor threads; default all."
)


class Commands(click.Group):
    """Shows our errors as text, not as tracebacks."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; a known error ends it with exit code 1."""
        try:
            return super().invoke(ctx)
        except CzslError as error:
            click.secho("error: ", fg="red", bold=True, nl=False, err=True)
            click.echo(str(error), err=True)
            ctx.exit(1)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the commands in the order of the work."""
        return ["demo", "init", "check", "fit", "compare", "predict", "explain", "report"]


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="czsl")
def main() -> None:
    """Learn from experts, volunteers and unlabelled images at once.

    Start with 'czsl demo', or with 'czsl init TABLE IMAGES' for your own data.
    """


@main.command()
@click.argument("folder", default="demo", type=click.Path(path_type=Path))
@seed_option
@device_option
@threads_option
def demo(folder: Path, seed: int, device: str, threads: int | None) -> None:
    """Simulate a small survey in FOLDER, run everything."""
    keep_freed_memory()
    from czsl.demo import run_demo
    from czsl.terminal import FitDisplay, console, show_arms, show_checked

    with FitDisplay() as display:
        result = run_demo(
            folder,
            seed=seed,
            make_model=model_maker(seed, device, threads, display),
            simulated=display.simulated,
            checked=show_checked,
            started=display.started,
        )
    show_arms(result.arms, title="Test objects that no arm was trained on, against the truth")
    console.print("czsl2023 was shortened for the demo: 5, 40 and 10 epochs instead of 100.")
    console.print(f"survey, with its czsl.toml: {result.folder}")
    console.print(f"report: {result.report}")


@main.command()
@click.argument("table", type=click.Path(path_type=Path))
@click.argument("images", required=False, type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Default: czsl.toml beside the table.")
def init(table: Path, images: Path | None, out: Path | None) -> None:
    """Look at TABLE and IMAGES, write a czsl.toml.

    IMAGES is a folder or an archive; without it no image pattern is guessed. Every guess
    is written with its reason.
    """
    from czsl.catalogue.guess import guess_config
    from czsl.files import write_text
    from czsl.terminal import show_guess

    out = out or table.parent / "czsl.toml"
    if out.exists():
        raise click.UsageError(f"{out} exists; delete it, or choose another name by --out")
    guess = guess_config(table, images, folder=out.parent)
    write_text(out, guess.text)
    show_guess(guess, out)


@main.command()
@config_argument
@threads_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
def check(config: Path, threads: int | None, as_json: bool) -> None:
    """Read everything, train nothing, tell every problem.

    CONFIG is a czsl.toml or its folder. Ends with exit code 1 where something must be
    mended.
    """
    from czsl.check import check as run_check
    from czsl.terminal import FitDisplay, show_checked

    if as_json:
        found = run_check(config, processes=threads)
        click.echo(json.dumps(found.as_dict(), indent=2))
    else:
        with FitDisplay() as display:
            found = run_check(config, processes=threads, progress=display.decoded)
        show_checked(found)
    sys.exit(1 if found.problems else 0)


@main.command()
@config_argument
@click.option("--recipe", help="A recipe that ships, as it is; default: the configuration's.")
@click.option("--out", default="runs/fit", show_default=True, type=click.Path(path_type=Path))
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
    """
    keep_freed_memory()
    from czsl import Catalogue
    from czsl.images.inspect import summary
    from czsl.imaging import open_images
    from czsl.recipes import recipe_settings
    from czsl.run import fit_run
    from czsl.terminal import FitDisplay, show_fit, show_images, show_warnings

    catalogue = Catalogue.read(config)
    show_warnings([str(warning) for warning in catalogue.warnings])
    chosen = recipe_settings({"name": recipe}) if recipe else catalogue.config.recipe
    try:
        with FitDisplay() as display:
            images = open_images(catalogue, processes=threads, progress=display.decoded)
            show_images(summary(images))
            model = model_maker(seed, device, threads, display)(chosen)
            run = fit_run(model, catalogue, out, limit=limit, resume=resume)
    except KeyboardInterrupt:
        click.echo(f"\nstopped; go on with: czsl fit {config} --out {out} --resume", err=True)
        sys.exit(130)
    show_fit(model, run)
    write_report_of(run.folder)


@main.command()
@click.argument("configs", nargs=-1, type=click.Path(path_type=Path))
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
    help="Tiers and folds redrawn by each execution, or in the table's order.",
)
@click.option("--folds", default=5, show_default=True, help="Where the table has none.")
@click.option("--executions", type=click.IntRange(1), default=1, show_default=True)
@click.option("--sweep", "sweeps", multiple=True, help="NAME or NAME=VALUE,VALUE; repeatable.")
@click.option(
    "--reference", help="The arm that others are compared with; default: 'default', or 'majority'."
)
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Processes.")
@click.option("--out", default="runs/compare", show_default=True, type=click.Path(path_type=Path))
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
    "tiers", "votes", "published", "ablations", "sampling", "images" are groups. Sweeps:
    confidence, experts, volunteers, votes, unlabelled.
    """
    keep_freed_memory()
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
        given = " ".join(argument for argument in sys.argv[1:] if argument != "--resume")
        click.echo(f"\nstopped; go on with: czsl {given} --resume", err=True)
        sys.exit(130)
    show_comparison(out, read_metrics(out))
    write_report_of(out)


@main.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("table", type=click.Path(path_type=Path))
@click.option(
    "--out",
    default="predictions.parquet",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Parquet, CSV, FITS or VOTable by the ending.",
)
@click.option("--images", help="Image pattern; default: the one of the training.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    help="Where relative images start from; default: the table's folder.",
)
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
@device_option
@threads_option
def predict(
    model: Path,
    table: Path,
    out: Path,
    images: str | None,
    folder: Path | None,
    decide: str,
    coverage: float | None,
    reestimate: bool,
    limit: int | None,
    device: str,
    threads: int | None,
) -> None:
    """Predict every object of TABLE with a MODEL.

    MODEL is the folder that 'czsl fit' wrote. Tables of any length are streamed. --decide
    moves the class alone, --reestimate the posterior: use it where the classes' shares are
    others than among the experts' objects.
    """
    keep_freed_memory()
    from czsl import CzSL
    from czsl.survey.predict import Asked, predict_table
    from czsl.terminal import FitDisplay, show_predicted

    loaded = CzSL.load(model, device=device, threads=threads)
    with FitDisplay() as display:
        done = predict_table(
            loaded,
            table,
            out,
            images=images,
            folder=folder,
            asked=Asked(decide=decide, coverage=coverage, reestimate=reestimate),
            processes=threads,
            limit=limit,
            progress=display.predicted,
        )
    show_predicted(done)


@main.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("object_id", metavar="ID")
@click.option("--table", type=click.Path(path_type=Path), help="Default: that of the training.")
@click.option("--images", help="Image pattern; default: the one of the training.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    help="Where relative images start from; default: the table's folder.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="The page; default: explain-ID.html here."
)
@device_option
@threads_option
def explain(
    model: Path,
    object_id: str,
    table: Path | None,
    images: str | None,
    folder: Path | None,
    out: Path | None,
    device: str,
    threads: int | None,
) -> None:
    """Explain what a MODEL says of the object ID.

    MODEL is the folder that 'czsl fit' wrote. Shows the posterior of each source, the set,
    the votes, the flags, and the experts' objects that look most alike; with the extra
    "report" as a page with images, too.
    """
    keep_freed_memory()
    from czsl import CzSL
    from czsl.survey.explain import explain_object
    from czsl.terminal import show_explained

    loaded = CzSL.load(model, device=device, threads=threads)
    found = explain_object(
        loaded, model, object_id, table=table, images=images, start=folder, processes=threads
    )
    show_explained(found)
    write_explanation_of(found, out)


@main.command()
@click.argument("run", type=click.Path(path_type=Path))
def report(run: Path) -> None:
    """Write the report of a finished RUN again.

    RUN is the folder that 'czsl fit' or 'czsl compare' wrote; the page is report.html in
    it. It needs the extra "report", and shows of the table and the images what is still
    there.
    """
    from czsl.report.write import write_report
    from czsl.terminal import console

    console.print(f"report: {write_report(run)}", soft_wrap=True)


def write_report_of(folder: Path) -> None:
    """Write the report of a folder, or say what it takes."""
    from czsl.report.write import write_report
    from czsl.terminal import console, show_warnings

    try:
        console.print(f"report: {write_report(folder)}", soft_wrap=True)
    except MissingExtraError as error:
        show_warnings([f"no report was written: {error}, then: czsl report {folder}"])


def write_explanation_of(found: Explanation, out: Path | None) -> None:
    """Write the page of an explanation, or say what it takes."""
    from czsl.report.explain import write_explanation
    from czsl.terminal import console, show_warnings

    try:
        console.print(f"page: {write_explanation(found, out)}", soft_wrap=True)
    except MissingExtraError as error:
        show_warnings([f"no page was written: {error}"])


def model_maker(seed: int, device: str, threads: int | None, display: FitDisplay) -> Any:
    """Give what makes a model for a recipe, shown on the terminal."""
    from czsl.model import CzSL

    def make(recipe: Recipe) -> CzSL:
        return CzSL(
            recipe,
            seed=seed,
            device=device,
            threads=threads,
            report=display.trained,
            decoded=display.decoded,
        )

    return make


def keep_freed_memory() -> None:
    """Let the C library keep freed blocks: giving them back costs small networks half their time.

    Only where glibc is, and only before torch allocates anything.
    """
    import ctypes

    if sys.platform != "linux" or "MALLOC_TRIM_THRESHOLD_" in os.environ:
        return
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return
    trim_threshold, mmap_threshold = -1, -3
    mallopt(trim_threshold, 1 << 30)
    mallopt(mmap_threshold, 1 << 30)


if __name__ == "__main__":
    main()
