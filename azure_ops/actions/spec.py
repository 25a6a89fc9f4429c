"""What an action is: data, a pure reason why not, and coroutines that plan and run. Keys are not in it.

The console imports this for titles, risks and reasons; only the engine calls `choices`, `plan` and `run`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ..model import FleetItem, Job, Risk

Target = FleetItem | Job


class TargetKind(StrEnum):
    VM = "vm"
    JOB = "job"


def _nothing(*_: Any) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Action:
    """One verb. `choices(ctx, targets)` reads what the form offers, `plan(ctx, targets, answers)` says what
    will happen, `run(ctx, operation)` sends the one mutating request; their types are in `runner.py`."""

    id: str
    title: str
    target: TargetKind
    risk: Risk
    azure_operation: str = ""
    """Matched against the replicated item's `allowedOperations`; empty when Azure has no such list."""
    permissions: tuple[str, ...] = ()
    why_not: Callable[[Any], str | None] = _nothing
    """Pure and instant: None when it may be tried on this target, else the reason in one line."""
    choices: Callable[..., Awaitable[Any]] | None = None
    plan: Callable[..., Awaitable[Any]] | None = None
    run: Callable[..., Awaitable[Any]] | None = None
    many: bool = True
    """May be done on several marked rows with one plan and one confirmation."""
    keywords: tuple[str, ...] = field(default=())
    """Further words the command palette finds it by."""
