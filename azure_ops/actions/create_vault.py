"""Create a Recovery Services vault: name, resource group, region, kind of storage."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ..errors import Refused
from ..model import Check, CheckState, Field, Form, Option, Risk, Subscription
from .spec import Action, Context, Draft, Target, TargetKind
from .vault_storage import (
    FOR_GOOD,
    GEO,
    MEANINGS,
    NAMES,
    WRITE,
    find,
    kind_chosen,
    paired_region,
    redundancy_field,
    sender,
    vault_step,
)

if TYPE_CHECKING:
    from ..services.places import Region

NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{1,49}")
NAME_RULE = "2 to 50 letters, digits and hyphens; a letter comes first"
ON, OFF = "on", "off"


def why_not(target: Target) -> str | None:
    return None if isinstance(target, Subscription) else "choose a row of the subscription it is for"


async def choices(context: Context, targets: Sequence[Subscription]) -> Form:
    subscription = subscription_of(targets[0])
    regions = await _regions(context, subscription)
    groups = await _groups(context, subscription, regions[0].value)
    off = Option(value=OFF, label="off", note="it can be switched on later")
    on = Option(value=ON, label="on", note=f"restores in the paired region; {FOR_GOOD}")
    return Form(
        fields=(
            Field(id="name", label="Name", help=NAME_RULE),
            Field(id="region", label="Region", options=regions, default=regions[0].value),
            Field(id="group", label="Resource group", options=groups, default=groups[0].value),
            redundancy_field(""),
            Field(
                id="crossing",
                label="Cross-region restore",
                options=(off, on),
                default=OFF,
                help="with geo-redundant storage only",
            ),
        )
    )


def subscription_of(target: Subscription) -> str:
    return target.id.rsplit("/", 1)[-1]


async def _groups(context: Context, subscription: str, region: str) -> tuple[Option, ...]:
    from ..services import places

    groups = await places.groups(context.session, subscription, region)
    if not groups:
        raise Refused(
            "There is no resource group in this subscription that you can see.",
            "Create one, or ask for the right to read it; then open this again.",
        )
    return groups


async def _regions(context: Context, subscription: str) -> tuple[Option, ...]:
    """Those with machines and without a vault first: a vault protects machines of its own region only."""
    from ..services import inventory, places

    regions = await context.once(
        f"regions of {subscription}", lambda: places.regions(context.session, subscription)
    )
    if not regions:
        raise Refused("Azure names no region that this subscription may use.", "Nothing was sent.")
    vaults = await context.once("vaults", lambda: inventory.read_vaults(context.session))
    have = {_word(one.location) for one in vaults if one.subscription_id.lower() == subscription.lower()}
    machines = Counter(
        _word(item.location)
        for item in context.fleet.values()
        if item.exists and item.subscription_id.lower() == subscription.lower()
    )

    def order(region: Region) -> tuple[bool, bool, int, str]:
        count = machines[region.name]
        return not count, region.name in have, -count, region.label

    return tuple(
        Option(
            value=region.name,
            label=region.label,
            note=_note(region, machines[region.name], region.name in have),
        )
        for region in sorted(regions, key=order)
    )


def _note(region: Region, machines: int, has_vault: bool) -> str:
    said = [f"{machines} VM{'' if machines == 1 else 's'} here" if machines else "no VM here"]
    said += ["a vault already" if has_vault else "no vault yet"] if machines or has_vault else []
    said.append(f"paired with {region.pair}" if region.pair else "without a paired region")
    return ", ".join(said)


def _word(location: str) -> str:
    return location.replace(" ", "").lower()


async def plan(context: Context, target: Subscription, answers: Mapping[str, str]) -> Draft:
    name, subscription = answers.get("name", "").strip(), subscription_of(target)
    if not NAME.fullmatch(name):
        raise Refused(f"{name or 'An empty name'} is not a name for a vault.", f"Azure wants {NAME_RULE}.")
    kind, crossing = kind_chosen(answers), answers.get("crossing", OFF) == ON
    region = _picked(await _regions(context, subscription), answers.get("region", ""), "Region")
    group = _picked(await _groups(context, subscription, region.value), answers.get("group", ""), "Group")
    if crossing and kind != GEO:
        raise Refused(
            f"Cross-region restore needs geo-redundant storage, not {NAMES[kind]}.",
            "Choose geo-redundant storage, or leave cross-region restore off.",
        )
    vault_id = f"{group.value}/providers/Microsoft.RecoveryServices/vaults/{name}"
    taken, checks = await _name_checks(context, vault_id)
    pair = await paired_region(context, subscription, region.value)
    body = {
        "location": region.value,
        "sku": {"name": "Standard"},
        "properties": {
            "publicNetworkAccess": "Enabled",
            "redundancySettings": {
                "standardTierStorageRedundancy": kind,
                "crossRegionRestore": "Enabled" if crossing else "Disabled",
            },
        },
    }
    reach = f"points can be restored in {pair or 'the paired region'}, too" if crossing else "off"
    return Draft(
        steps=(vault_step(vault_id, f"Creating vault {name}", "PUT", body, about=name),),
        consequences=(
            f"{name} is made in {region.label}, resource group {group.label}.",
            f"It protects virtual machines of {region.label} and this subscription, no others.",
            f"Its storage is {NAMES[kind]}: {MEANINGS[kind]}. This can be changed until it protects "
            "something.",
            f"Cross-region restore: {reach}.",
            "It comes with soft delete and with two policies for machines, standard and enhanced.",
            "An empty vault costs nothing; what it protects does.",
        ),
        losses=(f"Cross-region restore {FOR_GOOD}.",) if crossing else (),
        checks=checks,
        permissions=((group.value, WRITE),),
        refused=(taken,) if taken else (),
        amend=bool(taken),
    )


def _picked(options: Sequence[Option], given: str, label: str) -> Option:
    for option in options:
        if option.value.lower() == given.lower():
            return option
    name = given.rsplit("/", 1)[-1] or "nothing"
    raise Refused(f"{label}: {name} is not one of those that there are now.", "Choose another one.")


async def _name_checks(context: Context, vault_id: str) -> tuple[str, tuple[Check, ...]]:
    """Why the name cannot be had, else what has to be known of it."""
    from ..services import inventory, vaults

    name = vault_id.rsplit("/", 1)[-1]
    found = await vaults.find_vault(context.session, vault_id)
    if found is not None:
        return f"the name is taken: {found.resource_group} has a vault {found.name} in {found.location}", ()
    others = [
        one
        for one in await context.once("vaults", lambda: inventory.read_vaults(context.session))
        if one.name.lower() == name.lower()
    ]
    where = "; ".join(f"{one.resource_group} in {one.location}" for one in others[:3])
    return "", (
        Check(
            label="The name is free",
            state=CheckState.WARNING if others else CheckState.OK,
            detail=f"here; another vault of this name is in {where}" if others else "",
            fix="Two vaults of one name are easily mistaken for each other." if others else "",
        ),
    )


CREATE_VAULT = Action(
    id="create-vault",
    title="Create vault",
    target=TargetKind.SUBSCRIPTION,
    risk=Risk.CREATES,
    needs=(),
    of="in",
    permissions=(WRITE,),
    why_not=why_not,
    choices=choices,
    plan=plan,
    run=sender("create"),
    find=find,
    many=False,
    keywords=("new", "recovery services vault", "add", "make"),
)
