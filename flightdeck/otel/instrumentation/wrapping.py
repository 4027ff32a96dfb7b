"""A scope around every call of a function, whatever sort of function it is.

A generator is left and entered many times. What its scope attaches to the current context must be there whenever it
runs and nowhere else: not in the consumer between two steps, and not lost when the consumer itself has moved on. So
each of its steps runs in a context of its own.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextvars import Context, copy_context
from functools import wraps
from types import TracebackType
from typing import Any, Protocol, TypeVar

Function = Callable[..., Any]
Result = TypeVar("Result")


class Scope(Protocol):
    """Something that begins before a function's body and ends after it. Neither raises."""

    def begin(self) -> object:
        """Begins; what it attaches to the current context stays until ``end``."""

    def end(self, error: BaseException | None) -> None:
        """Ends, with what the body raised; more calls do nothing."""


ScopeOf = Callable[[tuple[Any, ...], Mapping[str, Any]], Scope]
"""The scope of one call, made of its arguments."""


class _During:
    """A scope for the time of a ``with`` block; ``run`` calls its ends where they belong."""

    def __init__(self, scope: Scope, run: Callable[..., object] = lambda ended, *said: ended(*said)) -> None:
        self._scope, self._run = scope, run

    def __enter__(self) -> None:
        self._run(self._scope.begin)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._run(self._scope.end, error)


def wrapped(function: Function, scope_of: ScopeOf) -> Function:
    """The same function with a scope around each call; of a generator, from its first step to its end."""
    if inspect.isasyncgenfunction(function):
        return _async_generator(function, scope_of)
    if inspect.iscoroutinefunction(function):
        return _coroutine(function, scope_of)
    if inspect.isgeneratorfunction(function):
        return _generator(function, scope_of)
    return _plain(function, scope_of)


def _plain(function: Function, scope_of: ScopeOf) -> Function:
    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - whatever the function takes
        with _During(scope_of(args, kwargs)):
            return function(*args, **kwargs)

    return call


def _coroutine(function: Function, scope_of: ScopeOf) -> Function:
    @wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - whatever the function takes
        with _During(scope_of(args, kwargs)):
            return await function(*args, **kwargs)

    return call


def _generator(function: Function, scope_of: ScopeOf) -> Function:
    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - whatever the function takes
        own = copy_context()
        with _During(scope_of(args, kwargs), own.run):
            return (yield from stepped(function(*args, **kwargs), own))

    return call


def _async_generator(function: Function, scope_of: ScopeOf) -> Function:
    @wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - whatever the function takes
        own = copy_context()
        with _During(scope_of(args, kwargs), own.run):
            generator = function(*args, **kwargs)
            step = generator.__anext__()
            try:
                while True:
                    item = await Within(own, step)
                    try:
                        sent = yield item
                    except GeneratorExit:
                        await Within(own, generator.aclose())
                        raise
                    except BaseException as thrown:  # noqa: BLE001 - the generator's to handle
                        step = generator.athrow(thrown)
                    else:
                        step = generator.asend(sent)
            except StopAsyncIteration:
                return

    return call


def stepped(generator: Generator[Any, Any, Result], context: Context) -> Generator[Any, Any, Result]:
    """The generator, each step of it run in ``context``."""
    try:
        item = context.run(next, generator)
        while True:
            try:
                sent = yield item
            except GeneratorExit:
                context.run(generator.close)
                raise
            except BaseException as thrown:  # noqa: BLE001 - the generator's to handle
                item = context.run(generator.throw, thrown)
            else:
                item = context.run(generator.send, sent)
    except StopIteration as stop:
        result: Result = stop.value
        return result


class Within(Awaitable[Result]):
    """Awaits something in a context of its own, inside the task that awaits this."""

    def __init__(self, context: Context, awaitable: Awaitable[Result]) -> None:
        self._context = context
        self._awaitable = awaitable

    def __await__(self) -> Generator[Any, Any, Result]:
        """Steps through the inner awaitable."""
        return stepped(self._context.run(self._awaitable.__await__), self._context)
