"""The attribute table has two forms, SQL and Python: whatever a payload holds, both make the same spans of it."""

from __future__ import annotations

import dataclasses
import random
import time
from collections.abc import Iterator
from dataclasses import asdict
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from flightdeck.otel import semconv
from flightdeck.otel.rows import Map, Part, Source, Sum
from flightdeck.otel.spans import Mapper, Span
from flightdeck.store import exports, landing, spans
from flightdeck.store.landing import Landing
from tests.landed import batch, embedded
from tests.mapped import spans_of

CORPUS = Path(__file__).parent.parent / "corpus"
TENANT_KEYS, TASK_KEYS = ("app.tenant", "it's\\odd"), ("app.job",)
TABLE = semconv.table(TENANT_KEYS, TASK_KEYS)
LANDED_US = time.time_ns() // 1000  # spans of the past would be dropped by their age

_numbers = count(1)


@pytest.fixture(scope="module")
def way_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Landing]:
    with embedded(tmp_path_factory.mktemp("mapping")) as engine:
        made = landing.prepare(engine, tenant_keys=TENANT_KEYS, task_keys=TASK_KEYS)
        yield dataclasses.replace(made, small_bytes=0)  # the engine maps every batch


def by_sql(way_in: Landing, exports: list[bytes]) -> list[Span]:
    """Lands each export in a workspace of its own and reads everything back."""
    workspaces = [next(_numbers) for _ in exports]
    way_in.land(
        b"".join(batch([body], landed_us=LANDED_US, workspace=w) for w, body in zip(workspaces, exports, strict=True))
    )
    ids = {
        (workspace, span.trace_id.hex())
        for workspace, body in zip(workspaces, exports, strict=True)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    }
    return [span for found in spans.read(way_in.engine, dict.fromkeys(ids, 0)).values() for span in found]


def by_python(exports: list[bytes]) -> list[Span]:
    mapper = Mapper(TABLE)
    return [
        span for body in exports for span in spans_of(ExportTraceServiceRequest.FromString(body), LANDED_US, mapper)
    ]


def listed(found: list[Span]) -> list[dict[str, object]]:
    return sorted(map(asdict, found), key=lambda span: (span["trace_id"], span["span_id"], str(span)))


def test_every_payload_of_the_corpus_maps_the_same(way_in: Landing) -> None:
    corpus = [file.read_bytes() for file in sorted(CORPUS.glob("*.pb"))]
    assert len(corpus) > 100
    expected = by_python(corpus)
    assert listed(by_sql(way_in, corpus)) == listed(expected)
    assert len(expected) > 600


def test_small_batches_make_the_same_rows_as_the_engine_does(way_in: Landing) -> None:
    """All columns, versions too: of two versions of a span the same one wins, whichever way each came in."""
    here = dataclasses.replace(way_in, small_bytes=landing.SMALL_BYTES)
    for file in sorted(CORPUS.glob("*.pb")):
        one, other = next(_numbers), next(_numbers)
        way_in.land(batch([file.read_bytes()], landed_us=LANDED_US, workspace=one))
        sent = batch([file.read_bytes()], landed_us=LANDED_US, workspace=other)
        assert exports.columns(sent, here.mapper), file.name
        here.land(sent)
        differing = way_in.engine.query(
            "SELECT * EXCEPT workspace, count() FROM spans WHERE workspace IN ({one:UInt32}, {other:UInt32})"
            " GROUP BY ALL HAVING count() != 2",
            {"one": one, "other": other},
        )
        assert list(differing.rows()) == [], file.name


# --- made-up attributes -------------------------------------------------------------------------------

_edges = [0, 1, -1, 10**9 - 1, 10**9, 10**9 + 1, 2**31, 2**53, 2**63 - 1, -(2**63)]
_integers = st.one_of(st.sampled_from(_edges), st.integers(-(2**63), 2**63 - 1), st.integers(0, 5000))
_doubles = st.one_of(
    st.sampled_from([0.0, -0.0, 0.9, -0.9, 1e9, 1e9 + 0.5, 1e9 + 1, 1e19, -1e300, 33.7]), st.floats(width=64)
)
_decimals = st.builds(
    lambda sign, zeros, number, tail: f"{sign}{'0' * zeros}{number}{tail}",
    st.sampled_from(["", "", "", "+", "-", "--", " "]),
    st.integers(0, 25),
    _integers.map(abs),
    st.sampled_from(["", "", "", "", ".0", " ", "\n", "e3", "٣"]),
)
_words = sorted({pattern for row in TABLE if isinstance(row.reader, Map) for pattern, _ in row.reader.table})
_patterns = st.builds(
    lambda pattern, fill, case: case(pattern.replace("*", fill)),
    st.sampled_from(_words),
    st.sampled_from(["", ".x", "ai.generateText", "openai"]),
    st.sampled_from([str, str.upper, str.title]),
)
_parts = sorted({row.reader.name for row in TABLE if isinstance(row.reader, Part | Sum)})
_items = st.builds(
    lambda quote, name, suffix, gap, number: f"{quote}{name}{suffix}{quote}{gap}:{gap}{number}",
    st.sampled_from(['"', "'", ""]),
    st.sampled_from(_parts),
    st.sampled_from(["", "", "", "_audio", "_cache_read", "_", "s"]),
    st.sampled_from(["", " ", "\n\t", "\u00a0"]),
    st.one_of(_integers, st.sampled_from(["null", "'5'", "00012", "9" * 30, "1.5"])),
)
_documents = st.lists(_items, max_size=5).map(lambda items: "{" + ", ".join(items) + "}")
_errors = st.builds(
    ".".join, st.lists(st.sampled_from(["openai", "RateLimitError", "_OTHER", "", "Größe"]), min_size=1, max_size=3)
)
_releases = st.from_regex(r"\A(rel_[0-9a-f]{12}|rel_[0-9a-f]{11}|rel_[0-9a-f]{13}|v1\.2)\n?\Z")
_long = st.builds(
    lambda text, times: text * times, st.sampled_from(["a", "ß", "雪", "🛩", "e\u0301"]), st.integers(120, 270)
)
_free = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_texts = st.one_of(st.just(""), _decimals, _patterns, _documents, _errors, _releases, _long, _free)

_values = st.one_of(
    _texts.map(lambda text: AnyValue(string_value=text)),
    _texts.map(lambda text: AnyValue(string_value=text)),
    _integers.map(lambda number: AnyValue(int_value=number)),
    _doubles.map(lambda number: AnyValue(double_value=number)),
    st.booleans().map(lambda flag: AnyValue(bool_value=flag)),
    st.sampled_from(
        [
            AnyValue(),
            AnyValue(bytes_value=b"7"),
            AnyValue(array_value=ArrayValue(values=[AnyValue(int_value=7), AnyValue(string_value="x")])),
            AnyValue(kvlist_value=KeyValueList(values=[KeyValue(key="x", value=AnyValue(string_value="y"))])),
        ]
    ),
)


def _attributes(source: Source) -> st.SearchStrategy[list[KeyValue]]:
    """Attributes with distinct keys: most of them keys of the table, and of one field rather than of many."""
    rows = [row for row in TABLE if row.source is source]
    fields = sorted({row.field for row in rows})
    of_field = {field: [row.key for row in rows if row.field == field] for field in fields}
    keys = st.one_of(
        st.sampled_from(fields).flatmap(lambda field: st.sampled_from(of_field[field])),
        st.sampled_from(["gen_ai.usage.total_tokens", "gen_ai.input.messages", "error", ""]),
    )
    pairs = st.lists(st.tuples(keys, _values), max_size=12, unique_by=lambda pair: pair[0])
    return pairs.map(lambda found: [KeyValue(key=key, value=value) for key, value in found])


_events = st.lists(
    st.tuples(
        st.sampled_from(["exception", "exception", "gen_ai.choice"]), st.sampled_from(["exception.type", "x"]), _values
    ),
    max_size=3,
)


@st.composite
def _exports(draw: st.DrawFn) -> bytes:
    """One export: resources with scopes with spans."""
    export = ExportTraceServiceRequest()
    chance = random.Random(draw(st.integers(0, 2**32)))
    for _ in range(draw(st.integers(1, 3))):
        resource = export.resource_spans.add()
        resource.resource.attributes.extend(draw(_attributes(Source.RESOURCE)))
        scope = resource.scope_spans.add()
        scope.scope.name = draw(_free)
        for _ in range(draw(st.integers(0, 8))):
            span = scope.spans.add(
                trace_id=chance.randbytes(16),
                span_id=chance.randbytes(8),
                parent_span_id=draw(st.sampled_from([b"", b"parent12"])),
                name=draw(st.one_of(_free, _long)),
                kind=draw(st.integers(0, 5)),
                flags=draw(st.sampled_from([0, 1, 0x100, 0x200, 0x300, 0x301])),
                start_time_unix_nano=draw(st.integers(0, 2**64 - 1)),
                end_time_unix_nano=draw(st.sampled_from([0, 1, LANDED_US * 1000, 2**64 - 1])),
                attributes=draw(_attributes(Source.SPAN)),
                status=Status(code=draw(st.sampled_from(Status.StatusCode.values()))),
            )
            for name, key, value in draw(_events):
                span.events.add(name=name, attributes=[KeyValue(key=key, value=value)])
    return export.SerializeToString()


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(exports=st.lists(_exports(), min_size=1, max_size=4))
def test_any_attributes_map_the_same(way_in: Landing, exports: list[bytes]) -> None:
    assert listed(by_sql(way_in, exports)) == listed(by_python(exports))
