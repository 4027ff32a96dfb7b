"""What promotes, what blocks, what rolls back; on what evidence, and judged again from it. On both databases."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from flightdeck.errors import Blocked, Busy, Forbidden, Invalid, StoreUnavailable
from flightdeck.judge import evidence as grounds_
from flightdeck.ledger.looks import Pair
from flightdeck.models import Confirmation, DiffConfig, Policy, PricingTable, Statistics
from flightdeck.models.policy import PolicyScope
from flightdeck.releases import promote, record
from flightdeck.releases.diff import Options
from flightdeck.releases.evidence import Evidence
from flightdeck.releases.promote import Promotions, Rules
from flightdeck.releases.rejudge import rejudge
from flightdeck.releases.retrial import retried
from tests.contract.promotion_parts import POLICY, cell, evidence, furnish, promotions, wish

FIRST = "first promotion: no promoted baseline for agent/environment"
TOO_DEAR = "candidate cost_per_run_usd 9.000000 exceeds max 4.000000"


def closed() -> Evidence:
    raise StoreUnavailable("ClickHouse does not answer.")


def unreachable(ledger, **rules) -> Promotions:
    """The promotions of a workspace whose store is down."""
    return Promotions(ledger, closed, Rules(diff=Options(DiffConfig(), "local"), **rules))


@pytest.fixture
def furnished(ledger):
    furnish(ledger, "cheap", "same", "dear", "unused")
    return ledger


@pytest.fixture
def store():
    return evidence(cheap=1.0, same=1.0, dear=9.0)


# --- promote ---


def test_a_request_of_1_3_in_an_empty_environment_is_not_confirmed(furnished, store):
    own = promotions(furnished, store, requires_approval=True)
    asked = own.request(wish("cheap"))
    furnished.requests.add(asked.model_copy(update={"request_id": "prq_imported", "environment": ""}))
    with pytest.raises(Invalid, match="The environment is empty"):
        own.confirm(Confirmation(request_id="prq_imported", approval_reason="ok", actor="bob"))
    assert furnished.decisions.pointer("agent_x", "") is None
    own.confirm(Confirmation(request_id=asked.request_id, approval_reason="ok", actor="bob"))


@pytest.mark.contract("C6.08")
def test_the_first_promotion_passes_without_any_evidence_whatever_the_window(furnished):
    """1.3 documents it; so it needs no store (D4)."""
    outcome = unreachable(furnished).promote(wish("unused", window="bogus"))
    assert (outcome.policy.passed, outcome.policy.reasons) == (True, [FIRST])
    assert (outcome.baseline_release_id, outcome.promoted_pointer_changed) == (None, True)


@pytest.mark.contract("C6.09")
def test_a_promotion_is_judged_against_the_live_release_and_moves_the_pointer(furnished, store):
    own = promotions(furnished, store)
    own.promote(wish("cheap"))
    outcome = own.promote(wish("same"))
    assert (outcome.baseline_release_id, outcome.policy.reasons) == ("cheap", [])
    assert furnished.decisions.pointer("agent_x", "prod").release_id == "same"
    assert furnished.decisions.pointer("agent_x", "staging") is None, "an environment is a place of its own"


@pytest.mark.contract("C3.11")
def test_a_release_is_promoted_in_whatever_environment_is_asked_for(furnished, store):
    """The one it was registered with is a label."""
    assert furnished.releases.get("cheap").environment == "local"
    promotions(furnished, store).promote(wish("cheap", environment="elsewhere"))
    assert furnished.decisions.pointer("agent_x", "elsewhere").release_id == "cheap"
    assert furnished.decisions.pointer("agent_x", "local") is None


@pytest.mark.contract("C3.18")
def test_a_blocked_promotion_is_recorded_and_moves_nothing(furnished, store):
    own = promotions(furnished, store)
    own.promote(wish("cheap"))
    with pytest.raises(Blocked) as blocked:
        own.promote(wish("dear"))
    assert (blocked.value.message, blocked.value.reasons) == ("Promotion blocked by policy.", (TOO_DEAR,))
    last = furnished.decisions.list(limit=1)[0]
    assert blocked.value.outcome == last.outcome().model_dump(mode="json")
    assert (last.audit_seq, last.promoted_pointer_changed, last.policy.reasons) == (2, False, [TOO_DEAR])
    assert furnished.decisions.pointer("agent_x", "prod").release_id == "cheap"


def test_no_evidence_is_no_pass(furnished, store):
    """1.3 took a candidate that nobody ran for free and without errors (D4)."""
    own = promotions(furnished, store)
    own.promote(wish("cheap"))
    with pytest.raises(Blocked, match=r"Promotion blocked by policy\.") as blocked:
        own.promote(wish("unused"))
    assert "no evidence: candidate has no finished run in the window" in blocked.value.reasons


def test_a_policy_may_say_on_purpose_that_no_evidence_is_enough(furnished, store):
    loose = POLICY.model_copy(update={"min_candidate_runs": 0})
    furnished.policies.set(loose, now=datetime.now(UTC))
    own = promotions(furnished, store)
    own.promote(wish("cheap"))
    assert own.promote(wish("unused")).policy.passed


def test_the_policy_of_the_agent_and_environment_decides_before_the_one_for_all(furnished, store):
    own = promotions(furnished, store)
    own.promote(wish("cheap"))
    for scope, most in (
        (PolicyScope(agent_id="agent_x", environment="prod"), 100),
        (PolicyScope(agent_id="agent_y"), 0),
        (PolicyScope(environment="dev"), 0),
    ):
        policy = POLICY.model_copy(update={"max_cost_per_run_usd": most})
        furnished.policies.set(policy, now=datetime.now(UTC), scope=scope)
    assert own.promote(wish("dear")).policy.passed
    furnished.policies.remove(PolicyScope(agent_id="agent_x", environment="prod"), now=datetime.now(UTC))
    with pytest.raises(Blocked):
        own.promote(wish("dear"))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"release_id": "rel_nope"}, r"^Unknown release: rel_nope$"),
        ({"reason": "  "}, r"^Reason is required for promote/rollback actions\.$"),
        ({"window": "bogus"}, r"^Invalid window: bogus$"),
        ({"reason": "x\0"}, "reason holds a NUL"),
        ({"reason": "x" * 9001}, "reason has 9001 characters"),
        ({"actor": "a" * 257}, "actor has 257 characters"),
    ],
)
def test_what_can_not_be_decided_is_not_recorded(furnished, store, changes, said):
    own = promotions(furnished, store)
    own.promote(wish("cheap"))
    for act in (own.promote, own.rollback):
        with pytest.raises(Invalid, match=said):
            act(wish("same", **changes) if "release_id" not in changes else wish(**changes))
    assert furnished.decisions.verify()[0] == 1


def test_a_promotion_without_a_store_is_an_error_that_passes(furnished):
    own = unreachable(furnished)
    own.promote(wish("cheap"))
    with pytest.raises(StoreUnavailable):
        own.promote(wish("same"))
    assert furnished.decisions.verify()[0] == 1


def test_a_pointer_that_moves_while_it_is_judged_makes_it_be_judged_again(furnished, store):
    """Another server promotes while this one asks the store: the decision is made on what is live by then."""
    other = promotions(furnished, store)
    other.promote(wish("cheap"))
    asked = []

    def cells(cohort, tariffs, wanted):
        asked.append(cohort.release_ids)
        if len(asked) == 1:
            other.promote(wish("same", reason="quicker"))
        return store.cells(cohort, tariffs, wanted)

    slow = replace(store, cells=cells)
    outcome = promotions(furnished, slow).promote(wish("cheap"))
    assert outcome.baseline_release_id == "same"
    assert asked == [("cheap",), ("same", "cheap")]


def test_who_waits_too_long_for_others_is_told_to_come_back(furnished, store, monkeypatch):
    monkeypatch.setattr(promote, "PATIENCE_S", 0.0)
    own, other = promotions(furnished, store), promotions(furnished, store)
    own.promote(wish("cheap"))

    def cells(cohort, tariffs, wanted):
        other.promote(wish("same"))  # always ahead
        return store.cells(cohort, tariffs, wanted)

    with pytest.raises(Busy, match="at the same time"):
        promotions(furnished, replace(store, cells=cells)).promote(wish("cheap"))


# --- roll back ---


@pytest.mark.contract("C6.09")
def test_there_is_nothing_to_roll_back_to_before_a_promotion(furnished, store):
    with pytest.raises(Invalid, match=r"^No promoted release exists for this agent/environment; nothing to roll back"):
        promotions(furnished, store).rollback(wish("cheap"))


def test_what_was_live_before_comes_back_whatever_the_policy_says_and_that_is_recorded(furnished, store):
    """In the middle of an incident the gate must not be in the way (D5)."""
    own = promotions(furnished, store)
    own.promote(wish("dear"))
    own.promote(wish("cheap"))
    outcome = own.rollback(wish("dear"))
    assert (outcome.action, outcome.promoted_pointer_changed) == ("rollback", True)
    assert (outcome.policy.passed, outcome.policy.reasons) == (False, [TOO_DEAR])
    assert furnished.decisions.pointer("agent_x", "prod").release_id == "dear"
    shown = furnished.decisions.get(outcome.action_id)
    assert shown["evidence"]["diff"]["policy"]["reasons"] == [TOO_DEAR]


def test_what_was_live_before_comes_back_though_the_store_is_down(furnished, store):
    own = promotions(furnished, store)
    own.promote(wish("dear"))
    own.promote(wish("cheap"))
    outcome = unreachable(furnished).rollback(wish("dear"))
    assert outcome.promoted_pointer_changed
    assert outcome.policy.reasons == ["not evaluated: ClickHouse does not answer."]


@pytest.mark.contract("C6.09")
def test_what_was_never_live_there_has_to_pass_the_policy(furnished, store):
    own = promotions(furnished, store)
    own.promote(wish("dear", environment="staging"))
    own.promote(wish("cheap"))
    with pytest.raises(Blocked, match=r"^Rollback blocked by policy\.$"):
        own.rollback(wish("dear"))
    assert own.rollback(wish("same")).promoted_pointer_changed
    with pytest.raises(Blocked):
        own.promote(wish("dear"))
    with pytest.raises(Blocked):
        own.rollback(wish("dear"))  # a blocked promotion did not make it live


def test_rollback_requires_policy_brings_the_gate_back(furnished, store):
    own = promotions(furnished, store, rollback_requires_policy=True)
    own.promote(wish("dear"))
    own.promote(wish("cheap"))
    with pytest.raises(Blocked, match="Rollback blocked by policy"):
        own.rollback(wish("dear"))
    assert furnished.decisions.pointer("agent_x", "prod").release_id == "cheap"
    with pytest.raises(StoreUnavailable):
        unreachable(furnished, rollback_requires_policy=True).rollback(wish("dear"))


# --- approvals ---


def test_with_approvals_a_promotion_takes_a_request_and_a_confirmation(furnished, store):
    own = promotions(furnished, store, requires_approval=True)
    with pytest.raises(Invalid, match="promotion_requires_approval=true: use promote-request then promote-confirm"):
        own.promote(wish("cheap"))
    request = own.request(wish("cheap", reason=" ready "))
    assert furnished.decisions.pointers() == []
    outcome = own.confirm(Confirmation(request_id=request.request_id, approval_reason=" fine ", actor="bob"))
    (decision,) = furnished.decisions.list(limit=9)
    assert (decision.reason, decision.actor) == (" ready  | approval:  fine ", "bob")
    assert (decision.request_id, decision.action_id) == (request.request_id, outcome.action_id)
    assert own.rollback(wish("cheap")).promoted_pointer_changed, "a rollback waits for nobody"


@pytest.mark.contract("C2.23")
def test_without_approvals_there_are_no_requests(furnished, store):
    with pytest.raises(Invalid, match=r"promotion_requires_approval is false in flightdeck\.yaml"):
        promotions(furnished, store).request(wish("cheap"))


@pytest.mark.contract("C2.23")
def test_a_request_that_the_policy_does_not_allow_is_not_recorded(furnished, store):
    own = promotions(furnished, store, requires_approval=True)
    first = own.request(wish("cheap"))
    own.confirm(Confirmation(request_id=first.request_id, approval_reason="ok"))
    with pytest.raises(Blocked) as blocked:
        own.request(wish("dear"))
    assert blocked.value.message == (f"Policy does not allow this promotion; request not recorded. Reasons: {TOO_DEAR}")
    assert len(furnished.requests.list(limit=9)) == 1


@pytest.mark.contract("C2.24")
def test_a_confirmation_that_the_policy_does_not_allow_any_more_leaves_the_request_pending(furnished, store):
    own = promotions(furnished, store, requires_approval=True)
    first = own.request(wish("cheap"))
    own.confirm(Confirmation(request_id=first.request_id, approval_reason="ok"))
    second = own.request(wish("same"))
    furnished.policies.set(Policy(max_cost_per_run_usd=0.5), now=datetime.now(UTC))
    with pytest.raises(Blocked, match="Promotion blocked by policy"):
        own.confirm(Confirmation(request_id=second.request_id, approval_reason="ok"))
    assert [request.status for request in furnished.requests.list(limit=9)] == ["pending", "completed"]
    assert furnished.decisions.list(limit=1)[0].request_id == second.request_id
    assert [request.request_id for request in furnished.requests.list(status="pending", limit=9)] == [second.request_id]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"request_id": "prq_nope"}, r"^Unknown promotion request_id or request is not pending\.$"),
        ({"approval_reason": " "}, r"^approval_reason is required for promote-confirm\.$"),
    ],
)
@pytest.mark.contract("C2.24")
def test_a_confirmation_names_a_pending_request_and_a_reason(furnished, store, changes, said):
    own = promotions(furnished, store, requires_approval=True)
    request = own.request(wish("cheap"))
    with pytest.raises(Invalid, match=said):
        own.confirm(Confirmation(**{"request_id": request.request_id, "approval_reason": "ok", **changes}))


def test_four_eyes_take_two_people_who_say_who_they_are(furnished, store):
    """In 1.3 one person could request and confirm (D13)."""
    own = promotions(furnished, store, requires_approval=True, four_eyes=True)
    for nameless in ("http", "sdk", "unknown"):
        with pytest.raises(Invalid, match="say who you are"):
            own.request(wish("cheap", actor=nameless))
    request = own.request(wish("cheap", actor="Ann"))
    confirmation = Confirmation(request_id=request.request_id, approval_reason="ok", actor=" ann ")
    with pytest.raises(Forbidden, match="can't confirm it"):
        own.confirm(confirmation)
    with pytest.raises(Invalid, match="say who you are"):
        own.confirm(confirmation.model_copy(update={"actor": "http"}))
    assert own.confirm(confirmation.model_copy(update={"actor": "bob"})).promoted_pointer_changed


# --- the evidence ---


def test_a_decision_keeps_cells_prices_and_policy_and_is_judged_again_from_them(furnished, store):
    own = promotions(furnished, store)
    own.promote(wish("cheap"))
    with pytest.raises(Blocked) as blocked:
        own.promote(wish("dear"))
    # What was true then is not true any more: another policy, another price.
    furnished.policies.set(Policy(policy_id="later"), now=datetime.now(UTC))
    entry = {"model": "m1", "input_usd_per_1k_tokens": 77, "output_usd_per_1k_tokens": 77}
    later = PricingTable.model_validate({"provider": "openai", "pricing_version": "v1", "entries": [entry]})
    furnished.pricing.import_table(later, import_id="pim_2", now=datetime.now(UTC), replace=True, reason="x")

    kept = furnished.decisions.get(blocked.value.outcome["action_id"])["evidence"]
    assert (kept["format"], kept["policy"]["policy_id"]) == (2, "strict")
    assert kept["prices"][0]["rows"][0]["input"] == 10**9, "1 USD per 1,000 tokens in pico-USD per token"
    grounds = record.kept_evidence(kept)
    assert [arm.cells for arm in grounds.arms] == [(cell("cheap", 1.0, 1),), (cell("dear", 9.0, 1),)]
    assert grounds.candidate.cells[0].costs[0].squares == 4 * (9 * 10**12) ** 2 > 2**53

    again = rejudge(kept)
    assert again.policy.reasons == [TOO_DEAR]
    assert record.plain(again.verdict) == kept["diff"]["verdict"]
    assert again.verdict.status == "INCONCLUSIVE", "four runs a side are too few for more than 1.3's limits"


def test_long_evidence_is_kept_compressed_and_read_back_to_the_bit():
    cells = tuple(replace(cell("r1", 123456.789, 2), tenant_id=f"tenant {number}") for number in range(2_000))
    own = grounds_.Arm("r1", cells), grounds_.Arm("r2", tuple(replace(one, release_id="r2") for one in cells))
    given = grounds_.Evidence(*own, as_of="2026-11-24T12:00:00+00:00")
    kept = record.packed(given.to_json())
    assert kept.startswith(record.PACKED)
    assert len(kept) < len(given.to_json()) / 10
    assert record.kept_evidence({"evidence": kept}) == given
    assert record.kept_evidence({"evidence": given.to_json()}) == given


@pytest.mark.parametrize("text", [7, "", "{}", "zlib:", "zlib:!", "zlib:AAAA"])
def test_evidence_that_is_none_is_told_in_one_line(text):
    with pytest.raises(Invalid, match="evidence"):
        record.kept_evidence({"evidence": text})


def test_the_gate_of_the_policy_decides_promotions(furnished, store):
    """Cheap against same: 1.3's limits pass, the verdict lacks runs."""
    promotions(furnished, store).promote(wish("cheap"))
    verdicts = {}
    for gate, allow in (("legacy", "block"), ("verdict", "block"), ("both", "block"), ("both", "allow")):
        statistics = Statistics(gate=gate, on_inconclusive=allow, time_check="off")
        furnished.policies.set(POLICY.model_copy(update={"statistics": statistics}), now=datetime.now(UTC))
        try:
            verdicts[gate, allow] = promotions(furnished, store).promote(wish("cheap")).policy.passed
        except Blocked as error:
            verdicts[gate, allow] = error.reasons[0].partition(":")[0]
    assert verdicts == {
        ("legacy", "block"): True,
        ("verdict", "block"): "verdict INCONCLUSIVE",
        ("both", "block"): "verdict INCONCLUSIVE",
        ("both", "allow"): True,
    }


def test_a_decision_on_a_fixed_test_is_a_look_at_it_and_on_limits_or_a_sequential_one_is_none(furnished, store):
    own = promotions(furnished, store)
    own.promote(wish("cheap"))
    pair = Pair("cheap", "same", "prod")
    for policy, looks in (
        (POLICY, 0),
        (POLICY.model_copy(update={"statistics": Statistics(sequential=True, time_check="off")}), 0),
        (POLICY.model_copy(update={"statistics": Statistics(time_check="off")}), 1),
        (POLICY.model_copy(update={"statistics": Statistics(on_inconclusive="allow", time_check="off")}), 2),
    ):
        furnished.policies.set(policy, now=datetime.now(UTC))
        own.rollback(wish("cheap"))
        with contextlib.suppress(Blocked):
            own.promote(wish("same"))
        assert furnished.looks.fixed(pair) == looks


def test_another_policy_is_tried_on_a_decision_and_what_can_not_be_known_is_a_note(furnished, store):
    own = promotions(furnished, store)
    own.promote(wish("cheap"))
    with pytest.raises(Blocked):
        own.promote(wish("dear"))
    blocked, first = furnished.decisions.list(limit=2)
    kept = furnished.decisions.get(blocked.action_id)["evidence"]

    def tried(evidence, **policy):
        return retried(blocked, evidence, POLICY.model_copy(update=policy))

    loose = tried(kept, max_cost_per_run_usd=10)
    assert (loose.then.passed, loose.now.passed, loose.now.status, loose.note) == (False, True, "INCONCLUSIVE", "")
    former = {name: value for name, value in kept.items() if name != "evidence"}
    limits = tried({**former, "format": 1}, statistics=Statistics(gate="verdict"))
    assert (limits.now.status, limits.note) == (None, "only limits can be judged: it keeps sums, not cells")
    assert tried({"format": 1, "asked": [], "error": "x"}).note == "no evidence was kept"
    assert tried({**kept, "evidence": "{}"}).note.startswith("this is not evidence of a verdict")
    assert retried(first, {"format": 2}, POLICY).note == "the first promotion: nothing was compared"


def test_decisions_of_earlier_versions_can_still_be_read(furnished, store):
    """Format 1 kept the store's answers, and only 1.3's limits were judged."""
    own = promotions(furnished, store)
    own.promote(wish("cheap"))
    with pytest.raises(Blocked) as blocked:
        own.promote(wish("dear"))
    kept = furnished.decisions.get(blocked.value.outcome["action_id"])["evidence"]
    before = {key: kept[key] for key in ("request", "as_of", "policy", "config", "diff")}
    before |= {"format": 1, "asked": [{"question": "usage_keys", "arguments": [], "answer": []}]}
    before["diff"]["verdict"] = {"status": "FAIL", "reasons": [], "warnings": []}
    again = rejudge(before)
    assert (again.policy.reasons, again.verdict.status, again.verdict.gate) == ([TOO_DEAR], "FAIL", None)
