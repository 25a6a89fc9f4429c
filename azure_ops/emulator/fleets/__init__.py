"""Seeded worlds. The server calls `seed` once, for a world that is still empty; every time is relative to the
world's clock, everything else comes from the world's seed."""

from __future__ import annotations

import re

from ..world import World

MOST_MACHINES = 20_000
USUAL_DAYS, MOST_DAYS = 3, 400
SIZE = re.compile(r"([0-9]{1,5})(?:x([0-9]{1,3}))?")


def seed(world: World, fleet: str) -> None:
    """`contoso`, or a number of machines, `1000x30` with so many days of backups. Raises `ValueError` for
    anything else."""
    with world.store.transaction():
        if fleet == "contoso":
            from . import contoso

            contoso.seed(world)
            return
        asked = SIZE.fullmatch(fleet)
        count, days = (int(asked[1]), int(asked[2] or USUAL_DAYS)) if asked else (0, 0)
        if not (1 <= count <= MOST_MACHINES and 1 <= days <= MOST_DAYS):
            raise ValueError(f"no fleet {fleet!r}: it is `contoso` or a number from 1 to {MOST_MACHINES}")
        from . import generated

        generated.seed(world, count, days)
