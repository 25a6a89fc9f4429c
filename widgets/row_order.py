"""Rows by key, in order: sorted, filtered and marked, without a screen. `KeyedTable` shows what this holds.

Long work (first fill, a new sort, a new filter over 100,000 rows) is a generator that pauses between chunks,
so that the table can let key presses in between.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Iterator
from itertools import islice
from typing import Any, Generic, NamedTuple, TypeVar

Row = TypeVar("Row")

CHUNK = 4000
FEW = 400
"""Up to so many changed rows are put in place one by one; more are sorted anew."""


class Change(NamedTuple):
    """What an update did: rows whose cells may differ, and whether rows came, went or moved."""

    touched: list[str]
    moved: bool
    gone: list[str]
    unfinished: bool
    """`reorder()` has to be run to its end."""


class RowOrder(Generic[Row]):
    def __init__(
        self,
        key: Callable[[Row], str],
        natural: Callable[[Row], Any],
        search: Callable[[Row], str],
    ) -> None:
        self.key = key
        self._natural = natural
        self._search = search
        self.rows: dict[str, Row] = {}
        self.shown: list[str] = []
        self.marks: dict[str, None] = {}
        self.filter_text = ""
        self._sorted: list[str] = []
        self._natural_keys: dict[str, Any] = {}
        self._sort_keys: dict[str, Any] = {}
        self._texts: dict[str, str] = {}
        self._matching: set[str] | None = None
        self._tests: tuple[tuple[bool, Callable[[str], Any]], ...] = ()
        self._sort: Callable[[Row], Any] | None = None
        self._reverse = False
        self._positions: dict[str, int] | None = None
        self._epoch = 0
        self._meanwhile: set[str] = set()
        self._stale = True
        """`_sorted` is not in order, or holds keys that were never learned."""

    # reading ------------------------------------------------------------------------------------------------

    def index(self, key: str | None) -> int | None:
        """Line of a row among the shown ones."""
        if key is None:
            return None
        if self._positions is None:
            self._positions = {key: index for index, key in enumerate(self.shown)}
        return self._positions.get(key)

    def marked(self) -> list[Row]:
        """Marked rows in the table's order, also those that a filter hides."""
        if not self.marks:
            return []
        return [self.rows[key] for key in self._sorted if key in self.marks]

    # changing -----------------------------------------------------------------------------------------------

    def apply(self, changed: Iterable[Row], removed: Iterable[str] = ()) -> Change:
        gone = [key for key in removed if self.rows.pop(key, None) is not None]
        touched: list[str] = []
        displaced: list[str] = []
        for row in changed:
            key = self.key(row)
            before = self.rows.get(key)
            self.rows[key] = row
            if before is None:
                displaced.append(key)
            elif before is not row and before != row:
                touched.append(key)
        for key in gone:
            self._forget(key)
        if len(displaced) + len(touched) > FEW:
            return self._apply_many(touched, displaced, gone)
        self._meanwhile.update(touched, displaced)
        moving = [key for key in touched if self._place_changed(key)]
        if not (displaced or moving or gone):
            return Change(touched, False, gone, False)
        leaving = {*gone, *moving}
        if leaving:
            self._sorted = [key for key in self._sorted if key not in leaving]
        for key in (*displaced, *moving):
            self._learn(key)
            self._insert(key)
        self._refilter(displaced, moving)
        return Change(touched, True, gone, False)

    def _apply_many(self, touched: list[str], new: list[str], gone: list[str]) -> Change:
        if gone:
            leaving = set(gone)
            self._sorted = [key for key in self._sorted if key not in leaving]
        for key in touched:
            self._forget_keys(key)
        self._sorted.extend(new)
        self._stale = True
        if self._matching is None:
            self._show(list(self._sorted))
        elif gone:
            self._show([key for key in self.shown if key in self.rows])
        return Change(touched, bool(new or gone), gone, True)

    def set_sort(self, sort_key: Callable[[Row], Any] | None, reverse: bool) -> None:
        """Takes effect when `reorder()` has run; None is the natural order."""
        if sort_key is not self._sort:
            self._sort_keys.clear()
        self._stale = True
        self._sort = sort_key
        self._reverse = reverse

    def set_filter(self, text: str) -> None:
        """Words are joined by and; `!word` must not occur; a word may be a regular expression. Takes effect
        when `reorder()` has run."""
        self.filter_text = text
        self._tests = tuple(_test(word) for word in text.split())
        self._matching = set() if self._tests else None

    def reorder(self) -> Iterator[None]:
        """Learns missing keys, sorts and filters, pausing after each chunk. A newer call stops an older."""
        self._epoch += 1
        epoch = self._epoch
        self._meanwhile.clear()
        if self._stale:
            order = yield from self._sort_all(epoch)
        else:
            order = list(self._sorted)
        if epoch != self._epoch:
            return
        if self._tests:
            matching: set[str] = set()
            yield from self._in_chunks(order, lambda key: self._match_into(key, matching))
            if epoch != self._epoch:
                return
            self._matching = matching
        self._stale = False
        late = [key for key in self.rows if key in self._meanwhile]
        self._sorted = [key for key in order if key in self.rows and key not in self._meanwhile]
        for key in late:
            self._learn(key)
            self._insert(key)
        self._refilter(late)

    def _sort_all(self, epoch: int) -> Generator[None, None, list[str]]:
        while epoch == self._epoch and (missing := [k for k in self.rows if k not in self._natural_keys]):
            yield from self._in_chunks(missing, self._learn_natural)
        if epoch != self._epoch:
            return []
        order = sorted(self.rows, key=self._natural_keys.__getitem__)
        yield None
        if self._sort is None:
            return order[::-1] if self._reverse else order
        while epoch == self._epoch and (missing := [k for k in self.rows if k not in self._sort_keys]):
            yield from self._in_chunks(missing, self._learn_sort)
        if epoch != self._epoch:
            return []
        keys = self._sort_keys
        here = [key for key in order if key in self.rows]
        valued = [key for key in here if keys[key] is not None]
        valued.sort(key=keys.__getitem__, reverse=self._reverse)
        return valued + [key for key in here if keys[key] is None]

    def toggle_mark(self, key: str) -> bool:
        if key in self.marks:
            del self.marks[key]
            return False
        self.marks[key] = None
        return True

    # inside -------------------------------------------------------------------------------------------------

    @staticmethod
    def _in_chunks(keys: list[str], work: Callable[[str], None]) -> Iterator[None]:
        each = iter(keys)
        while chunk := list(islice(each, CHUNK)):
            for key in chunk:
                work(key)
            yield None

    def _show(self, keys: list[str]) -> None:
        self.shown = keys
        self._positions = None

    def _forget(self, key: str) -> None:
        self._forget_keys(key)
        self.marks.pop(key, None)
        if self._matching is not None:
            self._matching.discard(key)

    def _forget_keys(self, key: str) -> None:
        self._natural_keys.pop(key, None)
        self._sort_keys.pop(key, None)
        self._texts.pop(key, None)

    def _learn_natural(self, key: str) -> None:
        row = self.rows.get(key)
        if row is not None:
            self._natural_keys[key] = self._natural(row)

    def _learn_sort(self, key: str) -> None:
        row = self.rows.get(key)
        if row is not None and self._sort is not None:
            self._sort_keys[key] = self._sort(row)

    def _learn(self, key: str) -> None:
        self._learn_natural(key)
        self._learn_sort(key)

    def _place_changed(self, key: str) -> bool:
        """Whether a changed row must move, appear or disappear. Learns its new keys."""
        natural, sort, matched = self._natural_keys.get(key), self._sort_keys.get(key), self._matches(key)
        self._texts.pop(key, None)
        self._learn(key)
        return (
            natural != self._natural_keys.get(key)
            or sort != self._sort_keys.get(key)
            or (self._tests != () and matched != self._rematch(key))
        )

    def _matches(self, key: str) -> bool:
        return self._matching is None or key in self._matching

    def _rematch(self, key: str) -> bool:
        row = self.rows.get(key)
        if row is None:
            return False
        text = self._texts.get(key)
        if text is None:
            text = self._texts[key] = self._search(row).casefold()
        return all(bool(found(text)) is wanted for wanted, found in self._tests)

    def _match_into(self, key: str, matching: set[str]) -> None:
        if self._rematch(key):
            matching.add(key)

    def _refilter(self, *groups: list[str]) -> None:
        if self._matching is None:
            self._show(list(self._sorted))
            return
        for group in groups:
            for key in group:
                if self._rematch(key):
                    self._matching.add(key)
                else:
                    self._matching.discard(key)
        self._show([key for key in self._sorted if key in self._matching])

    def _insert(self, key: str) -> None:
        low, high = 0, len(self._sorted)
        while low < high:
            middle = (low + high) // 2
            if self._before(key, self._sorted[middle]):
                high = middle
            else:
                low = middle + 1
        self._sorted.insert(low, key)

    def _before(self, one: str, other: str) -> bool:
        for key in (one, other):
            if key not in self._natural_keys:
                self._learn(key)
        natural_first = bool(self._natural_keys[one] < self._natural_keys[other])
        if self._sort is None:
            return natural_first != self._reverse
        for key in (one, other):
            if key not in self._sort_keys:
                self._learn_sort(key)
        mine, theirs = self._sort_keys[one], self._sort_keys[other]
        if mine is None or theirs is None:
            return natural_first if mine is theirs else theirs is None
        if mine == theirs:
            return natural_first
        return bool(mine < theirs) != self._reverse


_REGULAR = re.compile(r"[\\^$.|?*+()\[\]{}]")


def _test(word: str) -> tuple[bool, Callable[[str], Any]]:
    wanted = not word.startswith("!") or word == "!"
    pattern = word if wanted else word[1:]
    if _REGULAR.search(pattern):
        try:
            return wanted, re.compile(pattern, re.IGNORECASE).search
        except re.error:
            pass
    pattern = pattern.casefold()
    return wanted, lambda text: pattern in text
