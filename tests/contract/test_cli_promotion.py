"""Commands that promote, roll back and manage webhooks: output and exit codes are 1.3's, which scripts read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from flightdeck.cli.connection import WINDOW_HINT
from flightdeck.ledger.database import Database
from flightdeck.settings import LedgerSettings
from tests.contract.commands import TABLE, bundle, run
from tests.receiver import Receiver, receiving

POLICY = """\
policy_id: p1
max_cost_per_run_usd: 4.0
min_candidate_runs: 1
min_baseline_runs: 1
require_high_diff_confidence: false
"""
AT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00"
FIRST = "- first promotion: no promoted baseline for agent/environment\n"
TOO_DEAR = "- candidate cost_per_run_usd 9.200000 exceeds max 4.000000\n"
WHERE = ("--env", "local", "--window", "7d")


@pytest.fixture
def releases(initialised: Path) -> tuple[str, str, str]:
    """Three releases with a run each, the third too dear; prices and a policy."""
    (initialised / "prices.yaml").write_text(TABLE)
    (initialised / "policy.yaml").write_text(POLICY)
    assert run("pricing", "import", "prices.yaml").exit_code == 0
    assert run("policy", "set", "policy.yaml").exit_code == 0
    ids, events = [], []
    for version, tokens in (("1", 1000), ("2", 2000), ("3", 9000)):
        bundle(initialised / version, version=version)
        ids.append(run("release", "register", version).stdout.strip())
        model = {"provider": "openai", "model": "gpt-4.1-mini", "input_tokens": tokens, "output_tokens": 100}
        event = {
            "timestamp": datetime.now(UTC).isoformat(),
            "agent_id": "agent_support",
            "release_id": ids[-1],
            "run_id": f"run-{version}",
            "tenant_id": "t",
            "task_id": "k",
            "environment": "local",
            "usage": {"model": model},
        }
        events.append(json.dumps(event))
    (initialised / "events.jsonl").write_text("\n".join(events))
    assert run("runs", "ingest", "events.jsonl").stdout == "Inserted 3 events\n"
    first, second, dear = ids
    return first, second, dear


def act(command: str, release_id: str, reason: str = "r", *more: str):
    return run("release", command, release_id, *WHERE, "--reason", reason, *more)


def approvals(folder: Path) -> None:
    config = folder / "flightdeck.yaml"
    kept = [line for line in config.read_text().splitlines() if "promotion_requires_approval" not in line]
    config.write_text("\n".join([*kept, "promotion_requires_approval: true", ""]))


@pytest.mark.contract("C1.19", "C1.21", "C1.22")
def test_promote_block_roll_back_and_the_history_of_it(releases):
    first, second, dear = releases
    done = act("promote", first, "first")
    assert (done.exit_code, done.stdout) == (0, f"Promoted {first} for agent_support/local\nPolicy: PASS\n{FIRST}")
    done = act("promote", second, "second", "--actor", "ann")
    assert (done.exit_code, done.stdout) == (0, f"Promoted {second} for agent_support/local\nPolicy: PASS\n")
    blocked = act("promote", dear, "third")
    assert (blocked.exit_code, blocked.stdout) == (1, f"Policy: FAIL\n{TOO_DEAR}")
    assert blocked.stderr == "Error: Promotion blocked by policy\n"
    back = act("rollback", first, "back")
    assert (back.exit_code, back.stdout) == (0, f"Rolled back to {first} for agent_support/local\nPolicy: PASS\n")
    blocked = act("rollback", dear, "never live")
    assert (blocked.exit_code, blocked.stdout) == (1, f"Policy: FAIL\n{TOO_DEAR}")
    assert blocked.stderr == "Error: Rollback blocked by policy\n"

    lines = run("release", "history").stdout.splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("  ")]
    assert [row[1:] for row in rows] == [
        ["rollback", "FAIL", dear, f"baseline={first}", "actor=unknown", "reason=never live"],
        ["rollback", "PASS", first, f"baseline={second}", "actor=unknown", "reason=back"],
        ["promote", "FAIL", dear, f"baseline={second}", "actor=unknown", "reason=third"],
        ["promote", "PASS", second, f"baseline={first}", "actor=ann", "reason=second"],
        ["promote", "PASS", first, "baseline=-", "actor=unknown", "reason=first"],
    ]
    assert all(re.fullmatch(AT, row[0]) for row in rows)
    assert lines[1] == f"  {TOO_DEAR.strip()}"
    assert lines[-1] == f"  {FIRST.strip()}"
    assert run("release", "history", "--agent", "nobody").stdout == ""
    assert run("release", "history", "--env", "local").stdout.splitlines() == lines


@pytest.mark.contract("C1.32")
def test_who_acts_is_the_user_of_the_system_unless_it_is_said(releases, monkeypatch):
    """As 1.3 took it; FLIGHTDECK_ACTOR and --actor are new."""
    first, second, _ = releases
    for variable, value in (("USERNAME", "w"), ("USER", "u"), ("FLIGHTDECK_ACTOR", "f")):
        monkeypatch.setenv(variable, value)
        assert act("promote", first if value == "u" else second, value).exit_code == 0
    assert act("promote", first, "o", "--actor", "o").exit_code == 0
    rows = [line.split("\t") for line in run("release", "history").stdout.splitlines() if not line.startswith("  ")]
    assert [row[5] for row in rows] == ["actor=o", "actor=f", "actor=u", "actor=w"]
    monkeypatch.setenv("USER", "")
    monkeypatch.delenv("FLIGHTDECK_ACTOR")
    assert act("promote", second, "empty is none").exit_code == 0
    assert "\tactor=w\t" in run("release", "history").stdout.splitlines()[0]


@pytest.mark.contract("C1.21")
def test_a_rollback_to_what_was_live_is_never_blocked(releases):
    first, _, dear = releases
    act("promote", dear)
    act("promote", first)
    back = act("rollback", dear)
    assert (back.exit_code, back.stdout) == (
        0,
        f"Rolled back to {dear} for agent_support/local\nPolicy: FAIL\n{TOO_DEAR}",
    )


def test_what_can_not_be_decided_is_one_line_and_exit_code_1(releases):
    first, second, _ = releases
    nothing = act("rollback", first)
    assert (nothing.exit_code, nothing.stderr) == (
        1,
        "Error: No promoted release exists for this agent/environment; nothing to roll back to.\n",
    )
    act("promote", first)
    for arguments, said in (
        ((first, *WHERE, "--reason", " "), "Reason is required for promote/rollback actions."),
        ((first, *WHERE, "--reason", ""), "Reason is required for promote/rollback actions."),
        ((second, "--env", "local", "--window", "bogus", "--reason", "r"), f"Invalid window: bogus {WINDOW_HINT}"),
        (("rel_nope", *WHERE, "--reason", "r"), "Unknown release: rel_nope"),
    ):
        failed = run("release", "promote", *arguments)
        assert (failed.exit_code, failed.stderr) == (1, f"Error: {said}\n")
    for missing in ("--env", "--window", "--reason"):
        arguments = [part for pair in zip(("--env", "--window", "--reason"), "abc", strict=True) for part in pair]
        at = arguments.index(missing)
        assert run("release", "promote", first, *arguments[:at], *arguments[at + 2 :]).exit_code == 2


@pytest.mark.parametrize("command", ["promote", "rollback", "promote-request"])
@pytest.mark.parametrize("environment", ["", " "])
def test_an_empty_environment_is_a_usage_error(releases, command, environment):
    """`--env "$NAME"` with a variable that is not set would be the first promotion there, which always passes."""
    refused = run("release", command, releases[0], "--env", environment, "--window", "7d", "--reason", "r")
    assert refused.exit_code == 2
    assert "Invalid value for '--env': The environment is empty" in refused.stderr
    assert run("release", "history").stdout == ""


@pytest.mark.contract("C1.20", "C3.09")
def test_request_and_confirm(releases, initialised):
    first, _, dear = releases
    off = act("promote-request", first)
    assert (off.exit_code, off.stderr[:49]) == (1, "Error: promotion_requires_approval is false in fl")
    approvals(initialised)
    direct = act("promote", first)
    assert (direct.exit_code, direct.stderr[:51]) == (1, "Error: Workspace promotion_requires_approval=true: ")
    asked = act("promote-request", first, "ready")
    head, _, rest = asked.stdout.partition("\n")
    request_id = head.removeprefix("request_id=")
    assert re.fullmatch(r"prq_[0-9a-f]{12}", request_id)
    policy = json.loads(rest)["policy"]
    assert list(policy) == ["passed", "reasons", "evaluated_at"]
    assert rest == json.dumps({"policy": policy}, indent=2) + "\n"
    done = run("release", "promote-confirm", request_id, "--approval-reason", "ok")
    assert done.exit_code == 0
    assert re.fullmatch(
        rf"Promoted {first} for agent_support/local\naction_id=act_[0-9a-f]{{12}}\nPolicy: PASS\n{re.escape(FIRST)}",
        done.stdout,
    )
    again = run("release", "promote-confirm", request_id, "--approval-reason", "ok")
    assert (again.exit_code, again.stderr) == (
        1,
        "Error: Unknown promotion request_id or request is not pending.\n",
    )
    refused = act("promote-request", dear)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr.startswith("Error: Policy does not allow this promotion; request not recorded. Reasons: ")


@pytest.mark.contract("C1.08")
def test_doctor_and_info_know_what_is_live(releases):
    first, second, _ = releases
    act("promote", first)
    act("promote", second)
    sound = run("doctor")
    assert sound.exit_code == 0
    lines = sound.stdout.splitlines()
    assert f"ok    promoted_pointer:agent_support:local: release_id={second} ok" in lines
    assert "ok    audit_seq: contiguous 1..2 (2 row(s))" in lines
    assert lines[-1] == f"Doctor: {len(lines) - 1} check(s), all passed."
    info = json.loads(run("workspace", "info", "--json").stdout)
    assert (info["actions_total"], info["promoted_pointers_total"], info["webhooks_configured"]) == (2, 1, 0)


@pytest.mark.contract("C1.08")
def test_doctor_finds_what_somebody_did_to_the_database(releases, initialised):
    """In 1.3 an edit, and deleting the last decisions, passed (D13)."""
    first, second, _ = releases
    act("promote", first)
    act("promote", second)
    database = Database.open(LedgerSettings(db_path=initialised / ".flightdeck" / "flightdeck.db"))
    with database.write() as connection:
        connection.execute(text("UPDATE decision SET reason = 'other' WHERE audit_seq = 1"))
        connection.execute(text("UPDATE promoted SET release_id = 'rel_gone'"))
    database.close()
    found = run("doctor")
    assert found.exit_code == 1
    assert "FAIL  hash_chain: decision 1 was changed\n" in found.stderr
    assert (
        "FAIL  promoted_pointer:agent_support:local: release_id='rel_gone' missing from releases table\n"
        in found.stderr
    )
    assert found.stderr.endswith("Error: Doctor found one or more problems.\n")
    assert "ok    audit_seq: contiguous 1..2 (2 row(s))" in found.stdout


@pytest.mark.contract("C1.22")
def test_history_is_not_cut_off(initialised, monkeypatch):
    monkeypatch.setattr("flightdeck.cli.promotion.PAGE", 2)
    bundle(initialised / "one")
    release_id = run("release", "register", "one").stdout.strip()
    for number in range(5):
        place = ("--env", f"env{number}", "--window", "7d")
        assert run("release", "promote", release_id, *place, "--reason", str(number)).exit_code == 0
    lines = run("release", "history").stdout.splitlines()
    assert [line.rpartition("reason=")[2] for line in lines[::2]] == ["4", "3", "2", "1", "0"]


# --- webhooks ---


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as started:
        yield started


def add(url: str, *events: str, description: str = "") -> tuple[str, str]:
    """Adds a webhook; its id and secret."""
    flags = [part for event in events for part in ("--event", event)]
    added = run("webhook", "add", "--url", url, *flags, *(("--description", description) if description else ()))
    assert added.exit_code == 0, added.stderr
    lines = added.stdout.splitlines()
    found = re.fullmatch(rf"Created webhook (wh_[0-9a-f]{{32}}) for {re.escape(url)}", lines[0])
    assert found
    assert lines[1] == f"  events: {', '.join(events)}"
    (secret,) = re.findall(r"^  secret: ([A-Za-z0-9_-]{43})$", added.stdout, re.MULTILINE)
    return found[1], secret


@pytest.mark.contract("C1.30")
def test_webhooks_are_added_listed_tried_and_removed(initialised, receiver):
    webhook_id, secret = add(receiver.url + "/ok", "promote.succeeded", "promote.blocked", description="hello")
    listed = run("webhook", "list").stdout
    assert all(shown in listed for shown in (webhook_id, receiver.url, "promote.blocked", "yes", "hello"))
    assert secret not in listed
    tried = run("webhook", "test", webhook_id)
    assert (tried.exit_code, tried.stdout) == (0, f"HTTP 200 from {receiver.url}/ok\n  body[:200]: hello\n")
    assert receiver.next().headers["x-flightdeck-event"] == "test.ping"
    receiver.status = 500
    assert run("webhook", "test", webhook_id).stdout.startswith("HTTP 500 from ")
    removed = run("webhook", "remove", webhook_id, "--yes")
    assert (removed.exit_code, removed.stdout) == (0, f"Deleted {webhook_id}\n")
    for command in (("remove", webhook_id, "--yes"), ("test", webhook_id)):
        unknown = run("webhook", *command)
        assert (unknown.exit_code, unknown.stderr) == (1, f"Error: unknown webhook: {webhook_id}\n")


@pytest.mark.contract("C1.30")
def test_removing_asks_first(initialised):
    asked = run("webhook", "remove", "wh_1")
    assert asked.exit_code == 1
    assert asked.stdout.startswith("Delete webhook wh_1? [y/N]:")


@pytest.mark.contract("C1.30")
def test_a_webhook_that_can_not_be_is_one_line(initialised):
    unknown = run("webhook", "add", "--url", "https://example.com/", "--event", "nope")
    assert (unknown.exit_code, unknown.stderr) == (
        1,
        "Error: unknown event(s): ['nope']. Allowed: promote.blocked, promote.succeeded, rollback.succeeded\n",
    )
    bad = run("webhook", "add", "--url", "file:///etc/passwd", "--event", "promote.blocked")
    assert (bad.exit_code, bad.stderr.count("\n")) == (1, 1)
    assert "Webhook URL scheme must be http or https" in bad.stderr
    webhook_id, _ = add("http://127.0.0.1:9/", "promote.blocked")
    dead = run("webhook", "test", webhook_id)
    assert dead.exit_code == 1
    assert dead.stderr.startswith("Error: transport error: ConnectError")


def test_without_a_server_a_command_sends_what_it_caused_before_it_ends(releases, receiver):
    first, _, _ = releases
    add(receiver.url, "promote.succeeded")
    assert act("promote", first).exit_code == 0
    delivery_id = json.loads(receiver.next().body)["delivery_id"]
    (row,) = [line.split("\t") for line in run("webhook", "deliveries").stdout.splitlines()]
    assert (row[1], row[3:]) == (delivery_id, ["promote.succeeded", "delivered", "attempts=1"])
    again = run("webhook", "redeliver", delivery_id)
    assert (again.exit_code, again.stdout) == (0, f"Sending {delivery_id} again\n")
    assert receiver.next().headers["webhook-id"] == delivery_id
