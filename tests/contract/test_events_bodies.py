"""What bodies of ``POST /v1/events`` may hold, all together, and for how long. No store is needed to refuse one."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from flightdeck.app import App, build
from flightdeck.otel.receiver.gate import Gate
from flightdeck.server import errors, events
from flightdeck.settings import load

JSON = {"Content-Type": "application/json"}
HELD = 1_000


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    app = build(load({}, workspace=tmp_path))
    app.receiver = dataclasses.replace(app.receiver, gate=Gate(HELD))
    yield app
    app.close()


def posted(app: App, content: bytes | AsyncIterator[bytes]) -> httpx.Response:
    api = FastAPI()
    errors.install(api)
    api.include_router(events.router(events.handler(app, body_timeout_s=0.05)))

    async def post() -> httpx.Response:
        transport = httpx.ASGITransport(api, client=("127.0.0.1", 0))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await asyncio.wait_for(client.post("/v1/events", content=content, headers=JSON), 30)

    return asyncio.run(post())


def test_bodies_share_the_bound_of_the_receivers(app):
    with app.receiver.gate.enter() as others:
        others.grow(HELD - 10)
        answer = posted(app, b'{"events": []}')
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    assert posted(app, b'{"events": []}').status_code == 422


def test_a_body_that_does_not_arrive_is_503_and_holds_nothing_any_more(app):
    async def stalled() -> AsyncIterator[bytes]:
        yield b" " * HELD
        await asyncio.Event().wait()

    answer = posted(app, stalled())
    assert answer.status_code == 503
    assert "did not arrive" in answer.json()["detail"]
    with app.receiver.gate.enter() as others:
        others.grow(HELD)
