"""THE attribute table: which attribute of which dialect feeds which field of a span.

A row is ``(field, source, key, type, reader)``. Within a field the first row that yields a value wins, so dialects
are coalesced per field, never per span: one span may carry two of them, each lacking other fields. The table is data
only. ``otel/spans.py`` holds its Python form, ``store/mapping.py`` its SQL form; a test runs the same payloads through
both and demands equal spans.

Readers turn an attribute into a value, or into none; then the next row of the field is asked:

- *plain*: a text is a non-empty string; an integer arrives as int, as double (cut to the integer) or as decimal string
  (optional sign and digits); negative is 0, beyond ``MOST_TOKENS`` or unparsable is none; a flag is a bool.
- *part(name)*: of a string, the integer of the first match of ``part_pattern(name)``.
- *sum(name)*: of a string, the sum of the integers of all matches of ``sum_pattern(name)``; none without a match.
- *map(table)*: of a string, the value of the pattern that fits; see ``Map``.
- *tail*: of a string, what follows its last ``.``; ``_OTHER`` is none.
- *release*: a string that fits ``RELEASE_ID``, whole.
- *user*: ``u_`` and the first 12 hex digits of the SHA-256 of the whole string in UTF-8: raw user ids are not stored.

Sources: OpenTelemetry GenAI conventions, OpenInference, OpenLLMetry, Vercel AI SDK, Langfuse, LangSmith, Logfire, as
their emitters were seen to emit them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

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


class Source(StrEnum):
    """Where an attribute stands."""

    SPAN = "span"
    RESOURCE = "resource"
    EVENT = "event"
    """An event of the span named ``exception``; of several the first, in order, that yields a value."""


class Type(StrEnum):
    """What a field holds; a text without a value is empty, a number or flag without one is none."""

    TEXT = "text"
    INTEGER = "integer"
    FLAG = "flag"


EXCEPTION_EVENT = "exception"
SPAN_KIND_SERVER, SPAN_KIND_CONSUMER = 2, 5
STATUS_ERROR = 2
FLAGS_PARENT_IS_REMOTE = 0x300
"""Both bits of the OTLP span flags: 'has is_remote' and 'is_remote'."""

MOST_TOKENS = 10**9
ID_LENGTH = 256
"""Longest run, release, agent, tenant, task, session and response id and environment, in Unicode characters."""
NAME_LENGTH = 128
"""Longest model, provider, tool, span, scope and error name, in Unicode characters."""

RELEASE_ID = r"rel_[0-9a-f]{12}"
UNKNOWN_ERROR = "_OTHER"

# --- readers ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Plain:
    """The attribute's own value."""


@dataclass(frozen=True, slots=True)
class Part:
    """The integer after ``name`` in JSON or printed Python."""

    name: str


@dataclass(frozen=True, slots=True)
class Sum:
    """The sum of all integers in JSON or printed Python whose name is ``name`` or starts with ``name_``."""

    name: str


@dataclass(frozen=True, slots=True)
class Map:
    """The value beside the pattern that fits.

    A pattern with ``*`` at its start or at its end fits by suffix or prefix; any other fits the whole text, and beats
    those with ``*``, of which the first that fits counts. A value of "" means that the text yields none. ``lower``
    puts the text into lower case first; ``keep`` yields a text that fits no pattern as it is (in lower case), else it
    yields none. A flag is set by any value.
    """

    table: tuple[tuple[str, str], ...]
    lower: bool = False
    keep: bool = False


@dataclass(frozen=True, slots=True)
class Tail:
    """What follows the last dot of a (class) name; ``UNKNOWN_ERROR`` is none."""


@dataclass(frozen=True, slots=True)
class Release:
    """A text that looks like a release id; any other is none."""


@dataclass(frozen=True, slots=True)
class User:
    """A user id, hashed."""


Reader = Plain | Part | Sum | Map | Tail | Release | User
READERS: tuple[type[Reader], ...] = (Plain, Part, Sum, Map, Tail, Release, User)
"""The closed set: each has one Python form and one SQL form."""

_BLANK = r"[ \t\n\f\r]*"


def part_pattern(name: str) -> str:
    """The regular expression (RE2 and Python) whose one group is the integer that ``Part`` reads."""
    return rf"""['"]{name}['"]{_BLANK}:{_BLANK}([0-9]+)"""


def sum_pattern(name: str) -> str:
    """The regular expression (RE2 and Python) whose one group is an integer that ``Sum`` adds."""
    return rf"""['"]{name}(?:_[^'"]*)?['"]{_BLANK}:{_BLANK}([0-9]+)"""


# --- rows and fields ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Row:
    """One attribute that may feed a field.

    ``rank`` is given in ranked fields (see ``Field``) and stays the same whatever keys are configured, so that stored
    spans keep their meaning.
    """

    field: str
    source: Source
    key: str
    type: Type = Type.TEXT
    reader: Reader = Plain()
    rank: int | None = None


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a span that rows feed.

    ``length`` is where a text is cut, in Unicode characters. The text of a ``ranked`` field is preceded by
    ``rank_mark(row.rank)``: its rows are looked up on several spans, and a better key on a farther span beats a worse
    key on a nearer one. The mark does not count for ``length``.
    """

    name: str
    type: Type
    length: int | None = None
    ranked: bool = False


def rank_mark(rank: int) -> str:
    """The one character that stands for a rank; marks sort as ranks do.

    >>> rank_mark(0), rank_mark(1) < rank_mark(2)
    ('a', True)
    """
    if not 0 <= rank < RANKS:
        raise ValueError(f"rank {rank} is not within 0..{RANKS - 1}")
    return chr(ord("a") + rank)


RANKS = 26
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

_KINDS: tuple[tuple[str, tuple[tuple[str, Kind], ...]], ...] = (
    (
        "gen_ai.operation.name",
        (
            ("chat", Kind.LLM),
            ("text_completion", Kind.LLM),
            ("generate_content", Kind.LLM),
            ("embeddings", Kind.EMBEDDING),
            ("execute_tool", Kind.TOOL),
            ("invoke_agent", Kind.AGENT),
            ("invoke_workflow", Kind.WORKFLOW),
            ("chain", Kind.CHAIN),
            ("execute_task", Kind.CHAIN),
            ("execute_event_loop_cycle", Kind.CHAIN),
            ("create_agent", Kind.OTHER),
            ("handoff", Kind.OTHER),
            ("retrieval", Kind.OTHER),
            ("plan", Kind.OTHER),
            ("*_memory", Kind.OTHER),  # create, search, update, upsert, delete
            ("*_memory_store", Kind.OTHER),  # create, delete
        ),
    ),
    (
        "openinference.span.kind",
        (
            ("LLM", Kind.LLM),
            ("EMBEDDING", Kind.EMBEDDING),
            ("RERANKER", Kind.RERANK),
            ("TOOL", Kind.TOOL),
            ("AGENT", Kind.AGENT),
            ("CHAIN", Kind.CHAIN),
            ("RETRIEVER", Kind.OTHER),
            ("EVALUATOR", Kind.OTHER),
            ("PROMPT", Kind.OTHER),
            ("DECISION", Kind.OTHER),
            ("GUARDRAIL", Kind.GUARDRAIL),
        ),
    ),
    (
        "traceloop.span.kind",
        (
            ("tool", Kind.TOOL),
            ("agent", Kind.AGENT),
            ("workflow", Kind.WORKFLOW),
            ("task", Kind.CHAIN),
            ("handoff", Kind.OTHER),
        ),
    ),
    (
        "ai.operationId",
        (
            ("*.doGenerate", Kind.LLM),
            ("*.doStream", Kind.LLM),
            ("*.doEmbed", Kind.EMBEDDING),
            ("ai.toolCall", Kind.TOOL),
            ("ai.*", Kind.CHAIN),
        ),
    ),
    (
        "langfuse.observation.type",
        (
            ("generation", Kind.LLM),
            ("embedding", Kind.EMBEDDING),
            ("tool", Kind.TOOL),
            ("agent", Kind.AGENT),
            ("chain", Kind.CHAIN),
            ("span", Kind.CHAIN),
            ("event", Kind.OTHER),
            ("retriever", Kind.OTHER),
            ("evaluator", Kind.OTHER),
            ("guardrail", Kind.GUARDRAIL),
        ),
    ),
    (
        "langsmith.span.kind",
        (
            ("llm", Kind.LLM),
            ("embedding", Kind.EMBEDDING),
            ("tool", Kind.TOOL),
            ("chain", Kind.CHAIN),
            ("retriever", Kind.OTHER),
            ("prompt", Kind.OTHER),
        ),
    ),
)

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
"""One of these at the start of a model's name goes; decided on the mapped span (``otel/calls.py``)."""
INFERRED_PROVIDERS: tuple[tuple[str, str], ...] = (
    (r"gpt|o[0-9]|text-embedding", "openai"),
    (r"claude", "anthropic"),
    (r"gemini", "google"),
)
"""How a model's name, its prefix cut, begins, and whose it then is where no provider is named."""

# --- usage --------------------------------------------------------------------------------------------

_U, _T, _A = "gen_ai.usage.", "llm.token_count.", "ai.usage."
_LANGFUSE_USAGE = "langfuse.observation.usage_details"

_USAGE: tuple[tuple[str, tuple[tuple[str, Reader], ...]], ...] = (
    (
        "input",
        (
            (_U + "input_tokens", Plain()),
            (_T + "prompt", Plain()),
            (_A + "inputTokens", Plain()),
            (_U + "prompt_tokens", Plain()),
            ("llm.usage.prompt_tokens", Plain()),
            (_A + "promptTokens", Plain()),
            (_A + "tokens", Plain()),
            (_LANGFUSE_USAGE, Part("prompt_tokens")),
            (_LANGFUSE_USAGE, Part("input_tokens")),
            (_LANGFUSE_USAGE, Sum("input")),
        ),
    ),
    (
        "output",
        (
            (_U + "output_tokens", Plain()),
            (_T + "completion", Plain()),
            (_A + "outputTokens", Plain()),
            (_U + "completion_tokens", Plain()),
            ("llm.usage.completion_tokens", Plain()),
            (_A + "completionTokens", Plain()),
            (_LANGFUSE_USAGE, Part("completion_tokens")),
            (_LANGFUSE_USAGE, Part("output_tokens")),
            (_LANGFUSE_USAGE, Sum("output")),
        ),
    ),
    (
        "cached",
        (
            (_U + "cache_read.input_tokens", Plain()),
            (_U + "cache_read_input_tokens", Plain()),
            (_U + "input_tokens.cached", Plain()),
            (_T + "prompt_details.cache_read", Plain()),
            (_A + "cachedInputTokens", Plain()),
            (_A + "inputTokenDetails.cacheReadTokens", Plain()),
            (_U + "details.cache_read_tokens", Plain()),
            (_U + "input_token_details", Part("cache_read")),
            ("langsmith.metadata.usage_metadata", Part("cache_read")),
            (_U + "raw", Part("cached_tokens")),
            ("metadata.usage_object", Part("cached_tokens")),
            (_LANGFUSE_USAGE, Part("cached_tokens")),
            (_LANGFUSE_USAGE, Part("input_cache_read")),
        ),
    ),
    (
        "creation",
        (
            (_U + "cache_write.input_tokens", Plain()),
            (_U + "cache_creation.input_tokens", Plain()),
            (_U + "cache_creation_input_tokens", Plain()),
            (_U + "cache_write_input_tokens", Plain()),
            (_T + "prompt_details.cache_write", Plain()),
            (_A + "inputTokenDetails.cacheWriteTokens", Plain()),
            (_LANGFUSE_USAGE, Part("input_cache_creation")),
        ),
    ),
    (
        "reasoning",
        (
            (_U + "reasoning.output_tokens", Plain()),
            (_U + "reasoning_tokens", Plain()),
            (_T + "completion_details.reasoning", Plain()),
            (_A + "reasoningTokens", Plain()),
            (_U + "details.reasoning_tokens", Plain()),
            (_U + "output_token_details", Part("reasoning")),
            (_U + "raw", Part("reasoning_tokens")),
            (_LANGFUSE_USAGE, Part("reasoning_tokens")),
            (_LANGFUSE_USAGE, Part("output_reasoning")),
        ),
    ),
)

_NAMES: tuple[tuple[str, tuple[str, ...]], ...] = (
    # A response model beats any other name of the model, hence two fields.
    ("response_model", ("gen_ai.response.model", "llm.response.model_name", "ai.response.model")),
    (
        "model",
        (
            "llm.model_name",
            "embedding.model_name",
            "langfuse.observation.model.name",
            "gen_ai.request.model",
            "ai.model.id",
        ),
    ),
    ("response_id", ("gen_ai.response.id", "ai.response.id", "llm.response.id")),
    ("tool", ("gen_ai.tool.name", "tool.name", "ai.toolCall.name", "mcp.tool.name", "traceloop.entity.name")),
)
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


def _sources(key: str) -> tuple[Source, ...]:
    """Where an identity key is looked for: on the span, then its resource, but some on the resource alone."""
    return (Source.RESOURCE,) if key.startswith(_RESOURCE_ONLY) else (Source.SPAN, Source.RESOURCE)


def _either(field: str, keys: Iterable[str], reader: Reader = Plain()) -> Iterable[Row]:
    """Rows of a field whose keys come first: for each key the span's attribute, then the resource's."""
    return (Row(field, source, key, Type.TEXT, reader) for key in keys for source in _sources(key))


def _looked_up(field: str, ranked_keys: Iterable[tuple[int, str, Reader]]) -> Iterable[Row]:
    """Rows of a field that is looked up on other spans too: one column for the span, one for its resource."""
    for rank, key, reader in ranked_keys:
        for source in _sources(key):
            name = field if source is Source.SPAN else f"resource_{field}"
            yield Row(name, source, key, Type.TEXT, reader, rank)


def _own_keys(keys: Iterable[str], known: Iterable[str]) -> tuple[str, ...]:
    """Configured keys without repetition and without those that the table has anyway; raises ValueError."""
    own = tuple(key for key in dict.fromkeys(keys) if key not in frozenset(known))
    if len(own) > MOST_CONFIGURED_KEYS:
        raise ValueError(f"{len(own)} configured keys are too many: at most {MOST_CONFIGURED_KEYS}")
    if not all(own):
        raise ValueError("a configured key is empty")
    return own


def table(tenant_keys: Iterable[str] = (), task_keys: Iterable[str] = ()) -> tuple[Row, ...]:
    """The whole table, with a workspace's own keys for tenants and tasks.

    Own tenant keys rank after the known tenant keys and before the users, own task keys after ``flightdeck.task_id``.
    More than ``MOST_CONFIGURED_KEYS`` of one sort, or an empty one, raises ValueError.

    >>> [row.key for row in table(task_keys=["app.job"]) if row.field == "task"][:4]
    ['flightdeck.task_id', 'flightdeck.task_id', 'app.job', 'app.job']
    """
    own_tenant_keys = _own_keys(tenant_keys, _TENANT_KEYS)
    own_task_keys = _own_keys(task_keys, ("flightdeck.task_id", *_TASK_KEYS))
    plain = Plain()
    tenants: list[tuple[int, str, Reader]] = [
        *((rank, key, plain) for rank, key in enumerate(_TENANT_KEYS)),
        *((rank, key, plain) for rank, key in enumerate(own_tenant_keys, _CONFIGURED_TENANT_RANK)),
        *((rank, key, User()) for rank, key in enumerate(_USER_KEYS, _USER_RANK)),
    ]
    sessions: list[tuple[int, str, Reader]] = [(rank, key, plain) for rank, key in enumerate(_SESSION_KEYS)]
    return (
        *(
            Row("kind", Source.SPAN, key, Type.TEXT, Map(tuple((text, kind.value) for text, kind in kinds)))
            for key, kinds in _KINDS
        ),
        *(Row(field, Source.SPAN, key, Type.INTEGER, reader) for field, rows in _USAGE for key, reader in rows),
        *(Row(field, Source.SPAN, key) for field, keys in _NAMES for key in keys),
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
