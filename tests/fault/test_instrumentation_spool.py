"""The spool: runs that wait on disk survive the agent and are posted in order, and a full disk costs none of them."""

import contextlib
import json
import os
import resource
import signal
import sqlite3
from pathlib import Path

import pytest

from flightdeck.otel.instrumentation.counters import Counters
from flightdeck.otel.instrumentation.spool import Spool
from flightdeck.otel.instrumentation.throttled import ThrottledLog
from flightdeck.otel.spans import Span
from tests.fault.endpoint import agent, agent_environment, agent_process, answering, endpoint

URL = "http://fd:8765"


def event(number: int, pad: int = 50) -> bytes:
    return json.dumps({"run_id": f"r{number}", "pad": "x" * pad}).encode()


def numbers(events) -> list[int]:
    return [int(json.loads(one)["run_id"][1:]) for one in events]


@pytest.fixture
def counters() -> Counters:
    return Counters()


@pytest.fixture
def opened(tmp_path, counters):
    """Opens spools on one folder, as several processes would; closes them all."""
    made = []

    def open_one(most_bytes=10_000_000) -> Spool:
        made.append(Spool(tmp_path, URL, most_bytes=most_bytes, counters=counters, log=ThrottledLog(lambda: 0.0)))
        return made[-1]

    yield open_one
    for one in made:
        one.let_go()


def drained(spool: Spool, at_once: int = 10_000) -> list[int]:
    found = []
    while batch := spool.batch():
        found += numbers(batch[:at_once])
        spool.done(min(at_once, len(batch)))
    return found


def size(folder: Path) -> int:
    """Bytes of all files."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def spooled(folder: Path) -> int:
    """Runs and traces that wait on disk."""
    (path,) = folder.rglob("runs.db")
    with contextlib.closing(sqlite3.connect(path)) as db:
        return db.execute("SELECT (SELECT count(*) FROM runs) + (SELECT count(*) FROM traces)").fetchone()[0]


EMPTY = 100_000
"""A database in which nothing waits is smaller."""


def test_runs_come_out_in_the_order_they_went_in_and_leave_nothing(opened, tmp_path):
    spool = opened()
    for first in range(0, 1000, 10):
        spool.put([event(number) for number in range(first, first + 10)])
    assert drained(spool, at_once=7) == list(range(1000))
    assert spool.empty
    assert spooled(tmp_path) == 0
    spool.put([event(1000)])
    assert drained(spool) == [1000]


def test_a_spool_that_was_large_gives_its_room_back(opened, tmp_path):
    spool = opened()
    spool.put([event(number, pad=5_000) for number in range(1000)])
    assert size(tmp_path) > 5_000_000
    drained(spool)
    assert spool.close() == (0, 0)
    assert size(tmp_path) < EMPTY


def test_what_is_not_done_comes_again(opened):
    spool = opened()
    spool.put(map(event, range(5)))
    assert numbers(spool.batch()) == [0, 1, 2, 3, 4]
    spool.done(2)
    spool.put([event(5)])
    assert numbers(spool.batch()) == [2, 3, 4, 5]


def test_a_dead_process_s_runs_are_taken_over_first_and_a_living_one_s_are_not(opened, counters, tmp_path):
    dead, alive, heir = opened(), opened(), opened()
    dead.put(map(event, range(3)))
    alive.put(map(event, range(100, 103)))
    heir.put(map(event, range(200, 203)))
    dead.let_go()
    assert heir.adopted() == []
    assert drained(heir) == [0, 1, 2, 200, 201, 202]
    assert counters.runs_recovered == 3
    assert heir.adopted() == []
    assert drained(alive) == [100, 101, 102]
    for spool in (alive, heir):
        assert spool.close() == (0, 0)
    assert [path.name for path in tmp_path.glob("*/*")] == ["runs.db"]


def test_several_dead_processes_come_in_the_order_they_began(opened):
    for first in (0, 10, 20):
        spool = opened()
        spool.put(map(event, range(first, first + 3)))
        spool.let_go()
    heir = opened()
    heir.adopted()
    assert drained(heir) == [0, 1, 2, 10, 11, 12, 20, 21, 22]


def test_runs_for_another_server_stay_where_they_are(opened, tmp_path, counters):
    spool = opened()
    spool.put([event(1)])
    spool.let_go()
    other = Spool(tmp_path, "http://other", most_bytes=10_000, counters=counters, log=ThrottledLog(lambda: 0.0))
    assert other.adopted() == []
    assert other.empty
    other.let_go()


@pytest.mark.parametrize("damage", ["the header", "the pages"])
def test_a_damaged_file_is_set_aside_and_costs_only_what_was_in_it(opened, counters, tmp_path, damage):
    spool = opened()
    spool.put([event(number, pad=1_000) for number in range(300)])
    spool.let_go()
    (path,) = tmp_path.rglob("runs.db")
    data = path.read_bytes()
    path.write_bytes(b"\x5a" * 4096 + data[4096:] if damage == "the header" else data[:4096] + b"\x5a" * 400_000)
    heirs = opened(), opened()
    for first, heir in zip((1000, 2000), heirs, strict=True):
        heir.adopted()
        heir.put(map(event, range(first, first + 3)))
        assert heir.safe
    assert [drained(heir) for heir in heirs] == [[1000, 1001, 1002], [2000, 2001, 2002]]
    assert counters.spool_damaged == 1
    assert (path.parent / "runs.damaged").exists()


def test_a_trace_that_can_not_be_read_again_costs_only_itself(opened, counters, tmp_path):
    spool = opened()
    spool.keep([[Span("a", "b")], [Span("c", "d")]])
    spool.let_go()
    (path,) = tmp_path.rglob("runs.db")
    with contextlib.closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE traces SET spans = '[{' WHERE id = 1")
    assert opened().adopted() == [[Span("c", "d")]]
    assert counters.spool_damaged == 1


def test_a_file_that_was_deleted_is_made_anew(opened, tmp_path):
    spool = opened()
    spool.put([event(1)])
    for path in tmp_path.rglob("runs.db*"):
        path.unlink()
    spool.put([event(2)])
    assert spooled(tmp_path) == 1
    assert drained(spool) == [2]


def test_over_its_bound_the_oldest_give_way_and_are_counted(opened, tmp_path):
    spool = opened(most_bytes=1_000_000)
    for first in range(0, 4_000, 10):
        spool.put([event(number, pad=1_000) for number in range(first, first + 10)])
    (path,) = tmp_path.rglob("runs.db")
    assert path.stat().st_size <= 1_100_000
    assert not spool.keep([[Span("a", "b", name="x" * 1_000_000)]])
    left = drained(spool)
    assert left == list(range(4_000 - len(left), 4_000))
    assert spool.dropped == 4_000 - len(left)
    assert len(left) > 500


def test_a_full_disk_costs_nothing_and_keeps_the_order(tmp_path):
    """The kernel refuses to let files grow; later there is room again. What was sent meanwhile is not sent twice."""
    script = f"""
import json, resource, signal, sys
from pathlib import Path
from flightdeck.otel.instrumentation.counters import Counters
from flightdeck.otel.instrumentation.spool import Spool
from flightdeck.otel.instrumentation.throttled import ThrottledLog

def events(first, last):
    return [json.dumps({{"run_id": number, "pad": "x" * 20_000}}).encode() for number in range(first, last)]

def numbers(batch):
    return [json.loads(one)["run_id"] for one in batch]

counters = Counters()
spool = Spool(Path({str(tmp_path)!r}), "http://fd", most_bytes=10**8, counters=counters, log=ThrottledLog(lambda: 0.0))
spool.put(events(0, 3))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
sent = numbers(spool.batch())[:2]
spool.done(2)
spool.put(events(3, 6))
spool.put(events(6, 9))
safe, errors = spool.safe, counters.spool_errors
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
spool.put(events(9, 10))
safe_again = spool.safe
while batch := spool.batch():
    sent += numbers(batch)
    spool.done(len(batch))
print(json.dumps([safe, errors, safe_again, sent, spool.dropped, spool.close()]))
"""
    done = agent(script, agent_environment("http://127.0.0.1:1"))
    assert done.returncode == 0, done.stderr
    safe, errors, safe_again, sent, dropped, closed = json.loads(done.stdout.splitlines()[-1])
    assert (safe, safe_again, sent, dropped, closed) == (False, True, list(range(10)), 0, [0, 0])
    assert errors >= 2


def test_a_forked_child_has_a_spool_of_its_own_and_leaves_its_parent_s_alone(opened, tmp_path):
    parent = opened()
    parent.put([event(1)])
    child = os.fork()
    if not child:
        own = opened()
        own.put([event(2)])
        adopted = own.adopted()
        os._exit(0 if drained(own) == [2] and adopted == [] and parent._owners.names == [] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    parent.put([event(3)])
    assert drained(parent) == [1, 3]


def test_a_folder_that_can_not_be_used_is_an_error_at_once(tmp_path, counters):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        Spool(tmp_path / "file", URL, most_bytes=1000, counters=counters, log=ThrottledLog(lambda: 0.0))


def test_traces_without_a_release_yet_are_kept_and_come_back_as_they_were(opened, counters):
    spool, spans = opened(), [Span("0" * 31 + "1", "0" * 15 + "2", name="ü", input=7, end_ns=2**63), Span("a", "b")]
    assert spool.keep([spans, spans[:1]])
    spool.let_go()
    heir = opened()
    assert heir.adopted() == [spans, spans[:1]]
    heir.let_go()
    assert opened().adopted() == [spans, spans[:1]]  # the heir kept them as its own


MANY_RUNS = """
for number in range(20):
    answer(f"{sys.argv[1]}{number:02d}")
print("answer", flush=True)
"""


@pytest.mark.parametrize("knows", ["the release", "its version"])
def test_runs_survive_kill_9_and_are_posted_by_the_next_process_in_order(tmp_path, knows):
    """Also where the release is known by its version only and the server never told which one that is."""
    named = {} if knows == "the release" else {"FLIGHTDECK_RELEASE_ID": ""}
    named |= {"OTEL_RESOURCE_ATTRIBUTES": "service.name=support,service.version=1.4.0"}
    with endpoint() as server:
        env = agent_environment(server.url, FLIGHTDECK_SPOOL_DIR=str(tmp_path), **named)
        server.fault = answering(503)
        server.fault_in_gets = knows == "its version"
        killed = agent_process(
            MANY_RUNS.replace("sys.argv[1]", "'first'")
            + f"""
import contextlib, pathlib, sqlite3
def waiting():
    for path in pathlib.Path({str(tmp_path)!r}).rglob("runs.db"):
        with contextlib.closing(sqlite3.connect(path)) as db, contextlib.suppress(sqlite3.Error):
            return db.execute("SELECT (SELECT count(*) FROM runs) + (SELECT count(*) FROM traces)").fetchone()[0]
    return 0
while waiting() < 20:
    time.sleep(0.05)
print("waiting", flush=True)
sys.stdin.read()
""",
            env,
        )
        assert killed.stdout is not None
        try:
            assert killed.stdout.readline() == "answer\n"
            assert killed.stdout.readline() == "waiting\n"
        finally:
            killed.send_signal(signal.SIGKILL)
            killed.wait()
        assert spooled(tmp_path) >= 20
        server.fault = None
        done = agent(MANY_RUNS.replace("sys.argv[1]", "'second'") + "end()\n", env)
    assert done.returncode == 0, done.stderr
    counters = json.loads(done.stdout.splitlines()[-1])["counters"]
    expected = [f"{which}{number:02d}" for which in ("first", "second") for number in range(20)]
    assert sorted(server.tasks) == expected
    if knows == "the release":
        assert counters["runs_recovered"] == 20
    assert server.tasks == expected
    assert spooled(tmp_path) == 0


def test_with_a_spool_a_dead_server_delays_nothing_and_loses_nothing(tmp_path):
    env = agent_environment("http://127.0.0.1:1", FLIGHTDECK_SPOOL_DIR=str(tmp_path), FLIGHTDECK_SHUTDOWN_S="20")
    done = agent(MANY_RUNS.replace("sys.argv[1]", "'run'") + "end()\nraise SystemExit(7)", env)
    told = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == 7
    assert told["took"] < 8
    assert (told["counters"]["runs_spooled"], told["losses"]) == (20, {})
    assert f"20 run(s) wait in {tmp_path} for the next start" in done.stderr
    assert spooled(tmp_path) == 20


def test_a_spool_that_can_not_be_written_changes_nothing_for_the_agent(tmp_path):
    """The kernel refuses every write, as a full disk does; the runs go out from memory."""
    limit = f"""
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (0, {resource.getrlimit(resource.RLIMIT_FSIZE)[1]}))
"""
    with endpoint() as server:
        env = agent_environment(server.url, FLIGHTDECK_SPOOL_DIR=str(tmp_path))
        done = agent(limit + MANY_RUNS.replace("sys.argv[1]", "'run'") + "end()\nraise SystemExit(7)", env)
    assert done.returncode == 7, done.stderr
    counters = json.loads(done.stdout.splitlines()[-1])["counters"]
    assert (counters["runs_inserted"], counters["errors"]) == (20, 0)
    assert counters["spool_errors"] >= 1
    assert len(server.run_ids) == 20
    assert "can't be used" in done.stderr


def test_the_spool_is_the_user_s_alone(opened, tmp_path):
    spool = opened()
    spool.put([event(1)])
    spool.keep([[Span("a", "b")]])
    for path in spool._root.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path
