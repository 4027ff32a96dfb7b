"""Whatever is asked for in whatever order: the ledger says what a model of one dictionary says."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flightdeck.errors import Blocked, Invalid
from flightdeck.ledger import Ledger
from flightdeck.settings import LedgerSettings
from tests.contract.diff_parts import release
from tests.contract.promotion_parts import evidence, furnish, promotions, wish

USD = {"a": 1.0, "b": 2.0, "dear": 9.0}
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["promote", "rollback"]), st.sampled_from(list(USD)), st.sampled_from(["prod", "staging", ""])
    ),
    max_size=12,
)


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    with Ledger.open(LedgerSettings(db_path=tmp_path_factory.mktemp("ledger") / "ledger.db")) as opened:
        furnish(opened)
        yield opened


@settings(max_examples=25, deadline=None)
@given(steps=STEPS)
def test_what_is_live_is_what_the_rules_say(ledger, steps):
    agent = f"agent_{uuid.uuid4().hex}"  # each example has the ledger for itself, but for the sequence
    ids = {name: f"{agent}_{name}" for name in USD}
    for release_id in ids.values():
        ledger.releases.add(release(release_id, "openai", "v1", agent_id=agent))
    own = promotions(ledger, evidence(**{ids[name]: usd for name, usd in USD.items()}))
    first = ledger.decisions.verify()[0]
    live: dict[str, str] = {}
    was_live: set[tuple[str, str]] = set()
    recorded = 0
    for action, name, environment in steps:
        before = live.get(environment)
        free = before is None if action == "promote" else (name, environment) in was_live
        allowed = free or name != "dear"
        act = own.promote if action == "promote" else own.rollback
        asked = wish(ids[name], environment=environment)
        if not environment.strip() or (action == "rollback" and before is None):
            with pytest.raises(Invalid):
                act(asked)
            continue
        recorded += 1
        if allowed:
            outcome = act(asked)
            assert outcome.baseline_release_id == (None if before is None else ids[before])
            assert outcome.policy.passed is (name != "dear" or before is None)
            live[environment] = name
            was_live.add((name, environment))
        else:
            with pytest.raises(Blocked):
                act(asked)
    found = {p.environment: p.release_id for p in ledger.decisions.pointers() if p.agent_id == agent}
    assert found == {environment: ids[name] for environment, name in live.items()}
    assert ledger.decisions.verify()[0] == first + recorded
    assert len(ledger.decisions.list(agent_id=agent, limit=99)) == recorded
    assert ledger.decisions.wrong_pointers() == {}
