"""Commands to start with: demo, init, check."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from czsl.cli.shared import (
    PATH,
    config_argument,
    device_option,
    model_maker,
    refuse_several,
    seed_option,
    threads_option,
)
from czsl.machine import prepare_process


@click.command()
@click.argument("folder", default="demo", type=PATH)
@seed_option
@device_option
@threads_option
def demo(folder: Path, seed: int, device: str, threads: int | None) -> None:
    """Simulate a small survey in FOLDER, run everything."""
    refuse_several("demo")
    prepare_process()
    from czsl.demo import run_demo
    from czsl.terminal import FitDisplay, console, show_arms, show_checked, show_path

    with FitDisplay() as display:
        result = run_demo(
            folder,
            seed=seed,
            make_model=model_maker(seed, device, threads, display),
            simulated=display.simulated,
            checked=lambda found: show_checked(found, folder),
            started=display.started,
        )
    show_arms(result.arms, title="Test objects that no arm was trained on, against the truth")
    console.print("czsl2023 was shortened for the demo: 5, 40 and 10 epochs instead of 100.")
    show_path("survey, with its czsl.toml", result.folder)
    show_path("report", result.report)


@click.command()
@click.argument("table", type=PATH)
@click.argument("images", required=False, type=PATH)
@click.option("--out", type=PATH, help="Default: czsl.toml beside the table.")
def init(table: Path, images: Path | None, out: Path | None) -> None:
    """Look at TABLE and IMAGES, write a czsl.toml.

    IMAGES is a folder, an archive or an HDF5 file; without it columns of TABLE are looked at
    for paths and images. Every guess is written with its reason.
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


@click.command()
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
        show_checked(found, config)
    sys.exit(1 if found.problems else 0)
