"""From a key to a started operation: target → form → plan → confirmation → engine, one coroutine for all.

The target objects are taken at the moment of the key and never looked up again by row. Called by `app.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

import msgspec

from azure_ops import wire
from azure_ops.errors import RecoveryError, Refused
from azure_ops.model import FleetItem, Form, Job, Operation, Option, Phase, Plan, Risk, Subscription
from widgets.plain_text import visible

if TYPE_CHECKING:
    from azure_ops.actions.spec import Action, Target

    from .app import ConsoleApp
    from .screens.confirm import Consent

Answer = TypeVar("Answer")
NOTHING: Mapping[str, Option] = MappingProxyType({})
NO_ANSWERS: Mapping[str, str] = MappingProxyType({})
AGAIN = (Phase.FAILED, Phase.CANCELLED, Phase.NOT_SENT)
READ_ONLY_REASON = "This console is read-only."


@cache
def actions() -> Mapping[str, Action]:
    """All verbs by id. Not loaded with this module: their many files would be felt before the first frame."""
    from azure_ops.actions import ALL

    return {action.id: action for action in ALL}


def key_of(target: Target) -> str:
    return target.key if isinstance(target, FleetItem) else target.id


def name_of(target: Target) -> str:
    if isinstance(target, Job):
        return visible(target.title or target.operation)
    if isinstance(target, Subscription):
        return visible(target.name or f"subscription {target.id.rsplit('/', 1)[-1]}")
    return visible(target.name)


class Flows:
    """At most one flow at a time; another one replaces it while it has sent nothing yet."""

    def __init__(self, app: ConsoleApp) -> None:
        self._app = app
        self._sending = False

    def why_not(self, action: Action, target: Target) -> str:
        """The reason in one line, empty when it may be tried; the one place that knows read-only mode."""
        if action.risk > Risk.LOOK and self._app.read_only:
            return READ_ONLY_REASON
        return self._unread(action, target) or action.why_not(target) or self._busy(action, target)

    def _busy(self, action: Action, target: Target) -> str:
        """What holds the target; the engine refuses by the same rule. Reading files holds nothing."""
        from azure_ops.actions.spec import key_of
        from azure_ops.preflight import holding

        running = [] if action.opens else holding(key_of(target), self._app.state.operations.values())
        return f"busy: {visible(running[0].title)} runs" if running else ""

    def _unread(self, action: Action, target: Target) -> str:
        """A part of the row that nobody has read yet is not a part that it lacks."""
        if not isinstance(target, FleetItem):
            return ""
        unread = self._app.state.unread()
        if "replication" in action.needs and target.replication is None and "replication" in unread:
            return "Its replication has not been read yet."
        if "backup" in action.needs and target.backup is None and "backup" in unread:
            return "Its backup has not been read yet."
        if target.vm_unread and "vm" in action.needs:
            return "The virtual machine itself has not been read yet."
        return ""

    def start(
        self,
        action_id: str,
        targets: Sequence[Target],
        chosen: Mapping[str, Option] = NOTHING,
        answers: Mapping[str, str] = NO_ANSWERS,
    ) -> None:
        """`chosen` and `answers` stand in the form already, by field id, as far as the form asks for them;
        what is `chosen` is offered there whatever else is."""
        action = actions()[action_id]
        if self._sending:
            self._app.tell("The operation before this one is just being sent.", "warning")
        elif not targets:
            self._app.tell(f"{action.title}: there is nothing under the cursor for it.", "warning")
        else:
            before = {**answers, **{id: option.value for id, option in chosen.items()}}
            flow = self._guarded(action, tuple(targets), before, chosen)
            self._app.run_worker(flow, group="flow", exclusive=True, exit_on_error=False)

    def _give_up(self) -> None:
        self._app.workers.cancel_group(self._app, "flow")

    def try_again(self, operation: Operation) -> None:
        """The same action with the same answers: a form and a plan of their own, never the old request."""
        reason = self.why_not_again(operation)
        item = self._app.state.items.get(operation.target_key)
        if reason or item is None:
            self._app.tell(reason, "warning", title=f"{operation.title} cannot be tried again")
        else:
            self.start(operation.action, [item], answers=operation.answers)

    def why_not_again(self, operation: Operation) -> str:
        """Empty when it may be tried."""
        from azure_ops.actions.spec import TargetKind

        action = actions().get(operation.action)
        item = self._app.state.items.get(operation.target_key)
        if operation.phase not in AGAIN:
            return "Only what failed, was cancelled or was not sent is tried again."
        if action is None or action.target is not TargetKind.VM:
            return "It is not about a virtual machine; open it anew where it was started."
        if item is None:
            return "Its virtual machine is not in the fleet (any more)."
        return self.why_not(action, item)

    async def _guarded(
        self,
        action: Action,
        targets: tuple[Target, ...],
        before: dict[str, str],
        chosen: Mapping[str, Option],
    ) -> None:
        try:
            await self._run(action, targets, before, chosen)
        except RecoveryError as error:
            await self._app.show_error(f"{action.title} {action.of} {_names(targets)}", error)

    async def _run(
        self,
        action: Action,
        targets: tuple[Target, ...],
        before: dict[str, str],
        chosen: Mapping[str, Option],
    ) -> None:
        targets = self._possible(action, targets)
        if not targets:
            return
        keys = tuple(key_of(target) for target in targets)
        while (answers := await self._ask(action, targets, keys, before, chosen)) is not None:
            request = wire.MakePlan(action=action.id, keys=keys, answers=answers)
            line = f"{action.title}: making the plan for {_names(targets)} …"
            made = await self.wait(line, self._app.link.ask(request, wire.GotPlan))
            if action.opens:
                if await self._open(made.plan, keys[0], answers) or not made.plan.amend:
                    return
                before = answers
                continue
            started = await self._confirm(made.plan)
            if started:
                self._app.operations_started(made.plan, started)
            if not made.plan.amend:
                return
            before = answers

    async def _open(self, plan: Plan, key: str, answers: dict[str, str]) -> bool:
        """Confirmed like any plan, and then shown at once: opening goes on there."""
        from .file_opening import PointOpener
        from .screens.confirm import ConfirmPlan
        from .screens.files import FilesScreen

        if await self._app.push_screen_wait(ConfirmPlan(plan, (), self._exact)) is None:
            return False
        if self._app.read_only:
            raise Refused(READ_ONLY_REASON, "Start without --read-only and without read_only in config.toml.")
        opener = PointOpener(f"files of {plan.names[0]}", key, answers, plan.id)
        self._app.push_screen(FilesScreen(self._app, (), opener))
        return True

    async def wait(self, line: str, work: Awaitable[Answer], *, sending: bool = False) -> Answer:
        """The answer; meanwhile keys go nowhere."""
        from .screens.waiting import Waiting

        waiting = Waiting(line, None if sending else self._give_up)
        self._app.push_screen(waiting)
        self._sending = sending
        try:
            return await work
        finally:
            self._sending = False
            waiting.over()

    def _possible(self, action: Action, targets: tuple[Target, ...]) -> tuple[Target, ...]:
        """Those on which it may be tried; the others are told with their reasons."""
        if len(targets) > 1 and not action.many:
            self._app.tell(f"{action.title} takes one target at a time: clear the marks with esc.", "warning")
            return ()
        reasons = {key_of(target): self.why_not(action, target) for target in targets}
        possible = tuple(target for target in targets if not reasons[key_of(target)])
        for target in targets:
            reason = reasons[key_of(target)]
            if reason:
                self._app.tell(
                    f"{name_of(target)}: {reason}", "warning", title=f"{action.title} is not possible"
                )
        return possible

    async def _ask(
        self,
        action: Action,
        targets: tuple[Target, ...],
        keys: tuple[str, ...],
        before: dict[str, str],
        chosen: Mapping[str, Option],
    ) -> dict[str, str] | None:
        """None when the user went back. What was answered before, and refused, stands in the form again."""
        early = asyncio.ensure_future(
            self._app.link.ask(wire.Precheck(action=action.id, keys=keys), wire.Prechecked)
        )
        try:
            return await self._ask_beside(early, action, targets, keys, before, chosen)
        finally:
            _drop(early)

    async def _ask_beside(
        self,
        early: asyncio.Task[wire.Prechecked],
        action: Action,
        targets: tuple[Target, ...],
        keys: tuple[str, ...],
        before: dict[str, str],
        chosen: Mapping[str, Option],
    ) -> dict[str, str] | None:
        """The form never waits for the early checks; where they are there first and say no, there is none."""
        title = f"{action.title} {action.of} {_names(targets)}"
        line = f"{action.title}: reading what can be chosen for {_names(targets)} …"
        at = ""
        while True:
            request = wire.Prepare(action=action.id, keys=keys, answers=before)
            try:
                prepared = await self.wait(line, self._app.link.ask(request, wire.Prepared))
            except RecoveryError:
                if not _says_no(early):
                    raise
                prepared = wire.Prepared(form=Form())
            if _says_no(early):
                await self._tell_refused(title, early.result())
                return None
            if not prepared.form.fields:
                return {}
            from .screens.action_form import ActionForm, AskAgain

            offered = offering(prepared.form, chosen)
            form = ActionForm(title, offered, prepared.checks, before, at, asyncio.shield(early))
            answers = await self._app.push_screen_wait(form)
            if not isinstance(answers, AskAgain):
                return answers
            before, at = answers.answers, answers.at

    async def _tell_refused(self, title: str, told: wire.Prechecked) -> None:
        from .screens.action_form import refusal_page
        from .screens.dialog import Message

        page = refusal_page(told.refused, told.checks)
        await self._app.push_screen_wait(Message(title, page, tone="-warning"))

    @property
    def _exact(self) -> str:
        return self._app.keys.shown("exact-path")

    async def _confirm(self, plan: Plan) -> tuple[str, ...]:
        """Ids of the started operations, none when the user went back."""
        from .screens.confirm import ConfirmPlan

        changes: tuple[str, ...] = ()
        while True:
            shown = ConfirmPlan(plan, changes, self._exact)
            consent: Consent | None = await self._app.push_screen_wait(shown)
            if consent is None:
                return ()
            answer = await self._send(plan, consent)
            if isinstance(answer, wire.Confirmed):
                return answer.operation_ids
            plan, changes = answer.plan, answer.changes

    async def _send(self, plan: Plan, consent: Consent) -> wire.Confirmed | wire.Replanned:
        if self._app.read_only:
            raise Refused(READ_ONLY_REASON, "Start without --read-only and without read_only in config.toml.")
        request = wire.Confirm(plan_id=plan.id, typed=consent.typed, understood=consent.understood)
        return await self.wait(f"{plan.title} …", self._app.link.confirm(request), sending=True)


def offering(form: Form, chosen: Mapping[str, Option]) -> Form:
    """The form with what was chosen elsewhere among its options: lists of points end somewhere, and a form
    whose choice is missing would quietly offer its first one. The engine looks at it again all the same."""
    fields = []
    for field in form.fields:
        option = chosen.get(field.id)
        known = {one.value.lower() for one in field.options}
        if option is not None and field.options and option.value.lower() not in known:
            field = msgspec.structs.replace(field, options=(*field.options, option))
        fields.append(field)
    return msgspec.structs.replace(form, fields=tuple(fields))


def _says_no(early: asyncio.Task[wire.Prechecked]) -> bool:
    if not early.done() or early.cancelled() or early.exception() is not None:
        return False
    return bool(early.result().refused)


def _drop(task: asyncio.Task[wire.Prechecked]) -> None:
    """Nobody waits for it any more, and what went wrong with it is told by the plan."""
    task.cancel()
    task.add_done_callback(lambda done: done.cancelled() or done.exception())


def _names(targets: Sequence[Target]) -> str:
    shown = [name_of(target) for target in targets[:3]]
    more = len(targets) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
