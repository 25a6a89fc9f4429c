"""Disks and what is on them; a directory, or the hits of a search, with ticks of three states.

Names are bytes of a stranger's disk: shown as text, what is no text as `\\x..`.
"""

from __future__ import annotations

import stat
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum

import msgspec
from textual.message import Message

from azure_ops.file_model import FileCount, FileEntry, FileVolume

from .ages import here, zone_name
from .columns import Cell, Column, Tone, natural_key
from .keyed_table import KeyedTable
from .vaults import amount

KIND_LETTERS = {
    "directory": "d", "file": "-", "symlink": "l", "character device": "c", "block device": "b",
    "fifo": "p", "socket": "s",
}  # fmt: skip
STATES = {
    "readable": Cell("✔ readable", Tone.GOOD),
    "encrypted": Cell("✖ encrypted", Tone.BAD),
    "incomplete": Cell("▲ incomplete", Tone.WARN),
    "unsupported": Cell("✖ not read", Tone.BAD),
    "empty": Cell("empty", Tone.DIM),
    "container": Cell("holds others", Tone.DIM),
}


class Ticked(StrEnum):
    WHOLE = "[x]"
    PART = "[-]"
    NOT = "[ ]"


class FileRow(msgspec.Struct, frozen=True):
    path: bytes
    entry: FileEntry
    found: bool = False
    """A hit of a search: its whole path is shown."""

    @property
    def is_directory(self) -> bool:
        return self.entry.kind == "directory"


TickOf = Callable[[FileRow], Ticked]


class TickToggled(Message):
    def __init__(self, row: FileRow) -> None:
        super().__init__()
        self.row = row


class FileTable(KeyedTable[FileRow]):
    def __init__(self, tick_of: TickOf, *, id: str | None = None) -> None:
        super().__init__(
            file_columns(tick_of, paths=False),
            key=lambda row: f"{row.entry.id} {row.path.decode('utf-8', 'surrogateescape')}",
            natural=lambda row: (not row.is_directory, natural_key(shown_name(row))),
            search=shown_name,
            empty="Nothing here",
            markable=False,
            id=id,
        )

        self._tick_of = tick_of
        self._paths = False

    def show_paths(self, paths: bool) -> None:
        """Hits have whole paths, of which the end matters most."""
        if paths != self._paths:
            self._paths = paths
            self.set_columns(file_columns(self._tick_of, paths=paths))

    def action_mark(self) -> None:
        if self.cursor_row is not None:
            self.post_message(TickToggled(self.cursor_row))
            self.action_cursor(1)


class VolumeTable(KeyedTable[FileVolume]):
    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(
            VOLUME_COLUMNS,
            key=lambda volume: volume.key,
            natural=lambda volume: self._places.get(volume.key, 0),
            empty="Nothing that is known is on these disks",
            markable=False,
            id=id,
        )
        self._places: dict[str, int] = {}

    def shows(self, volumes: tuple[FileVolume, ...]) -> bool:
        """The same ones, whatever is said of them."""
        return [volume.key for volume in volumes] == list(self._places)

    def show(self, volumes: tuple[FileVolume, ...]) -> None:
        """In the order of the disks."""
        places = {volume.key: place for place, volume in enumerate(volumes)}
        if any(places.get(key) != place for key, place in self._places.items()):
            self.replace_rows(())  # what is in an unlocked volume stands between those that were known
        self._places = places
        self.replace_rows(volumes)


def text_of(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")


def shown_name(row: FileRow) -> str:
    return text_of(row.path) if row.found else text_of(row.entry.name)


def mode_text(entry: FileEntry) -> str:
    """As `ls -l` writes it; only the kind where the file system has no modes."""
    letter = KIND_LETTERS.get(entry.kind, "?")
    if not entry.mode and entry.uid is None:
        return letter
    return letter + stat.filemode(entry.mode)[1:]


def time_text(nanoseconds: int) -> str:
    try:
        return f"{here(datetime.fromtimestamp(nanoseconds / 1e9, UTC)):%Y-%m-%d %H:%M}"
    except (ValueError, OverflowError, OSError):
        return "out of range"


def owner_text(entry: FileEntry) -> str:
    return "" if entry.uid is None else f"{entry.uid}:{entry.gid}"


def name_cell(row: FileRow) -> Cell:
    entry, name = row.entry, shown_name(row)
    if entry.problem:
        return Cell(f"✖ {name}: {entry.problem}", Tone.BAD)
    if entry.refused:
        return Cell(f"▲ {name}: {entry.refused}", Tone.WARN)
    if entry.kind == "symlink":
        return Cell(f"{name} → {text_of(entry.target)}", Tone.DIM)
    return Cell(f"{name}/", Tone.STRONG) if row.is_directory else Cell(name)


def size_cell(row: FileRow) -> Cell:
    return Cell(amount(row.entry.size)) if row.entry.kind == "file" else Cell("")


def count_text(count: FileCount | None) -> str:
    """What ticks come to, as far as it is known."""
    if count is None:
        return "counting …"
    parts = [f"{count.files:,} files", amount(count.size), f"{count.directories:,} directories"]
    if count.links:
        parts.append(f"{count.links:,} links")
    if count.refused:
        parts.append(f"▲ {count.refused:,} that cannot be restored")
    text = ", ".join(parts)
    if count.problem:
        return f"{text}; not all was read: {count.problem}"
    return text if count.whole else f"{text} so far …"


def file_columns(tick_of: TickOf, *, paths: bool) -> tuple[Column[FileRow], ...]:
    def tick(row: FileRow) -> Cell:
        state = tick_of(row)
        return Cell(state, Tone.DIM if state is Ticked.NOT else Tone.STRONG)

    return (
        Column("tick", "", tick, lambda row: tick_of(row), 3),
        Column(
            "name", "PATH" if paths else "NAME", name_cell, lambda row: natural_key(shown_name(row)),
            16, 12, 200, keep_end=paths,
        ),
        Column("size", "SIZE", size_cell, lambda row: row.entry.size, 8, right=True),
        Column("mode", "MODE", lambda row: Cell(mode_text(row.entry)), None, 10, priority=1),
        Column("owner", "OWNER", lambda row: Cell(owner_text(row.entry)), None, 9, 9, 13, priority=2),
        Column(
            "time", f"CHANGED ({zone_name()})", lambda row: Cell(time_text(row.entry.modified_ns)),
            lambda row: row.entry.modified_ns, 16, priority=1,
        ),
    )  # fmt: skip


def volume_cell(volume: FileVolume) -> Cell:
    depth = volume.key.count("/") or bool(volume.parent)
    return Cell("  " * depth + volume.key, Tone.STRONG if volume.state == "readable" else Tone.PLAIN)


VOLUME_COLUMNS: tuple[Column[FileVolume], ...] = (
    Column("key", "VOLUME", volume_cell, None, 16, 12, 40),
    Column("kind", "WHAT", lambda volume: Cell(volume.description), None, 14, 10, 24),
    Column("size", "SIZE", lambda one: Cell(amount(one.size)), lambda one: one.size, 9, right=True),
    Column("state", "STATE", lambda volume: STATES.get(volume.state, Cell(volume.state)), None, 12),
    Column("mount", "MOUNTED ON", lambda volume: Cell(volume.mount), None, 10, 10, 24, priority=1),
    Column("label", "LABEL", lambda volume: Cell(volume.label), None, 12, 8, 30, priority=2),
    Column("why", "WHY NOT", lambda volume: Cell(volume.reason, Tone.DIM), None, 20, 10, 90, priority=3),
)  # fmt: skip
