"""`python -m azure_ops.journal list|show|export`, for people; the journal is only read."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from .. import paths, wire
from ..client import EngineClient
from ..cloud import CloudSettings, add_arguments, from_namespace
from ..engine.lock import last_holder
from ..errors import RecoveryError
from .reader import Reader, without_resume
from .store import Entry


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    if arguments.command != "give-up":
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # into `head`, as other tools
    try:
        settings = from_namespace(arguments)
        places = [arguments.file] if arguments.file else journals(settings)
        if not places:
            print(f"There is no journal yet at {paths.journal_path(settings)}.")
            return 0
        readers = [Reader(path) for path in places]
        failed = 0
        if arguments.command == "list":
            _list(readers)
        elif arguments.command == "show":
            failed = _show(readers, arguments.id)
        elif arguments.command == "give-up":
            failed = _give_up(readers, settings, arguments.id, arguments.reason)
        else:
            _export(readers, arguments.out)
        damaged = [damage for reader in readers for damage in reader.damaged]
        for damage in damaged:
            print(f"azrecover journal: passed over a damaged part: {plain(damage)}", file=sys.stderr)
    except (RecoveryError, ValueError, OSError) as problem:
        print(f"azrecover journal: {plain(str(problem))}", file=sys.stderr)
        return 1
    return 1 if damaged else failed


def journals(settings: CloudSettings) -> list[Path]:
    """Flags that say which cloud or identity choose one; no flags mean all that this user has."""
    if settings.key != CloudSettings().key:
        found = [paths.journal_path(settings)]
    else:
        found = [folder / paths.JOURNAL_NAME for folder in paths.engine_folders()]
    return [path for path in found if path.exists()]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="azrecover journal", description="What was started, and what became of it."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (
        ("list", "one line for each operation"),
        ("show", "one operation with its plan and events"),
        ("export", "everything as JSON, one line each"),
        ("give-up", "end the waiting for an operation of which nothing can be learned any more"),
    ):
        command = commands.add_parser(name, help=text)
        add_arguments(command)
        if name != "give-up":
            command.add_argument("--file", type=Path, help="another journal file")
        else:
            command.set_defaults(file=None)
            command.add_argument("--reason", required=True, help="why; kept in the journal with your name")
        if name in ("show", "give-up"):
            command.add_argument("id", help="an operation's id, or its beginning")
        if name == "export":
            command.add_argument(
                "--out", type=Path, help="a file instead of the screen; an existing one is kept"
            )
    return parser


def _list(readers: Sequence[Reader]) -> None:
    for reader in readers:
        if len(readers) > 1:
            print(plain(f"# {reader.path}"))
        for entry in reader.entries():
            print(plain(f"{entry.created_at:%Y-%m-%d %H:%M:%S}Z  {entry.id[:8]}  {entry.phase:<9}  "
                        f"{entry.action:<22}  {entry.target_name}  {entry.message}"))  # fmt: skip


def _one(readers: Sequence[Reader], wanted: str) -> tuple[Reader, Entry] | None:
    found = [
        (reader, entry)
        for reader in readers
        for entry in without_resume(reader.entries())
        if entry.id.startswith(wanted)
    ]
    if len(found) == 1:
        return found[0]
    many = "no operation" if not found else f"{len(found)} operations"
    print(f"azrecover journal: {many} with an id that begins with {plain(wanted)}.", file=sys.stderr)
    return None


def _show(readers: Sequence[Reader], wanted: str) -> int:
    found = _one(readers, wanted)
    if found is None:
        return 1
    reader, entry = found
    for line in _lines(entry):
        print(plain(line))
    for event in reader.events():
        if event.operation_id == entry.id:
            print(plain(f"  {event.at:%Y-%m-%d %H:%M:%S}Z  {event.phase:<9}  {event.text}"))
    return 0


def _give_up(readers: Sequence[Reader], settings: CloudSettings, wanted: str, reason: str) -> int:
    """Only the engine writes the journal: it is asked to."""
    found = _one(readers, wanted)
    if found is None:
        return 1
    reader, entry = found
    told = last_holder(reader.path.parent)
    if told.argv:
        settings = msgspec.structs.replace(CloudSettings.from_argv(told.argv), read_only=settings.read_only)
    asyncio.run(_ask_to_give_up(settings, wire.GiveUp(operation_id=entry.id, reason=plain(reason)[:500])))
    print(plain(f"{entry.title}: given up. What became of it is to be looked up in Azure."))
    return 0


async def _ask_to_give_up(settings: CloudSettings, request: wire.GiveUp) -> None:
    client = EngineClient(settings, lambda _: None, lambda *_: None)
    await client.connect()
    try:
        await client.call(request)
    finally:
        await client.close()


def _lines(entry: Entry) -> list[str]:
    lines = [
        f"{entry.title}",
        f"  id             {entry.id}",
        f"  target         {entry.target_id or entry.target_key}",
        f"  phase          {entry.phase}  {entry.message}",
        f"  confirmed by   {entry.confirmed_by}",
        f"  request id     {entry.request_id}",
        f"  job            {entry.job_id or '-'}",
    ]
    lines += [
        f"  request        {request.method} {request.url} {request.body}" for request in entry.plan.requests
    ]
    lines += [f"  consequence    {text}" for text in entry.plan.consequences]
    lines += [f"  loss           {text}" for text in entry.plan.losses]
    if entry.error is not None:
        lines.append(f"  error          {entry.error.title} {entry.error.hint}")
    return lines


def _export(readers: Sequence[Reader], out: Path | None) -> None:
    rows: list[object] = []
    for reader in readers:
        events = reader.events()
        for entry in without_resume(reader.entries()):
            told = [event for event in events if event.operation_id == entry.id]
            rows.append({"operation": msgspec.to_builtins(entry), "events": msgspec.to_builtins(told)})
    text = "".join(msgspec.json.encode(row).decode() + "\n" for row in rows)
    if out is None:
        sys.stdout.write(text)
        return
    fd = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "w") as file:
        file.write(text)
    print(f"Wrote {len(rows)} operations to {out}.")


def plain(text: str) -> str:
    """Names come from Azure, and this goes to a terminal."""
    return "".join(character if character.isprintable() else "·" for character in text)
