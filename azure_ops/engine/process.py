"""`python -m azure_ops.engine run|status|stop|log`: the process that holds sign-in, watcher, runner and
journal."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from .. import paths
from ..cloud import CloudSettings, add_arguments, from_namespace
from ..errors import EngineUnavailable, RecoveryError

if TYPE_CHECKING:
    from .lock import EngineLock

LONGEST_LOG_BYTES = 2 * 1024 * 1024


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    try:
        settings = from_namespace(arguments)
        if arguments.command == "run":
            return run(settings, ready_fd=arguments.ready_fd, idle_s=arguments.idle_s, hurry=arguments.hurry)
        from . import commands as engine_commands

        if arguments.command == "log":
            return engine_commands.show_log(settings, arguments.engine, arguments.lines)
        command = engine_commands.show_status if arguments.command == "status" else engine_commands.stop
        return asyncio.run(command(settings, arguments.engine))
    except (RecoveryError, ValueError) as problem:
        print(f"azrecover engine: {problem}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="azrecover engine", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (
        ("run", "run in the foreground (the console starts it by itself)"),
        ("status", "what the engines of this user are doing"),
        ("stop", "end it; operations go on in Azure and are taken up again by the next engine"),
        ("log", "the last lines of its log"),
    ):
        command = commands.add_parser(name, help=text)
        add_arguments(command)
        if name == "run":
            command.add_argument("--ready-fd", type=int, default=-1, help=argparse.SUPPRESS)
            command.add_argument(
                "--idle-s",
                type=float,
                default=60.0,
                help="end after so many seconds without console and work",
            )
            command.add_argument("--hurry", type=float, default=1.0, help=argparse.SUPPRESS)
        else:
            command.add_argument("engine", nargs="?", default="", help="name or process, as in `status`")
        if name == "log":
            command.add_argument("--lines", type=int, default=50)
    return parser


def run(settings: CloudSettings, *, ready_fd: int = -1, idle_s: float = 60.0, hurry: float = 1.0) -> int:
    """Until it is idle or told to stop. What kept it from starting goes to `ready_fd` as JSON, too."""
    os.umask(0o077)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    from .lock import EngineLock

    try:
        lock = EngineLock.take(settings)
        if lock is None:
            _tell(ready_fd, {"busy": True})
            print("azrecover engine: another engine of this cloud runs already.", file=sys.stderr)
            return 3
        _cut_log(settings)
        _log_without_secrets()
        logging.getLogger("azure").setLevel(logging.WARNING)
        return asyncio.run(_serve(settings, lock, ready_fd, idle_s, hurry))
    except RecoveryError as problem:
        _tell(ready_fd, {"error": msgspec.to_builtins(problem.note())})
        print(f"azrecover engine: {problem}", file=sys.stderr)
        return 1


async def _serve(
    settings: CloudSettings, lock: EngineLock, ready_fd: int, idle_s: float, hurry: float
) -> int:
    from ..client import program_version
    from .host import Engine
    from .lock import Holder

    engine = Engine(settings, idle_s=idle_s, hurry=hurry)
    try:
        await engine.socket.bind()
    except OSError as problem:
        raise EngineUnavailable(
            f"The socket {engine.socket.path} cannot be made: {problem.strerror or problem}.",
            "Set XDG_RUNTIME_DIR to a folder of your own.",
        ) from problem
    argv = tuple(settings.to_argv())
    lock.note(Holder(os.getpid(), str(engine.socket.path), program_version(), argv))
    _tell(ready_fd, {"ready": True})
    logging.getLogger(__name__).info("Engine of %s is ready (process %d)", settings.endpoint, os.getpid())
    await engine.run()
    return 0


def _tell(ready_fd: int, answer: dict[str, object]) -> None:
    if ready_fd >= 0:
        with contextlib.suppress(OSError):
            os.write(ready_fd, json.dumps(answer).encode())
            os.close(ready_fd)


def _log_without_secrets() -> None:
    """Tracebacks quote URLs of the service, and some of those are signed."""
    from ..services.request_log import without_secrets

    class Formatter(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            return without_secrets(super().format(record))

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def _cut_log(settings: CloudSettings) -> None:
    """A long log is put aside when an engine starts; the one before that is dropped."""
    path = paths.log_path(settings)
    with contextlib.suppress(OSError):
        if path.stat().st_size < LONGEST_LOG_BYTES or path.stat().st_ino != os.fstat(2).st_ino:
            return
        path.rename(path.with_suffix(".log.1"))
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.dup2(fd, 1)
        os.dup2(fd, 2)
        os.close(fd)
