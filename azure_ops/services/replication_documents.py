"""Site Recovery's documents about replicated items, their points and health, as our model. Pure.

Read by `site_recovery` (Resource Manager) and by the fall-back lists of `inventory`.
"""

from __future__ import annotations

from ..arm_ids import key_of, vault_of
from ..model import HealthNote, PointSource, RecoveryPoint, ReplicatedDisk, Replication
from ..wire_values import Document, flag, moment, number, part, parts, text, texts, whole

A2A = "A2A"


def source_key(document: Document) -> str:
    """Key of the VM that is replicated; after a re-protect that is the VM in the other region."""
    return key_of(text(part(document, "properties", "providerSpecificDetails"), "fabricObjectId"))


def replication(document: Document) -> Replication:
    properties = part(document, "properties")
    details = part(properties, "providerSpecificDetails")
    scenario = part(properties, "currentScenario")
    item_id = text(document, "id")
    return Replication(
        item_id=item_id,
        vault_id=vault_of(item_id),
        primary_region=text(details, "primaryFabricLocation")
        or text(properties, "primaryFabricFriendlyName"),
        recovery_region=text(details, "recoveryFabricLocation")
        or text(properties, "recoveryFabricFriendlyName"),
        initial_primary_region=text(details, "initialPrimaryFabricLocation"),
        original_disk_id=next(
            (
                found
                for disk in parts(details, "protectedManagedDisks")
                if (found := text(disk, "recoveryOrignalTargetDiskId"))
            ),
            "",
        ),
        policy_name=text(properties, "policyFriendlyName"),
        protection_state=text(properties, "protectionState"),
        protection_state_text=text(properties, "protectionStateDescription"),
        active_location=text(properties, "activeLocation"),
        test_failover_state=unless_none(text(properties, "testFailoverState")),
        allowed_operations=texts(properties, "allowedOperations"),
        replication_health=text(properties, "replicationHealth"),
        failover_health=text(properties, "failoverHealth"),
        notes=tuple(health_error(one) for one in parts(properties, "healthErrors")),
        rpo_s=whole(details, "rpoInSeconds"),
        rpo_calculated_at=moment(details, "lastRpoCalculatedTime"),
        last_heartbeat_at=moment(details, "lastHeartbeat"),
        agent_version=text(details, "agentVersion"),
        agent_expires_at=moment(details, "agentExpiryDate"),
        agent_certificate_expires_at=moment(details, "agentCertificateExpiryDate"),
        current_scenario=unless_none(text(scenario, "scenarioName")),
        current_job_id=job_or_none(text(scenario, "jobId")),
        last_test_failover_at=moment(properties, "lastSuccessfulTestFailoverTime"),
        last_failover_at=moment(properties, "lastSuccessfulFailoverTime"),
        failover_point_id=text(properties, "failoverRecoveryPointId"),
        recovery_resource_group_id=text(details, "recoveryAzureResourceGroupId"),
        recovery_network_id=text(details, "selectedRecoveryAzureNetworkId"),
        recovery_vm_name=text(details, "recoveryAzureVMName"),
        recovery_vm_size=text(details, "recoveryAzureVMSize"),
        test_vm_name=text(details, "tfoAzureVMName"),
        multi_vm_group=text(details, "multiVmGroupName"),
        disks=tuple(_disk(one) for one in parts(details, "protectedManagedDisks")),
    )


def unless_none(word: str) -> str:
    """Azure says `None` where there is nothing."""
    return "" if word.lower() == "none" else word


def job_or_none(job_id: str) -> str:
    """A job's id; an idle item names `…/replicationJobs/None`, a phase not started ends with a slash."""
    last = job_id.rsplit("/", 1)[-1]
    return "" if not last or last.lower() == "none" else job_id


def _disk(disk: Document) -> ReplicatedDisk:
    return ReplicatedDisk(
        name=text(disk, "diskName") or text(disk, "failoverDiskName"),
        capacity_bytes=whole(disk, "diskCapacityInBytes") or 0,
        state=text(disk, "diskState"),
        resync_required=flag(disk, "resyncRequired"),
        pending_at_source_mb=number(disk, "dataPendingAtSourceAgentInMB"),
        pending_in_staging_mb=number(disk, "dataPendingInStagingStorageAccountInMB"),
    )


def health_error(error: Document) -> HealthNote:
    return HealthNote(
        code=text(error, "errorCode"),
        message=text(error, "summaryMessage") or text(error, "errorMessage"),
        causes=text(error, "possibleCauses"),
        recommendation=text(error, "recommendedAction"),
        severity=text(error, "errorLevel"),
        noted_at=moment(error, "creationTimeUtc"),
    )


def recovery_point(document: Document) -> RecoveryPoint | None:
    """None for a point without a time: nothing can be said about it."""
    properties = part(document, "properties")
    taken_at = moment(properties, "recoveryPointTime")
    if taken_at is None:
        return None
    details = part(properties, "providerSpecificDetails")
    multi = text(details, "recoveryPointSyncType") == "MultiVmSyncRecoveryPoint"
    return RecoveryPoint(
        id=text(document, "id"),
        name=text(document, "name"),
        source=PointSource.REPLICATION,
        taken_at=taken_at,
        consistency=text(properties, "recoveryPointType"),
        note="multi-VM consistent" if multi else "",
    )
