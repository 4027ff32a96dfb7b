"""``flightdeck gate``: every exit code, over HTTP and in process; the wait, a restart, an interruption."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import Result

from flightdeck.cli.connection import Remote
from tests.contract.commands import run
from tests.contract.gate_parts import Canary, canary, send, traffic
from tests.serving import command, environment, serving


@pytest.fixture
def in_process(initialised: Path) -> Canary:
    return canary(initialised)


def gate(baseline: str, candidate: str, policy: str, *flags: str) -> Result:
    return run("gate", baseline, candidate, "--window", "1d", "--policy", policy, *flags)


def check_all_six(own: Canary) -> None:
    """PASS, FAIL, INCONCLUSIVE, NODATA, an error, wrong usage: all differ."""
    asked = {
        "PASS": gate(own.baseline, own.good, own.tolerant),
        "FAIL": gate(own.baseline, own.slow, own.tolerant),
        "INCONCLUSIVE": gate(own.baseline, own.good, own.strict),
        "NODATA": gate(own.baseline, own.unused, own.tolerant),
    }
    assert {status: done.exit_code for status, done in asked.items()} == {
        "PASS": 0,
        "FAIL": 5,
        "INCONCLUSIVE": 3,
        "NODATA": 4,
    }
    for status, done in asked.items():
        assert f"\nVerdict: {status} " in done.stdout or f"\nVerdict: {status}\n" in done.stdout
    unknown = gate(own.baseline, "rel_nope", own.tolerant)
    assert (unknown.exit_code, unknown.stdout, unknown.stderr) == (
        1,
        "",
        "Error: Unknown candidate release: rel_nope\n",
    )
    assert run("gate", own.baseline).exit_code == 2


def test_all_exit_codes_over_http(served_canary):
    check_all_six(served_canary)


def test_all_exit_codes_in_process(in_process):
    check_all_six(in_process)


# --- over HTTP ---


@pytest.mark.parametrize(
    "wrong",
    [
        "--wait=x",
        "--wait=1.5h",
        "--wait=8d",
        "--interval=0s",
        "--output=xml",
        "--window=7x",
        "--window=0d",
        "--window=",
        "--window=9999999d",
        "--baseline-window=yesterday",
        "--baseline-window=yesterday/today",
        "--candidate-window=2026-11-08T00:00Z/2026-11-01T00:00Z",
        "--pricing=openai",
        "--pricing=openai/",
    ],
)
def test_a_wrong_option_is_exit_code_2(served_canary, wrong):
    done = gate(served_canary.baseline, served_canary.good, served_canary.tolerant, wrong)
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"Error: Invalid value for '{wrong.partition('=')[0]}'" in done.stderr


def test_the_same_release_twice_is_wrong_usage_and_nothing_is_asked(served_canary, monkeypatch):
    monkeypatch.setenv("FLIGHTDECK_URL", "http://127.0.0.1:9")
    done = gate(served_canary.good, served_canary.good, served_canary.tolerant)
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"Error: BASELINE and CANDIDATE are the same release, {served_canary.good}: " in done.stderr


def test_a_server_that_was_never_there_is_told_at_once_not_waited_for(served_canary, monkeypatch):
    monkeypatch.setenv("FLIGHTDECK_URL", "http://127.0.0.1:9")
    done = gate(served_canary.baseline, served_canary.good, served_canary.tolerant, "--wait", "1h")
    assert done.exit_code == 1
    assert "No server answers at http://127.0.0.1:9" in done.stderr


def test_a_policy_file_with_a_wrong_key_is_one_line(served_canary, tmp_path):
    (tmp_path / "p.yaml").write_text("max_eror_rate: 0.1\n")
    done = gate(served_canary.baseline, served_canary.good, str(tmp_path / "p.yaml"))
    assert done.exit_code == 1
    assert done.stderr == "Error: Invalid policy: unknown key max_eror_rate; did you mean max_error_rate?\n"


def test_without_a_wait_the_policy_s_own_test_is_used_and_with_one_always_the_sequential(served_canary):
    own = served_canary
    fixed = json.loads(gate(own.baseline, own.good, own.tolerant, "--output", "json").stdout)
    assert fixed["verdict"]["mode"] == "fixed"
    waited = json.loads(gate(own.baseline, own.good, own.tolerant, "--output", "json", "--wait", "1s").stdout)
    assert (waited["verdict"]["mode"], waited["verdict"]["status"]) == ("sequential", "PASS")


def test_the_policy_in_force_for_the_agent_decides_when_none_is_given(served_canary):
    own = served_canary
    assert run("policy", "set", own.strict).exit_code == 0
    assert run("policy", "set", own.tolerant, "--agent", "agent_support").exit_code == 0
    for wait in ((), ("--wait", "1s")):
        assert run("gate", own.baseline, own.good, "--window", "1d", *wait).exit_code == 0
    assert run("policy", "remove", "--agent", "agent_support").exit_code == 0
    for wait in ((), ("--wait", "1s", "--interval", "1s")):
        assert run("gate", own.baseline, own.good, "--window", "1d", *wait).exit_code == 3


def test_a_wait_without_statistics_in_the_policy_leaves_the_limits_as_they_are(served_canary, tmp_path):
    """The verdict is sequential; what a promotion would do is not changed by asking."""
    own = served_canary
    (tmp_path / "p.yaml").write_text("require_high_diff_confidence: false\nmax_latency_ms: 100000\n")
    done = gate(own.baseline, own.slow, str(tmp_path / "p.yaml"), "--wait", "1s", "--output", "json")
    answer = json.loads(done.stdout)
    assert (done.exit_code, answer["verdict"]["mode"], answer["verdict"]["gate"]) == (5, "sequential", "legacy")
    assert answer["policy"]["passed"]


def test_the_wait_ends_after_its_time_and_said_on_stderr_what_is_missing_and_when_it_will_be_there(served_canary):
    done = gate(served_canary.baseline, served_canary.good, served_canary.strict, "--wait", "2s", "--interval", "1s")
    assert done.exit_code == 3
    first = done.stderr.splitlines()[0]
    assert re.match(
        r"\d\d:\d\d:\d\d UTC: INCONCLUSIVE with 80 and 80 runs, about [\d,]+ and [\d,]+ more are needed, ", first
    )
    when = r"(\d\d:\d\d UTC, |\d{4}-\d\d-\d\d, |)"
    assert re.search(rf"there in [\d.]+ (hours|days) at this rate \({when}after the wait is over\)", first)
    assert re.search(r"; looking again in 1 second, for at most 2 seconds more$", first)
    assert "Verdict: INCONCLUSIVE (sequential test" in done.stdout


def test_looks_at_a_fixed_test_are_recorded_and_warned_of_and_sequential_ones_not(served_canary):
    own = served_canary
    flags = (own.slow, own.good, own.tolerant)
    gate(*flags, "--wait", "1s")
    assert "repeated_looks" not in gate(*flags).stdout
    assert "WARNING (repeated_looks): judged once before" in gate(*flags).stdout


@pytest.mark.parametrize(
    ("output", "begins"),
    [
        ("markdown", "### FlightDeck: FAIL\n"),
        ("junit", "<?xml "),
        ("annotations", "::error title=FlightDeck%3A FAIL::"),
    ],
)
def test_outputs(served_canary, output, begins):
    done = gate(served_canary.baseline, served_canary.slow, served_canary.tolerant, "--output", output)
    assert done.exit_code == 5
    assert done.stdout.startswith(begins)


def test_one_look_is_written_in_several_forms_and_its_evidence_judged_again_is_the_same_verdict(
    served_canary, tmp_path
):
    forms = ("text", "json", "evidence", "markdown", "junit", "annotations")
    reports = [word for form in forms for word in ("--report", form, str(tmp_path / form))]
    own = served_canary
    done = gate(own.baseline, own.slow, own.tolerant, "--wait", "1s", *reports)
    assert done.exit_code == 5
    assert (tmp_path / "text").read_text() == done.stdout
    answer = json.loads((tmp_path / "json").read_text())
    assert "evidence" not in answer
    again = json.loads(run("judge", str(tmp_path / "evidence"), "--output", "json").stdout)
    assert again["verdict"] == answer["verdict"]
    assert again["verdict"]["mode"] == "sequential"
    for form in ("markdown", "junit", "annotations"):
        assert run("judge", str(tmp_path / "evidence"), "--output", form).stdout == (tmp_path / form).read_text()


def test_a_report_that_can_not_be_written_is_an_error(served_canary, tmp_path):
    own = served_canary
    done = gate(own.baseline, own.good, own.tolerant, "--report", "json", str(tmp_path / "no" / "file"))
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == f"Error: {tmp_path}/no/file can't be written: No such file or directory.\n"


def test_both_sides_may_have_their_own_window(served_canary):
    own = served_canary
    now = datetime.now(UTC)
    windows = [
        f"{now - timedelta(days=1):%Y-%m-%dT%H:%MZ}/{now + timedelta(hours=hours):%Y-%m-%dT%H:%MZ}" for hours in (1, 2)
    ]
    flags = ("--baseline-window", windows[0], "--candidate-window", windows[1])
    assert gate(own.baseline, own.good, own.tolerant, *flags).exit_code == 0
    assert gate(own.baseline, own.good, own.tolerant, "--baseline-window", "yesterday").exit_code == 2


def test_who_may_only_read_gets_the_verdict_and_is_told_that_the_look_was_not_recorded(served_canary, monkeypatch):
    """As from another machine, while the server has no token."""
    send_ = Remote.send

    def from_afar(self, method, target, body, headers):
        return send_(self, method, target, body, {**headers, "X-Forwarded-For": "203.0.113.9"})

    monkeypatch.setattr(Remote, "send", from_afar)
    done = gate(served_canary.baseline, served_canary.good, served_canary.tolerant)
    assert done.exit_code == 0
    assert done.stderr.startswith(
        "WARNING: this look was not recorded: Mutation routes are restricted to local clients"
    )


LIGHT = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("numpy", "scipy", "fastapi", "sqlalchemy", "clickhouse_connect", "chdb", "grpc"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
from flightdeck.cli.main import cli
cli(sys.argv[1:])
"""


def light(own: Canary, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command where the server's packages are not installed."""
    return subprocess.run(
        [sys.executable, "-c", LIGHT, *arguments],
        env=environment({"FLIGHTDECK_URL": own.url}),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("output", ["text", "markdown", "junit", "annotations", "json"])
def test_the_light_install_is_enough_for_the_gate(served_canary, output):
    own = served_canary
    done = light(own, "gate", own.baseline, own.slow, "--policy", own.tolerant, "--output", output, "--explain")
    assert (done.returncode, done.stderr) == (5, "")
    assert "FAIL" in done.stdout


def test_judging_again_names_the_extra_where_its_packages_are_missing(served_canary):
    done = light(served_canary, "judge", served_canary.tolerant)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "Error: Judging needs: pip install 'flightdeck-ai[server]'\n"


# --- waiting ---


@contextmanager
def waiting(own: Canary, *flags: str, env: dict[str, str], cwd: Path | None = None) -> Iterator[subprocess.Popen[str]]:
    """A gate that waits, as a child process."""
    arguments = ("gate", own.baseline, own.good, "--window", "1d", "--policy", own.strict, "--wait", "3m")
    child = subprocess.Popen(
        command(*arguments, "--interval", "1s", *flags),
        cwd=cwd,
        env=environment(env),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield child
    finally:
        if child.poll() is None:
            child.kill()
        child.communicate()


def said(child: subprocess.Popen[str], words: str) -> str:
    """The next line on stderr with these words."""
    assert child.stderr is not None
    for line in child.stderr:
        if words in line:
            return line
    raise AssertionError(f"ended with {child.wait()} before it said {words!r}")


def test_the_wait_ends_as_soon_as_there_are_enough_runs(served_canary):
    folder = str(served_canary.folder / "good")
    pair = [run("release", "register", folder).stdout.strip() for _ in range(2)]
    own = replace(served_canary, baseline=pair[0], good=pair[1])
    for release_id in pair:
        send(own.url, traffic(release_id, 80))
    with waiting(own, env={"FLIGHTDECK_URL": own.url}) as child:
        said(child, "INCONCLUSIVE with 80 and 80 runs")
        for release_id in pair:
            send(own.url, traffic(release_id, 6_000, first=1_000))
        stdout, _ = child.communicate(timeout=150)
    assert child.returncode == 0
    assert "Verdict: PASS (sequential test" in stdout


def test_a_server_may_be_started_again_during_the_wait(tmp_path, monkeypatch):
    """It is found by its workspace, at another address; nobody opens the workspace in between."""
    for name in [name for name in os.environ if name.startswith("FLIGHTDECK_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    with serving(tmp_path) as server:
        own = canary(tmp_path)
        child_of = waiting(own, env={}, cwd=tmp_path)
        child = child_of.__enter__()
        try:
            said(child, "INCONCLUSIVE with 80 and 80 runs")
            server.stop()
            said(child, "has stopped. Asking again in 1 second.")
            with serving(tmp_path) as again:
                said(child, "INCONCLUSIVE with 80 and 80 runs")
                assert again.url != server.url
                child.send_signal(signal.SIGINT)
                assert child.wait(20) == 130
        finally:
            child_of.__exit__(None, None, None)


def test_ctrl_c_is_exit_code_130_and_the_progress_of_a_terminal_is_one_line(served_canary):
    own = served_canary
    ours, theirs = pty.openpty()
    arguments = ("gate", own.baseline, own.unused, "--policy", own.strict, "--wait", "3m")
    child = subprocess.Popen(
        command(*arguments, "--interval", "1s"),
        env=environment({"FLIGHTDECK_URL": own.url}),
        stdout=subprocess.PIPE,
        stderr=theirs,
    )
    os.close(theirs)
    try:
        shown = b""
        while shown.count(b"NODATA") < 2:
            shown += os.read(ours, 4096)
        child.send_signal(signal.SIGINT)
        stdout, _ = child.communicate(timeout=20)
        assert (child.returncode, stdout) == (130, b"")
        lines = shown.replace(b"\r\n", b"\n")
        assert b"\n" not in lines
        assert lines.count(b"\r\x1b[2K") >= 2
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
        os.close(ours)
