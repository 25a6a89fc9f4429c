"""One file in several sets of disks: which of them have it, as it is, another one, or none."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from azure_ops.file_model import FileEntry

from .ages import zone_name
from .columns import Cell, Column, Tone
from .file_tree import time_text
from .keyed_table import KeyedTable
from .vaults import amount

DIGITS_SHOWN = 16


class VersionState(StrEnum):
    UNREAD = "not read yet"
    COSTS = "costs a restore"
    CLOSED = "cannot be read"
    OPENING = "opening"
    THERE = "there"
    ABSENT = "not there"
    FAILED = "failed"


class VersionRow(msgspec.Struct, frozen=True):
    key: str
    place: int
    """In the list: the newest first."""
    name: str
    kind: str = ""
    """How consistent it is and what holds it."""
    own: bool = False
    """Of the disks that one came from."""
    state: VersionState = VersionState.UNREAD
    entry: FileEntry | None = None
    volume: str = ""
    note: str = ""
    """What is waited for, or why not."""
    digest: str = ""
    differs: bool | None = None
    """From the file that one came from, as far as is known; None where nothing is."""
    compared: bool = False
    """By all their bytes."""


def verdict(row: VersionRow) -> Cell:
    match row.state:
        case VersionState.UNREAD:
            return Cell(row.state, Tone.DIM)
        case VersionState.COSTS | VersionState.CLOSED:
            return Cell(row.note, Tone.DIM)
        case VersionState.OPENING:
            return Cell(f"● {row.note or row.state} …", Tone.BUSY)
        case VersionState.FAILED:
            return Cell(f"✖ {row.note}", Tone.BAD)
        case VersionState.ABSENT:
            return Cell(f"✖ {row.state}", Tone.WARN)
    if row.note:
        return Cell(f"● {row.note} …", Tone.BUSY)
    if row.own:
        return Cell("this one", Tone.STRONG)
    if row.entry is not None and row.entry.kind != "file":
        return Cell(f"a {row.entry.kind} there", Tone.WARN)
    if row.differs is None:
        return Cell("✔ there", Tone.GOOD)
    if row.differs:
        return Cell("≠ other bytes" if row.compared else "≠ different", Tone.WARN)
    return Cell("= same bytes" if row.compared else "= same size and time", Tone.GOOD)


def _size(row: VersionRow) -> Cell:
    return Cell(amount(row.entry.size) if row.entry is not None and row.entry.kind == "file" else "")


def _changed(row: VersionRow) -> Cell:
    return Cell(time_text(row.entry.modified_ns) if row.entry is not None else "")


class VersionTable(KeyedTable[VersionRow]):
    def __init__(self, title: str, *, id: str | None = None) -> None:
        """`title`: what the rows are, points or images."""
        super().__init__(
            (
                Column("name", title, lambda row: Cell(row.name), None, 16, 16, 40),
                Column("what", "THE FILE THERE", verdict, None, 27, 16, 60),
                Column("size", "SIZE", _size, None, 9, right=True),
                Column("time", f"CHANGED ({zone_name()})", _changed, None, 16),
                Column(
                    "digest", "SHA-256", lambda row: Cell(row.digest[:DIGITS_SHOWN]), None, 16, priority=2
                ),
                Column(
                    "kind", "POINT IS", lambda row: Cell(row.kind, Tone.DIM), None, 24, 12, 44, priority=3
                ),
            ),
            key=lambda row: row.key,
            natural=lambda row: row.place,
            empty="Reading which points there are …",
            id=id,
        )
