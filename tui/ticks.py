"""What of a file system is ticked: directories with all below them, apart from what was taken out again."""

from __future__ import annotations

from azure_ops.file_model import FileChoice, TickedFile
from widgets.file_tree import Ticked


class Ticks:
    def __init__(self) -> None:
        self._set: dict[bytes, tuple[bool, int]] = {}
        """Path → in or out, and its id. What is not here is as the directory above it."""

    def __bool__(self) -> bool:
        return any(inside for inside, _ in self._set.values())

    def state(self, path: bytes) -> Ticked:
        inside = self._inside(path)
        below = path + b"/" if path else b""
        for other, (ticked, _) in self._set.items():
            if other != path and other.startswith(below) and ticked != inside:
                return Ticked.PART
        return Ticked.WHOLE if inside else Ticked.NOT

    def toggle(self, path: bytes, id: int) -> None:
        """Whole becomes out; out and in part become whole."""
        wanted = self.state(path) is not Ticked.WHOLE
        below = path + b"/" if path else b""
        self._set = {
            other: kept for other, kept in self._set.items() if other != path and not other.startswith(below)
        }
        if self._inside(path) != wanted:
            self._set[path] = (wanted, id)

    def clear(self) -> None:
        self._set = {}

    def choice(self, volume: str) -> FileChoice:
        ordered = sorted(self._set.items())
        return FileChoice(
            volume=volume,
            ticked=tuple(TickedFile(path=path, id=id) for path, (inside, id) in ordered if inside),
            without=tuple(path for path, (inside, _) in ordered if not inside),
        )

    def _inside(self, path: bytes) -> bool:
        """As the nearest that was set says."""
        while True:
            found = self._set.get(path)
            if found is not None:
                return found[0]
            if not path:
                return False
            path = path.rpartition(b"/")[0]
