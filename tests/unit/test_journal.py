"""The journal: what is committed stays, events are only added to, damage is told and nothing thrown away."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from azure_ops.engine.operations import operation_of
from azure_ops.errors import StateUnusable
from azure_ops.journal.cli import main as journal_command
from azure_ops.journal.reader import Reader
from azure_ops.journal.store import Entry, Journal, timing_of
from azure_ops.model import Phase, Plan, PlannedRequest, Risk

NOW = datetime(2026, 8, 22, 14, 0, tzinfo=UTC)


def entry(number: int = 1, **changes: object) -> Entry:
    made = Entry(
        id=f"operation-{number}",
        plan_id="plan-1",
        action="backup-now",
        title=f"Backup of vm-{number}",
        target_key=f"/subscriptions/s/vm-{number}",
        target_name=f"vm-{number}",
        request_id=f"request-{number}",
        plan=Plan(
            id="plan-1",
            action="backup-now",
            title="Back up now",
            risk=Risk.CREATES,
            keys=("k",),
            names=("vm",),
            consequences=("A point is made.",),
            requests=(PlannedRequest(method="POST", url="/backup", body="{}"),),
        ),
        confirmed_by="ops@pts/3 from 10.0.0.7",
        created_at=NOW + timedelta(seconds=number),
        service_created_at=NOW,
    )
    return msgspec.structs.replace(made, **changes)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


def test_an_entry_is_read_back_as_it_was_written(path: Path) -> None:
    journal = Journal.open(path)
    journal.intend([entry(1), entry(2)])
    sent = entry(1, phase=Phase.SUBMITTED, job_id="/jobs/1", resume="token")
    journal.change(sent, "taken by the service")
    journal.close()
    again = Journal.open(path)
    assert again.problem is None
    assert again.unfinished() == [sent, entry(2)]
    assert again.recent(1) == [entry(2)]
    assert [(event.phase, event.text) for event in again.events("operation-1")] == [
        (Phase.INTENDED, "confirmed by ops@pts/3 from 10.0.0.7"),
        (Phase.SUBMITTED, "taken by the service"),
    ]


def test_an_operation_knows_the_services_time_of_its_intent() -> None:
    at = datetime(2031, 1, 1, tzinfo=UTC)
    assert operation_of(entry(service_created_at=at), None, []).service_created_at == at


def test_a_batch_is_kept_whole_or_not_at_all(path: Path) -> None:
    journal = Journal.open(path)
    journal.intend([entry(1)])
    with pytest.raises(StateUnusable):
        journal.intend([entry(2), entry(1)])
    assert journal.unfinished() == [entry(1)]


def test_events_can_neither_be_changed_nor_deleted(path: Path) -> None:
    journal = Journal.open(path)
    journal.intend([entry()])
    journal.close()
    with sqlite3.connect(path) as database:
        for statement in ("UPDATE events SET text = 'x'", "DELETE FROM events"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                database.execute(statement)


def test_restores_are_compared_with_those_that_read_the_same_tier_in_the_same_region(path: Path) -> None:
    journal = Journal.open(path)
    kinds = ({"tier": "InstantRP"}, {"tier": "HardenedRP"}, {"tier": "HardenedRP", "region": "westus"})
    entries = [entry(number, arguments=arguments) for number, arguments in enumerate(kinds, 1)]
    journal.intend(entries)
    for number, one in enumerate(entries, 1):
        journal.change(replace(one, phase=Phase.SUCCEEDED, duration_s=float(number)), "ended")
    assert [journal.durations_s(timing_of(one)) for one in entries] == [[1.0], [2.0], [3.0]]


def test_only_successes_count_for_what_is_normal(path: Path) -> None:
    journal = Journal.open(path)
    journal.intend([entry(number) for number in range(1, 5)])
    for number, phase in ((1, Phase.SUCCEEDED), (2, Phase.FAILED), (3, Phase.SUCCEEDED)):
        journal.change(entry(number, phase=phase, duration_s=float(number)), "ended")
    assert journal.durations_s(("backup-now", "", "")) == [3.0, 1.0]
    assert journal.durations_s(("failover", "", "")) == []
    assert [left.id for left in journal.unfinished()] == ["operation-4"]


def test_what_was_committed_survives_kill_9(path: Path) -> None:
    code = f"""
import os, signal, sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from pathlib import Path
from azure_ops.journal.store import Journal
from tests.unit.test_journal import entry
journal = Journal.open(Path({str(path)!r}))
journal.intend([entry(1)])
journal.require().execute("BEGIN IMMEDIATE")
journal.require().execute("DELETE FROM operations")
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -signal.SIGKILL
    assert Journal.open(path).unfinished() == [entry(1)]


@pytest.mark.parametrize("damage", ["header", "page", "entry", "foreign"])
def test_damage_is_told_and_the_file_left_as_it_is(path: Path, damage: str) -> None:
    journal = Journal.open(path)
    journal.intend([entry(number) for number in range(1, 40)])
    journal.close()
    if damage == "entry":
        with sqlite3.connect(path) as database:
            database.execute("UPDATE operations SET entry = '{' WHERE id = 'operation-3'")
    elif damage == "foreign":
        path.unlink()
        with sqlite3.connect(path) as database:
            database.execute("CREATE TABLE songs (name TEXT)")
    else:
        content = bytearray(path.read_bytes())
        start = 0 if damage == "header" else 4096
        content[start : start + 2000] = os.urandom(2000)
        path.write_bytes(content)
    before = path.read_bytes()
    damaged = Journal.open(path)
    assert damaged.problem is not None
    assert str(path) in damaged.problem.title
    assert "Move the file away" in damaged.problem.hint
    with pytest.raises(StateUnusable):
        damaged.intend([entry(99)])
    damaged.close()
    assert path.read_bytes() == before


def test_a_folder_without_room_is_told(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path / "missing" / "journal.sqlite")
    assert journal.problem is not None
    assert "damaged or unreadable" in journal.problem.title


def test_a_disk_that_is_full_refuses_before_anything_is_sent(path: Path) -> None:
    journal = Journal.open(path)
    pages = journal.require().execute("PRAGMA page_count").fetchone()[0]
    journal.require().execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StateUnusable, match="cannot be written"):
        journal.intend([entry(number) for number in range(1, 60)])
    assert journal.unfinished() == []


def test_people_read_it_as_a_list_an_operation_and_an_export(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = Journal.open(path)
    journal.intend([entry(1, target_name="evil\x1b[31m\u202e", resume="https://poll?sig=SECRET")])
    journal.close()
    assert journal_command(["list", "--file", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert journal_command(["show", "operation", "--file", str(path)]) == 0
    assert "confirmed by   ops@pts/3 from 10.0.0.7" in capsys.readouterr().out
    assert journal_command(["show", "nothing", "--file", str(path)]) == 1
    out = tmp_path / "export.jsonl"
    assert journal_command(["export", "--file", str(path), "--out", str(out)]) == 0
    assert "SECRET" not in out.read_text()
    row = json.loads(out.read_text())
    assert row["operation"]["request_id"] == "request-1"
    assert row["events"][0]["phase"] == "intended"
    assert out.stat().st_mode & 0o077 == 0
    assert journal_command(["export", "--file", str(path), "--out", str(out)]) == 1
    capsys.readouterr()


def test_an_export_saves_what_a_damaged_journal_still_holds(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = Journal.open(path)
    journal.intend([entry(number) for number in range(1, 4)])
    journal.close()
    with sqlite3.connect(path) as database:
        database.execute("UPDATE operations SET entry = '{' WHERE id = 'operation-2'")
    assert journal_command(["export", "--file", str(path)]) == 1
    captured = capsys.readouterr()
    saved = [json.loads(line)["operation"]["id"] for line in captured.out.splitlines()]
    assert saved == ["operation-1", "operation-3"]
    assert "damaged part" in captured.err


def test_a_reader_does_not_change_the_file(path: Path) -> None:
    journal = Journal.open(path)
    journal.intend([entry()])
    reader = Reader(path)
    assert reader.entries() == [entry()]
    assert reader.damaged == []
    journal.change(entry(phase=Phase.RUNNING), "1/3")
    assert Reader(path).entries()[0].phase is Phase.RUNNING
