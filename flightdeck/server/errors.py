"""Our errors as answers of the HTTP API: one table, 1.3's JSON shapes (``{"detail": …}``)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response

from flightdeck import errors
from flightdeck.otel.receiver.status import Unsupported

STATUS: tuple[tuple[type[errors.FlightDeckError], int], ...] = (
    (errors.Invalid, 400),
    (errors.Unauthenticated, 401),
    (errors.Forbidden, 403),
    (errors.NotFound, 404),
    (errors.Conflict, 409),
    (errors.Blocked, 409),
    (errors.TooLarge, 413),
    (Unsupported, 415),
    (errors.Busy, 429),
    (errors.Retryable, 503),
)
"""Status by error; the first row that fits counts. Anything else is a fault of ours: 500."""


def answer(error: errors.FlightDeckError) -> JSONResponse:
    """The answer that says what is wrong; Retryable errors say when to come back."""
    status = next((status for kind, status in STATUS if isinstance(error, kind)), 500)
    detail: Any = str(error)
    if isinstance(error, errors.Blocked):
        detail = {"message": error.message}
        detail |= {"reasons": list(error.reasons)} if error.outcome is None else {"outcome": error.outcome}
    headers = {}
    if isinstance(error, errors.Retryable):
        headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_s)))
    return JSONResponse({"detail": detail}, status, headers)


LONGEST_TYPE = 100
LONGEST_UNREADABLE = 64 * 1024
"""Bytes up to which an answer repeats the input that it can't read."""


def is_json(content_type: str) -> bool:
    """Whether a Content-Type says JSON, by FastAPI's rule. A body that does not say so counts as a text."""
    main, _, sub = content_type.partition(";")[0].strip().lower().partition("/")
    return main == "application" and (sub == "json" or sub.endswith("+json"))


def unreadable(problems: Sequence[Any], content_type: str) -> Response:
    """The answer to input that does not fit: 422 with FastAPI's list of problems.

    Numbers that JSON does not have are shown as null; input that is long, or holds huge integers, is not repeated.
    Where the whole body does not fit because it does not say that it is JSON, the message says that as well.
    """
    if not is_json(content_type):
        said = f"the Content-Type is {content_type[:LONGEST_TYPE]!r}" if content_type else "there is no Content-Type"
        why = f" ({said}; send application/json)"
        problems = [
            {**problem, "msg": problem["msg"] + why} if tuple(problem["loc"]) == ("body",) else problem
            for problem in problems
        ]
    try:
        content = orjson.dumps({"detail": jsonable_encoder(problems)})
    except TypeError:  # an integer of more than 64 bits
        content = b""
    if not 0 < len(content) <= LONGEST_UNREADABLE:
        short = [{key: value for key, value in problem.items() if key != "input"} for problem in problems[:100]]
        content = orjson.dumps({"detail": jsonable_encoder(short)})
    return Response(content, 422, media_type="application/json")


def install(api: FastAPI) -> None:
    """Makes an application answer our errors by the table."""

    async def handle(request: Request, error: Exception) -> JSONResponse:
        del request
        assert isinstance(error, errors.FlightDeckError)  # noqa: S101 - registered for these only
        return answer(error)

    async def handle_unreadable(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for these only
        return unreadable(error.errors(), request.headers.get("content-type", ""))

    async def handle_unsayable(request: Request, error: Exception) -> JSONResponse:
        del request, error
        return answer(errors.Invalid("The request has a text with half a surrogate pair in it: that is no Unicode."))

    api.add_exception_handler(errors.FlightDeckError, handle)
    # JSON can say such a text, pydantic takes it, and no database can: it comes up where the text is first used.
    api.add_exception_handler(UnicodeEncodeError, handle_unsayable)
    api.add_exception_handler(RequestValidationError, handle_unreadable)
