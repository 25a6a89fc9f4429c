"""A folder of this machine as a file system: what `Desk` answers about disks, it answers about it, too.

The kernel reads it, so nothing is parsed here and no process of its own is needed. Every step is taken by
descriptor, from the folder down and without following a link: neither a link nor a folder that is moved while
it is read leads outside. Absolute links are read as if the folder were the root.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from . import pipe
from .damage import Cancelled, Damaged, NotReadable
from .entries import KIND_OF_TYPE, READER, ZEROS, Entry, FileSystemInfo, Kind, Planned, Run, Volume
from .file_system import LONGEST_TARGET, Content, Name
from .problems import FileRestoreError
from .serving import Desk, resolve

VOLUME = "folder"
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_KEPT_OPEN = 64
_KEPT_FILES = 400_000
"""Files whose places are remembered; directories always are. A console shows 100,000 at once, and a restore
reads each file soon after it was listed."""
MOST_PIECES = 100_000
_DEEPEST = 4096


@dataclass(frozen=True, slots=True)
class Place:
    """Where something was seen, and which thing it was."""

    above: int
    name: bytes
    device: int
    inode: int


class Folder:
    """The opened folder with the numbers given to what was seen in it; shared by all who read from it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as exc:
            raise FileRestoreError(
                f"{path} cannot be opened: {_reason(exc)}.",
                "Name a folder that you may read.",
                resource=str(path),
            ) from exc
        status = os.fstat(self.descriptor)
        self._lock = threading.Lock()
        self._directories: dict[int, Place] = {}
        self._files: OrderedDict[int, Place] = OrderedDict()
        self.root = self.number(Place(0, b"", status.st_dev, status.st_ino), directory=True)

    def number(self, place: Place, *, directory: bool) -> int:
        """The same for all names of one file, and in the next engine."""
        raw = hashlib.blake2b(f"{place.device}:{place.inode}".encode(), digest_size=7).digest()
        number = int.from_bytes(raw, "big") or 1
        with self._lock:
            while (known := self._known(number)) is not None and (known.device, known.inode) != (
                place.device,
                place.inode,
            ):
                number += 1
            if directory:
                # The first way to a directory stays: a second one, by a bind mount, may lead through itself.
                self._directories.setdefault(number, place)
            else:
                self._files[number] = place
                self._files.move_to_end(number)
                if len(self._files) > _KEPT_FILES:
                    self._files.popitem(last=False)
        return number

    def _known(self, number: int) -> Place | None:
        return self._directories.get(number) or self._files.get(number)

    def place(self, number: int) -> Place:
        with self._lock:
            known = self._known(number)
        if known is None:
            raise NotReadable(
                "its folder was listed before the engine was started anew; open it again from the top"
            )
        return known

    def moved(self, number: int, place: Place) -> None:
        """A directory was found elsewhere than before."""
        with self._lock:
            self._directories[number] = place

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


class FolderSystem:
    """One reader's view; it is used by one thread at a time."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._open: OrderedDict[int, int] = OrderedDict()
        usage = os.fstatvfs(folder.descriptor)
        self.info = FileSystemInfo(
            kind="folder",
            label=folder.path.name,
            uuid=hashlib.sha256(os.fsencode(folder.path)).hexdigest()[:16],
            size=usage.f_blocks * usage.f_frsize,
            block_size=usage.f_bsize,
            root=folder.root,
        )

    def close(self) -> None:
        for descriptor in self._open.values():
            os.close(descriptor)
        self._open.clear()

    # finding ------------------------------------------------------------------------------------------------

    def _directory(self, number: int, depth: int = 0) -> int:
        """Its descriptor, which belongs to this object."""
        if number == self._folder.root:
            return self._folder.descriptor
        if depth > _DEEPEST:
            raise Damaged("directories are nested too deeply")
        place = self._folder.place(number)
        above = self._directory(place.above, depth + 1)
        try:
            found = self._open.get(number)
            if found is not None:
                if not _is(os.lstat(place.name, dir_fd=above), place):
                    os.close(self._open.pop(number))
                    raise Damaged("another directory has this name now; list it again")
                self._open.move_to_end(number)
                return found
            descriptor = os.open(place.name, _DIRECTORY, dir_fd=above)
        except OSError as exc:
            raise _gone_or(exc) from exc
        if not _is(os.fstat(descriptor), place):
            os.close(descriptor)
            raise Damaged("another directory has this name now; list it again")
        self._open[number] = descriptor
        while len(self._open) > _KEPT_OPEN + depth:
            os.close(self._open.popitem(last=False)[1])
        return descriptor

    def _status(self, number: int) -> tuple[int, Place, os.stat_result]:
        """The directory that it is in, its place there, and what it is now."""
        place = self._folder.place(number)
        if number == self._folder.root:
            return self._folder.descriptor, place, os.fstat(self._folder.descriptor)
        above = self._directory(place.above)
        try:
            status = os.lstat(place.name, dir_fd=above)
        except OSError as exc:
            raise _gone_or(exc) from exc
        if place.inode and not _is(status, place):
            raise Damaged("another file has this name now; list it again")
        return above, place, status

    def _opened(self, number: int) -> int:
        """A regular file; anything else is not even opened: a fifo would wait, a device would act."""
        above, place, status = self._status(number)
        if not stat.S_ISREG(status.st_mode):
            raise NotReadable(f"a {_kind(status)} is not opened")
        try:
            descriptor = os.open(place.name, _FILE, dir_fd=above)
        except OSError as exc:
            raise _gone_or(exc) from exc
        now = os.fstat(descriptor)
        if not stat.S_ISREG(now.st_mode) or (now.st_dev, now.st_ino) != (status.st_dev, status.st_ino):
            os.close(descriptor)
            raise Damaged("another file has this name now; list it again")
        return descriptor

    # what a file system answers -----------------------------------------------------------------------------

    def names(self, directory: int) -> Iterator[Name]:
        descriptor = self._directory(directory)
        try:
            # A duplicate's position is the original's: two listings of one directory would share it.
            own = os.open(b".", _DIRECTORY, dir_fd=descriptor)
            try:
                with os.scandir(own) as listing:
                    for one in listing:
                        yield self._name(directory, own, os.fsencode(one.name))
            finally:
                os.close(own)
        except OSError as exc:
            raise _gone_or(exc) from exc

    def _name(self, directory: int, descriptor: int, name: bytes) -> Name:
        try:
            status = os.lstat(name, dir_fd=descriptor)
        except OSError:
            # `entry` will say why, of this one alone.
            digest = hashlib.blake2b(name, digest_size=6, key=str(directory).encode()).digest()
            nothing = Place(directory, name, -1 - int.from_bytes(digest, "big"), 0)
            return Name(name, self._folder.number(nothing, directory=False), "unknown")
        place = Place(directory, name, status.st_dev, status.st_ino)
        is_directory = stat.S_ISDIR(status.st_mode)
        number = self._folder.number(place, directory=is_directory)
        if is_directory and number != directory:
            self._follow_move(number, place)
        return Name(name, number, _kind(status))

    def _follow_move(self, number: int, place: Place) -> None:
        known = self._folder.place(number)
        if known == place or number == self._folder.root:
            return
        try:
            self._directory(number)
        except (Damaged, NotReadable):
            self._folder.moved(number, place)

    def entry(self, identity: int, name: bytes = b"") -> Entry:
        above, place, status = self._status(identity)
        kind = _kind(status)
        target = b""
        if kind == "symlink":
            try:
                target = os.readlink(place.name, dir_fd=above)[:LONGEST_TARGET]
            except OSError as exc:
                raise _gone_or(exc) from exc
        return Entry(
            name or place.name, identity, kind,
            size=status.st_size, mode=stat.S_IMODE(status.st_mode), uid=status.st_uid, gid=status.st_gid,
            modified_ns=status.st_mtime_ns, accessed_ns=status.st_atime_ns, changed_ns=status.st_ctime_ns,
            links=status.st_nlink if kind != "directory" else 1, target=target,
            allocated=status.st_blocks * 512,
        )  # fmt: skip

    def content(self, identity: int) -> Content:
        """Its parts that are no holes; the reader hands them out."""
        descriptor = self._opened(identity)
        try:
            size = os.fstat(descriptor).st_size
            runs = tuple(_parts(descriptor, size)) or ((Run(0, size, ZEROS),) if size else ())
            return Content(runs, through_reader=True)
        finally:
            os.close(descriptor)

    def read(self, identity: int, offset: int, length: int) -> bytes:
        descriptor = self._opened(identity)
        try:
            data = os.pread(descriptor, length, offset)
            while len(data) < length and (
                more := os.pread(descriptor, length - len(data), offset + len(data))
            ):
                data += more
            return data
        except OSError as exc:
            raise _gone_or(exc) from exc
        finally:
            os.close(descriptor)

    def xattrs(self, identity: int) -> tuple[tuple[str, bytes], ...]:
        _, _, status = self._status(identity)
        if not hasattr(os, "listxattr") or not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            return ()
        is_directory = stat.S_ISDIR(status.st_mode)
        descriptor = self._directory(identity) if is_directory else self._opened(identity)
        try:
            return tuple((name, os.getxattr(descriptor, name)) for name in os.listxattr(descriptor))
        except OSError as exc:
            if exc.errno in (errno.ENOTSUP, errno.EOPNOTSUPP):
                return ()
            raise _gone_or(exc) from exc
        finally:
            if not is_directory:
                os.close(descriptor)

    def prefetch_entries(self, identities: Iterable[int]) -> None:
        """The kernel does."""

    def prefetch_names(self, directories: Iterable[int]) -> None:
        """The kernel does."""

    def scan(self) -> Iterator[tuple[Name, int]] | None:
        return None


class FolderDesk(Desk):
    """Answers as the reader process does, about the one volume that a folder is."""

    def __init__(self, folder: Folder) -> None:
        super().__init__((), self._check_wanted)
        self.unwanted = threading.Event()
        """Set by whoever does not want the answer any longer; a new one for each call."""
        self._folder = folder
        self.system = FolderSystem(folder)

    def _check_wanted(self) -> None:
        if self.unwanted.is_set():
            raise Cancelled

    def _call_volumes(self, call: pipe.Call) -> Iterator[pipe.Part]:
        size = self.system.info.size
        name = str(self._folder.path)
        yield pipe.Part(volumes=(Volume(VOLUME, "", "folder", "readable", size, label=name),))

    def _system(self, key: str) -> FolderSystem:
        if key != VOLUME:
            raise NotReadable(f"there is no volume {key}")
        return self.system

    def _call_plan(self, call: pipe.Call) -> Iterator[pipe.Part]:
        """By their paths: numbers of an earlier engine name nothing here."""
        numbers, names, problems = [], [], []
        for path in call.names:
            try:
                numbers.append(resolve(self.system, path, follow=False)[-1].id)
                names.append(path)
            except (Damaged, NotReadable) as exc:
                problems.append(Entry(path.rpartition(b"/")[2], 0, "unknown", problem=str(exc)))
        lost = tuple(Planned(b"", entry) for entry in problems)
        if lost:
            yield pipe.Part(planned=lost)
        yield from super()._call_plan(
            pipe.Call("plan", call.volume, tuple(numbers), names=tuple(names), without=call.without)
        )


def _parts(descriptor: int, size: int) -> Iterator[Run]:
    """Where the file has bytes; all of it where the file system does not tell, or in too many pieces."""
    at = pieces = 0
    while at < size:
        try:
            start = os.lseek(descriptor, at, os.SEEK_DATA)
            end = os.lseek(descriptor, start, os.SEEK_HOLE)
        except OSError as exc:
            if exc.errno == errno.ENXIO:
                return
            start, end = at, size
        pieces += 1
        if pieces >= MOST_PIECES:
            end = size
        end = min(end, size)
        if start >= end:
            return
        yield Run(start, end - start, READER)
        at = end


def _kind(status: os.stat_result) -> Kind:
    return KIND_OF_TYPE.get(stat.S_IFMT(status.st_mode), "unknown")


def _is(status: os.stat_result, place: Place) -> bool:
    return (status.st_dev, status.st_ino) == (place.device, place.inode)


def _gone_or(exc: OSError) -> Exception:
    if exc.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ESTALE):
        return Damaged("it is not there any more; list it again")
    return Damaged(_reason(exc))


def _reason(exc: OSError) -> str:
    return (exc.strerror or str(exc)).lower()
