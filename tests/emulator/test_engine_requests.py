"""The request that a plan shows is the request that is sent: method, path, version and body."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import unquote, urlsplit

import aiohttp
import msgspec
import pytest

from azure_ops.actions import by_id
from azure_ops.actions.spec import Context, Draft, Step
from azure_ops.engine.details import read_item
from azure_ops.errors import RecoveryError
from azure_ops.journal.store import Entry
from azure_ops.model import FleetItem, JobState, Plan, PlannedRequest, Risk
from azure_ops.services import disks, jobs
from azure_ops.services.session import Session

from ..support import Emulator
from .sessions import fleet, session_on

Sent = list[tuple[str, str, str]]
QUESTIONS = ("/Microsoft.ResourceGraph/resources", "/backupStatus")
"""These POSTs change nothing."""


@pytest.fixture
async def session(emulator_env: Emulator) -> AsyncIterator[Session]:
    async with session_on(emulator_env) as opened:
        yield opened


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    """(method, decoded path and query, body) of every changing request as it leaves."""
    seen: Sent = []
    original = aiohttp.ClientSession._request

    async def watching(self: aiohttp.ClientSession, method: str, url: Any, **options: Any) -> Any:
        parts = urlsplit(str(url))
        if method in ("POST", "PUT", "PATCH", "DELETE") and not parts.path.endswith(QUESTIONS):
            data = options.get("data")
            body = data.decode() if isinstance(data, bytes) else str(data or "")
            seen.append((method, unquote(parts.path) + "?" + parts.query, body))
        return await original(self, method, url, **options)

    monkeypatch.setattr(aiohttp.ClientSession, "_request", watching)
    return seen


def entry_of(session: Session, action: str, target: FleetItem | None, step: Step) -> Entry:
    now = session.service_now()
    return Entry(
        id=str(uuid.uuid4()),
        plan_id="plan",
        action=action,
        title=step.title,
        target_key=target.key if target else step.target_id.lower(),
        target_name=target.name if target else "job",
        target_id=step.target_id,
        request_id=str(uuid.uuid4()),
        arguments=step.arguments,
        plan=Plan(
            id="plan",
            action=action,
            title="",
            risk=Risk.LOOK,
            keys=(),
            names=(),
            consequences=(),
            requests=(step.request,),
        ),
        confirmed_by="test",
        created_at=now,
        service_created_at=now,
    )


async def draft_of(
    session: Session, action: str, target: Any, answers: dict[str, str]
) -> tuple[Context, Draft]:
    context = Context(session=session, jobs={})
    plan = by_id(action).plan
    assert plan is not None
    return context, await plan(context, target, answers)


def check_same(planned: PlannedRequest, sent: tuple[str, str, str]) -> None:
    method, url, body = sent
    assert (planned.method, unquote(planned.url)) == (method, url)
    assert (json.loads(planned.body) if planned.body else None) == (json.loads(body) if body else None)


async def answers_for(session: Session, action: str, item: FleetItem) -> dict[str, str]:
    choices = by_id(action).choices
    if choices is None:
        return {}
    form = await choices(Context(session=session, jobs={}), [item])
    return {field.id: field.default for field in form.fields}


@pytest.mark.parametrize(
    ("action", "name", "more"),
    [
        ("backup-now", "mon-01", {}),
        ("backup-now", "mon-01", {"expires": "2027-01-31"}),
        ("snapshot-disks", "sql-01", {}),
        ("snapshot-disks", "sql-01", {"kind": "full"}),
        ("test-failover", "app-01", {}),
        ("test-failover", "app-01", {"point": "latest-processed"}),
        ("clean-up-test-failover", "sql-02", {"comments": "went well — „gut“"}),
        ("failover", "app-01", {}),
        ("failover", "app-01", {"shut-down": "no", "point": "latest-app-consistent"}),
        ("commit-failover", "file-01", {}),
        ("protect", "jump-01", {}),
        ("protect", "jump-01", {"disks": "os"}),
        ("change-policy", "app-01", {"disks": "all", "leave-out": "0"}),
        ("stop-protection", "app-01", {}),
        ("resume-protection", "print-01", {}),
        ("delete-backups", "app-01", {}),
    ],
)
async def test_what_is_planned_is_what_is_sent(
    session: Session, sent: Sent, action: str, name: str, more: dict[str, str]
) -> None:
    verb = by_id(action)
    rows = [item for item in (await fleet(session)).values() if item.exists]
    row = next(item for item in rows if item.name == name and verb.why_not(item) is None)
    item = await read_item(session, row)
    answers = await answers_for(session, action, item) | more
    context, draft = await draft_of(session, action, item, answers)
    assert draft.refused == ()
    assert draft.steps
    assert sent == [], "making a plan changes nothing"
    assert verb.run is not None
    assert verb.find is not None
    for step in draft.steps:
        entry = entry_of(session, action, item, step)
        assert await verb.find(context, entry) is None
        submitted = await verb.run(context, entry)
        assert len(sent) == 1
        check_same(step.request, sent.pop())
        found = await verb.find(context, entry)
        assert found is not None
        # The change of a backup item tells its job only when it is done.
        assert submitted.job_id.lower() in ("", found.job_id.lower())
        other = msgspec.structs.replace(
            entry, request_id=str(uuid.uuid4()), arguments={**entry.arguments, "tag": str(uuid.uuid4())}
        )
        assert await verb.find(context, other) is None, "another's job was taken for ours"


@pytest.mark.parametrize(("action", "name"), [("backup-now", "mon-01"), ("failover", "app-01")])
async def test_a_cancellation_is_sent_as_planned(
    emulator_env: Emulator, session: Session, sent: Sent, action: str, name: str
) -> None:
    item = await read_item(session, (await fleet(session))[name])
    answers = await answers_for(session, action, item)
    context, draft = await draft_of(session, action, item, answers)
    run = by_id(action).run
    assert run is not None
    submitted = await run(context, entry_of(session, action, item, draft.steps[0]))
    sent.clear()
    emulator_env.advance(10)
    job = await jobs.read_job(session, submitted.job_id)
    cancel = by_id("cancel-job")
    assert cancel.why_not(job) is None
    _, cancellation = await draft_of(session, "cancel-job", job, {})
    step = cancellation.steps[0]
    entry = entry_of(session, "cancel-job", None, step)
    assert cancel.run is not None
    assert cancel.find is not None
    assert await cancel.find(context, entry) is None
    await cancel.run(context, entry)
    check_same(step.request, sent.pop())
    assert sent == []
    found = await cancel.find(context, entry)
    assert found is not None
    assert found.job_id == submitted.job_id


async def test_a_deletion_is_sent_as_planned(session: Session, sent: Sent) -> None:
    disk = await disks.read_disk(session, (await fleet(session))["web-01"].disks[0].id)
    delete = by_id("delete-disk")
    assert delete.why_not(disk) == "it is attached to web-01"
    context, draft = await draft_of(session, "delete-disk", disk, {})
    step = draft.steps[0]
    entry = entry_of(session, "delete-disk", None, step)
    assert delete.run is not None
    assert delete.find is not None
    with pytest.raises(RecoveryError, match="attached to VM"):
        await delete.run(context, entry)
    check_same(step.request, sent.pop())
    assert sent == []
    assert await delete.find(context, entry) is None


async def test_a_resize_is_sent_as_planned(session: Session, sent: Sent) -> None:
    item = await read_item(session, (await fleet(session))["web-01"])
    verb = by_id("resize-vm")
    context, draft = await draft_of(session, "resize-vm", item, {"size": "Standard_D4s_v5"})
    step = draft.steps[0]
    entry = entry_of(session, "resize-vm", item, step)
    assert verb.run is not None
    assert verb.find is not None
    assert await verb.find(context, entry) is None
    await verb.run(context, entry)
    check_same(step.request, sent.pop())
    assert sent == []
    found = await verb.find(context, entry)
    assert found is not None
    assert (await jobs.read_job(session, found.job_id)).state is JobState.RUNNING
