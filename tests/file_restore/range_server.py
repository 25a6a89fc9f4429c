"""A page blob endpoint: HTTPS, ranges, page lists, hashes, signatures, latency, and faults on demand.

    python -m tests.file_restore.range_server IMAGE FOLDER [--latency-ms N] [--megabytes-per-connection N]

Prints one line of JSON when it listens. `POST /control` sets faults and more; `GET /figures` counts.
"""

from __future__ import annotations

import argparse
import base64
import datetime
import hashlib
import ipaddress
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

ETAG = '"0x8DC0FFEE"'
_REASON = {200: "OK", 206: "Partial Content"}


def certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = folder / "server.pem", folder / "server.key"
    certificate_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return certificate_file, key_file


class Blob:
    def __init__(self, image: Path, latency_s: float, bytes_per_s: float) -> None:
        self.descriptor = os.open(image, os.O_RDONLY)
        self.size = os.fstat(self.descriptor).st_size
        self.latency_s = latency_s
        self.bytes_per_s = bytes_per_s
        self.signature = "first"
        self.etag = ETAG
        self.faults: list[dict[str, Any]] = []
        self.lock = threading.Lock()
        self.figures = {"requests": 0, "bytes": 0, "lists": 0, "hashed": 0, "most_at_once": 0}
        self.at_once = 0

    def fault(self) -> dict[str, Any]:
        with self.lock:
            if not self.faults:
                return {}
            first = self.faults[0]
            first["times"] = first.get("times", 1) - 1
            if first["times"] <= 0:
                self.faults.pop(0)
            return dict(first)

    def page_ranges(self, marker: int, most: int) -> tuple[list[tuple[int, int]], int]:
        found, at = [], marker
        while at < self.size and len(found) < most:
            try:
                start = os.lseek(self.descriptor, at, os.SEEK_DATA)
            except OSError:
                return found, 0
            at = os.lseek(self.descriptor, start, os.SEEK_HOLE)
            found.append((start // 512 * 512, -(-at // 512) * 512 - 1))
        return found, at if at < self.size else 0


class Connection:
    def __init__(self, channel: ssl.SSLSocket, blob: Blob) -> None:
        self._channel = channel
        self._blob = blob
        self._file = channel.makefile("rb")

    def serve(self) -> None:
        while line := self._file.readline().decode("latin-1").strip():
            method, path, _ = line.split(" ")
            headers = {}
            while text := self._file.readline().decode("latin-1").strip():
                key, _, value = text.partition(":")
                headers[key.strip().lower()] = value.strip()
            body = self._file.read(int(headers.get("content-length", "0")))
            if not self._answer(method, path, headers, body):
                return

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        lines = [f"HTTP/1.1 {status} {_REASON.get(status, 'Error')}", f"Content-Length: {len(body)}"]
        lines += [f"{key}: {value}" for key, value in (headers or {}).items()]
        self._channel.sendall("\r\n".join([*lines, "", ""]).encode())
        cap = self._blob.bytes_per_s
        view = memoryview(body)
        begun, sent = time.monotonic(), 0
        for start in range(0, len(view), 1 << 18):
            self._channel.sendall(view[start : start + (1 << 18)])
            sent += 1 << 18
            if cap:
                time.sleep(max(0.0, sent / cap - (time.monotonic() - begun)))

    def _error(self, status: int, code: str, headers: dict[str, str] | None = None) -> None:
        body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>no</Message></Error>'.encode()
        self._send(status, body, {"x-ms-error-code": code, **(headers or {})})

    def _answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> bool:
        blob = self._blob
        if path == "/control":
            wanted = json.loads(body)
            for key, value in wanted.items():
                setattr(blob, key, value)
            self._send(200, b"{}")
            return True
        if path == "/figures":
            self._send(200, json.dumps(blob.figures).encode())
            return True
        with blob.lock:
            blob.at_once += 1
            blob.figures["most_at_once"] = max(blob.figures["most_at_once"], blob.at_once)
        try:
            time.sleep(blob.latency_s)
            return self._blob_request(path, headers)
        finally:
            with blob.lock:
                blob.at_once -= 1

    def _blob_request(self, path: str, headers: dict[str, str]) -> bool:
        blob = self._blob
        query = parse_qs(urlsplit(path).query)
        listing = query.get("comp") == ["pagelist"]
        if query.get("sig") != [blob.signature]:
            self._error(403, "AuthenticationFailed")
            return True
        if "x-ms-version" not in headers:
            self._error(400, "MissingRequiredHeader")
            return True
        fault = {} if listing else blob.fault()
        if fault.get("kind") == "status":
            extra = {"Retry-After": str(fault["retry_after"])} if "retry_after" in fault else {}
            if fault["status"] in (301, 302, 307):
                extra["Location"] = fault["location"]
            self._error(fault["status"], fault.get("code", "ServerBusy"), extra)
            return True
        if fault.get("kind") == "reset":
            self._channel.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            return False
        if headers.get("if-match", blob.etag) != blob.etag:
            self._error(412, "ConditionNotMet")
            return True
        return self._list(query) if listing else self._range(headers, fault)

    def _list(self, query: dict[str, list[str]]) -> bool:
        blob = self._blob
        blob.figures["lists"] += 1
        most = min(int(query.get("maxresults", ["10000"])[0]), 1000)
        ranges, following = blob.page_ranges(int(query.get("marker", ["0"])[0]), most)
        items = "".join(
            f"<PageRange><Start>{start}</Start><End>{end}</End></PageRange>" for start, end in ranges
        )
        marker = f"<NextMarker>{following}</NextMarker>" if following else "<NextMarker />"
        body = f'<?xml version="1.0" encoding="utf-8"?><PageList>{items}{marker}</PageList>'.encode()
        self._send(200, body, {"Content-Type": "application/xml", "ETag": blob.etag})
        return True

    def _range(self, headers: dict[str, str], fault: dict[str, Any]) -> bool:
        blob = self._blob
        wanted = headers.get("x-ms-range") or headers.get("range")
        first, last = 0, blob.size - 1
        if wanted:
            low, _, high = wanted.removeprefix("bytes=").partition("-")
            first, last = int(low), min(int(high), blob.size - 1)
        if first > last:
            self._error(416, "InvalidRange")
            return True
        body = os.pread(blob.descriptor, last - first + 1, first)
        answer = {
            "Content-Range": f"bytes {first}-{last}/{blob.size}",
            "ETag": blob.etag,
            "x-ms-blob-type": "PageBlob",
        }
        if headers.get("x-ms-range-get-content-md5") == "true":
            if len(body) > 4 << 20:
                self._error(400, "InvalidHeaderValue")
                return True
            answer["Content-MD5"] = base64.b64encode(hashlib.md5(body).digest()).decode()
            blob.figures["hashed"] += 1
        if fault.get("kind") == "corrupt":
            body = bytes([body[0] ^ 1]) + body[1:]
        with blob.lock:
            blob.figures["requests"] += 1
            blob.figures["bytes"] += len(body)
        if fault.get("kind") == "short":
            self._channel.sendall(
                f"HTTP/1.1 206 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body[: len(body) // 2]
            )
            return False
        self._send(206 if wanted else 200, body, answer)
        return True


def serve(image: Path, folder: Path, latency_s: float, bytes_per_s: float) -> None:
    blob = Blob(image, latency_s, bytes_per_s)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate_file, key_file = certificate(folder)
    context.load_cert_chain(certificate_file, key_file)
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    port = listener.getsockname()[1]
    print(json.dumps({"port": port, "ca_file": str(certificate_file)}), flush=True)

    def connected(plain: socket.socket) -> None:
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with context.wrap_socket(plain, server_side=True) as channel:
                Connection(channel, blob).serve()
        except (OSError, ValueError):
            plain.close()

    while True:
        plain, _ = listener.accept()
        threading.Thread(target=connected, args=(plain,), daemon=True).start()


class RangeServer:
    """The server as a process, for tests and measurements."""

    def __init__(self, image: Path, folder: Path, *arguments: str) -> None:
        command = [
            sys.executable,
            "-m",
            "tests.file_restore.range_server",
            str(image),
            str(folder),
            *arguments,
        ]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        ready = json.loads(self.process.stdout.readline())
        self.origin = f"https://127.0.0.1:{ready['port']}"
        self.ca_file = Path(ready["ca_file"])
        self.tls = ssl.create_default_context(cafile=ready["ca_file"])

    def address(self, signature: str = "first") -> str:
        return f"{self.origin}/md-1/abcd?sv=2018-03-28&sr=b&sig={signature}"

    def control(self, **values: Any) -> None:
        self._ask(urllib.request.Request(f"{self.origin}/control", json.dumps(values).encode()))

    def figures(self) -> dict[str, int]:
        return dict(json.loads(self._ask(urllib.request.Request(f"{self.origin}/figures"))))

    def _ask(self, request: urllib.request.Request) -> bytes:
        with urllib.request.urlopen(request, context=self.tls, timeout=10) as answer:
            return bytes(answer.read())

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("image", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--latency-ms", type=float, default=0)
    parser.add_argument("--megabytes-per-connection", type=float, default=0)
    asked = parser.parse_args()
    serve(asked.image, asked.folder, asked.latency_ms / 1000, asked.megabytes_per_connection * 1e6)


if __name__ == "__main__":
    main()
