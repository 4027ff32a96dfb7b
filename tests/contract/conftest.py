"""Both homes of the store (``engine``: embedded, served), both of the ledger (``ledger``: SQLite, PostgreSQL)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from flightdeck.ledger import Ledger
from flightdeck.settings import LedgerSettings, StoreSettings
from flightdeck.store import schema
from flightdeck.store.client import Engine
from tests.contract.commands import run
from tests.contract.gate_parts import Canary, canary
from tests.former import Former, installed
from tests.former import Unavailable as NoFormer
from tests.postgres import Postgres, postgres
from tests.postgres import Unavailable as NoPostgres
from tests.served_clickhouse import ServedClickHouse, Unavailable, served
from tests.serving import serving


@pytest.fixture(scope="session")
def served_clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedClickHouse]:
    """A ClickHouse server for the whole session; every test takes a database of its own."""
    try:
        with served(tmp_path_factory.mktemp("served") / "clickhouse") as server:
            yield server
    except Unavailable as reason:
        pytest.skip(f"no served ClickHouse: {reason}")


@pytest.fixture(scope="session")
def former() -> Former:
    """The real flightdeck-ai 1.3.0, in an environment of its own."""
    try:
        return installed()
    except NoFormer as reason:
        pytest.skip(f"no flightdeck-ai 1.3.0: {reason}")


@pytest.fixture(params=["embedded", "served"])
def store_settings(request: pytest.FixtureRequest, tmp_path: Path) -> StoreSettings:
    """Where an empty store may be made: once in this process, once on a server."""
    if request.param == "embedded":
        return StoreSettings(dsn=SecretStr(f"chdb://{tmp_path}/.flightdeck/clickhouse"))
    server: ServedClickHouse = request.getfixturevalue("served_clickhouse")
    return StoreSettings(dsn=SecretStr(server.database()))


@pytest.fixture
def open_engine(store_settings: StoreSettings) -> Iterator[Callable[[], Engine]]:
    """Opens the test's store once more, as a program starting again would; all are closed after the test."""
    opened: list[Engine] = []

    def again() -> Engine:
        opened.append(Engine.open(store_settings))
        return opened[-1]

    yield again
    for engine in opened:
        engine.close()


@pytest.fixture
def engine(open_engine: Callable[[], Engine]) -> Engine:
    """An open store with its schema."""
    engine = open_engine()
    schema.migrate(engine)
    return engine


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is the current one; no settings in the environment, nor who runs the tests."""
    for name in [name for name in os.environ if name.startswith("FLIGHTDECK_") or name in {"USER", "USERNAME"}]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def initialised(workspace: Path) -> Path:
    """A workspace as ``flightdeck init`` makes it, which is the current folder."""
    assert run("init").exit_code == 0
    return workspace


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Postgres]:
    """A PostgreSQL server for the whole session; every test takes a database of its own."""
    try:
        with postgres() as server:
            yield server
    except NoPostgres as reason:
        pytest.skip(f"no PostgreSQL: {reason}")


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LedgerSettings]:
    """An empty database of each kind."""
    if request.param == "sqlite":
        yield LedgerSettings(db_path=tmp_path / "folder" / "flightdeck.db")
        return
    server: Postgres = request.getfixturevalue("postgres_server")
    dsn = server.database()
    yield LedgerSettings(database_url=SecretStr(dsn))
    server.drop(dsn)


@pytest.fixture
def ledger(ledger_settings: LedgerSettings) -> Iterator[Ledger]:
    """An open, empty ledger."""
    with Ledger.open(ledger_settings) as opened:
        yield opened


@pytest.fixture(scope="session")
def canary_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Canary]:
    """A real server with releases and runs, for the whole session: tests may add to it, not rely on being alone."""
    folder = tmp_path_factory.mktemp("canary")
    with serving(folder) as server:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("FLIGHTDECK_URL", server.url)
            made = canary(folder, url=server.url)
        yield made


@pytest.fixture
def served_canary(canary_server: Canary, monkeypatch: pytest.MonkeyPatch) -> Canary:
    """The releases of ``canary_server``, which commands talk to; no other settings in the environment."""
    for name in [name for name in os.environ if name.startswith("FLIGHTDECK_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("FLIGHTDECK_URL", canary_server.url)
    return canary_server
