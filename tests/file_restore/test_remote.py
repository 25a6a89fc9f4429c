"""Restores into another machine: our SFTP over ssh against a server that is not ours."""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from azure_ops.engine.file_places import check_place
from azure_ops.file_model import Conflict
from azure_ops.file_places import Place, PlaceKind
from azure_ops.file_restore import extraction
from azure_ops.file_restore.attributes import Carry
from azure_ops.file_restore.extraction import Extraction
from azure_ops.file_restore.problems import FileRestoreError
from azure_ops.file_restore.remote import Remote
from azure_ops.file_restore.reports import Options
from azure_ops.file_restore.sftp_client import LineLost, Machine
from tui.screens.files_restore import machine_place

from .ssh_server import HOST, SshServer
from .test_extraction import EVERYTHING, IS_ROOT, Image, disks_of, leftovers, same_tree, ticked
from .test_extraction import big as big
from .truth import differences, facts_of_folder, recorded

LISTS = b"azrecover-"


SYSTEM, OTHER = "system", "asyncssh"
BOTH = pytest.mark.parametrize(
    "machine",
    [
        pytest.param(
            SYSTEM, marks=pytest.mark.skipif(not shutil.which("ssh"), reason="ssh is not installed")
        ),
        OTHER,
    ],
    indirect=True,
)
"""What is said and proven with the system's ssh, and where there is none."""


@pytest.fixture
def machine(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SshServer]:
    kind = getattr(request, "param", SYSTEM if shutil.which("ssh") else OTHER)
    server = SshServer(tmp_path / "ssh", system_ssh=kind == SYSTEM)
    monkeypatch.setenv("PATH", f"{server.folder / 'bin'}:{os.environ['PATH']}")
    yield server
    server.kill()


@pytest.fixture
def place(machine: SshServer, tmp_path: Path) -> Remote:
    return Remote(Machine(HOST), str(tmp_path / "out"), tmp_path / "state")


def checked(out: Path) -> None:
    (manifest,) = out.glob("azrecover-*.sha256")
    subprocess.run(["sha256sum", "--quiet", "--check", manifest.name], cwd=out, check=True, timeout=30)
    assert not leftovers(out)


@BOTH
async def test_a_file_system_arrives_in_another_machine(
    image: Image, machine: SshServer, place: Remote
) -> None:
    out = Path(place.path)
    async with disks_of(image("ubuntu.img")) as disks:
        wanted = await ticked(disks, "disk0/p3", b"/")
        report = await Extraction(disks, "disk0/p3", wanted, place, EVERYTHING).run()
    truth = {
        path: fact for path, fact in recorded("ubuntu-root").items()
        if fact.kind not in ("fifo", "character device")
    }  # fmt: skip
    found = {path: fact for path, fact in facts_of_folder(out).items() if not path.startswith(LISTS)}
    only = ("kind", "size", "target", "digest", "mode", "links", "uid", "gid")
    links = {path for path, fact in truth.items() if fact.kind == "symlink"}
    assert not differences(truth, found, only[:4])
    for path in truth.keys() - links:
        assert found[path].mode == truth[path].mode
        assert found[path].links == truth[path].links or truth[path].kind == "directory"
        if IS_ROOT:
            assert (found[path].uid, found[path].gid) == (truth[path].uid, truth[path].gid)
        if 0 <= truth[path].modified_ns < 1 << 62 and not any(
            f"{path!r}"[2:-1] in loss for loss in report.losses
        ):
            assert found[path].modified_ns // 10**9 == truth[path].modified_ns // 10**9
    lost = report.losses
    assert "over SFTP times are to the second" in lost
    assert "null: character devices are not made" in lost
    assert any("not carried: attribute user." in loss for loss in lost)
    assert (out / "sparse").stat().st_blocks * 512 < (out / "sparse").stat().st_size // 10
    checked(out)
    assert not list(place.state.glob(".azrecover-*"))


@BOTH
async def test_only_a_known_host_and_a_key_that_fits(machine: SshServer, place: Remote) -> None:
    def check() -> str:
        asked = Place(kind=PlaceKind.SFTP, host=HOST, path=place.path)
        found = check_place(asked, Conflict.SKIP)
        return f"{found.problem} {found.hint}"

    machine.knows("")
    assert "is not known here, and is never accepted silently" in await asyncio.to_thread(check)
    machine.knows("other")
    said = await asyncio.to_thread(check)
    assert "somebody may be in between" in said or "never accepted silently" in said
    machine.knows("host")
    machine.logs_in_with("other")
    assert "does not let you in" in await asyncio.to_thread(check)
    machine.logs_in_with("user")
    assert await asyncio.to_thread(check) == " "
    assert not os.path.exists(place.path)
    machine.kill()
    assert "refuses connections" in await asyncio.to_thread(check) or "lost" in await asyncio.to_thread(check)


async def test_a_lost_line_is_said_and_gone_on_with(
    big: tuple[Path, Path], machine: SshServer, place: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, image = big
    monkeypatch.setattr(extraction, "_NEWS_S", 0)
    monkeypatch.setattr(extraction, "WORKERS", 2)
    async with disks_of(image) as disks:
        wanted = await ticked(disks, "disk0", b"big", b"small")
        job = Extraction(
            disks, "disk0", wanted, place, progress=lambda now: machine.kill() if now.requests >= 10 else None
        )
        with pytest.raises(LineLost, match="line to web was lost"):
            await job.run()
        assert job.progress.files_done < 301
        machine.start()
        report = await Extraction(disks, "disk0", wanted, place).run()
    out = Path(place.path)
    assert report.bytes_fetched < 41_000_000
    assert same_tree(source, out)
    assert len(list((out / "small").iterdir())) == 300
    checked(out)


async def test_a_full_disk_there_is_said_and_gone_on_with(
    big: tuple[Path, Path], machine: SshServer, place: Remote
) -> None:
    source, image = big
    machine.fault("full")
    async with disks_of(image) as disks:
        wanted = await ticked(disks, "disk0", b"small")
        with pytest.raises(FileRestoreError, match=r"web:.*is full"):
            await Extraction(disks, "disk0", wanted, place).run()
        machine.fault("full", on=False)
        await Extraction(disks, "disk0", wanted, place).run()
    assert same_tree(source / "small", Path(place.path) / "small")


async def test_a_refused_permission_is_said_and_a_file_in_the_way(
    image: Image, machine: SshServer, place: Remote, tmp_path: Path
) -> None:
    machine.fault("refuse")
    async with disks_of(image("ubuntu.img")) as disks:
        wanted = await ticked(disks, "disk0/p3", b"etc")
        with pytest.raises(FileRestoreError, match=r"web:.* cannot be written to: permission denied"):
            await Extraction(disks, "disk0/p3", wanted, place).run()
        machine.fault("refuse", on=False)
        await Extraction(disks, "disk0/p3", wanted, place).run()
        assert (Path(place.path) / "etc/fstab").exists()
        below = Remote(place.machine, f"{place.path}/etc/fstab/x", tmp_path / "state")
        with pytest.raises(FileRestoreError, match=r"cannot be written to: .*is no folder"):
            await Extraction(disks, "disk0/p3", wanted, below).run()


async def test_what_comes_back_otherwise_never_gets_its_name(
    image: Image, machine: SshServer, place: Remote
) -> None:
    machine.fault("corrupt")
    async with disks_of(image("ubuntu.img")) as disks:
        wanted = await ticked(disks, "disk0/p3", b"random.bin")
        with pytest.raises(FileRestoreError, match="not what was written"):
            await Extraction(disks, "disk0/p3", wanted, place).run()
        assert not (Path(place.path) / "random.bin").exists()
        machine.fault("corrupt", on=False)
        await Extraction(disks, "disk0/p3", wanted, place).run()
    checked(Path(place.path))


async def test_names_that_are_taken_there(image: Image, place: Remote, tmp_path: Path) -> None:
    out, outside = Path(place.path), tmp_path / "outside"
    (out / "etc").mkdir(parents=True)
    outside.mkdir()
    (out / "etc/fstab").write_text("mine")
    (out / "many").symlink_to(outside)
    async with disks_of(image("ubuntu.img")) as disks:
        etc = await ticked(disks, "disk0/p3", b"etc")
        report = await Extraction(disks, "disk0/p3", etc, place, Options(conflict="skip")).run()
        assert (out / "etc/fstab").read_text() == "mine"
        assert report.skipped == 1
        wanted = etc + await ticked(disks, "disk0/p3", b"many")
        await Extraction(disks, "disk0/p3", wanted, place, Options(conflict="keep both")).run()
        assert (out / "etc/fstab").read_text() == "mine"
        assert "UUID" in (out / "etc/fstab (2)").read_text()
        await Extraction(disks, "disk0/p3", etc, place, Options(conflict="overwrite")).run()
        assert "UUID" in (out / "etc/fstab").read_text()
    assert not list(outside.iterdir())
    assert (out / "many (2)/entry-0001.conf").exists()


@pytest.mark.skipif(not IS_ROOT, reason="the server of the test runs as this user")
async def test_special_modes_are_taken_away_there(image: Image, place: Remote) -> None:
    async with disks_of(image("ubuntu.img")) as disks:
        wanted = await ticked(disks, "disk0/p3", b"program")
        options = Options(carry=Carry(owners=False))
        report = await Extraction(disks, "disk0/p3", wanted, place, options).run()
    assert stat.S_IMODE((Path(place.path) / "program").stat().st_mode) == 0o755
    assert "program: not carried: special mode 6000" in report.losses


def test_addresses() -> None:
    def parts(text: str) -> tuple[str, str, int, str] | None:
        found = machine_place(text)
        return (found.user, found.host, found.port, found.path) if found else None

    assert parts("me@web:/srv") == ("me", "web", 0, "/srv")
    assert parts("web:restored") == ("", "web", 0, "restored")
    assert parts("sftp://me@10.0.0.4:2222/srv/x") == ("me", "10.0.0.4", 2222, "/srv/x")
    assert parts("me@[fe80::1]:/srv") == ("me", "fe80::1", 0, "/srv")
    assert parts("web:2222/srv") == ("", "web", 0, "2222/srv")
    assert parts("web/srv") is None
    assert parts("web") is None
    assert parts("") is None
    for host in ("-oProxyCommand=x", "a b", "a;b", "$(x)"):
        with pytest.raises(FileRestoreError, match="no name"):
            Machine(host).check()
    with pytest.raises(FileRestoreError, match="no name"):
        Machine("web", "-x").check()
    assert Machine("web", "me", 22).command()[-4:] == ["-s", "--", "web", "sftp"]
