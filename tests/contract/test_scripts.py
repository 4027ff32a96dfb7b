"""Scripts that were written for 1.3: a shell story, a CI job's gate, a jq filter. They run here as they stand.

A server runs in their folder, only because commands are quicker then: without one each opens the store for itself.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.commands import TABLE, bundle
from tests.former import Former
from tests.serving import environment, serving

STORY = """\
set -eu
flightdeck init --no-bundled-pricing
flightdeck pricing import p1.yaml
flightdeck policy set policy.yaml
BASELINE=$(flightdeck release register baseline)
CANDIDATE=$(flightdeck release register candidate --env production)
echo "$BASELINE" | grep -qE '^rel_[0-9a-f]{12}$'
sed "s/RELEASE/$BASELINE/g; s/NOW/$(date -u +%Y-%m-%dT%H:%M:%SZ)/" events.jsonl > baseline.jsonl
sed "s/RELEASE/$CANDIDATE/g; s/NOW/$(date -u +%Y-%m-%dT%H:%M:%SZ)/" events.jsonl > candidate.jsonl
flightdeck runs ingest baseline.jsonl
flightdeck runs ingest candidate.jsonl
flightdeck release list | cut -f 1-4
flightdeck release verify "$BASELINE" --path baseline
flightdeck release diff "$BASELINE" "$CANDIDATE" --window 7d
flightdeck release promote "$BASELINE" --env local --window 7d --reason "the first"
flightdeck release promote "$CANDIDATE" --env local --window 7d --reason "as good"
flightdeck release rollback "$BASELINE" --env local --window 7d --reason "not so good"
flightdeck release history | cut -f 2-
echo "$BASELINE $CANDIDATE" > ids
"""
GATE = """\
set -e
read -r BASELINE CANDIDATE < ids
flightdeck release diff "$BASELINE" "$CANDIDATE" --window 7d --fail-on-policy > report.txt
echo deployed
"""
FILTER = """
[ .samples.baseline_runs, .samples.candidate_runs, .samples.confidence,
  .metrics.delta_cost_per_run_usd, (.metrics.candidate_error_rate * 100 | floor),
  .pricing.prices.candidate_input_usd_per_1k_tokens, (.pricing.warnings | length), .pricing.catalog.enabled,
  .filters.environment, .window, (.since < .until),
  (if .policy.passed then "go" else (.policy.reasons | join("; ")) end), (.policy.evaluated_at | endswith("Z")) ]
"""
POLICY = "policy_id: {name}\nmax_cost_per_run_usd: {cost}\nmin_candidate_runs: 1\nmin_baseline_runs: 1\n"
EVENT: dict[str, Any] = {
    "timestamp": "NOW",
    "agent_id": "agent_support",
    "release_id": "RELEASE",
    "run_id": "RELEASE-1",
    "tenant_id": "t",
    "task_id": "k",
    "environment": "local",
    "metrics": {"latency_ms": 1000, "success": True},
    "usage": {"model": {"provider": "openai", "model": "gpt-4.1-mini", "input_tokens": 1000, "output_tokens": 500}},
}


def furnished(folder: Path) -> Path:
    """The files that the story names."""
    bundle(folder / "baseline")
    bundle(folder / "candidate", version="1.1.0")
    (folder / "p1.yaml").write_text(TABLE)
    (folder / "policy.yaml").write_text(POLICY.format(name="mine", cost=4))
    (folder / "strict.yaml").write_text(POLICY.format(name="strict", cost=0.5))
    (folder / "events.jsonl").write_text(json.dumps(EVENT) + "\n")
    return folder


def shell(script: str, folder: Path, commands: Path) -> subprocess.CompletedProcess[str]:
    """Runs a script in which ``flightdeck`` is the one in a folder of commands."""
    path = {"PATH": f"{commands}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(
        ["sh", "-c", script],
        cwd=folder,
        env={name: value for name, value in environment().items() if name != "PYTHONPATH"} | path,
        capture_output=True,
        check=False,
        text=True,
        timeout=240,
    )


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of commands with this repository's ``flightdeck``, installed or not."""
    folder = tmp_path_factory.mktemp("bin")
    root = Path(__file__).parents[2]
    call = f'PYTHONPATH="{root}" exec "{sys.executable}" -m flightdeck.cli.main "$@"'
    (folder / "flightdeck").write_text(f"#!/bin/sh\n{call}\n")
    (folder / "flightdeck").chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, ours: Path) -> Iterator[tuple[Path, str]]:
    """The workspace of the story, and what it printed."""
    folder = furnished(tmp_path_factory.mktemp("story"))
    with serving(folder):
        done = shell(STORY, folder, ours)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        yield folder, done.stdout


def plain(said: str) -> Iterator[str]:
    """The lines with ids in the order in which they first appear, and without the times."""
    ids: dict[str, str] = {}
    for line in said.splitlines():
        numbered = re.sub(r"rel_[0-9a-f]{12}", lambda found: ids.setdefault(found[0], f"rel_{len(ids)}"), line)
        yield re.sub(r"\d{4}-\d\d-\d\dT[0-9:.]+\+00:00", "TIME", numbered)


@pytest.mark.contract("C1.31")
def test_the_story_of_1_3_runs_in_a_shell(told: tuple[Path, str]) -> None:
    _, said = told
    lines = list(plain(said))
    assert lines[:2] == ["Wrote flightdeck.yaml", "Imported openai/p1"]
    assert "Policy: PASS" in lines
    history = [line for line in lines if line.startswith(("promote", "rollback"))]
    assert [line.split("\t")[0] for line in history] == ["rollback", "promote", "promote"]


@pytest.mark.contract("C1.31")
def test_the_story_prints_all_that_1_3_prints(told: tuple[Path, str], former: Former, tmp_path: Path) -> None:
    """Line by line and in order; only additions stand between, and the first promotion has the same words."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "flightdeck").symlink_to(former.executable)
    (tmp_path / "story").mkdir()
    theirs = shell(STORY, furnished(tmp_path / "story"), tmp_path / "bin")
    assert theirs.returncode == 0, theirs.stderr
    left = iter(plain(told[1]))
    missing = [line for line in plain(theirs.stdout) if not any(line == here for here in left)]
    assert missing == []


@pytest.mark.contract("C1.17")
def test_a_ci_job_s_gate_stops_it_on_fail_and_lets_it_go_on_on_pass(told: tuple[Path, str], ours: Path) -> None:
    folder, _ = told
    passed = shell(GATE, folder, ours)
    assert (passed.returncode, passed.stdout) == (0, "deployed\n"), passed.stderr
    assert "Policy: PASS" in (folder / "report.txt").read_text()
    failed = shell("flightdeck policy set strict.yaml >&2\n" + GATE, folder, ours)
    assert (failed.returncode, failed.stdout) == (1, "")
    assert "- candidate cost_per_run_usd 2.000000 exceeds max 0.500000" in (folder / "report.txt").read_text()
    assert shell("flightdeck policy set policy.yaml", folder, ours).returncode == 0


def filtered(document: str) -> Any:
    """What the filter makes of a document: by the program jq, else by its Python binding."""
    if (program := shutil.which("jq")) is not None:
        done = subprocess.run([program, FILTER], input=document, capture_output=True, check=True, text=True, timeout=60)
        return json.loads(done.stdout)
    jq = pytest.importorskip("jq", reason="neither jq nor its Python binding (pip install jq) is here")
    return jq.compile(FILTER).input_text(document).first()


@pytest.mark.contract("C6.13")
def test_a_jq_script_over_the_diff_finds_1_3s_paths(told: tuple[Path, str], ours: Path) -> None:
    folder, _ = told
    asked = shell("flightdeck release diff $(cat ids) --window 7d --output json", folder, ours)
    assert asked.returncode == 0, asked.stderr
    expected = [1, 1, "HIGH", 0, 0, 1, 0, False, "local", "7d", True, "go", True]
    assert filtered(asked.stdout) == expected
