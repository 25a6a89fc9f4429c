"""A job as the tree of its steps: what is done, runs, waits, was skipped or wants somebody, and for how long.

Steps keep their line while the job goes on; errors stand below the failed step, with cause and next step.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec
from textual import events

from azure_ops.model import Job, JobError, JobState, JobTask

from . import signs
from .ages import elapsed, seconds_between
from .columns import Cell, Column, Tone
from .keyed_table import KeyedTable
from .plain_text import wrap

_ERROR_WIDTH = 200
_LEAST_ERROR_WIDTH = 30
_BELOW = -1_000_000
"""Texts below a step sort before the step's own children."""
_ASKED_AT_MOST = 1_000


class StepLine(msgspec.Struct, frozen=True):
    path: tuple[int, ...]
    """Place in the tree: the line's identity. Azure repeats task ids, and only ever appends steps."""
    branches: str
    """Lines of the tree before the name."""
    task: JobTask | None
    text: str
    tone: Tone = Tone.PLAIN


class TaskTree(KeyedTable[StepLine]):
    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        self._now = datetime.now(UTC)
        self._job: Job | None = None
        columns = (
            Column("step", "STEP", self._step, width=36, min_width=20, max_width=72),
            Column("state", "STATE", self._state_cell, width=12),
            Column("time", "TIME", self._time, width=7, right=True),
            Column("note", "NOTE", self._note, width=24, min_width=12, max_width=90, priority=1),
        )
        super().__init__(
            columns,
            key=lambda line: ".".join(map(str, line.path)),
            natural=lambda line: line.path,
            empty="No steps told yet",
            markable=False,
            id=id,
            classes=classes,
        )

    def show(self, job: Job, now: datetime) -> None:
        self._now = now
        if self._job is None or self._job.id != job.id:
            self._steered = False
        self._job = job
        self.empty_text = "Azure tells no steps of this job" if job.state.ended else "No steps told yet"
        self.replace_rows(step_lines(job, self._error_width()))
        self.tick(now)

    def tick(self, now: datetime | None = None) -> None:
        """Elapsed times go on; `now` is the service's time."""
        self._now = now or self._now
        super().tick()

    def action_sort(self) -> None:
        """Steps stay in Azure's order."""

    def on_resize(self, event: events.Resize) -> None:
        super().on_resize(event)
        if self._job is not None and self._job.errors:
            self.replace_rows(step_lines(self._job, self._error_width()))

    def _error_width(self) -> int:
        width = self.size.width or 80
        return max(min(width - 4, _ERROR_WIDTH), _LEAST_ERROR_WIDTH)

    def whole_line(self, row: StepLine) -> Cell | None:
        return Cell(row.branches + row.text, row.tone) if row.task is None else None

    # cells --------------------------------------------------------------------------------------------------

    @staticmethod
    def _step(line: StepLine) -> Cell:
        waits = line.task is not None and line.task.state in (JobState.WAITING, JobState.SKIPPED)
        return Cell(line.branches + line.text, Tone.DIM if waits else Tone.PLAIN)

    @staticmethod
    def _state_cell(line: StepLine) -> Cell:
        return Cell("") if line.task is None else signs.JOB[line.task.state]

    def _time(self, line: StepLine) -> Cell:
        task = line.task
        if task is None or task.started_at is None or task.state in (JobState.WAITING, JobState.SKIPPED):
            return Cell("")
        ended = task.ended_at
        if ended is None and task.state.ended:
            return Cell("")
        return Cell(elapsed(seconds_between(task.started_at, ended or self._now)))

    @staticmethod
    def _note(line: StepLine) -> Cell:
        if line.task is None:
            return Cell("")
        suspended = line.task.state is JobState.SUSPENDED
        notes = ["waits for somebody" if suspended else line.task.note]
        if line.task.child_job_id:
            notes.append(f"job {line.task.child_job_id.rsplit('/', 1)[-1]}")
        tone = Tone.WARN if suspended else Tone.DIM
        return Cell("  ".join(filter(None, notes)), tone)


def step_lines(job: Job, width: int) -> list[StepLine]:
    """The tree as lines; errors below the first step that failed, or at the end when none did."""
    lines = [line for step in _walk(job.tasks, (), "") for line in (step, *_asked(step, width))]
    if not job.errors:
        return lines
    failed = [line for line in lines if line.task is not None and line.task.state is JobState.FAILED]
    deepest = max(failed, key=lambda line: len(line.path), default=None)
    path = (len(job.tasks),) if deepest is None else deepest.path
    indent = " " * (2 * len(path)) if deepest is not None else ""
    at = len(lines) if deepest is None else lines.index(deepest) + 1
    warned = job.state is JobState.WARNED
    told = _error_lines(job.errors, path, indent, width, warned=warned)
    return [*lines[:at], *told, *lines[at:]]


def _walk(tasks: tuple[JobTask, ...], path: tuple[int, ...], branches: str) -> Iterator[StepLine]:
    for index, task in enumerate(tasks):
        last = index == len(tasks) - 1
        own = branches + ("└ " if last else "├ ") if path else ""
        yield StepLine((*path, index), own, task, task.name)
        below = branches + ("  " if last else "│ ") if path else ""
        yield from _walk(task.children, (*path, index), below)


def _asked(step: StepLine, width: int) -> Iterator[StepLine]:
    """What a suspended step wants of somebody, in full below it."""
    task = step.task
    if task is None or task.state is not JobState.SUSPENDED or not task.note:
        return
    indent = " " * (2 * len(step.path)) + "▲ "
    for row, piece in enumerate(wrap(task.note, max(width - len(indent), 16))):
        before = " " * len(indent) if row else indent
        yield StepLine((*step.path, _BELOW + row), "", None, before + piece, Tone.WARN)


def _error_lines(
    errors: tuple[JobError, ...], path: tuple[int, ...], indent: str, width: int, *, warned: bool
) -> Iterator[StepLine]:
    number = 0
    sign, tone = ("▲ ", Tone.WARN) if warned else ("✖ ", Tone.BAD)
    for error in errors:
        head = f"{error.code}: {error.message}" if error.code else error.message
        parts = (
            (sign, head, tone),
            ("  cause: ", error.causes, Tone.PLAIN),
            ("→ next step: ", error.recommendation, Tone.GOOD),
        )
        for label, text, of_part in parts:
            if not text:
                continue
            hanging = " " * len(label)
            for row, piece in enumerate(wrap(text, max(width - len(indent) - len(label), 16))):
                place = (*path, _BELOW + _ASKED_AT_MOST + number)
                yield StepLine(place, indent, None, (hanging if row else label) + piece, of_part)
                number += 1
