"""A workspace that the real 1.3.0 made comes over whole, and its diffs say the same, apart from D1, D2 and D3."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import psycopg
import pytest

from tests.contract.commands import run
from tests.contract.former_parts import CAUSES, Old, expected, made
from tests.former import Former
from tests.postgres import Postgres
from tests.serving import environment, serving

EXACT = 1e-9
METRICS = ("cost_per_run_usd", "latency_ms_avg", "error_rate")


@pytest.fixture(scope="module")
def old(former: Former, tmp_path_factory: pytest.TempPathFactory) -> Old:
    """3,220 events, decisions of every kind, requests, a webhook."""
    old = made(former, tmp_path_factory.mktemp("former") / "old", runs=400)
    _live(old)
    return old


def _live(old: Old) -> None:
    """Promotes, rolls back, asks, confirms, is blocked."""
    baseline, candidate = old.releases["plain"]
    how = ("--env", "local", "--window", "7d", "--reason")
    old.flightdeck("release", "promote", baseline, *how, "the first")
    old.flightdeck("release", "promote", candidate, *how, "better\nand more")
    old.flightdeck("release", "rollback", baseline, *how, "not better")
    (old.folder / "never.yaml").write_text("policy_id: never\nmax_cost_per_run_usd: 0\nmin_low_runs: 0\n")
    old.flightdeck("policy", "set", "never.yaml")
    with pytest.raises(AssertionError, match="Promotion blocked by policy"):
        old.flightdeck("release", "promote", candidate, *how, "blocked")
    old.flightdeck("policy", "set", "policy.yaml")
    old.configure(promotion_requires_approval="true")
    confirmed = old.flightdeck("release", "promote-request", candidate, *how, "please")
    request_id = confirmed.splitlines()[0].removeprefix("request_id=")
    old.flightdeck("release", "promote-confirm", request_id, "--approval-reason", "seen")
    old.flightdeck("release", "promote-request", baseline, *how, "still waits")
    old.flightdeck("webhook", "add", "--url", "https://example.com/hook", "--event", "promote.succeeded")


@pytest.fixture
def imported(old: Old, initialised: Path) -> str:
    """What the import into a new workspace, the current folder, printed."""
    before = _digest(old)
    result = run("import-sqlite", str(old.folder))
    assert result.exit_code == 0, result.output
    assert _digest(old) == before
    return result.output


def _digest(old: Old) -> str:
    return hashlib.sha256((old.folder / ".flightdeck" / "flightdeck.db").read_bytes()).hexdigest()


def _line(output: str, name: str) -> list[str]:
    return next(line for line in output.splitlines() if line.strip().startswith(name)).split()


@pytest.mark.contract("C3.19")
def test_everything_comes_over_and_is_counted(old: Old, imported: str) -> None:
    events, foreign = len(old.events), 4
    assert _line(imported, "events")[1:4] == [str(events), str(events - foreign), "new,"]
    assert f"{foreign} events can't be taken here" in imported
    assert "1,000 times too high" in imported
    info = json.loads(run("workspace", "info", "--json").output)
    theirs = json.loads(old.flightdeck("workspace", "info", "--json"))
    same = ("releases_total", "actions_total", "promoted_pointers_total", "pricing_tables_total", "webhooks_configured")
    assert [info[key] for key in same] == [theirs[key] for key in same]
    assert (theirs["run_events_total"], info["run_events_total"]) == (events, events - foreign)


@pytest.mark.parametrize(
    "command",
    [
        ("release", "list"),
        ("release", "history"),
        ("policy", "show"),
        ("pricing", "show", "--provider", "openai", "--version", "mine"),
        ("pricing", "show", "--provider", "openai", "--version", "flightdeck-bundled-2026-05"),
    ],
    ids=" ".join,
)
def test_a_command_prints_what_it_printed_before(old: Old, imported: str, command: tuple[str, ...]) -> None:
    assert run(*command).output == old.flightdeck(*command)


@pytest.mark.contract("C3.19")
def test_releases_are_the_same_to_the_checksum(old: Old, imported: str) -> None:
    release_id = old.releases["plain"][0]
    theirs = old.flightdeck("release", "show", release_id)
    assert json.loads(run("release", "show", release_id).output) == json.loads(theirs)
    assert run("release", "verify", release_id, "--path", str(old.folder / "plain-1.0")).exit_code == 0


def test_the_chain_holds_the_history_and_a_waiting_request_can_be_confirmed(old: Old, imported: str) -> None:
    assert run("doctor").exit_code == 0
    Path("flightdeck.yaml").write_text("promotion_requires_approval: true\n")
    with sqlite3.connect(f"file:{old.folder}/.flightdeck/flightdeck.db?mode=ro", uri=True) as theirs:
        waits = theirs.execute("SELECT request_id FROM promotion_requests WHERE status = 'pending'").fetchone()[0]
        secret = theirs.execute("SELECT secret FROM webhooks").fetchone()[0]
    with sqlite3.connect(".flightdeck/flightdeck.db") as ours:
        assert ours.execute("SELECT secret FROM webhook").fetchone()[0] == secret
        audit = "SELECT import_id, action, actor, reason, new_checksum FROM pricing_import{} ORDER BY import_id"
        assert ours.execute(audit.format("")).fetchall() == theirs.execute(audit.format("_audit")).fetchall()
    confirmed = run("release", "promote-confirm", waits, "--approval-reason", "seen here")
    assert confirmed.exit_code == 0, confirmed.output
    assert run("doctor").exit_code == 0


@pytest.mark.contract("C3.19")
def test_repeating_changes_nothing(old: Old, imported: str) -> None:
    before = run("workspace", "info", "--json").output
    again = run("import-sqlite", str(old.folder / ".flightdeck" / "flightdeck.db"))
    assert again.exit_code == 0, again.output
    assert all(" 0 new" in line for line in again.output.splitlines() if " new" in line)
    assert run("workspace", "info", "--json").output == before


INTERRUPTED = """\
import os, signal, sys
from flightdeck.cli.main import cli
from flightdeck.releases import importing

importing.BATCH_EVENTS = 300
step, times = sys.argv[1], int(sys.argv[2])
real = getattr(importing, step)


def then_killed(*arguments, **named):
    global times
    done = real(*arguments, **named)
    times -= 1
    if not times:
        os.kill(os.getpid(), signal.SIGKILL)
    return done


setattr(importing, step, then_killed)
cli(["import-sqlite", sys.argv[3]])
"""


@pytest.mark.parametrize(("step", "times"), [("_pricing", 1), ("_webhooks", 1), ("_ingest", 7)])
@pytest.mark.contract("C3.19")
def test_an_import_that_was_killed_is_taken_up_again(old: Old, initialised: Path, step: str, times: int) -> None:
    """By SIGKILL, once a step of it is done: the same end, counted and verified."""
    (initialised / "interrupted.py").write_text(INTERRUPTED)
    killed = subprocess.run(
        [sys.executable, "interrupted.py", step, str(times), str(old.folder)],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    resumed = run("import-sqlite", str(old.folder))
    assert resumed.exit_code == 0, resumed.output
    assert "Verified: everything is here" in resumed.output
    found, new, _, before = _line(resumed.output, "events")[1:5]
    foreign, batches = 4, times if step == "_ingest" else 0
    assert (int(found), int(new) + int(before)) == (len(old.events), len(old.events) - foreign)
    assert 300 * batches - foreign <= int(before) <= 300 * batches
    info = json.loads(run("workspace", "info", "--json").output)
    theirs = json.loads(old.flightdeck("workspace", "info", "--json"))
    same = ("releases_total", "actions_total", "promoted_pointers_total", "pricing_tables_total", "webhooks_configured")
    assert [info[key] for key in same] == [theirs[key] for key in same]
    assert info["run_events_total"] == len(old.events) - foreign
    assert run("release", "history").output == old.flightdeck("release", "history")
    _compare(old, "plain")
    assert run("doctor").exit_code == 0


def test_what_has_no_bound_in_1_3_limits_nothing_and_prices_nothing(
    old: Old, initialised: Path, tmp_path: Path
) -> None:
    """1.3 takes ``.inf``; here a limit is a finite number or off, and no price is infinite."""
    shutil.copytree(old.folder, tmp_path / "copy")
    database = sqlite3.connect(tmp_path / "copy" / ".flightdeck" / "flightdeck.db")
    with database:
        database.execute(
            "UPDATE active_policy SET policy_json = replace(policy_json, '\"max_cost_per_run_usd\":0.5', "
            "'\"max_cost_per_run_usd\":Infinity')"
        )
        database.execute("UPDATE active_policy SET policy_json = replace(policy_json, ': 0.5', ': Infinity')")
    result = run("import-sqlite", str(tmp_path / "copy"))
    assert result.exit_code == 0, result.output
    assert json.loads(run("policy", "show").output)["max_cost_per_run_usd"] is None
    with database:
        database.execute(
            "UPDATE pricing_import_audit SET import_id = 'pim_0123456789ab', "
            "new_pricing_json = replace(replace(new_pricing_json, ':0.0025', ':Infinity'), ': 0.0025', ': Infinity') "
            "WHERE pricing_version = 'mine' AND action = 'insert'"
        )
    database.close()
    refused = run("import-sqlite", str(tmp_path / "copy"))
    assert refused.exit_code == 1
    assert "Error: The workspace's PricingTable mine can't be read: entries.0.input_usd_per_1k_tokens" in refused.stderr


@pytest.mark.parametrize("agent", CAUSES)
@pytest.mark.contract("C6.12")
def test_diffs_agree_apart_from_one_difference_each(old: Old, imported: str, agent: str) -> None:
    """1.3's numbers are those of its own rules, ours those of one rule changed, both computed with fractions."""
    _compare(old, agent)


def _compare(old: Old, agent: str) -> None:
    pair, cause = old.releases[agent], CAUSES[agent]
    asked = ("release", "diff", *pair, "--window", "7d", "--output", "json")
    theirs, ours = json.loads(old.flightdeck(*asked)), json.loads(run(*asked).output)
    deviates = False
    for side, release_id in zip(("baseline", "candidate"), pair, strict=True):
        before, now = expected(old.events, release_id, {cause}), expected(old.events, release_id, set())
        deviates |= before != now
        assert theirs["samples"][f"{side}_runs"] == before["runs"]
        assert ours["samples"][f"{side}_runs"] == now["runs"]
        for metric in METRICS:
            assert theirs["metrics"][f"{side}_{metric}"] == pytest.approx(float(before[metric]), rel=EXACT, abs=EXACT)
            assert ours["metrics"][f"{side}_{metric}"] == pytest.approx(float(now[metric]), rel=EXACT, abs=EXACT)
    assert deviates == bool(cause)
    if not cause:
        for name, value in theirs["metrics"].items():
            assert ours["metrics"][name] == pytest.approx(value, rel=EXACT, abs=EXACT), name


MONEY = {
    "m1": {"input": Decimal("0.0025"), "cached": Decimal("0.00125"), "output": Decimal("0.01")},
    "m2": {"input": Decimal("0.000333"), "cached": Decimal("0.000333"), "output": Decimal("0.00077")},
}
"""USD per 1,000 tokens, as the imported table has them; m2 has no price of its own for cached tokens."""


@pytest.mark.contract("C6.04")
def test_the_money_is_that_of_the_imported_events_to_the_last_bit(old: Old, imported: str) -> None:
    """Exported again, every token in one bucket, summed up as decimals, divided once."""
    pair = old.releases["cached"]
    metrics = json.loads(run("release", "diff", *pair, "--window", "7d", "--output", "json").output)["metrics"]
    for side, release_id in zip(("baseline", "candidate"), pair, strict=True):
        exported = run("runs", "export", release_id, "--window", "7d").stdout.splitlines()
        assert len(exported) > 300
        total = Decimal()
        for line in exported:
            (row,) = json.loads(line)["usage"]["models"]
            price = MONEY[row["model"]]
            fresh = row["input_tokens"] - row["cached_input_tokens"]
            total += fresh * price["input"] + row["cached_input_tokens"] * price["cached"]
            total += row["output_tokens"] * price["output"]
        assert metrics[f"{side}_cost_per_run_usd"] == float(Fraction(total) / 1000 / len(exported))


def test_what_1_3_could_not_compare_can_be_compared(old: Old, imported: str) -> None:
    """D6: an unpriced model, or an event of another agent, made every diff of the release fail."""
    for agent, unpriced in (("unpriced", 1), ("foreign", 0)):
        asked = ("release", "diff", *old.releases[agent], "--window", "7d", "--output", "json")
        with pytest.raises(AssertionError, match="Error"):
            old.flightdeck(*asked)
        assert json.loads(run(*asked).output)["samples"]["baseline_unpriced_runs"] == unpriced


def test_a_workspace_can_move_over_where_it_is(
    old: Old, former: Former, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing else opens it before; then its file takes our tables beside 1.3's, and 1.3 still works on it."""
    shutil.copytree(old.folder, workspace / "same")
    monkeypatch.chdir(workspace / "same")
    refused = run("release", "history")
    assert refused.exit_code == 1
    assert "flightdeck import-sqlite" in refused.output
    result = run("import-sqlite", ".")
    assert result.exit_code == 0, result.output
    assert run("doctor").exit_code == 0
    for command in (("release", "list"), ("release", "history")):
        before = old.flightdeck(*command)
        assert (run(*command).output, former.flightdeck(Path.cwd(), *command)) == (before, before)


def test_a_dry_run_says_the_same_and_writes_nothing(old: Old, initialised: Path) -> None:
    result = run("import-sqlite", str(old.folder), "--dry-run")
    assert result.exit_code == 0, result.output
    assert _line(result.output, "events")[1:] == [str(len(old.events))]
    assert "4 events can't be taken here" in result.output
    assert [path.name for path in initialised.rglob("*")] == ["flightdeck.yaml"]


def test_a_served_workspace_refuses(old: Old, initialised: Path) -> None:
    with serving(initialised):
        result = run("import-sqlite", str(old.folder))
    assert (result.exit_code, "A server runs here" in result.output) == (1, True)


def test_what_is_no_workspace_of_1_3_is_named(workspace: Path, old: Old) -> None:
    (workspace / "text.db").write_text("no database at all, but long enough to be looked at " * 40)
    sqlite3.connect(workspace / "other.db").execute("CREATE TABLE t (a)").connection.close()
    with sqlite3.connect(workspace / "older.db") as older:
        older.executescript("CREATE TABLE schema_migrations (version); CREATE TABLE releases (release_id)")
        older.execute("INSERT INTO schema_migrations VALUES (3)")
    for name, said in (
        ("missing.db", "There is no file"),
        ("text.db", "can't be read"),
        ("other.db", "is no workspace of flightdeck-ai 1.3"),
        ("older.db", "has schema version 3; only 5 can be imported"),
    ):
        result = run("import-sqlite", name)
        assert (result.exit_code, said in result.output) == (1, True), result.output


def test_a_workspace_in_postgresql_comes_over_by_its_dsn(
    old: Old, initialised: Path, postgres_server: Postgres
) -> None:
    """1.3.0 can't make its tables in PostgreSQL (a column called window); these are the SQLite ones, copied."""
    dsn = postgres_server.database()
    with (
        sqlite3.connect(f"file:{old.folder}/.flightdeck/flightdeck.db?mode=ro", uri=True) as source,
        psycopg.connect(dsn.replace("+psycopg", "")) as target,
    ):
        tables = [name for (name,) in source.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            columns = source.execute(f"SELECT name, type FROM pragma_table_info('{table}')").fetchall()
            target.execute(
                f"CREATE TABLE {table} ({', '.join(f'{chr(34)}{n}{chr(34)} {kind}' for n, kind in columns)})"
            )
            with target.cursor().copy(f"COPY {table} FROM STDIN") as rows:
                for row in source.execute(f"SELECT * FROM {table}"):
                    rows.write_row(row)
    result = run("import-sqlite", dsn)
    postgres_server.drop(dsn)
    assert result.exit_code == 0, result.output
    assert _line(result.output, "events")[1:3] == [str(len(old.events)), str(len(old.events) - 4)]
    assert run("release", "history").output == old.flightdeck("release", "history")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif("FLIGHTDECK_TEST_LONG" not in os.environ, reason="takes three minutes: set FLIGHTDECK_TEST_LONG=1")
@pytest.mark.contract("C6.12")
def test_a_hundred_thousand_events(former: Former, initialised: Path, tmp_path: Path) -> None:
    old = made(former, tmp_path / "old", runs=12_500)
    result = run("import-sqlite", str(old.folder))
    assert result.exit_code == 0, result.output
    assert _line(result.output, "events")[1:3] == [str(len(old.events)), str(len(old.events) - 4)]
    for agent in CAUSES:
        _compare(old, agent)
