"""The first and the last line of the console: where we are and how it is, and the few keys that fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from widgets.pane import worst_fault
from widgets.status import Status

from .flows import actions

if TYPE_CHECKING:
    from azure_ops.actions.spec import Target

    from .app import ConsoleApp
    from .screens.console import ConsoleScreen

FIRST_IN_FOOTER = (
    "cancel-job",
    "clean-up-test-failover", "commit-failover", "re-protect", "test-failover", "failover",
    "backup-now", "snapshot-disks",
)  # fmt: skip
ACTIONS_IN_FOOTER = 4
MARKS_ASKED = 20
"""Marked rows that are asked for the footer; more would be felt at every key."""


def status(app: ConsoleApp, trouble: str) -> Status:
    state = app.state
    where = app.settings.name if app.settings.name != "custom" else app.settings.endpoint.split("://")[-1]
    fault = worst_fault(tuple(state.sources.values()))
    link = trouble or ("" if state.welcome else "connecting to the engine")
    return Status(
        cloud=where,
        read_only=app.read_only,
        loose_ends=state.loose_ends.count,
        running=len(state.running()),
        paused=state.paused,
        link=link,
        fault=f"{fault.name}: {fault.error.title}" if fault and fault.error else "",
        service_now=state.service_now() if state.complete else None,
    )


def possible(app: ConsoleApp, targets: Sequence[Target]) -> list[tuple[str, str]]:
    """Keys of the actions that may be tried on these now, the most pressing first."""
    from azure_ops.actions.spec import kind_of

    found: list[tuple[str, str]] = []
    for id in FIRST_IN_FOOTER:
        action, key = actions()[id], app.keys.of(id)
        fitting = [each for each in targets if kind_of(each) is action.target]
        if key and any(not app.flows.why_not(action, target) for target in fitting[:MARKS_ASKED]):
            found.append((app.keys.shown(id), key.short))
    return found[:ACTIONS_IN_FOOTER]


def footer(app: ConsoleApp, screen: ConsoleScreen) -> list[tuple[str, str]]:
    """What is possible on the row under the cursor, then how to find the rest. The first frame has only the
    rest: the actions are loaded when it is out."""
    job = screen.job_under_cursor() if screen.active_pane == 4 else None
    found = possible(app, [*([job] if job else []), *screen.vms_under_cursor()]) if app.started else []
    for id in ("menu", "filter", "help"):
        key = app.keys.of(id)
        if key:
            found.append((app.keys.shown(id), key.short))
    return found
