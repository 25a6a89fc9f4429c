"""Figures and how they are printed: value, the floor beside it, the ratio, and the goal to meet."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    name: str
    value: float
    unit: str
    floor: float | None = None
    """The same in the same run, done the barest way."""
    goal: float | None = None
    """For the ratio when there is a floor, else for the value: not more than this."""

    @property
    def judged(self) -> float:
        return self.value / self.floor if self.floor else self.value

    def line(self) -> str:
        floor = f"{self.floor:>10,.1f}" if self.floor else " " * 10
        ratio = f"{self.judged:>6.2f}×" if self.floor else " " * 7
        verdict = ""
        if self.goal is not None:
            bound = f"{self.goal:g}×" if self.floor else f"{self.goal:g} {self.unit}"
            verdict = f"{'met   ' if self.judged <= self.goal else 'MISSED'} ≤ {bound}"
        return f"{self.name:<62}{self.value:>12,.1f} {self.unit:<6}{floor} {ratio}  {verdict}".rstrip()


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]


def median(values: Sequence[float]) -> float:
    return statistics.median(values)
