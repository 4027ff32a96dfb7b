"""Every payload of the corpus, mapped by the Python form and assembled, gives exactly the runs it must.

The checks are the black-box checker's own; what it asks a server for is made by ``assemble`` here.
"""

import filecmp
import random
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from flightdeck.otel.releases import KnownReleases
from flightdeck.otel.runs import Assembly, Finding, FindingKind, Options, assemble, run_event
from flightdeck.otel.spans import Mapper, Span
from tests.mapped import spans_of
from tests.tools import conformance

TESTS = Path(__file__).parent.parent
CASES = {case.name: case for case in conformance.load_corpus(TESTS / "corpus", [])}
REGISTERED = {
    "release_id": "rel_aaaaaaaaaaaa",
    "agent_id": "support-bot",
    "version": "1.4.0",
    "created_at": "2026-11-24T00:00:00Z",
}
REGISTRIES = {"nothing registered": [], "support-bot 1.4.0 registered": [REGISTERED]}
MAPPER = Mapper()
OPTIONS = Options()

every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
every_registry = pytest.mark.parametrize("registered", REGISTRIES.values(), ids=REGISTRIES)


def releases_of(registered: Iterable[dict[str, str]]) -> KnownReleases:
    known = KnownReleases()
    for release in registered:
        known.add(release["release_id"], agent_id=release["agent_id"], version=release["version"], registered_us=10**15)
    return known


def traces(exports: Iterable[ExportTraceServiceRequest]) -> dict[str, list[Span]]:
    found = defaultdict(list)
    for export in exports:
        for span in spans_of(export, time.time_ns() // 1000, MAPPER):
            found[span.trace_id].append(span)
    return found


def problems(delivery: conformance.Delivery, found: Sequence[Assembly]) -> list[str]:
    """What is wrong with the runs and with the number of incomplete ones."""
    events = [run_event(run).model_dump(mode="json") for assembly in found for run in assembly.runs]
    wrong = conformance.check(delivery, conformance.Answer(events))
    incomplete, want = len(of_kind(FindingKind.INCOMPLETE, found)), delivery.case.entry["incomplete_expected"]
    return wrong if incomplete == want else [*wrong, f"incomplete: {incomplete} ≠ {want}"]


def of_kind(kind: FindingKind, found: Iterable[Assembly]) -> list[Finding]:
    return [finding for assembly in found for finding in assembly.findings if finding.kind is kind]


@every_registry
@every_case
def test_a_payload_gives_its_runs(case, registered):
    delivery = conformance.deliver(case, "memory", registered)
    known = releases_of(registered)
    found = [assemble(spans, known, OPTIONS, settled=True) for spans in traces(delivery.exports).values()]
    assert problems(delivery, found) == []


@every_registry
@every_case
def test_shuffled_split_and_repeated_it_gives_the_same_runs(case, registered):
    """Assembled again after every tenth span, as a server does; the last assembly is what counts."""
    delivery = conformance.deliver(case, "memory", registered)
    known = releases_of(registered)
    shuffle = random.Random(case.name)
    found = []
    for spans in traces(delivery.exports).values():
        arrived = spans + shuffle.sample(spans, len(spans) // 5)
        shuffle.shuffle(arrived)
        for count in range(10, len(arrived), 10):
            assemble(arrived[:count], known, OPTIONS, settled=bool(count % 20))
        found.append(assemble(arrived, known, OPTIONS, settled=True))
        assert found[-1] == assemble(spans, known, OPTIONS, settled=True)
    assert problems(delivery, found) == []


@every_case
def test_what_needs_no_settling_is_closed_and_nothing_else(case):
    """Only traces with a missing parent wait: their runs come out no earlier than settled."""
    found = [assemble(spans, releases_of([]), OPTIONS, settled=False) for spans in traces(case.exports).values()]
    assert all(assembly.closed for assembly in found) == (case.entry["incomplete_expected"] == 0)
    assert len(of_kind(FindingKind.INCOMPLETE, found)) == case.entry["incomplete_expected"]
    assert not any(assembly.runs for assembly in found if not assembly.closed)


@pytest.mark.parametrize("name", ["derived_no_identity", "otel_openai_retry_fastapi"])
def test_without_a_release_there_is_a_finding_instead_of_a_run(name):
    found = [assemble(spans, releases_of([]), OPTIONS, settled=True) for spans in traces(CASES[name].exports).values()]
    assert not any(assembly.runs for assembly in found)
    resource = CASES[name].entry["resource"]
    assert [(f.service_name, f.service_version) for f in of_kind(FindingKind.UNASSIGNED, found)] == [
        (resource.get("service.name", ""), resource.get("service.version", ""))
    ]


def test_an_emitter_that_counts_cached_tokens_apart_is_marked():
    [spans] = traces(CASES["rule_cached_exceeds_input"].exports).values()
    [run] = assemble(spans, releases_of([]), OPTIONS, settled=True).runs
    assert run.cached_exceeds_input


def test_a_run_without_any_time_is_marked():
    [spans] = traces(CASES["rule_bad_time"].exports).values()
    [run] = assemble(spans, releases_of([]), OPTIONS, settled=True).runs
    assert run.bad_time
    assert run.timestamp_us == max(span.landed_us for span in spans)


@pytest.mark.parametrize("name", ["corpus", "golden", "tools"])
def test_copies_equal_the_shared_originals(name):
    """Where the shared folder stands beside this checkout, corpus, vectors and checker here are the same files."""
    original = TESTS.parent.parent / "shared" / name
    if not original.is_dir():
        pytest.skip("no folder named shared beside this checkout: it stands alone")
    names = [path.name for path in original.iterdir() if path.is_file()]
    _, differing, missing = filecmp.cmpfiles(original, TESTS / name, names, shallow=False)
    assert (differing, missing) == ([], [])
