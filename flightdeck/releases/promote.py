"""Promote and roll back: judge a release against the live one, record the decision, move the pointer.

A promotion passes the policy, or is recorded as blocked. Rolling back to what was live before always works, whatever
the policy says and even when the evidence can't be had; what there is of it is recorded beside the decision (D5).
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flightdeck.environments import environment_named
from flightdeck.errors import Blocked, Busy, FlightDeckError, Forbidden, Invalid, NotFound
from flightdeck.ledger import Ledger
from flightdeck.ledger.decisions import Draft, Moved, Pointer
from flightdeck.models import (
    Confirmation,
    Decision,
    DiffRequest,
    Outcome,
    PolicyResult,
    PromotionRequest,
    PromotionWish,
    ReleaseRecord,
    Verdict,
    Window,
)
from flightdeck.models.decisions import Action
from flightdeck.releases import record
from flightdeck.releases.diff import Options, compare
from flightdeck.releases.evidence import Evidence

FIRST = "first promotion: no promoted baseline for agent/environment"
NOT_PENDING = "Unknown promotion request_id or request is not pending."
NOTHING_PROMOTED = "No promoted release exists for this agent/environment; nothing to roll back to."
APPROVALS_ON = (
    "Workspace promotion_requires_approval=true: use promote-request then promote-confirm "
    "(HTTP POST /v1/promote/request and POST /v1/promote/confirm)."
)
APPROVALS_OFF = (
    "promotion_requires_approval is false in flightdeck.yaml; use direct `release promote` or set "
    "promotion_requires_approval: true to use the approval workflow."
)
NAMELESS = frozenset({"http", "sdk", "unknown", "react-ui", "page"})
"""What clients say who do not say who they are."""

PATIENCE_S = 60.0
"""How long one promotion waits for others of its agent and environment."""
_LOCKS = 64


@dataclass(frozen=True, slots=True)
class Rules:
    """What a workspace's settings say about promotions.

    Attributes:
        diff: how a release is compared with the live one.
        requires_approval: a promotion takes a request and a confirmation.
        four_eyes: the two come from two people, who say who they are.
        rollback_requires_policy: a rollback has to pass the policy, even to what was live before.
    """

    diff: Options
    requires_approval: bool = False
    four_eyes: bool = False
    rollback_requires_policy: bool = False


@dataclass(frozen=True, slots=True)
class _Judged:
    """What the policy says of a release in place of the live one, and on what grounds."""

    policy: PolicyResult
    evidence: dict[str, Any]
    verdict: Verdict | None = None


def _now() -> datetime:
    return datetime.now(UTC)


def _id(prefix: str) -> str:
    return f"{prefix}_{uuid.uuid4().hex[:12]}"


class Promotions:
    """The promotions of a workspace. Safe to use from any number of threads, beside any number of other servers.

    Args:
        ledger: where releases and decisions are.
        evidence: opens the store; called only when something is to be judged.
        rules: the workspace's.
        now: the time.
    """

    def __init__(
        self, ledger: Ledger, evidence: Callable[[], Evidence], rules: Rules, *, now: Callable[[], datetime] = _now
    ) -> None:
        self._ledger = ledger
        self._evidence = evidence
        self._rules = rules
        self._now = now
        self._locks = [threading.Lock() for _ in range(_LOCKS)]

    def promote(self, wish: PromotionWish) -> Outcome:
        """Makes a release live in an environment, if the policy says yes.

        Raises:
            Invalid: an unknown release, no reason, no environment, a bad window, or this workspace wants a request
                first.
            Blocked: the policy says no. It is recorded, and the outcome comes with the error.
            Busy: others decide on the same agent and environment all the time.
        """
        if self._rules.requires_approval:
            raise Invalid(APPROVALS_ON)
        if not wish.reason.strip():
            raise Invalid("Reason is required for promote/rollback actions.", field="reason")
        environment_named(wish.environment)
        release = self._release(wish.release_id)
        with self._turn(release.agent_id, wish.environment):
            decision = self._decided(lambda seen: self._promotion(release, wish, seen), release, wish.environment)
        return _outcome(decision)

    def request(self, wish: PromotionWish) -> PromotionRequest:
        """Asks for a promotion that somebody confirms later; the policy must say yes already.

        Raises:
            Invalid: as for ``promote``; or this workspace wants no requests.
            Blocked: the policy says no. Nothing is recorded.
        """
        if not self._rules.requires_approval:
            raise Invalid(APPROVALS_OFF)
        if not wish.reason.strip():
            raise Invalid("Reason is required for promotion requests.", field="reason")
        environment_named(wish.environment)
        if self._rules.four_eyes:
            _named(wish.actor)
        release = self._release(wish.release_id)
        seen = self._ledger.decisions.pointer(release.agent_id, wish.environment)
        judged = self._judged(release, wish.environment, wish.window, seen)
        if not judged.policy.passed:
            reasons = tuple(judged.policy.reasons)
            raise Blocked(
                "Policy does not allow this promotion; request not recorded. Reasons: " + "; ".join(reasons),
                reasons=reasons,
            )
        request = PromotionRequest(
            request_id=_id("prq"),
            status="pending",
            release_id=release.release_id,
            agent_id=release.agent_id,
            environment=wish.environment,
            window=wish.window,
            reason=wish.reason,
            actor=wish.actor,
            baseline_release_id=seen.release_id if seen is not None else None,
            policy=judged.policy,
            created_at=self._now(),
        )
        self._ledger.requests.add(request)
        return request

    def confirm(self, confirmation: Confirmation) -> Outcome:
        """Promotes what a request asks for, if the policy still says yes.

        Raises:
            Invalid: no pending request of that id, no reason, or the request names no environment.
            Forbidden: with ``promotion_four_eyes``: who asked can't confirm.
            Blocked: the policy says no by now. It is recorded; the request stays pending.
            Busy: see ``promote``.
        """
        if not confirmation.approval_reason.strip():
            raise Invalid("approval_reason is required for promote-confirm.", field="approval_reason")
        asked = self._pending(confirmation.request_id)
        environment_named(asked.environment)  # an imported request may name none
        if self._rules.four_eyes:
            _named(confirmation.actor)
            if confirmation.actor.strip().casefold() == asked.actor.strip().casefold():
                raise Forbidden("Who requested a promotion can't confirm it (promotion_four_eyes).")
        release = self._release(asked.release_id)
        wish = PromotionWish(
            release_id=asked.release_id,
            environment=asked.environment,
            window=asked.window,
            reason=f"{asked.reason} | approval: {confirmation.approval_reason}",
            actor=confirmation.actor,
        )

        def drafted(seen: Pointer | None) -> Draft:
            self._pending(asked.request_id)  # it may have been confirmed meanwhile
            return self._promotion(release, wish, seen, request_id=asked.request_id)

        with self._turn(release.agent_id, wish.environment):
            decision = self._decided(drafted, release, wish.environment)
        return _outcome(decision)

    def rollback(self, wish: PromotionWish) -> Outcome:
        """Makes a release live again that was live before; any other one must pass the policy.

        Raises:
            Invalid: an unknown release, no reason, no environment, a bad window, or nothing was ever promoted there.
            Blocked: the release was never live there, or the workspace sets ``rollback_requires_policy``, and the
                policy says no. It is recorded.
            Busy: see ``promote``.
        """
        if not wish.reason.strip():
            raise Invalid("Reason is required for promote/rollback actions.", field="reason")
        environment_named(wish.environment)
        release = self._release(wish.release_id)
        with self._turn(release.agent_id, wish.environment):
            decision = self._decided(lambda seen: self._return(release, wish, seen), release, wish.environment)
        return _outcome(decision)

    # --- drafts -----------------------------------------------------------------------------------------

    def _promotion(
        self, release: ReleaseRecord, wish: PromotionWish, seen: Pointer | None, request_id: str | None = None
    ) -> Draft:
        judged = self._judged(release, wish.environment, wish.window, seen)
        event = "promote.succeeded" if judged.policy.passed else "promote.blocked"
        return self._draft("promote", release, wish, seen, judged, judged.policy.passed, event, request_id)

    def _return(self, release: ReleaseRecord, wish: PromotionWish, seen: Pointer | None) -> Draft:
        if seen is None:
            raise Invalid(NOTHING_PROMOTED)
        _checked(wish.window, self._now())
        known = self._ledger.decisions.was_live(release.agent_id, wish.environment, release.release_id)
        free = known and not self._rules.rollback_requires_policy
        try:
            judged = self._judged(release, wish.environment, wish.window, seen)
        except FlightDeckError as error:
            if not free:
                raise
            judged = self._unjudged(error)
        moves = free or judged.policy.passed
        return self._draft("rollback", release, wish, seen, judged, moves, "rollback.succeeded" if moves else "")

    def _draft(
        self,
        action: Action,
        release: ReleaseRecord,
        wish: PromotionWish,
        seen: Pointer | None,
        judged: _Judged,
        moves: bool,
        event: str,
        request_id: str | None = None,
    ) -> Draft:
        baseline = seen.release_id if seen is not None else None
        return Draft(
            action_id=_id("act"),
            action=action,
            release_id=release.release_id,
            agent_id=release.agent_id,
            environment=wish.environment,
            baseline_release_id=baseline,
            window=wish.window,
            reason=wish.reason,
            actor=wish.actor,
            policy=judged.policy,
            moves_pointer=moves,
            created_at=self._now(),
            evidence=judged.evidence,
            verdict=judged.verdict,
            request_id=request_id,
            event=event,
            message={
                "release_id": release.release_id,
                "agent_id": release.agent_id,
                "environment": wish.environment,
                "window": wish.window,
                "actor": wish.actor,
                "reason": wish.reason,
                "baseline_release_id": baseline,
                **({} if judged.policy.passed else {"policy_reasons": judged.policy.reasons}),
            },
        )

    # --- judging ----------------------------------------------------------------------------------------

    def _judged(self, release: ReleaseRecord, environment: str, window: str, seen: Pointer | None) -> _Judged:
        now = self._now()
        policy = self._ledger.policies.effective(release.agent_id, environment).policy
        if seen is None:
            passed = PolicyResult(passed=True, reasons=[FIRST], evaluated_at=now)
            return _Judged(passed, {"format": record.FORMAT, "policy": record.plain(policy)})
        wanted = DiffRequest(
            baseline_release_id=seen.release_id,
            candidate_release_id=release.release_id,
            window=window,
            environment=environment,
        )
        _checked(window, now)
        found = compare(wanted, self._ledger, self._evidence(), self._rules.diff, now, policy)
        verdict = found.diff.verdict
        kept = record.document(found, wanted, self._rules.diff.config)
        return _Judged(found.diff.policy, kept, None if verdict.gate == "legacy" else verdict)

    def _unjudged(self, error: FlightDeckError) -> _Judged:
        reason = f"not evaluated: {error.message}"
        failed = PolicyResult(passed=False, reasons=[reason], evaluated_at=self._now())
        return _Judged(failed, {"format": record.FORMAT, "error": str(error)})

    # --- order ------------------------------------------------------------------------------------------

    def _decided(
        self, drafted: Callable[[Pointer | None], Draft], release: ReleaseRecord, environment: str
    ) -> Decision:
        """Decides on the pointer as it is, again if it has moved before the decision was recorded."""
        until = time.monotonic() + PATIENCE_S
        decisions = self._ledger.decisions
        while True:
            seen = decisions.pointer(release.agent_id, environment)
            try:
                return decisions.record(drafted(seen), seen)
            except Moved as error:
                if time.monotonic() > until:
                    raise _busy() from error

    @contextmanager
    def _turn(self, agent_id: str, environment: str) -> Iterator[None]:
        """One at a time within this process: who comes second would have to decide again anyway."""
        lock = self._locks[hash((agent_id, environment)) % _LOCKS]
        if not lock.acquire(timeout=PATIENCE_S):
            raise _busy()
        try:
            yield
        finally:
            lock.release()

    def _release(self, release_id: str) -> ReleaseRecord:
        try:
            return self._ledger.releases.get(release_id)
        except NotFound as error:
            raise Invalid(error.message, field="release_id") from error

    def _pending(self, request_id: str) -> PromotionRequest:
        request = self._ledger.requests.pending(request_id)
        if request is None:
            raise Invalid(NOT_PENDING, field="request_id")
        return request


def _outcome(decision: Decision) -> Outcome:
    """The answer to a decision; Blocked when it did not move the pointer."""
    outcome = decision.outcome()
    if decision.promoted_pointer_changed:
        return outcome
    word = "Promotion" if decision.action == "promote" else "Rollback"
    raise Blocked(
        f"{word} blocked by policy.",
        reasons=tuple(outcome.policy.reasons),
        outcome=outcome.model_dump(mode="json"),
    )


def _checked(window: str, now: datetime) -> None:
    try:
        Window.ending(now, window)
    except ValueError as error:
        raise Invalid(str(error), field="window") from error


def _named(actor: str) -> None:
    if actor.strip().casefold() in NAMELESS or not actor.strip():
        raise Invalid("promotion_four_eyes: say who you are (actor).", field="actor")


def _busy() -> Busy:
    return Busy("Others decide on this agent and environment at the same time; try again.")
