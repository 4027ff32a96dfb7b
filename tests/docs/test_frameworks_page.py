"""docs/frameworks.md tells what was recorded, and what was recorded is as it should be."""

import json

from tests.frameworks.cases import CASES
from tests.frameworks.findings import cohort, findings
from tests.frameworks.table import PAGE, RESULTS, page
from tests.llm import Answered

RECORDED = {one["case"]: one for one in json.loads(RESULTS.read_text())}


def test_the_page_is_made_of_the_recorded_results():
    assert PAGE.read_text() == page(list(RECORDED.values()))


def test_every_case_was_run_and_nothing_else_is_listed():
    assert list(RECORDED) == [case.name for case in CASES]
    for case in CASES:
        record = RECORDED[case.name]
        assert len(record["versions"]) == len(case.packages)
        assert len(record["instrumentation"]) == len(case.instrumentation)


def test_spans_and_run_events_gave_equal_runs_in_every_case():
    assert [name for name, one in RECORDED.items() if not one["equal"]] == []


def test_whatever_is_wrong_has_a_reason():
    for case in CASES:
        assert RECORDED[case.name]["findings"].keys() == dict(case.lacks).keys(), case.name


def test_twelve_frameworks_report_right():
    right = {case.framework for case in CASES if not RECORDED[case.name]["findings"]}
    assert len(right) >= 12, sorted(right)


def test_two_layers_that_report_the_same_tokens_never_count_twice():
    layered = [RECORDED[case.name] for case in CASES if len(case.instrumentation) > 1]
    assert len(layered) >= 5
    for record in layered:
        calls = sum(row["calls"] for run in cohort(record["runs"]) for row in run["models"])
        assert calls == record["answered"], record["case"]


def test_a_finding_names_what_differs_from_what_the_model_told():
    """The judge of the records can fail: of runs that are right it says nothing, of others what is wrong."""
    row = {
        "provider": "openai",
        "model": "gpt",
        "calls": 1,
        "input_tokens": 100,
        "cached_input_tokens": 20,
        "cache_creation_input_tokens": 0,
        "output_tokens": 10,
        "reasoning_tokens": 2,
    }
    good = {"run_kind": "agent", "success": True, "models": [row], "tools": {"get_weather": 1}}
    bad = {"run_kind": "agent", "success": False, "models": [], "tools": {}}
    runs = [one | {"calls_without_usage": 0} for one in (good, bad)]
    answered = [Answered("gpt", 100, 10, 20, 0, 2)]
    assert findings(runs, answered) == {}
    assert findings([*runs, runs[0]], answered).keys() >= {"runs", "outcomes", "calls", "input", "tools"}
    assert findings([runs[0] | {"models": [row | {"reasoning_tokens": 0}]}, runs[1]], answered) == {
        "reasoning": "0 instead of 2"
    }
    alone = runs[0] | {"run_kind": "llm_call"}
    assert findings([*runs, alone], answered) == {}
