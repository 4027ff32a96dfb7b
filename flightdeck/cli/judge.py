"""``flightdeck judge``: judge kept or exported evidence again, offline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from flightdeck.cli.verdicts import EXIT_CODES, RENDERINGS, rendered
from flightdeck.errors import Invalid, TooLarge

if TYPE_CHECKING:
    from flightdeck.presentation.judged import Judged

LARGEST = 512 * 1024 * 1024


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--policy",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Judge by this YAML file instead of the policy that was judged by then.",
)
@click.option(
    "--fail-on-verdict", is_flag=True, help="Exit with 5 when it is FAIL, 3 when INCONCLUSIVE, 4 when NODATA."
)
@click.option(
    "--output",
    type=click.Choice(["text", "json", *RENDERINGS[1:]]),
    default="text",
    show_default=True,
    help="How it is written.",
)
def judge(file: Path, policy: Path | None, fail_on_verdict: bool, output: str) -> None:
    """Judge the evidence in FILE again: the same evidence and policy give the same verdict, whenever and wherever.

    FILE is JSON: what `release diff --output evidence` printed, or a decision with its evidence as
    `release history --action act_… --output json` or GET /v1/actions/{id} show it. No server or workspace is asked.

    \b
    Example:
      flightdeck release diff rel_0123456789ab rel_ba9876543210 --window 7d --output evidence > evidence.json
      flightdeck judge evidence.json
      flightdeck judge evidence.json --policy stricter.yaml --output json
    """  # noqa: D301 - \b is click's mark for a block to leave as it is
    from flightdeck.cli.inprocess import needs_server

    with needs_server("Judging"):
        from flightdeck.releases.rejudge import evidence_in, rejudge
    from flightdeck.cli.documents import document
    from flightdeck.presentation.judged import Judged
    from flightdeck.validation import policy_of

    evidence = evidence_in(_json(file))
    again = rejudge(evidence, None if policy is None else policy_of(document(policy)))
    if again is None:
        raise Invalid("Nothing was compared in this decision, so there is nothing to judge.")
    if policy is None and again.verdict.status != again.diff.verdict.status:
        click.echo(f"WARNING: it was {again.diff.verdict.status} then.", err=True)
    request = evidence["request"]
    judged = Judged(
        baseline=request["baseline_release_id"],
        candidate=request["candidate_release_id"],
        environment=again.diff.filters.environment,
        verdict=again.verdict,
        policy=again.policy,
    )
    click.echo(_as_json(judged) if output == "json" else rendered(judged, output))
    if fail_on_verdict and (code := EXIT_CODES[judged.verdict.status]):
        raise SystemExit(code)


def _json(file: Path) -> Any:  # noqa: ANN401 - JSON
    if file.stat().st_size > LARGEST:
        raise TooLarge(f"{file} is larger than {LARGEST // 1024**2} MiB.")
    try:
        return json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise Invalid(f"{file} is no JSON: {' '.join(str(error).split())[:200]}") from error


def _as_json(judged: Judged) -> str:
    policy = judged.policy
    shown = {
        "baseline_release_id": judged.baseline,
        "candidate_release_id": judged.candidate,
        "environment": judged.environment,
        "policy": None if policy is None else policy.model_dump(mode="json"),
        "verdict": judged.verdict.model_dump(mode="json"),
    }
    return json.dumps(shown, indent=2, ensure_ascii=False)
