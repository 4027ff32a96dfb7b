"""The ledger's database: a SQLite file by default, PostgreSQL by DSN; one set of transactions over both.

Reading and writing are told apart, because SQLite must take its write lock when a transaction begins (a lock taken
later may fail at once, whatever the timeout). Errors of the databases become the tree of :mod:`flightdeck.errors` here
and nowhere else.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import sqlalchemy.exc
from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from flightdeck.errors import Conflict, Invalid, LedgerUnavailable, Misconfigured, NotFound
from flightdeck.settings import LedgerSettings

BUSY_S = 30
"""How long a writer waits for another one, and a connection for an answer, in seconds."""

_MIGRATIONS = Path(__file__).parent / "migrations"
# Any constant will do, as long as nobody else in the database uses it: "fd-ledge" in ASCII.
_MIGRATION_LOCK = 0x66642D6C65646765
_UNUSABLE_FILE = {"SQLITE_CANTOPEN", "SQLITE_NOTADB", "SQLITE_READONLY"}


class Database:
    """Connections to the ledger's database. Safe to use from any number of threads.

    Attributes:
        backend: ``sqlite`` or ``postgresql``.
        target: what it is connected to, fit to be shown: a path, or a DSN with its password masked.
    """

    def __init__(self, engine: Engine) -> None:
        self.backend = engine.dialect.name
        self._engine = engine
        self._writes = engine.execution_options(flightdeck_write=True)
        # What SQLite's readers have anyway: every statement of a transaction sees the same moment.
        snapshot = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        self._reads = engine.execution_options(**snapshot if self.backend == "postgresql" else {})
        database = engine.url.database or ""
        self.target = database if self.backend == "sqlite" else engine.url.render_as_string(hide_password=True)

    @classmethod
    def open(cls, settings: LedgerSettings, *, beside_former: bool = False) -> Database:
        """Connects, and brings the schema to this version's.

        Args:
            settings: which database.
            beside_former: begin a ledger in a database that flightdeck-ai 1.3 has filled: only what brings its content
                over may do that. Anybody else would see an empty ledger, whose first promotion passes unseen.

        Raises:
            Misconfigured: the DSN is none of PostgreSQL, its driver is not installed, the file can't be made, or the
                schema is newer than this version of FlightDeck.
            LedgerUnavailable: the database does not answer.
        """
        database = cls(_engine(settings))
        try:
            with database.write() as connection:
                if not beside_former:
                    _refuse_former(connection, database.target)
                _migrate(connection)
        except BaseException:
            database.close()
            raise
        return database

    @classmethod
    def foreign(cls, source: str) -> Database:
        """A database that another program wrote, to read it only: nothing is made or changed.

        Args:
            source: the path of a SQLite file, or PostgreSQL's DSN.

        Raises:
            Misconfigured: a DSN that can't work.
            NotFound: there is no such file.
        """
        if "://" in source:
            return cls(_postgresql(source))
        path = Path(source).absolute()
        if not path.is_file():
            raise NotFound(f"There is no file {path}.")
        uri = f"{path.as_uri()}?mode=ro"
        return cls(
            create_engine(
                URL.create("sqlite", database=str(path)),
                creator=lambda: sqlite3.connect(uri, uri=True, timeout=BUSY_S),
                poolclass=NullPool,
            )
        )

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads, and sees one moment of the ledger."""
        with _translated(), self._reads.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that is committed at the end of the block, or rolled back by an exception."""
        with _translated(), self._writes.begin() as connection:
            yield connection

    def schema_version(self) -> str:
        """The number of the newest migration that ran, like ``0001``."""
        with self.read() as connection:
            return _revision(connection)

    def backup(self) -> bytes:
        """A copy of the SQLite file, as of now, while others read and write.

        Raises:
            Invalid: the ledger is in PostgreSQL.
        """
        if self.backend != "sqlite":
            raise Invalid("A backup file is made of a SQLite ledger only; use pg_dump for PostgreSQL.")
        with tempfile.TemporaryDirectory() as folder, _translated(), self._reads.connect() as connection:
            copy = Path(folder, "copy.db")
            with closing(sqlite3.connect(copy)) as target:
                source = connection.connection.driver_connection
                assert isinstance(source, sqlite3.Connection)  # noqa: S101 - what the dialect says
                source.backup(target)
            return copy.read_bytes()

    def close(self) -> None:
        """Closes idle connections; may be called more than once."""
        self._engine.dispose()


def _engine(settings: LedgerSettings) -> Engine:
    if settings.database_url is not None:
        return _postgresql(settings.database_url.get_secret_value())
    path = settings.db_path.absolute()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Misconfigured(f"The ledger's folder {path.parent} can't be made: {error.strerror}.") from error
    engine = create_engine(URL.create("sqlite", database=str(path)), connect_args={"timeout": BUSY_S})
    event.listen(engine, "connect", _sqlite_connected)
    event.listen(engine, "begin", _sqlite_begin)
    return engine


def _postgresql(dsn: str) -> Engine:
    # No error below may carry the DSN: it holds a password.
    remedy = "Write it as postgresql://user:password@host:5432/database."
    try:
        url = make_url(dsn)
    except (sqlalchemy.exc.ArgumentError, ValueError):
        raise Misconfigured("database_url is no database address.", hint=remedy) from None
    if url.drivername.partition("+")[0] not in {"postgresql", "postgres"}:
        raise Misconfigured(f"database_url names {url.drivername!r}; the ledger speaks PostgreSQL.", hint=remedy)
    try:
        return create_engine(
            url.set(drivername="postgresql+psycopg"),
            connect_args={"connect_timeout": BUSY_S, "options": f"-c lock_timeout={BUSY_S * 1000}"},
            # A server that was restarted must not fail the first request after it.
            pool_pre_ping=True,
        )
    except ModuleNotFoundError as error:
        raise Misconfigured("needs: pip install 'flightdeck-ai[postgres]'") from error


def _sqlite_connected(connection: sqlite3.Connection, record: ConnectionPoolEntry) -> None:
    del record
    # The driver must not begin transactions of its own; _sqlite_begin does.
    connection.isolation_level = None
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _sqlite_begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("flightdeck_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _refuse_former(connection: Connection, target: str) -> None:
    """Refuses to begin a ledger in a database that holds releases or runs of flightdeck-ai 1.3."""
    tables = set(inspect(connection).get_table_names())
    if _revision(connection) or not tables.issuperset({"schema_migrations", "releases", "run_events"}):
        return
    if connection.scalar(text("SELECT EXISTS (SELECT 1 FROM releases) OR EXISTS (SELECT 1 FROM run_events)")):
        raise Misconfigured(
            f"{target} holds a workspace of flightdeck-ai 1.3, which is not imported yet.",
            hint=f"Bring it over once: flightdeck import-sqlite {target}",
        )


def _migrate(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        # Several servers may start at once; SQLite's write lock does the same.
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
    if _revision(connection) == _newest():
        return
    # Only here: importing Alembic takes longer than everything else of opening a ledger.
    import alembic.command  # noqa: PLC0415
    import alembic.config  # noqa: PLC0415
    from alembic.util.exc import CommandError  # noqa: PLC0415

    config = alembic.config.Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        alembic.command.upgrade(config, "head")
    except CommandError as error:
        raise Misconfigured(
            "The ledger was written by a newer version of FlightDeck.", hint="Upgrade flightdeck-ai to use it."
        ) from error


def _revision(connection: Connection) -> str:
    """The newest migration that ran, as Alembic notes it; "" before the first."""
    if not inspect(connection).has_table("ledger_version"):
        return ""
    return str(connection.execute(text("SELECT version_num FROM ledger_version")).scalar_one_or_none() or "")


def _newest() -> str:
    """The newest migration that this program knows; their files are called ``m<number>_<name>.py``."""
    return max(path.name[1:5] for path in (_MIGRATIONS / "versions").glob("m[0-9][0-9][0-9][0-9]_*.py"))


@contextmanager
def _translated() -> Iterator[None]:
    """The one place where errors of the databases become ours."""
    try:
        yield
    except sqlalchemy.exc.IntegrityError as error:
        raise Conflict("The ledger already holds this.") from error
    except sqlalchemy.exc.DataError as error:
        raise Invalid("The ledger can't store a value of this request (a NUL character or too long a text).") from error
    except sqlalchemy.exc.ProgrammingError:
        raise  # our own mistake, not the database's
    except (sqlalchemy.exc.DBAPIError, sqlalchemy.exc.TimeoutError) as error:
        cause = str(getattr(error, "orig", error)).strip().partition("\n")[0]
        if getattr(getattr(error, "orig", None), "sqlite_errorname", "") in _UNUSABLE_FILE:
            raise Misconfigured(f"The ledger's file can't be used: {cause}. Check db_path.") from error
        raise LedgerUnavailable(f"The ledger's database does not answer: {cause}.") from error
