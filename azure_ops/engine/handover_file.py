"""The handover of this moment: collected from what the engine knows, written for its user alone."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from .. import paths, wire
from ..actions import ALL
from ..errors import StateUnusable
from ..handover import Handover, as_text, hand_over
from ..loose_ends import loose_ends
from ..model import Leftovers
from ..services.request_log import without_secrets
from .console import Board

if TYPE_CHECKING:
    from ..services.session import Session
    from .leftovers import LeftoverReader
    from .watch import Watcher

MOST_OF_ONE_SECOND = 100


async def write_handover(
    session: Session,
    board: Board,
    watcher: Watcher,
    leftovers: LeftoverReader,
    *,
    by: str,
    keys: Mapping[str, str],
) -> wire.HandoverWritten:
    """Raises StateUnusable when there is no place for it."""
    if not watcher.has_ticked:
        await watcher.refresh()
    if board.leftovers is None:
        await leftovers.read()
    note = _note(session, board, by, keys)
    text = as_text(note, without_secrets)
    path = _write(paths.state_dir(session.settings), note.at, text)
    return wire.HandoverWritten(text=text, json=_as_json(note), path=str(path))


def _note(session: Session, board: Board, by: str, keys: Mapping[str, str]) -> Handover:
    snapshot, known = board.snapshot, board.leftovers or Leftovers()
    now = session.service_now()
    items = snapshot.items.values() if snapshot else ()
    jobs, operations = board.jobs.values(), board.operations.values()
    return hand_over(
        at=now,
        by=by,
        cloud=session.endpoint,
        jobs=jobs,
        operations=operations,
        ends=loose_ends(items, jobs, operations, known, now),
        sources=(*(snapshot.sources if snapshot else ()), *known.sources),
        vaults=snapshot.vaults if snapshot else (),
        keys=keys,
        titles={action.id: action.title for action in ALL},
    )


def _as_json(note: Handover) -> str:
    """In letters that no terminal takes for anything else."""

    def clean(value: Any) -> Any:
        if isinstance(value, str):
            return without_secrets(value)
        if isinstance(value, list):
            return [clean(one) for one in value]
        return {key: clean(one) for key, one in value.items()} if isinstance(value, dict) else value

    return json.dumps(clean(json.loads(msgspec.json.encode(note))), indent=2)


def _write(folder: Path, at: datetime, text: str) -> Path:
    """Under a name of its own: an older one is kept."""
    for number in range(MOST_OF_ONE_SECOND):
        path = folder / f"handover-{at:%Y%m%dT%H%M%SZ}{f'-{number}' if number else ''}.txt"
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(fd, "w", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            continue
        except OSError as problem:
            raise _unwritable(path, problem.strerror or str(problem)) from problem
        return path
    raise _unwritable(path, "there are too many of this second")


def _unwritable(path: Path, why: str) -> StateUnusable:
    return StateUnusable(
        f"The handover {path} cannot be written: {why}.",
        "Make room or make the folder writable, then try again.",
        resource=str(path),
    )
