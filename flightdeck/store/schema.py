"""Brings a store to this program's schema: numbered ``.sql`` files, each applied once and recorded in the store.

ClickHouse has no transactions around such statements, so every statement must be harmless to repeat
(``IF NOT EXISTS``): a step that was cut short is run again as a whole, and two servers that start at once may both run
it. The landing of spans, generated from the attribute table, has no number (``store/mapping.py``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources

from flightdeck.errors import Misconfigured
from flightdeck.store.client import Engine

_RECORDS = """
CREATE TABLE IF NOT EXISTS schema_versions (version UInt32, name String, applied_at DateTime DEFAULT now())
ENGINE = ReplacingMergeTree ORDER BY version SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
"""
_FILE = re.compile(r"(\d{4})_(\w+)\.sql")


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered step."""

    version: int
    name: str
    sql: str

    def statements(self) -> Iterator[str]:
        """The step's statements: each ends with a semicolon at the end of a line; ``--`` lines are comments."""
        lines = (line for line in self.sql.splitlines() if not line.lstrip().startswith("--"))
        for statement in re.split(r";\s*(?:\n|$)", "\n".join(lines)):
            if statement.strip():
                yield statement.strip()


def migrations() -> list[Migration]:
    """The steps that this program knows, in order."""
    folder = resources.files("flightdeck.store") / "schema"
    found = ((_FILE.fullmatch(file.name), file) for file in folder.iterdir())
    steps = [Migration(int(match[1]), match[2], file.read_text(encoding="utf-8")) for match, file in found if match]
    return sorted(steps, key=lambda step: step.version)


def migrate(engine: Engine, steps: Sequence[Migration] | None = None) -> list[int]:
    """Applies what is missing and returns the numbers of the steps applied.

    Raises:
        Misconfigured: the store was made by a newer program.
        StoreUnavailable: the store does not answer; running it again goes on where it stopped.
    """
    steps = migrations() if steps is None else steps
    engine.command(_RECORDS)
    recorded = set(engine.query("SELECT DISTINCT version FROM schema_versions").column("version"))
    newest = max((step.version for step in steps), default=0)
    if recorded and max(recorded) > newest:
        raise Misconfigured(
            f"The store has schema {max(recorded)}; this program knows only {newest}.",
            hint="Use the FlightDeck version that wrote it, or a newer one.",
        )
    missing = [step for step in steps if step.version not in recorded]
    for step in missing:
        for statement in step.statements():
            engine.command(statement)
        engine.insert_columns("schema_versions", ["version", "name"], [[step.version], [step.name]])
    return [step.version for step in missing]
