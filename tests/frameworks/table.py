"""``docs/frameworks.md``, made of the recorded results: nothing stands there that was not run.

python -m tests.frameworks.table          # write it
python -m tests.frameworks.table --check  # fail if it is not current
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from tests.frameworks.cases import CASES

RESULTS = Path(__file__).with_name("results.json")
PAGE = Path(__file__).parents[2] / "docs" / "frameworks.md"

HEAD = """\
# Frameworks

Made by `python -m tests.frameworks` (`make frameworks`), which runs each agent in `tests/frameworks/agents` in an
environment of its own, against a scripted model on loopback: a question that takes one call of a tool and two of the
model, then one that the model refuses. Each agent runs twice under `opentelemetry-instrument`: its spans go over OTLP,
and its runs through the run exporter. The runs must be equal, and must hold every call and token that the model
reported, the tool, and the failure. `tests/frameworks/results.json` holds what was seen.

"right" means all of that. What else is said there is not in the emitted spans, so that no mapping could know it.
"Prompts in spans" says whether spans that leave the agent hold the question, although the distribution asks every
instrumentation that can be asked not to; FlightDeck's server stores none either way, and the run exporter sends none.

`opentelemetry-instrument` skips an instrumentation whose own requirements are not met, and says so at level DEBUG only:
OpenInference's for LlamaIndex wants `llama-index-multi-modal-llms-openai`, OpenTelemetry's for `google-genai` a version
below 3. That no span of an instrumentation arrives is the sign of it.

| framework | instrumentation | code | prompts in spans | OTLP and run exporter | seen |
|---|---|---|---|---|---|
"""


def page(results: list[dict[str, Any]]) -> str:
    """The page; every case that was recorded has a row."""
    reasons = {case.name: dict(case.lacks) for case in CASES}
    return HEAD + "".join(_row(one, reasons.get(one["case"], {})) for one in results)


def _row(record: dict[str, Any], reasons: dict[str, str]) -> str:
    cells = (
        _versions(record["versions"]),
        _versions(record["instrumentation"]) or "its own",
        record["code"] or "none",
        "**yes**" if record["prompts_in_spans"] else "no",
        "equal" if record["equal"] else "**differ**",
        _seen(record, reasons),
    )
    return f"| {' | '.join(cells)} |\n"


def _versions(versions: dict[str, str]) -> str:
    return ", ".join(f"`{name}` {version}" for name, version in sorted(versions.items()))


def _seen(record: dict[str, Any], reasons: dict[str, str]) -> str:
    """What was found, in the order of the reasons; findings of one reason together."""
    found = record["findings"]
    together: list[tuple[list[str], str]] = []
    for name in [*(name for name in reasons if name in found), *(name for name in found if name not in reasons)]:
        if reasons.get(name) == "same" and together:
            together[-1][0].append(name)
        else:
            together.append(([f"{name}: {found[name]}"], reasons.get(name, "")))
    told = [", ".join(names) + (f" ({reason})" if reason else "") for names, reason in together]
    if record["beside"]:
        told.append(f"{record['beside']} single calls beside them, which no diff counts")
    return "; ".join(told if found else ["right", *told]).replace("|", "\\|")


def main() -> int:
    """Writes the page, or checks it."""
    current = page(json.loads(RESULTS.read_text()))
    if "--check" in sys.argv:
        if PAGE.read_text() != current:
            print(f"{PAGE.name} is not made of {RESULTS.name}: python -m tests.frameworks.table", file=sys.stderr)
            return 1
        return 0
    PAGE.write_text(current)
    return 0


if __name__ == "__main__":
    sys.exit(main())
