"""Decisions: one sequence without gaps, chained by hashes, and the pointers that they move.

Deciding takes a while and reads much; so it happens before, on the pointer as it was *seen*. Recording is one short
transaction: under the lock of the sequence's head it compares the pointer with what was seen, appends the decision,
moves the pointer, resolves the request, puts messages into the outbox. If the pointer has moved meanwhile nothing
happens, and the caller decides again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import ColumnElement, Connection, func, insert, select, update

from flightdeck.errors import Conflict, Invalid, NotFound
from flightdeck.ledger import looks, outbox
from flightdeck.ledger.chain import GENESIS, canonical_bytes, content, link, sha256
from flightdeck.ledger.database import Database
from flightdeck.ledger.documents import name, text
from flightdeck.ledger.tables import DECISION_HEAD, DECISIONS, POINTERS, RELEASES, REQUESTS
from flightdeck.models import Decision, PolicyResult, Verdict
from flightdeck.models.decisions import Action

MAX_JOINED_REASON = 9_000
"""Longest stored reason, in characters: a request's and its approval's together."""


class Moved(Conflict):
    """The pointer is not the one that the decision was made on; or its request was resolved by another one."""


class Pointer(NamedTuple):
    """Which release is live, and the decision that made it so."""

    agent_id: str
    environment: str
    release_id: str
    audit_seq: int


Pointers: TypeAlias = list[Pointer]
Decisions_: TypeAlias = list[Decision]
Values: TypeAlias = Mapping[Any, Any]
"""A row of the table, by column name."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A decision that is made but not recorded.

    Attributes:
        moves_pointer: whether the release goes live.
        request_id: the request that it completes if it moves the pointer; None if nobody asked before.
        evidence: what it was judged on, as JSON.
        verdict: the judge's, where it had a say: this was a look at it.
        event: what webhooks are told, "" for nothing; they get ``message`` and the action's id.
    """

    action_id: str
    action: Action
    release_id: str
    agent_id: str
    environment: str
    baseline_release_id: str | None
    window: str
    reason: str
    actor: str
    policy: PolicyResult
    moves_pointer: bool
    created_at: datetime
    evidence: Mapping[str, Any]
    verdict: Verdict | None = None
    request_id: str | None = None
    event: str = ""
    message: Mapping[str, Any] | None = None


class Decisions:
    """The decisions of the workspace, and which releases are live by them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def pointer(self, agent_id: str, environment: str) -> Pointer | None:
        """Which release is live; None before any promotion."""
        with self._database.read() as connection:
            row = connection.execute(select(POINTERS).where(_place(agent_id, environment))).one_or_none()
        return None if row is None else Pointer(*row)

    def pointers(self) -> Pointers:
        """All, by agent and environment."""
        with self._database.read() as connection:
            found = [Pointer(*row) for row in connection.execute(select(POINTERS))]
        return sorted(found)

    def was_live(self, agent_id: str, environment: str, release_id: str) -> bool:
        """Whether a release was ever promoted (or rolled back to) there."""
        columns = DECISIONS.c
        query = select(columns.audit_seq).where(
            columns.agent_id == agent_id,
            columns.environment == environment,
            columns.release_id == release_id,
            columns.promoted_pointer_changed.is_(True),
        )
        with self._database.read() as connection:
            return connection.execute(query.limit(1)).first() is not None

    def record(self, draft: Draft, seen: Pointer | None) -> Decision:
        """Appends a decision that was made on the pointer as seen, with all that follows from it.

        Raises:
            Moved: the pointer is another one by now, or the request is not pending any more. Nothing happened.
            Invalid: a name or reason that can't be stored.
        """
        row = _row(draft)
        with self._database.write() as connection:
            decision = _append(connection, row, seen)
            if draft.moves_pointer:
                _move(connection, decision, seen)
                if draft.request_id is not None:
                    _complete(connection, decision)
            if draft.verdict is not None and draft.baseline_release_id is not None:
                pair = looks.Pair(draft.baseline_release_id, draft.release_id, draft.environment)
                sequential = draft.verdict.mode == "sequential"
                status, now = draft.verdict.status, draft.created_at
                looks.put(connection, pair, status, sequential=sequential, actor=draft.actor, now=now)
            if draft.event:
                data = {**(draft.message or {}), "action_id": draft.action_id}
                outbox.put(connection, draft.event, data, now=draft.created_at)
        return decision

    def adopt(self, drafts: Sequence[Draft], live: Mapping[tuple[str, str], str]) -> int:
        """Appends decisions of another ledger in their order, and makes live what they made live; how many were new.

        All in one transaction, and harmless to repeat: decisions that are here already stay as they are, and so does
        the pointer of an agent and environment that has one.

        Args:
            drafts: the decisions, oldest first.
            live: the release of each agent and environment that was live in the other ledger.

        Raises:
            Invalid: a name or reason that can't be stored, or a release is live that no decision made so.
        """
        with self._database.write() as connection:
            head = _locked_head(connection)
            here = set(connection.scalars(select(DECISIONS.c.action_id)))
            new = [draft for draft in drafts if draft.action_id not in here]
            for draft in new:
                decision = _link(connection, _row(draft), *head)
                head = decision.audit_seq, decision.hash
            pointed = {(pointer.agent_id, pointer.environment) for pointer in connection.execute(select(POINTERS))}
            for (agent_id, environment), release_id in live.items():
                if (agent_id, environment) not in pointed:
                    seq = _made_live(connection, agent_id, environment, release_id)
                    place = {"agent_id": agent_id, "environment": environment}
                    connection.execute(insert(POINTERS), {**place, "release_id": release_id, "audit_seq": seq})
        return len(new)

    def list(
        self, *, agent_id: str | None = None, environment: str | None = None, before: int | None = None, limit: int
    ) -> Decisions_:
        """Newest first; those before an ``audit_seq`` if one is given."""
        query = select(*_shown()).order_by(DECISIONS.c.audit_seq.desc()).limit(limit)
        wanted = {"agent_id": agent_id, "environment": environment}
        for column, value in wanted.items():
            if value is not None:
                query = query.where(DECISIONS.c[column] == value)
        if before is not None:
            query = query.where(DECISIONS.c.audit_seq < before)
        with self._database.read() as connection:
            return [_decision(row) for row in connection.execute(query).mappings()]

    def get(self, action_id: str) -> dict[str, Any]:
        """A decision with all that it takes to check it: ``decision``, ``evidence``, ``previous`` and ``hash``.

        Raises:
            NotFound: there is none of that id.
        """
        with self._database.read() as connection:
            query = select(DECISIONS).where(DECISIONS.c.action_id == action_id)
            row = connection.execute(query).mappings().one_or_none()
        if row is None:
            raise NotFound(f"Unknown action: {action_id}")
        return {
            "decision": content(row),
            "evidence": json.loads(row["evidence_json"]),
            "previous": row["previous_hash"],
            "hash": row["hash"],
        }

    def count_by_action(self) -> dict[str, int]:
        """How many there are of each."""
        query = select(DECISIONS.c.action, func.count()).group_by(DECISIONS.c.action)
        with self._database.read() as connection:
            return dict(sorted(tuple(row) for row in connection.execute(query)))

    def wrong_pointers(self) -> dict[Pointer, str]:
        """Pointers that no decision left like this, and why: somebody has been at the database."""
        made = DECISIONS.c
        query = (
            select(POINTERS, RELEASES.c.seq, made.release_id, made.promoted_pointer_changed)
            .outerjoin(RELEASES, RELEASES.c.release_id == POINTERS.c.release_id)
            .outerjoin(DECISIONS, made.audit_seq == POINTERS.c.audit_seq)
        )
        wrong = {}
        with self._database.read() as connection:
            for *columns, known, decided, moved in connection.execute(query):
                pointer = Pointer(*columns)
                if known is None:
                    wrong[pointer] = f"release_id={pointer.release_id!r} missing from releases table"
                elif decided != pointer.release_id or not moved:
                    wrong[pointer] = f"decision {pointer.audit_seq} did not make release_id={pointer.release_id!r} live"
        return wrong

    def sequence(self) -> Sequence[int]:
        """All ``audit_seq`` in order: 1, 2, 3 … unless somebody has been at the database."""
        with self._database.read() as connection:
            return connection.scalars(select(DECISIONS.c.audit_seq).order_by(DECISIONS.c.audit_seq)).all()

    def verify(self) -> tuple[int, str]:
        """Computes every hash again; how many decisions there are, and the last one's hash.

        Raises:
            Invalid: a decision was edited, inserted or deleted by other means than ours; says which is the first.
        """
        columns = DECISIONS.c
        everything = select(DECISIONS).order_by(columns.audit_seq)
        with self._database.read() as connection:
            head = connection.execute(select(DECISION_HEAD.c.audit_seq, DECISION_HEAD.c.hash)).one_or_none()
            last = (0, GENESIS)
            for row in connection.execute(everything.execution_options(yield_per=100)).mappings():
                last = _verified(row, last)
        if head is None or tuple(head) != last:
            told = 0 if head is None else head.audit_seq
            raise Invalid(f"the last decision is {last[0]} ({last[1][:12]}), the head of the chain says {told}")
        return last


def _row(draft: Draft) -> dict[str, Any]:
    policy = canonical_bytes(draft.policy.model_dump(mode="json"), "policy's result")
    evidence = canonical_bytes(dict(draft.evidence), "evidence")
    return {
        "action_id": draft.action_id,
        "action": draft.action,
        "release_id": name(draft.release_id, "release_id"),
        "agent_id": name(draft.agent_id, "agent_id"),
        "environment": name(draft.environment, "environment", blank=True),
        "baseline_release_id": draft.baseline_release_id,
        "window": name(draft.window, "window", blank=True),
        "reason": text(draft.reason, "reason", most=MAX_JOINED_REASON),
        "actor": name(draft.actor, "actor"),
        "policy_json": policy.decode(),
        "promoted_pointer_changed": draft.moves_pointer,
        "request_id": draft.request_id,
        "evidence_json": evidence.decode(),
        "evidence_sha256": sha256(evidence),
        "created_at_us": draft.created_at,
    }


def _append(connection: Connection, row: dict[str, Any], seen: Pointer | None) -> Decision:
    head = _locked_head(connection)
    now = connection.scalar(select(POINTERS.c.audit_seq).where(_place(row["agent_id"], row["environment"])))
    if now != (seen.audit_seq if seen is not None else None):
        raise Moved("Another decision came first: which release is live has changed.")
    return _link(connection, row, *head)


def _locked_head(connection: Connection) -> tuple[int, str]:
    # SQLite's write transaction is the lock; PostgreSQL locks the row.
    head = connection.execute(select(DECISION_HEAD.c.audit_seq, DECISION_HEAD.c.hash).with_for_update()).one()
    return head.audit_seq, head.hash


def _link(connection: Connection, row: dict[str, Any], audit_seq: int, previous: str) -> Decision:
    """Appends a row after the head of the chain, which must be locked."""
    values = {**row, "audit_seq": audit_seq + 1, "previous_hash": previous, "hash": ""}
    values["hash"] = link(content(values), previous)
    connection.execute(insert(DECISIONS), values)
    connection.execute(update(DECISION_HEAD).values(audit_seq=values["audit_seq"], hash=values["hash"]))
    return _decision(values)


def _move(connection: Connection, decision: Decision, seen: Pointer | None) -> None:
    place = {"agent_id": decision.agent_id, "environment": decision.environment}
    value = {"release_id": decision.release_id, "audit_seq": decision.audit_seq}
    if seen is None:
        connection.execute(insert(POINTERS), {**place, **value})
        return
    same = _place(decision.agent_id, decision.environment) & (POINTERS.c.audit_seq == seen.audit_seq)
    if connection.execute(update(POINTERS).where(same).values(value)).rowcount != 1:
        raise Moved("Another decision came first: which release is live has changed.")


def _made_live(connection: Connection, agent_id: str, environment: str, release_id: str) -> int:
    """The last decision that moved a pointer, which must have moved it to this release."""
    columns = DECISIONS.c
    moved = (columns.agent_id == agent_id) & (columns.environment == environment)
    query = select(columns.audit_seq, columns.release_id).where(moved, columns.promoted_pointer_changed.is_(True))
    last = connection.execute(query.order_by(columns.audit_seq.desc()).limit(1)).one_or_none()
    if last is None or last.release_id != release_id:
        raise Invalid(f"{release_id} is live for {agent_id}/{environment}, but no decision made it so.")
    return int(last.audit_seq)


def _complete(connection: Connection, decision: Decision) -> None:
    pending = (REQUESTS.c.request_id == decision.request_id) & (REQUESTS.c.status == "pending")
    done = {
        "status": "completed",
        "resolved_at_us": decision.created_at,
        "completed_action_id": decision.action_id,
    }
    if connection.execute(update(REQUESTS).where(pending).values(done)).rowcount != 1:
        raise Moved("The request was confirmed by somebody else.")


def _verified(row: Values, before: tuple[int, str]) -> tuple[int, str]:
    seq, hashed = before
    number = row["audit_seq"]
    if number != seq + 1:
        raise Invalid(f"decision {seq + 1} is missing")
    if row["previous_hash"] != hashed:
        raise Invalid(f"decision {number} does not follow the one before it")
    if sha256(row["evidence_json"].encode()) != row["evidence_sha256"]:
        raise Invalid(f"the evidence of decision {number} was changed")
    try:
        computed = link(content(row), hashed)
    except ValueError as error:
        raise Invalid(f"decision {number} was changed") from error
    if computed != row["hash"]:
        raise Invalid(f"decision {number} was changed")
    return number, row["hash"]


def _place(agent_id: str, environment: str) -> ColumnElement[bool]:
    return (POINTERS.c.agent_id == agent_id) & (POINTERS.c.environment == environment)


def _shown() -> list[Any]:
    return [column for column in DECISIONS.c if column.name != "evidence_json"]


def _decision(row: Values) -> Decision:
    return Decision(
        audit_seq=row["audit_seq"],
        action_id=row["action_id"],
        action=row["action"],
        release_id=row["release_id"],
        agent_id=row["agent_id"],
        environment=row["environment"],
        baseline_release_id=row["baseline_release_id"],
        window=row["window"],
        reason=row["reason"],
        actor=row["actor"],
        policy=PolicyResult.model_validate_json(row["policy_json"]),
        promoted_pointer_changed=row["promoted_pointer_changed"],
        request_id=row["request_id"],
        evidence_sha256=row["evidence_sha256"],
        created_at=row["created_at_us"],
        previous_hash=row["previous_hash"],
        hash=row["hash"],
    )
