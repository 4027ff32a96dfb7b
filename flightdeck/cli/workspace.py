"""``flightdeck workspace …``: look at the workspace."""

from __future__ import annotations

import json
from typing import Any

import click

from flightdeck.cli.connection import api

SECTIONS = (
    (
        "",
        (
            ("workspace path", "workspace_path"),
            ("database backend", "db_backend"),
            ("database target", "db_target"),
            ("schema version", "schema_version"),
            ("store", "store_target"),
        ),
    ),
    (
        "Ledger",
        (
            ("releases", "releases_total"),
            ("promoted pointers", "promoted_pointers_total"),
            ("audit actions", "actions_total"),
            ("ingested run events", "run_events_total"),
        ),
    ),
    (
        "Configuration",
        (
            ("default environment", "default_environment"),
            ("policy configured", "policy_configured"),
            ("pricing catalog", "pricing_catalog_configured"),
            ("promotion approval", "promotion_requires_approval"),
        ),
    ),
    ("Webhooks", (("configured", "webhooks_configured"), ("enabled", "webhooks_enabled"))),
)


@click.group()
def workspace() -> None:
    """Look at the workspace."""


@workspace.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def info(as_json: bool) -> None:
    """Show where the workspace is, what it holds and how it is configured.

    \b
    Example:
      flightdeck workspace info --json
    """  # noqa: D301 - \b is click's mark for a block to leave as it is
    with api() as flightdeck:
        facts: dict[str, Any] = flightdeck.get("/v1/workspace/info")
    if as_json:
        click.echo(json.dumps(facts, indent=2, sort_keys=True))
        return
    facts["schema_version"] = f"v{facts['schema_version']}"
    click.echo(f"FlightDeck workspace info ({facts['server_version']})")
    click.echo("─" * 48)
    for title, lines in SECTIONS:
        if title:
            click.echo(f"\n{title}")
        for name, key in lines:
            click.echo(f"  {name:<22}{_shown(facts.get(key))}")


def _shown(value: Any) -> str:  # noqa: ANN401 - JSON
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)
