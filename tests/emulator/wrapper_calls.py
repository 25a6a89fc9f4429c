"""Every public coroutine of `azure_ops/services` with arguments that fit the contoso fleet."""

from __future__ import annotations

import inspect
import pkgutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from importlib import import_module
from types import FunctionType
from typing import Any
from urllib.parse import urlsplit

from azure_ops import services
from azure_ops.disk_sources import DiskSource
from azure_ops.engine.submitted import Submitted
from azure_ops.model import FleetItem, PointSource
from azure_ops.services import (
    backup,
    compute,
    cross_region,
    disk_access,
    disks,
    graph_queries,
    graph_rows,
    inventory,
    item_recovery,
    jobs,
    permissions,
    places,
    protection,
    reprotect,
    resource_graph,
    restores,
    site_recovery,
    sizes,
    vaults,
)
from azure_ops.services.session import Session

from .sessions import fleet

Call = partial[Any]
NOT_WRAPPERS = {
    "session.Session.open",
    "session.Session.close",
    "session.Session.send",
    "session.Session.get_json",
}
"""Opening and closing send nothing, and of plain requests the caller gives errors their types."""

_operations: dict[str, str] = {}
"""By endpoint: where the first backup that `aim` started can be polled. A world takes it once."""


def name_of(call: Call) -> str:
    return _name(getattr(call.func, "__func__", call.func))


def _name(function: Any) -> str:
    return f"{function.__module__.rsplit('.', 1)[-1]}.{function.__qualname__}"


def every_wrapper() -> set[str]:
    return {_name(function) for function in _public_coroutines()} - NOT_WRAPPERS


def _public_coroutines() -> Iterator[FunctionType]:
    for found in pkgutil.iter_modules(services.__path__):
        module = import_module(f"{services.__name__}.{found.name}")
        for name, value in (*vars(module).items(), *vars(Session).items()):
            own = getattr(value, "__module__", "") == module.__name__
            if own and not name.startswith("_") and inspect.iscoroutinefunction(value):
                yield value


@dataclass
class Target:
    session: Session
    item: FleetItem
    backup_job: str
    replication_job: str
    snapshot_id: str
    vault: Any
    replication_vault: str
    operation: str
    """The poll address of a backup."""

    def reads(self) -> list[Call]:
        groups = (self._of_fleet, self._of_backup, self._of_restores, self._of_replication, self._of_jobs)
        return [call for of_one in groups for call in of_one()]

    def _of_fleet(self) -> list[Call]:
        session, item = self.session, self.item
        return [
            partial(inventory.read_vms, session),
            partial(inventory.read_backups, session),
            partial(inventory.read_replications, session),
            partial(inventory.read_vaults, session),
            partial(inventory.read_jobs, session, [self.vault]),
            partial(inventory.list_networks, session, item.subscription_id, "northeurope"),
            partial(resource_graph.read_rows, session, graph_queries.VAULTS, graph_rows.VaultRow, "Vaults"),
            partial(compute.read_vm, session, item.id),
            partial(compute.list_vms, session, item.subscription_id),
            partial(compute.list_snapshots, session, item),
            partial(compute.read_snapshot_job, session, self.snapshot_id),
            partial(compute.find_snapshot, session, self.snapshot_id, "none"),
            partial(disk_access.read_source, session, DiskSource(id=self.snapshot_id, disk="x")),
            partial(disk_access.restore_points, session, item, session.service_now()),
            partial(disks.list_unattached, session),
            partial(disks.read_disk, session, item.disks[0].id),
            partial(disks.read_deletion, session, item.disks[0].id),
            partial(disks.list_locks, session, item.subscription_id),
            partial(vaults.list_vaults, session),
            partial(vaults.read_vault, session, self.vault.id),
            partial(vaults.read_usage, session, self.vault.id),
            partial(vaults.find_vault, session, self.vault.id),
            partial(vaults.storage_locked, session, self.vault.id),
            partial(vaults.read_vault_job, session, self.vault.id),
            partial(places.regions, session, item.subscription_id),
            partial(permissions.missing_actions, session, self.vault.id, ("a/read",)),
            partial(session.get_document, item.id),
            partial(session.subscriptions),
            partial(session.subscription_names),
        ]

    def _of_backup(self) -> list[Call]:
        session, item, vault_id = self.session, self.item, self.vault.id
        assert item.backup is not None
        item_id, now = item.backup.item_id, session.service_now()
        return [
            partial(backup.read_item, session, item_id),
            partial(backup.list_points, session, item_id),
            partial(backup.list_vault_items, session, vault_id),
            partial(backup.list_jobs, session, vault_id),
            partial(backup.read_job, session, self.backup_job),
            partial(backup.find_job, session, vault_id, item.key, now, "none"),
            partial(backup.similar_jobs, session, vault_id, item.key, "Backup", now),
            partial(backup.job_of, session, vault_id, urlsplit(self.operation).path.rsplit("/", 1)[-1]),
            partial(protection.list_policies, session, vault_id),
            partial(protection.every_policy, session),
            partial(protection.protecting_vault, session, item.id, item.location),
            partial(protection.read_safety, session, vault_id),
            partial(protection.read_guard, session, vault_id),
        ]

    def _of_restores(self) -> list[Call]:
        session, item = self.session, self.item
        assert item.backup is not None
        where = session, item.subscription_id, item.location
        group = item.id.partition("/providers/")[0]
        job_id = cross_region.job_id_of(self.vault.id, "northeurope", "none")
        return [
            partial(restores.read_point, session, item.backup.item_id, "12"),
            partial(restores.read_vault, session, self.vault.id),
            partial(item_recovery.is_open, session, item.backup.item_id, "12"),
            partial(item_recovery.read_scripts, session, item.backup.item_id, "12", "none"),
            partial(restores.roles_of, session, "5b1f4c1e-63f2-4d3f-8a57-0f6f1f0c1c03", self.vault.id),
            partial(restores.made_disks, session, group, "web-01-", session.service_now()),
            partial(restores.validate, session, item.backup.item_id, "12", {"properties": {}}),
            partial(places.groups, *where),
            partial(places.accounts, *where),
            partial(places.subnets, *where),
            partial(places.subnet_of, session, item.id),
            partial(sizes.list_sizes, *where),
            partial(sizes.list_quotas, *where),
            partial(sizes.list_resizable, session, item.id),
            partial(sizes.read_resize, session, item.id),
            partial(cross_region.paired_region, *where),
            partial(cross_region.list_points, session, item.backup.item_id),
            partial(cross_region.access_to, session, item.backup.item_id, "12", "northeurope"),
            partial(cross_region.read_job, session, job_id),
            partial(cross_region.read_job_document, session, job_id),
            partial(cross_region.raw_job, session, job_id),
            partial(cross_region.list_jobs, session, self.vault.id, "northeurope"),
            partial(
                cross_region.find_job, session, self.vault.id, "northeurope", session.service_now(), "none"
            ),
        ]

    def _of_replication(self) -> list[Call]:
        session, item, vault_id = self.session, self.item, self.replication_vault
        assert item.replication is not None
        item_id, now = item.replication.item_id, session.service_now()
        return [
            partial(site_recovery.read_item, session, item_id),
            partial(site_recovery.read_item_of, session, item_id),
            partial(site_recovery.list_points, session, item_id),
            partial(reprotect.read_failed_over, session, item_id),
            partial(site_recovery.list_vault_items, session, vault_id),
            partial(site_recovery.list_jobs, session, vault_id),
            partial(site_recovery.read_job, session, self.replication_job),
            partial(site_recovery.find_job, session, vault_id, "TestFailover", item.name, now, "none"),
            partial(site_recovery.similar_jobs, session, vault_id, "TestFailover", item.name, now),
            partial(site_recovery.vault_health, session, vault_id),
            partial(site_recovery.list_events, session, vault_id),
        ]

    def _of_jobs(self) -> list[Call]:
        session, submitted = self.session, Submitted(resume=self.operation)
        ids = (self.backup_job, self.replication_job, self.snapshot_id)
        return [
            *(partial(jobs.read_job, session, job_id) for job_id in ids),
            partial(jobs.list_jobs, session, self.vault),
            partial(jobs.operation_status, session, submitted),
            partial(jobs.follow_submitted, session, submitted),
        ]

    def changes(self) -> list[Call]:
        session, item = self.session, self.item
        assert item.backup is not None
        assert item.replication is not None
        backup_id, item_id = item.backup.item_id, item.replication.item_id
        snapshot_id = f"{item.id.rsplit('/providers/', 1)[0]}/providers/Microsoft.Compute/snapshots/x"
        until = session.service_now() + timedelta(days=9)
        ours = [{"client_request_id": str(uuid.uuid4())} for _ in range(25)]
        stop = protection.stopped(item.id, as_policy_says=False)
        return [
            partial(site_recovery.test_failover, session, item_id, network_id="x", point_id="", **ours.pop()),
            partial(site_recovery.failover, session, item_id, point="", shut_down_source=True, **ours.pop()),
            partial(site_recovery.commit_failover, session, item_id, **ours.pop()),
            partial(site_recovery.clean_up_test_failover, session, item_id, comments="", **ours.pop()),
            partial(
                reprotect.switch_protection,
                session,
                reprotect.FailedOver(item_id=item_id),
                group_id="g",
                account_id="a",
                zone="",
                **ours.pop(),
            ),
            partial(reprotect.disable_replication, session, item_id, **ours.pop()),
            partial(site_recovery.apply_recovery_point, session, item_id, point_id="x", **ours.pop()),
            partial(site_recovery.cancel_job, session, self.replication_job, **ours.pop()),
            partial(site_recovery.refresh_vault_health, session, self.replication_vault, **ours.pop()),
            partial(backup.trigger, session, backup_id, until, **ours.pop()),
            partial(backup.cancel_job, session, self.backup_job, **ours.pop()),
            partial(protection.put_item, session, backup_id, stop, doing="stop", **ours.pop()),
            partial(item_recovery.provision, session, backup_id, "12", {"properties": {}}, **ours.pop()),
            partial(item_recovery.revoke, session, backup_id, "12", **ours.pop()),
            partial(protection.unlock_deletion, session, self.vault.id, {}, **ours.pop()),
            partial(vaults.create, session, f"{self.vault.id}-new", {"location": "westeurope"}, **ours.pop()),
            partial(vaults.change, session, self.vault.id, {"properties": {}}, **ours.pop()),
            partial(protection.delete_item, session, backup_id, **ours.pop()),
            partial(disk_access.grant, session, f"{snapshot_id}-none", 60, **ours.pop()),
            partial(disk_access.revoke, session, f"{snapshot_id}-none", **ours.pop()),
            partial(sizes.begin_resize, session, item.id, {}, **ours.pop()),
            partial(disks.begin_delete, session, item.disks[0].id, **ours.pop()),
            partial(restores.start, session, backup_id, "12", {"properties": {}}, **ours.pop()),
            partial(
                cross_region.start, session, backup_id, {}, "northeurope", {"properties": {}}, **ours.pop()
            ),
            partial(
                compute.begin_snapshot,
                session,
                item.disks[0],
                snapshot_id,
                item.location,
                incremental=True,
                tags={},
                **ours.pop(),
            ),
        ]


async def aim(session: Session) -> Target:
    """At web-01, and at jobs and a snapshot that the fleet has anyway."""
    items = await fleet(session)
    item = items["web-01"]
    assert item.backup is not None
    assert item.replication is not None
    all_vaults = await inventory.read_vaults(session)
    vault = next(one for one in all_vaults if one.id.lower() == item.backup.vault_id.lower())
    found = await inventory.read_jobs(session, all_vaults)
    of_vault = [job.id for job in found if job.vault_id.lower() == vault.id.lower()]
    return Target(
        session,
        item,
        next(job_id for job_id in of_vault if "/backupJobs/" in job_id),
        next(job.id for job in found if "/replicationJobs/" in job.id),
        await _a_snapshot(session, items),
        vault,
        item.replication.vault_id,
        await _an_operation(session, items["mon-01"]),
    )


async def _a_snapshot(session: Session, items: dict[str, FleetItem]) -> str:
    for item in items.values():
        for point in await compute.list_snapshots(session, item):
            assert point.source is PointSource.SNAPSHOT
            return point.id
    raise AssertionError("the fleet has no snapshot")


async def _an_operation(session: Session, item: FleetItem) -> str:
    assert item.backup is not None
    if session.endpoint not in _operations:
        until = session.service_now() + timedelta(days=9)
        submitted = await backup.trigger(session, item.backup.item_id, until, str(uuid.uuid4()))
        _operations[session.endpoint] = submitted.resume
    return _operations[session.endpoint]
