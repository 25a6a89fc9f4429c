"""What the storage service answers about a page blob, before a byte of it is sent: headers, ranges, XML."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from xml.sax.saxutils import escape

from .disks.image import DiskBytes, PageRange
from .records.compute import DiskAccess

HASHED_AT_MOST = 4 << 20
MOST_RANGES = 10_000
PAGED_SINCE = "2020-10-02"
"""Page lists come in pages from this version of the service on."""
RANGE = re.compile(r"bytes=(\d+)-(\d*)")
XML = '<?xml version="1.0" encoding="utf-8"?>'


class BlobRefusal(Exception):
    def __init__(self, status: int, code: str, message: str, detail: str = "", **headers: str) -> None:
        super().__init__(f"{code}: {message}")
        self.status, self.code, self.message, self.detail = status, code, message, detail
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def body(self, request_id: str, at: datetime) -> bytes:
        detail = f"<AuthenticationErrorDetail>{escape(self.detail)}</AuthenticationErrorDetail>"
        text = (
            f"{XML}<Error><Code>{self.code}</Code><Message>{escape(self.message)}\n"
            f"RequestId:{request_id}\nTime:{at:%Y-%m-%dT%H:%M:%S.%f}0Z</Message>"
            f"{detail if self.detail else ''}</Error>"
        )
        return b"\xef\xbb\xbf" + text.encode()


def not_authentic(detail: str) -> BlobRefusal:
    message = (
        "Server failed to authenticate the request. Make sure the value of Authorization header is formed "
        "correctly including the signature."
    )
    return BlobRefusal(403, "AuthenticationFailed", message, detail)


def out_of_time(access: DiskAccess, now: datetime) -> BlobRefusal:
    start, end, current = (
        format_datetime(at.astimezone(UTC).replace(microsecond=0), usegmt=True)
        for at in (access.granted_at, access.expires_at, now)
    )
    return not_authentic(
        f"Signature not valid in the specified time frame: Start [{start}] - Expiry [{end}] - "
        f"Current [{current}]"
    )


@dataclass(frozen=True)
class Reading:
    """A request for a blob that may be read: what it asks, in the service's words."""

    access: DiskAccess
    disk: DiskBytes
    headers: dict[str, str]
    query: dict[str, str]

    @property
    def etag(self) -> str:
        return f'"0x8D{self.access.granted_at.timestamp() * 1e6:.0f}"'

    @property
    def modified(self) -> datetime:
        last = max((span.until for span in self.access.holds), default=self.access.granted_at)
        return last.astimezone(UTC).replace(microsecond=0)

    def about(self) -> dict[str, str]:
        return {"ETag": self.etag, "Last-Modified": format_datetime(self.modified, usegmt=True)}

    def check_conditions(self) -> None:
        """Raises 412, or 304 for what the client has already."""
        match, none_match = self.headers.get("if-match"), self.headers.get("if-none-match")
        if match not in (None, "*", self.etag):
            raise _condition(412)
        if none_match in ("*", self.etag):
            raise _condition(304, **self.about())
        since = _moment(self.headers.get("if-unmodified-since"))
        if since is not None and self.modified > since:
            raise _condition(412)
        since = _moment(self.headers.get("if-modified-since"))
        if since is not None and none_match is None and self.modified <= since:
            raise _condition(304, **self.about())

    def asked(self) -> tuple[int, int] | None:
        """(start, end) of the range it names, the end not included; None: it names none."""
        text = self.headers.get("x-ms-range") or self.headers.get("range") or ""
        found = RANGE.fullmatch(text.strip())
        if found is None:
            if "x-ms-range" in self.headers:
                raise _bad_header("x-ms-range")
            return None
        start = int(found[1])
        end = min(int(found[2]) + 1 if found[2] else self.disk.length, self.disk.length)
        if start >= self.disk.length or end <= start:
            message = "The range specified is invalid for the current size of the resource."
            raise BlobRefusal(416, "InvalidRange", message, Content_Range=f"bytes */{self.disk.length}")
        return start, end

    def hash_asked(self, span: tuple[int, int] | None) -> bool:
        wanted = self.headers.get("x-ms-range-get-content-md5", "").lower()
        if self.headers.get("x-ms-range-get-content-crc64", "").lower() == "true":
            if wanted == "true":
                raise BlobRefusal(
                    400, "BothCrc64AndMd5HeaderPresent", "Both crc64 and md5 header are present."
                )
            raise BlobRefusal(501, "NotImplemented", "The emulator does not model CRC64 of a range.")
        if wanted != "true":
            return False
        if span is None:
            raise BlobRefusal(400, "InvalidHeaderValue", "The value for one of the HTTP headers is invalid.")
        if span[1] - span[0] > HASHED_AT_MOST:
            raise BlobRefusal(400, "OutOfRangeInput", "One of the request inputs is out of range.")
        return True


def hash_of(data: bytes) -> str:
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


@dataclass
class PageList:
    """The ranges that a client is given, and where it goes on."""

    ranges: list[PageRange]
    marker: str = ""
    of_page: list[PageRange] = field(init=False)

    def __post_init__(self) -> None:
        self.of_page = self.ranges

    def page(self, reading: Reading) -> PageList:
        """The page that `marker` and `maxresults` ask for."""
        if reading.headers.get("x-ms-version", "") < PAGED_SINCE:
            return self
        most = reading.query.get("maxresults", str(MOST_RANGES))
        if not most.isdecimal() or not int(most):
            raise _bad_query("maxresults")
        marker = reading.query.get("marker", "") or "0"
        if not marker.isdecimal():
            raise _bad_query("marker")
        start, size = int(marker), min(int(most), MOST_RANGES)
        self.of_page = self.ranges[start : start + size]
        self.marker = str(start + size) if start + size < len(self.ranges) else ""
        return self

    def body(self) -> bytes:
        out = [XML, "<PageList>"]
        for one in self.of_page:
            tag = "ClearRange" if one.cleared else "PageRange"
            out.append(f"<{tag}><Start>{one.start}</Start><End>{one.end - 1}</End></{tag}>")
        out.append(f"<NextMarker>{self.marker}</NextMarker>" if self.marker else "<NextMarker />")
        return b"\xef\xbb\xbf" + "".join([*out, "</PageList>"]).encode()


def _condition(status: int, **headers: str) -> BlobRefusal:
    message = "The condition specified using HTTP conditional header(s) is not met."
    return BlobRefusal(status, "ConditionNotMet", message, "", **headers)


def _bad_header(name: str) -> BlobRefusal:
    return BlobRefusal(
        400,
        "InvalidHeaderValue",
        f"The value for one of the HTTP headers is not in the correct format: {name}.",
    )


def _bad_query(name: str) -> BlobRefusal:
    message = f"Value for one of the query parameters specified in the request URI is invalid: {name}."
    return BlobRefusal(400, "InvalidQueryParameterValue", message)


def _moment(text: str | None) -> datetime | None:
    try:
        return parsedate_to_datetime(text) if text else None
    except ValueError:
        return None
