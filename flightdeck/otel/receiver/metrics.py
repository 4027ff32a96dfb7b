"""Metrics: FlightDeck keeps none. They are counted and dropped, and the answer says so.

The answer is a success with a warning: a partial success with nothing rejected, as OTLP allows. An agent that exports
all three signals to one address has done nothing wrong, and a count of rejected points is what several exporters and
Collectors report as an error (others log any partial success, Python's none). Our own counters tell the number.
"""

from __future__ import annotations

from google.protobuf.message import DecodeError

from flightdeck.errors import Invalid
from flightdeck.otel.receiver import inline, wire
from flightdeck.otel.receiver.edge_pb2 import Metric, Metrics
from flightdeck.otel.receiver.receiver import Caller, Outcome, Receiver


async def take(receiver: Receiver, body: bytes, caller: Caller) -> Outcome:
    """Counts the data points of an ``ExportMetricsServiceRequest``.

    Raises:
        Invalid: the bytes are no such request.
        TooLarge: more data points than one request may have.
    """
    points = await inline.read(count, body)
    receiver.counters.add("dropped", "metric_points", points, caller.transport)
    if not points:
        return Outcome(0)
    return Outcome(points, message=f"FlightDeck keeps no metrics: {points} data points were dropped.")


def count(body: bytes) -> int:
    """The data points of a request, over all kinds of metrics."""
    wire.bound(body, wire.DATA_POINTS)
    try:
        request = Metrics.FromString(body)
    except DecodeError as error:
        raise Invalid("The body is no OTLP metrics request: it can't be read as protobuf.") from error
    return sum(
        _points(metric)
        for resource in request.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    )


def _points(metric: Metric) -> int:
    match metric.WhichOneof("data"):
        case "gauge":
            return len(metric.gauge.data_points)
        case "sum":
            return len(metric.sum.data_points)
        case "histogram":
            return len(metric.histogram.data_points)
        case "exponential_histogram":
            return len(metric.exponential_histogram.data_points)
        case "summary":
            return len(metric.summary.data_points)
        case _:
            return 0
