"""The policy's statistics section: what it accepts, and how it says no."""

import pytest
from pydantic import ValidationError

from flightdeck.models import Policy
from flightdeck.models.statistics import Guardrail, Statistics


def test_a_policy_without_statistics_is_written_as_1_3_wrote_it() -> None:
    assert "statistics" not in Policy().model_dump()
    assert "max_unknown_usage_share" not in Policy().model_dump_json()
    assert Policy.model_validate_json(Policy(statistics=Statistics()).model_dump_json()).statistics == Statistics()


def test_the_example_of_the_design_is_accepted() -> None:
    guardrails = [
        {"metric": "error_rate", "absolute": 0.02},
        {"metric": "latency_ms", "estimand": "p95", "relative": 0.20},
        {"metric": "score:faithfulness", "direction": "lower_is_worse", "absolute": 0.03},
        {"metric": "tools_per_run", "relative": 0.25},
        {"metric": "tokens_per_run", "estimand": "geometric_mean", "relative": 0.25},
        {"metric": "cost_per_success", "relative": 0.1},
    ]
    own = Statistics.model_validate({"lag": "20m", "expected_split": [0.9, 0.1], "guardrails": guardrails})
    assert own.lag_s == 1200
    assert [one.harm for one in own.guardrails] == [1, 1, -1, 1, 1, 1]
    assert len(Statistics().guardrails) == 3


@pytest.mark.parametrize(
    ("section", "says"),
    [
        ({"gaurdrails": []}, "did you mean 'guardrails'"),
        ({"guardrails": [{"metric": "error_rate", "absolut": 0.1}]}, "did you mean 'absolute'"),
        ({"guardrails": [{"metric": "latency", "relative": 0.1}]}, "did you mean 'latency_ms'"),
        ({"guardrails": [{"metric": "score:", "relative": 0.1}]}, "unknown metric"),
        ({"guardrails": [{"metric": "cost_usd"}]}, "exactly one of absolute and relative"),
        ({"guardrails": [{"metric": "cost_usd", "absolute": 1, "relative": 1}]}, "exactly one"),
        ({"guardrails": [{"metric": "cost_usd", "absolute": 0}]}, "greater than 0"),
        ({"guardrails": [{"metric": "cost_usd", "relative": float("nan")}]}, "finite"),
        ({"guardrails": [{"metric": "cost_usd", "estimand": "p95", "relative": 0.1}]}, "latency_ms and tokens_per_run"),
        ({"guardrails": [{"metric": "latency_ms", "estimand": "p90", "relative": 0.1}]}, "p95"),
        ({"guardrails": [{"metric": "score:f", "absolute": 0.1}]}, "needs direction"),
        ({"guardrails": [{"metric": "cost_usd", "direction": "lower_is_worse", "absolute": 1}]}, "for scores"),
        ({"guardrails": [{"metric": "error_rate", "absolute": 1}]}, "below 1"),
        ({"guardrails": [{"metric": "score:f", "direction": "lower_is_worse", "relative": 1}]}, "below 1"),
        ({"guardrails": []}, "at least one"),
        ({"guardrails": [{"metric": "cost_usd", "absolute": 1}, {"metric": "cost_usd", "relative": 1}]}, "two"),
        ({"alpha": 0}, "greater than 0"),
        ({"alpha": 0.3}, "0.25"),
        ({"lag": "20 minutes"}, "20m"),
        ({"lag": "8d"}, "at most 7d"),
        ({"expected_split": [0.9, 0.2]}, "sum to 1"),
        ({"cluster": "user"}, "'tenant'"),
        ({"time_check": "maybe"}, "'require'"),
    ],
)
def test_what_can_not_be_meant_is_an_error_that_says_so(section: dict, says: str) -> None:
    with pytest.raises(ValidationError) as error:
        Policy.model_validate({"statistics": section})
    assert says in str(error.value)


def test_a_guardrail_is_a_value() -> None:
    assert Guardrail(metric="cost_usd", relative=0.1) == Guardrail(metric="cost_usd", relative=0.1)
