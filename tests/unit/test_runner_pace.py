"""Turns of reading: fast while much is left, slower when little is, and everybody in turn."""

from __future__ import annotations

import asyncio
import time

import pytest

from azure_ops.engine.pace import FASTEST_CLOCK, LAST_STEP_S, Pace, patience_s


class Budget:
    def __init__(self, remaining: int | None, hold_off_s: float = 0.0) -> None:
        self.left = remaining
        self.held_s = hold_off_s

    def remaining(self, action: str, scope: str = "") -> int | None:
        return self.left

    def hold_off_s(self, action: str, scope: str = "") -> float:
        return self.held_s


@pytest.mark.parametrize(
    ("left", "spacing"),
    [(None, 5), (299, 5), (76, 5), (75, 10), (50, 30), (25, LAST_STEP_S), (0, LAST_STEP_S)],
)
def test_reads_lie_further_apart_the_less_is_left(left: int | None, spacing: float) -> None:
    assert Pace(Budget(left)).spacing_s("read", "vault") == spacing


def test_a_job_that_stands_still_takes_less_than_half_of_an_hour_in_twenty_minutes() -> None:
    reads, elapsed_s = 0, 0.0
    while elapsed_s < 20 * 60:
        elapsed_s += 5 + patience_s(reads)
        reads += 1
    assert 50 < reads < 75
    assert patience_s(0) == 0
    assert patience_s(1) < 1, "what has just moved is looked at again soon"


def test_150_reads_last_an_hour() -> None:
    budget = Budget(150)
    pace = Pace(budget)
    total = 0.0
    while budget.left:
        total += pace.spacing_s("read", "vault")
        budget.left -= 1
    assert total >= 3300


def test_pauses_follow_the_services_clock_up_to_a_limit() -> None:
    assert Pace(Budget(None), lambda: 1.0).seconds(30) == 30
    assert Pace(Budget(None), lambda: 0.0).seconds(30) == 30
    assert Pace(Budget(None), lambda: 3.0).seconds(30) == 10
    assert Pace(Budget(None), lambda: 1e6).seconds(30) == 30 / FASTEST_CLOCK


async def test_jobs_of_one_vault_take_turns_and_other_vaults_do_not_wait() -> None:
    pace = Pace(Budget(None), hurry=50)
    order: list[str] = []

    async def follow(name: str, scope: str, times: int) -> None:
        for _ in range(times):
            await pace.turn("read", scope)
            order.append(name)

    began = time.monotonic()
    await asyncio.gather(follow("a", "v1", 3), follow("b", "v1", 3), follow("c", "v2", 1))
    assert time.monotonic() - began >= 5 * 0.1
    assert [name for name in order if name != "c"] == ["a", "b", "a", "b", "a", "b"]
    assert "c" in order[:2]


async def test_a_throttled_action_waits_as_told() -> None:
    pace = Pace(Budget(None, hold_off_s=0.2), hurry=1000)
    began = time.monotonic()
    await pace.turn("read", "v")
    assert time.monotonic() - began >= 0.19
