"""`azrecover engine status|stop|log`: without flags about every engine of this user, whatever its cloud."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .. import paths
from ..cloud import CloudSettings
from ..errors import EngineUnavailable, RecoveryError
from .lock import Holder, holder, holder_in

if TYPE_CHECKING:
    from ..model import EngineStatus

STOPS_WITHIN_S = 15.0
NONE_RUNS = "The console starts one when it needs it."


def running(settings: CloudSettings, named: str = "") -> dict[str, Holder]:
    """By key. Flags that say which cloud or identity choose one, as its name does; no flags mean all."""
    if named:
        found = {key: one for key, one in _all().items() if named in (key, str(one.pid))}
        if not found:
            raise EngineUnavailable(f"No engine {named[:80]!r} runs.", "See `azrecover engine status`.")
        return found
    if settings.key != CloudSettings().key:
        one = holder(settings)
        return {} if one is None else {settings.key: one}
    return _all()


def _all() -> dict[str, Holder]:
    found = {folder.name: holder_in(folder) for folder in paths.engine_folders()}
    return {key: one for key, one in found.items() if one is not None}


async def ask_status(settings: CloudSettings) -> EngineStatus | None:
    """Of the running engine; None when none runs. Raises EngineUnavailable for one of another version."""
    from .. import wire
    from ..client import EngineClient

    one = holder(settings)
    if one is None:
        return None
    as_it_runs = CloudSettings.from_argv(one.argv) if one.argv else settings
    client = EngineClient(as_it_runs, lambda _: None, lambda *_: None)
    await client.connect()
    try:
        answer = await client.call(wire.GetStatus())
    finally:
        await client.close()
    return answer.status if isinstance(answer, wire.GotStatus) else None


async def show_status(settings: CloudSettings, named: str) -> int:
    found = running(settings, named)
    for key, one in found.items():
        print(f"{key}: {await _status_line(one)}")
    if not found:
        print(f"No engine runs{_where(settings)}. {NONE_RUNS}")
    return 0 if found else 3


async def _status_line(one: Holder) -> str:
    try:
        status = await ask_status(CloudSettings.from_argv(one.argv)) if one.argv else None
    except RecoveryError as problem:
        return f"process {one.pid}, azrecover {one.version}: {problem}"
    if status is None:
        return f"process {one.pid}, azrecover {one.version}"
    return (
        f"Engine {status.version} for {status.endpoint}: process {status.pid}, "
        f"since {status.started_at:%Y-%m-%d %H:%M:%S} UTC, {status.consoles - 1} consoles, "
        f"{status.running} operations running, {status.rss_bytes / 1e6:.0f} MB, state in {status.state_dir}"
    )


async def stop(settings: CloudSettings, named: str) -> int:
    """By signal, so that an engine of any version can be stopped. Of several, none is guessed."""
    found = running(settings, named)
    if not found:
        print(f"No engine runs{_where(settings)}.")
        return 0
    if len(found) > 1:
        print(f"{len(found)} engines run; say which: azrecover engine stop NAME", file=sys.stderr)
        for key, one in found.items():
            print(f"  {key}  (process {one.pid})", file=sys.stderr)
        return 1
    ((key, one),) = found.items()
    await _end(key, one)
    print(f"The engine {key} (process {one.pid}) has ended. Operations go on in Azure.")
    return 0


async def _end(key: str, one: Holder) -> None:
    if one.pid <= 0:
        raise EngineUnavailable(
            "An engine runs, but did not say which process it is.", "Try again in a second."
        )
    os.kill(one.pid, signal.SIGTERM)
    folder = next(folder for folder in paths.engine_folders() if folder.name == key)
    deadline = asyncio.get_running_loop().time() + STOPS_WITHIN_S
    while (now := holder_in(folder)) is not None and now.pid in (one.pid, 0):
        if asyncio.get_running_loop().time() > deadline:
            raise EngineUnavailable(
                f"The engine (process {one.pid}) does not end.", f"End it by hand: kill -9 {one.pid}."
            )
        await asyncio.sleep(0.1)


def _where(settings: CloudSettings) -> str:
    return f" for {settings.endpoint}" if settings.key != CloudSettings().key else ""


def show_log(settings: CloudSettings, named: str, lines: int) -> int:
    """Of the engine that runs; of several or none, of the one that wrote last."""
    path = paths.log_path(settings)
    if named or settings.key == CloudSettings().key:
        chosen = set(running(settings, named))
        logs = [
            folder / path.name for folder in paths.engine_folders() if not chosen or folder.name in chosen
        ]
        path = max((log for log in logs if log.exists()), key=_written_at, default=path)
    try:
        text = path.read_text(errors="replace")
    except FileNotFoundError:
        print(f"There is no log yet at {path}.")
        return 0
    print(f"# {path}")
    _print_safely(text.splitlines()[-lines:])
    return 0


def _written_at(path: Path) -> float:
    return path.stat().st_mtime


def _print_safely(lines: Sequence[str]) -> None:
    for line in lines:
        print("".join(character if character.isprintable() else "·" for character in line))
