"""Renderings of a verdict: each says the facts, and whatever names hold, none says anything else."""

import random
import re
import subprocess
import sys
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

import pytest
from junitparser import Error, Failure, JUnitXml

from flightdeck.judge.gate import gate, objections
from flightdeck.judge.verdict import judge
from flightdeck.models import PolicyResult, Verdict, VerdictReason, VerdictWarning
from flightdeck.models.explanation import Driver, Explanation, MetricDrivers
from flightdeck.presentation.annotations import annotated
from flightdeck.presentation.judged import Judged
from flightdeck.presentation.junit import junit
from flightdeck.presentation.markdown import markdown
from flightdeck.presentation.text import text
from tests.judging import Ran, evidence, policy

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
GUARDRAILS = (
    {"metric": "error_rate", "absolute": 0.02},
    {"metric": "latency_ms", "relative": 0.1},
    {"metric": "latency_ms", "estimand": "p95", "relative": 0.2},
)
HOSTILE = "a|b`<script>@team #1 [x](y)\n::error::forged\x1b[31m\0 50 %"


def runs(count: int, *, seed: int = 1, latency: float = 1000.0, errors: float = 0.02) -> list[Ran]:
    chance = random.Random(seed)
    return [
        Ran(
            latency_ms=round(latency * chance.lognormvariate(-0.045, 0.3)),
            success=chance.random() >= errors,
            tenant=f"tenant{at % 12}",
            hour=at * 24 // count,
        )
        for at in range(count)
    ]


def judged(verdict: Verdict, **changes) -> Judged:
    return Judged(**{"baseline": "rel_a", "candidate": "rel_b", "environment": "prod", "verdict": verdict, **changes})


@pytest.fixture(scope="module")
def failed() -> Verdict:
    return judge(
        evidence(runs(3000), runs(3000, seed=2, latency=1300)), policy(*GUARDRAILS, limits={"max_error_rate": 0.05})
    )


@pytest.fixture(scope="module")
def half_failed() -> Verdict:
    """The latency fails; its p95 and the limit on errors, on the metric of another guardrail, are not decided."""
    guardrails = ({"metric": "latency_ms", "relative": 0.1}, {"metric": "error_rate", "absolute": 0.5})
    limits = {"max_error_rate": 0.02}
    return judge(evidence(runs(300), runs(300, seed=2, latency=1600)), policy(*guardrails, limits=limits))


@pytest.fixture(scope="module")
def undecided() -> Verdict:
    return judge(evidence(runs(200), runs(200, seed=2)), policy(*GUARDRAILS))


@pytest.fixture(scope="module")
def empty() -> Verdict:
    return judge(evidence(runs(100), []), policy(*GUARDRAILS))


@pytest.fixture(scope="module")
def passed() -> Verdict:
    return judge(evidence(runs(6000), runs(6000, seed=2)), policy(*GUARDRAILS[:2]))


@pytest.fixture
def hostile(failed: Verdict) -> Judged:
    """Names of releases, tasks and tenants come from outside."""
    verdict = failed.model_copy(
        update={
            "reasons": [VerdictReason(code="no_overlap", message=HOSTILE), *failed.reasons],
            "warnings": [VerdictWarning(code="mix_shift", message=HOSTILE)],
        }
    )
    drivers = [
        Driver(
            kind="task",
            name=HOSTILE,
            contribution=0.05,
            share=0.6,
            baseline_runs=9,
            candidate_runs=9,
            baseline=0.1,
            candidate=0.5,
            example_run_ids=[HOSTILE],
        )
    ]
    metric = MetricDrivers(
        metric="error_rate", unit="share", baseline=0.1, candidate=0.2, difference=0.1, drivers=drivers
    )
    blocked = PolicyResult(passed=False, reasons=[HOSTILE], evaluated_at=NOW)
    return judged(
        verdict,
        candidate=HOSTILE,
        environment=HOSTILE,
        policy=blocked,
        explanation=Explanation(metrics=[metric]),
    )


# --- text ---


def test_text_begins_with_the_status_and_says_how_it_was_judged(failed):
    first, *rest = text(judged(failed)).splitlines()
    assert first == "Verdict: FAIL (fixed test, alpha 5 %, power 80 %, for tenants like these)"
    assert rest[0].startswith("- latency_ms changed by ")


def test_text_says_where_the_verdict_is_advice(failed):
    advice = failed.model_copy(update={"gate": "legacy"})
    assert text(judged(advice)).splitlines()[0].endswith(", advice: the policy decides by its limits)")


def test_text_has_a_row_for_every_guardrail_and_limit_with_rounded_numbers_and_units(failed):
    table = text(judged(failed)).partition("\n\n")[2].splitlines()
    assert re.split(r"\s{2,}", table[0].strip()) == ["baseline", "candidate", "change (limits)", "margin", "runs"]
    rows = [re.split(r"\s{2,}", line) for line in table[1:]]
    assert [(row[0], row[1]) for row in rows] == [
        ("PASS", "error_rate"),
        ("FAIL", "latency_ms"),
        ("FAIL", "latency_ms p95"),
        ("PASS", "max_error_rate"),
    ]
    latency = rows[1]
    assert re.fullmatch(r"(\d{3}|\d,\d{3}) ms", latency[2])
    assert re.fullmatch(r"\+\d\d\.\d % \(\d\d\.\d to \d\d\.\d\)", latency[4])
    assert (latency[5], latency[6]) == ("10.0 %", "3,000 / 3,000")
    assert rows[0][5] == "2.00 percentage points"
    assert rows[3][3] == "at most 5.00 %"


def test_text_says_what_an_undecided_verdict_waits_for(undecided):
    needed = undecided.runs_needed
    waits = f"needs about {needed.baseline:,} more runs of the baseline and {needed.candidate:,} of the candidate, in "
    assert text(judged(undecided)).count(waits) == 1, "once, though the reason says it too"
    without = undecided.model_copy(update={"reasons": []})
    assert f"To decide: {waits}about 12.3 days at this rate" in text(
        judged(without.model_copy(update={"runs_needed": needed.model_copy(update={"hours": 295.2})}))
    )


def test_text_has_colours_only_when_asked(failed):
    plain, coloured = text(judged(failed)), text(judged(failed), colour=True)
    assert "\x1b" not in plain
    assert "\x1b[31m" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain


def test_text_of_a_verdict_on_limits_only_is_its_status_and_reasons():
    verdict = Verdict(status="FAIL", reasons=[VerdictReason(code="limit_exceeded", message="too dear")])
    assert text(judged(verdict)) == "Verdict: FAIL\n- too dear"


def test_text_keeps_escape_codes_and_line_ends_of_names_out(hostile):
    said = text(hostile)
    assert "\x1b" not in said
    assert not [line for line in said.splitlines() if line.startswith("::")]
    assert "What moved error_rate +10.0 percentage points:" in said
    assert "task a|b`<script>@team" in said


def test_what_moved_is_told_for_each_kind_by_its_largest_and_the_task_stands_first(failed):
    def driver(kind: str, name: str, contribution: float) -> Driver:
        counts = {"baseline_runs": 9, "candidate_runs": 9, "baseline": 0.1, "candidate": 0.5}
        return Driver(kind=kind, name=name, contribution=contribution, share=None, **counts)

    errors = [driver("error_type", name, 0.1) for name in ("Timeout", "Refused", "Empty")]
    others = [driver("tenant", "acme", 0.03), driver("tenant", "beta", 0.02), driver("task", "faq", -0.01)]
    found = [*errors, *others, driver("task", "refund", 0.09)]
    metric = MetricDrivers(metric="error_rate", unit="share", baseline=0, candidate=0.1, difference=0.1, drivers=found)
    said = text(judged(failed, explanation=Explanation(metrics=[metric]))).partition("What moved error_rate ")[2]
    assert [line.partition(":")[0] for line in said.splitlines()[1:]] == [
        "- task refund",
        "- tenant acme",
        "- error type Timeout",
    ]


# --- markdown ---


def test_markdown_begins_with_the_status_and_names_both_releases(failed):
    said = markdown(judged(failed)).splitlines()
    assert said[0] == "### FlightDeck: FAIL"
    assert said[2].startswith("rel\\_b against rel\\_a in prod, 2026-11-23T12:00:00+00:00 .. ")


def test_markdown_has_a_table_with_a_row_for_every_guardrail(failed):
    table = [line for line in markdown(judged(failed)).splitlines() if line.startswith("|")]
    assert {line.count("|") for line in table} == {8}
    assert [line.split(" ")[1] for line in table[2:]] == ["**PASS**", "**FAIL**", "**FAIL**", "**PASS**"]


def test_markdown_says_what_blocks_once(failed):
    limits = PolicyResult(passed=False, reasons=["confidence is LOW"], evaluated_at=NOW)
    said = markdown(judged(failed, policy=gate(policy(*GUARDRAILS), limits, failed)))
    assert "Policy: **FAIL**\n\n- confidence is LOW\n\n|" in said


def test_a_limits_reason_is_told_by_where_it_comes_from_not_by_its_words(failed, undecided):
    words = f"verdict FAIL: {failed.reasons[0].message}"
    limits = PolicyResult(passed=False, reasons=[words], evaluated_at=NOW)
    assert judged(failed, policy=gate(policy(*GUARDRAILS), limits, failed)).blocked_by_others == [words]
    allowing = policy(*GUARDRAILS, on_inconclusive="allow")
    own = judge(evidence(runs(60), runs(60, seed=2)), allowing)
    assert (own.status, own.blocks) == ("INCONCLUSIVE", False)
    assert judged(own, policy=gate(allowing, limits, own)).blocked_by_others == [words]


def test_markdown_has_no_markup_mention_or_line_of_a_name(hostile):
    said = markdown(hostile)
    assert "<script>" not in said
    assert "@team" not in said
    assert "#1" not in said
    assert not [line for line in said.splitlines() if line.startswith("::")]
    table = [line for line in said.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in table} == {8}
    assert "](y)" not in said.replace("\\](y)", "")


# --- JUnit ---


def suite(judged_: Judged):
    (found,) = JUnitXml.fromstring(junit(judged_).encode())
    return found


def results(judged_: Judged) -> dict[str, list[str]]:
    return {case.name.partition(" (")[0]: [type(one).__name__ for one in case.result] for case in suite(judged_)}


def test_junit_has_a_case_for_every_guardrail_and_limit_and_counts_them(failed):
    passing = PolicyResult(passed=True, reasons=[], evaluated_at=NOW)
    assert results(judged(failed, policy=passing)) == {
        "error_rate": [],
        "latency_ms": ["Failure"],
        "latency_ms p95": ["Failure"],
        "max_error_rate": [],
        "evidence": [],
        "policy": [],
    }
    found = suite(judged(failed))
    assert (found.tests, found.failures, found.errors) == (5, 2, 0)


def test_junit_has_every_part_that_the_schema_of_ant_requires_in_its_order(failed):
    (found,) = ET.fromstring(junit(judged(failed)))
    required = {"id", "package", "name", "timestamp", "hostname", "tests", "failures", "errors", "time"}
    assert required <= set(found.attrib) <= {*required, "skipped"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", found.attrib["timestamp"])
    assert [part.tag for part in found] == ["properties", *["testcase"] * 5, "system-out", "system-err"]
    about = {one.attrib["name"]: one.attrib["value"] for one in found[0]}
    assert (about["candidate"], about["verdict"]) == ("rel_b", "FAIL")
    for case in found.iter("testcase"):
        assert set(case.attrib) == {"name", "classname", "time"}
        assert all(set(one.attrib) == {"message", "type"} for one in case)


def test_junit_gives_each_guardrail_of_one_metric_its_own_reason(failed):
    said = {case.name: [one.message for one in case.result] for case in suite(judged(failed))}
    (mean,) = said["latency_ms (10.0 %)"]
    (p95,) = said["latency_ms p95 (20.0 %)"]
    assert mean.startswith("latency_ms changed by")
    assert p95.startswith("latency_ms p95 changed by")


def test_junit_gives_a_limit_its_own_reason_though_a_guardrail_is_on_the_same_metric(half_failed):
    assert results(judged(half_failed)) == {
        "latency_ms": ["Failure"],
        "error_rate": [],
        "max_error_rate": ["Error"],
        "evidence": [],
    }
    (limit,) = [case for case in suite(judged(half_failed)) if case.name.startswith("max_error_rate")]
    assert limit.result[0].message.startswith("max_error_rate: the candidate's ")


def test_what_is_not_decided_beside_a_fail_is_told_as_that_and_under_its_own_name(half_failed):
    said = {line.partition("::")[2].partition("::")[0] for line in annotated(judged(half_failed)).splitlines()}
    assert {"error title=FlightDeck%3A latency_ms", "warning title=FlightDeck%3A max_error_rate"} <= said
    assert not [title for title in said if title.endswith(" error_rate")]
    assert [reason.partition(": ")[::2][0] for reason in objections(half_failed)] == [
        "verdict FAIL",
        "verdict INCONCLUSIVE",
    ]


def test_evidence_that_does_not_do_is_not_a_failure_beside_one(half_failed):
    whole = VerdictReason(code="windows_disjoint", message="at different times")
    verdict = half_failed.model_copy(update={"reasons": [*half_failed.reasons, whole]})
    assert results(judged(verdict))["evidence"] == ["Error"]
    assert "::warning title=FlightDeck%3A windows_disjoint::at different times" in annotated(judged(verdict))
    assert objections(verdict)[-1] == "verdict INCONCLUSIVE: at different times"


def test_junit_tells_what_is_not_decided_as_an_error_not_as_skipped(undecided, empty):
    for verdict, type_ in ((undecided, "INCONCLUSIVE"), (empty, "NODATA")):
        told = [one for case in suite(judged(verdict)) for one in case.result]
        assert told
        assert {type(one) for one in told} == {Error}
        assert {one.type for one in told} == {type_}
        assert suite(judged(verdict)).errors == len(told)
    (reason,) = [one for case in suite(judged(empty)) if case.name == "evidence" for one in case.result]
    assert reason.message == "no evidence: candidate has no finished run in the window"


def test_junit_fails_where_the_policy_blocks_though_the_verdict_passes(passed):
    blocked = PolicyResult(passed=False, reasons=["confidence is LOW"], evaluated_at=NOW)
    (told,) = [one for case in suite(judged(passed, policy=blocked)) for one in case.result]
    assert (type(told), told.message) == (Failure, "confidence is LOW")


def test_junit_is_xml_whatever_names_hold(hostile):
    found = suite(hostile)
    assert "<script>" in found.name
    assert "\ufffd" in found.name, "XML has no NUL"


# --- annotations ---

COMMAND = re.compile(r"::(error|warning|notice) title=[^:,\n]*::[^\n]*")


@pytest.mark.parametrize(
    ("name", "level"), [("passed", "notice"), ("failed", "error"), ("undecided", "warning"), ("empty", "error")]
)
def test_annotations_begin_with_a_summary_of_the_statuss_level(name, level, request):
    verdict = request.getfixturevalue(name)
    lines = annotated(judged(verdict)).splitlines()
    assert lines[0].startswith(f"::{level} title=FlightDeck%3A {verdict.status}::rel_b against rel_a: {verdict.status}")
    assert len([line for line in lines if line.startswith(f"::{level} title=FlightDeck%3A ")]) > len(verdict.reasons)
    assert all(COMMAND.fullmatch(line) for line in lines)


def test_annotations_are_one_command_a_line_whatever_names_hold(hostile):
    lines = annotated(hostile).split("\n")
    assert all(COMMAND.fullmatch(line) for line in lines)
    assert not [line for line in lines if line.startswith("::error::forged")]
    assert "%0A::error::forged" in lines[0]
    assert "50 %25" in lines[0]


def test_annotations_are_at_most_ten_of_a_kind(failed):
    many = failed.model_copy(update={"reasons": [VerdictReason(code="x", message=str(number)) for number in range(50)]})
    assert len(annotated(judged(many)).splitlines()) <= 10 + len(failed.warnings)


# --- the light install ---


def test_renderings_need_no_numpy():
    """The light install has none."""
    names = ("text", "report", "markdown", "junit", "annotations")
    imports = "; ".join(f"import flightdeck.presentation.{name}" for name in names)
    code = f"import sys; {imports}; print([m for m in ('numpy', 'scipy', 'fastapi', 'sqlalchemy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
