"""The command line: words in, words out; no logic.

Nothing heavy is imported before a command runs, so that ``czsl --help`` is quick.
"""

from __future__ import annotations

from typing import Any

import click

from czsl import __version__
from czsl.cli.apply import explain, predict
from czsl.cli.learn import compare, fit, report
from czsl.cli.start import check, demo, init
from czsl.errors import CzslError


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
        return list(self.commands)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="czsl")
def main() -> None:
    """Learn from experts, volunteers and unlabelled images at once.

    Start with 'czsl demo', or with 'czsl init TABLE IMAGES' for your own data.
    """


for command in (demo, init, check, fit, compare, predict, explain, report):
    main.add_command(command)
