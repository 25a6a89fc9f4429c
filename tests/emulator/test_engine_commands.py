"""`azrecover engine status|stop|log` where several engines run; what a console with another filter gets."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import msgspec
import pytest

from azure_ops.engine.lock import holder
from azure_ops.errors import EngineUnavailable

from ..support import OPERATOR_CLIENT_ID
from .engine_world import EngineWorld, Told


async def command(*words: str) -> subprocess.CompletedProcess[str]:
    """Without flags: as the console's own command line calls it."""
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "azure_ops.engine", *words, "--cloud", "public"],
        capture_output=True,
        text=True,
        timeout=60,
    )


async def test_without_flags_the_one_engine_that_runs_is_found_whatever_its_cloud(world: EngineWorld) -> None:
    assert (await command("status")).returncode == 3
    console = await world.filled_console()
    status = await command("status")
    assert (status.returncode, f"process {console.pid}" in status.stdout) == (0, True), status
    assert world.settings.endpoint in status.stdout
    assert "is ready" in (await command("log")).stdout
    await console.close()
    stopped = await command("stop")
    assert stopped.returncode == 0, stopped.stderr
    assert f"process {console.pid}" in stopped.stdout
    assert holder(world.settings) is None


async def test_of_several_engines_none_is_stopped_by_guess(world: EngineWorld) -> None:
    first = await world.filled_console()
    other = msgspec.structs.replace(world.settings, client_id=OPERATOR_CLIENT_ID)
    second = await world.console(settings=other)
    status = await command("status")
    assert f"process {first.pid}" in status.stdout
    assert f"process {second.pid}" in status.stdout
    refused = await command("stop")
    assert refused.returncode == 1
    assert world.settings.key in refused.stderr
    assert other.key in refused.stderr
    assert holder(world.settings) is not None
    assert holder(other) is not None
    await second.close()
    assert (await command("stop", other.key)).returncode == 0
    assert holder(other) is None
    assert holder(world.settings) is not None
    assert "no-such" in (await command("stop", "no-such")).stderr


async def test_a_console_with_another_filter_is_told_and_not_given_another_fleet(world: EngineWorld) -> None:
    first = world.emulator.subscription_ids[0]
    narrow = msgspec.structs.replace(world.settings, subscriptions=(first,))
    console = await world.console(settings=narrow)
    await console.filled()
    assert {item.subscription_id.lower() for item in console.items.values()} == {first.lower()}
    for settings in (world.settings, msgspec.structs.replace(narrow, subscriptions=("other",))):
        with pytest.raises(EngineUnavailable, match=f"looks at subscription {first} only") as caught:
            await Told(settings).connect()
        assert f"azrecover engine stop {world.settings.key}" in caught.value.hint
    upper = await world.console(settings=msgspec.structs.replace(narrow, subscriptions=(first.upper(),)))
    assert upper.pid == console.pid
    await console.close()
    await upper.close()
    assert (await command("stop", world.settings.key)).returncode == 0
    whole = await world.filled_console()
    assert len({item.subscription_id for item in whole.items.values()}) > 1
