"""The attribute table is well-formed, complete and free of what must not be read."""

import re
from collections import defaultdict
from dataclasses import fields

import pytest

from flightdeck.errors import Misconfigured
from flightdeck.otel import semconv
from flightdeck.otel.kinds import Kind
from flightdeck.otel.rows import RANKS, READERS, Map, Part, Plain, Source, Sum, Type, User, rank_mark
from flightdeck.otel.semconv import TABLE, table
from flightdeck.otel.spans import SPAN_FIELDS, Column, Span

BY_FIELD = defaultdict(list)
for _row in TABLE:
    BY_FIELD[_row.field].append(_row)


def keys(field, source=Source.SPAN):
    return [row.key for row in BY_FIELD[field] if row.source is source]


def test_every_field_has_rows_of_its_type_and_no_row_feeds_an_unknown_field():
    assert {field.name for field in semconv.FIELDS} == BY_FIELD.keys()
    for field in semconv.FIELDS:
        assert {row.type for row in BY_FIELD[field.name]} == {field.type}


def test_every_field_is_a_field_of_the_span_in_the_same_order():
    names = [name for name, _ in SPAN_FIELDS]
    assert names == [field.name for field in fields(Span)]
    fed = [field.name for field in semconv.FIELDS]
    assert [name for name in names if name in fed] == fed


def test_fields_of_a_span_have_the_sort_of_their_type():
    sorts = dict(SPAN_FIELDS)
    for field in semconv.FIELDS:
        allowed = {
            Type.INTEGER: {Column.TOKENS},
            Type.FLAG: {Column.FLAG, Column.OPTIONAL_FLAG},
            Type.TEXT: {Column.NAME, Column.TEXT},
        }
        assert sorts[field.name] in allowed[field.type]


def test_texts_have_a_longest_length():
    assert [field.name for field in semconv.FIELDS if field.type is Type.TEXT and field.length is None] == ["kind"]


def test_readers_are_of_the_closed_set():
    assert {type(row.reader) for row in TABLE} <= set(READERS)


def test_no_row_stands_twice():
    assert len({(row.field, row.source, row.key, row.reader) for row in TABLE}) == len(TABLE)


def test_totals_sums_costs_and_content_are_never_read():
    forbidden = re.compile(
        r"total_tokens|aggregated|cost|message|prompt$|input\.value|output\.value|entity\.(in|out)put"
    )
    assert [row.key for row in TABLE if forbidden.search(row.key)] == ["llm.token_count.prompt"]


def test_service_and_deployment_are_read_from_the_resource_only():
    assert {row.source for row in TABLE if row.key.startswith(("service.", "deployment."))} == {Source.RESOURCE}


def test_the_agents_own_id_is_not_read():
    """Two emitters put a UUID per run there."""
    assert "gen_ai.agent.id" not in {row.key for row in TABLE}


@pytest.mark.parametrize("field", ["agent_id", "environment", "task", "langfuse_release_id"])
def test_keys_come_first_then_the_span_before_its_resource(field):
    rows = BY_FIELD[field]
    for key in {row.key for row in rows}:
        places = [(place, row.source) for place, row in enumerate(rows) if row.key == key]
        assert [source for _, source in places] in ([Source.SPAN, Source.RESOURCE], [Source.RESOURCE])
        assert places[-1][0] - places[0][0] == len(places) - 1


@pytest.mark.parametrize("field", ["tenant", "session"])
def test_a_ranked_key_has_one_rank_on_the_span_and_on_its_resource(field):
    of_span = {row.key: row.rank for row in BY_FIELD[field]}
    of_resource = {row.key: row.rank for row in BY_FIELD[f"resource_{field}"]}
    assert of_span == of_resource
    assert sorted(of_span.values()) == list(of_span.values())
    assert len(set(of_span.values())) == len(of_span)


def test_only_ranked_fields_have_ranks():
    ranked = {field.name for field in semconv.FIELDS if field.ranked}
    assert {row.field for row in TABLE if row.rank is not None} == ranked
    assert all(row.rank is not None for row in TABLE if row.field in ranked)


def test_user_ids_are_only_read_hashed():
    users = {row.key for row in TABLE if isinstance(row.reader, User)}
    assert users == {
        "user.id",
        "enduser.id",
        "langfuse.user.id",
        "traceloop.association.properties.user_id",
        "ai.telemetry.metadata.userId",
    }
    assert not [row for row in TABLE if row.key in users and not isinstance(row.reader, User)]


def test_no_exact_pattern_stands_twice_in_a_map():
    for row in TABLE:
        if isinstance(row.reader, Map):
            patterns = [pattern for pattern, _ in row.reader.table]
            assert len(set(patterns)) == len(patterns)
            assert all(pattern.count("*") <= 1 and "*" not in pattern[1:-1] for pattern in patterns)


def test_kinds_are_those_of_the_enumeration():
    values = {value for row in BY_FIELD["kind"] for _, value in row.reader.table}
    assert values == {kind.value for kind in Kind}


def test_the_order_of_the_input_keys():
    assert [(row.key, row.reader) for row in BY_FIELD["input"]] == [
        ("gen_ai.usage.input_tokens", Plain()),
        ("llm.token_count.prompt", Plain()),
        ("ai.usage.inputTokens", Plain()),
        ("gen_ai.usage.prompt_tokens", Plain()),
        ("llm.usage.prompt_tokens", Plain()),
        ("ai.usage.promptTokens", Plain()),
        ("ai.usage.tokens", Plain()),
        ("langfuse.observation.usage_details", Part("prompt_tokens")),
        ("langfuse.observation.usage_details", Part("input_tokens")),
        ("langfuse.observation.usage_details", Sum("input")),
    ]


def test_own_tenant_keys_rank_after_the_known_ones_and_before_users():
    rows = [row for row in table(tenant_keys=["app.tenant", "service.namespace"]) if row.field == "tenant"]
    assert [row.key for row in rows][:5] == [
        "flightdeck.tenant_id",
        "tenant.id",
        "tenant_id",
        "app.tenant",
        "user.id",
    ]
    on_resource = [r.key for r in table(tenant_keys=["service.namespace"]) if r.field == "resource_tenant"]
    assert on_resource[3] == "service.namespace"


def test_own_keys_leave_the_ranks_of_known_keys_alone():
    """Spans stored before a key was configured keep their meaning."""
    before = {(row.field, row.key): row.rank for row in TABLE}
    after = {(row.field, row.key): row.rank for row in table(tenant_keys=[f"t{n}" for n in range(12)])}
    assert before.items() <= after.items()
    assert max(rank for rank in after.values() if rank is not None) < RANKS


def test_own_task_keys_come_after_flightdecks_and_before_the_frameworks():
    on_span = [r.key for r in table(task_keys=["app.job"]) if r.field == "task" and r.source is Source.SPAN]
    assert on_span[:3] == ["flightdeck.task_id", "app.job", "gen_ai.workflow.name"]


def test_own_keys_that_are_known_or_repeated_change_nothing():
    assert table(tenant_keys=["tenant.id"], task_keys=["agent.name", "agent.name"]) == TABLE
    assert table(tenant_keys=["a", "a"]) == table(tenant_keys=["a"])


@pytest.mark.parametrize(
    ("own", "named"),
    [
        ({"tenant_keys": [f"t{n}" for n in range(13)]}, "assembly.tenant_keys names 13"),
        ({"task_keys": [f"t{n}" for n in range(13)]}, "assembly.task_keys names 13"),
        ({"tenant_keys": [""]}, "empty"),
        ({"tenant_keys": ["user.id"]}, "user.id"),
        ({"task_keys": ["enduser.id"]}, "enduser.id"),
    ],
)
def test_own_keys_that_cannot_work_are_refused_by_name(own, named):
    with pytest.raises(Misconfigured, match=named):
        table(**own)


def test_ranks_end_with_the_alphabet():
    assert rank_mark(RANKS - 1) == "z"
    with pytest.raises(ValueError, match="rank 26"):
        rank_mark(RANKS)
