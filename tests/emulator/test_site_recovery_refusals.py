"""What goes wrong and what is refused: steps that fail, cancels, restarts, illegal moves, wrong bodies."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

from ..support import READER_CLIENT_ID, Emulator
from .sdk import collect, group_of, name_of, sdk_clients
from .site_recovery_steps import Item, find_item
from .site_recovery_steps import test_network as network_of

pytestmark = pytest.mark.usefixtures("emulator_env")
Start = Callable[[Item], Awaitable[Any]]


async def drill(item: Item) -> Any:
    return await item.start_test_failover(await network_of(item.client, item))


async def refused(waiting: Awaitable[Any]) -> HttpResponseError:
    with pytest.raises(HttpResponseError) as caught:
        await waiting
    return caught.value


def detail_code(error: HttpResponseError) -> str:
    assert error.error is not None
    return str(error.error.details[0].code)


async def assert_failed(item: Item, poller: Any, step: int, code: str) -> Any:
    """The operation and its job both say so, at the step that was meant; the job's properties."""
    with pytest.raises(HttpResponseError, match="no cores left"):
        await item.finish(poller)
    job = (await item.job(poller)).properties
    assert (job.state, job.state_description) == ("Failed", "Failed")
    assert list(job.allowed_actions) == ["Restart"]
    assert job.errors[0].service_error_details.code == code
    assert job.errors[0].service_error_details.message == "no cores left"
    assert job.errors[0].provider_error_details.error_code == int(code)
    assert job.errors[0].task_id == job.tasks[step - 1].task_id
    assert job.tasks[step - 1].state == "Failed"
    assert all(task.state == "NotStarted" for task in job.tasks[step:])
    assert job.end_time is not None
    return job


@pytest.mark.parametrize("step", [1, 2, 3, 4])
async def test_a_drill_that_fails_at_any_step_leaves_nothing(emulator: Emulator, step: int) -> None:
    async with sdk_clients(emulator) as clients:
        item = await find_item(clients.site_recovery, emulator, "web-01")
        details = (await item.get()).provider_specific_details
        group = details.recovery_azure_resource_group_id.split("/")[-1]
        emulator.fault(
            "fail-step", operation="TestFailover", step=step, target="/web-01", code="28037",
            message="no cores left",
        )  # fmt: skip
        poller = await drill(item)
        await assert_failed(item, poller, step, "28037")
        after = await item.get()
        assert after.protection_state_description == "Protected"
        assert "TestFailover" in after.allowed_operations
        machines = await collect(clients.compute.virtual_machines.list(group))
        assert "web-01-test" not in [machine.name for machine in machines]
        events = await collect(clients.site_recovery.replication_events.list(*item.vault))
        assert events[0].properties.description == "TestFailover - Failed"
        assert events[0].name.startswith("JobStatusMonitoringEvent;")
        again = await clients.site_recovery.replication_events.get(*item.vault, events[0].name)
        assert again.properties.provider_specific_details.protected_item_name == item.address[4]


@pytest.mark.parametrize("step", [1, 2, 4, 5])
async def test_a_failover_that_fails_at_any_step_goes_back_to_protected(
    emulator: Emulator, step: int
) -> None:
    async with sdk_clients(emulator) as clients:
        item = await find_item(clients.site_recovery, emulator, "app-01")
        emulator.fault(
            "fail-step", operation="UnplannedFailover", step=step, code="28037", message="no cores left"
        )
        poller = await item.start_failover(shut_down=True)
        await assert_failed(item, poller, step, "28037")
        after = await item.get()
        assert (after.protection_state, after.active_location) == ("Protected", "Primary")
        assert after.failover_recovery_point_id is None
        assert after.provider_specific_details.recovery_fabric_object_id is None
        emulator.advance(900)
        source = after.provider_specific_details.fabric_object_id
        vm = await clients.compute.virtual_machines.get(
            group_of(source), name_of(source), expand="instanceView"
        )
        codes = [status.code for status in vm.instance_view.statuses]
        assert ("PowerState/deallocated" if step > 2 else "PowerState/running") in codes


@pytest.mark.parametrize("step", [1, 2, 3])
async def test_a_clean_up_that_fails_can_be_done_again(emulator: Emulator, step: int) -> None:
    async with sdk_clients(emulator) as clients:
        item = await find_item(clients.site_recovery, emulator, "sql-02")
        emulator.fault(
            "fail-step", operation="TestFailoverCleanup", step=step, code="28037", message="no cores left"
        )
        await assert_failed(item, await item.start_clean_up(), step, "28037")
        waiting = await item.get()
        assert list(waiting.allowed_operations) == ["TestFailoverCleanup"]
        done = await item.finish(await item.start_clean_up())
        assert "TestFailover" in done.properties.allowed_operations


async def test_a_failed_job_is_restarted_under_its_own_name(emulator: Emulator) -> None:
    async with sdk_clients(emulator) as clients:
        item = await find_item(clients.site_recovery, emulator, "web-01")
        emulator.fault("fail-step", operation="TestFailover", step=2, code="28037", message="no cores left")
        poller = await drill(item)
        job = await assert_failed(item, poller, 2, "28037")
        name = name_of((await item.job(poller)).id)
        restarting = await clients.site_recovery.replication_jobs.begin_restart(*item.vault, name)
        assert (await refused(item.start_failover())).status_code == 409
        emulator.advance(4)
        answer = await asyncio.wait_for(restarting.result(), 30)
        assert (answer.properties.scenario_name, answer.properties.state) == ("RestartJob", "Succeeded")
        assert answer.name != name
        emulator.advance(60)
        assert (await item.job(poller)).properties.state == "InProgress"
        emulator.advance(300)
        ended = (await item.job(poller)).properties
        assert (ended.state, list(ended.errors)) == ("Succeeded", [])
        assert ended.start_time == job.start_time
        assert list((await item.get()).allowed_operations) == ["TestFailoverCleanup"]


async def test_a_cancelled_drill_leaves_nothing(emulator: Emulator) -> None:
    async with sdk_clients(emulator) as clients:
        item = await find_item(clients.site_recovery, emulator, "web-01")
        poller = await drill(item)
        emulator.advance(170)
        test_id = (await item.get()).provider_specific_details.test_failover_recovery_fabric_object_id
        assert test_id
        name = (await item.job(poller)).name
        cancelling = await clients.site_recovery.replication_jobs.begin_cancel(*item.vault, name)
        emulator.advance(4)
        answer = await asyncio.wait_for(cancelling.result(), 30)
        assert (answer.name, answer.properties.state) == (name, "Cancelling")
        assert list(answer.properties.allowed_actions) == []
        with pytest.raises(HttpResponseError, match="invalid status"):
            await item.finish(poller, 30)
        job = (await item.job(poller)).properties
        assert job.state == "Cancelled"
        after = await item.get()
        assert "TestFailover" in after.allowed_operations
        with pytest.raises(ResourceNotFoundError):
            await clients.compute.virtual_machines.get(group_of(test_id), name_of(test_id))
        listed = await item.jobs()
        assert "JobAction" not in [one.properties.scenario_name for one in listed]


async def test_a_failover_cancelled_after_it_began_replicates_no_more(emulator: Emulator) -> None:
    async with sdk_clients(emulator) as clients:
        item = await find_item(clients.site_recovery, emulator, "web-01")
        poller = await item.start_failover()
        emulator.advance(60)
        name = (await item.job(poller)).name
        await clients.site_recovery.replication_jobs.begin_cancel(*item.vault, name)
        emulator.advance(7200)
        after = await item.get()
        assert (after.protection_state, after.replication_health) == ("Protected", "Critical")
        assert "90078" in [error.error_code for error in after.health_errors]
        assert after.provider_specific_details.rpo_in_seconds > 7000


async def test_another_operation_is_refused_while_one_runs(emulator: Emulator) -> None:
    async with sdk_clients(emulator) as clients:
        item = await find_item(clients.site_recovery, emulator, "web-01")
        await drill(item)
        for start in (item.start_failover, item.start_commit, item.start_clean_up):
            error = await refused(start())
            assert (error.status_code, detail_code(error)) == (409, "AnotherOperationInProgress")
        assert len([one for one in emulator.requests() if one["status"] == 202]) == 1


@pytest.mark.parametrize(
    ("vm_name", "operation", "starts"),
    [
        ("web-01", "Commit", lambda item: item.start_commit()),
        ("web-01", "TestFailoverCleanup", lambda item: item.start_clean_up()),
        ("web-01", "ChangePit", lambda item: item.start_change_point("x")),
        ("web-01", "CancelFailover", lambda item: item.items.begin_failover_cancel(*item.address)),
        ("sql-02", "TestFailover", drill),
        ("sql-02", "UnplannedFailover", lambda item: item.start_failover()),
        ("file-01", "UnplannedFailover", lambda item: item.start_failover()),
        ("file-01", "TestFailover", drill),
        ("erp-01", "UnplannedFailover", lambda item: item.start_failover()),
        ("erp-01", "TestFailover", lambda item: item.start_test_failover("/subscriptions/x/y")),
    ],
)
async def test_the_state_refuses_what_it_does_not_list(
    emulator: Emulator, vm_name: str, operation: str, starts: Start
) -> None:
    async with sdk_clients(emulator) as clients:
        item = await find_item(clients.site_recovery, emulator, vm_name)
        before = await item.get()
        error = await refused(starts(item))
        assert (error.status_code, detail_code(error)) == (400, "OperationNotAllowed")
        assert operation in str(error)
        assert list((await item.get()).allowed_operations) == list(before.allowed_operations)
        assert operation not in before.allowed_operations


def wrong_details(**details: str) -> dict[str, Any]:
    return {"properties": {"providerSpecificDetails": details}}


async def test_bodies_and_names_that_are_wrong(emulator: Emulator) -> None:
    async with sdk_clients(emulator) as clients:
        item = await find_item(clients.site_recovery, emulator, "web-01")
        for path, body in (
            ("testFailover", None),
            ("testFailover", {"properties": {"networkType": "VmNetworkAsInput"}}),
            ("testFailover", {"properties": {"networkId": 7}}),
            ("unplannedFailover", {"properties": {"failoverDirection": "Sideways"}}),
            ("unplannedFailover", {"properties": {"sourceSiteOperations": "Maybe"}}),
            ("unplannedFailover", {"properties": {"providerSpecificDetails": {"instanceType": "InMageRcm"}}}),
            (
                "unplannedFailover",
                {"properties": {"providerSpecificDetails": {"recoveryPointId": "/x/nope"}}},
            ),
        ):
            reply = emulator.post(f"{item.path}/{path}", body)
            assert (reply.status, reply.error_code) == (400, "BadRequest"), (path, body, reply.body)
            assert reply.body["error"]["details"][0]["recommendedAction"]
        assert list((await item.get()).allowed_operations) != []
        missing = emulator.get(item.path + "x")
        assert (missing.status, missing.error_code) == (404, "NotFound")
        assert missing.body["error"]["details"][0]["code"] == "ArmResourceDoesNotExist"
        gone = emulator.get(item.path.replace("rsv-neu", "rsv-none"))
        assert (gone.status, gone.error_code) == (404, "ResourceNotFound")
        for query in ("$filter=nonsense", "$filter=jobStatus%20gt%20'x'", "skipToken=abc"):
            reply = emulator.get(item.path.split("/replicationFabrics")[0] + "/replicationJobs?" + query)
            assert (reply.status, reply.error_code) == (400, "BadRequest")


async def test_a_network_of_another_region_fails_the_drill_at_its_check(emulator: Emulator) -> None:
    async with sdk_clients(emulator) as clients:
        item = await find_item(clients.site_recovery, emulator, "web-01")
        source_network = (await item.get()).provider_specific_details.vm_nics[0].v_m_network_name
        poller = await item.start_test_failover(source_network)
        with pytest.raises(HttpResponseError, match="was not found in 'northeurope'"):
            await item.finish(poller)
        job = (await item.job(poller)).properties
        assert job.tasks[0].state == "Failed"


async def test_a_reader_may_look_and_not_act(emulator: Emulator) -> None:
    async with sdk_clients(emulator, client_id=READER_CLIENT_ID) as clients:
        item = await find_item(clients.site_recovery, emulator, "web-01")
        assert await item.points()
        error = await refused(item.start_failover())
        assert error.status_code == 403
        assert error.error is not None
        assert error.error.code == "AuthorizationFailed"


async def test_ended_jobs_allow_no_action(emulator: Emulator) -> None:
    async with sdk_clients(emulator) as clients:
        item = await find_item(clients.site_recovery, emulator, "web-01")
        ended = next(job for job in await item.jobs() if job.properties.state == "Succeeded")
        actions = clients.site_recovery.replication_jobs
        for act in (actions.begin_cancel, actions.begin_restart):
            error = await refused(act(*item.vault, ended.name))
            assert (error.status_code, detail_code(error)) == (400, "OperationNotAllowed")
