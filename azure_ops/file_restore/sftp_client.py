"""SFTP version 3 over the system's own ssh, so that the user's configuration, agent, jump hosts and known
hosts hold. Calls wait for their answers; they may come from many threads, and all share one line.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import struct
import subprocess
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import count, islice
from typing import IO

from .problems import FileRestoreError

_VERSION = 3
_INIT, _OPEN, _CLOSE, _READ, _WRITE, _LSTAT, _FSTAT, _SETSTAT, _FSETSTAT = 1, 3, 4, 5, 6, 7, 8, 9, 10
_REMOVE, _MKDIR, _REALPATH, _STAT, _RENAME, _READLINK, _SYMLINK = 13, 14, 16, 17, 18, 19, 20
_STATUS, _HANDLE, _DATA, _NAME, _ATTRS, _EXTENDED, _EXTENDED_REPLY = 101, 102, 103, 104, 105, 200, 201
_OPEN_READ, _OPEN_WRITE, _OPEN_CREATE, _OPEN_NEW = 1, 2, 8, 32
_HAS_SIZE, _HAS_OWNER, _HAS_MODE, _HAS_TIMES = 1, 2, 4, 8
_OK, _END_OF_FILE = 0, 1
_ERRNO = {2: errno.ENOENT, 3: errno.EACCES, 6: errno.EPIPE, 7: errno.EPIPE, 8: errno.EOPNOTSUPP}
BLOCK = 32 * 1024
"""Every server takes so much in one message."""
_UNDER_WAY = 64
_LONGEST = 1 << 20
_LONGEST_COMPLAINT = 4096
LATEST = (1 << 32) - 1
SAFE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.%+@:\\-]*")


class LineLost(FileRestoreError):
    """The machine cannot be reached, or not any more."""


class TooLate(OSError):
    """A time that SFTP has no number for."""


@dataclass(frozen=True)
class Machine:
    host: str
    """As ssh takes it: a name of its configuration, or an address."""
    user: str = ""
    port: int = 0
    agent: str = ""
    """The socket of the user's ssh-agent."""

    @property
    def shown(self) -> str:
        user = f"{self.user}@" if self.user else ""
        return f"{user}{self.host}{f':{self.port}' if self.port else ''}"

    def check(self) -> None:
        """What ssh could take for an option, or hand to a shell, is refused."""
        for word in filter(None, (self.host, self.user)):
            if not SAFE_NAME.fullmatch(word):
                raise FileRestoreError(f"{word[:100]!r} is no name of a machine or user.")
        if not self.host:
            raise FileRestoreError("No machine is named.", "Write USER@HOST:/FOLDER.")
        if not 0 <= self.port < 1 << 16:
            raise FileRestoreError(f"{self.port} is no port.")

    def command(self) -> list[str]:
        # Never a question, and never a key that nobody has looked at: whatever the configuration says.
        fixed = ("BatchMode=yes", "StrictHostKeyChecking=yes", "ClearAllForwardings=yes", "ForwardAgent=no",
                 "ForwardX11=no", "PermitLocalCommand=no", "RequestTTY=no", "RemoteCommand=none",
                 "ConnectTimeout=20", "ServerAliveInterval=15", "ServerAliveCountMax=4")  # fmt: skip
        words = ["ssh", "-x", *(word for option in fixed for word in ("-o", option))]
        if self.port:
            words += ["-p", str(self.port)]
        if self.user:
            words += ["-l", self.user]
        return [*words, "-s", "--", self.host, "sftp"]


@dataclass(frozen=True)
class Status:
    size: int
    mode: int
    modified: int

    @property
    def is_directory(self) -> bool:
        return stat.S_ISDIR(self.mode)

    @property
    def is_link(self) -> bool:
        return stat.S_ISLNK(self.mode)

    @property
    def is_file(self) -> bool:
        return stat.S_ISREG(self.mode)


Answer = tuple[int, bytes]


class Sftp:
    def __init__(self, machine: Machine) -> None:
        machine.check()
        self.machine = machine
        environment = dict(os.environ)
        if machine.agent:
            environment["SSH_AUTH_SOCK"] = machine.agent
        try:
            self._process = subprocess.Popen(
                machine.command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                env=environment, start_new_session=True,
            )  # fmt: skip
        except OSError as exc:
            raise LineLost(
                f"ssh cannot be started: {(exc.strerror or str(exc)).lower()}.", "Install OpenSSH's client."
            ) from exc
        self._numbers = count(1)
        self._waiting: dict[int, Future[Answer]] = {}
        self._lost = False
        self._end: threading.Timer | None = None
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._complaint = b""
        self._listening = threading.Thread(target=self._listen_to_complaints, name="sftp-errors", daemon=True)
        self._listening.start()
        self.extensions = self._begin()
        self._reading = threading.Thread(target=self._read_answers, name="sftp", daemon=True)
        self._reading.start()

    def end_within(self, seconds: float) -> None:
        self._end = threading.Timer(seconds, self._process.kill)
        self._end.daemon = True
        self._end.start()

    def close(self) -> None:
        if self._end is not None:
            self._end.cancel()
        assert self._process.stdin is not None
        with contextlib.suppress(OSError), self._writing:
            self._process.stdin.close()
        try:
            self._process.wait(2)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for thread, pipe in ((self._listening, self._process.stderr), (self._reading, self._process.stdout)):
            thread.join(2)
            # A jump host's process may hold the other end; the pipe is then its thread's.
            if pipe is not None and not thread.is_alive():
                pipe.close()

    # the line

    def _begin(self) -> set[bytes]:
        self._send(struct.pack(">BI", _INIT, _VERSION))
        packet = self._packet()
        if packet is None or len(packet) < 5:
            self._process.kill()
            self._listening.join(2)
            self._process.wait()
            raise self._why()
        found, at = set(), 5
        while at < len(packet):
            name, at = _string(packet, at)
            _, at = _string(packet, at)
            found.add(name)
        return found

    def _packet(self) -> bytes | None:
        assert self._process.stdout is not None
        head = _exactly(self._process.stdout, 4)
        if head is None:
            return None
        (length,) = struct.unpack(">I", head)
        # A login that prints something in between is no SFTP either.
        return _exactly(self._process.stdout, length) if 0 < length <= _LONGEST else None

    def _send(self, content: bytes) -> None:
        assert self._process.stdin is not None
        try:
            with self._writing:
                self._process.stdin.write(struct.pack(">I", len(content)) + content)
                self._process.stdin.flush()
        except (OSError, ValueError):
            # The reading side knows why, and tells everybody who waits.
            return

    def _read_answers(self) -> None:
        try:
            self._hand_out_answers()
        finally:
            self._process.kill()
            self._listening.join(2)
            with self._lock:
                self._lost = True
                waiting, self._waiting = list(self._waiting.values()), {}
            for future in waiting:
                future.set_exception(self._why())

    def _hand_out_answers(self) -> None:
        while (packet := self._packet()) is not None and len(packet) >= 5:
            kind, number = struct.unpack_from(">BI", packet)
            with self._lock:
                future = self._waiting.pop(number, None)
            if future is not None:
                future.set_result((kind, packet[5:]))

    def _listen_to_complaints(self) -> None:
        assert self._process.stderr is not None
        while data := os.read(self._process.stderr.fileno(), 4096):
            self._complaint = (self._complaint + data)[-_LONGEST_COMPLAINT:]

    def _why(self) -> LineLost:
        where = self.machine.shown
        text = self._complaint.decode("utf-8", "backslashreplace")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        for sign, title, hint in _COMPLAINTS:
            if sign in text:
                return LineLost(title.format(where), hint.format(where), details=text)
        last = f": {lines[-1][:200]}" if lines else ""
        return LineLost(
            f"The line to {where} was lost{last}.",
            "Restore the same again: what is there is kept.",
            details=text,
        )

    # requests

    def send(self, kind: int, content: bytes) -> Future[Answer]:
        future: Future[Answer] = Future()
        with self._lock:
            if self._lost:
                raise self._why()
            number = next(self._numbers) & 0xFFFFFFFF
            self._waiting[number] = future
        self._send(struct.pack(">BI", kind, number) + content)
        return future

    def _done(self, future: Future[Answer]) -> None:
        kind, content = future.result()
        if kind != _STATUS:
            raise OSError(errno.EPROTO, "the server's answer makes no sense")
        _raise(content)

    def _answer(self, future: Future[Answer], wanted: int) -> bytes:
        kind, content = future.result()
        if kind == _STATUS:
            _raise(content)
        if kind != wanted:
            raise OSError(errno.EPROTO, "the server's answer makes no sense")
        return content

    def whole_path(self, path: bytes) -> bytes:
        answer = self._answer(self.send(_REALPATH, _pack(path)), _NAME)
        return _string(answer, 4)[0]

    def status(self, path: bytes, *, follow: bool = False) -> Status | None:
        return self._status_of(self.send(_STAT if follow else _LSTAT, _pack(path)))

    def statuses(self, paths: Iterable[bytes]) -> Iterator[Status | None]:
        """Many at once, without following links."""
        paths = iter(paths)
        while some := list(islice(paths, _UNDER_WAY)):
            for future in [self.send(_LSTAT, _pack(path)) for path in some]:
                yield self._status_of(future)

    def _status_of(self, future: Future[Answer]) -> Status | None:
        try:
            answer = self._answer(future, _ATTRS)
        except FileNotFoundError:
            return None
        (flags,), at = struct.unpack_from(">I", answer), 4
        size = mode = modified = 0
        if flags & _HAS_SIZE:
            (size,) = struct.unpack_from(">Q", answer, at)
            at += 8
        at += 8 if flags & _HAS_OWNER else 0
        if flags & _HAS_MODE:
            (mode,) = struct.unpack_from(">I", answer, at)
            at += 4
        if flags & _HAS_TIMES:
            _, modified = struct.unpack_from(">II", answer, at)
        return Status(size, mode, modified)

    def free(self, path: bytes) -> int | None:
        """Bytes that this user may write; None where the server does not tell."""
        if b"statvfs@openssh.com" not in self.extensions:
            return None
        try:
            answer = self._extended(b"statvfs@openssh.com", path, wanted=_EXTENDED_REPLY)
        except OSError:
            return None
        values = struct.unpack_from(">11Q", answer)
        return int(values[1] * values[4])

    def make_directory(self, path: bytes, mode: int = 0o700) -> None:
        self._done(self.send(_MKDIR, _pack(path) + struct.pack(">II", _HAS_MODE, mode)))

    def remove(self, path: bytes) -> None:
        self._done(self.send(_REMOVE, _pack(path)))

    def rename(self, source: bytes, to: bytes) -> None:
        """Fails where the name is taken."""
        self._done(self.send(_RENAME, _pack(source, to)))

    def replace(self, source: bytes, to: bytes) -> None:
        if b"posix-rename@openssh.com" in self.extensions:
            self._extended(b"posix-rename@openssh.com", source, to)
            return
        if self.status(to) is not None:
            self.remove(to)
        self.rename(source, to)

    def link(self, source: bytes, to: bytes) -> None:
        self._extended(b"hardlink@openssh.com", source, to)

    def symlink(self, target: bytes, path: bytes) -> None:
        # The other way round than its draft has it: as OpenSSH does, and since then everybody.
        self._done(self.send(_SYMLINK, _pack(target, path)))

    def read_link(self, path: bytes) -> bytes:
        return _string(self._answer(self.send(_READLINK, _pack(path)), _NAME), 4)[0]

    def _extended(self, name: bytes, *words: bytes, wanted: int = _STATUS) -> bytes:
        if name not in self.extensions:
            raise OSError(errno.EOPNOTSUPP, "the server cannot do it")
        future = self.send(_EXTENDED, _pack(name, *words))
        if wanted != _STATUS:
            return self._answer(future, wanted)
        self._done(future)
        return b""

    def open_part(self, path: bytes) -> bytes:
        """To read and write; made when it is not there, never through a link."""
        flags = _OPEN_READ | _OPEN_WRITE | _OPEN_CREATE
        mode = struct.pack(">II", _HAS_MODE, 0o600)
        try:
            new = self.send(_OPEN, _pack(path) + struct.pack(">I", flags | _OPEN_NEW) + mode)
            return _string(self._answer(new, _HANDLE), 0)[0]
        except OSError:
            found = self.status(path)
            if found is None:
                raise
            if not found.is_file:
                raise OSError(
                    errno.EEXIST, "something else has the name of the part that is written"
                ) from None
            old = self.send(_OPEN, _pack(path) + struct.pack(">I", flags) + mode)
            return _string(self._answer(old, _HANDLE), 0)[0]

    def open_to_read(self, path: bytes) -> bytes:
        future = self.send(_OPEN, _pack(path) + struct.pack(">II", _OPEN_READ, 0))
        return _string(self._answer(future, _HANDLE), 0)[0]

    def close_file(self, handle: bytes) -> None:
        """Nobody waits for it: what was written is proven by reading it."""
        self.send(_CLOSE, _pack(handle))

    def write(self, handle: bytes, offset: int, data: memoryview) -> None:
        under_way: list[Future[Answer]] = []
        for start in range(0, len(data), BLOCK):
            block = bytes(data[start : start + BLOCK])
            head = _pack(handle) + struct.pack(">QI", offset + start, len(block))
            under_way.append(self.send(_WRITE, head + block))
            if len(under_way) >= _UNDER_WAY:
                self._done(under_way.pop(0))
        for future in under_way:
            self._done(future)

    def read(self, handle: bytes, offset: int, length: int) -> Iterator[bytes]:
        """In blocks; less than asked for where the file ends before."""
        waiting: list[tuple[int, int, Future[Answer]]] = []
        starts = iter(range(offset, offset + length, BLOCK))
        end = offset + length
        while True:
            for start in islice(starts, _UNDER_WAY - len(waiting)):
                size = min(BLOCK, end - start)
                waiting.append((start, size, self._ask_for(handle, start, size)))
            if not waiting:
                return
            start, size, future = waiting.pop(0)
            data = self._block(future)
            while 0 < len(data) < size:
                more = self._block(self._ask_for(handle, start + len(data), size - len(data)))
                if not more:
                    break
                data += more
            yield data

    def _ask_for(self, handle: bytes, start: int, size: int) -> Future[Answer]:
        return self.send(_READ, _pack(handle) + struct.pack(">QI", start, size))

    def _block(self, future: Future[Answer]) -> bytes:
        kind, content = future.result()
        if kind == _STATUS and content[:4] == struct.pack(">I", _END_OF_FILE):
            return b""
        if kind == _STATUS:
            _raise(content)
        return _string(content, 0)[0]

    def flush(self, handle: bytes) -> None:
        if b"fsync@openssh.com" in self.extensions:
            self._extended(b"fsync@openssh.com", handle)

    def cut(self, handle: bytes, size: int) -> None:
        self._done(self.send(_FSETSTAT, _pack(handle) + struct.pack(">IQ", _HAS_SIZE, size)))

    def own(self, path: bytes, uid: int, gid: int) -> None:
        self._done(self.send(_SETSTAT, _pack(path) + struct.pack(">III", _HAS_OWNER, uid, gid)))

    def set_mode_and_times(self, path: bytes, mode: int, accessed_ns: int, modified_ns: int) -> None:
        times = _times(accessed_ns, modified_ns)
        attributes = struct.pack(">II", _HAS_MODE | (_HAS_TIMES if times else 0), mode) + times
        self._done(self.send(_SETSTAT, _pack(path) + attributes))
        if not times:
            raise TooLate(errno.EOVERFLOW, "SFTP has no number for these times")

    def set_times_of_link(self, path: bytes, accessed_ns: int, modified_ns: int) -> None:
        times = _times(accessed_ns, modified_ns)
        if not times or b"lsetstat@openssh.com" not in self.extensions:
            raise OSError(errno.EOPNOTSUPP, "the server cannot set times of links")
        words = _pack(b"lsetstat@openssh.com", path) + struct.pack(">I", _HAS_TIMES) + times
        self._done(self.send(_EXTENDED, words))


_COMPLAINTS = (
    (
        "REMOTE HOST IDENTIFICATION HAS CHANGED",
        "The host key of {0} is not the one that is known: somebody may be in between.",
        "A rebuilt machine has a new key. Compare it, `ssh-keygen -R` the old one, log in with ssh once.",
    ),
    (
        "Host key verification failed",
        "The host key of {0} is not known here, and is never accepted silently.",
        "Log in with ssh once and compare the key, or add it to known_hosts.",
    ),
    (
        "Permission denied",
        "{0} does not let you in with the keys at hand.",
        "Add the key with ssh-add, or name it in ~/.ssh/config. Passwords are not asked for.",
    ),
    (
        "subsystem request failed",
        "{0} offers no SFTP.",
        "Switch on `Subsystem sftp` in its sshd_config, or restore to a folder or archive here.",
    ),
    ("Could not resolve hostname", "{0} is no name that can be found.", "Write its address."),
    ("Connection refused", "{0} refuses connections of ssh.", "Is its sshd running, and the port right?"),
    ("timed out", "{0} does not answer.", "Is it running, and does its network let ssh through?"),
    ("No route to host", "{0} cannot be reached from here.", "Use a jump host in ~/.ssh/config."),
)


def _exactly(pipe: IO[bytes], length: int) -> bytes | None:
    try:
        data = pipe.read(length)
    except (OSError, ValueError):
        return None
    return data if len(data) == length else None


def _pack(*words: bytes) -> bytes:
    return b"".join(struct.pack(">I", len(word)) + word for word in words)


def _string(packet: bytes, at: int) -> tuple[bytes, int]:
    try:
        (length,) = struct.unpack_from(">I", packet, at)
    except struct.error:
        raise OSError(errno.EPROTO, "the server's answer makes no sense") from None
    return packet[at + 4 : at + 4 + length], at + 4 + length


def _raise(status: bytes) -> None:
    (code,) = struct.unpack_from(">I", status)
    if code == _OK:
        return
    text = _string(status, 4)[0].decode("utf-8", "backslashreplace") if len(status) >= 8 else ""
    raise OSError(_ERRNO.get(code, errno.EREMOTEIO), text[:200] or "refused by the server")


def _times(accessed_ns: int, modified_ns: int) -> bytes:
    accessed, modified = accessed_ns // 10**9, modified_ns // 10**9
    if not 0 <= modified <= LATEST:
        return b""
    return struct.pack(">II", accessed if 0 <= accessed <= LATEST else modified, modified)
