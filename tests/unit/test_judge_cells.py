"""Cells: adding, folding, and evidence as JSON."""

import json

import pytest

from flightdeck.errors import Invalid, TooLarge
from flightdeck.judge import evidence as module
from flightdeck.judge.cells import MERGED_TENANTS, OTHER_TASK, folded, merged
from flightdeck.judge.evidence import Evidence
from tests.judging import Ran, arm, cell, cells, evidence


def test_cells_of_one_place_add_up_to_the_cell_of_all_their_runs() -> None:
    runs = [Ran(latency_ms=at, cost=at * 1000, tokens=at, scores=(("s", at / 7),)) for at in range(1, 40)]
    whole, parts = cell("r", runs), [cell("r", runs[at::5]) for at in range(5)]
    (sum_,) = merged(parts)
    assert (sum_.runs, sum_.latency, sum_.costs) == (whole.runs, whole.latency, whole.costs)
    assert merged(reversed(parts)) == [sum_]
    assert sum_.tokens == whole.tokens
    assert sum_.scores[0][1].total == pytest.approx(whole.scores[0][1].total)


def test_what_nobody_summed_stays_unknown() -> None:
    own = cell("r", [Ran()])
    (sum_,) = merged([own, type(own)(**{**{name: getattr(own, name) for name in own.__slots__}, "tokens": None})])
    assert sum_.tokens is None
    assert sum_.tools is not None


def test_folding_keeps_the_largest_and_every_run() -> None:
    runs = [Ran(tenant=f"tenant{number}", task=f"task{number % 7}") for number in range(50) for _ in range(number + 1)]
    own = folded(cells("r", runs), most_tenants=10, most_tasks=3)
    assert sum(one.runs for one in own) == len(runs)
    tenants = {one.tenant_id for one in own}
    assert {f"tenant{number}" for number in range(40, 50)} <= tenants
    assert len({name for name in tenants if name.startswith(MERGED_TENANTS)}) <= 10
    assert OTHER_TASK in {one.task_id for one in own}
    assert len({one.task_id for one in own}) == 4
    assert folded(own, most_tenants=10, most_tasks=3) == own


def test_both_sides_fold_alike() -> None:
    left = cells("b", [Ran(tenant=f"t{at}") for at in range(30) for _ in range(at + 1)])
    right = cells("c", [Ran(tenant=f"t{at}") for at in range(30) for _ in range(31 - at)])
    names = [{one.tenant_id for one in folded(side, [*left, *right], most_tenants=5)} for side in (left, right)]
    assert names[0] == names[1]


def test_evidence_keeps_every_digit() -> None:
    own = evidence(arm("base", [Ran(cost=10**30 + 1, latency_ms=2**63 - 1, scores=(("s", 0.1 + 0.2),))]), [])
    again = Evidence.from_json(own.to_json())
    assert again == own
    assert again.baseline.cells[0].costs[0].squares == (10**30 + 1) ** 2
    assert again.to_json() == own.to_json()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        '{"format":"other"}',
        '{"format":"flightdeck-evidence/1"}',
        "[" * 100_000,
        '{"format":"flightdeck-evidence/1","baseline":3,"candidate":4,"as_of":""}',
    ],
)
def test_what_is_no_evidence_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        Evidence.from_json(text)


def test_an_unknown_key_is_refused() -> None:
    document = json.loads(evidence([Ran()], [Ran()]).to_json())
    with pytest.raises(Invalid, match="wish"):
        Evidence.from_json(json.dumps({**document, "wish": "pass"}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("runs", "12"),
        ("runs", -1),
        ("runs", 2**300),
        ("errors", 1.5),
        ("task_id", 7),
        ("latency_logs", None),
        ("hour", 10**12),
        ("tokens", [1, "2", 3, None, None, None, None]),
        ("costs", [[0, 1, -1, None, None, None, None]]),
        ("costs", []),
    ],
)
def test_a_cell_that_can_not_be_is_refused(name: str, value: object) -> None:
    document = json.loads(evidence([Ran()], [Ran()]).to_json())
    table = document["baseline"]["cells"]
    table["rows"][0][table["columns"].index(name)] = value
    with pytest.raises(Invalid):
        Evidence.from_json(json.dumps(document))


@pytest.mark.parametrize(("name", "value"), [("hour_width", 2), ("tariff", -1), ("looks", "many"), ("as_of", None)])
def test_a_frame_that_can_not_be_is_refused(name: str, value: object) -> None:
    document = json.loads(evidence([Ran()], [Ran()]).to_json())
    with pytest.raises(Invalid):
        Evidence.from_json(json.dumps({**document, name: value}))
    document["candidate"]["until"] = "tomorrow"
    with pytest.raises(Invalid):
        Evidence.from_json(json.dumps(document))


def test_infinite_sums_are_not_written() -> None:
    own = evidence([Ran(scores=(("s", float("inf")),))], [Ran()])
    with pytest.raises(Invalid, match="not a number"):
        own.to_json()


def test_more_cells_than_the_bound_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    text = evidence([Ran(), Ran(tenant="b")], [Ran()]).to_json()
    monkeypatch.setattr(module, "MOST_CELLS", 1)
    with pytest.raises(TooLarge):
        Evidence.from_json(text)
