"""What spans say by convention: the fields that are read of them, and the attribute table that feeds the fields.

The keys themselves stand in ``otel/dialects.py``; here they become the table's rows, in the language of
``otel/rows.py``, together with a workspace's own keys. ``otel/spans.py`` holds the table's Python form,
``store/mapping.py`` its SQL form; a test runs the same payloads through both and demands equal spans.
"""

from __future__ import annotations

from collections.abc import Iterable

from flightdeck.errors import Misconfigured
from flightdeck.otel import dialects
from flightdeck.otel.kinds import Kind
from flightdeck.otel.rows import Field, Map, Plain, Reader, Release, Row, Source, Tail, Type, User

SPAN_KIND_SERVER, SPAN_KIND_CONSUMER = 2, 5
STATUS_ERROR = 2
FLAGS_PARENT_IS_REMOTE = 0x300
"""Both bits of the OTLP span flags: 'has is_remote' and 'is_remote'."""

ID_LENGTH = 256
"""Longest run, release, agent, tenant, task, session and response id and environment, in Unicode characters."""
NAME_LENGTH = 128
"""Longest model, provider, tool, span, scope and error name, in Unicode characters."""

MOST_CONFIGURED_KEYS = 12
"""So many keys of a workspace's own for tenants, and as many for tasks."""
_CONFIGURED_TENANT_RANK = 3
_USER_RANK = _CONFIGURED_TENANT_RANK + MOST_CONFIGURED_KEYS

FIELDS: tuple[Field, ...] = (
    Field("kind", Type.TEXT),
    Field("error", Type.FLAG),
    Field("error_type", Type.TEXT, NAME_LENGTH),
    Field("input", Type.INTEGER),
    Field("cached", Type.INTEGER),
    Field("creation", Type.INTEGER),
    Field("output", Type.INTEGER),
    Field("reasoning", Type.INTEGER),
    Field("response_model", Type.TEXT, NAME_LENGTH),
    Field("model", Type.TEXT, NAME_LENGTH),
    Field("provider", Type.TEXT, NAME_LENGTH),
    Field("response_id", Type.TEXT, ID_LENGTH),
    Field("tool", Type.TEXT, NAME_LENGTH),
    Field("release_id", Type.TEXT, ID_LENGTH),
    Field("resource_release_id", Type.TEXT, ID_LENGTH),
    Field("langfuse_release_id", Type.TEXT, ID_LENGTH),
    Field("service_name", Type.TEXT, ID_LENGTH),
    Field("service_version", Type.TEXT, ID_LENGTH),
    Field("agent_version", Type.TEXT, ID_LENGTH),
    Field("agent_id", Type.TEXT, ID_LENGTH),
    Field("environment", Type.TEXT, ID_LENGTH),
    Field("task", Type.TEXT, ID_LENGTH),
    Field("tenant", Type.TEXT, ID_LENGTH, ranked=True),
    Field("resource_tenant", Type.TEXT, ID_LENGTH, ranked=True),
    Field("session", Type.TEXT, ID_LENGTH, ranked=True),
    Field("resource_session", Type.TEXT, ID_LENGTH, ranked=True),
    Field("run", Type.FLAG),
    Field("run_id", Type.TEXT, ID_LENGTH),
    Field("run_success", Type.FLAG),
    Field("run_error_type", Type.TEXT, NAME_LENGTH),
)
"""The fields that the table feeds. Beside a row's map, ``error`` is set by status code ERROR; ``kind`` is ``llm`` if
no row yields one but the span has input tokens and a model (``response_model`` or ``model``)."""

# --- the table ----------------------------------------------------------------------------------------

_RESOURCE_ONLY = ("service.", "deployment.")
_OWN_VALUE = Plain()


def _kind_map(kinds: dict[Kind, str]) -> Map:
    return Map(tuple((value, kind.value) for kind, values in kinds.items() for value in values.split()))


def _sources(key: str) -> tuple[Source, ...]:
    """Where an identity key is looked for: on the span, then its resource, but some on the resource alone."""
    return (Source.RESOURCE,) if key.startswith(_RESOURCE_ONLY) else (Source.SPAN, Source.RESOURCE)


def _either(field: str, keys: Iterable[str], reader: Reader = _OWN_VALUE) -> Iterable[Row]:
    """Rows of a field whose keys come first: for each key the span's attribute, then the resource's."""
    return (Row(field, source, key, Type.TEXT, reader) for key in keys for source in _sources(key))


def _looked_up(field: str, ranked_keys: Iterable[tuple[int, str, Reader]]) -> Iterable[Row]:
    """Rows of a field that is looked up on other spans too: one column for the span, one for its resource."""
    for rank, key, reader in ranked_keys:
        for source in _sources(key):
            name = field if source is Source.SPAN else f"resource_{field}"
            yield Row(name, source, key, Type.TEXT, reader, rank)


def _own_keys(what: str, keys: Iterable[str], known: Iterable[str]) -> tuple[str, ...]:
    """Configured keys without repetition and without those that the table has anyway."""
    own = tuple(dict.fromkeys(key for key in keys if key not in frozenset(known)))
    if len(own) > MOST_CONFIGURED_KEYS:
        raise Misconfigured(
            f"{what} names {len(own)} attributes", hint=f"keep the {MOST_CONFIGURED_KEYS} that matter most"
        )
    for key in own:
        if key in dialects.USER_KEYS:
            raise Misconfigured(
                f"{what} names {key!r}, whose values are user ids; these are never stored",
                hint="leave it out: a run without any tenant gets the hash of its user as tenant",
            )
        if not key:
            raise Misconfigured(f"{what} has an empty name", hint="name the attribute")
    return own


def table(tenant_keys: Iterable[str] = (), task_keys: Iterable[str] = ()) -> tuple[Row, ...]:
    """The whole table, with a workspace's own keys for tenants and tasks.

    Own tenant keys rank after the known tenant keys and before the users, own task keys after ``flightdeck.task_id``.
    Raises Misconfigured for more than ``MOST_CONFIGURED_KEYS`` of one sort, an empty one, or one of user ids.

    >>> [row.key for row in table(task_keys=["app.job"]) if row.field == "task"][:4]
    ['flightdeck.task_id', 'flightdeck.task_id', 'app.job', 'app.job']
    """
    own_tenant_keys = _own_keys("assembly.tenant_keys", tenant_keys, dialects.TENANT_KEYS)
    own_task_keys = _own_keys("assembly.task_keys", task_keys, ("flightdeck.task_id", *dialects.TASK_KEYS))
    tenants: list[tuple[int, str, Reader]] = [
        *((rank, key, Plain()) for rank, key in enumerate(dialects.TENANT_KEYS)),
        *((rank, key, Plain()) for rank, key in enumerate(own_tenant_keys, _CONFIGURED_TENANT_RANK)),
        *((rank, key, User()) for rank, key in enumerate(dialects.USER_KEYS, _USER_RANK)),
    ]
    sessions: list[tuple[int, str, Reader]] = [(rank, key, Plain()) for rank, key in enumerate(dialects.SESSION_KEYS)]
    return (
        *(Row("kind", Source.SPAN, key, Type.TEXT, _kind_map(kinds)) for key, kinds in dialects.KINDS.items()),
        *(
            Row(field, Source.SPAN, key, Type.INTEGER, reader)
            for field, keys in dialects.USAGE.items()
            for key, reader in keys
        ),
        *(Row(field, Source.SPAN, key) for field, keys in dialects.NAMES.items() for key in keys),
        *(Row("provider", Source.SPAN, key, Type.TEXT, dialects.PROVIDERS) for key in dialects.PROVIDER_KEYS),
        Row("error", Source.SPAN, "langfuse.observation.level", Type.FLAG, Map((("ERROR", "error"),))),
        Row("error_type", Source.SPAN, "error.type", Type.TEXT, Tail()),
        Row("error_type", Source.EVENT, "exception.type", Type.TEXT, Tail()),
        Row("release_id", Source.SPAN, "flightdeck.release_id"),
        Row("resource_release_id", Source.RESOURCE, "flightdeck.release_id"),
        *_either("langfuse_release_id", ("langfuse.release",), Release()),
        Row("service_name", Source.RESOURCE, "service.name"),
        Row("service_version", Source.RESOURCE, "service.version"),
        Row("agent_version", Source.SPAN, "gen_ai.agent.version"),
        *_either("agent_id", ("flightdeck.agent_id",)),
        *_either("environment", dialects.ENVIRONMENT_KEYS),
        *_either("task", ("flightdeck.task_id", *own_task_keys, *dialects.TASK_KEYS)),
        *_looked_up("tenant", tenants),
        *_looked_up("session", sessions),
        Row("run", Source.SPAN, "flightdeck.run", Type.FLAG),
        Row("run_id", Source.SPAN, "flightdeck.run_id"),
        Row("run_success", Source.SPAN, "flightdeck.success", Type.FLAG),
        Row("run_error_type", Source.SPAN, "flightdeck.error_type"),
    )


TABLE: tuple[Row, ...] = table()
"""The table without configured keys."""
