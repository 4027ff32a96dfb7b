"""Forks, threads, worker processes, frozen processes and our own mistakes: nothing is lost silently or felt."""

import json
import os
import signal
import subprocess
import sys
import threading

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from flightdeck.otel.instrumentation.exporter import RunExporter
from flightdeck.otel.instrumentation.processor import RunProcessor
from flightdeck.otel.instrumentation.settings import AgentSettings
from tests.fault.endpoint import AGENT, agent, agent_environment, agent_process, answering, endpoint


def test_a_fork_in_the_middle_of_an_export_loses_and_repeats_nothing():
    """The parent's request hangs while it forks; each side posts its own runs, once."""
    program = """
import os
answer("before")
print("waiting", flush=True)
sys.stdin.readline()
child = os.fork()
answer("child" if child == 0 else "parent")
if child == 0:
    raise SystemExit(3)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
raise SystemExit(7)
"""
    release = threading.Event()
    with endpoint() as server:

        def slow(handler):
            release.wait(20)
            server.fault = None
            answering(503)(handler)

        server.fault = slow
        with_input = agent_process_with_input(program, agent_environment(server.url))
        assert with_input.stdout is not None
        assert with_input.stdin is not None
        assert with_input.stdout.readline() == "waiting\n"
        server.wait_for(lambda: server.posts == 1)
        with_input.stdin.write("\n")
        with_input.stdin.flush()
        release.set()
        assert with_input.wait(30) == 7
        with_input.stdin.close()
        with_input.stdout.close()
    assert sorted(server.tasks) == ["before", "child", "parent"]


def agent_process_with_input(program, env):
    return subprocess.Popen(
        [sys.executable, "-c", AGENT + program], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_children_of_multiprocessing_report_before_they_end():
    """They end by ``os._exit``: the interpreter's own end, which flushes, never comes."""
    program = """
import multiprocessing
context = multiprocessing.get_context("fork")
workers = [context.Process(target=answer, args=(f"worker{number}",)) for number in range(3)]
for worker in workers: worker.start()
for worker in workers: worker.join()
answer("parent")
"""
    with endpoint() as server:
        done = agent(program, agent_environment(server.url))
    assert done.returncode == 0, done.stderr
    assert sorted(server.tasks) == ["parent", "worker0", "worker1", "worker2"]


def test_prefork_workers_report_their_own_runs_and_end_cleanly_when_asked_to():
    """As gunicorn with --preload: the application is configured in the master, requests are served in its forks.

    The master forks at once: a child must not find modules that a thread of the master was just importing.
    """
    program = """
import os, signal
answer("master")
workers = []
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # it may come before anybody waits for it
for number in range(2):
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        for request in range(3):
            answer(f"worker{number}")
        print("ready", flush=True)
        while True:
            signal.pause()
    workers.append(pid)
signal.sigwait({signal.SIGTERM})
for pid in workers:
    os.kill(pid, signal.SIGTERM)
for pid in workers:
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
print("done", flush=True)
"""
    with endpoint() as server:
        master = agent_process(program, agent_environment(server.url))
        try:
            assert master.stdout is not None
            assert [master.stdout.readline() for _ in range(2)] == ["ready\n"] * 2
            master.send_signal(signal.SIGTERM)
            assert master.stdout.readline() == "done\n"
            assert master.wait(20) == 0
        finally:
            master.kill()
            master.wait()
    assert sorted(server.tasks) == ["master", *["worker0"] * 3, *["worker1"] * 3]


@pytest.mark.parametrize("started", ["-c", "-m"])
def test_ctrl_c_right_after_the_first_run_leaves_the_exit_status_as_it_would_be(started, tmp_path):
    """The exporter's thread is importing then, which makes the interpreter forget that an interrupt ended it."""
    program = AGENT + "import os, signal\nanswer('first')\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(20)\n"
    (tmp_path / "program.py").write_text(program)
    with endpoint() as server:
        env = agent_environment(server.url)
        env["PYTHONPATH"] = os.pathsep.join([str(tmp_path), *sys.path])
        command = [sys.executable, started, program if started == "-c" else "program"]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGINT, done.stderr
    assert server.tasks == ["first"]


@pytest.mark.parametrize("code", [0, 3])
def test_an_interrupt_that_a_notebook_showed_earlier_does_not_end_the_program(code):
    program = f"""
namespace = {{"__name__": "notebook"}}
exec("def cell():\\n    try: raise KeyboardInterrupt\\n    except KeyboardInterrupt: return sys.exc_info()", namespace)
namespace["sys"] = sys
sys.last_type, sys.last_value, sys.last_traceback = namespace["cell"]()
answer("first")
raise SystemExit({code})
"""
    with endpoint() as server:
        done = agent(program, agent_environment(server.url))
    assert done.returncode == code, done.stderr


def test_ten_thousand_spans_from_many_threads_are_all_counted():
    """A thousand runs of ten spans, from two hundred threads at once."""
    with endpoint() as server:
        exporter = RunExporter(AgentSettings(release_id="rel_0123456789ab", url=server.url))
        provider = TracerProvider(resource=Resource({"service.name": "support"}), shutdown_on_exit=False)
        provider.add_span_processor(RunProcessor(exporter))
        tracer = provider.get_tracer("agent")

        def work() -> None:
            for _ in range(5):
                with tracer.start_as_current_span("run", attributes={"gen_ai.operation.name": "invoke_agent"}):
                    for _ in range(9):
                        tracer.start_span("step").end()

        threads = [threading.Thread(target=work) for _ in range(200)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert provider.force_flush(60_000)
        provider.shutdown()
    told = exporter.counters
    assert len(set(server.run_ids)) == 1_000
    assert (told.runs, told.runs_inserted, told.spans_dropped, told.spans_late, told.errors) == (1_000, 1_000, 0, 0, 0)


OUR_MISTAKES = {
    "as a span starts": "exporter.RunExporter.started",
    "as a span ends": "worker.Worker.put",
    "as a trace is followed": "traces.TraceBook.ended",
    "as a span is mapped": "reporter.compact",
    "as runs are made": "reporter.assemble",
    "as runs are encoded": "reporter._encoded",
    "as the answer is read": "courier._object",
    "as the batch is made": "courier.body",
    "as it ends": "worker.Worker.stop",
    "as the thread starts": "reporter.Reporter.__init__",
}


def test_an_exception_in_our_own_code_changes_nothing_for_the_agent_and_is_counted():
    """Each in a process of its own, all at once: most of their time is their start."""
    program = """
import importlib
module, _, path = sys.argv[1].partition(".")
owner = importlib.import_module(f"flightdeck.otel.instrumentation.{module}")
*parents, name = path.split(".")
for parent in parents:
    owner = getattr(owner, parent)
def broken(*_, **__):
    raise ZeroDivisionError("ours")
setattr(owner, name, broken)
answer("a")
print("answer")
flightdeck.otel.flush(30)
try:
    end()
finally:
    raise SystemExit(7)
"""
    with endpoint() as server:
        env = agent_environment(server.url, FLIGHTDECK_SHUTDOWN_S="1.5")
        children = {
            name: subprocess.Popen(
                [sys.executable, "-c", AGENT + program, where],
                env=env,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for name, where in OUR_MISTAKES.items()
        }
        for name, child in children.items():
            out, said = child.communicate(timeout=60)
            first, last = out.splitlines()
            counters = json.loads(last)["counters"]
            assert (child.returncode, first) == (7, "answer"), (name, said)
            assert "Traceback" not in said, (name, said)
            if name != "as a span starts":
                assert counters["errors"] >= 1, (name, counters)
                assert "ours" in said, (name, said)


@pytest.mark.parametrize("export", ["spans", "runs"])
def test_a_process_that_is_frozen_after_each_invocation_reports_before_that(export):
    """As on AWS Lambda: flush at the end of the handler, then the process is stopped, perhaps for good."""
    program = """
import os, signal
def handler(event):
    answer(event)
    assert flightdeck.otel.flush(10), "not flushed"
for event in ("first", "second"):
    handler(event)
    print("frozen", flush=True)
    os.kill(os.getpid(), signal.SIGSTOP)
"""
    with endpoint() as server:
        env = agent_environment(server.url, OTEL_TRACES_EXPORTER="otlp" if export == "spans" else "flightdeck")
        code = AGENT.replace('export="runs"', f"export={export!r}") + program
        child = subprocess.Popen([sys.executable, "-c", code], env=env, stdout=subprocess.PIPE, text=True)
        try:
            assert child.stdout is not None
            for count in (1, 2):
                assert child.stdout.readline() == "frozen\n"
                assert os.WIFSTOPPED(os.waitpid(child.pid, os.WUNTRACED)[1])
                # No waiting: whatever has not arrived by now would be frozen.
                arrived = server.otlp_posts if export == "spans" else len(server.run_ids)
                assert arrived == count
                child.send_signal(signal.SIGCONT)
        finally:
            child.kill()
            child.wait()
