"""``flightdeck policy …``: set, show and try the policies that decide."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from flightdeck.cli import examples
from flightdeck.cli.connection import api
from flightdeck.cli.documents import document
from flightdeck.cli.options import Command, actor_option, environment_given, output_option, together

_HISTORY = 50


def _scope(check: Callable[..., str | None] | None = None) -> Callable[[Command], Command]:
    """The options that say what a policy is for; ``check`` is the callback of ``--env``."""
    return together(
        click.option("--agent", help="For this agent only."),
        click.option("--env", "environment", callback=check, help="In this environment only."),
    )


_POLICY = click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))


@click.group()
def policy() -> None:
    """Set, show and try the policies that decide.

    A policy is for all, for an agent, for an environment, or for an agent in an environment. Of several the narrowest
    decides; an agent's comes before an environment's.
    """


@policy.command("set", epilog=examples.shown("A complete policy", examples.POLICY))
@_POLICY
@_scope(environment_given)
@actor_option
def set_command(path: Path, agent: str | None, environment: str | None, actor: str) -> None:
    """Make the policy of a YAML file the active one, for all or as far as --agent and --env say.

    \b
    Example:
      flightdeck policy set policy.yaml
      flightdeck policy set strict.yaml --agent support-agent --env prod
    """  # noqa: D301 - \b is click's mark for a block to leave as it is
    with api() as flightdeck:
        found = flightdeck.put("/v1/policy", document(path), agent=agent, env=environment, actor=actor)
    click.echo(f"Set policy {found['policy_id']}{_for(agent, environment)}")


@policy.command()
@_scope()
@actor_option
def remove(agent: str | None, environment: str | None, actor: str) -> None:
    """Take a policy out of force, so that a wider one decides again. It stays in the history.

    \b
    Example:
      flightdeck policy remove --agent support-agent --env prod
    """  # noqa: D301 - \b is click's mark for a block to leave as it is
    with api() as flightdeck:
        found = flightdeck.delete("/v1/policy", agent=agent, env=environment, actor=actor)
    click.echo(f"Removed policy {found['policy']['policy_id']}{_for(agent, environment)}")


@policy.command()
@_scope()
@click.option(
    "--effective", is_flag=True, help="The one that decides there, complete, with whom it is for and who set it."
)
def show(agent: str | None, environment: str | None, effective: bool) -> None:
    """Show the active policy as JSON, or the one set for an agent, an environment, or both.

    The default one when none was set for all. With --effective and without --env: in the workspace's environment.

    \b
    Example:
      flightdeck policy show --effective --agent support-agent --env prod
    """  # noqa: D301 - \b is click's mark for a block to leave as it is
    path = "/v1/policy/effective" if effective else "/v1/policy"
    with api() as flightdeck:
        click.echo(json.dumps(flightdeck.get(path, agent=agent, env=environment), indent=2, ensure_ascii=False))


@policy.command("list")
@click.option("--history", is_flag=True, help=f"The last {_HISTORY} that were set or removed, newest first.")
def list_command(history: bool) -> None:
    """List the policies in force, the widest first: agent, environment, id, time, who; tab-separated, * is any.

    \b
    Example:
      flightdeck policy list --history
    """  # noqa: D301 - \b is click's mark for a block to leave as it is
    with api() as flightdeck:
        found = flightdeck.get("/v1/policies/history", limit=_HISTORY) if history else flightdeck.get("/v1/policies")
    for one in found["policies"]:
        scope = one["scope"]
        columns = [_any(scope["agent_id"]), _any(scope["environment"]), one["policy"]["policy_id"], one["set_at"]]
        columns += [one["actor"], *(["removed"] if one["removed"] else [])]
        click.echo("\t".join(columns))


@policy.command()
@_POLICY
@click.option("--agent", help="Only decisions on this agent.")
@click.option("--env", "environment", help="Only decisions in this environment.")
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True, help="How many, the latest ones.")
@output_option
def test(path: Path, agent: str | None, environment: str | None, limit: int, output: str) -> None:
    """Show what a policy would have said of past decisions, by the evidence that they keep. Nothing is changed.

    \b
    Example:
      flightdeck policy test strict.yaml --env prod
    """  # noqa: D301 - \b is click's mark for a block to leave as it is
    body = {"policy": document(path), "agent": agent, "env": environment, "limit": limit}
    with api() as flightdeck:
        found = flightdeck.post("/v1/policy/test", body)
    if output == "json":
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    decisions = found["decisions"]
    head = ("decided", "action", "release", "against", "then", "now", "")
    rows = [head, *map(_tried, decisions)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    for number, row in enumerate(rows):
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        if number and (now := decisions[number - 1]["now"]) is not None:
            for reason in now["reasons"]:
                click.echo(f"  - {reason}")
    changed = sum(1 for one in decisions if one["now"] is not None and one["now"]["passed"] != one["then"]["passed"])
    click.echo(f"{changed} of {len(decisions)} decisions would be others.")


def _tried(one: dict[str, Any]) -> tuple[str, ...]:
    now = one["now"]
    changed = now is not None and now["passed"] != one["then"]["passed"]
    return (
        one["created_at"],
        one["action"],
        one["release_id"],
        one["baseline_release_id"] or "-",
        _said(one["then"]),
        "-" if now is None else _said(now),
        one["note"] or ("changed" if changed else ""),
    )


def _said(one: dict[str, Any]) -> str:
    """What blocks, and in brackets the verdict."""
    return ("PASS" if one["passed"] else "FAIL") + (f" ({one['status']})" if one["status"] else "")


def _any(name: str | None) -> str:
    return "*" if name is None else name


def _for(agent: str | None, environment: str | None) -> str:
    said = [
        *([f"agent {agent}"] if agent is not None else []),
        *([f"in {environment}"] if environment is not None else []),
    ]
    return f" for {' '.join(said)}" if agent is not None else f" {' '.join(said)}" if said else ""
