"""An engine process of its own and consoles on it, as tests see them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import pytest

from azure_ops import paths, wire
from azure_ops.client import EngineClient
from azure_ops.cloud import CloudSettings
from azure_ops.engine.lock import holder, holder_in
from azure_ops.errors import StateUnusable
from azure_ops.journal.reader import Reader
from azure_ops.journal.store import Entry
from azure_ops.model import FleetItem, Job, Operation, Phase, Plan, SourceState

from ..support import Emulator

HURRY = "20"
WITHIN_S = 30.0


def point_environment(monkeypatch: pytest.MonkeyPatch, emulator: Emulator, folder: Path) -> None:
    """This process, and the engines it starts, at the emulator and at folders of the test."""
    for name in list(os.environ):
        if name.startswith(("AZURE_", "MSI_", "IDENTITY_", "IMDS_", "AZRECOVER_")):
            monkeypatch.delenv(name)
    for name, value in emulator.env.items():
        monkeypatch.setenv(name, value)
    point_folders(monkeypatch, folder)


def point_folders(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    for name in ("STATE_HOME", "RUNTIME_DIR", "CONFIG_HOME", "CACHE_HOME"):
        place = folder / name.lower()
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        monkeypatch.setenv(f"XDG_{name}", str(place))


class Told(EngineClient):
    """A console that keeps everything it is told."""

    def __init__(self, settings: CloudSettings, *, idle_s: float = 30, hurry: str = HURRY) -> None:
        super().__init__(
            settings, self._hear_message, self._hear_state,
            engine_argv=["--idle-s", str(idle_s), "--hurry", hurry],
        )  # fmt: skip
        self.items: dict[str, FleetItem] = {}
        self.jobs: dict[str, Job] = {}
        self.operations: dict[str, Operation] = {}
        self.sources: dict[str, SourceState] = {}
        self.notices: list[wire.Notice] = []
        self.messages: list[wire.FromEngine] = []
        self.states: list[tuple[str, str]] = []
        self.pid = 0
        self._news = asyncio.Event()

    def _hear_state(self, state: str, line: str) -> None:
        self.states.append((state, line))
        self._news.set()

    def _hear_message(self, message: wire.FromEngine) -> None:
        self.messages.append(message)
        if isinstance(message, wire.Welcome):
            self.pid = message.pid
            for told in (self.items, self.jobs, self.operations, self.sources):
                told.clear()
        elif isinstance(message, wire.FleetDelta):
            self.items |= {item.key: item for item in message.changed}
            for key in message.removed:
                self.items.pop(key, None)
            self.sources = {source.name: source for source in message.sources}
        elif isinstance(message, wire.JobsDelta):
            self.jobs |= {job.id.lower(): job for job in message.changed}
        elif isinstance(message, wire.OperationsDelta):
            self.operations |= {operation.id: operation for operation in message.changed}
        elif isinstance(message, wire.Notice):
            self.notices.append(message)
        self._news.set()

    async def until(self, true: Callable[[], object], within_s: float = WITHIN_S) -> None:
        """Looks again at each message; never by the clock."""
        async with asyncio.timeout(within_s):
            while not true():
                self._news.clear()
                await self._news.wait()

    async def filled(self) -> None:
        """Until every source was read once."""
        names = {"virtual machines", "backup", "replication", "vaults", "jobs"}
        await self.until(
            lambda: (
                names <= {name for name, source in self.sources.items() if source.read_at is not None}
                and len(self.jobs) >= self.sources["jobs"].rows
                and any(isinstance(message, wire.LeftoversTold) for message in self.messages)
            )
        )

    def named(self, name: str) -> FleetItem:
        return next(item for item in self.items.values() if item.name == name and item.exists)

    async def plan(self, action: str, keys: Sequence[str], answers: Mapping[str, str] | None = None) -> Plan:
        """With the form's own defaults for what is not answered."""
        request = wire.Prepare(action=action, keys=tuple(keys), answers=dict(answers or {}))
        prepared = await self.call(request)
        assert isinstance(prepared, wire.Prepared)
        given = {field.id: field.default for field in prepared.form.fields} | dict(answers or {})
        made = await self.call(wire.MakePlan(action=action, keys=tuple(keys), answers=given))
        assert isinstance(made, wire.GotPlan)
        return made.plan

    async def confirm(self, plan: Plan) -> tuple[str, ...]:
        """With the whole ceremony."""
        answer = await self.call(wire.Confirm(plan_id=plan.id, typed=plan.confirm_name, understood=True))
        assert isinstance(answer, wire.Confirmed), answer
        return answer.operation_ids

    async def start(
        self, action: str, keys: Sequence[str], answers: Mapping[str, str] | None = None
    ) -> tuple[str, ...]:
        return await self.confirm(await self.plan(action, keys, answers))

    def phase(self, id_: str) -> Phase | None:
        return self.operations[id_].phase if id_ in self.operations else None

    async def ended(self, ids: Sequence[str], within_s: float = WITHIN_S) -> list[Operation]:
        await self.until(
            lambda: all(id_ in self.operations and self.operations[id_].phase.ended for id_ in ids), within_s
        )
        return [self.operations[id_] for id_ in ids]


class EngineWorld:
    """Consoles and engines against one emulator; nothing outlives it."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        self.settings = CloudSettings(name="custom", arm_endpoint=emulator.endpoint, ca_file=emulator.ca_file)
        self._consoles: list[Told] = []

    async def console(
        self, *, settings: CloudSettings | None = None, idle_s: float = 30, hurry: str = HURRY
    ) -> Told:
        told = Told(settings or self.settings, idle_s=idle_s, hurry=hurry)
        self._consoles.append(told)
        await told.connect()
        return told

    async def filled_console(self, **options: object) -> Told:
        told = await self.console(**options)  # type: ignore[arg-type]
        await told.filled()
        return told

    def entries(self) -> list[Entry]:
        path = paths.journal_path(self.settings)
        return Reader(path).entries() if path.exists() else []

    def posts(self, request_id: str) -> list[dict[str, object]]:
        return [r for r in self.emulator.requests() if r["client_request_id"] == request_id]

    async def goes_on(self, console: Told, id_: str, within_s: float = 60) -> Operation:
        """Time passes until the operation has ended: a request that was held when its engine died may be
        taken only after the next engine has begun to look for it."""
        async with asyncio.timeout(within_s):
            while (phase := console.phase(id_)) is None or not phase.ended:
                self.emulator.advance(62)
                await asyncio.sleep(0.3)
        return console.operations[id_]

    @property
    def pids(self) -> set[int]:
        return {told.pid for told in self._consoles if told.pid}

    async def close(self) -> None:
        for told in self._consoles:
            with contextlib.suppress(Exception):
                await told.close()
        kill_engines(paths.engine_folders(), self.pids)
        with contextlib.suppress(StateUnusable):
            for _ in range(200):
                if holder(self.settings) is None:
                    return
                await asyncio.sleep(0.02)


def kill_engines(folders: Iterable[Path], pids: set[int]) -> None:
    """Those of them that still hold the lock of their state folder: the number of an engine that ended long
    ago may be somebody else's by now, even that of a thread of these tests."""
    for folder in folders:
        engine = holder_in(folder)
        if engine is not None and engine.pid in pids:
            kill(engine.pid)


def kill(pid: int) -> None:
    """`kill -9` of an engine that a test started, and wait until its lock is gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
