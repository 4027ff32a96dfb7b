"""Reading the database of a workspace that flightdeck-ai 1.3 wrote: SQLite or PostgreSQL, schema version 5.

Nothing of it is changed. What is read comes as this version's own words, so that whoever imports it has no 1.3 in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection, inspect, text

from flightdeck.errors import Invalid, Misconfigured
from flightdeck.ledger.database import Database
from flightdeck.ledger.decisions import Draft
from flightdeck.ledger.pricing import PricingImport
from flightdeck.models import Policy, PolicyResult, PricingTable, PromotionRequest, ReleaseRecord, Webhook
from flightdeck.models.fields import Moment

SCHEMA_VERSION = 5
"""What 1.3.0 writes."""

BUNDLED = "flightdeck-bundled-"
"""How the versions of the tables begin that 1.3 brought along: their prices are 1,000 times too high (D7)."""

_TABLES = (
    "releases",
    "pricing_tables",
    "pricing_import_audit",
    "run_events",
    "active_policy",
    "promoted_releases",
    "release_actions",
    "promotion_requests",
    "webhooks",
)
_STREAMED = 1_000
_MOMENT: TypeAdapter[Any] = TypeAdapter(Moment)


class FormerWorkspace:
    """A 1.3 workspace, opened to be read. Use as a context manager.

    Attributes:
        target: where it is, fit to be shown (no password).
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.target = database.target

    @classmethod
    def open(cls, source: str) -> FormerWorkspace:
        """Opens a SQLite file by its path, PostgreSQL by its DSN.

        Raises:
            NotFound: there is no such file.
            Misconfigured: the DSN can't work.
            Invalid: it can't be read, is no database of 1.3, or one of another schema version.
            LedgerUnavailable: the database does not answer.
        """
        database = Database.foreign(source)
        try:
            with database.read() as connection:
                _check(connection, database.target)
        except Misconfigured as error:
            database.close()
            raise Invalid(f"{database.target} can't be read: it is no SQLite file, or not ours to read.") from error
        except BaseException:
            database.close()
            raise
        return cls(database)

    def close(self) -> None:
        """Closes the connections."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def releases(self) -> list[ReleaseRecord]:
        """Oldest first."""
        rows = self._rows("SELECT * FROM releases ORDER BY created_at, release_id")
        return [
            _read(ReleaseRecord, {**row, "artifact_json": _json(row["artifact_json"])}, "release_id") for row in rows
        ]

    def pricing(self) -> list[PricingImport]:
        """Every import of a pricing table, oldest first; a table that no import is known of counts as one."""
        audit = [
            PricingImport(
                import_id=row["import_id"],
                action=row["action"],
                provider=row["provider"],
                pricing_version=row["pricing_version"],
                actor=row["actor"],
                reason=row["reason"],
                old=None if row["old_pricing_json"] is None else _json(row["old_pricing_json"]),
                new=_json(row["new_pricing_json"]),
                checksum=row["new_checksum"],
                created_at=_MOMENT.validate_python(row["created_at"]),
            )
            for row in self._rows("SELECT * FROM pricing_import_audit ORDER BY created_at, import_id")
        ]
        known = {(each.provider, each.pricing_version) for each in audit}
        older = [
            PricingImport(
                import_id=f"pim_table_{number}",
                action="insert",
                provider=row["provider"],
                pricing_version=row["pricing_version"],
                actor="unknown",
                reason="imported by 1.3 before it kept an audit",
                old=None,
                new=_json(row["pricing_json"]),
                checksum="",
                created_at=_MOMENT.validate_python(row["created_at"]),
            )
            for number, row in enumerate(self._rows("SELECT * FROM pricing_tables ORDER BY created_at, provider"))
            if (row["provider"], row["pricing_version"]) not in known
        ]
        return sorted([*older, *audit], key=lambda each: each.created_at)

    def tables(self) -> list[PricingTable]:
        """The pricing tables as they are now."""
        rows = self._rows("SELECT * FROM pricing_tables ORDER BY provider, pricing_version")
        return [_read(PricingTable, _json(row["pricing_json"]), "pricing_version") for row in rows]

    def policies(self) -> list[tuple[Policy, Any]]:
        """Policies and when they were set; the last one is active."""
        rows = self._rows("SELECT * FROM active_policy ORDER BY updated_at")
        return [
            (_read(Policy, _json(row["policy_json"]), "policy_id"), _MOMENT.validate_python(row["updated_at"]))
            for row in rows
        ]

    def decisions(self) -> list[Draft]:
        """Promotions and rollbacks in the order of ``audit_seq``, blocked ones too. 1.3 kept no window."""
        asked = {request.completed_action_id: request for request in self.requests()}
        return [
            _decision(row, asked.get(row["action_id"]))
            for row in self._rows("SELECT * FROM release_actions ORDER BY audit_seq, created_at, action_id")
        ]

    def live(self) -> dict[tuple[str, str], str]:
        """The live release of each agent and environment."""
        rows = self._rows("SELECT * FROM promoted_releases ORDER BY agent_id, environment")
        return {(row["agent_id"], row["environment"]): row["release_id"] for row in rows}

    def requests(self) -> list[PromotionRequest]:
        """Oldest first."""
        rows = self._rows("SELECT * FROM promotion_requests ORDER BY created_at, request_id")
        return [
            _read(PromotionRequest, {**row, "policy": _json(row["policy_result_json"])}, "request_id") for row in rows
        ]

    def webhooks(self) -> list[Webhook]:
        """Oldest first, with their secrets."""
        rows = self._rows("SELECT * FROM webhooks ORDER BY created_at, webhook_id")
        return [_read(Webhook, {**row, "events": _json(row["events_json"])}, "webhook_id") for row in rows]

    def count_events(self) -> int:
        """How many events there are."""
        return int(self._rows("SELECT count(*) AS events FROM run_events")[0]["events"])

    def events(self) -> Iterator[tuple[str, bytes]]:
        """Run id and JSON of every event, in the order of time (as 1.3 understood it: as text)."""
        query = text("SELECT run_id, event_json FROM run_events ORDER BY timestamp, run_id")
        with self._database.read() as connection:
            for run_id, stored in connection.execution_options(yield_per=_STREAMED).execute(query):
                yield run_id, (stored if isinstance(stored, str) else json.dumps(stored)).encode()

    def _rows(self, query: str) -> Sequence[Mapping[str, Any]]:
        with self._database.read() as connection:
            return [dict(row) for row in connection.execute(text(query)).mappings()]


def _check(connection: Connection, target: str) -> None:
    try:
        tables = set(inspect(connection).get_table_names())
    except UnicodeError as error:
        raise Invalid(f"{target} is no workspace of flightdeck-ai 1.3.") from error
    versions = "schema_migrations"
    if versions not in tables or "releases" not in tables:
        raise Invalid(
            f"{target} is no workspace of flightdeck-ai 1.3: it has no tables {versions} and releases.",
            hint="Name what db_path or database_url in its flightdeck.yaml names.",
        )
    version = connection.scalar(text("SELECT max(version) FROM schema_migrations"))
    if version != SCHEMA_VERSION or not tables.issuperset(_TABLES):
        raise Invalid(
            f"{target} has schema version {version}; only {SCHEMA_VERSION} can be imported, which 1.3.0 writes.",
            hint="Run `flightdeck doctor` of flightdeck-ai 1.3.0 on it first.",
        )


def _decision(row: Mapping[str, Any], request: PromotionRequest | None) -> Draft:
    policy = _read(PolicyResult, _json(row["policy_result_json"]), "action_id")
    return Draft(
        action_id=row["action_id"],
        action=row["action"],
        release_id=row["release_id"],
        agent_id=row["agent_id"],
        environment=row["environment"],
        baseline_release_id=row["baseline_release_id"],
        window=request.window if request is not None else "",
        reason=row["reason"],
        actor=row["actor"].strip() or "unknown",
        policy=policy,
        moves_pointer=policy.passed,
        created_at=_MOMENT.validate_python(row["created_at"]),
        evidence={"imported": {"from": "flightdeck-ai 1.3", "audit_seq": row["audit_seq"]}},
        request_id=request.request_id if request is not None else None,
    )


def _json(stored: Any) -> Any:  # noqa: ANN401 - JSON, as text or decoded by the database's driver
    """What is stored; a number that JSON does not have is null: an infinite limit limits nothing."""
    return json.loads(stored, parse_constant=lambda _: None) if isinstance(stored, str) else stored


def pricing_table(each: PricingImport) -> PricingTable:
    """The table of an import.

    Raises:
        Invalid: it can't be one here: a price is infinite.
    """
    table: PricingTable = _read(PricingTable, each.new, "pricing_version")
    return table


def _read(model: Any, values: Mapping[str, Any], key: str) -> Any:  # noqa: ANN401 - an instance of the model
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = ".".join(map(str, problem["loc"]))
        name = values.get(key, "?") if isinstance(values, Mapping) else "?"
        raise Invalid(f"The workspace's {model.__name__} {name} can't be read: {where}: {problem['msg']}") from error
