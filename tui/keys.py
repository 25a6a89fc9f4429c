"""The only key table: what each key does, for the screens' bindings, the footer, the help and docs/keys.md.

Lower case looks, upper case acts (always through a plan). Users give other keys in `config.toml`, `[keys]`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from textual.binding import Binding


class Key(msgspec.Struct, frozen=True):
    id: str
    """Of an action in `azure_ops.actions`, or of a command of the console."""
    keys: tuple[str, ...]
    """As Textual names them, or a single character. Empty: reached by menu and palette, unless the user gives
    it one."""
    title: str
    section: str
    short: str = ""
    """For the footer; empty = never there."""

    @property
    def shown(self) -> str:
        return " ".join(display(key) for key in self.keys)


MOVE, LOOK, ACT, TOOL = "Moving about", "Looking", "Acting (always through a plan)", "The console"
PLAN = "In a plan"
FILES = "Files of a disk (I, or azrecover files IMAGE)"

TABLE: tuple[Key, ...] = (
    Key("pane-1", ("1",), "Virtual machines", MOVE),
    Key("pane-2", ("2",), "Recovery points", MOVE),
    Key("pane-3", ("3",), "Replication", MOVE),
    Key("pane-4", ("4",), "Operations and jobs", MOVE),
    Key("pane-5", ("5",), "Requests sent to Azure", MOVE),
    Key("next-pane", ("tab",), "Next pane", MOVE),
    Key("previous-pane", ("shift+tab",), "Previous pane", MOVE),
    Key("next-tab", ("]",), "Next tab of this window", MOVE),
    Key("previous-tab", ("[",), "Previous tab of this window", MOVE),
    Key("down", ("j",), "Down (also ↓)", MOVE),
    Key("up", ("k",), "Up (also ↑)", MOVE),
    Key("top", ("g",), "First row (also Home)", MOVE),
    Key("bottom", ("G",), "Last row (also End)", MOVE),
    Key("open", ("enter",), "Open what is under the cursor", MOVE),
    Key("back", ("escape",), "Back: clears filter, zoom, marks; never quits", MOVE),
    Key("filter", ("/",), "Filter rows", LOOK, "Filter"),
    Key("sort", ("s",), "Sort by the next column", LOOK),
    Key("mark", ("space",), "Mark the row; actions then take all marked rows", LOOK),
    Key("zoom", ("+",), "Give this pane the whole screen", LOOK),
    Key("unzoom", ("_",), "Show all panes again", LOOK),
    Key("details", ("d",), "Everything known about this row", LOOK),
    Key("vaults", ("v",), "Recovery Services vaults and what they hold", LOOK),
    Key("raw", ("y",), "Azure's own JSON, with request, permission and az command", LOOK),
    Key("copy", ("c",), "Copy the id, or what was made, to your terminal's clipboard", LOOK),
    Key("portal", ("o",), "Link to this resource in the Azure portal", LOOK),
    Key("loose-ends", ("L",), "Loose ends: what is left open, with the key that ends it", LOOK),
    Key("handover", ("h",), "Write the handover note for the next shift", LOOK),
    Key("which-point", ("w",), "Which point should I take? Asks when it began", LOOK),
    Key("secondary", ("x",), "Points of the vault's secondary region too, or no more", LOOK),
    Key("refresh", ("r",), "Read again now", LOOK),
    Key("pause", ("p",), "Pause or resume reading", LOOK),
    Key("menu", ("a",), "All actions of this row, with key, risk or why not", ACT, "Actions"),
    Key("backup-now", ("B",), "Back up now", ACT, "Backup"),
    Key("snapshot-disks", ("S",), "Snapshot the disks", ACT, "Snapshot"),
    Key("test-failover", ("F",), "Test failover", ACT, "TestFail"),
    Key("clean-up-test-failover", ("T",), "Tear the test failover down", ACT, "TearDown"),
    Key("failover", ("O",), "Fail over", ACT, "Failover"),
    Key("commit-failover", ("C",), "Commit the failover", ACT, "Commit"),
    Key("change-point", (), "Change the point of a failover that is not committed", ACT),
    Key("re-protect", ("R",), "Re-protect what was failed over: replicate it back", ACT, "Reprotect"),
    Key("disable-replication", (), "Disable replication, delete its points", ACT),
    Key("restore-disks", ("D",), "Restore disks from a backup", ACT, "Disks"),
    Key("restore-vm", ("V",), "Restore a backup as a new VM", ACT, "New VM"),
    Key("open-files", ("I",), "Open the files of a recovery point", ACT, "Files"),
    Key("replace-disks", (), "Replace the VM's disks by those of a backup", ACT),
    Key("resize-vm", (), "Resize the VM", ACT),
    Key("recover-items", (), "Files by recovery script: Azure's own way, mounted by a script", ACT),
    Key("revoke-items", (), "Revoke a file recovery connection", ACT),
    Key("try-again", ("A",), "Try a failed operation again: same answers, new plan", ACT, "Again"),
    Key("cancel-job", ("K",), "Cancel the job under the cursor", ACT, "Cancel job"),
    Key("protect", (), "Enable backup: vault, policy, disks", ACT),
    Key("change-policy", (), "Change the backup policy or the disks it covers", ACT),
    Key("stop-protection", (), "Stop backup, keep the recovery points", ACT),
    Key("resume-protection", (), "Resume backup", ACT),
    Key("delete-backups", (), "Stop backup, delete the recovery points", ACT),
    Key("undelete-backups", (), "Undelete backups while soft delete has them", ACT),
    Key("delete-disk", (), "Delete a disk that is attached to nothing (loose ends)", ACT),
    Key("end-loose-end", ("X",), "In the loose ends: do what ends the row", ACT),
    Key("create-vault", ("N",), "Create a vault", ACT, "New vault"),
    Key("change-redundancy", (), "Change the storage redundancy of a vault that is not in use", ACT),
    Key("cross-region-restore", (), "Switch a vault's cross-region restore on, for good", ACT),
    Key("exact-path", ("ctrl+y",), "The exact paths of its requests, with subscriptions' ids", PLAN),
    Key(
        "restore-files",
        ("E",),
        "Restore the ticked files; or see how far it is",
        FILES,
        "Restore",
    ),
    Key("find-files", ("f",), "Search the whole file system by name or glob", FILES, "Find"),
    Key("go-to-path", ("t",), "Go to a path", FILES, "Path"),
    Key("hidden-files", (".",), "Show or hide hidden files", FILES, "Hidden"),
    Key(
        "versions",
        ("e",),
        "Every version of this file: in other points, or in the images of --also",
        FILES,
        "Versions",
    ),
    Key("compare", ("=",), "In the versions: compare two as text", FILES, "Compare"),
    Key("hash", ("#",), "In the versions: SHA-256, read when asked for", FILES, "Hash"),
    Key("hex", ("i",), "In the preview: as text or as hex", FILES),
    Key("palette", (":", "ctrl+p"), "Find anything: VMs, actions, commands", TOOL),
    Key("help", ("?",), "This help", TOOL, "Help"),
    Key("quit", ("q", "ctrl+q"), "Quit; operations go on", TOOL, "Quit"),
)

NO_ACTIONS = frozenset({"menu", "try-again", "end-loose-end"})
"""They lead to actions."""
ACTION_IDS = frozenset(key.id for key in TABLE if key.section == ACT and key.id not in NO_ACTIONS)

_NAMES = {
    "escape": "esc", "space": "space", "enter": "enter", "tab": "tab", "shift+tab": "⇧tab", "ctrl+p": "^p",
    "ctrl+q": "^q", "ctrl+y": "^y", "slash": "/", "colon": ":", "question_mark": "?", "plus": "+",
    "underscore": "_", "full_stop": ".",
}  # fmt: skip


TABLE_BINDINGS = {
    "down": "table.down", "up": "table.up", "top": "table.first", "bottom": "table.last",
    "open": "table.open", "mark": "table.mark", "sort": "table.sort",
}  # fmt: skip
"""What tables do by themselves while they hold the focus."""


class KeyClash(Exception):
    """One line: which key, wanted by whom."""


def display(key: str) -> str:
    return _NAMES.get(key, key)


def with_remaps(remaps: dict[str, str]) -> tuple[Key, ...]:
    """The table with the user's own keys. Raises `KeyClash` for unknown ids and for two things on one key."""
    ids = {key.id for key in TABLE}
    for unknown in sorted(set(remaps) - ids):
        raise KeyClash(f"keys.{unknown}: there is no such action or command; docs/keys.md lists them")
    table = tuple(
        msgspec.structs.replace(key, keys=(remaps[key.id],)) if key.id in remaps else key for key in TABLE
    )
    check(table)
    return table


def check(table: tuple[Key, ...]) -> None:
    """Raises `KeyClash` when two things want one key."""
    taken: dict[str, str] = {}
    for entry in table:
        for key in entry.keys:
            if key in taken:
                raise KeyClash(f"key {display(key)!r} is wanted by {taken[key]} and by {entry.id}")
            taken[key] = entry.id


class KeyTable:
    """The table as it holds in this session."""

    def __init__(self, remaps: dict[str, str] | None = None) -> None:
        self.all = with_remaps(remaps or {})
        self._by_id = {key.id: key for key in self.all}

    def of(self, id: str) -> Key | None:
        return self._by_id.get(id)

    def shown(self, id: str) -> str:
        """The key as the user reads it, empty when the id has none."""
        key = self._by_id.get(id)
        return display(key.keys[0]) if key and key.keys else ""

    def keymap(self) -> dict[str, str]:
        """The user's keys, by binding id, for `App.set_keymap`."""
        usual = {key.id: key.keys for key in TABLE}
        return {
            TABLE_BINDINGS.get(key.id, key.id): ",".join(key.keys)
            for key in self.all
            if key.keys != usual[key.id]
        }


def bindings(ids: Iterable[str], action: str) -> list[Binding]:
    """Bindings of a screen for these ids, each calling `action_NAME(id)`. What has no key is bound to a name
    that no terminal sends, so that the user's keymap finds it."""
    from textual.binding import Binding

    wanted = set(ids)
    return [
        Binding(
            ",".join(key.keys) or f"none-{key.id}", f"{action}('{key.id}')", key.title, show=False, id=key.id
        )
        for key in TABLE
        if key.id in wanted
    ]
