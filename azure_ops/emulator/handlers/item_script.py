"""What an item-level recovery hands out for Linux: a program that asks for its password, fetches the point's
disks and mounts their volumes below the folder it is started in, until it is told to stop.

It is not part of the emulator and imports nothing of it: `VALUES` is put in front of it. Azure's own script
reaches the disks by iSCSI; where it says what, and in which words, follows Microsoft's description of it."""

from __future__ import annotations

import getpass
import hashlib
import os
import re
import signal
import ssl
import struct
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from typing import Any

VALUES: dict[str, Any] = {}
"""`machine`, `password` (a salt and the hash), `ca` and `disks`: addresses, sizes and LUNs."""
PIECE = 4 << 20
MOUNTS = {
    "ext4": "ro,noload",
    "xfs": "ro,norecovery,nouuid",
    "ntfs3": "ro",
    "ntfs": "ro",
    "vfat": "ro",
}


def main() -> int:
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(1))  # the terminal is gone: unmount
    print("Microsoft Azure VM Backup - File Recovery")
    print("______________________________________________")
    if os.geteuid() != 0:
        print("The script must be run as root.")
        return 1
    password = getpass.getpass(
        "Please enter the password as shown on the portal to securely connect to the recovery point. : "
    )
    salt, wanted = VALUES["password"]
    if hashlib.sha256((salt + password.strip()).encode()).hexdigest() != wanted:
        print("The password entered is not valid.")
        return 1
    print("Connecting to recovery point using ISCSI service...", flush=True)
    with tempfile.TemporaryDirectory(prefix="recovery-") as scratch:
        images = []
        for number, disk in enumerate(VALUES["disks"]):
            image = os.path.join(scratch, f"disk{number}")
            try:
                fetch(disk["address"], image)
            except urllib.error.HTTPError as problem:
                print(f"Could not connect to the recovery point ({problem.code}).")
                return 1
            images.append(image)
        print("Connection succeeded!")
        print("Please wait while we attach volumes of the recovery point to this machine...", flush=True)
        folder = os.path.join(os.getcwd(), f"{VALUES['machine']}-{time.strftime('%Y%m%d%H%M%S')}")
        os.mkdir(folder, 0o700)
        mounted: list[str] = []
        try:
            return serve(images, folder, mounted)
        finally:
            for place in reversed(mounted):
                subprocess.run(["umount", place], check=False)  # noqa: S607
            try:
                for name in os.listdir(folder):
                    os.rmdir(os.path.join(folder, name))
                os.rmdir(folder)
            except OSError:
                print(f"{folder} is in use and stays.")


def serve(images: list[str], folder: str, mounted: list[str]) -> int:
    rows = []
    for image in images:
        for start, length in volumes(image):
            place = os.path.join(folder, f"Volume{len(mounted) + 1}")
            if mount(image, start, length, place):
                mounted.append(place)
                rows.append((image, f"{image}@{start}", place))
    print()
    print("************ Volumes of the recovery point and their mount paths on this machine ************")
    print()
    print("Sr.No.  |  Disk  |  Volume  |  MountPath ")
    for number, row in enumerate(rows, 1):
        print(f"{number})  | " + "  |  ".join(row))
    print()
    print("************ Open File Explorer to browse for files. ************")
    print()
    print("After recovery, to remove the disks and close the connection to the recovery point, please click")
    print("'Unmount Disks' in step 3 of the portal.")
    print("Please enter 'q/Q' to exit...", flush=True)
    for line in sys.stdin:
        if line.strip().lower() == "q":
            break
    return 0 if rows else 1


def fetch(address: str, path: str) -> None:
    context = ssl.create_default_context(cadata=VALUES["ca"])
    with urllib.request.urlopen(f"{address}&comp=pagelist", context=context) as answer:  # noqa: S310
        pages = answer.read().decode()
        size = int(answer.headers["x-ms-blob-content-length"])
    with open(path, "wb") as file:
        file.truncate(size)
        for first, last in re.findall(r"<PageRange><Start>(\d+)</Start><End>(\d+)</End>", pages):
            for start in range(int(first), int(last) + 1, PIECE):
                end = min(start + PIECE - 1, int(last))
                asked = urllib.request.Request(address, headers={"Range": f"bytes={start}-{end}"})  # noqa: S310
                with urllib.request.urlopen(asked, context=context) as answer:  # noqa: S310
                    file.seek(start)
                    file.write(answer.read())


def volumes(image: str) -> list[tuple[int, int]]:
    """Start and length of the partitions of a GPT, or the whole disk."""
    with open(image, "rb") as disk:
        size = disk.seek(0, os.SEEK_END)
        disk.seek(512)
        header = disk.read(92)
        if header[:8] != b"EFI PART":
            return [(0, size)]
        table, count, length = struct.unpack_from("<QII", header, 72)
        disk.seek(table * 512)
        entries = [disk.read(length) for _ in range(min(count, 128))]
    found = [struct.unpack_from("<QQ", entry, 32) for entry in entries if any(entry[:16])]
    return [(first * 512, (last - first + 1) * 512) for first, last in found]


def mount(image: str, start: int, length: int, place: str) -> bool:
    os.mkdir(place, 0o700)
    for kind, options in MOUNTS.items():
        where = f"loop,{options},nodev,nosuid,noexec,offset={start},sizelimit={length}"
        command = ["mount", "-t", kind, "-o", where, image, place]
        done = subprocess.run(command, check=False, capture_output=True)
        if done.returncode == 0:
            return True
    os.rmdir(place)
    return False


if __name__ == "__main__":
    sys.exit(main())
