"""THE attribute table, key by key: which attribute of which dialect says what of a span.

To read another emitter, add its keys here and nowhere else. Within a field the first key that yields a value wins, so
dialects are coalesced per field, never per span: one span may carry two of them, each lacking other fields.
``otel/semconv.py`` makes the table's rows of these keys.

Sources: OpenTelemetry GenAI conventions, OpenInference, OpenLLMetry, Vercel AI SDK, Langfuse, LangSmith, Logfire, as
their emitters were seen to emit them.
"""

from __future__ import annotations

from flightdeck.otel.kinds import Kind
from flightdeck.otel.rows import Map, Part, Plain, Reader, Sum

# --- kinds --------------------------------------------------------------------------------------------

KINDS: dict[str, dict[Kind, str]] = {
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


USAGE: dict[str, _Keys] = {
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

NAMES: dict[str, tuple[str, ...]] = {
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
PROVIDER_KEYS = ("gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system", "ai.model.provider")

# --- identity -----------------------------------------------------------------------------------------

TENANT_KEYS = ("flightdeck.tenant_id", "tenant.id", "tenant_id")
USER_KEYS = (
    "user.id",
    "enduser.id",
    "langfuse.user.id",
    "traceloop.association.properties.user_id",
    "ai.telemetry.metadata.userId",
)
SESSION_KEYS = (
    "flightdeck.session_id",
    "gen_ai.conversation.id",
    "session.id",
    "langfuse.session.id",
    "traceloop.association.properties.session_id",
    "traceloop.association.properties.thread_id",
    "ai.telemetry.metadata.sessionId",
    "langsmith.metadata.thread_id",
)
TASK_KEYS = (
    "gen_ai.workflow.name",
    "traceloop.workflow.name",
    "ai.telemetry.functionId",
    "gen_ai.agent.name",
    "agent.name",
)
ENVIRONMENT_KEYS = (
    "flightdeck.environment",
    "deployment.environment.name",
    "deployment.environment",
    "langfuse.environment",
)
