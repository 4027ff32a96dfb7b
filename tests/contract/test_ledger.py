"""The ledger on both of its databases: every test runs on SQLite and on PostgreSQL."""

from __future__ import annotations

import multiprocessing
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from threading import Barrier

import alembic.autogenerate
import alembic.runtime.migration
import pytest
from pydantic import SecretStr
from sqlalchemy import create_engine, text

from flightdeck.errors import Conflict, Invalid, LedgerUnavailable, Misconfigured, NotFound, TooLarge
from flightdeck.ledger import Ledger
from flightdeck.ledger.database import Database
from flightdeck.ledger.looks import Pair
from flightdeck.ledger.tables import METADATA, PRICING_IMPORTS, RELEASES
from flightdeck.models import Policy, PricingTable, ReleaseRecord
from flightdeck.models.policy import PolicyScope
from flightdeck.settings import LedgerSettings

NOW = datetime(2026, 11, 24, 12, 0, 0, 123457, tzinfo=UTC)


def record(release_id="rel_0123456789ab", *, agent="support", version="1.4.0", at=NOW, **changes):
    return ReleaseRecord(
        **{
            "release_id": release_id,
            "agent_id": agent,
            "version": version,
            "environment": "local",
            "checksum": "c" * 64,
            "digest_v2": "d" * 64,
            "artifact_json": {"spec": {"b": None, "a": "ü\0"}},
            "created_at": at,
            **changes,
        }
    )


def table(provider="openai", version="v1", price=1.0, **changes):
    entry = {"model": "m1", "input_usd_per_1k_tokens": price, "output_usd_per_1k_tokens": 2, **changes}
    return PricingTable(provider=provider, pricing_version=version, entries=[entry])


# --- the database ---


def test_migrations_make_the_tables_that_the_code_asks(ledger_settings):
    database = Database.open(ledger_settings)
    with database.read() as connection:
        context = alembic.runtime.migration.MigrationContext.configure(
            connection, opts={"version_table": "ledger_version"}
        )
        assert alembic.autogenerate.compare_metadata(context, METADATA) == []
    assert database.schema_version() == "0003"
    database.close()


def test_what_is_in_the_ledger_is_there_when_it_is_opened_again(ledger, ledger_settings):
    ledger.releases.add(record())
    ledger.close()
    with Ledger.open(ledger_settings) as again:
        assert again.releases.get("rel_0123456789ab") == record()


def opened(settings: LedgerSettings) -> str:
    with Ledger.open(settings) as ledger:
        return ledger.schema_version()


def test_several_processes_may_open_an_empty_ledger_at_once(ledger_settings):
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        assert pool.map(opened, [ledger_settings] * 3, chunksize=1) == ["0003"] * 3


def test_a_ledger_of_a_newer_version_is_refused_and_left_alone(ledger_settings):
    database = Database.open(ledger_settings)
    with database.write() as connection:
        connection.execute(text("UPDATE ledger_version SET version_num = '9999'"))
    with pytest.raises(Misconfigured, match="newer version of FlightDeck"):
        Ledger.open(ledger_settings)
    assert database.schema_version() == "9999"
    database.close()


def test_the_target_says_where_the_ledger_is(ledger, ledger_settings):
    if ledger.backend == "sqlite":
        assert ledger.target == str(ledger_settings.db_path)
    else:
        assert ledger.target.startswith("postgresql+psycopg://")


@pytest.mark.contract("C1.09")
def test_the_target_masks_the_password():
    target = Database(create_engine("postgresql+psycopg://ann:hunter2@db:5433/flightdeck")).target
    assert target == "postgresql+psycopg://ann:***@db:5433/flightdeck"


@pytest.mark.parametrize(
    ("dsn", "message"),
    [
        ("mysql://root:hunter2@localhost/x", "the ledger speaks PostgreSQL"),
        ("hunter2", "is no database address"),
        ("postgresql://u:hunter2@localhost:port/x", "is no database address"),
    ],
)
def test_a_dsn_that_is_none_is_refused_without_showing_its_password(dsn, message):
    with pytest.raises(Misconfigured, match=message) as caught:
        Ledger.open(LedgerSettings(database_url=SecretStr(dsn)))
    assert "hunter2" not in str(caught.value)


def test_a_database_that_does_not_answer_is_retryable_and_its_password_is_not_told():
    with pytest.raises(LedgerUnavailable) as caught:
        Ledger.open(LedgerSettings(database_url=SecretStr("postgresql://u:hunter2@127.0.0.1:1/x")))
    assert "hunter2" not in str(caught.value)


def test_a_file_that_is_no_ledger_is_refused(tmp_path):
    (tmp_path / "notes.db").write_text("These are notes, not a database. " * 100)
    with pytest.raises(Misconfigured, match="db_path"):
        Ledger.open(LedgerSettings(db_path=tmp_path / "notes.db"))
    with pytest.raises(Misconfigured, match="can't be made"):
        Ledger.open(LedgerSettings(db_path=tmp_path / "notes.db" / "flightdeck.db"))


def test_the_file_of_a_1_3_workspace_can_be_opened_and_keeps_its_tables(tmp_path):
    path = tmp_path / "flightdeck.db"
    with sqlite3.connect(path) as old:
        for name in ("schema_migrations", "releases", "pricing_tables", "pricing_import_audit", "active_policy"):
            old.execute(f"CREATE TABLE {name} (id TEXT)")
            old.execute(f"INSERT INTO {name} VALUES ('kept')")
    with Ledger.open(LedgerSettings(db_path=path)) as ledger:
        ledger.releases.add(record())
        assert len(ledger.releases.list()) == 1
    assert sqlite3.connect(path).execute("SELECT id FROM releases").fetchall() == [("kept",)]


def test_a_backup_is_a_whole_sqlite_file_and_made_of_sqlite_only(ledger, tmp_path):
    ledger.releases.add(record())
    if ledger.backend == "postgresql":
        with pytest.raises(Invalid, match="pg_dump"):
            ledger.backup()
        return
    (tmp_path / "copy.db").write_bytes(ledger.backup())
    with Ledger.open(LedgerSettings(db_path=tmp_path / "copy.db")) as copy:
        assert copy.releases.list() == ledger.releases.list()


def test_a_reader_sees_one_moment_and_never_waits_for_a_writer(ledger, ledger_settings):
    database = Database.open(ledger_settings)
    with database.read() as reading:
        assert reading.execute(RELEASES.select()).all() == []
        ledger.releases.add(record())
        assert reading.execute(RELEASES.select()).all() == []
    assert ledger.releases.count() == 1
    database.close()


def test_a_reader_can_not_write(ledger_settings):
    if ledger_settings.database_url is None:
        pytest.skip("SQLite's readers are held to it by the type of transaction only")
    database = Database.open(ledger_settings)
    with pytest.raises(LedgerUnavailable, match="read-only"), database.read() as reading:
        reading.execute(PRICING_IMPORTS.delete())
    database.close()


def test_a_database_that_another_program_keeps_locked_is_retryable(tmp_path, monkeypatch):
    monkeypatch.setattr("flightdeck.ledger.database.BUSY_S", 0.1)
    settings = LedgerSettings(db_path=tmp_path / "flightdeck.db")
    with Ledger.open(settings) as ledger, closing(sqlite3.connect(settings.db_path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerUnavailable, match="database is locked"):
            ledger.releases.add(record())
        assert ledger.releases.list() == []
        other.rollback()
        ledger.releases.add(record())
        assert ledger.releases.count() == 1


# --- releases ---


def test_a_release_comes_back_as_it_was_registered(ledger):
    ledger.releases.add(record())
    assert ledger.releases.get("rel_0123456789ab") == record()
    assert list(ledger.releases.get("rel_0123456789ab").artifact_json["spec"]) == ["a", "b"]


@pytest.mark.contract("C3.10")
def test_a_release_is_registered_once_and_never_changed(ledger):
    ledger.releases.add(record())
    with pytest.raises(Conflict, match="rel_0123456789ab is registered already"):
        ledger.releases.add(record(version="2"))
    assert ledger.releases.get("rel_0123456789ab").version == "1.4.0"


def test_an_unknown_release_is_named(ledger):
    with pytest.raises(NotFound, match=r"^Unknown release: rel_nope$"):
        ledger.releases.get("rel_nope")


@pytest.mark.contract("C2.10")
def test_releases_are_listed_newest_first_even_within_a_microsecond(ledger):
    for release_id, at in (("a", NOW), ("b", NOW), ("c", NOW - timedelta(days=1)), ("d", NOW + timedelta(seconds=1))):
        ledger.releases.add(record(release_id, at=at))
    lines = ledger.releases.list()
    assert [line.release_id for line in lines] == ["d", "b", "a", "c"]
    assert lines[-1]._asdict() == {
        "release_id": "c",
        "agent_id": "support",
        "version": "1.4.0",
        "environment": "local",
        "checksum": "c" * 64,
        "created_at": NOW - timedelta(days=1),
    }
    assert [line.release_id for line in ledger.releases.list(limit=2)] == ["d", "b"]
    assert ledger.releases.count() == 4


def test_releases_of_an_agent_s_version_are_found_oldest_first(ledger):
    ledger.releases.add(record("late", at=NOW + timedelta(days=1)))
    ledger.releases.add(record("early"))
    ledger.releases.add(record("other", version="1.5.0"))
    assert [line.release_id for line in ledger.releases.find("support", "1.4.0")] == ["early", "late"]
    assert ledger.releases.find("support", "9") == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"agent": " "}, "spec.agent.agent_id is blank"),
        ({"version": ""}, "metadata.version is blank"),
        ({"agent": "a" * 257}, "spec.agent.agent_id has 257 characters"),
        ({"version": "1\0"}, "metadata.version holds a NUL"),
        ({"environment": "e" * 257}, "environment has 257"),
        ({"artifact_json": {"x": float("inf")}}, "can't be stored as JSON"),
    ],
)
def test_what_can_not_be_stored_on_both_databases_is_refused_on_both(ledger, changes, message):
    with pytest.raises(Invalid, match=message):
        ledger.releases.add(record(**changes))
    assert ledger.releases.list() == []


def test_documents_are_bounded(ledger):
    with pytest.raises(TooLarge, match="release artifact is 4194"):
        ledger.releases.add(record(artifact_json={"x": "y" * 4 * 1024 * 1024}))


def test_names_of_256_characters_of_any_script_are_stored(ledger):
    name = "ж" * 255 + "🛫"
    ledger.releases.add(record(agent=name, environment=""))
    assert ledger.releases.find(name, "1.4.0")[0].environment == ""


# --- the index ---


def us(moment: datetime) -> int:
    return int((moment - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1))


def test_of_several_releases_of_a_version_a_run_has_the_last_registered_before_it_else_the_first(ledger):
    for number in (2, 0, 1):
        ledger.releases.add(record(f"r{number}", at=NOW + timedelta(hours=number)))
    index = ledger.release_index()
    moments = (timedelta(hours=-1), timedelta(0), timedelta(minutes=90), timedelta(days=9))
    assert [index.find("support", "1.4.0", us(NOW + moment)) for moment in moments] == ["r0", "r0", "r1", "r2"]
    assert index.find("support", "2", us(NOW)) is None
    assert (index.agent_of("r1"), index.agent_of("nope")) == ("support", None)


def test_the_index_takes_in_what_other_servers_register(ledger, ledger_settings):
    ledger.releases.add(record("mine"))
    index = ledger.release_index()
    with Ledger.open(ledger_settings) as other:
        other.releases.add(record("theirs", at=NOW + timedelta(hours=1)))
    assert index.agent_of("theirs") is None
    assert ledger.release_index() is index
    assert (index.agent_of("theirs"), len(index)) == ("support", 2)
    assert index.find("support", "1.4.0", us(NOW + timedelta(hours=1))) == "theirs"


def test_a_registration_that_is_committed_after_a_later_number_is_not_missed(ledger, ledger_settings):
    """PostgreSQL hands out numbers before it commits: 1 may appear after 2."""
    if ledger.backend == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    database = Database.open(ledger_settings)
    row = {"agent_id": "a", "version": "1", "environment": "", "checksum": "", "digest_v2": "", "artifact_json": "{}"}
    with database.write() as slow:
        slow.execute(RELEASES.insert(), {**row, "release_id": "slow", "created_at_us": NOW})
        ledger.releases.add(record("quick"))
        assert (ledger.release_index().agent_of("quick"), len(ledger.release_index())) == ("support", 1)
    assert ledger.release_index().agent_of("slow") == "a"
    database.close()


# --- prices ---


@pytest.mark.contract("C3.14")
def test_a_table_is_imported_once_and_replaced_only_on_purpose_with_a_reason(ledger):
    tables = ledger.pricing
    assert tables.import_table(table(), import_id="pim_1", now=NOW) == "insert"
    with pytest.raises(Conflict, match=r"^Pricing table already exists for openai/v1\. Use --replace to override\.$"):
        tables.import_table(table(price=9), import_id="pim_2", now=NOW)
    for reason in (None, "  "):
        with pytest.raises(Invalid, match="--reason is required when using --replace"):
            tables.import_table(table(price=9), import_id="pim_2", now=NOW, replace=True, reason=reason)
    assert tables.get("openai", "v1") == table()
    done = tables.import_table(table(price=3), import_id="pim_2", now=NOW, replace=True, reason=" typo ", actor="ann")
    assert (done, tables.get("openai", "v1")) == ("replace", table(price=3))
    assert tables.import_table(table(version="v2"), import_id="pim_3", now=NOW, replace=True) == "insert"
    assert tables.count() == 2


def test_a_price_of_cache_creation_is_kept(ledger):
    """On both databases; a table without one is stored as 1.3 stored it."""
    plain = table()
    entry = plain.entries[0].model_copy(update={"cache_creation_input_usd_per_1k_tokens": 1.25})
    ledger.pricing.import_table(plain, import_id="pim_1", now=NOW)
    ledger.pricing.import_table(
        plain.model_copy(update={"pricing_version": "priced", "entries": [entry]}), import_id="pim_2", now=NOW
    )
    assert ledger.pricing.get("openai", "priced").entries == [entry]
    audited = {each.pricing_version: each.new["entries"][0] for each in ledger.pricing.imports()}
    assert "cache_creation_input_usd_per_1k_tokens" not in audited[plain.pricing_version]
    assert audited["priced"]["cache_creation_input_usd_per_1k_tokens"] == 1.25


@pytest.mark.contract("C3.14")
def test_every_import_is_audited_and_a_refused_one_leaves_nothing(ledger):
    ledger.pricing.import_table(table(), import_id="pim_1", now=NOW)
    with pytest.raises(Conflict):
        ledger.pricing.import_table(table(), import_id="pim_2", now=NOW)
    ledger.pricing.import_table(table(price=3), import_id="pim_3", now=NOW, replace=True, reason="typo", actor="ann")
    replaced, inserted = ledger.pricing.imports()
    assert (replaced.import_id, replaced.action, replaced.actor, replaced.reason) == ("pim_3", "replace", "ann", "typo")
    assert (replaced.old, replaced.new) == (table().model_dump(), table(price=3).model_dump())
    assert (inserted.action, inserted.actor, inserted.reason, inserted.old) == ("insert", "unknown", None, None)
    assert inserted.created_at == NOW


@pytest.mark.contract("C3.14")
def test_the_checksum_of_an_import_is_that_of_1_3(ledger):
    """1.3.0 gave this table this checksum."""
    entry = {"model": "m1", "input_usd_per_1k_tokens": 1, "output_usd_per_1k_tokens": 2}
    same = PricingTable(provider="openai", pricing_version="v1", entries=[entry])
    ledger.pricing.import_table(same, import_id="pim_1", now=NOW)
    (imported,) = ledger.pricing.imports()
    assert imported.checksum == "d2dbaf0489e2978f2f2a205c8a887bfbcc92951ab1f1b9cd282f376f1cfb3ba6"


def test_the_newest_table_of_a_provider_is_the_one_imported_last(ledger):
    for number, imported in enumerate((table(), table(version="v2"), table("anthropic"))):
        ledger.pricing.import_table(imported, import_id=f"pim_{number}", now=NOW)
    assert {key: each.pricing_version for key, each in ledger.pricing.newest().items()} == {
        "openai": "v2",
        "anthropic": "v1",
    }
    ledger.pricing.import_table(table(price=5), import_id="pim_9", now=NOW, replace=True, reason="x")
    assert ledger.pricing.newest()["openai"] == table(price=5)
    assert ledger.pricing.versions() == [("anthropic", "v1"), ("openai", "v1"), ("openai", "v2")]


def test_a_missing_table_is_named(ledger):
    assert ledger.pricing.find("openai", "v9") is None
    with pytest.raises(NotFound, match=r"^Pricing table not found: openai/v9$"):
        ledger.pricing.get("openai", "v9")


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (table(price=1e7), r"entries\[0\] \(m1\): 10000000.0 USD per 1,000 tokens is no price"),
        (table(provider=""), "provider is blank"),
        (table(version="v\0"), "pricing_version holds a NUL"),
    ],
)
def test_a_table_that_could_not_price_exactly_is_refused(ledger, bad, message):
    with pytest.raises(Invalid, match=message):
        ledger.pricing.import_table(bad, import_id="pim_1", now=NOW)
    assert (ledger.pricing.count(), ledger.pricing.imports()) == (0, [])


def test_of_first_imports_at_the_same_time_one_gets_in(ledger):
    barrier = Barrier(4)

    def attempt(number: int) -> str:
        barrier.wait(timeout=30)
        try:
            return ledger.pricing.import_table(table(price=number), import_id=f"pim_{number}", now=NOW)
        except Conflict:
            return "refused"

    with ThreadPoolExecutor(4) as threads:
        outcomes = list(threads.map(attempt, range(4)))
    assert sorted(outcomes) == ["insert", "refused", "refused", "refused"]
    assert ledger.pricing.get("openai", "v1") == table(price=outcomes.index("insert"))
    assert len(ledger.pricing.imports()) == 1


def test_a_failed_transaction_leaves_no_half(ledger, ledger_settings):
    ledger.pricing.import_table(table(), import_id="pim_1", now=NOW)
    with pytest.raises(Conflict):
        ledger.pricing.import_table(table(version="v2"), import_id="pim_1", now=NOW)
    database = Database.open(ledger_settings)
    with database.read() as connection:
        assert len(connection.execute(PRICING_IMPORTS.select()).all()) == 1
    assert ledger.pricing.find("openai", "v2") is None
    database.close()


# --- policies ---


@pytest.mark.contract("C3.16")
def test_before_a_policy_is_set_only_high_confidence_is_required(ledger):
    assert ledger.policies.active() == Policy()
    assert not ledger.policies.configured()


@pytest.mark.contract("C3.16")
def test_the_policy_that_was_set_last_is_active_also_when_set_again(ledger):
    strict, loose = Policy(policy_id="strict", max_error_rate=0.01), Policy(policy_id="loose", max_unpriced_share=1)
    for policy in (strict, loose, strict):
        ledger.policies.set(policy, now=NOW)
        assert ledger.policies.active() == policy
    assert ledger.policies.configured()


def test_of_several_policies_the_narrowest_is_in_force_an_agent_before_an_environment(ledger):
    scopes = {
        "all": PolicyScope(),
        "prod": PolicyScope(environment="prod"),
        "support": PolicyScope(agent_id="support"),
        "support in prod": PolicyScope(agent_id="support", environment="prod"),
    }
    for name, scope in scopes.items():
        ledger.policies.set(Policy(policy_id=name), now=NOW, scope=scope, actor="ann")

    def effective(agent_id: str | None, environment: str | None) -> str:
        return ledger.policies.effective(agent_id, environment).policy.policy_id

    assert effective("support", "prod") == "support in prod"
    assert effective("support", "dev") == "support"
    assert effective("billing", "prod") == "prod"
    assert effective("billing", "dev") == effective("billing", "") == effective(None, None) == "all"
    assert ledger.policies.active().policy_id == "all", "an agent's policy is no policy for all"
    assert [one.policy.policy_id for one in ledger.policies.in_force()] == list(scopes)


def test_a_removed_policy_counts_no_more_and_stays_in_the_history_with_who_did_it(ledger):
    scope = PolicyScope(agent_id="support")
    ledger.policies.set(Policy(policy_id="all"), now=NOW)
    ledger.policies.set(Policy(policy_id="own"), now=NOW, scope=scope, actor="ann")
    ledger.policies.remove(scope, now=NOW, actor="bob")
    assert ledger.policies.effective("support", "prod").policy.policy_id == "all"
    with pytest.raises(NotFound, match="No policy is set for agent 'support' in any environment"):
        ledger.policies.of(scope)
    with pytest.raises(NotFound):
        ledger.policies.remove(scope, now=NOW)
    kept = [(one.policy.policy_id, one.actor, one.removed) for one in ledger.policies.history()]
    assert kept == [("own", "bob", True), ("own", "ann", False), ("all", "unknown", False)]
    assert len(ledger.policies.history(limit=1)) == 1


def test_an_environment_without_a_name_is_one_environment_not_any(ledger):
    ledger.policies.set(Policy(policy_id="nameless"), now=NOW, scope=PolicyScope(environment=""))
    assert ledger.policies.effective("support", "prod").policy == Policy()
    assert ledger.policies.effective("support", "").policy.policy_id == "nameless"


def test_policies_that_0002_kept_are_for_all_after_the_migration(ledger_settings):
    database = Database.open(ledger_settings)
    with database.write() as connection:
        for statement in (
            "DROP TABLE look",
            "DROP INDEX ix_policy_agent_id_environment",
            *(f"ALTER TABLE policy DROP COLUMN {column}" for column in ("removed", "actor", "environment", "agent_id")),
            "UPDATE ledger_version SET version_num = '0002'",
            """INSERT INTO policy (policy_id, policy_json, set_at_us) VALUES ('old', '{"policy_id": "old"}', 1)""",
        ):
            connection.execute(text(statement))
    database.close()
    with Ledger.open(ledger_settings) as ledger:
        assert ledger.policies.effective("support", "prod").policy.policy_id == "old"
        assert ledger.policies.history()[0].actor == "unknown"


# --- looks ---


def test_only_looks_at_a_fixed_test_of_the_same_pair_with_runs_count(ledger):
    pair = Pair("rel_a", "rel_b", "prod")
    for other, status, sequential in (
        (pair, "PASS", False),
        (pair, "INCONCLUSIVE", False),
        (pair, "NODATA", False),
        (pair, "FAIL", True),
        (pair._replace(environment="dev"), "PASS", False),
        (pair._replace(candidate_release_id="rel_c"), "PASS", False),
    ):
        ledger.looks.add(other, status, sequential=sequential, actor="ci", now=NOW)
    assert ledger.looks.fixed(pair) == 2
