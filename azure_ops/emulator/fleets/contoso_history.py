"""What happened to the contoso fleet before anybody looked: drills, failovers, failures, snapshots."""

from __future__ import annotations

from datetime import timedelta

from ..handlers.site_recovery_seeds import past_job, seed_commit, seed_failover, seed_test_failover
from ..records.compute import Disk, VirtualMachine
from ..records.site_recovery import JobError, ReplicatedItem, ReplicationJob
from . import hostile
from .builder import Builder

Machines = dict[str, VirtualMachine]
Items = dict[str, ReplicatedItem]


def tell(builder: Builder, machines: Machines, items: Items, drill_networks: dict[str, str]) -> None:
    _drills(builder, items, drill_networks)
    _failovers(builder, items)
    _failures(builder, items, drill_networks)
    _snapshots(builder, machines)


def _drills(builder: Builder, items: Items, networks: dict[str, str]) -> None:
    """Some that were done properly, and one that nobody cleaned up."""
    for name, days in (("web-01", 3.2), ("web-02", 3.1), ("shop-01", 1.4)):
        item = items[name]
        network = networks["westus" if name.startswith("shop") else "northeurope"]
        began_at = builder.ago(days=days)
        past_job(builder.world, item, "TestFailover", began_at, {"network": network})
        cleaned_at = began_at + timedelta(minutes=50)
        comment = hostile.COMMENT if name == "web-01" else "looks good"
        past_job(builder.world, item, "TestFailoverCleanup", cleaned_at, {"comments": comment})
        item.last_test_failover_at = began_at
        builder.store.save(item)
    seed_test_failover(builder.world, items["sql-02"], networks["northeurope"], builder.ago(days=6, hours=4))


def _failovers(builder: Builder, items: Items) -> None:
    """One that waits for its commit, one committed that nobody protected again."""
    seed_failover(builder.world, items["file-01"], builder.ago(hours=19))
    began_at = builder.ago(days=4, hours=7)
    seed_failover(builder.world, items["shop-02"], began_at)
    seed_commit(builder.world, items["shop-02"], began_at + timedelta(hours=3))


def _failures(builder: Builder, items: Items, networks: dict[str, str]) -> None:
    network = networks["northeurope"]
    began_at = builder.ago(days=2, hours=5)
    job = past_job(builder.world, items["app-01"], "TestFailover", began_at, {"network": network})
    _fail(
        builder,
        job,
        JobError(
            code="28037",
            message="The test virtual machine could not be created: the quota of cores is exceeded.",
            possible_causes="The subscription has fewer cores left in northeurope than the machine needs.",
            recommended_action="Ask for more cores in the target region, or choose a smaller size.",
            task_id="TestFailoverTask",
            at=began_at,
        ),
    )
    began_at = builder.ago(hours=30)
    inputs = {"network": network, "comments": hostile.COMMENT}
    job = past_job(builder.world, items[hostile.MARKUP_NAME], "TestFailover", began_at, inputs)
    _fail(
        builder,
        job,
        JobError(
            code="499",
            message=hostile.ERROR_TEXT,
            possible_causes=hostile.ERROR_TEXT,
            recommended_action="[link=https://contoso.example]Retry[/link] the operation.\x1b[0m",
            task_id="StartTestVmTask",
            at=began_at,
        ),
    )


def _fail(builder: Builder, job: ReplicationJob, error: JobError) -> None:
    """Lets a job that ended well end badly instead, in the task that the error names."""
    job.step = next(at for at, task in enumerate(job.tasks) if task.task_id == error.task_id)
    failed, *later = job.tasks[job.step :]
    for task in later:
        task.state = task.state_description = "NotStarted"
        task.started_at = task.ended_at = None
    failed.state = failed.state_description = "Failed"
    job.state = job.state_description = "Failed"
    job.ended_at = error.at = failed.ended_at or error.at
    job.errors = [error]
    builder.store.save(job)


def _snapshots(builder: Builder, machines: Machines) -> None:
    for name, days in (("sql-01", 9.0), ("sql-01", 2.0), ("web-01", 5.0)):
        taken_at = builder.ago(days=days)
        machine = machines[name]
        for disk_id in (machine.os_disk_id, *(disk.disk_id for disk in machine.data_disks[:1])):
            disk = builder.store.find(Disk, disk_id)
            assert disk is not None
            kind = "os" if disk.os_type else "data0"
            builder.snapshot(
                disk_id, f"{name}-{kind}-{taken_at:%Y%m%d-%H%M}", taken_at, reason="before patching"
            )
    builder.snapshot(
        machines["app-01"].os_disk_id,
        "app-01-full",
        builder.ago(days=31),
        incremental=False,
        note="[b]old[/b]",
    )
