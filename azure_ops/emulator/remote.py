"""The commands that ask the running emulator: env, status, clock, fault. And how it is asked."""

from __future__ import annotations

import argparse
import http.client
import sys
from typing import Any
from urllib.parse import urlsplit

import msgspec

from .client_env import shell_exports
from .state_dir import Run, StateDir

NOT_RUNNING, UNUSABLE, RUNNING_ALREADY = 1, 2, 3
NOT_FAULT_FIELDS = ("state", "command")


class NotReached(Exception):
    """The running emulator did not answer, or refused; the text is one line."""


def complain(text: str, code: int) -> int:
    print(f"azrecover emulator: {text}", file=sys.stderr)
    return code


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


def env(state: StateDir, options: argparse.Namespace) -> int:
    print(shell_exports(_running(state)))
    return 0


def status(state: StateDir, options: argparse.Namespace) -> int:
    run = state.running()
    if run is None:
        return complain(f"no emulator runs on {state.path}", NOT_RUNNING)
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
        if name not in NOT_FAULT_FIELDS and value is not None and value is not False
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


def fault_known(state: StateDir, options: argparse.Namespace) -> int:
    """Needs nothing that runs."""
    from .failing_steps import STEPS
    from .handlers.backup_errors import KNOWN

    for operation, steps in STEPS.items():
        print(f"{operation}: " + ", ".join(f"{at} {name}" for at, name in enumerate(steps, 1)))
    print("\nCodes of backup and restore jobs that have words of their own; any other is taken as it is:")
    for error in KNOWN.values():
        print(f"{error.code} {error.title}: {error.message}")
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
