"""The end of a restore: links come after all files, so that nothing is ever written through one, then the
attributes of directories, which until then only this user can enter.
"""

from __future__ import annotations

import os

from . import attributes
from .destination import Destination, leaves, shown
from .entries import Planned
from .reports import Options, Report


class Finishing:
    def __init__(self, destination: Destination, options: Options, report: Report) -> None:
        self._destination = destination
        self._options = options
        self._report = report

    def hard_link(self, parts: tuple[bytes, ...], item: Planned, first: tuple[bytes, ...] | None) -> None:
        """`first` is where the file's first name was restored to."""
        if first is None:
            self._report.lost(item.path, "another name of a file that was not restored")
            return
        try:
            made = self._destination.link(first, parts, self._options.conflict)
        except OSError as exc:
            self._report.lost(item.path, f"hard link not made: {(exc.strerror or str(exc)).lower()}")
            return
        self._report.links += made
        self._report.skipped += not made

    def directory(self, parts: tuple[bytes, ...], path: bytes, item: Planned) -> None:
        try:
            descriptor = self._destination.directory(parts)
            for what in attributes.apply(descriptor, item.entry, item.xattrs, self._options.carry):
                self._report.lost(path, f"not carried: {what}")
        except OSError as exc:
            self._report.lost(path, f"not carried: all of its attributes ({exc.strerror})")

    def symlink(self, parts: tuple[bytes, ...], item: Planned) -> None:
        target = item.entry.target
        if not target or b"\0" in target:
            self._report.lost(item.path, "a link without a target")
            return
        if leaves(item.path, target) and not self._options.outside_links:
            self._report.lost(item.path, f"link not made, it leads outside: {shown(target)}")
            return
        try:
            made = self._destination.symlink(target, parts, self._options.conflict)
            if made is None:
                self._report.skipped += 1
                return
            self._report.links += 1
            above = self._destination.directory(made[:-1])
            times = (item.entry.accessed_ns, item.entry.modified_ns)
            if self._options.carry.owners and item.entry.uid is not None and item.entry.gid is not None:
                os.chown(made[-1], item.entry.uid, item.entry.gid, dir_fd=above, follow_symlinks=False)
            os.utime(made[-1], ns=times, dir_fd=above, follow_symlinks=False)
        except (OSError, OverflowError) as exc:
            self._report.lost(item.path, f"link: {exc.strerror if isinstance(exc, OSError) else exc}")
