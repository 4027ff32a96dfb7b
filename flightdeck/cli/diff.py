"""``flightdeck release diff``: compare two releases, and say what policy and judge say."""

from __future__ import annotations

import json
from typing import Any

import click

from flightdeck.cli.connection import api
from flightdeck.cli.question import asked, body
from flightdeck.cli.verdicts import EXIT_CODES, RENDERINGS, rendered


def _interval(_ctx: click.Context, _parameter: click.Parameter, text: str | None) -> dict[str, str] | None:
    """The two ends of an ISO 8601 interval."""
    if text is None:
        return None
    since, slash, until = text.partition("/")
    if not (since and slash and until):
        raise click.BadParameter("write SINCE/UNTIL, like 2026-11-01T00:00Z/2026-11-08T00:00Z")
    return {"since": since.strip(), "until": until.strip()}


@click.command()
@asked
@click.option("--window", help="How far back from now: 7d, 24h, 30m. Required, unless both sides have their own.")
@click.option(
    "--baseline-window", callback=_interval, metavar="SINCE/UNTIL", help="The baseline's own window, ISO 8601."
)
@click.option(
    "--candidate-window", callback=_interval, metavar="SINCE/UNTIL", help="The candidate's own window, ISO 8601."
)
@click.option("--fail-on-policy", is_flag=True, help="Exit with 1 when the policy says no: for CI.")
@click.option(
    "--fail-on-verdict",
    is_flag=True,
    help="Exit with 5 when the verdict is FAIL, 3 when INCONCLUSIVE, 4 when NODATA; before --fail-on-policy.",
)
@click.option(
    "--output",
    type=click.Choice(["text", "json", "evidence", *RENDERINGS[1:]]),
    default="text",
    show_default=True,
    help="evidence: all that the verdict rests on, for `flightdeck judge`.",
)
def diff(
    window: str | None,
    baseline_window: dict[str, str] | None,
    candidate_window: dict[str, str] | None,
    fail_on_policy: bool,
    fail_on_verdict: bool,
    output: str,
    **question: Any,  # noqa: ANN401 - of `asked`
) -> None:
    """Compare the runs of two releases over a window, and say what the policy and the judge say.

    \b
    Example:
      flightdeck release diff rel_0123456789ab rel_ba9876543210 --window 7d --fail-on-policy
      flightdeck release diff rel_0123456789ab rel_ba9876543210 --window 7d \\
        --baseline-window 2026-11-01T00:00Z/2026-11-08T00:00Z
      flightdeck release diff rel_0123456789ab rel_ba9876543210 --window 7d --output markdown --explain
    """  # noqa: D301 - \b is click's mark for a block to leave as it is
    if window is None and not (baseline_window and candidate_window):
        raise click.MissingParameter(param_hint="'--window'", param_type="option")
    wanted = body(
        **question,
        window=window,
        baseline_window=baseline_window,
        candidate_window=candidate_window,
        include_evidence=True if output == "evidence" else None,
    )
    with api() as flightdeck:
        answer = flightdeck.post("/v1/diff", wanted)
    click.echo(_shown(answer, output, wanted))
    if fail_on_verdict and (code := EXIT_CODES[answer["verdict"]["status"]]):
        raise SystemExit(code)
    if fail_on_policy and not answer["policy"]["passed"]:
        raise click.ClickException("Policy gate: diff blocked by active policy (see reasons above).")


def _shown(answer: dict[str, Any], output: str, wanted: dict[str, Any]) -> str:
    if output == "json":
        return json.dumps(answer, indent=2, sort_keys=True)
    if output == "evidence":
        return json.dumps(answer["evidence"], indent=2, ensure_ascii=False)
    from flightdeck.models import Diff
    from flightdeck.presentation.judged import Judged
    from flightdeck.releases.report import report

    found = Diff.model_validate(answer)
    judged = rendered(Judged.of(wanted["baseline_release_id"], wanted["candidate_release_id"], found), output)
    return f"{report(found)}\n\n{judged}" if output == "text" else judged
