"""The question that ``release diff`` and ``gate`` ask: these two releases, over this window, by this policy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from flightdeck.cli.options import together


def _interval(_ctx: click.Context, _parameter: click.Parameter, text: str | None) -> dict[str, str] | None:
    """The two ends of an ISO 8601 interval."""
    if text is None:
        return None
    from pydantic import ValidationError

    from flightdeck.models.diff import DiffWindow

    since, _, until = text.partition("/")
    own = {"since": since.strip(), "until": until.strip()}
    try:
        DiffWindow.model_validate(own)
    except ValidationError:
        raise click.BadParameter(
            f"{text[:100]!r} is no window; write SINCE/UNTIL, the earlier one first, like "
            "2026-11-01T00:00Z/2026-11-08T00:00Z"
        ) from None
    return own


def _pricing(_ctx: click.Context, _parameter: click.Parameter, text: str | None) -> str | None:
    """The name of a table, or the catalog."""
    from flightdeck.errors import Invalid
    from flightdeck.validation import BY_CATALOG, table_named

    try:
        if text not in (None, BY_CATALOG):
            table_named(text)
    except Invalid as error:
        raise click.BadParameter(str(error)) from None
    return text


question_options = together(
    click.argument("baseline"),
    click.argument("candidate"),
    click.option("--env", "environment", help="The runs' environment; the workspace's default otherwise."),
    click.option("--tenant", help="Only this tenant's runs."),
    click.option("--task", help="Only runs of this task."),
    click.option(
        "--baseline-window", callback=_interval, metavar="SINCE/UNTIL", help="The baseline's own window, ISO 8601."
    ),
    click.option(
        "--candidate-window", callback=_interval, metavar="SINCE/UNTIL", help="The candidate's own window, ISO 8601."
    ),
    click.option("--explain", is_flag=True, help="Tell which tasks, models, tenants and errors moved it most."),
    click.option(
        "--pricing",
        callback=_pricing,
        metavar="PROVIDER/VERSION",
        help="Price both releases by this table, or by 'catalog'.",
    ),
    click.option(
        "--policy",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Judge by this YAML file instead of the policy that is set.",
    ),
)
"""The arguments that both commands have; they come as keywords of :func:`body`'s names."""


def body(
    *,
    baseline: str,
    candidate: str,
    environment: str | None,
    tenant: str | None,
    task: str | None,
    baseline_window: dict[str, str] | None,
    candidate_window: dict[str, str] | None,
    explain: bool,
    pricing: str | None,
    policy: Path | None,
    **more: object,
) -> dict[str, Any]:
    """The body of ``POST /v1/diff``; keys that are not asked for are left out, so that older servers answer too.

    Raises:
        Invalid: the file holds no policy.
    """
    wanted: dict[str, Any] = {
        "baseline_release_id": baseline,
        "candidate_release_id": candidate,
        "environment": environment,
        "tenant_id": tenant,
        "task_id": task,
        "baseline_window": baseline_window,
        "candidate_window": candidate_window,
        "explain": explain or None,
        "pricing": pricing,
        **more,
    }
    if policy is not None:
        from flightdeck.cli.documents import policy_document

        wanted["policy"] = policy_document(policy)
    return {key: value for key, value in wanted.items() if value is not None}
