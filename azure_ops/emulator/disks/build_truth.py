"""What a mounted file system holds, written down, and read again by tests."""

from __future__ import annotations

import hashlib
import json
import lzma
import os
import stat
from pathlib import Path
from typing import Any

KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "symlink",
    stat.S_IFIFO: "fifo",
    stat.S_IFCHR: "character device",
    stat.S_IFBLK: "block device",
    stat.S_IFSOCK: "socket",
}
HIDDEN = ("lost+found",)


def entries_of(root: Path) -> list[dict[str, Any]]:
    """Every entry below but `lost+found`, the root with an empty path. What is no UTF-8 has surrogates."""
    top = os.fsencode(root)
    found = [_entry(top, b"")]
    for parent, folders, files in os.walk(top):
        folders[:] = sorted(name for name in folders if os.fsdecode(name) not in HIDDEN)
        names = (os.path.relpath(os.path.join(parent, name), top) for name in [*folders, *files])
        found.extend(_entry(top, name) for name in names)
    return sorted(found, key=lambda entry: str(entry["path"]))


def _entry(top: bytes, name: bytes) -> dict[str, Any]:
    path = os.path.join(top, name) if name else top
    about = os.lstat(path)
    entry: dict[str, Any] = {
        "path": name.decode("utf-8", "surrogateescape"),
        "kind": KINDS[stat.S_IFMT(about.st_mode)],
        "mode": stat.S_IMODE(about.st_mode),
        "uid": about.st_uid,
        "gid": about.st_gid,
        "mtime_ns": about.st_mtime_ns,
        "nlink": about.st_nlink,
    }
    if stat.S_ISREG(about.st_mode):
        entry |= {"size": about.st_size, "sha256": _digest(path)}
    if stat.S_ISLNK(about.st_mode):
        entry["target"] = os.readlink(path).decode("utf-8", "surrogateescape")
    if stat.S_ISREG(about.st_mode) or stat.S_ISDIR(about.st_mode):
        attributes = {
            each: os.getxattr(path, each).hex() for each in os.listxattr(path) if each.startswith("user.")
        }
        if attributes:
            entry["attributes"] = attributes
    return entry


def _digest(path: bytes) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_truth(path: Path, truth: dict[str, Any]) -> None:
    """Stages are much alike: together they take little more room than one of them."""
    path.write_bytes(lzma.compress(json.dumps(truth, separators=(",", ":")).encode("ascii"), preset=9))


def read_truth(path: Path) -> dict[str, Any]:
    truth: dict[str, Any] = json.loads(lzma.decompress(path.read_bytes()))
    return truth
