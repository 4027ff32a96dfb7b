"""The server is killed while it ingests: what it acknowledged is there after a restart."""

from __future__ import annotations

import pytest

from tests.fault.sending import eventually, missing, run_count, run_ids, sending, stored
from tests.serving import serving

TRIALS = 3


@pytest.mark.slow
def test_what_was_acknowledged_survives_kill_9_three_times(tmp_path):
    """Spans over gRPC and HTTP and native events; spans that wait to settle when the server dies become runs too."""
    for _ in range(TRIALS):
        with serving(tmp_path, env={"FLIGHTDECK_SETTLE": "3600"}) as server:
            with sending(server) as senders:
                acknowledged = senders.acknowledged
                eventually(
                    lambda: min(len(acknowledged.whole), len(acknowledged.cut), len(acknowledged.events)) >= 200,
                    within_s=60,
                    what="200 acknowledged of each kind",
                )
                server.process.kill()
            server.process.wait()

        found = stored(tmp_path)
        assert acknowledged.spans <= found.spans.keys(), "acknowledged means stored"
        assert not acknowledged.cut & found.traces.keys(), "these were not assembled when the server was killed"

        with serving(tmp_path, env={"FLIGHTDECK_SETTLE": "1"}) as server:
            eventually(lambda: run_count(server) >= acknowledged.runs, within_s=60, what="as many runs as acknowledged")
            expected = acknowledged.whole | acknowledged.cut
            eventually(
                lambda: (ids := run_ids(server)) >= acknowledged.events and {run[:32] for run in ids} >= expected,
                within_s=60,
                what="a run for each acknowledged trace and event",
            )
            assert server.stop()[0] == 0

        found = stored(tmp_path)
        assert missing(acknowledged, found) == {}
        assert set(found.spans.values()) | set(found.traces.values()) | set(found.runs.values()) == {1}, "each once"
