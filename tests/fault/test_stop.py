"""SIGTERM while requests pour in: the server answers, drains, ends; what it acknowledged is there after a restart."""

from __future__ import annotations

import signal

from tests.fault.sending import all_are_runs, eventually, missing, sending, stored
from tests.serving import STOP_S, serving


def test_sigterm_under_load_ends_with_0_in_time_and_loses_nothing(tmp_path):
    with serving(tmp_path, env={"FLIGHTDECK_SETTLE": "3600"}) as server:
        with sending(server) as senders:
            acknowledged = senders.acknowledged
            eventually(lambda: acknowledged.each(200), within_s=60, what="200 acknowledged of each kind")
            code, seconds = server.stop(signal.SIGTERM)
        assert (code, seconds < STOP_S) == (0, True)
        complaints = [line for line in server.lines if "ERROR" in line or "Traceback" in line]
        assert complaints == []

    found = stored(tmp_path)
    assert acknowledged.spans <= found.spans.keys()
    assert acknowledged.whole <= found.traces.keys(), "what need not settle was assembled while it drained"

    with serving(tmp_path, env={"FLIGHTDECK_SETTLE": "1"}) as server:
        eventually(lambda: all_are_runs(server, acknowledged), within_s=30, what="a run for all that was acknowledged")
        assert server.stop()[0] == 0
    assert missing(acknowledged, stored(tmp_path)) == {}
