"""The emulator's folder: the world's database, the certificates, the secrets, and who runs on it now.

Everything in it is for its owner only. A running emulator holds the lock; what others need to reach it
stands in `emulator.json`, which outlives it so that the next one takes the same ports."""

from __future__ import annotations

import fcntl
import os
import secrets
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec


class StateError(Exception):
    """A state directory that cannot be used; the text is one line that names it and the next step."""


class AlreadyRunning(Exception):
    def __init__(self, run: Run) -> None:
        super().__init__(f"an emulator already runs on {run.state_dir} (pid {run.pid})")
        self.run = run


class Run(msgspec.Struct, kw_only=True):
    """How to reach the emulator that runs (or last ran) on this folder. The first eight are what `serve`
    prints when it is ready."""

    endpoint: str
    ca_file: str
    identity_endpoint: str
    identity_header: str
    tenant_id: str
    subscription_ids: list[str]
    state_dir: str
    pid: int
    """0 in the file while the next emulator comes up: nobody is reached at these addresses yet."""
    port: int
    identity_port: int
    fleet: str

    READY_KEYS = (
        "endpoint",
        "ca_file",
        "identity_endpoint",
        "identity_header",
        "tenant_id",
        "subscription_ids",
        "state_dir",
        "pid",
    )

    def ready_line(self) -> str:
        return msgspec.json.encode({key: getattr(self, key) for key in self.READY_KEYS}).decode()


class Secrets(msgspec.Struct, kw_only=True):
    identity_header: str
    """Asked of everybody who wants a token, and the client secret of both service principals."""
    token_key: str


class StateDir:
    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()
        self.world_file = self.path / "world.sqlite"
        self.ca_file = self.path / "ca.pem"
        self.log_file = self.path / "emulator.log"
        self._run_file = self.path / "emulator.json"
        self._lock: IO[str] | None = None

    def prepare(self) -> None:
        """Makes the folder and takes its lock. Raises `StateError` or `AlreadyRunning`."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = open(self.path / "lock", "a")  # noqa: SIM115 - held as long as the process lives
        except OSError as error:
            raise StateError(
                f"cannot write to {self.path} ({error.strerror}): choose another folder with --state DIR"
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.close()
            run = self.last_run()
            if run is None or not run.pid:
                raise StateError(f"another emulator is just starting on {self.path}: try again") from error
            raise AlreadyRunning(run) from error
        self._lock = lock
        if (last := self.last_run()) is not None:
            self.save_run(msgspec.structs.replace(last, pid=0))

    def release(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def running(self) -> Run | None:
        """The emulator that runs on this folder now: the lock says so, not a pid that may be another's."""
        try:
            with open(self.path / "lock") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            run = self.last_run()
            return run if run is not None and run.pid else None
        except OSError:
            return None
        return None

    @contextmanager
    def one_start_at_a_time(self) -> Iterator[None]:
        """Two consoles that start the emulator in the same moment: the second waits and finds it running."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(os.open(self.path / "start.lock", os.O_WRONLY | os.O_CREAT, 0o600), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def wait_until_free(self, timeout_s: float) -> bool:
        """Waits for the running emulator to let go of its lock. Main thread only: the limit is an alarm."""

        def ring(*_: object) -> None:
            raise TimeoutError

        before = signal.signal(signal.SIGALRM, ring)
        signal.setitimer(signal.ITIMER_REAL, timeout_s)
        try:
            with open(self.path / "lock") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH)
        except TimeoutError:
            return False
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        return True

    def last_run(self) -> Run | None:
        try:
            return msgspec.json.decode(self._run_file.read_bytes(), type=Run)
        except (OSError, msgspec.MsgspecError):
            return None

    def save_run(self, run: Run) -> None:
        self._write(self._run_file, msgspec.json.encode(run))

    def secrets(self) -> Secrets:
        """Made once, so that tokens and the consoles' environment stay good over a restart."""
        path = self.path / "secrets.json"
        try:
            kept = msgspec.json.decode(path.read_bytes(), type=Secrets)
            bytes.fromhex(kept.token_key)
            return kept
        except FileNotFoundError:
            made = Secrets(identity_header=secrets.token_urlsafe(24), token_key=secrets.token_hex(32))
            self._write(path, msgspec.json.encode(made))
            return made
        except ValueError as error:
            raise StateError(f"{path} is damaged ({error}): delete it, new secrets will be made") from error

    def forget_world(self) -> None:
        """With all that clients know it by: what they hold of the old world must not fit the new one."""
        for suffix in ("", "-wal", "-shm"):
            self.world_file.with_name(self.world_file.name + suffix).unlink(missing_ok=True)
        for name in ("secrets.json", "ca.pem", "ca.key", "server.pem", "server.key"):
            (self.path / name).unlink(missing_ok=True)

    @staticmethod
    def _write(path: Path, data: bytes) -> None:
        fresh = path.with_suffix(".new")
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(data)
        fresh.replace(path)


def default_path() -> Path:
    import platformdirs

    return Path(platformdirs.user_state_dir("azrecover", appauthor=False)) / "emulator"
