"""What is on the shipped images: trees of files as their machines would have them, and what becomes of them
from stage to stage. Used by `build` only; everything is drawn from seeds, so that two builds hold the same
files."""

from __future__ import annotations

import hashlib
import os
import random
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

STAGES = ("start", "grown", "deleted", "encrypted")
"""A disk's life as far as it is told: its database and logs grow; then a configuration file is deleted and
another one broken; then a shared folder is encrypted by somebody who wants money."""
STAGE_AT = {
    "start": datetime(2026, 3, 2, 9, 0, tzinfo=UTC),
    "grown": datetime(2026, 3, 9, 21, 40, tzinfo=UTC),
    "deleted": datetime(2026, 3, 11, 14, 3, 27, 123456, tzinfo=UTC),
    "encrypted": datetime(2026, 3, 12, 3, 11, 8, tzinfo=UTC),
}
"""The times in the files of each stage: fixed, since the images are."""
RANSOM_NOTE = "Your files are encrypted. Do not rename them. Write to the address below within 72 hours.\n"
SHARED = ("Budget 2026.csv", "Contracts/Kühne & Söhne.txt", "Contracts/Aubergine Ltd.txt", "payroll-02.csv")
PAGE = 8192
VOCABULARY = "order invoice backup region server table customer update value total limit window"


def words(seed: str, lines: int, prefix: str = "") -> bytes:
    """Text that compresses well and is unlike any other seed's."""
    rnd = random.Random(seed)
    vocabulary = VOCABULARY.split()
    out = [
        f"{prefix}{number:05d} {' '.join(rnd.choices(vocabulary, k=6))} {rnd.getrandbits(24):06x}"
        for number in range(lines)
    ]
    return ("\n".join(out) + "\n").encode()


def log(seed: str, start: datetime, lines: int, host: str) -> bytes:
    rnd, at, out = random.Random(seed), start, []
    for _ in range(lines):
        at += timedelta(seconds=rnd.randrange(1, 300))
        out.append(f"{at:%Y-%m-%dT%H:%M:%S+00:00} {host} app[{rnd.randrange(800, 900)}]: request served")
    return ("\n".join(out) + "\n").encode()


def database(seed: str, pages: int) -> bytes:
    """Pages with a header, a few rows and much air, each other than all others."""
    out = bytearray()
    for number in range(pages):
        digest = hashlib.sha256(f"{seed}/{number}".encode()).digest()
        page = b"PAGE" + number.to_bytes(8, "big") + digest
        out += page + bytes(PAGE - len(page))
    return bytes(out)


class Tree:
    """Writes into one mounted file system, with every time set at the end."""

    def __init__(self, root: Path, stage: str, *, posix: bool = True) -> None:
        self.root = root
        self.at = STAGE_AT[stage]
        self.posix = posix
        self._times: dict[bytes, datetime] = {}

    def path(self, name: str | bytes) -> bytes:
        return os.path.join(os.fsencode(self.root), os.fsencode(name))

    def stamp(self, name: str | bytes, at: datetime | None = None) -> None:
        self._times[self.path(name)] = at or self.at
        self._times.setdefault(os.path.dirname(self.path(name)), self.at)

    def folder(self, name: str | bytes, mode: int = 0o755, owner: tuple[int, int] = (0, 0)) -> None:
        os.makedirs(self.path(name), exist_ok=True)
        if self.posix:
            os.chown(self.path(name), *owner)
            os.chmod(self.path(name), mode)
        self.stamp(name)

    def file(
        self,
        name: str | bytes,
        data: bytes | str,
        mode: int = 0o644,
        owner: tuple[int, int] = (0, 0),
        at: datetime | None = None,
    ) -> None:
        parent = os.path.dirname(self.path(name))
        if not os.path.isdir(parent):
            os.makedirs(parent)
            self._times[parent] = self.at
        with open(self.path(name), "wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
        if self.posix:
            os.chown(self.path(name), *owner)
            os.chmod(self.path(name), mode)
        self.stamp(name, at)

    def append(self, name: str, data: bytes) -> None:
        with open(self.path(name), "ab") as file:
            file.write(data)
        self.stamp(name)

    def remove(self, name: str) -> None:
        os.unlink(self.path(name))
        self._times[os.path.dirname(self.path(name))] = self.at

    def link(self, name: str, target: str | bytes) -> None:
        os.symlink(os.fsencode(target), self.path(name))
        self.stamp(name)

    def sparse(self, name: str, size: int, written: dict[int, bytes]) -> None:
        self.file(name, b"")
        with open(self.path(name), "r+b") as file:
            file.truncate(size)
            for offset, data in written.items():
                file.seek(offset)
                file.write(data)

    def reserved(self, name: str, size: int, data: bytes) -> None:
        """Space that was asked for and never written reads as zeros, whatever lay there before."""
        self.file(name, data)
        descriptor = os.open(self.path(name), os.O_RDWR)
        os.posix_fallocate(descriptor, 0, size)
        os.close(descriptor)

    def set_times(self) -> None:
        for path in sorted(self._times, key=len, reverse=True):
            nanoseconds = int(self._times[path].timestamp()) * 10**9 + self._times[path].microsecond * 1000
            if os.path.lexists(path):
                os.utime(path, ns=(nanoseconds, nanoseconds), follow_symlinks=False)


def encrypt(tree: Tree, folder: str) -> None:
    """Every file below replaced by noise of its length under another name, and a note."""
    top = tree.path(folder)
    for parent, _, names in sorted(os.walk(top)):
        for name in sorted(names):
            old = os.path.join(parent, name)
            if not stat.S_ISREG(os.lstat(old).st_mode):
                continue
            size = os.path.getsize(old)
            os.unlink(old)
            new = os.path.relpath(old, os.fsencode(tree.root)) + b".locked"
            tree.file(new, random.Random(new).randbytes(size), 0o600)
    tree.file(f"{folder}/HOW_TO_GET_YOUR_FILES_BACK.txt", RANSOM_NOTE)


def odd_names(tree: Tree, folder: str) -> None:
    """Names that a screen, a shell or a decoder may stumble over."""
    tree.folder(folder)
    for name in (
        b"latin1-\xe9t\xe9.txt",
        b"escape-\x1b[31mred.txt",
        b"two\nlines.txt",
        "right-to-left-\u202egnp.exe".encode(),
        b"[bold]markup[/bold].txt",
        "東京.txt".encode(),
        b"-rf",
        b" space at both ends ",
        b"n" * 255,
    ):
        tree.file(os.fsencode(folder) + b"/" + name, b"named " + name.hex().encode() + b"\n")


def odd_kinds(tree: Tree, folder: str) -> None:
    """Links of all sorts, devices, holes, attributes."""
    tree.folder(folder)
    tree.file(f"{folder}/original", words("original", 40), owner=(1000, 1000))
    os.link(tree.path(f"{folder}/original"), tree.path(f"{folder}/hard-link"))
    tree.link(f"{folder}/link-relative", "original")
    tree.link(f"{folder}/link-absolute", "/etc/hostname")
    tree.link(f"{folder}/link-outside", "../../../../../../../etc/shadow")
    tree.link(f"{folder}/link-dangling", "nowhere")
    tree.link(f"{folder}/link-loop", "link-loop")
    tree.link(f"{folder}/link-long", "d/" * 300 + "end")
    os.mkfifo(tree.path(f"{folder}/pipe"), 0o600)
    os.mknod(tree.path(f"{folder}/device"), stat.S_IFCHR | 0o600, os.makedev(1, 3))
    tree.stamp(f"{folder}/pipe")
    tree.stamp(f"{folder}/device")
    tree.file(f"{folder}/setuid", "#!/bin/sh\nid\n", 0o4755)
    tree.file(f"{folder}/sticky-note", "", 0o1600)
    tree.file(f"{folder}/far-owner", "owned by a directory account\n", owner=(70_000, 1_234_567))
    tree.file(f"{folder}/old", "from before the epoch\n", at=datetime(1955, 11, 5, 6, 15, tzinfo=UTC))
    tree.file(f"{folder}/future", "from after 2038\n", at=datetime(2041, 1, 2, 3, 4, 5, tzinfo=UTC))
    size = 256 << 20
    written = {0: b"begin", size // 2: words("middle", 300), size - 3: b"end"}
    tree.sparse(f"{folder}/sparse", size, written)
    tree.reserved(f"{folder}/reserved", 1 << 20, b"written up to here\n")
    tree.file(f"{folder}/attributes", "see its attributes\n")
    os.setxattr(tree.path(f"{folder}/attributes"), "user.origin", b"https://contoso.example/\x00\xff")
    os.setxattr(tree.path(f"{folder}/attributes"), "user.long", bytes(range(256)) * 3)
