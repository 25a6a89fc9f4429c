"""Which Azure, and as whom: what the command line and the configuration say, carried from console to
engine."""

from __future__ import annotations

import argparse
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

CLOUDS = {
    "public": "https://management.azure.com",
    "usgovernment": "https://management.usgovcloudapi.net",
    "china": "https://management.chinacloudapi.cn",
}
"""Resource Manager's endpoint of each cloud known by name."""
LOCAL = "local"
"""No Azure at all: the engine that only reads image files of this machine."""
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class CloudSettings(msgspec.Struct, frozen=True, kw_only=True):
    name: str = "public"
    """A key of `CLOUDS`, `custom` together with `arm_endpoint`, or `LOCAL`."""
    arm_endpoint: str = ""
    ca_file: str = ""
    subscriptions: tuple[str, ...] = ()
    """Only these are looked at; empty means all that the identity sees."""
    client_id: str = ""
    """Of a user-assigned managed identity or an application, when the environment does not say."""
    read_only: bool = False

    @property
    def endpoint(self) -> str:
        """Resource Manager's base address, without a trailing slash."""
        if self.is_local:
            return "this machine"
        return (self.arm_endpoint or CLOUDS[self.name]).rstrip("/")

    @property
    def is_local(self) -> bool:
        return self.name == LOCAL

    @property
    def key(self) -> str:
        """Names engine, socket and journal: one of each per cloud and identity, short enough for a socket
        path."""
        where = self.name
        if self.arm_endpoint:
            parts = urlsplit(self.arm_endpoint)
            where = f"{parts.hostname or 'custom'}-{parts.port or 443}{self._world(parts.hostname)}"
        who = f"-{self.client_id[:8]}" if self.client_id else ""
        return re.sub(r"[^a-z0-9.-]+", "-", f"{where}{who}".lower()).strip(".-")

    def _world(self, host: str | None) -> str:
        """On this machine another certificate authority at the same port is another emulated cloud."""
        if host not in LOOPBACK or not self.ca_file:
            return ""
        try:
            return f"-{zlib.crc32(Path(self.ca_file).read_bytes()):08x}"
        except OSError:
            return ""

    def to_argv(self) -> list[str]:
        argv = ["--cloud", self.name]
        if self.arm_endpoint:
            argv += ["--arm-endpoint", self.arm_endpoint]
        if self.ca_file:
            argv += ["--ca", self.ca_file]
        for subscription in self.subscriptions:
            argv += ["--subscription", subscription]
        if self.client_id:
            argv += ["--client-id", self.client_id]
        if self.read_only:
            argv.append("--read-only")
        return argv

    @classmethod
    def from_argv(cls, argv: Sequence[str]) -> CloudSettings:
        parser = argparse.ArgumentParser(allow_abbrev=False)
        add_arguments(parser)
        return from_namespace(parser.parse_args(argv))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags that say which cloud, the same ones for every command."""
    parser.add_argument("--cloud", choices=[*CLOUDS, "custom", LOCAL], default="public", help="which Azure")
    parser.add_argument("--arm-endpoint", default="", metavar="URL", help="another Resource Manager endpoint")
    parser.add_argument(
        "--ca", default="", metavar="FILE", help="certificate authority of that endpoint (PEM)"
    )
    parser.add_argument(
        "--subscription", action="append", default=[], metavar="ID", help="look only at this one (repeatable)"
    )
    parser.add_argument(
        "--client-id", default="", metavar="ID", help="of the managed identity to sign in with"
    )
    parser.add_argument("--read-only", action="store_true", help="refuse everything that changes something")


def from_namespace(arguments: argparse.Namespace) -> CloudSettings:
    name = "custom" if arguments.arm_endpoint else arguments.cloud
    if name == "custom" and not arguments.arm_endpoint:
        raise ValueError("--cloud custom needs --arm-endpoint")
    return CloudSettings(
        name=name,
        arm_endpoint=arguments.arm_endpoint,
        ca_file=arguments.ca,
        subscriptions=tuple(arguments.subscription),
        client_id=arguments.client_id,
        read_only=arguments.read_only,
    )
