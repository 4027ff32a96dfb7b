"""Assembly is a function of the set of spans; it loses no token and ends, whatever the links between spans."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from flightdeck.otel.releases import KnownReleases
from flightdeck.otel.runs import FindingKind, Options, assemble, run_event
from flightdeck.otel.spans import Span

TRACE = "ab" * 16
OPTIONS = Options()
RELEASES = KnownReleases()
RELEASES.add("rel_registered00", agent_id="bot", version="2", registered_us=5)
MOST = 10
CALL_KINDS = ["llm", "embedding", "rerank"]
KINDS = [*CALL_KINDS, "llm", "llm", "tool", "agent", "workflow", "chain", "guardrail", "other", ""]


def ident(n: int) -> str:
    return f"{n:016x}"


few_tokens = st.none() | st.integers(0, 3)
ids = st.integers(0, MOST + 2).map(lambda n: ident(n) if n else "")  # some parents are never stored
texts = st.sampled_from(["", "", "a", "b"])
marked = st.sampled_from(["", "", "ax", "ay", "bx"])
moments = st.integers(0, 30).map(lambda ms: ms * 1_000_000)

spans = st.builds(
    Span,
    trace_id=st.just(TRACE),
    span_id=st.integers(1, MOST).map(ident),
    parent_id=ids,
    remote=st.sampled_from([0, 0, 0, 1]),
    name=texts,
    scope=texts,
    start_ns=moments,
    end_ns=moments,
    landed_us=st.just(10**15),
    kind=st.sampled_from(KINDS),
    error=st.sampled_from([0, 0, 1]),
    error_type=texts,
    input=few_tokens,
    cached=few_tokens,
    creation=few_tokens,
    output=few_tokens,
    reasoning=few_tokens,
    response_model=texts,
    model=texts,
    provider=texts,
    response_id=texts,
    tool=texts,
    release_id=texts,
    resource_release_id=st.sampled_from(["r", "r", "r", "", "q"]),
    service_name=st.just("bot"),
    service_version=st.sampled_from(["1", "1", "2"]),
    agent_id=st.sampled_from(["", "", "other"]),
    environment=texts,
    task=texts,
    tenant=marked,
    resource_tenant=marked,
    session=marked,
    resource_session=marked,
    run=st.sampled_from([0, 0, 0, 0, 1]),
    run_id=st.sampled_from(["", "", "", "job"]),
    run_success=st.sampled_from([None, None, 0, 1]),
    run_error_type=texts,
)
traces = st.lists(spans, max_size=MOST + 4)


def one_part(made: list[Span]) -> list[Span]:
    """The same spans in one part of one registered, whole trace: each its own, whose parent is stored or absent."""
    by_id = {span.span_id: span for span in made}
    return [
        replace(
            span,
            parent_id=span.parent_id if span.parent_id in by_id else "",
            release_id="",
            resource_release_id="r",
            service_version="1",
            agent_id="",
        )
        for span in by_id.values()
    ]


@given(st.data(), traces, st.booleans())
def test_any_order_and_repetition_gives_the_same(data, made, settled):
    expected = assemble(made, RELEASES, OPTIONS, settled=settled)
    repeated = made + data.draw(st.lists(st.sampled_from(made))) if made else made
    arrived = data.draw(st.permutations(repeated))
    assert assemble(arrived, RELEASES, OPTIONS, settled=settled) == expected


@given(traces, st.booleans())
def test_spans_are_not_changed(made, settled):
    before = [replace(span) for span in made]
    assemble(made, RELEASES, OPTIONS, settled=settled)
    assert made == before


@given(traces)
def test_settling_adds_runs_and_takes_none_away(made):
    waiting = assemble(made, RELEASES, OPTIONS, settled=False)
    settled = assemble(made, RELEASES, OPTIONS, settled=True)
    assert {run.span_id for run in waiting.runs} <= {run.span_id for run in settled.runs}
    assert waiting.closed == settled.closed
    if waiting.closed:
        assert waiting == settled


@given(traces)
def test_every_run_is_a_valid_event_of_its_own(made):
    """Ids are unique, models and tools sorted and unique, a failure is named, a success is not."""
    found = assemble(made, RELEASES, OPTIONS, settled=True)
    assert len({run.run_id for run in found.runs}) == len(found.runs)
    for run in found.runs:
        event = run_event(run)
        assert [(row.provider, row.model, row.input_tier or 0) for row in event.usage.models] == sorted(
            {(row.provider, row.model, row.input_tier) for row in run.models}
        )
        assert [name for name, _ in run.tools] == sorted({name for name, _ in run.tools})
        assert (run.error_type is None) == run.success
        assert run.release_id
        assert all(row.calls > 0 for row in run.models)


@given(traces)
def test_a_span_is_a_run_or_a_finding_once(made):
    found = assemble(made, RELEASES, OPTIONS, settled=True)
    spans_of_runs = [run.span_id for run in found.runs]
    assert len(set(spans_of_runs)) == len(spans_of_runs)
    assert len({(finding.kind, finding.id) for finding in found.findings}) == len(found.findings)
    missing = {span.parent_id for span in made} - {span.span_id for span in made} - {""}
    incomplete = {f.id for f in found.findings if f.kind is FindingKind.INCOMPLETE}
    assert incomplete <= {f"{TRACE}-{parent}" for parent in missing}
    assert found.distinct_spans == len({span.span_id for span in made})


@given(traces)
def test_no_token_is_lost_where_each_call_is_reported_once(made):
    """Calls of one scope that stand above nothing: what goes in comes out, run by run added up."""
    whole = one_part(made)
    above = {span.parent_id for span in whole}
    once = [
        replace(span, scope="s", kind="chain" if span.kind in CALL_KINDS and span.span_id in above else span.kind)
        for span in whole
    ]
    calls = [s for s in once if s.kind in CALL_KINDS and (s.input is not None or s.output is not None)]
    found = assemble(once, RELEASES, OPTIONS, settled=True).runs
    rows = [row for run in found for row in run.models]
    apart = [(s.cached or 0) + (s.creation or 0) for s in calls]
    added = sum(extra for s, extra in zip(calls, apart, strict=True) if extra > (s.input or 0))
    assert sum(row.calls for row in rows) == len(calls)
    assert sum(row.input for row in rows) == sum(s.input or 0 for s in calls) + added
    assert sum(row.output for row in rows) == sum(s.output or 0 for s in calls)
    assert sum(row.cached for row in rows) == sum(s.cached or 0 for s in calls)


@given(traces)
def test_a_reported_call_is_counted_in_some_layer(made):
    """However many layers: a kind with usage in a whole trace has a call that counts, and never more than there are."""
    whole = one_part(made)
    calls = [s for s in whole if s.kind in CALL_KINDS and (s.input is not None or s.output is not None)]
    rows = [row for run in assemble(whole, RELEASES, OPTIONS, settled=True).runs for row in run.models]
    assert len({s.kind for s in calls}) <= sum(row.calls for row in rows) <= len(calls)


@settings(max_examples=30)
@given(st.lists(st.integers(0, 400), min_size=400, max_size=400), st.sampled_from(KINDS))
def test_any_links_between_many_spans_end(parents, kind):
    """Cycles, spans that are their own parents, and chains of all depths."""
    made = [
        Span(TRACE, ident(n), ident(parent), start_ns=n, end_ns=n, kind=kind, input=1, resource_release_id="r")
        for n, parent in enumerate(parents)
    ]
    found = assemble(made, RELEASES, OPTIONS, settled=True)
    assert found == assemble(made[::-1], RELEASES, OPTIONS, settled=True)
    assert found.closed == all(parent < 400 for parent in parents) or not kind or kind == "other"
