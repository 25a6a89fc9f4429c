"""`python -m azure_ops.file_restore list|find|get IMAGE…`: the library on images of this machine."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from .byte_source import LocalImage
from .disks import Disk, open_disks
from .entries import Entry
from .extraction import Extraction
from .problems import FileRestoreError
from .reader import Reader
from .reports import Options, Progress


def printable(raw: bytes) -> str:
    """Names come from a stranger's disk: nothing in them may steer the terminal."""
    text = raw.decode("utf-8", "backslashreplace")
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def line(entry: Entry, path: bytes) -> str:
    if entry.problem:
        return f"{'?':10} {'':>14} {'':19} {printable(path)}  [{printable(entry.problem.encode())}]"
    changed = datetime.fromtimestamp(entry.modified_ns / 1e9, UTC) if abs(entry.modified_ns) < 1e20 else None
    owner = f"{entry.uid}:{entry.gid}" if entry.uid is not None else ""
    target = f" -> {printable(entry.target)}" if entry.kind == "symlink" else ""
    refused = f"  [{entry.refused}]" if entry.refused else ""
    return (
        f"{entry.kind[:10]:10} {entry.mode:04o} {owner:>11} {entry.size:>14,} "
        f"{changed:%Y-%m-%d %H:%M:%S} {printable(path)}{target}{refused}"
    )


async def show_volumes(reader: Reader) -> None:
    for volume in await reader.volumes():
        words = f"{printable(volume.key.encode()):<24} {volume.description:<22} {volume.state:<12}"
        print(f"{words} {volume.size:>18,} {printable(volume.label.encode())} {volume.reason}".rstrip())


async def show_listing(reader: Reader, volume: str, path: bytes) -> None:
    info = await reader.open(volume)
    for banner in info.banners:
        print(f"# {banner}")
    entry = (await reader.lookup(volume, path, follow=True))[-1]
    async for part in reader.list(volume, entry.id):
        for child in part.entries:
            print(line(child, child.name))
        if part.problem:
            print(f"# {part.problem}")


async def show_hits(reader: Reader, volume: str, pattern: str) -> None:
    info = await reader.open(volume)
    async for hits, problem in reader.search(volume, info.root, pattern):
        for hit in hits:
            print(line(hit.entry, hit.path), flush=True)
        if problem:
            print(f"# {problem}")


async def get(reader: Reader, disks: list[Disk], volume: str, paths: list[bytes], folder: Path) -> None:
    ticked = []
    for path in paths:
        entry = (await reader.lookup(volume, path))[-1]
        ticked.append((entry.name, entry.id))

    def tell(progress: Progress) -> None:
        print(f"\r{progress.files_done:,} files, {progress.bytes_done:,} bytes", end="", file=sys.stderr)

    report = await Extraction(disks, volume, ticked, folder, Options(), tell).run()
    print(file=sys.stderr)
    for loss in report.losses:
        print(f"# {printable(loss.encode('utf-8', 'surrogateescape'))}")
    print(f"{report.files:,} files, {report.size:,} bytes; hashes: {report.manifest}")


async def run(asked: argparse.Namespace) -> None:
    disks = await open_disks([LocalImage(path) for path in asked.images])
    try:
        async with Reader(disks) as reader:
            if asked.verb == "get":
                paths = [os.fsencode(path) for path in asked.path]
                await get(reader, disks, asked.volume, paths, asked.to)
            elif asked.verb == "find":
                await show_hits(reader, asked.volume, asked.pattern)
            elif asked.volume:
                await show_listing(reader, asked.volume, os.fsencode(asked.path))
            else:
                await show_volumes(reader)
    finally:
        for disk in disks:
            await disk.close()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m azure_ops.file_restore")
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb in ("list", "find", "get"):
        one = verbs.add_parser(verb)
        one.add_argument("images", nargs="+", type=Path, metavar="IMAGE", help="all disks of the machine")
        one.add_argument("--volume", required=verb != "list", help="as `list` names it")
        if verb == "list":
            one.add_argument("--path", default="/")
        elif verb == "find":
            one.add_argument("--pattern", required=True, help="part of a name, or a glob")
        else:
            one.add_argument("--path", action="append", required=True)
            one.add_argument("--to", type=Path, required=True)
    try:
        asyncio.run(run(parser.parse_args()))
    except FileRestoreError as exc:
        print(exc, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
