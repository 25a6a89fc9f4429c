"""Every fault that the emulator knows on every call of a console: a typed error, and the engine lives on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from azure_ops import wire
from azure_ops.errors import RecoveryError
from azure_ops.model import CheckState, Details, ErrorNote, PointSource

from ..conftest import EmulatorFactory
from ..support import Emulator
from .engine_world import EngineWorld, Told, point_environment

FAULTS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "429": ({"kind": "status", "status": 429}, {"Throttled"}),
    "429 with Retry-After": ({"kind": "status", "status": 429, "retry_after": 60}, {"Throttled"}),
    "500": ({"kind": "status", "status": 500}, {"ServiceFailed"}),
    "503": ({"kind": "status", "status": 503}, {"ServiceFailed"}),
    "reset": ({"kind": "reset"}, {"Unreachable"}),
    "cut": ({"kind": "cut"}, {"Unreachable"}),
    "malformed": ({"kind": "malformed"}, {"ServiceFailed"}),
    "expired": ({"kind": "expired-token"}, {"SignInNeeded"}),
    "403": (
        {"kind": "status", "status": 403, "code": "AuthorizationFailed", "message": "No."},
        {"NotAllowed"},
    ),
    "409": ({"kind": "status", "status": 409, "code": "Conflict", "message": "Busy."}, {"Busy"}),
}
"""The fault and the errors that may come of it."""


@pytest.fixture
async def world(
    emulator_factory: EmulatorFactory, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[EngineWorld]:
    emulator: Emulator = emulator_factory(throttle=False)
    point_environment(monkeypatch, emulator, folder)
    made = EngineWorld(emulator)
    yield made
    await made.close()


def check_note(note: ErrorNote, kinds: set[str], what: str) -> None:
    assert note.kind in kinds, (what, note)
    assert note.title, what
    assert "\n" not in note.title, what
    assert note.hint, (what, note.title)
    assert "Bearer" not in note.details


async def refusal(console: Told, request: wire.Request) -> ErrorNote:
    with pytest.raises(RecoveryError) as caught:
        await console.call(request, timeout_s=90)
    return caught.value.note()


@pytest.mark.parametrize("fault", FAULTS)
async def test_no_fault_of_a_read_ends_engine_or_console(world: EngineWorld, fault: str) -> None:
    console = await world.filled_console()
    vm = console.named("app-01")
    job = next(iter(console.jobs.values()))
    rows = dict(console.items)
    fields, kinds = FAULTS[fault]
    world.emulator.fault(**fields, path="/subscriptions/*", method="GET", count=10_000)
    world.emulator.fault(**fields, path="/providers/*", count=10_000)

    answer = await console.call(wire.GetDetails(key=vm.key, fresh=True), timeout_s=90)
    assert isinstance(answer, wire.GotDetails)
    assert answer.details.item.name == "app-01", "what was known is kept"
    assert len(answer.details.faults) >= 5
    for note in answer.details.faults:
        check_note(note, kinds, "details")
    for request in (
        wire.GetRaw(key=vm.key, part="replication"),
        wire.GetJob(job_id=job.id),
        wire.Prepare(action="failover", keys=(vm.key,)),
        wire.MakePlan(action="backup-now", keys=(vm.key,)),
    ):
        check_note(await refusal(console, request), kinds, type(request).__name__)
    await console.call(wire.Refresh(), timeout_s=90)
    failed = {name for name, source in console.sources.items() if source.error}
    assert {"virtual machines", "backup", "replication", "vaults"} <= failed
    for source in console.sources.values():
        if source.error:
            check_note(source.error, kinds, source.name)
    assert console.items == rows, "rows of a source that failed stay"

    world.emulator.clear_faults()
    if "429" not in fault:
        await console.call(wire.Refresh(), timeout_s=90)
        assert not any(source.error for source in console.sources.values())
        assert await console.plan("backup-now", [vm.key])
    assert isinstance(await console.call(wire.GetStatus()), wire.GotStatus)
    assert [state for state, _ in console.states] == ["connected"]
    assert world.emulator.requests() == []


@pytest.mark.parametrize("status", [403, 503])
async def test_vms_that_could_never_be_read_are_not_called_deleted(world: EngineWorld, status: int) -> None:
    refused = {"status": status, "count": 10_000}
    world.emulator.fault("status", method="POST", path="*ResourceGraph*", **(refused | {"status": 403}))
    world.emulator.fault("status", method="GET", path="*/Microsoft.Compute/virtualMachines", **refused)
    console = await world.console()
    await console.until(
        lambda: (
            {"backup", "replication"} <= {name for name, source in console.sources.items() if source.read_at}
            and "virtual machines" in console.sources
        )
    )
    assert console.sources["virtual machines"].error
    assert console.items
    assert all(item.exists and item.vm_unread for item in console.items.values())
    vm = console.named("web-01")
    console.focus([vm.key], [])
    await console.until(lambda: not console.items[vm.key].vm_unread)
    assert console.items[vm.key].disks, "one row is read by itself all the same"

    world.emulator.clear_faults()
    await console.call(wire.Refresh(), timeout_s=90)
    assert not any(item.vm_unread for item in console.items.values())


async def test_points_of_a_source_that_fails_stay_and_say_how_old_they_are(world: EngineWorld) -> None:
    console = await world.filled_console()
    vm = console.named("web-01")

    async def details() -> Details:
        answer = await console.call(wire.GetDetails(key=vm.key, fresh=True), timeout_s=90)
        assert isinstance(answer, wire.GotDetails)
        return answer.details

    before = await details()
    read_at = {source.name: source.read_at for source in before.point_sources}
    assert list(read_at) == ["disk snapshots", "backup points", "replication points"]
    assert {point.source for point in before.points} >= {PointSource.BACKUP, PointSource.REPLICATION}
    world.emulator.fault("status", status=503, path="*/backupFabrics/*/recoveryPoints", count=1000)
    failed = await details()
    assert failed.points == before.points
    (old,) = [source for source in failed.point_sources if source.error]
    assert (old.name, old.read_at) == ("backup points", read_at["backup points"])
    assert failed.faults == (old.error,)

    other = console.named("dc-02")
    answer = await console.call(wire.GetDetails(key=other.key), timeout_s=90)
    assert isinstance(answer, wire.GotDetails)
    (never,) = [source for source in answer.details.point_sources if source.error]
    assert never.read_at is None


@pytest.mark.parametrize("action", ["failover", "test-failover"])
async def test_latest_is_offered_when_the_points_cannot_be_read(world: EngineWorld, action: str) -> None:
    console = await world.filled_console()
    vm = console.named("web-01")
    world.emulator.fault("status", status=503, path="*/replication*/recoveryPoints", count=1000)
    prepared = await console.call(wire.Prepare(action=action, keys=(vm.key,)), timeout_s=90)
    assert isinstance(prepared, wire.Prepared)
    (points,) = [field for field in prepared.form.fields if field.id == "point"]
    assert [option.value for option in points.options] == ["latest"]
    (check,) = [check for check in prepared.checks if check.label.startswith("Recovery points")]
    assert check.state is CheckState.UNKNOWN
    assert "recovery points" in check.detail
    answers = {field.id: field.default for field in prepared.form.fields}
    made = await console.call(wire.MakePlan(action=action, keys=(vm.key,), answers=answers), timeout_s=90)
    assert isinstance(made, wire.GotPlan)
    assert made.plan.refused == ()
    assert await console.confirm(made.plan)


async def test_a_permission_list_that_cannot_be_read_is_said_and_does_not_hinder(world: EngineWorld) -> None:
    console = await world.filled_console()
    world.emulator.fault("status", status=503, path="*Microsoft.Authorization*", count=50)
    plan = await console.plan("backup-now", [console.named("mon-01").key])
    (check,) = [check for check in plan.checks if check.label.startswith("Permissions")]
    assert check.state is CheckState.UNKNOWN
    assert plan.refused == ()


async def test_an_endpoint_that_is_gone_is_one_line_for_each_source(world: EngineWorld) -> None:
    console = await world.filled_console()
    rows = dict(console.items)
    world.emulator.kill()
    await console.call(wire.Refresh(), timeout_s=90)
    assert all(source.error and source.error.kind == "Unreachable" for source in console.sources.values())
    assert console.items == rows
    world.emulator.restart("--port", world.emulator.endpoint.rsplit(":", 1)[1])
    await console.call(wire.Refresh(), timeout_s=90)
    assert not any(source.error for source in console.sources.values()), console.sources
