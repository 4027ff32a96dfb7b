"""Verdicts kept and given away: exported evidence and decisions judged again, and a diff for other programs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from junitparser import JUnitXml

from flightdeck.models import Diff
from flightdeck.presentation.report import report
from tests.contract.commands import run
from tests.contract.gate_parts import TOLERANT, Canary, send, traffic
from tests.serving import environment


def diff(own: Canary, candidate: str, *flags: str, policy: str = ""):
    policy = policy or own.tolerant
    return run("release", "diff", own.baseline, candidate, "--window", "1d", "--policy", policy, *flags)


@pytest.fixture
def exported(served_canary: Canary, tmp_path: Path) -> Path:
    """The evidence of a verdict that FAILs, in a file."""
    done = diff(served_canary, served_canary.slow, "--output", "evidence")
    assert done.exit_code == 0
    (tmp_path / "evidence.json").write_text(done.stdout)
    return tmp_path / "evidence.json"


@pytest.fixture
def promoted(served_canary: Canary, tmp_path: Path) -> tuple[Canary, str]:
    """A decision that was blocked, in an environment whose policy is the tolerant one."""
    own = served_canary
    place = f"env-{tmp_path.name}"
    assert run("policy", "set", own.tolerant, "--env", place, "--agent", "agent_support").exit_code == 0
    for release_id, latency_ms in ((own.baseline, 1000.0), (own.slow, 3000.0)):
        events = [
            {**event, "environment": place, "run_id": f"{place}-{event['run_id']}"}
            for event in traffic(release_id, 80, latency_ms=latency_ms)
        ]
        send(own.url, events)
    flags = ("--env", place, "--window", "1d", "--reason", "try")
    assert run("release", "promote", own.baseline, *flags).exit_code == 0
    blocked = run("release", "promote", own.slow, *flags)
    assert blocked.exit_code == 1, blocked.output
    return own, place


# --- flightdeck judge ---


def test_exported_evidence_judged_again_gives_the_same_verdict_to_the_last_digit(served_canary, exported):
    then = json.loads(exported.read_text())["diff"]
    again = json.loads(run("judge", str(exported), "--output", "json").stdout)
    assert again["verdict"] == then["verdict"]
    assert again["policy"] == then["policy"]
    assert (again["baseline_release_id"], again["candidate_release_id"]) == (served_canary.baseline, served_canary.slow)


def test_judging_again_needs_no_server_and_no_workspace(exported, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "flightdeck.cli.main", "judge", str(exported), "--fail-on-verdict"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (5, "")
    assert done.stdout.startswith("Verdict: FAIL (fixed test")


def test_another_policy_may_say_another_thing_of_the_same_evidence(exported, tmp_path):
    (tmp_path / "loose.yaml").write_text(TOLERANT.replace("0.5", "9"))
    loose = json.loads(run("judge", str(exported), "--policy", str(tmp_path / "loose.yaml"), "--output", "json").stdout)
    assert (loose["verdict"]["status"], loose["policy"]["passed"]) == ("PASS", True)


@pytest.mark.parametrize(
    ("output", "begins"),
    [("markdown", "### FlightDeck: FAIL"), ("junit", "<?xml "), ("annotations", "::error title=")],
)
def test_kept_evidence_has_all_renderings(exported, output, begins):
    assert run("judge", str(exported), "--output", output).stdout.startswith(begins)


def test_a_decision_is_judged_again_from_what_it_keeps(promoted, tmp_path):
    _, place = promoted
    listed = json.loads(run("release", "history", "--env", place, "--output", "json").stdout)["actions"]
    assert [action["policy_passed"] for action in listed] == [False, True]
    shown = run("release", "history", "--action", listed[0]["action_id"], "--output", "json").stdout
    (tmp_path / "decision.json").write_text(shown)
    again = json.loads(run("judge", str(tmp_path / "decision.json"), "--output", "json").stdout)
    assert again["policy"]["reasons"] == listed[0]["policy_reasons"]
    assert again["verdict"]["status"] == "FAIL"


def test_a_decision_s_evidence_that_was_changed_is_not_judged(promoted, tmp_path):
    _, place = promoted
    (decision, first) = json.loads(run("release", "history", "--env", place, "--output", "json").stdout)["actions"]
    proof = json.loads(run("release", "history", "--action", decision["action_id"]).stdout)
    proof["evidence"]["policy"]["statistics"]["guardrails"][1]["relative"] = 9
    (tmp_path / "decision.json").write_text(json.dumps(proof))
    refused = run("judge", str(tmp_path / "decision.json"))
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr == "Error: The evidence was changed: it is not what the decision was made on.\n"
    (tmp_path / "first.json").write_text(run("release", "history", "--action", first["action_id"]).stdout)
    nothing = run("judge", str(tmp_path / "first.json"))
    assert nothing.stderr == "Error: Nothing was compared in this decision, so there is nothing to judge.\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is no JSON"),
        ("[]", "This is no evidence."),
        ("{}", "This is no evidence."),
        ('{"decision": {}, "evidence": 7}', "This is no decision with its evidence."),
        ('{"diff": {}, "policy": {}, "config": {}}', "The evidence can't be read"),
        ('{"diff": 1, "policy": {"statistics": {"alpha": 7}}, "config": {}}', "The evidence can't be read"),
        ("[" * 100_000, "is no JSON"),
    ],
)
def test_a_file_that_is_no_evidence_is_one_line(tmp_path, content, said):
    (tmp_path / "file.json").write_text(content)
    refused = run("judge", str(tmp_path / "file.json"))
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert said in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


# --- policy test ---


def test_a_policy_is_tried_on_past_decisions(promoted, tmp_path):
    own, place = promoted
    (tmp_path / "loose.yaml").write_text(TOLERANT.replace("0.5", "9"))
    found = json.loads(run("policy", "test", str(tmp_path / "loose.yaml"), "--env", place, "--output", "json").stdout)
    blocked, first = found["decisions"]
    assert (blocked["then"]["passed"], blocked["then"]["status"]) == (False, "FAIL")
    assert blocked["now"] == {"passed": True, "status": "PASS", "reasons": []}
    assert (first["now"], first["note"]) == (None, "the first promotion: nothing was compared")

    table = run("policy", "test", str(tmp_path / "loose.yaml"), "--env", place).stdout.splitlines()
    assert table[0].split() == ["decided", "action", "release", "against", "then", "now"]
    assert table[1].split()[1:] == ["promote", own.slow, own.baseline, "FAIL", "(FAIL)", "PASS", "(PASS)", "changed"]
    assert table[-1] == "1 of 2 decisions would be others."

    same = run("policy", "test", own.tolerant, "--env", place).stdout.splitlines()
    assert same[2].startswith("  - verdict FAIL: latency_ms changed by")
    assert same[-1] == "0 of 2 decisions would be others."


# --- release diff ---


def test_the_text_of_a_diff_is_1_3_s_and_then_the_verdict_s(served_canary):
    answer = Diff.model_validate_json(diff(served_canary, served_canary.slow, "--output", "json").stdout)
    old, _, new = diff(served_canary, served_canary.slow).stdout.partition("\n\nVerdict: ")
    skip = len("Window: 1d (")  # what follows is the time, which goes on
    assert old.splitlines()[1:] == report(answer).splitlines()[1:]
    assert old[:skip] == "Window: 1d ("
    assert new.startswith("FAIL (fixed test")


@pytest.mark.parametrize(("candidate", "code"), [("good", 0), ("slow", 5), ("unused", 4)])
def test_fail_on_verdict_has_the_gate_s_exit_codes(served_canary, candidate, code):
    release_id = getattr(served_canary, candidate)
    assert diff(served_canary, release_id, "--fail-on-verdict").exit_code == code
    assert diff(served_canary, release_id, "--fail-on-verdict", "--fail-on-policy").exit_code == code
    assert diff(served_canary, release_id, "--fail-on-policy").exit_code == min(code, 1)
    assert diff(served_canary, release_id).exit_code == 0


def test_a_diff_as_markdown_says_what_moved_it_when_asked(served_canary):
    plain = diff(served_canary, served_canary.slow, "--output", "markdown").stdout
    explained = diff(served_canary, served_canary.slow, "--output", "markdown", "--explain").stdout
    assert "What moved it" not in plain
    assert "<details><summary>What moved it</summary>" in explained
    assert re.search(r"\nlatency\\_ms \+[12],\d{3} ms\n\n- (task|model|tenant) ", explained)
    text = diff(served_canary, served_canary.slow, "--explain").stdout
    assert re.search(r"What moved latency_ms \+[12],\d{3} ms:\n- ", text)
    assert "What moved cost_usd" not in text, "nothing did"


def test_a_diff_as_junit_is_read_by_others(served_canary):
    (suite,) = JUnitXml.fromstring(diff(served_canary, served_canary.slow, "--output", "junit").stdout.encode())
    assert {case.name: len(case.result) for case in suite} == {
        "error_rate (30.0 percentage points)": 0,
        "latency_ms (50.0 %)": 1,
        "evidence": 0,
        "policy": 1,
    }


def test_a_diff_as_annotations(served_canary):
    lines = diff(served_canary, served_canary.slow, "--output", "annotations").stdout.splitlines()
    assert lines[0] == (
        f"::error title=FlightDeck%3A FAIL::{served_canary.slow} against {served_canary.baseline}: FAIL"
    )
    assert lines[1].startswith("::error title=FlightDeck%3A latency_ms::latency_ms changed by")
