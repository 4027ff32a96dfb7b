"""The demo's model provider: the script behind the OpenAI chat completions API, on loopback.

It stands in for a foreign service, so it speaks that service's HTTP; agents use it through their own client library by
nothing but ``OPENAI_BASE_URL``.
"""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from flightdeck.demo.script import Reply, Script

MAX_BODY = 4 * 1024 * 1024


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, script: Script) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script = script
        self.calls = 0


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60
    disable_nagle_algorithm = True
    wbufsize = 65_536  # head and body leave in one packet
    server: _Server

    def do_POST(self) -> None:
        """Answers a chat completion."""
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MAX_BODY:
            self.close_connection = True
            return self._send(_error(413, f"a body needs a Content-Length of at most {MAX_BODY}"))
        body = self.rfile.read(int(length))
        if self.path.rstrip("/") != "/v1/chat/completions":
            return self._send(_error(404, f"unknown path {self.path}; this provider speaks /v1/chat/completions"))
        try:
            request = json.loads(body)
        except ValueError:
            return self._send(_error(400, "the body is no JSON"))
        if not isinstance(request, dict):
            return self._send(_error(400, "the body is no JSON object"))
        retries = self.headers.get("x-stainless-retry-count", "0")
        reply = self.server.script.reply(request, attempt=int(retries) if retries.isdecimal() else 0)
        self.server.calls += 1
        time.sleep(reply.after_s)
        return self._send(reply)

    def do_GET(self) -> None:
        """There is nothing to get."""
        self._send(_error(404, f"unknown path {self.path}"))

    def log_message(self, *_: object) -> None:
        """The demo's terminal belongs to the demo."""

    def _send(self, reply: Reply) -> None:
        body = json.dumps(reply.body).encode()
        self.send_response(reply.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def _error(status: int, message: str) -> Reply:
    return Reply(status, {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None}})


class Provider:
    """Serves a script from ``with`` on; ``base_url`` is what ``OPENAI_BASE_URL`` wants."""

    def __init__(self, script: Script) -> None:
        self._server = _Server(script)
        self._thread = threading.Thread(target=self._server.serve_forever, name="scripted-provider", daemon=True)

    @property
    def base_url(self) -> str:
        """``http://127.0.0.1:<port>/v1``."""
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    @property
    def calls(self) -> int:
        """Answered requests so far, retried ones included."""
        return self._server.calls

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
