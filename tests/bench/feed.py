"""An engine's side of the socket without an Azure behind it: a fleet whose cells change at a given rate.

Only for measuring the console: what an engine would send, at a rate that no Azure reaches.
`python -m tests.bench.feed SOCKET ROWS CELLS_PER_SECOND [TICK_S]`; CELLS_PER_SECOND 0 with TICK_S sends an
unchanged tick, -1 changes one cell of the first row per tick.
"""

from __future__ import annotations

import asyncio
import random
import sys
from datetime import UTC, datetime, timedelta

import msgspec

from azure_ops import wire
from azure_ops.model import Backup, FleetItem, PowerState, Replication, SourceState

CHUNK = 500
NOW = datetime(2026, 8, 22, 14, 0, tzinfo=UTC)


def fleet(rows: int) -> list[FleetItem]:
    chosen = random.Random(1)
    return [_item(number, chosen) for number in range(rows)]


def _item(number: int, chosen: random.Random) -> FleetItem:
    group = f"/subscriptions/{number % 3:08d}-0000-0000-0000-000000000000/resourceGroups/rg-{number % 40}"
    vm_id = f"{group}/providers/Microsoft.Compute/virtualMachines/vm-{number:05d}"
    vault = f"{group}/providers/Microsoft.RecoveryServices/vaults/rsv-{number % 20}"
    health = chosen.choice(["Normal", "Normal", "Normal", "Warning", "Critical"])
    return FleetItem(
        key=vm_id.lower(),
        id=vm_id,
        name=f"vm-{number:05d}",
        subscription_id=vm_id.split("/")[2],
        resource_group=f"rg-{number % 40}",
        location="westeurope",
        power_state=PowerState.RUNNING,
        os_type="Linux",
        backup=Backup(
            item_id=f"{vault}/items/{number}",
            vault_id=vault,
            protection_state="Protected",
            health="Passed",
            last_status="Completed",
            last_backup_at=NOW - timedelta(minutes=chosen.randrange(60, 2000)),
        ),
        replication=Replication(
            item_id=f"{vault}/replicated/{number}",
            vault_id=vault,
            protection_state="Protected",
            protection_state_text="Protected",
            replication_health=health,
            failover_health="Normal",
            rpo_s=chosen.randrange(60, 900),
            rpo_calculated_at=NOW,
            allowed_operations=("UnplannedFailover", "TestFailover", "DisableProtection"),
        ),
    )


def change(item: FleetItem, chosen: random.Random) -> FleetItem:
    """One other cell: the replication's RPO or the power state."""
    if item.replication is not None and chosen.random() < 0.7:
        replication = msgspec.structs.replace(item.replication, rpo_s=chosen.randrange(60, 90_000))
        return msgspec.structs.replace(item, replication=replication)
    state = PowerState.STOPPED if item.power_state is PowerState.RUNNING else PowerState.RUNNING
    return msgspec.structs.replace(item, power_state=state)


class Feed:
    def __init__(self, rows: int, cells_per_second: int, tick_s: float) -> None:
        self._items = fleet(rows)
        self._rate = cells_per_second
        self._tick_s = tick_s
        self._random = random.Random(2)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await wire.read_from_console(reader)
        hello = wire.Welcome(
            protocol=wire.PROTOCOL, version="bench", pid=0, cloud="bench", endpoint="https://bench.invalid"
        )
        writer.write(wire.frame(hello))
        for start in range(0, len(self._items), CHUNK):
            more = start + CHUNK < len(self._items)
            part = tuple(self._items[start : start + CHUNK])
            self._send(writer, part, first=start == 0, more=more, generation=1)
        listening = asyncio.create_task(self._listen(reader, writer))
        try:
            await self._tick(writer)
        except ConnectionError:
            pass
        finally:
            listening.cancel()

    async def _listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (message := await wire.read_from_console(reader)) is not None:
            if isinstance(message, wire.Call):
                writer.write(wire.frame(wire.Reply(number=message.number, result=wire.Done())))

    async def _tick(self, writer: asyncio.StreamWriter) -> None:
        generation = 1
        while True:
            await asyncio.sleep(self._tick_s)
            generation += 1
            self._send(writer, tuple(self._changes()), generation=generation)
            await writer.drain()

    def _changes(self) -> list[FleetItem]:
        if self._rate < 0:
            indexes = [0]
        else:
            indexes = [
                self._random.randrange(len(self._items)) for _ in range(int(self._rate * self._tick_s))
            ]
        for index in indexes:
            self._items[index] = change(self._items[index], self._random)
        return [self._items[index] for index in dict.fromkeys(indexes)]

    def _send(
        self,
        writer: asyncio.StreamWriter,
        items: tuple[FleetItem, ...],
        *,
        generation: int,
        first: bool = False,
        more: bool = False,
    ) -> None:
        sources = tuple(
            SourceState(name=n, read_at=NOW, rows=len(self._items))
            for n in ("virtual machines", "backup", "replication")
        )
        delta = wire.FleetDelta(
            generation=generation,
            taken_at=NOW,
            service_at=NOW,
            first=first,
            more=more,
            changed=items,
            sources=sources,
        )
        writer.write(wire.frame(delta))


async def main(path: str, rows: int, cells_per_second: int, tick_s: float = 0.1) -> None:
    feed = Feed(rows, cells_per_second, tick_s)
    server = await asyncio.start_unix_server(feed.serve, path)
    print("ready", flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    socket, rows, rate, *tick = sys.argv[1:]
    asyncio.run(main(socket, int(rows), int(rate), *map(float, tick)))
