"""Two releases and their prices, registered by the command line that FlightDeck 1.3 and this one share."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

_PRICES = """
provider: openai
pricing_version: bench-1
entries:
  - model: gpt-4.1
    input_usd_per_1k_tokens: 0.002
    cached_input_usd_per_1k_tokens: 0.0005
    output_usd_per_1k_tokens: 0.008
"""
_RELEASE = """
api_version: v1
kind: Release
metadata: {{name: support, version: {version}}}
spec:
  agent: {{agent_id: support}}
  runtime: {{provider: openai, model: gpt-4.1}}
  prompts: {{system_ref: system.md}}
  pricing_reference: {{provider: openai, pricing_version: bench-1}}
"""


def registered(program: Sequence[str], where: Path, env: Mapping[str, str]) -> tuple[str, str]:
    """The ids of baseline and candidate, in a workspace that is made if there is none."""

    def run(*arguments: str) -> str:
        command = [*program, *arguments]
        ran = subprocess.run(command, cwd=where, env=env, check=True, capture_output=True, text=True)
        return ran.stdout.strip()

    if not (where / "flightdeck.yaml").exists():
        run("init")
    (where / "prices.yaml").write_text(_PRICES)
    (where / "system.md").write_text("You help customers.\n")
    run("pricing", "import", "prices.yaml")
    ids = []
    for version in ("1.0.0", "1.1.0"):
        (where / "release.yaml").write_text(_RELEASE.format(version=version))
        ids.append(run("release", "register", "release.yaml").splitlines()[-1])
    return ids[0], ids[1]
