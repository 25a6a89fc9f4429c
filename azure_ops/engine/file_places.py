"""Looks at the places that files are to be restored to, before anything is written, and opens them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from ..errors import RecoveryError, Refused
from ..file_model import Conflict
from ..file_places import READ_ONLY_FORBIDS, Place, PlaceCheck, PlaceKind
from ..file_restore.archive import Archive
from ..file_restore.folder_output import Folder
from ..file_restore.problems import FileRestoreError
from ..file_restore.remote import Remote
from ..file_restore.sftp_client import Machine, Sftp
from ..file_restore.target import Opener
from .file_session import folder_of


def refuse_read_only(place: Place, read_only: bool) -> None:
    if read_only and place.forbidden_read_only:
        raise Refused(READ_ONLY_FORBIDS, "Restore to a folder or an archive.", resource=place.shown)


def opener_of(place: Place, agent: str, state: Path) -> Opener:
    """`state` is where this machine keeps what it knows of restores to others."""
    match place.kind:
        case PlaceKind.FOLDER:
            return Folder(Path(place.path))
        case PlaceKind.TAR:
            return Archive(Path(place.path), "tar")
        case PlaceKind.ZIP:
            return Archive(Path(place.path), "zip")
        case PlaceKind.SFTP:
            return Remote(machine_of(place, agent), place.path, state)


def machine_of(place: Place, agent: str) -> Machine:
    return Machine(place.host, place.user, place.port, agent)


def check_place(place: Place, conflict: Conflict, agent: str = "") -> PlaceCheck:
    """As far as it can be said without writing."""
    if place.kind is PlaceKind.SFTP:
        return _check_machine(place, agent)
    path = folder_of(place.path)
    place = msgspec.structs.replace(place, path=str(path))
    if place.kind is PlaceKind.FOLDER:
        return _check_folder(place, path)
    if not path.name:
        return PlaceCheck(place=place, problem=f"{path} is no name of a file.")
    check, exists = _check_folder(place, path.parent), os.path.lexists(path)
    problem = check.problem
    if path.is_dir():
        problem = f"{path} is a folder."
    elif exists and conflict is Conflict.SKIP:
        problem = f"{path} is there already."
    return msgspec.structs.replace(check, problem=problem, exists=exists)


def _check_folder(place: Place, folder: Path) -> PlaceCheck:
    at = folder
    while not os.path.lexists(at) and at != at.parent:
        at = at.parent
    problem = ""
    if not at.is_dir():
        problem = f"{at} is no folder."
    elif not os.access(at, os.W_OK | os.X_OK):
        problem = f"{at} is not writable for you."
    free = 0
    if not problem:
        status = os.statvfs(at)
        free = status.f_bavail * status.f_frsize
        if status.f_flag & os.ST_RDONLY:
            problem = f"{at} is on a read-only file system."
    return PlaceCheck(place=place, problem=problem, exists=folder.is_dir(), free_bytes=free)


def _check_machine(place: Place, agent: str) -> PlaceCheck:
    if "\0" in place.path:
        return PlaceCheck(place=place, problem="The folder's name has a zero in it.")
    try:
        line = Sftp(machine_of(place, agent))
    except RecoveryError as problem:
        return PlaceCheck(place=place, problem=problem.title, hint=problem.hint)
    try:
        path = line.whole_path(os.fsencode(place.path))
        place = msgspec.structs.replace(place, path=os.fsdecode(path))
        status = line.status(path, follow=True)
        if status is not None and not status.is_directory:
            return PlaceCheck(place=place, problem=f"{place.shown} is no folder.")
        at = path
        while line.status(at, follow=True) is None and at.strip(b"/"):
            at = os.path.dirname(at)
        free = line.free(at)
        return PlaceCheck(place=place, exists=status is not None, free_bytes=-1 if free is None else free)
    except (OSError, FileRestoreError) as problem:
        why = problem.strerror if isinstance(problem, OSError) and problem.strerror else str(problem)
        return PlaceCheck(place=place, problem=f"{place.shown}: {why.lower()}")
    finally:
        line.close()


class TakenNames:
    """Which of a plan's names are taken in a place; none in an archive, where all names are new."""

    def __init__(self, place: Place, agent: str) -> None:
        self._root = os.fsencode(place.path)
        self._line = Sftp(machine_of(place, agent)) if place.kind is PlaceKind.SFTP else None
        self._ask: Callable[[Sequence[bytes]], Iterator[bool]] = {
            PlaceKind.FOLDER: self._here, PlaceKind.SFTP: self._there,
        }.get(place.kind, lambda paths: (False for _ in paths))  # fmt: skip

    def of(self, paths: Sequence[bytes]) -> list[bool]:
        return list(self._ask(paths))

    def _here(self, paths: Sequence[bytes]) -> Iterator[bool]:
        return (os.path.lexists(os.path.join(self._root, path)) for path in paths)

    def _there(self, paths: Sequence[bytes]) -> Iterator[bool]:
        assert self._line is not None
        whole = [self._root.rstrip(b"/") + b"/" + path for path in paths]
        return (status is not None for status in self._line.statuses(whole))

    def close(self) -> None:
        if self._line is not None:
            self._line.close()
