"""From a confirmed plan to open disks of a recovery point, and back: access, temporary disks, removal."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import msgspec

from .. import file_ways, wire
from ..actions.spec import Step
from ..errors import JobFailed, RecoveryError, Refused
from ..file_restore.disks import Disk, open_disks
from ..file_restore.page_blob import PageBlob
from ..file_ways import OPEN_FILES, RESTORE_DISKS, TEMPORARY, WayKind
from ..model import Phase, Plan

if TYPE_CHECKING:
    from .services import Services

log = logging.getLogger(__name__)

CACHE_BYTES = 64 * 1024 * 1024


class OpenedPoint(msgspec.Struct):
    sources: tuple[str, ...]
    """What the disks are, by which an interrupted restore is found again: the way to them is not in it."""
    title: str
    notes: tuple[str, ...]
    disks: list[Disk]
    release: Callable[[bool], Awaitable[None]]
    """After the disks were closed; True keeps temporary disks, for a restore of files that goes on later."""


class PointOpening:
    """One opening. `text` says what is waited for."""

    def __init__(self, services: Services, request: wire.OpenPoint, *, by: str, read_only: bool) -> None:
        self._services = services
        self._request = request
        self._by = by
        self._read_only = read_only
        self.text = "making the plan"

    async def run(self) -> OpenedPoint:
        plan, steps = await self._confirmed()
        if self._request.answers.get("way") == WayKind.RESTORE and not _grants(steps):
            plan, steps = await self._restored(plan)
        return await self._opened(plan, steps)

    async def _confirmed(self) -> tuple[Plan, tuple[Step, ...]]:
        """The plan that the user has seen; after a break the engine may be another one, and then the same
        point is opened anew. That never starts a second restore."""
        runner, request = self._services.runner, self._request
        plan_id, answers = request.plan_id, dict(request.answers)
        if not plan_id or not runner.knows(plan_id):
            if answers.get("way") == WayKind.RESTORE:
                answers["way"] = WayKind.RESTORED
            plan_id = (await runner.make_plan(OPEN_FILES, (request.key,), answers)).id
        kept = runner.opened(wire.Confirm(plan_id=plan_id), read_only=self._read_only)
        return kept.plan, kept.drafts[0].steps

    async def _restored(self, plan: Plan) -> tuple[Plan, tuple[Step, ...]]:
        """Temporary disks are made, as the plan says; the journal and the operations show it."""
        runner, request = self._services.runner, self._request
        self.text = "starting the restore of the disks"
        answers = {**request.answers, TEMPORARY: "yes"}
        restore = await runner.make_plan(RESTORE_DISKS, (request.key,), answers)
        if restore.refused:
            raise Refused(f"{restore.title}: {restore.refused[0]}.", "Nothing was sent.")
        answer = await runner.confirm(
            wire.Confirm(plan_id=restore.id), confirmed_by=self._by, read_only=self._read_only
        )
        if isinstance(answer, wire.Replanned):
            raise Refused(f"{restore.title}: {answer.changes[0]}.", "Nothing was sent; press the key again.")
        (id_,) = answer.operation_ids
        self.text = "restoring the disks; the operations (4) show how far it is"
        ended = await runner.at_its_end(id_)
        made = file_ways.restored_disks_of(ended)
        if ended.phase is not Phase.SUCCEEDED or not made:
            raise JobFailed(f"The disks were not restored: {ended.message}.", "Look at the operations (4).")
        self.text = "planning how to read the restored disks"
        answers = {**request.answers, "way": WayKind.RESTORED}
        fresh = await runner.make_plan(OPEN_FILES, (request.key,), answers)
        kept = runner.opened(wire.Confirm(plan_id=fresh.id), read_only=self._read_only)
        return plan, kept.drafts[0].steps

    async def _opened(self, plan: Plan, steps: tuple[Step, ...]) -> OpenedPoint:
        access = self._services.access
        self.text = "opening access to " + ", ".join(step.arguments["disk"] for step in steps)
        opening = [access.open(step, plan, by=self._by) for step in steps]
        found = await asyncio.gather(*opening, return_exceptions=True)
        blobs = [one for one in found if isinstance(one, PageBlob)]
        open_steps = [step for step, one in zip(steps, found, strict=True) if isinstance(one, PageBlob)]
        try:
            for one in found:
                if isinstance(one, BaseException):
                    raise one
            self.text = "reading the disks"
            disks = await open_disks(blobs, CACHE_BYTES)
        except BaseException:
            await self._release(open_steps, keep=True)
            raise

        async def release(keep: bool) -> None:
            await self._release(open_steps, keep=keep)

        first = steps[0].arguments
        return OpenedPoint(
            sources=tuple(f"{first['point']}/{step.arguments['disk']}" for step in steps),
            title=first["of"],
            notes=tuple(line for line in first["notes"].splitlines() if line),
            disks=disks,
            release=release,
        )

    async def _release(self, steps: list[Step], *, keep: bool) -> None:
        access = self._services.access
        closed = await asyncio.gather(*(access.close(step.target_id) for step in steps))
        for step, nothing_open in zip(steps, closed, strict=True):
            if nothing_open and not keep and step.arguments.get(TEMPORARY):
                await self._delete(step)

    async def _delete(self, step: Step) -> None:
        """As the confirmed plan said. What stands in the way leaves a loose end with the key that ends it."""
        runner = self._services.runner
        try:
            plan = await runner.make_plan("delete-disk", (step.target_id,), {})
            if plan.refused:
                raise Refused(f"{plan.title}: {plan.refused[0]}.")
            await runner.confirm(
                wire.Confirm(plan_id=plan.id, typed=plan.confirm_name, understood=True),
                confirmed_by=f"{self._by}, with the plan to read it",
                read_only=self._read_only,
            )
        except RecoveryError as problem:
            log.warning("The temporary disk %s is left: %s", step.target_id, problem)
            title = f"The temporary disk {step.arguments['disk']} is left: {problem.title}"
            self._services.notify(
                wire.Notice(severity="warning", title=title, text="See the loose ends (L).")
            )
            self._services.leftovers.poke()


def _grants(steps: tuple[Step, ...]) -> bool:
    return all(step.request.url.split("?")[0].endswith("/beginGetAccess") for step in steps)
