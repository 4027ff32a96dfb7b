"""``flightdeck pricing …``: import, show and check price tables."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import click

from flightdeck.cli import examples
from flightdeck.cli.connection import api
from flightdeck.cli.documents import document
from flightdeck.cli.options import actor_option
from flightdeck.pricing.versions import STALE_DAYS, bundled_since


@click.group()
def pricing() -> None:
    """Import, show and check price tables.

    Models that no imported table lists are priced by the data of the package genai-prices.
    """


@pricing.command("import", epilog=examples.shown("A complete price table", examples.PRICING))
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--replace", is_flag=True, help="Replace the table of this provider and version if there is one.")
@click.option("--reason", help="Why it is replaced; kept in the audit.")
@actor_option
def import_command(path: Path, replace: bool, reason: str | None, actor: str) -> None:
    """Import the price table of a YAML file.

    \b
    Example:
      flightdeck pricing import openai-2026-11.yaml
    """  # noqa: D301 - \b is click's mark for a block to leave as it is
    body = {"table": document(path), "replace": replace, "reason": reason, "actor": actor}
    with api() as flightdeck:
        done = flightdeck.post("/v1/pricing", body)
    verb = "Replaced" if done["action"] == "replace" else "Imported"
    click.echo(f"{verb} {done['provider']}/{done['pricing_version']}")


@pricing.command()
@click.option("--provider", required=True, help="Whose prices: openai, anthropic, ...")
@click.option("--version", "pricing_version", required=True, help="Which of its tables: see `pricing import`.")
def show(provider: str, pricing_version: str) -> None:
    """Show a price table as JSON: an imported one, or the defaults under their version (genai-prices-…).

    \b
    Example:
      flightdeck pricing show --provider openai --version 2026-11
    """  # noqa: D301 - \b is click's mark for a block to leave as it is
    with api() as flightdeck:
        tables = flightdeck.get("/v1/pricing", provider=provider, pricing_version=pricing_version)["tables"]
    click.echo(json.dumps(tables[0], indent=2, ensure_ascii=False))


@pricing.command()
@click.option("--max-age-days", type=int, default=STALE_DAYS, show_default=True, help="From when on prices are old.")
@click.option("--fail", is_flag=True, help="Exit with 1 if any is older: for CI.")
def check(max_age_days: int, fail: bool) -> None:
    """Tell how old the imported tables of flightdeck-bundled-YYYY-MM are, which flightdeck-ai 1.3 brought along.

    Their age counts from the first of that month, in UTC. The default prices are as new as the package genai-prices.

    \b
    Example:
      flightdeck pricing check --max-age-days 60 --fail
    """  # noqa: D301 - \b is click's mark for a block to leave as it is
    if max_age_days < 0:
        raise click.ClickException("--max-age-days must be non-negative")
    with api() as flightdeck:
        versions = {each["pricing_version"] for each in flightdeck.get("/v1/pricing/versions")["versions"]}
    since = {version: day for version in sorted(versions) if (day := bundled_since(version)) is not None}
    if not since:
        click.echo("No flightdeck-bundled-* pricing tables in the ledger.")
    today = datetime.now(UTC).date()
    old = 0
    for version, day in since.items():
        age = (today - day).days
        if age <= max_age_days:
            click.echo(f"OK     {version}  (~{age} days old; max {max_age_days})")
        else:
            old += 1
            click.echo(f"STALE  {version}  (anchor {day}, ~{age} days old; max {max_age_days})", err=True)
    if fail and old:
        raise SystemExit(1)
