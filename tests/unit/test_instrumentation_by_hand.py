"""Runs declared by the program: what the server makes of their spans, and what the program may rely on."""

import asyncio
import contextvars
import logging
import math
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from opentelemetry import baggage, trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import flightdeck.otel
from flightdeck.otel.instrumentation import by_hand, records, throttled
from flightdeck.otel.instrumentation.identity import BaggageProcessor, IdentityProcessor
from flightdeck.otel.instrumentation.later import ScoresOnly
from flightdeck.otel.instrumentation.reporter import compact
from flightdeck.otel.instrumentation.settings import CARRIED
from flightdeck.otel.releases import KnownReleases
from flightdeck.otel.runs import Options, assemble
from flightdeck.otel.spans import Mapper


class Program:
    """A process with an SDK of its own; ``runs()`` is what its spans come to."""

    def __init__(self, service: str = "support", **resource: str) -> None:
        self.exporter = InMemorySpanExporter()
        attributes = {"service.name": service, "flightdeck.release_id": f"rel_{service}", **resource}
        self.provider = TracerProvider(resource=Resource(attributes), shutdown_on_exit=False)
        self.provider.add_span_processor(BaggageProcessor(CARRIED))
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.provider.get_tracer("flightdeck.otel")

    def runs(self, *others: "Program"):
        spans = [span for program in (self, *others) for span in program.exporter.get_finished_spans()]
        by_trace = {}
        for span in spans:
            by_trace.setdefault(span.context.trace_id, []).append(compact(span, Mapper(), {}, 1_800_000_000_000_000))
        return [
            run
            for mapped in by_trace.values()
            for run in assemble(mapped, KnownReleases(), Options(), settled=True).runs
        ]


def use(monkeypatch, program: Program) -> Program:
    monkeypatch.setattr(by_hand, "tracer", program.tracer)
    monkeypatch.setattr(records, "tracer", program.tracer)
    return program


@pytest.fixture
def program(monkeypatch) -> Program:
    return use(monkeypatch, Program())


@pytest.fixture(autouse=True)
def fresh_log(monkeypatch):
    log = throttled.ThrottledLog(lambda: 0.0)
    for module in (throttled, by_hand, records):
        monkeypatch.setattr(module, "own_log", log)


def one_call(**changes) -> None:
    flightdeck.otel.record_llm_call(
        **{"provider": "openai", "model": "gpt-4.1", "input_tokens": 300, "output_tokens": 20, **changes}
    )


def test_a_block_is_a_run_with_its_identity_its_calls_and_its_tools(program):
    with flightdeck.otel.run(task_id="refund", tenant_id="acme", session_id="s-1") as run:
        one_call(cached_input_tokens=100, reasoning_output_tokens=5, duration_s=0.25)
        one_call(provider="anthropic", model="claude-sonnet", cache_creation_input_tokens=7)
        flightdeck.otel.record_tool_call("look_up", duration_s=0.1)
        flightdeck.otel.record_tool_call("look_up", error_type="Timeout")
    (made,) = program.runs()
    assert (made.task_id, made.tenant_id, made.session_id) == ("refund", "acme", "s-1")
    assert (made.run_kind, made.release_id, made.success) == ("agent", "rel_support", True)
    assert made.run_id == run.run_id
    rows = {row.provider: row for row in made.models}
    openai, anthropic = rows["openai"], rows["anthropic"]
    assert (openai.calls, openai.input, openai.output, openai.cached, openai.reasoning) == (1, 300, 20, 100, 5)
    assert (anthropic.input, anthropic.creation) == (300, 7)
    assert made.tools == [("look_up", 2)]


def test_a_recorded_call_took_as_long_as_was_said(program):
    with flightdeck.otel.run():
        one_call(duration_s=1.5)
    call, run = program.exporter.get_finished_spans()
    assert call.end_time - call.start_time == 1_500_000_000
    assert call.parent.span_id == run.context.span_id


def test_an_exception_makes_the_run_a_failure_and_goes_on(program):
    with pytest.raises(LookupError, match="customer's secret"), flightdeck.otel.run(task_id="refund"):
        raise LookupError("the customer's secret")
    (made,) = program.runs()
    assert (made.success, made.error_type) == (False, "LookupError")
    (span,) = program.exporter.get_finished_spans()
    assert "secret" not in span.to_json()


@pytest.mark.parametrize(
    ("error", "success"),
    [(SystemExit(0), True), (SystemExit(3), False), (KeyboardInterrupt(), False), (asyncio.CancelledError(), False)],
)
def test_how_a_run_is_left_decides_whether_it_failed(program, error, success):
    with pytest.raises(type(error)), flightdeck.otel.run():
        raise error
    assert program.runs()[0].success is success


def test_a_run_may_say_itself_how_it_went(program):
    with flightdeck.otel.run() as run:
        run.fail("Refused")
    with pytest.raises(ValueError, match="mended"), flightdeck.otel.run() as run:  # noqa: PT012 - the block is the run
        run.succeed()
        raise ValueError("mended by the caller")
    assert [(made.success, made.error_type) for made in program.runs()] == [(False, "Refused"), (True, None)]


def test_identity_may_come_later(program):
    with flightdeck.otel.run() as run:
        run.identify(task_id="refund", tenant_id="acme", session_id="s")
    (made,) = program.runs()
    assert (made.task_id, made.tenant_id, made.session_id) == ("refund", "acme", "s")


def test_an_id_and_a_release_of_its_own(program):
    with flightdeck.otel.run(run_id="ticket-7", release_id="rel_candidate") as run:
        assert run.run_id == "ticket-7"
    (made,) = program.runs()
    assert (made.run_id, made.release_id) == ("ticket-7", "rel_candidate")


def test_nested_runs_are_two(program):
    with flightdeck.otel.run(task_id="outer"):
        one_call()
        with flightdeck.otel.run(task_id="inner"):
            one_call()
            one_call()
    assert {made.task_id: made.models[0].calls for made in program.runs()} == {"outer": 1, "inner": 2}


def test_a_decorated_function_is_a_run_each_time(program):
    @flightdeck.otel.run(task_id="refund", tenant_id=lambda ticket, **_: ticket["tenant"])
    def solve(ticket, *, loud=False):
        """What it does."""
        one_call()
        return ticket["id"] * (2 if loud else 1)

    assert (solve({"tenant": "a", "id": 1}), solve({"tenant": "b", "id": 2}, loud=True)) == (1, 4)
    assert (solve.__name__, solve.__doc__) == ("solve", "What it does.")
    assert [made.tenant_id for made in program.runs()] == ["a", "b"]


def test_a_text_that_can_not_be_made_costs_nothing_but_itself(program, caplog):
    @flightdeck.otel.run(task_id="refund", tenant_id=lambda ticket: ticket["no such key"])
    def solve(ticket):
        return 7

    with caplog.at_level(logging.WARNING):
        assert solve({}) == 7
    assert [(made.task_id, made.tenant_id) for made in program.runs()] == [("refund", "default")]
    assert program.exporter.get_finished_spans()[0].attributes["gen_ai.agent.name"] == "solve"
    assert "a run has no tenant_id: what makes it raised KeyError('no such key')" in caplog.text


def test_half_a_surrogate_pair_costs_neither_the_batch_nor_the_calls_of_the_run(program):
    with flightdeck.otel.run(task_id="a\ud800", tenant_id="b\ud800", name="c\udfff") as run:
        assert "b%3F" in flightdeck.otel.carrier()["baggage"]
        run.identify(session_id="d\ud800")
        run.fail("e\ud800")
        one_call(
            provider="f\ud800", model="g\ud800", request_model="h\ud800", response_id="i\ud800", error_type="j\ud800"
        )
        flightdeck.otel.record_tool_call("k\ud800", call_id="l\ud800", error_type="m\ud800")
    encode_spans(program.exporter.get_finished_spans()).SerializeToString()
    (made,) = program.runs()
    assert (made.task_id, made.tenant_id, made.session_id, made.error_type) == ("a?", "b?", "d?", "e?")


def test_a_decorated_coroutine_is_a_run_and_many_at_once_do_not_mix(program):
    @flightdeck.otel.run(tenant_id=lambda tenant: tenant)
    async def solve(tenant):
        await asyncio.sleep(0)
        one_call()
        await asyncio.sleep(0)
        flightdeck.otel.record_tool_call(f"tool of {tenant}")
        return tenant

    async def everybody():
        return await asyncio.gather(*(solve(f"t{number}") for number in range(50)))

    assert asyncio.run(everybody()) == [f"t{number}" for number in range(50)]
    runs = program.runs()
    assert len(runs) == 50
    assert all(made.tools == [(f"tool of {made.tenant_id}", 1)] and made.models[0].calls == 1 for made in runs)


def test_an_asynchronous_block_is_a_run(program):
    async def solve():
        async with flightdeck.otel.run(task_id="refund"):
            await asyncio.sleep(0)
            one_call()

    asyncio.run(solve())
    assert [(made.task_id, made.models[0].calls) for made in program.runs()] == [("refund", 1)]


def test_a_timeout_inside_makes_the_run_a_failure(program):
    @flightdeck.otel.run()
    async def solve():
        async with asyncio.timeout(0.01):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        asyncio.run(solve())
    assert [made.error_type for made in program.runs()] == ["TimeoutError"]


def test_a_generator_is_a_run_from_its_first_step_to_its_end_and_leaks_nothing(program):
    @flightdeck.otel.run(task_id="stream")
    def words():
        one_call()
        sent = yield "a"
        assert sent == "more"
        with pytest.raises(ZeroDivisionError):
            yield "b"
        one_call()
        return "done"

    stream = words()
    assert program.exporter.get_finished_spans() == ()
    assert next(stream) == "a"
    assert not trace.get_current_span().get_span_context().is_valid
    assert not baggage.get_all()
    one_call()
    assert stream.send("more") == "b"
    with pytest.raises(StopIteration) as stop:
        stream.throw(ZeroDivisionError())
    assert stop.value.value == "done"
    calls = {made.task_id: made.models[0].calls for made in program.runs()}
    assert calls["stream"] == 2
    assert len(calls) == 2  # the consumer's call in between is no part of it


def test_a_generator_that_is_closed_early_has_not_failed(program):
    @flightdeck.otel.run(task_id="stream")
    def words():
        try:
            while True:
                yield "a"
        finally:
            flightdeck.otel.record_tool_call("clean up")

    stream = words()
    next(stream)
    stream.close()
    (made,) = program.runs()
    assert (made.success, made.tools) == (True, [("clean up", 1)])


def test_an_asynchronous_generator_is_a_run_and_leaks_nothing(program):
    seen = contextvars.ContextVar("seen", default="nothing")

    @flightdeck.otel.run(task_id="stream")
    async def words():
        seen.set("inside")
        one_call()
        await asyncio.sleep(0)
        sent = yield "a"
        assert (sent, seen.get()) == ("more", "inside")
        await asyncio.sleep(0)
        flightdeck.otel.record_tool_call("look_up")
        yield "b"

    async def consume():
        stream = words()
        assert await anext(stream) == "a"
        assert not trace.get_current_span().get_span_context().is_valid
        assert seen.get() == "nothing"
        assert await stream.asend("more") == "b"
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
        stream = words()
        await anext(stream)
        await stream.aclose()
        stream = words()
        await anext(stream)
        with pytest.raises(LookupError):
            await stream.athrow(LookupError())

    asyncio.run(consume())
    told = sorted((made.success, made.tools) for made in program.runs())
    assert told == [(False, []), (True, []), (True, [("look_up", 1)])]


def test_a_generator_fails_with_its_error(program):
    @flightdeck.otel.run()
    def words():
        yield "a"
        raise LookupError

    with pytest.raises(LookupError):
        list(words())
    assert program.runs()[0].error_type == "LookupError"


def test_threads_that_are_given_the_context_work_for_the_run(program):
    with flightdeck.otel.run(task_id="refund", tenant_id="acme"), ThreadPoolExecutor(4) as pool:
        for _ in range(20):
            pool.submit(contextvars.copy_context().run, one_call)
    (made,) = program.runs()
    assert made.models[0].calls == 20


def test_a_sub_agent_in_another_service_is_a_run_of_its_own_release_for_the_same_tenant(monkeypatch, program):
    with flightdeck.otel.run(task_id="refund", tenant_id="acme müller", session_id="s-1"):
        one_call()
        headers = flightdeck.otel.carrier()
    assert set(headers) == {"traceparent", "baggage"}

    other = use(monkeypatch, Program("researcher"))
    with (
        flightdeck.otel.continued({name.upper(): value for name, value in headers.items()}),
        other.tracer.start_as_current_span("POST /research"),
        other.tracer.start_as_current_span("x", attributes={"gen_ai.operation.name": "invoke_agent"}),
    ):
        one_call()
        one_call()
    assert not trace.get_current_span().get_span_context().is_valid
    runs = {made.release_id: made for made in program.runs(other)}
    assert set(runs) == {"rel_support", "rel_researcher"}
    assert len({made.trace_id for made in runs.values()}) == 1
    for made in runs.values():
        assert (made.tenant_id, made.task_id, made.session_id) == ("acme müller", "refund", "s-1")
    assert [runs[release].models[0].calls for release in ("rel_support", "rel_researcher")] == [1, 2]


def test_the_same_release_in_another_process_works_for_the_same_run(monkeypatch, program):
    other = Program()
    with flightdeck.otel.run(task_id="refund"):
        one_call()
        headers = flightdeck.otel.carrier()
        use(monkeypatch, other)
        with flightdeck.otel.continued(headers):
            one_call()
    (made,) = program.runs(other)
    assert made.models[0].calls == 2


def test_only_named_keys_of_baggage_become_attributes_and_the_span_s_own_win(program):
    context = baggage.set_baggage("flightdeck.tenant_id", "theirs", baggage.set_baggage("secret", "x"))
    context = baggage.set_baggage("flightdeck.release_id", "rel_forged", context)
    program.tracer.start_span("a", context).end()
    program.tracer.start_span("b", context, attributes={"flightdeck.tenant_id": "mine"}).end()
    told = [dict(span.attributes) for span in program.exporter.get_finished_spans()]
    assert told == [{"flightdeck.tenant_id": "theirs"}, {"flightdeck.tenant_id": "mine"}]


def test_without_an_sdk_everything_does_nothing(monkeypatch):
    monkeypatch.setattr(by_hand, "tracer", trace.NoOpTracer())
    monkeypatch.setattr(records, "tracer", trace.NoOpTracer())
    with flightdeck.otel.run(task_id="refund") as run:
        one_call()
        flightdeck.otel.record_tool_call("x")
        flightdeck.otel.score("helpfulness", 1)
        run.identify(tenant_id="a")
    assert run.run_id == ""


def test_nothing_is_raised_whatever_is_recorded(program, caplog):
    class Odd:
        def __str__(self):
            raise RuntimeError("odd")

    with caplog.at_level(logging.WARNING), flightdeck.otel.run(task_id=Odd()):
        one_call(input_tokens="many", duration_s="long")
        one_call(input_tokens=-5, duration_s=-1)
        flightdeck.otel.record_tool_call(Odd())
        flightdeck.otel.score(Odd(), Odd())
    (made,) = program.runs()
    assert made.models[0].input == 0
    assert len([record for record in caplog.records if record.name == "flightdeck.otel"]) == 1


@pytest.fixture
def logged(monkeypatch) -> InMemoryLogRecordExporter:
    exporter = InMemoryLogRecordExporter()
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(ScoresOnly(SimpleLogRecordProcessor(exporter)))
    monkeypatch.setattr(records, "get_logger_provider", lambda: provider)
    provider.get_logger("the program's own").emit(body="not for us", event_name="app.started")
    return exporter


def scored(exporter):
    return [
        (f"{one.log_record.trace_id or 0:032x}-{one.log_record.span_id or 0:016x}", dict(one.log_record.attributes))
        for one in exporter.get_finished_logs()
    ]


def test_a_score_names_the_run_it_is_said_in(program, logged):
    with flightdeck.otel.run() as run:
        flightdeck.otel.score("helpfulness", 0.5)
    flightdeck.otel.score("later", label="pass", run_id=run.run_id)
    name, value, label = (f"gen_ai.evaluation.{key}" for key in ("name", "score.value", "score.label"))
    assert scored(logged) == [
        (run.run_id, {name: "helpfulness", value: 0.5}),
        (run.run_id, {name: "later", label: "pass"}),
    ]
    assert {one.log_record.event_name for one in logged.get_finished_logs()} == {"gen_ai.evaluation.result"}


@pytest.mark.parametrize("where", [{}, {"run_id": "ticket-7"}])
def test_a_score_of_nothing_is_dropped_and_said(program, logged, caplog, where):
    with caplog.at_level(logging.WARNING):
        flightdeck.otel.score("helpfulness", 1, **where)
    assert scored(logged) == []
    assert "'helpfulness' dropped" in caplog.text


@pytest.mark.parametrize("value", [math.nan, math.inf, None])
def test_a_score_without_a_finite_number_or_a_label_is_dropped_and_said(program, logged, caplog, value):
    with caplog.at_level(logging.WARNING), flightdeck.otel.run():
        flightdeck.otel.score("helpfulness", value)
        flightdeck.otel.score("verdict", value, label="pass")
    ((_, said),) = scored(logged)
    assert sorted(said.values()) == ["pass", "verdict"]
    assert "'helpfulness' dropped: it has neither a finite number nor a label" in caplog.text


def test_a_score_may_name_an_answer_instead(program, logged):
    flightdeck.otel.score("helpfulness", 1, response_id="chatcmpl-1")
    ((_, attributes),) = scored(logged)
    assert attributes["gen_ai.response.id"] == "chatcmpl-1"


def test_a_score_may_hold_half_a_surrogate_pair(program, logged):
    with flightdeck.otel.run():
        flightdeck.otel.score("a\ud800", label="b\ud800", response_id="c\ud800")
    ((_, said),) = scored(logged)
    assert sorted(said.values()) == ["a?", "b?", "c?"]


def test_a_thread_s_runs_are_its_own(program):
    def work(number):
        with flightdeck.otel.run(tenant_id=f"t{number}"):
            one_call()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {made.tenant_id for made in program.runs()} == {f"t{number}" for number in range(50)}


def test_what_only_marks_spans_keeps_no_flush_from_those_that_come_after_it():
    """A provider flushes one processor after the other, up to the first that does not say that it did."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(IdentityProcessor({"flightdeck.release_id": "rel_0123456789ab"}))
    provider.add_span_processor(BaggageProcessor(CARRIED))
    flushed: list[int] = []

    class Last(SimpleSpanProcessor):
        def force_flush(self, timeout_millis: int = 30_000) -> bool:
            flushed.append(timeout_millis)
            return True

    provider.add_span_processor(Last(InMemorySpanExporter()))
    assert provider.force_flush(1000) is True
    assert len(flushed) == 1
