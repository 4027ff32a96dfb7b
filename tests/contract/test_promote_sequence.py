"""Decisions are one sequence, however many decide at once and wherever; what was tampered with is found."""

from __future__ import annotations

import hashlib
import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from threading import Barrier

import pytest
import rfc8785
from sqlalchemy import text

from flightdeck.errors import Invalid, NotFound
from flightdeck.ledger import Ledger
from flightdeck.ledger.database import Database
from flightdeck.ledger.decisions import Draft, Moved
from flightdeck.models import Confirmation, PolicyResult, Webhook
from flightdeck.settings import LedgerSettings
from tests.contract.promotion_parts import evidence, furnish, promotions, wish

NOW = datetime(2026, 11, 24, 12, 0, 0, 123457, tzinfo=UTC)
PROMOTERS = 50
SERVERS = 5


def draft(release_id="r1", action_id="act_1", **changes):
    values = {
        "action_id": action_id,
        "action": "promote",
        "release_id": release_id,
        "agent_id": "agent_x",
        "environment": "prod",
        "baseline_release_id": None,
        "window": "7d",
        "reason": "ünïcode 🛫",
        "actor": "ann",
        "policy": PolicyResult(passed=True, reasons=[], evaluated_at=NOW),
        "moves_pointer": True,
        "created_at": NOW,
        "evidence": {"format": 1, "share": 0.1, "sum": "123456789012345678901234567890"},
        **changes,
    }
    return Draft(**values)


def execute(settings: LedgerSettings, statement: str) -> None:
    """What somebody does who is at the database."""
    database = Database.open(settings)
    with database.write() as connection:
        connection.execute(text(statement))
    database.close()


def three(ledger: Ledger) -> None:
    furnish(ledger, "r1", "r2", "r3")
    for number in (1, 2, 3):
        seen = ledger.decisions.pointer("agent_x", "prod")
        ledger.decisions.record(draft(f"r{number}", f"act_{number}"), seen)


def assert_one_order(ledger: Ledger, count: int) -> None:
    """Every decision was made on the release that the one before it had made live."""
    decisions = ledger.decisions.list(limit=1000)[::-1]
    assert [decision.audit_seq for decision in decisions] == list(range(1, count + 1))
    live = None
    for decision in decisions:
        assert decision.baseline_release_id == live, f"decision {decision.audit_seq} was made on another release"
        if decision.promoted_pointer_changed:
            live = decision.release_id
    pointer = ledger.decisions.pointer("agent_x", "prod")
    assert pointer is not None
    assert pointer.release_id == live
    assert ledger.decisions.verify()[0] == count
    assert ledger.decisions.wrong_pointers() == {}


# --- order ---


@pytest.mark.contract("C3.18")
def test_fifty_promoters_on_five_servers_give_one_order_without_gap_or_lost_update(ledger, ledger_settings):
    releases = [f"r{number}" for number in range(PROMOTERS)]
    furnish(ledger, *releases)
    store = evidence(**dict.fromkeys(releases, 1.0))
    barrier = Barrier(PROMOTERS)
    with ExitStack() as stack:
        servers = [stack.enter_context(Ledger.open(ledger_settings)) for _ in range(SERVERS)]
        each = [promotions(server, store) for server in servers]

        def promote(number: int) -> bool:
            barrier.wait(timeout=60)
            return each[number % SERVERS].promote(wish(f"r{number}")).promoted_pointer_changed

        with ThreadPoolExecutor(PROMOTERS) as threads:
            assert list(threads.map(promote, range(PROMOTERS))) == [True] * PROMOTERS
    assert_one_order(ledger, PROMOTERS)


def promote_some(settings: LedgerSettings, first: int, count: int) -> None:
    """One process's part."""
    numbers = range(first, first + count)
    store = evidence(**{f"r{number}": 1.0 for number in range(100)})
    with Ledger.open(settings) as ledger:
        own = promotions(ledger, store)
        for number in numbers:
            own.promote(wish(f"r{number}"))


def test_promoters_in_several_processes_give_one_order(ledger, ledger_settings):
    furnish(ledger, *(f"r{number}" for number in range(12)))
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        pool.starmap(promote_some, [(ledger_settings, first, 6) for first in (0, 6)], chunksize=1)
    assert_one_order(ledger, 12)


def test_of_confirmations_of_one_request_at_once_one_succeeds(ledger):
    furnish(ledger, "r1", "r2")
    own = promotions(ledger, evidence(r1=1.0, r2=1.0), requires_approval=True)
    request = own.request(wish("r1"))
    barrier = Barrier(8)

    def confirm(number: int) -> str:
        barrier.wait(timeout=60)
        try:
            return own.confirm(Confirmation(request_id=request.request_id, approval_reason=f"ok {number}")).action_id
        except Invalid as error:
            return error.message

    with ThreadPoolExecutor(8) as threads:
        said = list(threads.map(confirm, range(8)))
    (done,) = [one for one in said if one.startswith("act_")]
    assert said.count("Unknown promotion request_id or request is not pending.") == 7
    assert [decision.action_id for decision in ledger.decisions.list(limit=10)] == [done]
    (resolved,) = ledger.requests.list(limit=10)
    assert (resolved.status, resolved.completed_action_id) == ("completed", done)


def test_a_decision_on_a_pointer_that_has_moved_leaves_nothing(ledger):
    furnish(ledger, "r1", "r2")
    hook = Webhook(
        webhook_id="wh_1",
        url="http://127.0.0.1:9/",
        events=["promote.succeeded"],
        enabled=True,
        description=None,
        secret="s",
        created_at=NOW,
    )
    ledger.webhooks.add(hook)
    ledger.decisions.record(draft("r1"), None)
    before = ledger.decisions.verify()
    with pytest.raises(Moved):
        ledger.decisions.record(draft("r2", "act_2", event="promote.succeeded", message={}), None)
    assert (ledger.decisions.verify(), ledger.outbox.list(limit=10)) == (before, [])
    assert ledger.decisions.pointer("agent_x", "prod").release_id == "r1"


def test_a_b_a_is_not_taken_for_a(ledger):
    """Who decided when A was live the first time decides again, though A is live again."""
    furnish(ledger, "r1", "r2")
    ledger.decisions.record(draft("r1", "act_1"), None)
    first = ledger.decisions.pointer("agent_x", "prod")
    ledger.decisions.record(draft("r2", "act_2"), first)
    ledger.decisions.record(draft("r1", "act_3", action="rollback"), ledger.decisions.pointer("agent_x", "prod"))
    with pytest.raises(Moved):
        ledger.decisions.record(draft("r2", "act_4"), first)


@pytest.mark.contract("C3.18")
def test_a_failed_transaction_leaves_no_gap(ledger):
    furnish(ledger, "r1", "r2")
    ledger.decisions.record(draft("r1", "act_1"), None)
    with pytest.raises(Exception, match="already holds this"):
        ledger.decisions.record(draft("r2", "act_1"), ledger.decisions.pointer("agent_x", "prod"))
    ledger.decisions.record(draft("r2", "act_2"), ledger.decisions.pointer("agent_x", "prod"))
    assert list(ledger.decisions.sequence()) == [1, 2]


@pytest.mark.contract("C3.18")
def test_decisions_of_all_agents_and_environments_share_one_sequence(ledger):
    for number, (agent, environment) in enumerate((("a", "prod"), ("b", "prod"), ("a", ""), ("a", " "))):
        ledger.decisions.record(draft("r1", f"act_{number}", agent_id=agent, environment=environment), None)
    places = [(pointer.agent_id, pointer.environment) for pointer in ledger.decisions.pointers()]
    assert places == [("a", ""), ("a", " "), ("a", "prod"), ("b", "prod")]
    assert list(ledger.decisions.sequence()) == [1, 2, 3, 4]
    assert [each.audit_seq for each in ledger.decisions.list(agent_id="a", limit=2)] == [4, 3]
    assert [each.audit_seq for each in ledger.decisions.list(environment="prod", limit=9)] == [2, 1]
    assert [each.audit_seq for each in ledger.decisions.list(before=3, limit=1)] == [2]


# --- the chain ---


def test_anyone_can_compute_a_hash_again_from_what_the_api_shows(ledger):
    three(ledger)
    before = "0" * 64
    for action_id in ("act_1", "act_2", "act_3"):
        shown = ledger.decisions.get(action_id)
        assert shown["previous"] == before
        content = rfc8785.dumps({"decision": shown["decision"], "previous": shown["previous"]})
        assert hashlib.sha256(content).hexdigest() == shown["hash"]
        found = hashlib.sha256(rfc8785.dumps(shown["evidence"])).hexdigest()
        assert found == shown["decision"]["evidence_sha256"]
        before = shown["hash"]
    assert ledger.decisions.verify() == (3, before)
    with pytest.raises(NotFound, match=r"^Unknown action: act_9$"):
        ledger.decisions.get("act_9")


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        ("UPDATE decision SET reason = 'other' WHERE audit_seq = 2", "decision 2 was changed"),
        ("UPDATE decision SET actor = 'bob' WHERE audit_seq = 2", "decision 2 was changed"),
        ("UPDATE decision SET created_at_us = created_at_us + 1 WHERE audit_seq = 2", "decision 2 was changed"),
        ("UPDATE decision SET promoted_pointer_changed = false WHERE audit_seq = 3", "decision 3 was changed"),
        ("UPDATE decision SET policy_json = '{}' WHERE audit_seq = 1", "decision 1 was changed"),
        ("UPDATE decision SET policy_json = 'x' WHERE audit_seq = 1", "decision 1 was changed"),
        ("UPDATE decision SET evidence_json = '{}' WHERE audit_seq = 2", "the evidence of decision 2 was changed"),
        ("UPDATE decision SET hash = previous_hash WHERE audit_seq = 2", "decision 2 was changed"),
        ("UPDATE decision SET previous_hash = hash WHERE audit_seq = 2", "decision 2 does not follow"),
        ("DELETE FROM decision WHERE audit_seq = 2", "decision 2 is missing"),
        ("UPDATE decision_head SET audit_seq = 2", "the last decision is 3"),
        ("DELETE FROM decision_head", "the head of the chain says 0"),
    ],
)
def test_an_edit_past_the_program_is_found(ledger, ledger_settings, edit, said):
    three(ledger)
    execute(ledger_settings, edit)
    with pytest.raises(Invalid, match=said):
        ledger.decisions.verify()


def test_deleting_the_last_decisions_is_found(ledger, ledger_settings):
    three(ledger)
    execute(ledger_settings, "UPDATE promoted SET audit_seq = 2, release_id = 'r2'")
    execute(ledger_settings, "DELETE FROM decision WHERE audit_seq = 3")
    assert list(ledger.decisions.sequence()) == [1, 2], "the numbers alone don't tell"
    with pytest.raises(Invalid, match="the last decision is 2"):
        ledger.decisions.verify()


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        ("release_id = 'rel_gone'", "release_id='rel_gone' missing from releases table"),
        ("release_id = 'r1'", "decision 3 did not make release_id='r1' live"),
    ],
)
def test_a_pointer_that_no_decision_moved_is_found(ledger, ledger_settings, edit, said):
    three(ledger)
    assert ledger.decisions.wrong_pointers() == {}
    execute(ledger_settings, f"UPDATE promoted SET {edit}")
    assert list(ledger.decisions.wrong_pointers().values()) == [said]


def test_an_empty_ledger_is_sound(ledger):
    assert ledger.decisions.verify() == (0, "0" * 64)
    assert (ledger.decisions.count_by_action(), ledger.decisions.pointers()) == ({}, [])
