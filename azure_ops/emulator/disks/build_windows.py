"""The trees of the NTFS images and of the EFI partitions, stage by stage. Used by `build` only."""

from __future__ import annotations

import os

from .build_trees import SHARED, STAGE_AT, Tree, database, encrypt, log, words

COMPRESSED = (0x800 | 0x10).to_bytes(4, "big")
"""FILE_ATTRIBUTE_COMPRESSED of a directory: what is made in it is compressed."""
HOSTS = "# Copyright (c) 1993-2009 Microsoft Corp.\r\n10.1.2.4 sql-01\r\n10.1.2.9 file-01\r\n"
WEB_CONFIG = """<?xml version="1.0"?>\r
<configuration><connectionStrings><add name="Shop" connectionString="Server=sql-01;Database=Shop"/>\r
</connectionStrings></configuration>\r
"""


def efi(tree: Tree, stage: str) -> None:
    if stage == "start":
        tree.file("EFI/BOOT/BOOTX64.EFI", b"MZ" + words("boot loader", 200))
        tree.file("EFI/contoso/grub.cfg", "search.fs_uuid root\nset prefix=($root)'/boot/grub'\n")
        tree.file("EFI/contoso/a rather long name for a FAT.txt", words("long name", 10))


def system(tree: Tree, stage: str) -> None:
    if stage == "start":
        tree.file("Windows/System32/drivers/etc/hosts", HOSTS)
        tree.file("Windows/System32/config/SYSTEM", b"regf" + database("system hive", 16))
        tree.file("Windows/System32/winevt/Logs/Security.evtx", b"ElfFile\0" + database("events", 64))
        tree.file("inetpub/wwwroot/shop/web.config", WEB_CONFIG)
        tree.folder("Program Files/Contoso")
        for number in range(50):
            name = f"Program Files/Contoso/Shop/module{number:02d}.ini"
            tree.file(name, words(f"module {number}", 8, "key="))
        for number, name in enumerate(SHARED):
            tree.file(f"Shares/Finance/{name}", words(f"finance {name}", 60 + 40 * number))
        tree.file("Users/azureuser/Desktop/notes.txt", words("desktop", 100))
        tree.file("Users/azureuser/Documents/東京 – Überblick.txt", words("tokyo", 20))
        tree.file("Users/azureuser/Documents/tiny.txt", "resident\r\n")
        _streams(tree, "Users/azureuser/Downloads/setup.exe")
        _compressed(tree, "Logs")
        tree.sparse("pagefile.sys", 64 << 20, {0: b"PAGEDUMP", 32 << 20: words("paged", 100)})
    elif stage == "grown":
        tree.file("Windows/System32/winevt/Logs/Security.evtx", b"ElfFile\0" + database("events", 192))
        tree.file("Logs/shop-2.log", log("shop 2", STAGE_AT["grown"], 1500, "win"))
    elif stage == "deleted":
        tree.remove("inetpub/wwwroot/shop/web.config")
        tree.file("Windows/System32/drivers/etc/hosts", HOSTS.replace("10.1.2.4", "10.1.2.40"))
    else:
        encrypt(tree, "Shares/Finance")


def _streams(tree: Tree, name: str) -> None:
    tree.file(name, b"MZ" + words("setup", 50))
    zone = b"[ZoneTransfer]\r\nZoneId=3\r\nHostUrl=https://download.contoso.example/setup.exe\r\n"
    os.setxattr(tree.path(name), "user.Zone.Identifier", zone)


def _compressed(tree: Tree, folder: str) -> None:
    tree.folder(folder)
    os.setxattr(tree.path(folder), "system.ntfs_attrib_be", COMPRESSED)
    tree.file(f"{folder}/shop-1.log", log("shop 1", STAGE_AT["start"], 3000, "win"))


def data(tree: Tree, stage: str) -> None:
    """A data disk of a Windows machine."""
    if stage == "start":
        tree.file("SQLData/Shop.mdf", database("mdf", 512))
        tree.file("SQLData/Shop_log.ldf", database("ldf", 128))
        for number, name in enumerate(SHARED):
            tree.file(f"Shares/Documents/{name}", words(f"documents {name}", 60 + 40 * number))
        for number in range(300):
            tree.file(f"Archive/2025/scan-{number:04d}.txt", words(f"scan {number}", 5))
        tree.file("Exports/last-month.csv", words("windows last month", 2000))
    elif stage == "grown":
        tree.file("SQLData/Shop.mdf", database("mdf", 1536))
    elif stage == "deleted":
        tree.remove("Exports/last-month.csv")
    else:
        encrypt(tree, "Shares/Documents")
