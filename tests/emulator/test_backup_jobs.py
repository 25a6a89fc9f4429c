"""Backups on demand through the real SDK, from the trigger to the recovery point, and their cancel."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.mgmt.recoveryservicesbackup.models import BackupRequestResource, IaasVMBackupRequest

from ..support import NOW, Emulator
from .sdk import Clients, collect, group_of, sdk_clients
from .test_backup import Item, items_of, protected, tiers

UNTIL = datetime.fromisoformat(NOW) + timedelta(days=40)
REQUEST_ID = "6b1f0a3c-0000-11f0-8000-00000000000a"


async def trigger(clients: Clients, item: Item, until: datetime = UNTIL) -> dict[str, str]:
    """The headers of the 202, in lower case."""
    headers: dict[str, str] = {}

    def keep(response: Any, _: Any, __: Any) -> None:
        assert response.http_response.status_code == 202
        headers.update({k.lower(): v for k, v in response.http_response.headers.items()})

    body = BackupRequestResource(properties=IaasVMBackupRequest(recovery_point_expiry_time_in_utc=until))
    await clients.backup.backups.trigger(
        *item.where, body, cls=keep, headers={"x-ms-client-request-id": REQUEST_ID}
    )
    return headers


async def job_of(emulator: Emulator, clients: Clients, item: Item, headers: dict[str, str]) -> str:
    status = emulator.get(headers["azure-asyncoperation"]).body
    assert status["status"] == "Succeeded"
    assert status["endTime"] == status["startTime"]
    assert status["properties"]["objectType"] == "OperationStatusJobExtendedInfo"
    same = await clients.backup.backup_operation_statuses.get(item.vault, item.group, status["id"])
    assert same.properties.job_id == status["properties"]["jobId"]
    assert emulator.get(headers["location"]).status == 204
    return str(status["properties"]["jobId"])


async def job_now(clients: Clients, item: Item, job_id: str) -> Any:
    return (await clients.backup.job_details.get(item.vault, item.group, job_id)).properties


async def points_of(clients: Clients, item: Item) -> list[Any]:
    return await collect(clients.backup.recovery_points.list(*item.where))


def task_words(job: Any) -> list[str]:
    return [task.status for task in job.extended_info.tasks_list]


async def test_a_later_backup(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        item = await protected(clients)
        before = await points_of(clients, item)
        job_id = await job_of(emulator_env, clients, item, await trigger(clients, item))
        job = await job_now(clients, item, job_id)
        assert (job.status, job.operation, job.actions_info) == ("InProgress", "Backup", ["Cancellable"])
        assert job.activity_id == REQUEST_ID
        assert task_words(job)[:2] == ["InProgress", "NotStarted"]
        assert job.extended_info.progress_percentage is None
        assert job.extended_info.property_bag["Recovery Point Expiry Time in UTC"] == "10/1/2026 2:00:00 PM"
        assert job.end_time is None

        emulator_env.advance(285)  # past the snapshot, in the idle minute before the transfer shows
        job = await job_now(clients, item, job_id)
        assert task_words(job)[:2] == ["Completed", "NotStarted"] or task_words(job)[1] == "InProgress"
        fresh = (await points_of(clients, item))[0]
        assert fresh.name not in [point.name for point in before]
        assert tiers(fresh) == {"InstantRP": "Valid"}

        emulator_env.advance(1200)
        job = await job_now(clients, item, job_id)
        assert job.status in ("Completed", "CompletedWithWarnings")
        assert set(task_words(job)) == {"Completed"}
        assert job.extended_info.property_bag["Backup Size"].endswith(" MB")
        assert timedelta(minutes=8) < job.duration < timedelta(minutes=14)
        assert job.actions_info == ["Cancellable"]
        assert tiers((await points_of(clients, item))[0]) == {"InstantRP": "Valid", "HardenedRP": "Valid"}
        after = (await clients.backup.protected_items.get(*item.where)).properties
        assert after["lastBackupStatus"] == job.status
        assert after["lastBackupTime"].startswith("2026-08-22T14:00:00")
        assert after["lastRecoveryPoint"] > "2026-08-22T14:00:00"
        assert len(await points_of(clients, item)) == len(before) + 1


async def test_the_first_backup_is_long_and_begins_protection(emulator_env: Emulator) -> None:
    subscriptions = emulator_env.subscription_ids
    for subscription_id in subscriptions:
        async with sdk_clients(emulator_env, subscription_id) as clients:
            pending = [
                one for one in await items_of(clients) if one.properties["protectionState"] == "IRPending"
            ]
            if not pending:
                continue
            item = pending[0]
            job_id = await job_of(emulator_env, clients, item, await trigger(clients, item))
            emulator_env.advance(20 * 60)
            assert len(await points_of(clients, item)) == 1
            state = (await clients.backup.protected_items.get(*item.where)).properties["protectionState"]
            assert state == "IRPending"
            emulator_env.advance(70 * 60)
            job = await job_now(clients, item, job_id)
            assert job.status in ("Completed", "CompletedWithWarnings")
            assert timedelta(minutes=28) < job.duration < timedelta(minutes=70)
            state = (await clients.backup.protected_items.get(*item.where)).properties["protectionState"]
            assert state == "Protected"
            return
    raise AssertionError("the fleet has no item whose first backup is pending")


async def test_one_backup_at_a_time(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        item = await protected(clients)
        await trigger(clients, item)
        with pytest.raises(HttpResponseError) as caught:
            await trigger(clients, item)
        assert caught.value.status_code == 409
        assert caught.value.error.code == "UserErrorBackupOperationInProgress"
        running = await collect(
            clients.backup.backup_jobs.list(
                item.vault, item.group, filter="operation eq 'Backup' and status eq 'InProgress'"
            )
        )
        assert len([job for job in running if job.properties.container_name in item.where[3]]) == 1


async def test_a_trigger_in_the_past_or_without_a_type_changes_nothing(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        item = await protected(clients)
        before = await collect(clients.backup.backup_jobs.list(item.vault, item.group))
        with pytest.raises(HttpResponseError, match="BMSUserErrorInvalidInput"):
            await trigger(clients, item, UNTIL - timedelta(days=50))
        assert emulator_env.post(f"{item.document.id}/backup", {"properties": {}}).status == 400
        assert len(await collect(clients.backup.backup_jobs.list(item.vault, item.group))) == len(before)


async def test_the_job_list_is_the_detail_without_its_inside(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        item = await protected(clients)
        job_id = await job_of(emulator_env, clients, item, await trigger(clients, item))
        jobs = await collect(clients.backup.backup_jobs.list(item.vault, item.group))
        assert jobs[0].name == job_id
        assert jobs[0].properties.extended_info is None
        started = [job.properties.start_time for job in jobs]
        assert started == sorted(started, reverse=True)
        asked = "startTime eq '2026-08-22 01:59:59 PM' and endTime eq '2026-08-22 02:00:01 PM'"
        now = await collect(clients.backup.backup_jobs.list(item.vault, item.group, filter=asked))
        assert [job.name for job in now] == [job_id]
        with pytest.raises(HttpResponseError) as caught:
            await clients.backup.job_details.get(item.vault, item.group, REQUEST_ID)
        assert caught.value.status_code == 404


async def cancel(emulator: Emulator, clients: Clients, item: Item, job_id: str) -> None:
    headers: dict[str, str] = {}

    def keep(response: Any, _: Any, __: Any) -> None:
        headers.update({k.lower(): v for k, v in response.http_response.headers.items()})

    await clients.backup.job_cancellations.trigger(item.vault, item.group, job_id, cls=keep)
    assert "api-version=2019-05-13-preview" in headers["azure-asyncoperation"]
    assert emulator.get(headers["azure-asyncoperation"]).body["status"] == "Succeeded"
    assert emulator.get(headers["location"]).status == 204
    result = headers["location"].split("?")[0].replace(f"/backupJobs/{job_id}/", "/backupJobs/Azure/")
    assert emulator.get(result).status == 204
    job = await job_now(clients, item, job_id)
    assert job.status == "Cancelling"


async def test_cancel_after_the_snapshot_ends_with_a_warning(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        item = await protected(clients)
        job_id = await job_of(emulator_env, clients, item, await trigger(clients, item))
        emulator_env.advance(400)
        await cancel(emulator_env, clients, item, job_id)
        job = await job_now(clients, item, job_id)
        assert task_words(job)[0] == "Completed"
        assert set(task_words(job)[1:]) == {"Cancelling"}
        emulator_env.advance(90)
        job = await job_now(clients, item, job_id)
        assert job.status == "CompletedWithWarnings"
        assert [(e.error_code, e.error_title) for e in job.error_details][-1] == (
            400158,
            "UserErrorJobSuccessfullyCancelled",
        )
        assert set(task_words(job)[1:]) == {"Cancelled"}
        assert job.extended_info.property_bag["Backup Size"] == "0 MB"
        assert tiers((await points_of(clients, item))[0]) == {"InstantRP": "Valid"}
        with pytest.raises(HttpResponseError) as caught:
            await clients.backup.job_cancellations.trigger(item.vault, item.group, job_id)
        assert caught.value.error.code == "BMSUserErrorJobNotCancellable"


async def test_cancel_within_the_snapshot_leaves_no_point(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        item = await protected(clients)
        before = [point.name for point in await points_of(clients, item)]
        job_id = await job_of(emulator_env, clients, item, await trigger(clients, item))
        emulator_env.advance(30)
        await cancel(emulator_env, clients, item, job_id)
        emulator_env.advance(1000)
        job = await job_now(clients, item, job_id)
        assert job.status == "Cancelled"
        assert [point.name for point in await points_of(clients, item)] == before
        await trigger(clients, item)


async def test_a_machine_that_is_off_gives_a_crash_consistent_point(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        item = await protected(clients)
        vm_id = item.properties["virtualMachineId"]
        await clients.compute.virtual_machines.begin_deallocate(
            group_of(vm_id), item.properties["friendlyName"], polling=False
        )
        emulator_env.advance(120)
        job_id = await job_of(emulator_env, clients, item, await trigger(clients, item))
        emulator_env.advance(1500)
        job = await job_now(clients, item, job_id)
        assert job.status == "CompletedWithWarnings"
        assert [error.error_code for error in job.error_details] == [400446]
        point = (await points_of(clients, item))[0]
        assert point.properties.recovery_point_type == "CrashConsistent"
        assert tiers(point)["HardenedRP"] == "Valid"


@pytest.mark.parametrize(
    ("step", "status", "words", "new_points"),
    [(1, "Failed", ["Failed", "NotStarted"], 0), (2, "CompletedWithWarnings", ["Completed", "Failed"], 1)],
)
async def test_a_step_that_fails(
    emulator_env: Emulator, step: int, status: str, words: list[str], new_points: int
) -> None:
    async with sdk_clients(emulator_env) as clients:
        item = await protected(clients)
        before = await points_of(clients, item)
        emulator_env.fault(
            "fail-step",
            operation="Backup",
            step=step,
            target=item.properties["virtualMachineId"],
            code="UserErrorGenericResourceNotFound",
            message="Azure resource does not exist.",
        )
        job_id = await job_of(emulator_env, clients, item, await trigger(clients, item))
        emulator_env.advance(1500)
        job = await job_now(clients, item, job_id)
        assert (job.status, task_words(job)[:2]) == (status, words)
        assert job.error_details[-1].error_code == 400309
        assert job.error_details[-1].recommendations
        assert len(await points_of(clients, item)) == len(before) + new_points
        after = (await clients.backup.protected_items.get(*item.where)).properties
        assert after["lastBackupStatus"] == status
        assert (after["healthStatus"] == "ActionRequired") == (status == "Failed")


async def test_a_backup_outlives_restarts(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        item = await protected(clients)
        job_id = await job_of(emulator_env, clients, item, await trigger(clients, item))
    path = f"{item.document.id.split('/backupFabrics')[0]}/backupJobs/{job_id}"
    port = emulator_env.endpoint.rsplit(":", 1)[1]
    seen = []
    for _ in range(5):
        emulator_env.kill()
        emulator_env.restart("--port", port)
        emulator_env.advance(240)
        seen.append(emulator_env.get(path).body["properties"]["status"])
    assert seen[0] == "InProgress"
    assert seen[-1] in ("Completed", "CompletedWithWarnings")
    posts = [one for one in emulator_env.requests() if one["path"].endswith("/backup")]
    assert len(posts) == 1


async def test_names_beyond_ascii_survive_the_operation_urls(emulator_env: Emulator) -> None:
    found = 0
    for subscription_id in emulator_env.subscription_ids:
        async with sdk_clients(emulator_env, subscription_id) as clients:
            for item in await items_of(clients):
                odd = not item.properties["friendlyName"].replace("-", "").isalnum()
                if item.properties["protectionState"] == "Protected" and (
                    odd or not item.properties["friendlyName"].isascii()
                ):
                    found += 1
                    headers = await trigger(clients, item)
                    assert headers["azure-asyncoperation"].isascii()
                    job_id = await job_of(emulator_env, clients, item, headers)
                    job = await job_now(clients, item, job_id)
                    assert job.entity_friendly_name == item.properties["friendlyName"]
    assert found
