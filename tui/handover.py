"""`azrecover handover [--json]`: what the next shift has to know, from the engine that runs, or one that is
started for it."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from typing import TYPE_CHECKING

from azure_ops import wire
from azure_ops.client import EngineClient, only_engine
from azure_ops.errors import EngineUnavailable, RecoveryError

from .keys import ACTION_IDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from azure_ops.cloud import CloudSettings

    from .keys import KeyTable

READ_WITHIN_S = 180.0
"""A large fleet that nobody has read yet waits for Resource Graph's quota."""


def main(
    settings: CloudSettings, keys: KeyTable, arguments: Sequence[str], *, any_cloud: bool = False
) -> int:
    """`any_cloud`: none was named, so that the only engine that runs is meant, whatever its cloud."""
    parser = argparse.ArgumentParser(
        prog="azrecover handover",
        description="What is running, what ended, what is open: for the next shift.",
    )
    parser.add_argument("--json", action="store_true", help="for programs, instead of the text")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # into `head`, as other tools
    shown = {id: key for id in ACTION_IDS if (key := keys.shown(id))}
    try:
        if any_cloud and (meant := only_engine()) is not None and meant.key != settings.key:
            settings = meant
            print(f"Of the only engine that runs, for {meant.endpoint}", file=sys.stderr)
        written = asyncio.run(_ask(settings, wire.WriteHandover(keys=shown)))
    except RecoveryError as problem:
        line = "".join(letter if letter.isprintable() else "·" for letter in str(problem))
        print(f"azrecover handover: {line}", file=sys.stderr)
        return 1
    print(written.json if options.json else written.text, end="\n" if options.json else "")
    print(f"Written to {written.path}", file=sys.stderr)
    return 0


async def _ask(settings: CloudSettings, request: wire.WriteHandover) -> wire.HandoverWritten:
    client = EngineClient(settings, _show_sign_in, lambda *_: None)
    await client.connect()
    try:
        answer = await client.call(request, READ_WITHIN_S)
    finally:
        await client.close()
    if not isinstance(answer, wire.HandoverWritten):
        raise EngineUnavailable(
            "The engine answered something else.", "Run `azrecover engine stop`, then try again."
        )
    return answer


def _show_sign_in(message: wire.FromEngine) -> None:
    """Where no credential is at hand somebody has to sign in first."""
    if isinstance(message, wire.SignIn) and message.code:
        print(f"To sign in, open {message.url} and enter the code {message.code}", file=sys.stderr)
