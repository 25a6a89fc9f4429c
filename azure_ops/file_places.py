"""Where ticked files can be restored to, as console and engine tell each other."""

from __future__ import annotations

from enum import StrEnum

from .model import Fact


class PlaceKind(StrEnum):
    FOLDER = "folder"
    TAR = "tar"
    ZIP = "zip"
    SFTP = "sftp"

    @property
    def is_archive(self) -> bool:
        return self in (PlaceKind.TAR, PlaceKind.ZIP)


class Place(Fact, frozen=True, kw_only=True):
    kind: PlaceKind = PlaceKind.FOLDER
    path: str
    """Whole, on this machine; on another one also below its user's own folder."""
    host: str = ""
    user: str = ""
    port: int = 0

    @property
    def shown(self) -> str:
        if self.kind is not PlaceKind.SFTP:
            return self.path
        user = f"{self.user}@" if self.user else ""
        port = f" (port {self.port})" if self.port else ""
        return f"{user}{self.host}:{self.path}{port}"

    @property
    def forbidden_read_only(self) -> bool:
        """The one rule: read-only changes neither Azure nor another machine; what is written on this one is
        the copy that the user asked for."""
        return self.kind is PlaceKind.SFTP


READ_ONLY_FORBIDS = (
    "Read-only: nothing is written into another machine. Folders and archives here stay allowed."
)


class PlaceCheck(Fact, frozen=True, kw_only=True):
    place: Place
    """With links followed as far as they exist."""
    problem: str = ""
    hint: str = ""
    exists: bool = False
    free_bytes: int = -1
    """-1 where nobody tells."""
