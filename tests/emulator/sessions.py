"""Sessions of azrecover on a running emulator, and the rows of the fleet that tests act on."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from azure_ops.cloud import CloudSettings
from azure_ops.model import FleetItem, RequestLine
from azure_ops.services import inventory
from azure_ops.services.session import Session
from tests.support import Emulator


def settings_for(emulator: Emulator, **more: Any) -> CloudSettings:
    return CloudSettings(name="custom", arm_endpoint=emulator.endpoint, ca_file=emulator.ca_file, **more)


def point_at(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process's environment as a client of the emulator needs it."""
    for name in list(os.environ):
        if name.startswith(("AZURE_", "MSI_", "IDENTITY_", "IMDS_")):
            monkeypatch.delenv(name)
    for name, value in emulator.env.items():
        monkeypatch.setenv(name, value)


def session_on(
    emulator: Emulator, *, on_request: Callable[[RequestLine], None] = lambda line: None, **more: Any
) -> Session:
    return Session(settings_for(emulator, **more), on_request=on_request)


async def fleet_rows(session: Session) -> dict[str, FleetItem]:
    return inventory.join(
        await inventory.read_vms(session),
        await inventory.read_backups(session),
        await inventory.read_replications(session),
    )


async def fleet(session: Session) -> dict[str, FleetItem]:
    """By name; contoso has a few names twice, the last one wins."""
    return {item.name: item for item in (await fleet_rows(session)).values()}
