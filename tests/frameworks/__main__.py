"""Runs every agent under every instrumentation, over both ways, and records what came of it.

    python -m tests.frameworks                     # all of it: half an hour, one environment at a time
    python -m tests.frameworks --only crewai agno  # some frameworks; the others' records stay
    python -m tests.frameworks --keep              # leave the environments in .cache/frameworks

The exit code is 1 if the two ways differ, or if something is wrong that ``cases.py`` does not know of.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import httpx

from tests.frameworks.cases import CASES, Case
from tests.frameworks.environments import Environment, light_wheel
from tests.frameworks.findings import cohort, findings, observed
from tests.frameworks.table import PAGE, RESULTS, page
from tests.llm import Model
from tests.serving import Server, serving
from tests.workspace import artifact

HERE = Path(__file__).parent
AGENT_S = 180
RUNS_S = 20.0
MORE_RUNS_S = 2.0
WAYS = {"otlp": {"OTEL_TRACES_EXPORTER": "otlp,console"}, "runs": {"OTEL_TRACES_EXPORTER": "flightdeck"}}
CANARY = "Tyrolean"
"""A word of the agents' question: no span should hold it."""


def main() -> int:
    """Tries the chosen cases; 1 if one is not as it is known."""
    parser = argparse.ArgumentParser(description="Runs agent frameworks against a scripted model.")
    parser.add_argument("--only", nargs="+", default=[], help="frameworks to try")
    parser.add_argument("--keep", action="store_true", help="keep the environments")
    chosen = parser.parse_args()
    cases = [case for case in CASES if not chosen.only or case.framework.split()[0] in chosen.only]
    wheel = light_wheel()
    surprises = 0
    settings = {"FLIGHTDECK_SETTLE": "3"}
    with tempfile.TemporaryDirectory() as folder, Model() as llm, serving(Path(folder), env=settings) as server:
        for agent, group in groupby(cases, key=lambda case: case.agent):
            environment = Environment(agent)
            try:
                for case, record in tried(list(group), environment, wheel, llm, server):
                    surprises += told(case, record)
                    keep(record)
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
                print(f"{agent}: {error}", file=sys.stderr, flush=True)
                surprises += 1
            if not chosen.keep:
                environment.remove()
    PAGE.write_text(page(json.loads(RESULTS.read_text())))
    return 1 if surprises else 0


def tried(
    cases: Sequence[Case], environment: Environment, wheel: Path, llm: Model, server: Server
) -> Iterator[tuple[Case, dict[str, Any]]]:
    """The records of an agent's cases, one after the other."""
    environment.make(cases[0].packages, wheel)
    for case in cases:
        environment.add(case.instrumentation)
        ways = {way: one_way(case, environment, way, llm, server) for way in WAYS}
        yield (
            case,
            {
                "case": case.name,
                "framework": case.framework,
                "agent": case.agent,
                "code": case.code,
                "python": platform.python_version(),
                "versions": environment.versions(case.packages),
                "instrumentation": environment.versions(case.instrumentation),
                "prompts_in_spans": ways["otlp"]["prompts_in_spans"],
                "equal": ways["otlp"]["runs"] == ways["runs"]["runs"],
                "findings": ways["otlp"]["findings"],
                "answered": ways["otlp"]["answered"],
                "beside": len(ways["otlp"]["runs"]) - len(cohort(ways["otlp"]["runs"])),
                "runs": ways["otlp"]["runs"],
                **({} if ways["otlp"]["runs"] == ways["runs"]["runs"] else {"as_events": ways["runs"]["runs"]}),
            },
        )
        environment.take(case.instrumentation)


def one_way(case: Case, environment: Environment, way: str, llm: Model, server: Server) -> dict[str, Any]:
    """Runs the agent under a release of its own, and waits for its runs."""
    release = httpx.post(
        f"{server.url}/v1/releases",
        json={"artifact": artifact("weather", f"{case.name}/{way}"), "checksum": "ab" * 32},
    ).json()["release_id"]
    before = len(llm.answered)
    agent = HERE / "agents" / f"{case.agent}.py"
    done = subprocess.run(
        [environment.path / "bin" / "opentelemetry-instrument", environment.python, agent],
        env=agent_environment(environment, llm, server, release) | WAYS[way],
        capture_output=True,
        text=True,
        timeout=AGENT_S,
        check=False,
    )
    (environment.path / f"{way}.log").write_text(done.stdout + done.stderr)
    if done.returncode or done.stdout.count("answered:") != 1 or llm.unknown:
        print(f"{case.name}, {way}: {llm.unknown}\n{done.stdout}{done.stderr[-3000:]}", file=sys.stderr)
    answered = llm.answered[before:]
    runs = sorted(map(observed, runs_of(server, release)), key=lambda run: (not run["success"], json.dumps(run)))
    return {
        "runs": runs,
        "answered": len(answered),
        "findings": findings(runs, answered),
        "prompts_in_spans": bool(re.search(rf'^\s+"[^"]+": .*{CANARY}', done.stdout, re.MULTILINE)),
    }


def agent_environment(environment: Environment, llm: Model, server: Server, release: str) -> dict[str, str]:
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("FLIGHTDECK_", "OTEL_", "OPENAI_", "PYTHON", "VIRTUAL_ENV"))
    }
    return clean | {
        "HOME": str(environment.path),
        "PATH": f"{environment.path / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "FLIGHTDECK_URL": server.url,
        "FLIGHTDECK_RELEASE_ID": release,
        "OTEL_PYTHON_DISTRO": "flightdeck",
        "OTEL_PYTHON_CONFIGURATOR": "flightdeck",
        "OTEL_SERVICE_NAME": "weather",
        "OTEL_METRICS_EXPORTER": "none",
        "LLM_URL": llm.url,
    }


def runs_of(server: Server, release: str) -> list[dict[str, Any]]:
    """The release's runs: both that are expected, and whatever comes within two seconds more."""

    def listed() -> list[dict[str, Any]]:
        answer = httpx.get(f"{server.url}/v1/runs", params={"release_id": release, "window": "1h"}, timeout=30)
        events: list[dict[str, Any]] = answer.json()["events"]
        return events

    give_up = time.monotonic() + RUNS_S
    while len(listed()) < 2 and time.monotonic() < give_up:
        time.sleep(0.2)
    time.sleep(MORE_RUNS_S)
    return listed()


def told(case: Case, record: dict[str, Any]) -> int:
    """Says how a case went; 1 if it is not as ``cases.py`` knows it."""
    known = dict(case.lacks)
    new = {name: text for name, text in record["findings"].items() if name not in known}
    mended = known.keys() - record["findings"].keys()
    verdict = "right" if not record["findings"] else "as known" if not new and not mended else "WRONG"
    print(f"{case.name}: {verdict if record['equal'] else 'THE WAYS DIFFER'}", flush=True)
    if record["prompts_in_spans"]:
        print("    spans hold prompts", flush=True)
    for name, text in record["findings"].items():
        print(f"    {name}: {text}{'' if name in new else ' (known)'}", flush=True)
    for name in sorted(mended):
        print(f"    {name}: known as wrong, but right", flush=True)
    return int(bool(new or mended) or not record["equal"])


def keep(record: dict[str, Any]) -> None:
    """Puts a record in the place of the case's last one."""
    kept = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    order = {case.name: place for place, case in enumerate(CASES)}
    records = {one["case"]: one for one in [*kept, record] if one["case"] in order}
    ordered = sorted(records.values(), key=lambda one: order[one["case"]])
    RESULTS.write_text(json.dumps(ordered, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    sys.exit(main())
