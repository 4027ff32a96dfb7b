"""``flightdeck gate``: ask until the verdict is conclusive, and end with its exit code. For CI."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from flightdeck.cli.connection import Api, api, path_of
from flightdeck.cli.options import actor_option
from flightdeck.cli.question import body, question_options
from flightdeck.cli.verdicts import EXIT_CODES, Reports, rendered, verdict_outputs, wants_evidence, write
from flightdeck.cli.watch import Answer, Watch
from flightdeck.errors import FlightDeckError
from flightdeck.interruption import INTERRUPTED

if TYPE_CHECKING:
    from flightdeck.models import Diff
    from flightdeck.presentation.judged import Judged

MOST_WAIT_S = 7 * 86_400


def _window(_ctx: click.Context, _parameter: click.Parameter, text: str) -> str:
    """A window's length. ``release diff`` leaves it to the server, whose answer to a wrong one 1.3 ended with 1."""
    from flightdeck.models.window import Window

    try:
        Window.ending(datetime.now(UTC), text)
    except ValueError:
        raise click.BadParameter(f"{text[:50]!r} is no window; use a number and d, h or m, like 7d") from None
    return text


class Length(click.ParamType[int]):
    """A length of time like 30s, 20m, 2h or 1d, in seconds."""

    name = "length"

    def __init__(self, least_s: int) -> None:
        self._least_s = least_s

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """In seconds."""
        from flightdeck.models.window import length_s

        if isinstance(value, int):
            return value
        seconds = length_s(str(value))
        if seconds is None or not self._least_s <= seconds <= MOST_WAIT_S:
            self.fail(
                f"{str(value)[:50]!r} is no time from {self._least_s}s to 7d; write 30s, 20m, 2h or 1d", param, ctx
            )
        return seconds


@click.command()
@question_options
@click.option(
    "--window", default="7d", show_default=True, callback=_window, help="How far back from now: 7d, 24h, 30m."
)
@click.option(
    "--wait",
    type=Length(0),
    default="0s",
    show_default=True,
    help="How long to ask again while nothing is shown: 30m, 2h. It is judged sequentially then.",
)
@click.option("--interval", type=Length(1), default="1m", show_default=True, help="How long from one look to the next.")
@actor_option
@verdict_outputs
def gate(
    window: str,
    wait: int,
    interval: int,
    actor: str,
    output: str,
    reports: Reports,
    **question: Any,  # noqa: ANN401 - of `question_options`
) -> None:
    """Ask whether CANDIDATE may replace BASELINE, and end with the verdict's exit code.

    With --wait it asks again until the verdict is PASS or FAIL, or the time is over. The verdict is judged as
    sequential then, whatever the policy says: it is valid however often it is looked at, and needs more runs.

    \b
    Exit codes:
      0    PASS          the candidate is shown to be within all margins
      5    FAIL          it is shown to be worse than a margin or limit allows
      3    INCONCLUSIVE  neither is shown (yet)
      4    NODATA        a side has no finished run
      1                  an error: no server, an unknown release, a policy that can't be read
      2                  wrong usage: a wrong option, or one release given as both
      130                Ctrl-C

    \b
    Example:
      flightdeck gate rel_0123456789ab rel_ba9876543210 --window 24h
      flightdeck gate rel_0123456789ab rel_ba9876543210 --wait 30m --interval 1m --output annotations \\
        --report markdown verdict.md --report junit verdict.xml --report evidence evidence.json
    """  # noqa: D301 - \b is click's mark for a block to leave as it is
    if question["baseline"] == question["candidate"]:
        raise click.UsageError(
            f"BASELINE and CANDIDATE are the same release, {question['baseline'][:50]}: it would be compared with "
            "itself. Name the release that is live as BASELINE; `release diff` compares a release with itself."
        )
    watch = Watch(wait, interval)
    wanted = body(**question, window=window, include_evidence=wants_evidence(output, reports))
    try:
        answer = watch.until_conclusive(lambda flightdeck: _asked(flightdeck, wanted, sequential=wait > 0))
        _record(answer, wanted, actor, served=watch.served)
    except KeyboardInterrupt:
        watch.progress.end()
        click.echo(f"Interrupted; the last verdict was {watch.last}.", err=True)
        raise SystemExit(INTERRUPTED) from None
    write(answer, wanted, output, reports, _text)
    raise SystemExit(EXIT_CODES[answer["verdict"]["status"]])


def _asked(flightdeck: Api, wanted: dict[str, Any], *, sequential: bool) -> Answer:
    """Asks once; by a sequential test if it will be asked again."""
    if sequential:
        policy = wanted.get("policy") or _policy_in_force(flightdeck, wanted)
        statistics = policy.get("statistics") or {"gate": "legacy"}
        wanted = {**wanted, "policy": {**policy, "statistics": {**statistics, "sequential": True}}}
    answer: Answer = flightdeck.post("/v1/diff", wanted)
    return answer


def _policy_in_force(flightdeck: Api, wanted: dict[str, Any]) -> dict[str, Any]:
    agent = flightdeck.get(path_of("releases", wanted["candidate_release_id"]))["agent_id"]
    found = flightdeck.get("/v1/policy/effective", agent=agent, env=wanted.get("environment"))
    policy: dict[str, Any] = found["policy"]
    return policy


def _record(answer: Answer, wanted: dict[str, Any], actor: str, *, served: bool) -> None:
    """Has the look recorded. The verdict stands whether or not this caller may write."""
    look = {
        "baseline_release_id": wanted["baseline_release_id"],
        "candidate_release_id": wanted["candidate_release_id"],
        "environment": answer["filters"]["environment"],
        "status": answer["verdict"]["status"],
        "sequential": answer["verdict"]["mode"] == "sequential",
        "actor": actor,
    }
    try:
        with api(served=served) as flightdeck:
            flightdeck.post("/v1/looks", look)
    except FlightDeckError as error:
        click.echo(f"WARNING: this look was not recorded: {error}", err=True)


def _text(judged: Judged, found: Diff) -> str:
    others = [] if found.policy.passed else judged.blocked_by_others
    blocks = ["", "A promotion would be blocked by the policy:", *(f"- {reason}" for reason in others)]
    about = f"{judged.candidate} against {judged.baseline} in {judged.environment}, {found.since} .. {found.until}"
    return "\n".join([about, rendered(judged, "text"), *(blocks if others else [])])
