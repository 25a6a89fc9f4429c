from __future__ import annotations

import pytest

from azure_ops.services.throttling import (
    LOOK_AGAIN_S,
    LOOKING_LEAVES,
    POLLING_LEAVES,
    Budget,
    leaving,
    remaining_text,
    retry_after_s,
)

JOBS = "Microsoft.RecoveryServices/vaults/backupJobs/read"
LEFT = "x-ms-ratelimit-remaining-subscription-resource-requests"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def budget(clock: Clock) -> Budget:
    return Budget(clock)


def test_nothing_is_known_at_first(budget: Budget) -> None:
    assert budget.hold_off_s(JOBS) == 0
    assert budget.remaining(JOBS) is None
    assert budget.spacing_s(JOBS, floor_s=20) == 20


def test_a_refusal_holds_off_that_action_in_that_vault_until_its_time(budget: Budget, clock: Clock) -> None:
    text = "exceeded the limit of '150' for time interval '01:00:00'. Please try again after '324' seconds."
    budget.learn(JOBS, "/v/one", 429, {}, text)
    assert budget.hold_off_s(JOBS.lower(), "/V/ONE") == 324
    assert budget.hold_off_s(JOBS, "/v/two") == 0
    assert budget.hold_off_s(JOBS) == 324
    clock.now += 325
    assert budget.hold_off_s(JOBS) == 0


def test_a_refusal_that_says_nothing_holds_off_half_a_minute(budget: Budget) -> None:
    budget.learn(JOBS, "", 429, {})
    assert budget.hold_off_s(JOBS) == 30


def test_reads_are_spaced_so_that_half_of_what_is_left_lasts_the_hour(budget: Budget) -> None:
    budget.learn(JOBS, "/v", 200, {LEFT: "449"})
    assert budget.remaining(JOBS) == 449
    assert budget.spacing_s(JOBS, floor_s=20) == 20
    budget.learn(JOBS, "/v", 200, {LEFT: "20"})
    assert budget.spacing_s(JOBS, floor_s=20) == 360


def test_a_used_up_graph_quota_waits_for_its_reset(budget: Budget, clock: Clock) -> None:
    headers = {"x-ms-user-quota-remaining": "0", "x-ms-user-quota-resets-after": "00:00:04"}
    budget.learn("graph", "", 200, headers)
    assert budget.hold_off_s("graph") == 4
    clock.now += 5
    budget.learn("graph", "", 200, {"x-ms-user-quota-remaining": "14"})
    assert budget.hold_off_s("graph") == 0


@pytest.mark.parametrize(
    ("headers", "text", "seconds"),
    [
        ({"Retry-After": "12"}, "", 12),
        ({"x-ms-retry-after-ms": "1500"}, "", 1.5),
        ({}, "Please try again after '324' seconds.", 324),
        ({}, "Please try again after 7 seconds after additional tokens are available.", 7),
        ({"Retry-After": "soon"}, "", None),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}, "", 0),
        ({}, "", None),
    ],
)
def test_the_wait_is_read_from_header_or_text(
    headers: dict[str, str], text: str, seconds: float | None
) -> None:
    assert retry_after_s(headers, text) == seconds


@pytest.mark.parametrize(
    ("headers", "shown"),
    [
        ({LEFT: "149"}, "149"),
        ({"x-ms-ratelimit-remaining-resource": "Microsoft.Compute/A;23999,Microsoft.Compute/B;35"}, "35"),
        ({"x-ms-ratelimit-remaining-subscription-writes": "199"}, "199"),
        ({"x-ms-ratelimit-remaining-resource": "odd"}, ""),
        ({}, ""),
    ],
)
def test_what_is_left_is_shown_in_one_number(headers: dict[str, str], shown: str) -> None:
    assert remaining_text(headers) == shown


def test_polling_leaves_a_quarter_of_the_hour_to_keys_and_asks_again_now_and_then(
    budget: Budget, clock: Clock
) -> None:
    budget.learn(JOBS, "/v", 200, {LEFT: "299"})
    budget.learn(JOBS, "/v", 200, {LEFT: "75"})
    with leaving(POLLING_LEAVES):
        assert budget.kept(JOBS, "/v") is None
        budget.learn(JOBS, "/v", 200, {LEFT: "74"})
        assert budget.kept(JOBS, "/v") == (74, LOOK_AGAIN_S)
        assert budget.kept(JOBS, "/v", rate=20) == (74, LOOK_AGAIN_S / 20)
        with leaving(LOOKING_LEAVES):
            assert budget.kept(JOBS, "/v") is None, "looking and following may go on"
        clock.now += LOOK_AGAIN_S
        assert budget.kept(JOBS, "/v") is None, "one read finds out whether the hour is over"
        budget.learn(JOBS, "/v", 200, {LEFT: "298"})
        assert budget.kept(JOBS, "/v") is None
        budget.learn(JOBS, "/v", 200, {LEFT: "18"})
        with leaving(LOOKING_LEAVES):
            assert budget.kept(JOBS, "/v") == (18, LOOK_AGAIN_S)
    assert budget.kept(JOBS, "/v") is None, "a key's reads"


def test_of_a_small_rest_not_less_is_kept_and_of_the_graphs_seconds_nothing(budget: Budget) -> None:
    budget.learn(JOBS, "/v", 200, {LEFT: "37"})
    budget.learn("graph", "", 200, {"x-ms-user-quota-remaining": "1"})
    with leaving(POLLING_LEAVES):
        assert budget.kept(JOBS, "/v") is not None
        assert budget.kept("graph", "") is None


def test_odd_headers_teach_nothing(budget: Budget) -> None:
    budget.learn(JOBS, "", 200, {LEFT: "many", "x-ms-user-quota-remaining": ""})
    assert budget.remaining(JOBS) is None
    assert budget.lines() == [(JOBS.lower(), "", None, 0.0)]
