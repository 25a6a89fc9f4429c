"""A vault's storage: what its kinds mean, another kind while nothing is protected, and cross-region restore,
which is switched on for good."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import RecoveryError, Refused
from ..model import Check, CheckState, Field, Form, Option, PlannedRequest, Risk, Vault
from .spec import Action, Context, Draft, Step, Target, TargetKind

if TYPE_CHECKING:
    from ..engine.submitted import Submitted
    from ..journal.store import Entry

WRITE = "Microsoft.RecoveryServices/vaults/write"
GEO, ZONE, LOCAL = "GeoRedundant", "ZoneRedundant", "LocallyRedundant"
NAMES = {GEO: "geo-redundant", ZONE: "zone-redundant", LOCAL: "locally redundant"}
MEANINGS = {
    GEO: "copies in the paired region, too; the only kind with cross-region restore",
    ZONE: "copies in three zones of the region: a lost zone does no harm, a lost region does",
    LOCAL: "copies in one data centre: the cheapest; lost with it",
}
FOR_GOOD = "cannot be switched off again once the vault protects something"
NOT_A_VAULT = "choose a vault on the vaults screen (v)"


def redundancy_field(current: str) -> Field:
    options = tuple(
        Option(value=kind, label=f"{name}{' (now)' if kind == current else ''}", note=MEANINGS[kind])
        for kind, name in NAMES.items()
    )
    return Field(id="redundancy", label="Backup storage", options=options, default=current or GEO)


def kind_chosen(answers: Mapping[str, str]) -> str:
    kind = answers.get("redundancy", "")
    if kind not in NAMES:
        raise Refused("No kind of storage was chosen.", "Choose one.")
    return kind


def why_no_change(target: Target) -> str | None:
    if not isinstance(target, Vault):
        return NOT_A_VAULT
    if target.in_use:
        return "its storage is fixed since it first protected something"
    return _being_made(target)


def _being_made(vault: Vault) -> str | None:
    state = vault.provisioning_state
    return f"it is being made or changed ({state})" if state not in ("", "Succeeded") else None


async def choices(context: Context, targets: Sequence[Vault]) -> Form:
    current = targets[0].redundancy if len({target.redundancy for target in targets}) == 1 else ""
    return Form(fields=(redundancy_field(current),))


async def plan_change(context: Context, target: Vault, answers: Mapping[str, str]) -> Draft:
    kind = kind_chosen(answers)
    if kind == target.redundancy:
        return Draft(refused=(f"{target.name} is {NAMES[kind]} already",), amend=True)
    if target.cross_region_restore and kind != GEO:
        reason = f"{target.name} has cross-region restore, which only geo-redundant storage has"
        return Draft(refused=(reason,), amend=True)
    locked, checks = await _locked(context, target)
    return Draft(
        steps=(
            _step(target, f"New storage of vault {target.name}", {"standardTierStorageRedundancy": kind}),
        ),
        consequences=(
            f"{target.name} changes from {NAMES.get(target.redundancy, target.redundancy)} to {NAMES[kind]} "
            f"storage: {MEANINGS[kind]}.",
            "It can be changed again until the first machine is protected, and not after that.",
            "The price per GB differs with the kind.",
        ),
        checks=checks,
        permissions=((target.id, WRITE),),
        refused=("Azure says that its storage is locked: something is, or was, protected",) if locked else (),
    )


async def _locked(context: Context, target: Vault) -> tuple[bool, tuple[Check, ...]]:
    from ..services import vaults

    label = "Nothing is protected yet"
    try:
        locked = await vaults.storage_locked(context.session, target.id)
    except RecoveryError as problem:
        return False, (Check(label=label, state=CheckState.UNKNOWN, detail=problem.title, fix=problem.hint),)
    return locked, (Check(label=label, state=CheckState.FAILED if locked else CheckState.OK),)


# cross-region restore ---------------------------------------------------------------------------------------


def why_no_switch(target: Target) -> str | None:
    if not isinstance(target, Vault):
        return NOT_A_VAULT
    if target.cross_region_restore:
        return f"it is on already, and {FOR_GOOD}"
    if target.redundancy and target.redundancy != GEO:
        return f"its storage is {NAMES.get(target.redundancy, target.redundancy)}; only geo-redundant has it"
    return _being_made(target)


async def plan_switch(context: Context, target: Vault, answers: Mapping[str, str]) -> Draft:
    pair = await paired_region(context, target.subscription_id, target.location)
    held = target.usage.protected_items if target.usage else None
    items = {None: "what it protects", 0: "what it will protect"}.get(
        held, f"the {held} item{'' if held == 1 else 's'} it protects"
    )
    change = {"standardTierStorageRedundancy": GEO, "crossRegionRestore": "Enabled"}
    return Draft(
        steps=(_step(target, f"Cross-region restore of vault {target.name}", change),),
        consequences=(
            f"Recovery points of {items} can be restored in {pair or 'the paired region'}, also while "
            f"{target.location} works.",
            "Points get there with a delay: they are listed there hours after they were taken.",
            "Storage that can be read in both regions costs more than geo-redundant storage alone.",
        ),
        losses=(f"Cross-region restore {FOR_GOOD}.",),
        permissions=((target.id, WRITE),),
    )


async def paired_region(context: Context, subscription: str, region: str) -> str:
    """Empty when it has none or it cannot be read."""
    from ..services import places

    try:
        found = await context.once(
            f"regions of {subscription}", lambda: places.regions(context.session, subscription)
        )
    except RecoveryError:
        return ""
    wanted = region.replace(" ", "").lower()
    return next((one.pair for one in found if one.name.lower() == wanted), "")


# sending and looking up -------------------------------------------------------------------------------------


def _step(vault: Vault, title: str, redundancy: Mapping[str, str]) -> Step:
    body = {"properties": {"redundancySettings": dict(redundancy)}}
    return vault_step(vault.id, title, "PATCH", body)


def vault_step(vault_id: str, title: str, method: str, body: Mapping[str, Any], *, about: str = "") -> Step:
    from ..arm_ids import request_path
    from ..services.api_versions import api_version_of

    url = f"{request_path(vault_id)}?api-version={api_version_of(vault_id)}"
    return Step(
        title=title,
        target_id=vault_id,
        request=PlannedRequest(method=method, url=url, body=json.dumps(body)),
        about=about,
    )


def sender(name: str) -> Callable[[Context, Entry], Awaitable[Submitted]]:
    """Sends the body that was planned, shown and journalled."""

    async def run(context: Context, entry: Entry) -> Submitted:
        from ..services import vaults

        send = vaults.create if name == "create" else vaults.change
        return await send(
            context.session, entry.target_id, json.loads(entry.plan.requests[-1].body), entry.request_id
        )

    return run


async def find(context: Context, entry: Entry) -> Submitted | None:
    """A vault's changes have no jobs: what it is now says whether it was done."""
    from ..engine.submitted import Submitted
    from ..services import vaults

    found = await vaults.find_vault(context.session, entry.target_id)
    if found is None:
        return None
    wanted = json.loads(entry.plan.requests[-1].body)["properties"]["redundancySettings"]
    told = {
        "standardTierStorageRedundancy": found.redundancy,
        "crossRegionRestore": "Enabled" if found.cross_region_restore else "Disabled",
    }
    same = all(told[name] == value for name, value in wanted.items())
    return Submitted(job_id=found.id) if same else None


CHANGE_REDUNDANCY = Action(
    id="change-redundancy",
    title="Change redundancy",
    target=TargetKind.VAULT,
    risk=Risk.CHANGES,
    needs=(),
    many=False,
    permissions=(WRITE,),
    why_not=why_no_change,
    choices=choices,
    plan=plan_change,
    run=sender("change"),
    find=find,
    keywords=("geo", "zone", "local", "storage", "vault"),
)

CROSS_REGION_RESTORE = Action(
    id="cross-region-restore",
    title="Cross-region restore on",
    target=TargetKind.VAULT,
    risk=Risk.DESTROYS,
    needs=(),
    of="for",
    many=False,
    permissions=(WRITE,),
    why_not=why_no_switch,
    plan=plan_switch,
    run=sender("change"),
    find=find,
    keywords=("crr", "secondary", "paired region", "storage", "vault"),
)
