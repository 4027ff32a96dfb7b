"""Waiting for a verdict: when it looks, when it stops, and how long a server may be away."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest

from flightdeck.cli.connection import TIMEOUT_S, Answer, Api, Remote
from flightdeck.cli.watch import LEAST_TIMEOUT_S, PATIENCE_S, Watch
from flightdeck.errors import Invalid, StoreUnavailable
from flightdeck.judge.quantities import more_runs
from flightdeck.models.verdict import RunsNeeded

NEEDED = {"baseline": 900, "candidate": 1000, "hours": 0.05, "limited_by": None}


class Server(Remote):
    """What answers at the other end: at each time one status, "" where it does not answer."""

    def __init__(self, *script: tuple[float, str]) -> None:
        super().__init__("http://127.0.0.1:1")
        self.now = 0.0
        self.looks: list[float] = []
        self.timeouts: list[float] = []
        self.needs_s = 0.0
        self._script = script

    def send(self, *_: object) -> Answer:
        status = [status for since, status in self._script if since <= self.now][-1]
        if not status:
            raise StoreUnavailable("The server has stopped.")
        self.looks.append(self.now)
        self.now += self.needs_s
        samples = {"baseline_runs": 10, "candidate_runs": 20}
        body = {"verdict": {"status": status, "runs_needed": NEEDED}, "samples": samples}
        return Answer(400 if status == "broken" else 200, {}, json.dumps(body).encode())

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def watch(self, wait_s: int, interval_s: int = 60) -> Watch:
        @contextmanager
        def connect(*, served: bool, timeout_s: float) -> Iterator[Api]:
            del served
            self.timeouts.append(timeout_s)
            yield Api(self)

        return Watch(wait_s, interval_s, connect=connect, clock=lambda: self.now, sleep=self.sleep)


def status(watch: Watch) -> str:
    return str(watch.until_conclusive(lambda flightdeck: flightdeck.get("/v1/diff"))["verdict"]["status"])


@pytest.mark.parametrize("first", ["PASS", "FAIL", "INCONCLUSIVE", "NODATA"])
def test_without_a_wait_it_looks_once(first):
    server = Server((0, first), (1, "PASS"))
    assert (status(server.watch(0)), server.looks) == (first, [0])


@pytest.mark.parametrize("last", ["PASS", "FAIL"])
def test_it_looks_every_interval_until_the_verdict_is_conclusive(last):
    server = Server((0, "NODATA"), (90, "INCONCLUSIVE"), (150, last))
    assert (status(server.watch(1800)), server.looks) == (last, [0, 60, 120, 180])


def test_the_last_look_is_when_the_time_is_over():
    server = Server((0, "INCONCLUSIVE"))
    assert (status(server.watch(100)), server.looks) == ("INCONCLUSIVE", [0, 60, 100])


def test_a_server_may_be_away_for_two_minutes_and_is_asked_soon_after_it_is_back():
    server = Server((0, "INCONCLUSIVE"), (30, ""), (150, "PASS"))
    assert status(server.watch(1800)) == "PASS"
    assert 150 <= server.looks[-1] <= 165


def test_a_server_that_stays_away_is_an_error_after_two_minutes(capsys):
    server = Server((0, "INCONCLUSIVE"), (30, ""))
    with pytest.raises(StoreUnavailable):
        status(server.watch(7200))
    assert server.now - 60 <= PATIENCE_S
    assert "The server has stopped. Asking again in 1 second." in capsys.readouterr().err


@pytest.mark.parametrize(("wait_s", "away_since"), [(40, 0.5), (40, 39), (90, 30)])
def test_a_server_that_is_away_is_not_asked_for_longer_than_the_wait(wait_s, away_since):
    server = Server((0, "INCONCLUSIVE"), (away_since, ""))
    with pytest.raises(StoreUnavailable):
        status(server.watch(wait_s, 10))
    assert server.now == wait_s


def test_a_server_that_is_back_when_the_time_is_over_has_the_last_word():
    server = Server((0, "INCONCLUSIVE"), (30, ""), (89.5, "PASS"))
    assert (status(server.watch(90, 10)), server.looks[-1]) == ("PASS", 90)


def test_two_absences_are_not_added_up():
    server = Server((0, "INCONCLUSIVE"), (30, ""), (150, "INCONCLUSIVE"), (200, ""), (330, "PASS"))
    assert status(server.watch(1800)) == "PASS"


@contextmanager
def silent_after(answers: int) -> Iterator[str]:
    """The address of a server that gives so many answers, INCONCLUSIVE, and then accepts without ever answering."""
    body = json.dumps(
        {
            "verdict": {"status": "INCONCLUSIVE", "runs_needed": NEEDED},
            "samples": {"baseline_runs": 1, "candidate_runs": 2},
        }
    ).encode()
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
    with ExitStack() as held, socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            with suppress(OSError):  # shut down
                for count in range(100):
                    connection = held.enter_context(listener.accept()[0])
                    connection.recv(65_536)
                    if count < answers:
                        connection.sendall(head + body)
                        connection.close()

        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join()


@pytest.mark.parametrize("answers", [0, 1])
def test_a_server_that_accepts_and_never_answers_holds_a_look_no_longer_than_the_wait(monkeypatch, answers):
    monkeypatch.setattr("flightdeck.cli.watch.LEAST_TIMEOUT_S", 0.1)
    with silent_after(answers) as url:
        monkeypatch.setenv("FLIGHTDECK_URL", url)
        began = time.monotonic()
        with pytest.raises(StoreUnavailable, match="does not answer: timed out"):
            status(Watch(1 + answers, 1))
    assert time.monotonic() - began < TIMEOUT_S / 2


def test_a_request_has_what_is_left_of_the_wait_but_time_enough_for_the_last_look():
    server = Server((0, "INCONCLUSIVE"))
    status(server.watch(90, 30))
    assert server.timeouts == [TIMEOUT_S, TIMEOUT_S, 30, LEAST_TIMEOUT_S]


def test_a_server_that_needs_long_for_a_look_has_twice_as_long_for_the_last_one():
    server = Server((0, "INCONCLUSIVE"))
    server.needs_s = 20
    status(server.watch(100, 30))
    assert server.timeouts == [TIMEOUT_S, 50, 40]


def test_a_single_look_has_the_usual_time():
    server = Server((0, "INCONCLUSIVE"))
    status(server.watch(0))
    assert server.timeouts == [TIMEOUT_S]


@pytest.mark.parametrize("wait_s", [0, 1800])
def test_a_server_that_never_answered_is_an_error_at_once(wait_s):
    server = Server((0, ""), (1, "PASS"))
    with pytest.raises(StoreUnavailable):
        status(server.watch(wait_s))
    assert server.now == 0


def test_an_answer_that_says_what_is_wrong_is_not_asked_for_again():
    server = Server((0, "INCONCLUSIVE"), (30, "broken"))
    with pytest.raises(Invalid):
        status(server.watch(1800))
    assert len(server.looks) == 2


def test_each_look_says_what_is_missing_and_when_it_will_be_there_and_when_the_next_look_is(capsys):
    status(Server((0, "INCONCLUSIVE"), (30, "PASS")).watch(1800))
    (line,) = capsys.readouterr().err.splitlines()
    said = line.partition(" UTC: ")[2]
    assert said.startswith(
        "INCONCLUSIVE with 10 and 20 runs, about 900 and 1,000 more are needed, there in 3 minutes at "
    )
    assert said.endswith(" UTC); looking again in 60 seconds, for at most 30 minutes more")


@pytest.mark.parametrize("limited_by", ["tenants", "effect"])
def test_where_more_runs_would_not_help_it_says_so_in_the_verdict_s_words(capsys, monkeypatch, limited_by):
    needed = RunsNeeded(limited_by=limited_by)
    monkeypatch.setitem(globals(), "NEEDED", needed.model_dump())
    status(Server((0, "INCONCLUSIVE"), (30, "PASS")).watch(1800))
    assert f"runs, {more_runs(needed)}; looking again" in capsys.readouterr().err
