"""``flightdeck demo``, whole: real server, real agents, two verdicts, and nothing left behind."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
import yaml

from flightdeck.demo.example import example_folder
from flightdeck.demo.processes import environment

DEMO = (sys.executable, "-m", "flightdeck.cli.main", "demo")


def run_demo(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the demo with its temporary files under ``folder``."""
    return subprocess.run(
        [*DEMO, *arguments],
        env=environment(TMPDIR=str(folder)),
        capture_output=True,
        text=True,
        timeout=540,
        check=False,
    )


def verdicts(output: str) -> list[str]:
    return re.findall(r"^ (PASS|FAIL)  ", output, re.MULTILINE)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.timeout(580)
def test_the_whole_demo_ends_with_both_verdicts_and_leaves_nothing(tmp_path):
    done = run_demo(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert verdicts(done.stdout) == ["FAIL", "PASS"]
    runs, tenants, tasks = re.search(r"([\d,]+) runs of (\d+) tenants and (\d+) tasks", done.stdout).groups()
    assert int(runs.replace(",", "")) >= 1_200
    assert int(tenants) >= 8
    assert int(tasks) >= 4
    assert re.search(r"^error rate .*\n  (\w+)", done.stdout, re.MULTILINE)[1] == "refund"
    assert "asks for 300 runs a side" in done.stdout
    assert re.search(
        r"^Demo OK — workspace initialized, releases registered, runs ingested,", done.stdout, re.MULTILINE
    )
    assert list(tmp_path.iterdir()) == []


def test_a_small_demo_scales_its_minimums_down_and_says_so(tmp_path):
    done = run_demo(tmp_path, "--runs", "120", "--verify", "--doctor", "--keep-workspace")
    assert done.returncode == 0, done.stdout + done.stderr
    assert verdicts(done.stdout) == ["FAIL", "PASS"]
    assert "120 runs of" in done.stdout
    assert "asks for 40 runs a side" in done.stdout
    assert "(also ran: verify, doctor)" in done.stdout
    folder = Path(re.search(r"^Workspace: (.+)$", done.stdout, re.MULTILINE)[1])
    assert folder.parent == tmp_path
    assert (folder / "flightdeck.yaml").exists()
    assert not (folder / ".flightdeck" / "server.json").exists()


def test_another_verdict_than_deserved_is_a_failure(tmp_path):
    """Under a policy without limits the worse candidate passes too, which the demo must not call right."""
    copy = tmp_path / "support_agent"
    shutil.copytree(example_folder(), copy, ignore=shutil.ignore_patterns("__pycache__"))
    policy = yaml.safe_load((copy / "policy.yaml").read_text())
    for limit in ("max_cost_per_run_usd", "max_error_rate", "max_latency_ms"):
        policy[limit] = None
    (copy / "policy.yaml").write_text(yaml.safe_dump(policy))
    done = run_demo(tmp_path, "--runs", "60", "--quickstart-root", str(tmp_path))
    assert done.returncode == 1
    assert verdicts(done.stdout) == ["PASS", "PASS"]
    assert "Demo OK" not in done.stdout
    assert done.stderr.startswith("Error: Verdicts should be")
    assert list(tmp_path.iterdir()) == [copy]


def test_served_it_shows_the_page_until_ctrl_c(tmp_path):
    demo = subprocess.Popen(
        [*DEMO, "--runs", "60", "--serve"],
        env=environment(TMPDIR=str(tmp_path), PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        shown = ""
        for line in demo.stdout:
            shown += line
            if "The server is up at" in line:
                break
        url = re.search(r"The server is up at (http://\S+) until", shown)[1]
        assert len(re.findall(rf"{re.escape(url)}/#/diff\?baseline=rel_\w+&candidate=rel_\w+", shown)) == 2
        with urllib.request.urlopen(f"{url}/health", timeout=10) as health:
            assert json.load(health)["status"] == "ok"
        (folder,) = tmp_path.iterdir()
        pid = json.loads((folder / ".flightdeck" / "server.json").read_text())["pid"]
        demo.send_signal(signal.SIGINT)
        assert demo.wait(30) == 0, demo.stderr.read()
    finally:
        if demo.poll() is None:
            demo.kill()
            demo.wait()
    assert not alive(pid)
    assert list(tmp_path.iterdir()) == []


def test_a_demo_that_is_ended_takes_its_children_with_it(tmp_path):
    demo = subprocess.Popen(
        [*DEMO], env=environment(TMPDIR=str(tmp_path)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    give_up = time.monotonic() + 60
    while not (files := list(tmp_path.glob("*/.flightdeck/server.json"))):
        assert time.monotonic() < give_up
        time.sleep(0.1)
    pid = json.loads(files[0].read_text())["pid"]
    demo.terminate()
    assert demo.wait(30) != 0
    assert not alive(pid)
    assert list(tmp_path.iterdir()) == []


def test_a_root_without_the_example_is_named_in_one_line(tmp_path):
    done = run_demo(tmp_path, "--quickstart-root", str(tmp_path))
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "agent.py" in done.stderr


def test_a_quick_start_of_1_3_is_told_where_its_commands_are(tmp_path):
    root = Path(__file__).parents[2] / "examples" / "quickstart"
    done = run_demo(tmp_path, "--quickstart-root", str(root))
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    assert f"{root} is a quick start of flightdeck-ai 1.3" in done.stderr
    assert "examples/quickstart/README.md" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_root_that_does_not_exist_is_a_usage_error(tmp_path):
    assert run_demo(tmp_path, "--quickstart-root", str(tmp_path / "nowhere")).returncode == 2


@pytest.mark.contract("C1.07")
def test_the_flags_of_1_3_are_still_there(tmp_path):
    shown = run_demo(tmp_path, "--help").stdout
    for flag in ("--quickstart-root", "--verify / --no-verify", "--doctor / --no-doctor", "--keep-workspace"):
        assert flag in shown
