"""Every fault that the emulator knows, on every wrapper: a typed error with a readable line, or an answer."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from azure_ops.errors import RecoveryError, ServiceFailed, SignInNeeded, Throttled, Unreachable
from azure_ops.model import RequestLine
from azure_ops.services import backup, compute, disk_access, inventory, jobs, transport
from azure_ops.services import session as session_module
from azure_ops.services.azure_failures import certainly_not_done
from azure_ops.services.session import Session
from tests.support import NOW, Emulator

from .sessions import fleet, point_at, session_on
from .wrapper_calls import Call, aim, every_wrapper, name_of

CHANGING = ("POST", "PUT", "PATCH", "DELETE")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """One for the module; its faults are cleared after each test."""
    folder: Path = tmp_path_factory.mktemp("faulty")
    options = ("--fleet", "contoso", "--speed", "0", "--seed", "1", "--now", NOW, "--no-throttle")
    emulator = Emulator(folder / "state", *options)
    yield emulator
    emulator.kill()


@pytest.fixture(autouse=True)
def signed_in(world: Emulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    point_at(world, monkeypatch)
    for module in (transport, session_module):
        monkeypatch.setattr(module, "READ_S", 1.0)
    monkeypatch.setattr(disk_access, "LASTS_AT_MOST_S", 2.0)  # on a clock that stands no operation ends
    yield
    world.clear_faults()


async def outcome(call: Call) -> BaseException | None:
    try:
        await call()
    except Exception as exc:
        return exc
    return None


def check_readable(name: str, error: RecoveryError) -> None:
    assert error.title, name
    assert "\n" not in error.title, name
    assert len(error.title) < 400, (name, error.title)
    assert error.hint, (name, error.title)
    assert "Traceback" not in error.details
    assert "Bearer " not in str(error.note())
    assert error.__cause__ is not None or error.code == "HeldOff", name


FAULTS: dict[str, tuple[dict[str, Any], type[RecoveryError]]] = {
    "429 without Retry-After": ({"kind": "status", "status": 429}, Throttled),
    "429 for an hour": ({"kind": "status", "status": 429, "retry_after": 3600}, Throttled),
    "500": ({"kind": "status", "status": 500}, ServiceFailed),
    "503": ({"kind": "status", "status": 503}, ServiceFailed),
    "reset": ({"kind": "reset"}, Unreachable),
    "slow": ({"kind": "slow", "delay_s": 2.5}, Unreachable),
    "cut": ({"kind": "cut"}, Unreachable),
    "malformed": ({"kind": "malformed"}, ServiceFailed),
    "expired": ({"kind": "expired-token"}, SignInNeeded),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_every_read_ends_in_a_typed_error(world: Emulator, fault: str) -> None:
    fields, expected = FAULTS[fault]
    async with session_on(world) as session:
        target = await aim(session)
        for path in ("/subscriptions", "/subscriptions/*", "/providers/*"):
            world.fault(path=path, count=10_000, **fields)
        calls = target.reads()
        errors = await asyncio.gather(*map(outcome, calls))
        for name, error in zip(map(name_of, calls), errors, strict=True):
            assert isinstance(error, expected), (name, error)
            check_readable(name, error)
            assert error.retryable == (expected is not SignInNeeded), name


async def test_no_wrapper_is_left_out(world: Emulator) -> None:
    async with session_on(world) as session:
        target = await aim(session)
        assert {name_of(call) for call in (*target.reads(), *target.changes())} == every_wrapper()


@pytest.mark.parametrize("fault", FAULTS)
async def test_every_change_is_sent_once(world: Emulator, fault: str) -> None:
    fields, expected = FAULTS[fault]
    lines: list[RequestLine] = []
    async with session_on(world, on_request=lines.append) as session:
        target = await aim(session)
        for method in CHANGING:
            world.fault(path="/subscriptions/*", method=method, count=10_000, **fields)
        lines.clear()
        calls = target.changes()
        errors = await asyncio.gather(*map(outcome, calls))
        for name, error in zip(map(name_of, calls), errors, strict=True):
            if fault in ("cut", "malformed"):
                # The work was done: what is left of the answer may do, or another call's work forbids it.
                assert error is None or isinstance(error, RecoveryError), (name, error)
                continue
            assert isinstance(error, expected), (name, error)
            check_readable(name, error)
            assert certainly_not_done(error) == (expected in (Throttled, SignInNeeded)), name
    assert len([line for line in lines if line.method in CHANGING]) == len(calls)
    ours = [call.keywords["client_request_id"] for call in calls]
    arrived = [one["client_request_id"] for one in world.requests() if one["client_request_id"] in ours]
    assert len(set(arrived)) == len(arrived), "one was sent twice"
    if fault != "slow":  # those arrive one by one when nobody waits for them any more
        assert len(arrived) in (len(ours), 0), "a request refused at the door is not counted"


async def test_reads_come_through_short_troubles(world: Emulator) -> None:
    """Two failures each are waited out inside the call."""
    async with session_on(world) as session:
        target = await aim(session)
        for fields in (
            {"kind": "status", "status": 429, "retry_after": 1},
            {"kind": "status", "status": 503},
            {"kind": "reset"},
            {"kind": "cut"},
        ):
            world.fault(path="*/virtualMachines/*", count=1, **fields)
            assert (await compute.read_vm(session, target.item.id)).name == "web-01", fields
            world.fault(path="*ResourceGraph*", count=1, **fields)
            assert await inventory.read_vaults(session), fields


async def test_a_lost_answer_is_found_again(world: Emulator) -> None:
    """The service took the request and the line broke: in doubt, found by our id, sent once."""
    async with session_on(world) as session:
        target = await aim(session)
        item = (await fleet(session))["dc-02"]
        assert item.backup is not None
        before, request_id, requests = session.service_now(), str(uuid.uuid4()), len(world.requests())
        world.fault("reset", path="*/backup", method="POST", after=True)
        with pytest.raises(Unreachable) as lost:
            await backup.trigger(session, item.backup.item_id, before + timedelta(days=9), request_id)
        assert not certainly_not_done(lost.value)
        job = await backup.find_job(session, item.backup.vault_id, item.key, before, request_id)
        assert job is not None
        assert job.client_request_id == request_id
        assert len(world.requests()) == requests + 1
        assert target.session is session


async def test_a_known_wait_sends_nothing(world: Emulator) -> None:
    lines: list[RequestLine] = []
    async with session_on(world, on_request=lines.append) as session:
        target = await aim(session)
        message = "Number of requests exceeded. Please try again after '324' seconds."
        world.fault(
            "status", path="*/backupJobs/*", status=429, message=message, code="ResourceRequestsThrottled"
        )
        with pytest.raises(Throttled) as refused:
            await jobs.read_job(session, target.backup_job)
        assert refused.value.retry_after_s == 324
        lines.clear()
        with pytest.raises(Throttled) as held:
            await jobs.read_job(session, target.backup_job)
        assert lines == []
        assert held.value.retry_after_s is not None
        assert 320 < held.value.retry_after_s <= 324
        assert 320 < session.budget.hold_off_s("Microsoft.RecoveryServices/vaults/backupJobs/read") <= 324


async def test_an_endpoint_that_is_not_there(world: Emulator) -> None:
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    from azure_ops.cloud import CloudSettings

    settings = CloudSettings(name="custom", arm_endpoint=f"https://127.0.0.1:{port}", ca_file=world.ca_file)
    async with Session(settings) as session:
        with pytest.raises(Unreachable, match=r"no connection to 127\.0\.0\.1") as refused:
            await session.subscriptions()
        assert certainly_not_done(refused.value)


async def test_a_certificate_that_nobody_vouches_for(world: Emulator) -> None:
    from azure_ops.cloud import CloudSettings

    async with Session(CloudSettings(name="custom", arm_endpoint=world.endpoint)) as session:
        with pytest.raises(Unreachable, match="certificate") as refused:
            await session.subscriptions()
        assert "--ca" in refused.value.hint


async def test_no_credential_at_all(world: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("IDENTITY_ENDPOINT")
    monkeypatch.delenv("IDENTITY_HEADER")
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
    async with session_on(world) as session:
        with pytest.raises(SignInNeeded, match="not signed in") as refused:
            await session.subscriptions()
        assert "az login" in refused.value.hint


async def test_a_wrong_name_of_a_credential(world: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "NoSuchCredential")
    with pytest.raises(SignInNeeded, match="AZURE_TOKEN_CREDENTIALS"):
        await session_on(world).open()


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:1", "https://", "nonsense"])
async def test_an_endpoint_that_is_none(endpoint: str) -> None:
    from azure_ops.cloud import CloudSettings

    with pytest.raises(Unreachable, match="no https address"):
        await Session(CloudSettings(name="custom", arm_endpoint=endpoint)).open()


async def test_a_ca_file_that_is_none(world: Emulator, tmp_path: Path) -> None:
    broken = tmp_path / "ca.pem"
    broken.write_text("no certificate")
    from azure_ops.cloud import CloudSettings

    for ca_file in (str(broken), str(tmp_path / "missing.pem")):
        with pytest.raises(Unreachable, match="cannot be used") as refused:
            await Session(CloudSettings(name="custom", arm_endpoint=world.endpoint, ca_file=ca_file)).open()
        assert "--ca" in refused.value.hint
