"""What a replicated item complains about: its health errors and the two healths that follow from them.

Pure functions of facts and time, for the item's document, the vault's health and the events.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from ..answers import Json
from ..records.site_recovery import HEARTBEAT_TROUBLE, RPO_TROUBLE, STALL_TROUBLE, ReplicatedItem
from .site_recovery_ids import service_time
from .site_recovery_replication import protected_since, recovery_lag_s, trouble_at
from .site_recovery_states import state_of

VALIDATOR_DELAY_S = 120.0
"""The failover validator first looks at a machine some minutes after it is protected."""
NO_POINT_ALERT_S = 3600
"""Without a crash-consistent point for that long the service raises 153007."""
HEALTH_OF_TROUBLE = {RPO_TROUBLE: "Warning", STALL_TROUBLE: "Critical", HEARTBEAT_TROUBLE: "Critical"}


def _error(
    item: ReplicatedItem, at: datetime, code: str, kind: str, level: str, category: str, **texts: str
) -> dict[str, Json]:
    source = "ReplicationUnitFailoverValidatorError" if kind == "8010" else "ReplicationProviderError"
    return {
        "innerHealthErrors": [],
        "errorSource": source,
        "errorType": kind,
        "errorLevel": level,
        "errorCategory": category,
        "errorCode": code,
        "summaryMessage": texts.get("summary", ""),
        "errorMessage": texts["message"],
        "possibleCauses": texts["causes"],
        "recommendedAction": texts["action"],
        "creationTimeUtc": service_time(at),
        "recoveryProviderErrorMessage": None,
        "entityId": item.guid,
        "errorId": f"{'6' if kind == '8010' else '11'}:{kind}",
        "customerResolvability": "NotAllowed",
    }


def _no_drill(item: ReplicatedItem, at: datetime) -> dict[str, Json]:
    return _error(
        item,
        at,
        "161011",
        "8010",
        "Warning",
        "TestFailover",
        message=f"No successful test failover has been done on the virtual machine '{item.vm_name}'.",
        causes="No successful test failover has been done on the virtual machine after it was replicated.",
        action="Do a test failover on the virtual machine.",
    )


def _slow(item: ReplicatedItem, at: datetime) -> dict[str, Json]:
    return _error(
        item,
        at,
        "10008",
        "8057",
        "Warning",
        "Replication",
        summary="RPO Throttled",
        message=f"The RPO of the virtual machine '{item.vm_name}' is above its threshold.",
        causes="The data change rate of the virtual machine is higher than what can be replicated.",
        action="Check the data change rate of the disks and the load of the cache storage account.",
    )


def _no_points(item: ReplicatedItem, at: datetime) -> dict[str, Json]:
    return _error(
        item,
        at,
        "153007",
        "8057",
        "Warning",
        "Replication",
        message=f"No crash-consistent recovery point of '{item.vm_name}' in the last 60 minutes.",
        causes="Replication is behind, or the data in the cache storage account is not processed.",
        action="Check the data change rate, the network to the storage account and the agent's services.",
    )


def _stalled(item: ReplicatedItem, at: datetime) -> dict[str, Json]:
    return _error(
        item,
        at,
        "90078",
        "8057",
        "Error",
        "Replication",
        summary="No replication progress in 60 minutes",
        message=f"Replication of the virtual machine '{item.vm_name}' has made no progress.",
        causes="The source cannot reach the cache storage account, or replication was stopped.",
        action="Check the network from the machine to the storage account and the Mobility service.",
    )


def _silent(item: ReplicatedItem, at: datetime) -> dict[str, Json]:
    return _error(
        item,
        at,
        "153077",
        "8057",
        "Error",
        "Replication",
        summary=f"Mobility Service heartbeat is down for the virtual machine '{item.vm_name}'.",
        message="Recovery Points are not being generated as the Mobility Agent cannot be reached.",
        causes="The virtual machine is stopped, unreachable, or its Mobility service does not run.",
        action="Start the virtual machine and check the services of the Mobility agent.",
    )


def lacks_drill(item: ReplicatedItem, now: datetime) -> bool:
    """True once the failover validator has noticed that no test failover ever succeeded."""
    if item.last_test_failover_at is not None or not state_of(item, now).replicates:
        return False
    return now >= _validated_at(item)


def _validated_at(item: ReplicatedItem) -> datetime:
    return item.validated_at or protected_since(item) + timedelta(seconds=VALIDATOR_DELAY_S)


def health_errors(item: ReplicatedItem, now: datetime) -> list[dict[str, Json]]:
    """None before the first recovery point and none after a failover."""
    if not state_of(item, now).replicates:
        return []
    errors = []
    since = item.trouble_since or protected_since(item)
    trouble = trouble_at(item, now)
    if trouble == RPO_TROUBLE:
        errors.append(_slow(item, since))
    if trouble == STALL_TROUBLE:
        errors.append(_stalled(item, since))
    if trouble == HEARTBEAT_TROUBLE:
        errors.append(_silent(item, since))
    behind_s = recovery_lag_s(item, now)
    if trouble and behind_s > NO_POINT_ALERT_S:
        errors.append(_no_points(item, now - timedelta(seconds=behind_s - NO_POINT_ALERT_S)))
    if lacks_drill(item, now):
        errors.append(_no_drill(item, _validated_at(item)))
    return errors


def replication_health(item: ReplicatedItem, now: datetime) -> str:
    if not state_of(item, now).replicates:
        return "Normal"
    return HEALTH_OF_TROUBLE.get(trouble_at(item, now), "Normal")


def failover_health(item: ReplicatedItem, now: datetime) -> str:
    return "Warning" if lacks_drill(item, now) else "Normal"
