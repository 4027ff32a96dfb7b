"""``flightdeck runs …``: ingest, list and export runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from flightdeck.cli.connection import api
from flightdeck.cli.files import save
from flightdeck.cli.options import Command, output_option, together
from flightdeck.errors import Invalid

CHUNK = 1_000
"""Events per request."""
SHOWN = 5


@click.group()
def runs() -> None:
    """Ingest, list and export runs."""


def _filters(limit: int) -> Callable[[Command], Command]:
    """The options that choose runs, for commands that list them."""
    return together(
        click.argument("release_id"),
        click.option("--window", required=True, help="How far back from now: 7d, 24h, 30m."),
        click.option("--env", "environment", help="The runs' environment; the workspace's default otherwise."),
        click.option("--tenant", "tenant_id", help="Only this tenant's runs."),
        click.option("--task", "task_id", help="Only runs of this task."),
        click.option("--trace-id", help="Only runs of this trace."),
        click.option("--session-id", help="Only runs of this session."),
        click.option("--span-id", help="Only the run of this span."),
        click.option(
            "--run-kind", type=click.Choice(["agent", "chain", "request", "llm_call"]), help="Only this kind."
        ),
        click.option(
            "--offset",
            type=click.IntRange(0, 500_000),
            default=0,
            show_default=True,
            help="Leave out so many of the newest.",
        ),
        click.option("--limit", type=click.IntRange(1, 500), default=limit, show_default=True, help="At most so many."),
    )


@runs.command()
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def ingest(path: Path) -> None:
    """Ingest the RunEvents of a file: one JSON object a line, or a JSON array. All are checked before any is sent.

    \b
    Example:
      flightdeck runs ingest events.jsonl
    """  # noqa: D301 - \b is click's mark for a block to leave as it is
    events = list(_checked(path))
    inserted = duplicates = conflicts = 0
    named: list[str] = []
    warnings: list[str] = []
    with api() as flightdeck:
        for start in range(0, len(events), CHUNK):
            counts = flightdeck.post("/v1/events", {"events": events[start : start + CHUNK]})
            inserted += counts["inserted"]
            duplicates += counts.get("duplicates", 0)
            conflicts += counts.get("conflicts", 0)
            named += counts.get("conflicting_run_ids", [])[:SHOWN]
            where = f"from event {start + 1} on: " if start else ""
            warnings += [where + warning for warning in counts.get("warnings", [])]
    click.echo(f"Inserted {inserted} events")
    for warning in warnings[:SHOWN]:
        click.echo(f"WARNING: {warning}", err=True)
    if duplicates:
        click.echo(f"{duplicates} were known already.", err=True)
    if conflicts:
        click.echo(f"{conflicts} have a known run_id but other content; the first stays: {named[:SHOWN]}", err=True)


@runs.command("list")
@_filters(100)
@output_option
def list_command(output: str, **filters: Any) -> None:  # noqa: ANN401 - click's
    """List the runs of a release, newest first.

    \b
    Example:
      flightdeck runs list rel_0123456789ab --window 24h --limit 5
    """  # noqa: D301 - \b is click's mark for a block to leave as it is
    with api() as flightdeck:
        page = flightdeck.get("/v1/runs", **filters)
    if output == "json":
        click.echo(json.dumps(page, indent=2, sort_keys=True))
        return
    click.echo(
        f"release={page['release_id']} matched_total={page['matched_total']} "
        f"returned={page['returned']} truncated={page['truncated']}"
    )
    for event in page["events"]:
        click.echo(json.dumps(event, sort_keys=True))


@runs.command()
@_filters(500)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file.")
def export(output: Path | None, **filters: Any) -> None:  # noqa: ANN401 - click's
    """Export the runs of a release as lines of JSON, newest first.

    \b
    Example:
      flightdeck runs export rel_0123456789ab --window 7d -o runs.jsonl
    """  # noqa: D301 - \b is click's mark for a block to leave as it is
    with api() as flightdeck:
        answer = flightdeck.fetch("/v1/runs/export", **filters)
    if output is None:
        click.echo(answer.body, nl=False)
    else:
        save(output, answer.body)
    if answer.headers.get("x-flightdeck-truncated") == "true":
        returned, matched = answer.headers["x-flightdeck-returned"], answer.headers["x-flightdeck-matched-total"]
        click.echo(
            f"WARNING: exported {returned} of {matched} matching events "
            f"(offset={filters['offset']}, --limit {filters['limit']}).",
            err=True,
        )


def _checked(path: Path) -> Iterator[dict[str, Any]]:
    """The file's events as JSON; Invalid names the first bad one by its line (in an array: its position)."""
    from pydantic import ValidationError

    from flightdeck.models import RunEvent
    from flightdeck.validation import problems

    for where, event in _events(path):
        try:
            RunEvent.model_validate(event)
        except ValidationError as error:
            raise Invalid(f"{path}, {where}: {'; '.join(problems(error, RunEvent))}") from error
        yield event


def _events(path: Path) -> Iterator[tuple[str, Any]]:
    """Each event of a file with where it stands."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"{path} can't be read: {error}") from error
    if text.lstrip().startswith("["):
        yield from ((f"event {number}", event) for number, event in enumerate(_json(path, text, ""), 1))
        return
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield f"line {number}", _json(path, line, f", line {number}")


def _json(path: Path, text: str, where: str) -> Any:  # noqa: ANN401 - JSON
    try:
        return json.loads(text)
    except ValueError as error:
        raise Invalid(f"{path}{where} is no JSON: {error}") from error
