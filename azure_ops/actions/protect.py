"""Enable backup: a VM comes under a policy of a vault of its region."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..model import Check, CheckState, FleetItem, Form, Job, PowerState, Risk
from . import disk_choice, policy_choice
from .protected import NOT_A_VM, WRITE, could_not_see, find, putter, step
from .spec import Action, Context, Draft, TargetKind
from .words import what_becomes_of

MACHINE_WRITE = "Microsoft.Compute/virtualMachines/write"


def why_not(target: FleetItem | Job) -> str | None:
    if isinstance(target, Job):
        return NOT_A_VM
    backup = target.backup
    if backup is not None and backup.soft_deleted:
        return "its backups are deleted but still kept; undelete them, then resume"
    if backup is not None and backup.stopped:
        return f"{backup.vault_name} still holds its backups; resume its protection"
    if backup is not None:
        return f"it is protected by {backup.vault_name} already"
    if not target.exists:
        return "the virtual machine is gone"
    return None


async def choices(context: Context, targets: Sequence[FleetItem]) -> Form:
    vaults = await policy_choice.vaults_for(context, targets)
    policies = await policy_choice.policies_of(context, [vault.id for vault in vaults])
    return Form(fields=(policy_choice.field(policies), *disk_choice.fields(targets)))


async def early(context: Context, target: FleetItem) -> tuple[Check, ...]:
    """Somebody else may have protected it since the fleet was read."""
    from ..errors import RecoveryError
    from ..services import protection

    label = "No vault holds backups of it"
    try:
        holder = await protection.protecting_vault(context.session, target.id, target.location)
    except RecoveryError as problem:
        return (*_power(target), could_not_see(label, problem))
    if not holder:
        return (*_power(target), Check(label=label, state=CheckState.OK))
    detail, fix = f"{holder.rsplit('/', 1)[-1]} does already", "Refresh with r, then look at its backup."
    return (*_power(target), Check(label=label, state=CheckState.FAILED, detail=detail, fix=fix))


async def plan(context: Context, target: FleetItem, answers: Mapping[str, str]) -> Draft:
    from ..backup_policies import meaning
    from ..services import protection

    policy = await policy_choice.chosen(context, answers.get("policy", ""))
    disks = disk_choice.chosen(target, answers)
    vault_id, vault_name = policy.vault_id, policy.vault_id.rsplit("/", 1)[-1]
    body = protection.protected(target.id, policy.id, disk_choice.luns_of(disks) if disks else None)
    left_out = disk_choice.loss(target, disks)
    return Draft(
        steps=(
            step(
                f"Enabling backup of {target.name}", protection.item_id_of(vault_id, target.id), "PUT", body
            ),
        ),
        consequences=(
            f"{target.name} comes under {policy.name} of {vault_name}: {meaning(policy)}.",
            "Nothing can be restored until the first backup has run: it waits for the policy's next time, "
            "unless you back up now (B).",
            f"Backed up: {disk_choice.wording(disks, target.disks)}. {what_becomes_of(target)}.",
            "Every protected VM and the storage of its points cost money.",
        ),
        losses=(left_out,) if left_out else (),
        checks=(*_power(target), *await _vault(context, vault_id)),
        permissions=((vault_id, WRITE), (target.id, MACHINE_WRITE)),
        refused=tuple(await _refusals(context, target, vault_id)),
    )


async def _refusals(context: Context, target: FleetItem, vault_id: str) -> list[str]:
    """What the fleet may not know yet is asked of Azure Backup itself: the same request on a VM that is
    protected already would change its policy."""
    from ..services import protection

    fitting = [one for one in await policy_choice.every_vault(context) if policy_choice.fits(one, target)]
    if not fitting:
        return [f"there is no vault in its region ({target.location}) and subscription; create one (N)"]
    if vault_id.lower() not in [vault.id.lower() for vault in fitting]:
        name = vault_id.rsplit("/", 1)[-1]
        return [f"{name} is not in its region ({target.location}) and subscription"]
    holder = await protection.protecting_vault(context.session, target.id, target.location)
    if holder:
        return [f"{holder.rsplit('/', 1)[-1]} holds backups of it already; refresh with r"]
    return []


def _power(target: FleetItem) -> list[Check]:
    runs = target.power_state is PowerState.RUNNING
    return [
        Check(
            label="The VM runs",
            state=CheckState.OK if runs else CheckState.WARNING,
            detail="" if runs else f"it is {target.power_state}: its points will be crash-consistent",
            fix="" if runs else "Start it before the first backup, if applications must be consistent.",
        )
    ]


async def _vault(context: Context, vault_id: str) -> list[Check]:
    """What the vault does with deleted points; an unknown is no hindrance."""
    from ..errors import RecoveryError
    from .protected import safety_of

    try:
        safety = await safety_of(context, vault_id)
    except RecoveryError as problem:
        return [could_not_see("Soft delete of the vault", problem)]
    off = safety.soft_delete_off
    checks = [
        Check(
            label="Soft delete of the vault",
            state=CheckState.WARNING if off else CheckState.OK,
            detail="off: deleted points may be gone at once" if off else f"{safety.soft_delete_days} days",
            fix="Have it switched on before something is deleted by mistake." if off else "",
        )
    ]
    if safety.immutable:
        checks.append(
            Check(
                label="Immutable vault",
                state=CheckState.WARNING,
                detail=f"{safety.immutability}: its points cannot be deleted before they expire",
            )
        )
    return checks


PROTECT = Action(
    id="protect",
    title="Enable backup",
    target=TargetKind.VM,
    risk=Risk.COSTS,
    needs=("vm", "backup"),
    permissions=(WRITE, MACHINE_WRITE),
    on_the_vm=(MACHINE_WRITE,),
    early=early,
    why_not=why_not,
    choices=choices,
    plan=plan,
    run=putter("enabling backup"),
    find=find,
    keywords=("protect", "protection", "policy", "vault", "configure"),
)
