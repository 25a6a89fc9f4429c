"""Long answers in parts: nothing lost, nothing read ahead without bound, failures told at the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from azure_ops.engine.file_streams import KEPT, Stream


async def numbers(count: int, made: list[int], failing: bool = False) -> AsyncIterator[int]:
    for number in range(count):
        made.append(number)
        yield number
    if failing:
        raise ValueError("damaged")


async def all_of(stream: Stream[int], most: int = 3) -> list[int]:
    found: list[int] = []
    more = True
    while more:
        part, more = await stream.take(most, 5)
        assert len(part) <= most
        found += part
    return found


async def test_everything_comes_once_and_no_more_is_read_than_asked_for() -> None:
    made: list[int] = []
    stream = Stream(numbers(100, made))
    await stream.take(3, 5)
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(made) <= 3 + KEPT + 1
    assert [*range(3, 100)] == await all_of(stream)


async def test_what_came_before_a_failure_is_told_before_it() -> None:
    stream = Stream(numbers(7, [], failing=True))
    found: list[int] = []
    while len(found) < 7:
        part, more = await stream.take(3, 5)
        assert more
        found += part
    assert found == [*range(7)]
    with pytest.raises(ValueError, match="damaged"):
        await stream.take(3, 5)


async def test_an_answer_that_takes_long_comes_empty_and_closing_ends_it() -> None:
    closed = asyncio.Event()

    async def never() -> AsyncIterator[int]:
        try:
            await asyncio.Event().wait()
            yield 1
        finally:
            closed.set()

    stream = Stream(never())
    assert await stream.take(3, 0.01) == ([], True)
    await stream.close()
    assert closed.is_set()
