"""Commands over the ledger: output and exit codes are 1.3's, which scripts read."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import click
import pytest
import yaml

from flightdeck import __version__
from flightdeck.cli.main import COMMANDS, cli
from flightdeck.pricing import defaults
from tests.contract.commands import TABLE, bundle, run
from tests.serving import environment


@pytest.mark.contract("C1.02")
def test_the_version_in_both_forms():
    assert run("--version").stdout == f"flightdeck, version {__version__}\n"
    assert run("version").stdout == f"flightdeck {__version__}\n"
    assert run("version", "--json").stdout == f'{{"name": "flightdeck-ai", "version": "{__version__}"}}\n'


@pytest.mark.contract("C1.03")
def test_init_writes_a_configuration_once(workspace):
    assert run("init").stdout.splitlines()[0] == "Wrote flightdeck.yaml"
    again = run("init")
    assert (again.exit_code, again.stderr) == (1, "Error: flightdeck.yaml already exists\n")
    assert "default_environment: local" in (workspace / "flightdeck.yaml").read_text()


@pytest.mark.contract("C1.04")
def test_init_writes_where_it_is_told_and_takes_1_3s_flag(workspace):
    done = run("init", "--path", "sub/own.yaml", "--no-bundled-pricing")
    assert (done.exit_code, done.stdout) == (0, "Wrote sub/own.yaml\n")
    written = yaml.safe_load((workspace / "sub" / "own.yaml").read_text())
    assert (written["api_version"], written["kind"]) == ("v1", "WorkspaceConfig")
    assert run("init", "--path", "sub/own.yaml").exit_code == 1


@pytest.mark.contract("C1.11", "C3.10")
def test_register_prints_the_id_and_nothing_else(initialised):
    bundle(initialised / "one")
    first, second = run("release", "register", "one"), run("release", "register", "one")
    assert re.fullmatch(r"rel_[0-9a-f]{12}\n", first.stdout)
    assert first.stdout != second.stdout, "the same bundle twice is two releases"


@pytest.mark.contract("C3.20")
def test_register_warns_of_files_that_the_artifact_names_and_the_bundle_lacks(initialised):
    folder = bundle(initialised / "one")
    artifact = (folder / "release.yaml").read_text()
    named = "prompts: {system_ref: ./prompts/system.md, template_refs: [a.md, prompts/system.md]}"
    artifact = artifact.replace("prompts: {system_ref: prompts/system.md}", named)
    (folder / "release.yaml").write_text(artifact + "  tools: {manifest_ref: ../tools.json}\n")
    done = run("release", "register", "one")
    assert done.exit_code == 0
    assert re.fullmatch(r"rel_[0-9a-f]{12}\n", done.stdout)
    assert done.stderr.splitlines() == [
        "WARNING: prompts.template_refs names 'a.md', which is not in the bundle: its content is not hashed.",
        "WARNING: tools.manifest_ref names '../tools.json', which is not in the bundle: its content is not hashed.",
    ]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("release", "register"), r"rel_[0-9a-f]{12}\n"),
        (("policy", "set"), r"Set policy support-agent\n"),
        (("pricing", "import"), r"Imported openai/openai-2026-11\n"),
    ],
)
def test_the_file_that_the_help_shows_is_complete(initialised, command, said):
    """As it stands there, copied by somebody who has nothing else."""
    _, _, shown = run(*command, "--help").stdout.partition("A complete ")
    Path("file.yaml").write_text(textwrap.dedent(shown.partition("\n")[2]))
    done = run(*command, "file.yaml")
    assert done.exit_code == 0
    assert re.fullmatch(said, done.stdout)


@pytest.mark.contract("C1.12")
def test_list_has_five_columns_newest_first(initialised):
    bundle(initialised / "one")
    old = run("release", "register", "one").stdout.strip()
    new = run("release", "register", "one", "--env", "prod").stdout.strip()
    rows = [line.split("\t") for line in run("release", "list").stdout.splitlines()]
    assert [row[:4] for row in rows] == [
        [new, "agent_support", "1.0.0", "prod"],
        [old, "agent_support", "1.0.0", "local"],
    ]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00", row[4]) for row in rows)


@pytest.mark.contract("C1.13")
def test_show_prints_the_record(initialised):
    bundle(initialised / "one")
    release_id = run("release", "register", "one").stdout.strip()
    shown = json.loads(run("release", "show", release_id).stdout)
    assert list(shown) == [
        "release_id",
        "agent_id",
        "version",
        "environment",
        "checksum",
        "artifact_json",
        "created_at",
    ]
    assert shown["created_at"].endswith("Z")
    assert shown["artifact_json"]["metadata"]["description"] is None
    missing = run("release", "show", "rel_nope")
    assert (missing.exit_code, missing.stderr) == (1, "Error: Unknown release: rel_nope\n")


@pytest.mark.contract("C1.14")
def test_verify_tells_changed_files_by_exit_code_2(initialised):
    folder = bundle(initialised / "one")
    release_id = run("release", "register", "one").stdout.strip()
    checksum = json.loads(run("release", "show", release_id).stdout)["checksum"]
    assert run("release", "verify", release_id, "--path", "one").stdout == (
        f"OK: checksum matches for {release_id}\n  sha256={checksum}\n"
    )
    (folder / "prompts" / "system.md").write_text("You help not.\n")
    changed = run("release", "verify", release_id, "--path", "one")
    assert changed.exit_code == 2
    lines = changed.stderr.splitlines()
    assert lines[0] == f"CHECKSUM MISMATCH for {release_id}"
    assert lines[1] == f"  stored (DB):      {checksum}"
    assert re.fullmatch(r"  recomputed \(disk\): [0-9a-f]{64}", lines[2])
    assert run("release", "verify", "rel_nope", "--path", "one").exit_code == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- a\n- b\n", "release.yaml"),
        ("metadata: {name: x\n", "release.yaml"),
        ("metadata: {name: x, version: '1'}\n", "spec"),
    ],
)
@pytest.mark.contract("C1.01")
def test_a_bad_release_is_one_line(initialised, text, said):
    (initialised / "release.yaml").write_text(text)
    failed = run("release", "register", "release.yaml")
    assert failed.exit_code == 1
    assert re.fullmatch(r"Error: [^\n]*" + re.escape(said) + r"[^\n]*\n", failed.stderr)


@pytest.mark.contract("C1.23", "C1.24")
def test_pricing_import_show_and_replace(initialised):
    (initialised / "p.yaml").write_text(TABLE)
    assert run("pricing", "import", "p.yaml").stdout == "Imported openai/p1\n"
    again = run("pricing", "import", "p.yaml")
    assert (again.exit_code, again.stderr) == (
        1,
        "Error: Pricing table already exists for openai/p1. Use --replace to override.\n",
    )
    unsaid = run("pricing", "import", "p.yaml", "--replace")
    assert (unsaid.exit_code, unsaid.stderr) == (
        1,
        "Error: --reason is required when using --replace for pricing imports.\n",
    )
    assert run("pricing", "import", "p.yaml", "--replace", "--reason", "typo").stdout == "Replaced openai/p1\n"
    assert json.loads(run("pricing", "show", "--provider", "openai", "--version", "p1").stdout) == {
        "provider": "openai",
        "pricing_version": "p1",
        "entries": [
            {
                "model": "gpt-4.1-mini",
                "input_usd_per_1k_tokens": 1.0,
                "output_usd_per_1k_tokens": 2.0,
                "cached_input_usd_per_1k_tokens": None,
            }
        ],
    }
    assert list(json.loads(run("pricing", "show", "--provider", "openai", "--version", "p1").stdout)["entries"][0]) == [
        "model",
        "input_usd_per_1k_tokens",
        "output_usd_per_1k_tokens",
        "cached_input_usd_per_1k_tokens",
    ]
    missing = run("pricing", "show", "--provider", "x", "--version", "y")
    assert (missing.exit_code, missing.stderr) == (1, "Error: Pricing table not found: x/y\n")


@pytest.mark.parametrize("price", ["-1", ".nan", ".inf", "many"])
@pytest.mark.contract("C3.13")
def test_a_price_that_is_none_is_refused(initialised, price):
    (initialised / "p.yaml").write_text(
        TABLE.replace("input_usd_per_1k_tokens: 1", f"input_usd_per_1k_tokens: {price}")
    )
    failed = run("pricing", "import", "p.yaml")
    assert failed.exit_code == 1
    assert re.fullmatch(r"Error: [^\n]*(input_usd_per_1k_tokens|is no price)[^\n]*\n", failed.stderr)


def test_default_prices_are_shown_under_their_version(initialised):
    """D7."""
    shown = json.loads(run("pricing", "show", "--provider", "openai", "--version", defaults.version()).stdout)
    assert (shown["provider"], shown["pricing_version"]) == ("openai", defaults.version())
    prices = {entry["model"]: entry["input_usd_per_1k_tokens"] for entry in shown["entries"]}
    assert prices["gpt-4o"] == 0.0025
    old = json.loads(run("pricing", "show", "--provider", "openai", "--version", "flightdeck-bundled-2026-05").stdout)
    assert old == shown, "1.3's tables need no import; their prices do"
    missing = run("pricing", "show", "--provider", "nobody", "--version", defaults.version())
    assert (missing.exit_code, missing.stderr) == (
        1,
        f"Error: Pricing table not found: nobody/{defaults.version()}\n",
    )


def test_a_price_of_cache_creation_may_be_given(initialised):
    """Added to 1.3's three prices; shown where it is set."""
    (initialised / "p.yaml").write_text(TABLE.replace("}", ", cache_creation_input_usd_per_1k_tokens: 1.25}"))
    assert run("pricing", "import", "p.yaml").exit_code == 0
    (entry,) = json.loads(run("pricing", "show", "--provider", "openai", "--version", "p1").stdout)["entries"]
    assert entry["cache_creation_input_usd_per_1k_tokens"] == 1.25


@pytest.mark.contract("C1.25")
def test_pricing_check_tells_the_age_of_tables_that_1_3_brought_along(initialised):
    nothing = run("pricing", "check", "--fail")
    assert (nothing.exit_code, nothing.stdout) == (0, "No flightdeck-bundled-* pricing tables in the ledger.\n")
    today = datetime.now(UTC).date()
    month, old = f"{today:%Y-%m}", f"{today.year - 2}-01"
    for provider in ("openai", "acme"):
        for version in (f"flightdeck-bundled-{month}", f"flightdeck-bundled-{old}", "flightdeck-bundled-2026-13", "p1"):
            table = TABLE.replace("openai", provider).replace("p1", version)
            (initialised / "p.yaml").write_text(table)
            assert run("pricing", "import", "p.yaml").exit_code == 0

    def told(status: str, anchor: str) -> set[str]:
        """What is said of a table: today's words, which are others if midnight passed since the test began."""
        ages = [(day - date.fromisoformat(f"{anchor}-01")).days for day in (today, datetime.now(UTC).date())]
        dated = "" if status == "OK   " else f"anchor {anchor}-01, "
        return {f"{status}  flightdeck-bundled-{anchor}  ({dated}~{age} days old; max 90)\n" for age in ages}

    checked = run("pricing", "check")
    assert checked.exit_code == 0
    assert checked.stdout in told("OK   ", month)
    assert checked.stderr in told("STALE", old)
    failed = run("pricing", "check", "--fail")
    assert failed.exit_code == 1
    assert failed.stderr in told("STALE", old)
    age = (today - date.fromisoformat(f"{old}-01")).days
    for most, code in ((age - 1, 1), (age + 1, 0)):
        assert run("pricing", "check", "--fail", "--max-age-days", str(most)).exit_code == code
    negative = run("pricing", "check", "--max-age-days", "-1")
    assert (negative.exit_code, negative.stderr) == (1, "Error: --max-age-days must be non-negative\n")


@pytest.mark.contract("C1.26")
def test_policy_set_and_show(initialised):
    default = json.loads(run("policy", "show").stdout)
    assert default["policy_id"] == "default"
    assert default["require_high_diff_confidence"] is True
    (initialised / "policy.yaml").write_text("{policy_id: mine, max_cost_per_run_usd: 4}")
    assert run("policy", "set", "policy.yaml").stdout == "Set policy mine\n"
    assert json.loads(run("policy", "show").stdout) == {
        **default,
        "policy_id": "mine",
        "max_cost_per_run_usd": 4.0,
    }


def test_an_unknown_key_of_a_policy_names_the_nearest_one(initialised):
    (initialised / "policy.yaml").write_text("max_cost_per_run: 4\n")
    failed = run("policy", "set", "policy.yaml")
    assert failed.exit_code == 1
    assert "unknown key max_cost_per_run; did you mean max_cost_per_run_usd?" in failed.stderr


@pytest.mark.contract("C1.05")
def test_a_folder_that_is_no_workspace_says_what_to_do(workspace):
    failed = run("release", "list")
    assert failed.exit_code == 1
    assert "flightdeck init" in failed.stderr
    assert not list(workspace.iterdir()), "nothing is made by looking"


@pytest.mark.contract("C1.09")
def test_workspace_info_in_both_forms(initialised):
    facts = json.loads(run("workspace", "info", "--json").stdout)
    assert facts.keys() >= {
        "actions_total",
        "db_backend",
        "db_target",
        "default_environment",
        "policy_configured",
        "pricing_catalog_configured",
        "pricing_catalog_path",
        "pricing_tables_total",
        "promoted_pointers_total",
        "promotion_requires_approval",
        "releases_total",
        "run_events_total",
        "schema_version",
        "server_version",
        "webhooks_configured",
        "webhooks_enabled",
        "workspace_path",
    }
    assert (facts["releases_total"], facts["workspace_path"]) == (0, str(initialised))
    assert f"FlightDeck workspace info ({__version__})" in run("workspace", "info").stdout


@pytest.mark.contract("C1.08")
def test_doctor_checks_and_backs_up(initialised):
    bundle(initialised / "one")
    run("release", "register", "one")
    done = run("doctor", "--backup", "saved/copy.db")
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert lines[0] == "Backed up database to saved/copy.db"
    assert lines[1].startswith("ok    schema_migrations: ")
    assert re.fullmatch(r"Doctor: \d+ check\(s\), all passed\.", lines[-1])
    assert (initialised / "saved" / "copy.db").read_bytes().startswith(b"SQLite format 3\0")


@pytest.mark.parametrize(
    "arguments",
    [
        ["release"],
        ["release", "diff", "a"],
        ["release", "diff", "a", "b"],
        ["runs", "list", "r", "--window", "7d", "--limit", "501"],
        ["runs", "list", "r", "--window", "7d", "--offset", "-1"],
        ["nonsense"],
        ["policy", "set", "missing.yaml"],
    ],
)
@pytest.mark.contract("C1.01")
def test_wrong_usage_is_exit_code_2(initialised, arguments):
    assert run(*arguments).exit_code == 2


@pytest.mark.parametrize("name", sorted(COMMANDS))
@pytest.mark.contract("C1.06")
def test_every_command_has_help_with_its_line_in_the_list(name):
    done = run(name, "--help")
    assert done.exit_code == 0
    listed = run("--help").stdout
    assert re.search(rf"^  {name} ", listed, re.MULTILINE)


def every_command(command: click.Command, *names: str) -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield " ".join(names), command
        return
    context = click.Context(command, info_name=" ".join(names))
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found is not None
        yield from every_command(found, *names, name)


def test_the_help_of_every_command_has_an_example_and_explains_every_option():
    commands = dict(every_command(cli, "flightdeck"))
    assert len(commands) > 30
    lacking = []
    for name, command in commands.items():
        told = command.get_help(click.Context(command, info_name=name))
        lacking += [name] if f"  {name}" not in told.partition("Example")[2] else []
        options = [option for option in command.params if isinstance(option, click.Option) and not option.hidden]
        lacking += [f"{name} {option.opts[0]}" for option in options if not option.help]
    assert lacking == []


def test_a_mistyped_command_says_which_is_meant():
    ended = run("doctr")
    assert ended.exit_code == 2
    assert "No such command 'doctr'. Did you mean 'doctor'?" in ended.stderr
    assert "Did you mean" not in run("xyzzy").stderr


PLACE_1_3 = "--env --window --reason"
RUNS_1_3 = "--window --env --tenant --task --trace-id --session-id --span-id --offset --limit"
OPTIONS_1_3 = {
    "": "--version --help",
    "demo": "--quickstart-root --verify --no-verify --doctor --no-doctor --keep-workspace",
    "doctor": "--backup",
    "init": "--path --no-bundled-pricing",
    "policy set": "",
    "policy show": "",
    "pricing import": "--replace --reason",
    "pricing show": "--provider --version",
    "pricing check": "--max-age-days --fail",
    "release register": "--env",
    "release list": "",
    "release show": "",
    "release verify": "--path",
    "release diff": "--window --env --tenant --task --fail-on-policy --output",
    "release promote": PLACE_1_3,
    "release promote-request": PLACE_1_3,
    "release promote-confirm": "--approval-reason",
    "release rollback": PLACE_1_3,
    "release history": "--agent --env",
    "runs ingest": "",
    "runs list": f"{RUNS_1_3} --output",
    "runs export": f"{RUNS_1_3} -o --output",
    "serve": "--host --port --reload --sqlite-lock-timeout --retry-sqlite-lock --no-retry-sqlite-lock",
    "version": "--json",
    "webhook add": "--url --event --description",
    "webhook list": "",
    "webhook remove": "--yes",
    "webhook test": "",
    "workspace info": "--json",
}


@pytest.mark.parametrize("name", OPTIONS_1_3)
@pytest.mark.contract("C1.06")
def test_no_command_or_option_of_1_3_is_missing(name):
    command: click.Command | None = cli
    for part in name.split():
        assert isinstance(command, click.Group)
        command = command.get_command(click.Context(command), part)
    assert command is not None
    context = click.Context(command)
    options = {option for each in command.get_params(context) for option in (*each.opts, *each.secondary_opts)}
    assert set(OPTIONS_1_3[name].split()) <= options


def test_a_light_start_imports_nothing_big():
    """What a command imports before it runs decides how long every command takes to start."""
    code = (
        "import sys, flightdeck.cli.main, flightdeck.cli.release, flightdeck.cli.connection;"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True, timeout=60
    )
    heavy = {
        "pydantic",
        "httpx",
        "fastapi",
        "sqlalchemy",
        "clickhouse_connect",
        "chdb",
        "grpc",
        "numpy",
        "scipy",
        "yaml",
    }
    assert not heavy & set(done.stdout.split())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- 1", "holds a list; keys and values are needed"),
        ("hello", "holds a single value; keys and values are needed"),
        ("", "is empty; keys and values are needed"),
    ],
)
@pytest.mark.parametrize("command", [("policy", "set"), ("pricing", "import")])
def test_a_file_without_keys_and_values_is_told_as_such(initialised, command, text, said):
    (initialised / "file.yaml").write_text(text)
    ended = run(*command, "file.yaml")
    assert ended.exit_code == 1
    assert ended.stderr.startswith(f"Error: file.yaml {said}")
