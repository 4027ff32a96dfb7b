"""The tree rules, one by one, on spans made by hand. Times are milliseconds after a fixed moment."""

import time
from dataclasses import replace

import pytest

from flightdeck.otel.releases import KnownReleases
from flightdeck.otel.runs import Assembly, FindingKind, Options, Run, assemble, main_model, run_event
from flightdeck.otel.semconv import table
from flightdeck.otel.spans import Mapper, Span

TRACE = "ab" * 16
EPOCH_NS = 1_764_000_000_000_000_000
RELEASE = "rel_0123456789ab"
RESOURCE = {"resource_release_id": RELEASE, "service_name": "bot", "service_version": "1"}
NOBODY = KnownReleases()
DEFAULTS = Options()
DAY_MS = 86_400_000


def ident(n: int) -> str:
    return f"{n:016x}"


def span(n: int, above: int = 0, kind: str = "", start: float = 0, end: float = 100, **fields) -> Span:
    made = {
        "parent_id": ident(above) if above else "",
        "kind": kind,
        "scope": "s",
        "name": f"span {n}",
        "start_ns": EPOCH_NS + int(start * 1_000_000),
        "end_ns": EPOCH_NS + int(end * 1_000_000),
        "landed_us": EPOCH_NS // 1000,
        **RESOURCE,
        **fields,
    }
    return Span(TRACE, ident(n), **made)


def call(n: int, above: int = 0, start: float = 0, end: float = 100, tokens: int | None = 10, **fields) -> Span:
    made = {"kind": "llm", "input": tokens, "output": 1, "model": "gpt-4.1", "provider": "openai", **fields}
    return span(n, above, start=start, end=end, **made)


def assembled(*spans: Span, releases=NOBODY, options=DEFAULTS, settled=True) -> Assembly:
    return assemble(spans, releases, options, settled=settled)


def runs(*spans: Span, **how) -> list[Run]:
    return assembled(*spans, **how).runs


def run(*spans: Span, **how) -> Run:
    [only] = runs(*spans, **how)
    return only


def heads(*spans: Span, **how) -> list[int]:
    """Numbers of the run spans."""
    return sorted(int(r.span_id, 16) for r in runs(*spans, **how))


def tokens(found: Run) -> list[tuple[str, int, int]]:
    return [(row.model, row.calls, row.input) for row in found.models]


def known(*releases: tuple[str, str, str, int]) -> KnownReleases:
    made = KnownReleases()
    for release_id, agent_id, version, registered_us in releases:
        made.add(release_id, agent_id=agent_id, version=version, registered_us=registered_us)
    return made


# --- which spans are runs -----------------------------------------------------------------------------


def test_the_designs_example_counts_each_call_once():
    """One run, 1,163 tokens in and 181 out, where adding up every span gives 2,733."""
    found = run(
        span(1, 0, end=300),
        span(2, 1, "agent", 10, 205.7, input=756, output=90),
        call(3, 2, 11, 20, 301, output=33, response_model="gpt-4.1-2025-04-14"),
        span(4, 2, "tool", 21, 100, tool="research"),
        span(5, 4, "agent", 22, 99, input=407, output=91),
        call(6, 5, 23, 98, 407, output=91, cached=100, creation=50, provider="anthropic", model="claude-sonnet"),
        call(
            7,
            6,
            24,
            97,
            407,
            output=91,
            cached=100,
            creation=50,
            provider="anthropic",
            scope="sdk",
            response_model="claude-sonnet-4-5-20250929",
            model="claude-sonnet",
        ),
        call(8, 2, 101, 200, 455, output=57, response_model="gpt-4.1-2025-04-14"),
    )
    assert (found.span_id, found.run_kind, found.latency_ms) == (ident(2), "agent", 196)
    assert tokens(found) == [("claude-sonnet-4-5-20250929", 1, 407), ("gpt-4.1-2025-04-14", 2, 756)]
    assert sum(row.output for row in found.models) == 181
    assert (found.models[0].cached, found.models[0].creation) == (100, 50)
    assert found.tools == [("research", 1)]


def test_sibling_actors_under_a_server_span_are_runs_of_their_own():
    assert heads(span(1), span(2, 1, "agent"), span(3, 1, "agent"), call(4, 3)) == [2, 3]


def test_agents_directly_in_one_chain_are_one_run():
    assert heads(span(1), span(2, 1, "chain"), span(3, 2, "agent"), span(4, 2, "agent")) == [2]
    assert heads(span(1, 0, "chain"), span(2, 1, "chain"), span(3, 2, "agent")) == [1]


def test_an_actor_is_not_raised_past_a_span_that_is_no_chain():
    assert heads(span(1, 0, "chain"), span(2, 1), span(3, 2, "chain"), span(4, 3, "agent")) == [3]
    assert heads(span(1, 0, "chain"), span(2, 1, "tool"), span(3, 2, "agent")) == [3]


def test_agents_below_an_actor_are_its_run():
    found = run(span(1, 0, "workflow"), span(2, 1, "agent"), span(3, 1, "tool"), span(4, 3, "agent"), call(5, 4))
    assert (found.span_id, tokens(found)) == (ident(1), [("gpt-4.1", 1, 10)])


def test_without_an_actor_the_topmost_span_above_a_generative_one_is_the_run():
    assert run(span(1), span(2, 1), call(3, 2)).run_kind == "request"
    assert run(span(1, 0, "chain"), call(3, 1)).run_kind == "chain"
    assert run(span(1, 0, "guardrail"), call(3, 1)).run_kind == "request"
    assert run(call(1)).run_kind == "llm_call"
    assert run(call(1, kind="embedding"), span(2, 1, "chain")).run_kind == "llm_call"
    assert run(span(1, 0, "tool"), span(2, 1, "agent"), call(3, 2)).run_kind == "agent"


def test_roots_without_generative_spans_are_no_runs():
    assert heads(span(1), span(2, 1), span(3, 0, "other"), call(4)) == [4]
    assert heads(span(1), span(2, 0, "other")) == []


def test_generative_spans_beside_the_runs_belong_to_the_earliest():
    """No token is lost, and no span that is not generative is taken in."""
    first, second = runs(
        call(1, 0, start=0),
        span(2, 0, "agent", start=20, end=30),
        span(3, 0, "agent", start=10, end=30),
        span(4, 0, error=1, error_type="Beside", start=5),
        call(5, 4, tokens=7),
        call(6, 2, tokens=100),
    )
    assert [(r.span_id, sum(row.input for row in r.models)) for r in (second, first)] == [
        (ident(3), 17),
        (ident(2), 100),
    ]


def test_of_equal_starts_the_smaller_id_is_the_earliest():
    found = runs(span(2, 0, "agent"), span(3, 0, "agent"), call(4))
    assert [len(r.models) for r in found] == [1, 0]


def test_spans_that_say_so_are_the_runs_and_a_span_belongs_to_the_nearest():
    found = runs(
        span(1, 0, "agent"),
        span(2, 1, run=1),
        call(3, 2, tokens=1),
        span(4, 3, "tool", run=1, tool="x"),
        call(5, 4, tokens=2),
        call(6, 1, tokens=4),
    )
    assert [(r.span_id, r.run_kind, sum(row.input for row in r.models)) for r in found] == [
        (ident(2), "agent", 5),
        (ident(4), "request", 2),
    ]


def test_a_flag_in_a_part_without_generative_spans_makes_no_run():
    assert runs(span(1, run=1)) == []


def test_the_id_of_a_run_is_its_own_or_that_of_its_span():
    assert run(call(1)).run_id == f"{TRACE}-{ident(1)}"
    assert run(call(1, run_id="job-1")).run_id == "job-1"


def test_of_runs_that_claim_one_id_the_first_keeps_it():
    """Baggage copied to every span must not make one run replace another."""
    found = runs(span(1, 0, "agent", start=5, run_id="job"), span(2, 0, "agent", start=1, run_id="job"))
    assert {r.run_id: r.span_id for r in found} == {f"{TRACE}-{ident(1)}": ident(1), "job": ident(2)}


# --- parts, closed and not ----------------------------------------------------------------------------


OTHER_PART = {"resource_release_id": "rel_999999999999", "service_name": "other"}


def test_a_parent_in_another_part_is_a_boundary():
    callee = [span(3, 2, "chain", **OTHER_PART), call(4, 3, tokens=7, **OTHER_PART)]
    found = {r.release_id: r for r in runs(span(1, 0, "agent"), span(2, 1, "tool"), *callee)}
    assert tokens(found[RELEASE]) == []
    assert (found["rel_999999999999"].run_kind, tokens(found["rel_999999999999"])) == ("chain", [("gpt-4.1", 1, 7)])


@pytest.mark.parametrize("name", ["resource_release_id", "service_name", "service_version"])
def test_each_of_three_resource_values_divides_parts(name):
    assert len(runs(span(1, 0, "agent"), span(2, 1, "agent", **{name: "x"}))) == 2


def test_a_spans_own_release_names_its_run_and_divides_nothing():
    assert run(span(1, 0, "agent"), span(2, 1, "agent", release_id="rel_aaaaaaaaaaaa")).release_id == RELEASE
    assert run(span(1, 0, "agent", release_id="rel_aaaaaaaaaaaa")).release_id == "rel_aaaaaaaaaaaa"


def test_a_missing_parent_keeps_a_part_open_until_it_settles():
    spans = [span(2, 1, "agent"), call(3, 2)]
    waiting = assembled(*spans, settled=False)
    assert (waiting.closed, waiting.runs) == (False, [])
    settled = assembled(*spans)
    assert (settled.closed, [r.span_id for r in settled.runs]) == (False, [ident(2)])
    for assembly in (waiting, settled):
        assert [(f.kind, f.id, f.release_id) for f in assembly.findings] == [
            (FindingKind.INCOMPLETE, f"{TRACE}-{ident(1)}", RELEASE)
        ]


def test_an_orphan_without_an_actor_is_no_run_but_its_tokens_are_not_lost_if_there_is_one():
    assert runs(call(2, 1)) == []
    assert runs(span(2, 1), call(3, 2)) == []
    assert tokens(run(span(4), call(5, 4), call(2, 1, tokens=7))) == [("gpt-4.1", 2, 17)]


def test_one_open_part_does_not_hold_up_another():
    found = assembled(call(1), span(3, 2, "agent", **OTHER_PART), settled=False)
    assert ([r.span_id for r in found.runs], found.closed) == ([ident(1)], False)


def test_what_can_hold_no_run_waits_for_nothing():
    found = assembled(span(2, 1), settled=False)
    assert (found.closed, found.findings) == (True, [])


def test_remote_decides_only_where_the_parent_is_not_stored():
    assert assembled(call(2, 1, remote=1), settled=False).closed
    assert heads(span(1), call(2, 1, remote=1)) == [1]


def test_one_missing_parent_is_one_finding():
    children = [call(2, 1), call(3, 1), call(4, 1, **OTHER_PART), call(6, 5)]
    assert [f.id for f in assembled(*children).findings] == [f"{TRACE}-{ident(1)}", f"{TRACE}-{ident(5)}"]


def test_versions_of_a_span_collapse_to_the_one_that_ended_last():
    versions = [call(1, end=5, tokens=1), call(1, end=9, tokens=2), call(1, end=7, tokens=3)]
    found = assembled(*versions)
    assert (found.distinct_spans, tokens(found.runs[0])) == (1, [("gpt-4.1", 1, 2)])


def test_versions_that_ended_together_collapse_to_the_same_in_any_order():
    one, other = call(1, tokens=1), call(1, tokens=2)
    assert assembled(one, other) == assembled(other, one)


def test_only_the_first_spans_of_a_large_part_are_assembled():
    spans = [span(1, 0, "agent"), *(call(n, 1, start=n) for n in range(2, 8))]
    found = run(*spans, options=Options(most_spans=4))
    assert (tokens(found), found.truncated) == ([("gpt-4.1", 3, 30)], True)
    assert not run(*spans, options=Options(most_spans=7)).truncated


def test_cycles_and_spans_that_are_their_own_parents_end_in_runs():
    assert heads(call(1, 1)) == [1]
    assert heads(call(1, 3), call(2, 1), call(3, 2)) == [1]
    assert heads(call(1, 2, start=9), call(2, 1, start=5), span(3, 1)) == [2]
    assert heads(span(5, 4, "agent"), span(4, 5, "agent", start=1), call(6, 5)) == [5]


@pytest.mark.parametrize("deep", [True, False])
@pytest.mark.parametrize("kind", ["llm", "agent", "chain", "tool", ""])
def test_ten_thousand_spans_of_one_trace_take_no_more_than_a_breath(kind, deep):
    """As a chain, its spans in reverse, or all below one; every call overlaps all others and equals them."""
    spans = [span(1, 0, "agent", start=0, end=10_000)]
    for n in range(2, 10_001):
        usage = {"input": 5, "output": 1} if kind == "llm" else {}
        above, start = (n - 1, 10_000 - n) if deep else (1, n / 1000)
        spans.append(span(n, above, kind, start, 20_000 - n, scope=f"s{n % 3}", tool=f"t{n}", **usage))
    began = time.process_time()
    assert len(runs(*spans)) == 1
    assert time.process_time() - began < 5


def test_ten_thousand_runs_of_one_trace_take_no_more_than_a_breath():
    spans = [span(n, n - 1, "agent", start=n, run=1, tenant="aacme", error=n % 2) for n in range(1, 10_001)]
    began = time.process_time()
    assert len(runs(*spans)) == 10_000
    assert time.process_time() - began < 5


# --- which calls count --------------------------------------------------------------------------------


def agent_run(*spans: Span, **how) -> Run:
    return run(span(1, 0, "agent", start=0, end=1000), *spans, **how)


def test_of_nested_calls_the_innermost_counts():
    found = agent_run(
        call(2, 1, tokens=100), span(3, 2, "chain"), call(4, 3, tokens=60), span(5, 4), call(6, 5, tokens=30)
    )
    assert tokens(found) == [("gpt-4.1", 1, 30)]


def test_a_call_around_several_is_replaced_by_all_of_them():
    found = agent_run(call(2, 1, tokens=50), call(3, 2, tokens=20, start=1), call(4, 2, tokens=30, start=2))
    assert tokens(found) == [("gpt-4.1", 2, 50)]


@pytest.mark.parametrize("between", ["tool", "agent", "workflow"])
def test_calls_with_a_tool_or_an_actor_between_both_count(between):
    assert tokens(agent_run(call(2, 1), span(3, 2, between), call(4, 3))) == [("gpt-4.1", 2, 20)]


def test_calls_of_another_kind_or_without_usage_replace_nothing():
    assert tokens(agent_run(call(2, 1), call(3, 2, kind="embedding"))) == [("gpt-4.1", 2, 20)]
    assert tokens(agent_run(call(2, 1), call(3, 2, tokens=None, output=None))) == [("gpt-4.1", 1, 10)]


def test_calls_of_two_runs_never_replace_each_other():
    found = runs(call(1, run=1), call(2, 1, run=1))
    assert [tokens(r) for r in found] == [[("gpt-4.1", 1, 10)], [("gpt-4.1", 1, 10)]]


def test_side_by_side_the_inner_one_counts():
    found = agent_run(call(2, 1, 0, 100, scope="a", output=8), call(3, 1, 5, 95, scope="b", output=9))
    assert [(row.calls, row.output) for row in found.models] == [(1, 9)]


@pytest.mark.parametrize(
    ("inner", "calls"),
    [
        ({"scope": "a"}, 2),
        ({"scope": "b"}, 1),
        ({"scope": "b", "tokens": 11}, 2),
        ({"scope": "b", "kind": "embedding"}, 2),
        ({"scope": "b", "start": -1, "end": 90}, 2),
        ({"scope": "b", "end": 105}, 1),
        ({"scope": "b", "end": 105.000001}, 2),
        ({"scope": "b", "response_id": "r-1"}, 1),
        ({"scope": "b", "response_id": "r-1", "tokens": 11}, 2),
    ],
)
def test_what_makes_two_calls_one(inner, calls):
    outer = call(2, 1, 0, 100, scope="a")
    found = agent_run(outer, call(3, 1, **{"start": 5, "end": 95, **inner}))
    assert sum(row.calls for row in found.models) == calls


def test_equal_response_ids_make_two_calls_one_whatever_the_inputs_and_different_ones_never():
    outer = call(2, 1, 0, 100, scope="a", response_id="r-1")
    same = call(3, 1, 5, 95, tokens=99, scope="b", response_id="r-1")
    other = call(3, 1, 5, 95, scope="b", response_id="r-2")
    assert tokens(agent_run(outer, same)) == [("gpt-4.1", 1, 99)]
    assert tokens(agent_run(outer, other)) == [("gpt-4.1", 2, 20)]


def test_calls_that_know_no_input_are_not_taken_for_one():
    both = [call(2, 1, 0, 100, None, scope="a"), call(3, 1, 5, 95, None, scope="b")]
    assert agent_run(*both).models[0].calls == 2


def test_inputs_are_compared_as_read():
    """The outer layer counts cached tokens apart, so its input grows, but only after the comparison."""
    outer = call(2, 1, 0, 100, 10, scope="a", cached=90)
    assert tokens(agent_run(outer, call(3, 1, 5, 95, 10, scope="b"))) == [("gpt-4.1", 1, 10)]
    assert tokens(agent_run(outer, call(3, 1, 5, 95, 100, scope="b"))) == [("gpt-4.1", 2, 200)]


def test_of_three_layers_side_by_side_only_the_innermost_stays():
    layers = [call(2, 1, 0, 100, scope="a"), call(3, 1, 5, 95, scope="b"), call(4, 1, 10, 90, scope="c", output=7)]
    assert [(row.calls, row.output) for row in agent_run(*layers).models] == [(1, 7)]


def test_calls_are_matched_one_to_one():
    outer = [call(n, 1, 0, 100, scope="a") for n in (2, 3, 4)]
    assert tokens(agent_run(*outer, call(5, 1, 5, 95, scope="b"))) == [("gpt-4.1", 3, 30)]


def test_thousands_of_parallel_calls_without_response_ids_are_matched():
    numbers = range(2, 2_002)
    ends = {n: 1_000 + n * 7_919 % 2_000 for n in numbers}
    outer = [call(n, 1, n / 1_000, ends[n], scope="framework") for n in numbers]
    inner = [call(n + 2_000, 1, n / 1_000 + 0.5, ends[n] - 0.5, scope="sdk") for n in numbers]
    assert tokens(agent_run(*outer, *inner)) == [("gpt-4.1", 2_000, 20_000)]


def test_parallel_calls_of_one_scope_are_never_one_not_even_by_way_of_another_layer():
    """The second client call lies within the first framework call too, and half of the matches would chain up."""
    client = [call(2, 1, 0, 100, scope="client"), call(3, 1, 2, 102, scope="client")]
    inner = [call(4, 1, 1, 99, scope="sdk"), call(5, 1, 3, 101, scope="sdk")]
    assert tokens(agent_run(*client, *inner)) == [("gpt-4.1", 2, 20)]


def test_a_call_beside_does_not_take_the_place_of_a_nested_layer_of_its_own_scope():
    nested = [call(2, 1, 10, 90, scope="client"), call(3, 2, 20, 80, scope="sdk")]
    assert tokens(agent_run(*nested, call(4, 1, 0, 100, scope="client"))) == [("gpt-4.1", 2, 20)]
    assert tokens(agent_run(*nested, call(4, 1, 0, 100, scope="framework"))) == [("gpt-4.1", 1, 10)]


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        ({"end": 100}, {"end": 98}, 3),
        ({"end": 98}, {"end": 100}, 2),
        ({"end": 100}, {"end": 100}, 3),
    ],
)
def test_of_two_within_each_other_the_one_that_ends_first_counts_then_the_larger_id(first, second, kept):
    pair = [call(2, 1, 0, scope="a", output=2, **first), call(3, 1, 0, scope="b", output=3, **second)]
    assert [(row.calls, row.output) for row in agent_run(*pair).models] == [(1, kept)]


def test_a_kept_call_takes_what_only_the_dropped_layer_knew():
    outer = call(
        2,
        1,
        0,
        100,
        scope="a",
        provider="groq",
        response_model="llama-3.3-70b-versatile",
        cached=4,
        creation=2,
        reasoning=1,
    )
    for inner in (
        call(3, 2, 5, 95, scope="b", provider="", model="llama"),
        call(3, 1, 5, 95, scope="b", provider="", model="llama"),
    ):
        [row] = agent_run(outer, inner).models
        assert (row.provider, row.model) == ("groq", "llama-3.3-70b-versatile")
        assert (row.input, row.cached, row.creation, row.reasoning) == (10, 4, 2, 1)


def test_a_kept_call_keeps_what_it_knows():
    outer = call(2, 1, scope="a", provider="azure", model="alias", cached=4)
    inner = call(3, 2, scope="b", response_model="gpt-4.1-2025-04-14", cached=3)
    [row] = agent_run(outer, inner).models
    assert (row.provider, row.model, row.cached) == ("openai", "gpt-4.1-2025-04-14", 3)


def test_of_several_kept_calls_the_earliest_takes_a_sum_only_if_none_has_any():
    outer = call(2, 1, 0, 100, 30, cached=8, reasoning=5, response_model="m-2025")
    first, second = call(4, 2, 10, 20, model="m"), call(3, 2, 30, 40, 20, model="m", cached=2)
    [row] = agent_run(outer, first, second).models
    assert (row.model, row.calls, row.cached, row.reasoning) == ("m-2025", 2, 2, 5)


def test_the_inner_layer_gives_before_the_outer_one():
    layers = [call(2, 1, cached=9, scope="a"), call(3, 2, cached=8, scope="b"), call(4, 3, scope="c")]
    assert agent_run(*layers).models[0].cached == 8


def test_cached_tokens_counted_apart_are_added_to_the_input_of_that_call():
    found = agent_run(call(2, 1, tokens=10, cached=100, creation=50), call(3, 1, tokens=1000, cached=900))
    assert ([(row.input, row.cached) for row in found.models], found.cached_exceeds_input) == ([(1160, 1000)], True)
    assert not agent_run(call(2, 1, tokens=100, cached=60, creation=40)).cached_exceeds_input


def test_a_call_is_in_the_tier_whose_thresholds_it_exceeds():
    sizes = [128_000, 128_001, 200_000, 200_001, 272_001, 512_001]
    found = agent_run(*(call(n, 1, tokens=size) for n, size in enumerate(sizes, 2)))
    assert [(row.input_tier, row.calls) for row in found.models] == [(0, 1), (1, 2), (2, 1), (3, 1), (4, 1)]


def test_usage_of_other_kinds_never_counts():
    kinds = ["agent", "workflow", "chain", "tool", "guardrail", "other", ""]
    assert agent_run(*(span(n, 1, kind, input=5, output=5) for n, kind in enumerate(kinds, 2))).models == []


@pytest.mark.parametrize(
    ("model", "provider", "named"),
    [
        ("gpt-4.1", "openai", "gpt-4.1"),
        ("o3-mini", "openai", "o3-mini"),
        ("ollama", "", "ollama"),
        ("openai/gpt-4.1", "openai", "gpt-4.1"),
        ("bedrock/anthropic/claude-x", "", "anthropic/claude-x"),
        ("azure/text-embedding-3", "openai", "text-embedding-3"),
        ("groq/llama", "", "groq/llama"),
        ("gemini/gemini-2.5-pro", "google", "gemini-2.5-pro"),
        ("vertex_ai/claude-x", "anthropic", "claude-x"),
    ],
)
def test_a_model_loses_one_prefix_and_names_its_provider_where_nobody_else_does(model, provider, named):
    [row] = agent_run(call(2, 1, provider="", model=model)).models
    assert (row.provider, row.model) == (provider, named)
    [row] = agent_run(call(2, 1, provider="cohere", model=model)).models
    assert row.provider == "cohere"


def test_models_beyond_the_limit_become_one_row():
    calls = [call(n, 1, model=f"m{n % 5}", tokens=n) for n in range(2, 14)]
    found = agent_run(*calls, options=Options(most_models=3))
    assert [(row.provider, row.model, row.calls) for row in found.models] == [
        ("", "_other", 6),
        ("openai", "m2", 3),
        ("openai", "m3", 3),
    ]
    assert sum(row.input for row in found.models) == sum(range(2, 14))


def test_the_models_that_fit_exactly_all_stay():
    calls = [call(n, 1, model=f"m{n}") for n in range(2, 5)]
    assert [row.model for row in agent_run(*calls, options=Options(most_models=3)).models] == ["m2", "m3", "m4"]


def test_a_call_without_usage_that_did_not_fail_is_counted():
    unknown = {"tokens": None, "output": None}
    found = agent_run(call(2, 1, **unknown), call(3, 1, error=1, **unknown), call(4, 1, **unknown, kind="rerank"))
    assert (found.calls_without_usage, found.models) == (2, [])


@pytest.mark.parametrize(
    ("spans", "unknown"),
    [
        ([call(2, 1, tokens=None, output=None), span(3, 2, "chain"), call(4, 3)], 0),
        ([call(2, 1), span(3, 2), call(4, 3, tokens=None, output=None)], 0),
        ([call(2, 1, tokens=None, output=None), call(3, 2, tokens=None, output=None), call(4, 3)], 0),
        ([call(2, 1, tokens=None, output=None), span(3, 2, "tool"), call(4, 3)], 1),
        ([call(2, 1), span(3, 2, "agent"), call(4, 3, tokens=None, output=None)], 1),
        ([call(2, 1, tokens=None, output=None), call(3, 2, kind="embedding")], 1),
        ([call(2, 1, tokens=None, output=None), call(3, 1)], 1),
        ([call(2, 1), call(3, 2), call(4, 2, tokens=None, output=None)], 1),
    ],
)
def test_a_call_without_usage_above_or_below_a_counted_one_is_a_layer_of_it(spans, unknown):
    assert agent_run(*spans).calls_without_usage == unknown


def test_output_alone_is_usage():
    found = agent_run(call(2, 1, tokens=None, output=5))
    assert ([(row.input, row.output) for row in found.models], found.calls_without_usage) == ([(0, 5)], 0)


# --- identity -----------------------------------------------------------------------------------------


def test_the_order_of_releases():
    every = {"release_id": "rel_a", "resource_release_id": "rel_b", "langfuse_release_id": "rel_c"}
    assert run(call(1, **every)).release_id == "rel_a"
    assert run(call(1, **{**every, "release_id": ""})).release_id == "rel_b"
    assert run(call(1, **{**every, "release_id": "", "resource_release_id": ""})).release_id == "rel_c"


def test_a_registered_release_is_found_by_agent_and_version():
    releases = known(("rel_a", "bot", "1", 0), ("rel_b", "named", "1", 0), ("rel_c", "bot", "2", 0))
    nameless = {"resource_release_id": ""}
    assert run(call(1, **nameless), releases=releases).release_id == "rel_a"
    assert run(call(1, **nameless, agent_id="named"), releases=releases).release_id == "rel_b"
    assert run(call(1, **nameless, service_version="", agent_version="2"), releases=releases).release_id == "rel_c"
    assert runs(call(1, **nameless, agent_id="stranger"), releases=releases) == []


def test_of_several_releases_of_a_version_the_last_one_before_the_run_counts():
    start_us = EPOCH_NS // 1000
    releases = known(
        ("rel_a", "bot", "1", start_us - 20), ("rel_b", "bot", "1", start_us), ("rel_c", "bot", "1", start_us + 1)
    )
    assert run(call(1, resource_release_id=""), releases=releases).release_id == "rel_b"
    late = known(("rel_c", "bot", "1", start_us + 9), ("rel_b", "bot", "1", start_us + 1))
    assert run(call(1, resource_release_id=""), releases=late).release_id == "rel_b"


def test_without_a_release_there_is_a_finding():
    found = assembled(call(1, resource_release_id=""))
    assert found.runs == []
    assert [(f.kind, f.id, f.service_name, f.service_version, f.agent_id) for f in found.findings] == [
        (FindingKind.UNASSIGNED, f"{TRACE}-{ident(1)}", "bot", "1", "bot")
    ]


def test_the_agent_is_that_of_the_release_then_the_named_one_then_the_service():
    assert run(call(1), releases=known((RELEASE, "registered", "9", 0))).agent_id == "registered"
    assert run(call(1, agent_id="named")).agent_id == "named"
    assert run(call(1)).agent_id == "bot"


def test_a_named_agent_that_contradicts_the_release_is_refused():
    releases = known((RELEASE, "registered", "9", 0))
    found = assembled(call(1, agent_id="named"), releases=releases)
    assert found.runs == []
    assert [(f.kind, f.release_id, f.agent_id) for f in found.findings] == [
        (FindingKind.AGENT_MISMATCH, RELEASE, "named")
    ]
    assert run(call(1, agent_id="registered"), releases=releases).agent_id == "registered"


def test_the_environment_is_the_run_spans_or_the_default():
    assert run(call(1, environment="staging")).environment == "staging"
    assert run(call(1), options=Options(default_environment="dev")).environment == "dev"


def test_task_tenant_and_session_without_a_value():
    found = run(call(1))
    assert (found.task_id, found.tenant_id, found.session_id) == ("default", "default", None)


def test_a_task_is_the_run_spans_own():
    assert run(span(1, 0, "agent", task="refund"), call(2, 1, task="other")).task_id == "refund"


@pytest.mark.parametrize("field", ["tenant", "session"])
def test_where_a_ranked_field_is_looked_up(field):
    """Within one key: the run span, its ancestors (nearest first), its resource, its other spans in order."""

    def looked_up(own="", near="", far="", resource="", early="", late="", stranger="") -> str | None:
        at = {n: {field: text} for n, text in {1: far, 2: near, 3: own, 5: early, 4: late, 6: stranger}.items()}
        at[3][f"resource_{field}"] = resource
        found = {
            r.span_id: r
            for r in runs(
                span(1, **at[1]),
                span(2, 1, **at[2]),
                span(3, 2, "agent", start=2, **at[3]),
                call(5, 3, start=3, **at[5]),
                call(4, 5, start=4, **at[4]),
                span(6, 1, "agent", start=5, **at[6]),
            )
        }[ident(3)]
        return getattr(found, f"{field}_id")

    places = ["own", "near", "far", "resource", "early", "late"]
    for place, name in enumerate(places):
        assert looked_up(**{p: f"b{p}" for p in places[place:]}, stranger="bx") == name
        assert looked_up(**{p: f"b{p}" for p in places if p != name}, **{name: "abetter"}) == "better"
    assert looked_up(stranger="ax") == ("default" if field == "tenant" else None)


def test_a_key_of_a_workspace_makes_a_tenant_end_to_end():
    mapper = Mapper(table(tenant_keys=["app.tenant"]))
    common = {
        "trace_id": TRACE,
        "resource": {"flightdeck.release_id": RELEASE},
        "start_ns": EPOCH_NS,
        "end_ns": EPOCH_NS,
    }
    agent = mapper.span(
        span_id=ident(1), attributes={"gen_ai.operation.name": "invoke_agent", "user.id": "u"}, **common
    )
    child = mapper.span(span_id=ident(2), parent_id=ident(1), attributes={"app.tenant": "acme"}, **common)
    assert run(agent, child).tenant_id == "acme"
    assert run(agent).tenant_id.startswith("u_")


# --- outcome ------------------------------------------------------------------------------------------


def outcome(*spans: Span) -> tuple[bool, str | None]:
    found = run(*spans)
    return found.success, found.error_type


def test_a_run_without_errors_is_a_success():
    assert outcome(span(1, 0, "agent"), call(2, 1)) == (True, None)


def test_the_run_spans_own_word_decides():
    assert outcome(span(1, 0, "agent", run_success=1, error=1, error_type="E")) == (True, None)
    assert outcome(span(1, 0, "agent", run_success=0)) == (False, "_OTHER")
    assert outcome(span(1, 0, "agent", run_success=0, run_error_type="a.Budget", error_type="E")) == (False, "a.Budget")


def test_the_run_spans_error_fails_the_run():
    assert outcome(span(1, 0, "agent", error=1, error_type="E"), call(2, 1)) == (False, "E")


def test_errors_of_calls_and_tools_alone_are_recovered():
    assert outcome(span(1, 0, "agent"), call(2, 1, error=1), span(3, 1, "tool", error=1), span(4, 1, error=1)) == (
        True,
        None,
    )


@pytest.mark.parametrize("kind", ["agent", "workflow", "chain"])
@pytest.mark.parametrize(
    ("later", "success"),
    [
        ([call(4, 1, 50, 60)], True),
        ([span(4, 1, "tool", 50, 60)], True),
        ([call(4, 1, 49.9, 60)], False),
        ([span(4, 1, "chain", 50, 60), span(5, 1, "agent", 60, 70)], False),
        ([], False),
    ],
)
def test_an_actor_or_chain_that_failed_finally_fails_the_run(kind, later, success):
    failed = span(3, 1, kind, 10, 50, error=1, error_type="Final")
    assert outcome(span(1, 0, "agent"), call(2, 1, 1, 9), failed, *later) == (success, None if success else "Final")


def test_the_error_named_is_that_of_the_final_failure_that_ended_first():
    failed = [
        span(2, 1, "chain", 0, 50, error=1, error_type="Outer"),
        span(3, 2, "agent", 0, 40, error=1, error_type="Inner"),
    ]
    assert outcome(span(1, 0, "agent"), *failed) == (False, "Inner")


def test_an_error_without_a_name_is_named_by_the_failed_span_that_ended_last():
    spans = [
        call(2, 1, 0, 40, error=1, error_type="Early"),
        span(3, 1, "tool", 0, 60, error=1, error_type="Late"),
        span(4, 1, "", 0, 90, error=1),
        span(5, 1, "", 0, 95, error_type="NoError"),
    ]
    assert outcome(span(1, 0, "agent", error=1), *spans) == (False, "Late")
    assert outcome(span(1, 0, "agent", error=1)) == (False, "_OTHER")


def test_a_span_without_a_usable_end_ends_at_its_start():
    failed = span(3, 1, "agent", 50, error=1, end_ns=0)
    assert outcome(span(1, 0, "agent"), failed, call(4, 1, 49)) == (False, "_OTHER")
    assert outcome(span(1, 0, "agent"), failed, call(4, 1, 50)) == (True, None)


# --- tools and latency --------------------------------------------------------------------------------


def tool(n: int, above: int = 1, named: str = "", **fields) -> Span:
    return span(n, above, "tool", tool=named, **fields)


def test_tools_are_counted_by_name_failed_attempts_too():
    assert agent_run(tool(2, named="b"), tool(3, named="a", error=1), tool(4, named="a")).tools == [("a", 2), ("b", 1)]


@pytest.mark.parametrize(
    ("name", "called"),
    [
        ("search.__call__", "search"),
        ("search.run", "search"),
        ("search.tool", "search"),
        ("search.invoke", "search"),
        ("search.run.tool", "search.run"),
        ("run", "run"),
        ("search", "search"),
    ],
)
def test_a_tool_without_a_name_is_called_by_its_span(name, called):
    assert agent_run(tool(2, name=name)).tools == [(called, 1)]
    assert agent_run(tool(2, named="x.run", name=name)).tools == [("x.run", 1)]


def test_handoffs_are_no_tools():
    spans = [tool(2, named="handoff to Sales"), tool(3, name="handoff to Billing"), tool(4, named="transfer_to_sales")]
    assert agent_run(*spans).tools == [("transfer_to_sales", 1)]


def test_a_tool_below_one_of_the_same_name_is_the_same_invocation():
    spans = [
        tool(2, named="a"),
        span(3, 2, "chain"),
        tool(4, 3, "b"),
        tool(5, 4, "a"),
        tool(6, 5, "b"),
        tool(7, 1, "a"),
    ]
    assert agent_run(*spans).tools == [("a", 2), ("b", 1)]


def test_a_tool_below_one_of_the_same_name_in_another_run_is_its_own():
    found = runs(span(1, 0, "agent", run=1), tool(2, named="a"), span(3, 2, "agent", run=1), tool(4, 3, "a"))
    assert [r.tools for r in found] == [[("a", 1)], [("a", 1)]]


def test_tools_beyond_the_limit_become_one():
    spans = [tool(n, named=f"t{n % 4}") for n in range(2, 12)]
    assert agent_run(*spans, options=Options(most_tools=3)).tools == [("_other", 4), ("t2", 3), ("t3", 3)]


@pytest.mark.parametrize(
    ("end", "latency"),
    [
        (0, 0),
        (0.4999, 0),
        (0.5, 1),
        (1.5, 2),
        (7 * DAY_MS, 7 * DAY_MS),
        (7 * DAY_MS + 0.4, 7 * DAY_MS),
        (7 * DAY_MS + 0.5, None),
        (-1, None),
    ],
)
def test_latency_is_rounded_half_up_and_not_believed_beyond_a_week(end, latency):
    assert run(call(1, end=end)).latency_ms == latency


def test_latency_without_a_start_or_an_end_is_unknown():
    assert run(call(1, start_ns=0)).latency_ms is None
    assert run(call(1, end_ns=0)).latency_ms is None


# --- on the wire --------------------------------------------------------------------------------------


def test_the_main_model_has_most_output_over_its_tiers_and_of_equal_ones_is_the_first():
    spans = [
        call(2, 1, tokens=1, output=5, model="b"),
        call(3, 1, tokens=130_000, output=3, model="a"),
        call(4, 1, tokens=1, output=3, model="a"),
    ]
    assert main_model(agent_run(*spans).models) == ("openai", "a")
    assert main_model(agent_run(spans[0], replace(spans[1], output=5)).models) == ("openai", "a")
    assert main_model([]) == ("", "")


def test_a_run_as_an_event():
    found = agent_run(
        call(2, 1, tokens=130_000, output=5, cached=7), tool(3, named="search"), call(4, 1, tokens=None, output=None)
    )
    event = run_event(found).model_dump(mode="json")
    assert event["timestamp"] == "2025-11-24T16:00:01Z"
    assert event["request"] == {"session_id": None, "trace_id": TRACE, "span_id": ident(1)}
    assert event["metrics"] == {"latency_ms": 1000, "success": True, "error_type": None}
    assert event["usage"]["model"] == {
        "provider": "openai",
        "model": "gpt-4.1",
        "input_tokens": 130_000,
        "output_tokens": 5,
        "cached_input_tokens": 7,
    }
    assert [(row["input_tier"], row["calls"]) for row in event["usage"]["models"]] == [(1, 1)]
    assert event["usage"]["tools"] == [{"tool_name": "search", "invocations": 1, "cost_units": 0.0}]
    assert event["usage"]["calls_without_usage"] == 1
    assert (event["run_kind"], event["source"], event["type"], event["labels"]) == ("agent", "otlp", "run_end", {})


def test_no_spans_are_an_empty_assembly():
    assert assembled() == Assembly(runs=[], findings=[], closed=True, distinct_spans=0)
