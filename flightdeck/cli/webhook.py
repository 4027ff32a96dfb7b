"""``flightdeck webhook …``: tell other programs of promotions."""

from __future__ import annotations

import sys

import click

from flightdeck.cli.connection import api, path_of
from flightdeck.errors import NotFound

EVENTS = ("promote.blocked", "promote.succeeded", "rollback.succeeded")
WIDE = 250
COLUMNS = ("webhook_id", "url", "events", "enabled", "created_at", "secret_preview", "description")


@click.group()
def webhook() -> None:
    """Tell other programs of promotions and rollbacks, by signed HTTP requests."""


@webhook.command()
@click.option("--url", required=True, help="Where to send: http or https.")
@click.option("--event", "events", required=True, multiple=True, help=f"May be repeated: {', '.join(EVENTS)}.")
@click.option("--description", help="A note for `webhook list`.")
def add(url: str, events: tuple[str, ...], description: str | None) -> None:
    """Add a webhook and print its secret, for the only time.

    \b
    Example:
      flightdeck webhook add --url https://ci.example.com/hook --event promote.succeeded
    """  # noqa: D301 - \b is click's mark for a block to leave as it is
    unknown = [event for event in events if event not in EVENTS]
    if unknown:
        raise click.ClickException(f"unknown event(s): {unknown}. Allowed: {', '.join(EVENTS)}")
    with api() as flightdeck:
        added = flightdeck.post("/v1/webhooks", {"url": url, "events": list(events), "description": description})
    click.echo(f"Created webhook {added['webhook_id']} for {added['url']}")
    click.echo(f"  events: {', '.join(added['events'])}")
    click.echo("\n!!! SAVE THIS SECRET: IT WILL NOT BE SHOWN AGAIN !!!")
    click.echo(f"  secret: {added['secret']}")
    click.echo(f"  as Standard Webhooks libraries take it: {added['standard_secret']}")


@webhook.command("list")
def list_command() -> None:
    """List webhooks, newest first; of secrets only the ends.

    \b
    Example:
      flightdeck webhook list
    """  # noqa: D301 - \b is click's mark for a block to leave as it is
    from rich.console import Console
    from rich.table import Table

    with api() as flightdeck:
        found = flightdeck.get("/v1/webhooks")["webhooks"]
    table = Table(title="FlightDeck webhooks")
    for column in COLUMNS:
        table.add_column(column, overflow="fold" if column in {"webhook_id", "url"} else "ellipsis")
    for each in found:
        table.add_row(
            each["webhook_id"],
            each["url"],
            "\n".join(each["events"]),
            "yes" if each["enabled"] else "no",
            each["created_at"],
            each["secret_preview"],
            each["description"] or "",
        )
    # In a pipe there is no terminal to fit into: ids stay whole, for scripts.
    Console(markup=False, width=None if sys.stdout.isatty() else WIDE).print(table)


@webhook.command()
@click.argument("webhook_id")
@click.option("--yes", is_flag=True, help="Don't ask.")
def remove(webhook_id: str, yes: bool) -> None:
    """Remove a webhook; what waits for it is not sent any more.

    \b
    Example:
      flightdeck webhook remove wh_0123456789abcdef0123456789abcdef --yes
    """  # noqa: D301 - \b is click's mark for a block to leave as it is
    if not yes:
        click.confirm(f"Delete webhook {webhook_id}?", abort=True)
    with api() as flightdeck:
        try:
            flightdeck.send("DELETE", path_of("webhooks", webhook_id))
        except NotFound as error:
            raise click.ClickException(f"unknown webhook: {webhook_id}") from error
    click.echo(f"Deleted {webhook_id}")


@webhook.command()
@click.argument("webhook_id")
def test(webhook_id: str) -> None:
    """Send a test.ping to a webhook, signed like any other message, and show the answer.

    \b
    Example:
      flightdeck webhook test wh_0123456789abcdef0123456789abcdef
    """  # noqa: D301 - \b is click's mark for a block to leave as it is
    with api() as flightdeck:
        try:
            sent = flightdeck.post(path_of("webhooks", webhook_id, "test"), {})
        except NotFound as error:
            raise click.ClickException(f"unknown webhook: {webhook_id}") from error
    if sent["status"] is None:
        raise click.ClickException(sent["error"])
    click.echo(f"HTTP {sent['status']} from {sent['url']}")
    if sent["body"]:
        click.echo(f"  body[:200]: {sent['body']}")


@webhook.command()
@click.option("--webhook", "webhook_id", help="Only this one's.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="At most so many.")
def deliveries(webhook_id: str | None, limit: int) -> None:
    """List what was sent in the last 30 days and what waits, newest first, tab-separated.

    \b
    Example:
      flightdeck webhook deliveries --limit 10
    """  # noqa: D301 - \b is click's mark for a block to leave as it is
    with api() as flightdeck:
        found = flightdeck.get("/v1/webhook-deliveries", webhook_id=webhook_id, limit=limit)["deliveries"]
    for each in found:
        columns = (each["created_at"], each["delivery_id"], each["webhook_id"], each["event"], each["state"])
        click.echo("\t".join((*columns, f"attempts={each['attempts']}")))


@webhook.command()
@click.argument("delivery_id")
def redeliver(delivery_id: str) -> None:
    """Send a finished message again, under the same id.

    \b
    Example:
      flightdeck webhook redeliver 0123456789abcdef0123456789abcdef
    """  # noqa: D301 - \b is click's mark for a block to leave as it is
    with api() as flightdeck:
        flightdeck.post(path_of("webhook-deliveries", delivery_id, "redeliver"), {})
    click.echo(f"Sending {delivery_id} again")
