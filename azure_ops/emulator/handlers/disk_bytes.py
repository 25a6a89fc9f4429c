"""From what a disk holds to its bytes: which shipped image, and which stage of it.

An image has lived through the stages already; a disk shows the one its moment falls into, counted from when
the world began. What a disk wrote after it was restored does not show."""

from __future__ import annotations

from datetime import datetime, timedelta

from ..disks.image import DiskBytes, open_image
from ..records.compute import Contents, DiskAccess
from ..world import World

GIB = 1 << 30
BEGAN_FACT = "world_began"
STAGES = (
    ("encrypted", timedelta(hours=8)),
    ("deleted", timedelta(hours=30)),
    ("grown", timedelta(days=8)),
)
"""How long before the world began each stage set in, the latest first; before all of them is `start`. The
points of the last night hold what the one of the night before lost only after that."""
UNKNOWN = {"Linux": "ubuntu", "Windows": "windows", None: "data-ext4"}
"""By the operating system a disk starts, where its machine is not known."""


def bytes_of(world: World, access: DiskAccess) -> DiskBytes:
    size = access.size_gb * GIB
    if not access.holds:
        return DiskBytes(None, size, access.unique_id)
    name = access.holds[0].image or UNKNOWN.get(access.os_type, "data-ext4")
    image = open_image(name, stage_of(world, access.holds, name))
    return DiskBytes(image if image.size <= size else None, size, access.unique_id)


def stage_of(world: World, holds: Contents, name: str = "") -> str:
    origin = holds[0].disk
    moment = max(span.until for span in holds if span.disk == origin)
    began = began_at(world)
    stage = next((stage for stage, before in STAGES if moment >= began - before), "start")
    torn = holds[-1].torn and stage == "encrypted" and not name.endswith(("windows", "ntfs"))
    return "running" if torn else stage


def began_at(world: World) -> datetime:
    told = world.store.fact(BEGAN_FACT)
    if told is None:
        told = world.clock.now().isoformat()
        world.store.set_fact(BEGAN_FACT, told)
    return datetime.fromisoformat(told)
