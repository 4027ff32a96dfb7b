"""1.3's diff vectors through the real way: events ingested, aggregated by the store, priced, judged.

What 1.3.0 computed holds for whatever the deliberate differences D1, D2, D4 and D6 don't touch. What they do touch is
computed here a second time, run by run, in fractions, from the words of CONTRACT.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from flightdeck.errors import Invalid
from flightdeck.ingest.events import EventIngest
from flightdeck.ledger import Ledger
from flightdeck.models import Diff, DiffConfig, DiffRequest, Policy, PricingTable
from flightdeck.releases.diff import Options, compare
from flightdeck.releases.evidence import Evidence
from flightdeck.settings import BatchSettings, LedgerSettings, StoreSettings
from flightdeck.store import schema
from flightdeck.store.client import Engine
from tests.contract.diff_parts import release

VECTORS = json.loads((Path(__file__).parents[1] / "golden/diff_vectors.json").read_text())["cases"]
NOW = datetime.now(UTC)
FIRST = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    folder = tmp_path_factory.mktemp("store")
    engine = Engine.open(StoreSettings(dsn=SecretStr(f"chdb://{folder}/clickhouse")))
    schema.migrate(engine)
    yield engine
    engine.close()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger.open(LedgerSettings(db_path=tmp_path / "flightdeck.db")) as ledger:
        yield ledger


@dataclass(frozen=True)
class Case:
    """A vector with ids of its own, so that all cases share one store."""

    vector: dict[str, Any]

    def release_id(self, side: str) -> str:
        return f"rel_{self.vector['id']}_{side}"

    def events(self, side: str) -> list[dict[str, Any]]:
        """Moved from the vectors' day to the last hour, the distances kept."""
        moved = []
        for event in self.vector[f"{side}_events"]:
            at = datetime.fromisoformat(event["timestamp"])
            assert at - FIRST < timedelta(hours=1)
            moved.append(
                {
                    **event,
                    "release_id": self.release_id(side),
                    "run_id": f"{self.vector['id']}-{event['run_id']}",
                    "timestamp": (NOW - timedelta(hours=1) + (at - FIRST)).isoformat(),
                }
            )
        return moved

    def table(self, side: str) -> PricingTable:
        return PricingTable.model_validate(self.vector[f"{side}_pricing"])

    def register(self, ledger: Ledger) -> None:
        ledger.policies.set(Policy.model_validate(self.vector["policy"]), now=NOW)
        for side in ("baseline", "candidate"):
            table = self.table(side)
            if ledger.pricing.find(table.provider, table.pricing_version) is None:
                ledger.pricing.import_table(table, import_id=f"pim_{side}", now=NOW)
            ledger.releases.add(release(self.release_id(side), table.provider, table.pricing_version))

    def diff(self, ledger: Ledger, engine: Engine) -> Diff:
        request = DiffRequest(
            baseline_release_id=self.release_id("baseline"),
            candidate_release_id=self.release_id("candidate"),
            window="7d",
        )
        options = Options(config=DiffConfig.model_validate(self.vector["diff_config"]), default_environment="local")
        return compare(request, ledger, Evidence.of(engine), options, datetime.now(UTC)).diff


def ingested(ledger: Ledger, engine: Engine, events: list[dict[str, Any]]) -> None:
    """All events, each agent's by itself: those of an agent that contradicts the release are refused (D6)."""
    ingest = EventIngest(engine, ledger.release_index, BatchSettings())
    try:
        for agent in sorted({event["agent_id"] for event in events}):
            own = [event for event in events if event["agent_id"] == agent]
            body = json.dumps({"events": own}).encode()
            if agent == "agent_x":
                assert ingest.ingest(body).inserted == len(own)
            else:
                with pytest.raises(Invalid, match="agent"):
                    ingest.ingest(body)
    finally:
        ingest.close()


# --- the second computation ---


@dataclass(frozen=True)
class Expected:
    """One side by CONTRACT's words; money in USD."""

    runs: int
    unpriced: int
    cost: Fraction
    latency: Fraction | None
    errors: Fraction


def usd(value: float) -> Fraction:
    return Fraction(str(value))


def cost_of(event: dict[str, Any], table: PricingTable) -> Fraction | None:
    """D1: one bucket per token; None for a model that the table does not list."""
    usage = event["usage"]["model"]
    entry = next((entry for entry in table.entries if entry.model == usage["model"]), None)
    if entry is None:
        return None
    cached = usage["cached_input_tokens"]
    fresh = usage["input_tokens"] - (cached if cached <= usage["input_tokens"] else 0)
    price = usd(entry.input_usd_per_1k_tokens)
    cached_price = price if entry.cached_input_usd_per_1k_tokens is None else usd(entry.cached_input_usd_per_1k_tokens)
    output = usage["output_tokens"] * usd(entry.output_usd_per_1k_tokens)
    return (fresh * price + cached * cached_price + output) / 1000


def expected(events: list[dict[str, Any]], table: PricingTable) -> Expected:
    """D2: only finished runs; D6: without those of another agent, unpriced ones left out of cost."""
    finished = [event for event in events if event["type"] == "run_end" and event["agent_id"] == "agent_x"]
    costs = [cost_of(event, table) for event in finished]
    priced = [cost for cost in costs if cost is not None]
    latencies = [event["metrics"]["latency_ms"] for event in finished if event["metrics"]["latency_ms"] is not None]
    failed = sum(not event["metrics"]["success"] for event in finished)
    return Expected(
        runs=len(finished),
        unpriced=len(costs) - len(priced),
        cost=sum(priced, Fraction(0)) / len(priced) if priced else Fraction(0),
        latency=Fraction(sum(latencies), len(latencies)) if latencies else None,
        errors=Fraction(failed, len(finished)) if finished else Fraction(0),
    )


def confidence(baseline: int, candidate: int, policy: Policy, config: DiffConfig) -> tuple[str, str | None]:
    def minimum(name: str) -> int:
        own = getattr(policy, name)
        return getattr(config, name) if own is None else own

    needs = (
        ("candidate", candidate, minimum("min_candidate_runs")),
        ("baseline", baseline, minimum("min_baseline_runs")),
    )
    short = [f"{side} sample < {need} runs" for side, runs, need in needs if runs < need]
    if not short:
        return "HIGH", None
    low = minimum("min_low_runs")
    if baseline < low or candidate < low:
        return "LOW", "; ".join([*short, f"LOW floor is {low} runs"])
    return "MEDIUM", "; ".join(short)


def reasons(baseline: Expected, candidate: Expected, policy: Policy, level: tuple[str, str | None]) -> Iterator[str]:
    if policy.max_cost_per_run_usd is not None and candidate.cost > usd(policy.max_cost_per_run_usd):
        yield f"candidate cost_per_run_usd {float(candidate.cost):.6f} exceeds max {policy.max_cost_per_run_usd:.6f}"
    if (
        policy.max_latency_ms is not None
        and candidate.latency is not None
        and candidate.latency > policy.max_latency_ms
    ):
        yield f"candidate latency_ms_avg {float(candidate.latency):.2f} exceeds max {policy.max_latency_ms}"
    if policy.max_error_rate is not None and candidate.errors > usd(policy.max_error_rate):
        yield f"candidate error_rate {float(candidate.errors):.4f} exceeds max {policy.max_error_rate:.4f}"
    if policy.require_high_diff_confidence and level[0] != "HIGH":
        yield f"diff confidence is {level[0]} ({level[1]}); promotion requires HIGH"
    if candidate.unpriced and policy.max_cost_per_run_usd is not None:
        yield f"candidate unpriced share {candidate.unpriced / candidate.runs:.4f} exceeds max 0.0000"
    for side, total in (("baseline", baseline), ("candidate", candidate)):
        if total.runs == 0 and getattr(policy, f"min_{side}_runs") != 0:
            yield f"no evidence: {side} has no finished run in the window"


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
@pytest.mark.contract("C6.05", "C6.12")
def test_a_diff_is_1_3_s_but_for_the_deliberate_differences(vector, ledger, engine):
    case = Case(vector)
    case.register(ledger)
    ingested(ledger, engine, case.events("baseline") + case.events("candidate"))
    got = case.diff(ledger, engine)
    policy, config = Policy.model_validate(vector["policy"]), DiffConfig.model_validate(vector["diff_config"])
    baseline, candidate = (expected(vector[f"{side}_events"], case.table(side)) for side in ("baseline", "candidate"))
    level = confidence(baseline.runs, candidate.runs, policy, config)

    samples, metrics = got.samples, got.metrics
    assert (samples.baseline_runs, samples.baseline_unpriced_runs) == (baseline.runs, baseline.unpriced)
    assert (samples.candidate_runs, samples.candidate_unpriced_runs) == (candidate.runs, candidate.unpriced)
    assert (samples.confidence, samples.confidence_reason) == level
    assert metrics.baseline_cost_per_run_usd == float(baseline.cost)
    assert metrics.candidate_cost_per_run_usd == float(candidate.cost)
    assert metrics.delta_cost_per_run_usd == float(candidate.cost - baseline.cost)
    share = float((candidate.cost - baseline.cost) / baseline.cost) if baseline.cost > 0 else None
    assert metrics.delta_cost_per_run_pct == share
    assert metrics.baseline_latency_ms_avg == (None if baseline.latency is None else float(baseline.latency))
    assert metrics.candidate_latency_ms_avg == (None if candidate.latency is None else float(candidate.latency))
    known = baseline.latency is not None and candidate.latency is not None
    assert metrics.delta_latency_ms_avg == (float(candidate.latency - baseline.latency) if known else None)
    assert metrics.baseline_error_rate == float(baseline.errors)
    assert metrics.candidate_error_rate == float(candidate.errors)
    assert metrics.delta_error_rate == float(candidate.errors - baseline.errors)
    why = list(reasons(baseline, candidate, policy, level))
    assert (got.policy.passed, got.policy.reasons) == (not why, why)
    assert (got.verdict.status == "NODATA") == (not baseline.runs or not candidate.runs)
    assert got.verdict.gate == "legacy"
    warned = [warning.partition(":")[0] for warning in got.pricing.warnings if "left out of cost" in warning]
    sides = (("baseline", baseline), ("candidate", candidate))
    assert warned == [side for side, total in sides if total.unpriced]
    started = sum(event["type"] == "run_start" for event in vector["candidate_events"])
    assert got.data_quality.candidate.incomplete == started
    as_1_3(vector, got, baseline, candidate)


def other_cohort(event: dict[str, Any]) -> bool:
    """Whether D2 or D6 takes an event out of the cohort."""
    return event["type"] == "run_start" or event["agent_id"] != "agent_x"


def as_1_3(vector: dict[str, Any], got: Diff, baseline: Expected, candidate: Expected) -> None:
    """What 1.3.0 computed itself, wherever no deliberate difference touches it."""
    theirs = vector["expected"]
    if "raises" in theirs:
        assert baseline.unpriced or candidate.unpriced or "agent_id" in theirs["message"]
        return
    events = vector["baseline_events"] + vector["candidate_events"]
    for side, total in (("baseline", baseline), ("candidate", candidate)):
        own = vector[f"{side}_events"]
        if any(map(other_cohort, own)):
            continue
        assert getattr(got.samples, f"{side}_runs") == theirs[side]["runs"] == total.runs
        assert getattr(got.metrics, f"{side}_error_rate") == pytest.approx(theirs[side]["error_rate"], abs=1e-12)
        assert getattr(got.metrics, f"{side}_latency_ms_avg") == pytest.approx(theirs[side]["latency_ms_avg"])
        if not any(event["usage"]["model"]["cached_input_tokens"] for event in own):
            assert getattr(got.metrics, f"{side}_cost_per_run_usd") == pytest.approx(theirs[side]["cost_per_run_usd"])
    if not any(map(other_cohort, events)):
        assert got.samples.confidence == theirs["confidence"]
        assert got.samples.confidence_reason == theirs["confidence_reason"]


@pytest.mark.contract("C6.12")
def test_the_vectors_reach_all_that_is_different():
    """So that a change of the vectors can't silently leave a difference untested."""
    seen: Counter[str] = Counter()
    for vector in VECTORS:
        events = vector["baseline_events"] + vector["candidate_events"]
        seen["D1"] += any(event["usage"]["model"]["cached_input_tokens"] for event in events)
        seen["D2"] += any(event["type"] == "run_start" for event in events)
        seen["D4"] += not vector["baseline_events"] or not vector["candidate_events"]
        seen["D6 price"] += any(event["usage"]["model"]["model"] == "unpriced" for event in events)
        seen["D6 agent"] += any(event["agent_id"] != "agent_x" for event in events)
        seen["1.3"] += "raises" not in vector["expected"]
    assert min(seen.values()) > 0
