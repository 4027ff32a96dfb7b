"""``flightdeck version``."""

from __future__ import annotations

import json

import click

from flightdeck import __version__

DISTRIBUTION = "flightdeck-ai"


@click.command("version")
@click.option("--json", "as_json", is_flag=True, help="Print name and version as JSON.")
def version_command(as_json: bool) -> None:
    """Print the version.

    \b
    Example:
      flightdeck version --json
    """  # noqa: D301 - \b is click's mark for a block to leave as it is
    click.echo(json.dumps({"name": DISTRIBUTION, "version": __version__}) if as_json else f"flightdeck {__version__}")
