"""The trees of the Linux images, stage by stage. Used by `build` only."""

from __future__ import annotations

from .build_trees import SHARED, STAGE_AT, Tree, database, encrypt, log, odd_kinds, odd_names, words

SHOP_SITE = """server {
    listen 443 ssl;
    server_name shop.contoso.example;
    root /var/www/shop;
    location /api/ { proxy_pass http://10.1.1.7:8080; }
}
"""
NGINX = (
    "user www-data;\nworker_processes auto;\nevents { worker_connections 768; }\nhttp { include sites/*; }\n"
)
USER = (1000, 1000)


def system(tree: Tree, name: str, release: str, fstab: str) -> None:
    """What every Linux system disk has."""
    for folder in ("bin", "boot", "dev", "mnt", "opt", "proc", "run", "srv", "sys", "usr/bin", "usr/lib"):
        tree.folder(folder)
    tree.folder("root", 0o700)
    tree.folder("tmp", 0o1777)
    tree.file("etc/hostname", f"{name}\n")
    tree.file("etc/os-release", release)
    tree.file("etc/fstab", fstab)
    tree.file(
        "etc/passwd", "root:x:0:0:root:/root:/bin/bash\nazureuser:x:1000:1000::/home/azureuser:/bin/bash\n"
    )
    tree.file("etc/shadow", "root:*:20000:0:99999:7:::\nazureuser:!:20000:0:99999:7:::\n", 0o640, (0, 42))
    tree.file("etc/ssh/sshd_config", "PasswordAuthentication no\nPermitRootLogin no\n", 0o600)
    for number in range(60):
        tree.file(f"etc/app.d/{number:02d}-setting.conf", words(f"{name} setting {number}", 6, "key_"))
    tree.folder("home/azureuser", 0o750, USER)
    tree.file("home/azureuser/.bashrc", "alias ll='ls -l'\n", owner=USER)
    tree.file("home/azureuser/.ssh/authorized_keys", "ssh-ed25519 AAAAC3Nz drill@contoso\n", 0o600, USER)
    tree.file("home/azureuser/notes.txt", words(f"{name} notes", 120), owner=USER)
    deep = "home/azureuser/" + "/".join(f"level{number:02d}" for number in range(30))
    tree.file(f"{deep}/bottom.txt", "the bottom\n", owner=USER)
    odd_names(tree, "home/azureuser/odd names")
    odd_kinds(tree, "home/azureuser/odd kinds")


def nginx(tree: Tree) -> None:
    tree.file("etc/nginx/nginx.conf", NGINX)
    tree.file("etc/nginx/sites/shop.conf", SHOP_SITE)
    for number in range(40):
        tree.file(
            f"var/www/shop/pages/page-{number:03d}.html",
            b"<html>" + words(f"page {number}", 30),
            owner=(33, 33),
        )
    tree.file("var/www/shop/index.html", "<html><h1>Contoso Shop</h1></html>\n", owner=(33, 33))


def share(tree: Tree, folder: str) -> None:
    for number, name in enumerate(SHARED):
        tree.file(f"{folder}/{name}", words(f"{folder} {name}", 60 + 40 * number), 0o640, (0, 100))


def ubuntu(tree: Tree, stage: str) -> None:
    if stage == "start":
        release = 'NAME="Ubuntu"\nVERSION_ID="24.04"\nPRETTY_NAME="Ubuntu 24.04.2 LTS"\nID=ubuntu\n'
        fstab = "LABEL=cloudimg-rootfs / ext4 discard,commit=30,errors=remount-ro 0 1\n"
        fstab += "LABEL=UEFI /boot/efi vfat umask=0077 0 1\nLABEL=data /data ext4 defaults,nofail 0 2\n"
        system(tree, "ubuntu", release, fstab)
        tree.folder("data")
        tree.folder("boot/efi")
        nginx(tree)
        share(tree, "srv/finance")
        tree.file("var/log/syslog", log("syslog", STAGE_AT["start"], 2000, "ubuntu"), 0o640, (104, 4))
        tree.file("var/lib/app/orders.db", database("orders", 256), 0o600, (112, 120))
    elif stage == "grown":
        tree.append("var/log/syslog", log("syslog+", STAGE_AT["grown"], 2500, "ubuntu"))
        tree.file("var/lib/app/orders.db", database("orders", 1024), 0o600, (112, 120))
    elif stage == "deleted":
        tree.remove("etc/nginx/sites/shop.conf")
        tree.file("etc/nginx/nginx.conf", NGINX.replace("auto;", "auto"))
    else:
        encrypt(tree, "srv/finance")


def red_hat_root(tree: Tree, stage: str) -> None:
    if stage == "start":
        release = 'NAME="Red Hat Enterprise Linux"\nVERSION_ID="9.6"\nID="rhel"\n'
        fstab = (
            "/dev/mapper/rootvg-rootlv / xfs defaults 0 0\n/dev/mapper/rootvg-varlv /var xfs defaults 0 0\n"
        )
        fstab += "LABEL=boot /boot xfs defaults 0 0\nLABEL=UEFI /boot/efi vfat umask=0077 0 2\n"
        system(tree, "rhel", release, fstab)
        tree.folder("var")
        nginx(tree)
        share(tree, "srv/finance")
    elif stage == "grown":
        tree.append("home/azureuser/notes.txt", words("more notes", 80))
    elif stage == "deleted":
        tree.remove("etc/nginx/sites/shop.conf")
        tree.file("etc/nginx/nginx.conf", NGINX.replace("auto;", "auto"))
    else:
        encrypt(tree, "srv/finance")


def red_hat_var(tree: Tree, stage: str) -> None:
    if stage == "start":
        tree.file("log/messages", log("messages", STAGE_AT["start"], 2000, "rhel"), 0o600)
        tree.file("lib/pgsql/data/PG_VERSION", "15\n", 0o600, (26, 26))
        tree.file("lib/pgsql/data/base/16384/16385", database("pgsql", 512), 0o600, (26, 26))
        for number in range(400):
            tree.file(f"spool/orders/order-{number:04d}.xml", words(f"order {number}", 4), owner=(26, 26))
    elif stage == "grown":
        tree.append("log/messages", log("messages+", STAGE_AT["grown"], 2500, "rhel"))
        tree.file("lib/pgsql/data/base/16384/16385", database("pgsql", 1280), 0o600, (26, 26))


def boot(tree: Tree, stage: str) -> None:
    if stage == "start":
        tree.file("config-5.14.0", words("kernel config", 400, "CONFIG_"))
        tree.file("grub2/grub.cfg", "set default=0\nset timeout=3\n", 0o600)


def data(tree: Tree, stage: str) -> None:
    """A data disk without a partition table."""
    if stage == "start":
        tree.file("mysql/ibdata1", database("ibdata", 768), 0o640, (115, 122))
        share(tree, "share/documents")
        for number in range(2000):
            tree.file(f"mail/inbox/{number:05d}.eml", words(f"mail {number}", 3), 0o600, (1000, 1000))
        tree.file("exports/last-month.csv", words("last month", 4000), owner=(1000, 1000))
    elif stage == "grown":
        tree.file("mysql/ibdata1", database("ibdata", 2048), 0o640, (115, 122))
        tree.file("exports/this-week.csv", words("this week", 900), owner=(1000, 1000))
    elif stage == "deleted":
        tree.remove("exports/last-month.csv")
    else:
        encrypt(tree, "share/documents")
