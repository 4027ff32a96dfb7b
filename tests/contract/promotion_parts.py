"""What tests of promotions are made of: releases in a ledger, and evidence as a store would answer it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NoReturn

from flightdeck.judge.cells import Cell, CellCost
from flightdeck.ledger import Ledger
from flightdeck.models import DiffConfig, Policy, PricingTable, PromotionWish
from flightdeck.pricing.tariff import PICO_PER_USD, Tariff, UsageKey
from flightdeck.releases.diff import Options
from flightdeck.releases.drivers import Drivers
from flightdeck.releases.evidence import Evidence
from flightdeck.releases.promote import Promotions, Rules
from flightdeck.store.cells import CohortCells, Wanted
from flightdeck.store.cohort import CohortQuery
from flightdeck.store.quality import Findings
from tests.contract.diff_parts import release

POLICY = Policy(
    policy_id="strict",
    max_cost_per_run_usd=4.0,
    min_candidate_runs=1,
    min_baseline_runs=1,
    require_high_diff_confidence=False,
)


def furnish(ledger: Ledger, *release_ids: str, policy: Policy = POLICY) -> None:
    """Registers releases of agent_x with prices, and sets the policy."""
    entry = {"model": "m1", "input_usd_per_1k_tokens": 1, "output_usd_per_1k_tokens": 2}
    table = PricingTable.model_validate({"provider": "openai", "pricing_version": "v1", "entries": [entry]})
    ledger.pricing.import_table(table, import_id="pim_1", now=datetime.now(UTC))
    ledger.policies.set(policy, now=datetime.now(UTC))
    for release_id in release_ids:
        ledger.releases.add(release(release_id, "openai", "v1"))


def cell(release_id: str, usd: float, tariffs: int, runs: int = 4) -> Cell:
    """Runs that cost so much each."""
    cost = round(usd * PICO_PER_USD)
    return Cell(
        release_id=release_id,
        task_id="refund",
        tenant_id="acme",
        runs=runs,
        errors=0,
        unknown_usage=0,
        latencies=0,
        latency_total=0,
        latency_squares=0,
        latency_logs=0.0,
        latency_log_squares=0.0,
        latency_cubes=0.0,
        latency_max=0,
        input_tokens=1000,
        cached_input_tokens=0,
        cache_creation_input_tokens=0,
        output_tokens=10,
        reasoning_tokens=0,
        tool_invocations=0,
        costs=tuple(CellCost(unpriced=0, total=runs * cost, squares=runs * cost * cost) for _ in range(tariffs)),
    )


def evidence(**usd: float) -> Evidence:
    """A store in which each of these releases has four runs that cost so much; no others have any."""

    def cells(cohort: CohortQuery, tariffs: Sequence[Tariff], wanted: Wanted) -> CohortCells:
        assert wanted == Wanted(judged=wanted.judged)
        own = [cell(id_, usd[id_], len(tariffs)) for id_ in dict.fromkeys(cohort.release_ids) if id_ in usd]
        return CohortCells(started=own, others=[], open_runs={}, odd={}, left_out={})

    def unasked(*_: object, **__: object) -> NoReturn:
        raise AssertionError("asked without need")

    return Evidence(
        usage_keys=lambda cohort: {id_: [UsageKey("openai", "m1", 0)] for id_ in cohort.release_ids},
        cells=cells,
        hourly=unasked,
        histogram=unasked,
        findings=lambda *_: Findings(),
        drivers=Drivers(unasked, unasked),
        charted=unasked,
    )


def promotions(ledger: Ledger, store: Evidence, **rules: bool) -> Promotions:
    """The promotions of a workspace with these rules."""
    return Promotions(ledger, lambda: store, Rules(diff=Options(DiffConfig(), "local"), **rules))


def wish(release_id: str, **changes: str) -> PromotionWish:
    """A release that shall go live in prod."""
    values = {"release_id": release_id, "environment": "prod", "window": "7d", "reason": "better", "actor": "ann"}
    return PromotionWish.model_validate({**values, **changes})
