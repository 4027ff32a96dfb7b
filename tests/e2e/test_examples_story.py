"""examples/quickstart, ci, fleet and pricing: run as their READMEs say."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.serving import environment, serving

EXAMPLES = Path(__file__).parents[2] / "examples"
CI = EXAMPLES / "ci"


@pytest.fixture(scope="module")
def env(tmp_path_factory) -> dict[str, str]:
    """An environment whose ``flightdeck`` is this repository's, installed or not."""
    folder = tmp_path_factory.mktemp("bin")
    (folder / "flightdeck").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m flightdeck.cli.main "$@"\n')
    (folder / "flightdeck").chmod(0o755)
    return environment({"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "PYTHON": sys.executable})


def shell(script: str, folder: Path, env: dict[str, str], **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-eu", "-c", script],
        cwd=folder,
        env=env | more,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.contract("C7.01")
def test_the_quick_start_blocks_the_dearer_candidate(tmp_path, env):
    (script,) = re.findall(r"```sh\n(.*?)```", (EXAMPLES / "quickstart" / "README.md").read_text(), re.DOTALL)
    script = script.replace("/tmp/quickstart", str(tmp_path / "quickstart"))
    begin, _, rest = script.partition("flightdeck init\n")
    assert shell(f"{begin}flightdeck init", EXAMPLES / "quickstart", env).returncode == 0
    catalog = (EXAMPLES / "pricing" / "catalog.sample.yaml").resolve()
    config = tmp_path / "quickstart" / "flightdeck.yaml"
    settings = yaml.safe_load(config.read_text()) | {"pricing_catalog_path": str(catalog)}
    config.write_text(yaml.safe_dump(settings))
    with serving(tmp_path / "quickstart"):  # without it, each command would open the embedded engine for itself
        done = shell(rest, tmp_path / "quickstart", env)
        releases = re.findall(r"rel_[0-9a-f]{12}", (tmp_path / "quickstart" / "baseline.jsonl").read_text())
        releases += re.findall(r"rel_[0-9a-f]{12}", (tmp_path / "quickstart" / "candidate.jsonl").read_text())
        diff = shell(
            f"flightdeck release diff {' '.join(releases)} --window 3650d --output json", tmp_path / "quickstart", env
        )
    said = done.stdout.splitlines()
    assert done.returncode == 1
    assert done.stderr == "Error: Promotion blocked by policy\n"
    assert "Estimated model token cost/run (USD): 2.000000 -> 5.000000 (delta +3.000000, +150.00%)" in said
    assert "Latency avg (ms): 1000.00 -> 1200.00 (delta +200.00)" in said
    assert said[-2:] == ["Policy: FAIL", "- candidate cost_per_run_usd 5.000000 exceeds max 4.000000"]

    told = json.loads(diff.stdout)["pricing"]["catalog"]
    assert (told["enabled"], told["catalog_version"], told["warnings"]) == (True, "sample-1", [])


@pytest.mark.contract("C7.04")
def test_the_gate_passes_and_its_exit_code_is_that_of_what_fails(tmp_path, env):
    workspace = tmp_path / "gate"
    served = tmp_path / "served"
    served.mkdir()
    with serving(served) as server:  # its commands go there: quicker than opening the embedded engine for each
        env = env | {"FLIGHTDECK_URL": server.url}
        passed = shell(f"sh {CI / 'ledger-gate.sh'}", tmp_path, env, WORKSPACE=str(workspace))
    assert (passed.returncode, passed.stdout.splitlines()[-1]) == (0, "ledger-gate: OK"), passed.stderr
    assert "Doctor: " in passed.stdout

    empty = tmp_path / "empty"
    empty.mkdir()
    failed = shell(f"sh {CI / 'ledger-gate.sh'}", tmp_path, env, WORKSPACE=str(workspace), QUICKSTART_ROOT=str(empty))
    assert failed.returncode == 2
    assert "pricing-baseline.yaml" in failed.stderr
    assert "ledger-gate: OK" not in failed.stdout


def test_the_gate_wipes_nothing_but_a_workspace(tmp_path, env):
    precious = tmp_path / "photos"
    precious.mkdir()
    (precious / "one.jpg").write_text("x")
    done = shell(f"sh {CI / 'ledger-gate.sh'}", tmp_path, env, WORKSPACE=str(precious))
    assert done.returncode == 1
    assert "it is not wiped" in done.stderr
    assert (precious / "one.jpg").exists()


@pytest.mark.contract("C7.04")
def test_a_promotion_with_approval_takes_two_people(tmp_path, env):
    folder = tmp_path / "production"
    shutil.copytree(EXAMPLES / "fleet" / "production", folder)
    shutil.copytree(EXAMPLES / "pricing", tmp_path.parent / "pricing", dirs_exist_ok=True)
    with serving(folder):
        for side in ("baseline", "candidate"):
            shell(f"flightdeck pricing import {EXAMPLES / 'quickstart' / f'pricing-{side}.yaml'}", folder, env)
        registered = shell(f"flightdeck release register {EXAMPLES / 'quickstart' / 'baseline-release'}", folder, env)
        assert registered.returncode == 0, registered.stderr
        script = f"sh {CI / 'promote_with_approval.sh'}"
        release = {"RELEASE_ID": registered.stdout.strip(), "REASON": "first", "FLIGHTDECK_ACTOR": "ann"}
        asked = shell(f"{script} request", folder, env, **release)
        assert asked.returncode == 0, asked.stderr
        request = re.search(r"request_id=(prq_[0-9a-f]{12})", asked.stdout)[1]
        approval = {"REQUEST_ID": request, "APPROVAL_REASON": "diff looked at"}
        alone = shell(f"{script} confirm", folder, env, **approval, FLIGHTDECK_ACTOR="ann")
        assert alone.returncode == 1
        both = shell(f"{script} confirm", folder, env, **approval, FLIGHTDECK_ACTOR="ben")
        assert both.returncode == 0, both.stderr
        assert f"Promoted {release['RELEASE_ID']} for agent_support/production" in both.stdout
    for wrong, more in (("", {}), ("approve", {}), ("request", {}), ("request", {"RELEASE_ID": "x", "REASON": "y"})):
        assert shell(f"{script} {wrong}", folder, env, **more).returncode == 2


@pytest.mark.parametrize("path", sorted(CI.glob("github-*.yml")), ids=lambda path: path.stem)
@pytest.mark.contract("C7.04")
def test_a_workflow_s_steps_are_shell_and_name_files_that_exist(path):
    workflow = yaml.safe_load(path.read_text())
    steps = [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]
    assert steps
    for step in steps:
        subprocess.run(["bash", "-n", "-c", step], check=True)
        for named in re.findall(r"examples/\S+\.(?:sh|py)", step):
            assert (EXAMPLES.parent / named).is_file()


@pytest.mark.contract("C7.06")
def test_each_workspace_of_the_fleet_serves_its_own_environment(tmp_path, env):
    shutil.copytree(EXAMPLES / "pricing", tmp_path / "pricing")
    folder = tmp_path / "fleet" / "staging"
    shutil.copytree(EXAMPLES / "fleet" / "staging", folder)
    with serving(folder):
        told = json.loads(shell("flightdeck workspace info --json", folder, env).stdout)
    assert told["default_environment"] == "staging"
    assert told["promotion_requires_approval"] is False
    assert told["pricing_catalog_configured"] is True
