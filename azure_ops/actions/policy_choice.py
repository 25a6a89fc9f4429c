"""Vaults and policies as one list to choose from, each policy with what it means."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ..errors import RecoveryError, Refused
from ..model import Field, FleetItem, Option, Vault
from .protected import backup_of
from .spec import Context

if TYPE_CHECKING:
    from ..backup_policies import BackupPolicy


def region(location: str) -> str:
    """`West Europe` and `westeurope` are one."""
    return location.replace(" ", "").lower()


def fits(vault: Vault, target: FleetItem) -> bool:
    """A VM is backed up to a vault of its own region and subscription, to no other."""
    same = vault.subscription_id.lower() == target.subscription_id.lower()
    return same and region(vault.location) == region(target.location)


async def every_vault(context: Context) -> tuple[Vault, ...]:
    from ..services import inventory

    return await context.once("vaults", lambda: inventory.read_vaults(context.session))


async def vaults_for(context: Context, targets: Sequence[FleetItem]) -> list[Vault]:
    """By name; raises Refused when there is none."""
    found = await every_vault(context)
    fitting = [vault for vault in found if any(fits(vault, target) for target in targets)]
    if not fitting:
        where = " or ".join(sorted({target.location or "an unknown region" for target in targets}))
        raise Refused(
            f"There is no Recovery Services vault in {where} in the subscription of the VM.",
            "Azure Backup takes a VM into a vault of its own region and subscription only: create one (N).",
        )
    return sorted(fitting, key=lambda vault: vault.name.lower())


async def policies_of(context: Context, vault_ids: Iterable[str]) -> list[BackupPolicy]:
    """Of these vaults, one after the other. A vault that does not answer fails it only when none does."""
    ids = list(dict.fromkeys(vault_ids))
    answers = await asyncio.gather(*(_of_vault(context, one) for one in ids), return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException) and not isinstance(answer, RecoveryError):
            raise answer
    failed = [answer for answer in answers if isinstance(answer, RecoveryError)]
    if failed and len(failed) == len(answers):
        raise failed[0]
    return [policy for answer in answers if not isinstance(answer, BaseException) for policy in answer]


async def _of_vault(context: Context, vault_id: str) -> tuple[BackupPolicy, ...]:
    from ..services import protection

    return await context.once(
        f"policies of {vault_id.lower()}", lambda: protection.list_policies(context.session, vault_id)
    )


def field(policies: Sequence[BackupPolicy], *, current: Sequence[str] = ()) -> Field:
    """`current`: names of the policies that are in force; without them the proposal is what most machines
    have."""
    now = {name.lower() for name in current} - {""}
    options = [_option(policy, is_current=policy.name.lower() in now) for policy in policies]
    if not options:
        raise Refused("No vault offers a policy for virtual machines.", "Make one in the vault first.")
    in_force = [policy for policy in policies if policy.name.lower() in now]
    usual = max(in_force or policies, key=lambda policy: policy.items)
    return Field(
        id="policy",
        label="Vault · policy",
        options=tuple(options),
        default=usual.id,
        help="what a policy means stands below it",
    )


def _option(policy: BackupPolicy, *, is_current: bool) -> Option:
    from ..backup_policies import meaning

    vault = policy.vault_id.rsplit("/", 1)[-1]
    machines = f"{policy.items} VM{'' if policy.items == 1 else 's'}"
    return Option(
        value=policy.id,
        label=f"{vault} · {policy.name}" + (" (now)" if is_current else ""),
        note=f"{meaning(policy)}; {machines}",
    )


async def chosen(context: Context, answer: str) -> BackupPolicy:
    """Read anew: it may have been deleted since the form. Raises Refused."""
    vault_id = answer.rsplit("/backupPolicies/", 1)[0]
    if "/backupPolicies/" not in answer:
        raise Refused("No policy was chosen.", "Open the action again and choose one.")
    for policy in await policies_of(context, [vault_id]):
        if policy.id.lower() == answer.lower():
            return policy
    raise Refused(f"The policy {answer.rsplit('/', 1)[-1]} is no longer there.", "Choose another one.")


def own(policy: BackupPolicy, target: FleetItem) -> str | None:
    """Why an item cannot get this policy."""
    backup = backup_of(target)
    if policy.vault_id.lower() != backup.vault_id.lower():
        vault = policy.vault_id.rsplit("/", 1)[-1]
        return f"it is protected by {backup.vault_name}, the policy is one of {vault}"
    if backup.policy_kind == "V2" and policy.kind != "V2":
        return f"from an enhanced policy (V2) there is no way back to a standard one such as {policy.name}"
    return None
