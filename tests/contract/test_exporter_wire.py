"""The run exporter's HTTP, against real sockets: servers that answer, refuse, hang, lie and redirect."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from flightdeck.otel.instrumentation import wire
from flightdeck.otel.instrumentation.wire import Unreachable, http_wire


def read_request(connection: socket.socket) -> bytes:
    """A whole request, body included."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65_536)
    head, _, body = received.partition(b"\r\n\r\n")
    length = next((int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if b"content-length" in line), 0)
    while len(body) < length:
        body += connection.recv(65_536)
    return head + b"\r\n\r\n" + body


@contextmanager
def listening(answer: Callable[[socket.socket], None]) -> Iterator[tuple[str, list[bytes]]]:
    """A server that reads one request after the other and lets ``answer`` do what it will with the connection."""
    requests: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    requests.append(read_request(connection))
                    answer(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", requests
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def says(text: str) -> Callable[[socket.socket], None]:
    return lambda connection: connection.sendall(text.encode())


def post(url: str, timeout_s: float = 5) -> wire.Answer:
    headers = {"Content-Type": "application/json", "Authorization": "Bearer token"}
    return http_wire("POST", url + "/v1/events", body=b'{"events":[]}', headers=headers, timeout_s=timeout_s)


@pytest.mark.parametrize("status", [200, 400, 401, 429, 503])
def test_an_answer_of_any_status_is_an_answer(status):
    with listening(says(f"HTTP/1.1 {status} X\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\n{{}}")) as (url, requests):
        answer = post(url)
    assert (answer.status, answer.body, answer.headers["retry-after"]) == (status, b"{}", "7")
    head, _, body = requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/events HTTP/1.1")
    assert b"authorization: bearer token" in head.lower()
    assert body == b'{"events":[]}'


def test_a_redirect_is_not_followed():
    """Following would repeat the POST as a GET, and carry the token to another server."""
    with (
        listening(says("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) as (elsewhere, stolen),
        listening(says(f"HTTP/1.1 302 Found\r\nLocation: {elsewhere}\r\nContent-Length: 0\r\n\r\n")) as (url, _),
    ):
        assert post(url).status == 302
    assert stolen == []


@pytest.mark.parametrize(
    "answer",
    [
        says(""),
        says("SSH-2.0-OpenSSH_9.6\r\n"),
        says("HTTP/1.1 20"),
        says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
        says("HTTP/1.1 banana OK\r\n\r\n"),
    ],
    ids=["nothing", "another protocol", "half a line", "bad chunks", "no status"],
)
def test_an_answer_that_is_no_http_counts_as_none(answer):
    with listening(answer) as (url, _), pytest.raises(Unreachable):
        post(url)


def test_a_cut_body_is_an_answer_all_the_same():
    """Its status was given after the commit; sending the runs again would be no better."""
    with listening(says("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ncut")) as (url, _):
        assert post(url).body == b"cut"


def test_an_answer_without_an_end_is_given_up(monkeypatch):
    flood = b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 70_000
    monkeypatch.setattr(wire, "MOST_ANSWER", 60_000)
    with (
        listening(lambda connection: connection.sendall(flood)) as (url, _),
        pytest.raises(Unreachable, match="longer than"),
    ):
        post(url)


def test_a_server_that_never_answers_is_given_up_in_time():
    done = threading.Event()
    with listening(lambda _: done.wait(20) and None) as (url, _):
        with pytest.raises(Unreachable, match="timed out"):
            post(url, timeout_s=0.3)
        done.set()


@pytest.mark.parametrize("url", ["ftp://127.0.0.1", "file:///etc", "127.0.0.1:8765", "http://[bad", "http://a b", ""])
def test_an_address_that_is_none_is_unreachable(url):
    with pytest.raises(Unreachable):
        post(url)


def test_a_closed_port_is_unreachable():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(Unreachable, match="refused"):
        post(f"http://127.0.0.1:{port}")


def test_a_name_that_does_not_exist_is_unreachable():
    with pytest.raises(Unreachable):
        post("http://flightdeck.invalid")


def test_a_proxy_in_the_environment_is_not_asked_for_loopback(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with listening(says("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) as (url, _):
        assert post(url).status == 200
