"""What many ask at once is asked once, and never answered with what was asked before."""

from __future__ import annotations

import asyncio
import threading

import pytest

from flightdeck.server.latest import Latest


class Slow:
    """A question that is answered when the test says so, with how often it has been asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.begun = threading.Semaphore(0)
        self.go = threading.Semaphore(0)

    def __call__(self) -> int:
        self.asked += 1
        answer = self.asked
        self.begun.release()
        assert self.go.acquire(timeout=10)
        return answer


def test_who_comes_while_it_is_asked_waits_for_the_next_answer_with_all_others() -> None:
    slow = Slow()

    async def ask() -> list[int]:
        latest = Latest(slow)
        first = asyncio.create_task(latest())
        assert await asyncio.to_thread(slow.begun.acquire, timeout=10)
        others = [asyncio.create_task(latest()) for _ in range(5)]
        await asyncio.sleep(0)
        slow.go.release(2)
        return list(await asyncio.gather(first, *others))

    assert asyncio.run(ask()) == [1, 2, 2, 2, 2, 2]
    assert slow.asked == 2


def test_an_error_is_everybody_s_and_the_next_one_asks_again() -> None:
    answers = iter([ZeroDivisionError("once"), None])

    def ask() -> str:
        if (error := next(answers)) is not None:
            raise error
        return "fine"

    async def both() -> str:
        latest = Latest(ask)
        failed = await asyncio.gather(latest(), latest(), return_exceptions=True)
        assert [type(error) for error in failed] == [ZeroDivisionError, ZeroDivisionError]
        return await latest()

    assert asyncio.run(both()) == "fine"


def test_one_who_gives_up_takes_nobody_with_it_and_another_loop_begins_anew() -> None:
    slow = Slow()
    latest = Latest(slow)

    async def give_up() -> int:
        leaving = asyncio.create_task(latest())
        assert await asyncio.to_thread(slow.begun.acquire, timeout=10)
        staying = asyncio.create_task(latest())
        leaving.cancel()
        slow.go.release(2)
        with pytest.raises(asyncio.CancelledError):
            await leaving
        return await staying

    assert asyncio.run(give_up()) == 2
    slow.go.release()
    assert asyncio.run(latest()) == 3
