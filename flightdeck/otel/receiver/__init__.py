"""The OTLP receiver: gRPC and HTTP, traces, logs and metrics, on one way.

``grpc`` and ``http`` are two doors to one :class:`Receiver`: it asks the access rule, bounds what is held in memory and
hands the request, as protobuf bytes, to its signal. Spans and scores go to a :class:`Sink`, which is an argument: the
receiver knows neither queue nor store. ``status`` is the one table from errors to answers of both protocols.
"""

from flightdeck.otel.receiver.receiver import Caller, Outcome, Receiver, Sink

__all__ = ["Caller", "Outcome", "Receiver", "Sink"]
