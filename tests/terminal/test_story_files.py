"""`azrecover files IMAGE` by keys: from the disk to the file in a folder, in the smallest window."""

from __future__ import annotations

import asyncio
import hashlib
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from azure_ops import paths, wire
from azure_ops.cloud import LOCAL, CloudSettings
from azure_ops.file_model import FileChoice, TickedFile
from azure_ops.file_places import Place
from azure_ops.journal.reader import Reader
from tests.emulator.engine_world import Told, kill
from tests.file_restore.conftest import unpack
from tests.file_restore.interrupted import begin_paused, big_image, opened
from tests.file_restore.make_images import PASSPHRASE
from tests.file_restore.truth import recorded

from .console_driver import SMALL, User


class NoAzure:
    """What a user has who has signed in nowhere."""

    env = {  # noqa: RUF012
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AZURE_", "IDENTITY_", "AZRECOVER_"))
    }


@pytest.fixture
def user(tmp_path: Path) -> Iterator[User]:
    image = unpack("ubuntu.img", tmp_path)
    started = User(NoAzure(), tmp_path, SMALL, "files", str(image))  # type: ignore[arg-type]
    yield started
    started.close()


@pytest.mark.timeout(120)
def test_a_file_from_an_image_to_a_folder(
    user: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth, out = recorded("ubuntu-root"), tmp_path / "out"
    user.sees("disk0/p3", "ext4", "✔ readable", "holds others")
    user.presses("enter")
    user.sees("/ (21)", "etc/", "esc␛[31m", "\\xff\\xfe not utf-8")

    user.presses("f")
    user.sees("find in the whole file system")
    user.presses("fst?b", "enter")
    user.sees("found: fst?b (1)", "etc/fstab")
    user.presses("enter")
    user.sees("/etc/fstab", "UUID=1111", "i hex")
    user.presses("i")
    user.sees("00000000  ")
    user.presses("escape")
    user.sees_no_more("00000000  ")

    user.presses("t", "/etc", "enter")
    user.sees("/etc (2)", "▶  [ ]  fstab")
    user.presses("space")
    user.sees("[x]  fstab", "Ticked: 1 files, 63 B")
    user.presses("escape")
    user.sees("/ (21)", "[-]  etc/")
    user.presses("/", "many", "enter", "g", "space")
    user.sees("[x]  many/")
    user.presses("enter")
    user.sees("/many (", "[x]  entry-0000.conf")
    user.presses("space")
    user.sees("[ ]  entry-0000.conf", "[x]  entry-0001.conf")

    expected = [path for path, fact in truth.items() if path.startswith(b"many/") and fact.kind == "file"]
    wanted = {b"etc/fstab", *expected} - {b"many/entry-0000.conf"}
    user.sees(f"Ticked: {len(wanted)} files")
    user.presses("E")
    user.sees("Where to", "Folder of this machine")
    user.presses("enter", "\x15", "/etc/passwd", "enter", "enter")
    user.sees("/etc/passwd is no folder.")
    user.presses("\x15", str(out), "enter", "enter")
    user.sees("will be made", f"{len(wanted):,} (", "Go ahead")
    assert not out.exists()
    user.presses("tab", "enter")
    user.sees("✔ done", f"{len(wanted)} of {len(wanted)}")

    found = {
        os.fsencode(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in out.rglob("*")
        if path.is_file() and path.parent != out
    }
    assert found == {path: truth[path].digest for path in wanted}
    user.presses("escape")
    user.sees_no_more("✔ done")

    archive = tmp_path / "found.tar"
    user.presses("E")
    user.sees("Where to", "Folder of this machine")
    user.presses("down")
    user.sees("Name of the tar file", "Refuse: nothing is written")
    user.presses("enter", "\x15", str(archive), "enter", "enter")
    user.sees("tar file", "will be made", "Go ahead")
    user.presses("tab", "enter")
    user.sees("✔ done", "where it is unpacked")
    with tarfile.open(archive) as opened:
        assert {os.fsencode(info.name) for info in opened if info.isreg()} == wanted
    user.presses("escape")
    user.sees_no_more("✔ done")
    assert user.ends() == 0
    monkeypatch.setenv("XDG_STATE_HOME", user.env["XDG_STATE_HOME"])
    entries = Reader(paths.journal_path(CloudSettings(name=LOCAL))).entries()
    assert [(entry.action, entry.phase) for entry in entries] == [("restore-files", "succeeded")] * 2


@pytest.mark.timeout(120)
def test_an_encrypted_volume_is_unlocked(tmp_path: Path) -> None:
    image = unpack("encrypted.img", tmp_path)
    user = User(NoAzure(), tmp_path, SMALL, "files", str(image))  # type: ignore[arg-type]
    try:
        user.sees("disk0/p1", "LUKS2", "✖ encrypted")
        user.presses("g", "down")
        user.sees("enter asks for its passphrase", "0 (argon2id)", "enter Unlock")
        user.presses("enter")
        user.sees("Unlock disk0/p1", "or a key file")
        user.presses("wrong horse")
        user.sees("•" * 11)
        user.presses("enter")
        user.sees("the key is wrong: it fits none of 2 key slots")
        user.presses(PASSPHRASE, "enter")
        user.sees("disk0/p1/plain (ext4)", "etc/", "note0.txt")
        user.presses("escape")
        user.sees("LUKS2, unlocked", "disk0/p2")
        user.presses("G", "enter")
        user.sees("Unlock disk0/p2")
        user.presses(PASSPHRASE, "enter")
        user.sees("LUKS1, unlocked", "secret/data")
        user.presses("G", "enter")
        user.sees("secret/data (ext4)", "note0.txt")
        assert user.ends() == 0
    finally:
        user.close()


async def stand_still(image: Path, out: Path) -> int:
    """A restore is paused by another console of the same engine; returns that engine."""
    other = Told(CloudSettings(name=LOCAL))
    await other.connect()
    session = await opened(other, image)
    answer = await other.call(wire.LookUpPath(session=session.id, volume="disk0", path=b"data"))
    assert isinstance(answer, wire.PathFound)
    data = TickedFile(path=b"data", id=answer.entries[-1].id)
    await begin_paused(other, session, FileChoice(volume="disk0", ticked=(data,)), Place(path=str(out)))
    await other.close()
    return other.pid


@pytest.mark.timeout(120)
def test_a_restore_goes_on_after_the_engine_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, image = big_image(tmp_path)
    user = User(NoAzure(), tmp_path, SMALL, "files", str(image))  # type: ignore[arg-type]
    try:
        user.sees("disk0", "ext4", "✔ readable")
        for name in ("XDG_STATE_HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
            monkeypatch.setenv(name, user.env[name])
        kill(asyncio.run(stand_still(image, tmp_path / "out")))
        user.sees("was interrupted; E goes on")
        user.presses("E")
        user.sees("A restore was interrupted", "what is there is not read again")
        user.presses("enter")
        user.sees("✔ done", "600 of 600", "there before")
        assert len(list((tmp_path / "out/data").iterdir())) == 600
        for file in (source / "data").iterdir():
            assert (tmp_path / "out/data" / file.name).read_bytes() == file.read_bytes()
    finally:
        user.close()
