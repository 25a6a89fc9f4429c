"""The vault's health, its refresh on demand, and the events of the vault."""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import datetime

from ..answers import Answer, Json
from ..records.site_recovery import (
    Fabric,
    JobTask,
    ProtectionContainer,
    ReplicatedItem,
    ReplicationEvent,
    ReplicationJob,
    VaultHealthRefresh,
)
from ..routing import Context, Routes
from ..world import World
from .site_recovery import service_list
from .site_recovery_details import location_of
from .site_recovery_ids import (
    ACTION,
    TYPE,
    VAULT,
    derived_guid,
    fabric_of,
    filter_time,
    filters,
    last,
    require,
    require_vault,
    service_id,
    service_time,
)
from .site_recovery_operations import OPERATION_ACTION, require_operation_job, unfinished_answer
from .site_recovery_runner import Scenario, accepted, launch, new_job, scenario, step
from .site_recovery_states import running_job, state_of
from .site_recovery_symptoms import failover_health, health_errors, replication_health

ROUTES = Routes()
HEALTH_ACTION = ACTION + "/replicationVaultHealth"
SEVERITY = {"Error": "Error", "Warning": "Warning"}


# vault health -----------------------------------------------------------------------------------------------


def vault_health_document(world: World, vault_id: str) -> dict[str, Json]:
    now = world.clock.now()
    items = world.store.all(ReplicatedItem, under=vault_id)
    containers = world.store.all(ProtectionContainer, under=vault_id)
    return {
        "name": "Default",
        "type": TYPE + "/replicationVaultHealth",
        "id": f"{service_id(vault_id)}/replicationVaultHealth/Default",
        "properties": {
            "vaultErrors": [],
            "protectedItemsHealth": {
                "resourceCount": len(items),
                "issues": _issues(items, now),
                "categorizedResourceCounts": _counts(world, items, now),
            },
            "fabricsHealth": _no_issues(len(world.store.all(Fabric, under=vault_id))),
            "containersHealth": _no_issues(len(containers)),
        },
    }


def _no_issues(count: int) -> dict[str, Json]:
    return {"resourceCount": count, "issues": [], "categorizedResourceCounts": None}


def _issues(items: list[ReplicatedItem], now: datetime) -> list[dict[str, Json]]:
    """One per code, with everybody who has it."""
    affected: dict[tuple[str, str, str, str], list[str]] = defaultdict(list)
    for item in items:
        for error in health_errors(item, now):
            generic = re.sub(r" (?:for|of|on) the virtual machine '.*?'", "", error["summaryMessage"])
            key = (error["errorCode"], error["errorCategory"], SEVERITY[error["errorLevel"]], generic)
            affected[key].append(derived_guid(item.guid, "events"))
    return [
        {
            "summaryCode": code,
            "category": category,
            "severity": severity,
            "summaryMessage": message,
            "affectedResourceType": "replicationProtectedItems",
            "affectedResourceSubtype": "",
            "affectedResourceCorrelationIds": ids,
        }
        for (code, category, severity, message), ids in affected.items()
    ]


def _counts(world: World, items: list[ReplicatedItem], now: datetime) -> dict[str, int]:
    def count(name: str, health: str) -> int:
        healths = replication_health if name == "replication" else failover_health
        return sum(healths(item, now) == health for item in items)

    jobs = [running_job(world, item) for item in items]
    testing = sum(job is not None and job.scenario == "TestFailover" for job in jobs)
    return {
        "testFailoverApplicableProtectedItemsCount": sum(state_of(item, now).replicates for item in items),
        "testFailoverInProgressProtectedItemsCount": testing,
        "testFailoverWaitingProtectedItemsCount": sum(bool(item.test_failover_job_id) for item in items),
        "protectedItemsCriticalCount": count("replication", "Critical"),
        "protectedItemsWarningCount": count("replication", "Warning"),
        "protectedItemsNeutralCount": sum(not state_of(item, now).replicates for item in items),
        "protectedItemsTestFailoverCriticalCount": 0,
        "protectedItemsTestFailoverWarningCount": count("failover", "Warning"),
        "protectedItemsConfigurationCriticalCount": 0,
        "protectedItemsConfigurationWarningCount": 0,
        "protectedItemsFailoverHealthCriticalCount": count("failover", "Critical"),
        "protectedItemsFailoverHealthWarningCount": count("failover", "Warning"),
    }


@ROUTES.get(VAULT + "/replicationVaultHealth", action=HEALTH_ACTION + "/read")
def get_vault_health(ctx: Context) -> Answer:
    return Answer(200, vault_health_document(ctx.world, require_vault(ctx)))


@scenario
class RefreshVaultHealth(Scenario):
    """Runs the failover validator on demand."""

    name, title = "RefreshVaultHealth", "Refresh vault health"

    def tasks(self, world: World, job: ReplicationJob) -> list[JobTask]:
        task = "RefreshFailoverHealthTask"
        return [step(task, task, "Refreshing failover health", 0.7)]

    def finish(self, world: World, job: ReplicationJob, at: datetime) -> None:
        world.store.save(VaultHealthRefresh(id=job.result_id, refreshed_at=at))
        for item in world.store.all(ReplicatedItem, under=job.result_id.rsplit("/", 2)[0]):
            if item.validated_at is None and state_of(item, at).replicates:
                item.validated_at = at
                world.store.save(item)


@ROUTES.post(VAULT + "/replicationVaultHealth/default/refresh", action=HEALTH_ACTION + "/refresh/action")
def refresh_vault_health(ctx: Context) -> Answer:
    vault_id = require_vault(ctx)
    health = f"{vault_id}/replicationVaultHealth"
    job = new_job(ctx, RefreshVaultHealth.name, vault_id, f"{health}/Default", {})
    job.object_id = str(int(derived_guid(vault_id, "vault").replace("-", "")[:15], 16))
    job.object_type = "Vault"
    launch(ctx.world, job, ctx.now)
    return accepted(ctx, job, f"{health}/operationresults")


@ROUTES.get(VAULT + "/replicationVaultHealth/operationresults/{operation}", action=OPERATION_ACTION)
def get_refresh_result(ctx: Context) -> Answer:
    job = require_operation_job(ctx)
    return unfinished_answer(ctx, job) or Answer(200, vault_health_document(ctx.world, require_vault(ctx)))


# events -----------------------------------------------------------------------------------------------------


def event_document(world: World, event: ReplicationEvent) -> dict[str, Json]:
    return {
        "type": TYPE + "/replicationEvents",
        "id": service_id(event.id),
        "name": event.name,
        "properties": {
            "eventCode": event.code,
            "description": event.description,
            "eventType": event.event_type,
            "affectedObjectFriendlyName": event.object_name,
            "affectedObjectCorrelationId": event.correlation_id or None,
            "severity": event.severity,
            "timeOfOccurrence": service_time(event.at),
            "fabricId": service_id(event.fabric_id),
            "providerSpecificDetails": _event_item(world, event),
            "eventSpecificDetails": None,
            "healthErrors": [],
        },
    }


def _event_item(world: World, event: ReplicationEvent) -> dict[str, Json] | None:
    item = world.store.find(ReplicatedItem, event.item_id) if event.item_id else None
    if item is None:
        return None
    here, there = fabric_of(item.id), fabric_of(item.recovery_container_id)
    return {
        "instanceType": "A2A",
        "protectedItemName": item.name,
        "fabricObjectId": item.vm_id.lower(),
        "fabricName": last(here),
        "fabricLocation": location_of(world, here),
        "remoteFabricName": last(there),
        "remoteFabricLocation": location_of(world, there),
    }


EVENT_FILTERS = (
    "eventCode",
    "severity",
    "eventType",
    "fabricName",
    "affectedObjectFriendlyName",
    "affectedObjectCorrelationId",
    "startTime",
    "endTime",
)


@ROUTES.get(VAULT + "/replicationEvents", action=ACTION + "/replicationEvents/read")
def list_events(ctx: Context) -> Answer:
    """Newest first."""
    vault_id = require_vault(ctx)
    wanted = filters(ctx, EVENT_FILTERS)
    every = ctx.world.store.all(ReplicationEvent, under=vault_id)
    events = [event for event in every if _event_wanted(ctx, event, wanted)]
    events.sort(key=lambda event: event.at, reverse=True)
    return service_list(ctx, [event_document(ctx.world, event) for event in events])


def _event_wanted(ctx: Context, event: ReplicationEvent, wanted: dict[str, str]) -> bool:
    facts = {
        "eventcode": event.code,
        "severity": event.severity,
        "eventtype": event.event_type,
        "fabricname": last(event.fabric_id),
        "affectedobjectfriendlyname": event.object_name,
        "affectedobjectcorrelationid": event.correlation_id,
    }
    for name, value in wanted.items():
        if name in facts:
            if facts[name].lower() != value.lower():
                return False
            continue
        at = filter_time(ctx, value)
        if (name == "starttime" and event.at < at) or (name == "endtime" and event.at > at):
            return False
    return True


@ROUTES.get(VAULT + "/replicationEvents/{event}", action=ACTION + "/replicationEvents/read")
def get_event(ctx: Context) -> Answer:
    event_id = f"{require_vault(ctx)}/replicationEvents/{ctx.params['event']}"
    return Answer(200, event_document(ctx.world, require(ctx, ReplicationEvent, event_id)))
