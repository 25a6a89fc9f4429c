"""Makes the images that the emulated disks show, with the real tools, and records what is on them.

Run it as root on Linux, from the root of the checkout; nothing else of the emulator needs root or any tool:

    apt-get install e2fsprogs xfsprogs ntfs-3g dosfstools mtools lvm2 fdisk
    python -m azure_ops.emulator.disks.build [IMAGE …]

Each image is made once and then lives through `STAGES`, mounted by the kernel (NTFS by ntfs-3g, FAT by
mtools), and a last one, `running`, that is taken from the mounted file system: its journal is not replayed.
What lies in `data` is a layer for the first stage, one with the differences for each that follows, and a
truth: every entry of every stage with its size, mode, owner, times, attributes and SHA-256 as the kernel
reads it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .build_images import IMAGES, MIB, FileSystem, Image
from .build_trees import STAGES, Tree, words
from .build_truth import entries_of, write_truth
from .layers import BLOCK, write_layer

DATA = Path(__file__).parent / "data"
RUNNING = "running"


def run(*command: str | Path, text: str = "", **environment: str) -> str:
    done = subprocess.run(
        [str(word) for word in command],
        input=text,
        text=True,
        capture_output=True,
        env={**os.environ, "TZ": "UTC", **environment},
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def uuid_of(text: str) -> str:
    import uuid

    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{text}.disks.contoso.example"))


@dataclass
class Making:
    """One image while it is made: a file for each file system, put together for each stage."""

    image: Image
    folder: Path
    table: Path = field(init=False)
    pieces: dict[int | str | None, list[tuple[int, int, int]]] = field(default_factory=dict)
    """Where the parts of a partition or volume lie: (offset in the image, offset within, length)."""

    def __post_init__(self) -> None:
        self.table = self.folder / "table"
        os.truncate(_touched(self.table), self.image.size)
        self.pieces[None] = [(0, 0, self.image.size)]
        if self.image.partitions:
            self._partition()
        if self.image.volumes:
            self._volumes()
        for fs in self.image.file_systems:
            start = self.pieces[fs.on][0][0]
            make_file_system(fs, self.file(fs), uuid_of(f"{self.image.name}-{fs.on}"), start)

    def file(self, fs: FileSystem) -> Path:
        return self.folder / f"fs-{fs.on}"

    def _partition(self) -> None:
        lines = ["label: gpt", f"label-id: {uuid_of(self.image.name)}", "unit: sectors", "first-lba: 34"]
        for part in self.image.partitions:
            name = f', name="{part.name}"' if part.name else ""
            unique = uuid_of(f"{self.image.name}-partition-{part.number}")
            lines.append(
                f"{part.number} : start={part.start // 512}, size={part.size // 512}, "
                f"type={part.type}, uuid={unique}{name}"
            )
            self.pieces[part.number] = [(part.start, 0, part.size)]
        run("sfdisk", "--quiet", self.table, text="\n".join(lines) + "\n")

    def _volumes(self) -> None:
        """LVM writes its metadata through a loop device; nothing is activated."""
        part = self.image.partitions[-1]
        settings = "devices { use_devicesfile=0 } backup { backup=0 archive=0 }"
        quiet = ("--driverloaded", "n", "--config", settings)
        loop = run(
            "losetup", "-f", "--show", "-o", str(part.start), "--sizelimit", str(part.size), self.table
        )
        device = loop.strip()
        try:
            run("pvcreate", *quiet, "-y", device)
            run("vgcreate", *quiet, "-s", "4m", "rootvg", device)
            made: set[str] = set()
            for name, size in self.image.volumes:
                if name in made:
                    run("lvextend", *quiet, "-L", f"+{size // MIB}m", f"rootvg/{name}")
                else:
                    no = ("-an", "-Zn", "-Wn", "-y")
                    run("lvcreate", *quiet, *no, "-L", f"{size // MIB}m", "-n", name, "rootvg")
                made.add(name)
            pe_start = int(
                run("pvs", *quiet, "--noheadings", "--nosuffix", "--units", "b", "-o", "pe_start", device)
            )
            columns = "lv_name,seg_start,seg_size,seg_pe_ranges"
            report = run("lvs", *quiet, "--noheadings", "--nosuffix", "--units", "b", "-o", columns, "rootvg")
        finally:
            run("losetup", "-d", device)
        for line in report.splitlines():
            volume, start, length, ranges = line.split()
            first = int(ranges.rsplit(":", 1)[1].split("-")[0])
            at = part.start + pe_start + first * 4 * MIB
            self.pieces.setdefault(volume, []).append((at, int(start), int(length)))

    def live(self, stage: str) -> list[list[dict[str, Any]]]:
        """Lets the stage happen in each file system; the entries of each afterwards."""
        found = []
        for fs in self.image.file_systems:
            if fs.kind == "vfat":
                found.append(self._fat(fs, stage))
                continue
            with mounted(fs.kind, self.file(fs), self.folder / "mnt") as root:
                tree = Tree(root, stage, posix=fs.kind != "ntfs")
                fs.fill(tree, stage)
                tree.set_times()
            with mounted(fs.kind, self.file(fs), self.folder / "mnt", read_only=True) as root:
                found.append(entries_of(root))
        return found

    def _fat(self, fs: FileSystem, stage: str) -> list[dict[str, Any]]:
        """The kernel may have no FAT: mtools fills it, and what it was filled from is the truth."""
        source = self.folder / f"fat-{fs.on}"
        source.mkdir(exist_ok=True)
        tree = Tree(source, stage, posix=False)
        fs.fill(tree, stage)
        tree.set_times()
        if stage == STAGES[0]:
            for top in sorted(source.iterdir()):
                run("mcopy", "-i", self.file(fs), "-s", "-p", "-m", top, "::/")
        return [
            {**entry, "mode": None, "uid": None, "gid": None, "nlink": None} for entry in entries_of(source)
        ]

    def crash(self, folder: Path) -> list[list[dict[str, Any]]] | None:
        """The file systems of a running machine: taken in the middle of its work into `folder`. The entries
        are those that the kernel sees after it has replayed the journal."""
        if not any(fs.kind in ("ext4", "xfs") for fs in self.image.file_systems):
            return None
        found = []
        for fs in self.image.file_systems:
            taken = folder / self.file(fs).name
            if fs.kind not in ("ext4", "xfs"):
                _copy(self.file(fs), taken)
                found.append(self._fat(fs, STAGES[-1]))
                continue
            with mounted(fs.kind, self.file(fs), self.folder / "mnt") as root:
                _work(Tree(root, STAGES[-1]))
                _copy(self.file(fs), taken)
            replayed = _copy(taken, folder / "replayed")
            with mounted(fs.kind, replayed, self.folder / "mnt") as root:
                found.append(entries_of(root))
            replayed.unlink()
        return found

    def assembled(self, folder: Path, target: Path) -> Path:
        """The whole image from the table and the file systems in `folder`."""
        _copy(self.table, target)
        with target.open("r+b") as image:
            for fs in self.image.file_systems:
                for at, within, length in self.pieces[fs.on]:
                    for number, block in _blocks(folder / self.file(fs).name, within, length):
                        image.seek(at + number * BLOCK - within)
                        image.write(block)
        return target


def _work(tree: Tree) -> None:
    """Files that only the journal knows yet: synchronized one by one, nothing written back."""
    for number in range(40):
        name = f"spooled/job-{number:02d}.txt"
        tree.file(name, words(name, 20))
        descriptor = os.open(tree.path(name), os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
    tree.remove("spooled/job-07.txt")
    tree.set_times()
    descriptor = os.open(tree.path("spooled"), os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def make_file_system(fs: FileSystem, path: Path, uuid: str, start: int) -> None:
    os.truncate(_touched(path), fs.size)
    label = ["-L", fs.label] if fs.label else []
    if fs.kind == "ext4":
        options = f"lazy_itable_init=1,nodiscard,hash_seed={uuid}"
        run(
            "mkfs.ext4", "-q", "-F", "-U", uuid, "-E", options, *label, path, E2FSPROGS_FAKE_TIME="1772442000"
        )
    elif fs.kind == "xfs":
        run("mkfs.xfs", "-q", "-K", "-m", f"uuid={uuid}", *label, path)
    elif fs.kind == "vfat":
        run("mkfs.vfat", "-F", "32", "-i", uuid[:8], "-n", fs.label, "-h", str(start // 512), path)
    else:
        geometry = ("-p", str(start // 512), "-H", "255", "-S", "63", "-s", "512")
        run("mkfs.ntfs", "-q", "-F", "-Q", *geometry, *label, path)


@contextmanager
def mounted(kind: str, path: Path, root: Path, *, read_only: bool = False) -> Iterator[Path]:
    root.mkdir(exist_ok=True)
    options = ["ro"] if read_only else []
    if kind == "ntfs":
        run(
            "ntfs-3g",
            "-o",
            ",".join([*options, "compression", "permissions", "streams_interface=xattr"]),
            path,
            root,
        )
    else:
        if kind == "ext4" and not read_only:
            options.append("noinit_itable")
        run("mount", "-t", kind, "-o", ",".join(["loop", *options]), path, root)
    try:
        yield root
    finally:
        run("umount", root)


def _touched(path: Path) -> Path:
    path.touch()
    return path


def _copy(source: Path, target: Path) -> Path:
    run("cp", "--sparse=always", source, target)
    return target


def _blocks(path: Path, start: int = 0, length: int | None = None) -> Iterator[tuple[int, bytes]]:
    """The blocks of a sparse file that hold anything, by their number in the file."""
    end = start + (path.stat().st_size - start if length is None else length)
    with path.open("rb") as file:
        at = start
        while at < end:
            try:
                at = max(at, os.lseek(file.fileno(), at, os.SEEK_DATA) // BLOCK * BLOCK)
            except OSError:
                return
            hole = min(end, os.lseek(file.fileno(), at, os.SEEK_HOLE))
            file.seek(at)
            while at < hole:
                block = file.read(BLOCK)
                if any(block):
                    yield at // BLOCK, block
                at += BLOCK


def _changed(before: Path, after: Path) -> Iterator[tuple[int, bytes]]:
    old, new = dict(_blocks(before)), dict(_blocks(after))
    for number in sorted(old.keys() | new.keys()):
        if old.get(number) != new.get(number):
            yield number, new.get(number, bytes(BLOCK))


def build(image: Image, folder: Path) -> None:
    making = Making(image, folder)
    truth: dict[str, Any] = {"size": image.size, "stages": {}}
    before: Path | None = None
    for stage in (*STAGES, RUNNING):
        taken = folder
        if stage == RUNNING:
            taken = folder / RUNNING
            taken.mkdir()
        found = making.crash(taken) if stage == RUNNING else making.live(stage)
        if found is None:
            break
        whole = making.assembled(taken, folder / f"whole-{stage}")
        blocks = _blocks(whole) if before is None else _changed(before, whole)
        size = write_layer(DATA / f"{image.name}.{stage}.layer", image.size, blocks)
        print(f"{image.name} {stage}: {size // 1024} KiB, {sum(map(len, found))} entries")
        truth["stages"][stage] = [
            {
                "kind": fs.kind,
                "on": fs.on,
                "label": fs.label,
                "mount": fs.mount,
                "pieces": making.pieces[fs.on],
                "entries": entries,
            }
            for fs, entries in zip(image.file_systems, found, strict=True)
        ]
        before = whole
    write_truth(DATA / f"{image.name}.truth", truth)


def main(names: list[str]) -> None:
    if os.geteuid():
        raise SystemExit("mounting needs root")
    DATA.mkdir(exist_ok=True)
    for image in IMAGES:
        if names and image.name not in names:
            continue
        folder = Path(tempfile.mkdtemp(prefix="azrecover-disk-"))
        try:
            build(image, folder)
        finally:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main(sys.argv[1:])
