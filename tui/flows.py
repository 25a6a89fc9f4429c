"""From a key to a started operation: target → form → plan → confirmation → engine, one coroutine for all.

The target objects are taken at the moment of the key and never looked up again by row. Called by `app.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from azure_ops import wire
from azure_ops.errors import RecoveryError, Refused
from azure_ops.model import FleetItem, Plan, Risk
from widgets.plain_text import visible

if TYPE_CHECKING:
    from azure_ops.actions.spec import Action, Target

    from .app import ConsoleApp
    from .screens.confirm import Consent

Answer = TypeVar("Answer")
READ_ONLY_REASON = "This console is read-only."


@cache
def actions() -> Mapping[str, Action]:
    """All verbs by id. Not loaded with this module: their many files would be felt before the first frame."""
    from azure_ops.actions import ALL

    return {action.id: action for action in ALL}


def key_of(target: Target) -> str:
    return target.key if isinstance(target, FleetItem) else target.id


def name_of(target: Target) -> str:
    return visible(target.name if isinstance(target, FleetItem) else target.title or target.operation)


class Flows:
    """At most one flow at a time; another one replaces it while it has sent nothing yet."""

    def __init__(self, app: ConsoleApp) -> None:
        self._app = app
        self._sending = False

    def why_not(self, action: Action, target: Target) -> str:
        """The reason in one line, empty when it may be tried; the one place that knows read-only mode."""
        if action.risk > Risk.LOOK and self._app.read_only:
            return READ_ONLY_REASON
        return self._unread(action, target) or action.why_not(target) or ""

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

    def start(self, action_id: str, targets: Sequence[Target]) -> None:
        action = actions()[action_id]
        if self._sending:
            self._app.tell("The operation before this one is just being sent.", "warning")
        elif not targets:
            self._app.tell(f"{action.title}: there is nothing under the cursor for it.", "warning")
        else:
            flow = self._guarded(action, tuple(targets))
            self._app.run_worker(flow, group="flow", exclusive=True, exit_on_error=False)

    def _give_up(self) -> None:
        self._app.workers.cancel_group(self._app, "flow")

    async def _guarded(self, action: Action, targets: tuple[Target, ...]) -> None:
        try:
            await self._run(action, targets)
        except RecoveryError as error:
            await self._app.show_error(f"{action.title} of {_names(targets)}", error)

    async def _run(self, action: Action, targets: tuple[Target, ...]) -> None:
        targets = self._possible(action, targets)
        if not targets:
            return
        keys = tuple(key_of(target) for target in targets)
        before: dict[str, str] = {}
        while (answers := await self._ask(action, targets, keys, before)) is not None:
            request = wire.MakePlan(action=action.id, keys=keys, answers=answers)
            line = f"{action.title}: making the plan for {_names(targets)} …"
            made = await self._wait(line, self._app.link.ask(request, wire.GotPlan))
            started = await self._confirm(made.plan)
            if started:
                self._app.operations_started(made.plan, started)
            if not made.plan.amend:
                return
            before = answers

    async def _wait(self, line: str, work: Awaitable[Answer], *, sending: bool = False) -> Answer:
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
        self, action: Action, targets: tuple[Target, ...], keys: tuple[str, ...], before: dict[str, str]
    ) -> dict[str, str] | None:
        """None when the user went back. What was answered before, and refused, stands in the form again."""
        line = f"{action.title}: reading what can be chosen for {_names(targets)} …"
        request = wire.Prepare(action=action.id, keys=keys)
        prepared = await self._wait(line, self._app.link.ask(request, wire.Prepared))
        if not prepared.form.fields:
            return {}
        from .screens.action_form import ActionForm

        title = f"{action.title} of {_names(targets)}"
        form = ActionForm(title, prepared.form, prepared.checks, before)
        return await self._app.push_screen_wait(form)

    async def _confirm(self, plan: Plan) -> tuple[str, ...]:
        """Ids of the started operations, none when the user went back."""
        from .screens.confirm import ConfirmPlan

        changes: tuple[str, ...] = ()
        while True:
            consent: Consent | None = await self._app.push_screen_wait(ConfirmPlan(plan, changes))
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
        return await self._wait(f"{plan.title} …", self._app.link.confirm(request), sending=True)


def _names(targets: Sequence[Target]) -> str:
    shown = [name_of(target) for target in targets[:3]]
    more = len(targets) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
