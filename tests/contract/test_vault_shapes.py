"""What a vault answers besides its own document: usages as the SDK models know them, the end of a deletion
as recorded."""

from __future__ import annotations

import json
import re
from typing import Any

import azure.mgmt.recoveryservices.models as vault_models
import azure.mgmt.recoveryservicesbackup.models as backup_models
import pytest

from tests.contract.known_shapes import RECORDINGS, unknown_to_model, value_kinds
from tests.emulator.small_world import ask, small_world

SUMMARIES = ("BackupProtectedItemCountSummary", "BackupProtectionContainerCountSummary")


def test_usages_hold_what_the_sdk_knows() -> None:
    small = small_world()
    listed = ask(small, "GET", f"{small.vault.id}/usages").body["value"]
    assert {one["unit"] for one in listed} == {"Count", "Bytes"}
    assert {one["name"]["value"] for one in listed if "quotaPeriod" in one} == {
        "InProgressJobsCount",
        "FailedJobsCount",
    }
    for usage in listed:
        assert unknown_to_model(usage, vault_models.VaultUsage) == set(), usage


@pytest.mark.parametrize("kind", SUMMARIES)
def test_summaries_hold_what_the_sdk_knows(kind: str) -> None:
    small = small_world()
    summary = ask(small, "GET", f"{small.vault.id}/backupUsageSummaries?$filter=type eq '{kind}'").body
    (counted,) = summary["value"]
    assert counted["currentValue"] == 1
    assert unknown_to_model(counted, backup_models.BackupManagementUsage) == set()


def recorded_failures() -> list[dict[str, Any]]:
    found = []
    for file in sorted(RECORDINGS.rglob("*.jsonl")):
        for line in file.read_text().splitlines():
            body = json.loads(line).get("body")
            if isinstance(body, dict) and "/operationStatus/" in str(body.get("id")):
                found += [body] if body.get("status") == "Failed" else []
    return found


@pytest.mark.skipif(not RECORDINGS.is_dir(), reason="the recordings are not beside this checkout")
def test_a_refused_deletion_ends_as_recorded() -> None:
    small = small_world()
    assert ask(small, "DELETE", small.item.id).status == 202
    small.advance(300)
    answer = ask(small, "DELETE", small.vault.id)
    assert (answer.status, answer.body) == (202, None)
    small.advance(10)
    told = ask(small, "GET", answer.headers["Azure-AsyncOperation"]).body
    recorded = recorded_failures()
    assert recorded
    assert all(value_kinds(one) == value_kinds(told) for one in recorded)
    assert {_shape(one) for one in recorded} == {_shape(told)}


def _shape(document: dict[str, Any]) -> tuple[str, str, str]:
    """Code, text without the machine's name, and how its times are spelt."""
    error = document["error"]
    text = error["message"].rpartition(" : ")[0]
    return error["code"], text, re.sub(r"\d+", "9", document["endTime"]).replace("PM", "AM")
