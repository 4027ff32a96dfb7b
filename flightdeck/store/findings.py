"""What assembly found of traces beside their runs: replaced with every assembly, counted by data quality."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import orjson

from flightdeck.otel.runs import Finding
from flightdeck.store import packed
from flightdeck.store.client import Engine
from flightdeck.store.runindex import INSERT_SETTINGS, portions, trace_key
from flightdeck.store.spans import TraceKey

BEFORE_ALL: TraceKey = (0, "")
"""Comes before every trace."""

_STORED = f"""
SELECT workspace, trace_id, argMax(is_deleted, version) AS gone
FROM findings
WHERE key IN ({packed.KEYS})
GROUP BY workspace, trace_id
HAVING NOT gone
"""  # noqa: S608 (made of constants; keys are bound)


def replace(engine: Engine, found: Mapping[TraceKey, Iterable[Finding]], versions: Mapping[TraceKey, int]) -> None:
    """Writes what was found of each trace in place of what was found before, unless that has a higher version."""
    stored: set[TraceKey] = set()
    for some in portions(trace_key(trace_id) for _, trace_id in found):
        stored.update((workspace, trace_id) for workspace, trace_id, _ in engine.query(_STORED, {"keys": some}).rows())
    lines = []
    for trace, findings in found.items():
        listed = list(findings)
        if listed or trace in stored:
            lines.append(_line(trace, listed, versions[trace]))
    if lines:
        engine.insert("findings", b"\n".join(lines), fmt="JSONEachRow", settings=INSERT_SETTINGS)


def _line(trace: TraceKey, findings: list[Finding], version: int) -> bytes:
    workspace, trace_id = trace
    return orjson.dumps(
        {
            "key": trace_key(trace_id),
            "workspace": workspace,
            "trace_id": trace_id,
            "version": version,
            "is_deleted": 0 if findings else 1,
            "found.kind": [finding.kind for finding in findings],
            "found.id": [finding.id for finding in findings],
            "found.release_id": [finding.release_id for finding in findings],
            "found.agent_id": [finding.agent_id for finding in findings],
            "found.environment": [finding.environment for finding in findings],
            "found.service_name": [finding.service_name for finding in findings],
            "found.service_version": [finding.service_version for finding in findings],
            "found.timestamp_us": [finding.timestamp_us for finding in findings],
        }
    )


_UNASSIGNED = """
SELECT workspace, trace_id
FROM findings FINAL
WHERE (workspace, trace_id) > ({workspace:UInt64}, {trace_id:String}) AND arrayExists(
    (kind, name, version) -> kind = 'unassigned' AND name = {service:String} AND version = {version:String},
    `found.kind`, `found.service_name`, `found.service_version`
)
ORDER BY workspace, trace_id
LIMIT {limit:UInt64}
"""


def unassigned_traces(
    engine: Engine, service: str, version: str, *, after: TraceKey = BEFORE_ALL, limit: int
) -> list[TraceKey]:
    """Traces with a run that no release could be named for, of one service and version: to be assembled again.

    They come in the order of workspace and trace id, at most ``limit`` of those after one.
    """
    parameters = {"service": service, "version": version, "workspace": after[0], "trace_id": after[1], "limit": limit}
    rows = engine.query(_UNASSIGNED, parameters).rows()
    return [(int(workspace), str(trace_id)) for workspace, trace_id in rows]


_SERVICES = """
SELECT DISTINCT agent_id, service_name, service_version
FROM findings FINAL
ARRAY JOIN
    `found.kind` AS kind, `found.agent_id` AS agent_id, `found.service_name` AS service_name,
    `found.service_version` AS service_version
WHERE kind = 'unassigned'
LIMIT 10000
"""


def unassigned_services(engine: Engine) -> list[tuple[str, str, str]]:
    """Agent, service and version of runs that no release could be named for."""
    return [(str(agent), str(service), str(version)) for agent, service, version in engine.query(_SERVICES).rows()]


_RECENT = """
SELECT service_name, service_version, count() AS runs
FROM findings FINAL
ARRAY JOIN
    `found.kind` AS kind, `found.service_name` AS service_name, `found.service_version` AS service_version,
    `found.timestamp_us` AS timestamp_us
WHERE kind = 'unassigned' AND timestamp_us >= {since:Int64}
GROUP BY service_name, service_version
ORDER BY runs DESC, service_name, service_version
LIMIT 10000
"""


def unassigned_runs(engine: Engine, since_us: int) -> list[tuple[str, str, int]]:
    """Service, version and number of the runs without a release since then (µs since 1970), most runs first."""
    rows = engine.query(_RECENT, {"since": since_us}).rows()
    return [(str(service), str(version), int(runs)) for service, version, runs in rows]
