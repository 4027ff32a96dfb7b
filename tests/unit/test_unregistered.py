"""Events of releases that nobody registered are told of, within bounds."""

from flightdeck.ingest import unregistered
from flightdeck.ingest.unregistered import Unregistered
from flightdeck.otel.releases import KnownReleases


def releases() -> KnownReleases:
    known = KnownReleases()
    known.add("rel_known", agent_id="support", version="1", registered_us=0)
    return known


def test_each_unknown_release_is_warned_of_once(caplog):
    seen = Unregistered()
    for _ in range(3):
        seen.look(["rel_known", "rel_typo"], releases())
    (record,) = caplog.records
    assert "'rel_typo', which is not registered" in record.getMessage()
    assert record.levelname == "WARNING"


def test_ids_without_end_neither_fill_the_memory_nor_the_log(caplog, monkeypatch):
    monkeypatch.setattr(unregistered, "MOST_REMEMBERED", 3)
    seen = Unregistered()
    for number in range(100):
        seen.look([f"{number}-a" + "x" * 5000, f"{number}-b"], releases())
    assert len(caplog.records) == 4
    assert "more are not named" in caplog.records[-1].getMessage()
    assert max(len(record.getMessage()) for record in caplog.records) < 400
