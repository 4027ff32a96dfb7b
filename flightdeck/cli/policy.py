"""``flightdeck policy …``: set and show the policy that decides."""

from __future__ import annotations

import json
from pathlib import Path

import click

from flightdeck.cli import examples
from flightdeck.cli.connection import api
from flightdeck.cli.documents import document


@click.group()
def policy() -> None:
    """Set and show the policy that decides."""


@policy.command("set", epilog=examples.shown("A complete policy", examples.POLICY))
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def set_command(path: Path) -> None:
    """Make the policy of a YAML file the active one.

    \b
    Example:
      flightdeck policy set policy.yaml
    """  # noqa: D301 - \b is click's mark for a block to leave as it is
    with api() as flightdeck:
        click.echo(f"Set policy {flightdeck.put('/v1/policy', document(path))['policy_id']}")


@policy.command()
def show() -> None:
    """Show the active policy as JSON; the default one when none was set."""
    with api() as flightdeck:
        click.echo(json.dumps(flightdeck.get("/v1/policy"), indent=2, ensure_ascii=False))
