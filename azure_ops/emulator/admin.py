"""The emulator's own knobs, beside the identity endpoint on the plain-http loopback port: clock, faults,
request log, device codes, stop. Whoever holds the identity header may turn them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeVar

import msgspec

from .answers import Answer, Refusal
from .blob_pace import Line, Paces
from .faults import Fault, FaultTable
from .front import catch_up
from .identity import Identity
from .state_dir import Run
from .timekeeping import Timekeeper
from .world import World

Asked = TypeVar("Asked")


class ClockChange(msgspec.Struct, forbid_unknown_fields=True):
    advance_s: float = 0.0
    speed: float | None = None


class DeviceCodeAnswer(msgspec.Struct, forbid_unknown_fields=True):
    user_code: str = ""
    user: Literal["operator", "reader"] = "operator"
    approve: bool = True


class Admin:
    def __init__(
        self,
        world: World,
        faults: FaultTable,
        identity: Identity,
        timekeeper: Timekeeper,
        paces: Paces,
        stop: Callable[[], None],
    ) -> None:
        self._world = world
        self._faults = faults
        self._identity = identity
        self._timekeeper = timekeeper
        self._paces = paces
        self._stop = stop
        self.run: Run | None = None

    def __call__(self, method: str, path: str, body: bytes) -> Answer:
        doors: dict[tuple[str, str], Callable[[bytes], Answer]] = {
            ("POST", "/admin/clock"): self._clock,
            ("GET", "/admin/status"): self._status,
            ("GET", "/admin/requests"): self._requests,
            ("GET", "/admin/faults"): self._list_faults,
            ("POST", "/admin/faults"): self._add_fault,
            ("DELETE", "/admin/faults"): self._clear_faults,
            ("GET", "/admin/line"): self._line,
            ("POST", "/admin/line"): self._change_line,
            ("GET", "/admin/devicecode"): self._device_codes,
            ("POST", "/admin/devicecode/approve"): self._answer_device_code,
            ("POST", "/admin/stop"): self._stop_now,
        }
        door = doors.get((method, path.rstrip("/")))
        if door is None:
            return Refusal(404, "NotFound", f"The emulator has no {method} {path}.").answer()
        try:
            return door(body)
        except (ValueError, msgspec.MsgspecError) as error:
            return Refusal(400, "InvalidRequest", str(error)).answer()

    def _clock(self, body: bytes) -> Answer:
        change = _decode(body, ClockChange)
        catch_up(self._world)
        if change.speed is not None:
            self._world.clock.set_speed(change.speed)
        if change.advance_s:
            self._world.clock.advance(change.advance_s)
        self._timekeeper.settle()
        events = catch_up(self._world)
        return Answer(body={**self._clock_status(), "events": events})

    def _clock_status(self) -> dict[str, Any]:
        return {"now": self._world.clock.now().isoformat(), "speed": self._world.clock.speed}

    def _status(self, body: bytes) -> Answer:
        assert self.run is not None, "asked before the emulator is ready"
        from .records.tenancy import OPERATOR_CLIENT_ID, READER_CLIENT_ID

        self._timekeeper.promise()
        next_at = self._world.store.next_event_at()
        return Answer(
            body={
                **{name: getattr(self.run, name) for name in Run.READY_KEYS if name != "identity_header"},
                **self._clock_status(),
                "fleet": self.run.fleet,
                "operator_client_id": OPERATOR_CLIENT_ID,
                "reader_client_id": READER_CLIENT_ID,
                "next_event_at": None if next_at is None else next_at.isoformat(),
                "mutating_requests": len(self._world.store.requests()),
                "faults": len(self._faults.list()),
            }
        )

    def _requests(self, body: bytes) -> Answer:
        return Answer(body={"value": self._world.store.requests()})

    def _list_faults(self, body: bytes) -> Answer:
        return Answer(body={"value": self._faults.list()})

    def _add_fault(self, body: bytes) -> Answer:
        return Answer(201, self._faults.add(_decode(body, Fault)))

    def _clear_faults(self, body: bytes) -> Answer:
        return Answer(body={"cleared": self._faults.clear()})

    def _line(self, body: bytes) -> Answer:
        return Answer(body=self._paces.line)

    def _change_line(self, body: bytes) -> Answer:
        self._paces.change(_decode(body, Line))
        return Answer(body=self._paces.line)

    def _device_codes(self, body: bytes) -> Answer:
        return Answer(body={"value": self._identity.waiting_codes()})

    def _answer_device_code(self, body: bytes) -> Answer:
        wish = _decode(body or b"{}", DeviceCodeAnswer)
        if not self._identity.answer_device_code(wish.user_code, wish.user, wish.approve):
            return Refusal(404, "NotFound", "No sign-in waits for that code.").answer()
        return Answer(body={"approved": wish.approve, "user": wish.user})

    def _stop_now(self, body: bytes) -> Answer:
        self._stop()
        return Answer(202, {"stopping": True})


def _decode(body: bytes, shape: type[Asked]) -> Asked:
    return msgspec.json.decode(body, type=shape)
