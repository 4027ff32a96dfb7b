"""The command ``flightdeck``: a list of commands, each imported only when it runs, so that every start is light."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, cast

import click

from flightdeck import __version__
from flightdeck.errors import FlightDeckError

COMMANDS: Mapping[str, tuple[str, str]] = {
    "demo": ("flightdeck.cli.demo:demo", "See it work: three releases of a real agent, two verdicts."),
    "doctor": ("flightdeck.cli.doctor:doctor", "Check ledger and store; with --backup, save the ledger first."),
    "gate": ("flightdeck.cli.gate:gate", "May the candidate replace the baseline? Exit codes for CI; can wait."),
    "import-sqlite": ("flightdeck.cli.importing:import_sqlite", "Bring a whole workspace of flightdeck-ai 1.3 over."),
    "init": ("flightdeck.cli.init:init", "Make the current folder a workspace: write flightdeck.yaml."),
    "judge": ("flightdeck.cli.judge:judge", "Judge kept or exported evidence again, offline."),
    "policy": ("flightdeck.cli.policy:policy", "Set, show and try the policies that decide."),
    "pricing": ("flightdeck.cli.pricing:pricing", "Import and show price tables."),
    "release": ("flightdeck.cli.release:release", "Register, compare, promote and roll back releases."),
    "run": ("flightdeck.cli.run:run", "Run an agent so that it reports, without a line of code."),
    "runs": ("flightdeck.cli.runs:runs", "Ingest, list and export runs."),
    "serve": ("flightdeck.cli.serve:serve", "Start the server: API and page, OTLP over gRPC and HTTP."),
    "webhook": ("flightdeck.cli.webhook:webhook", "Tell other programs of promotions, signed."),
    "version": ("flightdeck.cli.version:version_command", "Print the version."),
    "workspace": ("flightdeck.cli.workspace:workspace", "Look at the workspace."),
}
"""Each command: where it is, and what the list of commands says about it."""


class Commands(click.Group):
    """The root. Knows its commands by name; turns our errors into one line on stderr and exit code 1."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All commands, by name."""
        del ctx
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports a command; None when there is none of that name."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        return cast("click.Command", getattr(importlib.import_module(module), name))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Finds a command; of an unknown one it says which is meant (click knows only commands that are imported)."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = get_close_matches(args[0], COMMANDS, n=1)
            if not near or args[0].startswith("-"):
                raise
            raise click.UsageError(f"{error.message} Did you mean {near[0]!r}?", ctx) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the commands without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in sorted(COMMANDS)])

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own type
        """Runs a command."""
        try:
            return super().invoke(ctx)
        except FlightDeckError as error:
            raise click.ClickException(str(error)) from error


def _print_version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        click.echo(f"flightdeck, version {__version__}")
        ctx.exit()


@click.group(cls=Commands, context_settings={"help_option_names": ["--help"], "max_content_width": 100})
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=_print_version, help="Print the version."
)
def cli() -> None:
    """Is the candidate release of your AI agent safe to roll forward?

    Commands talk to the server named by FLIGHTDECK_URL, else to the one that serves the current folder, else they open
    the folder's workspace themselves.

    \b
    Start here:
      flightdeck demo                             see it work
      flightdeck init && flightdeck serve         a workspace of your own
      flightdeck release diff BASE CAND --window 7d
    """  # noqa: D301 - \b is click's mark for a block to leave as it is


if __name__ == "__main__":
    cli()
