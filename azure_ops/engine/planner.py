"""Forms and plans: targets are read anew, an action says what it would do, and the plan is kept until
confirmed."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec

from .. import preflight
from ..actions import by_id
from ..actions.scopes import known_permissions
from ..actions.spec import Action, Context, Draft, Target, TargetKind, key_of
from ..arm_ids import subscription_of
from ..errors import NotFound, RecoveryError, Refused, Throttled
from ..model import (
    Check,
    CheckState,
    FleetItem,
    Form,
    Job,
    Plan,
    PlannedRequest,
    RestoreTime,
    Risk,
    Subscription,
    Vault,
)
from .console import Board
from .details import read_parts

if TYPE_CHECKING:
    from ..services.session import Session
    from .watch import Watcher

PLANS_KEPT = 50
READS_AT_ONCE = 6
LONGEST_BATCH = 50
LONGEST_WAIT_S = 10.0
"""A target that is throttled for no longer is waited for: the key was pressed, the budget is for this."""
BESIDES_S = 8.0
"""So long is waited for the parts of a row that an action does not need."""
PLAN_GOOD_S = 600.0
"""What a plan says of losses and ages is not true for longer; then it is made and shown anew."""


@dataclass(frozen=True, slots=True)
class KeptPlan:
    """A plan as it was shown, with what it was made from."""

    plan: Plan
    action: Action
    answers: Mapping[str, str]
    targets: tuple[Target, ...]
    drafts: tuple[Draft, ...]

    def changes_since(self, fresh: Sequence[Target]) -> list[str]:
        lines: list[str] = []
        for before, now in zip(self.targets, fresh, strict=True):
            lines += preflight.changes(name_of(before), preflight.facts(before), preflight.facts(now))
        return lines


class Planner:
    def __init__(
        self,
        session: Session,
        watcher: Watcher,
        board: Board,
        times: Callable[[], tuple[RestoreTime, ...]] = tuple,
    ) -> None:
        """`times`: how long restores took here."""
        self._times = times
        self._session = session
        self._watcher = watcher
        self._board = board
        self._plans: OrderedDict[str, KeptPlan] = OrderedDict()
        self._reads = asyncio.Semaphore(READS_AT_ONCE)
        self._unread: dict[str, dict[str, RecoveryError]] = {}
        self._shown_at: dict[str, float] = {}

    def context(self, answers: Mapping[str, str] = MappingProxyType({})) -> Context:
        snapshot = self._board.snapshot
        fleet = snapshot.items if snapshot else {}
        return Context(
            session=self._session, jobs=self._board.jobs, fleet=fleet, answers=answers,
            operations=self._board.operations, times=self._times(),
        )  # fmt: skip

    async def prepare(
        self, action_id: str, keys: Sequence[str], answers: Mapping[str, str]
    ) -> tuple[Form, tuple[Check, ...]]:
        """Raises Refused when the action is not possible on any of these targets."""
        action = by_id(action_id)
        targets = await self.fresh_targets(action, keys)
        possible = [target for target in targets if action.why_not(target) is None]
        if not possible:
            raise Refused(f"{action.title}: {action.why_not(targets[0])}.", "Nothing was sent.")
        checks: list[Check] = []
        for target in possible:
            if isinstance(target, FleetItem) and not action.opens:
                found = preflight.running_checks(
                    target, self._board.jobs.values(), self._board.operations.values()
                )
                checks += found if len(possible) == 1 else _for_row(target.name, found)
        form = await action.choices(self.context(answers), possible) if action.choices else Form()
        return msgspec.structs.replace(form, checks=()), (*checks, *form.checks)

    async def precheck(
        self, action_id: str, keys: Sequence[str]
    ) -> tuple[tuple[Check, ...], tuple[str, ...]]:
        """What can be said before anything is answered, of the rows as last read: checks, and why it cannot
        succeed whatever is answered."""
        action = by_id(action_id)
        targets = [target for key in keys if (target := self._known(action, key)) is not None]
        found = await asyncio.gather(*(self._precheck(action, target) for target in targets))
        many = len(targets) > 1
        checks: list[Check] = []
        refused: list[str] = []
        for target, of_one in zip(targets, found, strict=True):
            checks += _for_row(name_of(target), of_one) if many else of_one
            failed = [
                f"{check.label}: {check.detail}" for check in of_one if check.state is CheckState.FAILED
            ]
            refused += [f"{name_of(target)}: {failed[0]}"] if failed else []
        return tuple(checks), tuple(refused) if targets and len(refused) == len(targets) else ()

    def _known(self, action: Action, key: str) -> Target | None:
        if action.target is TargetKind.VM:
            return self._watcher.item(key.lower())
        if action.target is TargetKind.VAULT:
            return next((one for one in self._watcher.vaults if one.id.lower() == key.lower()), None)
        return self._board.jobs.get(key.lower()) if action.target is TargetKind.JOB else None

    async def _precheck(self, action: Action, target: Target) -> list[Check]:
        snapshot = self._board.snapshot
        needed = known_permissions(action, target, snapshot.vaults if snapshot else ())
        checks, early = await asyncio.gather(self._permissions(needed), self._early(action, target))
        return [*checks, *early]

    async def _early(self, action: Action, target: Target) -> tuple[Check, ...]:
        if action.early is None or action.why_not(target) is not None:
            return ()
        try:
            async with self._reads:
                return await action.early(self.context(), target)
        except RecoveryError as problem:
            return (preflight.could_not_check("What else can be checked beforehand", problem),)

    async def make_plan(self, action_id: str, keys: Sequence[str], answers: Mapping[str, str]) -> Plan:
        action = by_id(action_id)
        return (await self._make(action, await self.fresh_targets(action, keys), answers)).plan

    async def remake(self, kept: KeptPlan, targets: Sequence[Target]) -> Plan:
        """The plan as it is now that its targets have changed."""
        return (await self._make(kept.action, targets, kept.answers)).plan

    def knows(self, plan_id: str) -> bool:
        return plan_id in self._plans

    def kept(self, plan_id: str) -> KeptPlan:
        found = self._plans.get(plan_id)
        if found is None:
            raise Refused("This plan is no longer known.", "Open the action again; nothing was sent.")
        return found

    def used(self, plan_id: str) -> None:
        """A plan is good for one confirmation."""
        self._plans.pop(plan_id, None)
        self._shown_at.pop(plan_id, None)

    def outdated(self, kept: KeptPlan, fresh: Sequence[Target]) -> list[str]:
        """Why the plan must be shown anew before it is confirmed: one line for each reason."""
        lines = kept.changes_since(fresh)
        lines += [
            f"{name_of(target)}: what was chosen has expired, at {draft.good_until:%Y-%m-%d %H:%M} UTC"
            for target, draft in zip(kept.targets, kept.drafts, strict=True)
            if draft.good_until is not None and draft.good_until <= self._session.service_now()
        ]
        shown_s = time.monotonic() - self._shown_at.get(kept.plan.id, 0.0)
        if shown_s > PLAN_GOOD_S:
            lines.append(f"the plan was made {preflight.span(shown_s)} ago: what is lost may be more now")
        return lines

    async def fresh_targets(self, action: Action, keys: Sequence[str]) -> list[Target]:
        """Each target once, however often and in whatever letters it is named."""
        wanted = {key.lower(): key for key in keys}.values()
        if not wanted or (len(wanted) > 1 and not action.many) or len(wanted) > LONGEST_BATCH:
            most = LONGEST_BATCH if action.many else 1
            raise Refused(f"{action.title} takes one to {most} targets, not {len(wanted)}.")
        return list(await asyncio.gather(*(self._fresh(action, key) for key in wanted)))

    async def _fresh(self, action: Action, key: str) -> Target:
        async with self._reads:
            try:
                return await self._fresh_now(action, key)
            except Throttled as problem:
                if (problem.retry_after_s or 0) > LONGEST_WAIT_S:
                    raise
                await asyncio.sleep(problem.retry_after_s or LONGEST_WAIT_S)
            return await self._fresh_now(action, key)

    async def _fresh_now(self, action: Action, key: str) -> Target:
        from ..services import disks, jobs

        if action.target is TargetKind.DISK:
            return await disks.read_disk(self._session, key)
        if action.target is TargetKind.JOB:
            job = await jobs.read_job(self._session, key)
            known = self._board.jobs.get(job.id.lower())
            self._watcher.saw_job(job)
            return known_target(job, known)
        if action.target is TargetKind.VAULT:
            return await self._fresh_vault(key)
        if action.target is TargetKind.SUBSCRIPTION:
            return await self._fresh_subscription(key)
        item = self._watcher.item(key.lower())
        if item is None:
            raise NotFound(f"{key.rsplit('/', 1)[-1]} is not in the fleet.", "Press r to read it again.")
        limits_s = {part: BESIDES_S for part in ("vm", "backup", "replication") if part not in action.needs}
        row, problems = await read_parts(self._session, item, limits_s=limits_s)
        for part, problem in problems.items():
            gone = part == "vm" and isinstance(problem, NotFound) and not action.without_vm
            if part in action.needs or gone:
                raise problem
        self._unread[row.key] = problems
        self._watcher.lay_over(row)
        return row

    async def _fresh_vault(self, key: str) -> Vault:
        from ..services import vaults

        # by its id as Azure writes it, which stands in what is sent
        known = next((vault.id for vault in self._watcher.vaults if vault.id.lower() == key.lower()), key)
        return await vaults.read_vault(self._session, known)

    async def _fresh_subscription(self, key: str) -> Subscription:
        names = await self._session.subscription_names()
        looked_at = await self._session.subscriptions()
        wanted = next((one for one in looked_at if f"/subscriptions/{one}".lower() == key.lower()), None)
        if wanted is None:
            raise NotFound(f"{key} is none of the subscriptions that are looked at.", "Choose another row.")
        return Subscription(id=f"/subscriptions/{wanted}", name=names.get(wanted, ""))

    async def _make(self, action: Action, targets: Sequence[Target], answers: Mapping[str, str]) -> KeptPlan:
        context = self.context()
        drafts = await asyncio.gather(*(self._draft(action, context, target, answers) for target in targets))
        missing = await asyncio.gather(*(self._permissions(draft.permissions) for draft in drafts))
        kept = assemble(action, answers, targets, drafts, missing, self._session.service_now())
        named = _named(kept.plan.requests, await self._subscription_names())
        kept = replace(kept, plan=msgspec.structs.replace(kept.plan, subscriptions=named))
        self._plans[kept.plan.id] = kept
        self._shown_at[kept.plan.id] = time.monotonic()
        while len(self._plans) > PLANS_KEPT:
            self.used(next(iter(self._plans)))
        return kept

    async def _subscription_names(self) -> Mapping[str, str]:
        try:
            return await self._session.subscription_names()
        except RecoveryError:
            return {}  # a plan without their names says all the same

    async def _draft(
        self, action: Action, context: Context, target: Target, answers: Mapping[str, str]
    ) -> Draft:
        reason = action.why_not(target)
        if reason is not None:
            return Draft(refused=(reason,))
        assert action.plan is not None
        checks: list[Check] = []
        if isinstance(target, FleetItem):
            snapshot = self._board.snapshot
            checks = preflight.namesake_checks(target, snapshot.items.values() if snapshot else ())
            if not action.opens:
                checks += preflight.running_checks(
                    target, self._board.jobs.values(), self._board.operations.values()
                )
            checks += preflight.unread_checks(self._unread.get(target.key, {}))
        elif isinstance(target, Job):
            checks = preflight.job_checks(target, self._board.operations.values())
        else:
            checks = preflight.held_checks(key_of(target), self._board.operations.values())
        async with self._reads:
            try:
                draft = await action.plan(context, target, answers)
            except RecoveryError as problem:
                amend = isinstance(problem, Refused) and bool(answers)
                reason = str(problem) if amend else f"the plan cannot be made: {problem}"
                return Draft(refused=(reason,), amend=amend)
        return msgspec.structs.replace(draft, checks=(*checks, *draft.checks))

    async def _permissions(self, needed: Iterable[tuple[str, str]]) -> list[Check]:
        from ..services import permissions

        scopes: dict[str, list[str]] = {}
        for scope, action in needed:
            scopes.setdefault(scope, []).append(action)
        checks: list[Check] = []
        for scope, actions in scopes.items():
            name = scope.rstrip("/").rsplit("/", 1)[-1]
            try:
                async with self._reads:
                    missing = await permissions.missing_actions(self._session, scope, actions)
            except RecoveryError as problem:
                checks.append(preflight.could_not_check(f"Permissions on {name}", problem))
            else:
                checks.append(preflight.permission_check(missing, name))
        return checks


def known_target(job: Job, listed: Job | None) -> Job:
    """A job read by itself does not always know its VM's row; the list does."""
    if listed is None or job.target_key:
        return job
    return msgspec.structs.replace(job, target_key=listed.target_key, target_name=listed.target_name)


def name_of(target: Target) -> str:
    if isinstance(target, Job):
        return target.target_name or target.title or target.operation
    if isinstance(target, Subscription):
        return target.name or target.id.rsplit("/", 1)[-1]
    return target.name


def assemble(
    action: Action,
    answers: Mapping[str, str],
    targets: Sequence[Target],
    drafts: Sequence[Draft],
    permissions: Sequence[list[Check]],
    now: datetime,
) -> KeptPlan:
    """One plan for all rows: those that cannot take part are left out and say why."""
    many = len(targets) > 1
    lines: dict[str, list[str]] = {"consequences": [], "losses": [], "refused": []}
    checks: list[Check] = []
    taken: list[tuple[Target, Draft]] = []
    for target, draft, allowed in zip(targets, drafts, permissions, strict=True):
        name = name_of(target)
        lacking = [f"{check.label}, {check.detail}" for check in allowed if check.state == "failed"]
        refused = [*draft.refused, *lacking]
        found = [*draft.checks, *allowed]
        checks += _for_row(name, found) if many else found
        if refused or not draft.steps:
            lines["refused"] += [f"{name}: {reason}" for reason in refused or ["there is nothing to do"]]
            continue
        taken.append((target, draft))
        for part in ("consequences", "losses"):
            said: tuple[str, ...] = getattr(draft, part)
            lines[part] += [text if not many or text.startswith(name) else f"{name}: {text}" for text in said]
    left_out = [f"Left out: {reason}" for reason in lines["refused"]] if taken else []
    names = tuple(_about(target, draft) for target, draft in taken) or tuple(
        name_of(target) for target in targets
    )
    plan = Plan(
        id=str(uuid.uuid4()),
        action=action.id,
        title=f"{action.title}: {names[0] if len(names) == 1 else f'{len(names)} rows'}",
        risk=action.risk,
        keys=tuple(key_of(target) for target, _ in taken) or tuple(key_of(target) for target in targets),
        names=names,
        consequences=(*lines["consequences"], *left_out),
        losses=tuple(lines["losses"]),
        checks=tuple(checks),
        requests=tuple(
            one for _, draft in taken for step in draft.steps for one in (*step.before, step.request)
        ),
        permissions=tuple(dict.fromkeys(p for draft in drafts for _, p in draft.permissions)),
        confirm_name=_confirm_name(action, names),
        refused=() if taken else tuple(lines["refused"]),
        amend=not taken and any(draft.amend for draft in drafts),
        made_at=now,
        leave=action.leave,
        go=action.go,
    )
    return KeptPlan(
        plan=plan,
        action=action,
        answers=dict(answers),
        targets=tuple(target for target, _ in taken),
        drafts=tuple(draft for _, draft in taken),
    )


def _about(target: Target, draft: Draft) -> str:
    """What is to be made has no row yet, but a name."""
    return next((step.about for step in draft.steps if step.about), name_of(target))


def _named(requests: Iterable[PlannedRequest], names: Mapping[str, str]) -> dict[str, str]:
    found = {subscription_of(one.url).lower() for one in requests}
    return {id.lower(): name for id, name in names.items() if name and id.lower() in found}


def _confirm_name(action: Action, names: Sequence[str]) -> str:
    if action.risk < Risk.CHANGES:
        return ""
    return names[0] if len(names) == 1 else f"{len(names)} VMs"


def _for_row(name: str, checks: Iterable[Check]) -> list[Check]:
    return [msgspec.structs.replace(check, label=f"{name}: {check.label}") for check in checks]
