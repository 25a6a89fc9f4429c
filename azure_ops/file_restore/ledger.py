"""What a restore has done, beside the restored files: the state that a later run goes on from, the manifest,
and the list of what could not be carried. No address and no secret is in any of them.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from .problems import FileRestoreError

_BATCH = 64
WHOLE = -1


class Ledger:
    """Lines of JSON, appended: the first names the restore, the others say what is done."""

    def __init__(self, folder: Path, name: str, job: dict[str, Any], beside: str = "") -> None:
        """`beside` is the name of the one file that is made, where it is one."""
        self.path = folder / f".azrecover-{name}.state"
        self.manifest = folder / f"{beside or f'azrecover-{name}'}.sha256"
        self.losses = folder / f"{beside or f'azrecover-{name}'}.not-carried.txt"
        self.done: dict[int, tuple[str, str, int]] = {}
        """Number in the plan → path, SHA-256, size."""
        self.intended: dict[int, tuple[str, str, int]] = {}
        """The same of files that were about to get their names; under WHOLE the one file that is made, with
        its number on the disk in place of a hash."""
        self.ranges: dict[int, list[tuple[int, int]]] = {}
        """Number in the plan → what of an unfinished file is written."""
        self.proofs: dict[int, dict[tuple[int, int], str]] = {}
        """The same ranges → their hashes, where they have to be read back."""
        self.places: dict[int, int] = {}
        """Number in the plan → where in an archive the file is that the plan alone does not place."""
        self.doubtful = False
        """Files that are done have to show their hash before they count."""
        self._waiting: list[str] = []
        self._boot = _boot()
        known = self._load(job)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        self._file = os.open(self.path, flags, 0o600)
        if known:
            self._waiting.append("")  # ends a line that a full disk has cut
        if not known:
            self._line({"job": job, "boot": _boot()})
        elif self._boot != _boot():
            # The machine went down in between: what was written to files may not have reached its disk.
            self.ranges.clear()
            self.doubtful = True
            self._line({"boot": _boot()})
        self.flush()

    def _load(self, job: dict[str, Any]) -> bool:
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        with open(descriptor, encoding="utf-8") as file:
            for number, text in enumerate(file):
                try:
                    line = json.loads(text)
                    if number == 0 and line.get("job") != job:
                        raise FileRestoreError(
                            f"{self.path} belongs to another restore.", "Choose another folder, or remove it."
                        )
                    if "boot" in line:
                        self._boot = str(line["boot"])
                        self.ranges.clear()
                    if "done" in line:
                        self.done[int(line["done"])] = (
                            str(line["path"]),
                            str(line["sha256"]),
                            int(line["size"]),
                        )
                        self.ranges.pop(int(line["done"]), None)
                        if "at" in line:
                            self.places[int(line["done"])] = int(line["at"])
                    elif "intent" in line:
                        named = (str(line["path"]), str(line["sha256"]), int(line["size"]))
                        self.intended[int(line["intent"])] = named
                    elif "again" in line:
                        self.ranges.pop(int(line["again"]), None)
                        self.proofs.pop(int(line["again"]), None)
                    elif "part" in line:
                        parts = self.ranges.setdefault(int(line["part"]), [])
                        part = (int(line["from"]), int(line["length"]))
                        parts.append(part)
                        if "proof" in line:
                            self.proofs.setdefault(int(line["part"]), {})[part] = str(line["proof"])
                except (ValueError, KeyError, TypeError, AttributeError):
                    # Cut by the end of the run before; what it said is done again.
                    continue
        return True

    def intend(self, number: int, path: bytes, digest: str, size: int) -> None:
        """Before a rename: a run that is killed behind it could not tell that the file has its name."""
        self._line({"intent": number, "path": os.fsdecode(path), "sha256": digest, "size": size})
        self.flush()

    def finished(self, number: int, path: bytes, digest: str, size: int, at: int = -1) -> None:
        self.done[number] = (os.fsdecode(path), digest, size)
        line = {"done": number, "path": os.fsdecode(path), "sha256": digest, "size": size}
        self._line(line if at < 0 else {**line, "at": at})
        # At once: a file that is not known to be done is restored a second time, beside the first.
        self.flush()

    def missing(self, number: int, offset: int, length: int) -> list[tuple[int, int]]:
        """What of a range an earlier run has not put on this disk."""
        found = []
        end = offset + length
        for start, size in sorted(self.ranges.get(number, ())):
            if start + size <= offset or start >= end:
                continue
            if start > offset:
                found.append((offset, start - offset))
            offset = max(offset, start + size)
        if offset < end:
            found.append((offset, end - offset))
        return found

    def wrote(self, number: int, offset: int, length: int, proof: str = "") -> None:
        line: dict[str, Any] = {"part": number, "from": offset, "length": length}
        self._line({**line, "proof": proof} if proof else line)

    def _line(self, line: dict[str, Any]) -> None:
        self._waiting.append(json.dumps(line, ensure_ascii=True))
        if len(self._waiting) >= _BATCH:
            self.flush()

    def flush(self) -> None:
        if self._waiting:
            text = "".join(line + "\n" for line in self._waiting)
            os.write(self._file, text.encode("utf-8", "surrogatepass"))
            self._waiting = []

    def close(self) -> None:
        if self._file >= 0:
            try:
                self.flush()
            finally:
                os.close(self._file)
                self._file = -1

    def name_after(self, made: str) -> None:
        """The one file that was made has got this name: what is written beside it is named like it."""
        self.manifest = self.manifest.with_name(f"{made}.sha256")
        self.losses = self.losses.with_name(f"{made}.not-carried.txt")

    def forget(self) -> None:
        """Nothing that is there can be trusted: the next run begins anew."""
        self.close()
        os.unlink(self.path)

    def know_nothing(self) -> None:
        for known in (self.done, self.intended, self.ranges, self.proofs, self.places):
            known.clear()

    def begins_anew(self, number: int) -> None:
        """What was written of this file is gone or wrong."""
        self.ranges.pop(number, None)
        self.proofs.pop(number, None)
        self._line({"again": number})
        self.flush()

    def write(self, losses: list[str]) -> None:
        """Manifest and losses."""
        lines = sorted((os.fsencode(path), digest) for path, digest, _ in self.done.values() if digest)
        _write(self.manifest, b"".join(_manifest_line(path, digest) for path, digest in lines))
        if losses:
            _write(self.losses, "".join(line + "\n" for line in losses).encode("utf-8", "backslashreplace"))

    def complete(self, losses: list[str]) -> None:
        """Writes manifest and losses; the state is not needed any longer."""
        self.close()
        self.write(losses)
        os.unlink(self.path)


def _boot() -> str:
    """Changes with each start of the machine; empty where the system does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _manifest_line(path: bytes, digest: str) -> bytes:
    """As `sha256sum --check` reads it, with its way of writing names with line ends."""
    if b"\n" in path or b"\\" in path or b"\r" in path:
        escaped = path.replace(b"\\", b"\\\\").replace(b"\n", b"\\n").replace(b"\r", b"\\r")
        return b"\\" + digest.encode() + b"  " + escaped + b"\n"
    return digest.encode() + b"  " + path + b"\n"


def _write(path: Path, content: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(path, flags, 0o600), "wb") as file:
        file.write(content)
