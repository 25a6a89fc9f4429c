"""An engine that is killed between a file's name and the note of it: nothing is made a second time."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest

from azure_ops.file_restore.destination import Conflict

from .killed import no_links, restore
from .ssh_server import SshServer
from .test_extraction import Image, leftovers
from .test_remote import machine as machine


def names(folder: Path) -> set[str]:
    """Without the lists: what a restore is called has to do with its place."""
    every = {str(path.relative_to(folder)) for path in folder.rglob("*")}
    return {name for name in every if not name.startswith("azrecover-")}


async def check(
    kind: str, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: tuple[str, str, str, str]
) -> None:
    conflict, call, number, links = how
    clean, out = tmp_path / "clean", tmp_path / "out"
    clean.mkdir()
    out.mkdir()
    if links == "none":
        monkeypatch.setattr(os, "link", no_links)
    words = [
        sys.executable,
        "-m",
        "tests.file_restore.killed",
        kind,
        image,
        out,
        conflict,
        call,
        number,
        links,
    ]
    died = await asyncio.to_thread(subprocess.run, words, timeout=60)
    assert died.returncode == -signal.SIGKILL
    report = await restore(kind, image, out, cast(Conflict, conflict))
    await restore(kind, image, clean, cast(Conflict, conflict))
    assert names(out) == names(clean)
    assert not leftovers(out)
    assert report.resumed >= 1
    manifests = [[path.read_bytes() for path in folder.glob("*.sha256")] for folder in (out, clean)]
    assert manifests[0] == manifests[1]
    assert manifests[0]


@pytest.mark.parametrize(
    "how",
    [
        ("keep both", "link", "3", "hard"),
        ("keep both", "unlink", "3", "hard"),
        ("skip", "link", "3", "hard"),
        ("overwrite", "rename", "3", "hard"),
        ("keep both", "rename", "3", "none"),
        ("skip", "rename", "3", "none"),
    ],
    ids="-".join,
)
async def test_in_a_folder(
    image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: tuple[str, str, str, str]
) -> None:
    await check("folder", image("ubuntu.img"), tmp_path, monkeypatch, how)


@pytest.mark.parametrize("kind", ["tar", "zip"])
@pytest.mark.parametrize(
    "how",
    [
        ("keep both", "link", "1", "hard"),
        ("keep both", "unlink", "1", "hard"),
        ("skip", "unlink", "1", "hard"),
        ("overwrite", "rename", "1", "hard"),
        ("keep both", "rename", "1", "none"),
    ],
    ids="-".join,
)
async def test_with_an_archive(
    image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, how: tuple[str, str, str, str]
) -> None:
    await check(kind, image("ubuntu.img"), tmp_path, monkeypatch, how)


@pytest.mark.parametrize(
    "how",
    [
        ("keep both", "rename", "3", "hard"),
        ("skip", "rename", "3", "hard"),
        ("overwrite", "replace", "3", "hard"),
    ],
    ids="-".join,
)
async def test_in_another_machine(
    image: Image, machine: SshServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    how: tuple[str, str, str, str],
) -> None:  # fmt: skip
    await check("sftp", image("ubuntu.img"), tmp_path, monkeypatch, how)
