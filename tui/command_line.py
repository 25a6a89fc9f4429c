"""The words of the command line, read by argparse; `cli.py` needs it only when there are some."""

from __future__ import annotations

import argparse
import sys
from typing import NoReturn

from .cli import COMMANDS

CLOUDS = ("public", "usgovernment", "china", "local")
"""`local` is no Azure: the engine and the journal of `azrecover files`."""


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        print(f"azrecover: {message}. See 'azrecover --help'.", file=sys.stderr)
        raise SystemExit(2)


def parser() -> argparse.ArgumentParser:
    commands = "\n".join(f"  {name:<10} {about}" for name, about in COMMANDS.items())
    made = Parser(
        prog="azrecover",
        usage="azrecover [options] [command …]",
        description="Get Azure virtual machines back: Backup, Site Recovery and snapshots in the terminal.",
        epilog=f"commands:\n{commands}\n\nWithout one the console opens; with --emulator it needs no Azure.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = made.add_argument
    add("--emulator", action="store_true", help="work on the emulator; it is started when none runs")
    add(
        "--cloud",
        default="",
        choices=CLOUDS,
        help="which Azure (public); local: of `azrecover files`, for journal and engine",
    )
    add(
        "--arm-endpoint",
        metavar="URL",
        default="",
        help="another Resource Manager (env AZRECOVER_ARM_ENDPOINT)",
    )
    add("--ca", metavar="FILE", default="", help="CA certificates for that endpoint (env AZRECOVER_CA)")
    add("--client-id", metavar="ID", default="", help="client id of a user-assigned managed identity")
    add("--subscription", metavar="ID", action="append", default=[], help="only this one; may be repeated")
    add("--read-only", action="store_true", help="look, never act")
    add("--version", action="store_true", help="say the version and end")
    return made
