"""``flightdeck doctor``."""

from __future__ import annotations

from pathlib import Path

import click

from flightdeck.cli.connection import api
from flightdeck.cli.files import save


@click.command()
@click.option(
    "--backup", type=click.Path(dir_okay=False, path_type=Path), help="Save the ledger's database here first (SQLite)."
)
def doctor(backup: Path | None) -> None:
    """Check ledger and store, without changing them; exit code 1 if something is wrong; a warning is not.

    \b
    Example:
      flightdeck doctor --backup ledger-backup.db
    """  # noqa: D301 - \b is click's mark for a block to leave as it is
    with api() as flightdeck:
        if backup is not None:
            save(backup, flightdeck.fetch("/v1/ledger/backup").body, parents=True)
            click.echo(f"Backed up database to {backup}")
        checks = flightdeck.get("/v1/doctor")["checks"]
    for check in checks:
        passed = check["passed"]
        warns = passed and check.get("warning", False)  # an older server knows none
        word = "FAIL" if not passed else "WARN" if warns else "ok  "
        click.echo(f"{word}  {check['name']}: {check['detail']}", err=not passed)
    if not all(check["passed"] for check in checks):
        raise click.ClickException("Doctor found one or more problems.")
    warnings = sum(check.get("warning", False) for check in checks)
    told = f", {warnings} with a warning" if warnings else ""
    click.echo(f"Doctor: {len(checks)} check(s), all passed{told}.")
