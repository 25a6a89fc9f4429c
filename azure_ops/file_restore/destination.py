"""The folder that files are restored to. Every name comes from a stranger's disk: nothing is ever written
outside, no link is followed, and a file appears under its name only when it is complete.
"""

from __future__ import annotations

import errno
import os
import stat
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from .problems import FileRestoreError

Conflict = Literal["keep both", "overwrite", "skip"]
Note = Callable[[tuple[bytes, ...]], None]
_KEPT_OPEN = 64
_LONGEST_NAME = 255
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def safe_parts(path: bytes) -> list[bytes]:
    """The names of a path below the destination; FileRestoreError where one of them could lead elsewhere."""
    parts = path.split(b"/")
    for part in parts:
        if part in (b"", b".", b"..") or b"\0" in part:
            raise FileRestoreError(f"{shown(path)} has a name that leads elsewhere.", "It is left out.")
    return parts


def shown(path: bytes) -> str:
    return path.decode("utf-8", "backslashreplace")


class Destination:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as exc:
            raise cannot_write(folder, exc) from exc
        self._open: OrderedDict[tuple[bytes, ...], int] = OrderedDict()

    def close(self) -> None:
        for descriptor in self._open.values():
            os.close(descriptor)
        self._open.clear()
        if self._root >= 0:
            os.close(self._root)
            self._root = -1

    def directory(self, parts: tuple[bytes, ...]) -> int:
        """A descriptor of a directory below; it belongs to this object."""
        if not parts:
            return self._root
        found = self._open.get(parts)
        if found is not None:
            self._open.move_to_end(parts)
            return found
        above = self.directory(parts[:-1])
        descriptor = os.open(parts[-1], _DIRECTORY, dir_fd=above)
        self._open[parts] = descriptor
        while len(self._open) > _KEPT_OPEN + len(parts):
            os.close(self._open.popitem(last=False)[1])
        return descriptor

    def make_directory(self, parts: tuple[bytes, ...], conflict: Conflict) -> tuple[bytes, ...]:
        """Makes it, or takes the directory that is there; returns where it really is."""
        above = self.directory(parts[:-1])
        for name in _names(parts[-1]):
            try:
                os.mkdir(name, 0o700, dir_fd=above)
            except FileExistsError:
                if not stat.S_ISDIR(os.lstat(name, dir_fd=above).st_mode):
                    # A file or a link of this name is never replaced by a directory.
                    continue
            return (*parts[:-1], name)
        raise AssertionError("names do not end")

    def status(self, parts: tuple[bytes, ...]) -> os.stat_result | None:
        try:
            return os.lstat(parts[-1], dir_fd=self.directory(parts[:-1]))
        except OSError:
            return None

    def open_file(self, parts: tuple[bytes, ...]) -> int:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        return os.open(parts[-1], flags, dir_fd=self.directory(parts[:-1]))

    def open_part(self, parts: tuple[bytes, ...], wanted: tuple[bytes, ...]) -> int:
        """The file beside that is written to; one from an earlier run is gone on with, also when that was
        killed just after the file had got its name."""
        above = self.directory(parts[:-1])
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(parts[-1], flags, 0o600, dir_fd=above)
        status = os.fstat(descriptor)
        alone = status.st_nlink == 1 or (status.st_nlink == 2 and self._has_name(status, wanted))
        if not stat.S_ISREG(status.st_mode) or not alone:
            os.close(descriptor)
            raise OSError(errno.EEXIST, "something else has the name of the part that is written")
        return descriptor

    def _has_name(self, status: os.stat_result, wanted: tuple[bytes, ...]) -> bool:
        for name in _names(wanted[-1]):
            found = self.status((*wanted[:-1], name))
            if found is None:
                return False
            if (found.st_ino, found.st_dev) == (status.st_ino, status.st_dev):
                return True
        return False

    def remove(self, parts: tuple[bytes, ...]) -> None:
        try:
            os.unlink(parts[-1], dir_fd=self.directory(parts[:-1]))
        except FileNotFoundError:
            return

    def place(
        self,
        part: tuple[bytes, ...],
        wanted: tuple[bytes, ...],
        conflict: Conflict,
        *,
        intend: Note,
        note: Note,
    ) -> tuple[bytes, ...] | None:
        """Gives the complete file its name; None where one is there and shall stay. Whoever is killed in here
        is not to make it twice: until `note` has been called the part is there, or `intend` was called."""
        above = self.directory(wanted[:-1])
        if conflict == "overwrite":
            existing = self.status(wanted)
            if existing is None or not stat.S_ISDIR(existing.st_mode):
                return self._rename(part, wanted, intend, note)
        for name in _names(wanted[-1]):
            placed = (*wanted[:-1], name)
            if conflict == "skip":
                intend(placed)
            try:
                os.link(part[-1], name, src_dir_fd=above, dst_dir_fd=above, follow_symlinks=False)
            except FileExistsError:
                if not self._is_same(part, placed):
                    if conflict == "skip":
                        os.unlink(part[-1], dir_fd=above)
                        return None
                    continue
            except OSError as exc:
                if exc.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP):
                    raise
                # Without hard links (FAT, some network folders) there is a moment between look and rename.
                if self.status(placed) is not None:
                    if conflict == "skip":
                        os.unlink(part[-1], dir_fd=above)
                        return None
                    continue
                return self._rename(part, placed, intend, note)
            note(placed)
            os.unlink(part[-1], dir_fd=above)
            return placed
        raise AssertionError("names do not end")

    def _rename(
        self, part: tuple[bytes, ...], placed: tuple[bytes, ...], intend: Note, note: Note
    ) -> tuple[bytes, ...]:
        above = self.directory(placed[:-1])
        placed = (*placed[:-1], next(_names(placed[-1])))
        intend(placed)
        if self._is_same(part, placed):
            # Two names of one file: a rename would leave both.
            os.unlink(part[-1], dir_fd=above)
        else:
            os.rename(part[-1], placed[-1], src_dir_fd=above, dst_dir_fd=above)
        note(placed)
        return placed

    def _is_same(self, part: tuple[bytes, ...], other: tuple[bytes, ...]) -> bool:
        ours, theirs = self.status(part), self.status(other)
        if ours is None or theirs is None:
            return False
        return (ours.st_ino, ours.st_dev) == (theirs.st_ino, theirs.st_dev)

    def link(self, source: tuple[bytes, ...], wanted: tuple[bytes, ...], conflict: Conflict) -> bool:
        """A hard link; False where the name is taken and that one shall stay."""
        existing = self.status(wanted)
        if existing is not None:
            theirs = self.status(source)
            if theirs is not None and (theirs.st_ino, theirs.st_dev) == (existing.st_ino, existing.st_dev):
                return True
            if conflict == "skip":
                return False
            if conflict == "overwrite" and not stat.S_ISDIR(existing.st_mode):
                self.remove(wanted)
        from_, to = self.directory(source[:-1]), self.directory(wanted[:-1])
        for name in _names(wanted[-1]):
            try:
                os.link(source[-1], name, src_dir_fd=from_, dst_dir_fd=to, follow_symlinks=False)
            except FileExistsError:
                continue
            return True
        raise AssertionError("names do not end")

    def symlink(
        self, target: bytes, wanted: tuple[bytes, ...], conflict: Conflict
    ) -> tuple[bytes, ...] | None:
        above = self.directory(wanted[:-1])
        existing = self.status(wanted)
        if existing is not None:
            if stat.S_ISLNK(existing.st_mode) and os.readlink(wanted[-1], dir_fd=above) == target:
                return wanted
            if conflict == "skip":
                return None
            if conflict == "overwrite" and not stat.S_ISDIR(existing.st_mode):
                self.remove(wanted)
        for name in _names(wanted[-1]):
            try:
                os.symlink(target, name, dir_fd=above)
            except FileExistsError:
                continue
            return (*wanted[:-1], name)
        raise AssertionError("names do not end")


def _names(name: bytes) -> NameChoices:
    return NameChoices(name)


class NameChoices:
    """The name, then the name with a number before its ending; never longer than a name may be."""

    def __init__(self, name: bytes) -> None:
        dot = name.rfind(b".")
        self._stem, self._ending = (
            (name[:dot], name[dot:]) if dot > 0 and len(name) - dot <= 16 else (name, b"")
        )
        self._number = 0

    def __iter__(self) -> NameChoices:
        return self

    def __next__(self) -> bytes:
        self._number += 1
        suffix = b"" if self._number == 1 else b" (%d)" % self._number
        room = _LONGEST_NAME - len(suffix) - len(self._ending)
        stem = self._stem
        if len(stem) > room:
            stem = stem[:room].decode("utf-8", "ignore").encode() or stem[:room]
        return stem + suffix + self._ending


def leaves(path: bytes, target: bytes) -> bool:
    """Whether a link at `path` (below the ticked folder) leads out of the destination."""
    if target.startswith(b"/") or b":" in target[:3] or target.startswith(b"\\"):
        return True
    depth = path.count(b"/")
    for part in target.split(b"/"):
        if part == b"..":
            depth -= 1
        elif part not in (b"", b"."):
            depth += 1
        if depth < 0:
            return True
    return False


def cannot_write(folder: Path | str, exc: OSError) -> FileRestoreError:
    if exc.errno == errno.ENOSPC:
        return FileRestoreError(
            f"{folder} is full.", "Make room and go on; what is there is not fetched again.", code="ENOSPC"
        )
    return FileRestoreError(
        f"{folder} cannot be written to: {(exc.strerror or str(exc)).lower()}.",
        "Choose another folder, or change its permissions, and go on.",
        code=errno.errorcode.get(exc.errno or 0, ""),
    )
