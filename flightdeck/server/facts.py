"""What the workspace holds and whether it is sound: counters, details, checks."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from flightdeck import __version__
from flightdeck.app import App
from flightdeck.errors import FlightDeckError, Invalid
from flightdeck.store import pages, schema
from flightdeck.store.findings import unassigned_runs

SHOWN_NUMBERS = 20
SHOWN_RELEASES = 5
SHOWN_LENGTH = 100
MOST_RELEASES = 100_000
"""Of the store that are looked up."""

DAY_US = 24 * 3600 * 1_000_000


class Check(NamedTuple):
    """One check and what came out; a warning is of something that is sound, but seldom what somebody wants."""

    name: str
    passed: bool
    detail: str
    warning: bool = False


def counters(app: App) -> dict[str, Any]:
    """How much there is of everything."""
    ledger = app.ledger()
    actions = ledger.decisions.count_by_action()
    return {
        "releases_total": ledger.releases.count(),
        "pricing_tables_total": ledger.pricing.count(),
        "run_events_total": pages.count(app.engine()),
        "promoted_pointers_total": len(ledger.decisions.pointers()),
        "actions_total": sum(actions.values()),
        "actions_by_action": actions,
    }


def schema_version(app: App) -> int:
    """The number of the ledger's newest schema change."""
    return int(app.ledger().schema_version())


def info(app: App) -> dict[str, Any]:
    """Where the workspace is, what it holds, how it is configured. Passwords are masked."""
    settings, ledger = app.settings, app.ledger()
    webhooks = ledger.webhooks.list()
    counted = counters(app)
    counted.pop("actions_by_action")
    catalog = settings.pricing_catalog_path
    return {
        **counted,
        "db_backend": ledger.backend,
        "db_target": ledger.target,
        "default_environment": settings.default_environment,
        "policy_configured": ledger.policies.configured(),
        "pricing_catalog_configured": catalog is not None and (settings.workspace / catalog).is_file(),
        "pricing_catalog_path": None if catalog is None else str(catalog),
        "promotion_requires_approval": settings.promotion_requires_approval,
        "schema_version": schema_version(app),
        "server_version": __version__,
        "store_target": masked(settings.engine.dsn.get_secret_value() if settings.engine.dsn else ""),
        "webhooks_configured": len(webhooks),
        "webhooks_enabled": sum(webhook.enabled for webhook in webhooks),
        "workspace_path": str(settings.workspace),
    }


def checks(app: App) -> list[Check]:
    """Looks at ledger and store, without changing them."""
    return [
        _checked("schema_migrations", app, _schemas),
        *_pointers(app),
        _checked("audit_seq", app, _sequence),
        _checked("hash_chain", app, _chain),
        _checked("store", app, _store),
        *_unregistered(app),
        *_without_release(app),
    ]


def masked(dsn: str) -> str:
    """A DSN without its password."""
    parts = urlsplit(dsn)
    if parts.password is None:
        return dsn
    return dsn.replace(f":{parts.password}@", ":***@", 1)


def _checked(name: str, app: App, look: Callable[[App], str]) -> Check:
    try:
        return Check(name, passed=True, detail=look(app))
    except FlightDeckError as error:
        return Check(name, passed=False, detail=str(error))


def _schemas(app: App) -> str:
    """Opening ledger and store has brought both to this program's schema, or failed."""
    newest = schema.migrations()[-1].version
    app.engine()
    return f"ledger at {schema_version(app)}, store at {newest}"


def _pointers(app: App) -> list[Check]:
    """Every live release is registered, and is live by a decision."""
    try:
        decisions = app.ledger().decisions
        pointers, wrong = decisions.pointers(), decisions.wrong_pointers()
    except FlightDeckError as error:
        return [Check("promoted_pointer", passed=False, detail=str(error))]
    return [
        Check(
            f"promoted_pointer:{pointer.agent_id}:{pointer.environment}",
            passed=pointer not in wrong,
            detail=wrong.get(pointer, f"release_id={pointer.release_id} ok"),
        )
        for pointer in pointers
    ]


def _sequence(app: App) -> str:
    """Decisions are numbered from 1 on without gaps."""
    numbers = app.ledger().decisions.sequence()
    if not numbers:
        return "no decisions"
    last = numbers[-1]
    if list(numbers) != list(range(1, last + 1)):
        missing = sorted(set(range(1, last + 1)).difference(numbers))
        raise Invalid(f"expected contiguous 1..{last}; missing={missing[:SHOWN_NUMBERS]} ({len(missing)} row(s))")
    return f"contiguous 1..{last} ({last} row(s))"


def _chain(app: App) -> str:
    """Nobody edited or deleted a decision, or the last ones. Who writes the hash down can tell later on."""
    last, hashed = app.ledger().decisions.verify()
    return f"{last} decision(s) unchanged, last hash {hashed}"


def _store(app: App) -> str:
    return f"{pages.count(app.engine())} run(s) stored"


def _unregistered(app: App) -> list[Check]:
    """Release ids that only events know: a warning; no line when there are none."""
    try:
        known = app.ledger().release_index()
        found = [each for each in pages.release_ids(app.engine(), MOST_RELEASES) if known.agent_of(each) is None]
    except FlightDeckError:
        return []  # another check says so
    if not found:
        return []
    shown = ", ".join(repr(each[:SHOWN_LENGTH]) for each in found[:SHOWN_RELEASES])
    more = ", ..." if len(found) > SHOWN_RELEASES else ""
    detail = (
        f"runs of {len(found)} release id(s) that are not registered, no comparison counts them: {shown}{more}. "
        "Register their bundles with: flightdeck release register"
    )
    return [Check("unregistered_releases", passed=True, detail=detail, warning=True)]


def _without_release(app: App) -> list[Check]:
    """Services that sent runs without a release in the last day: a warning; no line when there are none."""
    try:
        found = unassigned_runs(app.engine(), time.time_ns() // 1000 - DAY_US)
    except FlightDeckError:
        return []  # another check says so
    if not found:
        return []
    shown = ", ".join(
        f"{service[:SHOWN_LENGTH]!r}" + (f" version {version[:SHOWN_LENGTH]!r}" if version else "")
        for service, version, _ in found[:SHOWN_RELEASES]
    )
    more = ", ..." if len(found) > SHOWN_RELEASES else ""
    detail = (
        f"{sum(runs for *_, runs in found)} run(s) of the last day name no registered release, no comparison counts "
        f"them: {shown}{more}. Set FLIGHTDECK_RELEASE_ID where they run, or register their version"
    )
    return [Check("runs_without_release", passed=True, detail=detail, warning=True)]
