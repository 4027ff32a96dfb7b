"""Our errors as answers of OTLP: one table for HTTP and gRPC.

What the protocol demands: a permanent error must not invite a retry, a retryable one must (429, 503, UNAVAILABLE, and
RESOURCE_EXHAUSTED only together with RetryInfo) and says when. gRPC's RetryInfo goes into two trailers, because
exporters disagree where to look: Go's and the Collector's read the status details, Python's reads
``google.rpc.retryinfo-bin``.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.json_format import MessageToJson
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from flightdeck import errors

logger = logging.getLogger(__name__)

RETRY_INFO_TRAILER = "google.rpc.retryinfo-bin"
DETAILS_TRAILER = "grpc-status-details-bin"
MAX_MESSAGE = 2_000


class Unsupported(errors.Permanent):
    """A content type or encoding that the receiver does not read; HTTP only."""


TABLE: tuple[tuple[type[Exception], int, grpc.StatusCode], ...] = (
    (Unsupported, 415, grpc.StatusCode.UNIMPLEMENTED),
    (errors.Unauthenticated, 401, grpc.StatusCode.UNAUTHENTICATED),
    (errors.Forbidden, 403, grpc.StatusCode.PERMISSION_DENIED),
    # INVALID_ARGUMENT, not RESOURCE_EXHAUSTED: some exporters retry the latter even without RetryInfo.
    (errors.TooLarge, 413, grpc.StatusCode.INVALID_ARGUMENT),
    (errors.Permanent, 400, grpc.StatusCode.INVALID_ARGUMENT),
    (errors.Busy, 429, grpc.StatusCode.RESOURCE_EXHAUSTED),
    (errors.Retryable, 503, grpc.StatusCode.UNAVAILABLE),
    (Exception, 500, grpc.StatusCode.INTERNAL),
)
"""Error, HTTP status, gRPC code; the first row that fits counts."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One error as both protocols say it. ``retry_after_s`` is None when repeating is no use."""

    http: int
    grpc: grpc.StatusCode
    message: str
    retry_after_s: float | None

    @property
    def status(self) -> Status:
        """The ``google.rpc.Status`` that says the same."""
        details = []
        if self.retry_after_s is not None:
            details.append(AnyMessage())
            details[0].Pack(self._retry_info())
        return Status(code=self.grpc.value[0], message=self.message, details=details)

    @property
    def headers(self) -> dict[str, str]:
        """HTTP headers of the answer: whole seconds, at least one."""
        return {} if self.retry_after_s is None else {"Retry-After": str(max(1, math.ceil(self.retry_after_s)))}

    @property
    def trailers(self) -> tuple[tuple[str, bytes], ...]:
        """The answer's trailing metadata in gRPC."""
        status = (DETAILS_TRAILER, self.status.SerializeToString())
        if self.retry_after_s is None:
            return (status,)
        return status, (RETRY_INFO_TRAILER, self._retry_info().SerializeToString())

    def body(self, *, json: bool) -> bytes:
        """The status in the encoding of the request."""
        return MessageToJson(self.status, indent=None).encode() if json else self.status.SerializeToString()

    def _retry_info(self) -> RetryInfo:
        delay = Duration()
        delay.FromNanoseconds(round((self.retry_after_s or 0) * 1e9))
        return RetryInfo(retry_delay=delay)


def failure(error: Exception) -> Failure:
    """How an error is answered. What is no error of ours is logged, and its text kept from the caller."""
    _, http, code = next(row for row in TABLE if isinstance(error, row[0]))
    if not isinstance(error, errors.FlightDeckError):
        logger.error("An OTLP request failed", exc_info=error)
        return Failure(http, code, "Internal error; the server's log says more.", None)
    retry_after_s = error.retry_after_s if isinstance(error, errors.Retryable) else None
    return Failure(http, code, str(error)[:MAX_MESSAGE], retry_after_s)
