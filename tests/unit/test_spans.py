"""Attributes become the fields of a span: readers, order of keys, lengths, times."""

import hashlib
import math

import pytest

from flightdeck.otel.readers import read_integer
from flightdeck.otel.semconv import table
from flightdeck.otel.spans import Mapper, Span, from_attributes, timestamp_us


def mapped(attributes=None, resource=None, **known) -> Span:
    return from_attributes(
        trace_id="0" * 31 + "1", span_id="0" * 15 + "1", attributes=attributes or {}, resource=resource or {}, **known
    )


def langfuse(text):
    return mapped({"langfuse.observation.type": "generation", "langfuse.observation.usage_details": text})


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (0, 0),
        (7, 7),
        (-5, 0),
        (10**9, 10**9),
        (10**9 + 1, None),
        (-(10**30), 0),
        (33.9, 33),
        (-0.5, 0),
        (-7.0, 0),
        (1e9 + 0.5, 10**9),
        (1e300, None),
        (math.nan, None),
        (math.inf, None),
        (-math.inf, None),
        ("120", 120),
        ("+12", 12),
        ("-12", 0),
        ("-" + "9" * 5000, 0),
        ("9" * 5000, None),
        ("0" * 5000 + "7", 7),
        ("1000000001", None),
        ("", None),
        ("+", None),
        (" 1", None),
        ("1\n", None),
        ("1.0", None),
        ("1e3", None),
        ("1_0", None),
        ("٣", None),
        (True, None),
        (None, None),
        ([1], None),
        ({"a": 1}, None),
        (b"1", None),
    ],
)
def test_a_count_is_an_int_a_double_or_a_decimal_string(value, number):
    assert read_integer(value) == number


def test_a_key_without_a_value_gives_way_to_the_next():
    span = mapped({"gen_ai.usage.input_tokens": "many", "ai.usage.tokens": 3, "llm.usage.prompt_tokens": 77})
    assert span.input == 77


def test_the_first_key_with_a_value_wins_whatever_the_order_of_attributes():
    keys = {"gen_ai.usage.input_tokens": 1, "llm.token_count.prompt": 2, "ai.usage.tokens": 3}
    assert mapped(keys).input == mapped(dict(reversed(keys.items()))).input == 1


def test_dialects_are_coalesced_per_field():
    """One span carries two dialects, each lacking a field."""
    span = mapped(
        {
            "openinference.span.kind": "LLM",
            "llm.token_count.prompt": 10,
            "gen_ai.usage.output_tokens": 2,
            "gen_ai.usage.cache_read.input_tokens": 4,
        }
    )
    assert (span.kind, span.input, span.output, span.cached) == ("llm", 10, 2, 4)


@pytest.mark.parametrize(
    ("text", "cached"),
    [
        ("{'audio': 1, 'cache_read': 7}", 7),
        ('{"cache_read": 7}', 7),
        ('{"cache_read"  :\n 7.9}', 7),
        ('{"cache_read": 1, "cache_read": 2}', 1),
        ('{"cache_read": -7}', None),
        ('{"cache_read": "7"}', None),
        ('{"my_cache_read": 7}', None),
        ('{"cache_read_x": 7}', None),
        ('{"cache_read": 1000000001}', None),
        ('{"cache_read": ' + "9" * 5000 + "}", None),
        ("", None),
        (7, None),
    ],
)
def test_part_reads_an_integer_out_of_json_and_printed_python(text, cached):
    assert mapped({"gen_ai.usage.input_token_details": text}).cached == cached


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ('{"input": 10, "input_cache_read": 5, "input_audio": 2, "inputs": 99, "xinput": 99}', 17),
        ("{'input': 10}", 10),
        ('{"input_cache_read": 5}', 5),
        ('{"input": 0}', 0),
        ('{"input": {"a": 1}}', None),
        ('{"input": 1000000000, "input_audio": 1}', None),
        ('{"input": 1000000001, "input_audio": 1}', None),
        ('{"output": 3}', None),
    ],
)
def test_sum_adds_the_name_and_what_follows_it_after_an_underscore(text, tokens):
    assert langfuse(text).input == tokens


def test_langfuse_in_the_providers_shape_is_read_before_its_flat_buckets():
    span = langfuse('{"prompt_tokens": 127, "completion_tokens": 27, "input": 1, "input_cached_tokens": 64}')
    assert (span.input, span.output) == (127, 27)


def test_the_two_shapes_of_langfuse_give_the_same_fields():
    flat = langfuse('{"input": 63, "output": 20, "input_cache_read": 64, "output_reasoning": 7}')
    nested = langfuse(
        '{"prompt_tokens": 127, "completion_tokens": 27, "prompt_tokens_details": {"cached_tokens": 64}, '
        '"completion_tokens_details": {"reasoning_tokens": 7}}'
    )
    assert (flat.input, flat.output, flat.cached, flat.reasoning) == (127, 27, 64, 7)
    assert (nested.input, nested.output, nested.cached, nested.reasoning) == (127, 27, 64, 7)


@pytest.mark.parametrize(
    ("key", "value", "kind"),
    [
        ("gen_ai.operation.name", "text_completion", "llm"),
        ("gen_ai.operation.name", "embeddings", "embedding"),
        ("gen_ai.operation.name", "invoke_workflow", "workflow"),
        ("gen_ai.operation.name", "execute_event_loop_cycle", "chain"),
        ("gen_ai.operation.name", "search_memory", "other"),
        ("gen_ai.operation.name", "create_agent", "other"),
        ("gen_ai.operation.name", "CHAT", ""),
        ("openinference.span.kind", "RERANKER", "rerank"),
        ("openinference.span.kind", "GUARDRAIL", "guardrail"),
        ("openinference.span.kind", "UNKNOWN", ""),
        ("traceloop.span.kind", "task", "chain"),
        ("ai.operationId", "ai.streamText.doStream", "llm"),
        ("ai.operationId", "ai.embedMany.doEmbed", "embedding"),
        ("ai.operationId", "ai.toolCall", "tool"),
        ("ai.operationId", "ai.generateText", "chain"),
        ("ai.operationId", "other", ""),
        ("langfuse.observation.type", "span", "chain"),
        ("langfuse.observation.type", "guardrail", "guardrail"),
        ("langsmith.span.kind", "retriever", "other"),
    ],
)
def test_the_kind_of_a_value(key, value, kind):
    assert mapped({key: value}).kind == kind


def test_the_kind_is_that_of_the_first_key_whose_value_is_listed():
    assert mapped({"gen_ai.operation.name": "unheard_of", "openinference.span.kind": "TOOL"}).kind == "tool"
    assert mapped({"gen_ai.operation.name": "plan", "openinference.span.kind": "TOOL"}).kind == "other"


def test_a_span_with_input_tokens_and_a_model_alone_is_a_call():
    assert mapped({"llm.token_count.prompt": 0, "llm.model_name": "m"}).kind == "llm"
    assert mapped({"llm.token_count.prompt": 1, "gen_ai.response.model": "m"}).kind == "llm"
    assert mapped({"llm.token_count.completion": 1, "llm.model_name": "m"}).kind == ""
    assert mapped({"llm.token_count.prompt": 1}).kind == ""
    retrieval = {"gen_ai.operation.name": "retrieval", "llm.token_count.prompt": 1, "llm.model_name": "m"}
    assert mapped(retrieval).kind == "other"


@pytest.mark.parametrize(
    ("named", "provider"),
    [
        ("OpenAI", "openai"),
        ("openai.responses", "openai"),
        ("anthropic.messages", "anthropic"),
        ("gemini", "google"),
        ("gcp.vertex_ai", "google"),
        ("google_genai", "google"),
        ("vertex_ai", "google"),
        ("azure.ai.openai", "azure"),
        ("aws.bedrock", "aws"),
        ("mistralai", "mistral"),
        ("x_ai", "x-ai"),
        ("moonshot_ai", "moonshotai"),
        ("Groq", "groq"),
        ("LangChain", ""),
        ("microsoft.agent_framework", ""),
    ],
)
def test_a_provider_is_named_as_the_price_list_names_it(named, provider):
    assert mapped({"gen_ai.provider.name": named}).provider == provider


def test_a_framework_named_as_provider_gives_way_to_the_next_key():
    assert mapped({"gen_ai.system": "langchain", "llm.provider": "groq"}).provider == "groq"


def test_a_response_model_is_kept_apart_from_other_names():
    span = mapped({"gen_ai.request.model": "gpt-4.1", "llm.response.model_name": "gpt-4.1-2025-04-14"})
    assert (span.response_model, span.model) == ("gpt-4.1-2025-04-14", "gpt-4.1")


def test_strings_are_cut_in_characters():
    long = "é" * 300
    span = mapped(
        {
            "flightdeck.run_id": long,
            "flightdeck.release_id": long,
            "flightdeck.session_id": long,
            "flightdeck.tenant_id": long,
            "flightdeck.task_id": long,
            "flightdeck.environment": long,
            "flightdeck.error_type": long,
            "gen_ai.response.id": long,
            "gen_ai.response.model": long,
            "gen_ai.provider.name": long,
            "gen_ai.tool.name": long,
            "error.type": "a." + long,
        },
        name=long,
        scope=long,
    )
    ids = [span.run_id, span.release_id, span.session[1:], span.tenant[1:], span.task, span.environment]
    assert {len(text) for text in [*ids, span.response_id]} == {256}
    names = [span.response_model, span.provider, span.tool, span.name, span.scope, span.error_type]
    assert {len(text) for text in [*names, span.run_error_type]} == {128}


def test_an_error_is_a_status_or_langfuses_level():
    assert mapped(status_code=2).error
    assert mapped({"langfuse.observation.level": "ERROR"}).error
    assert not mapped({"langfuse.observation.level": "WARNING"}, status_code=1).error


@pytest.mark.parametrize(
    ("attributes", "exceptions", "named"),
    [
        ({"error.type": "openai.RateLimitError"}, ["ValueError"], "RateLimitError"),
        ({"error.type": "_OTHER"}, ["builtins.ValueError"], "ValueError"),
        ({"error.type": "500"}, [], "500"),
        ({}, ["_OTHER", "", None, "a.B", "c.D"], "B"),
        ({"error.type": "ends.with.dot."}, ["E"], "E"),
        ({}, [], ""),
    ],
)
def test_an_error_type_is_the_tail_of_the_first_name_that_says_something(attributes, exceptions, named):
    assert mapped(attributes, exception_types=exceptions).error_type == named


def test_only_a_bool_is_a_flag():
    assert (mapped({"flightdeck.run": True}).run, mapped({"flightdeck.run": "true"}).run) == (1, 0)
    assert [mapped({"flightdeck.success": value}).run_success for value in (True, False, "false", 0)] == [
        1,
        0,
        None,
        None,
    ]


def test_only_a_string_that_looks_like_a_release_is_one_for_langfuse():
    """One that does not is skipped, the resource's is tried next."""
    real = "rel_0123456789ab"
    assert mapped({"langfuse.release": "v1.2"}, {"langfuse.release": real}).langfuse_release_id == real
    assert mapped({"langfuse.release": real + "c"}).langfuse_release_id == ""
    assert mapped({"langfuse.release": real + "\n"}).langfuse_release_id == ""


def test_releases_of_span_and_resource_are_told_apart():
    """The resource's divides parts; the span's only names its run's release."""
    span = mapped({"flightdeck.release_id": "a"}, {"flightdeck.release_id": "b", "service.version": "1"})
    assert (span.release_id, span.resource_release_id, span.service_version) == ("a", "b", "1")


def test_a_service_on_the_span_is_none():
    assert mapped({"service.name": "x", "deployment.environment.name": "y"}) == mapped()


def test_a_better_key_of_the_resource_beats_a_worse_one_of_the_span():
    resource = {"deployment.environment.name": "staging"}
    assert mapped({"langfuse.environment": "dev"}, resource).environment == "staging"
    assert mapped({"flightdeck.environment": "canary"}, resource).environment == "canary"


def test_a_looked_up_text_says_which_key_it_comes_from():
    tenant = mapped({"tenant_id": "acme"}).tenant
    user = mapped({"user.id": "alice"}).tenant
    session = mapped({"session.id": "s-1"}, {"flightdeck.session_id": "s-2"})
    assert (tenant[1:], session.session[1:], session.resource_session[1:]) == ("acme", "s-1", "s-2")
    assert tenant[0] < user[0]
    assert session.resource_session[0] < session.session[0]


def test_a_user_is_hashed_whole_and_never_kept():
    user = "u" * 5000
    digest = hashlib.sha256(user.encode()).hexdigest()[:12]
    assert mapped({"enduser.id": user}).tenant[1:] == f"u_{digest}"


def test_own_keys_of_a_workspace_are_read():
    mapper = Mapper(table(tenant_keys=["app.tenant"], task_keys=["app.job"]))
    attributes = {"app.tenant": "acme", "user.id": "alice", "app.job": "refund", "agent.name": "support"}
    span = mapper.span(trace_id="1", span_id="2", attributes=attributes)
    assert (span.tenant[1:], span.task) == ("acme", "refund")


@pytest.mark.parametrize(("kind", "remote"), [(0, 0), (1, 0), (2, 1), (3, 0), (4, 0), (5, 1)])
def test_servers_and_consumers_count_as_remote_parented(kind, remote):
    assert mapped(span_kind=kind).remote == remote
    assert mapped(span_kind=kind, parent_is_remote=True).remote == 1


def test_values_of_other_sorts_are_no_values():
    strange = [None, [1], {"a": 1}, b"x", object(), "", 1 + 2j]
    keys = ("gen_ai.operation.name", "gen_ai.usage.input_tokens", "session.id", "user.id", "error.type")
    for value in strange:
        assert mapped(dict.fromkeys(keys, value), dict.fromkeys(keys, value), exception_types=[value]) == mapped()


def test_ten_thousand_attributes_are_only_looked_past():
    noise = {f"noise.{n}": "x" * 100 for n in range(10_000)}
    assert mapped({**noise, "gen_ai.usage.input_tokens": 3}).input == 3


NOW_US = 1_764_000_000_000_000


@pytest.mark.parametrize(
    ("start_us", "end_us", "moment", "bad"),
    [
        (NOW_US - 10, NOW_US - 3, NOW_US - 3, False),
        (NOW_US - 10, 0, NOW_US - 10, False),
        (NOW_US - 10, NOW_US - 11, NOW_US - 10, False),
        (0, NOW_US - 3, NOW_US, True),
        (0, 0, NOW_US, True),
        (NOW_US + 3_600_000_000, NOW_US + 3_600_000_001, NOW_US + 3_600_000_001, False),
        (NOW_US + 3_600_000_001, NOW_US + 3_600_000_002, NOW_US, True),
    ],
)
def test_the_timestamp_of_a_span(start_us, end_us, moment, bad):
    span = Span("1", "2", start_ns=start_us * 1000, end_ns=end_us * 1000, landed_us=NOW_US)
    assert timestamp_us(span) == (moment, bad)


def test_the_timestamp_is_floored_to_microseconds():
    span = Span("1", "2", start_ns=1000, end_ns=NOW_US * 1000 + 999, landed_us=NOW_US)
    assert timestamp_us(span) == (NOW_US, False)
