"""The commands that begin and end an emulator: serve, start, stop."""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
from pathlib import Path

from .remote import NOT_RUNNING, UNUSABLE, ask, complain
from .state_dir import AlreadyRunning, StateDir

STOP_TIMEOUT_S = 10.0


def serve(state: StateDir, options: argparse.Namespace) -> int:
    os.umask(0o077)
    state.prepare()
    try:
        return asyncio.run(_serve(state, options))
    finally:
        state.release()


async def _serve(state: StateDir, options: argparse.Namespace) -> int:
    from .opening import Options
    from .server import Server

    server = Server(
        state,
        Options(
            fleet=options.fleet,
            speed=options.speed,
            seed=options.seed,
            port=options.port,
            now=options.now,
            throttle=not options.no_throttle,
            page_limit=options.page_size or 0,
            token_lifetime_s=options.token_lifetime,
            fresh=options.fresh,
        ),
    )
    await server.run()
    return 0


def start(state: StateDir, options: argparse.Namespace) -> int:
    """Starts `serve` on its own, away from this terminal, and prints its line; one that runs is taken."""
    with state.one_start_at_a_time():
        run = state.running()
        if run is None:
            return _start(state, options)
    if options.fleet not in (None, run.fleet):
        raise AlreadyRunning(run)
    print(run.ready_line(), flush=True)
    return 0


def _start(state: StateDir, options: argparse.Namespace) -> int:
    arguments = [sys.executable, "-m", "azure_ops.emulator", "serve", *_passed_on(options)]
    with open(os.open(state.log_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a") as log:
        begins_at = log.tell()
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
            text=True,
        )
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        code = process.wait()
        lines = _tail(state.log_file, begins_at)
        sys.stderr.write(lines or f"azrecover emulator: it ended at once, exit code {code}\n")
        return code or UNUSABLE
    print(line.rstrip("\n"), flush=True)
    return 0


def _passed_on(options: argparse.Namespace) -> list[str]:
    arguments: list[str] = []
    for name in ("state", "fleet", "speed", "seed", "port", "page_size", "token_lifetime"):
        value = getattr(options, name)
        if value is not None:
            arguments += [f"--{name.replace('_', '-')}", str(value)]
    if options.now is not None:
        arguments += ["--now", options.now.isoformat()]
    arguments += [
        f"--{name.replace('_', '-')}" for name in ("no_throttle", "fresh") if getattr(options, name)
    ]
    return arguments


def _tail(log: Path, begins_at: int) -> str:
    with open(log) as file:
        file.seek(begins_at)
        return file.read()[-2000:]


def stop(state: StateDir, options: argparse.Namespace) -> int:
    run = state.running()
    if run is None:
        return complain(f"no emulator runs on {state.path}", NOT_RUNNING)
    ask(run, "POST", "/admin/stop")
    if not state.wait_until_free(STOP_TIMEOUT_S):
        text = f"pid {run.pid} was told to stop and still runs after {STOP_TIMEOUT_S:g} s"
        return complain(text, UNUSABLE)
    print(f"stopped {run.endpoint}")
    return 0
