"""What can go wrong inside the reader process. It imports nothing: the process shall start quickly."""

from __future__ import annotations


class Damaged(Exception):
    """The disk contradicts itself. Becomes one bad entry, or a refused volume."""


class NotReadable(Exception):
    """Of a kind that is refused by name, because a guess would give wrong bytes."""


class NotThere(NotReadable):
    """Nothing has that name."""


class Cancelled(Exception):
    """The parent does not want the answer any longer."""
