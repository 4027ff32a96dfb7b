"""Each method of the judge against an independent reckoning: raw data, numerical likelihoods, simulated truth."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import optimize, stats

from benchmarks.judge import agreement
from flightdeck.judge import means, quantiles
from flightdeck.judge.cells import Bin
from flightdeck.judge.comparison import Comparison, Variance, compare
from flightdeck.judge.critical import Critical, mixture_critical, mixture_tail, normal_quantile, student_critical
from flightdeck.judge.holm import holm
from flightdeck.judge.needed import power_quantile, runs_needed, variance_needed
from flightdeck.judge.outcome import Outcome
from flightdeck.judge.proportions import Share, difference_limits, difference_z, ratio_limits, ratio_z, wilson
from flightdeck.judge.rules import Rules
from flightdeck.judge.series import Frame, moments, series
from flightdeck.judge.successes import Spending, cost_per_success
from flightdeck.models.statistics import Guardrail, Statistics
from tests.golden import stats as vectors
from tests.judging import Ran, cells, histogram

GOLDEN = Path(__file__).parents[1] / "golden" / "stats_vectors.json"
CASES = json.loads(GOLDEN.read_text(encoding="utf-8"))["cases"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['id']}-{case['kind']}")
def test_vectors_hold_to_their_tolerances(case: dict) -> None:
    assert vectors.off(case) == []


def test_the_runner_prints_what_is_off_and_exits_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = json.loads(json.dumps(CASES[0]))
    wrong["expected"]["low"] += 1e-3
    file = tmp_path / "vectors.json"
    file.write_text(json.dumps({"cases": [wrong, {**CASES[1], "kind": "tarot"}]}))
    assert vectors.main(str(file)) == 1
    out = capsys.readouterr().out
    assert "d-001 risk_difference low:" in out
    assert "unknown kind 'tarot'" in out
    assert vectors.main(str(GOLDEN)) == 0


# --- shares -------------------------------------------------------------------------------------------


def _likelihood_z(candidate: Share, baseline: Share, *, delta: float = 0.0, ratio: float | None = None) -> float:
    """The score statistic with the restricted likelihood maximised by brute force."""

    def at(p: float) -> float:
        return p + delta if ratio is None else p * ratio

    def loss(p: float) -> float:
        pairs = ((candidate, at(p)), (baseline, p))
        return -sum(
            (one.x * math.log(q) if one.x else 0.0) + ((one.n - one.x) * math.log1p(-q) if one.n > one.x else 0.0)
            for one, q in pairs
        )

    low = max(0.0, -delta if ratio is None else 0.0)
    high = min(1.0, 1 - delta if ratio is None else 1 / ratio)
    edge = (high - low) * 1e-12
    p = optimize.minimize_scalar(loss, bounds=(low + edge, high - edge), method="bounded", options={"xatol": 1e-13}).x
    q, n = at(p), candidate.n + baseline.n
    scale = 1.0 if ratio is None else ratio
    variance = (q * (1 - q) / candidate.n + scale**2 * p * (1 - p) / baseline.n) * n / (n - 1)
    return (candidate.p - (baseline.p + delta if ratio is None else ratio * baseline.p)) / math.sqrt(variance)


SHARES = [(3, 40, 1, 55), (0, 30, 4, 25), (12, 400, 9, 5000), (200, 210, 150, 400), (7, 100_000, 3, 100_000)]


@pytest.mark.parametrize(("x", "n", "y", "m"), SHARES)
@pytest.mark.parametrize("delta", [-0.03, 0.001, 0.02, 0.2])
def test_the_difference_score_is_the_likelihoods(x: int, n: int, y: int, m: int, delta: float) -> None:
    got = difference_z(Share(x, n), Share(y, m), delta)
    assert got == pytest.approx(_likelihood_z(Share(x, n), Share(y, m), delta=delta), rel=1e-4, abs=1e-6)


@pytest.mark.parametrize(("x", "n", "y", "m"), SHARES)
@pytest.mark.parametrize("ratio", [0.5, 1.0, 1.1, 3.0])
def test_the_ratio_score_is_the_likelihoods(x: int, n: int, y: int, m: int, ratio: float) -> None:
    got = ratio_z(Share(x, n), Share(y, m), ratio)
    assert got == pytest.approx(_likelihood_z(Share(x, n), Share(y, m), ratio=ratio), rel=1e-4, abs=1e-5)


@pytest.mark.parametrize(("x", "n", "y", "m"), SHARES)
def test_limits_are_where_the_score_reaches_the_critical_value(x: int, n: int, y: int, m: int) -> None:
    candidate, baseline = Share(x, n), Share(y, m)
    low, high = difference_limits(candidate, baseline, 1.7)
    assert difference_z(candidate, baseline, low) == pytest.approx(1.7, rel=1e-6)
    assert difference_z(candidate, baseline, high) == pytest.approx(-1.7, rel=1e-6)
    least, most = ratio_limits(candidate, baseline, 1.7)
    assert most is not None
    assert ratio_z(candidate, baseline, most) == pytest.approx(-1.7, rel=1e-6)
    assert least == 0 if x == 0 else ratio_z(candidate, baseline, least) == pytest.approx(1.7, rel=1e-6)


def test_shares_without_events_or_without_anything_else_have_limits() -> None:
    for x in (0, 50):
        low, high = difference_limits(Share(x, 50), Share(x, 50), 1.645)
        assert -0.06 < low < 0 < high < 0.06
    assert ratio_limits(Share(0, 50), Share(0, 60), 1.645) == (0.0, None)
    assert wilson(Share(0, 50), 1.645)[0] == 0.0
    assert wilson(Share(50, 50), 1.645)[1] == 1.0


# --- looks --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("r", [1e-3, 0.5, 6.33, 1e4])
@pytest.mark.parametrize("alpha", [0.25, 0.05, 0.001])
def test_the_mixtures_p_is_alpha_at_its_critical_value(alpha: float, r: float) -> None:
    assert mixture_tail(mixture_critical(alpha, r), r) == pytest.approx(alpha, rel=1e-9)


def test_the_mixture_is_tuned_to_where_a_fixed_test_has_its_power() -> None:
    own = Critical.at(0.05, 0.8, 0.1, sequential=True)
    fixed = (0.1 / (normal_quantile(0.95) + normal_quantile(0.8))) ** 2
    assert own.value(fixed) == pytest.approx(2.76, abs=0.005)
    best = optimize.minimize_scalar(lambda phi: Critical(0.05, phi).value(fixed), bounds=(1e-9, 1), method="bounded")
    assert own.value(fixed) == pytest.approx(best.fun, rel=2e-3)


def test_p_below_alpha_is_the_limit_beyond_the_margin() -> None:
    for critical in (Critical(0.05), Critical.at(0.05, 0.8, 0.1, sequential=True)):
        for df in (3.0, 40.0, math.inf):
            variance = 1e-3
            c = critical.value(variance, df)
            assert critical.p_fail(c * 1.001, variance, df) < 0.05 < critical.p_fail(c * 0.999, variance, df)
            assert critical.p_pass(-c * 1.001, variance, df) < 0.05 < critical.p_pass(-c * 0.999, variance, df)


@pytest.mark.parametrize("df", [1.0, 2.5, 7.0, 300.0])
def test_a_t_quantile_has_the_normals_tail(df: float) -> None:
    assert student_critical(2.2, df) == pytest.approx(stats.t.isf(stats.norm.sf(2.2), df), rel=1e-8)


def test_holm_is_at_least_each_p_and_never_above_one() -> None:
    assert holm([0.02, 0.01, 0.3]) == pytest.approx([0.04, 0.03, 0.3])
    assert holm([0.6, 0.5]) == [1.0, 1.0]
    assert holm([]) == []


# --- means --------------------------------------------------------------------------------------------


def _samples(seed: int) -> tuple[list[int], list[int]]:
    chance = np.random.default_rng(seed)
    return [int(x) for x in chance.lognormal(7, 0.6, 90)], [int(x) for x in chance.lognormal(7.1, 0.6, 60)]


def _compared(baseline: list[Ran], candidate: list[Ran], metric: str = "latency_ms") -> Comparison:
    frame = Frame.of(cells("b", baseline), cells("c", candidate))
    found = compare(series(frame, moments(frame, metric, 0), 1e12 if metric == "cost_usd" else 1.0), frame.task, 5)
    assert found is not None
    return found


def test_a_mean_without_clusters_is_welchs_test() -> None:
    left, right = _samples(1)
    found = _compared([Ran(latency_ms=x) for x in left], [Ran(latency_ms=x) for x in right])
    own = means.variance(found, 1.1, clustered=False, floored=False)
    welch = stats.ttest_ind(right, 1.1 * np.array(left), equal_var=False)
    assert (found.theta[1] - 1.1 * found.theta[0]) / math.sqrt(own.value) == pytest.approx(welch.statistic, rel=1e-9)
    assert own.df == pytest.approx(welch.df, rel=1e-9)


def test_ratio_limits_invert_the_test() -> None:
    left, right = _samples(2)
    found = _compared([Ran(latency_ms=x) for x in left], [Ran(latency_ms=x) for x in right])
    limits = means.relative_limits(
        float(found.theta[0]),
        float(found.theta[1]),
        lambda k: means.variance(found, k, clustered=False, floored=False),
        Critical(0.05),
    )
    for limit, side in ((limits.low, "greater"), (limits.high, "less")):
        assert limit is not None
        welch = stats.ttest_ind(right, (1 + limit) * np.array(left), equal_var=False, alternative=side)
        assert welch.pvalue == pytest.approx(0.05, rel=1e-6)


@pytest.mark.parametrize("margin", [{"relative": 0.1}, {"relative": 0.35}, {"absolute": 100}])
@pytest.mark.parametrize("clustered", [False, True])
def test_ratio_limits_that_hold_at_any_number_of_looks_are_wider_and_agree_with_the_test(
    margin: dict[str, float], clustered: bool
) -> None:
    chance = np.random.default_rng(4)
    sides = [
        [Ran(latency_ms=int(x), tenant=f"t{n % 20}") for n, x in enumerate(chance.lognormal(mean, 0.6, 4000))]
        for mean in (7, 7.2)
    ]
    found = _compared(*sides)
    guardrail = Guardrail(metric="latency_ms", **margin)
    once, ever = (
        means.mean(found, Rules(guardrail, Statistics(sequential=sequential), clustered=clustered))
        for sequential in (False, True)
    )
    assert -1 < ever.relative.low < once.relative.low < once.relative.high < ever.relative.high < 1
    assert ever.test is not None
    if "relative" in margin:
        assert (ever.test.p_fail < 0.05) == (ever.relative.low > margin["relative"])
        assert (ever.test.p_pass < 0.05) == (ever.relative.high < margin["relative"])


def test_a_ratio_to_a_baseline_that_may_be_zero_is_open() -> None:
    noisy = [Ran(latency_ms=x) for x in [0] * 30 + [1000]]
    found = _compared(noisy, [Ran(latency_ms=x) for x in _samples(3)[1]])
    limits = means.relative_limits(
        float(found.theta[0]),
        float(found.theta[1]),
        lambda k: means.variance(found, k, clustered=False),
        Critical(0.05),
    )
    assert limits.high is None


def test_a_small_candidate_may_not_claim_less_spread_than_the_baseline() -> None:
    tail = [Ran(latency_ms=x) for x in [100] * 990 + [10_000] * 10]
    found = _compared(tail, [Ran(latency_ms=x) for x in [100, 101] * 20])
    floored = means.variance(found, 1.0, clustered=False)
    assert floored.value > 10 * means.variance(found, 1.0, clustered=False, floored=False).value


def _clusters(sizes: list[int], effect_sd: float, seed: int) -> list[list[Ran]]:
    chance = np.random.default_rng(seed)
    return [
        [
            Ran(latency_ms=max(1, int(x)), tenant=f"{side}{at}")
            for at, size in enumerate(sizes)
            for x in chance.normal(1000 + effect_sd * chance.normal(), 100, size)
        ]
        for side in "bc"
    ]


def test_the_cluster_variance_covers_what_repetition_shows() -> None:
    """Over 300 worlds of 12 uneven tenants a side, the estimated variance is on average that of the estimates."""
    sizes = [max(5, round(200 / rank)) for rank in range(1, 13)]
    differences, variances = [], []
    for seed in range(300):
        found = _compared(*_clusters(sizes, 100, seed))
        differences.append(float(found.theta[1] - found.theta[0]))
        variances.append(found.variance(1.0, clustered=True).value)
    truth = float(np.var(differences))
    assert 0.8 * truth < float(np.mean(variances)) < 1.35 * truth


def test_what_shared_tenants_have_in_common_cancels() -> None:
    left, right = _clusters([50] * 10, 300, 5)
    shared = [Ran(latency_ms=run.latency_ms, tenant=run.tenant.replace("b", "t")) for run in left]
    same = [Ran(latency_ms=(run.latency_ms or 0) + 1, tenant=run.tenant.replace("b", "t")) for run in left]
    apart = _compared(left, right).variance(1.0, clustered=True)
    together = _compared(shared, same).variance(1.0, clustered=True)
    assert together.value < apart.value / 20


def test_cost_of_a_success_has_the_variance_that_repetition_shows() -> None:
    chance = np.random.default_rng(4)
    rules = Rules(Guardrail(metric="cost_per_success", relative=0.1), Statistics(), clustered=False)
    ratios, variances = [], []
    for _ in range(300):
        sides = [
            [
                Ran(cost=int(cost * 1e9 * (2 if failed else 1)), success=not failed)
                for cost, failed in zip(chance.gamma(2, 1, 200), chance.random(200) < 0.3, strict=True)
            ]
            for _ in range(2)
        ]
        frame = Frame.of(cells("b", sides[0]), cells("c", sides[1]))
        spending = Spending.of(frame, 0)
        assert spending is not None
        _, outcome = cost_per_success(spending, frame.task, rules)
        assert outcome is not None
        assert outcome.variance is not None
        ratios.append((outcome.candidate or 0) - 1.1 * (outcome.baseline or 0))
        variances.append(outcome.variance.value)
    assert float(np.mean(variances)) == pytest.approx(float(np.var(ratios)), rel=0.25)


# --- quantiles ----------------------------------------------------------------------------------------


def test_a_quantile_is_within_a_bin_of_the_runs_own() -> None:
    values = np.random.default_rng(6).lognormal(7, 1, 5000)
    found = quantiles.Bins.of(histogram("b", [(Ran(), int(x)) for x in values]), [Bin("c", "a", 1, 1)])
    own = found.frame.side == 0
    spread = quantiles.Distribution.of(found.bin[own], found.runs[own])
    for q in (0.05, 0.5, 0.95, 0.99):
        assert spread.value(q) == pytest.approx(float(np.quantile(values, q)), rel=0.02)


def test_ranks_are_binomial_and_open_where_no_run_is_left() -> None:
    low, high = quantiles.ranks(0.5, 100, 0.05)
    assert low == pytest.approx(stats.beta.ppf(0.05, 50, 51))
    assert high == pytest.approx(stats.beta.ppf(0.95, 51, 50))
    assert quantiles.ranks(0.99, 200, 0.05)[1] is None
    assert quantiles.ranks(0.99, 400, 0.05)[1] is not None
    assert quantiles.ranks(0.01, 200, 0.05)[0] is None


@pytest.mark.parametrize(("estimand", "q"), [("p50", 0.5), ("p95", 0.95)])
def test_quantile_limits_cover_the_true_effect(estimand: str, q: float) -> None:
    """90 % limits of the effect hold it in 85 to 99 of 100 worlds; p agrees with them at the margin."""
    chance = np.random.default_rng(7)
    rules = Rules(
        Guardrail(metric="latency_ms", estimand=estimand, relative=0.2),  # type: ignore[arg-type]
        Statistics(),
        clustered=False,
    )
    held = 0
    for _ in range(200):
        sides = [histogram(side, [(Ran(), int(x)) for x in chance.lognormal(7, 0.8, 600)]) for side in "bc"]
        bins = quantiles.Bins.of(*sides)
        found = quantiles.pair(bins, q, bins.frame.task, 5, clustered=False)
        assert found is not None
        outcome = quantiles.quantile(found, rules)
        low, high = outcome.relative.low, outcome.relative.high
        assert outcome.test is not None
        assert (high is not None and high < 0.2) == (outcome.test.p_pass < 0.05)
        held += (low is None or low <= 0) and (high is None or high >= 0)
    assert 170 <= held <= 198


def _shared_tenants(chance: np.random.Generator, runs: int, tenants: int = 12) -> quantiles.Bins:
    """Both sides from the same tenants, which differ; the releases don't."""
    levels = 0.6 * chance.standard_normal(tenants)
    sides = [
        histogram(
            side,
            [
                (Ran(tenant=f"t{at}"), int(1000 * math.exp(level + 0.8 * noise)))
                for at, level in enumerate(levels)
                for noise in chance.standard_normal(runs)
            ],
        )
        for side in "bc"
    ]
    return quantiles.Bins.of(*sides)


def test_what_shared_tenants_have_in_common_cancels_however_many_runs_there_are() -> None:
    """More runs of the same tenants go on narrowing the limits: tenants that don't change say nothing of a change."""
    widths = []
    for runs in (100, 1600):
        bins = _shared_tenants(np.random.default_rng(5), runs)
        found = quantiles.pair(bins, 0.5, bins.frame.task, 5, clustered=True)
        assert found is not None
        low, high = found.on(math.log).limits(1.645)
        assert low < 0 < high
        widths.append(high - low)
    assert widths[1] < 0.4 * widths[0]


@pytest.mark.parametrize("q", [0.5, 0.95])
@pytest.mark.parametrize("scale", [math.log, float])
def test_limits_of_shared_tenants_widen_with_confidence_and_mirror_when_the_sides_are_swapped(
    q: float, scale: Callable[[float], float]
) -> None:
    bins = _shared_tenants(np.random.default_rng(6), 200)
    found = quantiles.pair(bins, q, bins.frame.task, 5, clustered=True)
    assert found is not None
    assert found.paired
    limits = np.array([found.on(scale).limits(critical) for critical in np.linspace(0.05, 3, 120)])
    assert (np.diff(limits[:, 0]) <= 1e-9).all()
    assert (np.diff(limits[:, 1]) >= -1e-9).all()
    flipped = quantiles.Bins(replace(bins.frame, side=1 - bins.frame.side), bins.bin, bins.runs)
    mirrored = quantiles.pair(flipped, q, bins.frame.task, 5, clustered=True)
    assert mirrored is not None
    low, high = found.on(scale).limits(1.645)
    assert mirrored.on(scale).limits(1.645) == pytest.approx((-high, -low))


# --- runs needed --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variance_of_one", "margin", "fixed", "sequential"),
    [(2 * 0.05 * 0.95, 0.02, 2350, 4450), (2.21 * (math.exp(0.64) - 1), 0.1, 1960, 3700)],
)
def test_runs_needed_are_those_of_the_design(
    variance_of_one: float, margin: float, fixed: int, sequential: int
) -> None:
    spare = power_quantile(0.8, 3)
    for on, runs in ((False, fixed), (True, sequential)):
        need = variance_needed(margin, spare, Critical.at(0.05, 0.8, margin, sequential=on))
        assert variance_of_one / need == pytest.approx(runs, rel=0.01)


def test_tenants_are_blamed_for_what_neither_they_nor_chance_among_runs_explains() -> None:
    def limit(*, iid: float, within: float) -> str | None:
        found = Variance(0.01, iid, within, 7.0, 8.0)
        outcome = Outcome(
            1.0, 1.0, variance=found, gap=0.1, harm=0.0, critical=Critical.at(0.05, 0.8, 0.1, sequential=False)
        )
        return runs_needed(outcome, (1140, 40), power_quantile(0.8, 3), 1.0, clustered=True).limited_by

    assert limit(iid=0.002, within=0.002) == "tenants"
    assert limit(iid=0.01, within=0.002) is None, "some tenants got more than their share of the runs"
    assert limit(iid=0.002, within=0.009) is None


def test_runs_needed_to_fail_reach_the_shared_level_with_power() -> None:
    """A harm beyond the margin by 5 points fails at a third of the level; asked for a PASS, no runs would do."""
    spare = power_quantile(0.8, 3)
    found = Variance(0.04**2, 0.04**2, 0.04**2, math.inf)
    outcome = Outcome(
        1.0, 1.15, variance=found, gap=0.1, harm=0.15, critical=Critical.at(0.05, 0.8, 0.1, sequential=False)
    )
    needed = runs_needed(outcome, (300, 200), spare, 10.0, clustered=False, tests=3)
    more = (0.04 * (normal_quantile(1 - 0.05 / 3) + spare) / 0.05) ** 2 - 1
    assert (needed.baseline, needed.candidate) == (math.ceil(300 * more), math.ceil(200 * more))
    assert needed.hours == pytest.approx(10 * more)
    assert runs_needed(outcome, (300, 200), spare, 10.0, clustered=False).limited_by == "effect"


def test_the_simulations_formulas_are_the_judges() -> None:
    agreement.check(np.random.default_rng(20261124), 2)
