"""Commands over runs, and the diff: output and exit codes are 1.3's, which scripts and CI jobs read."""

from __future__ import annotations

import json
import re
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from flightdeck.app import build
from flightdeck.cli.connection import WINDOW_HINT
from flightdeck.otel.runs import Finding, FindingKind
from flightdeck.settings import load
from flightdeck.store import findings
from tests.contract.commands import TABLE, bundle, run


def event(release_id: str, number: int, **changes: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "timestamp": datetime.now(UTC).isoformat(),
        "agent_id": "agent_support",
        "release_id": release_id,
        "run_id": f"{release_id}-{number}",
        "tenant_id": "t",
        "task_id": "k",
        "environment": "local",
        "metrics": {"latency_ms": 100 + number, "success": number != 2},
        "usage": {"model": {"provider": "openai", "model": "gpt-4.1-mini", "input_tokens": 1000, "output_tokens": 500}},
    }
    return made | changes


def lines(path: Path, events: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(one) + "\n" for one in events))
    return str(path)


@pytest.fixture
def release(initialised: Path) -> str:
    bundle(initialised / "one")
    return run("release", "register", "one").stdout.strip()


@pytest.fixture
def pair(initialised: Path, release: str) -> tuple[str, str]:
    """Two releases with a price table and three runs each."""
    (initialised / "p.yaml").write_text(TABLE)
    assert run("pricing", "import", "p.yaml").exit_code == 0
    bundle(initialised / "two", version="1.1.0")
    other = run("release", "register", "two").stdout.strip()
    events = [event(release_id, number) for release_id in (release, other) for number in range(3)]
    assert run("runs", "ingest", lines(initialised / "events.jsonl", events)).stdout == "Inserted 6 events\n"
    return release, other


@pytest.mark.contract("C1.27")
def test_ingest_takes_lines_or_an_array_and_counts_what_is_new(initialised, release):
    events = [event(release, number) for number in range(3)]
    assert run("runs", "ingest", lines(initialised / "a.jsonl", events[:2])).stdout == "Inserted 2 events\n"
    (initialised / "b.json").write_text("\n  " + json.dumps(events))
    again = run("runs", "ingest", "b.json")
    assert (again.stdout, again.stderr) == ("Inserted 1 events\n", "2 were known already.\n")
    changed = run("runs", "ingest", lines(initialised / "c.jsonl", [{**events[0], "task_id": "other"}]))
    assert changed.stdout == "Inserted 0 events\n"
    assert events[0]["run_id"] in changed.stderr
    (initialised / "empty.jsonl").write_text("\n")
    assert run("runs", "ingest", "empty.jsonl").stdout == "Inserted 0 events\n"


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("{good}\n{bad}\n", "line 2: usage"),
        ("{good}\n\nnonsense\n", "line 3 is no JSON"),
        ("[{good}, {bad}]", "event 2: usage"),
        ("[{good}, ", "is no JSON"),
        ("{good}\n7\n", "line 2"),
    ],
)
@pytest.mark.contract("C1.27")
def test_one_bad_event_of_a_file_is_named_and_nothing_is_stored(initialised, release, text, where):
    good, bad = event(release, 1), event(release, 2, usage={})
    path = initialised / "e"
    path.write_text(text.replace("{good}", json.dumps(good)).replace("{bad}", json.dumps(bad)))
    failed = run("runs", "ingest", "e")
    assert failed.exit_code == 1
    assert re.fullmatch(rf"Error: e[^\n]*{re.escape(where)}[^\n]*\n", failed.stderr)
    assert "matched_total=0" in run("runs", "list", release, "--window", "1d").stdout


def test_an_event_that_contradicts_its_release_is_refused(initialised, release):
    failed = run("runs", "ingest", lines(initialised / "e.jsonl", [event(release, 1, agent_id="other")]))
    assert failed.exit_code == 1
    assert "agent_support" in failed.stderr


@pytest.mark.contract("C1.28")
def test_list_as_text_is_a_header_and_a_line_per_run_newest_first(pair):
    listed = run("runs", "list", pair[0], "--window", "1d", "--limit", "2").stdout.splitlines()
    assert listed[0] == f"release={pair[0]} matched_total=3 returned=2 truncated=True"
    events = [json.loads(line) for line in listed[1:]]
    assert [one["run_id"] for one in events] == [f"{pair[0]}-2", f"{pair[0]}-1"]
    assert listed[1] == json.dumps(events[0], sort_keys=True)


@pytest.mark.contract("C1.28")
def test_list_as_json_is_the_api_s_answer(pair):
    text = run("runs", "list", pair[0], "--window", "1d", "--output", "json", "--tenant", "t").stdout
    page = json.loads(text)
    assert text == json.dumps(page, indent=2, sort_keys=True) + "\n"
    assert (page["matched_total"], page["filters"]["tenant_id"]) == (3, "t")


@pytest.mark.contract("C1.29")
def test_export_writes_lines_and_warns_when_there_are_more(initialised, pair):
    whole = run("runs", "export", pair[0], "--window", "1d")
    assert (len(whole.stdout.splitlines()), whole.stderr, whole.exit_code) == (3, "", 0)
    some = run("runs", "export", pair[0], "--window", "1d", "--limit", "2", "-o", "out.jsonl")
    assert some.stderr == "WARNING: exported 2 of 3 matching events (offset=0, --limit 2).\n"
    assert (some.exit_code, some.stdout) == (0, "")
    assert (initialised / "out.jsonl").read_text().splitlines() == whole.stdout.splitlines()[:2]


@pytest.mark.parametrize(
    "command", [["runs", "export", "RELEASE", "--window", "1d", "-o"], ["doctor", "--backup"]], ids=["export", "backup"]
)
def test_a_file_that_can_not_be_written_is_one_line(initialised, release, command):
    (initialised / "file").touch()
    assert run("runs", "ingest", lines(initialised / "events.jsonl", [event(release, 1)])).exit_code == 0
    done = run(*(release if word == "RELEASE" else word for word in command), "file/out")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: file/out can't be written: ")
    assert len(done.stderr.splitlines()) == 1


def test_doctor_counts_releases_that_only_events_know(initialised, release):
    """A warning that names the remedy: exit code and the other lines stay."""
    before = run("doctor").stdout.splitlines()
    events = [event(release, 1), event("rel_a", 1), event("rel_b", 1), event("rel_b", 2)]
    assert run("runs", "ingest", lines(initialised / "events.jsonl", events)).stdout == "Inserted 4 events\n"
    done = run("doctor")
    told = (
        "WARN  unregistered_releases: runs of 2 release id(s) that are not registered, no comparison counts them: "
        "'rel_a', 'rel_b'. Register their bundles with: flightdeck release register"
    )
    assert done.exit_code == 0
    assert re.fullmatch(r"Doctor: \d+ check\(s\), all passed, 1 with a warning\.", done.stdout.splitlines()[-1])
    assert [line for line in done.stdout.splitlines()[:-1] if not line.startswith("ok    store: ")] == [
        *(line for line in before[:-1] if not line.startswith("ok    store: ")),
        told,
    ]


def test_doctor_warns_of_services_that_sent_runs_without_a_release_in_the_last_day(initialised):
    app = build(load(workspace=initialised))
    try:
        now_us = time.time_ns() // 1000
        lost = Finding(FindingKind.UNASSIGNED, "would-be", "", "support", "local", "support", "1.4.0", now_us)
        long_ago = replace(lost, service_name="retired", timestamp_us=now_us - 25 * 3600 * 1_000_000)
        traces = {(0, f"{1:032x}"): [lost], (0, f"{2:032x}"): [long_ago]}
        findings.replace(app.engine(), traces, dict.fromkeys(traces, 1))
    finally:
        app.close()
    done = run("doctor")
    assert done.exit_code == 0
    assert (
        "WARN  runs_without_release: 1 run(s) of the last day name no registered release, no comparison counts them: "
        "'support' version '1.4.0'. Set FLIGHTDECK_RELEASE_ID where they run, or register their version"
    ) in done.stdout.splitlines()


@pytest.mark.parametrize("command", ["list", "export"])
def test_an_unknown_release_and_a_window_that_is_none_are_errors(release, command):
    unknown = run("runs", command, "rel_nope", "--window", "1d")
    assert (unknown.exit_code, unknown.stderr) == (1, "Error: Unknown release: rel_nope\n")
    odd = run("runs", command, release, "--window", "7x")
    assert (odd.exit_code, odd.stderr) == (1, f"Error: Invalid window unit: 7x {WINDOW_HINT}\n")


@pytest.mark.contract("C1.15")
def test_the_diff_s_text_has_1_3s_lines_in_order(pair):
    shown = run("release", "diff", *pair, "--window", "7d")
    assert shown.exit_code == 0
    expected = [
        r"Window: 7d \(\S+\+00:00 \.\. \S+\+00:00\)",
        r"Filters: env=local tenant=\* task=\*",
        r"Baseline pricing: openai/p1 \(model=gpt-4\.1-mini\)",
        r"Candidate pricing: openai/p1 \(model=gpt-4\.1-mini\)",
        r"Samples: baseline=3 candidate=3",
        r"Confidence: LOW \(candidate sample < 500 runs; baseline sample < 500 runs; LOW floor is 50 runs\)",
        r"",
        r"Estimated model token cost/run \(USD\): 2\.000000 -> 2\.000000 \(delta \+0\.000000, \+0\.00%\)",
        r"Latency avg \(ms\): 101\.00 -> 101\.00 \(delta \+0\.00\)",
        r"Error rate: 0\.3333 -> 0\.3333 \(delta \+0\.0000\)",
        r"",
        r"Policy: FAIL",
        r"- diff confidence is LOW \(.*\); promotion requires HIGH",
    ]
    former, _, judged = shown.stdout.partition("\n\nVerdict: ")
    assert judged.startswith("INCONCLUSIVE (fixed test"), "what is new stands after it"
    found = former.splitlines()
    assert len(found) == len(expected)
    for line, pattern in zip(found, expected, strict=True):
        assert re.fullmatch(pattern, line)


@pytest.mark.contract("C1.16")
def test_the_diff_as_json_is_the_api_s_answer_with_1_3s_keys(pair):
    text = run("release", "diff", *pair, "--window", "7d", "--output", "json", "--task", "k").stdout
    diff = json.loads(text)
    assert text == json.dumps(diff, indent=2, sort_keys=True) + "\n"
    assert diff.keys() >= {"window", "since", "until", "filters", "pricing", "samples", "metrics", "policy"}
    assert diff["filters"] == {"environment": "local", "tenant_id": None, "task_id": "k"}


@pytest.mark.contract("C1.18")
def test_a_diff_is_narrowed_down_by_environment_tenant_and_task(initialised, pair):
    changes = [{"environment": "prod"}, {"tenant_id": "u"}, {"task_id": "l"}, {"tenant_id": "u", "task_id": "l"}]
    events = [event(pair[1], 10 + number, **change) for number, change in enumerate(changes)]
    run("runs", "ingest", lines(initialised / "more.jsonl", events))

    def candidates(*narrowed: str) -> int:
        shown = run("release", "diff", *pair, "--window", "7d", "--output", "json", *narrowed).stdout
        return int(json.loads(shown)["samples"]["candidate_runs"])

    assert candidates() == 6
    assert candidates("--env", "prod") == 1
    assert candidates("--tenant", "u") == 2
    assert candidates("--task", "l") == 2
    assert candidates("--tenant", "u", "--task", "l") == 1


def test_sides_may_have_windows_of_their_own(pair):
    """D14."""
    now = datetime.now(UTC)
    interval = f"{now - timedelta(hours=1):%Y-%m-%dT%H:%MZ}/{now + timedelta(hours=1):%Y-%m-%dT%H:%MZ}"
    past = "2020-01-01/2020-01-02"
    asked = ("release", "diff", *pair, "--output", "json", "--baseline-window", past)
    both = json.loads(run(*asked, "--candidate-window", interval).stdout)
    assert (both["samples"]["baseline_runs"], both["samples"]["candidate_runs"]) == (0, 3)
    one = json.loads(run(*asked, "--window", "1h").stdout)
    assert (one["window"], one["samples"]["candidate_runs"]) == ("1h", 3)
    text = run(*asked[:4], "--window", "1h", "--baseline-window", past).stdout
    assert "Baseline window: 2020-01-01T00:00:00+00:00 .. 2020-01-02T00:00:00+00:00" in text.splitlines()
    for wrong in ((), ("--window", "1h", "--candidate-window", "2020-01-01"), ("--candidate-window", "/")):
        assert run(*asked, *wrong).exit_code == 2


@pytest.mark.contract("C1.17")
def test_only_with_fail_on_policy_a_fail_is_exit_code_1(initialised, pair):
    blocked = run("release", "diff", *pair, "--window", "7d", "--fail-on-policy")
    assert blocked.exit_code == 1
    assert "Policy: FAIL" in blocked.stdout
    assert blocked.stderr == "Error: Policy gate: diff blocked by active policy (see reasons above).\n"
    (initialised / "policy.yaml").write_text("{require_high_diff_confidence: false, max_cost_per_run_usd: 3}")
    run("policy", "set", "policy.yaml")
    allowed = run("release", "diff", *pair, "--window", "7d", "--fail-on-policy")
    assert (allowed.exit_code, allowed.stderr) == (0, "")
    assert "\nPolicy: PASS\n\nVerdict: " in allowed.stdout


def test_a_diff_of_what_is_not_there_is_one_line(pair):
    unknown = run("release", "diff", pair[0], "nope", "--window", "7d")
    assert (unknown.exit_code, unknown.stderr) == (1, "Error: Unknown candidate release: nope\n")
    odd = run("release", "diff", *pair, "--window", "0d")
    assert (odd.exit_code, odd.stderr) == (1, f"Error: Invalid window: 0d {WINDOW_HINT}\n")


def test_releases_of_two_agents_are_not_compared(initialised, release):
    bundle(initialised / "other", agent="agent_other")
    other = run("release", "register", "other").stdout.strip()
    refused = run("release", "diff", release, other, "--window", "7d")
    assert refused.exit_code == 1
    assert refused.stderr.startswith("Error: Cross-agent diff is not allowed.")
