"""Asking for a point and taking the answer, driven by keys; a point's own view."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from textual.app import App
from textual.screen import Screen

from azure_ops.model import (
    Details,
    Disk,
    FleetItem,
    PointSource,
    PointTier,
    RecoveryPoint,
    Replication,
)
from tui.keys import KeyTable
from tui.screens.incident import IncidentForm
from tui.screens.which_point import Taken, WhichPoint

STYLES = Path(__file__).parents[2] / "tui" / "styles" / "dialogs.tcss"
NOW = datetime(2026, 8, 22, 14, 0, tzinfo=UTC)


class Stage(App[None]):
    CSS_PATH = STYLES

    def __init__(self, screen: Screen[Any]) -> None:
        super().__init__()
        self._shown = screen
        self.answers: list[Any] = []

    def on_mount(self) -> None:
        self.push_screen(self._shown, self.answers.append)

    def text(self) -> str:
        strips = self.screen._compositor.render_strips()
        return "\n".join("".join(segment.text for segment in strip) for strip in strips)


async def pressed(
    screen: Screen[Any], *keys: str, size: tuple[int, int] = (120, 40)
) -> tuple[list[Any], str]:
    app = Stage(screen)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        for key in keys:
            await pilot.press(key)
            await pilot.pause()
        await pilot.pause()
        return app.answers, app.text()


def form() -> IncidentForm:
    return IncidentForm("web-01", lambda: NOW)


async def test_now_is_what_is_asked_for_first() -> None:
    answers, _ = await pressed(form(), "enter")
    assert answers == [NOW]


async def test_what_cannot_be_read_is_told_and_stays_to_be_corrected() -> None:
    answers, seen = await pressed(form(), *"10:3o", "enter")
    assert answers == []
    assert "'10:3o' is no time." in seen
    answers, _ = await pressed(form(), *"10:3o", "enter", "backspace", "0", "enter")
    assert answers == [NOW - timedelta(hours=3, minutes=30)]
    answers, _ = await pressed(form(), *"junk", "enter", "escape")
    assert answers == [None]


@pytest.mark.parametrize("size", [(60, 16), (80, 24)])
async def test_the_complaint_fits_a_small_window(size: tuple[int, int]) -> None:
    _, seen = await pressed(form(), *"junk", "enter", size=size)
    assert "is no time" in seen
    assert "Weigh the points" in seen


def backup(name: str, hours: float, **more: Any) -> RecoveryPoint:
    return RecoveryPoint(
        id=f"/points/{name}",
        name=name,
        source=PointSource.BACKUP,
        taken_at=NOW - timedelta(hours=hours),
        consistency="AppConsistent",
        tiers=(PointTier(name="HardenedRP", status="Valid"),),
        **more,
    )


def replicated(name: str, hours: float) -> RecoveryPoint:
    return RecoveryPoint(
        id=f"/asr/{name}",
        name=name,
        source=PointSource.REPLICATION,
        taken_at=NOW - timedelta(hours=hours),
        consistency="CrashConsistent",
    )


def snapshot(name: str, hours: float) -> RecoveryPoint:
    return RecoveryPoint(
        id=f"/snapshots/{name}",
        name=name,
        source=PointSource.SNAPSHOT,
        taken_at=NOW - timedelta(hours=hours),
        consistency="CrashConsistent",
    )


def which(*points: RecoveryPoint, keys: dict[str, str] | None = None) -> WhichPoint:
    item = FleetItem(
        key="k",
        id="K",
        name="web-01",
        subscription_id="s",
        resource_group="g",
        disks=(Disk(id="/d/os", name="os"),),
        replication=Replication(item_id="r", vault_id="v", allowed_operations=("UnplannedFailover",)),
    )
    return WhichPoint(Details(item=item, points=points), NOW - timedelta(hours=1), NOW, KeyTable(keys or {}))


def taken(answers: list[Any]) -> tuple[str, str]:
    (answer,) = answers
    assert isinstance(answer, Taken)
    return answer.action, answer.options["point"].value


@pytest.mark.parametrize(
    ("keys", "wanted"),
    [
        (("V",), ("restore-vm", "near")),
        (("D",), ("restore-disks", "near")),
        (("a",), ("menu", "near")),
        (("down", "V"), ("restore-vm", "far")),
        (("O", "V"), ("restore-vm", "near")),  # a backup is not failed over to
    ],
)
async def test_a_key_takes_the_point_under_the_cursor(keys: tuple[str, ...], wanted: tuple[str, str]) -> None:
    answers, _ = await pressed(which(backup("near", 2), backup("far", 26)), *keys)
    assert taken(answers) == wanted


async def test_a_replication_point_is_failed_over_to() -> None:
    answers, seen = await pressed(which(backup("old", 60), replicated("r", 2)), "V")
    assert answers == []
    assert "O Failover" in seen
    assert "V New VM" not in seen
    answers, _ = await pressed(which(backup("old", 60), replicated("r", 2)), "O")
    assert taken(answers) == ("failover", "/asr/r")


async def test_snapshots_and_copies_say_what_takes_them() -> None:
    answers, seen = await pressed(which(snapshot("s", 2)), "V", "D", "O")
    assert answers == []
    assert "made of the snapshots" in " ".join(seen.split())
    copy = backup("copy", 2, secondary=True, region="northeurope")
    answers, _ = await pressed(which(copy), "V")
    assert taken(answers) == ("restore-vm", "copy")
    assert answers[0].options["where"].value == "region:northeurope"


async def test_the_users_own_keys_hold_here_too() -> None:
    _, seen = await pressed(which(backup("near", 2), keys={"restore-vm": "f6"}))
    assert "f6 New VM" in seen


@pytest.mark.parametrize("size", [(60, 16), (80, 24), (160, 48)])
async def test_list_and_keys_are_always_in_sight(size: tuple[int, int]) -> None:
    points = [backup(f"b{hours}", hours) for hours in range(2, 200, 24)]
    _, seen = await pressed(which(*points, replicated("r", 3)), size=size)
    assert "✔ take " in seen
    assert "esc back" in " ".join(seen.replace("│", " ").split())


async def test_nothing_to_recommend_is_said_plainly() -> None:
    answers, seen = await pressed(which(backup("after", 0.5)), "V", "escape")
    assert answers == [None]
    _, seen = await pressed(which(backup("after", 0.5)))
    assert "Every point was taken after the incident" in seen
    assert "1 point: taken after the incident" in seen


async def test_enter_shows_all_about_the_point() -> None:
    _, seen = await pressed(which(backup("near", 2)), "enter")
    assert "A recovery point of web-01" in seen
    assert "Threat status: not told" in seen
