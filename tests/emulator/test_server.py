"""The request path: what every answer carries, and how wrong requests are refused."""

from __future__ import annotations

from ..support import Emulator


def test_world_time_is_the_time_of_every_answer(emulator: Emulator) -> None:
    reply = emulator.get("/subscriptions", headers={"x-ms-client-request-id": "mine"})
    assert reply.status == 200
    assert reply.headers["date"] == "Sat, 22 Aug 2026 14:00:00 GMT"
    assert reply.headers["x-ms-client-request-id"] == "mine"
    assert reply.headers["x-ms-request-id"] != reply.headers["x-ms-client-request-id"]
    assert reply.headers["content-type"] == "application/json; charset=utf-8"
    emulator.advance(90)
    assert emulator.get("/subscriptions").headers["date"] == "Sat, 22 Aug 2026 14:01:30 GMT"
