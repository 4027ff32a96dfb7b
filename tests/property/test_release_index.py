"""The release of a run: the index in memory against the rule of MAPPING, section 2, read literally."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flightdeck.ledger import Ledger
from flightdeck.models import ReleaseRecord
from flightdeck.settings import LedgerSettings

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOMENTS = st.integers(0, 20)


def expected(registered, agent, version, started):
    """Several: the largest registered_at not after the start, else the earliest after; of equal ones see below."""
    same = [(at, number, each) for number, (each, a, v, at) in enumerate(registered) if (a, v) == (agent, version)]
    before = [entry for entry in same if entry[0] <= started]
    if before:
        return max(before)[2]
    return min(same)[2] if same else None


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("12"), MOMENTS, st.booleans()), max_size=8),
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("12"), MOMENTS), min_size=1, max_size=8),
)
def test_a_run_s_release_is_found_by_the_rule_however_often_the_index_is_refreshed(tmp_path_factory, steps, asked):
    """Of releases registered in one microsecond the later one wins before a run, the earlier one after it."""
    folder = tmp_path_factory.mktemp("index")
    registered = []
    with Ledger.open(LedgerSettings(db_path=folder / "flightdeck.db")) as ledger:
        for number, (agent, version, at, refresh) in enumerate(steps):
            release_id = f"rel_{number}"
            ledger.releases.add(
                ReleaseRecord(
                    release_id=release_id,
                    agent_id=agent,
                    version=version,
                    environment="",
                    checksum="",
                    artifact_json={},
                    created_at=EPOCH + timedelta(microseconds=at),
                )
            )
            registered.append((release_id, agent, version, at))
            if refresh:
                assert len(ledger.release_index()) == number + 1
        index = ledger.release_index()
        for agent, version, started in asked:
            assert index.find(agent, version, started) == expected(registered, agent, version, started)
        assert all(index.agent_of(release_id) == agent for release_id, agent, _, _ in registered)
