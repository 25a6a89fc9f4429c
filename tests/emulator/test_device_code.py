"""Signing in with a device code where nothing else works: asked for once, answered by a person, then used."""

from __future__ import annotations

import asyncio
import logging
import re
from datetime import UTC, datetime

import pytest

from azure_ops.errors import SignInNeeded
from azure_ops.services import inventory
from azure_ops.services.session import Session
from tests.support import Emulator

from .sessions import settings_for


class Console:
    """What the console would be told."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.told: list[tuple[str, str, datetime]] = []

    def __call__(self, url: str, code: str, expires_at: datetime) -> None:
        self.told.append((url, code, expires_at))
        self.asked.set()


@pytest.fixture
def nothing_else(emulator_env: Emulator, monkeypatch: pytest.MonkeyPatch) -> Emulator:
    monkeypatch.delenv("IDENTITY_ENDPOINT")
    monkeypatch.delenv("IDENTITY_HEADER")
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
    return emulator_env


async def test_many_requests_ask_once(nothing_else: Emulator, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    console = Console()
    async with Session(settings_for(nothing_else), on_device_code=console) as session:
        reading = asyncio.gather(
            inventory.read_vms(session), inventory.read_vaults(session), session.subscriptions()
        )
        await asyncio.wait_for(console.asked.wait(), 30)
        url, code, expires_at = console.told[0]
        assert url == f"{nothing_else.endpoint}/device"
        assert expires_at > datetime.now(UTC)
        assert code in nothing_else.admin("GET", "devicecode")["value"]
        nothing_else.admin("POST", "devicecode/approve", {"user_code": code})
        vms, vaults, _ = await asyncio.wait_for(reading, 30)
        assert vms
        assert vaults
        assert [told[1] for told in console.told] == [code, ""], "asked once, and told when it was over"
        assert session.identity == "DeviceCodeCredential"
        assert await inventory.read_vaults(session) == vaults
        assert len(console.told) == 2
    assert not re.search(r"eyJ[\w-]+\.eyJ", caplog.text), "no token in any log"


async def test_a_declined_sign_in(nothing_else: Emulator) -> None:
    console = Console()
    async with Session(settings_for(nothing_else), on_device_code=console) as session:
        reading = asyncio.create_task(session.subscriptions())
        await asyncio.wait_for(console.asked.wait(), 30)
        nothing_else.admin("POST", "devicecode/approve", {"user_code": console.told[0][1], "approve": False})
        with pytest.raises(SignInNeeded) as refused:
            await asyncio.wait_for(reading, 30)
        assert refused.value.hint
        with pytest.raises(SignInNeeded):
            await session.subscriptions()
        assert len([told for told in console.told if told[1]]) == 1, "not asked again at once"


async def test_a_session_ends_while_a_sign_in_waits(nothing_else: Emulator) -> None:
    console = Console()
    async with Session(settings_for(nothing_else), on_device_code=console) as session:
        reading = asyncio.create_task(session.subscriptions())
        await asyncio.wait_for(console.asked.wait(), 30)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
    assert console.told[-1][1] == ""
