"""Requests of each action, from the key press to the end that is told, as the engine's own log of requests
has them: what a form, a plan and a confirmation read, what following reads, and what is left of the hour.

The emulator's clock is fast, and the engine as much faster: pauses are the same in the service's time."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from azure_ops import wire
from azure_ops.actions import ALL, by_id
from azure_ops.actions.spec import TargetKind
from azure_ops.engine.pace import FASTEST_CLOCK
from azure_ops.errors import RecoveryError
from azure_ops.model import Phase, RequestLine, Vault
from azure_ops.services.request_log import GRAPH_ACTION, action_of
from azure_ops.services.throttling import TIGHTEST
from tests.bench import world
from tests.emulator.engine_world import Told
from tests.support import NOW, Emulator

HURRY = 3
SPEED = HURRY * FASTEST_CLOCK
WITHIN_S = 240.0
LINES_COME_S = 1.0
"""The engine tells requests of a burst together."""
JOB_READS = ("/backupjobs/read", "/replicationjobs/read")


@dataclass(frozen=True)
class Scene:
    action: str
    target: str
    """A VM, a vault, or a vault in whose subscription it is done."""
    answers: Mapping[str, str] = field(default_factory=dict)


LOCALLY = {"redundancy": "LocallyRedundant"}
SCENES = (
    Scene("backup-now", "mon-01"),
    Scene("cancel-job", "web-03"),
    Scene("snapshot-disks", "jump-01"),
    Scene("protect", "jump-01"),
    Scene("test-failover", "web-02"),
    Scene("clean-up-test-failover", "web-02"),
    Scene("failover", "web-02"),
    Scene("commit-failover", "web-02"),
    Scene("restore-disks", "app-01"),
    Scene("restore-vm", "app-01"),
    Scene("replace-disks", "app-01"),
    Scene("recover-items", "app-01", {"script": "leave"}),
    Scene("revoke-items", "app-01"),
    Scene("change-policy", "sql-01", {"disks": "os"}),
    Scene("stop-protection", "app-02"),
    Scene("resume-protection", "app-02"),
    Scene("delete-backups", "app-02"),
    Scene("undelete-backups", "app-02"),
    Scene("create-vault", "rsv-weu", {"name": "rsv-new", "region": "westeurope", **LOCALLY}),
    Scene("change-redundancy", "rsv-new", {"redundancy": "GeoRedundant"}),
    Scene("cross-region-restore", "rsv-new"),
)
"""In an order in which each is possible on the contoso fleet."""
HEAD = f"{'requests of':<26}{'form':>6}{'plan':>6}{'send':>12}{'follow':>8}{'fleet':>7}{'job reads':>12}"


@dataclass(frozen=True)
class Row:
    """One action's requests by the step that caused them."""

    scene: Scene
    form: int
    plan: int
    reads: int
    writes: int
    follow: int
    fleet: int
    job_reads: int
    job_s: float

    def line(self) -> str:
        send = f"{self.reads} + {self.writes}"
        took = f"in {self.job_s / 60:.0f} min"
        verdict = "met" if self.job_reads <= TIGHTEST else "MISSED"
        return (
            f"{self.scene.action:<26}{self.form:>6}{self.plan:>6}{send:>12}{self.follow:>8}{self.fleet:>7}"
            f"{self.job_reads:>12} of {TIGHTEST} {took:<9}  {verdict}"
        )


class Line:
    """A line of the table that is no figure."""

    def __init__(self, text: str) -> None:
        self._text = text

    def line(self) -> str:
        return self._text


def measure() -> Iterator[Row | Line]:
    left_out = {action.id for action in ALL} - {scene.action for scene in SCENES}
    with world.private_folders(), tempfile.TemporaryDirectory() as folder:
        flags = ["--fleet", "contoso", "--speed", str(SPEED), "--seed", "1", "--now", NOW]
        emulator = Emulator(Path(folder) / "world", *flags)
        before = dict(os.environ)
        os.environ.update(emulator.env)
        try:
            yield Line(HEAD)
            yield from asyncio.run(_all_scenes(emulator))
            yield from (Line(f"{action:<26}  not measured") for action in sorted(left_out))
        finally:
            os.environ.clear()
            os.environ.update(before)
            emulator.kill()


async def _all_scenes(emulator: Emulator) -> Sequence[Row | Line]:
    settings = world.settings_of(emulator.env)
    console = Told(settings, hurry=str(HURRY))
    await console.connect()
    try:
        await console.filled()
        rows: list[Row | Line] = []
        for scene in SCENES:
            try:
                rows.append(await _scene(console, scene))
            except (RecoveryError, TimeoutError, StopIteration) as problem:
                rows.append(Line(f"{scene.action:<26}  not measured: {type(problem).__name__} {problem}"))
        return rows
    finally:
        await console.call(wire.Stop())
        await console.close()


async def _scene(console: Told, scene: Scene) -> Row:
    key = await _target(console, scene)
    start = datetime.now(UTC)
    prepared = await console.call(wire.Prepare(action=scene.action, keys=(key,)))
    assert isinstance(prepared, wire.Prepared)
    answers = {each.id: each.default for each in prepared.form.fields} | dict(scene.answers)
    formed = datetime.now(UTC)
    made = await console.call(wire.MakePlan(action=scene.action, keys=(key,), answers=answers))
    assert isinstance(made, wire.GotPlan)
    planned = datetime.now(UTC)
    ids = await console.confirm(made.plan)
    await console.until(
        lambda: all(console.phase(id_) not in (None, Phase.INTENDED) for id_ in ids), WITHIN_S
    )
    sent = datetime.now(UTC)
    await console.until(lambda: all(_known(console, id_) for id_ in ids), WITHIN_S)
    # As the screen that watches it does.
    console.focus([], [console.operations[id_].job_id for id_ in ids if console.operations[id_].job_id])
    ended = await console.ended(ids, WITHIN_S)
    console.focus([], [])
    assert all(operation.phase in (Phase.SUCCEEDED, Phase.CANCELLED) for operation in ended), ended
    took_s = (datetime.now(UTC) - sent).total_seconds() * SPEED
    await asyncio.sleep(LINES_COME_S)
    return _count(scene, _lines(console, start), (formed, planned, sent), took_s)


def _known(console: Told, id_: str) -> bool:
    """The job is named, or there is none."""
    operation = console.operations.get(id_)
    if operation is None:
        return False
    return bool(operation.job_id) or operation.phase.ended or operation.phase is Phase.RUNNING


async def _target(console: Told, scene: Scene) -> str:
    kind = by_id(scene.action).target
    if kind in (TargetKind.VAULT, TargetKind.SUBSCRIPTION):
        await console.until(lambda: scene.target in _vaults(console))
        vault = _vaults(console)[scene.target]
        return vault.id if kind is TargetKind.VAULT else f"/subscriptions/{vault.subscription_id}"
    if kind is TargetKind.VM:
        return console.named(scene.target).key
    (id_,) = await console.start("backup-now", [console.named(scene.target).key])
    await console.until(lambda: _known(console, id_) and console.phase(id_) is Phase.RUNNING)
    await asyncio.sleep(LINES_COME_S)
    return console.operations[id_].job_id


def _vaults(console: Told) -> dict[str, Vault]:
    told = [news.vaults for news in console.messages if isinstance(news, wire.FleetDelta) and news.vaults]
    return {vault.name: vault for vault in told[-1]} if told else {}


def _lines(console: Told, since: datetime) -> list[RequestLine]:
    told = [
        line for message in console.messages if isinstance(message, wire.Requests) for line in message.lines
    ]
    return [line for line in told if line.at >= since]


def _count(
    scene: Scene, lines: Sequence[RequestLine], ends: tuple[datetime, datetime, datetime], took_s: float
) -> Row:
    steps: dict[str, list[RequestLine]] = {"form": [], "plan": [], "send": [], "follow": [], "fleet": []}
    formed, planned, sent = ends
    for line in lines:
        step = (
            "form"
            if line.at < formed
            else "plan"
            if line.at < planned
            else "send"
            if line.at < sent
            else "follow"
        )
        steps["fleet" if _of_the_fleet(line) else step].append(line)
    changing = [line for line in steps["send"] if line.method != "GET"]
    own = [line for step, found in steps.items() if step != "fleet" for line in found]
    return Row(
        scene=scene,
        form=len(steps["form"]),
        plan=len(steps["plan"]),
        reads=len(steps["send"]) - len(changing),
        writes=len(changing),
        follow=len(steps["follow"]),
        fleet=len(steps["fleet"]),
        job_reads=sum(_action(line).endswith(JOB_READS) for line in own),
        job_s=took_s,
    )


def _action(line: RequestLine) -> str:
    return action_of(line.method, line.path.partition("?")[0]).lower()


def _of_the_fleet(line: RequestLine) -> bool:
    """What the watcher reads for every row, action or not."""
    return _action(line) == GRAPH_ACTION.lower()
