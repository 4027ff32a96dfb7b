"""The server is killed while it ingests: what it acknowledged is there after a restart."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fault.sending import all_are_runs, eventually, missing, sending, stored
from tests.serving import serving

TRIALS = 3


@pytest.mark.slow
def test_what_was_acknowledged_survives_kill_9_three_times(tmp_path):
    """Spans over gRPC and HTTP and native events; spans that wait to settle when the server dies become runs too."""
    for _ in range(TRIALS):
        trial(tmp_path)


def trial(folder: Path) -> None:
    with serving(folder, env={"FLIGHTDECK_SETTLE": "3600"}) as server:
        with sending(server) as senders:
            acknowledged = senders.acknowledged
            eventually(lambda: acknowledged.each(200), within_s=60, what="200 acknowledged of each kind")
            server.process.kill()
        server.process.wait()

    found = stored(folder)
    assert acknowledged.spans <= found.spans.keys(), "acknowledged means stored"
    assert not acknowledged.cut & found.traces.keys(), "these were not assembled when the server was killed"

    with serving(folder, env={"FLIGHTDECK_SETTLE": "1"}) as server:
        eventually(lambda: all_are_runs(server, acknowledged), within_s=30, what="a run for all that was acknowledged")
        assert server.stop()[0] == 0

    found = stored(folder)
    assert missing(acknowledged, found) == {}
    assert set(found.spans.values()) | set(found.traces.values()) | set(found.runs.values()) == {1}, "each once"
