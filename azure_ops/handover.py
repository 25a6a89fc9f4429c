"""What the next shift has to know, as facts and as plain text. Pure: the engine collects, writes and tells.

Times are UTC. Nothing in it is needed to be secret, and what looks like a secret is taken out before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from .loose_ends import LooseEnd
from .model import Fact, Job, Operation, SourceState, Vault
from .preflight import span

LOOKS_BACK = timedelta(hours=24)


class Work(Fact, frozen=True, kw_only=True):
    title: str
    about: str
    by: str = ""
    """Empty: somebody else than this user, or a policy."""
    began_at: datetime | None = None
    took_s: float | None = None
    state: str
    message: str = ""
    id: str = ""
    vault: str = ""


class Open(Fact, frozen=True, kw_only=True):
    kind: str
    about: str
    what: str
    since: datetime | None = None
    until: datetime | None = None
    costs: str = ""
    next_key: str = ""
    next_action: str = ""
    way_out: str = ""
    id: str = ""
    vault: str = ""
    facts: tuple[str, ...] = ()


class Handover(Fact, frozen=True, kw_only=True):
    at: datetime
    by: str
    cloud: str
    looks_back_h: int
    running: tuple[Work, ...] = ()
    ended: tuple[Work, ...] = ()
    """Ours, of the last hours."""
    open: tuple[Open, ...] = ()
    unread: tuple[str, ...] = ()
    vaults: tuple[str, ...] = ()
    vms: tuple[str, ...] = ()
    """Those that are named above."""


def hand_over(
    *,
    at: datetime,
    by: str,
    cloud: str,
    jobs: Iterable[Job],
    operations: Iterable[Operation],
    ends: Sequence[LooseEnd],
    sources: Iterable[SourceState],
    vaults: Iterable[Vault],
    keys: Mapping[str, str],
    titles: Mapping[str, str],
) -> Handover:
    """`at` is the service's clock; `keys` and `titles` are those of actions, by id."""
    ours = sorted(operations, key=_began)
    known = {one.job_id.lower() for one in ours if one.job_id}
    others = [job for job in jobs if not job.state.ended and job.id.lower() not in known]
    running = [*(_of_operation(one) for one in ours if not one.phase.ended), *map(_of_job, others)]
    ended = [_of_operation(one) for one in ours if one.phase.ended and at - _began(one) <= LOOKS_BACK]
    opened = [_of_end(end, keys, titles) for end in ends]
    names = [*(work.about for work in (*running, *ended)), *(one.about for one in opened)]
    return Handover(
        at=at,
        by=by,
        cloud=cloud,
        looks_back_h=int(LOOKS_BACK.total_seconds() // 3600),
        running=tuple(running),
        ended=tuple(ended),
        open=tuple(opened),
        unread=tuple(
            f"{source.name}: {source.error.title}"
            + (f" (last read {_moment(source.read_at)})" if source.read_at else "")
            for source in sources
            if source.error is not None
        ),
        vaults=tuple(sorted(f"{vault.name} ({vault.location}, {vault.resource_group})" for vault in vaults)),
        vms=tuple(sorted(set(filter(None, names)))),
    )


def _began(one: Operation) -> datetime:
    return one.service_created_at or one.created_at


def _of_operation(one: Operation) -> Work:
    return Work(
        title=one.title,
        about=one.target_name,
        by=one.confirmed_by or "somebody",
        began_at=_began(one),
        took_s=one.took_s,
        state=one.phase,
        message=one.error.title if one.error and one.phase.ended else one.message,
        id=one.id,
    )


def _of_job(job: Job) -> Work:
    return Work(
        title=job.title or job.operation,
        about=job.target_name,
        began_at=job.started_at,
        state=job.state_text or job.state,
        id=job.id,
        vault=job.vault_id.rsplit("/", 1)[-1],
    )


def _of_end(end: LooseEnd, keys: Mapping[str, str], titles: Mapping[str, str]) -> Open:
    return Open(
        kind=end.kind,
        about=end.name,
        what=end.what,
        since=end.since,
        until=end.until,
        costs=end.costs,
        next_key=keys.get(end.action, ""),
        next_action=titles.get(end.action, ""),
        way_out=end.way_out,
        id=end.arm_id,
        vault=end.vault,
        facts=end.facts,
    )


# as text ----------------------------------------------------------------------------------------------------


def as_text(note: Handover, clean: Callable[[str], str] = lambda text: text) -> str:
    """Lines that a terminal, a mail and a ticket bear. `clean` is given each line."""
    lines = [
        f"azrecover handover, {_moment(note.at)}, {note.cloud}",
        f"written by {note.by}",
        "",
        f"STILL RUNNING ({len(note.running)})",
        *(_work(work, note.at) for work in note.running),
        *_none(note.running),
        "",
        f"STARTED FROM HERE IN THE LAST {note.looks_back_h} H, AND HOW IT ENDED ({len(note.ended)})",
        *(_work(work, note.at) for work in note.ended),
        *_none(note.ended),
        "",
        f"OPEN ({len(note.open)})",
    ]
    for one in note.open:
        lines += _open(one, note.at)
    lines += _none(note.open)
    if note.unread:
        lines += ["", "COULD NOT BE READ: there may be more", *(f"  {line}" for line in note.unread)]
    lines += ["", f"VAULTS      {', '.join(note.vaults) or 'none seen'}"]
    lines += [f"NAMED HERE  {', '.join(note.vms) or 'nothing'}"]
    return "".join(f"{clean(_printable(line))}\n" for line in lines)


def _none(found: Sequence[object]) -> list[str]:
    return [] if found else ["  nothing"]


def _work(work: Work, now: datetime) -> str:
    about = f" of {work.about}" if work.about and work.about not in work.title else ""
    took = f", took {span(work.took_s)}" if work.took_s is not None else ""
    if work.took_s is None and work.began_at is not None:
        took = f", {span((now - work.began_at).total_seconds())} ago"
    by = f"by {work.by}" if work.by else "not from here"
    message = f": {work.message}" if work.message else ""
    vault = f" [{work.vault}]" if work.vault else ""
    return f"  {work.state:<10} {work.title}{about}{vault}, {by}, {_moment(work.began_at)}{took}{message}"


def _open(one: Open, now: datetime) -> list[str]:
    age = f"open for {span((now - one.since).total_seconds())}" if one.since else "age not known"
    if one.until is not None:
        age = f"until {_moment(one.until)}, {span((one.until - now).total_seconds())} left"
    vault = f" [{one.vault}]" if one.vault else ""
    following = f"{one.next_key}  {one.next_action}".strip() or one.way_out or "look at it"
    lines = [f"  {one.about}: {one.kind}, {age}{vault}", f"      {one.what}"]
    if one.costs:
        lines.append(f"      costs: {one.costs}")
    return [*lines, f"      next: {following}", f"      {one.id}"]


def _moment(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if at else "time not known"


def _printable(line: str) -> str:
    """Names come from Azure, and this goes to a terminal."""
    return "".join(character if character.isprintable() else "·" for character in line)
