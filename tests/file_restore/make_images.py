"""Makes the shipped images with the real tools and records what the kernel shows of them (as root):

    python -m tests.file_restore.make_images

Needs e2fsprogs, xfsprogs, ntfs-3g, dosfstools, mtools, lvm2, cryptsetup, util-linux, attr, acl, xz.
"""

from __future__ import annotations

import json
import lzma
import os
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .churn import Churn
from .truth import Fact, facts_of_folder, mounted

IMAGES = Path(__file__).with_name("images")
MIB = 1 << 20


def run(*words: str | Path) -> str:
    done = subprocess.run(
        [str(word) for word in words], check=True, capture_output=True, text=True, timeout=60
    )
    return done.stdout


def fill(root: Path, seed: int) -> None:
    """A small tree of all that is remarkable on Linux."""
    rng = random.Random(seed)
    (root / "etc").mkdir()
    (root / "etc/fstab").write_text("UUID=1111 / ext4 defaults 0 1\nUUID=2222 /data xfs defaults 0 2\n")
    (root / "etc/shadow").write_text("root:*:1::::::\n")
    (root / "etc/shadow").chmod(0o640)
    many = root / "many"
    many.mkdir()
    for number in range(400):
        (many / f"entry-{number:04}.conf").write_bytes(rng.randbytes(rng.randrange(60)))
    (root / "random.bin").write_bytes(rng.randbytes(150_000))
    with open(root / "sparse", "wb") as file:
        file.seek(30 * MIB)
        file.write(b"the end")
    with open(root / "holes", "wb") as file:
        for number in range(40):
            file.seek(number * 20_000)
            file.write(rng.randbytes(700))
    deep = root
    for number in range(20):
        deep = deep / f"level{number}"
        deep.mkdir()
    (deep / "bottom").write_text("down here\n")
    for name in (
        b"\xff\xfe not utf-8",
        b"esc\x1b[31m",
        "ümläut \u202e bidi".encode(),
        b"n" * 255,
        b"two\nlines",
    ):
        Path(os.fsdecode(os.fsencode(root) + b"/" + name)).write_bytes(name)
    (root / "short link").symlink_to("etc/fstab")
    (root / "long link").symlink_to("x" * 900)
    (root / "outside").symlink_to("/etc/passwd")
    (root / "up").symlink_to("../../up")
    os.link(root / "etc/fstab", root / "hard")
    program = root / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o6755)
    os.chown(root / "random.bin", 70_000, 80_000)
    os.setxattr(root / "random.bin", "user.note", b"hello")
    os.setxattr(root / "random.bin", "user.long", b"q" * 3000)
    run("setfacl", "-m", "u:1234:rw", root / "etc/shadow")
    os.mkfifo(root / "pipe")
    os.mknod(root / "null", 0o20666, os.makedev(1, 3))
    # Preallocated over old content: stale blocks must never show.
    (root / "stale").write_bytes(b"SECRET" * 50_000)
    os.sync()
    (root / "stale").unlink()
    os.sync()
    (root / "preallocated").write_bytes(b"written")
    run("fallocate", "-l", "200000", root / "preallocated")
    for number, path in enumerate(sorted(_below(os.fsencode(root)))):
        if not os.path.islink(path):
            os.utime(path, ns=(0, 1_700_000_000_123_456_789 + number * 1_000_000_000))
    os.utime(root / "random.bin", ns=(0, -5_000_000_000))
    os.utime(root / "holes", ns=(0, 4_200_000_000_000_000_001))


def _below(root: bytes) -> Iterator[bytes]:
    for above, directories, files in os.walk(root):
        yield from (os.path.join(above, name) for name in directories + files)


@contextmanager
def looped(image: Path) -> Iterator[str]:
    name = run("losetup", "-f", "--show", image).strip()
    try:
        yield name
    finally:
        run("losetup", "-d", name)


def file_system(work: Path, kind: str, size: int, *options: str) -> Path:
    image = work / f"{kind}.part"
    with open(image, "wb") as file:
        file.truncate(size)
    run(f"mkfs.{kind}", *options, image)
    return image


def put(disk: Path, offset: int, part: Path) -> None:
    run(
        "dd",
        f"if={part}",
        f"of={disk}",
        "bs=64K",
        "conv=notrunc,sparse",
        f"seek={offset}",
        "oflag=seek_bytes",
    )


def fat(work: Path) -> Path:
    image = work / "efi.part"
    with open(image, "wb") as file:
        file.truncate(4 * MIB)
    run("mkfs.fat", "-F", "12", "-n", "EFI", image)
    folder = work / "efi"
    (folder / "EFI/ubuntu").mkdir(parents=True)
    (folder / "EFI/ubuntu/grub.cfg").write_text("search.fs_uuid 1111 root\n")
    (folder / "EFI/ubuntu/A rather long name of a file.efi").write_bytes(random.Random(3).randbytes(30_000))
    subprocess.run(
        ["mcopy", "-i", str(image), "-s", str(folder / "EFI"), "::/"],
        check=True,
        timeout=30,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )
    record("ubuntu-efi", facts_of_folder(folder))
    return image


def ubuntu(work: Path) -> None:
    """GPT with a boot loader, an EFI system partition and ext4, as Ubuntu's images in Azure."""
    root = file_system(
        work,
        "ext4",
        40 * MIB,
        "-q",
        "-F",
        "-L",
        "cloudimg-rootfs",
        "-b",
        "4096",
        "-O",
        "inline_data",
        "-I",
        "256",
    )
    with mounted(root, work / "mount", "rw") as folder:
        fill(folder, 1)
    with mounted(root, work / "mount", "ro") as folder:
        record("ubuntu-root", facts_of_folder(folder))
    disk = work / "ubuntu.img"
    with open(disk, "wb") as file:
        file.truncate(52 * MIB)
    layout = (
        "label: gpt\nstart=2048,size=2048,type=21686148-6449-6E6F-744E-656564454649\n"
        "start=4096,size=8192,type=U,name=EFI\nstart=12288,size=81920,name=root\n"
    )
    subprocess.run(["sfdisk", "-q", str(disk)], input=layout, text=True, check=True, timeout=30)
    put(disk, 4096 * 512, fat(work))
    put(disk, 12288 * 512, root)
    ship(disk)


def crashed(work: Path) -> None:
    """Whole-disk ext4 in use when the point was taken: most of it is in the journal only."""
    live = file_system(work, "ext4", 24 * MIB, "-q", "-F", "-b", "1024", "-J", "size=4")
    disk = work / "crashed.img"
    with mounted(live, work / "mount", "rw") as folder:
        for number in range(12):
            (folder / f"dir{number}").mkdir()
            for inner in range(12):
                path = folder / f"dir{number}/file{inner}"
                path.write_text(f"{number} {inner}\n" * 10)
                with open(path) as file:
                    os.fsync(file.fileno())
            if number % 5 == 4:
                shutil.rmtree(folder / f"dir{number - 2}")
        run("sync", "-f", folder)
        run("cp", "--sparse=always", live, disk)
    replayed = work / "replayed.part"
    run("cp", "--sparse=always", disk, replayed)
    with mounted(replayed, work / "mount", "rw") as folder:
        record("crashed", facts_of_folder(folder))
    ship(disk)


def busy(work: Path) -> None:
    """Whole-disk XFS in use when the point was taken: all of it is in the log only."""
    live = file_system(work, "xfs", 300 * MIB, "-q", "-f")
    disk = work / "busy.img"
    with mounted(live, work / "mount", "rw,nouuid") as folder:
        Churn(folder, random.Random(11)).run(250)
        run("sync", "-f", folder)
        run("cp", "--sparse=always", live, disk)
    replayed = work / "replayed.part"
    run("cp", "--sparse=always", disk, replayed)
    with mounted(replayed, work / "mount", "rw,nouuid") as folder:
        record("busy", facts_of_folder(folder))
    ship(disk)


def rhel(work: Path) -> None:
    """XFS on a logical volume of two segments, the second striped over two disks."""
    root = file_system(work, "xfs", 300 * MIB, "-q", "-f", "-L", "root")
    with mounted(root, work / "mount", "rw,nouuid") as folder:
        fill(folder, 2)
    with mounted(root, work / "mount", "ro,nouuid") as folder:
        record("rhel-root", facts_of_folder(folder))
    disks = [work / "rhel-a.img", work / "rhel-b.img"]
    for disk in disks:
        with open(disk, "wb") as file:
            file.truncate(200 * MIB)
    config = (
        'devices { filter=["a|^/dev/loop|","r|.*|"] } global { use_lvmlockd=0 } activation { udev_sync=0 }'
    )
    with looped(disks[0]) as first, looped(disks[1]) as second:
        run("pvcreate", "-ff", "-y", "--config", config, first, second)
        run("vgcreate", "-s", "4M", "--config", config, "rhel", first, second)
        saved = work / "saved"
        run("vgcfgbackup", "--config", config, "-f", saved, "rhel")
        identity = "abcdef-0123-4567-89ab-cdef-0123-456789"
        section = f"""
        logical_volumes {{ root {{ id = "{identity}" status = ["READ", "WRITE", "VISIBLE"] flags = []
          segment_count = 2
          segment1 {{ start_extent = 0 extent_count = 15 type = "striped" stripe_count = 1
            stripes = ["pv1", 3] }}
          segment2 {{ start_extent = 15 extent_count = 60 type = "striped" stripe_count = 2 stripe_size = 128
            stripes = ["pv0", 5, "pv1", 18] }} }} }}
        """
        text = saved.read_text()
        at = re.search(r"\n\t}\n+}\n", text)
        assert at is not None, text
        saved.write_text(text[: at.start() + 3] + section + text[at.start() + 3 :])
        run("vgcfgrestore", "--config", config, "-f", saved, "rhel")
    lay_out(root, disks)
    for disk in disks:
        ship(disk)


def lay_out(volume: Path, disks: list[Path]) -> None:
    """Writes the volume's bytes where the segments above say, block by block."""
    extent, start, stripe = 4 * MIB, 1 * MIB, 64 * 1024
    with open(volume, "rb") as source, open(disks[0], "r+b") as first, open(disks[1], "r+b") as second:
        for number in range(75 * extent // stripe):
            block = source.read(stripe)
            if not any(block):
                continue
            at = number * stripe
            if at < 15 * extent:
                file, place = second, start + 3 * extent + at
            else:
                row, leg = divmod((at - 15 * extent) // stripe, 2)
                file, place = (first, second)[leg], start + (5, 18)[leg] * extent + row * stripe
            file.seek(place)
            file.write(block)


PASSPHRASE, KEY_FILE = "correct horse", b"\0key\nfile\xff" * 16


def encrypted(work: Path) -> None:
    """GPT with ext4 in LUKS2 (a passphrase and a key file), and a volume group in LUKS1."""
    key, other = work / "key", work / "other"
    key.write_text(PASSPHRASE)
    other.write_bytes(KEY_FILE)
    plain = file_system(work, "ext4", 1 * MIB, "-q", "-F", "-b", "4096", "-O", "^has_journal")
    rng = random.Random(21)
    with mounted(plain, work / "mount", "rw") as folder:
        (folder / "etc").mkdir()
        (folder / "etc/fstab").write_text("/dev/mapper/root / ext4 defaults 0 1\n")
        (folder / "random.bin").write_bytes(rng.randbytes(400_000))
        for number in range(40):
            (folder / f"note{number}.txt").write_text(f"kept secret {number}\n")
    with mounted(plain, work / "mount", "ro") as folder:
        record("encrypted-root", facts_of_folder(folder))
    physical = work / "pv.part"
    _small_group(physical, plain)
    second, first = work / "second.part", work / "first.part"
    cost = ("--pbkdf-force-iterations", "1000")
    argon = ("--pbkdf", "argon2id", "--pbkdf-memory", "8192", "--pbkdf-force-iterations", "4")
    for source, target, how in (
        (plain, second, (*argon, "--pbkdf-parallel", "2", "--sector-size", "4096")),
        (physical, first, ("--pbkdf", "pbkdf2", *cost)),
    ):
        shutil.copy(source, target)
        os.truncate(target, source.stat().st_size + 16 * MIB)
        words = ("cryptsetup", "reencrypt", "--encrypt", "--type", "luks2", "--reduce-device-size", "16M")
        run(*words, "--key-file", key, "-q", *how, target)
        os.truncate(target, 8 * MIB + source.stat().st_size)  # where the encrypted bytes end
    add = ("cryptsetup", "luksAddKey", "-q", "--key-file", key, "--pbkdf", "pbkdf2", *cost)
    run(*add, second, other)
    run("cryptsetup", "convert", "--type", "luks1", "-q", first)
    slot, area = 64 * 4000, 8 * MIB
    _forget(second, [(32768 + slot * 2 + 8192, area)])
    with open(first, "rb") as file:
        start = 512 * struct.unpack_from(">I", file.read(592), 248)[0]
    _forget(first, [(592, start), (start + slot, area), (area + 65536, area + 2 * MIB)])
    disk = work / "encrypted.img"
    starts = [1 * MIB, 13 * MIB]
    with open(disk, "wb") as file:
        file.truncate(26 * MIB)
    layout = "label: gpt\n" + "".join(
        f"start={start // 512},size={part.stat().st_size // 512}\n"
        for start, part in zip(starts, (second, first), strict=True)
    )
    subprocess.run(["sfdisk", "-q", str(disk)], input=layout, text=True, check=True, timeout=30)
    for start, part in zip(starts, (second, first), strict=True):
        put(disk, start, part)
    ship(disk)


def _forget(image: Path, ranges: list[tuple[int, int]]) -> None:
    """What nobody reads, and what no compression would make smaller."""
    with open(image, "r+b") as file:
        for start, end in ranges:
            file.seek(start)
            file.write(bytes(end - start))


def _small_group(physical: Path, plain: Path) -> None:
    """A physical volume with a linear logical volume that holds the file system."""
    with open(physical, "wb") as file:
        file.truncate(3 * MIB)
    config = (
        'devices { filter=["a|^/dev/loop|","r|.*|"] } global { use_lvmlockd=0 } activation { udev_sync=0 }'
    )
    with looped(physical) as name:
        run("pvcreate", "-ff", "-y", "--dataalignment", "1M", "--config", config, name)
        run("vgcreate", "-s", "1M", "--config", config, "secret", name)
        saved = physical.with_name("saved")
        run("vgcfgbackup", "--config", config, "-f", saved, "secret")
        section = """
        logical_volumes { data { id = "abcdef-0123-4567-89ab-cdef-0123-456780"
          status = ["READ", "WRITE", "VISIBLE"] flags = [] segment_count = 1
          segment1 { start_extent = 0 extent_count = 1 type = "striped" stripe_count = 1
            stripes = ["pv0", 1] } } }
        """
        text = saved.read_text()
        at = re.search(r"\n\t}\n+}\n", text)
        assert at is not None, text
        saved.write_text(text[: at.start() + 3] + section + text[at.start() + 3 :])
        run("vgcfgrestore", "--config", config, "-f", saved, "secret")
    put(physical, 2 * MIB, plain)


def windows(work: Path) -> None:
    """MBR and NTFS, by ntfs-3g."""
    part = work / "ntfs.part"
    with open(part, "wb") as file:
        file.truncate(24 * MIB)
    run("mkfs.ntfs", "-F", "-Q", "-L", "Windows", part)
    mount = work / "mount"
    run("ntfs-3g", "-o", "compression", part, mount)
    try:
        fill_windows(mount)
        record("windows", facts_of_folder(mount))
    finally:
        run("umount", mount)
    disk = work / "windows.img"
    with open(disk, "wb") as file:
        file.truncate(26 * MIB)
    subprocess.run(
        ["sfdisk", "-q", str(disk)],
        input="label: dos\nstart=2048,type=7\n",
        text=True,
        check=True,
        timeout=30,
    )
    put(disk, MIB, part)
    ship(disk)


def fill_windows(root: Path) -> None:
    rng = random.Random(4)
    (root / "Users/admin").mkdir(parents=True)
    (root / "Users/admin/notes.txt").write_text("tiny, in its record")
    (root / "many").mkdir()
    for number in range(300):
        (root / f"many/entry {number:04}.log").write_bytes(rng.randbytes(rng.randrange(60)))
    (root / "compressed").mkdir()
    os.setxattr(root / "compressed", "system.ntfs_attrib_be", bytes.fromhex("00000800"))
    (root / "compressed/text").write_bytes(b"hello hello world " * 20_000)
    (root / "compressed/mixed").write_bytes(rng.randbytes(80_000) + bytes(200_000) + b"abcabd" * 9000)
    with open(root / "sparse", "wb") as file:
        file.truncate(5 * MIB)
        file.seek(3 * MIB)
        file.write(rng.randbytes(9000))
    with open(root / "one", "wb") as one, open(root / "two", "wb") as two:
        for _ in range(100):
            one.write(rng.randbytes(4096))
            one.flush()
            two.write(b"2" * 4096)
            two.flush()
    os.link(root / "one", root / "other name")
    (root / "link").symlink_to("Users/admin/notes.txt")
    os.setxattr(root / "Users/admin/notes.txt", "user.Zone.Identifier", b"[ZoneTransfer]\r\nZoneId=3\r\n")


def record(name: str, facts: dict[bytes, Fact]) -> None:
    lines = {
        os.fsdecode(path): [
            fact.kind, fact.size, fact.mode, fact.uid, fact.gid, fact.modified_ns, fact.links,
            os.fsdecode(fact.target), fact.digest, [[key, value.hex()] for key, value in fact.xattrs],
        ]
        for path, fact in sorted(facts.items())
    }  # fmt: skip
    raw = json.dumps(lines, ensure_ascii=True, separators=(",", ":")).encode()
    (IMAGES / f"{name}.truth.json.xz").write_bytes(lzma.compress(raw, preset=9))


def ship(disk: Path) -> None:
    target = IMAGES / f"{disk.name}.xz"
    with open(disk, "rb") as source:
        target.write_bytes(lzma.compress(source.read(), preset=9 | lzma.PRESET_EXTREME))
    print(f"{target.name}: {target.stat().st_size:,}")


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    chosen = sys.argv[1:]
    for maker in (ubuntu, crashed, busy, rhel, windows, encrypted):
        if chosen and maker.__name__ not in chosen:
            continue
        with tempfile.TemporaryDirectory() as folder:
            work = Path(folder)
            (work / "mount").mkdir()
            maker(work)


if __name__ == "__main__":
    main()
