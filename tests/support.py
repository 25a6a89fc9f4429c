"""What tests share: a running emulator process, driven over its own endpoints like any client."""

from __future__ import annotations

import http.client
import json
import os
import signal
import ssl
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .warm import warm

IDLE_S = 60.0
"""A connection unused for longer is not trusted any more: the server may be closing it."""
NOW = "2026-08-22T14:00:00+00:00"
OPERATOR_CLIENT_ID = "0a5c7e1e-5f1d-4b0e-9f0a-6d0f3c1b2a01"
READER_CLIENT_ID = "0a5c7e1e-5f1d-4b0e-9f0a-6d0f3c1b2a02"
GUARDED_CLIENT_ID = "0a5c7e1e-5f1d-4b0e-9f0a-6d0f3c1b2a03"
ADMIN_CLIENT_ID = "0a5c7e1e-5f1d-4b0e-9f0a-6d0f3c1b2a04"
API = {"api-version": "2024-11-01"}


class Reply:
    """A whole response; `body` is decoded JSON where it is JSON."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.raw = response.read()
        try:
            self.body: Any = json.loads(self.raw) if self.raw else None
        except ValueError:
            self.body = None

    @property
    def error_code(self) -> str:
        return str(self.body["error"]["code"])


class Emulator:
    """A `serve` process on a state directory. `restart` keeps the directory and so the world."""

    def __init__(self, state_dir: Path, *arguments: str) -> None:
        self.state_dir = state_dir
        self._arguments = arguments
        self._tokens: dict[str, str] = {}
        self._https: http.client.HTTPSConnection | None = None
        self._asked_at = 0.0
        self.log = state_dir.with_name(state_dir.name + ".log")
        self._launch()

    def _launch(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "azure_ops.emulator", "serve", "--state", str(self.state_dir)]
        command += [*self._arguments, *arguments]
        with open(self.log, "a") as log:
            self.process = warm.popen(command, log)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the emulator did not start: {self.log.read_text()[-2000:]}"
        ready = json.loads(line)
        self.endpoint: str = ready["endpoint"]
        self.ca_file: str = ready["ca_file"]
        self.identity_endpoint: str = ready["identity_endpoint"]
        self.identity_header: str = ready["identity_header"]
        self.tenant_id: str = ready["tenant_id"]
        self.subscription_ids: list[str] = ready["subscription_ids"]
        self.pid: int = ready["pid"]

    @property
    def env(self) -> dict[str, str]:
        """The whole environment for a client process: this one's, pointed at the emulator."""
        kept = {
            k: v for k, v in os.environ.items() if not k.startswith(("AZURE_", "MSI_", "IDENTITY_", "IMDS_"))
        }
        return kept | {
            "AZRECOVER_ARM_ENDPOINT": self.endpoint,
            "AZRECOVER_CA": self.ca_file,
            "IDENTITY_ENDPOINT": self.identity_endpoint,
            "IDENTITY_HEADER": self.identity_header,
            "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential",
            "REQUESTS_CA_BUNDLE": self.ca_file,
            "NO_PROXY": "127.0.0.1,localhost",
        }

    # the world ------------------------------------------------------------------------------------------

    def admin(self, method: str, path: str, body: Any = None) -> Any:
        """Raises `AssertionError` with the emulator's words when it refuses."""
        address = urlsplit(self.identity_endpoint)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
        data = None if body is None else json.dumps(body)
        connection.request(method, f"/admin/{path}", data, {"X-IDENTITY-HEADER": self.identity_header})
        reply = Reply(connection.getresponse())
        connection.close()
        assert reply.status < 400, reply.body
        return reply.body

    def advance(self, seconds: float) -> str:
        """Moves the world's clock and lets everything happen that falls due; the new time."""
        return str(self.admin("POST", "clock", {"advance_s": seconds})["now"])

    def set_speed(self, speed: float) -> None:
        self.admin("POST", "clock", {"speed": speed})

    def fault(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Fields as `Fault` of `azure_ops.emulator.faults` has them."""
        answer: dict[str, Any] = self.admin("POST", "faults", {"kind": kind, **fields})
        return answer

    def faults(self) -> list[dict[str, Any]]:
        return list(self.admin("GET", "faults")["value"])

    def clear_faults(self) -> None:
        self.admin("DELETE", "faults")

    def requests(self) -> list[dict[str, Any]]:
        """Every mutating request that came, in order, with the status it was answered (0: none)."""
        return list(self.admin("GET", "requests")["value"])

    def status(self) -> dict[str, Any]:
        return dict(self.admin("GET", "status"))

    # requests, without any SDK -----------------------------------------------------------------------

    def token(self, client_id: str = OPERATOR_CLIENT_ID) -> str:
        if client_id not in self._tokens:
            address = urlsplit(self.identity_endpoint)
            connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
            query = f"api-version=2019-08-01&resource={self.endpoint}&client_id={client_id}"
            path = f"{address.path}?{query}"
            connection.request("GET", path, headers={"X-IDENTITY-HEADER": self.identity_header})
            self._tokens[client_id] = Reply(connection.getresponse()).body["access_token"]
            connection.close()
        return self._tokens[client_id]

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        client_id: str = OPERATOR_CLIENT_ID,
        headers: dict[str, str] | None = None,
    ) -> Reply:
        """`path` (or an absolute URL) is sent as it is; `api-version` is added where it is missing."""
        path = path.removeprefix(self.endpoint)
        if "api-version" not in path:
            path += ("&" if "?" in path else "?") + "api-version=2024-11-01"
        if self._https is None or time.monotonic() - self._asked_at > IDLE_S:
            address = urlsplit(self.endpoint)
            context = ssl.create_default_context(cafile=self.ca_file)
            self._https = http.client.HTTPSConnection(
                address.hostname or "", address.port, timeout=60, context=context
            )
        self._asked_at = time.monotonic()
        sent = {"Authorization": f"Bearer {self.token(client_id)}", **(headers or {})}
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        if data is not None:
            sent["Content-Type"] = "application/json"
        try:
            self._https.request(method, path, data, sent)
            return Reply(self._https.getresponse())
        except (OSError, http.client.HTTPException):
            self._https.close()
            raise

    def get(self, path: str, **options: Any) -> Reply:
        return self.request("GET", path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> Reply:
        return self.request("POST", path, body, **options)

    # the process ----------------------------------------------------------------------------------------

    def stop(self) -> int:
        """Clean, by SIGTERM; the exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def restart(self, *arguments: str) -> None:
        if self.process.poll() is None:
            self.stop()
        self._launch(*arguments)

    def _end(self, number: signal.Signals) -> int:
        if self._https is not None:
            self._https.close()
            self._https = None
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(20)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code
