"""Compute's documents about VMs, disks and snapshots, as our model. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ..arm_ids import group_of, key_of, name_of, request_path, subscription_of
from ..model import (
    Disk,
    FleetItem,
    Job,
    JobKind,
    JobState,
    ManagedDisk,
    PointDisk,
    PointSource,
    PowerState,
    RecoveryPoint,
)
from ..wire_values import Document, flag, moment, number, part, parts, text, texts, whole
from .job_states import arm_state

_POWER = "PowerState/"


def vm(document: Document, instance_view: Document | None = None) -> FleetItem:
    """`instance_view` stands in for the document's own, which lists leave out."""
    properties = part(document, "properties")
    vm_id = request_path(text(document, "id"))
    storage = part(properties, "storageProfile")
    view = instance_view if instance_view is not None else part(properties, "instanceView")
    return FleetItem(
        key=key_of(vm_id),
        id=vm_id,
        name=text(document, "name") or name_of(vm_id),
        subscription_id=subscription_of(vm_id),
        resource_group=group_of(vm_id),
        location=text(document, "location"),
        power_state=power_state(status_codes(view)),
        os_type=text(part(storage, "osDisk"), "osType"),
        size=text(part(properties, "hardwareProfile"), "vmSize"),
        zones=texts(document, "zones"),
        disks=disks_of(storage),
    )


def status_codes(instance_view: Document) -> list[str]:
    return [text(status, "code") for status in parts(instance_view, "statuses")]


def power_state(codes: list[str]) -> PowerState:
    """By the code's prefix, never by its place: the entry may be missing or anywhere."""
    for code in codes:
        if code.startswith(_POWER):
            try:
                return PowerState(code.removeprefix(_POWER).lower())
            except ValueError:
                return PowerState.UNKNOWN
    return PowerState.UNKNOWN


def disks_of(storage: Document) -> tuple[Disk, ...]:
    """OS disk first. Unmanaged disks have no id and are left out: nothing here can snapshot them."""
    found = [disk(part(storage, "osDisk"), None)]
    found += [disk(one, whole(one, "lun")) for one in parts(storage, "dataDisks")]
    return tuple(one for one in found if one.id)


def disk(document: Document, lun: int | None) -> Disk:
    managed = part(document, "managedDisk")
    disk_id = text(managed, "id")
    return Disk(
        id=disk_id,
        name=text(document, "name") or name_of(disk_id),
        lun=lun,
        size_gb=whole(document, "diskSizeGB") or 0,
        sku=text(managed, "storageAccountType"),
    )


def managed_disk(document: Document) -> ManagedDisk:
    """A disk's own document, which knows more of it than its VM does."""
    properties = part(document, "properties")
    disk_id = request_path(text(document, "id"))
    return ManagedDisk(
        id=disk_id,
        name=text(document, "name") or name_of(disk_id),
        location=text(document, "location"),
        size_gb=whole(properties, "diskSizeGB") or 0,
        sku=text(part(document, "sku"), "name"),
        state=text(properties, "diskState"),
        attached_to=text(document, "managedBy"),
        created_at=moment(properties, "timeCreated"),
        made_from=text(part(properties, "creationData"), "sourceResourceId"),
        tags={str(key): str(value) for key, value in part(document, "tags").items()},
    )


def snapshot_point(document: Document, disks: Mapping[str, Disk]) -> RecoveryPoint | None:
    """None for a snapshot of another VM's disk than `disks` (by key), and for one without a time."""
    properties = part(document, "properties")
    source = key_of(text(part(properties, "creationData"), "sourceResourceId"))
    taken_at = moment(properties, "timeCreated")
    if source not in disks or taken_at is None:
        return None
    percent = number(properties, "completionPercent")
    words = [disks[source].name, "incremental" if flag(properties, "incremental") else "full"]
    if text(properties, "provisioningState") not in ("Succeeded", ""):
        words.append(text(properties, "provisioningState"))
    elif percent is not None and percent < 100:
        words.append(f"{percent:.0f} % copied")
    if text(properties, "diskState") == "ActiveSAS":
        words.append("download open")
    return RecoveryPoint(
        id=text(document, "id"),
        name=text(document, "name"),
        source=PointSource.SNAPSHOT,
        taken_at=taken_at,
        consistency="CrashConsistent",
        disks=(PointDisk(name=disks[source].name, lun=disks[source].lun),),
        note=", ".join(words),
    )


def snapshot_job(document: Document, *, read_at: datetime | None = None) -> Job:
    """A snapshot's making. A cross-region copy says `Succeeded` long before its data is there."""
    properties = part(document, "properties")
    state = arm_state(text(properties, "provisioningState"))
    percent = number(properties, "completionPercent")
    if state is JobState.SUCCEEDED and percent is not None and percent < 100:
        state = JobState.RUNNING
    snapshot_id = request_path(text(document, "id"))
    source = text(part(properties, "creationData"), "sourceResourceId")
    facts: dict[str, Any] = {
        "Disk": name_of(source),
        "Size": f"{size} GB" if (size := whole(properties, "diskSizeGB")) else "",
        "Kind": "incremental" if flag(properties, "incremental") else "full",
    }
    return Job(
        id=snapshot_id,
        kind=JobKind.DISK,
        operation="Snapshot",
        title="Snapshot",
        state=state,
        state_text=text(properties, "provisioningState"),
        target_name=name_of(source),
        started_at=moment(properties, "timeCreated"),
        percent=percent,
        properties={key: value for key, value in facts.items() if value},
        read_at=read_at,
    )
