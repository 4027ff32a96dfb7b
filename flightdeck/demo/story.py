"""The demo, step by step: workspace, server, releases, a canary with three of them, two verdicts."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import yaml

from flightdeck.demo.errors import DemoFailed
from flightdeck.demo.processes import Agent, Commands, Outcome, Server, environment
from flightdeck.demo.provider import Provider
from flightdeck.demo.script import Script
from flightdeck.models import Diff
from flightdeck.sdk import FlightdeckClient

WINDOW = "1h"
AGENT_ID = "support-agent"
BASELINE, WORSE, BETTER = "baseline", "larger_model", "tuned"
TRANSPORTS = {BASELINE: "OTLP over gRPC", WORSE: "OTLP over HTTP", BETTER: "RunEvents to POST /v1/events"}

AT_ONCE = 12
STALLED_S = 60.0
ARRIVAL_S = 45.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run. ``runs`` are divided among the three releases."""

    folder: Path
    runs: int = 1_260
    seed: int = 7
    verify: bool = False
    doctor: bool = False


@dataclass(frozen=True, slots=True)
class Comparison:
    """A candidate against the baseline: the diff, the same by task, and what the command's exit code was."""

    release: str
    candidate: str
    baseline: str
    diff: Diff
    tasks: dict[str, Diff]
    gate_passed: bool

    @property
    def passed(self) -> bool:
        """What the policy says."""
        return self.diff.policy.passed


@dataclass(slots=True)
class Story:
    """What happened."""

    server: Server
    releases: dict[str, str] = field(default_factory=dict)
    runs: Counter[str] = field(default_factory=Counter)
    tasks: list[str] = field(default_factory=list)
    tenants: list[str] = field(default_factory=list)
    minimum: int = 0
    comparisons: list[Comparison] = field(default_factory=list)
    also: list[str] = field(default_factory=list)
    provider_calls: int = 0

    @property
    def as_it_should_be(self) -> bool:
        """Whether the worse candidate fails and the better one passes, in the report and by the exit code."""
        verdicts = [(one.release, one.passed, one.gate_passed) for one in self.comparisons]
        return verdicts == [(WORSE, False, False), (BETTER, True, True)]


class Listener(Protocol):
    """Who watches the demo."""

    def step(self, text: str) -> None:
        """Something begins."""

    def solved(self, count: int, total: int) -> None:
        """So many tickets are answered."""


def check_installation() -> None:
    """Raises DemoFailed, with the command that helps, when something the demo needs is not installed."""
    remedy = "needs: pip install 'flightdeck-ai[server,demo]'"
    wanted = ("uvicorn", "clickhouse_connect", "chdb", "openai", "opentelemetry.instrumentation.genai.openai")
    missing = [name for name in wanted if not _installed(name)]
    if missing:
        raise DemoFailed(remedy, hint=f"(missing: {', '.join(missing)})")
    if not entry_points(group="opentelemetry_distro", name="flightdeck"):
        raise DemoFailed("FlightDeck is not installed here, so opentelemetry-instrument can't find it;", hint=remedy)


def _installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False


@contextmanager
def workspace(*, keep: bool) -> Iterator[Path]:
    """A temporary folder that goes with the block, unless it is to be kept."""
    folder = Path(tempfile.mkdtemp(prefix="flightdeck_demo_"))
    try:
        yield folder
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def told(plan: Plan, folder: Path, listener: Listener) -> Iterator[Story]:
    """Runs the demo in a folder; the server is up until the block ends.

    Raises:
        DemoFailed: a step went wrong.
    """
    check_installation()
    commands = Commands(folder)
    listener.step("Workspace and server")
    commands("init")
    with Server(folder) as server:
        story = Story(server)
        listener.step("Prices, policy and three releases")
        _register(plan, commands, folder, story)
        listener.step(f"{plan.runs:,} tickets for three releases at once, dealt in turn, as in a canary")
        _canary(plan, folder, server, story, listener)
        with _client(story) as client:
            listener.step("Every run has to arrive")
            _arrive(client, story)
            listener.step("Two verdicts")
            story.comparisons = [_compare(client, commands, story, candidate) for candidate in (WORSE, BETTER)]
        if plan.verify:
            commands("release", "verify", story.releases[BASELINE], "--path", str(_bundle(plan, BASELINE)))
            story.also.append("verify")
        if plan.doctor:
            commands("doctor")
            story.also.append("doctor")
        yield story


def _register(plan: Plan, commands: Commands, folder: Path, story: Story) -> None:
    commands("pricing", "import", str(plan.folder / "pricing.yaml"))
    policy = yaml.safe_load((plan.folder / "policy.yaml").read_text(encoding="utf-8"))
    each_side = plan.runs // 3
    for side in ("min_baseline_runs", "min_candidate_runs"):
        policy[side] = min(policy[side], each_side)
    policy["min_low_runs"] = min(policy["min_low_runs"], each_side)
    story.minimum = policy["min_candidate_runs"]
    (folder / "policy.yaml").write_text(yaml.safe_dump(policy, sort_keys=False), encoding="utf-8")
    commands("policy", "set", "policy.yaml")
    for release in TRANSPORTS:
        story.releases[release] = commands("release", "register", str(_bundle(plan, release)))


def _bundle(plan: Plan, release: str) -> Path:
    return plan.folder / "releases" / release


def _canary(plan: Plan, folder: Path, server: Server, story: Story, listener: Listener) -> None:
    """Every release gets every third ticket; none runs ahead of the others."""
    tickets = _tickets(plan)
    asked = [json.loads(ticket) for ticket in tickets]
    story.tasks = sorted({ticket["task"] for ticket in asked})
    story.tenants = sorted({ticket["tenant"] for ticket in asked})
    changed = threading.Condition()
    solved = 0

    def on_outcome(_agent: Agent, _outcome: Outcome) -> None:
        nonlocal solved
        with changed:
            solved += 1
            changed.notify()

    with ExitStack() as running:
        provider = running.enter_context(Provider(Script(plan.seed)))
        agents: list[Agent] = []
        for release in TRANSPORTS:
            env = _agent_environment(release, provider.base_url, server, story)
            agent = Agent(
                plan.folder,
                _bundle(plan, release),
                folder / f"{release}.log",
                env,
                at_once=AT_ONCE,
                on_outcome=on_outcome,
            )
            running.callback(agent.stop)
            agents.append(agent)
        for number, ticket in enumerate(tickets):
            _wait_for_room(agents[number % 3], changed)
            agents[number % 3].send(ticket)
            listener.solved(solved, len(tickets))
        for agent in agents:
            agent.finish(STALLED_S)
        listener.solved(solved, len(tickets))
        story.provider_calls = provider.calls
        for agent in agents:
            story.runs[agent.release] = agent.sent


def _wait_for_room(agent: Agent, changed: threading.Condition) -> None:
    give_up = time.monotonic() + STALLED_S
    with changed:
        while agent.under_way >= AT_ONCE:
            changed.wait(1.0)
            if not agent.alive or time.monotonic() > give_up:
                raise agent.failure()


def _tickets(plan: Plan) -> Sequence[str]:
    made = subprocess.run(  # noqa: S603 - our own command line
        [sys.executable, str(plan.folder / "tickets.py"), "--count", str(plan.runs), "--seed", str(plan.seed)],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode != 0:
        raise DemoFailed(f"tickets.py ended with {made.returncode}: {made.stderr.strip()}")
    return made.stdout.splitlines()


def _agent_environment(release: str, provider_url: str, server: Server, story: Story) -> dict[str, str]:
    """All that makes an agent report to FlightDeck: variables."""
    reporting = {
        BASELINE: {"OTEL_EXPORTER_OTLP_ENDPOINT": server.otlp_grpc, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
        WORSE: {"OTEL_EXPORTER_OTLP_ENDPOINT": server.otlp_http, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"},
        BETTER: {"OTEL_TRACES_EXPORTER": "flightdeck", "FLIGHTDECK_URL": server.url},
    }[release]
    return environment(
        FLIGHTDECK_RELEASE_ID=story.releases[release],
        OTEL_SERVICE_NAME=AGENT_ID,
        OTEL_PYTHON_DISTRO="flightdeck",
        OTEL_PYTHON_CONFIGURATOR="flightdeck",
        OPENAI_BASE_URL=provider_url,
        OPENAI_API_KEY="no-key-needed-on-loopback",
        **reporting,
    )


@contextmanager
def _client(story: Story) -> Iterator[FlightdeckClient]:
    client = FlightdeckClient(story.server.url, timeout_s=30)
    try:
        yield client
    finally:
        client.close()


def _arrive(client: FlightdeckClient, story: Story) -> None:
    """Waits until every run that was made is stored, and no more than those."""
    give_up = time.monotonic() + ARRIVAL_S
    while True:
        stored = {
            release: client.list_runs(release_id=story.releases[release], window=WINDOW, limit=1)["matched_total"]
            for release in story.releases
        }
        if stored == dict(story.runs):
            return
        if time.monotonic() > give_up:
            raise DemoFailed(f"Runs made: {dict(story.runs)}, runs stored after {ARRIVAL_S:.0f} s: {stored}.")
        time.sleep(0.25)


def _compare(client: FlightdeckClient, commands: Commands, story: Story, release: str) -> Comparison:
    """The question that CI asks, by the command that CI uses; then the same by task, over HTTP."""
    baseline, candidate = story.releases[BASELINE], story.releases[release]
    question = ("release", "diff", baseline, candidate, "--window", WINDOW, "--output", "json", "--fail-on-policy")
    exit_code, answer = commands.answer(*question, exit_codes=(0, 1))
    try:
        diff = Diff.model_validate_json(answer)
    except ValueError as error:
        raise DemoFailed(f"`flightdeck {' '.join(question)}` did not print a diff: {answer or 'nothing'}") from error
    tasks = {
        task: Diff.model_validate(
            client.post_diff(baseline_release_id=baseline, candidate_release_id=candidate, window=WINDOW, task_id=task)
        )
        for task in story.tasks
    }
    return Comparison(release, candidate, baseline, diff, tasks, gate_passed=exit_code == 0)
