"""Runs a file of statistical vectors against the judge: ``python -m tests.golden.stats FILE``.

Prints each value that is off, and exits 1 if there is one. A value holds when
``|got - expected| <= rel * |expected| + abs``; null is undefined, unbounded or infinite.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from flightdeck.judge import means, quantiles
from flightdeck.judge.cells import Cell, CellCost
from flightdeck.judge.comparison import ClusterCorrection, Comparison, compare
from flightdeck.judge.critical import (
    Critical,
    mixture_critical,
    mixture_log_e,
    mixture_tail,
    normal_quantile,
    student_critical,
    upper_tail,
)
from flightdeck.judge.evidence import Arm, Evidence
from flightdeck.judge.holm import holm
from flightdeck.judge.needed import power_quantile, variance_needed
from flightdeck.judge.outcome import Limits, around, statistic
from flightdeck.judge.proportions import (
    Share,
    clopper_pearson,
    difference_limits,
    difference_z,
    ratio_limits,
    ratio_z,
    wilson,
)
from flightdeck.judge.series import Frame, Series, moments, series
from flightdeck.judge.traffic import sample_ratio
from flightdeck.judge.verdict import judge
from flightdeck.models import Policy

Case = dict[str, Any]
PICO = 10**12


def _share(side: Case) -> Share:
    return Share(side["errors"], side["n"])


def _sides(inputs: Case) -> tuple[Share, Share]:
    return _share(inputs["candidate"]), _share(inputs["baseline"])


def risk_difference(inputs: Case) -> Case:
    candidate, baseline = _sides(inputs)
    low, high = difference_limits(candidate, baseline, normal_quantile(1 - inputs["alpha"]))
    got = {"difference": candidate.p - baseline.p, "low": low, "high": high}
    if "margin_absolute" in inputs:
        z = difference_z(candidate, baseline, inputs["margin_absolute"])
        got |= {"z_at_margin": z, "p_pass": upper_tail(-z, math.inf), "p_fail": upper_tail(z, math.inf)}
    return got


def risk_ratio(inputs: Case) -> Case:
    candidate, baseline = _sides(inputs)
    low, high = ratio_limits(candidate, baseline, normal_quantile(1 - inputs["alpha"]))
    got = {"ratio": candidate.p / baseline.p if baseline.x else None, "low": low, "high": high}
    if "margin_relative" in inputs:
        z = ratio_z(candidate, baseline, 1 + inputs["margin_relative"])
        got |= {"z_at_margin": z, "p_pass": upper_tail(-z, math.inf), "p_fail": upper_tail(z, math.inf)}
    return got


def single_proportion(inputs: Case) -> Case:
    share = _share(inputs)
    return {
        "wilson": list(wilson(share, normal_quantile(1 - inputs["alpha"]))),
        "clopper_pearson": list(clopper_pearson(share, inputs["alpha"])),
    }


def _pair(inputs: Case, total: str = "sum", squares: str = "sum_sq") -> Comparison:
    """Two sides given by their sums: one stratum, no clusters."""
    sides = [inputs["baseline"], inputs["candidate"]]
    zeros = np.zeros(2, dtype=np.int64)
    frame = Frame((), np.array([0, 1]), zeros, zeros, zeros, ["all"], ["all"])
    n = np.array([float(side["n"]) for side in sides])
    mean = np.array([side[total] / side["n"] for side in sides])
    ss = np.array([max(0.0, side[squares] - side[total] ** 2 / side["n"]) for side in sides])
    found = compare(Series(frame, n, mean, ss, (sides[0]["n"], sides[1]["n"]), (0, 0)), zeros, 2)
    assert found is not None, "both sides need two values"
    return found


def mean_ratio_runs(inputs: Case) -> Case:
    comparison, floored = _pair(inputs), inputs.get("scale_model_floor", False)
    baseline, candidate = (float(theta) for theta in comparison.theta)
    critical = Critical(inputs["alpha"])
    k = 1 + inputs.get("margin_relative", 0.0)
    at = means.variance(comparison, k, clustered=False, floored=floored)
    same = means.variance(comparison, 1.0, clustered=False, floored=floored)
    z = statistic(candidate - k * baseline - inputs.get("margin_absolute", 0.0), at.value)
    difference = around(candidate - baseline, same.value, same.df, critical)
    ratio = means.relative_limits(
        baseline,
        candidate,
        lambda scale: means.variance(comparison, scale, clustered=False, floored=floored),
        critical,
    )
    return {
        "mean_baseline": baseline,
        "mean_candidate": candidate,
        "z_at_margin": z,
        "df": at.df,
        "p_pass": upper_tail(-z, at.df),
        "p_fail": upper_tail(z, at.df),
        "difference": difference.estimate,
        "difference_low": difference.low,
        "difference_high": difference.high,
        "ratio": None if ratio.estimate is None else ratio.estimate + 1,
        "ratio_low": None if ratio.low is None else ratio.low + 1,
        "ratio_high": None if ratio.high is None else ratio.high + 1,
    }


def scale_model_floor(inputs: Case) -> Case:
    comparison, k = _pair(inputs), 1 + inputs.get("margin_relative", 0.0)
    own, factor = comparison.variance(k, clustered=False).value, comparison.scale_factor(k)
    distance = float(comparison.theta[1] - k * comparison.theta[0]) - inputs.get("margin_absolute", 0.0)
    return {
        "variance_own": own,
        "variance_scale_model": own * _raw_factor(comparison, k),
        "factor": factor,
        "z_at_margin": statistic(distance, own * factor),
    }


def _raw_factor(comparison: Comparison, k: float) -> float:
    """The scale model's variance over the own one, where it is the smaller of the two as well."""
    squares = k * k * float(comparison.squares[0].sum()) + float(comparison.squares[1].sum())
    pooled = squares / (float(comparison.runs.sum()) - 2)
    return pooled * float((1 / comparison.runs).sum()) / comparison.variance(k, clustered=False).value


def geometric_ratio(inputs: Case) -> Case:
    comparison = _pair(inputs, "log_sum", "log_sum_sq")
    found = means.variance(comparison, 1.0, clustered=False, floored=False)
    effect = float(comparison.theta[1] - comparison.theta[0])
    limits = around(effect, found.value, found.df, Critical(inputs["alpha"]))
    ratio = Limits(*(None if log is None else math.exp(log) for log in limits))
    got = {"ratio": ratio.estimate, "low": ratio.low, "high": ratio.high, "df": found.df}
    if "margin_relative" in inputs:
        z = statistic(effect - math.log1p(inputs["margin_relative"]), found.value)
        got |= {"z_at_margin": z, "p_pass": upper_tail(-z, found.df), "p_fail": upper_tail(z, found.df)}
    return got


def _cell(row: Case) -> Cell:
    costs = round(row.get("cost_sum", 0) * PICO), round(row.get("cost_sum_sq", 0) * PICO * PICO)
    return Cell(
        release_id=row["release"],
        task_id=row.get("stratum", ""),
        tenant_id=row.get("cluster", ""),
        runs=row["n"],
        errors=row["errors"],
        unknown_usage=0,
        latencies=row.get("latency_n", 0),
        latency_total=_whole(row.get("latency_sum", 0)),
        latency_squares=_whole(row.get("latency_sum_sq", 0)),
        latency_logs=row.get("latency_log_sum", 0.0),
        latency_log_squares=row.get("latency_log_sum_sq", 0.0),
        latency_cubes=row.get("latency_sum_cube", math.nan),
        latency_max=row.get("latency_max", 0),
        input_tokens=0,
        cached_input_tokens=0,
        cache_creation_input_tokens=0,
        output_tokens=0,
        reasoning_tokens=0,
        tool_invocations=0,
        costs=(CellCost(row["n"] - row.get("cost_n", 0), *costs),),
    )


def _whole(value: float) -> Any:
    """An int where it is one: sums of whole milliseconds are."""
    return int(value) if float(value).is_integer() else value


def _frame(inputs: Case) -> Frame:
    rows = [_cell(row) for row in inputs["cells"]]
    sides = [[cell for cell in rows if cell.release_id == side] for side in ("baseline", "candidate")]
    return Frame.of(*sides)


def _compared(frame: Frame, metric: str) -> tuple[Series, Comparison]:
    own = series(frame, moments(frame, metric, 0), 1e12 if metric == "cost_usd" else 1.0)
    found = compare(own, frame.task, 5)
    assert found is not None, "no stratum has runs on both sides"
    return own, found


METRICS = ("latency_ms", "error_rate", "cost_usd")


def cluster_contrast(inputs: Case) -> Case:
    frame, got = _frame(inputs), {}
    for metric, k in inputs["k"].items():
        _, found = _compared(frame, metric)
        own = found.variance(k, clustered=True)
        got[metric] = {
            "contrast": float(found.theta[1] - k * found.theta[0]),
            "variance_cr0": found.squared_influence(k),
            "variance_iid": own.iid,
            "variance_within": own.within,
            "variance": own.value,
            "df": own.df,
            "effective_clusters": own.effective,
            "design_effect": own.design_effect,
        }
    return got


def cluster_df(inputs: Case) -> Case:
    found = ClusterCorrection.of(np.array(inputs["lambda"]))
    return {"bias_factor": found.bias, "df": found.df, "effective_clusters": found.effective}


def standardised(inputs: Case) -> Case:
    frame, got = _frame(inputs), {}
    for metric in METRICS:
        own = series(frame, moments(frame, metric, 0), 1e12 if metric == "cost_usd" else 1.0)
        if 0 in own.counts:
            continue
        own, found = _compared(frame, metric)
        raw = [float(np.average(own.mean[own.side == side], weights=own.n[own.side == side])) for side in (0, 1)]
        got[metric] = {
            "raw_baseline": raw[0],
            "raw_candidate": raw[1],
            "standardised_baseline": float(found.theta[0]),
            "standardised_candidate": float(found.theta[1]),
            "overlap": min(found.overlaps),
        }
    return got


def always_valid(inputs: Case) -> Case:
    estimate, variance, r = inputs["estimate"], inputs["variance"], inputs["r"]
    df = math.inf if inputs.get("df") is None else inputs["df"]
    critical = student_critical(mixture_critical(inputs["alpha"], r), df)
    half = critical * math.sqrt(variance)
    log_e = mixture_log_e(statistic(estimate, variance), r)
    return {
        "critical": critical,
        "low": estimate - half,
        "high": estimate + half,
        "p_two_sided": min(1.0, math.exp(-log_e)),
    }


def always_valid_p(inputs: Case) -> Case:
    z, r = inputs["z"], inputs["r"]
    return {"e_value": math.exp(mixture_log_e(z, r)), "p_one_sided": mixture_tail(z, r)}


def student_map(inputs: Case) -> Case:
    return {"critical": student_critical(inputs["critical_normal"], inputs["df"])}


def quantile_histogram(inputs: Case) -> Case:
    counts, q = inputs["counts"], inputs["q"]
    assert math.isclose(inputs.get("log_base", quantiles.BIN_BASE), quantiles.BIN_BASE), "bins have base 1.02"
    found = quantiles.Estimate(quantiles.Distribution.of(inputs["bins"], counts), q, sum(counts))
    low, high = found.limits(normal_quantile(1 - inputs["alpha"]))
    rank_low, rank_high = quantiles.ranks(q, found.n, inputs["alpha"])
    return {
        "n": sum(counts),
        "quantile": found.value,
        "rank_low": rank_low,
        "rank_high": rank_high,
        "low": low or None,
        "high": high,
    }


def holm_(inputs: Case) -> Case:
    return {"adjusted": holm(inputs["p"])}


def runs_needed(inputs: Case) -> Case:
    distance = inputs["margin"] - max(0.0, inputs.get("effect", 0.0))
    spare = power_quantile(inputs["power"], inputs.get("guardrails", 1))
    need = variance_needed(distance, spare, Critical(inputs["alpha"]))
    share = inputs.get("candidate_per_baseline", 1.0)
    baseline = inputs["sd"] ** 2 * (1 + 1 / share) / need if need else None
    return {"baseline_runs": baseline, "candidate_runs": None if baseline is None else baseline * share}


def sample_ratio_(inputs: Case) -> Case:
    chi2, p = sample_ratio(tuple(inputs["observed"]), tuple(inputs["expected_split"]))
    return {"chi2": chi2, "p": p}


def verdict(inputs: Case) -> Case:
    """Vectors have no times: the time check is off unless the case's policy says otherwise."""
    rows = [_cell(row) for row in inputs["cells"]]
    arms = [Arm(side, tuple(cell for cell in rows if cell.release_id == side)) for side in ("baseline", "candidate")]
    policy = Policy.model_validate({"statistics": {"time_check": "off", **inputs["policy"]}})
    found = judge(Evidence(*arms, as_of="2026-11-24T00:00:00Z"), policy)
    numbers = json.loads(found.model_dump_json())
    return {
        "verdict": found.status,
        "all_numbers_finite_or_null": all(math.isfinite(one) for one in _numbers(numbers)),
        "reasons": sorted({reason.code for reason in found.reasons}),
        "warnings": sorted({warning.code for warning in found.warnings}),
        "scope": found.scope,
        "metrics": {metric["name"]: metric for metric in numbers["metrics"]},
    }


def _numbers(document: Any) -> Iterator[float]:
    if isinstance(document, dict):
        document = list(document.values())
    if isinstance(document, list):
        for one in document:
            yield from _numbers(one)
    elif isinstance(document, int | float):
        yield document


KINDS: dict[str, Callable[[Case], Case]] = {
    "risk_difference": risk_difference,
    "risk_ratio": risk_ratio,
    "single_proportion": single_proportion,
    "mean_ratio_runs": mean_ratio_runs,
    "scale_model_floor": scale_model_floor,
    "geometric_ratio": geometric_ratio,
    "cluster_contrast": cluster_contrast,
    "cluster_df": cluster_df,
    "standardised": standardised,
    "always_valid": always_valid,
    "always_valid_p": always_valid_p,
    "student_map": student_map,
    "quantile_histogram": quantile_histogram,
    "holm": holm_,
    "runs_needed": runs_needed,
    "sample_ratio": sample_ratio_,
    "verdict": verdict,
}


def off(case: Case) -> list[str]:
    """What of a case does not hold: one line each."""
    if case["kind"] not in KINDS:
        return [f"{case['id']}: unknown kind {case['kind']!r}"]
    got = KINDS[case["kind"]](case["inputs"])
    return [f"{case['id']} {case['kind']} {line}" for line in _off("", case["expected"], got, case["tolerance"])]


def _off(path: str, expected: Any, got: Any, tolerance: Case) -> Iterator[str]:
    if isinstance(expected, dict):
        for key, value in expected.items():
            if not isinstance(got, dict) or key not in got:
                yield f"{path}{key}: the runner has no such value"
            else:
                yield from _off(f"{path}{key}.", value, got[key], tolerance)
    elif isinstance(expected, list) and isinstance(got, list) and len(expected) == len(got):
        for at, (value, own) in enumerate(zip(expected, got, strict=True)):
            yield from _off(f"{path}{at}.", value, own, tolerance)
    elif not _holds(expected, got, tolerance):
        yield f"{path.rstrip('.')}: {got!r}, expected {expected!r}"


def _holds(expected: Any, got: Any, tolerance: Case) -> bool:
    if isinstance(got, float) and not math.isfinite(got):
        got = None
    if isinstance(expected, bool | str) or expected is None or got is None:
        return bool(expected == got)
    return bool(abs(got - expected) <= tolerance["rel"] * abs(expected) + tolerance["abs"])


def main(path: str) -> int:
    """Checks all cases of a file."""
    cases = json.loads(Path(path).read_text(encoding="utf-8"))["cases"]
    lines = [line for case in cases for line in off(case)]
    for line in lines:
        print(line)
    print(f"{len(cases)} vectors, {len(lines)} values off")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
