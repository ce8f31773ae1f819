"""What commands share: arguments, options, and what makes a model."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from czsl.errors import LARGEST_SEED
from czsl.machine import launched

if TYPE_CHECKING:
    from czsl.model import CzSL
    from czsl.recipes import Recipe
    from czsl.terminal import FitDisplay


class HerePath(click.Path):
    """A path on this machine; an address is refused, which else would name a folder here."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuse an address."""
        from czsl.remote import is_address

        if is_address(value):
            self.fail(f"{value} is an address; name a file or folder on this machine", param, ctx)
        return super().convert(value, param, ctx)


PATH = HerePath(path_type=Path)

config_argument = click.argument("config", default=".", type=PATH)
model_argument = click.argument("model", type=PATH)
seed_option = click.option(
    "--seed",
    type=click.IntRange(0, LARGEST_SEED),
    default=0,
    show_default=True,
    help="Seed of everything random.",
)
device_option = click.option(
    "--device", default="auto", show_default=True, help="auto, cpu, cuda, mps."
)
threads_option = click.option(
    "--threads", type=click.IntRange(1), help="Processor threads; default all."
)
images_option = click.option("--images", help="Image pattern; default: the one of the training.")
folder_option = click.option(
    "--folder",
    type=PATH,
    help="Where relative images start from; default: the table's folder.",
)


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


def command_to_go_on(given: Sequence[str] | None = None) -> str:
    """Spell the command that goes on where this one was stopped, to be copied into a shell.

    Parameters
    ----------
    given
        What stands behind ``czsl``; by default what this process was called with.

    Examples
    --------
    >>> command_to_go_on(["fit", "my survey", "--seed", "3"])
    "czsl fit 'my survey' --seed 3 --resume"
    >>> command_to_go_on(["fit", "--resume", "--", "-survey"])
    'czsl fit --resume -- -survey'
    """
    words = [one for one in (sys.argv[1:] if given is None else given) if one != "--resume"]
    # What comes after "--" is no option.
    place = words.index("--") if "--" in words else len(words)
    return shlex.join(["czsl", *words[:place], "--resume", *words[place:]])


def refuse_several(command: str) -> None:
    """Refuse to be one of several processes that torchrun or srun started.

    Raises
    ------
    click.UsageError
        Where this is one.
    """
    team = launched()
    if team is not None:
        raise click.UsageError(
            f"'czsl {command}' was started {team.count} times by {team.launcher}; start it once "
            "(of all commands 'czsl fit' alone is one fit in several processes)"
        )


def join_others() -> None:
    """Get ready to be one of several processes; before torch is imported.

    The signal by which schedulers end a job is taken as Ctrl-C, which says how to go on.
    torch's warnings on heads that a stage does not train, one from every process, are off.
    """
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
