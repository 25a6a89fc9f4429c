"""What a restore is asked to do, how far it is, and what came of it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from . import attributes
from .destination import Conflict, shown

MOST_LOSSES = 10_000


@dataclass(frozen=True)
class Options:
    conflict: Conflict = "keep both"
    carry: attributes.Carry = field(default_factory=lambda: attributes.Carry(owners=os.geteuid() == 0))
    outside_links: bool = False
    """Make links that lead out of the folder, too; else they are listed."""


@dataclass
class Progress:
    files: int = 0
    """Known by now; the plan grows while it is worked on."""
    size: int = 0
    files_done: int = 0
    bytes_done: int = 0
    bytes_fetched: int = 0
    requests: int = 0
    path: bytes = b""
    planned: bool = False
    """The plan is whole: `files` and `size` do not grow any more."""
    checking: bool = False
    """All files are there: links, attributes, and what has to be read again."""


@dataclass
class Report:
    files: int = 0
    directories: int = 0
    links: int = 0
    size: int = 0
    bytes_fetched: int = 0
    requests: int = 0
    skipped: int = 0
    resumed: int = 0
    """Done by an earlier run and not fetched again."""
    losses: list[str] = field(default_factory=list)
    losses_left_out: int = 0
    manifest: Path | None = None
    made: Path | None = None
    """The archive, under the name that it got."""

    def lost(self, path: bytes, what: str) -> None:
        if len(self.losses) < MOST_LOSSES:
            self.losses.append(f"{shown(path)}: {what}")
        else:
            self.losses_left_out += 1
