"""`azrecover emulator …`: the emulator's command line.

Exit codes: 0 done, 1 nothing is running, 2 a wrong word or a state directory that cannot be used, 3 an
emulator runs on that folder already."""

from __future__ import annotations

import argparse
import asyncio
import http.client
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from .client_env import shell_exports
from .state_dir import AlreadyRunning, Run, StateDir, StateError, default_path

NOT_RUNNING, UNUSABLE, RUNNING_ALREADY = 1, 2, 3
START_TIMEOUT_S = 120.0
"""A fleet of 20,000 VMs takes its time to be made."""


class NotReached(Exception):
    """The running emulator did not answer; the text is one line."""


def main(argv: list[str] | None = None) -> int:
    options = _parser().parse_args(argv)
    state = StateDir(options.state or default_path())
    try:
        code: int = options.command(state, options)
    except AlreadyRunning as error:
        if getattr(options, "reuse", False):
            print(error.run.ready_line(), flush=True)
            return 0
        return _complain(f"{error}; stop it, or use it with --reuse", RUNNING_ALREADY)
    except (StateError, NotReached) as error:
        return _complain(str(error), UNUSABLE)
    except OSError as error:
        where = error.filename or state.path
        return _complain(f"cannot use {where} ({error.strerror}): choose another --state", UNUSABLE)
    return code


def _complain(text: str, code: int) -> int:
    print(f"azrecover emulator: {text}", file=sys.stderr)
    return code


# the process ----------------------------------------------------------------------------------------------


def serve(state: StateDir, options: argparse.Namespace) -> int:
    state.prepare()
    try:
        return asyncio.run(_serve(state, options))
    finally:
        state.release()


async def _serve(state: StateDir, options: argparse.Namespace) -> int:
    from .server import Options, Server

    server = Server(
        state,
        Options(
            fleet=options.fleet,
            speed=options.speed,
            seed=options.seed,
            port=options.port,
            now=options.now,
            throttle=not options.no_throttle,
            token_lifetime_s=options.token_lifetime,
            fresh=options.fresh,
        ),
    )
    await server.run()
    return 0


def start(state: StateDir, options: argparse.Namespace) -> int:
    """Starts `serve` on its own, away from this terminal, and prints its line; one that runs is taken."""
    run = state.running()
    if run is not None:
        print(run.ready_line(), flush=True)
        return 0
    state.path.mkdir(mode=0o700, parents=True, exist_ok=True)
    arguments = [sys.executable, "-m", "azure_ops.emulator", "serve", "--reuse", *_passed_on(options)]
    with open(state.log_file, "a") as log:
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
    for name in ("state", "fleet", "speed", "seed", "port", "token_lifetime"):
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
        return _complain(f"no emulator runs on {state.path}", NOT_RUNNING)
    ask(run, "POST", "/admin/stop")
    deadline = time.monotonic() + 10
    while state.running() is not None:
        if time.monotonic() > deadline:
            return _complain(f"pid {run.pid} was told to stop and still runs after 10 s", UNUSABLE)
        time.sleep(0.05)
    print(f"stopped {run.endpoint}")
    return 0


# what a running emulator is asked -------------------------------------------------------------------------


def env(state: StateDir, options: argparse.Namespace) -> int:
    print(shell_exports(_running(state)))
    return 0


def status(state: StateDir, options: argparse.Namespace) -> int:
    run = state.running()
    if run is None:
        return _complain(f"no emulator runs on {state.path}", NOT_RUNNING)
    answer = ask(run, "GET", "/admin/status")
    if options.json:
        print(msgspec.json.encode(answer).decode())
        return 0
    for name, value in answer.items():
        print(f"{name:20} {', '.join(map(str, value)) if isinstance(value, list) else value}")
    return 0


def clock(state: StateDir, options: argparse.Namespace) -> int:
    change: dict[str, float] = {}
    if options.advance is not None:
        change["advance_s"] = options.advance
    if options.speed is not None:
        change["speed"] = options.speed
    answer = ask(_running(state), "POST", "/admin/clock", change)
    print(f"{answer['now']}  speed {answer['speed']:g}")
    return 0


def fault_add(state: StateDir, options: argparse.Namespace) -> int:
    fields = {
        name: value
        for name, value in vars(options).items()
        if name not in NO_FAULT_WORDS and value is not None and value is not False
    }
    print_fault(ask(_running(state), "POST", "/admin/faults", fields))
    return 0


def fault_list(state: StateDir, options: argparse.Namespace) -> int:
    for fault in ask(_running(state), "GET", "/admin/faults")["value"]:
        print_fault(fault)
    return 0


def fault_clear(state: StateDir, options: argparse.Namespace) -> int:
    print(f"cleared {ask(_running(state), 'DELETE', '/admin/faults')['cleared']}")
    return 0


def print_fault(fault: dict[str, Any]) -> None:
    aim = (
        f"{fault['operation']} step {fault['step']} of {fault['target'] or 'any target'}"
        if fault["kind"] == "fail-step"
        else f"{fault['method']} {fault['regex'] or fault['path']}"
    )
    what = f"{fault['kind']} {fault['status'] or ''}".strip()
    print(f"{fault['id']}  {what}  {aim}  {fault['hits']}/{fault['count']}{'  after' * fault['after']}")


def _running(state: StateDir) -> Run:
    run = state.running()
    if run is None:
        raise NotReached(f"no emulator runs on {state.path}: start one with `azrecover emulator serve`")
    return run


def ask(run: Run, method: str, path: str, body: Any = None) -> Any:
    """One request to the admin endpoint. Raises `NotReached` with the emulator's own words for a refusal."""
    address = urlsplit(run.identity_endpoint)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
    data = None if body is None else msgspec.json.encode(body)
    try:
        connection.request(method, path, data, {"X-IDENTITY-HEADER": run.identity_header})
        response = connection.getresponse()
        answer = msgspec.json.decode(response.read())
    except (OSError, http.client.HTTPException, msgspec.MsgspecError) as error:
        raise NotReached(f"the emulator (pid {run.pid}) does not answer: {error}") from error
    finally:
        connection.close()
    if response.status >= 400:
        raise NotReached(answer["error"]["message"])
    return answer


# the words ------------------------------------------------------------------------------------------------

NO_FAULT_WORDS = ("state", "command")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="azrecover emulator", description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _serve_words(_command(commands, "serve", serve, "run in this terminal until it is stopped"))
    _serve_words(_command(commands, "start", start, "run detached; take one that runs"))
    _command(commands, "stop", stop, "stop the one that runs")
    _command(commands, "env", env, "print shell exports for az, the SDKs and azrecover")
    words = _command(commands, "status", status, "show the one that runs")
    words.add_argument("--json", action="store_true")
    words = _command(commands, "clock", clock, "turn the world's clock")
    words.add_argument("--advance", type=float, metavar="SECONDS")
    words.add_argument("--speed", type=_speed)
    _fault_words(commands)
    return parser


def _command(commands: Any, name: str, run: Any, text: str) -> argparse.ArgumentParser:
    words: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    words.add_argument("--state", type=Path, metavar="DIR", help="its folder (default: in your state folder)")
    words.set_defaults(command=run)
    return words


def _serve_words(words: argparse.ArgumentParser) -> None:
    words.add_argument("--fleet", type=_fleet, help="contoso, or a number of VMs up to 20000")
    words.add_argument("--speed", type=_speed, help="world seconds in a real second; 0 stands still")
    words.add_argument("--seed", type=int, help="two worlds of one seed are alike (default 1)")
    words.add_argument("--port", type=_port, help="for HTTPS (default: as before, or any)")
    words.add_argument("--now", type=_moment, metavar="ISO", help="the world's time at the start")
    words.add_argument("--no-throttle", action="store_true", help="count requests but never refuse one")
    words.add_argument("--token-lifetime", type=int, default=86_400, metavar="S", help="in real seconds")
    words.add_argument("--fresh", action="store_true", help="forget the world in the folder")
    words.add_argument("--reuse", action="store_true", help="if one runs already, print its line")


def _fault_words(commands: Any) -> None:
    parser = commands.add_parser("fault", help="make requests and jobs fail")
    faults = parser.add_subparsers(required=True, metavar="COMMAND")
    _command(faults, "list", fault_list, "show the faults and how often they hit")
    _command(faults, "clear", fault_clear, "forget all of them")
    words = _command(faults, "add", fault_add, "add one")
    kinds = ("status", "reset", "slow", "cut", "malformed", "expired-token", "fail-step")
    words.add_argument("kind", choices=kinds)
    words.add_argument("--status", type=int, help="for status: 429, 500, 503 …")
    words.add_argument("--retry-after", type=int, metavar="S", help="for status; without it no such header")
    words.add_argument("--method", help="only this method")
    words.add_argument("--path", metavar="GLOB", help="only paths like this; * crosses slashes")
    words.add_argument("--regex", help="only paths in which this is found")
    words.add_argument("--count", type=int, help="so many times (default 1)")
    words.add_argument("--skip", type=int, help="after letting so many pass")
    words.add_argument("--after", action="store_true", help="do the work, then spoil the answer")
    words.add_argument("--delay-s", type=float, metavar="S", help="for slow: real seconds")
    words.add_argument("--code", help="the error's code")
    words.add_argument("--message", help="the error's message")
    words.add_argument("--operation", help="for fail-step: TestFailover, Backup …")
    words.add_argument("--step", type=int, help="for fail-step: from 1")
    words.add_argument("--target", help="for fail-step: part of the target's id")


def _fleet(text: str) -> str:
    if text.isdecimal() and not 1 <= int(text) <= 20_000:
        raise argparse.ArgumentTypeError("a fleet has 1 to 20000 VMs")
    return text


def _speed(text: str) -> float:
    try:
        speed = float(text)
    except ValueError:
        speed = -1.0
    if not 0 <= speed <= 100_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 100000")
    return speed


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port from 1 to 65535")
    return int(text)


def _moment(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 2026-08-22T14:00:00Z") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
