"""Puts the ordinary things of a tenant into the world: subscriptions, groups, networks, machines with disks.

Everything is drawn from one random of its own, so that the same seed makes the same fleet."""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ..records.backup import Vault
from ..records.compute import (
    RED_HAT,
    UBUNTU,
    WINDOWS_SERVER,
    DataDisk,
    Disk,
    Image,
    NetworkInterface,
    Snapshot,
    StorageAccount,
    Subnet,
    VirtualMachine,
    VirtualNetwork,
)
from ..records.tenancy import (
    BLOB_CONTRIBUTOR,
    TENANT_ID_FACT,
    ManagementLock,
    ResourceGroup,
    RoleAssignment,
    Subscription,
)
from ..world import World


@dataclass(frozen=True, slots=True)
class DataDiskSpec:
    size_gb: int
    name: str = ""
    """Empty: `{vm}_DataDisk_{lun}`."""
    sku: str = "Premium_LRS"


@dataclass(frozen=True, slots=True)
class MachineSpec:
    """A machine as its owner would order it."""

    name: str
    os_type: str = "Linux"
    size: str = "Standard_D2s_v5"
    os_disk_gb: int = 30
    data_disks: tuple[DataDiskSpec, ...] = ()
    zones: tuple[str, ...] = ()
    tags: dict[str, str] = field(default_factory=dict)
    power: str = "running"
    agent_ready: bool = True
    red_hat: bool = False


class Builder:
    def __init__(self, world: World) -> None:
        self.world = world
        self.store = world.store
        self.random = random.Random(world.store.random.getrandbits(64))
        self.now = world.clock.now()
        self._addresses: dict[str, int] = {}

    def guid(self) -> str:
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def ago(self, **span: float) -> datetime:
        return self.now - timedelta(**span)

    def set_tenant(self, tenant_id: str) -> None:
        self.store.set_fact(TENANT_ID_FACT, tenant_id)

    def subscription(self, display_name: str) -> str:
        """Its id, `/subscriptions/{guid}`."""
        record = Subscription(id=f"/subscriptions/{self.guid()}", display_name=display_name)
        self.store.save(record)
        return record.id

    def group(self, subscription_id: str, name: str, location: str, **tags: str) -> str:
        """Its id; made when it does not exist yet."""
        group_id = f"{subscription_id}/resourceGroups/{name}"
        if self.store.find(ResourceGroup, group_id) is None:
            self.store.save(ResourceGroup(id=group_id, location=location, tags=tags))
        return group_id

    def lock(self, scope: str, name: str, notes: str) -> None:
        """Nothing at or below the scope can be deleted."""
        lock_id = f"{scope}/providers/Microsoft.Authorization/locks/{name}"
        self.store.save(ManagementLock(id=lock_id, level="CanNotDelete", notes=notes))

    def network(
        self, group_id: str, name: str, location: str, prefix: str, subnets: tuple[str, ...] = ("default",)
    ) -> str:
        """`prefix` is the two first numbers, `10.1`; the subnets get a third one each."""
        record = VirtualNetwork(
            id=f"{group_id}/providers/Microsoft.Network/virtualNetworks/{name}",
            location=location,
            prefixes=[f"{prefix}.0.0/16"],
            subnets=[Subnet(subnet, f"{prefix}.{at}.0/24") for at, subnet in enumerate(subnets)],
        )
        self.store.save(record)
        return record.id

    def storage_account(self, group_id: str, name: str, location: str) -> str:
        record = StorageAccount(
            id=f"{group_id}/providers/Microsoft.Storage/storageAccounts/{name}",
            location=location,
            time_created=self.ago(days=400),
        )
        self.store.save(record)
        return record.id

    def identity(self, vault_id: str, identity_id: str, account_id: str) -> None:
        """Gives the vault a user-assigned identity that may write blobs of this account."""
        vault = self.store.find(Vault, vault_id)
        assert vault is not None
        principal_id = str(uuid.uuid5(uuid.NAMESPACE_URL, identity_id.lower()))
        assignment = uuid.uuid5(uuid.NAMESPACE_URL, account_id)
        vault.user_identities[identity_id] = principal_id
        self.store.save(vault)
        self.store.save(
            RoleAssignment(
                id=f"{account_id}/providers/Microsoft.Authorization/roleAssignments/{assignment}",
                principal_id=principal_id,
                role=BLOB_CONTRIBUTOR,
                created_at=self.ago(days=300),
            )
        )

    def guard(self, vault_id: str, guard_id: str) -> None:
        """A Resource Guard watches over the vault's critical requests."""
        vault = self.store.find(Vault, vault_id)
        assert vault is not None
        # recorded: the guard's ids come back with `resourcegroups` in lower case
        vault.guard_id = guard_id.replace("/resourceGroups/", "/resourcegroups/")
        vault.guarded_at = self.ago(days=200)
        self.store.save(vault)

    def machine(
        self, group_id: str, location: str, network_id: str, spec: MachineSpec, *, subnet: str = "default"
    ) -> VirtualMachine:
        """The VM with its OS disk, data disks and network interface."""
        compute = f"{group_id}/providers/Microsoft.Compute"
        created = self.ago(days=self.random.uniform(60, 700))
        vm_id = f"{compute}/virtualMachines/{spec.name}"
        zones = list(spec.zones)
        os_disk_id = f"{compute}/disks/{spec.name}_OsDisk_1_{self.random.getrandbits(128):032x}"
        self.store.save(
            Disk(
                id=os_disk_id,
                location=location,
                size_gb=spec.os_disk_gb,
                os_type=spec.os_type,
                managed_by=vm_id,
                zones=zones,
                time_created=created,
                unique_id=self.guid(),
            )
        )
        data_disks = []
        for lun, disk in enumerate(spec.data_disks):
            disk_id = f"{compute}/disks/{disk.name or f'{spec.name}_DataDisk_{lun}'}"
            data_disks.append(DataDisk(lun, disk_id))
            self.store.save(
                Disk(
                    id=disk_id,
                    location=location,
                    size_gb=disk.size_gb,
                    sku=disk.sku,
                    managed_by=vm_id,
                    zones=zones,
                    time_created=created,
                    unique_id=self.guid(),
                    create_option="Empty",
                )
            )
        machine = VirtualMachine(
            id=vm_id,
            location=location,
            size=spec.size,
            os_type=spec.os_type,
            os_disk_id=os_disk_id,
            data_disks=data_disks,
            nic_ids=[self._interface(group_id, location, f"{network_id}/subnets/{subnet}", spec.name, vm_id)],
            power=spec.power,
            agent_ready=spec.agent_ready,
            zones=zones,
            tags=spec.tags,
            time_created=created,
            vm_id=self.guid(),
            image=_image(spec),
        )
        self.store.save(machine)
        return machine

    def _interface(self, group_id: str, location: str, subnet_id: str, name: str, vm_id: str) -> str:
        network = self.store.find(VirtualNetwork, subnet_id.rsplit("/subnets/", 1)[0])
        prefix = network.prefixes[0].split(".0.0/")[0] if network else "10.0"
        number = self._addresses.get(subnet_id, 3) + 1
        self._addresses[subnet_id] = number
        record = NetworkInterface(
            id=f"{group_id}/providers/Microsoft.Network/networkInterfaces/{name}-nic",
            location=location,
            subnet_id=subnet_id,
            private_ip=f"{prefix}.{number // 250}.{number % 250 + 1}",
            mac="00-0D-3A-" + "-".join(f"{self.random.getrandbits(8):02X}" for _ in range(3)),
            vm_id=vm_id,
        )
        self.store.save(record)
        return record.id

    def snapshot(
        self, disk_id: str, name: str, taken_at: datetime, *, incremental: bool = True, **tags: str
    ) -> Snapshot:
        """Of an existing disk, in the disk's group."""
        disk = self.store.find(Disk, disk_id)
        if disk is None:
            raise KeyError(disk_id)
        if incremental and disk.snapshot_family_id is None:
            disk.snapshot_family_id = self.guid()
            self.store.save(disk)
        record = Snapshot(
            id=f"{disk_id.rsplit('/disks/', 1)[0]}/snapshots/{name}",
            location=disk.location,
            source_disk_id=disk_id,
            source_unique_id=disk.unique_id,
            size_gb=disk.size_gb,
            incremental=incremental,
            snapshot_family_id=disk.snapshot_family_id if incremental else None,
            os_type=disk.os_type,
            taken_at=taken_at,
            unique_id=self.guid(),
            tags=tags,
        )
        self.store.save(record)
        return record


def _image(spec: MachineSpec) -> Image:
    if spec.os_type == "Windows":
        return WINDOWS_SERVER
    return RED_HAT if spec.red_hat else UBUNTU
