"""What the emulator answers: one module per family of resources, each with its own table of routes.

`backup_item_jobs`, `backup_restore_runs`, `backup_runs`, `backup_schedule` and `site_recovery_runner` answer
nothing; they are named because what happens over time (their `@happens`) must be known as well."""

from __future__ import annotations

from ..routing import Routes
from . import (
    authorization,
    backup,
    backup_containers,
    backup_cross_region,
    backup_guard,
    backup_item_jobs,
    backup_item_recovery,
    backup_jobs,
    backup_operations,
    backup_policies,
    backup_protection,
    backup_restore_runs,
    backup_restores,
    backup_runs,
    backup_schedule,
    backup_trigger,
    compute,
    compute_deletions,
    compute_disks,
    compute_operations,
    compute_sizes,
    compute_snapshots,
    discovery,
    disk_access,
    locks,
    network,
    resource_graph,
    restore_points,
    site_recovery,
    site_recovery_fabrics,
    site_recovery_failover,
    site_recovery_health,
    site_recovery_jobs,
    site_recovery_networks,
    site_recovery_operations,
    site_recovery_plans,
    site_recovery_removal,
    site_recovery_reprotect,
    site_recovery_runner,
    site_recovery_settings,
    vault_changes,
    vault_deletion,
    vault_settings,
    vault_usages,
    vaults,
)

EVENTS = (backup_item_jobs, backup_restore_runs, backup_runs, backup_schedule, site_recovery_runner)
TABLES = (
    discovery.ROUTES,
    authorization.ROUTES,
    locks.ROUTES,
    compute.ROUTES,
    compute_disks.ROUTES,
    compute_snapshots.ROUTES,
    compute_deletions.ROUTES,
    compute_operations.ROUTES,
    compute_sizes.ROUTES,
    disk_access.ROUTES,
    restore_points.ROUTES,
    network.ROUTES,
    vaults.ROUTES,
    vault_changes.ROUTES,
    vault_deletion.ROUTES,
    vault_usages.ROUTES,
    vault_settings.ROUTES,
    backup_guard.ROUTES,
    backup_policies.ROUTES,
    backup_containers.ROUTES,
    backup_protection.ROUTES,
    backup_restores.ROUTES,
    backup_item_recovery.ROUTES,
    backup_cross_region.ROUTES,
    backup.ROUTES,
    backup_trigger.ROUTES,
    backup_operations.ROUTES,
    backup_jobs.ROUTES,
    site_recovery.ROUTES,
    site_recovery_fabrics.ROUTES,
    site_recovery_networks.ROUTES,
    site_recovery_failover.ROUTES,
    site_recovery_health.ROUTES,
    site_recovery_operations.ROUTES,
    site_recovery_plans.ROUTES,
    site_recovery_removal.ROUTES,
    site_recovery_reprotect.ROUTES,
    site_recovery_settings.ROUTES,
    site_recovery_jobs.ROUTES,
    resource_graph.ROUTES,
)


def all_routes() -> Routes:
    routes = Routes()
    for table in TABLES:
        routes.include(table)
    routes.freeze()
    return routes
