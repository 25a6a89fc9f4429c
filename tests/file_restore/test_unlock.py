"""Encrypted volumes: what their headers tell, the right key, the wrong one, and headers that mean harm."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import random
import shutil
import struct
import subprocess
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from azure_ops import wire
from azure_ops.engine.file_session import FileSession as FileSessionOfEngine
from azure_ops.engine.unlocking import unlock as unlock_disk
from azure_ops.errors import RecoveryError
from azure_ops.file_model import Conflict, FileChoice, FileSession, RestoreState, Secret, TickedFile
from azure_ops.file_places import Place
from azure_ops.file_restore import encrypted, pipe, volumes
from azure_ops.file_restore.byte_source import LocalImage
from azure_ops.file_restore.damage import Damaged, NotReadable
from azure_ops.file_restore.disks import open_disks
from azure_ops.file_restore.extraction import Extraction
from azure_ops.file_restore.luks import Luks, read_luks
from azure_ops.file_restore.luks_keys import WrongKey, merge, volume_key
from azure_ops.file_restore.page_blob import PageBlob
from azure_ops.file_restore.problems import FileRestoreError
from azure_ops.file_restore.reader import Reader
from azure_ops.file_restore.sector_cipher import SectorCipher
from tests.emulator.engine_world import Told

from .builders import MemoryDisk
from .interrupted import opened
from .make_images import KEY_FILE, PASSPHRASE
from .range_server import RangeServer
from .test_engine_files import console, content, ended, home  # noqa: F401
from .truth import facts_of_folder, recorded

MIB = 1 << 20
SECOND, FIRST = slice(1 * MIB, 10 * MIB), slice(13 * MIB, 24 * MIB)
"""Of the image: LUKS2 and LUKS1."""
Image = Callable[[str], Path]
needs_cryptsetup = pytest.mark.skipif(not shutil.which("cryptsetup"), reason="cryptsetup is not installed")


async def unlock(console: Told, session: FileSession, volume: str, **key: Any) -> wire.VolumesTold:  # noqa: F811
    answer = await console.call(wire.UnlockVolume(session=session.id, volume=volume, **key))
    assert isinstance(answer, wire.VolumesTold)
    return answer


async def test_both_versions_give_their_files(
    console: Told,  # noqa: F811
    image: Image,
    tmp_path: Path,
    home: Path,  # noqa: F811
) -> None:
    session = await opened(console, image("encrypted.img"))
    by_key = {volume.key: volume for volume in session.volumes}
    assert {key: (one.description, one.state, one.unlock) for key, one in by_key.items()} == {
        "disk0": ("GPT", "container", ""),
        "disk0/p1": ("LUKS2", "encrypted", "passphrase"),
        "disk0/p2": ("LUKS1", "encrypted", "passphrase"),
    }
    assert "aes-xts-plain64" in by_key["disk0/p1"].reason
    assert "0 (argon2id), 1 (pbkdf2)" in by_key["disk0/p1"].reason
    with pytest.raises(RecoveryError, match="the key is wrong"):
        await unlock(console, session, "disk0/p1", secret=Secret(b"incorrect horse"))
    with pytest.raises(RecoveryError, match="not locked"):
        await unlock(console, session, "disk0", secret=Secret(b"x"))
    with pytest.raises(RecoveryError, match="unlock that first: disk0/p1, disk0/p2"):
        await console.call(wire.OpenFileSystem(session=session.id, volume="secret/data"))
    key_file = tmp_path / "key"
    key_file.write_bytes(KEY_FILE)
    await unlock(console, session, "disk0/p2", secret=Secret(PASSPHRASE.encode()))
    told = await unlock(console, session, "disk0/p1", key_file=str(key_file))
    assert [(one.key, one.description, one.state) for one in told.volumes][1:] == [
        ("disk0/p1", "LUKS2, unlocked", "container"),
        ("disk0/p1/plain", "ext4", "readable"),
        ("disk0/p2", "LUKS1, unlocked", "container"),
        ("disk0/p2/plain", "LVM2 physical volume", "container"),
        ("secret", "LVM2 volume group", "container"),
        ("secret/data", "ext4", "readable"),
    ]
    expected = content(recorded("encrypted-root"))
    for number, volume in enumerate(("disk0/p1/plain", "secret/data")):
        root = await console.call(wire.OpenFileSystem(session=session.id, volume=volume))
        assert isinstance(root, wire.FileSystemOpened)
        choice = FileChoice(volume=volume, ticked=(TickedFile(path=b"", id=root.system.root),))
        out = tmp_path / f"out{number}"
        request = wire.RestoreFiles(
            session=session.id, choice=choice, place=Place(path=str(out)), conflict=Conflict.SKIP
        )
        await console.call(request)
        restore = await ended(console, session)
        assert (restore.state, restore.losses_count) == (RestoreState.DONE, 0)
        assert content(facts_of_folder(out)) == expected

    written = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    written += b"".join(path.read_bytes() for path in tmp_path.glob("out*/*azrecover*"))
    assert b"disk0/p1/plain" in written
    for secret in (PASSPHRASE.encode(), b"incorrect horse", KEY_FILE[:9]):
        assert secret not in written


async def unlocked_session(server: RangeServer, *volumes: str) -> FileSessionOfEngine:
    blob = PageBlob(server.address(), "disk", tls=server.tls, pause_s=0.01)
    session = FileSessionOfEngine("s", ("disk",), await open_disks([blob]))
    for volume in volumes:
        await unlock_disk(session, volume, Secret(PASSPHRASE.encode()), "")
    return session


async def test_over_https_in_parallel_checked_and_gone_on_with(image: Image, tmp_path: Path) -> None:
    """The second time other volumes are unlocked, in another order: the restore is still the same one."""
    truth, out = content(recorded("encrypted-root")), tmp_path / "out"
    server = RangeServer(image("encrypted.img"), tmp_path)
    session = await unlocked_session(server, "disk0/p1", "disk0/p2")
    try:
        root = (await session.open("secret/data")).root
        extraction = Extraction(session.disks, "secret/data", [(b"", root)], out)
        extraction.pause()
        async with asyncio.timeout(30):
            running = asyncio.create_task(extraction.run())
            while not extraction.progress.planned:
                await asyncio.sleep(0.01)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await session.close()
        assert [path for path in out.rglob("*") if path.name.endswith(".state")]
        session = await unlocked_session(server, "disk0/p2")
        disk = session.disks[1]
        rng, whole = random.Random(4), await disk.source.read(0, disk.size)
        for _ in range(30):
            offset = rng.randrange(disk.size)
            length = rng.randrange(disk.size - offset) + 1
            assert await disk.source.read(offset, length, verified=True) == whole[offset : offset + length]
        before = server.figures()["requests"]
        report = await Extraction(session.disks, "secret/data", [(b"", root)], out).run()
        assert (report.files, report.losses) == (len(truth), [])
        assert server.figures()["requests"] - before < 20
        assert content(facts_of_folder(out)) == truth
        assert not [path for path in out.rglob("*") if path.name.endswith(".state")]
        await session.close()
        with pytest.raises(FileRestoreError, match="it is closed"):
            await disk.source.read(0, 512)
    finally:
        await session.close()
        server.close()


def test_a_secret_is_in_no_repr() -> None:
    secret = Secret(b"correct horse")
    call = pipe.Call("unlock", "disk0", secret=secret)
    request = wire.UnlockVolume(session="s", volume="v", secret=secret)
    unlocked = pipe.Unlocked("aes-xts-plain64", b"correct horse", 512, 0, 512, ())
    part = pipe.Part(unlocked=unlocked)
    for value in (secret, call, request, wire.Call(number=1, request=request), unlocked, part):
        assert "horse" not in f"{value!r} {value}"


@pytest.fixture
def parts(image: Image) -> tuple[bytes, bytes]:
    """LUKS2 and LUKS1 as they are in the image."""
    raw = image("encrypted.img").read_bytes()
    return raw[SECOND], raw[FIRST]


def test_flipped_bits_in_the_headers(parts: tuple[bytes, bytes]) -> None:
    rng = random.Random(8)
    for original in parts:
        for trial in range(250):
            disk = bytearray(original[: 600 * 1024] + bytes(len(original) - 600 * 1024))
            for _ in range(rng.choice((1, 4, 32))):
                disk[rng.randrange(592 if trial % 2 else 20_000)] ^= 1 << rng.randrange(8)
            device = MemoryDisk(disk)
            for found in volumes.scan([device]).values():
                assert found.device is None
            try:
                header = read_luks(device)
            except Damaged:
                continue
            assert header.offset < device.size
            assert all(slot.offset + slot.key * slot.stripes <= device.size for slot in header.slots)


def test_the_spare_header_is_taken(parts: tuple[bytes, bytes]) -> None:
    disk = bytearray(parts[0])
    disk[4100] ^= 1
    header = read_luks(MemoryDisk(disk))
    assert len(volume_key(MemoryDisk(disk), header, KEY_FILE)) == 64
    disk[0x4000 + 4100] ^= 1
    with pytest.raises(Damaged, match="checksum"):
        read_luks(MemoryDisk(disk))
    told = volumes.scan([MemoryDisk(disk)])["disk0"].volume
    assert (told.state, told.unlock) == ("encrypted", "")
    assert "checksum of LUKS2's header does not fit" in told.reason


def changed(disk: bytes, change: Callable[[dict[str, Any]], object]) -> tuple[MemoryDisk, Luks]:
    """The header says something else, with a checksum that fits."""
    size = struct.unpack_from(">Q", disk, 8)[0]
    text = json.loads(disk[4096:size].split(b"\0")[0])
    change(text)
    head = bytearray(disk[:4096])
    head[448:512] = bytes(64)
    area = json.dumps(text).encode().ljust(size - 4096, b"\0")
    head[448:480] = hashlib.sha256(bytes(head) + area).digest()
    device = MemoryDisk(bytes(head) + area + disk[size:])
    return device, read_luks(device)


def test_parameters_that_mean_harm_are_not_tried(parts: tuple[bytes, bytes]) -> None:
    def harm(**what: Any) -> Callable[[dict[str, Any]], object]:
        return lambda text: [slot["kdf"].update(what) for slot in text["keyslots"].values()]

    began = time.monotonic()
    for what, said in (
        ({"type": "argon2id", "memory": 4 << 20, "time": 4, "cpus": 4}, "4,096 MiB of memory"),
        ({"type": "argon2id", "memory": 1 << 20, "time": 100_000, "cpus": 4}, "100,000 passes"),
        ({"type": "argon2i", "memory": 8, "time": 1, "cpus": 4_000_000}, "make no sense"),
        ({"type": "pbkdf2", "iterations": 1 << 40, "hash": "sha256"}, "iterations"),
        ({"type": "pbkdf2", "iterations": 1000, "hash": "whirlpool"}, "the hash whirlpool"),
        ({"type": "scrypt", "time": 1, "memory": 8, "cpus": 1}, "the key derivation scrypt"),
    ):
        device, header = changed(parts[0], harm(**what))
        with pytest.raises(NotReadable, match=said):
            volume_key(device, header, PASSPHRASE.encode())
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text["config"].update(requirements={"mandatory": ["online-reencrypt"]}), "online-re"),
        (lambda text: text["segments"]["0"].update(integrity={"type": "hmac(sha256)"}), "dm-integrity"),
        (lambda text: text["segments"]["0"].update(encryption="serpent-xts-plain64"), "serpent-xts-plain64"),
        (lambda text: text["segments"]["0"].update(offset="0"), "kept apart from its data"),
        (lambda text: text["segments"].update({"1": {"type": "linear"}}), "re-encryption"),
    ],
)
def test_what_cannot_be_unlocked_is_refused_by_name(
    parts: tuple[bytes, bytes], change: Callable[[dict[str, Any]], object], said: str
) -> None:
    device, header = changed(parts[0], change)
    with pytest.raises(NotReadable, match=said):
        volume_key(device, header, PASSPHRASE.encode())
    told = volumes.scan([device])["disk0"].volume
    assert (told.state, told.unlock) == ("encrypted", "")
    assert said in told.reason


async def test_the_key_is_derived_in_a_process_without_files_or_network(tmp_path: Path) -> None:
    """With the four threads and the memory that cryptsetup chooses on large machines."""
    image = tmp_path / "disk"
    disk, _ = _with_slot(parallel=4, memory_kib=512 * 1024)
    image.write_bytes(disk)
    disks = await open_disks([LocalImage(image)])
    async with Reader(disks, for_keys=True) as reader:
        unlocked = await reader.unlock("disk0", Secret(b"four threads"))
        assert unlocked.key == bytes(range(64))
        if os.uname().sysname == "Linux":
            assert "seccomp" in reader.isolation
    async with Reader(disks, for_keys=True) as reader:
        with pytest.raises(FileRestoreError, match="the key is wrong"):
            await reader.unlock("disk0", Secret(b"five threads"))
    for one in disks:
        await one.close()


async def test_a_header_that_would_be_tried_for_hours_is_given_up(tmp_path: Path) -> None:
    image = tmp_path / "disk"
    disk, _ = _with_slot(parallel=1, memory_kib=512 * 1024)
    device, _ = changed(disk, lambda text: text["keyslots"]["0"]["kdf"].update(time=40))
    image.write_bytes(device.data)
    disks = await open_disks([LocalImage(image)])
    async with Reader(disks, 1.0, for_keys=True) as reader:
        await reader.volumes()
        with pytest.raises(FileRestoreError, match="Trying the key slots took longer"):
            await reader.unlock("disk0", Secret(b"four threads"))
        assert reader.process_id is None
    for one in disks:
        await one.close()


def _with_slot(parallel: int, memory_kib: int) -> tuple[bytes, bytes]:
    """A LUKS2 header whose one key slot holds the key in a single stripe."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    key, salt = bytes(range(64)), b"s" * 32
    derived = Argon2id(
        salt=salt, length=64, iterations=1, lanes=parallel, memory_cost=memory_kib
    ).derive(b"four threads")  # fmt: skip
    encryptor = Cipher(algorithms.AES(derived), modes.XTS(bytes(16))).encryptor()
    area = encryptor.update(key.ljust(512, b"\0"))
    text = {
        "keyslots": {
            "0": {
                "type": "luks2", "key_size": 64, "af": {"type": "luks1", "stripes": 1, "hash": "sha256"},
                "area": {
                    "type": "raw", "encryption": "aes-xts-plain64", "key_size": 64, "offset": "32768",
                    "size": "4096",
                },
                "kdf": {
                    "type": "argon2id", "time": 1, "memory": memory_kib, "cpus": parallel,
                    "salt": base64.b64encode(salt).decode(),
                },
            }
        },
        "segments": {
            "0": {
                "type": "crypt", "offset": "65536", "size": "dynamic", "iv_tweak": "0",
                "encryption": "aes-xts-plain64", "sector_size": 512,
            }
        },
        "digests": {
            "0": {
                "type": "pbkdf2", "keyslots": ["0"], "segments": ["0"], "hash": "sha256", "iterations": 1000,
                "salt": base64.b64encode(salt).decode(),
                "digest": base64.b64encode(hashlib.pbkdf2_hmac("sha256", key, salt, 1000)).decode(),
            }
        },
        "config": {"json_size": "12288", "keyslots_size": "32768"},
    }  # fmt: skip
    head = bytearray(4096)
    head[:8] = b"LUKS\xba\xbe\0\2"
    struct.pack_into(">Q", head, 8, 16384)
    head[72:78] = b"sha256"
    raw = json.dumps(text).encode().ljust(12288, b"\0")
    head[448:480] = hashlib.sha256(bytes(head) + raw).digest()
    disk = (bytes(head) + raw).ljust(32768, b"\0") + area
    return disk.ljust(MIB, b"\0"), key


@needs_cryptsetup
@pytest.mark.parametrize("kind", ["luks1", "luks2"])
@pytest.mark.parametrize(
    ("cipher", "bits"),
    [("aes-xts-plain64", 256), ("aes-cbc-essiv:sha256", 256), ("aes-cbc-plain64", 128)],
)
def test_keys_as_cryptsetup_dumps_them(tmp_path: Path, kind: str, cipher: str, bits: int) -> None:
    image, key, dump = tmp_path / "disk", tmp_path / "key", tmp_path / "dump"
    key.write_bytes(b"as it is\n")
    with open(image, "wb") as file:
        file.truncate(20 * MIB)
    words = [
        "cryptsetup", "luksFormat", "-q", "--type", kind, "--cipher", cipher, "--key-size", str(bits),
        "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", "--hash", "sha512", "--key-file", str(key),
    ]  # fmt: skip
    made = subprocess.run([*words, str(image)], capture_output=True, text=True, timeout=60)
    if made.returncode and "kernel" in made.stderr:
        pytest.skip("cryptsetup has no such cipher without the kernel's help")
    assert not made.returncode, made.stderr
    dumping = ["cryptsetup", "luksDump", "-q", "--dump-volume-key", "--volume-key-file", str(dump)]
    subprocess.run(
        [*dumping, "--key-file", str(key), str(image)], check=True, capture_output=True, timeout=60
    )
    device = MemoryDisk(image.read_bytes())
    header = read_luks(device)
    assert (header.cipher, header.key) == (cipher, bits // 8)
    assert volume_key(device, header, b"as it is\n") == dump.read_bytes()
    with pytest.raises(WrongKey):
        volume_key(device, header, b"as it is")


def test_sectors_as_openssl_encrypts_them() -> None:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    rng = random.Random(2)
    plain, key = rng.randbytes(8 * 512), rng.randbytes(32)
    salted = Cipher(algorithms.AES(hashlib.sha256(key).digest()), modes.ECB())
    stored = b""
    for number in range(8):
        iv = salted.encryptor().update((100 + number).to_bytes(16, "little"))
        part = plain[512 * number : 512 * (number + 1)]
        stored += Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor().update(part)
    assert SectorCipher("aes-cbc-essiv:sha256", key, 512, 100).decrypt(0, stored) == plain
    assert SectorCipher("aes-cbc-essiv:sha256", key).decrypt(102 * 512, stored[1024:]) == plain[1024:]
    for name, size in (("aes-xts-essiv:sha256", 64), ("aes-cbc-plain64", 64), ("aes-xts-plain64", 16)):
        with pytest.raises(ValueError, match=" "):
            SectorCipher(name, bytes(range(size)))


def test_one_stripe_is_the_key_itself() -> None:
    assert merge(bytes(range(64)), 64, 1, "sha256") == bytes(range(64))


def bitlocker() -> bytearray:
    """The header of a volume with TPM and recovery password."""
    disk = bytearray(MIB)
    disk[:11] = b"\xeb\x58\x90-FVE-FS-"
    struct.pack_into("<HB", disk, 11, 512, 8)
    disk[160:176] = uuid.UUID("4967d63b-2e29-4ad8-8399-f6a339e3d001").bytes_le
    struct.pack_into("<QQQ", disk, 176, 64 * 1024, 128 * 1024, 192 * 1024)
    entries = b""
    for kind in (0x0100, 0x0800):
        data = uuid.uuid4().bytes_le + bytes(8) + struct.pack("<HH", 0, kind)
        entries += struct.pack("<HHHH", 8 + len(data), 2, 8, 1) + data
    block = bytearray(112)
    block[:8] = b"-FVE-FS-"
    struct.pack_into("<HHHH", block, 8, 7, 2, 4, 4)
    struct.pack_into("<III", block, 64, 48 + len(entries), 1, 48)
    block[80:96] = uuid.UUID("12345678-1234-5678-1234-567812345678").bytes_le
    struct.pack_into("<H", block, 100, 0x8004)
    for offset in (64 * 1024, 128 * 1024, 192 * 1024):
        disk[offset : offset + 112 + len(entries)] = bytes(block) + entries
    return disk


def test_bitlocker_is_told_with_its_protectors() -> None:
    disk = bitlocker()
    disk[64 * 1024] ^= 1  # the next copy is taken
    told = volumes.scan([MemoryDisk(disk)])["disk0"].volume
    assert (told.description, told.state, told.unlock) == ("BitLocker", "encrypted", "")
    assert told.uuid == "12345678-1234-5678-1234-567812345678"
    assert "AES-128-XTS; key protectors: TPM, recovery password" in told.reason
    assert "manage-bde" in told.reason
    rng = random.Random(3)
    for _ in range(300):
        bad = bytearray(disk)
        for _ in range(8):
            bad[rng.choice((rng.randrange(512), 128 * 1024 + rng.randrange(200)))] ^= 1 << rng.randrange(8)
        assert all(found.device is None for found in volumes.scan([MemoryDisk(bad)]).values())


def test_bytes_that_look_random_may_have_their_header_elsewhere() -> None:
    rng = random.Random(5)
    noise = rng.randbytes(MIB)
    noise = b"\0" + noise[1:510] + b"\0\0" + noise[512:]
    assert volumes.scan([MemoryDisk(noise)])["disk0"].volume.reason == encrypted.DETACHED
    text = b"a database's pages, say " * 50_000
    assert volumes.scan([MemoryDisk(text)])["disk0"].volume.reason != encrypted.DETACHED
