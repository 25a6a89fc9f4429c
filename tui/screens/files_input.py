"""The line of input of the files browser: what it asks for, and what was typed."""

from __future__ import annotations

from textual.message import Message
from textual.widgets import Input

HINTS = {
    "filter": "filter: words, !not, regular expressions; enter keeps, esc clears",
    "find-files": "find in the whole file system: part of a name, or a glob such as *.conf",
    "go-to-path": "path to go to, such as /etc/fstab",
}


class FilesInput(Input):
    """`what`: the command that it is for."""

    class Typed(Message):
        def __init__(self, what: str, value: str) -> None:
            super().__init__()
            self.what = what
            self.value = value

    class Entered(Typed):
        pass

    def __init__(self, what: str, value: str) -> None:
        super().__init__(value, placeholder=HINTS[what], id="files-input", select_on_focus=False)
        self.what = what
        self.cursor_blink = False

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Typed(self.what, event.value))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.post_message(self.Entered(self.what, event.value.strip()))


def join(above: bytes, name: bytes) -> bytes:
    return above + b"/" + name if above else name


def typed_path(value: str, above: bytes, *, windows: bool) -> bytes:
    """Relative to the directory that is shown; of Windows' disks also as Windows writes it."""
    if windows:
        value = value.replace("\\", "/")
        value = value[2:] if value[1:2] == ":" else value
    path = value.encode("utf-8", "surrogateescape")
    return path if path.startswith(b"/") else join(above, path)
