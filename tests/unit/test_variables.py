"""A mistyped FLIGHTDECK_* is named, and nothing that anybody reads."""

from collections.abc import Iterator, Mapping

from flightdeck.otel.instrumentation.settings import AgentSettings
from flightdeck.server.variables import strangers
from tests.docs.settings_table import rows


class Recording(Mapping[str, str]):
    """An empty environment that knows what was asked of it."""

    def __init__(self) -> None:
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def test_a_mistyped_variable_is_named_with_the_nearest_right_one():
    told = strangers({"FLIGHTDECK_SETLE": "2", "FLIGHTDECK_STOER__DSN": "x", "flightdeck_zzzzzzz": "", "PATH": "/bin"})
    assert list(told) == [
        "WARNING: unknown variable FLIGHTDECK_SETLE; did you mean FLIGHTDECK_SETTLE? It is ignored.",
        "WARNING: unknown variable FLIGHTDECK_STOER__DSN; did you mean FLIGHTDECK_STORE__DSN? It is ignored.",
        "WARNING: unknown variable FLIGHTDECK_ZZZZZZZ. It is ignored.",
    ]


def test_what_somebody_reads_is_no_stranger():
    asked = Recording()
    AgentSettings.read(asked)
    server = {variable for _, variable, *_ in rows()}
    others = {"FLIGHTDECK_URL", "FLIGHTDECK_WORKSPACE", "FLIGHTDECK_ACTOR", "FLIGHTDECK_SQLITE_LOCK_TIMEOUT"}
    known = asked.asked | server | others | {"FLIGHTDECK_STORE", "FLIGHTDECK_TEST_POSTGRES", "flightdeck_settle"}
    assert len(known) > 45
    assert list(strangers(dict.fromkeys(known, "x"))) == []


def test_there_is_an_end_to_it():
    told = list(strangers({f"FLIGHTDECK_{number:03}_{'X' * 5000}": "" for number in range(500)}))
    assert len(told) == 11
    assert told[-1] == "WARNING: 490 more unknown variables FLIGHTDECK_* are ignored."
    assert max(map(len, told)) < 200
