"""A client of page blobs in tests: plain HTTPS, as little of it as the storage service asks for."""

from __future__ import annotations

import http.client
import re
import ssl
from typing import Any
from urllib.parse import urlsplit

from ..support import Emulator, Reply

SNAPSHOTS = "/providers/Microsoft.Compute/snapshots"
RANGE = re.compile(r"<(PageRange|ClearRange)><Start>(\d+)</Start><End>(\d+)</End>")


class Blob:
    def __init__(self, emulator: Emulator, address: str) -> None:
        self.emulator = emulator
        self.address = address

    def ask(self, method: str = "GET", more: str = "", **headers: str) -> Reply:
        """Raises `http.client.HTTPException` or `OSError` where the line breaks."""
        parts = urlsplit(self.address)
        context = ssl.create_default_context(cafile=self.emulator.ca_file)
        connection = http.client.HTTPSConnection(
            parts.hostname or "", parts.port, context=context, timeout=30
        )
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, f"{parts.path}?{parts.query}{more}", headers=named)
            return Reply(connection.getresponse())
        finally:
            connection.close()

    def read(self, start: int, end: int, **headers: str) -> Reply:
        """`end` is not included."""
        return self.ask(x_ms_range=f"bytes={start}-{end - 1}", **headers)

    def ranges(self, more: str = "", **headers: str) -> list[tuple[str, int, int]]:
        """(tag, start, end), the end not included."""
        reply = self.ask(more="&comp=pagelist" + more, **headers)
        assert reply.status == 200, reply.raw
        found = RANGE.findall(reply.raw.decode("utf-8-sig"))
        return [(tag, int(start), int(end) + 1) for tag, start, end in found]


def error_of(reply: Reply) -> str:
    found = re.search(r"<Code>(\w+)</Code>", reply.raw.decode("utf-8-sig"))
    assert found is not None, reply.raw
    assert reply.headers["x-ms-error-code"] == found[1]
    return found[1]


def resource(emulator: Emulator, kind: str, name: str) -> dict[str, Any]:
    """A disk or a snapshot of the first subscription by a part of its name."""
    path = f"/subscriptions/{emulator.subscription_ids[0]}/providers/Microsoft.Compute/{kind}"
    rows: list[dict[str, Any]] = emulator.get(path).body["value"]
    return next(row for row in rows if name in row["name"])


def open_blob(emulator: Emulator, resource_id: str, seconds: int = 3600) -> Blob:
    """Granted by the operator, and the operation followed to its end."""
    body = {"access": "Read", "durationInSeconds": seconds}
    begun = emulator.request("POST", f"{resource_id}/beginGetAccess", body)
    assert begun.status == 202, begun.body
    emulator.advance(1)
    status = emulator.get(begun.headers["azure-asyncoperation"].removeprefix(emulator.endpoint)).body
    return Blob(emulator, status["properties"]["output"]["accessSAS"])


def close_blob(emulator: Emulator, resource_id: str) -> None:
    assert emulator.request("POST", f"{resource_id}/endGetAccess").status == 202
    emulator.advance(1)


def take_snapshot(emulator: Emulator, disk: dict[str, Any], name: str, *, incremental: bool = True) -> str:
    """Its id."""
    path = f"{disk['id'].rsplit('/disks/', 1)[0]}/snapshots/{name}"
    source = {"createOption": "Copy", "sourceResourceId": disk["id"]}
    body = {"location": disk["location"], "properties": {"creationData": source, "incremental": incremental}}
    assert emulator.request("PUT", path, body).status == 202
    emulator.advance(5)
    return path
