"""What an action is: data, a pure reason why not, and coroutines that plan and run. Keys are not in it.

The console imports this for titles, risks and reasons; only the engine calls `choices`, `plan`, `run` and
`find`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from ..model import (
    Check,
    Fact,
    FleetItem,
    Form,
    Job,
    ManagedDisk,
    Operation,
    Output,
    PlannedRequest,
    RestoreTime,
    Risk,
    Subscription,
    Vault,
)

if TYPE_CHECKING:
    from ..engine.submitted import Submitted
    from ..journal.store import Entry
    from ..services.session import Session

Target = FleetItem | Job | Vault | Subscription | ManagedDisk
Value = TypeVar("Value")


class TargetKind(StrEnum):
    VM = "vm"
    JOB = "job"
    DISK = "disk"
    """A managed disk by itself: it has no row, the loose ends name it."""
    VAULT = "vault"
    SUBSCRIPTION = "subscription"


KINDS: dict[type[Target], TargetKind] = {
    FleetItem: TargetKind.VM,
    Job: TargetKind.JOB,
    Vault: TargetKind.VAULT,
    Subscription: TargetKind.SUBSCRIPTION,
    ManagedDisk: TargetKind.DISK,
}


def kind_of(target: Target) -> TargetKind:
    return KINDS[type(target)]


def key_of(target: Target) -> str:
    """The target's identity, by which it is held while an operation on it runs."""
    return target.key if isinstance(target, FleetItem) else target.id.lower()


class Step(Fact, frozen=True, kw_only=True):
    """One operation of a plan: exactly one changing request."""

    title: str
    target_id: str
    """ARM id that the request is about, such as the backup item, the replicated item or the snapshot to be
    made."""
    arguments: dict[str, str] = msgspec.field(default_factory=dict)
    """What `run` needs besides, journalled before anything is sent."""
    request: PlannedRequest
    before: tuple[PlannedRequest, ...] = ()
    """Sent first: what only opens the way for the request and changes nothing by itself."""
    about: str = ""
    """Name of what the operation is about, when that is not the target: something that is to be made."""


class Draft(Fact, frozen=True, kw_only=True):
    """What an action would do to one target."""

    steps: tuple[Step, ...] = ()
    consequences: tuple[str, ...] = ()
    losses: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    permissions: tuple[tuple[str, str], ...] = ()
    """(scope, action) pairs that must be allowed."""
    refused: tuple[str, ...] = ()
    amend: bool = False
    """Refused for the form's answers."""
    good_until: datetime | None = None
    """Of the service's time: what was chosen ends then, and the plan with it."""


class Context(msgspec.Struct, frozen=True):
    """What the engine lends an action."""

    session: Session
    jobs: Mapping[str, Job]
    """Everybody's jobs as last listed, by id in lower case."""
    fleet: Mapping[str, FleetItem] = {}
    """The rows as last read, by key."""
    answers: Mapping[str, str] = {}
    """What stands in the form already, for `choices` of which some depend on others."""
    operations: Mapping[str, Operation] = {}
    """Ours as last known, by id."""
    times: tuple[RestoreTime, ...] = ()
    """How long restores took on this machine."""
    shared: dict[str, asyncio.Future[Any]] = msgspec.field(default_factory=dict)

    async def once(self, what: str, read: Callable[[], Coroutine[Any, Any, Value]]) -> Value:
        """What several rows of one form or plan need is read for the first of them."""
        if what not in self.shared:
            self.shared[what] = asyncio.ensure_future(read())
        found: Value = await asyncio.shield(self.shared[what])
        return found

    def now(self) -> datetime:
        """The service's clock."""
        return self.session.service_now()


class Action(msgspec.Struct, frozen=True):
    """One verb."""

    id: str
    title: str
    target: TargetKind
    risk: Risk
    needs: tuple[str, ...] = ("vm",)
    """The parts of a row (`vm`, `backup`, `replication`) without which it cannot be planned. A region that is
    down takes the VM and perhaps its backup vault with it: that must not be in the way of its failover."""
    without_vm: bool = False
    """Also when the VM itself is gone: it is about what is left of it."""
    azure_operation: str = ""
    """Matched against the replicated item's `allowedOperations`; empty when Azure has no such list."""
    permissions: tuple[str, ...] = ()
    on_the_vm: tuple[str, ...] = ()
    """Those of `permissions` that are needed on the VM and in its group, whatever is answered."""
    early: Callable[[Context, Any], Awaitable[tuple[Check, ...]]] | None = None
    """Checks of one target that need no answers: made while the form is being filled in. One that fails means
    that no answer will do."""
    why_not: Callable[[Any], str | None] = lambda _: None
    """Pure and instant: None when it may be tried on this target, else the reason in one line."""
    choices: Callable[[Context, Sequence[Any]], Awaitable[Form]] | None = None
    """What the form offers for these targets; None when there is nothing to ask."""
    plan: Callable[[Context, Any, Mapping[str, str]], Awaitable[Draft]] | None = None
    """What will happen to one target, given the form's answers. Reads only."""
    run: Callable[[Context, Entry], Awaitable[Submitted]] | None = None
    """Sends the one changing request of a journalled step."""
    find: Callable[[Context, Entry], Awaitable[Submitted | None]] | None = None
    """Looks for what an operation in doubt did. Reads only."""
    made: Callable[[Context, Entry, Job], Awaitable[tuple[Output, ...]]] | None = None
    """What a finished operation made or left, to be shown and copied. Reads only."""
    opens: bool = False
    """What is confirmed is opened to be read and closed again, instead of run to an end; it has no `run`."""
    leave: str = "Cancel"
    """On the button of its plan that does nothing."""
    go: str = "Go ahead"
    """On the button of its plan that confirms."""
    of: str = "of"
    """Stands between the title and the target's name."""
    many: bool = True
    """May be done on several marked rows with one plan and one confirmation."""
    keywords: tuple[str, ...] = ()
    """Further words the command palette finds it by."""
