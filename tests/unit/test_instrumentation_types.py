"""A user's program passes ``mypy --strict``, and mistakes in it are found: what users import carries its types."""

import subprocess
import sys
from importlib.resources import files

import pytest

RIGHT = """
from collections.abc import AsyncIterator, Iterator
import flightdeck.otel
from flightdeck.otel import Run, record_llm_call, record_tool_call, run, score

flightdeck.otel.configure(release_id="rel_0123456789ab", export="runs")


@flightdeck.otel.run(task_id="refund", tenant_id=lambda ticket: ticket)
def solve(ticket: str, *, loud: bool = False) -> int:
    record_llm_call(provider="openai", model="gpt-4.1", input_tokens=7, output_tokens=1, duration_s=0.5)
    record_tool_call("look_up", error_type="Timeout")
    score("helpfulness", 0.5)
    return len(ticket) * (2 if loud else 1)


@run()
async def wait(ticket: str) -> str:
    async with run(session_id=ticket) as inner:
        found: Run = inner
    return found.run_id


@run()
def words() -> Iterator[str]:
    yield "a"


@run()
async def more_words() -> AsyncIterator[bytes]:
    yield b"a"


async def main() -> None:
    number: int = solve("x", loud=True)
    text: str = await wait("x")
    for word in words():
        text += word
    async for more in more_words():
        text += more.decode()
    with flightdeck.otel.run(name="agent") as entered:
        entered.identify(tenant_id="acme")
        entered.fail("Refused")
        headers: dict[str, str] = flightdeck.otel.carrier()
    with flightdeck.otel.continued(headers):
        pass
    done: bool = flightdeck.otel.flush(1.0)
    counts: dict[str, int] = flightdeck.otel.counters() | flightdeck.otel.losses()
    print(number, text, done, counts)
"""
WRONG = {
    'solve("x", loud="yes")': "arg-type",
    "solve(7)": "arg-type",
    "text: str = solve('x')": "assignment",
    'record_llm_call(model="gpt-4.1")': "call-arg",
    'flightdeck.otel.configure(export="logs")': "arg-type",
    'score("helpfulness", "high")': "arg-type",
    "flightdeck.otel.no_such_thing()": "attr-defined",
}


def test_the_package_says_that_it_is_typed():
    assert files("flightdeck").joinpath("py.typed").is_file()


def test_a_right_program_passes_and_every_mistake_is_found(tmp_path):
    pytest.importorskip("mypy")
    program = tmp_path / "program.py"
    program.write_text(RIGHT + "\n" + "\n".join(WRONG) + "\n")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-color-output", "--config-file=", str(program)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    first = len(RIGHT.splitlines()) + 2
    found = {}
    for line in done.stdout.splitlines():
        if "error:" in line:
            where, _, message = line.partition(": error: ")
            found[int(where.rpartition(":")[2])] = message.rpartition("[")[2].rstrip("]")
    assert found == {first + number: code for number, code in enumerate(WRONG.values())}, done.stdout
