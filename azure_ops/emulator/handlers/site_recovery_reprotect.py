"""Switching the protection of a failed-over item, which is how Azure to Azure re-protects it.

The item leaves its container and appears, under the same name, in the one it was replicated to, with source
and target exchanged; then the disks are compared and copied again. What is deleted for it is documented.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from ..answers import Answer, Json
from ..records.compute import Disk, NetworkInterface, StorageAccount, VirtualMachine
from ..records.site_recovery import (
    FAILOVER_COMMIT_PENDING,
    INITIAL_REPLICATION,
    JobTask,
    NetworkMapping,
    ReplicatedDisk,
    ReplicatedItem,
    ReplicatedNic,
    ReplicationJob,
    ReplicationPolicy,
)
from ..routing import Context, Routes
from ..store import Event
from ..world import World, happens
from . import site_recovery_effects as effects
from .site_recovery_bodies import choice, properties, text
from .site_recovery_details import location_of, target_disk_id
from .site_recovery_fabrics import container_document
from .site_recovery_ids import (
    CONTAINER,
    CONTAINER_TYPE,
    bad_request,
    container_of,
    derived_guid,
    fabric_of,
    find_container,
    last,
    not_found,
    require_container,
    service_id,
    vault_of,
)
from .site_recovery_operations import OPERATION_ACTION, require_operation_job, unfinished_answer
from .site_recovery_removal import replace_in_plans
from .site_recovery_replication import FIRST_POINT_S
from .site_recovery_runner import (
    Scenario,
    accepted,
    affected_details,
    item_of,
    launch,
    new_job,
    scenario,
    step,
)
from .site_recovery_states import require_operation

ROUTES = Routes()
COMPARED = "site_recovery.compared"
COMPARING_S = 2500.0
"""From the end of the job to the end of the second copy: recorded were 40 to 50 minutes."""
FULL_COPY_FACTOR = 3.0
"""Without the original disks there is nothing to compare with: everything is copied."""
GROUP_TASK, JOB_TASK = "GroupTaskDetails", "JobTaskDetails"


# the request ------------------------------------------------------------------------------------------------


@ROUTES.post(CONTAINER + "/switchprotection", action=f"{CONTAINER_TYPE}/switchprotection/action")
def switch_protection(ctx: Context) -> Answer:
    container, asked = require_container(ctx), properties(ctx)
    name = text(ctx, asked, "replicationProtectedItemName")
    item = ctx.world.store.find(ReplicatedItem, f"{container.id}/replicationProtectedItems/{name}")
    if item is None:
        raise not_found(ctx, name)
    details = asked.get("providerSpecificDetails")
    if not isinstance(details, dict) or text(ctx, details, "instanceType") != "A2A":
        raise bad_request(
            ctx, "The provider does not replicate this virtual machine.", "Use instanceType A2A."
        )
    back = find_container(ctx.world, text(ctx, details, "recoveryContainerId"))
    if back is None or back.id.lower() != container.id.lower():
        raise bad_request(
            ctx,
            "The recovery container is not the one that the virtual machine came from.",
            "Give the container that holds the item now as recoveryContainerId.",
        )
    inputs = _inputs(ctx, item, details)
    require_operation(ctx, item, "SwitchProtection")
    job = new_job(ctx, SwitchProtection.name, vault_of(item.id), container.id, inputs)
    job.item_id, job.object_id, job.object_name = item.id, item.guid, item.vm_name
    job.affected = affected_details(ctx.world, item)
    item.job_id = job.id
    ctx.world.store.save(item)
    launch(ctx.world, job, ctx.now)
    return accepted(ctx, job, f"{container.id}/operationresults")


def _inputs(ctx: Context, item: ReplicatedItem, details: dict[str, Json]) -> dict[str, str]:
    """What was asked for: group, policy, and of each disk `staging:` and `type:` by the disk's id."""
    policy_id = text(ctx, details, "policyId") or item.policy_id
    if ctx.world.store.find(ReplicationPolicy, policy_id) is None:
        raise not_found(ctx, last(policy_id))
    group_id = text(ctx, details, "recoveryResourceGroupId")
    if "/resourcegroups/" not in group_id.lower():
        raise bad_request(ctx, "A target resource group is needed.", "Give recoveryResourceGroupId.")
    asked = details.get("vmManagedDisks")
    disks = [one for one in asked if isinstance(one, dict)] if isinstance(asked, list) else []
    given = {text(ctx, one, "diskId").lower(): one for one in disks}
    if set(given) != {disk_id.lower() for disk_id in item.recovery_disk_ids}:
        raise bad_request(
            ctx,
            f"The disks given are not those of the failed-over virtual machine '{item.vm_name}'.",
            f"Give each of: {', '.join(last(one) for one in item.recovery_disk_ids)}.",
        )
    zone = choice(ctx, details, "recoveryAvailabilityZone", ("1", "2", "3", ""), "")
    inputs = {"group": group_id, "policy": policy_id, "zone": zone}
    there = location_of(ctx.world, item.recovery_container_id)
    for disk_id, one in given.items():
        staging = text(ctx, one, "primaryStagingAzureStorageAccountId")
        account = ctx.world.store.find(StorageAccount, staging)
        if account is None or account.location != there:
            raise bad_request(
                ctx,
                f"The cache storage account '{last(staging)}' was not found in '{there}'.",
                "Choose a storage account of the region that the virtual machine runs in now.",
            )
        inputs[f"staging:{disk_id}"] = staging
        inputs[f"type:{disk_id}"] = text(ctx, one, "recoveryTargetDiskAccountType")
    inputs["new_item"] = f"{item.recovery_container_id}/replicationProtectedItems/{item.name}"
    return inputs


@ROUTES.get(CONTAINER + "/operationresults/{operation}", action=OPERATION_ACTION)
def get_container_operation_result(ctx: Context) -> Answer:
    container, job = require_container(ctx), require_operation_job(ctx)
    if (unfinished := unfinished_answer(ctx, job)) is not None:
        return unfinished
    return Answer(200, container_document(ctx.world, container))


# the job ----------------------------------------------------------------------------------------------------


@scenario
class EnableDr(Scenario):
    """Only as the child of a re-protect, which drives it; its one task is unverified on Azure."""

    name, title = "EnableDr", "Enable replication"

    def tasks(self, world: World, job: ReplicationJob) -> list[JobTask]:
        return [step("EnableProtectionTask", "EnableProtectionTask", "Enabling replication", 480)]


@scenario
class SwitchProtection(Scenario):
    """Steps as recorded; a committed failover is not committed again."""

    name, title, operation = "SwitchReplicationGroupProtection", "Reprotect", "SwitchProtection"

    def tasks(self, world: World, job: ReplicationJob) -> list[JobTask]:
        item = item_of(world, job)
        assert item is not None
        committed = item.state != FAILOVER_COMMIT_PENDING
        preflight, discover = "SwitchReplicationGroupProtectionPreflightTask", "DiscoverReplicaTask"
        require = "GetSwitchProtectionRequirementsTask"
        protect = step("ProtectReplicaTask", "ProtectReplicaTask", "Reprotecting virtual machine (1)", 480)
        protect.task_type, protect.group = GROUP_TASK, {"instanceType": GROUP_TASK}
        return [
            step(preflight, preflight, "Prerequisite check", 0.6),
            step("CommitFailoverTask", "VmCommitFailover", "Committing failover", 7.8, skipped=committed),
            step(discover, discover, "Discovering replica virtual machine", 0.2),
            step(require, require, "Getting reprotection requirements", 0.2),
            protect,
        ]

    def begin(self, world: World, job: ReplicationJob, task: JobTask, at: datetime) -> None:
        if task.task_id == "ProtectReplicaTask":
            task.children = [_child(world, job, at)]

    def done(self, world: World, job: ReplicationJob, task: JobTask, at: datetime) -> None:
        item = item_of(world, job)
        assert item is not None
        if task.task_id == "CommitFailoverTask":
            effects.mark_committed(world, item)
        elif task.task_id == "ProtectReplicaTask":
            _end_child(world, task, "Succeeded", "Completed", at)

    def finish(self, world: World, job: ReplicationJob, at: datetime) -> None:
        item = item_of(world, job)
        assert item is not None
        compares = _give_up_source(world, item, at)
        returned = _turned(world, item, job, at)
        if not compares:
            returned.initial_replication_s *= FULL_COPY_FACTOR
        protected_at = at + timedelta(seconds=returned.initial_replication_s + FIRST_POINT_S)
        returned.protected_at = protected_at
        _make_replicas(world, returned, at)
        world.store.delete(item)
        world.store.save(returned)
        replace_in_plans(world, item.id, returned.id)
        job.item_id = returned.id
        world.store.schedule(protected_at, COMPARED, {"item": returned.id})
        world.on_schedule()

    def undo(self, world: World, job: ReplicationJob, at: datetime) -> None:
        """Nothing was deleted yet: the item stays where it was, committed if it had come so far."""
        for task in job.tasks:
            _end_child(world, task, job.state, job.state_description, at)


def _child(world: World, job: ReplicationJob, at: datetime) -> JobTask:
    """The job that enables replication the other way, and the task that stands for it."""
    guid = derived_guid(job.id, f"enable/{at.isoformat()}")
    child = ReplicationJob(
        id=f"{vault_of(job.id)}/replicationJobs/{guid}",
        scenario=EnableDr.name,
        state="InProgress",
        state_description="InProgress",
        accepted_at=at,
        started_at=at,
        object_id=derived_guid(job.object_id, "reversed"),
        object_name=job.object_name,
        result_id=job.inputs["new_item"],
        client_request_id=derived_guid(guid, "request"),
        activity_guid=job.activity_guid,
        affected=job.affected,
    )
    child.tasks = EnableDr().tasks(world, child)
    child.tasks[0].state = child.tasks[0].state_description = "InProgress"
    child.tasks[0].started_at = at
    world.store.save(child)
    task = step(EnableDr.name, job.object_name, job.object_name, 0)
    task.task_type, task.started_at = JOB_TASK, at
    task.state = task.state_description = "InProgress"
    task.details = {
        "jobTask": {
            "jobId": service_id(child.id),
            "jobFriendlyName": EnableDr.title,
            "targetObjectId": child.object_id,
            "targetObjectName": job.object_name,
            "targetInstanceType": "Vm",
            "jobScenarioName": EnableDr.name,
        }
    }
    return task


def _end_child(world: World, group: JobTask, state: str, description: str, at: datetime) -> None:
    for task in group.children:
        task.state, task.state_description, task.ended_at = state, description, at
        job_task = task.details["jobTask"]
        assert isinstance(job_task, dict)
        child = world.store.find(ReplicationJob, str(job_task["jobId"]))
        if child is None or child.ended_at is not None:
            continue
        child.state, child.state_description, child.ended_at = state, description, at
        for step_ in child.tasks:
            step_.state, step_.state_description, step_.ended_at = state, description, at
        child.step = len(child.tasks)
        world.store.save(child)


# what it does -----------------------------------------------------------------------------------------------


def _is_first(world: World, item: ReplicatedItem) -> bool:
    """It still goes in the direction in which it was set up."""
    return item.initial_primary_location in ("", location_of(world, item.id))


def _give_up_source(world: World, item: ReplicatedItem, at: datetime) -> bool:
    """The first re-protect deletes the machine that was failed over, and its interfaces; after a failback the
    machine of the other region stays, switched off (both documented). Whether all its disks are there to be
    compared with."""
    vm = world.store.find(VirtualMachine, item.vm_id)
    if vm is not None and _is_first(world, item):
        effects.remove_machine(world, vm)
    elif vm is not None:
        effects.set_power(world, vm.id, "deallocated", at)
    return all(world.store.find(Disk, disk.disk_id) is not None for disk in item.disks)


def _turned(world: World, item: ReplicatedItem, job: ReplicationJob, at: datetime) -> ReplicatedItem:
    vm = world.store.find(VirtualMachine, item.recovery_vm_id)
    network_id, nics = _turned_nics(world, item, vm)
    stays = not _is_first(world, item) and world.store.find(VirtualMachine, item.vm_id) is not None
    name = last(item.recovery_vm_id)
    return ReplicatedItem(
        id=job.inputs["new_item"],
        guid=derived_guid(item.guid, f"reversed/{at.isoformat()}"),
        vm_id=item.recovery_vm_id,
        vm_name=name,
        recovery_container_id=container_of(item.id),
        policy_id=job.inputs["policy"],
        recovery_zone=job.inputs["zone"],
        recovery_group_id=job.inputs["group"],
        recovery_vm_size=vm.size if vm else item.recovery_vm_size,
        recovery_network_id=network_id,
        recovery_vm_name="" if name == item.vm_name else item.vm_name,
        os_type=item.os_type,
        generation=item.generation,
        disks=_turned_disks(item, job),
        nics=nics,
        tags=dict(item.tags),
        state=INITIAL_REPLICATION,
        replicating_from=at,
        initial_replication_s=COMPARING_S,
        protected_at=at,
        typical_rpo_s=item.typical_rpo_s,
        churn_mb_s=item.churn_mb_s,
        agent_version=item.agent_version,
        agent_expires_at=item.agent_expires_at,
        initial_primary_location=item.initial_primary_location or location_of(world, item.id),
        initial_recovery_location=item.initial_recovery_location
        or location_of(world, item.recovery_container_id),
        lifecycle_id=item.lifecycle_id or derived_guid(item.guid, "lifecycle"),
        multi_vm_group_id=item.multi_vm_group_id or derived_guid(item.guid, "group"),
        job_id=job.id,
        left_vm_id=item.vm_id if stays else "",
    )


def _turned_disks(item: ReplicatedItem, job: ReplicationJob) -> list[ReplicatedDisk]:
    return [
        ReplicatedDisk(
            disk_id=target,
            size_gb=disk.size_gb,
            is_os=disk.is_os,
            account_type=job.inputs[f"type:{target.lower()}"] or disk.account_type,
            staging_account_id=job.inputs[f"staging:{target.lower()}"],
            original_target_disk_id=disk.disk_id,
        )
        for disk, target in zip(item.disks, item.recovery_disk_ids, strict=True)
    ]


def _turned_nics(
    world: World, item: ReplicatedItem, vm: VirtualMachine | None
) -> tuple[str, list[ReplicatedNic]]:
    """The network to go back to, by the mapping of the other direction, and the interfaces."""
    mappings = world.store.all(NetworkMapping, under=fabric_of(item.recovery_container_id))
    here = fabric_of(item.id).lower()
    mapped = next(
        (
            one.recovery_network_id
            for one in mappings
            if one.primary_network_id.lower() == item.recovery_network_id.lower()
            and one.recovery_fabric_id.lower() == here
        ),
        item.nics[0].network_id if item.nics else "",
    )
    nics = []
    for nic, nic_id in zip(item.nics, vm.nic_ids if vm else (), strict=False):
        made = world.store.find(NetworkInterface, nic_id)
        nics.append(
            ReplicatedNic(
                nic_id=nic_id,
                network_id=item.recovery_network_id,
                subnet=nic.recovery_subnet,
                ip_address=made.private_ip if made else "",
                ip_config=nic.ip_config,
                recovery_subnet=nic.subnet,
                accelerated=nic.accelerated,
            )
        )
    return mapped, nics


def _make_replicas(world: World, item: ReplicatedItem, at: datetime) -> None:
    for disk in item.disks:
        world.store.save(
            Disk(
                id=target_disk_id(item, disk, "-ASRReplica"),
                location=location_of(world, item.recovery_container_id),
                size_gb=disk.size_gb,
                sku=disk.account_type,
                os_type=item.os_type if disk.is_os else None,
                time_created=at,
                unique_id=world.store.new_guid(),
                create_option="Empty",
                hyper_v_generation=item.generation,
            )
        )


@happens(COMPARED)
def _compared(world: World, event: Event) -> None:
    """The copies have taken the place of the original disks, which are deleted where nothing holds them."""
    item = world.store.find(ReplicatedItem, str(event.payload["item"]))
    if item is None:
        return
    for disk in item.disks:
        original = world.store.find(Disk, disk.original_target_disk_id)
        if original is not None and original.managed_by is None:
            world.store.delete(original)
        disk.original_target_disk_id = ""
    world.store.save(item)
