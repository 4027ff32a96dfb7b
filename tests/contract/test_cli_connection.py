"""Whom a command talks to, and to whom it gives the API token."""

from __future__ import annotations

import ast
import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from graphlib import TopologicalSorter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from flightdeck.cli import connection
from flightdeck.errors import Misconfigured, StoreUnavailable
from tests.contract.commands import run
from tests.serving import serving

TOKEN = "s3cret"


class Listening:
    """A server that keeps what it is asked, and answers ``status`` with ``headers``."""

    def __init__(self) -> None:
        self.url = ""
        self.status = 200
        self.headers: dict[str, str] = {}
        self.dies = False
        self.asked: list[tuple[str, str | None]] = []


@contextmanager
def listening() -> Iterator[Listening]:
    told = Listening()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.asked.append((self.path, self.headers.get("Authorization")))
            if told.dies:
                server.socket.shutdown(socket.SHUT_RDWR)  # at once, whoever is waiting for it
            self.send_response(told.status)
            for name, value in {"Content-Length": "2", **told.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        told.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield told
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    monkeypatch.setenv("FLIGHTDECK_WORKSPACE", str(tmp_path))
    monkeypatch.setenv("FLIGHTDECK_LOCAL_API_TOKEN", TOKEN)
    monkeypatch.delenv("FLIGHTDECK_URL", raising=False)
    (tmp_path / ".flightdeck").mkdir()
    return tmp_path


def announce(workspace, url):
    told = {"url": url, "pid": os.getpid(), "instance": "x"}
    (workspace / ".flightdeck" / "server.json").write_text(json.dumps(told))


@pytest.mark.parametrize(
    "url",
    [
        "http://192.0.2.1:8765",
        "http://[2001:db8::1]:8765",
        "http://deck.example:8765",
        "https://127.0.0.1:8765",
        "http://127.0.0.1@192.0.2.1:8765",
        "http://0.0.0.0:8765",
        "http://[",
        "file:///etc/hostname",
    ],
)
def test_a_folder_never_sends_the_token_to_another_machine(workspace, monkeypatch, url):
    """The file may have come with the folder. The proxy sees whatever would have left this machine."""
    with listening() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        announce(workspace, url)
        with pytest.raises(Misconfigured, match="no address of this machine"), connection.api() as api:
            api.get("/v1/releases")
        assert proxy.asked == []


def test_the_server_of_the_folder_is_used_on_this_machine(workspace):
    with listening() as server:
        announce(workspace, server.url)
        with connection.api() as api:
            api.get("/v1/releases")
        assert server.asked == [("/health", None), ("/v1/releases", f"Bearer {TOKEN}")]


def test_an_address_of_an_interface_counts_as_this_machine():
    addresses = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), 1, socket.AF_INET)}
    assert all(connection._on_this_machine(f"http://{address}:1") for address in addresses)


def test_a_redirect_is_not_followed(workspace, monkeypatch):
    with listening() as elsewhere, listening() as server:
        server.status, server.headers = 302, {"Location": f"{elsewhere.url}/v1/releases"}
        monkeypatch.setenv("FLIGHTDECK_URL", server.url)
        with pytest.raises(Misconfigured, match="redirects to"), connection.api() as api:
            api.get("/v1/releases")
        assert elsewhere.asked == []


@pytest.mark.parametrize(
    "url", ["foo", "localhost:40000", "http://", "ftp://deck:1", "http://deck:port", "http://[", "http://a b"]
)
def test_an_address_that_is_none_is_one_clear_line(workspace, monkeypatch, url):
    monkeypatch.setenv("FLIGHTDECK_URL", url)
    done = run("release", "list")
    assert done.exit_code == 1
    assert done.output == f"Error: FLIGHTDECK_URL={url} is no address; write http://host:port\n"


def test_a_server_that_ends_after_it_was_found_is_one_line(workspace):
    with listening() as server:
        server.dies = True
        announce(workspace, server.url)
        with pytest.raises(StoreUnavailable, match="has stopped"), connection.api() as api:
            api.get("/v1/releases")


def test_an_answer_that_breaks_off_is_one_line(workspace, monkeypatch):
    with listening() as server:
        server.headers = {"Content-Length": "100"}
        monkeypatch.setenv("FLIGHTDECK_URL", server.url)
        with pytest.raises(StoreUnavailable, match="does not answer"), connection.api() as api:
            api.get("/v1/releases")


def test_a_workspace_that_does_not_exist_is_an_error_and_is_not_made(tmp_path, monkeypatch):
    """A typing error in the variable must not start an empty workspace."""
    missing = tmp_path / "typo"
    monkeypatch.setenv("FLIGHTDECK_WORKSPACE", str(missing))
    monkeypatch.delenv("FLIGHTDECK_URL", raising=False)
    for command in (["release", "list"], ["doctor"], ["workspace", "info"], ["serve", "--port", "0"]):
        ended = run(*command)
        assert ended.exit_code == 1, ended.output
        assert f"FLIGHTDECK_WORKSPACE names {missing}, which does not exist." in ended.stderr
        assert "`flightdeck init`" in ended.stderr
    assert not missing.exists()
    missing.write_text("")
    assert "which is no folder" in run("release", "list").stderr


def test_init_makes_the_workspace_that_the_variable_names(tmp_path, monkeypatch):
    monkeypatch.setenv("FLIGHTDECK_WORKSPACE", str(tmp_path / "here"))
    monkeypatch.delenv("FLIGHTDECK_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    assert run("init").stdout.splitlines()[0] == f"Wrote {tmp_path / 'here' / 'flightdeck.yaml'}"
    assert run("release", "list").exit_code == 0
    assert not (tmp_path / "flightdeck.yaml").exists()


def test_the_commands_import_each_other_in_no_circle():
    """Each module of the command line can be the first to be imported."""
    edges = {}
    for path in Path(connection.__file__).parent.glob("*.py"):
        tree = ast.walk(ast.parse(path.read_text()))
        named = [node.module for node in tree if isinstance(node, ast.ImportFrom) and node.module]
        edges[f"flightdeck.cli.{path.stem}"] = {name for name in named if name.startswith("flightdeck.cli.")}
    tuple(TopologicalSorter(edges).static_order())  # a CycleError names the circle


def test_another_port_than_the_api_s_is_told_as_such(tmp_path, monkeypatch):
    """OTLP's ports are the likely ones: HTTP without these routes, and gRPC."""
    monkeypatch.chdir(tmp_path)
    with serving(tmp_path) as server:
        monkeypatch.setenv("FLIGHTDECK_URL", server.otlp_http)
        ended = run("release", "list")
        assert (ended.exit_code, ended.stderr.count("\n")) == (1, 1)
        assert ended.stderr.startswith("Error: The server does not know /v1/releases. Is that the API's port")
        monkeypatch.setenv("FLIGHTDECK_URL", server.otlp_grpc)
        ended = run("release", "list")
        assert ended.exit_code == 1
        assert ended.stderr.startswith(
            f"Error: What answers at {server.otlp_grpc} does not speak HTTP. Is that the API's"
        )
