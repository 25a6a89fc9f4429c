"""Vaults that somebody looks at, read one by one: lists of them tell little."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..arm_ids import group_of, key_of, name_of, subscription_of
from ..errors import RecoveryError
from ..model import Vault

if TYPE_CHECKING:
    from ..services.session import Session

AT_HAND_S = 20.0
"""A second look within this time gets the answer of the first."""
READS_AT_ONCE = 4
LONGEST_CACHE = 1000


class VaultReader:
    def __init__(self, session: Session) -> None:
        self._session = session
        self._at_hand: dict[str, tuple[float, Vault]] = {}
        self._reads = asyncio.Semaphore(READS_AT_ONCE)

    async def read(self, vault_ids: Iterable[str], *, fresh: bool = False) -> tuple[Vault, ...]:
        return tuple(await asyncio.gather(*(self._one(one, fresh=fresh) for one in vault_ids)))

    def forget(self, vault_id: str) -> None:
        """What is at hand of it is no longer true."""
        self._at_hand.pop(key_of(vault_id), None)

    async def _one(self, vault_id: str, *, fresh: bool) -> Vault:
        from ..services import vaults

        read_at, known = self._at_hand.get(key_of(vault_id), (0.0, None))
        if known is not None and not fresh and time.monotonic() - read_at <= AT_HAND_S:
            return known
        async with self._reads:
            try:
                found = await vaults.read_vault(self._session, vault_id)
            except RecoveryError as problem:
                return _unread(vault_id, problem)
        if len(self._at_hand) >= LONGEST_CACHE:
            self._at_hand.clear()
        self._at_hand[key_of(vault_id)] = (time.monotonic(), found)
        return found


def _unread(vault_id: str, problem: RecoveryError) -> Vault:
    return Vault(
        id=vault_id,
        name=name_of(vault_id),
        location="",
        subscription_id=subscription_of(vault_id),
        resource_group=group_of(vault_id),
        faults=(problem.note(),),
    )
