"""``flightdeck release diff``: compare two releases, and say what policy and judge say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from flightdeck.cli.connection import api
from flightdeck.cli.question import body, question_options
from flightdeck.cli.verdicts import EXIT_CODES, Reports, rendered, verdict_outputs, wants_evidence, write

if TYPE_CHECKING:
    from flightdeck.models import Diff
    from flightdeck.presentation.judged import Judged


@click.command()
@question_options
@click.option("--window", help="How far back from now: 7d, 24h, 30m. Required, unless both sides have their own.")
@click.option("--fail-on-policy", is_flag=True, help="Exit with 1 when the policy says no: for CI.")
@click.option(
    "--fail-on-verdict",
    is_flag=True,
    help="Exit with 5 when the verdict is FAIL, 3 when INCONCLUSIVE, 4 when NODATA; before --fail-on-policy.",
)
@verdict_outputs
def diff(
    window: str | None,
    fail_on_policy: bool,
    fail_on_verdict: bool,
    output: str,
    reports: Reports,
    **question: Any,  # noqa: ANN401 - of `question_options`
) -> None:
    """Compare the runs of two releases over a window, and say what the policy and the judge say.

    \b
    Example:
      flightdeck release diff rel_0123456789ab rel_ba9876543210 --window 7d --fail-on-policy
      flightdeck release diff rel_0123456789ab rel_ba9876543210 --window 7d \\
        --baseline-window 2026-11-01T00:00Z/2026-11-08T00:00Z
      flightdeck release diff rel_0123456789ab rel_ba9876543210 --window 7d --output markdown --explain
    """  # noqa: D301 - \b is click's mark for a block to leave as it is
    if window is None and not (question["baseline_window"] and question["candidate_window"]):
        raise click.MissingParameter(param_hint="'--window'", param_type="option")
    wanted = body(**question, window=window, include_evidence=wants_evidence(output, reports))
    with api() as flightdeck:
        answer = flightdeck.post("/v1/diff", wanted)
    write(answer, wanted, output, reports, _text)
    if fail_on_verdict and (code := EXIT_CODES[answer["verdict"]["status"]]):
        raise SystemExit(code)
    if fail_on_policy and not answer["policy"]["passed"]:
        raise click.ClickException("Policy gate: diff blocked by active policy (see reasons above).")


def _text(judged: Judged, found: Diff) -> str:
    """1.3's lines, then the judge's."""
    from flightdeck.presentation.report import report

    return f"{report(found)}\n\n{rendered(judged, 'text')}"
