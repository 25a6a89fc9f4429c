"""Deleting a vault: taken at once, refused seconds later by its operation while something is left in it."""

from __future__ import annotations

from ..answers import Answer
from ..records.backup import KINDS as BACKUP_KINDS
from ..records.backup import ProtectedItem, Vault, VaultOperation
from ..records.site_recovery import KINDS as SITE_RECOVERY_KINDS
from ..records.site_recovery import ReplicatedItem
from ..routing import Context, Routes
from ..store import Event
from ..world import World, happens
from .vault_changes import DELETE, end_operation, start_operation
from .vaults import PROVIDER, VAULT, find_vault

ROUTES = Routes()


@ROUTES.delete(VAULT, action=f"{PROVIDER}/delete")
def delete_vault(ctx: Context) -> Answer:
    return Answer(202, None, start_operation(ctx, find_vault(ctx), DELETE, "vault.deleted", {}))


@happens("vault.deleted")
def vault_deleted(world: World, event: Event) -> None:
    vault = world.store.find(Vault, event.payload["vault_id"])
    operation = world.store.find(VaultOperation, event.payload["operation_id"])
    if operation is None:
        return
    error = None
    if vault is not None:
        error = world.failure_at("VaultChange", vault.id, 1) or what_is_left(world, vault)
    if vault is not None and error is None:
        for kind in (*BACKUP_KINDS, *SITE_RECOVERY_KINDS):
            for record in world.store.all(kind, vault.id):
                if not isinstance(record, VaultOperation):  # the deletion itself can still be asked for
                    world.store.delete(record)
        world.store.delete(vault)
    end_operation(world, operation, error)


def what_is_left(world: World, vault: Vault) -> tuple[str, str] | None:
    """Why a vault cannot be deleted."""
    items = world.store.all(ProtectedItem, vault.id)
    deleted = [item.vm_id.rsplit("/", 1)[-1] for item in items if item.soft_deleted_at]
    living = [item.vm_id.rsplit("/", 1)[-1] for item in items if not item.soft_deleted_at]
    living += [item.vm_name for item in world.store.all(ReplicatedItem, vault.id)]
    if living:
        return (
            "BMSUserErrorVaultDeletionNotAllowed",
            "Recovery Services vault cannot be deleted as there are existing resources within the vault. "
            f" : {','.join(living)}",
        )
    if deleted:
        return (
            "BMSUserErrorVaultDeletionNotPermitted",
            "Recovery Services vault cannot be deleted as there are backup items still present in soft "
            "delete state. Visit the following link for the steps to permanently delete soft deleted items: "
            f"https://aka.ms/undeletesoftdeleteditems.  : {','.join(deleted)}",
        )
    return None
