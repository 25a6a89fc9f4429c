"""Access to a snapshot and item-level recovery, played again and compared with their recordings."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from azure_ops.emulator.answers import Answer
from azure_ops.emulator.records.backup import RecoveryPoint
from tests.emulator.small_world import NOW, SmallWorld, ask, small_world

from .known_shapes import RECORDINGS, value_kinds

pytestmark = pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are not beside this checkout")


def recorded(name: str, seq: int) -> dict[str, Any]:
    for line in (RECORDINGS / "backup" / f"{name}.jsonl").read_text().splitlines():
        exchange: dict[str, Any] = json.loads(line)
        if exchange["seq"] == seq:
            return exchange
    raise KeyError(seq)


def agrees(answer: Answer, exchange: dict[str, Any]) -> None:
    """The same status, body members of the same kinds, and the same headers of a long-running operation."""
    assert answer.status == exchange["status"]
    assert value_kinds(answer.body) == value_kinds(exchange["body"])
    asynchronous = {"azure-asyncoperation", "location"}
    ours = {name.lower() for name in answer.headers} & asynchronous
    assert ours == set(exchange["headers"]) & asynchronous


def followed(small: SmallWorld, answer: Answer, name: str) -> Answer:
    return ask(small, "GET", answer.headers[name])


def test_a_grant_and_its_end_are_as_recorded() -> None:
    small = small_world()
    under = f"{small.snapshot.id}"
    body = recorded("snapshot_access", 4)["request_body"]
    begun = ask(small, "POST", f"{under}/beginGetAccess?api-version=2023-10-02", body)
    agrees(begun, recorded("snapshot_access", 4))
    small.advance(5)
    agrees(followed(small, begun, "Azure-AsyncOperation"), recorded("snapshot_access", 5))
    granted = followed(small, begun, "Location")
    agrees(granted, recorded("snapshot_access", 6))
    theirs = recorded("snapshot_access", 6)["body"]["accessSAS"]
    mine, real = (urlsplit(address) for address in (granted.body["accessSAS"], theirs))
    assert [key for key, _ in parse_qsl(mine.query)] == [key for key, _ in parse_qsl(real.query)]
    assert dict(parse_qsl(mine.query))["sv"] == dict(parse_qsl(real.query))["sv"]
    assert mine.path.rsplit("/", 1)[-1] == real.path.rsplit("/", 1)[-1]
    shown = ask(small, "GET", f"{under}?api-version=2025-01-02")
    assert shown.body["properties"]["diskState"] == "ActiveSAS"
    assert recorded("snapshot_access", 7)["body"]["properties"]["diskState"] == "ActiveSAS"
    ended = ask(small, "POST", f"{under}/endGetAccess?api-version=2023-04-02")
    agrees(ended, recorded("snapshot_access", 9))
    small.advance(5)
    agrees(followed(small, ended, "Azure-AsyncOperation"), recorded("snapshot_access", 10))
    agrees(followed(small, ended, "Location"), recorded("snapshot_access", 11))
    shown = ask(small, "GET", f"{under}?api-version=2025-01-02")
    assert shown.body["properties"]["diskState"] == "Unattached"


def test_item_level_recovery_is_as_recorded() -> None:
    small = small_world()
    small.item.os_type = "Windows"
    small.item.recovery_points = [
        RecoveryPoint(name="182457315790203", taken_at=NOW, expires_at=NOW + timedelta(days=30))
    ]
    small.world.store.save(small.item)
    under = f"{small.item.id}/recoveryPoints/182457315790203"
    body = recorded("backup_ilr_ps2022", 1)["request_body"]
    begun = ask(small, "POST", f"{under}/provisionInstantItemRecovery?api-version=2021-10-01", body)
    agrees(begun, recorded("backup_ilr_ps2022", 1))
    operation = begun.headers["Azure-AsyncOperation"].partition("?")[0].rsplit("/", 1)[-1]
    status = f"{small.vault.id}/backupOperations/{operation}?api-version=2021-10-01"
    without_headers = {**recorded("backup_ilr_ps2022", 2), "headers": {}}
    agrees(ask(small, "GET", status), without_headers)
    small.advance(60)
    done = ask(small, "GET", status)
    agrees(done, {**recorded("backup_ilr_ps2022", 3), "headers": {}})
    ours = done.body["properties"]["recoveryTarget"]["clientScripts"]
    theirs = recorded("backup_ilr_ps2022", 3)["body"]["properties"]["recoveryTarget"]["clientScripts"]
    for mine, real in zip(ours, theirs, strict=True):
        assert (mine["scriptExtension"], mine.get("url")) == (real["scriptExtension"], real.get("url"))
        parts = [name["scriptNameSuffix"].split("_") for name in (mine, real)]
        assert [len(one) for one in parts] == [6, 6]
        assert {len(one[-1]) for one in parts} == {61}
    ended = ask(small, "POST", f"{under}/revokeInstantItemRecovery?api-version=2021-10-01")
    agrees(ended, recorded("backup_ilr_ps2022", 4))
    small.advance(30)
    operation = ended.headers["Azure-AsyncOperation"].partition("?")[0].rsplit("/", 1)[-1]
    status = f"{small.vault.id}/backupOperations/{operation}?api-version=2021-10-01"
    agrees(ask(small, "GET", status), {**recorded("backup_ilr_ps2022", 5), "headers": {}})
