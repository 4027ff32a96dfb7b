"""The diff on the real store and ledger: 1.3's JSON, its refusals, and what was added."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from flightdeck.errors import Invalid
from flightdeck.ingest.events import EventIngest
from flightdeck.ledger import Ledger
from flightdeck.models import Diff, DiffConfig, DiffRequest, Policy, PricingTable
from flightdeck.pricing import defaults
from flightdeck.releases.diff import Options, compare
from flightdeck.releases.evidence import Evidence
from flightdeck.settings import BatchSettings, LedgerSettings, StoreSettings
from flightdeck.store import schema
from flightdeck.store.client import Engine
from tests.contract.diff_parts import release

NOW = datetime.now(UTC)
REPORTS = json.loads((Path(__file__).parents[1] / "golden/report_vectors.json").read_text())["cases"]

CATALOG = """\
api_version: v1
kind: PricingCatalog
catalog_version: c1
mappings:
- {provider: acme, pricing_version: v1, model: m1, catalog_slot_id: s1}
- {provider: acme, pricing_version: v2, model: m1, catalog_slot_id: s2}
- {provider: acme, pricing_version: v1, model: m1-mini, catalog_slot_id: missing}
- {provider: acme, pricing_version: v1, model: big-M1-large, catalog_slot_id: endless}
tariffs:
  s1: {input_usd_per_1k_tokens: 1, output_usd_per_1k_tokens: 2, cached_input_usd_per_1k_tokens: 0.1}
  s2: {input_usd_per_1k_tokens: 2, output_usd_per_1k_tokens: 3}
  endless: {input_usd_per_1k_tokens: 2.0e+6, output_usd_per_1k_tokens: 3}
"""


def table(provider="acme", version="v1", input_price=1.0, output_price=2.0, cached_price=0.25, extra=()):
    prices = {"input_usd_per_1k_tokens": input_price, "output_usd_per_1k_tokens": output_price}
    entries = [{"model": "m1", **prices, "cached_input_usd_per_1k_tokens": cached_price}]
    cheap = {"input_usd_per_1k_tokens": 0.1, "output_usd_per_1k_tokens": 0.2}
    names = ("m1-mini", "big-M1-large", "m", "m1-a", "m1-b", "m1-c", "m1-d", "m1-e", "m1-f", "zz", *extra)
    entries += [{"model": name, **cheap} for name in names]
    return PricingTable(provider=provider, pricing_version=version, entries=entries)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    folder = tmp_path_factory.mktemp("store")
    engine = Engine.open(StoreSettings(dsn=SecretStr(f"chdb://{folder}/clickhouse")))
    schema.migrate(engine)
    yield engine
    engine.close()


class Workspace:
    """A ledger of its own over the module's store; releases are told apart by a prefix."""

    def __init__(self, ledger: Ledger, engine: Engine, prefix: str, folder: Path) -> None:
        self.ledger = ledger
        self.engine = engine
        self.prefix = prefix
        self.folder = folder
        self.catalog: Path | None = None

    def id(self, name: str) -> str:
        return f"{self.prefix}_{name}"

    def release(self, name: str, provider: str = "acme", version: str = "v1", model: str = "m1", **more: str) -> None:
        self.ledger.releases.add(release(self.id(name), provider, version, model=model, **more))

    def import_table(self, imported: PricingTable) -> None:
        number = self.ledger.pricing.count()
        self.ledger.pricing.import_table(imported, import_id=f"pim_{number}", now=NOW)

    def runs(self, name: str, *changes: dict[str, Any], model: str = "m1", **more: Any) -> None:
        """One finished run for each dict of changes to its metrics and tokens."""
        events = []
        for number, change in enumerate(changes or ({},)):
            usage = {"provider": "acme", "model": model, "input_tokens": 1000, "output_tokens": 200}
            metrics = {key: change[key] for key in ("latency_ms", "success") if key in change}
            usage |= {key: value for key, value in change.items() if key not in metrics}
            events.append(
                {
                    "timestamp": (NOW - timedelta(minutes=1)).isoformat(),
                    "agent_id": "agent_x",
                    "release_id": self.id(name),
                    "run_id": f"{self.id(name)}-{model}-{number}-{json.dumps(more, sort_keys=True)}",
                    "tenant_id": "t",
                    "task_id": "k",
                    "environment": "local",
                    "metrics": metrics,
                    "usage": {"model": usage},
                    **more,
                }
            )
        ingest = EventIngest(self.engine, self.ledger.release_index, BatchSettings())
        try:
            assert ingest.ingest(json.dumps({"events": events}).encode()).inserted == len(events)
        finally:
            ingest.close()

    def diff(self, baseline: str, candidate: str, window: str = "7d", **filters: str | None) -> Diff:
        request = DiffRequest(
            baseline_release_id=self.id(baseline), candidate_release_id=self.id(candidate), window=window, **filters
        )
        options = Options(config=DiffConfig(), default_environment="local", catalog_path=self.catalog)
        return compare(request, self.ledger, Evidence.of(self.engine), options, datetime.now(UTC)).diff


@pytest.fixture
def workspace(tmp_path: Path, engine: Engine, request: pytest.FixtureRequest) -> Iterator[Workspace]:
    with Ledger.open(LedgerSettings(db_path=tmp_path / "flightdeck.db")) as ledger:
        yield Workspace(ledger, engine, f"rel_{request.node.name}", tmp_path)


@pytest.fixture
def acme(workspace: Workspace) -> Workspace:
    """The workspace in which 1.3 made tests/golden/report_vectors.json."""
    for version in ("v1", *(f"v{number}" for number in range(2, 13))):
        workspace.import_table(table(version=version) if version == "v1" else table("acme", version, 1.5, 2, 0.5))
    models = {"a": "m1", "b": "m1", "c": "m1-mini", "d": "M1-MINI", "e": "m1-", "f": "xm1x", "g": "q", "h": "zz"}
    for name, model in models.items():
        workspace.release(name, version="v2" if name == "b" else "v1", model=model)
    outputs = [{"output_tokens": output, "cached_input_tokens": 100} for output in (100, 200, 300)]
    for name in ("a", "b"):
        workspace.runs(name, *outputs)
    workspace.catalog = workspace.folder / "pricing-catalog.yaml"
    workspace.catalog.write_text(CATALOG)
    return workspace


PAIRS = [("a", "b"), ("a", "c"), ("b", "a"), ("a", "f"), ("a", "a"), ("c", "h"), ("h", "c"), ("h", "a"), ("h", "h")]


@pytest.mark.parametrize("number", range(len(PAIRS)))
@pytest.mark.contract("C2.19", "C3.15", "C6.10", "C6.11")
def test_the_json_of_a_diff_is_that_of_1_3(acme, number):
    """All but the costs, which D1 changes (below), and the evidence that D4 asks for."""
    theirs = REPORTS[number]["json"]
    if number >= 5:
        # By then 1.3 had these runs and this policy.
        latencies = [{"latency_ms": 100 + each, "success": each != 3, "cached_input_tokens": 100} for each in (1, 2, 3)]
        for name in ("c", "h"):
            acme.runs(name, *({**latency, "output_tokens": latency["latency_ms"] % 10 * 100} for latency in latencies))
        policy = Policy(policy_id="p", max_cost_per_run_usd=0.5, max_latency_ms=100, max_error_rate=0.05)
        acme.ledger.policies.set(policy, now=NOW)
    if number == 7:
        acme.catalog.unlink()
    if number == 8:
        acme.catalog = None
    ours = acme.diff(*PAIRS[number]).model_dump(mode="json")
    text = json.dumps(ours).replace(str(acme.folder), "/srv/flightdeck")
    ours = json.loads(text)
    assert set(ours) == set(theirs) | {"verdict", "data_quality", "windows"}
    assert (ours["window"], ours["filters"]) == (theirs["window"], theirs["filters"])
    span = datetime.fromisoformat(ours["until"]) - datetime.fromisoformat(ours["since"])
    assert (span, ours["until"].endswith("+00:00")) == (timedelta(days=7), True)
    costs = {"baseline_cost_per_run_usd", "candidate_cost_per_run_usd", "delta_cost_per_run_usd"}
    for side in (ours, theirs):
        for key in costs:
            side["pricing"]["catalog"][key] = side["pricing"]["catalog"][key] is None
        for key in (*costs, "delta_cost_per_run_pct"):
            side["metrics"][key] = side["metrics"][key] is None
        why = side["policy"]["reasons"]
        side["policy"] = [reason for reason in why if "cost_per_run" not in reason and "no evidence" not in reason]
    assert ours["pricing"] == theirs["pricing"]
    assert ours["metrics"] == theirs["metrics"]
    assert ours["policy"] == theirs["policy"]
    assert {key: value for key, value in ours["samples"].items() if "unpriced" not in key} == theirs["samples"]


@pytest.mark.contract("C6.04")
def test_a_cached_token_is_charged_once(acme):
    """Difference D1: 1.3 says 1.425 and 1.95, and 1.41 under the slot that has a price for cached tokens."""
    metrics = acme.diff("a", "b").metrics
    assert (metrics.baseline_cost_per_run_usd, metrics.candidate_cost_per_run_usd) == (1.325, 1.8)
    assert (metrics.delta_cost_per_run_usd, metrics.delta_cost_per_run_pct) == (0.475, 0.475 / 1.325)
    catalog = acme.diff("a", "b").pricing.catalog
    assert (catalog.baseline_cost_per_run_usd, catalog.candidate_cost_per_run_usd) == (1.31, 2.6)
    assert catalog.delta_cost_per_run_usd == 1.29


@pytest.mark.contract("C6.10")
def test_models_of_a_like_name_are_hinted_at_in_the_table_s_order(acme):
    def hint(name: str) -> list[str]:
        return [hint for hint in acme.diff("a", name).pricing.hints if "no exact model" in hint]

    assert hint("e") == ["candidate: table has no exact model 'm1-'; similar names: m1, m1-mini, big-M1-large, m, m1-a"]
    assert hint("f") == ["candidate: table has no exact model 'xm1x'; similar names: m1, m"]
    assert hint("g") == []
    # 1.3 leaves out the one that differs in case only.
    assert hint("d") == ["candidate: table has no exact model 'M1-MINI'; similar names: m1, m1-mini, m"]


@pytest.mark.parametrize(
    ("content", "warning"),
    [
        ("not: [valid", "pricing catalog YAML parse error: "),
        ("catalog_version: 1", "invalid pricing catalog YAML: catalog_version: Input should be a valid string"),
        ("[]", "invalid pricing catalog YAML: "),
        (CATALOG.replace("2.0e+6", ".inf"), "tariffs.endless.input_usd_per_1k_tokens: Input should be a finite number"),
        ("# " + "x" * 1024 * 1024, "is larger than 1024 KiB"),
        ("[" * 5_000, "pricing catalog YAML parse error: "),
    ],
)
@pytest.mark.contract("C6.11")
def test_a_catalog_that_can_t_be_used_is_a_warning_of_one_line(acme, content, warning):
    acme.catalog.write_text(content)
    catalog = acme.diff("a", "b").pricing.catalog
    assert (catalog.enabled, len(catalog.warnings)) == (False, 1)
    assert warning in catalog.warnings[0]
    assert "\n" not in catalog.warnings[0]


def test_a_slot_whose_price_is_none_is_a_warning(acme):
    acme.release("big", model="big-M1-large")
    catalog = acme.diff("a", "big").pricing.catalog
    assert (catalog.candidate_slot_id, catalog.candidate_cost_per_run_usd) == ("endless", None)
    (warning,) = catalog.warnings
    assert warning == (
        "candidate: catalog slot 'endless': 2000000.0 USD per 1,000 tokens is no price: "
        "it must be between 0 and 1,000,000."
    )


@pytest.mark.contract("C6.11")
def test_the_catalog_prices_runs_of_other_models_too(acme):
    """1.3 answers 500 here."""
    acme.runs("a", model="zz")
    catalog = acme.diff("a", "b").pricing.catalog
    assert catalog.baseline_cost_per_run_usd == pytest.approx((3 * 1.31 + 1.4) / 4)


# --- refusals ---


@pytest.mark.contract("C6.03")
def test_what_1_3_refuses_is_refused_with_its_words(acme):
    acme.release("other", agent_id="agent_y")
    acme.release("lost", version="v77")
    refusals: list[tuple[Callable[[], Diff], str]] = [
        (lambda: acme.diff("nope", "nope2"), f"Unknown baseline release: {acme.id('nope')}"),
        (lambda: acme.diff("a", "nope", window="7x"), f"Unknown candidate release: {acme.id('nope')}"),
        (
            lambda: acme.diff("a", "other"),
            "Cross-agent diff is not allowed. Baseline agent_id=agent_x, candidate agent_id=agent_y.",
        ),
        (lambda: acme.diff("a", "b", window="7w"), "Invalid window unit: 7w"),
        (lambda: acme.diff("a", "b", window="999999999d"), "Invalid window: 999999999d"),
        (
            lambda: acme.diff("a", "lost"),
            "Missing pricing table for candidate acme/v77. Run `flightdeck pricing import ...`.",
        ),
        (
            lambda: acme.diff("lost", "a"),
            "Missing pricing table for baseline acme/v77. Run `flightdeck pricing import ...`.",
        ),
    ]
    for attempt, message in refusals:
        with pytest.raises(Invalid) as caught:
            attempt()
        assert str(caught.value) == message


# --- which runs ---


@pytest.mark.contract("C6.02")
def test_a_diff_is_of_one_environment_and_if_asked_of_one_tenant_or_task(acme):
    for place in ({"environment": "prod"}, {"tenant_id": "u"}, {"task_id": "l"}):
        acme.runs("b", **place)
    counts = {
        "default": acme.diff("a", "b"),
        "prod": acme.diff("a", "b", environment="prod"),
        "tenant": acme.diff("a", "b", tenant_id="u"),
        "task": acme.diff("a", "b", task_id="l"),
        "both": acme.diff("a", "b", tenant_id="u", task_id="l"),
        "blank is none": acme.diff("a", "b", environment="", tenant_id="", task_id=""),
    }
    assert {name: got.samples.candidate_runs for name, got in counts.items()} == {
        "default": 5,
        "prod": 1,
        "tenant": 1,
        "task": 1,
        "both": 0,
        "blank is none": 5,
    }
    filters = counts["blank is none"].filters
    assert (filters.environment, filters.tenant_id, filters.task_id) == ("local", "", "")


def test_a_run_in_progress_is_counted_as_such_and_nowhere_else(acme):
    """Difference D2."""
    acme.runs("b", {"latency_ms": 9}, type="run_start", run_id=f"{acme.id('b')}-open")
    got = acme.diff("a", "b")
    assert (got.samples.candidate_runs, got.data_quality.candidate.incomplete) == (3, 1)
    assert got.metrics.candidate_latency_ms_avg is None
    acme.runs("b", {"latency_ms": 9}, run_id=f"{acme.id('b')}-open")
    got = acme.diff("a", "b")
    assert (got.samples.candidate_runs, got.data_quality.candidate.incomplete) == (4, 0)
    assert got.metrics.candidate_latency_ms_avg == 9.0


def test_a_release_against_itself_differs_in_nothing(acme):
    got = acme.diff("a", "a")
    assert (got.samples.baseline_runs, got.samples.candidate_runs) == (3, 3)
    assert got.metrics.baseline_cost_per_run_usd == got.metrics.candidate_cost_per_run_usd == 1.325
    assert (got.metrics.delta_cost_per_run_usd, got.metrics.delta_cost_per_run_pct) == (0.0, 0.0)
    assert "self_comparison" in {warning.code for warning in got.verdict.warnings}


# --- prices ---


def test_runs_without_a_price_are_left_out_counted_warned_about_and_limited(acme):
    """Difference D6."""
    acme.runs("b", model="nobody")
    acme.runs("b", model="noone")
    acme.ledger.policies.set(Policy(max_cost_per_run_usd=100, require_high_diff_confidence=False), now=NOW)
    got = acme.diff("a", "b")
    assert (got.samples.candidate_runs, got.samples.candidate_unpriced_runs) == (5, 2)
    assert got.samples.baseline_unpriced_runs == 0
    assert got.metrics.candidate_cost_per_run_usd == 1.8
    assert got.pricing.warnings == [
        "candidate: 2 of 5 runs have no price and are left out of cost (no price for acme/nobody, acme/noone)"
    ]
    assert got.policy.reasons == ["candidate unpriced share 0.4000 exceeds max 0.0000"]
    assert got.policy.passed is False
    assert "unpriced_runs" in {warning.code for warning in got.verdict.warnings}
    tolerant = Policy(max_cost_per_run_usd=100, max_unpriced_share=0.5, require_high_diff_confidence=False)
    acme.ledger.policies.set(tolerant, now=NOW)
    assert acme.diff("a", "b").policy.passed


def test_a_run_that_names_no_model_is_unpriced_never_free(acme):
    acme.runs("b", {"provider": "", "input_tokens": 0, "output_tokens": 0}, model="")
    got = acme.diff("a", "b")
    assert (got.samples.candidate_runs, got.samples.candidate_unpriced_runs) == (4, 1)
    assert got.metrics.candidate_cost_per_run_usd == 1.8
    assert "1 of 4 runs have no price and are left out of cost" in got.pricing.warnings[0]


@pytest.mark.parametrize("version", [defaults.version(), "genai-prices-0.0.1", "flightdeck-bundled-2026-05"])
def test_a_release_may_refer_to_the_default_prices_without_any_import(workspace, version):
    """Difference D7: 2.50 and 10 USD per million tokens, cached 1.25; 1.3 charges a thousand times as much."""
    for name in ("base", "cand"):
        workspace.release(name, "openai", version, "gpt-4o")
        workspace.runs(name, {"provider": "openai", "cached_input_tokens": 400}, model="gpt-4o-2024-11-20")
    got = workspace.diff("base", "cand")
    assert got.metrics.baseline_cost_per_run_usd == (600 * 2.5 + 400 * 1.25 + 200 * 10) / 1e6
    assert got.pricing.prices.baseline_input_usd_per_1k_tokens == 0.0025
    other = f"baseline pricing_version {version!r} was never imported: {defaults.version()} is used"
    assert got.pricing.warnings == ([] if version == defaults.version() else [other])


def test_default_prices_of_an_unknown_provider_are_a_missing_table(workspace):
    workspace.release("base", "nobody", defaults.version())
    with pytest.raises(Invalid, match="Missing pricing table for baseline nobody/genai-prices-"):
        workspace.diff("base", "base")


def test_a_bundled_table_of_1_3_that_was_brought_over_is_warned_about_once(workspace):
    """Its prices are used: they are the user's, as imported."""
    old = table("openai", "flightdeck-bundled-2026-05")
    workspace.import_table(old)
    workspace.import_table(table("anthropic", "flightdeck-bundled-2026-05"))
    workspace.release("base", "openai", "flightdeck-bundled-2026-05")
    workspace.release("cand", "anthropic", "flightdeck-bundled-2026-05")
    before = datetime.now(UTC).date()
    (warning,) = workspace.diff("base", "cand").pricing.warnings
    days = {before, datetime.now(UTC).date()}
    assert warning.partition(")")[0] in {
        "baseline pricing_version 'flightdeck-bundled-2026-05' is a FlightDeck bundled snapshot from 2026-05-01 "
        f"(~{(day - date(2026, 5, 1)).days} days old"
        for day in days
    }


@pytest.mark.contract("C6.04")
def test_of_the_same_runs_the_dearer_table_makes_the_dearer_side(workspace):
    """Each side is priced by its own release's table."""
    workspace.import_table(table(version="v1"))
    workspace.import_table(table(version="v2", input_price=10, output_price=20))
    workspace.release("base")
    workspace.release("cand", version="v2")
    for name in ("base", "cand"):
        workspace.runs(name, {}, {})
    metrics = workspace.diff("base", "cand").metrics
    assert (metrics.baseline_cost_per_run_usd, metrics.candidate_cost_per_run_usd) == (1.4, 14.0)


def test_no_evidence_is_nodata(workspace):
    """Difference D4."""
    workspace.import_table(table())
    workspace.release("base")
    workspace.release("cand")
    workspace.ledger.policies.set(Policy(require_high_diff_confidence=False), now=NOW)
    got = workspace.diff("base", "cand")
    assert (got.verdict.status, got.policy.passed) == ("NODATA", False)
    assert (
        [reason.message for reason in got.verdict.reasons]
        == got.policy.reasons
        == [
            "no evidence: baseline has no finished run in the window",
            "no evidence: candidate has no finished run in the window",
        ]
    )
