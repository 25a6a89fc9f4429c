"""The questions of a restore about where it goes: picked from lists, prefilled from the source VM."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from typing import NamedTuple

import msgspec

from ..errors import RecoveryError, Refused
from ..model import Check, CheckState, Field, FleetItem, Form, Option
from ..restore_rules import AS_IN_POINT, NO_ZONE, SYSTEM, VaultRestores
from .restoring import NothingThere, backup_of
from .spec import Context

HOW_TO_HAVE_ONE = "Create one there, or ask for the right to read it; then open this again."
HERE, REGION, SUBSCRIPTION = "here", "region:", "subscription:"
ZONES = ("1", "2", "3")


class Destination(NamedTuple):
    region: str
    subscription: str
    secondary: bool = False
    """In the vault's paired region, from the copies there."""


async def vault_of(context: Context, target: FleetItem) -> VaultRestores:
    from ..services import restores

    vault_id = backup_of(target).vault_id
    return await context.once(
        f"restores from {vault_id.lower()}", lambda: restores.read_vault(context.session, vault_id)
    )


async def where_field(context: Context, target: FleetItem, vault: VaultRestores) -> Field | None:
    """None when it can go nowhere else."""
    from ..services import cross_region

    options = [Option(value=HERE, label=f"{vault.region}, the subscription of the VM")]
    if vault.cross_region:
        try:
            other = await cross_region.paired_region(context.session, target.subscription_id, vault.region)
        except RecoveryError:
            other = ""
        if other:
            note = "from the copies there, hours behind; it takes 20 minutes to an hour"
            options.append(Option(value=REGION + other, label=f"{other}, the paired region", note=note))
    if vault.cross_subscription == "Enabled":
        options += await _subscriptions(context, target, vault)
    if len(options) == 1:
        return None
    wanted = context.answers.get("where", HERE)
    chosen = next((one.value for one in options if one.value == wanted), HERE)
    return Field(id="where", label="Where to", options=tuple(options), default=chosen, leads=True)


async def _subscriptions(context: Context, target: FleetItem, vault: VaultRestores) -> list[Option]:
    try:
        names = await context.session.subscription_names()
        looked_at = await context.session.subscriptions()
    except RecoveryError:
        return []
    return [
        Option(
            value=SUBSCRIPTION + one,
            label=f"{vault.region}, subscription {names.get(one) or one}",
            note="only points that are in the vault tier",
        )
        for one in looked_at
        if one.lower() != target.subscription_id.lower()
    ]


def destination(field: Field | None, target: FleetItem, vault: VaultRestores, given: str) -> Destination:
    """Raises Refused for what is not offered (any more)."""
    wanted = answer(field, given or HERE) if field is not None else HERE
    if field is None and given not in ("", HERE):
        raise Refused("The vault restores into no other region or subscription.", "Choose again.")
    if wanted.startswith(REGION):
        return Destination(wanted.removeprefix(REGION), target.subscription_id, secondary=True)
    if wanted.startswith(SUBSCRIPTION):
        return Destination(vault.region, wanted.removeprefix(SUBSCRIPTION))
    return Destination(vault.region, target.subscription_id)


async def group_field(context: Context, target: FleetItem, to: Destination) -> Field:
    from ..services import places

    groups = await places.groups(context.session, to.subscription, to.region)
    own = f"/subscriptions/{target.subscription_id}/resourceGroups/{target.resource_group}"
    wanted = "" if to.secondary else own
    return _field("group", "Resource group", groups, wanted, f"in subscription {to.subscription}")


def or_none(field: Field, none: Option) -> Field:
    """The same with a last option that is none of them."""
    return msgspec.structs.replace(field, options=(*field.options, none), required=False)


async def account_field(context: Context, target: FleetItem, to: Destination) -> Field:
    from ..arm_ids import group_of
    from ..services import places

    accounts = await places.accounts(context.session, to.subscription, to.region)
    beside = [one.value for one in accounts if group_of(one.value).lower() == target.resource_group.lower()]
    wanted = beside[0] if beside else ""
    where = f"(standard) in {to.region}, subscription {to.subscription}"
    field = _field("account", "Staging storage account", accounts, wanted, where)
    said = "for the VM's configuration and a template; it must stay until the restore has ended"
    return msgspec.structs.replace(field, help=said)


def identity_field(vault: VaultRestores, to: Destination) -> Field | None:
    """Only where the vault has an identity that can be used; the usual way stands first."""
    from ..arm_ids import name_of

    options = [Option(value="", label="Azure Backup itself", note="the usual way")]
    if vault.own_principal:
        options.append(Option(value=SYSTEM, label="The vault's own identity"))
    options += [
        Option(value=id_, label=f"Identity {name_of(id_)}", note="assigned to the vault")
        for id_ in vault.user_identities
    ]
    if len(options) == 1 or to.secondary:
        return None
    return Field(
        id="identity", label="Who writes to the staging account", options=tuple(options), required=False
    )


def zone_field(vault: VaultRestores, to: Destination) -> Field | None:
    """Only where another zone is possible."""
    if vault.redundancy != "ZoneRedundant" or to.secondary:
        return None
    slow = "from the vault: 20 minutes, not one"
    options = [
        Option(value=AS_IN_POINT, label="As in the point"),
        Option(value=NO_ZONE, label="None", note=slow),
    ]
    options += [Option(value=zone, label=f"Zone {zone}", note=slow) for zone in ZONES]
    return Field(id="zone", label="Availability zone", options=tuple(options), required=False)


async def own_subnet(context: Context, target: FleetItem) -> str:
    """Empty when the VM is gone or its interface cannot be read: it is only what stands there first."""
    from ..services import places

    try:
        return await places.subnet_of(context.session, target.id)
    except RecoveryError:
        return ""


async def subnet_field(context: Context, to: Destination, own: str = "") -> Field:
    from ..services import places

    subnets = await places.subnets(context.session, to.subscription, to.region)
    where = f"in {to.region}, subscription {to.subscription}"
    return _field("subnet", "Virtual network and subnet", subnets, own, where)


def _field(id_: str, label: str, options: tuple[Option, ...], wanted: str, where: str) -> Field:
    """Raises NothingThere when there is nothing to pick: a place is never typed."""
    from ..services.places import chosen

    if not options:
        raise NothingThere(f"There is no {label.lower()} {where}.", HOW_TO_HAVE_ONE)
    return Field(id=id_, label=label, options=options, default=chosen(options, wanted))


def answer(field: Field, given: str) -> str:
    """The picked option's value. Raises Refused for what is not in the list as it is now."""
    from ..arm_ids import name_of

    for option in field.options:
        if option.value.lower() == given.lower():
            return option.value
    name = name_of(given) or "nothing"
    raise Refused(f"{field.label}: {name} is not one of those that there are now.", "Choose another one.")


def optional(field: Field | None, answers: Mapping[str, str]) -> str:
    """Of a field that is not always asked; empty is the usual way."""
    return answer(field, answers.get(field.id, "")) if field is not None else ""


Reading = Awaitable[Field | tuple[Field, ...] | None] | Field | None


async def form_of(where: Field | None, *reading: Reading) -> Form:
    """The fields in that order. What a destination lacks is a check, so that another one can be chosen."""
    found = await asyncio.gather(*(_read(one) for one in reading), return_exceptions=True)
    fields, checks = [], []
    for one in found:
        if isinstance(one, Field):
            fields.append(one)
        elif isinstance(one, tuple):
            fields.extend(one)
        elif isinstance(one, NothingThere) and where is not None:
            checks.append(Check(label="Places", state=CheckState.FAILED, detail=one.title, fix=one.hint))
        elif isinstance(one, BaseException):
            raise one
    return Form(fields=(*present(where), *fields), checks=tuple(checks))


async def _read(one: Reading) -> Field | tuple[Field, ...] | None:
    return one if one is None or isinstance(one, Field) else await one


def present(*fields: Field | None) -> tuple[Field, ...]:
    return tuple(field for field in fields if field is not None)
