"""Random work on a mounted file system, for a copy of the disk in the midst of it."""

from __future__ import annotations

import errno
import os
import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path


class Churn:
    def __init__(self, root: Path, rng: random.Random) -> None:
        self._root = root
        self._rng = rng
        self._files: list[Path] = []
        self._directories = [root]
        self._number = 0

    def run(self, steps: int) -> None:
        self._make()
        works: list[tuple[Callable[[], None], int]] = [
            (self._make_directory, 12), (self._make, 33), (self._scatter, 10), (self._remove, 10),
            (self._rename, 5), (self._symlink, 5), (self._attribute, 7), (self._remove_tree, 3),
            (self._link, 3), (self._truncate, 4), (self._allocate, 2), (self._own, 3), (self._sync, 2),
        ]  # fmt: skip
        chosen = self._rng.choices([work for work, _ in works], [weight for _, weight in works], k=steps)
        for work in chosen:
            self._number += 1
            if not self._files:
                self._make()
            try:
                work()
            except OSError as exc:
                if exc.errno not in (errno.ENOENT, errno.ENOSPC, errno.ENOTSUP):
                    raise

    def _new(self, letter: str) -> Path:
        return self._rng.choice(self._directories) / f"{letter}{self._number}"

    def _file(self) -> Path:
        return self._rng.choice(self._files)

    def _make_directory(self) -> None:
        path = self._new("d")
        path.mkdir()
        self._directories.append(path)

    def _make(self) -> None:
        path = self._new("f")
        path.write_bytes(self._rng.randbytes(self._rng.choice([0, 10, 300, 5000, 40_000])))
        self._files.append(path)

    def _scatter(self) -> None:
        with open(self._file(), "r+b") as file:
            for _ in range(self._rng.randrange(1, 12)):
                file.seek(self._rng.randrange(400) * 8192)
                file.write(self._rng.randbytes(self._rng.choice([100, 4096])))
            file.flush()
            if self._rng.random() < 0.3:
                os.fsync(file.fileno())

    def _remove(self) -> None:
        self._files.pop(self._rng.randrange(len(self._files))).unlink()

    def _rename(self) -> None:
        path, new = self._file(), self._new("r")
        path.rename(new)
        self._files[self._files.index(path)] = new

    def _symlink(self) -> None:
        self._new("s").symlink_to("t" * self._rng.choice([5, 300, 900]))

    def _attribute(self) -> None:
        name = f"user.a{self._rng.randrange(30)}"
        os.setxattr(self._file(), name, b"v" * self._rng.choice([5, 200, 2000]))

    def _remove_tree(self) -> None:
        if len(self._directories) > 3:
            gone = self._directories.pop(self._rng.randrange(1, len(self._directories)))
            shutil.rmtree(gone)
            self._directories = [path for path in self._directories if gone not in path.parents]
            self._files = [path for path in self._files if gone not in path.parents]

    def _link(self) -> None:
        os.link(self._file(), self._new("h"))

    def _truncate(self) -> None:
        os.truncate(self._file(), self._rng.randrange(30_000))

    def _allocate(self) -> None:
        with open(self._file(), "r+b") as file:
            os.posix_fallocate(file.fileno(), 0, self._rng.randrange(1, 300_000))

    def _own(self) -> None:
        path = self._file()
        os.chown(path, self._rng.randrange(100_000), 5)
        path.chmod(self._rng.randrange(0o1000))

    def _sync(self) -> None:
        subprocess.run(["sync", "-f", self._root], check=True, timeout=30)
