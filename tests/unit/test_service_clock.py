from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from azure_ops.services.service_clock import ServiceClock

HERE = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


class World:
    """A local clock, and a service whose clock runs at a rate of its own."""

    def __init__(self, rate: float = 1.0, offset: timedelta = timedelta()) -> None:
        self.local = 0.0
        self.rate = rate
        self.service = HERE + offset
        self.clock = ServiceClock(lambda: self.local, lambda: HERE + timedelta(seconds=self.local))

    def passes(self, seconds: float) -> None:
        self.local += seconds
        self.service += timedelta(seconds=seconds * self.rate)

    def answers(self) -> None:
        self.clock.learn(format_datetime(self.service, usegmt=True))

    @property
    def error_s(self) -> float:
        return abs((self.clock.now() - self.service).total_seconds())


def test_before_the_first_answer_it_is_our_own() -> None:
    assert World().clock.now() == HERE
    assert World().clock.offset_s == 0


def test_an_ordinary_service_differs_by_an_offset() -> None:
    world = World(offset=timedelta(minutes=-7))
    for _ in range(20):
        world.answers()
        world.passes(3.3)
    world.passes(600)
    assert world.clock.rate == 1
    assert world.error_s <= 1
    assert -421 < world.clock.offset_s < -419


@pytest.mark.parametrize("rate", [0.0, 20.0, 600.0])
def test_a_clock_at_another_speed_is_followed_between_answers(rate: float) -> None:
    world = World(rate)
    for _ in range(6):
        world.answers()
        world.passes(4)
    assert world.error_s <= 1 + rate


def test_a_jump_is_taken_at_the_next_answer_and_leaves_the_rate_alone() -> None:
    world = World()
    for _ in range(5):
        world.answers()
        world.passes(3)
    world.service += timedelta(hours=5)
    world.answers()
    assert world.error_s <= 1
    world.passes(30)
    assert world.clock.rate == 1
    assert world.error_s <= 1


@pytest.mark.parametrize("header", [None, "", "yesterday", "Wed, 99 Oct 2026 07:28:00 GMT"])
def test_what_is_no_date_teaches_nothing(header: str | None) -> None:
    world = World()
    world.clock.learn(header)
    assert world.clock.now() == HERE
