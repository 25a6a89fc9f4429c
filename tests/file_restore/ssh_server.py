"""A machine to log in to: asyncssh's server in a process of its own, which knows nothing of our client, and
the `ssh` that leads there: the system's, or where there is none one made of asyncssh's client.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

import asyncssh

HOST = "web"


class SshServer:
    """`folder` gets keys, configuration and a `bin` for PATH."""

    def __init__(self, folder: Path, *, system_ssh: bool) -> None:
        folder.mkdir()
        self.folder = folder
        self.known = folder / "known_hosts"
        names = ("host", "user", "other")
        self.keys = {name: asyncssh.generate_private_key("ssh-ed25519") for name in names}
        for name, key in self.keys.items():
            key.write_private_key(folder / name)
            (folder / name).chmod(0o600)
            key.write_public_key(folder / f"{name}.pub")
        self._process: subprocess.Popen[str] | None = None
        self._port = 0
        self.start()
        self.knows("host")
        self.logs_in_with("user")
        program = folder / "bin/ssh"
        program.parent.mkdir()
        start = f"{sys.executable} {__file__} client {folder} {self._port}"
        if system_ssh:
            start = f"{shutil.which('ssh')} -F {folder}/config"
        program.write_text(f'#!/bin/sh\nexec {start} "$@"\n')
        program.chmod(0o700)

    def start(self) -> None:
        command = [sys.executable, __file__, "server", str(self.folder), str(self._port)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self._port = int(self._process.stdout.readline())

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def knows(self, key: str) -> None:
        """The host key that stands in known_hosts; none with an empty name."""
        public = self.keys[key].export_public_key().decode() if key else ""
        self.known.write_text(f"[127.0.0.1]:{self._port} {public}" if key else "")

    def logs_in_with(self, key: str) -> None:
        (self.folder / "config").write_text(
            f"Host {HOST}\n HostName 127.0.0.1\n Port {self._port}\n User me\n"
            f" IdentityFile {self.folder / key}\n IdentitiesOnly yes\n"
            f" UserKnownHostsFile {self.known}\n GlobalKnownHostsFile /dev/null\n"
            " StrictHostKeyChecking no\n"
        )
        shutil.copy(self.folder / key, self.folder / "identity")

    def fault(self, name: str, on: bool = True) -> None:
        """`full`: nothing can be written; `corrupt`: a byte of each write is wrong; `refuse`: no
        file may be opened."""
        (self.folder / name).touch() if on else (self.folder / name).unlink()


class Faulty(asyncssh.SFTPServer):
    folder = Path()

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        if (self.folder / "refuse").exists():
            raise asyncssh.SFTPPermissionDenied("permission denied")
        return super().open(path, pflags, attrs)

    def write(self, file_obj: object, offset: int, data: bytes) -> int:
        if (self.folder / "full").exists():
            raise asyncssh.SFTPFailure("no space")
        if (self.folder / "corrupt").exists():
            data = bytes([data[0] ^ 1]) + data[1:]
        return super().write(file_obj, offset, data)

    def statvfs(self, path: bytes) -> object:
        found = os.statvfs(path)
        if (self.folder / "full").exists():
            size = found.f_frsize
            return asyncssh.SFTPVFSAttrs(size, size, found.f_blocks, 0, 0, 1, 1, 1, 1, 0, 255)
        return found


async def serve(folder: Path, port: int) -> None:
    Faulty.folder = folder
    server = await asyncssh.listen(
        "127.0.0.1", port, server_host_keys=[str(folder / "host")], sftp_factory=Faulty,
        authorized_client_keys=str(folder / "user.pub"), sftp_version=3,
    )  # fmt: skip
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.wait_closed()


async def connect(folder: Path, port: int) -> int:
    """As ssh does it: bytes in, bytes out, and words on the standard error for what goes wrong."""
    try:
        line = await asyncssh.connect(
            "127.0.0.1", port, known_hosts=str(folder / "known_hosts"), username="me",
            client_keys=[str(folder / "identity")], config=None, agent_path=None,
            # Servers look at it to know the order of a link's two names.
            client_version="OpenSSH_9.2",
        )  # fmt: skip
    except asyncssh.HostKeyNotVerifiable:
        print("Host key verification failed.", file=sys.stderr)
        return 255
    except asyncssh.PermissionDenied:
        print("me@127.0.0.1: Permission denied (publickey).", file=sys.stderr)
        return 255
    except OSError as problem:
        print(problem, file=sys.stderr)
        return 255
    async with line:
        process = await line.create_process(
            subsystem="sftp", encoding=None, stdin=sys.stdin.buffer, stdout=sys.stdout.buffer
        )
        await process.wait()
    return 0


if __name__ == "__main__":
    verb, where, number = sys.argv[1:4]
    if verb == "server":
        asyncio.run(serve(Path(where), int(number)))
    else:
        sys.exit(asyncio.run(connect(Path(where), int(number))))
