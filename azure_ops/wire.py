"""The messages between console and engine: typed, versioned, bounded; MessagePack behind a 4-byte length.

A console sends `Hello` first and gets `Welcome` or `Incompatible`. After that the engine pushes differences
and answers every `Call` with one `Reply` or `Failure` of the same number.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterator
from datetime import datetime
from functools import cache

import msgspec

from .file_model import (
    Conflict,
    Control,
    FileChoice,
    FileCount,
    FileEntry,
    FileHit,
    FileRestore,
    FileSession,
    FileSystemView,
    FileVolume,
    Secret,
)
from .file_places import Place, PlaceCheck
from .model import (
    Check,
    Details,
    EngineStatus,
    ErrorNote,
    FleetItem,
    Form,
    Job,
    Leftovers,
    Operation,
    Plan,
    RawDocument,
    RequestLine,
    SourceState,
    Vault,
)

PROTOCOL = 10
"""Raised with every change that an older peer would misread; only equal numbers talk to each other."""
LONGEST_FRAME = 64 * 1024 * 1024


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag=True):
    pass


# console → engine -------------------------------------------------------------------------------------------


class Hello(Message, frozen=True, kw_only=True):
    protocol: int
    version: str
    read_only: bool = False


class Focus(Message, frozen=True, kw_only=True):
    """What this console shows now: only that is polled fast. Sent when it changes, no answer."""

    keys: tuple[str, ...] = ()
    job_ids: tuple[str, ...] = ()


class GetDetails(Message, frozen=True, kw_only=True):
    key: str
    fresh: bool = False
    """True reads again although a recent answer is at hand."""
    secondary: bool = False
    """With the points of the vault's secondary region: requests of their own, so only on demand."""


class GetRaw(Message, frozen=True, kw_only=True):
    key: str
    part: str = "vm"
    """`vm`, `backup` or `replication`; or `job` or `vault` with its id as key."""


class GetJob(Message, frozen=True, kw_only=True):
    job_id: str


class GetVaults(Message, frozen=True, kw_only=True):
    """These vaults with all that lists do not tell; the whole list of them comes with the fleet."""

    ids: tuple[str, ...]
    fresh: bool = False


class Prepare(Message, frozen=True, kw_only=True):
    """The form of an action for these rows, with choices read from Azure."""

    action: str
    keys: tuple[str, ...]
    answers: dict[str, str] = {}
    """What stands in the form already, where other choices follow from it."""


class Precheck(Message, frozen=True, kw_only=True):
    """What can be said of an action on these rows before its form is filled in."""

    action: str
    keys: tuple[str, ...]


class MakePlan(Message, frozen=True, kw_only=True):
    action: str
    keys: tuple[str, ...]
    answers: dict[str, str] = {}


class Confirm(Message, frozen=True, kw_only=True):
    """The ceremony's record; the engine checks it again by itself and re-reads the targets."""

    plan_id: str
    typed: str = ""
    understood: bool = False


class GiveUp(Message, frozen=True, kw_only=True):
    """End the waiting for an operation of which nothing can be learned; its target is free then."""

    operation_id: str
    reason: str


class WriteHandover(Message, frozen=True, kw_only=True):
    """Write down for the next shift what is going on and what is open."""

    keys: dict[str, str] = {}
    """By action id: the key that this console has for it."""


class OpenFiles(Message, frozen=True, kw_only=True):
    """The disks of one machine, as image files of this machine (absolute paths). Opened ones are found
    again, with what is being restored from them."""

    paths: tuple[str, ...]


class OpenPoint(Message, frozen=True, kw_only=True):
    """The disks of a recovery point, as a confirmed plan opens them. Asked again until it is open; after a
    break, when the plan is known no more, the same answers open the same point anew."""

    key: str
    answers: dict[str, str]
    plan_id: str = ""


class EndAccess(Message, frozen=True, kw_only=True):
    """Try again to end access to a disk that was left open."""

    operation_id: str


class OpenFileSystem(Message, frozen=True, kw_only=True):
    session: str
    volume: str


class IdentifyVolumes(Message, frozen=True, kw_only=True):
    """What the file systems call themselves and where they were mounted: each is opened for it."""

    session: str


class UnlockVolume(Message, frozen=True, kw_only=True):
    """Opens an encrypted volume for the rest of the session. The key is kept nowhere."""

    session: str
    volume: str
    secret: Secret = Secret()
    """The passphrase, unless a key file is named."""
    key_file: str = ""
    """Of this machine, a whole path."""


class ListFiles(Message, frozen=True, kw_only=True):
    """A directory, in parts: `more` asks for the next one of the same directory."""

    session: str
    volume: str
    directory: int
    more: bool = False


class FindFiles(Message, frozen=True, kw_only=True):
    """By part of a name or by glob, below a directory, in parts as `ListFiles`."""

    session: str
    volume: str
    directory: int
    path: bytes
    pattern: str
    more: bool = False


class LookUpPath(Message, frozen=True, kw_only=True):
    session: str
    volume: str
    path: bytes


class ReadFile(Message, frozen=True, kw_only=True):
    """A piece of a file to look at; never more than `READ_AT_ONCE` bytes."""

    session: str
    volume: str
    id: int
    offset: int
    length: int


class HashFile(Message, frozen=True, kw_only=True):
    """SHA-256 of a file, read for a moment by each question: ask with `more` until it is whole."""

    session: str
    volume: str
    id: int
    more: bool = False


class CountFiles(Message, frozen=True, kw_only=True):
    """How much a choice comes to. The answer may be of a count that goes on: ask again for more of it. With
    a place the first files are named, and which of them exist there."""

    session: str
    choice: FileChoice
    place: Place | None = None
    agent: str = ""


class CheckPlace(Message, frozen=True, kw_only=True):
    place: Place
    conflict: Conflict
    agent: str = ""
    """The socket of the user's ssh-agent, here and below: the console's, the engine may outlive its own."""


class RestoreFiles(Message, frozen=True, kw_only=True):
    session: str
    choice: FileChoice
    place: Place
    conflict: Conflict
    agent: str = ""
    overwriting: bool = False
    """The user confirmed that files which exist are replaced."""


class ResumeRestore(Message, frozen=True, kw_only=True):
    """Go on with a restore that was interrupted by the engine's end."""

    session: str
    id: str
    agent: str = ""


class GetRestore(Message, frozen=True, kw_only=True):
    session: str


class ControlRestore(Message, frozen=True, kw_only=True):
    session: str
    control: Control


class CloseFiles(Message, frozen=True, kw_only=True):
    session: str


class Refresh(Message, frozen=True, kw_only=True):
    pass


class Pause(Message, frozen=True, kw_only=True):
    paused: bool


class GetStatus(Message, frozen=True, kw_only=True):
    pass


class Stop(Message, frozen=True, kw_only=True):
    """Ends the engine; operations go on in Azure and are taken up again by the next engine."""


Request = (
    GetDetails
    | GetRaw
    | GetJob
    | GetVaults
    | Prepare
    | Precheck
    | MakePlan
    | Confirm
    | GiveUp
    | WriteHandover
    | OpenFiles
    | OpenPoint
    | EndAccess
    | OpenFileSystem
    | IdentifyVolumes
    | UnlockVolume
    | ListFiles
    | FindFiles
    | LookUpPath
    | ReadFile
    | HashFile
    | CountFiles
    | CheckPlace
    | RestoreFiles
    | ResumeRestore
    | GetRestore
    | ControlRestore
    | CloseFiles
    | Refresh
    | Pause
    | GetStatus
    | Stop
)


class Call(Message, frozen=True, kw_only=True):
    number: int
    request: Request


FromConsole = Hello | Focus | Call

# engine → console -------------------------------------------------------------------------------------------


class Welcome(Message, frozen=True, kw_only=True):
    protocol: int
    version: str
    pid: int
    cloud: str
    endpoint: str
    read_only: bool = False
    """The engine's own read-only mode; it refuses whatever the console thinks."""
    subscriptions: tuple[str, ...] = ()
    """The only ones it looks at; empty means all."""


class Incompatible(Message, frozen=True, kw_only=True):
    protocol: int
    version: str
    pid: int
    running: int


class Goodbye(Message, frozen=True, kw_only=True):
    """The engine was told to stop: a console starts another one only when its user asks for something."""

    reason: str


class FleetDelta(Message, frozen=True, kw_only=True):
    """A difference to what this console has. A full state comes in several of these, `more` on all but the
    last; `first` on the first of them says that everything before is void."""

    generation: int
    taken_at: datetime
    service_at: datetime
    """The service's clock when this was sent: ages are counted from it."""
    first: bool = False
    more: bool = False
    changed: tuple[FleetItem, ...] = ()
    removed: tuple[str, ...] = ()
    sources: tuple[SourceState, ...] = ()
    vaults: tuple[Vault, ...] = ()


class JobsDelta(Message, frozen=True, kw_only=True):
    changed: tuple[Job, ...] = ()
    removed: tuple[str, ...] = ()
    service_at: datetime | None = None


class OperationsDelta(Message, frozen=True, kw_only=True):
    changed: tuple[Operation, ...] = ()
    service_at: datetime | None = None


class LeftoversTold(Message, frozen=True, kw_only=True):
    leftovers: Leftovers
    service_at: datetime


class Requests(Message, frozen=True, kw_only=True):
    """The newest lines for the requests pane; older ones are dropped when a console is slow."""

    lines: tuple[RequestLine, ...] = ()


class Notice(Message, frozen=True, kw_only=True):
    severity: str
    """`information`, `warning` or `error`."""
    title: str
    text: str = ""
    operation_id: str = ""
    ended: bool = False
    """An operation came to its end: the console rings the terminal's bell."""


class SignIn(Message, frozen=True, kw_only=True):
    """A device-code sign-in waits for the user; empty `code` when it is over."""

    url: str = ""
    code: str = ""
    expires_at: datetime | None = None


class Prepared(Message, frozen=True, kw_only=True):
    form: Form
    checks: tuple[Check, ...] = ()


class Prechecked(Message, frozen=True, kw_only=True):
    checks: tuple[Check, ...] = ()
    refused: tuple[str, ...] = ()
    """Why it cannot succeed whatever is answered."""


class Confirmed(Message, frozen=True, kw_only=True):
    operation_ids: tuple[str, ...]


class Replanned(Message, frozen=True, kw_only=True):
    """The target changed since the plan was shown: nothing was sent, this is the plan as it is now."""

    plan: Plan
    changes: tuple[str, ...]


class Done(Message, frozen=True, kw_only=True):
    pass


class GotDetails(Message, frozen=True, kw_only=True):
    details: Details


class GotRaw(Message, frozen=True, kw_only=True):
    document: RawDocument


class GotJob(Message, frozen=True, kw_only=True):
    job: Job


class GotVaults(Message, frozen=True, kw_only=True):
    """In the order asked for; one that could not be read has its reason in `faults`."""

    vaults: tuple[Vault, ...]


class GotPlan(Message, frozen=True, kw_only=True):
    plan: Plan


class HandoverWritten(Message, frozen=True, kw_only=True):
    text: str
    json: str
    """The same for programs."""
    path: str


class FilesOpened(Message, frozen=True, kw_only=True):
    session: FileSession


class PointTold(Message, frozen=True, kw_only=True):
    session: FileSession | None = None
    text: str = ""
    """What is waited for while there is no session yet."""


class FileSystemOpened(Message, frozen=True, kw_only=True):
    system: FileSystemView


class VolumesTold(Message, frozen=True, kw_only=True):
    volumes: tuple[FileVolume, ...]
    """All of the session."""


class FilesListed(Message, frozen=True, kw_only=True):
    entries: tuple[FileEntry, ...] = ()
    problem: str = ""
    """Some are missing, and why."""
    more: bool = False


class FilesFound(Message, frozen=True, kw_only=True):
    hits: tuple[FileHit, ...] = ()
    problem: str = ""
    more: bool = False


class PathFound(Message, frozen=True, kw_only=True):
    """From the root on."""

    entries: tuple[FileEntry, ...]


class FileRead(Message, frozen=True, kw_only=True):
    data: bytes


class FileHashed(Message, frozen=True, kw_only=True):
    done: int
    """Bytes that were read."""
    digest: str = ""
    """Empty until the file's end."""


class FilesCounted(Message, frozen=True, kw_only=True):
    count: FileCount


class PlaceChecked(Message, frozen=True, kw_only=True):
    check: PlaceCheck


class RestoreTold(Message, frozen=True, kw_only=True):
    restore: FileRestore | None = None


class GotStatus(Message, frozen=True, kw_only=True):
    status: EngineStatus


Result = (
    Prepared
    | Prechecked
    | Confirmed
    | Replanned
    | Done
    | GotDetails
    | GotRaw
    | GotJob
    | GotVaults
    | GotPlan
    | HandoverWritten
    | FilesOpened
    | PointTold
    | VolumesTold
    | FileSystemOpened
    | FilesListed
    | FilesFound
    | PathFound
    | FileRead
    | FileHashed
    | FilesCounted
    | PlaceChecked
    | RestoreTold
    | GotStatus
)


class Reply(Message, frozen=True, kw_only=True):
    number: int
    result: Result


class Failure(Message, frozen=True, kw_only=True):
    number: int
    error: ErrorNote


Pushed = (
    Welcome
    | Incompatible
    | Goodbye
    | FleetDelta
    | JobsDelta
    | OperationsDelta
    | LeftoversTold
    | Requests
    | Notice
    | SignIn
)
"""What an engine says unasked."""
FromEngine = Pushed | Reply | Failure

_encoder = msgspec.msgpack.Encoder()


@cache
def _from_console() -> msgspec.msgpack.Decoder[FromConsole]:
    """Made when first needed, as the other one: each takes milliseconds, and each side needs only one."""
    return msgspec.msgpack.Decoder(FromConsole)


@cache
def _from_engine() -> msgspec.msgpack.Decoder[FromEngine]:
    return msgspec.msgpack.Decoder(FromEngine)


@cache
def _pushed() -> msgspec.msgpack.Decoder[Pushed]:
    """Made in half the time of the one for all answers: it is needed before the console's first frame."""
    return msgspec.msgpack.Decoder(Pushed)


def frame(message: Message) -> bytes:
    body = _encoder.encode(message)
    return struct.pack(">I", len(body)) + body


def whole_messages(said: bytearray) -> Iterator[tuple[Pushed, int]]:
    """Each message of an engine that was asked nothing yet, as far as it is there to its end, and where it
    ends. Raises as `read_from_engine`."""
    decode, at = _pushed().decode, 0
    while len(said) - at >= 4:
        (length,) = struct.unpack_from(">I", said, at)
        end = at + 4 + _allowed(length)
        if len(said) < end:
            return
        yield decode(memoryview(said)[at + 4 : end]), end
        at = end


def _allowed(length: int) -> int:
    if length > LONGEST_FRAME:
        raise ValueError(f"a message of {length} bytes is longer than allowed")
    return length


async def _read_body(reader: asyncio.StreamReader) -> bytes | None:
    try:
        header = await reader.readexactly(4)
        (length,) = struct.unpack(">I", header)
        return await reader.readexactly(_allowed(length))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


async def read_from_console(reader: asyncio.StreamReader) -> FromConsole | None:
    """None at the end of the line. Raises `msgspec.MsgspecError` or `ValueError` for what is no message."""
    body = await _read_body(reader)
    return None if body is None else _from_console().decode(body)


async def read_from_engine(reader: asyncio.StreamReader) -> FromEngine | None:
    """None at the end of the line. Raises `msgspec.MsgspecError` or `ValueError` for what is no message."""
    body = await _read_body(reader)
    return None if body is None else _from_engine().decode(body)
