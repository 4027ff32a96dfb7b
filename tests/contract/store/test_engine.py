"""The engine: one interface over both homes, errors as ours, an embedded path in one process at a time."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import pytest
from pydantic import SecretStr

from flightdeck.errors import Invalid, Misconfigured, StoreUnavailable
from flightdeck.settings import StoreSettings
from flightdeck.store import schema
from flightdeck.store.client import Engine
from flightdeck.store.home import holder_file
from flightdeck.store.schema import Migration
from tests.served_clickhouse import Unavailable, served

OpenEngine = Callable[[], Engine]

# Opens the store named by its first argument and says how that went; stays until its stdin ends.
_OTHER_PROCESS = """
import sys
from pydantic import SecretStr
from flightdeck.errors import FlightDeckError
from flightdeck.settings import StoreSettings
from flightdeck.store.client import Engine
try:
    Engine.open(StoreSettings(dsn=SecretStr(sys.argv[1])))
except FlightDeckError as error:
    print(type(error).__name__, error, flush=True)
else:
    print("open", flush=True)
    sys.stdin.read()
"""


@contextmanager
def other_process(path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Another process that tries to open an embedded store, and what it says."""
    command = [sys.executable, "-c", _OTHER_PROCESS, f"chdb://{path}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        try:
            yield child, child.stdout.readline()
        finally:
            child.kill()


def embedded(path: Path) -> Engine:
    return Engine.open(StoreSettings(dsn=SecretStr(f"chdb://{path}")))


def test_values_are_bound_and_come_back_by_column(engine: Engine) -> None:
    answer = engine.query(
        "SELECT number AS n, {text:String} AS text FROM numbers({count:UInt32})", {"text": "it's \\ {x:Y}", "count": 2}
    )
    assert list(answer.column("n")) == [0, 1]
    assert list(answer.rows()) == [(0, "it's \\ {x:Y}"), (1, "it's \\ {x:Y}")]
    assert len(answer) == 2


def test_an_answer_without_rows_has_empty_columns(engine: Engine) -> None:
    answer = engine.query("SELECT 1 AS n WHERE 0")
    assert (list(answer.column("n")), list(answer.rows()), len(answer)) == ([], [], 0)


def test_what_is_inserted_is_there_when_the_call_returns(engine: Engine) -> None:
    engine.command("CREATE TABLE t (n UInt64, text Nullable(String)) ENGINE = MergeTree ORDER BY n")
    engine.insert("t", b'{"n": 1, "text": "a"}\n{"n": 2}', fmt="JSONEachRow")
    engine.insert_columns("t", ["n", "text"], [[3, 4], ["it's", None]])
    engine.insert_columns("t", ["n", "text"], [[], []])
    assert list(engine.query("SELECT n, text FROM t ORDER BY n").rows()) == [
        (1, "a"),
        (2, None),
        (3, "it's"),
        (4, None),
    ]


def test_an_insert_in_pieces_of_any_size_is_stored_whole(engine: Engine) -> None:
    engine.command("CREATE TABLE t (n UInt64, text String) ENGINE = MergeTree ORDER BY n")
    long = "x" * 5_000_000
    line = b'{"n": 1, "text": "%s"}\n' % long.encode()
    engine.insert("t", [b"", line[:7], line[7:], b'{"n": 2}\n{"n"', b": 3}", b""], fmt="JSONEachRow")
    assert list(engine.query("SELECT n, length(text) FROM t ORDER BY n").rows()) == [(1, len(long)), (2, 0), (3, 0)]


def _pipes() -> int:
    """Ends of pipes that this process holds; other files come and go with the engine's own threads."""
    found = 0
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            found += str(entry.readlink()).startswith("pipe:")
    return found


def test_a_large_insert_that_is_refused_at_its_first_bytes_ends_and_leaves_nothing(engine: Engine) -> None:
    engine.command("CREATE TABLE t (n UInt64) ENGINE = MergeTree ORDER BY n")
    before = _pipes(), {thread.name for thread in threading.enumerate()}
    good = b'{"n": 7}\n' * 1_000_000
    for _ in range(3):
        with pytest.raises(Invalid):
            engine.insert("t", [b'{"n": "seven"}\n', good], fmt="JSONEachRow")
        with pytest.raises(StoreUnavailable):
            engine.insert("nowhere", [good], fmt="JSONEachRow")
    assert {thread.name for thread in threading.enumerate()} == before[1]
    assert _pipes() == before[0]
    assert engine.query("SELECT count() FROM t").data == [[0]]


def test_where_the_system_gives_no_more_files_an_insert_may_be_repeated_later(
    open_engine: OpenEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_engine()
    engine.command("CREATE TABLE t (n UInt64) ENGINE = MergeTree ORDER BY n")

    def none_left() -> tuple[int, int]:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as full:
        full.setattr(os, "pipe", none_left)
        with pytest.raises(StoreUnavailable, match="no more files") if engine.embedded else nullcontext():
            engine.insert("t", b'{"n": 7}', fmt="JSONEachRow")
    engine.insert("t", b'{"n": 7}', fmt="JSONEachRow")
    assert engine.query("SELECT DISTINCT n FROM t").data == [[7]]


def test_a_megabyte_of_parameters_is_no_problem(engine: Engine) -> None:
    """Ids of many traces travel as one parameter; over HTTP it must not go into the address."""
    text = "x" * 120_000
    assert engine.query("SELECT length({text:String})", {"text": text}).data == [[120_000]]


def test_bytes_that_cannot_be_read_are_invalid_and_anything_else_is_the_store(engine: Engine) -> None:
    engine.command("CREATE TABLE t (n UInt64) ENGINE = MergeTree ORDER BY n")
    with pytest.raises(Invalid, match="can't read the data") as refused:
        engine.insert("t", b'{"n": "seven"}', fmt="JSONEachRow")
    assert "Stack trace" not in str(refused.value)
    assert "version" not in str(refused.value)
    with pytest.raises(StoreUnavailable, match="nowhere"):
        engine.query("SELECT * FROM nowhere")
    with pytest.raises(StoreUnavailable):
        engine.insert("nowhere", b'{"n": 7}', fmt="JSONEachRow")
    assert engine.query("SELECT count() FROM t").data == [[0]]


def test_many_threads_ask_at_once(engine: Engine) -> None:
    """The engine lends every call a client of its own: sleeping calls run side by side."""
    together = threading.Barrier(6, timeout=60)

    def ask(number: int) -> int:
        together.wait()
        return int(engine.query("SELECT {n:UInt8} + sum(sleep(0.05)) FROM numbers(1)", {"n": number}).data[0][0])

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(ask, range(6))) == list(range(6))


def test_a_closed_engine_refuses_and_can_be_closed_again(open_engine: OpenEngine) -> None:
    engine = open_engine()
    engine.close()
    engine.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        engine.query("SELECT 1")


def test_a_store_keeps_its_data_when_it_is_opened_again(open_engine: OpenEngine) -> None:
    engine = open_engine()
    engine.command("CREATE TABLE t (n UInt64) ENGINE = MergeTree ORDER BY n")
    engine.insert_columns("t", ["n"], [[7]])
    engine.close()
    assert open_engine().query("SELECT n FROM t").data == [[7]]


def test_a_forked_child_is_refused_instead_of_hanging(engine: Engine) -> None:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            engine.query("SELECT 1")
        except StoreUnavailable as error:
            os.write(write, str(error).encode())
        finally:
            os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    with os.fdopen(read) as said:
        assert "forked" in said.read()


# --- schema -------------------------------------------------------------------------------------------


def test_migrations_are_applied_once_and_recorded(open_engine: OpenEngine) -> None:
    engine = open_engine()
    known = [step.version for step in schema.migrations()]
    assert schema.migrate(engine) == known == list(range(1, len(known) + 1))
    assert schema.migrate(engine) == []
    engine.close()
    assert schema.migrate(open_engine()) == []


def test_a_step_that_was_cut_short_is_run_again(open_engine: OpenEngine) -> None:
    engine = open_engine()
    table = "CREATE TABLE IF NOT EXISTS a (n UInt8) ENGINE = MergeTree ORDER BY n;\n"
    with pytest.raises(StoreUnavailable):
        schema.migrate(engine, [Migration(1, "both", f"-- a; comment\n{table}CREATE NONSENSE;\n")])
    assert schema.migrate(engine, [Migration(1, "both", table)]) == [1]


def test_a_store_of_a_newer_program_is_refused(open_engine: OpenEngine) -> None:
    engine = open_engine()
    schema.migrate(engine, [Migration(9999, "future", "CREATE TABLE IF NOT EXISTS a (n UInt8) ENGINE = Null;")])
    with pytest.raises(Misconfigured, match="9999"):
        schema.migrate(engine)


def test_a_store_with_tables_that_later_steps_do_without_loses_them(open_engine: OpenEngine) -> None:
    engine = open_engine()
    schema.migrate(engine, [step for step in schema.migrations() if step.version < 8])
    engine.command("CREATE TABLE run_rows (run_id String) ENGINE = Null")
    engine.command("CREATE MATERIALIZED VIEW run_rows_to_runs TO runs AS SELECT run_id FROM run_rows")
    assert schema.migrate(engine)[0] == 8
    assert not engine.query("SHOW TABLES LIKE 'run_rows%'").column("name")


# --- homes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dsn", ["", "chdb://memory", "chdb:relative/path", "mysql://host/db", "clickhouse:///db"])
def test_a_dsn_without_address_is_named_a_mistake(dsn: str) -> None:
    with pytest.raises(Misconfigured, match="chdb:///absolute/path"):
        Engine.open(StoreSettings(dsn=SecretStr(dsn)))


def test_a_server_that_does_not_answer_is_unavailable_and_its_password_stays_secret() -> None:
    with pytest.raises(StoreUnavailable) as error:
        Engine.open(StoreSettings(dsn=SecretStr("clickhouse://me:hush-hush@127.0.0.1:1/db")))
    assert "hush-hush" not in str(error.value)


def test_one_process_uses_one_embedded_store_after_the_other(tmp_path: Path) -> None:
    for name in ("first", "second", "first"):
        engine = embedded(tmp_path / name)
        engine.command("CREATE TABLE IF NOT EXISTS t (n String) ENGINE = MergeTree ORDER BY n")
        engine.insert_columns("t", ["n"], [[name]])
        assert set(engine.query("SELECT n FROM t").column("n")) == {name}
        engine.close()


def test_two_engines_share_an_embedded_store_in_one_process_but_not_two_stores(tmp_path: Path) -> None:
    first, second = embedded(tmp_path / "a"), embedded(tmp_path / "a")
    with pytest.raises(StoreUnavailable, match="one path per process"):
        embedded(tmp_path / "b")
    first.close()
    assert second.query("SELECT 1").data == [[1]]
    second.close()
    embedded(tmp_path / "b").close()


def test_a_second_process_is_told_who_has_the_store_since_when(tmp_path: Path) -> None:
    path = tmp_path / ".flightdeck" / "clickhouse"
    engine = embedded(path)
    since = json.loads(holder_file(path).read_text())["since"]
    with other_process(path) as (_, said):
        assert said.startswith("StoreUnavailable")
        assert f"open in process {os.getpid()} since {since}" in said
        assert "FLIGHTDECK_URL" in said
    engine.close()
    with other_process(path) as (_, said):
        assert said == "open\n"


def test_what_a_killed_holder_leaves_blocks_nobody(tmp_path: Path) -> None:
    path = tmp_path / "clickhouse"
    with other_process(path) as (child, said):
        assert said == "open\n"
        with pytest.raises(StoreUnavailable, match=f"process {child.pid} since"):
            embedded(path)
        child.send_signal(signal.SIGKILL)
        child.wait()
        assert json.loads(holder_file(path).read_text())["pid"] == child.pid
        embedded(path).close()


def test_an_insert_leaves_no_file_behind_whatever_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is inserted holds prompts; the embedded engine reads it from a pipe."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    engine = embedded(tmp_path / "store")
    engine.command("CREATE TABLE t (n UInt64) ENGINE = MergeTree ORDER BY n")
    engine.insert("t", b'{"n": 1}', fmt="JSONEachRow")
    engine.insert_columns("t", ["n"], [[2]])
    with pytest.raises(Invalid):
        engine.insert("t", b"{", fmt="JSONEachRow")
    assert engine.query("SELECT count() FROM t").data == [[2]]
    engine.close()


def test_a_served_store_that_comes_back_is_used_again(tmp_path: Path) -> None:
    try:
        with served(tmp_path / "served") as server:
            port = int(server.address.rpartition(":")[2])
            engine = Engine.open(StoreSettings(dsn=SecretStr(server.database())))
            engine.command("CREATE TABLE t (n UInt64) ENGINE = MergeTree ORDER BY n")
            engine.insert_columns("t", ["n"], [[7]])
            server.kill()
            with pytest.raises(StoreUnavailable):
                engine.query("SELECT n FROM t")
            with pytest.raises(StoreUnavailable):
                engine.insert_columns("t", ["n"], [[8]])
        with served(tmp_path / "served", port=port):
            assert engine.query("SELECT n FROM t").data == [[7]]
            engine.close()
    except Unavailable as reason:
        pytest.skip(f"no served ClickHouse: {reason}")
