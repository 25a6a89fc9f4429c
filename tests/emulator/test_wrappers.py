"""Every wrapper through the real SDKs, real TLS and the real sign-in, on the contoso fleet."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from azure_ops.errors import Busy, InvalidState, NotAllowed, NotFound
from azure_ops.model import JobKind, JobState, PointSource, PowerState, RequestLine
from azure_ops.services import backup, compute, inventory, jobs, permissions, site_recovery
from azure_ops.services.session import Session
from tests.conftest import EmulatorFactory
from tests.support import READER_CLIENT_ID, Emulator

from .sessions import fleet, fleet_rows, point_at, session_on

TEST_FAILOVER = (
    "Microsoft.RecoveryServices/vaults/replicationFabrics/replicationProtectionContainers"
    "/replicationProtectedItems/testFailover/action"
)


@pytest.fixture
async def session(emulator_env: Emulator) -> AsyncIterator[Session]:
    async with session_on(emulator_env) as session:
        yield session


def new_id() -> str:
    return str(uuid.uuid4())


async def test_the_fleet_joins_three_sources(session: Session) -> None:
    rows = await fleet(session)
    web = rows["web-01"]
    assert web.power_state is PowerState.RUNNING
    assert web.disks
    assert web.disks[0].lun is None
    assert web.backup is not None
    assert web.backup.protection_state == "Protected"
    assert web.backup.last_backup_at is not None
    assert web.replication is not None
    assert web.replication.allows("TestFailover")
    assert web.replication.rpo_s is not None
    assert rows["erp-01"].backup is not None
    assert rows["erp-01"].backup.last_backup_at is None, "the year 2001 means never"
    assert rows["jump-01"].backup is None
    assert rows["jump-01"].replication is None


async def test_graph_and_resource_manager_tell_the_same(session: Session) -> None:
    """The fall-back lists give the rows that Resource Graph gave, but for the disks of replicated items."""
    import msgspec

    vms, backups = await inventory.read_vms(session), await inventory.read_backups(session)
    replications = await inventory.read_replications(session)
    vaults = await inventory.read_vaults(session)
    listed_vms = {}
    for subscription in await session.subscriptions():
        listed_vms |= await compute.list_vms(session, subscription)
    assert listed_vms == vms
    listed_backups, listed_replications = {}, {}
    for vault in vaults:
        listed_backups |= await backup.list_vault_items(session, vault.id)
        for key, item in (await site_recovery.list_vault_items(session, vault.id)).items():
            assert item.disks, key
            listed_replications[key] = msgspec.structs.replace(item, disks=())
    assert listed_backups == backups
    assert listed_replications == replications


async def test_the_fleet_survives_a_refused_resource_graph(emulator_env: Emulator, session: Session) -> None:
    by_graph = await inventory.read_replications(session), await inventory.read_backups(session)
    jobs_by_graph = await inventory.read_jobs(session, await inventory.read_vaults(session))
    path = "/providers/Microsoft.ResourceGraph/resources"
    emulator_env.fault("status", path=path, status=403, code="AuthorizationFailed", count=100)
    by_lists = await inventory.read_replications(session), await inventory.read_backups(session)
    assert [set(one) for one in by_lists] == [set(one) for one in by_graph]
    assert await inventory.read_vms(session)
    by_list = await inventory.read_jobs(session, await inventory.read_vaults(session))
    assert {job.id.lower() for job in by_list} == {job.id.lower() for job in jobs_by_graph}


async def test_a_drill_runs_from_request_to_clean_up(emulator_env: Emulator, session: Session) -> None:
    item = (await fleet(session))["web-01"]
    assert item.replication is not None
    item_id, vault_id = item.replication.item_id, item.replication.vault_id
    network = (await inventory.list_networks(session, item.subscription_id, "northeurope"))[0]
    points = await site_recovery.list_points(session, item_id)
    assert points == tuple(sorted(points, key=lambda point: point.taken_at, reverse=True))
    assert {point.source for point in points} == {PointSource.REPLICATION}

    before, request_id = session.service_now(), new_id()
    submitted = await site_recovery.test_failover(
        session, item_id, network_id=network.value, point_id=points[0].id, client_request_id=request_id
    )
    assert submitted.resume
    fresh = await jobs.read_job(session, submitted.job_id)
    assert (fresh.state, fresh.client_request_id) == (JobState.WAITING, request_id)
    assert fresh.started_at is None
    found = await site_recovery.find_job(session, vault_id, "TestFailover", item.name, before, request_id)
    assert found is not None
    assert found.id == fresh.id
    assert (
        await site_recovery.find_job(session, vault_id, "TestFailover", item.name, before, new_id()) is None
    )

    emulator_env.advance(60)
    running = await jobs.read_job(session, submitted.job_id)
    assert (running.state, running.operation, running.kind) == (
        JobState.RUNNING,
        "TestFailover",
        JobKind.REPLICATION,
    )
    assert running.can_cancel
    assert [task.state for task in running.tasks][:2] == [JobState.SUCCEEDED, JobState.RUNNING]
    with pytest.raises((Busy, InvalidState)) as refused:
        await site_recovery.failover(
            session, item_id, point="", shut_down_source=False, client_request_id=new_id()
        )
    assert refused.value.hint

    emulator_env.advance(600)
    assert (await jobs.read_job(session, submitted.job_id)).state is JobState.SUCCEEDED
    assert (await jobs.operation_status(session, submitted)).state is JobState.SUCCEEDED
    drilled = await site_recovery.read_item(session, item_id)
    assert drilled.allows("TestFailoverCleanup")
    cleaned = await site_recovery.clean_up_test_failover(
        session, item_id, comments="as rehearsed", client_request_id=new_id()
    )
    emulator_env.advance(600)
    assert (await jobs.read_job(session, cleaned.job_id)).state is JobState.SUCCEEDED
    assert (await site_recovery.read_item(session, item_id)).allows("TestFailover")


async def test_a_failover_goes_on_to_its_commit(emulator_env: Emulator, session: Session) -> None:
    item = (await fleet(session))["web-02"]
    assert item.replication is not None
    item_id = item.replication.item_id
    submitted = await site_recovery.failover(
        session, item_id, point="", shut_down_source=True, client_request_id=new_id()
    )
    emulator_env.advance(900)
    job = await jobs.read_job(session, submitted.job_id)
    assert (job.operation, job.state) == ("UnplannedFailover", JobState.SUCCEEDED)
    assert all(task.state.ended for task in job.tasks)
    failed_over = await site_recovery.read_item(session, item_id)
    assert failed_over.active_location == "Recovery"
    assert failed_over.allows("ChangePit")
    changed = await site_recovery.apply_recovery_point(
        session,
        item_id,
        point_id=(await site_recovery.list_points(session, item_id))[-1].id,
        client_request_id=new_id(),
    )
    emulator_env.advance(900)
    assert (await jobs.read_job(session, changed.job_id)).state is JobState.SUCCEEDED
    committed = await site_recovery.commit_failover(session, item_id, new_id())
    emulator_env.advance(300)
    assert (await jobs.read_job(session, committed.job_id)).state is JobState.SUCCEEDED
    assert not (await site_recovery.read_item(session, item_id)).allows("Commit")
    assert [entry["status"] for entry in emulator_env.requests()] == [202, 202, 202]


async def test_a_replication_job_is_cancelled(emulator_env: Emulator, session: Session) -> None:
    item = (await fleet(session))["app-01"]
    assert item.replication is not None
    submitted = await site_recovery.failover(
        session, item.replication.item_id, point="", shut_down_source=True, client_request_id=new_id()
    )
    emulator_env.advance(30)
    assert (await jobs.read_job(session, submitted.job_id)).can_cancel
    assert (await site_recovery.cancel_job(session, submitted.job_id, new_id())).job_id == submitted.job_id
    emulator_env.advance(600)
    ended = await jobs.read_job(session, submitted.job_id)
    assert ended.state is JobState.CANCELLED
    assert not ended.can_cancel


async def test_a_backup_is_found_followed_and_listed(emulator_env: Emulator, session: Session) -> None:
    item = (await fleet(session))["web-01"]
    assert item.backup is not None
    points = await backup.list_points(session, item.backup.item_id)
    before, request_id = session.service_now(), new_id()
    submitted = await backup.trigger(session, item.backup.item_id, before + timedelta(days=30), request_id)
    job = await jobs.read_job(session, submitted.job_id)
    assert (job.operation, job.state, job.target_key) == ("Backup", JobState.RUNNING, item.key)
    assert job.can_cancel
    assert [task.name for task in job.tasks][:2] == ["Take Snapshot", "Transfer data to vault"]
    found = await backup.find_job(session, item.backup.vault_id, item.key, before, request_id)
    assert found is not None
    assert found.id == job.id
    similar = await backup.similar_jobs(session, item.backup.vault_id, item.key, "Backup", before)
    assert [one.id for one in similar] == [job.id]
    with pytest.raises(Busy):
        await backup.trigger(session, item.backup.item_id, before + timedelta(days=30), new_id())
    emulator_env.advance(4 * 3600)
    ended = await jobs.read_job(session, submitted.job_id)
    assert ended.state.ended
    assert not ended.can_cancel
    assert len(await backup.list_points(session, item.backup.item_id)) == len(points) + 1
    vault = next(
        v for v in await inventory.read_vaults(session) if v.id.lower() == item.backup.vault_id.lower()
    )
    assert ended.id.lower() in {one.id.lower() for one in await jobs.list_jobs(session, vault)}


async def test_a_backup_is_cancelled(emulator_env: Emulator, session: Session) -> None:
    item = (await fleet(session))["app-01"]
    assert item.backup is not None
    expires_at = session.service_now() + timedelta(days=30)
    submitted = await backup.trigger(session, item.backup.item_id, expires_at, new_id())
    cancelled = await backup.cancel_job(session, submitted.job_id, new_id())
    assert (await jobs.operation_status(session, cancelled)).state in (JobState.RUNNING, JobState.SUCCEEDED)
    emulator_env.advance(1800)
    assert (await jobs.read_job(session, submitted.job_id)).state is JobState.CANCELLED
    with pytest.raises(InvalidState, match="cannot be cancelled"):
        await backup.cancel_job(session, submitted.job_id, new_id())


async def test_a_snapshot_is_known_by_name_and_tag(emulator_env: Emulator, session: Session) -> None:
    item = await compute.read_vm(session, (await fleet(session))["web-01"].id)
    disk = item.disks[0]
    snapshot_id = f"{item.id.rsplit('/providers/', 1)[0]}/providers/Microsoft.Compute/snapshots/web-01-os"
    assert await compute.find_snapshot(session, snapshot_id, "op-1") is None
    submitted = await compute.begin_snapshot(
        session,
        disk,
        snapshot_id,
        item.location,
        incremental=True,
        tags={compute.OPERATION_TAG: "op-1"},
        client_request_id=new_id(),
    )
    job = await compute.find_snapshot(session, snapshot_id, "op-1")
    assert job is not None
    assert job.state is JobState.RUNNING
    assert await compute.find_snapshot(session, snapshot_id, "op-2") is None
    emulator_env.advance(120)
    assert (await jobs.read_job(session, submitted.job_id)).state is JobState.SUCCEEDED
    assert (await jobs.operation_status(session, submitted)).state is JobState.SUCCEEDED
    taken = await compute.list_snapshots(session, item)
    assert (taken[0].name, taken[0].source) == ("web-01-os", PointSource.SNAPSHOT)
    assert taken == tuple(sorted(taken, key=lambda point: point.taken_at, reverse=True))


async def test_a_reader_is_told_which_action_is_missing(emulator_env: Emulator) -> None:
    async with session_on(emulator_env, client_id=READER_CLIENT_ID) as session:
        item = (await fleet(session))["web-01"]
        assert item.replication is not None
        missing = await permissions.missing_actions(
            session, item.replication.vault_id, (TEST_FAILOVER, "Microsoft.RecoveryServices/vaults/read")
        )
        assert missing == (TEST_FAILOVER,)
        with pytest.raises(NotAllowed, match="testFailover/action") as refused:
            await site_recovery.test_failover(
                session,
                item.replication.item_id,
                network_id="",
                point_id="",
                client_request_id=new_id(),
            )
        assert refused.value.missing_action.lower() == TEST_FAILOVER.lower()
        assert refused.value.request_id


async def test_an_operator_lacks_nothing_for_a_drill(session: Session) -> None:
    item = (await fleet(session))["web-01"]
    assert item.replication is not None
    assert await permissions.missing_actions(session, item.replication.vault_id, (TEST_FAILOVER,)) == ()


async def test_what_is_gone_is_not_found(session: Session) -> None:
    item = (await fleet(session))["web-01"]
    assert item.replication is not None
    for coroutine in (
        compute.read_vm(session, f"{item.id}-gone"),
        site_recovery.read_item(session, f"{item.replication.item_id}-gone"),
        jobs.read_job(session, f"{item.replication.vault_id}/replicationJobs/{new_id()}"),
        jobs.read_job(session, f"{item.replication.vault_id}/backupJobs/{new_id()}"),
        jobs.read_job(session, ""),
    ):
        with pytest.raises(NotFound) as gone:
            await coroutine
        assert gone.value.hint


async def test_vault_health_and_events(session: Session) -> None:
    item = (await fleet(session))["web-01"]
    assert item.replication is not None
    health = await site_recovery.vault_health(session, item.replication.vault_id)
    assert health.counts["testFailoverWaitingProtectedItemsCount"] >= 1
    with pytest.raises(NotAllowed) as refused:  # the built-in Site Recovery Operator may not
        await site_recovery.refresh_vault_health(session, item.replication.vault_id, new_id())
    assert refused.value.missing_action.endswith("/replicationVaultHealth/refresh/action")
    events = await site_recovery.list_events(session, item.replication.vault_id)
    assert all(event.code for event in events)


async def test_documents_and_requests_show_no_host_and_no_secret(emulator_env: Emulator) -> None:
    lines: list[RequestLine] = []
    async with session_on(emulator_env, on_request=lines.append) as session:
        item = (await fleet(session))["web-01"]
        document = await session.get_document(item.id, expand="instanceView")
        assert '"PowerState/running"' in document.json_text
        assert document.permission == "Microsoft.Compute/virtualMachines/read"
        assert document.az_command.startswith("az rest --method get --url '/subscriptions/")
    assert {line.status for line in lines} == {200}
    text = "".join(line.path for line in lines) + document.url + document.json_text
    assert emulator_env.endpoint not in text
    assert "Bearer" not in text
    assert all(line.took_ms > 0 for line in lines)
    assert [line.remaining for line in lines if "ResourceGraph" in line.path] == ["14", "13", "12"]


async def test_the_service_clock_is_the_worlds(emulator_env: Emulator, session: Session) -> None:
    await session.subscriptions()
    first = session.service_now()
    emulator_env.advance(86_400)
    await inventory.read_vaults(session)
    assert timedelta(hours=23) < session.service_now() - first < timedelta(hours=25)


async def test_the_graph_client_of_the_sdk_shares_the_session(emulator_env: Emulator) -> None:
    from azure.mgmt.resourcegraph.models import QueryRequest

    lines: list[RequestLine] = []
    async with session_on(emulator_env, on_request=lines.append) as session:
        emulator_env.fault("status", path="*ResourceGraph*", status=503)
        answer = await session.resource_graph().resources(
            QueryRequest(query="resources | project id | limit 3")
        )
        assert answer.count == 3
    assert [line.status for line in lines] == [503, 200], "a query is a read, although it is a POST"


async def test_a_fleet_larger_than_the_quota_of_queries_waits_its_turn(
    emulator_factory: EmulatorFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """17 pages or more against 15 queries in five seconds."""
    emulator = emulator_factory(fleet=8000)
    point_at(emulator, monkeypatch)
    lines: list[RequestLine] = []
    async with session_on(emulator, on_request=lines.append) as session:
        rows = await fleet_rows(session)
    assert len(rows) == 8000
    pages = [line for line in lines if "ResourceGraph" in line.path]
    assert len([line for line in pages if line.status == 200]) > 15
    assert len([line for line in pages if line.status == 429]) <= 3
