"""Vaults through the engine: read, made, changed, and what is refused before anything is sent."""

from __future__ import annotations

import json
from typing import Any

import pytest

from azure_ops import wire
from azure_ops.errors import NotFound, Refused
from azure_ops.model import Phase, Plan, Risk, Vault

from ..support import READER_CLIENT_ID
from .engine_world import EngineWorld, Told, kill

NEW = {"name": "rsv-new", "redundancy": "LocallyRedundant", "region": "westeurope"}


def vault_named(console: Told, name: str) -> Vault:
    return listed(console)[name]


def listed(console: Told) -> dict[str, Vault]:
    """By name, as the newest news has them."""
    told = [one.vaults for one in console.messages if isinstance(one, wire.FleetDelta) and one.vaults]
    return {vault.name: vault for vault in told[-1]}


def home(console: Told) -> str:
    """Id of the subscription that most of the fleet is in."""
    return f"/subscriptions/{vault_named(console, 'rsv-weu').subscription_id}"


async def read(console: Told, *ids: str, fresh: bool = True) -> tuple[Vault, ...]:
    answer = await console.call(wire.GetVaults(ids=ids, fresh=fresh))
    assert isinstance(answer, wire.GotVaults)
    return answer.vaults


async def made(world: EngineWorld, console: Told, **answers: str) -> Vault:
    ids = await console.start("create-vault", [home(console)], NEW | answers)
    await console.until(lambda: console.phase(ids[0]) not in (None, Phase.INTENDED))
    world.emulator.advance(10)
    (operation,) = await console.ended(ids)
    assert operation.phase is Phase.SUCCEEDED, (operation.message, operation.error)
    assert operation.target_name == "rsv-new"
    entry = next(entry for entry in world.entries() if entry.id == operation.id)
    assert len(world.posts(entry.request_id)) == 1
    (vault,) = await read(console, entry.target_id)
    return vault


async def changed(world: EngineWorld, console: Told, plan: Plan) -> None:
    ids = await console.confirm(plan)
    await console.until(lambda: console.phase(ids[0]) not in (None, Phase.INTENDED))
    world.emulator.advance(10)
    (operation,) = await console.ended(ids)
    assert operation.phase is Phase.SUCCEEDED, (operation.message, operation.error)


async def test_a_vault_is_read_with_all_that_lists_do_not_tell(world: EngineWorld) -> None:
    console = await world.filled_console()
    thin = vault_named(console, "rsv-weu")
    assert thin.read_at is None
    assert thin.redundancy == ""
    whole, none = await read(console, thin.id, thin.id.replace("rsv-weu", "rsv-none"))
    assert (whole.redundancy, whole.cross_region_restore) == ("GeoRedundant", True)
    assert (whole.soft_delete, whole.soft_delete_days) == ("Enabled", 14)
    assert whole.subscription_name == "Contoso-Prod"
    assert whole.usage is not None
    assert whole.usage.protected_items
    assert whole.usage.stored_bytes
    assert whole.in_use
    assert whole.faults == ()
    assert none.read_at is None
    assert none.faults[0].kind == "NotFound"
    document = await console.call(wire.GetRaw(key=thin.id, part="vault"))
    assert isinstance(document, wire.GotRaw)
    assert json.loads(document.document.json_text)["name"] == "rsv-weu"


async def test_what_of_a_vault_cannot_be_read_does_not_hide_the_rest(world: EngineWorld) -> None:
    console = await world.filled_console()
    world.emulator.fault("status", method="GET", path="*/usages*", status=403, code="AuthorizationFailed")
    (vault,) = await read(console, vault_named(console, "rsv-weu").id)
    assert vault.redundancy == "GeoRedundant"
    assert vault.usage is None
    assert "Usage of vault rsv-weu" in vault.faults[0].title


async def test_a_vault_is_made_and_then_changed_until_it_cannot_be(world: EngineWorld) -> None:
    console = await world.filled_console()
    prepared = await console.call(wire.Prepare(action="create-vault", keys=(home(console),)))
    assert isinstance(prepared, wire.Prepared)
    fields = {field.id: field for field in prepared.form.fields}
    assert list(fields) == ["name", "region", "group", "redundancy", "crossing"]
    assert "a vault already" in next(
        option.note for option in fields["region"].options if option.value == "westeurope"
    )
    vault = await made(world, console)
    assert (vault.location, vault.redundancy, vault.in_use) == ("westeurope", "LocallyRedundant", False)
    await console.until(lambda: "rsv-new" in listed(console))

    with pytest.raises(Refused, match="only geo-redundant has it"):
        await console.plan("cross-region-restore", [vault.id])
    plan = await console.plan("change-redundancy", [vault.id], {"redundancy": "GeoRedundant"})
    assert plan.risk is Risk.CHANGES
    assert plan.confirm_name == "rsv-new"
    assert plan.requests[0].method == "PATCH"
    await changed(world, console, plan)

    plan = await console.plan("cross-region-restore", [vault.id])
    assert plan.risk is Risk.DESTROYS
    assert "cannot be switched off again" in plan.losses[0]
    assert "northeurope" in plan.consequences[0]
    await changed(world, console, plan)
    (vault,) = await read(console, vault.id)
    assert (vault.redundancy, vault.cross_region_restore) == ("GeoRedundant", True)
    with pytest.raises(Refused, match="it is on already"):
        await console.plan("cross-region-restore", [vault.id])
    refused = await console.plan("change-redundancy", [vault.id], {"redundancy": "LocallyRedundant"})
    assert "cross-region restore, which only geo-redundant storage has" in refused.refused[0]
    assert refused.amend


REFUSED = (
    ({"name": "-bad"}, "is not a name for a vault"),
    ({"name": ""}, "An empty name"),
    ({"crossing": "on"}, "needs geo-redundant storage, not locally redundant"),
    ({"redundancy": "Tape"}, "No kind of storage"),
    ({"region": "atlantis"}, "atlantis is not one of those"),
    ({"group": "/subscriptions/x/resourceGroups/nobody"}, "nobody is not one of those"),
)


async def test_answers_that_azure_would_refuse_are_refused_before(world: EngineWorld) -> None:
    console = await world.filled_console()
    taken = vault_named(console, "rsv-weu")
    group = taken.id.partition("/providers/")[0]
    said_of_it = f"{taken.resource_group} has a vault rsv-weu in westeurope"
    for answers, said in (*REFUSED, ({"name": "RSV-WEU", "group": group}, said_of_it)):
        plan = await console.plan("create-vault", [home(console)], NEW | answers)
        assert said in plan.refused[0], answers
        assert plan.amend, "the form comes back"
    with pytest.raises(NotFound):
        await console.plan("create-vault", ["/subscriptions/00000000-0000-0000-0000-00000000ffff"], NEW)
    with pytest.raises(Refused, match="fixed since it first protected something"):
        await console.plan("change-redundancy", [taken.id])
    assert world.emulator.requests() == []


async def test_a_reader_is_told_which_right_is_missing(
    world: EngineWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_CLIENT_ID", READER_CLIENT_ID)
    console = await world.filled_console()
    plan = await console.plan("create-vault", [home(console)], NEW)
    assert "Microsoft.RecoveryServices/vaults/write" in plan.refused[0]


async def test_a_vault_whose_answer_was_lost_is_found(world: EngineWorld) -> None:
    console = await world.filled_console()
    plan = await console.plan("create-vault", [home(console)], NEW)
    world.emulator.fault("reset", method="PUT", path="*/vaults/rsv-new*", after=True)
    (id_,) = await console.confirm(plan)
    await console.until(lambda: console.phase(id_) not in (None, Phase.INTENDED))
    world.emulator.advance(10)
    (operation,) = await console.ended([id_])
    assert operation.phase is Phase.SUCCEEDED, operation.message
    assert len(sent(world, "PUT")) == 1


async def test_a_vault_that_was_never_sent_is_not_sent_by_the_next_engine(world: EngineWorld) -> None:
    console = await world.filled_console()
    plan = await console.plan("create-vault", [home(console)], NEW)
    world.emulator.fault("slow", method="PUT", path="*/vaults/rsv-new*", delay_s=1.0)
    (id_,) = await console.confirm(plan)
    await console.until(lambda: id_ in console.operations and console.operations[id_].message == "being sent")
    dead = console.pid
    kill(dead)
    await console.until(lambda: console.pid != dead)
    await console.until(lambda: id_ in console.operations)
    world.emulator.clear_faults()
    operation = await world.goes_on(console, id_)
    assert len(sent(world, "PUT")) <= 1
    assert operation.phase is (Phase.SUCCEEDED if sent(world, "PUT") else Phase.NOT_SENT)


def sent(world: EngineWorld, method: str) -> list[dict[str, Any]]:
    return [one for one in world.emulator.requests() if one["method"] == method]
