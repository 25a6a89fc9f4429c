"""What happened, as the console's parts tell each other. Posted by `link.py`, handled by app and screens."""

from __future__ import annotations

from textual.message import Message

from azure_ops import wire
from azure_ops.model import RequestLine


class FleetChanged(Message):
    def __init__(self, delta: wire.FleetDelta) -> None:
        super().__init__()
        self.delta = delta


class JobsChanged(Message):
    def __init__(self, delta: wire.JobsDelta) -> None:
        super().__init__()
        self.delta = delta


class OperationsChanged(Message):
    def __init__(self, delta: wire.OperationsDelta) -> None:
        super().__init__()
        self.delta = delta


class LeftoversChanged(Message):
    def __init__(self, told: wire.LeftoversTold) -> None:
        super().__init__()
        self.told = told


class RequestsSent(Message):
    def __init__(self, lines: tuple[RequestLine, ...]) -> None:
        super().__init__()
        self.lines = lines


class LinkChanged(Message):
    """The line to the engine: `connecting`, `connected`, `reconnecting` or `lost`, and one line about it."""

    def __init__(self, state: str, line: str) -> None:
        super().__init__()
        self.state = state
        self.line = line


class SignInAsked(Message):
    """An empty code says that the sign-in is over."""

    def __init__(self, sign_in: wire.SignIn) -> None:
        super().__init__()
        self.sign_in = sign_in


class NoticeCame(Message):
    def __init__(self, notice: wire.Notice) -> None:
        super().__init__()
        self.notice = notice
