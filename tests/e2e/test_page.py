"""The page in a real browser, against a real ``flightdeck serve``: what a person sees, in each state."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import httpx
import pytest

import hatch_build
from tests.browsing import NoBrowserError, browser
from tests.serving import FREE_PORTS, Server, serving

playwright = pytest.importorskip("playwright.sync_api")
Page, expect = playwright.Page, playwright.expect
expect.set_options(timeout=30_000)  # a loaded machine is slow, not wrong

ROOT = Path(__file__).parents[2]
TOKEN = "s3cret token"
RUNS = 90
TENANTS = 9
FEW = frozenset({0, 1})
MANY = frozenset(run for run in range(RUNS) if run // TENANTS in (1, 3, 5, 7))
"""Which runs fail: the same of every tenant and all through the window, so that the time of day has no say."""
pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

POLICY = {
    "policy_id": "page-test",
    "max_cost_per_run_usd": 0.01,
    "max_latency_ms": 3000,
    "max_error_rate": 0.1,
    "min_candidate_runs": 20,
    "min_baseline_runs": 20,
    "min_low_runs": 5,
    "statistics": {
        "guardrails": [
            {"metric": "error_rate", "absolute": 0.12},
            {"metric": "latency_ms", "relative": 0.2},
            {"metric": "cost_usd", "relative": 2.0},
        ]
    },
}
PRICES = {
    "provider": "openai",
    "pricing_version": "page-test",
    "entries": [{"model": "gpt-4.1-mini", "input_usd_per_1k_tokens": 0.0004, "output_usd_per_1k_tokens": 0.0016}],
}


# --- the browser ---------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def page_is_built() -> Path:
    """The built page; building it is the same call that installs make."""
    page = hatch_build.Page(ROOT)
    page.build()
    return page.built


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, object]:
    """How pytest-playwright starts the browser; without one, these tests say so and are skipped."""
    try:
        found = browser()
    except NoBrowserError as error:
        pytest.skip(str(error))
    as_root = ["--no-sandbox"] if os.geteuid() == 0 else []
    return {"executable_path": found.program, "args": as_root, "env": {**os.environ, **found.env}}


@pytest.fixture
def page(page: Page) -> Iterator[Page]:
    """A tab that must not throw, log errors, or run into the content security policy."""
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    page.set_default_timeout(30_000)
    yield page
    # The browser itself logs every answer that is not 2xx, and every server that is gone: states of their own here.
    assert [fault for fault in faults if not fault.startswith("Failed to load resource")] == []


# --- a server with releases ------------------------------------------------------------------------------


class Workspace:
    """A served workspace: ``bad`` costs and fails more than ``baseline``, ``good`` does not.

    ``silent`` never ran, ``young`` did not run enough.
    """

    def __init__(self, server: Server, token: str = "") -> None:
        self.server = server
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.api = httpx.Client(base_url=server.url, headers=headers, timeout=30)
        self.now = datetime.now(UTC)  # one for all: no hour begins between two releases
        self.put("/v1/policy", POLICY, "PUT")
        self.put("/v1/pricing", {"table": PRICES})
        self.baseline = self.release("1.4.0", failed=FEW, output_tokens=300)
        self.good = self.release("1.5.1", output_tokens=280)
        self.bad = self.release("1.5.0", failed=MANY, output_tokens=900)
        self.silent = self.release("1.6.0", runs=0)
        self.young = self.release("1.7.0", runs=20)

    def put(self, path: str, body: object, method: str = "POST") -> httpx.Response:
        return self.api.request(method, path, json=body).raise_for_status()

    def release(
        self, version: str, *, runs: int = RUNS, failed: frozenset[int] = frozenset(), output_tokens: int = 0
    ) -> str:
        artifact = {
            "metadata": {"name": "support", "version": version},
            "spec": {
                "agent": {"agent_id": "agent_support"},
                "runtime": {"provider": "openai", "model": "gpt-4.1-mini"},
                "prompts": {"system_ref": "system.md"},
                "pricing_reference": {"provider": "openai", "pricing_version": "page-test"},
            },
        }
        body = {"artifact": artifact, "checksum": "0" * 64, "environment": "production"}
        release: str = self.put("/v1/releases", body).json()["release_id"]
        events = [
            {
                "timestamp": (self.now - timedelta(minutes=n)).isoformat(),
                "agent_id": "agent_support",
                "release_id": release,
                "run_id": f"{release}-{n}",
                "tenant_id": f"tenant-{n % TENANTS}",
                "task_id": "refund",
                "environment": "production",
                "metrics": {"latency_ms": 1000 + n, "success": n not in failed},
                "usage": {
                    "model": {
                        "provider": "openai",
                        "model": "gpt-4.1-mini",
                        "input_tokens": 1000,
                        "output_tokens": output_tokens,
                    }
                },
            }
            for n in range(runs)
        ]
        if events:
            assert self.put("/v1/events", {"events": events}).json()["inserted"] == runs
        return release

    def address(self, candidate: str, *, window: str = "7d", environment: str = "production") -> str:
        pair = {"baseline": self.baseline, "candidate": candidate, "window": window, "environment": environment}
        return f"{self.server.url}/#/diff?{urlencode(pair)}"

    def diff(self, candidate: str, environment: str = "production") -> dict:
        body = {
            "baseline_release_id": self.baseline,
            "candidate_release_id": candidate,
            "window": "7d",
            "environment": environment,
        }
        return self.put("/v1/diff", body).json()


@pytest.fixture(scope="module")
def workspace(page_is_built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    with serving(tmp_path_factory.mktemp("workspace")) as server:
        yield Workspace(server)


def verdict(page: Page):
    return page.get_by_role("region", name="Verdict")


def metric(page: Page, key: str) -> list[str]:
    """The cells of a metric's row, as read."""
    cells = page.locator(f'[data-metric="{key}"] > td').all_inner_texts()
    return [" ".join(cell.replace("\u202f", " ").replace("\u2212", "-").split()) for cell in cells]


def violations(page: Page) -> list[str]:
    """What axe-core finds wrong with the page as it is."""
    hatch_build.Page(ROOT).install_packages()
    page.evaluate((ROOT / "web/node_modules/axe-core/axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("axe.run()")["violations"]
    return [f"{entry['id']}: {node['html']} {node['failureSummary']}" for entry in found for node in entry["nodes"]]


def overflow(page: Page) -> int:
    """By how many pixels the page is wider than the window."""
    width: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return width


# --- the verdict ---------------------------------------------------------------------------------------


@pytest.mark.contract("C8.01")
def test_a_candidate_that_fails_more_is_a_fail_with_its_reasons_and_numbers(page, workspace):
    answer = workspace.diff(workspace.bad)
    assert answer["verdict"]["status"] == "FAIL"
    page.goto(workspace.address(workspace.bad))
    band = verdict(page)
    expect(band.get_by_text("FAIL", exact=True)).to_be_visible()
    expect(band.get_by_text("Do not roll forward")).to_be_visible()
    expect(band.get_by_role("list", name="Reasons").get_by_role("listitem")).to_have_text(
        [reason["message"] for reason in answer["verdict"]["reasons"]]
        + [reason for reason in answer["policy"]["reasons"] if not reason.startswith("verdict ")]
    )
    expect(band).to_contain_text("The policy blocks it: its limits and the verdict decide.")
    judged = [*answer["verdict"]["metrics"], *answer["verdict"]["limits"]]
    assert [one["status"] for one in judged].count("PASS") == 4, "cost and latency, and the limits on them"
    expect(band).to_contain_text("4 of 6 hold")
    expect(band).to_contain_text(f"{RUNS} baseline, {RUNS} candidate")
    expect(page).to_have_title("✕ FAIL · 1.4.0 → 1.5.0 · FlightDeck")
    expect(page.get_by_role("heading", level=1)).to_contain_text("1.5.0")

    baseline, candidate, change, limit, _, state = metric(page, "error_rate")
    assert (baseline, candidate, change) == ("2.22 %", "40.00 %", "+37.78 points")
    assert limit.endswith("≤ 10.00 %")
    assert state.endswith("FAIL")
    cost = answer["metrics"]
    baseline, candidate, change, limit, _, state = metric(page, "cost_usd")
    assert baseline == f"${cost['baseline_cost_per_run_usd']:.6f}"
    assert candidate == f"${cost['candidate_cost_per_run_usd']:.6f}"
    assert change == f"{cost['delta_cost_per_run_usd']:+.6f} {cost['delta_cost_per_run_pct']:+.2%}".replace(
        "+", "+$", 1
    ).replace("%", " %")
    assert limit.endswith("≤ $0.010000")
    assert state.endswith("PASS")
    # One strip for each metric: both sides as dots.
    expect(page.locator("[data-metric] svg circle")).to_have_count(6)


def guardrail(page: Page, key: str) -> list[str]:
    """The cells of a guardrail's row, as read."""
    cells = page.locator(f'[data-guardrail="{key}"] > td').all_inner_texts()
    return [" ".join(cell.replace("\u202f", " ").replace("\u2212", "-").split()) for cell in cells]


def test_a_guardrail_shows_both_sides_the_change_between_its_limits_and_the_margin(page, workspace):
    answer = workspace.diff(workspace.bad)["verdict"]
    page.goto(workspace.address(workspace.bad))
    expect(page.get_by_role("table", name="Guardrails and limits").locator("tbody tr")).to_have_count(6)
    values, effect, _, state = guardrail(page, "error_rate mean")
    assert values == "2.22 % → 40.00 %"
    low, high = (f"{100 * answer['metrics'][0]['effect_absolute'][side]:+.2f} points" for side in ("low", "high"))
    assert effect == f"+37.78 points {low} to {high}; margin +12.00 points"
    assert state.endswith("FAIL")
    # Axis, zero, margin; the interval with its lower end, for the upper one lies outside; the estimate.
    drawn = page.locator('[data-guardrail="error_rate mean"] svg')
    expect(drawn.locator("circle")).to_have_count(1)
    expect(drawn.locator("line")).to_have_count(5)
    values, limit, _, state = guardrail(page, "max_error_rate")
    assert (values, state.split()[-1]) == ("40.00 %", answer["limits"][0]["status"])
    low, high = (f"{100 * answer['limits'][0][side]:.2f} %" for side in ("low", "high"))
    assert limit == f"at most 10.00 % {low} to {high}"
    page.get_by_role("region", name="Guardrails").get_by_text("Show numbers").click()
    numbers = page.get_by_role("table", name="Numbers behind the guardrails")
    expect(numbers.get_by_role("row", name="Runs with a value")).to_contain_text(f"{RUNS} → {RUNS}")
    expect(page.get_by_role("region", name="How sure")).to_contain_text("9 → 9, 9 in both")
    assert violations(page) == []


def test_a_candidate_with_few_runs_is_inconclusive_and_says_what_is_missing(page, workspace):
    answer = workspace.diff(workspace.young)["verdict"]
    assert answer["status"] == "INCONCLUSIVE"
    page.goto(workspace.address(workspace.young))
    band = verdict(page)
    expect(band.get_by_text("INCONCLUSIVE", exact=True)).to_be_visible()
    expect(band).to_contain_text("20 of the candidate; 30 of each are needed")
    expect(page).to_have_title("◔ INCONCLUSIVE · 1.4.0 → 1.7.0 · FlightDeck")
    assert "about 10 more runs a side" in guardrail(page, "latency_ms mean")[-1]
    assert violations(page) == []


def test_a_limit_that_is_not_shown_to_be_held_is_that_in_the_band_the_guardrails_and_the_metrics(page, workspace):
    limits = {limit["name"]: limit["status"] for limit in workspace.diff(workspace.young)["verdict"]["limits"]}
    assert limits == dict.fromkeys(("max_error_rate", "max_latency_ms", "max_cost_per_run_usd"), "INCONCLUSIVE")
    page.goto(workspace.address(workspace.young))
    expect(verdict(page)).to_contain_text("0 of 6 hold")
    for name, key in zip(limits, ("error_rate", "latency_ms", "cost_usd"), strict=True):
        assert "INCONCLUSIVE" in guardrail(page, name)[-1]
        assert metric(page, key)[-1].endswith("INCONCLUSIVE")
        state = page.locator(f'[data-metric="{key}"] > td').last
        assert state.evaluate("cell => cell.scrollWidth - cell.clientWidth") == 0, "the word fits its column"


STRIPS = {"FAIL": ("bad", 6), "PASS": ("good", 6), "INCONCLUSIVE": ("young", 6), "NODATA": ("silent", 3)}
"""Of each verdict: a candidate, and the dots on the strips of its three metrics."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("status", STRIPS)
def test_the_strips_of_the_metrics_are_drawn_at_the_first_paint_and_in_their_whole_width(
    page, workspace, status, scheme, tmp_path
):
    """No observer tells of a width before the first paint."""
    candidate, dots = STRIPS[status]
    page.add_init_script("window.ResizeObserver = class { observe() {} unobserve() {} disconnect() {} }")
    page.emulate_media(color_scheme=scheme)
    page.goto(workspace.address(getattr(workspace, candidate)))
    expect(verdict(page).get_by_text(status, exact=True)).to_be_visible()
    strips = page.locator("[data-metric] svg[width]").filter(has=page.locator("circle"))
    expect(strips).to_have_count(3)
    expect(page.locator("[data-metric] svg circle")).to_have_count(dots)
    page.screenshot(path=tmp_path / f"{status}-{scheme}.png", full_page=True)
    assert widths(page) == []


def test_a_strip_is_drawn_again_when_the_window_changes_its_width(page, workspace):
    page.set_viewport_size({"width": 1280, "height": 800})
    page.goto(workspace.address(workspace.bad))
    expect(page.locator("[data-metric] svg circle")).to_have_count(6)
    for width in (1500, 1120):
        before = page.locator("[data-metric] svg:has(circle)").first.get_attribute("width")
        page.set_viewport_size({"width": width, "height": 800})
        expect(page.locator("[data-metric] svg:has(circle)").first).not_to_have_attribute("width", before)
        assert widths(page) == []


def widths(page: Page) -> list[str]:
    """What is wrong with the strips: those that are not as wide as their cell."""
    wrong: list[str] = page.eval_on_selector_all(
        "[data-metric] svg:has(circle)",
        "all => all.map(svg => [svg.getBoundingClientRect().width, svg.parentElement.getBoundingClientRect().width])"
        ".filter(([own, cell]) => cell < 60 || Math.abs(own - cell) > 1).map(String)",
    )
    return wrong


def test_a_version_is_not_broken_at_its_hyphen(page, workspace):
    release = workspace.release("2026.11.24-canary-3", runs=1)
    page.goto(workspace.address(release))
    version = page.get_by_role("table", name="Metrics").get_by_title("2026.11.24-canary-3")
    expect(version).to_be_visible()
    assert version.evaluate("own => own.getClientRects().length") == 1
    assert version.bounding_box()["height"] < 20


def test_what_drives_a_difference_is_one_click_away_with_runs_to_look_at(page, workspace):
    page.goto(workspace.address(workspace.bad))
    page.get_by_role("button", name="Explain the difference").click()
    moved = page.get_by_role("table", name="What moved Error rate")
    expect(moved).to_be_visible()
    # There is one task and one model, and one type of error beside the runs that have none.
    expect(moved.locator("th")).to_have_text([re.compile("^tenant")] * 2 + [re.compile("^error")])
    failures = moved.get_by_role("row").last
    expect(failures).to_contain_text("+37.78")
    expect(failures).to_contain_text("100.00")
    expect(failures.locator("code")).to_have_count(3)
    assert violations(page) == []


# --- the charts ----------------------------------------------------------------------------------------


def plain(text: str) -> str:
    """A text as read, its blanks and signs the usual ones."""
    return " ".join(text.replace("\u202f", " ").replace("\u2212", "-").split())


def test_an_hour_is_read_under_the_mouse_or_by_keys_and_in_the_table(page, workspace):
    page.goto(workspace.address(workspace.bad))
    section = page.get_by_role("region", name="Over time", exact=True)
    expect(section).to_contain_text("10.00\u202f%, the policy's limit on the candidate")
    section.get_by_text("Show numbers").click()
    rows = section.get_by_role("table", name="Error rate over time").locator("tbody tr")
    read = [[plain(cell) for cell in row.locator("th, td").all_inner_texts()] for row in rows.all()]
    assert len(read) in {2, 3}, "ninety minutes of runs"
    assert [sum(int(cells[side]) for cells in read) for side in (3, 6)] == [RUNS, RUNS]
    hours = section.get_by_role("slider", name="Stretch of time")
    expect(hours.locator("svg circle")).to_have_count(2 * len(read))
    box = hours.bounding_box()

    def shown() -> str:
        return plain(section.get_by_test_id("readout").inner_text())

    for at, x in ((0, 70), (-1, box["width"] - 40), (0, 70)):
        page.mouse.move(box["x"] + x, box["y"] + 80)
        moment, baseline, limits, n, candidate, candidate_limits, candidate_n = read[at]
        expect(hours).to_have_attribute("aria-valuenow", str(len(read) if at else 1))
        assert f"Begun {moment} UTC" in shown()
        assert f"{baseline} ({limits}), n {n}" in shown()
        assert f"{candidate} ({candidate_limits}), n {candidate_n}" in shown()
    hours.press("ArrowRight")
    expect(hours).to_have_attribute("aria-valuenow", "2")
    assert f"Begun {read[1][0]} UTC" in shown()
    assert violations(page) == []


def test_what_is_shown_over_time_is_in_the_address(page, workspace):
    page.goto(workspace.address(workspace.bad))
    section = page.get_by_role("region", name="Over time", exact=True)
    section.get_by_role("radio", name="Latency").click()
    expect(section).to_contain_text("3,000.00\u202fms, the policy's limit on the candidate")
    assert page.url == f"{workspace.address(workspace.bad)}&metric=latency_ms"
    page.reload()
    expect(section.get_by_role("radio", name="Latency")).to_be_checked()
    expect(section.get_by_test_id("readout")).to_contain_text("ms")


def test_both_releases_are_distributed_on_one_axis_with_their_quantiles(page, workspace):
    pair = {"baseline_release_id": workspace.baseline, "candidate_release_id": workspace.bad}
    answer = workspace.put("/v1/diff/charts", {**pair, "window": "7d", "environment": "production"}).json()
    latency, cost = answer["distributions"]
    assert [one["value"] for one in latency["baseline"]["quantiles"]] == pytest.approx([1045, 1085, 1089], rel=0.02)
    page.goto(workspace.address(workspace.bad))
    for name, found, text in (("Latency", latency, "{:,.2f} ms"), ("Cost", cost, "${:.6f}")):
        section = page.get_by_role("region", name=f"Distribution: {name}")
        table = section.get_by_role("table", name=f"Quantiles: {name}")
        expect(table.locator("tbody tr")).to_have_count(2)
        read = [plain(row) for row in table.locator("tbody tr").all_inner_texts()]
        quantiles = [
            [text.format(one["value"]) for one in found[side]["quantiles"]] for side in ("baseline", "candidate")
        ]
        assert read == [
            " ".join([f"{mark} {version}", *own, str(RUNS)])
            for mark, version, own in zip("○●", ("1.4.0", "1.5.0"), quantiles, strict=True)
        ]
        expect(section.locator("svg circle")).to_have_count(6)
        section.get_by_text("Show numbers").click()
        behind = section.get_by_role("table", name=f"Distribution of {name.lower()}")
        expect(behind.locator("tbody tr")).to_have_count(3 + len(found["bins"]))
    assert violations(page) == []


def test_both_sides_are_priced_anew_by_the_address(page, workspace):
    dear = {"model": "gpt-4.1-mini", "input_usd_per_1k_tokens": 0.004, "output_usd_per_1k_tokens": 0.016}
    workspace.put("/v1/pricing", {"table": {**PRICES, "pricing_version": "page-dear", "entries": [dear]}})
    page.goto(workspace.address(workspace.bad))
    expect(verdict(page).get_by_text("FAIL", exact=True)).to_be_visible()
    own = metric(page, "cost_usd")
    page.get_by_label("Re-price").select_option("openai/page-dear")
    expect(verdict(page)).to_contain_text("by openai/page-dear; promotions are judged by own prices")
    assert page.url == f"{workspace.address(workspace.bad)}&pricing=openai%2Fpage-dear"
    for before, after in zip(own[:2], metric(page, "cost_usd")[:2], strict=True):
        assert float(after.strip("$")) == pytest.approx(10 * float(before.strip("$")))
    expect(page.get_by_role("region", name="Distribution: Cost")).to_contain_text("both sides at openai/page-dear")
    page.get_by_role("button", name="Explain the difference").click()
    expect(page.get_by_role("table", name="What moved Cost").locator("caption")).to_contain_text("+$0.0")
    page.reload()
    expect(page.get_by_label("Re-price")).to_have_value("openai/page-dear")
    page.get_by_label("Re-price").select_option("own prices")
    expect(verdict(page)).not_to_contain_text("Re-priced")
    assert page.url == workspace.address(workspace.bad)


def test_prices_that_nobody_imported_say_so_and_leave_the_choice(page, workspace):
    page.goto(f"{workspace.address(workspace.bad)}&pricing=openai%2Fnobody")
    expect(page.get_by_role("heading", name="These prices are not here")).to_be_visible()
    assert violations(page) == []
    page.get_by_label("Re-price").select_option("own prices")
    expect(verdict(page).get_by_text("FAIL", exact=True)).to_be_visible()


def test_a_candidate_that_holds_every_limit_is_a_pass(page, workspace):
    page.goto(workspace.address(workspace.good))
    band = verdict(page)
    expect(band.get_by_text("PASS", exact=True)).to_be_visible()
    expect(band.get_by_text("Roll forward")).to_be_visible()
    assert [metric(page, key)[-1].split()[-1] for key in ("error_rate", "latency_ms", "cost_usd")] == ["PASS"] * 3
    expect(page.get_by_role("region", name="Evidence")).to_contain_text("Confidence HIGH")


@pytest.mark.contract("C8.01", "C8.05")
def test_the_answer_itself_and_the_runs_behind_it_are_one_click_away(page, workspace):
    page.goto(workspace.address(workspace.bad))
    page.get_by_role("button", name="Show JSON").click()
    raw = page.locator("pre")
    expect(raw).to_be_visible()
    assert (
        f'"candidate_error_rate": {workspace.diff(workspace.bad)["metrics"]["candidate_error_rate"]}'
        in raw.inner_text()
    )
    page.get_by_role("link", name="Runs of 1.5.0").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Runs of agent_support 1.5.0")
    expect(page.locator("tbody tr")).to_have_count(RUNS)
    expect(page.locator("tbody tr", has_text="failed")).to_have_count(len(MANY))
    assert violations(page) == []


@pytest.mark.contract("C8.01")
def test_another_window_is_another_address_that_back_undoes(page, workspace):
    page.goto(workspace.address(workspace.bad))
    expect(verdict(page)).to_contain_text("last 7 days")
    field = page.get_by_role("combobox", name="Window")
    field.fill("24h")
    field.press("Enter")
    expect(verdict(page)).to_contain_text("last 24 hours")
    assert "window=24h" in page.url
    page.go_back()
    expect(verdict(page)).to_contain_text("last 7 days")


# --- states --------------------------------------------------------------------------------------------


def test_a_side_without_runs_says_which_and_what_to_type(page, workspace):
    page.goto(workspace.address(workspace.silent))
    expect(verdict(page).get_by_text("NODATA", exact=True)).to_be_visible()
    section = page.get_by_role("region", name="No runs")
    expect(section).to_contain_text("The candidate has no finished run")
    expect(section.locator("code").first).to_have_text(
        f"flightdeck runs list {workspace.silent} --window 30d --env production"
    )
    assert metric(page, "cost_usd")[1] == "no runs"
    assert violations(page) == []


def test_an_environment_without_runs_is_no_data_on_both_sides(page, workspace):
    page.goto(workspace.address(workspace.bad, environment="elsewhere"))
    expect(verdict(page).get_by_text("NODATA", exact=True)).to_be_visible()
    expect(page.get_by_role("region", name="No runs")).to_contain_text("Neither release has a finished run")


@pytest.mark.parametrize(
    ("change", "title", "command"),
    [
        ({"candidate": "rel_unheardof"}, "rel_unheardof is not registered here", "flightdeck release register"),
        ({"window": "abc"}, "This is no window", None),
        ({"window": "7x"}, "This is no window", None),
    ],
)
def test_what_can_t_be_compared_says_why_and_what_to_do(page, workspace, change, title, command):
    page.goto(workspace.address(**{"candidate": workspace.bad, **change}))
    expect(page.get_by_role("heading", name=title)).to_be_visible()
    if command is not None:
        expect(page.locator("code", has_text=command)).to_be_visible()
    assert violations(page) == []


def test_a_server_that_is_gone_is_said_so_and_found_again_by_itself(page, page_is_built, tmp_path):
    with ExitStack() as first:
        server = first.enter_context(serving(tmp_path))
        workspace = Workspace(server)
        page.goto(workspace.address(workspace.good))
        expect(verdict(page).get_by_text("PASS", exact=True)).to_be_visible()
    page.get_by_role("button", name="Judge again").click()
    expect(page.get_by_role("alert")).to_contain_text("the server does not answer")
    expect(verdict(page).get_by_text("PASS", exact=True)).to_be_visible()

    address = workspace.address(workspace.bad)
    page.evaluate("address => { location.href = address }", address)
    expect(page.get_by_role("heading", name="The server does not answer")).to_be_visible()
    port = str(urlsplit(server.url).port)
    expect(page.locator("code")).to_have_text(f"flightdeck serve --port {port}")
    assert violations(page) == []
    with serving(tmp_path, ports=("--port", port, *FREE_PORTS[2:])):
        expect(verdict(page).get_by_text("FAIL", exact=True)).to_be_visible()


@pytest.mark.contract("C8.02")
def test_a_server_with_a_token_asks_for_it_and_the_tab_keeps_it(page, page_is_built, tmp_path):
    with serving(tmp_path, env={"FLIGHTDECK_LOCAL_API_TOKEN": TOKEN}) as server:
        workspace = Workspace(server, TOKEN)
        address = workspace.address(workspace.bad)
        page.goto(address)
        expect(page.get_by_role("heading", name="This server asks for its token")).to_be_visible()
        assert violations(page) == []
        field = page.get_by_label("API token")
        field.fill("wrong")
        field.press("Enter")
        expect(page.get_by_text("The server refused this token")).to_be_visible()
        field.fill(TOKEN)
        field.press("Enter")
        expect(verdict(page).get_by_text("FAIL", exact=True)).to_be_visible()
        assert page.url == address
        page.reload()
        expect(verdict(page).get_by_text("FAIL", exact=True)).to_be_visible()
        assert TOKEN not in page.evaluate("JSON.stringify(localStorage) + document.cookie")

        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_label("API token")).to_be_visible()
        assert page.evaluate("sessionStorage.length") == 0


# --- the start -----------------------------------------------------------------------------------------


@pytest.mark.contract("C8.04")
def test_two_releases_are_chosen_and_compared_by_keyboard_alone(page, workspace):
    page.goto(workspace.server.url)
    expect(page.get_by_role("heading", name="Compare two releases")).to_be_visible()
    assert violations(page) == []
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    page.get_by_label(f"baseline agent_support 1.4.0 {workspace.baseline}").focus()
    page.keyboard.press("Space")
    page.get_by_label(f"candidate agent_support 1.5.1 {workspace.good}").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    expect(verdict(page).get_by_text("PASS", exact=True)).to_be_visible()
    assert page.url == workspace.address(workspace.good)


@pytest.mark.contract("C8.04")
def test_what_is_live_is_marked_and_is_the_baseline_that_the_start_proposes(page, workspace):
    body = {"release_id": workspace.baseline, "environment": "production", "window": "7d", "reason": "the first"}
    workspace.put("/v1/promote", body)
    page.goto(workspace.server.url)
    expect(page.get_by_label(f"baseline agent_support 1.4.0 {workspace.baseline}")).to_be_checked()
    page.goto(workspace.address(workspace.good))
    expect(page.get_by_role("heading", level=1)).to_contain_text(re.compile(r"Baseline\s*live\s*1\.4\.0"))


def test_without_releases_the_start_says_how_to_register_one(page, page_is_built, tmp_path):
    with serving(tmp_path) as server:
        page.goto(server.url)
        expect(page.get_by_role("heading", name="No releases yet")).to_be_visible()
        expect(page.locator("code").first).to_have_text("flightdeck release register ./my-release")
        assert violations(page) == []


# --- for everyone --------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [320, 400, 768, 1280, 1600])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_sticks_out_and_axe_finds_nothing(page, workspace, width, scheme):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(workspace.address(workspace.bad))
    expect(verdict(page).get_by_text("FAIL", exact=True)).to_be_visible()
    assert page.locator("html").get_attribute("data-mantine-color-scheme") == scheme
    expect(page.get_by_role("slider").locator("svg")).not_to_have_count(0)
    expect(page.get_by_role("region", name="Distribution: Cost").locator("svg")).not_to_have_count(0)
    assert overflow(page) == 0
    assert violations(page) == []


def test_on_a_small_screen_a_number_and_its_unit_stay_on_one_line(page, workspace):
    page.set_viewport_size({"width": 320, "height": 900})
    page.goto(workspace.address(workspace.bad))
    expect(page.locator("[data-metric]")).not_to_have_count(0)
    lines = page.locator('[data-metric] span:is([class*="value"], [class*="change"])').evaluate_all(
        "cells => cells.map(cell => [cell.textContent, cell.getClientRects().length])"
    )
    assert lines
    assert [text for text, count in lines if count != 1] == []


@pytest.mark.contract("C8.03")
def test_the_theme_is_chosen_and_kept(page, workspace):
    page.emulate_media(color_scheme="light")
    page.goto(workspace.address(workspace.good))
    page.get_by_label("Dark").check()
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")
    expect(page.get_by_label("Dark")).to_be_checked()


def test_the_link_is_copied_as_it_stands(page, workspace):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    address = workspace.address(workspace.good)
    page.goto(address)
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == address


@pytest.mark.contract("C2.03")
def test_the_page_loads_nothing_from_elsewhere(page, workspace):
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(workspace.address(workspace.bad))
    expect(page.locator("[data-metric] svg circle")).to_have_count(6)
    assert {urlsplit(url).netloc for url in asked} == {urlsplit(workspace.server.url).netloc}


# --- the client ----------------------------------------------------------------------------------------


def test_the_page_s_client_is_generated_from_the_api_as_it_is(tmp_path):
    """``web/src/api/schema.d.ts`` is what ``python web/generate.py`` writes now."""
    hatch_build.Page(ROOT).install_packages()
    done = subprocess.run(
        [sys.executable, ROOT / "web" / "generate.py", "--check"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_page_s_own_tests_pass():
    """vitest, types and lint, with the machine's Node or the wheel's."""
    page = hatch_build.Page(ROOT)
    page.install_packages()
    for script in ("types", "lint", "test"):
        hatch_build.node().run(page.web, "run", script)


def test_the_built_page_has_no_inline_script(page_is_built):
    index = (page_is_built / "index.html").read_text(encoding="utf-8")
    scripts = re.findall(r"<script[^>]*>(.*?)</script>", index, flags=re.DOTALL)
    assert scripts
    assert all(not script.strip() for script in scripts)
