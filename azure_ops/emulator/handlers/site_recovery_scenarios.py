"""The jobs of a replicated item: test failover, clean-up, failover, change of the point, commit.

Names, ids and lengths of the steps are the recorded ones where there is a record; docs/unverified.md names
the rest.
`site_recovery_failover` starts them.
"""

from __future__ import annotations

from datetime import datetime

from ..records.compute import VirtualNetwork
from ..records.site_recovery import (
    STALL_TROUBLE,
    JobError,
    JobTask,
    ReplicatedItem,
    ReplicationJob,
)
from ..world import World
from . import site_recovery_effects as effects
from .site_recovery_details import location_of, recovery_name, test_name
from .site_recovery_ids import last, service_time
from .site_recovery_replication import Point
from .site_recovery_runner import Scenario, item_of, scenario, step


def _point(job: ReplicationJob) -> Point | None:
    if not job.inputs.get("point"):
        return None
    return Point(job.inputs["point"], datetime.fromisoformat(job.inputs["point_at"]), False)


def _point_at(job: ReplicationJob, at: datetime) -> datetime:
    point = _point(job)
    return point.at if point else at


def _take_point(world: World, job: ReplicationJob, item: ReplicatedItem, at: datetime) -> None:
    """The asked-for point stands in the inputs since the request; without one the latest is taken now."""
    if job.inputs.get("point"):
        return
    point = effects.latest_point(world, item, at)
    job.inputs.update(point=point.guid, point_at=point.at.isoformat())


def failover_outcome(item: ReplicatedItem, job: ReplicationJob, network_id: str) -> dict[str, str | None]:
    point = _point(job)
    return {
        "name": item.guid,
        "friendlyName": item.vm_name,
        "testVmName": None,
        "testVmFriendlyName": None,
        "networkConnectionStatus": None,
        "networkFriendlyName": last(network_id),
        "subnet": item.nics[0].recovery_subnet if item.nics else "",
        "recoveryPointId": point.guid if point else "",
        "recoveryPointTime": service_time(point.at) if point else None,
    }


def test_outcome(item: ReplicatedItem, job: ReplicationJob) -> dict[str, str | None]:
    return {
        **failover_outcome(item, job, job.inputs["network"]),
        "testVmName": test_name(item),
        "testVmFriendlyName": test_name(item),
        "networkConnectionStatus": "Connected",
    }


@scenario
class TestFailover(Scenario):
    """Ends as Succeeded with the item waiting for its clean-up; unverified on Azure for a single A2A VM."""

    name, title, operation = "TestFailover", "Test failover", "TestFailover"
    __test__ = False

    def tasks(self, world: World, job: ReplicationJob) -> list[JobTask]:
        return [
            step(
                "TestFailoverPreflightChecksTask",
                "VmTfoPrerequisitesCheck",
                "Prerequisites check for test failover",
                2,
            ),
            step("TestFailoverTask", "VmTestFailover", "Create test virtual machine", 140),
            step("PrepareTestVmTask", "VmTfoPrepareVm", "Preparing the virtual machine", 45),
            step("StartTestVmTask", "VmTfoStartVm", "Start the virtual machine", 14),
        ]

    def begin(self, world: World, job: ReplicationJob, task: JobTask, at: datetime) -> JobError | None:
        item = item_of(world, job)
        assert item is not None
        network = world.store.find(VirtualNetwork, job.inputs["network"])
        there = location_of(world, item.recovery_container_id)
        if network is None or network.location != there:
            return JobError(
                code="28183",
                message=f"The virtual network '{last(job.inputs['network'])}' was not found in '{there}'.",
                possible_causes="The network was deleted or lies in another region than the target.",
                recommended_action="Choose a virtual network of the target region and retry the operation.",
                task_id=task.task_id,
                at=at,
            )
        return None

    def done(self, world: World, job: ReplicationJob, task: JobTask, at: datetime) -> None:
        item = item_of(world, job)
        assert item is not None
        if task.task_id == "TestFailoverTask":
            _take_point(world, job, item, at)
            effects.make_test_vm(
                world, item, job.inputs["network"], at, "starting", point_at=_point_at(job, at)
            )
        elif task.task_id == "StartTestVmTask":
            effects.set_power(world, item.test_vm_id, "running", at)

    def finish(self, world: World, job: ReplicationJob, at: datetime) -> None:
        item = item_of(world, job)
        assert item is not None
        item.test_failover_job_id = job.id
        item.last_test_failover_at = job.accepted_at
        job.outcome = test_outcome(item, job)

    def undo(self, world: World, job: ReplicationJob, at: datetime) -> None:
        if (item := item_of(world, job)) is not None:
            effects.remove_test_vm(world, item)


@scenario
class TestFailoverCleanup(Scenario):
    name, title, operation = "TestFailoverCleanup", "Test failover cleanup", "TestFailoverCleanup"
    __test__ = False

    def tasks(self, world: World, job: ReplicationJob) -> list[JobTask]:
        return [
            step(
                "TestFailoverCleanupPreflightChecksTask",
                "VmTfoCleanupPreflightsCheck",
                "Prerequisites check for test failover cleanup",
                0.5,
            ),
            step("EndTestFailoverTask", "VmTfoEndFailover", "Ending test failover", 0.5),
            step(
                "CleanupTestProtectedEntitiesTask",
                "VmTfoDeleteTestVm",
                "Clean up the test virtual machine",
                66,
            ),
        ]

    def finish(self, world: World, job: ReplicationJob, at: datetime) -> None:
        item = item_of(world, job)
        assert item is not None
        effects.remove_test_vm(world, item)
        item.test_failover_job_id = ""
        world.store.save(item)


@scenario
class UnplannedFailover(Scenario):
    name, title, operation = "UnplannedFailover", "Failover", "UnplannedFailover"

    def tasks(self, world: World, job: ReplicationJob) -> list[JobTask]:
        stays_up = job.inputs["source_site_operations"] != "Required"
        return [
            step(
                "UnplannedFailoverPreflightChecksTask",
                "VmUfoPrerequisitesCheck",
                "Prerequisites check for failover",
                1.2,
            ),
            step(
                "ShutdownVmOnPrimaryForUFO",
                "VmShutdownVmOnPrimary",
                "Shut down the virtual machine",
                71,
                skipped=stays_up,
            ),
            step(
                "PrepareForUnPlannedFailoverTask",
                "VmPrepareForUnPlannedFailover",
                "Synchronizing the latest changes",
                0,
                skipped=True,
            ),
            step("FailoverTask", "VmFailover", "Start failover", 134),
            step("StartVmOnSecondary", "VmFoStartVmOnSecondary", "Start the replica virtual machine", 0.6),
        ]

    def begin(self, world: World, job: ReplicationJob, task: JobTask, at: datetime) -> JobError | None:
        item = item_of(world, job)
        assert item is not None
        if task.task_id == "ShutdownVmOnPrimaryForUFO":
            effects.set_power(world, item.vm_id, "deallocating", at)
        elif task.task_id == "FailoverTask":
            _take_point(world, job, item, at)
            item.frozen_at = at
            world.store.save(item)
        return None

    def done(self, world: World, job: ReplicationJob, task: JobTask, at: datetime) -> None:
        item = item_of(world, job)
        assert item is not None
        if task.task_id == "ShutdownVmOnPrimaryForUFO":
            if not effects.set_power(world, item.vm_id, "deallocated", at):
                # A failover goes on when the source cannot be shut down (documented).
                task.state = task.state_description = "Failed"
        elif task.task_id == "FailoverTask":
            self._avoid_name_conflict(world, job, item)
            effects.make_recovery_vm(world, item, at, "starting", point_at=_point_at(job, at))
        elif task.task_id == "StartVmOnSecondary":
            effects.set_power(world, item.recovery_vm_id, "running", at)

    def _avoid_name_conflict(self, world: World, job: ReplicationJob, item: ReplicatedItem) -> None:
        """A taken name is changed, and the operation says so in a warning (recorded for VMware)."""
        if not effects.name_is_taken(world, item):
            return
        old = recovery_name(item)
        item.recovery_vm_name = f"{old}-{world.store.new_guid()}"
        job.warning = (
            "28175",
            f"The VM name '{old}' was modified to '{item.recovery_vm_name}' to avoid name conflicts.",
        )

    def finish(self, world: World, job: ReplicationJob, at: datetime) -> None:
        item = item_of(world, job)
        assert item is not None
        effects.mark_failed_over(world, item, _point(job), job.accepted_at)
        job.outcome = failover_outcome(item, job, item.recovery_network_id)

    def undo(self, world: World, job: ReplicationJob, at: datetime) -> None:
        """A failed one goes back to protected. A cancelled one does, too, but once its failover had started
        replication is stopped and does not begin again (documented)."""
        item = item_of(world, job)
        if item is None:
            return
        effects.remove_recovery_vm(world, item)
        effects.keep_running(world, item.vm_id, at)
        if job.state == "Cancelled" and item.frozen_at is not None:
            item.trouble, item.trouble_since = STALL_TROUBLE, item.frozen_at
        item.frozen_at = None
        world.store.save(item)


@scenario
class ChangePit(Scenario):
    """Its name, title and tasks are unverified on Azure."""

    name, title, operation = "ChangePit", "Change recovery point", "ChangePit"

    def tasks(self, world: World, job: ReplicationJob) -> list[JobTask]:
        return [
            step("ChangePitPreflightChecksTask", "VmChangePitPrerequisitesCheck", "Prerequisite check", 1.2),
            step("ChangePitTask", "VmChangePit", "Change recovery point", 120),
            step("StartVmOnSecondary", "VmFoStartVmOnSecondary", "Start the replica virtual machine", 0.6),
        ]

    def done(self, world: World, job: ReplicationJob, task: JobTask, at: datetime) -> None:
        item = item_of(world, job)
        assert item is not None
        if task.task_id == "ChangePitTask":
            effects.remove_recovery_vm(world, item)
            effects.make_recovery_vm(world, item, at, "starting", point_at=_point_at(job, at))
        elif task.task_id == "StartVmOnSecondary":
            effects.set_power(world, item.recovery_vm_id, "running", at)

    def finish(self, world: World, job: ReplicationJob, at: datetime) -> None:
        item, point = item_of(world, job), _point(job)
        assert item is not None
        assert point is not None
        item.failover_point, item.failover_point_at = point.guid, point.at
        world.store.save(item)
        job.outcome = failover_outcome(item, job, item.recovery_network_id)


@scenario
class CommitFailover(Scenario):
    name, title, operation = "CommitFailover", "Commit", "Commit"

    def tasks(self, world: World, job: ReplicationJob) -> list[JobTask]:
        return [
            step("CommitFailoverPreflightChecksTask", "VmCommitPrerequisitesCheck", "Prerequisite check", 1),
            step("CommitFailoverTask", "VmCommitFailover", "Commit", 7),
        ]

    def finish(self, world: World, job: ReplicationJob, at: datetime) -> None:
        item = item_of(world, job)
        assert item is not None
        effects.mark_committed(world, item)
