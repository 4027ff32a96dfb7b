"""``flightdeck import-sqlite``: moving over from flightdeck-ai 1.3."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from flightdeck.errors import Conflict

if TYPE_CHECKING:
    from flightdeck.ledger.former import FormerWorkspace
    from flightdeck.releases.importing import Report

FORMER_DATABASE = Path(".flightdeck") / "flightdeck.db"


@click.command("import-sqlite")
@click.argument("source", metavar="PATH|DSN")
@click.option("--dry-run", is_flag=True, help="Read and check everything, write nothing.")
def import_sqlite(source: str, dry_run: bool) -> None:
    """Bring a whole workspace of flightdeck-ai 1.3 over into this one.

    PATH is its SQLite file or the folder with its .flightdeck; a DSN names its PostgreSQL. Releases keep their ids,
    decisions their order, events their run ids. The source is only read, and may be this very workspace's file. An
    import that was interrupted is repeated: what is here already is left as it is. No server may be running here.

    \b
    Examples:
      flightdeck import-sqlite .flightdeck/flightdeck.db --dry-run
      flightdeck import-sqlite ../old/.flightdeck/flightdeck.db
      flightdeck import-sqlite postgresql://user:password@host:5432/flightdeck
    """  # noqa: D301 - \b is click's mark for a block to leave as it is
    from flightdeck.cli.inprocess import needs_server

    if "://" not in source and Path(source).is_dir():
        source = str(Path(source, FORMER_DATABASE))
    with needs_server("flightdeck import-sqlite"):
        from flightdeck.ledger.former import FormerWorkspace
    with FormerWorkspace.open(source) as former:
        report = _survey(former) if dry_run else _bring_over(former)
    _print(report, former.target, dry_run=dry_run)


def _survey(former: FormerWorkspace) -> Report:
    from flightdeck.ingest.events import rows_of
    from flightdeck.otel.releases import KnownReleases
    from flightdeck.releases.importing import survey

    releases = KnownReleases()
    for release in former.releases():
        releases.add(release.release_id, agent_id=release.agent_id, version=release.version, registered_us=0)
    with _progress(former, "Checking events") as progress:
        return survey(former, lambda body: rows_of(body, releases), progress)


def _bring_over(former: FormerWorkspace) -> Report:
    from flightdeck.announcement import SERVER_FILE
    from flightdeck.app import build
    from flightdeck.cli.connection import running_server
    from flightdeck.cli.folder import workspace
    from flightdeck.ingest.events import rows_of
    from flightdeck.releases.importing import EventsIn, bring_over
    from flightdeck.settings import load
    from flightdeck.store.events import known

    folder = workspace()
    if running_server(folder) is not None:
        raise Conflict(f"A server runs here (see {folder / SERVER_FILE}): stop it, import, and start it again.")
    app = build(load(workspace=folder), beside_former=True)
    try:
        engine, ledger, events = app.engine(), app.ledger(), app.events()
        into = EventsIn(
            check=lambda body: rows_of(body, ledger.release_index()),
            ingest=events.ingest,
            known=lambda run_ids: known(engine, run_ids),
        )
        with _progress(former, "Importing events") as progress:
            return bring_over(former, ledger, into, progress)
    finally:
        app.close()


@contextmanager
def _progress(former: FormerWorkspace, label: str) -> Iterator[Callable[[int], None]]:
    """On a terminal a bar on stderr, else nothing."""
    with click.progressbar(length=former.count_events(), label=label, file=sys.stderr, show_pos=True) as bar:
        yield bar.update


def _print(report: Report, target: str, *, dry_run: bool) -> None:
    click.echo(f"{'Would import' if dry_run else 'Imported'} {target}")
    for name, count in report.counts.items():
        line = f"  {name:<16} {count.found:>9}"
        told = f"  {count.new} new, {count.present} here before" + (f", {count.left} left out" if count.left else "")
        click.echo(line if dry_run else line + told)
    for note in report.notes:
        click.echo(f"WARNING: {note}", err=True)
    if report.left_out:
        click.echo(f"WARNING: {report.left_out} events can't be taken here and are left out:", err=True)
        for reason in report.reasons:
            click.echo(f"  {reason}", err=True)
    if report.conflicts:
        some = ", ".join(report.conflicts[:20])
        click.echo(
            f"WARNING: {len(report.conflicts)} run ids are known here with another content, which stays: {some}",
            err=True,
        )
    if not dry_run:
        click.echo("Verified: everything is here, and the chain of decisions is whole.")
