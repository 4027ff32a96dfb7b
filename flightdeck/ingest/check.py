"""The check at the edge: ids, times and counts of every span, before anything is stored.

One bad span must not cost the good ones beside it, and must never reach the engine, where it would fail a whole batch
of many clients. Attributes are not read here; a request without bad spans is landed exactly as it came.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from google.protobuf.message import DecodeError

from flightdeck.errors import Invalid
from flightdeck.otel.receiver import wire
from flightdeck.otel.receiver.edge_pb2 import Span, Traces

HOUR_NS = 3600 * 10**9
DAY_NS = 24 * HOUR_NS
# A start further ahead of the server's clock than this counts as unusable (as 0 does).
MAX_AHEAD_NS = HOUR_NS

NAMED_SPANS = 5
NO_TRACE = bytes(16)
NO_SPAN = bytes(8)

# The suffix: fixed64 fields above every number that OTLP uses. The engine takes the last value of a repeated number,
# so values that a client sent under these numbers never count.
WORKSPACE_FIELD = 1001
LANDED_FIELD = 1002
WRITER_FIELD = 1003


@dataclass(frozen=True, slots=True)
class Checked:
    """A request that may be landed: ``body`` holds ``spans`` good spans, ``rejected`` others were taken out.

    ``message`` says which and why; it is "" exactly when nothing was rejected.
    """

    body: bytes
    spans: int
    rejected: int = 0
    message: str = ""
    workspace: int = 0


def check(body: bytes, *, now_ns: int, retention_days: int, workspace: int = 0) -> Checked:
    """Checks an ``ExportTraceServiceRequest``.

    A span is rejected when its trace id has not 16 bytes or is all zero, its span id has not 8 or is all zero, its
    parent's id has neither 0 nor 8 bytes, or it ended longer ago than spans are kept. A parent id of eight zeros means
    no parent and is taken out. Times that can't be right (0, far ahead, end before start) are no reason to reject: such
    a span gets the time of its landing.

    Args:
        body: the request as it came, decompressed.
        now_ns: the server's clock, Unix nanoseconds.
        retention_days: how long spans are kept.
        workspace: the number of the workspace that the caller writes to.

    Raises:
        Invalid: the bytes are no OTLP trace request.
        TooLarge: more spans than one request may have.
    """
    wire.bound(body, wire.RECORDS)
    try:
        request = Traces.FromString(body)
    except DecodeError as error:
        raise Invalid("The body is no OTLP trace request: it can't be read as protobuf.") from error
    oldest = now_ns - retention_days * DAY_NS
    latest = now_ns + MAX_AHEAD_NS
    spans = rejected = 0
    rewritten = False
    reasons: Counter[str] = Counter()
    examples: list[str] = []
    for r, resource in enumerate(request.resource_spans):
        for s, scope in enumerate(resource.scope_spans):
            bad = [i for i, span in enumerate(scope.spans) if not _sound(span, oldest, latest)]
            spans += len(scope.spans)
            if not bad:
                continue
            rewritten = True
            drop = set()
            for i in bad:
                reason = _reason(scope.spans[i], oldest, latest, retention_days)
                if not reason:
                    scope.spans[i].ClearField("parent_span_id")
                    continue
                drop.add(i)
                reasons[reason] += 1
                if len(examples) < NAMED_SPANS:
                    examples.append(f"resourceSpans[{r}].scopeSpans[{s}].spans[{i}]{_name(scope.spans[i])}")
            if drop:
                kept = [span for i, span in enumerate(scope.spans) if i not in drop]
                rejected += len(drop)
                del scope.spans[:]
                scope.spans.extend(kept)
    if not rewritten:
        return Checked(body, spans, workspace=workspace)
    message = _message(spans, rejected, reasons, examples) if rejected else ""
    return Checked(request.SerializeToString(), spans - rejected, rejected, message, workspace)


def _sound(span: Span, oldest: int, latest: int) -> bool:
    """Whether a span can be landed as it is; the hot path, one call a span."""
    trace_id, span_id, parent = span.trace_id, span.span_id, span.parent_span_id
    if len(trace_id) != 16 or len(span_id) != 8 or trace_id == NO_TRACE or span_id == NO_SPAN:
        return False
    if parent and (len(parent) != 8 or parent == NO_SPAN):
        return False
    start = span.start_time_unix_nano
    return start == 0 or start > latest or max(start, span.end_time_unix_nano) >= oldest


def _reason(span: Span, oldest: int, latest: int, retention_days: int) -> str:
    """Why a span that is not sound is rejected; "" when it only names a parent of zeros."""
    for name, value, size in (("trace id", span.trace_id, 16), ("span id", span.span_id, 8)):
        if len(value) != size:
            return f"the {name} has {len(value)} bytes instead of {size}"
        if not any(value):
            return f"the {name} is all zeros"
    if len(span.parent_span_id) not in {0, 8}:
        return f"the parent span id has {len(span.parent_span_id)} bytes instead of 8"
    start = span.start_time_unix_nano
    if 0 < start <= latest and max(start, span.end_time_unix_nano) < oldest:
        return f"it ended more than {retention_days} days ago, when spans are no longer kept"
    return ""


def _name(span: Span) -> str:
    """A span's ids in brackets, as far as they are some."""
    ids = [value.hex() for value, size in ((span.trace_id, 16), (span.span_id, 8)) if len(value) == size]
    return f" ({'/'.join(ids)})" if ids else ""


def _message(spans: int, rejected: int, reasons: Counter[str], examples: list[str]) -> str:
    """Which spans were rejected and why, in bounded length."""
    return "".join(_sentences(spans, rejected, reasons, examples))


def _sentences(spans: int, rejected: int, reasons: Counter[str], examples: list[str]) -> Iterator[str]:
    common = reasons.most_common(NAMED_SPANS)
    yield f"{rejected} of {spans} spans rejected: "
    yield "; ".join(f"{count} because {reason}" for reason, count in common)
    if len(reasons) > len(common):
        yield f"; {sum(reasons.values()) - sum(count for _, count in common)} for other reasons"
    yield f". Rejected: {', '.join(examples)}"
    yield f" and {rejected - len(examples)} more." if rejected > len(examples) else "."
    if rejected == spans and reasons["the trace id has 0 bytes instead of 16"] == spans:
        yield " Is this a metrics or logs request? Those go to /v1/metrics and /v1/logs."


def suffix(workspace: int, landed_us: int, writer: int) -> bytes:
    """Our own fields at the end of a landed request: workspace number, landing time (Unix µs), writer id."""
    return b"".join(
        _tag(field) + value.to_bytes(8, "little")
        for field, value in ((WORKSPACE_FIELD, workspace), (LANDED_FIELD, landed_us), (WRITER_FIELD, writer))
    )


def _tag(field: int) -> bytes:
    """The two bytes that announce a fixed64 field with a number of 16 to 2,047."""
    tag = field << 3 | 1
    return bytes((tag & 0x7F | 0x80, tag >> 7))
