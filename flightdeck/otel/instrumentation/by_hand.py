"""Runs declared by the program itself: ``with flightdeck.otel.run(...)``, or the same as a decorator.

What comes out is an ordinary span of the GenAI conventions (``invoke_agent``) that says of itself that it is a run, so
any OpenTelemetry backend can read it. Only the OpenTelemetry API is needed: without an SDK all of it does nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import Token
from types import TracebackType
from typing import Any, ParamSpec, TypeVar, cast

from opentelemetry import baggage, context, trace
from opentelemetry.context import Context

from flightdeck.otel.instrumentation.settings import RELEASE_ID, SESSION_ID, TASK_ID, TENANT_ID
from flightdeck.otel.instrumentation.texts import sayable
from flightdeck.otel.instrumentation.throttled import guarded, own_log
from flightdeck.otel.instrumentation.wrapping import wrapped

Parameters = ParamSpec("Parameters")
Returned = TypeVar("Returned")
Given = str | Callable[..., str]
"""A text, or a function that makes it of the arguments of the decorated function."""

RUN_ID = "flightdeck.run_id"
tracer = trace.get_tracer("flightdeck.otel")


class Run:
    """A run that is under way, as ``with flightdeck.otel.run(...) as run`` gives it."""

    def __init__(self, span: trace.Span = trace.INVALID_SPAN, run_id: str = "") -> None:
        self._span = span
        found = span.get_span_context()
        self.run_id = run_id or (f"{found.trace_id:032x}-{found.span_id:016x}" if found.is_valid else "")
        """The run's id on the server; empty when no SDK is set up."""

    @guarded
    def identify(self, *, task_id: str = "", tenant_id: str = "", session_id: str = "") -> None:
        """Says later whose run this is, or what it does. Calls to other services carry what was known at the start."""
        self._span.set_attributes(_identity(task_id, tenant_id, session_id))

    @guarded
    def fail(self, error_type: str) -> None:
        """Counts the run as failed, whatever its spans say; ``error_type`` is a short name, never a message."""
        self._span.set_attributes({"flightdeck.success": False, "flightdeck.error_type": sayable(error_type)})

    @guarded
    def succeed(self) -> None:
        """Counts the run as successful, even if an agent inside it ended with an error."""
        self._span.set_attribute("flightdeck.success", value=True)


class RunScope:
    """What ``flightdeck.otel.run(...)`` returns: a context manager, an asynchronous one, and a decorator."""

    def __init__(self, given: Mapping[str, Given]) -> None:
        self._given = given
        self._entered: list[tuple[trace.Span, Token[Context]]] = []

    def __enter__(self) -> Run:
        return self.begin() or Run()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end(error)

    async def __aenter__(self) -> Run:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end(error)

    def __call__(self, function: Callable[Parameters, Returned]) -> Callable[Parameters, Returned]:
        """Makes every call of a function a run; of a generator, from its first step to its end."""
        called = cast("Callable[..., Any]", function)

        def of_call(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> RunScope:
            return RunScope(_resolved({"name": called.__name__, **self._given}, args, kwargs))

        return cast("Callable[Parameters, Returned]", wrapped(called, of_call))

    @guarded
    def begin(self) -> Run:
        """Begins a run; its span is the current one until ``end``."""
        given = _resolved(self._given, (), {})
        name = given.get("name") or given.get("task_id") or "agent"
        identity = _identity(given.get("task_id"), given.get("tenant_id"), given.get("session_id"))
        attributes: dict[str, str | bool] = {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": name,
            "flightdeck.run": True,
            **identity,
        }
        if release_id := given.get("release_id"):
            attributes[RELEASE_ID] = release_id
        if run_id := given.get("run_id", ""):
            attributes[RUN_ID] = run_id
        current = context.get_current()
        for key in (TENANT_ID, TASK_ID, SESSION_ID):
            if key in identity:
                current = baggage.set_baggage(key, identity[key], current)
        span = tracer.start_span(f"invoke_agent {name}", current, attributes=attributes)
        self._entered.append((span, context.attach(trace.set_span_in_context(span, current))))
        return Run(span, run_id)

    @guarded
    def end(self, error: BaseException | None) -> None:
        """Ends the run that was begun last, if there is one."""
        if not self._entered:
            return
        span, token = self._entered.pop()
        context.detach(token)
        if error is not None and _is_failure(error):
            # No message and no stack: both may quote what the user wrote.
            kind = type(error)
            known = kind.__module__ == "builtins"
            span.set_attribute("error.type", kind.__qualname__ if known else f"{kind.__module__}.{kind.__qualname__}")
            span.set_status(trace.StatusCode.ERROR)
        span.end()


def run(
    *,
    name: Given = "",
    task_id: Given = "",
    tenant_id: Given = "",
    session_id: Given = "",
    release_id: Given = "",
    run_id: Given = "",
) -> RunScope:
    """One execution of an agent: everything inside the block, or inside the decorated function, is one run.

    An exception that leaves it makes the run a failure (a cancellation too; closing a generator early does not) and
    goes on to the caller. Tenant, task and session travel in W3C baggage to whatever the block calls, other services
    included; see ``FLIGHTDECK_BAGGAGE_KEYS``.

    Args:
        name: the agent's name (``gen_ai.agent.name``); of a decorated function its own name.
        task_id: what sort of work this is; runs are compared task by task.
        tenant_id: for whom.
        session_id: the conversation it belongs to.
        release_id: where one process runs several releases, the one of this run.
        run_id: an id of your own; unique, or the server takes the second run for a repetition of the first.

    As a decorator each may also be a function of the decorated function's arguments::

        @flightdeck.otel.run(task_id="refund", tenant_id=lambda ticket: ticket.tenant)
        async def solve(ticket: Ticket) -> str: ...
    """
    given: dict[str, Given] = {
        "name": name,
        "task_id": task_id,
        "tenant_id": tenant_id,
        "session_id": session_id,
        "release_id": release_id,
        "run_id": run_id,
    }
    return RunScope({key: value for key, value in given.items() if value})


def _resolved(given: Mapping[str, Given], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, str]:
    """What is said of a run as texts, without those that can't be made."""
    texts = {}
    for key, value in given.items():
        try:
            texts[key] = sayable(value(*args, **kwargs) if callable(value) else value)
        except Exception as error:  # noqa: BLE001 - the agent must not feel it
            own_log.warn(f"a run has no {key}: what makes it raised {error!r}")
    return texts


def _identity(task_id: str | None, tenant_id: str | None, session_id: str | None) -> dict[str, str]:
    """The identity as attributes, without what is not known; the session under its standard name too."""
    identity = {
        TASK_ID: task_id,
        TENANT_ID: tenant_id,
        SESSION_ID: session_id,
        "gen_ai.conversation.id": session_id,
    }
    return {key: sayable(value) for key, value in identity.items() if value}


def _is_failure(error: BaseException) -> bool:
    """Whether leaving by this exception means that the run gave no answer."""
    if isinstance(error, SystemExit):
        return error.code not in {None, 0}
    return not isinstance(error, GeneratorExit)
