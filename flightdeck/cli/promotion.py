"""``flightdeck release promote …``: decide which release is live, and look at what was decided."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import click

from flightdeck.cli.connection import Api, api, path_of
from flightdeck.cli.options import actor_option, environment_given, output_option, together
from flightdeck.errors import Blocked

PAGE = 500

_wish = together(
    click.argument("release_id"),
    click.option(
        "--env", "environment", required=True, callback=environment_given, help="Where the release goes live."
    ),
    click.option("--window", required=True, help="How far back the runs go that decide: 7d, 24h, 30m."),
    click.option("--reason", required=True, help="Why, for the record."),
    actor_option,
)
"""The arguments of promote, promote-request and rollback."""


@click.command()
@_wish
def promote(release_id: str, environment: str, window: str, reason: str, actor: str) -> None:
    """Make a release live if the policy allows it, compared with the release that is live now.

    The first promotion of an agent in an environment always passes. A blocked one is recorded too; exit code 1.

    \b
    Example:
      flightdeck release promote rel_0123456789ab --env prod --window 7d --reason "error rate is down"
    """  # noqa: D301 - \b is click's mark for a block to leave as it is
    with api() as flightdeck:
        outcome = _decided(flightdeck, "promote", _body(release_id, environment, window, reason, actor), "Promotion")
    click.echo(f"Promoted {_what(outcome)}")
    _policy(outcome["policy"])


@click.command()
@_wish
def rollback(release_id: str, environment: str, window: str, reason: str, actor: str) -> None:
    """Make a release live again that was live before. The policy does not stop it; what it says is recorded.

    A release that was never live there has to pass the policy, like a promotion.

    \b
    Example:
      flightdeck release rollback rel_0123456789ab --env prod --window 7d --reason "answers got worse"
    """  # noqa: D301 - \b is click's mark for a block to leave as it is
    with api() as flightdeck:
        outcome = _decided(flightdeck, "rollback", _body(release_id, environment, window, reason, actor), "Rollback")
    click.echo(f"Rolled back to {_what(outcome)}")
    _policy(outcome["policy"])


@click.command("promote-request")
@_wish
def promote_request(release_id: str, environment: str, window: str, reason: str, actor: str) -> None:
    """Ask for a promotion that somebody confirms; needs promotion_requires_approval in flightdeck.yaml.

    \b
    Example:
      flightdeck release promote-request rel_0123456789ab --env prod --window 7d --reason "ready"
    """  # noqa: D301 - \b is click's mark for a block to leave as it is
    with api() as flightdeck:
        asked = flightdeck.post("/v1/promote/request", _body(release_id, environment, window, reason, actor))
    click.echo(f"request_id={asked['request_id']}")
    click.echo(json.dumps({"policy": asked["policy"]}, indent=2))


@click.command("promote-confirm")
@click.argument("request_id")
@click.option("--approval-reason", required=True, help="Why it is approved, for the record.")
@actor_option
def promote_confirm(request_id: str, approval_reason: str, actor: str) -> None:
    """Promote what a pending request asks for, if the policy still allows it.

    \b
    Example:
      flightdeck release promote-confirm prq_0123456789ab --approval-reason "looked at the traces"
    """  # noqa: D301 - \b is click's mark for a block to leave as it is
    body = {"request_id": request_id, "approval_reason": approval_reason, "actor": actor}
    with api() as flightdeck:
        outcome = _decided(flightdeck, "promote/confirm", body, "Promotion")
    click.echo(f"Promoted {_what(outcome)}")
    click.echo(f"action_id={outcome['action_id']}")
    _policy(outcome["policy"])


@click.command()
@click.option("--agent", help="Only this agent's.")
@click.option("--env", "environment", help="Only this environment's.")
@click.option(
    "--action",
    "action_id",
    help="This decision alone, as JSON with its evidence, for `flightdeck judge`; --output json lists the ids.",
)
@output_option
def history(agent: str | None, environment: str | None, action_id: str | None, output: str) -> None:
    """Show all promotions and rollbacks, newest first, tab-separated; reasons of the policy below each.

    \b
    Example:
      flightdeck release history --action act_0123456789ab --output json > decision.json
      flightdeck judge decision.json
    """  # noqa: D301 - \b is click's mark for a block to leave as it is
    with api() as flightdeck:
        if action_id is not None:
            proof = flightdeck.get(path_of("actions", action_id))
            click.echo(json.dumps(proof, indent=2, ensure_ascii=False))
            return
        pages = _pages(flightdeck, agent, environment)
        if output == "json":
            actions = [action for page in pages for action in page]
            click.echo(json.dumps({"actions": actions}, indent=2, ensure_ascii=False))
            return
        for page in pages:
            for action in page:
                _line(action)


def _pages(flightdeck: Api, agent: str | None, environment: str | None) -> Iterator[list[dict[str, Any]]]:
    before: int | None = None
    while True:
        page = flightdeck.get("/v1/actions", agent=agent, env=environment, limit=PAGE, before=before)["actions"]
        yield page
        if len(page) < PAGE:
            return
        before = page[-1]["audit_seq"]


COMMANDS = (promote, promote_request, promote_confirm, rollback, history)
"""What the group ``release`` has from here."""


def _body(release_id: str, environment: str, window: str, reason: str, actor: str) -> dict[str, str]:
    if not reason:  # the API would say it in its own way
        raise click.ClickException("Reason is required for promote/rollback actions.")
    return {
        "release_id": release_id,
        "environment": environment,
        "window": window,
        "reason": reason,
        "actor": actor,
    }


def _decided(flightdeck: Api, path: str, body: dict[str, str], word: str) -> dict[str, Any]:
    try:
        outcome: dict[str, Any] = flightdeck.post(f"/v1/{path}", body)
    except Blocked as blocked:
        if blocked.outcome is None:
            raise
        _policy(blocked.outcome["policy"])
        raise click.ClickException(f"{word} blocked by policy") from blocked
    return outcome


def _what(outcome: dict[str, Any]) -> str:
    return f"{outcome['release_id']} for {outcome['agent_id']}/{outcome['environment']}"


def _policy(policy: dict[str, Any]) -> None:
    click.echo(f"Policy: {'PASS' if policy['passed'] else 'FAIL'}")
    for reason in policy["reasons"]:
        click.echo(f"- {reason}")


def _line(action: dict[str, Any]) -> None:
    columns = (
        action["created_at"],
        action["action"],
        "PASS" if action["policy_passed"] else "FAIL",
        action["release_id"],
        f"baseline={action['baseline_release_id'] or '-'}",
        f"actor={action['actor']}",
        f"reason={action['reason']}",
    )
    click.echo("\t".join(columns))
    for reason in action["policy_reasons"]:
        click.echo(f"  - {reason}")
