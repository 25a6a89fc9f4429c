"""A fleet of N machines in up to 200 vaults, spread over regions and subscriptions, mostly healthy.

Vaults come in twos, one at each end of a pair of regions: a machine is backed up in its own region's vault
and replicated by the vault of the other region, as the services require it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from ..records.site_recovery import HEARTBEAT_TROUBLE, RPO_TROUBLE, STALL_TROUBLE
from ..world import World
from .backups import BackupStory, protect, vault
from .builder import Builder, DataDiskSpec, MachineSpec
from .places import PAIRS, REGIONS
from .replication import ReplicationStory, Road, replicate, road

MACHINES_PER_VAULT = 50
MOST_VAULTS = 200
VAULTS_PER_SUBSCRIPTION = 20
BACKED_UP, REPLICATED = 0.7, 0.4

ROLES = (
    ("web", "Linux", "Standard_D2s_v5", 30, ()),
    ("app", "Linux", "Standard_D4s_v5", 30, (64,)),
    ("api", "Linux", "Standard_D4s_v5", 30, ()),
    ("sql", "Windows", "Standard_E8s_v5", 127, (512, 256)),
    ("file", "Windows", "Standard_D4s_v5", 127, (1024,)),
    ("dc", "Windows", "Standard_D2s_v5", 127, ()),
    ("batch", "Linux", "Standard_F8s_v2", 30, (128,)),
    ("cache", "Linux", "Standard_E4s_v5", 30, ()),
)
"""Name, system, size, OS disk and data disks in GiB."""

BACKUP_MIX = (
    (0.92, BackupStory(jobs=0)),
    (0.96, BackupStory(jobs=1, last="Failed")),
    (0.98, BackupStory(jobs=1, last="CompletedWithWarnings")),
    (0.99, BackupStory(last="")),
    (1.00, BackupStory(jobs=0, stopped=True)),
)
REPLICATION_MIX = (
    (0.87, ReplicationStory()),
    (0.94, ReplicationStory(drilled_days=None)),
    (0.97, ReplicationStory(trouble=RPO_TROUBLE, trouble_s=2400)),
    (0.985, ReplicationStory(trouble=HEARTBEAT_TROUBLE, trouble_s=9000)),
    (0.995, ReplicationStory(trouble=STALL_TROUBLE, trouble_s=5000)),
    (1.00, ReplicationStory(first_copy_s=1200, drilled_days=None)),
)
"""Share up to which each story goes."""


@dataclass(frozen=True, slots=True)
class Site:
    """A region of a pair: its machines' group and network, their vault, their road to the other region."""

    region: str
    group_id: str
    recovery_group_id: str
    network_id: str
    vault_id: str
    road: Road


def seed(world: World, count: int, days: int) -> None:
    """`days` is how many daily points a machine has."""
    builder = Builder(world)
    builder.set_tenant(builder.guid())
    pairs = max(1, min(MOST_VAULTS, math.ceil(count / MACHINES_PER_VAULT)) // 2)
    sites: list[Site] = []
    subscription_id = ""
    for number in range(pairs):
        if number % (VAULTS_PER_SUBSCRIPTION // 2) == 0:
            subscription_id = builder.subscription(
                f"Fleet-{number // (VAULTS_PER_SUBSCRIPTION // 2) + 1:02d}"
            )
        sites += _pair(builder, subscription_id, number)
    for number in range(count):
        _member(builder, sites[number % len(sites)], number + 1, days)


def _pair(builder: Builder, subscription_id: str, number: int) -> list[Site]:
    regions = PAIRS[number % len(PAIRS)]
    groups, networks, vaults, caches = [], [], [], []
    for at, region in enumerate(regions):
        code = REGIONS[region].code
        group = builder.group(subscription_id, f"rg-fleet-{number:03d}-{code}", region)
        groups.append(group)
        prefix = f"10.{number % 120 * 2 + at}"
        networks.append(builder.network(group, f"vnet-{number:03d}-{code}", region, prefix))
        vaults.append(vault(builder, group, f"rsv-{number:03d}-{code}", region))
        caches.append(builder.storage_account(group, f"stcache{number:03d}{code}", region))
    sites = []
    for here, there in ((0, 1), (1, 0)):
        drill = builder.network(
            groups[there],
            f"vnet-drill-{number:03d}-{REGIONS[regions[there]].code}",
            regions[there],
            "192.168",
        )
        way = road(
            builder,
            vaults[there],
            regions[here],
            regions[there],
            source_network_id=networks[here],
            recovery_network_id=networks[there],
            test_network_id=drill,
            staging_account_id=caches[here],
        )
        recovery = builder.group(subscription_id, f"{groups[here].rsplit('/', 1)[-1]}-asr", regions[there])
        sites.append(Site(regions[here], groups[here], recovery, networks[here], vaults[here], way))
    return sites


def _member(builder: Builder, site: Site, number: int, days: int) -> None:
    draw = builder.random.random
    role, system, size, os_disk_gb, data = ROLES[builder.random.randrange(len(ROLES))]
    spec = MachineSpec(
        f"{role}-{REGIONS[site.region].code}-{number:05d}",
        system,
        size,
        os_disk_gb,
        tuple(DataDiskSpec(size_gb) for size_gb in data),
        tags={"role": role},
        power="deallocated" if draw() < 0.06 else "running",
        agent_ready=draw() > 0.02,
    )
    machine = builder.machine(site.group_id, site.region, site.network_id, spec)
    if draw() < BACKED_UP:
        share = draw()
        went = next(s for upto, s in BACKUP_MIX if share <= upto)
        protect(builder, site.vault_id, machine, replace(went, days=days))
    if draw() < REPLICATED:
        share = draw()
        story = next(s for upto, s in REPLICATION_MIX if share <= upto)
        replicate(builder, site.road, machine, site.recovery_group_id, story)
