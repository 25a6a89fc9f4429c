"""A user whose console and engine die under `kill -9`, and what is left: for `test_kill9_console.py`."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from azure_ops.cloud import CloudSettings
from azure_ops.journal.reader import Reader
from azure_ops.journal.store import Entry
from tests.support import Emulator

from .console_driver import BIG, User

KEYS = {"backup-now": "B", "test-failover": "F", "failover": "O"}
FIELDS = {"backup-now": 1, "test-failover": 3, "failover": 2}
ENDINGS = {"backup-now": "/backup", "test-failover": "/testFailover", "failover": "/unplannedFailover"}
FLEET = re.compile(r"1 VMs \([1-9]\d*\)")
"""With a number: the VMs were read. Failovers add some."""
SOMETHING_OPEN = re.compile(r"\besc\b|being sent")
"""Every dialog names the way back; the one without says that something is being sent."""
NOT_READY = ("onnecting to the engine", "went away", "… unread", "Reading the fleet")


class MortalUser(User):
    def __init__(self, emulator: Emulator, folder: Path) -> None:
        settings = CloudSettings(name="custom", arm_endpoint=emulator.endpoint, ca_file=emulator.ca_file)
        self._state = folder / "state" / "azrecover" / settings.key
        self._killed_pid = 0
        super().__init__(emulator, folder, BIG)

    # at the keys

    def opens_fleet(self) -> None:
        """After a start, or after whatever is open was closed."""

        def ready(screen: str) -> bool:
            shown = FLEET.search(screen) and "? Help" in screen
            return bool(shown) and not any(words in screen for words in NOT_READY)

        self.terminal.wait_for(ready, 30)

    def goes_home(self) -> None:
        """Back to the fleet from wherever the death of the engine has left the console, when another engine
        runs."""
        until = time.monotonic() + 30
        assert self.looks_on_until(lambda: self.engine_pid() != self._killed_pid, 30), self.terminal.text
        while not FLEET.search(self.terminal.text) or SOMETHING_OPEN.search(self.terminal.text):
            assert time.monotonic() < until, self.terminal.text
            self.presses("escape")
            self.terminal.settle(0.2, most_s=1)
        self.opens_fleet()

    def asks_for(self, action: str, name: str) -> None:
        """Up to the form."""
        self.finds(name)
        self.presses(KEYS[action])

    def comes_to_the_last_key(self, action: str, name: str) -> None:
        """From the form up to the plan with its ceremony done; Enter would send it now."""
        self.answers_form(FIELDS[action])
        self.sees("Go ahead")
        if action != "backup-now":
            failover = action == "failover"
            self.presses(*self.ceremony(name if failover else "", tick=failover))

    def looks_on(self, seconds: float) -> None:
        """The terminal goes on showing what comes, as it does while a user waits."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.terminal.read(left)

    def looks_on_until(self, true: Callable[[], bool], most_s: float = 10) -> bool:
        until = time.monotonic() + most_s
        while not true():
            if time.monotonic() > until:
                return False
            self.terminal.read(0.005)
        return True

    def reads_operations(self) -> str:
        """All rows of the operations pane."""
        self.presses("4")
        self.presses("+")
        self.terminal.wait_for(lambda screen: not FLEET.search(screen))
        pages = [self.terminal.text]
        while True:
            self.presses("pagedown")
            self.terminal.settle(0.3, most_s=2)
            if self.terminal.text == pages[-1]:
                return "\n".join(pages)
            pages.append(self.terminal.text)

    # deaths

    def kill_console(self) -> None:
        self.terminal.kill(signal.SIGKILL)
        assert self.terminal.wait_exit() == -signal.SIGKILL, "the console had ended before"

    def kill_engine(self) -> None:
        """The one that holds the lock now; nobody waits for its end."""
        self._killed_pid = self.engine_pid()
        os.kill(self._killed_pid, signal.SIGKILL)

    def engine_pid(self) -> int:
        """As the engine's lock file tells it; it is empty for a moment while one starts."""
        until = time.monotonic() + 10
        while True:
            with contextlib.suppress(OSError, ValueError, KeyError):
                return int(json.loads((self._state / "engine.lock").read_text())["pid"])
            assert time.monotonic() < until, "no engine"
            self.terminal.read(0.01)

    # what is left

    def entries(self) -> list[Entry]:
        """The journal as it lies on the disk."""
        path = self._state / "journal.sqlite"
        return Reader(path).entries() if path.exists() else []


def candidates(emulator: Emulator) -> dict[str, list[str]]:
    """Names of VMs on which each action is possible, no VM for two of them."""
    backups: list[str] = []
    replicated: list[str] = []
    for vault in _vaults(emulator):
        backups += [
            item["properties"]["friendlyName"]
            for item in _all(emulator, f"{vault}/backupProtectedItems?api-version=2025-08-01")
            if item["properties"]["protectionState"] == "Protected"
        ]
        replicated += [
            item["properties"]["friendlyName"]
            for item in _all(emulator, f"{vault}/replicationProtectedItems?api-version=2025-08-01")
            if {"TestFailover", "UnplannedFailover"} <= set(item["properties"]["allowedOperations"])
        ]
    half = len(replicated) // 2
    only_backed_up = sorted(set(backups) - set(replicated))
    return {
        "backup-now": only_backed_up,
        "test-failover": sorted(replicated)[:half],
        "failover": sorted(replicated)[half:],
    }


def _vaults(emulator: Emulator) -> list[str]:
    provider = "providers/Microsoft.RecoveryServices/vaults?api-version=2025-08-01"
    return [
        str(vault["id"])
        for subscription in emulator.subscription_ids
        for vault in _all(emulator, f"/subscriptions/{subscription}/{provider}")
    ]


def _all(emulator: Emulator, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while path:
        reply = emulator.get(path)
        assert reply.status == 200, reply.body
        found += reply.body["value"]
        path = reply.body.get("nextLink") or ""
    return found
