"""``flightdeck pricing …``: import and show price tables."""

from __future__ import annotations

import json
from pathlib import Path

import click

from flightdeck.cli import examples
from flightdeck.cli.connection import api
from flightdeck.cli.documents import document


@click.group()
def pricing() -> None:
    """Import and show price tables.

    Models that no imported table lists are priced by the data of the package genai-prices.
    """


@pricing.command("import", epilog=examples.shown("A complete price table", examples.PRICING))
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--replace", is_flag=True, help="Replace the table of this provider and version if there is one.")
@click.option("--reason", help="Why it is replaced; kept in the audit.")
def import_command(path: Path, replace: bool, reason: str | None) -> None:
    """Import the price table of a YAML file.

    \b
    Example:
      flightdeck pricing import openai-2026-11.yaml
    """  # noqa: D301 - \b is click's mark for a block to leave as it is
    body = {"table": document(path), "replace": replace, "reason": reason, "actor": "cli"}
    with api() as flightdeck:
        done = flightdeck.post("/v1/pricing", body)
    verb = "Replaced" if done["action"] == "replace" else "Imported"
    click.echo(f"{verb} {done['provider']}/{done['pricing_version']}")


@pricing.command()
@click.option("--provider", required=True)
@click.option("--version", "pricing_version", required=True)
def show(provider: str, pricing_version: str) -> None:
    """Show an imported price table as JSON."""
    with api() as flightdeck:
        tables = flightdeck.get("/v1/pricing", provider=provider, pricing_version=pricing_version)["tables"]
    click.echo(json.dumps(tables[0], indent=2, ensure_ascii=False))
