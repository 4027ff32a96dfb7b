"""Complete, minimal files that commands take, as their help shows them."""

from __future__ import annotations

RELEASE = """\
api_version: v1
kind: Release
metadata:
  name: support-agent
  version: 1.4.0
spec:
  agent:
    agent_id: support-agent
  runtime:
    provider: openai
    model: gpt-4.1-mini
  prompts:
    system_ref: prompts/system.md
  pricing_reference:
    provider: openai
    pricing_version: openai-2026-11
"""

POLICY = """\
policy_id: support-agent
max_cost_per_run_usd: 0.01
max_error_rate: 0.02
max_latency_ms: 5000
min_baseline_runs: 500
min_candidate_runs: 500
"""

PRICING = """\
provider: openai
pricing_version: openai-2026-11
entries:
  - model: gpt-4.1-mini
    input_usd_per_1k_tokens: 0.0004
    cached_input_usd_per_1k_tokens: 0.0001
    output_usd_per_1k_tokens: 0.0016
"""


def shown(what: str, content: str) -> str:
    """A file as the end of a command's help."""
    lines = "\n".join(f"  {line}" for line in content.splitlines())
    return f"\b\n{what}:\n{lines}"
