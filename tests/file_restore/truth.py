"""What a file system holds: as the kernel shows it below a mount, and as the reader says it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import lzma
import os
import stat
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from azure_ops.file_restore.byte_source import LocalImage
from azure_ops.file_restore.disks import Disk, open_disks
from azure_ops.file_restore.entries import BYTES, FileSystemInfo, Planned
from azure_ops.file_restore.reader import Reader

KINDS = {
    stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "symlink",
    stat.S_IFCHR: "character device", stat.S_IFBLK: "block device", stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
}  # fmt: skip


@dataclass(frozen=True)
class Fact:
    kind: str
    size: int
    mode: int
    uid: int | None
    gid: int | None
    modified_ns: int
    links: int
    target: bytes
    digest: str
    xattrs: tuple[tuple[str, bytes], ...]


def facts_of_folder(folder: Path) -> dict[bytes, Fact]:
    """Every entry below, byte for byte and by lstat."""
    root = os.fsencode(folder)
    found = {}
    for above, directories, files in os.walk(root):
        for name in directories + files:
            path = os.path.join(above, name)
            status = os.lstat(path)
            kind = KINDS[stat.S_IFMT(status.st_mode)]
            digest = ""
            if kind == "file":
                with open(path, "rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
            xattrs = [(key, os.getxattr(path, key, follow_symlinks=False)) for key in _xattr_names(path)]
            found[path[len(root) + 1 :]] = Fact(
                kind,
                status.st_size if kind in ("file", "symlink") else 0,
                stat.S_IMODE(status.st_mode),
                status.st_uid,
                status.st_gid,
                status.st_mtime_ns,
                status.st_nlink,
                os.readlink(path) if kind == "symlink" else b"",
                digest,
                tuple(sorted(xattrs)),
            )
    return found


def _xattr_names(path: bytes) -> list[str]:
    try:
        names = os.listxattr(path, follow_symlinks=False)
        # The kernel shows an access control list of XFS twice.
        return [name for name in names if not name.startswith("trusted.SGI_ACL")]
    except OSError:
        return []


async def read_facts(
    images: Sequence[Path], volume: str
) -> tuple[FileSystemInfo, dict[bytes, Fact], list[str]]:
    """The same through the reader: metadata from the plan, content from the runs it names."""
    disks = await open_disks([LocalImage(path) for path in images])
    facts: dict[bytes, Fact] = {}
    problems = []
    try:
        async with Reader(disks) as reader, Reader(disks) as decoder:
            info = await reader.open(volume)
            async for items in reader.plan(volume, [(b"", info.root)]):
                for item in items:
                    if item.entry.problem or item.entry.refused:
                        problems.append(f"{item.path!r}: {item.entry.problem}{item.entry.refused}")
                    elif item.path:
                        decoded = await decoded_digest(decoder, volume, item) if item.through_reader else ""
                        facts[item.path] = await fact_of(disks, item, decoded)
            return info, facts, problems
    finally:
        await asyncio.gather(*(disk.close() for disk in disks))


async def decoded_digest(reader: Reader, volume: str, item: Planned) -> str:
    digest, at = hashlib.sha256(), 0
    while at < item.entry.size:
        data = await reader.read(volume, item.entry.id, at, 1 << 20)
        digest.update(data)
        at += len(data)
    return digest.hexdigest()


async def fact_of(disks: Sequence[Disk], item: Planned, digest: str = "") -> Fact:
    entry = item.entry
    if entry.kind == "file" and not item.through_reader:
        digest = await digest_of(disks, item)
    return Fact(
        entry.kind,
        entry.size if entry.kind in ("file", "symlink") else 0,
        entry.mode,
        entry.uid,
        entry.gid,
        entry.modified_ns,
        entry.links,
        entry.target,
        digest,
        tuple(sorted(item.xattrs)),
    )


async def digest_of(disks: Sequence[Disk], item: Planned) -> str:
    digest = hashlib.sha256()
    at = 0
    for run in item.runs:
        _zeros(digest, run.offset - at)
        if run.disk == BYTES:
            digest.update(run.data)
        else:
            for start in range(0, run.length, 1 << 22):
                length = min(1 << 22, run.length - start)
                digest.update(await disks[run.disk].source.read(run.position + start, length))
        at = run.offset + run.length
    _zeros(digest, item.entry.size - at)
    return digest.hexdigest()


def _zeros(digest: hashlib._Hash, length: int) -> None:
    while length > 0:
        digest.update(bytes(min(length, 1 << 22)))
        length -= 1 << 22


@contextmanager
def mounted(image: Path, folder: Path, options: str = "ro", kind: str = "") -> Iterator[Path]:
    folder.mkdir(exist_ok=True)
    kinds = ["-t", kind] if kind else []
    command = ["mount", *kinds, "-o", f"loop,{options}", str(image), str(folder)]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True, capture_output=True, timeout=30)


def differences(
    expected: dict[bytes, Fact],
    found: dict[bytes, Fact],
    only: Sequence[str] = tuple(Fact.__dataclass_fields__),
) -> list[str]:
    lines = [f"missing {path!r}" for path in expected.keys() - found.keys()]
    lines += [f"invented {path!r}" for path in found.keys() - expected.keys()]
    for path in expected.keys() & found.keys():
        one, other = expected[path], found[path]
        for field in only:
            if getattr(one, field) != getattr(other, field):
                lines.append(f"{path!r} {field}: {getattr(one, field)!r} != {getattr(other, field)!r}")
    return lines


IMAGES = Path(__file__).with_name("images")


def recorded(name: str) -> dict[bytes, Fact]:
    """What `make_images` has seen below the kernel's mount."""
    lines = json.loads(lzma.decompress((IMAGES / f"{name}.truth.json.xz").read_bytes()))
    return {
        os.fsencode(path): Fact(
            *values[:7],
            os.fsencode(values[7]),
            values[8],
            tuple((key, bytes.fromhex(value)) for key, value in values[9]),
        )
        for path, values in lines.items()
    }
