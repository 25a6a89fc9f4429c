"""The command line: `azrecover`, and `azrecover emulator|engine|journal|doctor …`.

Nothing slow is imported before it is known to be needed; every mistake is one line and exit code 2.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, NoReturn

if TYPE_CHECKING:
    from azure_ops.cloud import CloudSettings

    from .config import Config
    from .keys import KeyTable

COMMANDS = {
    "emulator": "a faithful Azure on this machine: start, serve, env, status, stop, fault",
    "engine": "the process that talks to Azure: status, stop, log",
    "journal": "what was done: list, show, export, give-up",
    "files": "opens image files or a folder of this machine and takes files out of them",
    "handover": "what runs, what ended and what is open, written for the next shift",
    "doctor": "checks terminal, sign-in, permissions, endpoints, clock",
}
_WITH_VALUE = {"--cloud", "--arm-endpoint", "--ca", "--subscription", "--client-id"}
_CREDENTIALS = (
    "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_TENANT_ID", "AZURE_CLIENT_CERTIFICATE_PATH",
    "AZURE_FEDERATED_TOKEN_FILE", "AZURE_USERNAME", "AZURE_PASSWORD", "MSI_ENDPOINT", "MSI_SECRET",
    "IMDS_ENDPOINT", "AZURE_TOKEN_CREDENTIALS",
)  # fmt: skip
"""Left out of the emulator's environment: a real secret must not be offered to it."""


class Options(NamedTuple):
    """As on the command line, before the command."""

    emulator: bool = False
    cloud: str = ""
    arm_endpoint: str = ""
    ca: str = ""
    client_id: str = ""
    subscription: Sequence[str] = ()
    read_only: bool = False
    version: bool = False


def options_of(words: Sequence[str]) -> Options:
    if not words:
        return Options()  # the usual start: argparse alone would take as long as all of `azure_ops`
    from .command_line import parser

    return Options(**vars(parser().parse_args(words)))


def _fail(line: str, code: int = 2) -> NoReturn:
    print(f"azrecover: {line}", file=sys.stderr)
    raise SystemExit(code)


def split(argv: Sequence[str]) -> tuple[list[str], str, list[str]]:
    """Options of ours, the command (may be empty), and the rest, which belongs to the command."""
    skip = False
    for position, word in enumerate(argv):
        if skip:
            skip = False
        elif word.startswith("-"):
            skip = word in _WITH_VALUE
        else:
            return list(argv[:position]), word, list(argv[position + 1 :])
    return list(argv), "", []


def settings_from(options: Options, config: Config) -> CloudSettings:
    """Raises SystemExit with one line for a combination that makes no sense."""
    from azure_ops.cloud import CloudSettings

    endpoint = options.arm_endpoint or ("" if options.cloud else os.environ.get("AZRECOVER_ARM_ENDPOINT", ""))
    ca_file = options.ca or (os.environ.get("AZRECOVER_CA", "") if endpoint else "")
    if endpoint and options.cloud:
        _fail("--cloud and --arm-endpoint exclude each other")
    if endpoint and not endpoint.startswith("https://"):
        _fail(f"--arm-endpoint must start with https://, not {endpoint!r}: no token is sent without TLS")
    if options.ca and not endpoint:
        _fail("--ca needs --arm-endpoint: the public clouds are checked against the system's certificates")
    if ca_file and not os.path.isfile(ca_file):
        _fail(f"the CA file {ca_file!r} does not exist")
    return CloudSettings(
        name="custom" if endpoint else options.cloud or "public",
        arm_endpoint=endpoint.rstrip("/"),
        ca_file=os.path.abspath(ca_file) if ca_file else "",
        subscriptions=tuple(options.subscription),
        client_id=options.client_id,
        read_only=options.read_only or config.read_only,
    )


def use_emulator() -> None:
    """Starts the emulator or finds the running one, and points this process at it."""
    import json

    command = [sys.executable, "-m", "azure_ops.emulator", "start"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        ready = json.loads(answer.stdout.strip().splitlines()[-1])
        environment = {
            "AZRECOVER_ARM_ENDPOINT": ready["endpoint"],
            "AZRECOVER_CA": ready["ca_file"],
            "IDENTITY_ENDPOINT": ready["identity_endpoint"],
            "IDENTITY_HEADER": ready["identity_header"],
        }
    except (IndexError, ValueError, KeyError):
        said = answer.stderr.strip().splitlines()
        _fail(f"the emulator did not start: {said[-1] if said else f'exit code {answer.returncode}'}", 1)
    for name in _CREDENTIALS:
        os.environ.pop(name, None)
    os.environ.update(environment)


def main(argv: Sequence[str] | None = None) -> int:
    ours, command, rest = split(sys.argv[1:] if argv is None else argv)
    options = options_of(ours)
    if options.version:
        from azure_ops.version import VERSION

        print(f"azrecover {VERSION}")
        return 0
    if command and command not in COMMANDS:
        _fail(f"unknown command {command!r}; known are {', '.join(COMMANDS)}")
    if command == "emulator":
        return _become("emulator", rest)
    if not command:
        gc.disable()  # for the start of the console; app.py enables it again
    from . import config as config_file

    try:
        config = config_file.load()
    except config_file.ConfigUnusable as error:
        _fail(str(error))
    if options.emulator:
        if options.cloud or options.arm_endpoint:
            _fail("--emulator brings its own endpoint: leave out --cloud and --arm-endpoint")
        if not command:
            _refuse_bad_terminal()
        use_emulator()
    settings = settings_from(options, config)
    if settings.is_local and command not in ("engine", "journal"):
        _fail(
            "--cloud local is for 'azrecover journal' and 'azrecover engine'; to look use 'azrecover files'"
        )
    if command in ("engine", "journal"):
        if not rest:
            _fail(f"'azrecover {command}' needs one of: {COMMANDS[command].partition(': ')[2]}")
        return _become(command, [*rest, *settings.to_argv()])
    if command == "handover":
        from azure_ops.cloud import CloudSettings

        from .handover import main as handover

        nothing_said = settings.key == CloudSettings().key and not (options.cloud or options.subscription)
        return handover(settings, _key_table(config), rest, any_cloud=nothing_said)
    if command == "files":
        return _open_files(rest, config, settings.read_only)
    if command == "doctor":
        from .doctor import main as doctor

        return doctor(settings, config, rest)
    _refuse_bad_terminal()
    return _open_console(settings, config)


def _become(module: str, arguments: list[str]) -> int:
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", f"azure_ops.{module}", *arguments])  # noqa: S606


def _refuse_bad_terminal() -> None:
    from .terminal import why_unusable

    reason = why_unusable()
    if reason:
        _fail(reason)


def _key_table(config: Config) -> KeyTable:
    from . import keys

    try:
        return keys.KeyTable(config.keys)
    except keys.KeyClash as error:
        _fail(f"{config.path}: {error}")


def _open_files(rest: Sequence[str], config: Config, read_only: bool) -> int:
    """All images of one machine, or a folder; an engine of its own reads them, which knows no Azure."""
    from azure_ops.cloud import LOCAL, CloudSettings

    from .command_line import Parser

    given = Parser(
        prog="azrecover files",
        usage="azrecover files IMAGE… | FOLDER [--also IMAGE… | FOLDER]… | --script FOLDER",
        allow_abbrev=False,
    )
    given.add_argument(
        "--script", metavar="FOLDER", help="run the recovery script in it, as root, and browse"
    )
    given.add_argument(
        "images", nargs="*", metavar="IMAGE", help="raw image, fixed VHD or block device; or one folder"
    )
    given.add_argument(
        "--also",
        metavar="IMAGE",
        nargs="+",
        action="append",
        default=[],
        help="the same machine at another time, to compare files with; may be repeated",
    )
    asked = given.parse_args(rest)
    images = asked.images
    if bool(images) == bool(asked.script):
        given.error("name images, a folder, or a script's folder")
    if asked.script and asked.also:
        given.error("--also goes with images or a folder")
    if asked.script:
        return _run_script(asked.script, config, read_only)
    opened, *also = (_images_of_one_machine(each) for each in (images, *asked.also))
    _refuse_bad_terminal()
    return _open_console(CloudSettings(name=LOCAL, read_only=read_only), config, opened, tuple(also))


def _images_of_one_machine(images: Sequence[str]) -> tuple[str, ...]:
    for image in images:
        if not os.path.exists(image):
            _fail(f"{image!r} does not exist")
        if not os.access(image, os.R_OK):
            _fail(f"{image!r} may not be read by you")
    if len(images) > 1 and any(map(os.path.isdir, images)):
        _fail("name one folder, or the images of one machine")
    return tuple(map(os.path.abspath, images))


def _run_script(folder: str, config: Config, read_only: bool) -> int:
    from pathlib import Path

    from azure_ops.cloud import LOCAL, CloudSettings

    from . import recovery_script

    _refuse_bad_terminal()

    def console(mounted: Path) -> int:
        return _open_console(CloudSettings(name=LOCAL, read_only=read_only), config, (str(mounted),))

    try:
        return recovery_script.browse(Path(os.path.abspath(folder)), console)
    except recovery_script.CannotRun as problem:
        _fail(str(problem), 1)


def _open_console(
    settings: CloudSettings,
    config: Config,
    images: tuple[str, ...] = (),
    also: tuple[tuple[str, ...], ...] = (),
) -> int:
    from . import terminal

    table = _key_table(config)
    terminal.prepare(config.colours)
    from azure_ops.early_line import open_early

    early = open_early(settings)
    from .app import run

    return run(settings, config, table, early, images, also)


if __name__ == "__main__":
    raise SystemExit(main())
