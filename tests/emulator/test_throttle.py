"""Budgets: the counting by itself, then the headers and refusals of the running emulator."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from azure_ops.emulator.budgets import Bucket, Window, compute_budgets
from azure_ops.emulator.clock import Clock
from azure_ops.emulator.roles import OPERATOR_APP, READER_APP
from azure_ops.emulator.throttle import Throttle

from ..conftest import EmulatorFactory
from ..support import READER_CLIENT_ID, Emulator
from .test_server import first_vault

RECORDED = Path(__file__).resolve().parents[3] / "shared" / "azure" / "recorded" / "backup"
SUB = "/subscriptions/11111111-2222-4333-8444-555555555555"
JOBS = "Microsoft.RecoveryServices/vaults/backupJobs/read"


class Seconds:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def throttle(speed: float = 0, enabled: bool = True) -> tuple[Throttle, Seconds]:
    seconds = Seconds()
    clock = Clock(datetime(2026, 8, 22, tzinfo=UTC), speed, seconds)
    return Throttle(clock, enabled, seconds), seconds


def test_a_bucket_refills_steadily() -> None:
    bucket = Bucket(3, 0.5, 0.0)
    assert [bucket.take(0.0) for _ in range(4)] == [0.0, 0.0, 0.0, 2.0]
    assert bucket.take(1.9) > 0
    assert bucket.take(2.0) == 0.0
    assert bucket.take(1000.0) == 0.0
    assert bucket.left == 2


def test_a_window_ends_and_begins_anew() -> None:
    window = Window(2)
    assert [window.take(at, 10.0) for at in (5.0, 6.0, 7.0)] == [0.0, 0.0, 8.0]
    assert window.take(15.0, 10.0) == 0.0
    assert window.left == 1


def test_arm_refuses_the_251st_read_at_once_and_takes_it_soon() -> None:
    tested, seconds = throttle()
    spent = [tested.spend(OPERATOR_APP, "GET", SUB, "x/read") for _ in range(251)]
    assert [each.refusal for each in spent[:250]] == [None] * 250
    assert spent[0].headers["x-ms-ratelimit-remaining-subscription-reads"] == "249"
    refusal = spent[250].refusal
    assert refusal is not None
    assert (refusal.status, refusal.code) == (429, "SubscriptionRequestsThrottled")
    assert refusal.headers["Retry-After"] == "1"
    assert tested.spend(READER_APP, "GET", SUB, "x/read").refusal is None
    assert tested.spend(OPERATOR_APP, "DELETE", SUB, "x/delete").refusal is None
    seconds.now += 1
    assert tested.spend(OPERATOR_APP, "GET", SUB, "x/read").refusal is None


@pytest.mark.parametrize(("speed", "wait_s"), [(0, 3544), (1, 3544), (4, 844)])
def test_the_hour_of_recovery_services_passes_with_the_world(speed: float, wait_s: int) -> None:
    tested, seconds = throttle(speed)
    for _ in range(450):
        assert tested.spend(OPERATOR_APP, "GET", SUB, JOBS).refusal is None
        seconds.now += 0.125
    refusal = tested.spend(OPERATOR_APP, "GET", SUB, JOBS).refusal
    assert refusal is not None
    assert "Retry-After" not in refusal.headers
    assert refusal.message == (
        f"Number of requests for action '{JOBS}' exceeded the limit of '450' for time interval '01:00:00'. "
        f"Please try again after '{wait_s}' seconds."
    )
    other = "Microsoft.RecoveryServices/vaults/backupProtectedItems/read"
    assert tested.spend(OPERATOR_APP, "GET", SUB, other).refusal is None
    seconds.now += wait_s
    assert tested.spend(OPERATOR_APP, "GET", SUB, JOBS).refusal is None


@pytest.mark.parametrize(("before", "after", "wait_s"), [(60, 1, 2250), (1, 60, 60), (100, 0, 1350)])
def test_a_window_outlives_a_change_of_speed(before: float, after: float, wait_s: int) -> None:
    seconds = Seconds()
    clock = Clock(datetime(2026, 8, 22, tzinfo=UTC), before, seconds)
    tested = Throttle(clock, True, seconds)
    for _ in range(450):
        assert tested.spend(OPERATOR_APP, "GET", SUB, JOBS).refusal is None
        seconds.now += 0.05
    clock.set_speed(after)
    refusal = tested.spend(OPERATOR_APP, "GET", SUB, JOBS).refusal
    assert refusal is not None
    assert f"after '{wait_s}' seconds" in refusal.message
    seconds.now += wait_s
    assert tested.spend(OPERATOR_APP, "GET", SUB, JOBS).refusal is None


def test_a_jump_of_the_clock_is_time_for_the_windows() -> None:
    seconds = Seconds()
    clock = Clock(datetime(2026, 8, 22, tzinfo=UTC), 0, seconds)
    tested = Throttle(clock, True, seconds)
    for _ in range(451):
        seconds.now += 0.05
        spent = tested.spend(OPERATOR_APP, "GET", SUB, JOBS)
    assert spent.refusal is not None
    clock.advance(3600)
    assert tested.spend(OPERATOR_APP, "GET", SUB, JOBS).refusal is None


def test_site_recovery_has_no_hourly_budget() -> None:
    tested, _ = throttle()
    action = "Microsoft.RecoveryServices/vaults/replicationJobs/read"
    assert list(tested.spend(OPERATOR_APP, "GET", SUB, action).headers) == [
        "x-ms-ratelimit-remaining-subscription-reads",
        "x-ms-ratelimit-remaining-subscription-global-reads",
    ]


def test_each_virtual_machine_has_its_own_bucket() -> None:
    tested, _ = throttle()
    group = f"{SUB}/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines"
    action = "Microsoft.Compute/virtualMachines/read"
    for _ in range(36):
        assert tested.spend(OPERATOR_APP, "GET", f"{group}/a/instanceView", action).refusal is None
    refusal = tested.spend(OPERATOR_APP, "GET", f"{group}/A", action).refusal
    assert refusal is not None
    assert (refusal.status, refusal.code) == (429, "OperationNotAllowed")
    assert tested.spend(OPERATOR_APP, "GET", f"{group}/b", action).refusal is None


def test_without_budgets_nothing_is_counted_or_refused() -> None:
    tested, _ = throttle(enabled=False)
    spent = [tested.spend(OPERATOR_APP, "GET", SUB, JOBS) for _ in range(500)]
    assert not any(each.refusal or each.headers for each in spent)


def test_the_emulator_refuses_the_sixteenth_query_in_five_seconds(emulator: Emulator) -> None:
    query = {"query": "resources | limit 1", "subscriptions": emulator.subscription_ids}
    replies = [emulator.post("/providers/Microsoft.ResourceGraph/resources", query) for _ in range(16)]
    assert [reply.status for reply in replies] == [200] * 15 + [429]
    assert [reply.headers["x-ms-user-quota-remaining"] for reply in replies[:3]] == ["14", "13", "12"]
    assert re.fullmatch(r"00:00:0[1-5]", replies[0].headers["x-ms-user-quota-resets-after"])
    assert replies[15].error_code == "RateLimiting"
    assert 1 <= int(replies[15].headers["retry-after"]) <= 5


def test_without_throttle_it_does_not(emulator_factory: EmulatorFactory) -> None:
    emulator = emulator_factory(throttle=False)
    query = {"query": "resources | limit 1", "subscriptions": emulator.subscription_ids}
    path = "/providers/Microsoft.ResourceGraph/resources"
    assert {emulator.post(path, query).status for _ in range(20)} == {200}


def test_the_emulator_throttles_job_reads_with_the_seconds_only_in_the_text(emulator: Emulator) -> None:
    path = f"{first_vault(emulator)}/backupJobs/{'0' * 8}-0000-4000-8000-{'0' * 12}"
    for _ in range(225):
        assert emulator.get(path).status == 404
        assert emulator.get(path, client_id=READER_CLIENT_ID).status == 404
    reply = emulator.get(path)
    assert (reply.status, reply.error_code) == (429, "ResourceRequestsThrottled")
    assert "retry-after" not in reply.headers
    assert re.search(r"Please try again after '\d+' seconds\.$", reply.body["error"]["message"])


@pytest.mark.skipif(not RECORDED.is_dir(), reason="the recordings are not here")
def test_compute_families_are_the_recorded_ones() -> None:
    """Every recorded family of a request that the emulator models is the one it would name."""
    modelled = re.compile(
        r"/microsoft\.compute/(virtualmachines(/[^/]+(/(start|deallocate|poweroff|restart|instanceview))?)?"
        r"|(disks|snapshots)(/[^/]+)?|locations/[^/]+/(disk)?operations/[^/]+)$"
    )
    checked = 0
    for file in sorted(RECORDED.glob("*.jsonl")):
        for line in file.read_text().splitlines():
            seen = json.loads(line)
            told = seen["headers"].get("x-ms-ratelimit-remaining-resource")
            path = seen["path"].lower()
            of_old_times = "2020-" in str(seen["query"])
            if told and modelled.search(path) and not of_old_times:
                families = {part.partition("/")[2].partition(";")[0] for part in told.split(",")}
                ours = {budget.family for budget in compute_budgets(seen["method"], path)}
                assert ours == families, (file.name, seen["seq"], seen["method"], path)
                checked += 1
    assert checked > 100
