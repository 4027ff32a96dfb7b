"""What a span is, in GenAI terms: a closed set."""

from __future__ import annotations

from enum import StrEnum


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
