"""Runs ``flightdeck`` in this process, for tests of commands."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner, Result

from flightdeck.cli.main import cli

RELEASE = """\
api_version: v1
kind: Release
metadata: {{name: support-agent, version: "{version}"}}
spec:
  agent: {{agent_id: {agent}}}
  runtime: {{provider: openai, model: gpt-4.1-mini}}
  prompts: {{system_ref: prompts/system.md}}
  pricing_reference: {{provider: openai, pricing_version: p1}}
"""
TABLE = """\
provider: openai
pricing_version: p1
entries:
- {model: gpt-4.1-mini, input_usd_per_1k_tokens: 1, output_usd_per_1k_tokens: 2}
"""


def run(*arguments: str) -> Result:
    """Runs a command; its exit code and what it wrote."""
    return CliRunner().invoke(cli, list(arguments), catch_exceptions=False)


def bundle(folder: Path, *, version: str = "1.0.0", agent: str = "agent_support") -> Path:
    """Writes a bundle."""
    (folder / "prompts").mkdir(parents=True)
    (folder / "prompts" / "system.md").write_text("You help.\n")
    (folder / "release.yaml").write_text(RELEASE.format(version=version, agent=agent))
    return folder
