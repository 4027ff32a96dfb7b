"""What a verdict is made of, recomputed run by run in plain Python: cells by start, hours, histograms, what is odd."""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from flightdeck.judge.cells import BIN_BASE, MERGED_TENANTS, Bin, Cell, CellCost, Moments, merged
from flightdeck.otel.runs import Finding, Run
from flightdeck.otel.scores import Score
from flightdeck.pricing.tariff import ALWAYS_SINCE_US, ALWAYS_UNTIL_US, PriceRow, Tariff
from flightdeck.store import charts, drivers, histograms, landing, scores
from flightdeck.store.cells import Wanted, cells, hourly
from flightdeck.store.client import Engine
from flightdeck.store.cohort import CohortQuery
from flightdeck.store.events import insert_events
from flightdeck.store.quality import findings
from flightdeck.store.runs import replace as replace_runs
from tests.stored import NOON, NOON_US, SECOND_US, cohort, row, run, traced

RELEASES = ("rel_b", "rel_c")
ALL = Wanted(judged=1, successes=True, tokens=True, tools=True, scores=("faith", "tone"))
LABELS = {"Pass": 1.0, "fail": 0.0, "yes": 1.0, "who knows": None, None: None}


@dataclass(frozen=True)
class Made:
    """A run that is sent."""

    release: str
    task: str
    tenant: str
    open: bool
    bare: bool
    end_us: int
    latency_ms: int | None
    success: bool
    input: int
    output: int
    model: str
    tools: int
    unknown_calls: int
    scores: tuple[tuple[str, float | None, str | None], ...]

    @property
    def start_us(self) -> int:
        return self.end_us - (0 if self.open else 1000 * (self.latency_ms or 0))

    @property
    def hour(self) -> int:
        return self.start_us // (3600 * SECOND_US)

    def event(self, run_id: str) -> Any:
        return row(
            run_id,
            timestamp=NOON + timedelta(microseconds=self.end_us - NOON_US),
            type="run_start" if self.open else "run_end",
            release_id=self.release,
            task_id=self.task,
            tenant_id=self.tenant,
            run_kind="llm_call" if self.bare else "agent",
            metrics={"latency_ms": self.latency_ms, "success": self.success},
            usage={
                "model": {
                    "provider": "p",
                    "model": self.model,
                    "input_tokens": self.input,
                    "output_tokens": self.output,
                },
                "tools": [{"tool_name": "t", "invocations": self.tools}],
                "calls_without_usage": self.unknown_calls,
            },
            scores=[{"name": name, "value": value, "label": label} for name, value, label in self.scores],
        )

    def cost(self, prices: dict[str, int]) -> int | None:
        each = prices.get(self.model)
        return None if each is None else each * (self.input + 2 * self.output)

    def score(self, name: str) -> float | None:
        said = [LABELS[label] if value is None else value for own, value, label in self.scores if own == name]
        known = [value for value in said if value is not None]
        mean = sum(known) / len(known) if known else None
        return None if mean is None or abs(mean) > 1e75 else mean


def some_runs(seed: int, number: int = 300, *, hours: float = 30) -> list[Made]:
    draw = random.Random(seed)
    names = ["t1", "t1", "t1", "t2", "t3"]
    return [
        Made(
            release=draw.choice(RELEASES),
            task=draw.choice(["k1", "k1", "k2"]),
            tenant=draw.choice(names),
            open=draw.random() < 0.1,
            bare=draw.random() < 0.1,
            end_us=NOON_US + int(draw.uniform(-hours, hours) * 3600) * SECOND_US + draw.randrange(SECOND_US),
            latency_ms=draw.choice([None, 0, 1, int(draw.lognormvariate(8, 2)), draw.randrange(10**8)]),
            success=draw.random() < 0.8,
            input=draw.choice([0, draw.randrange(5000), draw.randrange(10**15)]),
            output=draw.choice([0, draw.randrange(500), draw.randrange(10**15)]),
            model=draw.choice(["m1", "m1", "m2", "unknown"]),
            tools=draw.choice([0, draw.randrange(9), draw.randrange(10**15)]),
            unknown_calls=draw.choice([0, 0, 0, 2]),
            scores=tuple(
                (draw.choice(["faith", "tone", "other"]), *draw.choice([(draw.uniform(-1, 1), None), (1e80, None)]))
                if draw.random() < 0.7
                else (draw.choice(["faith", "tone"]), None, draw.choice(list(LABELS)))
                for _ in range(draw.randrange(4))
            ),
        )
        for _ in range(number)
    ]


def tariff(name: str, prices: dict[str, int]) -> Tariff:
    return Tariff(
        name,
        [
            PriceRow("p", model, 0, ALWAYS_SINCE_US, ALWAYS_UNTIL_US, each, each, each, 2 * each)
            for model, each in prices.items()
        ],
    )


PRICES: list[dict[str, int]] = [{"m1": 3}, {"m1": 7, "m2": 11}]
TARIFFS = [tariff(f"tariff {number}", prices) for number, prices in enumerate(PRICES)]


def close(value: float) -> Any:
    return pytest.approx(value, rel=1e-9, abs=1e-9)


def moments(values: Sequence[int]) -> Moments:
    logs = [math.log(max(value, 1)) for value in values]
    return Moments(
        len(values),
        sum(values),
        sum(value**2 for value in values),
        close(sum(value**3 for value in values)),
        max(values),
        close(math.fsum(logs)),
        close(math.fsum(log**2 for log in logs)),
    )


def score_moments(values: Sequence[float]) -> Moments:
    return Moments(
        len(values),
        close(math.fsum(values)),
        close(math.fsum(value**2 for value in values)),
        close(math.fsum(value**3 for value in values)),
        close(max(values)),
    )


def cost(of: Sequence[Made], prices: dict[str, int], *, judged: bool) -> CellCost:
    each = [(one.cost(prices), one.success) for one in of]
    known = [spent for spent, _ in each if spent is not None]
    good = [spent for spent, success in each if spent is not None and success]
    sums = (len(of) - len(known), sum(known), sum(spent**2 for spent in known))
    if not judged:
        return CellCost(*sums)
    return CellCost(*sums, len(good), sum(good), close(sum(spent**3 for spent in known)), max(known, default=0))


def cell(of: Sequence[Made], *, by_hour: bool = False) -> Cell:
    latencies = [one.latency_ms for one in of if one.latency_ms is not None]
    latency = moments(latencies or [0])
    scores = {name: [said for one in of if (said := one.score(name)) is not None] for name in ALL.scores}
    return Cell(
        release_id=of[0].release,
        task_id=of[0].task,
        tenant_id=of[0].tenant,
        runs=len(of),
        errors=sum(not one.success for one in of),
        unknown_usage=sum(one.unknown_calls > 0 for one in of),
        latencies=len(latencies),
        latency_total=latency.total,
        latency_squares=latency.squares,
        latency_logs=latency.logs,
        latency_log_squares=latency.log_squares,
        latency_cubes=latency.cubes,
        latency_max=latency.most,
        input_tokens=sum(one.input for one in of),
        cached_input_tokens=0,
        cache_creation_input_tokens=0,
        output_tokens=sum(one.output for one in of),
        reasoning_tokens=0,
        tool_invocations=sum(one.tools for one in of),
        costs=tuple(cost(of, prices, judged=number == ALL.judged) for number, prices in enumerate(PRICES)),
        tokens=moments([one.input + one.output for one in of]),
        tools=moments([one.tools for one in of]),
        scores=tuple((name, score_moments(said)) for name, said in scores.items() if said),
        hour=of[0].hour if by_hour else None,
    )


def grouped(runs: Iterable[Made], key: Callable[[Made], tuple[Any, ...]]) -> list[list[Made]]:
    groups: defaultdict[tuple[Any, ...], list[Made]] = defaultdict(list)
    for one in runs:
        groups[key(one)].append(one)
    return [groups[name] for name in sorted(groups)]


def sent(engine: Engine, made: Sequence[Made]) -> None:
    insert_events(engine, [[one.event(f"run-{number}") for number, one in enumerate(made)]], now_us=NOON_US)


def started(made: Sequence[Made], asked: CohortQuery) -> list[Made]:
    since, until = (int(moment.timestamp()) * SECOND_US for moment in (asked.since, asked.until))
    last = until - asked.lag_s * SECOND_US
    return [
        one
        for one in made
        if not one.bare and not one.open and since <= one.start_us < last and since <= one.end_us < until
    ]


@pytest.mark.parametrize(("seed", "lag_s"), [(1, 0), (2, 7_200), (3, 40 * 3600)])
class TestVerdict:
    """What the judge gets."""

    def test_cells_are_of_runs_that_started_in_the_window(self, engine: Engine, seed: int, lag_s: int) -> None:
        made = some_runs(seed)
        sent(engine, made)
        asked = cohort(*RELEASES, lag_s=lag_s)
        found = cells(engine, asked, TARIFFS, ALL)
        inside = started(made, asked)
        assert len(inside) < len([one for one in made if not one.open]), "some started before or too late"
        of = grouped(inside, lambda one: (one.release, one.task, one.tenant))
        assert list(found.started) == [cell(runs) for runs in of]
        too_large = Counter(
            one.release
            for one in inside
            for name in ALL.scores
            if one.score(name) is None and any(own == name and value == 1e80 for own, value, _ in one.scores)
        )
        assert found.left_out == {id_: too_large[id_] for id_ in RELEASES}
        # 1.3's figures: all that ended in the window.
        ended = [one for one in made if not one.bare and not one.open and in_window(one, asked)]
        assert merged(found.ended) == [
            cell(runs) for runs in grouped(ended, lambda one: (one.release, one.task, one.tenant))
        ]

    def test_runs_in_progress_and_odd_ones_are_counted(self, engine: Engine, seed: int, lag_s: int) -> None:
        made = some_runs(seed)
        sent(engine, made)
        asked = cohort(*RELEASES, lag_s=lag_s)
        found = cells(engine, asked)
        until = NOON_US + (24 * 3600 - lag_s) * SECOND_US
        since = NOON_US - 24 * 3600 * SECOND_US
        for id_ in RELEASES:
            own = [one for one in made if one.release == id_ and not one.bare]
            opened = [one for one in own if one.open and since <= one.end_us < NOON_US + 24 * 3600 * SECOND_US]
            assert found.open_runs[id_] == sum(one.end_us < until for one in opened)
            odd = found.odd[id_]
            unknown = [one for one in own if not one.open and one.unknown_calls and in_window(one, asked)]
            assert (odd.incomplete, odd.calls_without_usage) == (len(opened), len(unknown))

    def test_hours_are_those_of_the_start_and_add_up_to_the_cells(self, engine: Engine, seed: int, lag_s: int) -> None:
        made = some_runs(seed)
        sent(engine, made)
        asked = cohort(*RELEASES, lag_s=lag_s)
        found = cells(engine, asked, TARIFFS, ALL)
        hours = hourly(engine, asked, TARIFFS, ALL, found.started)
        of = grouped(started(made, asked), lambda one: (one.release, one.task, one.tenant, one.hour))
        assert hours.width == 1
        assert list(hours.cells) == [cell(runs, by_hour=True) for runs in of]

    @pytest.mark.parametrize("metric", ["latency_ms", "tokens_per_run"])
    def test_histograms_count_the_same_runs(self, engine: Engine, seed: int, lag_s: int, metric: Any) -> None:
        made = some_runs(seed)
        sent(engine, made)
        asked = cohort(*RELEASES, lag_s=lag_s)
        seen = cells(engine, asked).started
        bins = histograms.histogram(engine, asked, metric, seen, by_tenant=True, by_task=True)
        expected: Counter[tuple[str, str, str]] = Counter()
        for one in started(made, asked):
            value = one.latency_ms if metric == "latency_ms" else one.input + one.output
            if value is not None:
                expected[one.release, one.task, one.tenant] += 1
                mine = [
                    b for b in bins if (b.release_id, b.task_id, b.tenant_id) == (one.release, one.task, one.tenant)
                ]
                assert any(abs(b.bin - math.log(max(value, 1)) / math.log(BIN_BASE)) <= 1.000001 for b in mine)
        counted: Counter[tuple[str, str, str]] = Counter()
        for b in bins:
            counted[b.release_id, b.task_id, b.tenant_id] += b.runs
        assert counted == expected

    def test_charts_are_of_the_same_runs_by_time_and_by_value(self, engine: Engine, seed: int, lag_s: int) -> None:
        made = some_runs(seed)
        sent(engine, made)
        asked = cohort(*RELEASES, lag_s=lag_s)
        inside = started(made, asked)
        for width in (1, 6):
            found = charts.charted(engine, asked, TARIFFS[0], width)
            for id_ in RELEASES:
                own = [one for one in inside if one.release == id_]
                of = grouped(own, lambda one, width=width: (one.hour // width,))
                assert found[id_].stretches == [stretch(runs, width) for runs in of]
                spent = [said for one in own if (said := one.cost(PRICES[0])) is not None]
                assert in_bins(found[id_].latency) == values_in_bins(
                    [one.latency_ms for one in own if one.latency_ms is not None]
                )
                assert in_bins(found[id_].cost) == values_in_bins(spent)
        narrow = charts.charted(engine, asked, TARIFFS[0], 1)
        assert charts.merged(narrow[RELEASES[0]].stretches, 6) == found[RELEASES[0]].stretches


def stretch(of: Sequence[Made], width: int) -> charts.Stretch:
    def sums(values: Sequence[int]) -> Moments:
        return Moments(len(values), sum(values), sum(value**2 for value in values))

    return charts.Stretch(
        hour=of[0].hour // width * width,
        runs=len(of),
        errors=sum(not one.success for one in of),
        latency=sums([one.latency_ms for one in of if one.latency_ms is not None]),
        cost=sums([spent for one in of if (spent := one.cost(PRICES[0])) is not None]),
    )


def values_in_bins(values: Iterable[int]) -> dict[int, int]:
    """None of these random values lies so near to a bin's edge that the logarithm's last digit decides."""
    return dict(Counter(math.floor(math.log(max(value, 1)) / math.log(BIN_BASE)) for value in values))


def in_bins(found: Sequence[Bin]) -> dict[int, int]:
    return {one.bin: one.runs for one in found}


def in_window(one: Made, asked: CohortQuery) -> bool:
    since, until = (int(moment.timestamp()) * SECOND_US for moment in (asked.since, asked.until))
    return since <= one.end_us < until


def test_long_windows_have_wider_hours_and_many_tenants_are_merged(engine: Engine) -> None:
    """The size of an answer is bounded, and no run is lost."""
    engine.command(
        "INSERT INTO runs (agent_id, release_id, environment, timestamp, hour, run_key, run_id, version, tenant_id, "
        "task_id, success, latency_ms) SELECT 'support', ['rel_b', 'rel_c'][number % 2 + 1], 'prod', "
        "fromUnixTimestamp64Micro({noon:Int64} - (number % 600) * 3600 * 1000000, 'UTC') AS moment, "
        "toStartOfHour(moment), number, toString(number), 1, "
        "concat('t', toString(number % 997)), concat('k', toString(number % 13)), 1, 5 FROM numbers(30000)",
        {"noon": NOON_US},
    )
    asked = replace(cohort(*RELEASES), since=NOON - timedelta(days=30))
    seen = cells(engine, asked).started
    found = hourly(engine, asked, [], Wanted(), seen)
    assert found.width == 12
    assert len(found.cells) < 2 * 20_000
    assert {one.hour % 12 for one in found.cells if one.hour is not None} == {0}
    assert all(one.tenant_id.startswith(MERGED_TENANTS) for one in found.cells)
    assert sum(one.runs for one in found.cells) == sum(one.runs for one in seen) == 30_000
    bins = histograms.histogram(engine, asked, "latency_ms", seen, by_tenant=True, by_task=True)
    assert sum(one.runs for one in bins) == 30_000
    assert len({one.tenant_id for one in bins}) < 200


def test_findings_are_told_by_release_and_by_whether_they_are_open(engine: Engine) -> None:
    """Incomplete runs of OTLP are open runs; those that came within the lag are not counted as such."""
    day = 24 * 3600 * SECOND_US
    for number, (kind, at) in enumerate(
        [("incomplete", NOON_US), ("incomplete", NOON_US + day - 60 * SECOND_US), ("agent_mismatch", NOON_US)], start=1
    ):
        finding = Finding(kind, f"{number:016x}", "rel_c", "support", "prod", "support", "1", at)
        replace_runs(engine, [traced(run(number), findings=(finding,))], now_us=NOON_US)
    found = findings(engine, cohort(*RELEASES, lag_s=3_600), "support")
    assert (found.incomplete, found.open, found.agent_mismatch) == ({"rel_c": 2}, {"rel_c": 1}, {"rel_c": 1})


def test_scores_of_log_records_count_for_the_runs_of_their_traces(engine: Engine) -> None:
    """By the span they name; else for the trace's earliest run; by the provider's id of a response."""
    landing.prepare(engine)
    early, late = run(1), replace_run(run(1), span_id=f"{2:016x}", timestamp_us=NOON_US + SECOND_US)
    other = run(3, tenant_id="other")
    replace_runs(engine, [traced(early, late), traced(other)], now_us=NOON_US)
    trace, elsewhere = early.trace_id, f"{99:032x}"
    said = [
        Score(0, trace, early.span_id, "", "faith", 0.25, "", NOON_US),
        Score(0, trace, late.span_id, "", "faith", None, "pass", NOON_US),
        Score(0, trace, f"{77:016x}", "", "faith", 0.75, "", NOON_US + 1),
        Score(0, other.trace_id, "", "", "faith", 0.5, "", NOON_US),
        Score(0, other.trace_id, "", "", "tone", 9.0, "", NOON_US),
        Score(0, elsewhere, "", "", "faith", 8.0, "", NOON_US),
    ]
    scores.add(engine, said)
    found = cells(engine, cohort(), TARIFFS, Wanted(scores=("faith",)))
    by_tenant = {cell.tenant_id: dict(cell.scores)["faith"] for cell in found.started}
    # The first run has two scores, which count as their mean.
    assert (by_tenant["acme"].n, by_tenant["acme"].total) == (2, 0.5 + 1.0)
    assert (by_tenant["other"].n, by_tenant["other"].total) == (1, 0.5)
    assert sum(cell.runs for cell in found.started) == 3
    hours = hourly(engine, cohort(), TARIFFS, Wanted(scores=("faith",)), found.started)
    assert sum(dict(cell.scores)["faith"].total for cell in hours.cells) == 2.0


def replace_run(one: Run, **changes: Any) -> Run:
    changed = replace(one, **changes)
    return replace(changed, run_id=f"{changed.trace_id}-{changed.span_id}")


def test_bare_calls_stay_out_of_hours_and_histograms_as_they_do_of_cells(engine: Engine) -> None:
    """The only agent started before the window; the calls beside it are its own, reported once more."""
    agent = run(1, latency_ms=30 * 3_600_000)
    calls = [run(number, run_kind="llm_call") for number in range(2, 5)]
    replace_runs(engine, [traced(one) for one in [agent, *calls]], now_us=NOON_US)
    found = cells(engine, cohort())
    assert ([cell.runs for cell in found.started], [cell.runs for cell in found.others]) == ([], [1])
    assert hourly(engine, cohort(), [], Wanted(), found.started).cells == ()
    assert not histograms.histogram(engine, cohort(), "latency_ms", found.started, by_tenant=True, by_task=True)


@pytest.mark.parametrize("kind", ["task", "model", "tenant", "error_type"])
def test_drivers_are_the_same_runs_by_name(engine: Engine, kind: Any) -> None:
    made = some_runs(5, 150)
    sent(engine, made)
    asked = cohort(*RELEASES)
    names = {
        "task": lambda one: one.task,
        "model": lambda one: f"p/{one.model}",
        "tenant": lambda one: one.tenant,
        "error_type": lambda one: "" if one.success else "unknown",
    }
    inside = started(made, asked)
    of = grouped(inside, lambda one: (one.release, names[kind](one)))
    expected = [
        drivers.Group(
            release_id=runs[0].release,
            name=names[kind](runs[0]),
            runs=len(runs),
            errors=sum(not one.success for one in runs),
            latencies=sum(one.latency_ms is not None for one in runs),
            latency_ms=sum(one.latency_ms or 0 for one in runs),
            priced=sum(one.cost(PRICES[1]) is not None for one in runs),
            cost=sum(one.cost(PRICES[1]) or 0 for one in runs),
        )
        for runs in of
    ]
    assert drivers.groups(engine, asked, kind, TARIFFS[1]) == expected
    ids = {f"run-{number}": one for number, one in enumerate(made)}
    wanted = sorted({group.name for group in expected})
    for which, order in (
        ("failed", lambda one: one.end_us),
        ("slowest", lambda one: one.latency_ms or 0),
        ("dearest", lambda one: one.cost(PRICES[1]) or 0),
    ):
        found = drivers.examples(engine, asked, kind, wanted, which, TARIFFS[1])  # type: ignore[arg-type]
        for name in wanted:
            own = [one for one in inside if names[kind](one) == name and not (which == "failed" and one.success)]
            best = sorted(map(order, own), reverse=True)[: drivers.EXAMPLES]
            assert [order(ids[run_id]) for run_id in found.get(name, ())] == best
