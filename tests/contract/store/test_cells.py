"""Cells: sums over runs, recomputed here run by run in plain Python from what the runs say."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import timedelta
from fractions import Fraction
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from flightdeck.judge.cells import (
    BIN_BASE,
    MERGED_TENANTS,
    MOST_TASKS,
    MOST_TENANTS,
    OTHER_TASK,
    Bin,
    Cell,
    CellCost,
    merged,
)
from flightdeck.models import RunEvent
from flightdeck.otel.calls import ModelUsage
from flightdeck.pricing.tariff import ALWAYS_SINCE_US, ALWAYS_UNTIL_US, MAX_PRICE_PICO, PriceRow, Tariff, UsageKey
from flightdeck.store import folding
from flightdeck.store.cells import cells as both_cells
from flightdeck.store.cells import usage_keys
from flightdeck.store.client import Engine
from flightdeck.store.cohort import CohortQuery
from flightdeck.store.eventrows import MOST_LATENCY_MS, MOST_TOKENS, row_of
from flightdeck.store.events import insert_events
from flightdeck.store.histograms import histogram as histogram_of
from flightdeck.store.runs import replace
from tests.stored import NOON, NOON_US, RELEASE, SECOND_US, cohort, event, row, run, traced

few = settings(
    max_examples=25,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking over a store takes minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
fresh = count()
PICO = 10**12
DAY_S = 86_400


def price(provider: str = "openai", model: str = "gpt-4.1", tier: int = 0, **changes: Any) -> PriceRow:
    values = {"input": 100, "cached": 10, "creation": 130, "output": 1000, "call": 7}
    since = changes.pop("since_us", ALWAYS_SINCE_US)
    until = changes.pop("until_us", ALWAYS_UNTIL_US)
    return PriceRow(provider, model, tier, since, until, **{**values, **changes})


def cells(engine: Engine, asked: CohortQuery, priced_by: Sequence[Tariff] = ()) -> list[Cell]:
    """All runs that ended in the window, a cell for each release, task and tenant."""
    return merged(both_cells(engine, asked, priced_by).ended)


def histogram(engine: Engine, asked: CohortQuery, metric: Any, *, by_tenant: bool = False) -> list[Bin]:
    """The histogram of the same cohort's runs that started in it."""
    seen = both_cells(engine, asked).started
    return histogram_of(engine, asked, metric, seen, by_tenant=by_tenant, by_task=False)


def spent(cost: CellCost) -> tuple[int, int, int]:
    """What is asked here of a cost."""
    return cost.unpriced, cost.total, cost.squares


def summed(found: list[Cell]) -> dict[str, Any]:
    """Sums over all cells of what may be added."""
    return {
        "runs": sum(cell.runs for cell in found),
        "errors": sum(cell.errors for cell in found),
        "latency": sum(cell.latency_total for cell in found),
        "cost": sum(cell.costs[0].total for cell in found),
        "squares": sum(cell.costs[0].squares for cell in found),
        "unpriced": sum(cell.costs[0].unpriced for cell in found),
    }


# --- the same, run by run -----------------------------------------------------------------------------

# Few names, so that most runs find a price.
models = st.sampled_from(["m1", "m:2"])
providers = st.sampled_from(["p", ""])
amounts = st.one_of(st.integers(0, 5000), st.integers(0, 10**15), st.integers(0, 10**20))
model_rows = st.fixed_dictionaries(
    {"provider": providers, "model": models},
    optional={
        "input_tier": st.integers(0, 1),
        "calls": amounts,
        "input_tokens": amounts,
        "cached_input_tokens": amounts,
        "cache_creation_input_tokens": amounts,
        "output_tokens": amounts,
        "reasoning_tokens": amounts,
    },
)
offsets_us = st.integers(-30 * 3600 * SECOND_US, 30 * 3600 * SECOND_US)
runs = st.fixed_dictionaries(
    {
        "release": st.sampled_from(["a", "b", "c"]),
        "environment": st.sampled_from(["prod", "prod", "prod", "dev"]),
        "tenant_id": st.sampled_from(["t1", "t2", "t3"]),
        "task_id": st.sampled_from(["k1", "k2"]),
        "type": st.sampled_from(["run_end", "run_end", "run_end", "run_start"]),
        "run_kind": st.sampled_from(["agent", "chain", "request", "llm_call"]),
        "offset_us": offsets_us,
        "latency_ms": st.one_of(st.none(), st.integers(0, 3), st.integers(0, 10**6), st.integers(0, 10**15)),
        "success": st.booleans(),
        "models": st.lists(model_rows, max_size=4),
        "tools": st.lists(st.integers(0, 9), max_size=2),
        "calls_without_usage": st.integers(0, 2),
    }
)
prices = st.integers(0, MAX_PRICE_PICO)
tariffs = st.lists(
    st.tuples(
        providers, models, st.integers(0, 1), st.lists(st.tuples(prices, prices, prices, prices, prices), min_size=4)
    ),
    unique_by=lambda row: row[:3],
    min_size=5,
    max_size=8,
)


def priced(rows: list[tuple[str, str, int, list[tuple[int, ...]]]], style: str) -> Tariff:
    """A tariff of always valid prices, of prices that change at noon, or of prices that depend on the hour."""
    found = []
    for provider, model, tier, values in rows:
        first, second, third, fourth = (
            dict(zip(("input", "cached", "creation", "output", "call"), value, strict=True)) for value in values[:4]
        )
        if style == "always":
            found.append(price(provider, model, tier, **first))
        elif style == "dated":
            early = NOON_US - 10 * 3600 * SECOND_US
            found.append(price(provider, model, tier, until_us=early, **first))
            found.append(price(provider, model, tier, since_us=NOON_US, **second))  # nothing in between
        else:
            half = DAY_S // 2
            found += [
                price(provider, model, tier, until_us=NOON_US, day_until_s=half, **first),
                price(provider, model, tier, until_us=NOON_US, day_since_s=half, **second),
                price(provider, model, tier, since_us=NOON_US, day_until_s=half, **third),
                price(provider, model, tier, since_us=NOON_US, day_since_s=half + 3600, **fourth),
            ]
    return Tariff(style, found)


def cost_of(one: RunEvent, tariff: Tariff) -> Fraction | None:
    """USD, from the words of CONTRACT D1 and D7; None where some model has no price."""
    moment = int((one.timestamp - NOON) / timedelta(microseconds=1)) + NOON_US
    total = Fraction(0)
    if not one.usage.models:
        return None
    for used in one.usage.models:
        fitting = [
            row
            for row in tariff.rows
            if (row.provider, row.model, row.input_tier) == (used.provider, used.model, used.input_tier or 0)
            and row.since_us <= moment < row.until_us
            and row.day_since_s <= moment // SECOND_US % DAY_S < row.day_until_s
        ]
        if not fitting:
            return None
        (row,) = fitting
        input_, cached, creation, output, calls = (
            min(value, MOST_TOKENS)
            for value in (
                used.input_tokens,
                used.cached_input_tokens,
                used.cache_creation_input_tokens,
                used.output_tokens,
                used.calls,
            )
        )
        apart = cached + creation > input_
        fresh_tokens = input_ if apart else input_ - cached - creation
        for tokens, pico in (
            (fresh_tokens, row.input),
            (cached, row.cached),
            (creation, row.creation),
            (output, row.output),
            (calls, row.call),
        ):
            total += Fraction(tokens * pico, PICO)
    return total


class TestExact:
    """Every sum is what plain arithmetic makes of the runs."""

    @few
    @given(
        made=st.lists(runs, max_size=40),
        rows=tariffs,
        style=st.sampled_from(["always", "dated", "hourly"]),
        tenant=st.sampled_from([None, "t1"]),
        task=st.sampled_from([None, "k1"]),
    )
    def test_cells_are_the_sums_over_runs(
        self,
        engine: Engine,
        made: list[dict[str, Any]],
        rows: list[tuple[str, str, int, list[tuple[int, ...]]]],
        style: str,
        tenant: str | None,
        task: str | None,
    ) -> None:
        mark = f"rel{next(fresh)}"
        sent = []
        for number, values in enumerate(made):
            sent.append(
                event(
                    f"{mark}-{number}",
                    timestamp=NOON + timedelta(microseconds=values["offset_us"]),
                    release_id=f"{mark}{values['release']}",
                    environment=values["environment"],
                    tenant_id=values["tenant_id"],
                    task_id=values["task_id"],
                    type=values["type"],
                    run_kind=values["run_kind"],
                    metrics={"latency_ms": values["latency_ms"], "success": values["success"]},
                    usage={
                        "model": {"provider": "", "model": "", "input_tokens": number, "output_tokens": 3},
                        "models": values["models"],
                        "tools": [{"tool_name": "t", "invocations": times} for times in values["tools"]],
                        "calls_without_usage": values["calls_without_usage"],
                    },
                )
            )
        if sent:
            insert_events(engine, [list(map(row_of, sent))], now_us=NOON_US)
        asked = cohort(f"{mark}a", f"{mark}b", tenant_id=tenant, task_id=task)
        tariff = priced(rows if tenant is None else rows[:2], style)
        found = cells(engine, asked, [tariff, Tariff("none", [])])

        inside = [
            one
            for one in sent
            if one.release_id in asked.release_ids
            and one.environment == "prod"
            and asked.since <= one.timestamp < asked.until
            and one.type == "run_end"
            and (tenant is None or one.tenant_id == tenant)
            and (task is None or one.task_id == task)
        ]
        if any(one.run_kind != "llm_call" for one in inside):
            inside = [one for one in inside if one.run_kind != "llm_call"]
        groups: dict[tuple[str, str, str], list[RunEvent]] = defaultdict(list)
        for one in inside:
            groups[one.release_id, one.task_id, one.tenant_id].append(one)
        assert [(cell.release_id, cell.task_id, cell.tenant_id) for cell in found] == sorted(groups)
        for cell in found:
            of = groups[cell.release_id, cell.task_id, cell.tenant_id]
            latencies = [
                min(one.metrics.latency_ms, MOST_LATENCY_MS) for one in of if one.metrics.latency_ms is not None
            ]
            logs = [math.log(max(latency, 1)) for latency in latencies]
            assert cell.runs == len(of)
            assert cell.errors == sum(not one.metrics.success for one in of)
            assert cell.unknown_usage == sum(one.usage.calls_without_usage > 0 for one in of)
            assert cell.latencies == len(latencies)
            assert cell.latency_total == sum(latencies)
            assert cell.latency_squares == sum(latency**2 for latency in latencies)
            assert cell.latency_logs == pytest.approx(math.fsum(logs))
            assert cell.latency_log_squares == pytest.approx(math.fsum(log**2 for log in logs))
            assert cell.latency_cubes == pytest.approx(float(sum(latency**3 for latency in latencies)))
            assert cell.latency_max == max(latencies, default=0)
            assert cell.input_tokens == sum(one.usage.model.input_tokens for one in of)
            assert cell.output_tokens == sum(one.usage.model.output_tokens for one in of)
            assert cell.tool_invocations == sum(tool.invocations for one in of for tool in one.usage.tools)
            for name, sums in (
                ("cache_creation_input_tokens", cell.cache_creation_input_tokens),
                ("reasoning_tokens", cell.reasoning_tokens),
            ):
                assert sums == sum(min(getattr(used, name), MOST_TOKENS) for one in of for used in one.usage.models)
            own, none = cell.costs
            costs = [cost_of(one, tariff) for one in of]
            known = [cost for cost in costs if cost is not None]
            assert own.unpriced == len(costs) - len(known)
            assert Fraction(own.total, PICO) == sum(known)
            assert Fraction(own.squares, PICO**2) == sum(cost**2 for cost in known)
            assert spent(none) == (len(of), 0, 0)
        keys = {
            UsageKey(used.provider, used.model, used.input_tier or 0) for one in inside for used in one.usage.models
        }
        assert keys <= {key for own in usage_keys(engine, asked).values() for key in own}

    def test_every_token_falls_in_one_bucket(self, engine: Engine) -> None:
        """D1, at its edge: cached and created tokens are all of the input; one more, and they are counted apart."""
        shapes = {"some": (100, 60, 20), "all": (100, 60, 40), "apart": (100, 60, 41), "none": (100, 0, 0)}
        for name, (input_, cached, creation) in shapes.items():
            used = [ModelUsage("openai", "gpt-4.1", 0, 1, input_, cached, creation, output=5)]
            replace(engine, [traced(run(next(fresh) + 1, tenant_id=name, models=used))], now_us=NOON_US)
        found = cells(engine, cohort(), [Tariff("t", [price()])])
        rest = 5 * 1000 + 7
        assert {cell.tenant_id: cell.costs[0].total for cell in found} == {
            "some": 20 * 100 + 60 * 10 + 20 * 130 + rest,
            "all": 60 * 10 + 40 * 130 + rest,
            "apart": 100 * 100 + 60 * 10 + 41 * 130 + rest,
            "none": 100 * 100 + rest,
        }

    def test_the_largest_values_do_not_overflow(self, engine: Engine) -> None:
        """1,000 runs of the largest latency, tokens and prices, in 100 model rows each."""
        used = [
            {"provider": "p", "model": f"m{number}", "calls": 10**40, "input_tokens": 10**40, "output_tokens": 10**40}
            for number in range(100)
        ]
        usage = {"model": {"provider": "p", "model": "m", "input_tokens": 0, "output_tokens": 0}, "models": used}
        made = [row(f"run-{n}", usage=usage, metrics={"latency_ms": 10**40}) for n in range(1000)]
        insert_events(engine, [made], now_us=NOON_US)
        most = {"input": MAX_PRICE_PICO, "output": MAX_PRICE_PICO, "call": MAX_PRICE_PICO}
        (cell,) = cells(engine, cohort(), [Tariff("t", [price("p", f"m{number}", **most) for number in range(100)])])
        cost = 100 * 3 * MOST_TOKENS * MAX_PRICE_PICO
        assert spent(cell.costs[0]) == (0, 1000 * cost, 1000 * cost**2)
        assert cell.latency_squares == 1000 * MOST_LATENCY_MS**2

    def test_history_can_be_priced_again_under_another_tariff(self, engine: Engine) -> None:
        """Several tariffs in one query, each as if it were alone."""
        replace(engine, [traced(run(number)) for number in range(1, 5)], now_us=NOON_US)
        one, two = Tariff("one", [price()]), Tariff("two", [price(input=1, output=1, call=0)])
        both = cells(engine, cohort(), [one, two])
        for number, tariff in enumerate((one, two)):
            (alone,) = cells(engine, cohort(), [tariff])
            assert spent(alone.costs[0]) == spent(both[0].costs[number])
        assert both[0].costs[1].total == 4 * 110


class TestCohort:
    """Which runs are counted."""

    def test_a_run_in_progress_never_counts(self, engine: Engine) -> None:
        insert_events(engine, [[row("a", type="run_start"), row("b")]], now_us=NOON_US)
        assert [cell.runs for cell in cells(engine, cohort())] == [1]
        assert sum(one.runs for one in histogram(engine, cohort(), "tokens_per_run")) == 1

    def test_bare_calls_count_only_where_there_is_nothing_else(self, engine: Engine) -> None:
        """In both releases: agents in one of them keep out the other's bare calls."""
        calls = [run(number, run_kind="llm_call", release_id="rel_b") for number in range(1, 4)]
        replace(engine, [traced(one) for one in calls], now_us=NOON_US)
        both = cohort("rel_a", "rel_b")
        assert summed(cells(engine, both, [Tariff("t", [price()])]))["runs"] == 3
        assert sum(one.runs for one in histogram(engine, both, "latency_ms")) == 3
        replace(engine, [traced(run(9, release_id="rel_a"))], now_us=NOON_US)
        assert [(cell.release_id, cell.runs) for cell in cells(engine, both)] == [("rel_a", 1)]
        assert sum(one.runs for one in histogram(engine, both, "latency_ms")) == 1
        assert [cell.runs for cell in cells(engine, cohort("rel_b"))] == [3]

    def test_an_empty_cohort_has_no_cells(self, engine: Engine) -> None:
        assert cells(engine, cohort(), [Tariff("t", [price()])]) == []
        assert usage_keys(engine, cohort()) == {RELEASE: []}
        assert histogram(engine, cohort(), "latency_ms", by_tenant=True) == []

    def test_names_are_bound_not_pasted(self, engine: Engine) -> None:
        evil = "x'), (1); DROP TABLE runs; -- {where} {release_ids:String} \\ \x00"
        usage = {"model": {"provider": evil, "model": evil, "input_tokens": 1, "output_tokens": 1}}
        made = row("a", release_id=evil, tenant_id=evil, task_id=evil, environment=evil, usage=usage)
        insert_events(engine, [[made]], now_us=NOON_US)
        asked = cohort(evil, environment=evil, tenant_id=evil, task_id=evil)
        (key,) = usage_keys(engine, asked)[evil]
        (cell,) = cells(engine, asked, [Tariff("t", [price(key.provider, key.model, key.input_tier)])])
        assert (cell.release_id, cell.costs[0].total) == (evil, 100 + 1000 + 7)

    def test_names_that_run_together_keep_their_own_prices(self, engine: Engine) -> None:
        usages = [
            {"provider": "a", "model": "b:c", "input_tokens": 1, "output_tokens": 0},
            {"provider": "a:b", "model": "c", "input_tokens": 1, "output_tokens": 0},
            {"provider": "1", "model": ":a", "input_tokens": 1, "output_tokens": 0},
            {"provider": "", "model": "1:a", "input_tokens": 1, "output_tokens": 0},
            {"provider": "ä", "model": "ab", "input_tokens": 1, "output_tokens": 0},
        ]
        rows = [row(f"run-{n}", tenant_id=str(n), usage={"model": usage}) for n, usage in enumerate(usages)]
        insert_events(engine, [rows], now_us=NOON_US)
        tariff = Tariff(
            "t",
            [price(used["provider"], used["model"], input=10**n, call=0) for n, used in enumerate(usages)],
        )
        assert [cell.costs[0].total for cell in cells(engine, cohort(), [tariff])] == [1, 10, 100, 1000, 10_000]

    def test_a_replaced_run_counts_once(self, engine: Engine) -> None:
        for spans in (1, 2, 3):
            replace(engine, [traced(run(1, latency_ms=spans), spans=spans)], now_us=NOON_US)
        (cell,) = cells(engine, cohort())
        assert (cell.runs, cell.latency_total) == (1, 3)


class TestBounds:
    """However many tenants and tasks there are, cells are bounded and nothing is lost."""

    def test_many_tenants_and_tasks_are_merged(self, engine: Engine) -> None:
        tenants = [f"t{number:05}" for number in range(3 * MOST_TENANTS)]
        tasks = [f"k{number:03}" for number in range(MOST_TASKS + 50)]
        # The first of each are the largest: two runs and more.
        made = [
            run(
                number + 1,
                tenant_id=tenants[number % len(tenants)],
                task_id=tasks[number % 7 if number % 3 else number % len(tasks)],
                release_id=("rel_a", "rel_b")[number % 2],
                latency_ms=number,
                success=number % 5 > 0,
            )
            for number in range(len(tenants) + MOST_TENANTS)
        ]
        replace(engine, [traced(one) for one in made], now_us=NOON_US)
        asked = cohort("rel_a", "rel_b")
        tariff = Tariff("t", [price()])
        found = cells(engine, asked, [tariff])
        kept, others = set(tenants[:MOST_TENANTS]), {cell.tenant_id for cell in found} - set(tenants)
        assert {cell.tenant_id for cell in found} & set(tenants) == kept
        assert 0 < len(others) <= MOST_TENANTS
        assert all(name.startswith(MERGED_TENANTS) for name in others)
        by_task = Counter(one.task_id for one in made)
        largest = sorted(by_task, key=lambda task: (-by_task[task], task))[:MOST_TASKS]
        assert {cell.task_id for cell in found} == {*largest, OTHER_TASK}
        # Nothing is lost: the same sums as without a bound, and every cluster lies in one place.
        assert summed(found) == {
            "runs": len(made),
            "errors": sum(not one.success for one in made),
            "latency": sum(one.latency_ms or 0 for one in made),
            "cost": len(made) * (100 * 100 + 10 * 1000 + 7),
            "squares": len(made) * (100 * 100 + 10 * 1000 + 7) ** 2,
            "unpriced": 0,
        }
        bins = histogram(engine, asked, "latency_ms", by_tenant=True)
        assert sum(one.runs for one in bins) == len(made)
        assert len({one.tenant_id for one in bins}) <= MOST_TENANTS

    def test_many_tenants_of_many_tasks_are_merged_further(
        self, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """However they are spread: 40 tenants of 5 tasks each, where 100 cells are the most."""
        made = [
            run(number + 1, tenant_id=f"t{number % 40}", task_id=f"k{number // 40}", latency_ms=number)
            for number in range(200)
        ]
        replace(engine, [traced(one) for one in made], now_us=NOON_US)
        monkeypatch.setattr(folding, "MOST_CELLS", 100)
        found = both_cells(engine, cohort())
        assert len(found.started) <= 5 * folding.LEAST_CLUSTERS
        assert found.other_tenants == 40
        assert all(cell.tenant_id.startswith(MERGED_TENANTS) for cell in found.started)
        assert {cell.task_id for cell in found.started} == {f"k{number}" for number in range(5)}
        assert summed(cells(engine, cohort(), [Tariff("t", [price()])]))["latency"] == sum(range(200))

    def test_as_many_as_the_bounds_allow_keep_their_names(self, engine: Engine) -> None:
        made = [run(number + 1, tenant_id=f"t{number}") for number in range(MOST_TENANTS)]
        made += [run(5000 + number, task_id=f"k{number}", tenant_id="t0") for number in range(MOST_TASKS - 1)]
        replace(engine, [traced(one) for one in made], now_us=NOON_US)
        found = cells(engine, cohort())
        assert len({cell.tenant_id for cell in found}) == MOST_TENANTS
        assert len({cell.task_id for cell in found}) == MOST_TASKS
        assert not any(cell.tenant_id.startswith(MERGED_TENANTS) or cell.task_id == OTHER_TASK for cell in found)

    def test_more_cells_than_are_taken_at_once(self, engine: Engine) -> None:
        """150 tasks of 150 tenants: within both bounds, but more cells than the first query takes."""
        engine.command(
            "INSERT INTO runs (agent_id, release_id, environment, timestamp, hour, run_key, run_id, version, "
            "tenant_id, task_id, success) SELECT 'support', {release:String}, 'prod', "
            "fromUnixTimestamp64Micro({noon:Int64}, 'UTC') AS moment, moment, number, toString(number), 1, "
            "concat('t', toString(number % 150)), concat('k', toString(intDiv(number, 150))), 1 FROM numbers(22500)",
            {"release": RELEASE, "noon": NOON_US},
        )
        found = cells(engine, cohort())
        assert len(found) == 22_500
        assert sum(cell.runs for cell in found) == 22_500


class TestHistogram:
    """Bins are 2 % wide and add up."""

    @few
    @given(latencies=st.lists(st.one_of(st.none(), st.integers(0, 50), st.integers(0, 10**12)), max_size=60))
    def test_every_value_is_in_its_bin(self, engine: Engine, latencies: list[int | None]) -> None:
        release = f"rel_histogram_{next(fresh)}"
        made = [
            row(f"{release}-{number}", release_id=release, tenant_id=f"t{number % 3}", metrics={"latency_ms": latency})
            for number, latency in enumerate(latencies)
        ]
        if made:
            insert_events(engine, [made], now_us=NOON_US)
        # Longer ones started before the window.
        known = [latency for latency in latencies if latency is not None and latency <= DAY_S * 1000]
        bins = histogram(engine, cohort(release), "latency_ms")
        assert [one.bin for one in bins] == sorted({one.bin for one in bins})
        assert sum(one.runs for one in bins) == len(known)
        low, high = (lambda bin_: BIN_BASE**bin_ * (1 - 1e-9)), (lambda bin_: BIN_BASE ** (bin_ + 1) * (1 + 1e-9))
        for one in bins:
            inside = sum(low(one.bin) <= max(latency, 1) <= high(one.bin) for latency in known)
            assert inside >= one.runs
        by_tenant = histogram(engine, cohort(release), "latency_ms", by_tenant=True)
        together = Counter[int]()
        for one in by_tenant:
            together[one.bin] += one.runs
        assert together == {one.bin: one.runs for one in bins}

    def test_tokens_of_a_run_are_input_and_output(self, engine: Engine) -> None:
        replace(engine, [traced(run(1, models=[ModelUsage("p", "m", 0, 1, input=60, output=40)]))], now_us=NOON_US)
        (one,) = histogram(engine, cohort(), "tokens_per_run")
        assert one.bin == math.floor(math.log(100) / math.log(BIN_BASE))
