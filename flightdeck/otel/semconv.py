"""THE attribute table: which attribute of which dialect feeds which field of a span.

Within a field the first row that yields a value wins, so dialects are coalesced per field, never per span: one span
may carry two of them, each lacking other fields. The table is data only, in the language of ``otel/rows.py``.
``otel/spans.py`` holds its Python form, ``store/mapping.py`` its SQL form; a test runs the same payloads through both
and demands equal spans.

Sources: OpenTelemetry GenAI conventions, OpenInference, OpenLLMetry, Vercel AI SDK, Langfuse, LangSmith, Logfire, as
their emitters were seen to emit them.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from flightdeck.errors import Misconfigured
from flightdeck.otel.rows import (
    EXCEPTION_EVENT,
    MOST_TOKENS,
    RANKS,
    READERS,
    RELEASE_ID,
    UNKNOWN_ERROR,
    Field,
    Map,
    Part,
    Plain,
    Reader,
    Release,
    Row,
    Source,
    Sum,
    Tail,
    Type,
    User,
    part_pattern,
    rank_mark,
    sum_pattern,
)

__all__ = [
    "ACTORS",
    "CALLS",
    "EXCEPTION_EVENT",
    "FIELDS",
    "FLAGS_PARENT_IS_REMOTE",
    "GENERATIVE",
    "ID_LENGTH",
    "INFERRED_PROVIDERS",
    "MODEL_PREFIXES",
    "MOST_CONFIGURED_KEYS",
    "MOST_TOKENS",
    "NAME_LENGTH",
    "PROVIDERS",
    "RANKS",
    "READERS",
    "RELEASE_ID",
    "SPAN_KIND_CONSUMER",
    "SPAN_KIND_SERVER",
    "STATUS_ERROR",
    "TABLE",
    "UNKNOWN_ERROR",
    "Field",
    "Kind",
    "Map",
    "Part",
    "Plain",
    "Reader",
    "Release",
    "Row",
    "Source",
    "Sum",
    "Tail",
    "Type",
    "User",
    "part_pattern",
    "rank_mark",
    "sum_pattern",
    "table",
]

# --- closed sets --------------------------------------------------------------------------------------


class Kind(StrEnum):
    """What a span is, in GenAI terms; the empty text is none of these."""

    LLM = "llm"
    EMBEDDING = "embedding"
    RERANK = "rerank"
    TOOL = "tool"
    AGENT = "agent"
    WORKFLOW = "workflow"
    CHAIN = "chain"
    GUARDRAIL = "guardrail"
    OTHER = "other"


CALLS = frozenset({Kind.LLM.value, Kind.EMBEDDING.value, Kind.RERANK.value})
"""Kinds that bill tokens."""
ACTORS = frozenset({Kind.AGENT.value, Kind.WORKFLOW.value})
GENERATIVE = frozenset(kind.value for kind in Kind if kind is not Kind.OTHER)
"""Kinds that make a part of a trace worth a run."""


SPAN_KIND_SERVER, SPAN_KIND_CONSUMER = 2, 5
STATUS_ERROR = 2
FLAGS_PARENT_IS_REMOTE = 0x300
"""Both bits of the OTLP span flags: 'has is_remote' and 'is_remote'."""

ID_LENGTH = 256
"""Longest run, release, agent, tenant, task, session and response id and environment, in Unicode characters."""
NAME_LENGTH = 128
"""Longest model, provider, tool, span, scope and error name, in Unicode characters."""

MOST_CONFIGURED_KEYS = 12
"""So many keys of a workspace's own for tenants, and as many for tasks."""
_CONFIGURED_TENANT_RANK = 3
_USER_RANK = _CONFIGURED_TENANT_RANK + MOST_CONFIGURED_KEYS

FIELDS: tuple[Field, ...] = (
    Field("kind", Type.TEXT),
    Field("error", Type.FLAG),
    Field("error_type", Type.TEXT, NAME_LENGTH),
    Field("input", Type.INTEGER),
    Field("cached", Type.INTEGER),
    Field("creation", Type.INTEGER),
    Field("output", Type.INTEGER),
    Field("reasoning", Type.INTEGER),
    Field("response_model", Type.TEXT, NAME_LENGTH),
    Field("model", Type.TEXT, NAME_LENGTH),
    Field("provider", Type.TEXT, NAME_LENGTH),
    Field("response_id", Type.TEXT, ID_LENGTH),
    Field("tool", Type.TEXT, NAME_LENGTH),
    Field("release_id", Type.TEXT, ID_LENGTH),
    Field("resource_release_id", Type.TEXT, ID_LENGTH),
    Field("langfuse_release_id", Type.TEXT, ID_LENGTH),
    Field("service_name", Type.TEXT, ID_LENGTH),
    Field("service_version", Type.TEXT, ID_LENGTH),
    Field("agent_version", Type.TEXT, ID_LENGTH),
    Field("agent_id", Type.TEXT, ID_LENGTH),
    Field("environment", Type.TEXT, ID_LENGTH),
    Field("task", Type.TEXT, ID_LENGTH),
    Field("tenant", Type.TEXT, ID_LENGTH, ranked=True),
    Field("resource_tenant", Type.TEXT, ID_LENGTH, ranked=True),
    Field("session", Type.TEXT, ID_LENGTH, ranked=True),
    Field("resource_session", Type.TEXT, ID_LENGTH, ranked=True),
    Field("run", Type.FLAG),
    Field("run_id", Type.TEXT, ID_LENGTH),
    Field("run_success", Type.FLAG),
    Field("run_error_type", Type.TEXT, NAME_LENGTH),
)
"""The fields that the table feeds. Beside a row's map, ``error`` is set by status code ERROR; ``kind`` is ``llm`` if
no row yields one but the span has input tokens and a model (``response_model`` or ``model``)."""

# --- kinds --------------------------------------------------------------------------------------------

_KINDS: dict[str, dict[Kind, str]] = {
    "gen_ai.operation.name": {
        Kind.LLM: "chat text_completion generate_content",
        Kind.EMBEDDING: "embeddings",
        Kind.TOOL: "execute_tool",
        Kind.AGENT: "invoke_agent",
        Kind.WORKFLOW: "invoke_workflow",
        Kind.CHAIN: "chain execute_task execute_event_loop_cycle",
        Kind.OTHER: "create_agent handoff retrieval plan *_memory *_memory_store",
    },
    "openinference.span.kind": {
        Kind.LLM: "LLM",
        Kind.EMBEDDING: "EMBEDDING",
        Kind.RERANK: "RERANKER",
        Kind.TOOL: "TOOL",
        Kind.AGENT: "AGENT",
        Kind.CHAIN: "CHAIN",
        Kind.GUARDRAIL: "GUARDRAIL",
        Kind.OTHER: "RETRIEVER EVALUATOR PROMPT DECISION",
    },
    "traceloop.span.kind": {
        Kind.TOOL: "tool",
        Kind.AGENT: "agent",
        Kind.WORKFLOW: "workflow",
        Kind.CHAIN: "task",
        Kind.OTHER: "handoff",
    },
    "ai.operationId": {
        Kind.LLM: "*.doGenerate *.doStream",
        Kind.EMBEDDING: "*.doEmbed",
        Kind.TOOL: "ai.toolCall",
        Kind.CHAIN: "ai.*",
    },
    "langfuse.observation.type": {
        Kind.LLM: "generation",
        Kind.EMBEDDING: "embedding",
        Kind.TOOL: "tool",
        Kind.AGENT: "agent",
        Kind.CHAIN: "chain span",
        Kind.GUARDRAIL: "guardrail",
        Kind.OTHER: "event retriever evaluator",
    },
    "langsmith.span.kind": {
        Kind.LLM: "llm",
        Kind.EMBEDDING: "embedding",
        Kind.TOOL: "tool",
        Kind.CHAIN: "chain",
        Kind.OTHER: "retriever prompt",
    },
}
"""Key by key the values that say a kind."""


def _kind_map(kinds: dict[Kind, str]) -> Map:
    return Map(tuple((value, kind.value) for kind, values in kinds.items() for value in values.split()))


PROVIDERS = Map(
    (
        ("openai.*", "openai"),
        ("anthropic.*", "anthropic"),
        ("gemini", "google"),
        ("gcp.*", "google"),
        ("google_genai", "google"),
        ("vertex_ai", "google"),
        ("azure.*", "azure"),
        ("aws.bedrock", "aws"),
        ("mistral*", "mistral"),
        ("x_ai", "x-ai"),
        ("moonshot_ai", "moonshotai"),
        # frameworks are not providers
        ("langchain", ""),
        ("langgraph", ""),
        ("crewai", ""),
        ("strands-agents", ""),
        ("microsoft.agent_framework", ""),
        ("litellm", ""),
    ),
    lower=True,
    keep=True,
)
"""Provider names as emitted, mapped to the ids of genai-prices."""

MODEL_PREFIXES = ("openai/", "anthropic/", "gemini/", "vertex_ai/", "azure/", "bedrock/")
"""One of these at the start of a model's name goes; decided on the mapped span (``otel/layers.py``)."""
INFERRED_PROVIDERS: tuple[tuple[str, str], ...] = (
    (r"gpt|o[0-9]|text-embedding", "openai"),
    (r"claude", "anthropic"),
    (r"gemini", "google"),
)
"""How a model's name, its prefix cut, begins, and whose it then is where no provider is named."""

# --- usage --------------------------------------------------------------------------------------------

_U, _T, _A = "gen_ai.usage.", "llm.token_count.", "ai.usage."
_LANGFUSE = "langfuse.observation.usage_details"
_Keys = tuple[tuple[str, Reader], ...]


def _plain(*keys: str) -> _Keys:
    return tuple((key, Plain()) for key in keys)


def _part(name: str, *keys: str) -> _Keys:
    return tuple((key, Part(name)) for key in keys)


_USAGE: dict[str, _Keys] = {
    "input": (
        *_plain(_U + "input_tokens", _T + "prompt", _A + "inputTokens"),
        *_plain(_U + "prompt_tokens", "llm.usage.prompt_tokens", _A + "promptTokens", _A + "tokens"),
        *_part("prompt_tokens", _LANGFUSE),
        *_part("input_tokens", _LANGFUSE),
        (_LANGFUSE, Sum("input")),
    ),
    "output": (
        *_plain(_U + "output_tokens", _T + "completion", _A + "outputTokens"),
        *_plain(_U + "completion_tokens", "llm.usage.completion_tokens", _A + "completionTokens"),
        *_part("completion_tokens", _LANGFUSE),
        *_part("output_tokens", _LANGFUSE),
        (_LANGFUSE, Sum("output")),
    ),
    "cached": (
        *_plain(_U + "cache_read.input_tokens", _U + "cache_read_input_tokens", _U + "input_tokens.cached"),
        *_plain(_T + "prompt_details.cache_read"),
        *_plain(_A + "cachedInputTokens", _A + "inputTokenDetails.cacheReadTokens"),
        *_plain(_U + "details.cache_read_tokens"),
        *_part("cache_read", _U + "input_token_details", "langsmith.metadata.usage_metadata"),
        *_part("cached_tokens", _U + "raw", "metadata.usage_object", _LANGFUSE),
        *_part("input_cache_read", _LANGFUSE),
    ),
    "creation": (
        *_plain(_U + "cache_write.input_tokens", _U + "cache_creation.input_tokens"),
        *_plain(_U + "cache_creation_input_tokens", _U + "cache_write_input_tokens"),
        *_plain(_T + "prompt_details.cache_write", _A + "inputTokenDetails.cacheWriteTokens"),
        *_part("input_cache_creation", _LANGFUSE),
    ),
    "reasoning": (
        *_plain(_U + "reasoning.output_tokens", _U + "reasoning_tokens"),
        *_plain(_T + "completion_details.reasoning", _A + "reasoningTokens", _U + "details.reasoning_tokens"),
        *_part("reasoning", _U + "output_token_details"),
        *_part("reasoning_tokens", _U + "raw", _LANGFUSE),
        *_part("output_reasoning", _LANGFUSE),
    ),
}

_NAMES: dict[str, tuple[str, ...]] = {
    # A response model beats any other name of the model, hence two fields.
    "response_model": ("gen_ai.response.model", "llm.response.model_name", "ai.response.model"),
    "model": (
        "llm.model_name",
        "embedding.model_name",
        "langfuse.observation.model.name",
        "gen_ai.request.model",
        "ai.model.id",
    ),
    "response_id": ("gen_ai.response.id", "ai.response.id", "llm.response.id"),
    "tool": ("gen_ai.tool.name", "tool.name", "ai.toolCall.name", "mcp.tool.name", "traceloop.entity.name"),
}
_PROVIDER_KEYS = ("gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system", "ai.model.provider")

# --- identity -----------------------------------------------------------------------------------------

_TENANT_KEYS = ("flightdeck.tenant_id", "tenant.id", "tenant_id")
_USER_KEYS = (
    "user.id",
    "enduser.id",
    "langfuse.user.id",
    "traceloop.association.properties.user_id",
    "ai.telemetry.metadata.userId",
)
_SESSION_KEYS = (
    "flightdeck.session_id",
    "gen_ai.conversation.id",
    "session.id",
    "langfuse.session.id",
    "traceloop.association.properties.session_id",
    "traceloop.association.properties.thread_id",
    "ai.telemetry.metadata.sessionId",
    "langsmith.metadata.thread_id",
)
_TASK_KEYS = (
    "gen_ai.workflow.name",
    "traceloop.workflow.name",
    "ai.telemetry.functionId",
    "gen_ai.agent.name",
    "agent.name",
)
_ENVIRONMENT_KEYS = (
    "flightdeck.environment",
    "deployment.environment.name",
    "deployment.environment",
    "langfuse.environment",
)
_RESOURCE_ONLY = ("service.", "deployment.")
_OWN_VALUE = Plain()


def _sources(key: str) -> tuple[Source, ...]:
    """Where an identity key is looked for: on the span, then its resource, but some on the resource alone."""
    return (Source.RESOURCE,) if key.startswith(_RESOURCE_ONLY) else (Source.SPAN, Source.RESOURCE)


def _either(field: str, keys: Iterable[str], reader: Reader = _OWN_VALUE) -> Iterable[Row]:
    """Rows of a field whose keys come first: for each key the span's attribute, then the resource's."""
    return (Row(field, source, key, Type.TEXT, reader) for key in keys for source in _sources(key))


def _looked_up(field: str, ranked_keys: Iterable[tuple[int, str, Reader]]) -> Iterable[Row]:
    """Rows of a field that is looked up on other spans too: one column for the span, one for its resource."""
    for rank, key, reader in ranked_keys:
        for source in _sources(key):
            name = field if source is Source.SPAN else f"resource_{field}"
            yield Row(name, source, key, Type.TEXT, reader, rank)


def _own_keys(what: str, keys: Iterable[str], known: Iterable[str]) -> tuple[str, ...]:
    """Configured keys without repetition and without those that the table has anyway."""
    own = tuple(dict.fromkeys(key for key in keys if key not in frozenset(known)))
    if len(own) > MOST_CONFIGURED_KEYS:
        raise Misconfigured(
            f"{what} names {len(own)} attributes", hint=f"keep the {MOST_CONFIGURED_KEYS} that matter most"
        )
    for key in own:
        if key in _USER_KEYS:
            raise Misconfigured(
                f"{what} names {key!r}, whose values are user ids; these are never stored",
                hint="leave it out: a run without any tenant gets the hash of its user as tenant",
            )
        if not key:
            raise Misconfigured(f"{what} has an empty name", hint="name the attribute")
    return own


def table(tenant_keys: Iterable[str] = (), task_keys: Iterable[str] = ()) -> tuple[Row, ...]:
    """The whole table, with a workspace's own keys for tenants and tasks.

    Own tenant keys rank after the known tenant keys and before the users, own task keys after ``flightdeck.task_id``.
    Raises Misconfigured for more than ``MOST_CONFIGURED_KEYS`` of one sort, an empty one, or one of user ids.

    >>> [row.key for row in table(task_keys=["app.job"]) if row.field == "task"][:4]
    ['flightdeck.task_id', 'flightdeck.task_id', 'app.job', 'app.job']
    """
    own_tenant_keys = _own_keys("assembly.tenant_keys", tenant_keys, _TENANT_KEYS)
    own_task_keys = _own_keys("assembly.task_keys", task_keys, ("flightdeck.task_id", *_TASK_KEYS))
    tenants: list[tuple[int, str, Reader]] = [
        *((rank, key, Plain()) for rank, key in enumerate(_TENANT_KEYS)),
        *((rank, key, Plain()) for rank, key in enumerate(own_tenant_keys, _CONFIGURED_TENANT_RANK)),
        *((rank, key, User()) for rank, key in enumerate(_USER_KEYS, _USER_RANK)),
    ]
    sessions: list[tuple[int, str, Reader]] = [(rank, key, Plain()) for rank, key in enumerate(_SESSION_KEYS)]
    return (
        *(Row("kind", Source.SPAN, key, Type.TEXT, _kind_map(kinds)) for key, kinds in _KINDS.items()),
        *(Row(field, Source.SPAN, key, Type.INTEGER, reader) for field, keys in _USAGE.items() for key, reader in keys),
        *(Row(field, Source.SPAN, key) for field, keys in _NAMES.items() for key in keys),
        *(Row("provider", Source.SPAN, key, Type.TEXT, PROVIDERS) for key in _PROVIDER_KEYS),
        Row("error", Source.SPAN, "langfuse.observation.level", Type.FLAG, Map((("ERROR", "error"),))),
        Row("error_type", Source.SPAN, "error.type", Type.TEXT, Tail()),
        Row("error_type", Source.EVENT, "exception.type", Type.TEXT, Tail()),
        Row("release_id", Source.SPAN, "flightdeck.release_id"),
        Row("resource_release_id", Source.RESOURCE, "flightdeck.release_id"),
        *_either("langfuse_release_id", ("langfuse.release",), Release()),
        Row("service_name", Source.RESOURCE, "service.name"),
        Row("service_version", Source.RESOURCE, "service.version"),
        Row("agent_version", Source.SPAN, "gen_ai.agent.version"),
        *_either("agent_id", ("flightdeck.agent_id",)),
        *_either("environment", _ENVIRONMENT_KEYS),
        *_either("task", ("flightdeck.task_id", *own_task_keys, *_TASK_KEYS)),
        *_looked_up("tenant", tenants),
        *_looked_up("session", sessions),
        Row("run", Source.SPAN, "flightdeck.run", Type.FLAG),
        Row("run_id", Source.SPAN, "flightdeck.run_id"),
        Row("run_success", Source.SPAN, "flightdeck.success", Type.FLAG),
        Row("run_error_type", Source.SPAN, "flightdeck.error_type"),
    )


TABLE: tuple[Row, ...] = table()
"""The table without configured keys."""
