"""Errors as OTLP answers: one table for HTTP and gRPC, and how peers are named."""

from __future__ import annotations

import json

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

from flightdeck import errors
from flightdeck.errors import Busy, TooLarge
from flightdeck.otel.receiver.gate import Gate
from flightdeck.otel.receiver.grpc import peer_host
from flightdeck.otel.receiver.status import TABLE, Unsupported, failure


@pytest.mark.parametrize(
    ("error", "http", "code"),
    [
        (errors.Invalid("x"), 400, "INVALID_ARGUMENT"),
        (errors.Unauthenticated("x"), 401, "UNAUTHENTICATED"),
        (errors.Forbidden("x"), 403, "PERMISSION_DENIED"),
        (errors.TooLarge("x"), 413, "INVALID_ARGUMENT"),
        (Unsupported("x"), 415, "UNIMPLEMENTED"),
        (errors.Conflict("x"), 400, "INVALID_ARGUMENT"),
        (errors.Busy("x"), 429, "RESOURCE_EXHAUSTED"),
        (errors.StoreUnavailable("x"), 503, "UNAVAILABLE"),
        (errors.LedgerUnavailable("x"), 503, "UNAVAILABLE"),
        (ValueError("x"), 500, "INTERNAL"),
    ],
)
def test_each_error_has_its_answer(error, http, code):
    failed = failure(error)
    assert (failed.http, failed.grpc) == (http, grpc.StatusCode[code])
    assert failed.status.code == failed.grpc.value[0]


def test_every_error_of_the_tree_is_permanent_or_says_when_to_come_back():
    """What OTLP clients retry: 429 and 503; UNAVAILABLE, and RESOURCE_EXHAUSTED with RetryInfo."""
    for error, http, code in TABLE:
        retryable = issubclass(error, errors.Retryable)
        assert (http in {429, 502, 503, 504}) == retryable
        assert (code in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED}) == retryable


def test_a_retryable_error_tells_the_delay_in_header_details_and_trailer():
    failed = failure(errors.Busy("Full.", retry_after_s=1.25))
    assert failed.headers == {"Retry-After": "2"}
    trailers = dict(failed.trailers)
    told = RetryInfo.FromString(trailers["google.rpc.retryinfo-bin"])
    assert (told.retry_delay.seconds, told.retry_delay.nanos) == (1, 250_000_000)
    status = Status.FromString(trailers["grpc-status-details-bin"])
    inner = RetryInfo()
    assert status.details[0].Unpack(inner)
    assert inner == told
    assert (status.code, status.message) == (8, "Full.")


def test_a_permanent_error_invites_no_retry():
    failed = failure(errors.Invalid("Bad.", hint="Mend it."))
    assert failed.headers == {}
    assert [name for name, _ in failed.trailers] == ["grpc-status-details-bin"]
    assert Status.FromString(failed.body(json=False)) == Status(code=3, message="Bad. Mend it.")
    assert json.loads(failed.body(json=True)) == {"code": 3, "message": "Bad. Mend it."}


def test_an_error_that_is_not_ours_is_logged_and_kept_from_the_caller(caplog):
    failed = failure(RuntimeError("password is hunter2"))
    assert "hunter2" not in failed.message
    assert "hunter2" in caplog.text


def test_messages_are_bounded():
    assert len(failure(errors.Invalid("x" * 10_000)).message) == 2000


@pytest.mark.parametrize(
    ("peer", "host"),
    [
        ("ipv4:127.0.0.1:50321", "127.0.0.1"),
        ("ipv6:%5B::1%5D:50321", "::1"),
        ("ipv6:[::ffff:10.0.0.1]:1", "::ffff:10.0.0.1"),
        ("unix:/run/otlp.sock", "unix:/run/otlp.sock"),
        ("unix:", "unix:"),
        ("vsock:1:2", None),
        ("", None),
    ],
)
def test_the_host_of_a_grpc_peer(peer, host):
    assert peer_host(peer) == host


def test_the_gate_counts_what_all_hold_and_gives_it_back():
    gate = Gate(100)
    with gate.enter() as one, gate.enter() as other:
        one.grow(60)
        with pytest.raises(Busy):
            other.grow(41)
        other.grow(40)
    with gate.enter() as held:
        held.grow(100)
        with pytest.raises(TooLarge):
            held.grow(1)
