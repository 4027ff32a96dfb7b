"""The runtimes that agents live in: each reports every run, once, and ends as it would have."""

import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest

from flightdeck.demo.processes import instrument_command
from flightdeck.otel.receiver import logs
from tests.fault.endpoint import agent_environment, endpoint

APP = """
import os
import flightdeck.otel
{configure}

@flightdeck.otel.run(task_id="request", tenant_id=lambda *_: str(os.getpid()))
def work(environ):
    flightdeck.otel.record_llm_call(provider="openai", model="gpt-4.1", input_tokens=7, output_tokens=1)
    return str(os.getpid()).encode()

def wsgi(environ, start_response):
    body = work(environ)
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]

async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({{"type": "lifespan.startup.complete"}})
        {flush}
        await send({{"type": "lifespan.shutdown.complete"}})
        return
    body = work(scope)
    await send({{"type": "http.response.start", "status": 200, "headers": []}})
    await send({{"type": "http.response.body", "body": body}})
"""
CONFIGURE = 'flightdeck.otel.configure(export="runs", instrument=False)'
DISTRO = {
    "OTEL_PYTHON_DISTRO": "flightdeck",
    "OTEL_PYTHON_CONFIGURATOR": "flightdeck",
    "OTEL_TRACES_EXPORTER": "flightdeck",
    "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "*",
}
REQUESTS = 40


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@contextmanager
def serving(arguments: list[str], folder: Path, env: dict[str, str], port: int):
    """A web server that answers, until the end of the block; SIGTERM ends it."""
    process = subprocess.Popen(arguments, cwd=folder, env=env, stderr=subprocess.PIPE, text=True)
    said: list[str] = []
    assert process.stderr is not None
    reader = threading.Thread(target=lambda: said.extend(process.stderr or []), daemon=True)
    reader.start()
    try:
        give_up = time.monotonic() + 60
        while True:
            try:
                get(port)
                break
            except OSError:
                assert process.poll() is None, said
                assert time.monotonic() < give_up, said
                time.sleep(0.1)
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        reader.join(5)


def get(port: int) -> str:
    with urlopen(f"http://127.0.0.1:{port}/", timeout=20) as answer:
        return answer.read().decode()


def served_by(folder: Path, module: list[str], way: str, server) -> Counter:
    """Sends requests; which worker answered how many. On return all of them have ended."""
    port = free_port()
    in_code = {"configure": CONFIGURE, "flush": "flightdeck.otel.flush(10)"}
    (folder / "app.py").write_text(APP.format(**(in_code if way == "code" else {"configure": "", "flush": ""})))
    env = agent_environment(server.url, **(DISTRO if way == "zero code" else {}))
    env["PYTHONPATH"] = os.pathsep.join([str(folder), env["PYTHONPATH"]])
    start = [str(instrument_command())] if way == "zero code" else []
    arguments = [part.format(port=port) for part in module]
    with serving([*start, sys.executable, "-m", *arguments], folder, env, port) as process:
        answered = Counter(get(port) for _ in range(REQUESTS))
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) in {0, -signal.SIGTERM}
    return answered


@pytest.mark.parametrize("way", ["code", "zero code"])
@pytest.mark.parametrize("preload", [[], ["--preload"]])
def test_gunicorn_s_workers_report_every_request(tmp_path, way, preload):
    pytest.importorskip("gunicorn")
    options = ["--workers", "2", "--threads", "4", "--bind", "127.0.0.1:{port}", *preload, "--log-level", "error"]
    with endpoint() as server:
        answered = served_by(tmp_path, ["gunicorn", "app:wsgi", *options], way, server)
        assert answered.total() == REQUESTS
        assert len(server.run_ids) == len(set(server.run_ids)) == REQUESTS + 1  # the first asked whether it answers


@pytest.mark.parametrize("way", ["code", "zero code"])
@pytest.mark.parametrize("workers", ["1", "2"])
def test_uvicorn_s_workers_report_every_request(tmp_path, way, workers):
    """It ends by raising SIGTERM again: the distribution flushes then, an application in its own lifespan."""
    options = ["--workers", workers, "--port", "{port}", "--log-level", "error"]
    with endpoint() as server:
        answered = served_by(tmp_path, ["uvicorn", "app:asgi", *options], way, server)
        assert answered.total() == REQUESTS
        assert len(server.run_ids) == len(set(server.run_ids)) == REQUESTS + 1


def test_a_notebook_s_kernel_reports_cell_by_cell_and_may_be_configured_again():
    client_module = pytest.importorskip("jupyter_client")
    pytest.importorskip("ipykernel")
    cell = """
import flightdeck.otel
flightdeck.otel.configure(export="runs", instrument=False)
with flightdeck.otel.run(task_id="cell {number}"):
    flightdeck.otel.record_llm_call(provider="openai", model="gpt-4.1", input_tokens=7, output_tokens=1)
"""
    with endpoint() as server:
        manager = client_module.KernelManager()
        manager.start_kernel(env=agent_environment(server.url))
        client = manager.client()
        client.start_channels()
        try:
            client.wait_for_ready(timeout=60)
            for number in range(3):
                answer = client.execute_interactive(cell.format(number=number), timeout=60, output_hook=print)
                assert answer["content"]["status"] == "ok", answer["content"]
                server.wait_for(lambda number=number: f"cell {number}" in server.tasks)
            asynchronous = """
async with flightdeck.otel.run(task_id="awaited"):
    pass
"""
            assert client.execute_interactive(asynchronous, timeout=60)["content"]["status"] == "ok"
            server.wait_for(lambda: "awaited" in server.tasks)
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=False)
    assert server.tasks == ["cell 0", "cell 1", "cell 2", "awaited"]


def test_a_thread_pool_works_for_its_run_under_the_threading_instrumentation():
    """The context goes along by OpenTelemetry's own instrumentation of threads, switched on like any other."""
    pytest.importorskip("opentelemetry.instrumentation.threading")
    program = """
from concurrent.futures import ThreadPoolExecutor
import flightdeck.otel
def call(_):
    flightdeck.otel.record_llm_call(provider="openai", model="gpt-4.1", input_tokens=7, output_tokens=1)
with flightdeck.otel.run(task_id="pool"), ThreadPoolExecutor(4) as pool:
    list(pool.map(call, range(20)))
"""
    env = DISTRO | {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "openai,openai_v2"}
    with endpoint() as server:
        done = subprocess.run(
            [str(instrument_command()), sys.executable, "-c", program],
            env=agent_environment(server.url, **env),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert server.tasks == ["pool"]


def test_a_process_that_ends_by_an_unhandled_exception_reports_and_keeps_its_traceback():
    program = """
import flightdeck.otel
flightdeck.otel.configure(export="runs", instrument=False)
with flightdeck.otel.run(task_id="refund"):
    raise LookupError("mine")
"""
    with endpoint() as server:
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=agent_environment(server.url),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.endswith("LookupError: mine\n")
    assert server.tasks == ["refund"]


@pytest.mark.parametrize(("flushes", "tasks"), [("true", ["refund"]), ("false", [])])
def test_sigterm_flushes_and_ends_the_process_as_it_would_have(flushes, tasks):
    program = """
import signal
import flightdeck.otel
flightdeck.otel.configure(export="runs", instrument=False)
with flightdeck.otel.run(task_id="refund"):
    pass
signal.raise_signal(signal.SIGTERM)
"""
    with endpoint() as server:
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=agent_environment(server.url, FLIGHTDECK_FLUSH_ON_SIGTERM=flushes),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert (done.returncode, done.stderr) == (-signal.SIGTERM, "")
    assert server.tasks == tasks


def test_a_handler_of_the_program_s_own_stays():
    program = """
import signal
import flightdeck.otel
mine = lambda *_: print("mine")
signal.signal(signal.SIGTERM, mine)
flightdeck.otel.configure(export="runs", instrument=False)
signal.raise_signal(signal.SIGTERM)
raise SystemExit(7)
"""
    env = agent_environment("http://127.0.0.1:1")
    done = subprocess.run(
        [sys.executable, "-c", program], env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (7, "mine\n")


def test_an_event_loop_is_never_held_up():
    """While the endpoint hangs, a task that wakes every 5 ms goes on doing so."""
    program = """
import asyncio, time
import flightdeck.otel
flightdeck.otel.configure(export="runs", instrument=False)

@flightdeck.otel.run(task_id="a")
async def answer():
    flightdeck.otel.record_llm_call(provider="openai", model="gpt-4.1", input_tokens=7, output_tokens=1)

async def main():
    await answer()
    longest = []
    until = time.monotonic() + 1.5
    while time.monotonic() < until:
        begin = time.thread_time()
        await answer()
        longest.append(time.thread_time() - begin)
        await asyncio.sleep(0.005)
    print(sorted(longest)[len(longest) * 9 // 10])

asyncio.run(main())
"""
    hanging: queue.Queue = queue.Queue()
    with endpoint(lambda _: hanging.put(None)) as server:
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=agent_environment(server.url, FLIGHTDECK_SHUTDOWN_S="0.2"),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 0.005
    assert not hanging.empty()


@pytest.mark.parametrize("provider", ["ours", "the program's own"])
def test_scores_arrive_as_scores_of_their_run_and_nothing_else_that_is_logged(provider):
    program = """
import sys
import flightdeck.otel
from opentelemetry import trace
if sys.argv[1] != "ours":
    from opentelemetry.sdk.trace import TracerProvider
    trace.set_tracer_provider(TracerProvider())
flightdeck.otel.configure(instrument=False)
import logging
logging.getLogger("app").warning("not for others")
with flightdeck.otel.run(task_id="refund") as run:
    flightdeck.otel.score("helpfulness", 0.5)
flightdeck.otel.score("later", label="pass", run_id=run.run_id)
print(run.run_id)
"""
    with endpoint() as server:
        env = {**agent_environment(server.url), "OTEL_LOGS_EXPORTER": "otlp"}
        done = subprocess.run(
            [sys.executable, "-c", program, provider], env=env, capture_output=True, text=True, timeout=60, check=False
        )
    assert done.returncode == 0, done.stderr
    reading = [logs.read(body, workspace=1, now_ns=time.time_ns()) for body in server.log_bodies]
    scores = [score for one in reading for score in one.scores]
    run_id = done.stdout.strip()
    assert [(f"{one.trace_id}-{one.span_id}", one.name, one.value, one.label) for one in scores] == [
        (run_id, "helpfulness", 0.5, ""),
        (run_id, "later", None, "pass"),
    ]
    assert sum(one.dropped for one in reading) == 0
