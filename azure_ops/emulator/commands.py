"""`azrecover emulator …`: the emulator's command line.

Exit codes: 0 done, 1 nothing is running, 2 a wrong word or a state directory that cannot be used, 3 an
emulator runs on that folder already."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .process import serve, start, stop
from .remote import (
    RUNNING_ALREADY,
    UNUSABLE,
    NotReached,
    clock,
    complain,
    env,
    fault_add,
    fault_clear,
    fault_known,
    fault_list,
    status,
)
from .state_dir import AlreadyRunning, StateDir, StateError, default_path


def main(argv: list[str] | None = None) -> int:
    options = _parser().parse_args(argv)
    state = StateDir(options.state or default_path())
    try:
        code: int = options.command(state, options)
    except AlreadyRunning as error:
        if getattr(options, "reuse", False):
            print(error.run.ready_line(), flush=True)
            return 0
        return complain(f"{error}; stop it, or use it with --reuse", RUNNING_ALREADY)
    except (StateError, NotReached) as error:
        return complain(str(error), UNUSABLE)
    except OSError as error:
        where = error.filename or state.path
        return complain(f"cannot use {where} ({error.strerror}): choose another --state", UNUSABLE)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="azrecover emulator", description="An Azure of your own to rehearse on."
    )
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
    words.add_argument("--no-throttle", action="store_true", help="keep no budgets and refuse nothing")
    words.add_argument("--page-size", type=_size, metavar="N", help="at most so many on a page of a list")
    words.add_argument("--token-lifetime", type=int, default=86_400, metavar="S", help="in real seconds")
    words.add_argument("--fresh", action="store_true", help="forget the world in the folder")
    words.add_argument("--reuse", action="store_true", help="if one runs already, print its line")


def _fault_words(commands: Any) -> None:
    parser = commands.add_parser("fault", help="make requests and jobs fail")
    faults = parser.add_subparsers(required=True, metavar="COMMAND")
    _command(faults, "list", fault_list, "show the faults and how often they hit")
    _command(faults, "clear", fault_clear, "forget all of them")
    _command(faults, "known", fault_known, "show which jobs can fail where, and with which codes")
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
    words.add_argument("--operation", help="for fail-step: TestFailover, Backup …; `known` lists them")
    words.add_argument("--step", help="for fail-step: from 1, or its name")
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


def _size(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1")
    return int(text)


def _moment(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time such as 2026-08-22T14:00:00Z") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
