"""Seeded worlds. The server calls `seed` once, for a world that is still empty; every time is relative to the
world's clock, everything else comes from the world's seed."""

from __future__ import annotations

from ..world import World

MOST_MACHINES = 20_000


def seed(world: World, fleet: str) -> None:
    """`contoso`, or a number of machines. Raises `ValueError` for anything else."""
    with world.store.transaction():
        if fleet == "contoso":
            from . import contoso

            contoso.seed(world)
            return
        count = int(fleet) if fleet.isascii() and fleet.isdigit() else 0
        if not 1 <= count <= MOST_MACHINES:
            raise ValueError(f"no fleet {fleet!r}: it is `contoso` or a number from 1 to {MOST_MACHINES}")
        from . import generated

        generated.seed(world, count)
