"""What is typed to unlock a volume: it crosses socket and pipe, and no repr, log or error shows it."""

from __future__ import annotations

import msgspec


class Secret(msgspec.Struct, frozen=True, array_like=True):
    value: bytes = b""

    def __repr__(self) -> str:
        return "Secret(hidden)"

    __str__ = __repr__
