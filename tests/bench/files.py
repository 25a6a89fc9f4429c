"""Files out of a disk of 32 GiB over HTTPS, each request 20 ms late: what the library takes, beside curl.

The images are made once, by the tools that are installed, below `.bench/`: ext4 without root, XFS and NTFS as
root. Each measurement runs in a process of its own, so that its memory is its own.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import resource
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.bench.figures import Figure
from tests.file_restore.range_server import RangeServer

FOLDER = Path(__file__).parents[2] / ".bench" / "files"
LATENCY_MS = 20
SIZE = 32 << 30
MEGABYTE = 1_000_000
LARGE = 200 * MEGABYTE
FILLER, IN_EACH = 200, 100
CACHE = 64 << 20


def measure() -> Iterator[Figure]:
    for kind in ("ext4", "xfs", "ntfs"):
        image = made(kind)
        if image is None:
            continue
        with tempfile.TemporaryDirectory() as folder:
            server = RangeServer(image, Path(folder), "--latency-ms", str(LATENCY_MS))
            try:
                yield from figures(kind, server, Path(folder))
            finally:
                server.close()


def figures(kind: str, server: RangeServer, folder: Path) -> Iterator[Figure]:
    def took(what: str) -> dict[str, Any]:
        out = folder / what
        command = [
            sys.executable,
            "-m",
            "tests.bench.files",
            what,
            server.address(),
            str(server.ca_file),
            str(out),
        ]
        answer: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        shutil.rmtree(out, ignore_errors=True)
        return answer

    yield Figure(f"{kind}: nothing → root listing", took("root")["ms"], "ms", goal=1000)
    names, details = took("names"), took("details")
    yield Figure(f"{kind}: directory of 10,000, names", names["ms"], "ms", goal=500)
    yield Figure(f"{kind}: directory of 10,000, all details", details["ms"], "ms", goal=1500)
    yield Figure(f"{kind}: nothing → a file of 5 KB", took("small")["ms"], "ms", goal=1000)
    ours, theirs, hashed = [], [], []
    for _ in range(3):
        large = took("large")
        ours.append(large["ms"])
        plain, whole = curl(server, large["ranges"], folder)
        theirs.append(plain)
        hashed.append(whole)
    yield Figure(
        f"{kind}: 200 MB (floor: curl, same requests, 12 at once)", min(ours), "ms", min(theirs), goal=1.11
    )
    yield Figure(f"{kind}: … (floor: curl, then md5sum and sha256sum of it)", min(ours), "ms", min(hashed))
    tree = took("tree")
    yield Figure(f"{kind}: 2,000 small files", tree["ms"], "ms")
    yield Figure(
        f"{kind}: … bytes fetched of bytes restored", tree["fetched"] / 1e6, "MB", tree["size"] / 1e6, 1.5
    )
    yield Figure(f"{kind}: … requests", tree["requests"], "", goal=30)
    yield Figure(f"{kind}: … the fewest for so many bytes where its files lie", tree["fewest"], "")
    yield Figure(f"{kind}: … requests, reading the directories included", tree["all_requests"], "")
    yield Figure(
        f"{kind}: … bytes, reading the directories included",
        tree["all_bytes"] / 1e6,
        "MB",
        tree["size"] / 1e6,
    )
    search = took("search")
    yield Figure(f"{kind}: search {search['entries']:,} entries", search["ms"], "ms", goal=2000)
    yield Figure(f"{kind}: … first hit", search["first_ms"], "ms", goal=500)
    yield Figure(
        f"{kind}: memory of the reader process and the cache, most of all",
        max(answer["memory"] for answer in (names, details, tree, search)) / 1e6, "MB", goal=200,
    )  # fmt: skip


def curl(server: RangeServer, ranges: Sequence[tuple[int, int]], folder: Path) -> tuple[float, float]:
    """The same ranges of the same server, by a config file with one transfer each; and with what a restore
    does beside: MD5 of each range, SHA-256 of the file."""
    lines = []
    for number, (offset, length) in enumerate(ranges):
        lines += [
            "next" if number else "", f'url = "{server.address()}"', f'output = "{folder}/curl-{number}"',
            f'range = "{offset}-{offset + length - 1}"', 'header = "x-ms-version: 2020-10-02"',
            f'cacert = "{server.ca_file}"', 'header = "x-ms-range-get-content-md5: true"',
        ]  # fmt: skip
    config = folder / "curl.config"
    config.write_text("\n".join(lines))
    begun = time.monotonic()
    command = ["curl", "-sS", "--parallel", "--parallel-immediate", "--parallel-max", "12", "-K", config]
    subprocess.run(command, check=True, capture_output=True)
    took = (time.monotonic() - begun) * 1000
    files = [folder / f"curl-{number}" for number in range(len(ranges))]
    hashes = [subprocess.Popen([tool, *files], stdout=subprocess.DEVNULL) for tool in ("md5sum", "sha256sum")]
    assert [each.wait() for each in hashes] == [0, 0]
    checked = (time.monotonic() - begun) * 1000
    for file in files:
        file.unlink()
    return took, checked


def made(kind: str) -> Path | None:
    """The image, from an earlier run or made now; None where it cannot be made here."""
    image = FOLDER / f"{kind}.img"
    if image.exists():
        return image
    if not shutil.which(f"mkfs.{kind}") or (kind != "ext4" and os.geteuid()):
        return None
    FOLDER.mkdir(parents=True, exist_ok=True)
    draft = image.with_suffix(".draft")
    with open(draft, "wb") as file:
        file.truncate(SIZE)
    if kind == "ext4":
        with tempfile.TemporaryDirectory(dir=FOLDER) as folder:
            fill(Path(folder))
            subprocess.run(["mkfs.ext4", "-q", "-F", "-d", folder, draft], check=True)
    else:
        mount_and_fill(kind, draft)
    draft.rename(image)
    return image


def mount_and_fill(kind: str, draft: Path) -> None:
    options = ["-F", "-Q"] if kind == "ntfs" else ["-q", "-f"]
    subprocess.run([f"mkfs.{kind}", *options, draft], check=True, capture_output=True)
    mount = ["ntfs-3g"] if kind == "ntfs" else ["mount", "-o", "loop,nouuid"]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([*mount, draft, folder], check=True, capture_output=True)
        try:
            fill(Path(folder))
        finally:
            subprocess.run(["umount", folder], check=True)


def fill(root: Path) -> None:
    rng = random.Random(1)
    for name in ("bin", "boot", "home", "lib", "opt", "root", "srv", "usr"):
        (root / name).mkdir()
    (root / "etc").mkdir()
    for number in range(200):
        (root / f"etc/setting{number}.conf").write_bytes(rng.randbytes(500))
    (root / "etc/config.json").write_bytes(rng.randbytes(5000))
    with open(root / "large", "wb") as file:
        for _ in range(LARGE // MEGABYTE):
            file.write(rng.randbytes(MEGABYTE))
    (root / "many").mkdir()
    for number in range(10_000):
        (root / f"many/entry-{number:05}").write_bytes(b"x" * (number % 90))
    for number in range(2000):
        path = root / f"tree/{number // 50}/file{number}.dat"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(rng.randbytes(rng.randrange(1000, 15_000)))
    for number in range(FILLER):
        folder = root / f"usr/share{number}"
        folder.mkdir()
        for inner in range(IN_EACH):
            (folder / f"page{inner}.txt").write_bytes(b"")
    (root / "srv/needle.txt").write_text("here")


async def once(what: str, address: str, ca_file: str, out: Path) -> dict[str, Any]:
    """One measurement, cold; it runs in a process of its own."""
    from azure_ops.file_restore.disks import open_disks
    from azure_ops.file_restore.page_blob import PageBlob
    from azure_ops.file_restore.reader import Reader

    begun = time.monotonic()
    source = PageBlob(address, "bench", tls=ssl.create_default_context(cafile=ca_file))
    disks = await open_disks([source], CACHE)
    async with Reader(disks) as reader:
        info = await reader.open("disk0")
        if what == "root":
            entries = [entry async for part in reader.list("disk0", info.root) for entry in part.entries]
            assert len(entries) > 10
            answer: dict[str, Any] = {}
        elif what in ("names", "details"):
            many = (await reader.lookup("disk0", b"many"))[-1]
            begun = time.monotonic()
            listing = reader.list("disk0", many.id, details=what == "details")
            assert sum([len(part.entries) async for part in listing]) == 10_000
            answer = {}
        elif what == "small":
            entry = (await reader.lookup("disk0", b"etc/config.json"))[-1]
            assert len(await reader.read("disk0", entry.id, 0, 5000)) == 5000
            answer = {}
        elif what == "search":
            begun = time.monotonic()
            answer = await searched(reader, info.root)
        else:
            answer = await restored(reader, disks, what, out)
        answer.setdefault("ms", (time.monotonic() - begun) * 1000)
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    for disk in disks:
        await disk.close()
    return {**answer, "memory": children + CACHE}


async def searched(reader: Any, root: int) -> dict[str, Any]:
    """For one name, and then, not timed, how many names there are."""
    begun = time.monotonic()
    first = 0.0
    async for hits, _ in reader.search("disk0", root, "entry-00*"):
        if hits and not first:
            first = (time.monotonic() - begun) * 1000
    took = (time.monotonic() - begun) * 1000
    entries = sum([len(hits) async for hits, _ in reader.search("disk0", root, "*")])
    return {"ms": took, "first_ms": first, "entries": entries}


async def restored(reader: Any, disks: Any, what: str, out: Path) -> dict[str, Any]:
    from azure_ops.file_restore.extraction import Extraction
    from azure_ops.file_restore.ranges import fetches, pieces_of

    entry = (await reader.lookup("disk0", what.encode()))[-1]
    disk = disks[0]
    before = disk.source.requests, disk.cache.figures.bytes_fetched
    begun = time.monotonic()
    report = await Extraction(disks, "disk0", [(entry.name, entry.id)], out).run()
    took = (time.monotonic() - begun) * 1000
    answer = {"ms": took, "size": report.size, "fetched": report.bytes_fetched, "requests": report.requests}
    answer["all_requests"] = disk.source.requests - before[0]
    answer["all_bytes"] = report.bytes_fetched + disk.cache.figures.bytes_fetched - before[1]
    if what == "tree":
        answer["fewest"] = await fewest(reader, disk, entry)
    if what == "large":
        runs, _ = await reader.runs("disk0", entry.id)
        found = fetches(pieces_of(0, runs, [disk.source for disk in disks]))
        answer["ranges"] = [(fetch.position, fetch.length) for fetch in found]
    return answer


async def fewest(reader: Any, disk: Any, entry: Any) -> int:
    """Requests that fetch all bytes of the files and, between them, not more than half as much again."""
    from azure_ops.file_restore.ranges import pieces_of

    places = []
    async for items in reader.plan("disk0", [(entry.name, entry.id)]):
        for item in items:
            places += [(piece.position, piece.length) for piece in pieces_of(0, item.runs, [disk.source])]
    places.sort()
    budget = sum(length for _, length in places) // 2
    ends = [position + length for position, length in places]
    gaps = sorted(start - end for (start, _), end in zip(places[1:], ends[:-1], strict=True))
    while gaps and gaps[0] <= budget:
        budget -= gaps.pop(0)
    return len(gaps) + 1


if __name__ == "__main__":
    print(json.dumps(asyncio.run(once(*sys.argv[1:4], Path(sys.argv[4])))))
