"""VM sizes of a region and their quotas, the sizes one VM can be given, and giving it another one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..arm_ids import group_of, name_of, subscription_of
from ..engine.submitted import Submitted, first_answer, once, poll_url
from ..model import Job, JobKind, JobState
from ..sizes import Quota, VmSize
from ..wire_values import Document, part, parts, text, texts, whole
from .azure_failures import azure_errors

if TYPE_CHECKING:
    from .session import Session

MACHINES = "virtualMachines"
_STATES = {"succeeded": JobState.SUCCEEDED, "failed": JobState.FAILED, "canceled": JobState.CANCELLED}


async def list_sizes(session: Session, subscription: str, region: str) -> tuple[VmSize, ...]:
    """All that the region has, those that are closed to the subscription among them."""
    client = session.compute(subscription).resource_skus
    async with azure_errors(f"VM sizes in {region}"):
        found = [document async for document in client.list(filter=f"location eq '{region}'")]
    return tuple(vm_size(one, region) for one in found if text(one, "resourceType") == MACHINES)


def vm_size(document: Document, region: str) -> VmSize:
    told = {text(one, "name").lower(): text(one, "value") for one in parts(document, "capabilities")}
    here = [one for one in parts(document, "locationInfo") if _same(text(one, "location"), region)]
    closed = ""
    zones: list[str] = []
    for one in parts(document, "restrictions"):
        info = part(one, "restrictionInfo")
        if text(one, "type").lower() == "zone":
            zones += texts(info, "zones")
        elif any(_same(place, region) for place in (*texts(info, "locations"), *texts(one, "values"))):
            closed = text(one, "reasonCode") or "restricted"
    return VmSize(
        name=text(document, "name"),
        family=text(document, "family"),
        cores=int(_number(told.get("vcpus", ""))),
        memory_gb=_number(told.get("memorygb", "")),
        data_disks=int(_number(told.get("maxdatadiskcount", ""))),
        premium=told.get("premiumio", "").lower() == "true",
        architecture=told.get("cpuarchitecturetype", ""),
        zones=tuple(sorted({zone for one in here for zone in texts(one, "zones")})),
        closed=closed,
        closed_zones=tuple(sorted(set(zones))),
    )


def _same(one: str, other: str) -> bool:
    return one.replace(" ", "").lower() == other.replace(" ", "").lower()


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        return 0.0


async def list_quotas(session: Session, subscription: str, region: str) -> tuple[Quota, ...]:
    client = session.compute(subscription).usage
    async with azure_errors(f"Compute quotas in {region}"):
        found = [document async for document in client.list(region)]
    return tuple(
        Quota(
            name=text(part(one, "name"), "value"),
            label=text(part(one, "name"), "localizedValue") or text(part(one, "name"), "value"),
            used=whole(one, "currentValue") or 0,
            limit=whole(one, "limit") or 0,
        )
        for one in found
    )


async def list_resizable(session: Session, vm_id: str) -> tuple[str, ...]:
    """Names of the sizes that this VM can be given as it is: of a running one those of its cluster."""
    client = session.compute(subscription_of(vm_id)).virtual_machines
    async with azure_errors(f"Sizes for {name_of(vm_id)}"):
        return tuple(
            [
                text(document, "name")
                async for document in client.list_available_sizes(group_of(vm_id), name_of(vm_id))
            ]
        )


async def begin_resize(
    session: Session, vm_id: str, body: dict[str, Any], client_request_id: str
) -> Submitted:
    client: Any = session.compute(subscription_of(vm_id)).virtual_machines
    polling = first_answer()
    async with azure_errors(f"Virtual machine {name_of(vm_id)}", doing="resize"):
        await client.begin_update(
            group_of(vm_id), name_of(vm_id), body, polling=polling, **once(client_request_id)
        )
        address = poll_url(polling.answer.headers)
        return Submitted(job_id="" if address else vm_id, resume=address)


async def read_resize(session: Session, vm_id: str) -> Job:
    """How far the VM's change is, as a job, where its operation's address was lost."""
    client = session.compute(subscription_of(vm_id)).virtual_machines
    async with azure_errors(f"Virtual machine {name_of(vm_id)}"):
        document: Document = await client.get(group_of(vm_id), name_of(vm_id))
    state = text(part(document, "properties"), "provisioningState")
    return Job(
        id=vm_id,
        kind=JobKind.DISK,
        operation="Resize",
        title="Resize VM",
        state=_STATES.get(state.lower(), JobState.RUNNING),
        state_text=state,
        read_at=session.service_now(),
    )
