"""Which disks a backup covers: the form's questions, and their answers as LUNs. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..errors import Refused
from ..model import Disk, DiskChoice, Field, FleetItem, Option

KEEP, ALL, OS_ONLY = "keep", "all", "os"
Luns = tuple[tuple[int, ...], bool]
"""As a request says it: LUNs, and whether only these are taken, or all others."""


def fields(targets: Sequence[FleetItem], *, keep: bool = False) -> tuple[Field, ...]:
    """Nothing to ask of one VM that has no data disk, unless there is a choice to take back."""
    only = targets[0] if len(targets) == 1 else None
    data = data_disks(only) if only else []
    if only is not None and not data and not (only.backup and only.backup.disks):
        return ()
    options = [
        Option(value=ALL, label="All disks", note="also those attached later"),
        Option(value=OS_ONLY, label="OS disk only", note="no data disk can be restored from such points"),
    ]
    if keep:
        now = wording(only.backup.disks, data) if only and only.backup else ""
        options.insert(0, Option(value=KEEP, label="As it is now", note=now))
    found = [Field(id="disks", label="Disks", options=tuple(options), default=options[0].value)]
    if data:
        named = "; ".join(f"{disk.lun}: {disk.name}, {disk.size_gb} GB" for disk in data)
        found.append(
            Field(
                id="leave-out",
                label="Data disks to leave out, by LUN",
                help=f"empty for none, or such as {data[0].lun}; {named}",
                required=False,
            )
        )
    return tuple(found)


def data_disks(target: FleetItem) -> list[Disk]:
    return [disk for disk in target.disks if disk.lun is not None]


def wording(choice: DiskChoice | None, data: Sequence[Disk] = ()) -> str:
    """`all disks`, `the OS disk only`, `all but LUN 1 (sql-01-data-1)`."""
    if choice is None:
        return "all disks"
    if choice.only_these and not choice.luns:
        return "the OS disk only"
    names = {disk.lun: f" ({disk.name})" for disk in data}
    luns = ", ".join(f"LUN {lun}{names.get(lun, '')}" for lun in choice.luns)
    return f"the OS disk and {luns}" if choice.only_these else f"all but {luns}"


def chosen(target: FleetItem, answers: Mapping[str, str]) -> DiskChoice | None:
    """None for all disks. Raises Refused for LUNs that are none of this VM's, and for two answers at once."""
    left_out = _luns(target, answers.get("leave-out", ""))
    if answers.get("disks", ALL) == OS_ONLY:
        if left_out:
            raise Refused("'OS disk only' leaves out every data disk already.", "Empty the list of LUNs.")
        return DiskChoice(only_these=True)
    return DiskChoice(luns=left_out) if left_out else None


def keeps(answers: Mapping[str, str]) -> bool:
    """Nothing is said about disks, which leaves the choice as it is."""
    return answers.get("disks", KEEP) == KEEP and not answers.get("leave-out", "").strip()


def luns_of(choice: DiskChoice | None) -> Luns:
    """An empty list of exclusions is all disks."""
    return (choice.luns, choice.only_these) if choice else ((), False)


def _luns(target: FleetItem, answer: str) -> tuple[int, ...]:
    words = answer.replace(",", " ").split()
    known = {str(disk.lun) for disk in data_disks(target)}
    for word in words:
        if word not in known:
            raise Refused(
                f"{word[:20]!r} is no LUN of a data disk of {target.name}.",
                f"Type some of {', '.join(sorted(known))}, with commas between them." if known else "",
            )
    return tuple(sorted({int(word) for word in words}))


def loss(target: FleetItem, choice: DiskChoice | None) -> str:
    """What cannot be restored from the points to come; empty when nothing is left out."""
    if choice is None:
        return ""
    data = data_disks(target)
    out = [disk for disk in data if (disk.lun in choice.luns) != choice.only_these]
    if not out and not choice.only_these:
        return ""
    names = ", ".join(f"LUN {disk.lun} ({disk.name})" for disk in out) or "data disks attached later"
    return f"Not backed up, and not to be restored from the points to come: {names}."
