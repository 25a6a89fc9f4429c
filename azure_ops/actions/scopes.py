"""Which permissions an action needs where, as far as that is known before its form is filled in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..model import FleetItem, Job, JobKind, ManagedDisk, Subscription, Vault
from .spec import Action, Target

_VAULTS = "microsoft.recoveryservices/"


def known_permissions(action: Action, target: Target, vaults: Iterable[Vault] = ()) -> list[tuple[str, str]]:
    """(scope, permission) pairs. What is chosen in the form, such as a group, is not among them."""
    if action.opens:
        return []  # each way needs others, and the form says which are lacking
    found = [(scope, one) for one in action.permissions for scope in _scopes(action, one, target, vaults)]
    return list(dict.fromkeys(pair for pair in found if pair[0]))


def _scopes(action: Action, permission: str, target: Target, vaults: Iterable[Vault]) -> Iterator[str]:
    lowered = permission.lower()
    of_replication = "/replication" in lowered
    if isinstance(target, Subscription):
        return  # what is made in it goes into a group that the form asks for
    if isinstance(target, ManagedDisk | Vault):
        yield target.id
    elif isinstance(target, Job):
        if of_replication == (target.kind is JobKind.REPLICATION):
            yield target.vault_id
    elif lowered.startswith(_VAULTS):
        yield _vault(target, vaults, of_replication=of_replication)
    elif permission in action.on_the_vm:
        if "/virtualmachines/" in lowered:
            yield target.id
        else:
            yield from sorted({_group(disk.id) for disk in target.disks if disk.id})


def _vault(target: FleetItem, vaults: Iterable[Vault], *, of_replication: bool) -> str:
    """Where nothing protects it yet, the only vault that may; of several the form lets choose."""
    if of_replication:
        return target.replication.vault_id if target.replication else ""
    if target.backup is not None:
        return target.backup.vault_id
    from .policy_choice import fits

    fitting = [vault.id for vault in vaults if fits(vault, target)]
    return fitting[0] if len(fitting) == 1 else ""


def _group(arm_id: str) -> str:
    at = arm_id.lower().find("/providers/")
    return arm_id[:at] if at > 0 else ""
