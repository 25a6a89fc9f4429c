"""Opens the world of a state directory: as it was left, or new with its fleet. Called by the server."""

from __future__ import annotations

import gc
import sqlite3
from dataclasses import dataclass
from datetime import datetime

import msgspec

from .fleets import seed as seed_fleet
from .handlers.disk_bytes import began_at
from .records import KINDS
from .state_dir import StateDir, StateError
from .store import Store
from .timekeeping import open_clock
from .world import World

DEFAULT_SPEED = 4.0
"""A test failover, a little over three minutes in Azure, takes about one."""
DEFAULT_FLEET = "contoso"
FLEET_FACT = "fleet"


@dataclass(frozen=True)
class Options:
    """What `serve` was asked for; None leaves the choice to the state directory or the default."""

    fleet: str | None = None
    speed: float | None = None
    seed: int | None = None
    port: int | None = None
    now: datetime | None = None
    throttle: bool = True
    page_limit: int = 0
    token_lifetime_s: int = 86_400
    fresh: bool = False


def open_world(state: StateDir, options: Options) -> World:
    """The world as it was left, or a new one with its fleet. Raises `StateError`."""
    if options.fresh:
        state.forget_world()
    try:
        store = Store(state.world_file, KINDS, 1 if options.seed is None else options.seed)
        world = World(store, open_clock(store, options.speed, options.now, DEFAULT_SPEED))
        kept = store.fact(FLEET_FACT)
        if kept is None:
            _seed(world, options.fleet or DEFAULT_FLEET)
        elif options.fleet not in (None, kept):
            raise StateError(
                f"{state.path} holds the fleet {kept}, not {options.fleet}: "
                "choose another folder with --state, or start anew with --fresh"
            )
    except (sqlite3.Error, msgspec.MsgspecError) as error:
        raise StateError(
            f"cannot use {state.world_file} ({error}): move it away, or start anew with --fresh"
        ) from error
    # A full collection over a large fleet stops the server for 0.2 s; what is there now stays for long.
    gc.collect()
    gc.freeze()
    return world


def _seed(world: World, fleet: str) -> None:
    """All of the fleet or nothing of it is on the disk afterwards."""
    try:
        with world.store.transaction(), world.clock.standing_at(world.clock.now()):
            began_at(world)
            seed_fleet(world, fleet)
            world.store.set_fact(FLEET_FACT, fleet)
        world.store.tidy()
    except ValueError as error:
        raise StateError(str(error)) from error
