"""ARM ids: compared without regard to case, taken apart by segment names. Every layer may import this."""

from __future__ import annotations

JOBS_ELSEWHERE = "backupCrrJobs"
"""Restores' jobs in a vault's secondary region, which no list of the vault's jobs tells."""


def key_of(arm_id: str) -> str:
    """How an id is compared and how rows are keyed: lower case, no trailing slash."""
    return arm_id.rstrip("/").lower()


def segment(arm_id: str, name: str) -> str:
    """The value behind a segment name (`resourceGroups`, `vaults`), in its own casing; empty when absent."""
    parts = arm_id.split("/")
    wanted = name.lower()
    for index in range(len(parts) - 1):
        if parts[index].lower() == wanted:
            return parts[index + 1]
    return ""


def subscription_of(arm_id: str) -> str:
    return segment(arm_id, "subscriptions")


def group_of(arm_id: str) -> str:
    return segment(arm_id, "resourceGroups")


def name_of(arm_id: str) -> str:
    return arm_id.rstrip("/").rsplit("/", 1)[-1]


def vault_of(arm_id: str) -> str:
    """The vault's own id within an id below it, spelt `/subscriptions/…`; empty when there is none.

    Site Recovery writes `/Subscriptions/` and Backup sometimes an absolute URL; requests use neither."""
    lowered = arm_id.lower()
    marker = "/providers/microsoft.recoveryservices/vaults/"
    found = lowered.find(marker)
    start = lowered.find("/subscriptions/")
    if found < 0 or start < 0 or start > found:
        return ""
    name = arm_id[found + len(marker) :].split("/", 1)[0].split("?", 1)[0]
    group = group_of(arm_id)
    return (
        f"/subscriptions/{subscription_of(arm_id)}/resourceGroups/{group}"
        f"/providers/Microsoft.RecoveryServices/vaults/{name}"
    )


def request_path(arm_id: str) -> str:
    """The id as requests spell it: without a host, with a lower-case `subscriptions`."""
    start = arm_id.lower().find("/subscriptions/")
    if start < 0:
        return arm_id
    return "/subscriptions/" + arm_id[start + len("/subscriptions/") :].rstrip("/")


def resource_type(arm_id: str) -> str:
    """`Microsoft.Compute/virtualMachines`, with every level below the provider."""
    parts = request_path(arm_id).split("/")
    lowered = [part.lower() for part in parts]
    if "providers" not in lowered:
        return "Microsoft.Resources/subscriptions/resourceGroups" if group_of(arm_id) else ""
    start = len(lowered) - 1 - lowered[::-1].index("providers")
    rest = parts[start + 1 :]
    return "/".join([rest[0], *rest[1::2]]) if rest else ""
