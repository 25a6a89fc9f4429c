"""What outlives a client or the emulator itself, and what time does to replication."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError

from ..conftest import EmulatorFactory
from ..support import Emulator
from .sdk import collect, sdk_clients
from .site_recovery_steps import find_item, operation_of
from .site_recovery_steps import test_network as network_of

pytestmark = pytest.mark.usefixtures("emulator_env")


async def test_an_operation_is_resumed_by_another_client(emulator: Emulator) -> None:
    async with sdk_clients(emulator) as clients:
        item = await find_item(clients.site_recovery, emulator, "web-01")
        poller = await item.start_failover()
        token, operation = poller.continuation_token(), operation_of(poller)
    emulator.advance(300)
    async with sdk_clients(emulator) as clients:
        resumed = await clients.site_recovery.replication_protected_items.begin_unplanned_failover(
            *item.address,
            None,  # type: ignore[arg-type]
            continuation_token=token,
        )
        result = await asyncio.wait_for(resumed.result(), 30)
        assert result.properties.active_location == "Recovery"
        job = await clients.site_recovery.replication_jobs.get(*item.vault, operation)
        assert job.properties.state == "Succeeded"
    assert len(emulator.requests()) == 1


@pytest.mark.parametrize("clean", [True, False])
async def test_a_failover_goes_on_after_the_emulator_was_restarted(emulator: Emulator, clean: bool) -> None:
    async with sdk_clients(emulator) as clients:
        item = await find_item(clients.site_recovery, emulator, "app-01")
        poller = await item.start_failover(shut_down=True)
        operation = operation_of(poller)
        emulator.advance(40)
        before = (await item.job(poller)).properties
        assert [task.state for task in before.tasks][:2] == ["Succeeded", "InProgress"]
    job_path = f"{item.path.split('/replicationFabrics')[0]}/replicationJobs/{operation}"
    if clean:
        emulator.stop()
    else:
        emulator.kill()
    emulator.restart()
    same = emulator.get(job_path).body["properties"]
    assert [task["state"] for task in same["tasks"]][:2] == ["Succeeded", "InProgress"]
    assert same["tasks"][0]["endTime"] == emulator.get(job_path).body["properties"]["tasks"][0]["endTime"]
    emulator.advance(80)
    assert emulator.get(job_path).body["properties"]["tasks"][3]["state"] == "InProgress"
    emulator.advance(200)
    assert emulator.get(job_path).body["properties"]["state"] == "Succeeded"
    shown = emulator.get(item.path).body["properties"]
    assert shown["protectionState"] == "UnplannedFailoverCommitPendingStatesBegin"
    recovered = emulator.get(shown["providerSpecificDetails"]["recoveryFabricObjectId"])
    assert recovered.body["location"] == "northeurope"


async def test_the_steps_keep_their_times_when_the_clock_jumps(emulator: Emulator) -> None:
    async with sdk_clients(emulator) as clients:
        item = await find_item(clients.site_recovery, emulator, "web-01")
        poller = await item.start_failover(shut_down=True)
        emulator.advance(86_400)
        job = (await item.job(poller)).properties
        assert 190 < (job.end_time - job.start_time).total_seconds() < 235
        ran = [task for task in job.tasks if task.state == "Succeeded"]
        for earlier, later in pairwise(ran):
            assert earlier.end_time <= later.start_time <= earlier.end_time + timedelta(seconds=1)


async def details(clients: Any, emulator: Emulator, name: str) -> tuple[Any, Any]:
    item = await find_item(clients.site_recovery, emulator, name)
    shown = await item.get()
    return shown, shown.provider_specific_details


async def test_a_healthy_item_stays_near_and_its_heartbeat_moves_in_steps(emulator: Emulator) -> None:
    async with sdk_clients(emulator) as clients:
        beats, figures = set(), []
        for _ in range(12):
            now = datetime.fromisoformat(emulator.advance(60))
            _, shown = await details(clients, emulator, "web-01")
            assert 180 <= (now - shown.last_heartbeat).total_seconds() <= 600
            assert 0 <= (now - shown.last_rpo_calculated_time).total_seconds() <= 330
            beats.add(shown.last_heartbeat)
            figures.append(shown.rpo_in_seconds)
        assert 2 <= len(beats) <= 4
        assert all(20 < figure < 400 for figure in figures)


async def test_trouble_grows_with_the_clock(emulator: Emulator) -> None:
    async with sdk_clients(emulator) as clients:
        warned, slow = await details(clients, emulator, "sql-01")
        dead, silent = await details(clients, emulator, "dc-01")
        assert (warned.replication_health, dead.replication_health) == ("Warning", "Critical")
        assert "153077" in [error.error_code for error in dead.health_errors]
        dead_point = (await (await find_item(clients.site_recovery, emulator, "dc-01")).points())[-1]
        emulator.advance(3600)
        _, slower = await details(clients, emulator, "sql-01")
        _, still_silent = await details(clients, emulator, "dc-01")
        assert 1800 < slower.rpo_in_seconds - slow.rpo_in_seconds < 2600
        assert 3000 < still_silent.rpo_in_seconds - silent.rpo_in_seconds < 4200
        assert still_silent.last_heartbeat == silent.last_heartbeat
        pending = [
            disk.data_pending_in_staging_storage_account_in_mb for disk in slow.protected_managed_disks
        ]
        grown = [
            disk.data_pending_in_staging_storage_account_in_mb for disk in slower.protected_managed_disks
        ]
        assert all(later > earlier > 0 for earlier, later in zip(pending, grown, strict=True))
        points = await (await find_item(clients.site_recovery, emulator, "dc-01")).points()
        assert points[-1].name == dead_point.name


async def test_a_first_replication_comes_to_its_end(emulator: Emulator) -> None:
    async with sdk_clients(emulator) as clients:
        shown, copying = await details(clients, emulator, "erp-01")
        assert shown.protection_state == "InitialReplicationInProgress"
        assert list(shown.allowed_operations) == ["DisableProtection"]
        assert (copying.rpo_in_seconds, copying.lifecycle_id, list(copying.vm_nics)) == (None, None, [])
        assert copying.protected_managed_disks[0].monitoring_percentage_completion > 0
        states = {shown.protection_state}
        for _ in range(40):
            emulator.advance(120)
            shown, copied = await details(clients, emulator, "erp-01")
            states.add(shown.protection_state)
            if shown.protection_state == "Protected":
                break
        assert states == {
            "InitialReplicationInProgress",
            "InitialReplicationRecoveryCompletionPending",
            "Protected",
        }
        assert copied.rpo_in_seconds is not None
        assert copied.protected_managed_disks[0].monitoring_percentage_completion is None
        assert shown.failover_health == "Normal"
        emulator.advance(300)
        shown, _ = await details(clients, emulator, "erp-01")
        assert shown.failover_health == "Warning"
        assert [error.error_code for error in shown.health_errors] == ["161011"]


async def test_vault_health_counts(emulator: Emulator) -> None:
    async with sdk_clients(emulator) as clients:
        health = clients.site_recovery.replication_vault_health
        vault = ("rg-recovery", "rsv-neu")
        counts = (await health.get(*vault)).properties.protected_items_health.categorized_resource_counts
        items = await collect(clients.site_recovery.replication_protected_items.list(*vault))
        by_health = [item.properties.replication_health for item in items]
        assert counts["protectedItemsCriticalCount"] == by_health.count("Critical") > 0
        assert counts["protectedItemsWarningCount"] == by_health.count("Warning") > 0
        assert counts["testFailoverWaitingProtectedItemsCount"] == 1
        item = await find_item(clients.site_recovery, emulator, "web-01")
        await item.start_test_failover(await network_of(clients.site_recovery, item))
        counts = (await health.get(*vault)).properties.protected_items_health.categorized_resource_counts
        assert counts["testFailoverInProgressProtectedItemsCount"] == 1
        shown = (await health.get(*vault)).properties.protected_items_health
        assert {"153077", "161011"} <= {issue.summary_code for issue in shown.issues}


async def test_an_operator_may_not_refresh_the_vault_health(emulator: Emulator) -> None:
    """The action is not in the built-in role."""
    async with sdk_clients(emulator) as clients:
        with pytest.raises(HttpResponseError) as caught:
            await clients.site_recovery.replication_vault_health.begin_refresh("rg-recovery", "rsv-neu")
        assert caught.value.status_code == 403


async def test_job_and_item_filters(emulator: Emulator) -> None:
    async with sdk_clients(emulator) as clients:
        client, vault = clients.site_recovery, ("rg-recovery", "rsv-neu")
        every = await collect(client.replication_jobs.list(*vault))
        failed = await collect(client.replication_jobs.list(*vault, filter="JobStatus eq 'Failed'"))
        assert 0 < len(failed) < len(every)
        assert {job.properties.state for job in failed} == {"Failed"}
        times = [job.properties.start_time for job in every]
        assert times == sorted(times, reverse=True)
        since = times[2].isoformat().replace("+00:00", "Z")
        recent = await collect(client.replication_jobs.list(*vault, filter=f"StartTime eq '{since}'"))
        assert len(recent) == 3
        plan = (await collect(client.replication_recovery_plans.list(*vault)))[0]
        whole = await client.replication_recovery_plans.get(*vault, plan.name)
        members = [
            member.id for group in whole.properties.groups for member in group.replication_protected_items
        ]
        listed = await collect(
            client.replication_protected_items.list(*vault, filter=f"RecoveryPlanName eq '{plan.name}'")
        )
        assert sorted(item.id for item in listed) == sorted(members)
        assert [group.group_type for group in whole.properties.groups][:2] == ["Shutdown", "Failover"]
        assert list(plan.properties.groups) == []


async def test_long_lists_come_in_pages(
    emulator_factory: EmulatorFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    big = emulator_factory(fleet=600, throttle=False)
    for name, value in big.env.items():
        monkeypatch.setenv(name, value)
    async with sdk_clients(big) as clients:
        seen = 0
        async for vault in clients.vaults.vaults.list_by_subscription_id():
            group = vault.id.split("/")[4]
            path = f"{vault.id}/replicationProtectedItems"
            pages, url = [], path
            while url:
                body = big.get(url).body
                pages.append(len(body["value"]))
                url = body["nextLink"]
            listed = clients.site_recovery.replication_protected_items.list(group, vault.name)
            names = [item.id async for item in listed]
            assert len(names) == len(set(names)) == sum(pages)
            assert all(size == 100 for size in pages[:-1])
            seen = max(seen, len(pages))
        assert seen >= 1
