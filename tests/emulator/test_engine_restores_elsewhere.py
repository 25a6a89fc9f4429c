"""Restores that go somewhere else, or by another way, through the engine: the paired region, another
subscription, another zone, the staging account alone, an identity of the vault, a guarded vault."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from azure_ops import wire
from azure_ops.errors import Refused
from azure_ops.model import CheckState, Job, JobState, Operation, Phase, Plan

from ..support import OPERATOR_CLIENT_ID
from .engine_world import EngineWorld, Told
from .test_engine_restores import VALIDATED, body_of, disks_in, finish, form_of, sent, verdict


def recovery_vault(world: EngineWorld, name: str) -> str:
    subscription = f"/subscriptions/{world.emulator.subscription_ids[0]}"
    return f"{subscription}/resourceGroups/rg-recovery/providers/Microsoft.RecoveryServices/vaults/{name}"


def change_vault(world: EngineWorld, vault_id: str, change: dict[str, Any]) -> None:
    assert world.emulator.request("PATCH", vault_id, change).status == 202
    world.emulator.advance(10)


def switch_cross_region(world: EngineWorld, name: str = "rsv-neu") -> None:
    settings = {"standardTierStorageRedundancy": "GeoRedundant", "crossRegionRestore": "Enabled"}
    change_vault(world, recovery_vault(world, name), {"properties": {"redundancySettings": settings}})


def option(form: dict[str, Any], field: str, words: str) -> str:
    """The value of the option that is called so, or the only one that says so."""
    labels = {one.label: one.value for one in form[field].options}
    if words in labels:
        return str(labels[words])
    (found,) = [value for label, value in labels.items() if words in label]
    return str(found)


async def form_with(console: Told, action: str, key: str, answers: dict[str, str]) -> wire.Prepared:
    prepared = await console.call(wire.Prepare(action=action, keys=(key,), answers=answers))
    assert isinstance(prepared, wire.Prepared)
    return prepared


def fields_of(prepared: wire.Prepared) -> dict[str, Any]:
    return {field.id: field for field in prepared.form.fields}


def check(plan: Plan, words: str) -> CheckState:
    (found,) = [one.state for one in plan.checks if words in one.label]
    return found


def sent_elsewhere(world: EngineWorld) -> list[str]:
    paths = [str(request["path"]).split("?")[0] for request in world.emulator.requests()]
    return [path for path in paths if path.endswith("/backupCrossRegionRestore")]


async def other_region(console: Told, action: str) -> tuple[str, str, dict[str, Any]]:
    """The VM's key, the answer that leads to the paired region, and the form there."""
    vm = console.named("mon-01")
    here = await form_of(console, action, vm.key)
    where = option(here, "where", "the paired region")
    there = fields_of(await form_with(console, action, vm.key, {"where": where}))
    newest_here, newest_there = here["point"].options[0].value, there["point"].options[0].value
    assert newest_here not in {one.value for one in there["point"].options}, "copies lag"
    assert newest_there in {one.value for one in here["point"].options}
    return vm.key, where, there


async def test_disks_are_restored_in_the_paired_region_and_followed_there(world: EngineWorld) -> None:
    switch_cross_region(world)
    console = await world.filled_console()
    key, where, form = await other_region(console, "restore-disks")
    assert form["where"].default == where
    group = option(form, "group", "rg-web-weu")
    before = disks_in(world, group)
    plan = await console.plan("restore-disks", [key], {"where": where, "group": group})
    assert plan.refused == ()
    assert verdict(plan) is CheckState.UNKNOWN, "there is no validation for another region"
    assert any("19 to 55 minutes" in line for line in plan.consequences)
    request = json.loads(plan.requests[0].body)
    assert request["restoreRequest"]["region"] == "westeurope"
    assert plan.requests[0].url.startswith("/subscriptions/")
    assert "/locations/westeurope/backupCrossRegionRestore?" in plan.requests[0].url
    assert any(one.endswith("backupCrossRegionRestore/action") for one in plan.permissions)

    operation = await finish(world, console, await console.confirm(plan), 2 * 3600)
    assert operation.phase is Phase.SUCCEEDED, operation.message
    made = disks_in(world, group).keys() - before.keys()
    assert len(made) == 2
    assert {one.value.rsplit("/", 1)[-1] for one in operation.outputs if one.label == "Disk"} == made
    assert "VM name" not in [one.label for one in operation.outputs], "a placeholder names nothing"
    assert len(sent_elsewhere(world)) == 1
    assert sent(world) == []
    assert "/locations/westeurope/backupCrrJobs/" in operation.job_id
    got = await console.call(wire.GetRaw(key=operation.job_id, part="job"))
    assert isinstance(got, wire.GotRaw)
    assert json.loads(got.document.json_text)["properties"]["operation"] == "CrossRegionRestore"
    assert got.document.url.split("?")[0].endswith("/backupCrrJob")
    (entry,) = world.entries()
    journalled = json.dumps([entry.arguments, [one.body for one in entry.plan.requests], entry.answers])
    assert "eyJ" not in journalled, "the access token is in no journal"


@pytest.mark.parametrize("after", [True, False], ids=["taken", "not taken"])
async def test_a_restore_elsewhere_in_doubt_is_found_among_the_region_s_jobs(
    world: EngineWorld, *, after: bool
) -> None:
    switch_cross_region(world)
    console = await world.filled_console()
    key, where, _ = await other_region(console, "restore-vm")
    plan = await console.plan("restore-vm", [key], {"where": where})
    assert plan.refused == ()
    world.emulator.fault("reset", method="POST", path="*/backupCrossRegionRestore", after=after)
    ids = await console.confirm(plan)
    if after:
        operation = await finish(world, console, ids, 2 * 3600)
        assert operation.phase is Phase.SUCCEEDED, operation.message
        await console.until(lambda: any(item.name == "mon-01-restored" for item in console.items.values()))
    else:
        await console.until(lambda: console.phase(ids[0]) is Phase.UNKNOWN)
        world.emulator.advance(150)
        (operation,) = await console.ended(ids)
        assert operation.phase is Phase.NOT_SENT
    assert len(sent_elsewhere(world)) == 1


async def test_a_place_without_accounts_can_be_left_again(world: EngineWorld) -> None:
    """rsv-eus restores into westus, where that subscription has nothing at all."""
    subscription = f"/subscriptions/{world.emulator.subscription_ids[1]}"
    vault_id = (
        f"{subscription}/resourceGroups/rg-recovery-dev/providers/Microsoft.RecoveryServices/vaults/rsv-eus"
    )
    settings = {"standardTierStorageRedundancy": "GeoRedundant", "crossRegionRestore": "Enabled"}
    change_vault(world, vault_id, {"properties": {"redundancySettings": settings}})
    console = await world.filled_console()
    vm = console.named("build-01")
    where = option(await form_of(console, "restore-disks", vm.key), "where", "westus")
    prepared = await form_with(console, "restore-disks", vm.key, {"where": where})
    assert {"where", "point", "group"} <= fields_of(prepared).keys()
    assert "account" not in fields_of(prepared)
    (lacking,) = [one for one in prepared.checks if one.state is CheckState.FAILED]
    assert lacking.detail.startswith("There is no staging storage account (standard) in westus")
    plan = await console.plan("restore-disks", [vm.key], {"where": where})
    assert "no staging storage account" in plan.refused[0]
    assert plan.amend


async def test_another_subscription_takes_disks_from_the_vault_alone(world: EngineWorld) -> None:
    console = await world.filled_console()
    vm = console.named("app-01")
    form = await form_of(console, "restore-disks", vm.key)
    where = option(form, "where", "Contoso-Dev")
    there = fields_of(await form_with(console, "restore-disks", vm.key, {"where": where}))
    assert [one.label for one in there["account"].options] == ["stcontosodevweu"]
    group = option(there, "group", "rg-restore-weu")
    plan = await console.plan("restore-disks", [vm.key], {"where": where, "group": group})
    assert plan.refused == ()
    assert verdict(plan) is CheckState.OK
    assert any("of subscription" in line for line in plan.consequences)
    assert any("served from the vault" in line for line in plan.consequences)
    operation = await finish(world, console, await console.confirm(plan), 2400)
    assert operation.phase is Phase.SUCCEEDED, operation.message
    assert len(disks_in(world, group)) == len(vm.disks)

    settings = {"crossSubscriptionRestoreSettings": {"crossSubscriptionRestoreState": "Disabled"}}
    change_vault(world, recovery_vault(world, "rsv-weu"), {"properties": {"restoreSettings": settings}})
    labels = [one.label for one in (await form_of(console, "restore-disks", vm.key))["where"].options]
    assert labels == ["westeurope, the subscription of the VM", "northeurope, the paired region"]
    refused = await console.plan("restore-disks", [vm.key], {"where": where, "group": group})
    assert "is not one of those that there are now" in refused.refused[0]
    assert len(sent(world)) == 1


async def test_another_zone_gets_its_disks_from_the_vault(world: EngineWorld) -> None:
    console = await world.filled_console()
    vm = console.named("batch-01")
    form = await form_of(console, "restore-disks", vm.key)
    assert [one.label for one in form["zone"].options] == [
        "As in the point",
        "None",
        "Zone 1",
        "Zone 2",
        "Zone 3",
    ]
    assert form["point"].options[0].label.endswith("snapshot + vault")
    group, zone = option(form, "group", "rg-recovery"), option(form, "zone", "Zone 1")
    before = disks_in(world, group)
    plan = await console.plan("restore-disks", [vm.key], {"group": group, "zone": zone})
    assert plan.refused == ()
    assert verdict(plan) is CheckState.OK
    assert body_of(plan)["zones"] == ["1"]
    assert any("served from the vault" in line for line in plan.consequences)

    operation = await finish(world, console, await console.confirm(plan), 2400)
    assert operation.phase is Phase.SUCCEEDED, operation.message
    assert operation.job is not None
    assert [task.name for task in operation.job.tasks] == ["Transfer data from vault"]
    after = disks_in(world, group)
    (made,) = after.keys() - before.keys()
    assert after[made]["zones"] == ["1"]
    (own,) = [
        one
        for one in disks_in(world, vm.id.partition("/providers/")[0]).values()
        if "batch-01" in one["name"]
    ]
    assert own["zones"] == ["2"], "the VM's own disk is where it was"
    assert len(sent(world)) == 1


async def test_files_in_the_staging_account_cost_their_time(world: EngineWorld) -> None:
    console = await world.filled_console()
    vm = console.named("app-01")
    plan = await console.plan("restore-disks", [vm.key], {"group": "", "disks": ""})
    assert "targetResourceGroupId" not in body_of(plan)
    assert body_of(plan)["restoreDiskLunList"] == []
    assert any("16 minutes where it was measured" in line for line in plan.consequences)
    assert any("become VHD files" in line for line in plan.consequences)
    assert not any("It costs" in line for line in plan.consequences)
    ids = await console.confirm(plan)
    operation = await finish(world, console, ids, 1500)
    assert operation.phase is Phase.SUCCEEDED, operation.message
    assert "Disk" not in [one.label for one in operation.outputs]
    assert "Template" in [one.label for one in operation.outputs]


async def test_an_identity_needs_its_role_on_the_account(world: EngineWorld) -> None:
    console = await world.filled_console()
    vm = console.named("build-01")
    form = await form_of(console, "restore-disks", vm.key)
    user = option(form, "identity", "id-restore")
    assert form["identity"].default == ""
    plan = await console.plan("restore-disks", [vm.key], {"identity": user})
    assert plan.refused == ()
    assert check(plan, "id-restore may write to stcontosodeveus") is CheckState.OK
    assert body_of(plan)["identityInfo"]["managedIdentityResourceId"] == user
    assert "storageAccountId" not in body_of(plan)
    operation = await finish(world, console, await console.confirm(plan), 120)
    assert operation.phase is Phase.SUCCEEDED, operation.message

    change_vault(world, recovery_vault(world, "rsv-weu"), {"identity": {"type": "SystemAssigned"}})
    other = console.named("app-01")
    refused = await console.plan("restore-disks", [other.key], {"identity": "system"})
    assert "has no role on stcontosocacheweu" in refused.refused[0]
    assert check(refused, "own identity may write") is CheckState.FAILED
    with pytest.raises(Refused, match="cannot be started"):
        await console.confirm(refused)
    assert len(sent(world)) == 1


async def test_a_guard_that_watches_restores_is_named_in_the_request(world: EngineWorld) -> None:
    vault_id = recovery_vault(world, "rsv-weu")
    guard = f"{vault_id.split('/providers/')[0]}/providers/Microsoft.DataProtection/resourceGuards/g"
    operation = (
        "Microsoft.RecoveryServices/vaults/backupFabrics/protectionContainers/protectedItems/recoveryPoints/"
        "restore/action"
    )
    proxy = {
        "resourceGuardResourceId": guard,
        "resourceGuardOperationDetails": [{"vaultCriticalOperation": operation}],
    }
    put = f"{vault_id}/backupResourceGuardProxies/VaultProxy"
    assert world.emulator.request("PUT", put, {"properties": proxy}).status == 200
    console = await world.filled_console()
    vm = console.named("app-01")
    plan = await console.plan("restore-disks", [vm.key])
    (named,) = body_of(plan)["resourceGuardOperationRequests"]
    assert named.lower() == f"{guard}/restoreRecoveryPointRequests/default".lower()
    assert check(plan, "Resource Guard") is CheckState.WARNING
    unguarded = {
        key: value for key, value in body_of(plan).items() if key != "resourceGuardOperationRequests"
    }
    answer = world.emulator.post(plan.requests[0].url.split("?")[0], {"properties": unguarded})
    assert (answer.status, answer.error_code) == (403, "UserErrorResourceGuardApprovalRequired")
    done = await finish(world, console, await console.confirm(plan), 120)
    assert done.phase is Phase.SUCCEEDED, done.message


def statuses(console: Told, job_id: str) -> set[int | None]:
    """Of the engine's own reads of that job."""
    told = (message for message in console.messages if isinstance(message, wire.Requests))
    return {
        line.status for message in told for line in message.lines if job_id.rsplit("/", 1)[-1] in line.path
    }


async def test_progress_that_goes_back_and_polls_that_fail_do_not_stop_the_watching(
    world: EngineWorld,
) -> None:
    """As recorded: 1 % for minutes, then 0, and 5xx on single reads while the job carries on."""
    console = await world.filled_console()
    vm = console.named("app-01")
    ids = await console.start("restore-disks", [vm.key], {"group": ""})
    await console.until(lambda: ids[0] in console.operations and console.operations[ids[0]].job_id)
    job_id = console.operations[ids[0]].job_id
    for status, code in ((500, "CloudStorageUnexpectedError"), (502, "InvalidGatewayHost")):
        path = f"*{job_id.rsplit('/', 1)[-1]}"
        world.emulator.fault("status", method="GET", path=path, status=status, code=code)
    await console.until(lambda: {500, 502} <= statuses(console, job_id))
    seen: list[float | None] = []
    while not seen or seen[-1] != 100.0:
        got = await console.call(wire.GetJob(job_id=job_id))
        assert isinstance(got, wire.GotJob)
        seen.append(got.job.percent)
        world.emulator.advance(60)
    (operation,) = await console.ended(ids)
    assert operation.phase is Phase.SUCCEEDED, operation.message
    assert seen[0] == 1.0
    assert 0.0 in seen[1:], f"it went back to nothing: {seen}"
    assert all(one["hits"] == one["count"] for one in world.emulator.faults())
    assert len(sent(world)) == 1


async def test_what_failed_is_tried_again_with_its_answers_and_a_new_plan(world: EngineWorld) -> None:
    console = await world.filled_console()
    vm = console.named("app-01")
    world.emulator.fault(
        "fail-step", operation="Restore", step="Transfer data from vault", target=vm.id,
        code="UserErrorBCMRestoreStorageAccountNotFound",
    )  # fmt: skip
    failed: Operation = await finish(
        world, console, await console.start("restore-disks", [vm.key], {"disks": ""}), 400
    )
    assert failed.phase is Phase.FAILED
    assert failed.error is not None
    assert failed.error.code == "UserErrorBCMRestoreStorageAccountNotFound"
    assert "Try again (A) with another staging account" in failed.error.hint
    assert failed.answers["disks"] == ""
    plan = await console.plan("restore-disks", [vm.key], failed.answers)
    assert body_of(plan)["restoreDiskLunList"] == []
    assert plan.refused == ()
    assert len(sent(world)) == 1, "nothing is sent before it is confirmed"
    operation = await finish(world, console, await console.confirm(plan), 400)
    assert operation.phase is Phase.SUCCEEDED
    first, second = world.entries()
    assert first.request_id != second.request_id
    assert VALIDATED in [one.label for one in plan.checks]


async def test_restores_of_others_in_the_paired_region_are_listed_and_not_cancelled(
    world: EngineWorld,
) -> None:
    switch_cross_region(world)
    other = await world.filled_console(
        settings=msgspec.structs.replace(world.settings, client_id=OPERATOR_CLIENT_ID)
    )
    key, where, form = await other_region(other, "restore-disks")
    answers = {"where": where, "group": option(form, "group", "rg-web-weu")}
    plan = await other.plan("restore-disks", [key], answers)
    assert plan.subscriptions == {world.emulator.subscription_ids[0].lower(): "Contoso-Prod"}
    ids = await other.confirm(plan)
    await other.until(lambda: ids[0] in other.operations and other.operations[ids[0]].job_id)

    console = await world.filled_console()

    def elsewhere() -> list[Job]:
        return [job for id_, job in console.jobs.items() if "/locations/westeurope/backupcrrjobs/" in id_]

    await console.until(elsewhere)
    assert console.operations == {}, "it was started from another engine"
    (job,) = elsewhere()
    assert (job.operation, job.target_key, job.state) == ("CrossRegionRestore", key, JobState.RUNNING)
    assert job.id.lower() == other.operations[ids[0]].job_id.lower()
    with pytest.raises(Refused, match="no way to cancel a restore in another region"):
        await console.plan("cancel-job", [job.id])


async def test_a_region_that_does_not_tell_its_restores_keeps_nothing_else_back(world: EngineWorld) -> None:
    switch_cross_region(world)
    world.emulator.fault("status", status=500, code="InternalServerError", path="*/backupCrrJobs", count=99)
    console = await world.filled_console()
    source = "restores elsewhere of rsv-neu"
    await console.until(lambda: source in console.sources)
    assert console.sources[source].error is not None
    assert console.sources["jobs"].error is None
    assert console.jobs
