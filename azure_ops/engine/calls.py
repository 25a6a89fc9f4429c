"""What the engine answers to each call of a console."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, assert_never

from .. import wire
from ..errors import EngineUnavailable, NotFound, RecoveryError, Refused
from ..model import Details, FleetItem, Job
from ..services.throttling import LOOKING_LEAVES, leaving
from .leftovers import FRESH_S

if TYPE_CHECKING:
    from .console import Console
    from .host import Engine
    from .services import Services
    from .watch import Watcher

ServiceRequest = (
    wire.GetDetails | wire.GetRaw | wire.GetJob | wire.GetVaults | wire.Prepare | wire.Precheck
    | wire.MakePlan | wire.Confirm | wire.EndAccess | wire.GiveUp | wire.WriteHandover | wire.Refresh
)  # fmt: skip

log = logging.getLogger(__name__)


async def answer_call(engine: Engine, console: Console, call: wire.Call) -> None:
    """Answer one call, whatever happens: an error crosses the socket as a note, never as silence."""
    try:
        result = await _result(engine, console, call.request)
    except RecoveryError as problem:
        console.reply(wire.Failure(number=call.number, error=problem.note()))
    except asyncio.CancelledError:
        gone = EngineUnavailable("The engine is ending.", "Start azrecover again; operations go on in Azure.")
        console.reply(wire.Failure(number=call.number, error=gone.note()))
        raise
    except Exception as problem:
        log.exception("Call %s failed in an unexpected way", type(call.request).__name__)
        fault = RecoveryError(
            f"azrecover failed inside: {type(problem).__name__}.",
            "Nothing more was sent; see `azrecover engine log`.",
            details=str(problem)[:500],
        )
        console.reply(wire.Failure(number=call.number, error=fault.note()))
    else:
        console.reply(wire.Reply(number=call.number, result=result))


async def _result(engine: Engine, console: Console, request: wire.Request) -> wire.Result:
    match request:
        case wire.GetStatus():
            return wire.GotStatus(status=engine.status())
        case wire.Stop():
            asyncio.get_running_loop().call_soon(engine.stop)
            return wire.Done()
        case wire.Pause():
            console.paused = request.paused
            engine.looks_changed()
            return wire.Done()
        case wire.OpenPoint():
            return await engine.files.open_point(console, request, await engine.services())
        case (
            wire.OpenFiles() | wire.OpenFileSystem() | wire.IdentifyVolumes() | wire.UnlockVolume()
            | wire.ListFiles() | wire.FindFiles() | wire.LookUpPath() | wire.ReadFile() | wire.HashFile()
            | wire.CountFiles() | wire.CheckPlace() | wire.RestoreFiles() | wire.ResumeRestore()
            | wire.GetRestore() | wire.ControlRestore() | wire.CloseFiles()
        ):  # fmt: skip
            return await engine.files.answer(console, request)
        case _:
            return await _service_result(await engine.services(), console, request)


async def _service_result(services: Services, console: Console, request: ServiceRequest) -> wire.Result:
    match request:
        case wire.Refresh():
            services.leftovers.poke(older_than_s=FRESH_S)
            services.elsewhere.poke(older_than_s=FRESH_S)
            await services.watcher.refresh()
            await services.elsewhere.catch_up()
            return wire.Done()
        case wire.GetDetails():
            return wire.GotDetails(details=await _details(services, request))
        case wire.GetRaw():
            return wire.GotRaw(document=await services.details.raw(request.key, request.part))
        case wire.GetJob():
            return wire.GotJob(job=await _job(services, request.job_id))
        case wire.GetVaults():
            with leaving(LOOKING_LEAVES):
                return wire.GotVaults(vaults=await services.vaults.read(request.ids, fresh=request.fresh))
        case wire.Prepare():
            form, checks = await services.runner.prepare(request.action, request.keys, request.answers)
            return wire.Prepared(form=form, checks=checks)
        case wire.Precheck():
            checks, refused = await services.runner.precheck(request.action, request.keys)
            return wire.Prechecked(checks=checks, refused=refused)
        case wire.MakePlan():
            return wire.GotPlan(
                plan=await services.runner.make_plan(request.action, request.keys, request.answers)
            )
        case wire.Confirm():
            return await services.runner.confirm(
                request, confirmed_by=console.label, read_only=console.read_only
            )
        case wire.EndAccess():
            if console.read_only:
                raise Refused("This console is read-only.", "Access is left as it is.")
            await services.access.end_left(request.operation_id)
            return wire.Done()
        case wire.GiveUp():
            await services.runner.give_up(request, given_up_by=console.label, read_only=console.read_only)
            return wire.Done()
        case wire.WriteHandover():
            return await services.hand_over(console.label, request.keys)
        case _:
            assert_never(request)


async def _details(services: Services, request: wire.GetDetails) -> Details:
    item = known_item(services.watcher, request.key)
    with leaving(LOOKING_LEAVES):
        details = await services.details.read(item, fresh=request.fresh, secondary=request.secondary)
    services.watcher.lay_over(details.item)
    return details


async def _job(services: Services, job_id: str) -> Job:
    from ..services import jobs

    job = await jobs.read_job(services.session, job_id)
    services.watcher.saw_job(job)
    return job


def known_item(watcher: Watcher, key: str) -> FleetItem:
    item = watcher.item(key.lower())
    if item is None:
        raise NotFound(
            f"{key.rsplit('/', 1)[-1]} is not in the fleet.", "Press r to read the fleet again.", resource=key
        )
    return item
