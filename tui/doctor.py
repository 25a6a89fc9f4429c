"""`azrecover doctor`: terminal and settings here, all about Azure from `azure_ops.doctor`; a line each.

Exit code 0 when all is well, 1 with warnings, 2 when something fails.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from azure_ops.model import Check, CheckState

from . import keys, terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from azure_ops.cloud import CloudSettings

    from .config import Config

_SIGNS = {CheckState.OK: "✔ ok  ", CheckState.WARNING: "▲ warn", CheckState.FAILED: "✖ fail"}
_COLOURS = {CheckState.OK: "32", CheckState.WARNING: "33", CheckState.FAILED: "31"}
_WORST = {CheckState.OK: 0, CheckState.WARNING: 1}


def main(settings: CloudSettings, config: Config, arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="azrecover doctor", description="Checks what azrecover needs.")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # into `head`, as other tools
    worst = 0
    for check in findings(settings, config):
        worst = max(worst, _WORST.get(check.state, 2))
        show(check, as_json=options.json)
    return worst


def findings(settings: CloudSettings, config: Config) -> Iterator[Check]:
    yield from terminal_checks()
    yield config_check(config)
    yield from azure_checks(settings)


def terminal_checks() -> Iterator[Check]:
    reason = terminal.why_unusable()
    if reason:
        state = CheckState.WARNING if "not a terminal" in reason else CheckState.FAILED
        yield Check(label="terminal", state=state, detail=reason)
    columns, lines = shutil.get_terminal_size()
    where = [name for name, variable in (("tmux", "TMUX"), ("screen", "STY"), ("SSH", "SSH_CONNECTION"))
             if os.environ.get(variable)]  # fmt: skip
    inside = f", inside {' over '.join(where)}" if where else ""
    colour = os.environ.get("COLORTERM") or (
        "256 colours" if "256" in os.environ.get("TERM", "") else "16 colours"
    )
    detail = f"TERM={os.environ.get('TERM', '')}, {columns}×{lines}, {colour}{inside}"
    wanted = terminal.SMALLEST
    if columns < wanted[0] or lines < wanted[1]:
        fix = f"Make the window at least {wanted[0]}×{wanted[1]}."
        yield Check(label="window", state=CheckState.WARNING, detail=detail, fix=fix)
    else:
        yield Check(label="window", state=CheckState.OK, detail=detail)


def config_check(config: Config) -> Check:
    where = str(config.path) if config.path else "no config.toml, defaults hold"
    try:
        keys.KeyTable(config.keys)
    except keys.KeyClash as error:
        return Check(
            label="settings", state=CheckState.FAILED, detail=f"{where}: {error}", fix="Change [keys] there."
        )
    from .themes import names

    if config.theme not in names():
        detail = f"{where}: theme {config.theme!r} is not known; known are {', '.join(names())}"
        return Check(label="settings", state=CheckState.FAILED, detail=detail, fix="Change theme there.")
    return Check(
        label="settings", state=CheckState.OK, detail=f"{where}{', read-only' if config.read_only else ''}"
    )


def azure_checks(settings: CloudSettings) -> Iterator[Check]:
    command = [sys.executable, "-m", "azure_ops.doctor", "--json", *settings.to_argv()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stdout:
            yield msgspec.json.decode(line, type=Check)
        said = process.stderr.read().strip().splitlines()
    if process.returncode != 0:
        detail = f"the checks of Azure ended early: {said[-1] if said else f'exit code {process.returncode}'}"
        yield Check(label="doctor", state=CheckState.FAILED, detail=detail)


def show(check: Check, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(msgspec.structs.asdict(check)), flush=True)
        return
    sign = _SIGNS.get(check.state, "? ")
    if sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
        sign = f"\x1b[{_COLOURS.get(check.state, '0')}m{sign}\x1b[0m"
    print(f"{sign}  {_safe(check.label)}: {_safe(check.detail)}", flush=True)
    if check.fix:
        print(f"        → {_safe(check.fix)}", flush=True)


def _safe(text: str) -> str:
    """Names from Azure may hold anything; a terminal gets only what prints."""
    return "".join(character if character.isprintable() else "·" for character in text)
