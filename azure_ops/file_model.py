"""Disks, volumes and files as console and engine tell each other. Names are bytes, as on the disk."""

from __future__ import annotations

from enum import StrEnum

from .file_places import Place
from .model import ErrorNote, Fact
from .secret import Secret as Secret

RESTORE_FILES = "restore-files"
"""In the journal: files written to their place. It asks nothing of Azure and is no action on a row."""
READ_AT_ONCE = 64 * 1024
NOT_THERE = "NotThere"
"""Code of the error that nothing has the name."""
LINES_SHOWN = 500
"""Of a plan's files; the totals are of all."""


class FileVolume(Fact, frozen=True, kw_only=True):
    """A partition, a logical volume, or what holds them."""

    key: str
    parent: str = ""
    description: str = ""
    state: str = ""
    """`readable`, `encrypted`, `unsupported`, `incomplete`, `empty` or `container`."""
    size: int = 0
    label: str = ""
    uuid: str = ""
    mount: str = ""
    """Where the machine mounted it, as one of its own file systems says."""
    reason: str = ""
    """Why it cannot be read, and what would help."""
    facts: tuple[str, ...] = ()
    """Of an encrypted one: cipher, key slots, protectors."""
    unlock: str = ""
    """What unlocks it here; empty where nothing does."""


class FileSystemView(Fact, frozen=True, kw_only=True):
    volume: str
    kind: str
    root: int
    label: str = ""
    uuid: str = ""
    size: int = 0
    case_sensitive: bool = True
    banners: tuple[str, ...] = ()


class FileEntry(Fact, frozen=True, kw_only=True):
    name: bytes
    id: int
    kind: str
    size: int = 0
    mode: int = 0
    uid: int | None = None
    gid: int | None = None
    modified_ns: int = 0
    links: int = 1
    target: bytes = b""
    notes: tuple[str, ...] = ()
    refused: str = ""
    problem: str = ""


class FileHit(Fact, frozen=True, kw_only=True):
    path: bytes
    """From the file system's root on, without a slash before it."""
    entry: FileEntry


class TickedFile(Fact, frozen=True, kw_only=True):
    path: bytes
    id: int


class FileChoice(Fact, frozen=True, kw_only=True):
    """What of a file system is to be restored, directories with all below them."""

    volume: str
    ticked: tuple[TickedFile, ...] = ()
    without: tuple[bytes, ...] = ()
    """Paths below ticked directories that are left out, with all below them."""


class PlannedFile(Fact, frozen=True, kw_only=True):
    path: bytes
    kind: str
    size: int = 0
    refused: str = ""
    """Why it will not be restored."""
    exists: bool = False
    """Something has its name in the folder already."""


class FileCount(Fact, frozen=True, kw_only=True):
    """What a choice comes to, as far as it has been walked through."""

    files: int = 0
    directories: int = 0
    links: int = 0
    size: int = 0
    refused: int = 0
    existing: int = 0
    lines: tuple[PlannedFile, ...] = ()
    whole: bool = False
    """Everything was walked through."""
    problem: str = ""


class Conflict(StrEnum):
    KEEP_BOTH = "keep both"
    OVERWRITE = "overwrite"
    SKIP = "skip"


class RestoreState(StrEnum):
    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    """An engine ended in the middle of it; it can be gone on with."""

    @property
    def ended(self) -> bool:
        return self not in (RestoreState.RUNNING, RestoreState.PAUSED)


class FileRestore(Fact, frozen=True, kw_only=True):
    """Files on their way to their place, or there."""

    id: str
    """Of the operation in the journal."""
    volume: str
    place: Place
    conflict: Conflict
    state: RestoreState
    files: int = 0
    size: int = 0
    planned: bool = False
    """The totals do not grow any more."""
    files_done: int = 0
    bytes_done: int = 0
    bytes_fetched: int = 0
    path: bytes = b""
    """The file that was finished last."""
    checking: bool = False
    """All files are written: links, attributes, and what has to be read again."""
    made: str = ""
    """The archive, under the name that it got."""
    restored: int = 0
    restored_bytes: int = 0
    resumed: int = 0
    skipped: int = 0
    losses: tuple[str, ...] = ()
    """What could not be carried; the first of them."""
    losses_count: int = 0
    manifest: str = ""
    error: ErrorNote | None = None


class FileSession(Fact, frozen=True, kw_only=True):
    """Opened disks."""

    id: str
    names: tuple[str, ...]
    volumes: tuple[FileVolume, ...] = ()
    title: str = ""
    """Of a recovery point: whose, and of when."""
    notes: tuple[str, ...] = ()
    """What the point's consistency means for its files."""
    restore: FileRestore | None = None
    """Running, or the one that was interrupted, or the last one."""


class Control(StrEnum):
    PAUSE = "pause"
    GO_ON = "go on"
    CANCEL = "cancel"
