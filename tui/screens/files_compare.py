"""Two versions of a file beside each other: as text, or by size and hash where they are none."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from azure_ops.errors import RecoveryError
from widgets.file_tree import time_text
from widgets.file_versions import VersionRow
from widgets.page import Page
from widgets.plain_text import visible

from ..file_compare import MOST_BYTES, TextDiff, compared
from ..file_questions import FileQuestions
from .dialog import Dialog

if TYPE_CHECKING:
    from collections.abc import Callable

HASHED_AT_MOST = 64 * 1024 * 1024
"""Larger ones are read for it only when somebody asks for just that."""
STYLES = {"+": "$text-success", "-": "$text-error", "@": "$accent", " ": ""}


class Side(msgspec.Struct):
    row: VersionRow
    questions: FileQuestions
    digest: str = ""
    done: int = 0


class CompareVersions(Dialog[None]):
    def __init__(self, path: str, old: Side, new: Side, hashed: Callable[[str, str], None]) -> None:
        """`hashed` is told what was found out about a version, by its key."""
        super().__init__(f"Compare {path}", "↑↓ scroll · esc back")
        self._sides = (old, new)
        self._hashed = hashed
        self._diff: TextDiff | None = None
        self._problem = ""

    def page(self) -> Page:
        page = Page()
        for sign, side in zip("-+", self._sides, strict=True):
            self._head(page, sign, side)
        if self._problem:
            return page.bullet(self._problem, sign="✖", style="$text-error")
        diff = self._diff
        if diff is None:
            return page.note("reading both …", 0)
        if diff.same:
            return page.blank().text("Both have the same bytes.", style="bold")
        if diff.why_not:
            page.blank().text(diff.why_not, style="bold")
            digests = {side.digest for side in self._sides}
            if "" not in digests:
                page.text("Both have the same bytes." if len(digests) == 1 else "Their bytes differ.")
            return page
        page.note(f"lines: {diff.taken:,} taken away, {diff.added:,} added", 0).blank()
        for line in diff.lines:
            text = visible(line.text)
            page.verbatim(f"@@ {text} @@" if line.kind == "@" else line.kind + text, STYLES[line.kind])
        return page.note(f"and {diff.more:,} more lines", 0) if diff.more else page

    def _head(self, page: Page, sign: str, side: Side) -> None:
        entry = side.row.entry
        assert entry is not None
        said = f"{side.row.name}: {entry.size:,} bytes, changed {time_text(entry.modified_ns)}"
        page.bullet(said, sign=sign * 3, style=STYLES[sign])
        if side.digest:
            page.note(f"SHA-256 {side.digest}", 5)
        elif side.done:
            page.note(f"SHA-256: {side.done:,} bytes read …", 5)

    def on_mount(self) -> None:
        self.run_worker(self._said(), group="compare", exit_on_error=False)

    async def _said(self) -> None:
        try:
            await self._read()
        except RecoveryError as error:
            self._problem = str(error)
        self.show_page(self.page())

    async def _read(self) -> None:
        sizes = [side.row.entry.size for side in self._sides if side.row.entry]
        if max(sizes) > MOST_BYTES:
            self._diff = TextDiff(why_not=f"More than {MOST_BYTES // 1024} KB are not compared as text.")
        else:
            old, new = await asyncio.gather(*(self._content(side) for side in self._sides))
            self._diff = await asyncio.to_thread(compared, old, new)
        self.show_page(self.page())
        if self._diff.why_not and max(sizes) <= HASHED_AT_MOST:
            await asyncio.gather(*(self._hash(side) for side in self._sides))

    async def _content(self, side: Side) -> bytes:
        assert side.row.entry is not None
        return await side.questions.content(side.row.volume, side.row.entry.id, MOST_BYTES + 1)

    async def _hash(self, side: Side) -> None:
        assert side.row.entry is not None
        async for told in side.questions.hashed(side.row.volume, side.row.entry.id):
            side.done, side.digest = told.done, told.digest
            self.show_page(self.page())
        self._hashed(side.row.key, side.digest)
