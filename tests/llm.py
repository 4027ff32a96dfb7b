"""A scripted language model on loopback, behind the HTTP of OpenAI, Anthropic and Google.

It stands in for foreign services in tests of client libraries and agent frameworks: it calls the first tool it is
offered once, then answers. What a call uses follows from the conversation alone, so a run's tokens are known in
advance; ``answered`` keeps what every answered call was told to have used. A model whose name contains ``broken`` is
refused with status 400.
"""

from __future__ import annotations

import json
import re
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

ANSWER = "It is sunny in Paris."
CITY = "Paris"
SNAPSHOTS = {"gpt-4.1-mini": "gpt-4.1-mini-2025-04-14", "claude-sonnet-4-5": "claude-sonnet-4-5-20250929"}
"""The model that a requested name answers as, where that is another one."""

Json = dict[str, Any]


@dataclass(frozen=True)
class Answered:
    """One answered call; input includes cached and creation, output includes reasoning."""

    model: str
    input: int
    output: int
    cached: int
    creation: int
    reasoning: int


@dataclass
class Turn:
    """What an answer depends on, whichever protocol asks."""

    model: str
    tools: dict[str, Json]
    """The JSON schema of each offered tool's arguments."""
    results: int
    """Results of tools in the conversation so far."""
    prompt: str = ""
    stream: bool = False
    with_usage: bool = True
    creation: int = 0
    reasoning: int = 2

    @property
    def snapshot(self) -> str:
        return SNAPSHOTS.get(self.model, self.model)

    @property
    def call(self) -> tuple[str, Json] | None:
        """The tool that is called next, with its arguments; None if it is time to answer."""
        ending = {name for name in self.tools if name in {"final_answer", "final_result"}}
        wanted = [name for name in self.tools if name not in ending]
        if wanted and not self.results:
            return wanted[0], _arguments(self.tools[wanted[0]])
        if ending:
            name = min(ending)
            return name, dict.fromkeys(self.tools[name].get("properties", {"answer": {}}), ANSWER)
        return None

    @property
    def text(self) -> str:
        """The answer; a prompt that asks for marked fields (DSPy's) gets those."""
        asked = re.findall(r"\[\[ ## (\w+) ## \]\]", self.prompt.rpartition("Respond with")[2])
        if not asked:
            return ANSWER
        looked = "observation_0" in self.prompt
        values = {
            "next_thought": "I look it up.",
            "next_tool_name": "finish" if looked else "get_weather",
            "next_tool_args": "{}" if looked else json.dumps({"city": CITY}),
            "completed": "",
        }
        return "\n\n".join(f"[[ ## {name} ## ]]\n{values.get(name, ANSWER)}" for name in dict.fromkeys(asked))

    def used(self) -> Answered:
        results = min(self.results, 8)
        return Answered(
            self.snapshot, 100 + 50 * results, 10 + 5 * results, 20 + 20 * results, self.creation, self.reasoning
        )


def _arguments(schema: Json) -> Json:
    required = schema.get("required") or list(schema.get("properties", {}))
    return dict.fromkeys(required, CITY)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answered: list[Answered] = []
        self.refused = 0
        self.unknown: list[str] = []
        self.lock = threading.Lock()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away without a word is no error of ours."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60
    server: _Server

    def do_POST(self) -> None:
        body = json.loads(self._body() or b"{}")
        path = self.path.partition("?")[0]
        for pattern, protocol in PROTOCOLS:
            if found := re.fullmatch(pattern, path):
                self._answer(protocol(body, found))
                return
        self.server.unknown.append(path)
        self._json(404, {"error": {"message": f"unknown path {path}", "code": 404}})

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", "0")))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def do_GET(self) -> None:
        self.server.unknown.append(self.path)
        self._json(404, {"error": {"message": "there is nothing to get", "code": 404}})

    def log_message(self, *_: object) -> None:
        """Tests look at what was answered, not at a log."""

    def _answer(self, protocol: Protocol) -> None:
        turn = protocol.turn
        if "broken" in turn.model:
            with self.server.lock:
                self.server.refused += 1
            self._json(400, protocol.refusal())
            return
        with self.server.lock:
            self.server.answered.append(turn.used())
            number = len(self.server.answered)
        if not turn.stream:
            self._json(200, protocol.whole(number))
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        for event in protocol.events(number):
            self.wfile.write(event.encode())
        self.close_connection = True

    def _json(self, status: int, body: Json) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _event(data: Json, name: str = "") -> str:
    return (f"event: {name}\n" if name else "") + f"data: {json.dumps(data)}\n\n"


class Protocol:
    """One vendor's way to ask and to answer."""

    turn: Turn

    def refusal(self) -> Json:
        message = f"the model {self.turn.model} does not answer"
        return {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": "broken_model"}}

    def whole(self, number: int) -> Json:
        raise NotImplementedError

    def events(self, number: int) -> Iterator[str]:
        raise NotImplementedError


def _is_result(message: Json) -> bool:
    """A tool's result, also where it is told as a user's text (smolagents)."""
    told = message["role"] == "user" and "Observation:" in json.dumps(message.get("content"))
    return message["role"] == "tool" or told


class ChatCompletions(Protocol):
    """OpenAI's ``/v1/chat/completions``."""

    def __init__(self, body: Json, _: re.Match[str]) -> None:
        functions = [tool["function"] for tool in body.get("tools") or () if tool.get("type") == "function"]
        messages = body["messages"]
        self.turn = Turn(
            model=body["model"],
            tools={one["name"]: one.get("parameters") or {} for one in functions},
            results=sum(map(_is_result, messages)),
            prompt=json.dumps(messages[-1].get("content"), ensure_ascii=False),
            stream=bool(body.get("stream")),
            with_usage=not body.get("stream") or bool((body.get("stream_options") or {}).get("include_usage")),
        )

    def _usage(self) -> Json:
        used = self.turn.used()
        return {
            "prompt_tokens": used.input,
            "completion_tokens": used.output,
            "total_tokens": used.input + used.output,
            "prompt_tokens_details": {"cached_tokens": used.cached, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": used.reasoning, "audio_tokens": 0},
        }

    def _message(self, number: int) -> tuple[Json, str]:
        if self.turn.call is None:
            return {"role": "assistant", "content": self.turn.text}, "stop"
        name, arguments = self.turn.call
        function = {"name": name, "arguments": json.dumps(arguments)}
        calls = [{"index": 0, "id": f"call_{number}", "type": "function", "function": function}]
        return {"role": "assistant", "content": None, "tool_calls": calls}, "tool_calls"

    def _frame(self, number: int, kind: str) -> Json:
        return {"id": f"chatcmpl-{number}", "object": kind, "created": 1_764_000_000, "model": self.turn.snapshot}

    def whole(self, number: int) -> Json:
        message, reason = self._message(number)
        choice = {"index": 0, "message": message, "finish_reason": reason, "logprobs": None}
        return self._frame(number, "chat.completion") | {"choices": [choice], "usage": self._usage()}

    def events(self, number: int) -> Iterator[str]:
        frame = self._frame(number, "chat.completion.chunk")
        message, reason = self._message(number)
        yield _event(frame | {"choices": [{"index": 0, "delta": message, "finish_reason": None}]})
        yield _event(frame | {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
        if self.turn.with_usage:
            yield _event(frame | {"choices": [], "usage": self._usage()})
        yield "data: [DONE]\n\n"


class Responses(Protocol):
    """OpenAI's ``/v1/responses``."""

    def __init__(self, body: Json, _: re.Match[str]) -> None:
        given = body.get("input") or []
        items = given if isinstance(given, list) else []
        functions = [tool for tool in body.get("tools") or () if tool.get("type") == "function"]
        self.turn = Turn(
            model=body["model"],
            tools={one["name"]: one.get("parameters") or {} for one in functions},
            results=sum(item.get("type") == "function_call_output" for item in items),
            stream=bool(body.get("stream")),
        )

    def whole(self, number: int) -> Json:
        used = self.turn.used()
        item: Json
        if self.turn.call is None:
            part = {"type": "output_text", "text": ANSWER, "annotations": []}
            item = {"type": "message", "id": f"msg_{number}", "role": "assistant", "content": [part]}
        else:
            name, arguments = self.turn.call
            item = {"type": "function_call", "id": f"fc_{number}", "call_id": f"call_{number}", "name": name}
            item["arguments"] = json.dumps(arguments)
        return {
            "id": f"resp_{number}",
            "object": "response",
            "created_at": 1_764_000_000,
            "status": "completed",
            "error": None,
            "incomplete_details": None,
            "instructions": None,
            "metadata": {},
            "model": self.turn.snapshot,
            "output": [item | {"status": "completed"}],
            "parallel_tool_calls": True,
            "temperature": 1.0,
            "tool_choice": "auto",
            "tools": [],
            "top_p": 1.0,
            "usage": {
                "input_tokens": used.input,
                "input_tokens_details": {"cached_tokens": used.cached, "cache_write_tokens": 0},
                "output_tokens": used.output,
                "output_tokens_details": {"reasoning_tokens": used.reasoning},
                "total_tokens": used.input + used.output,
            },
        }

    def events(self, number: int) -> Iterator[str]:
        whole = self.whole(number)
        begun = whole | {"status": "in_progress", "output": [], "usage": None}
        item = whole["output"][0]
        yield _event({"type": "response.created", "sequence_number": 0, "response": begun}, "response.created")
        for place, kind in enumerate(("added", "done"), 1):
            told = {"type": f"response.output_item.{kind}", "sequence_number": place, "output_index": 0, "item": item}
            yield _event(told, f"response.output_item.{kind}")
        yield _event({"type": "response.completed", "sequence_number": 3, "response": whole}, "response.completed")


class Messages(Protocol):
    """Anthropic's ``/v1/messages``."""

    def __init__(self, body: Json, _: re.Match[str]) -> None:
        blocks = [
            block
            for message in body["messages"]
            if isinstance(message["content"], list)
            for block in message["content"]
            if isinstance(block, dict)
        ]
        self.turn = Turn(
            model=body["model"],
            tools={tool["name"]: tool.get("input_schema") or {} for tool in body.get("tools") or ()},
            results=sum(block.get("type") == "tool_result" for block in blocks),
            stream=bool(body.get("stream")),
            creation=5,
            reasoning=0,
        )

    def refusal(self) -> Json:
        return {"type": "error", "error": {"type": "invalid_request_error", "message": "the model does not answer"}}

    def whole(self, number: int) -> Json:
        used = self.turn.used()
        content: Json = {"type": "text", "text": self.turn.text, "citations": None}
        if self.turn.call is not None:
            name, arguments = self.turn.call
            content = {"type": "tool_use", "id": f"toolu_{number}", "name": name, "input": arguments}
        return {
            "id": f"msg_{number}",
            "type": "message",
            "role": "assistant",
            "model": self.turn.snapshot,
            "content": [content],
            "stop_reason": "end_turn" if self.turn.call is None else "tool_use",
            "stop_sequence": None,
            "usage": {
                "input_tokens": used.input - used.cached - used.creation,
                "cache_read_input_tokens": used.cached,
                "cache_creation_input_tokens": used.creation,
                "output_tokens": used.output,
                "service_tier": "standard",
            },
        }

    def events(self, number: int) -> Iterator[str]:
        whole = self.whole(number)
        block = whole["content"][0]
        begun = whole | {"content": [], "stop_reason": None, "usage": whole["usage"] | {"output_tokens": 1}}
        yield _event({"type": "message_start", "message": begun}, "message_start")
        if block["type"] == "text":
            empty, delta = block | {"text": ""}, {"type": "text_delta", "text": block["text"]}
        else:
            empty = block | {"input": {}}
            delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
        for kind, more in (
            ("content_block_start", {"index": 0, "content_block": empty}),
            ("content_block_delta", {"index": 0, "delta": delta}),
            ("content_block_stop", {"index": 0}),
        ):
            yield _event({"type": kind, **more}, kind)
        ending = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
        usage = {"output_tokens": whole["usage"]["output_tokens"]}
        yield _event({"type": "message_delta", "delta": ending, "usage": usage}, "message_delta")
        yield _event({"type": "message_stop"}, "message_stop")


def _schema(declaration: Json) -> Json:
    spellings = ("parameters", "parametersJsonSchema", "parameters_json_schema")
    return next((declaration[name] for name in spellings if declaration.get(name)), {})


class GenerateContent(Protocol):
    """Google's ``models/…:generateContent`` and ``:streamGenerateContent``."""

    def __init__(self, body: Json, path: re.Match[str]) -> None:
        declared = [
            one
            for tool in body.get("tools") or ()
            for one in tool.get("functionDeclarations") or tool.get("function_declarations") or ()
        ]
        parts = [part for content in body["contents"] for part in content.get("parts") or ()]
        self.turn = Turn(
            model=path[1],
            tools={one["name"]: _schema(one) for one in declared},
            results=sum("functionResponse" in part or "function_response" in part for part in parts),
            stream=path[2] == "streamGenerateContent",
        )

    def refusal(self) -> Json:
        return {"error": {"code": 400, "message": "the model does not answer", "status": "INVALID_ARGUMENT"}}

    def whole(self, number: int) -> Json:
        used = self.turn.used()
        part: Json = {"text": self.turn.text}
        if self.turn.call is not None:
            name, arguments = self.turn.call
            part = {"functionCall": {"name": name, "args": arguments}}
        return {
            "responseId": f"response-{number}",
            "modelVersion": self.turn.snapshot,
            "candidates": [{"content": {"role": "model", "parts": [part]}, "finishReason": "STOP", "index": 0}],
            "usageMetadata": {
                "promptTokenCount": used.input,
                "cachedContentTokenCount": used.cached,
                "candidatesTokenCount": used.output - used.reasoning,
                "thoughtsTokenCount": used.reasoning,
                "totalTokenCount": used.input + used.output,
            },
        }

    def events(self, number: int) -> Iterator[str]:
        yield _event(self.whole(number))


PROTOCOLS: tuple[tuple[str, type[Protocol]], ...] = (
    (r"(?:/v1)?/chat/completions", ChatCompletions),
    (r"(?:/v1)?/responses", Responses),
    (r"(?:/v1)+/messages", Messages),
    (r"/v1(?:beta\d*)?/models/([^:]+):(\w+)", GenerateContent),
)


@dataclass
class Model:
    """Serves from ``with`` on. ``url`` is the address without a path."""

    _server: _Server = field(default_factory=_Server)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def answered(self) -> list[Answered]:
        """What was answered so far, in order."""
        return self._server.answered

    @property
    def refused(self) -> int:
        """How many calls were refused so far."""
        return self._server.refused

    @property
    def unknown(self) -> list[str]:
        """Paths that were asked for and that nobody serves."""
        return self._server.unknown

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, name="scripted-model", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
