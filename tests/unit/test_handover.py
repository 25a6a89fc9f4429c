"""The note for the next shift: who did what, what is open and since when, in letters that harm nobody."""

from __future__ import annotations

from typing import Any

from azure_ops.handover import as_text, hand_over
from azure_ops.model import ErrorNote, JobState, Phase, SourceState, Vault

from .test_loose_ends import NOW, VAULT, ago, backup, found, job, operation, vm


def note(**more: Any) -> str:
    facts: dict[str, Any] = {
        "at": NOW, "by": "ann@pts/3", "cloud": "x", "jobs": (), "operations": (), "ends": (), "sources": (),
        "vaults": (), "keys": {}, "titles": {},
    }  # fmt: skip
    return as_text(hand_over(**{**facts, **more}))


def test_an_empty_note_says_that_there_is_nothing() -> None:
    text = note()
    assert text.count("\n  nothing\n") == 3
    assert "COULD NOT BE READ" not in text


def test_the_note_says_who_what_and_since_when() -> None:
    ours = operation(
        phase=Phase.RUNNING, message="2/3", confirmed_by="bob@pts/1", service_created_at=ago(minutes=9)
    )
    done = operation(id="2", phase=Phase.SUCCEEDED, message="done", took_s=61.0, confirmed_by="eve")
    old = operation(id="3", phase=Phase.SUCCEEDED, created_at=ago(hours=25))
    theirs = job(state=JobState.RUNNING, title="Back up", target_name="app")
    vaults = (Vault(id=VAULT, name="rsv", location="westeurope", subscription_id="s", resource_group="rg"),)
    unread = (SourceState(name="backup", error=ErrorNote(kind="x", title="Busy.")),)
    ends = found(vm(backup=backup(last_status="Failed")))
    text = note(
        operations=(ours, done, old), jobs=(theirs,), vaults=vaults, sources=unread, ends=ends,
        keys={"backup-now": "B"}, titles={"backup-now": "Back up now"},
    )  # fmt: skip
    assert "STILL RUNNING (2)" in text
    assert "by bob@pts/1, 2026-08-22 13:51:00 UTC, 9m ago: 2/3" in text
    assert "Back up of app [rsv], not from here" in text
    assert "by eve, 2026-08-22 13:00:00 UTC, took 1m 1s: done" in text
    assert "HOW IT ENDED (1)" in text
    assert "web: backup failed, open for 3h [rsv]" in text
    assert "next: B  Back up now" in text
    assert "backup: Busy." in text
    assert "rsv (westeurope, rg)" in text
    assert "NAMED HERE  app, web" in text


def test_foreign_text_cannot_speak_to_the_terminal() -> None:
    text = note(operations=(operation(target_name="a\x1b]0;pwn\x07\nb\u202e", title="\x1b[31mx"),))
    assert all(letter.isprintable() or letter == "\n" for letter in text)
    assert "\nb" not in text
