"""What the workspace holds and whether it is sound: counters, details, checks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from flightdeck import __version__
from flightdeck.app import App
from flightdeck.errors import FlightDeckError
from flightdeck.store import pages, schema


class Check(NamedTuple):
    """One check and what came out."""

    name: str
    passed: bool
    detail: str


def counters(app: App) -> dict[str, Any]:
    """How much there is of everything."""
    ledger = app.ledger()
    return {
        "releases_total": ledger.releases.count(),
        "pricing_tables_total": ledger.pricing.count(),
        "run_events_total": pages.count(app.engine()),
        "promoted_pointers_total": 0,
        "actions_total": 0,
        "actions_by_action": {},
    }


def schema_version(app: App) -> int:
    """The number of the ledger's newest schema change."""
    return int(app.ledger().schema_version())


def info(app: App) -> dict[str, Any]:
    """Where the workspace is, what it holds, how it is configured. Passwords are masked."""
    settings, ledger = app.settings, app.ledger()
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
        "webhooks_configured": 0,
        "webhooks_enabled": 0,
        "workspace_path": str(settings.workspace),
    }


def checks(app: App) -> list[Check]:
    """Looks at ledger and store, without changing them."""
    return [_checked("schema_migrations", app, _schemas), _checked("store", app, _store)]


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


def _store(app: App) -> str:
    return f"{pages.count(app.engine())} runs stored"
