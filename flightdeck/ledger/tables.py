"""The ledger's tables, as SQLAlchemy Core sees them; ``migrations/`` creates them.

Rows are only ever inserted, except that a pricing table may be replaced (its import is audited). Documents are kept as
JSON text with sorted keys, the same bytes on both databases; moments are whole microseconds since the epoch, UTC. No
name is one of 1.3's tables: the file of a 1.3 workspace can be opened, and imported from, where it is.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

NAME_LENGTH = 256
"""Longest agent, version, environment, provider, pricing version and policy id, in characters."""


class Moment(TypeDecorator[datetime]):
    """A zone-aware datetime, stored as microseconds since the epoch: ordered and exact on every database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """To microseconds; a datetime without a zone is a mistake of the caller and raises TypeError."""
        del dialect
        return None if value is None else (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """To a datetime in UTC."""
        del dialect
        return None if value is None else _EPOCH + value * _MICROSECOND


# SQLite counts rowids only for INTEGER keys; 64 bits there, BIGINT elsewhere.
_Sequence = BigInteger().with_variant(Integer, "sqlite")

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

RELEASES = Table(
    "release",
    METADATA,
    Column("seq", _Sequence, primary_key=True, autoincrement=True),
    Column("release_id", String(NAME_LENGTH), nullable=False, unique=True),
    Column("agent_id", String(NAME_LENGTH), nullable=False),
    Column("version", String(NAME_LENGTH), nullable=False),
    Column("environment", String(NAME_LENGTH), nullable=False),
    Column("checksum", String(64), nullable=False),
    Column("digest_v2", String(64), nullable=False),
    Column("artifact_json", Text, nullable=False),
    Column("created_at_us", Moment, nullable=False),
    Index(None, "agent_id", "version"),
    sqlite_autoincrement=True,
)

PRICING_IMPORTS = Table(
    "pricing_import",
    METADATA,
    Column("seq", _Sequence, primary_key=True, autoincrement=True),
    Column("import_id", String(16), nullable=False, unique=True),
    Column("provider", String(NAME_LENGTH), nullable=False),
    Column("pricing_version", String(NAME_LENGTH), nullable=False),
    Column("action", String(7), nullable=False),
    Column("actor", String(NAME_LENGTH), nullable=False),
    Column("reason", Text),
    Column("old_json", Text),
    Column("new_json", Text, nullable=False),
    Column("new_checksum", String(64), nullable=False),
    Column("created_at_us", Moment, nullable=False),
    CheckConstraint("action IN ('insert', 'replace')", name="action"),
    sqlite_autoincrement=True,
)

PRICING_TABLES = Table(
    "pricing_table",
    METADATA,
    Column("provider", String(NAME_LENGTH), primary_key=True),
    Column("pricing_version", String(NAME_LENGTH), primary_key=True),
    # The import that wrote the row: the largest of a provider is its newest table.
    Column("import_seq", _Sequence, ForeignKey("pricing_import.seq"), nullable=False, unique=True),
    Column("pricing_json", Text, nullable=False),
)

POLICIES = Table(
    "policy",
    METADATA,
    # The largest is the active policy; earlier ones stay as history.
    Column("seq", _Sequence, primary_key=True, autoincrement=True),
    Column("policy_id", String(NAME_LENGTH), nullable=False),
    Column("policy_json", Text, nullable=False),
    Column("set_at_us", Moment, nullable=False),
    sqlite_autoincrement=True,
)
