"""The first and the last line of the console: where we are and how it is, and the few keys that fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from widgets.pane import worst_fault
from widgets.status import Status

from .flows import ACTIONS

if TYPE_CHECKING:
    from .app import ConsoleApp
    from .screens.console import ConsoleScreen

FIRST_IN_FOOTER = (
    "clean-up-test-failover", "commit-failover", "test-failover", "failover", "backup-now", "snapshot-disks",
)  # fmt: skip
ACTIONS_IN_FOOTER = 4


def status(app: ConsoleApp, trouble: str) -> Status:
    state = app.state
    where = app.settings.name if app.settings.name != "custom" else app.settings.endpoint.split("://")[-1]
    fault = worst_fault(tuple(state.sources.values()))
    link = trouble or ("" if state.welcome else "connecting to the engine")
    return Status(
        cloud=where,
        read_only=app.read_only,
        loose_ends=sum(_is_loose(app, key) for key in state.items),
        running=len(state.running()),
        paused=state.paused,
        link=link,
        fault=f"{fault.name}: {fault.error.title}" if fault and fault.error else "",
        service_now=state.service_now() if state.complete else None,
    )


def _is_loose(app: ConsoleApp, key: str) -> bool:
    """A drill never cleaned up or a failover never committed."""
    replication = app.state.items[key].replication
    return replication is not None and (
        replication.allows("TestFailoverCleanup") or replication.allows("Commit")
    )


def footer(app: ConsoleApp, screen: ConsoleScreen) -> list[tuple[str, str]]:
    """What is possible on the row under the cursor, then how to find the rest."""
    found: list[tuple[str, str]] = []
    for id in FIRST_IN_FOOTER if screen.active_pane != 4 else ("cancel-job", *FIRST_IN_FOOTER):
        action, key = ACTIONS[id], app.keys.of(id)
        targets = screen.commands.targets(action.target)
        possible = any(not app.flows.why_not(action, target) for target in targets[:20])
        if key and possible and len(found) < ACTIONS_IN_FOOTER:
            found.append((app.keys.shown(id), key.short))
    for id in ("menu", "filter", "help"):
        key = app.keys.of(id)
        if key:
            found.append((app.keys.shown(id), key.short))
    return found
