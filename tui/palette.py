"""The palette's index: commands, actions, VMs and operations, found by words. Pure; the screen is beside it.

Textual's own palette asks its providers for every letter and stalls on large fleets; this one scans a list of
ready strings and stops at what fits on a screen.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from azure_ops.model import FleetItem, Operation, Vault
from widgets.plain_text import visible

from .keys import ACT, FILES, MOVE, PLAN, KeyTable

MOST_SHOWN = 40
ELSEWHERE = (MOVE, PLAN, FILES)
"""Sections of keys that mean nothing where the palette is opened."""
ACT_COMMANDS = ("menu", "try-again")


class Entry(msgspec.Struct, frozen=True):
    kind: str
    """`command`, `action`, `vm`, `operation` or `vault`."""
    id: str
    title: str
    note: str = ""
    text: str = ""
    """What is searched: lower case."""


def entries(
    keys: KeyTable,
    actions: dict[str, tuple[str, ...]],
    items: Iterable[FleetItem],
    operations: Iterable[Operation],
    vaults: Iterable[Vault] = (),
) -> list[Entry]:
    """`actions`: further words by action id."""
    found: list[Entry] = []
    for key in keys.all:
        kind = "action" if key.id in actions else "command"
        if key.section in ELSEWHERE or (
            key.section == ACT and kind == "command" and key.id not in ACT_COMMANDS
        ):
            continue
        words = " ".join((key.id, key.title, *actions.get(key.id, ())))
        found.append(Entry(kind, key.id, key.title, key.shown, words.lower()))
    found += [_of_operation(operation) for operation in operations]
    found += [_of_vault(vault) for vault in vaults]
    found += [_of_vm(item) for item in items]
    return found


def _of_operation(operation: Operation) -> Entry:
    title = visible(operation.title)
    return Entry(
        "operation", operation.id, title, operation.phase.value, f"{title} {operation.phase}".lower()
    )


def _of_vault(vault: Vault) -> Entry:
    name, group = visible(vault.name), visible(vault.resource_group)
    text = f"{name} vault {group} {vault.location}".lower()
    return Entry("vault", vault.id, name, f"vault · {group} · {vault.location}", text)


def _of_vm(item: FleetItem) -> Entry:
    name, group = visible(item.name), visible(item.resource_group)
    return Entry(
        "vm", item.key, name, f"{group} · {item.location}", f"{name} {group} {item.location}".lower()
    )


def search(index: list[Entry], query: str) -> list[Entry]:
    """The best first: the title itself, titles that begin with the query, those that hold it; all words
    match."""
    words = query.lower().split()
    if not words:
        return index[:MOST_SHOWN]
    whole = " ".join(words)
    best: tuple[list[Entry], ...] = ([], [], [], [])
    for entry in index:
        if all(word in entry.text for word in words):
            title = entry.title.lower()
            rank = 0 if title == whole else 1 if title.startswith(whole) else 2 if whole in title else 3
            if len(best[rank]) < MOST_SHOWN:
                best[rank].append(entry)
    return [entry for each in best for entry in each][:MOST_SHOWN]
