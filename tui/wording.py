"""How an operation is told: one place for durations, the honest clock and what an end means. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from azure_ops.failback import next_step
from azure_ops.model import ErrorNote, FleetItem, Job, JobKind, Operation, Phase
from azure_ops.points import CRASH, consistency_meaning, crash_error
from azure_ops.restore_outputs import LABELS, NO_NAME, RESTORES, TEMPLATES, outputs
from widgets import signs
from widgets.ages import here, zone_name
from widgets.columns import TONE_STYLES
from widgets.page import Page

if TYPE_CHECKING:
    from .keys import KeyTable

FAILOVERS = frozenset({"UnplannedFailover", "TestFailover", "Failover", "PlannedFailover"})
"""Jobs whose duration is a recovery time."""
SHOWN_ALREADY = frozenset({key for key, _ in LABELS} | {"Config Blob Name", "Config Blob Container Name"})
"""Of a restore's own words: those among its outputs, and the parts of a blob's address."""
TEMPLATE_USE = "A deployment of the template, in the portal or with az, makes a VM of these disks."
COARSE = "Azure Backup tells its progress in steps of up to 15 minutes; no news for that long is normal."
STALE_AFTER_S = 120


def span(seconds: float) -> str:
    """`45 s`, `3 min 20 s`, `2 h 05 min`, `3 d 4 h`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def elapsed_s(job: Job, now: datetime) -> float | None:
    """By the service's clock."""
    if job.started_at is None:
        return None
    return ((job.ended_at or now) - job.started_at).total_seconds()


def normal(operation: Operation | None) -> str:
    if operation is None:
        return "not known: it was not started here"
    is_the_only_one = operation.normal_count == 1 and operation.phase is Phase.SUCCEEDED
    if operation.normal_s is None or is_the_only_one:
        return "no history yet"
    runs = f"{operation.normal_count} run{'s' * (operation.normal_count != 1)}"
    return f"usually {span(operation.normal_s)} ({runs} here)"


def news(job: Job, now: datetime) -> str:
    if job.read_at is None:
        return "none yet"
    return f"{span((now - job.read_at).total_seconds())} ago"


def is_failover(job: Job) -> bool:
    return job.kind is JobKind.REPLICATION and job.operation in FAILOVERS


def facts(operation: Operation | None, job: Job | None, now: datetime) -> Page:
    """The lines above the tree."""
    page = Page()
    _state_line(page, operation, job)
    if job is None:
        return page
    if crash_error(job):
        page.note(f"The point is there, and crash-consistent only. {consistency_meaning(CRASH)}", indent=1)
    took = elapsed_s(job, now)
    ended = job.ended_at is not None
    if operation is not None and operation.took_s is not None and not ended:
        took, ended = operation.took_s, True
    if took is not None:
        began = f"{here(job.started_at):%Y-%m-%d %H:%M:%S} {zone_name()}" if job.started_at else ""
        page.pair("took" if ended else "elapsed", f"{span(took)}, since {began}", style="bold")
        late = operation and operation.normal_s and not ended and took > 1.5 * operation.normal_s
        page.pair("normal", normal(operation) + (", longer than usual by now" if late else ""),
                  style="$text-warning" if late else "")  # fmt: skip
        if is_failover(job):
            label = "recovery time" if ended else "RTO clock"
            page.pair(label, span(took) + ("" if ended else " so far"), style="bold $accent")
    if not job.state.ended:
        old = job.read_at is not None and now - job.read_at > timedelta(seconds=STALE_AFTER_S)
        page.pair("last news", news(job, now), style="$text-warning" if old else "")
        if job.kind is JobKind.BACKUP and job.id:  # without one it is an operation of Resource Manager
            page.note(COARSE, indent=1)
    return page


def add_next_step(page: Page, job: Job | None, row: FleetItem | None, keys: KeyTable) -> None:
    """Of an ended job of Site Recovery: a failover is a way of several stages."""
    if job is None or job.kind is not JobKind.REPLICATION or not job.state.ended:
        return
    then = next_step(row.replication) if row is not None and row.replication is not None else None
    if then is not None:
        key = keys.shown(then.action)
        page.pair("next step", then.text + (f" ({key})" if key else ""), style="$text-success")


def _state_line(page: Page, operation: Operation | None, job: Job | None) -> None:
    told = ""
    if job is not None and not (operation and operation.phase.ended):
        cell = signs.JOB[job.state]
        told = f" (Azure: {job.state_text})" if job.state_text else ""
    elif operation is not None:
        cell = signs.PHASE[operation.phase]
    else:
        page.text("Waiting for the first news of it.")
        return
    page.pair("state", cell.text + told, style=f"bold {TONE_STYLES[cell.tone]}")
    if operation is not None and operation.message:
        page.pair("result" if operation.phase.ended else "now", operation.message)


def errors(operation: Operation | None, job: Job | None) -> Page:
    """Below the tree, which shows the job's own errors: what went wrong outside of it, and what a restore
    says of itself, more and more until its end: its targets, disks and template."""
    page = Page()
    said = [error.recommendation for error in job.errors] if job else []
    if operation is not None and operation.error is not None and not (job and job.errors):
        _error(page, operation.error)
    elif operation is not None and operation.error is not None and operation.error.hint not in said:
        page.bullet(f"next step: {operation.error.hint}", sign="→", style="$text-success")
    for made in outputs(operation, job):
        page.bullet(f"{made.label}: {made.value}")
    if job is not None and job.kind is JobKind.BACKUP and job.operation in RESTORES:
        if any(job.properties.get(label) for label in TEMPLATES):
            page.note(TEMPLATE_USE, indent=2)
        for label, value in job.properties.items():
            if label not in SHOWN_ALREADY and value != NO_NAME:
                page.bullet(f"{label}: {value}")
    return page


def _error(page: Page, error: ErrorNote) -> None:
    page.bullet(
        f"{error.title}{f' ({error.code})' if error.code else ''}", sign="✖", style="bold $text-error"
    )
    if error.hint:
        page.bullet(f"next step: {error.hint}", sign="→", style="$text-success")
    if error.request_id:
        page.note(f"request id {error.request_id}")
