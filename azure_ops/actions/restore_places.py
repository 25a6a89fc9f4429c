"""The questions of a restore about where it goes: picked from lists, prefilled from the source VM."""

from __future__ import annotations

import msgspec

from ..errors import RecoveryError, Refused
from ..model import Field, FleetItem, Option
from .restoring import backup_of
from .spec import Context

HOW_TO_HAVE_ONE = "Create one there, or ask for the right to read it; then open this again."


async def region_of(context: Context, target: FleetItem) -> str:
    """Of the vault, which is the VM's: it is known also when the VM is gone."""
    from ..services import restores

    return await restores.region_of(context.session, backup_of(target).vault_id)


async def group_field(context: Context, target: FleetItem, region: str) -> Field:
    from ..services import places

    groups = await places.groups(context.session, target.subscription_id, region)
    own = f"/subscriptions/{target.subscription_id}/resourceGroups/{target.resource_group}"
    return _field("group", "Resource group", groups, own, f"in subscription {target.subscription_id}")


async def account_field(context: Context, target: FleetItem, region: str) -> Field:
    from ..arm_ids import group_of
    from ..services import places

    accounts = await places.accounts(context.session, target.subscription_id, region)
    beside = [one.value for one in accounts if group_of(one.value).lower() == target.resource_group.lower()]
    wanted = beside[0] if beside else ""
    field = _field("account", "Staging storage account", accounts, wanted, f"(standard) in {region}")
    said = "for the VM's configuration and a template; it must stay until the restore has ended"
    return msgspec.structs.replace(field, help=said)


async def own_subnet(context: Context, target: FleetItem) -> str:
    """Empty when the VM is gone or its interface cannot be read: it is only what stands there first."""
    from ..services import places

    try:
        return await places.subnet_of(context.session, target.id)
    except RecoveryError:
        return ""


async def subnet_field(context: Context, target: FleetItem, region: str, own: str = "") -> Field:
    from ..services import places

    subnets = await places.subnets(context.session, target.subscription_id, region)
    return _field("subnet", "Virtual network and subnet", subnets, own, f"in {region}")


def _field(id_: str, label: str, options: tuple[Option, ...], wanted: str, where: str) -> Field:
    """Raises Refused when there is nothing to pick: a place is never typed."""
    from ..services.places import chosen

    if not options:
        raise Refused(f"There is no {label.lower()} {where}.", HOW_TO_HAVE_ONE)
    return Field(id=id_, label=label, options=options, default=chosen(options, wanted))


def answer(field: Field, given: str) -> str:
    """The picked option's value. Raises Refused for what is not in the list as it is now."""
    from ..arm_ids import name_of

    for option in field.options:
        if option.value.lower() == given.lower():
            return option.value
    name = name_of(given) or "nothing"
    raise Refused(f"{field.label}: {name} is not one of those that there are now.", "Choose another one.")
