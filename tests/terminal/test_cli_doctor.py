"""`azrecover doctor` against a real emulator: each line says what is, each fault its fix."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from azure_ops.cloud import CloudSettings
from tests.support import READER_CLIENT_ID, Emulator


def doctor(
    emulator: Emulator, folder: Path, *flags: str, **more: str
) -> tuple[int, dict[str, dict[str, str]]]:
    runtime = folder / "run"
    runtime.mkdir(mode=0o700, exist_ok=True)
    env = emulator.env | {
        "XDG_STATE_HOME": str(folder / "state"),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "XDG_RUNTIME_DIR": str(runtime),
        "TERM": "xterm-256color",
        **more,
    }
    command = [sys.executable, "-m", "tui.cli", *flags, "doctor", "--json"]
    run = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert "Traceback" not in run.stderr, run.stderr
    found = [json.loads(line) for line in run.stdout.splitlines()]
    return run.returncode, {each["label"]: each for each in found}


def test_all_is_well_but_the_pipe(shared_emulator: Emulator, tmp_path: Path) -> None:
    code, found = doctor(shared_emulator, tmp_path)
    failed = [each for each in found.values() if each["state"] == "failed"]
    assert failed == []
    assert code == 1
    assert found["terminal"]["state"] == "warning"
    assert "ManagedIdentityCredential" in found["sign-in"]["detail"]
    assert "token good for" in found["sign-in"]["detail"]
    rights = found["permissions on Contoso-Prod"]
    assert rights["state"] == "warning"
    assert rights["detail"].count("Microsoft.") == 1, "an operator may not disable replication, all else"
    assert "replicationProtectedItems/remove" in rights["detail"]
    assert "eyJ" not in json.dumps(found), "a token must never be printed"


def test_a_reader_learns_which_permissions_are_missing(shared_emulator: Emulator, tmp_path: Path) -> None:
    code, found = doctor(shared_emulator, tmp_path, "--client-id", READER_CLIENT_ID)
    assert code == 1
    missing = found["permissions on Contoso-Prod"]
    assert missing["state"] == "warning"
    assert "Microsoft.RecoveryServices" in missing["detail"]
    assert "ask for" in missing["fix"]


def test_an_endpoint_out_of_reach_fails_with_a_fix(shared_emulator: Emulator, tmp_path: Path) -> None:
    code, found = doctor(shared_emulator, tmp_path, AZRECOVER_ARM_ENDPOINT="https://127.0.0.1:9")
    assert code == 2
    assert found["endpoint"]["state"] == "failed"
    assert found["endpoint"]["fix"]
    assert "sign-in" not in found


def test_a_folder_that_cannot_be_used_fails_with_a_fix(shared_emulator: Emulator, tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("no folder")
    code, found = doctor(shared_emulator, tmp_path, XDG_STATE_HOME=str(blocked))
    assert code == 2
    assert "XDG_STATE_HOME" in found["state folder"]["fix"]
    assert found["endpoint"]["state"] == "ok"


def test_a_damaged_journal_is_found(shared_emulator: Emulator, tmp_path: Path) -> None:
    cloud = CloudSettings(
        name="custom", arm_endpoint=shared_emulator.endpoint, ca_file=shared_emulator.ca_file
    )
    folder = tmp_path / "state" / "azrecover" / cloud.key
    folder.mkdir(parents=True, mode=0o700)
    (folder / "journal.sqlite").write_bytes(b"this is no database" * 100)
    code, found = doctor(shared_emulator, tmp_path)
    assert code == 2
    assert found["journal"]["state"] == "failed"


def test_a_theme_that_the_console_would_refuse_is_found(shared_emulator: Emulator, tmp_path: Path) -> None:
    settings = tmp_path / "config" / "azrecover" / "config.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text('theme = "nope"')
    code, found = doctor(shared_emulator, tmp_path)
    assert code == 2
    assert "'nope'" in found["settings"]["detail"]


def test_a_reader_of_the_output_that_leaves_early_is_no_traceback(tmp_path: Path) -> None:
    shell = '"$0" -m tui.cli doctor | head -1'
    env = os.environ | {
        "XDG_STATE_HOME": str(tmp_path / "state"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
    }
    run = subprocess.run(
        ["sh", "-c", shell, sys.executable], env=env, capture_output=True, text=True, timeout=120, check=True
    )
    assert len(run.stdout.splitlines()) == 1
    assert run.stderr == ""
