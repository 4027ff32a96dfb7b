"""Which frameworks are tried, with which instrumentation, and what each combination is known not to emit."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """One framework under one combination of instrumentations."""

    framework: str
    agent: str
    """A file of ``agents/``, without its ending; its environment is shared by all cases of the agent."""
    packages: tuple[str, ...]
    """What the agent needs, as requirements."""
    instrumentation: tuple[str, ...] = ()
    """Packages that instrument it; none if it reports by itself."""
    lacks: tuple[tuple[str, str], ...] = ()
    """Of the findings of ``findings.py``, those that the emitted spans leave no choice about, each with the reason."""
    code: str = ""
    """The line that the agent needs beyond ``opentelemetry-instrument``; empty where it needs none."""

    @property
    def name(self) -> str:
        return " + ".join((self.framework, *(self.instrumentation or ("itself",))))


def _cases(
    framework: str, agent: str, packages: tuple[str, ...], *variants: tuple[str, ...], code: str = ""
) -> list[Case]:
    return [
        Case(framework, agent, packages, variant, LACKS.get((framework, variant), ()), code) for variant in variants
    ]


OTEL = "opentelemetry-instrumentation-genai-"
OPENINFERENCE = "openinference-instrumentation-"
OPENLLMETRY = "opentelemetry-instrumentation-"

NO_CALLS = (
    ("calls", f"it emits no spans of model calls: add `{OTEL}openai`"),
    *((name, "same") for name in ("input", "output", "cached", "reasoning", "model", "provider")),
)
NO_REASONING = ("reasoning", "not emitted")
REQUESTED_MODEL = ("model", "only the requested name is emitted")

LACKS: dict[tuple[str, tuple[str, ...]], tuple[tuple[str, str], ...]] = {
    ("openai-agents", (f"{OTEL}openai-agents",)): NO_CALLS,
    ("llama-index", (f"{OTEL}llama-index",)): NO_CALLS,
    ("llama-index", (f"{OPENINFERENCE}llama-index", "llama-index-multi-modal-llms-openai")): (
        REQUESTED_MODEL,
        ("calls without usage", "its spans of preparing a call look like calls that reported nothing"),
    ),
    ("langchain (LangGraph)", (f"{OPENLLMETRY}langchain",)): (NO_REASONING,),
    ("strands-agents", ()): (NO_REASONING, REQUESTED_MODEL),
    ("google-adk", (f"{OPENINFERENCE}google-adk",)): (
        ("calls", "both calls are written on one span, the second over the first: use what ADK emits itself"),
        *((name, "same") for name in ("input", "output", "cached", "reasoning")),
    ),
    ("smolagents", (f"{OPENINFERENCE}smolagents",)): (
        ("runs", "the span of an agent that raises never ends: the trace counts as incomplete"),
        ("outcomes", "same"),
        ("cached", "not emitted"),
        NO_REASONING,
        REQUESTED_MODEL,
    ),
    ("smolagents", (f"{OTEL}smolagents", f"{OTEL}openai")): (("tools", "not emitted"),),
    ("litellm", (f"{OPENINFERENCE}litellm",)): (REQUESTED_MODEL,),
    ("dspy", (f"{OPENINFERENCE}dspy", f"{OPENINFERENCE}litellm")): (REQUESTED_MODEL,),
    ("haystack", (f"{OPENINFERENCE}haystack", f"{OTEL}openai")): (("tools", "tools within an agent are not emitted"),),
    ("crewai", (f"{OPENINFERENCE}crewai",)): NO_CALLS,
    ("agno", (f"{OPENINFERENCE}agno",)): (NO_REASONING, REQUESTED_MODEL),
    ("agno", (f"{OTEL}agno", f"{OTEL}openai")): (
        ("outcomes", "Agno returns an error instead of raising it, and its span is not marked"),
    ),
}

CASES = [
    *_cases(
        "openai",
        "openai_client",
        ("openai",),
        (f"{OTEL}openai",),
        (f"{OPENINFERENCE}openai",),
        (f"{OPENLLMETRY}openai",),
    ),
    *_cases(
        "anthropic",
        "anthropic_client",
        ("anthropic",),
        (f"{OTEL}anthropic",),
        (f"{OPENINFERENCE}anthropic",),
        (f"{OPENLLMETRY}anthropic",),
    ),
    *_cases(
        "google-genai",
        "google_genai_client",
        ("google-genai<3",),
        ("opentelemetry-instrumentation-google-genai",),
        (f"{OPENINFERENCE}google-genai",),
    ),
    *_cases(
        "openai-agents",
        "openai_agents_sdk",
        ("openai-agents",),
        (f"{OTEL}openai-agents", f"{OTEL}openai"),
        (f"{OTEL}openai-agents",),
        (f"{OPENINFERENCE}openai-agents",),
        (f"{OPENINFERENCE}openai-agents", f"{OTEL}openai"),
    ),
    *_cases(
        "pydantic-ai",
        "pydantic_ai_agent",
        ("pydantic-ai-slim[openai]",),
        (),
        (f"{OPENINFERENCE}openai",),
        code="`Agent.instrument_all(InstrumentationSettings(include_content=False))`",
    ),
    *_cases(
        "langchain (LangGraph)",
        "langchain_agent",
        ("langchain", "langchain-openai", "langgraph"),
        (f"{OTEL}langchain",),
        (f"{OPENINFERENCE}langchain",),
        (f"{OPENLLMETRY}langchain",),
        (f"{OPENINFERENCE}langchain", f"{OTEL}openai"),
    ),
    *_cases(
        "llama-index",
        "llama_index_agent",
        ("llama-index-core", "llama-index-llms-openai-like"),
        (f"{OTEL}llama-index", f"{OTEL}openai"),
        (f"{OTEL}llama-index",),
        # Without the second package, which it states as needed, opentelemetry-instrument skips the first, silently.
        (f"{OPENINFERENCE}llama-index", "llama-index-multi-modal-llms-openai"),
    ),
    *_cases("strands-agents", "strands_agent", ("strands-agents[openai]",), (), (f"{OTEL}openai",)),
    *_cases("google-adk", "google_adk_agent", ("google-adk",), (), (f"{OPENINFERENCE}google-adk",)),
    *_cases(
        "agno",
        "agno_agent",
        ("agno", "openai"),
        (f"{OPENINFERENCE}agno",),
        (f"{OTEL}agno", f"{OTEL}openai"),
        (f"{OPENINFERENCE}agno", f"{OTEL}openai"),
    ),
    *_cases(
        "smolagents",
        "smolagents_agent",
        ("smolagents[openai]",),
        (f"{OPENINFERENCE}smolagents",),
        (f"{OTEL}smolagents", f"{OTEL}openai"),
    ),
    *_cases("litellm", "litellm_client", ("litellm",), (f"{OPENINFERENCE}litellm",)),
    *_cases("dspy", "dspy_react", ("dspy",), (f"{OPENINFERENCE}dspy", f"{OPENINFERENCE}litellm"), (f"{OTEL}dspy",)),
    *_cases(
        "autogen",
        "autogen_agent",
        ("autogen-agentchat", "autogen-ext[openai]"),
        (f"{OPENINFERENCE}autogen-agentchat", f"{OTEL}openai"),
    ),
    *_cases("haystack", "haystack_agent", ("haystack-ai",), (f"{OPENINFERENCE}haystack", f"{OTEL}openai")),
    *_cases(
        "crewai",
        "crewai_crew",
        ("crewai",),
        (f"{OPENINFERENCE}crewai", f"{OTEL}openai"),
        (f"{OPENINFERENCE}crewai",),
    ),
]
