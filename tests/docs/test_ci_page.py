"""docs/ci.md and docs/policies.md: every command that they show runs, against a real server."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from flightdeck.cli.verdicts import EXIT_CODES
from flightdeck.cli.watch import PATIENCE_S
from flightdeck.interruption import INTERRUPTED
from flightdeck.models import Policy
from tests.contract.commands import run
from tests.contract.gate_parts import Canary, canary
from tests.serving import environment, serving

DOCS = Path(__file__).parents[2] / "docs"
CI, POLICIES = ((DOCS / name).read_text(encoding="utf-8") for name in ("ci.md", "policies.md"))
SETTING, WAIT, CASE, AGAIN = re.findall(r"```sh\n(.*?)```", CI, re.DOTALL)
GITHUB, GITLAB = (yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", CI, re.DOTALL))
INSTALL = "pip install flightdeck-ai"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Canary]:
    folder = tmp_path_factory.mktemp("ci")
    with serving(folder) as server, pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("FLIGHTDECK_")]:
            patch.delenv(name)
        patch.setenv("FLIGHTDECK_URL", server.url)
        made = canary(folder, url=server.url)
        assert run("policy", "set", made.tolerant).exit_code == 0
        yield made


@pytest.fixture
def shell(own: Canary, tmp_path: Path):
    """Runs a snippet, with ``flightdeck`` on the path; a line that fails ends it where ``stop`` is set."""
    program = tmp_path / "bin" / "flightdeck"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m flightdeck.cli.main "$@"\n')
    program.chmod(0o755)

    def runs(snippet: str, candidate: str = own.good, *, stop: bool = True) -> subprocess.CompletedProcess[str]:
        values = {
            "FLIGHTDECK_URL": own.url,
            "BASELINE": own.baseline,
            "CANDIDATE": candidate,
            "PATH": f"{program.parent}:{os.environ['PATH']}",
            "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
        }
        command = ["bash", *(["-e"] if stop else []), "-o", "pipefail", "-c", snippet]
        return subprocess.run(
            command, cwd=tmp_path, env=environment(values), capture_output=True, text=True, check=False, timeout=60
        )

    return runs


# --- docs/ci.md ---


def test_the_table_names_every_exit_code():
    rows = re.findall(r"^\| (\d+) \| (\S+) \|", CI, re.MULTILINE)
    assert {word: int(code) for code, word in rows} == {**EXIT_CODES, "error": 1, "usage": 2, "Ctrl-C": INTERRUPTED}
    assert PATIENCE_S == 120
    assert "two minutes at most" in CI


def test_the_settings_are_those_that_are_read():
    assert set(re.findall(r"export (\w+)=", SETTING)) == {"FLIGHTDECK_URL", "FLIGHTDECK_LOCAL_API_TOKEN"}


@pytest.mark.parametrize(("candidate", "code"), [("good", 0), ("slow", 5)])
def test_the_wait_of_the_page(own, shell, candidate, code):
    assert shell(WAIT, getattr(own, candidate)).returncode == code


@pytest.mark.parametrize(
    ("candidate", "code", "said"),
    [("good", 0, "roll forward"), ("slow", 5, "roll back"), ("nope", 1, "the gate could not be asked")],
)
def test_the_shell_s_case(own, shell, candidate, code, said):
    done = shell(CASE, getattr(own, candidate, "rel_nope"), stop=False)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (code, said)


def test_the_shell_s_case_without_runs(own, shell):
    done = shell(CASE.replace("--wait 30m", "--wait 1s"), own.unused, stop=False)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (4, "no verdict yet: the canary stays as it is")


def test_the_workflow_for_github(own, shell, tmp_path):
    (job,) = GITHUB["jobs"].values()
    assert set(job["env"]) == {"FLIGHTDECK_URL", "FLIGHTDECK_LOCAL_API_TOKEN", "BASELINE", "CANDIDATE"}
    install, *steps = [step["run"] for step in job["steps"] if "run" in step]
    assert install == INSTALL
    gated, reported = (shell(step, own.slow) for step in steps)
    assert gated.returncode == 5
    assert gated.stdout.startswith("::error title=FlightDeck%3A FAIL::")
    assert (reported.returncode, reported.stderr) == (0, "")
    assert (tmp_path / "summary.md").read_text().startswith("### FlightDeck: FAIL")
    files = job["steps"][-1]["with"]["path"].split("\n")
    assert all((tmp_path / file).stat().st_size for file in files)


def test_the_job_for_gitlab(own, shell, tmp_path):
    job = GITLAB["gate"]
    install, gate = job["script"]
    assert install == INSTALL
    assert shell(gate, own.slow).returncode == 5
    assert (tmp_path / job["artifacts"]["reports"]["junit"]).read_text().startswith("<?xml")
    assert set(job["allow_failure"]["exit_codes"]) == {EXIT_CODES["INCONCLUSIVE"], EXIT_CODES["NODATA"]}


def test_evidence_is_judged_again(own, shell):
    done = shell(AGAIN, own.slow)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Verdict: FAIL")


# --- docs/policies.md ---


def test_the_policy_and_the_commands_of_the_page(shell, tmp_path):
    (document,) = re.findall(r"```yaml\n(.*?)```", POLICIES, re.DOTALL)
    assert Policy.model_validate(yaml.safe_load(document)).statistics.gate == "both"
    (tmp_path / "policy.yaml").write_text(document)
    scopes, trial = re.findall(r"```sh\n(.*?)```", POLICIES, re.DOTALL)
    # Other tests are judged by what is set for all.
    commands = [
        line for line in scopes.splitlines() if not re.fullmatch(r"flightdeck policy set policy.yaml +# for all", line)
    ]
    done = shell("\n".join(commands))
    assert (done.returncode, done.stderr) == (0, "")
    shown = json.loads(done.stdout[done.stdout.index("{") : done.stdout.rindex("}") + 1])
    assert shown["scope"] == {"agent_id": "support-agent", "environment": "prod"}
    assert "\tremoved" in done.stdout
    assert shell(trial).stdout.splitlines()[-1] == "0 of 0 decisions would be others."
