"""The `contoso` fleet: a small company with a good deal of everything that can be right or wrong.

Backup needs a vault in the machine's own region and subscription, replication one outside the source region.
So rsv-weu backs up West Europe and replicates East US, rsv-neu backs up North Europe and replicates West
Europe, and rsv-eus, in the other subscription, backs up the developers' machines."""

from __future__ import annotations

from dataclasses import dataclass

from ..handlers.backup_errors import job_error
from ..records.compute import VirtualMachine
from ..records.site_recovery import HEARTBEAT_TROUBLE, RPO_TROUBLE, ReplicatedItem
from ..world import World
from . import hostile
from .backups import BackupStory, protect, vault
from .builder import Builder, DataDiskSpec, MachineSpec
from .contoso_history import tell
from .replication import ReplicationStory, Road, plan, replicate, road

TENANT_ID = "8d3c1c7e-2f4b-4d0a-9a55-6f1e0f6c0c01"

GUARDED = "rsv-weu-guarded"
ZONAL = "rsv-weu-zrs"

OK = BackupStory()
DR_OK = ReplicationStory()


@dataclass(frozen=True, slots=True)
class Member:
    """A machine of the fleet, where it lives and what became of it."""

    group: str
    spec: MachineSpec
    backup: BackupStory | None = None
    replication: ReplicationStory | None = None
    vault: str = ""
    """Empty: the vault that backs its region up."""


def _linux(name: str, *zones: str, size: str = "Standard_D2s_v5", **more: object) -> MachineSpec:
    return MachineSpec(name, "Linux", size, 30, zones=zones, **more)  # type: ignore[arg-type]


def _windows(name: str, *zones: str, size: str = "Standard_D4s_v5", **more: object) -> MachineSpec:
    return MachineSpec(name, "Windows", size, 127, zones=zones, **more)  # type: ignore[arg-type]


def _data(*sizes: int) -> tuple[DataDiskSpec, ...]:
    return tuple(DataDiskSpec(size) for size in sizes)


WEST_EUROPE = (
    Member("web", _linux("web-01", "1", tags={"app": "shop", "tier": "web"}), OK, DR_OK),
    Member("web", _linux("web-02", "2", tags={"app": "shop", "tier": "web"}), OK, DR_OK),
    Member("web", _linux("web-03", "3", tags={"app": "shop", "tier": "web"}), OK, DR_OK, vault=GUARDED),
    Member(
        "web", _linux("app-01", "1", red_hat=True, size="Standard_D4s_v5", data_disks=_data(64)), OK, DR_OK
    ),
    Member(
        "web",
        _linux("app-02", "2", red_hat=True, size="Standard_D4s_v5", data_disks=_data(64), agent_ready=False),
        BackupStory(last="CompletedWithWarnings"),
        DR_OK,
    ),
    Member(
        "data",
        _windows("sql-01", "1", size="Standard_E8s_v5", data_disks=_data(512, 512, 256, 128)),
        BackupStory(policy="EnhancedPolicy", last="Failed"),
        # 41 minutes: it starts at 0.8 × 120 s and gains 0.6 s a second for 3,940 s.
        ReplicationStory(trouble=RPO_TROUBLE, trouble_s=3940, typical_rpo_s=120, drilled_days=None),
    ),
    Member(
        "data",
        _windows("sql-02", "2", size="Standard_E8s_v5", data_disks=_data(512, 256)),
        BackupStory(policy="EnhancedPolicy", last_disk_since=5),
        DR_OK,
    ),
    Member(
        "data",
        _windows("file-01", data_disks=_data(2048, 1024)),
        BackupStory(alerts_since=2, archived_from=25),
        ReplicationStory(drilled_days=200),
    ),
    Member(
        "core",
        _windows("dc-01", "1"),
        None,
        ReplicationStory(trouble=HEARTBEAT_TROUBLE, trouble_s=11_600, typical_rpo_s=120),
    ),
    Member("core", _windows("dc-02", "2"), BackupStory(missed=(3, 4, 9)), DR_OK),
    Member("core", _linux("jump-01", size="Standard_B2s")),
    Member(
        "core",
        _windows("erp-01", size="Standard_E4s_v5", data_disks=_data(256)),
        BackupStory(last=""),
        ReplicationStory(first_copy_s=900),
    ),
    Member("core", _windows("print-01", size="Standard_B2ms"), BackupStory(stopped=True, days=18)),
    Member(
        "core",
        _linux("batch-01", "2", red_hat=True, size="Standard_F8s_v2", power="deallocated"),
        OK,
        vault=ZONAL,
    ),
    Member(
        "core",
        _linux(hostile.MARKUP_NAME, tags=hostile.TAGS, data_disks=(DataDiskSpec(32, hostile.DISK_NAME),)),
        BackupStory(last="Failed", error=job_error("UserErrorVmNotResponding", hostile.ERROR_TEXT)),
        DR_OK,
    ),
    Member(
        "data", _windows(hostile.WIDE_NAME, tags={"用途": "本番🐘"}), OK, ReplicationStory(drilled_days=None)
    ),
)
EAST_US = (
    Member("shop", _linux("shop-01", "1", tags={"app": "shop-us"}), None, DR_OK),
    Member("shop", _linux("shop-02", "2", tags={"app": "shop-us"}), None, DR_OK),
    Member("shop", _windows("shop-db-01", size="Standard_E4s_v5", data_disks=_data(512)), None, DR_OK),
    Member("shop", _linux("cache-01"), None, ReplicationStory(drilled_days=None, agent_expires_days=6)),
)
NORTH_EUROPE = (Member("mon", _linux("mon-01", red_hat=True, data_disks=_data(128)), OK),)
DEVELOPMENT = (
    Member("dev", _linux("build-01", size="Standard_D8s_v5", data_disks=_data(256)), OK),
    Member("dev", _linux("build-02", size="Standard_D8s_v5", power="deallocated")),
    Member("dev", _windows("test-sql-01", data_disks=_data(128)), BackupStory(last="CompletedWithWarnings")),
    Member("dev", _linux(hostile.ESCAPE_NAME, tags=hostile.TAGS), OK),
    Member("dev", _windows(hostile.RIGHT_TO_LEFT_NAME), OK),
    Member("dev", _linux(hostile.TWO_LINE_NAME)),
)


@dataclass(slots=True)
class Contoso:
    """What the fleet's history needs to find again."""

    builder: Builder
    machines: dict[str, VirtualMachine]
    items: dict[str, ReplicatedItem]
    drill_networks: dict[str, str]


def seed(world: World) -> None:
    builder = Builder(world)
    builder.set_tenant(TENANT_ID)
    fleet = Contoso(builder, {}, {}, {})
    production = builder.subscription("Contoso-Prod")
    development = builder.subscription("Contoso-Dev")
    recovery = builder.group(production, "rg-recovery", "westeurope", owner="bcdr@contoso.example")
    weu = vault(builder, recovery, "rsv-weu", "westeurope", cross_region=True, owner="bcdr@contoso.example")
    neu = vault(builder, recovery, "rsv-neu", "northeurope", owner="bcdr@contoso.example")
    guards = builder.group(development, "rg-recovery-dev", "eastus")
    eus = vault(builder, guards, "rsv-eus", "eastus")
    vault(
        builder, recovery, ZONAL, "westeurope", redundancy="ZoneRedundant", immutability="Unlocked",
        owner="bcdr@contoso.example",
    )  # fmt: skip
    guarded = vault(builder, recovery, GUARDED, "westeurope", owner="bcdr@contoso.example")
    builder.guard(guarded, f"{guards}/providers/Microsoft.DataProtection/resourceGuards/guard-contoso")

    europe = _road(fleet, production, neu, ("westeurope", "weu", "10.1"), ("northeurope", "neu", "10.2"))
    america = _road(fleet, production, weu, ("eastus", "eus", "10.3"), ("westus", "wus", "10.4"))
    _people(fleet, production, "westeurope", "weu", WEST_EUROPE, weu, europe)
    builder.lock(f"{production}/resourceGroups/rg-data-weu", "keep-data", "Nobody deletes what data lies on.")
    _people(fleet, production, "northeurope", "neu", NORTH_EUROPE, neu, None)
    _people(fleet, production, "eastus", "eus", EAST_US, None, america)
    builder.network(builder.group(development, "rg-network-dev", "eastus"), "vnet-dev-eus", "eastus", "10.9")
    _staging(builder, recovery, development, eus)
    _people(fleet, development, "eastus", "dev", DEVELOPMENT, eus, None)

    web = [fleet.items[name] for name in ("web-01", "web-02", "web-03")]
    plan(builder, europe, "rp-shop", [[fleet.items["dc-02"]], [fleet.items["sql-02"]], web])
    tell(builder, fleet.machines, fleet.items, fleet.drill_networks)


def _road(
    fleet: Contoso,
    subscription_id: str,
    vault_id: str,
    source: tuple[str, str, str],
    target: tuple[str, str, str],
) -> Road:
    """Region, code and address prefix of both sides: networks, the isolated drill network, the cache."""
    builder = fleet.builder
    networks = []
    for region, code, prefix in (source, target):
        group = builder.group(subscription_id, f"rg-network-{code}", region)
        networks.append(
            builder.network(group, f"vnet-prod-{code}", region, prefix, ("default", "web", "data"))
        )
    region, code, _ = target
    drill_group = builder.group(subscription_id, f"rg-drill-{code}", region, purpose="isolated, no peering")
    drill = builder.network(drill_group, f"vnet-drill-{code}", region, "192.168", ("default", "web", "data"))
    fleet.drill_networks[region] = drill
    cache_group = builder.group(subscription_id, "rg-recovery", "westeurope")
    return road(
        builder,
        vault_id,
        source[0],
        region,
        source_network_id=networks[0],
        recovery_network_id=networks[1],
        test_network_id=drill,
        staging_account_id=builder.storage_account(cache_group, f"stcontosocache{source[1]}", source[0]),
    )


def _staging(builder: Builder, recovery: str, development: str, eus: str) -> None:
    """Where restores into the paired region, into the other subscription and with an identity can go, and
    what re-protects of the machines of the recovery regions use as cache."""
    builder.storage_account(recovery, "stcontosorestoreneu", "northeurope")
    builder.storage_account(recovery, "stcontosocachewus", "westus")
    home = f"{development}/resourceGroups/rg-recovery-dev"
    account = builder.storage_account(home, "stcontosodeveus", "eastus")
    builder.identity(
        eus, f"{home}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id-restore", account
    )
    guests = builder.group(development, "rg-restore-weu", "westeurope")
    builder.storage_account(guests, "stcontosodevweu", "westeurope")
    builder.network(guests, "vnet-restore-weu", "westeurope", "10.8")


SUBNETS = {"web": "web", "data": "data"}


def _people(
    fleet: Contoso,
    subscription_id: str,
    region: str,
    code: str,
    members: tuple[Member, ...],
    vault_id: str | None,
    on: Road | None,
) -> None:
    builder = fleet.builder
    network_code = "dev-eus" if code == "dev" else f"prod-{code}"
    network_group = f"{subscription_id}/resourceGroups/rg-network-{code}"
    network_id = f"{network_group}/providers/Microsoft.Network/virtualNetworks/vnet-{network_code}"
    for member in members:
        name = f"rg-{member.group}-{code}" if code != "dev" else "rg-dev-eus"
        group_id = builder.group(subscription_id, name, region)
        subnet = SUBNETS.get(member.group, "default")
        machine = builder.machine(group_id, region, network_id, member.spec, subnet=subnet)
        fleet.machines[member.spec.name] = machine
        if member.backup is not None and vault_id is not None:
            own = f"{vault_id.rpartition('/')[0]}/{member.vault}"
            protect(builder, own if member.vault else vault_id, machine, member.backup)
        if member.replication is not None and on is not None:
            recovery_group = builder.group(subscription_id, f"{name}-asr", on.target)
            fleet.items[member.spec.name] = replicate(
                builder, on, machine, recovery_group, member.replication
            )
