"""Several points of one machine open beside each other: what differs, and access that ends once for each."""

from __future__ import annotations

import pytest

from azure_ops import wire
from azure_ops.errors import NotFound, RecoveryError, Refused
from azure_ops.file_model import NOT_THERE, FileEntry, FileSession
from azure_ops.model import FleetItem, Phase

from .engine_world import EngineWorld, Told, kill
from .test_engine_point_files import accesses, closed, digests, form, meanwhile, opened, opening, posts

PAYROLL, ORDERS = b"srv/finance/payroll-02.csv", b"var/lib/app/orders.db"
ROOT = "disk0/p1"


async def point(console: Told, vm: FleetItem, answer: str) -> wire.OpenPoint:
    """As the versions ask for it: the way is the plan's choice, and never a restore."""
    made = await console.call(wire.MakePlan(action="open-files", keys=(vm.key,), answers={"point": answer}))
    assert isinstance(made, wire.GotPlan)
    return wire.OpenPoint(key=vm.key, answers={"point": answer}, plan_id=made.plan.id)


async def entry(console: Told, session: FileSession, path: bytes) -> FileEntry:
    found = await console.call(wire.LookUpPath(session=session.id, volume=ROOT, path=path))
    assert isinstance(found, wire.PathFound)
    return found.entries[-1]


async def digest(console: Told, session: FileSession, of: FileEntry) -> str:
    request = wire.HashFile(session=session.id, volume=ROOT, id=of.id)
    done = 0
    while True:
        told = await console.call(request)
        assert isinstance(told, wire.FileHashed)
        assert told.done > done or told.digest
        if told.digest:
            assert told.done == of.size
            return told.digest
        done = told.done
        request = wire.HashFile(session=session.id, volume=ROOT, id=of.id, more=True)


async def test_a_file_in_another_point(world: EngineWorld) -> None:
    console = await world.filled_console()
    vm = console.named("web-02")
    newest, before, *_ = (option.value for option in (await form(console, vm)).form.fields[0].options)
    now = await opened(console, await opening(console, vm, point=newest), world)
    then = await opened(console, await point(console, vm, before), world)
    assert then.id != now.id
    assert [one.uuid for one in then.volumes] == [one.uuid for one in now.volumes]

    with pytest.raises(RecoveryError, match=r"there is no payroll-02\.csv there") as problem:
        await meanwhile(world, entry(console, now, PAYROLL))
    assert problem.value.code == NOT_THERE
    payroll = await meanwhile(world, entry(console, then, PAYROLL))
    assert await meanwhile(world, digest(console, then, payroll)) in digests("ubuntu", PAYROLL.decode())
    orders = [await meanwhile(world, entry(console, one, ORDERS)) for one in (now, then)]
    assert {one.size for one in orders} == {8 << 20}
    found = [
        await meanwhile(world, digest(console, one, of)) for one, of in zip((now, then), orders, strict=True)
    ]
    assert found[0] == found[1]
    assert found[0] in digests("ubuntu", ORDERS.decode())

    begun = posts(world, "beginGetAccess")
    assert len(begun) == len(set(begun)) == 2
    await closed(console, then, world)
    assert len(posts(world, "endGetAccess")) == 1
    await meanwhile(world, entry(console, now, ORDERS))
    with pytest.raises(NotFound):
        await console.call(wire.CloseFiles(session=then.id))
    await closed(console, now, world)
    ended = [path.replace("/endGetAccess", "/beginGetAccess") for path in posts(world, "endGetAccess")]
    assert sorted(ended) == sorted(begun)
    await console.until(lambda: accesses(console) == [Phase.SUCCEEDED, Phase.SUCCEEDED])


async def test_a_point_that_is_in_the_vault_only_is_never_restored_by_itself(world: EngineWorld) -> None:
    console = await world.filled_console()
    vm = console.named("web-02")
    oldest = (await form(console, vm)).form.fields[0].options[-1].value
    with pytest.raises(Refused):
        await opened(console, await point(console, vm, oldest), world)
    assert posts(world, "beginGetAccess") == []
    assert posts(world, "restore") == []
    assert world.entries() == []


async def test_the_next_engine_is_asked_before_it_knows_the_fleet(world: EngineWorld) -> None:
    """By a console whose engine was killed while several points were open."""
    console = await world.filled_console()
    vm = console.named("web-02")
    newest, before, *_ = (option.value for option in (await form(console, vm)).form.fields[0].options)
    requests = [await opening(console, vm, point=newest), await point(console, vm, before)]
    names = [(await opened(console, request, world)).names for request in requests]
    kill(console.pid)
    again = await world.console()
    anew = [await opened(again, request, world) for request in requests]
    assert [session.names for session in anew] == names
    for session in anew:
        await closed(again, session, world)
    await again.until(lambda: accesses(again) == [Phase.SUCCEEDED] * 4)
