"""The bytes of disks and snapshots over HTTPS: ranges, page lists, differences, conditions, limits."""

from __future__ import annotations

import base64
import hashlib
import http.client
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from azure_ops.emulator.disks.image import DiskBytes, open_image

from ..support import NOW, Emulator
from .page_blobs import Blob, close_blob, error_of, open_blob, resource, take_snapshot

GIB = 1 << 30
VERSION = {"x_ms_version": "2021-08-06"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    folder: Path = tmp_path_factory.mktemp("blobs") / "emulator"
    emulator = Emulator(folder, "--speed", "0", "--now", NOW)
    yield emulator
    emulator.kill()


@pytest.fixture(scope="module")
def snapshot(world: Emulator) -> str:
    """Of a running Ubuntu machine, five days old."""
    return str(resource(world, "snapshots", "web-01-os")["id"])


@pytest.fixture(scope="module")
def blob(world: Emulator, snapshot: str) -> Blob:
    return open_blob(world, snapshot, 7 * 86_400)


@pytest.fixture
def clean(world: Emulator) -> Iterator[Emulator]:
    yield world
    world.clear_faults()
    world.admin("POST", "line", {})


def test_the_head_says_how_long_it_is_with_the_footer(blob: Blob) -> None:
    head = blob.ask("HEAD")
    assert head.status == 200
    assert int(head.headers["content-length"]) == 30 * GIB + 512
    assert head.headers["x-ms-blob-type"] == "PageBlob"
    assert head.headers["accept-ranges"] == "bytes"
    footer = blob.read(30 * GIB, 30 * GIB + 512)
    assert footer.status == 206
    assert footer.raw.startswith(b"conectix")
    assert footer.headers["content-range"] == f"bytes {30 * GIB}-{30 * GIB + 511}/{30 * GIB + 512}"
    body = bytearray(footer.raw)
    checksum, body[64:68] = int.from_bytes(body[64:68], "big"), bytes(4)
    assert ~sum(body) & 0xFFFFFFFF == checksum


def test_page_ranges_cover_the_image_and_all_else_is_zeros(blob: Blob) -> None:
    image = open_image("ubuntu", "grown")
    expected = DiskBytes(image, 30 * GIB, "00000000-0000-0000-0000-000000000000")
    ranges = blob.ranges()
    assert [(start, end) for _, start, end in ranges] == [
        (one.start, one.end) for one in expected.ranges(0, expected.length)
    ]
    assert {tag for tag, _, _ in ranges} == {"PageRange"}
    used = sum(end - start for _, start, end in ranges)
    assert 4 << 20 < used < 16 << 20
    for start in (0, 69 << 20, (69 << 20) + 1000):
        assert blob.read(start, start + 70_000).raw == expected.read(start, 70_000)
    assert blob.read(29 * GIB, 29 * GIB + 4096).raw == bytes(4096)


def test_a_range_may_be_checked_by_its_md5(blob: Blob) -> None:
    reply = blob.read(69 << 20, 73 << 20, x_ms_range_get_content_md5="true")
    assert len(reply.raw) == 4 << 20
    assert reply.headers["content-md5"] == base64.b64encode(hashlib.md5(reply.raw).digest()).decode()
    longer = blob.read(0, (4 << 20) + 1, x_ms_range_get_content_md5="true")
    assert (longer.status, error_of(longer)) == (400, "OutOfRangeInput")
    whole = blob.ask(x_ms_range_get_content_md5="true")
    assert (whole.status, error_of(whole)) == (400, "InvalidHeaderValue")


def test_ranges_are_read_as_the_service_reads_them(blob: Blob) -> None:
    both = blob.ask(x_ms_range="bytes=512-1023", Range="bytes=0-0")
    assert both.headers["content-range"].startswith("bytes 512-1023/")
    open_end = blob.ask(Range=f"bytes={30 * GIB}-")
    assert (open_end.status, len(open_end.raw)) == (206, 512)
    beyond = blob.read(30 * GIB, 31 * GIB)
    assert (beyond.status, len(beyond.raw)) == (206, 512)
    outside = blob.read(31 * GIB, 31 * GIB + 1)
    assert (outside.status, error_of(outside)) == (416, "InvalidRange")
    assert outside.headers["content-range"] == f"bytes */{30 * GIB + 512}"
    nonsense = blob.ask(x_ms_range="bytes=a-b")
    assert (nonsense.status, error_of(nonsense)) == (400, "InvalidHeaderValue")


def test_conditions_hold_the_bytes_to_what_was_seen(blob: Blob) -> None:
    etag = blob.ask("HEAD").headers["etag"]
    assert blob.read(0, 512, If_Match=etag).status == 206
    changed = blob.read(0, 512, If_Match='"0x8D0"')
    assert (changed.status, error_of(changed)) == (412, "ConditionNotMet")
    assert blob.read(0, 512, If_None_Match=etag).status == 304


def test_page_lists_come_in_pages_from_newer_versions_on(blob: Blob) -> None:
    whole = blob.ranges()
    assert blob.ranges("&maxresults=3") == whole
    first = blob.ask(more="&comp=pagelist&maxresults=100", **VERSION)
    marker = first.raw.decode().partition("<NextMarker>")[2].partition("<")[0]
    pages = [blob.ranges("&maxresults=100", **VERSION)]
    while marker:
        reply = blob.ask(more=f"&comp=pagelist&maxresults=100&marker={marker}", **VERSION)
        pages.append(blob.ranges(f"&maxresults=100&marker={marker}", **VERSION))
        marker = reply.raw.decode().partition("<NextMarker>")[2].partition("<")[0]
    assert [one for page in pages for one in page] == whole
    assert len(pages) == -(-len(whole) // 100)
    wrong = blob.ask(more="&comp=pagelist&marker=x", **VERSION)
    assert (wrong.status, error_of(wrong)) == (400, "InvalidQueryParameterValue")


def test_a_page_list_of_a_range_is_cut_to_it(blob: Blob) -> None:
    start, end = 70 << 20, 80 << 20
    part = blob.ranges(x_ms_range=f"bytes={start}-{end - 1}")
    assert part
    assert all(start <= low < high <= end for _, low, high in part)
    inside = [one for one in blob.ranges() if one[1] < end and one[2] > start]
    assert len(part) == len(inside)


def test_the_difference_of_two_snapshots_makes_the_newer_of_the_older(world: Emulator, blob: Blob) -> None:
    disk = resource(world, "disks", "web-01_OsDisk")
    newer_id = take_snapshot(world, disk, "web-01-now")
    newer = open_blob(world, newer_id)
    address = {"x_ms_previous_snapshot_url": blob.address}
    changes = newer.ranges(**address)
    assert 0 < sum(end - start for _, start, end in changes) < 1 << 20
    for tag, start, end in changes:
        now = newer.read(start, end).raw
        assert now != blob.read(start, end).raw
        assert (tag == "ClearRange") == (not any(now))
    changed = {at for _, start, end in changes for at in range(start, end, 4096)}
    unchanged = next(start for _, start, _ in blob.ranges() if start not in changed)
    assert newer.read(unchanged, unchanged + 4096).raw == blob.read(unchanged, unchanged + 4096).raw
    backwards = blob.ask(more="&comp=pagelist", x_ms_previous_snapshot_url=newer.address)
    assert (backwards.status, error_of(backwards)) == (400, "InvalidPreviousSnapshot")
    other = open_blob(world, take_snapshot(world, disk, "web-01-whole", incremental=False))
    refused = newer.ask(more="&comp=pagelist", x_ms_previous_snapshot_url=other.address)
    assert (refused.status, error_of(refused)) == (409, "PreviousSnapshotOperationNotSupported")
    forged = newer.ask(more="&comp=pagelist", x_ms_previous_snapshot_url=blob.address[:-6] + "aaa%3D")
    assert (forged.status, error_of(forged)) == (403, "AuthenticationFailed")
    for name in (newer_id, newer_id.replace("web-01-now", "web-01-whole")):
        close_blob(world, name)


def test_only_the_signature_opens_it_and_only_for_reading(blob: Blob) -> None:
    forged = Blob(blob.emulator, blob.address.replace("sig=", "sig=A"))
    assert (forged.read(0, 512).status, error_of(forged.read(0, 512))) == (403, "AuthenticationFailed")
    other = Blob(blob.emulator, blob.address.replace("/abcd?", "/abce?"))
    assert error_of(other.read(0, 512)) == "AuthenticationFailed"
    bare = Blob(blob.emulator, blob.address.partition("?")[0] + "?")
    assert (bare.ask().status, error_of(bare.ask())) == (404, "ResourceNotFound")
    written = blob.ask("PUT", "&comp=page")
    assert (written.status, error_of(written)) == (403, "AuthorizationPermissionMismatch")
    assert blob.ask(more="&comp=metadata").status == 501
    assert blob.ask("HEAD", "&comp=pagelist").status == 501


def test_it_opens_nothing_when_its_time_is_over_or_it_is_revoked(world: Emulator) -> None:
    snapshot = resource(world, "snapshots", "sql-01-data0")["id"]
    short = open_blob(world, snapshot, 60)
    assert short.read(0, 512).status == 206
    world.advance(61)
    late = short.read(0, 512)
    assert (late.status, error_of(late)) == (403, "AuthenticationFailed")
    assert b"Signature not valid in the specified time frame" in late.raw
    renewed = open_blob(world, snapshot, 60)
    assert renewed.address == short.address
    assert renewed.read(0, 512).status == 206
    close_blob(world, snapshot)
    gone = renewed.read(0, 512)
    assert (gone.status, error_of(gone)) == (403, "AuthenticationFailed")
    assert open_blob(world, snapshot, 60).address != short.address
    close_blob(world, snapshot)


def test_no_signature_is_written_down(world: Emulator, blob: Blob) -> None:
    signature = blob.address.partition("sig=")[2]
    for reply in (blob.read(0, 512), blob.ask("PUT")):
        assert signature not in str(reply.headers) + reply.raw.decode("latin1")
    told = str(world.requests()) + world.log.read_text()
    assert "beginGetAccess" in told
    assert signature not in told
    assert "sig=" not in told


def test_more_than_the_target_is_turned_away(clean: Emulator, blob: Blob) -> None:
    clean.admin("POST", "line", {"requests_per_s": 2})
    replies = [blob.read(0, 512) for _ in range(6)]
    busy = [reply for reply in replies if reply.status == 503]
    assert busy
    assert {error_of(reply) for reply in busy} == {"ServerBusy"}
    assert replies[0].status == 206


def test_the_line_can_be_slow(clean: Emulator, blob: Blob) -> None:
    clean.admin("POST", "line", {"mib_per_s": 4, "latency_ms": 100})
    began = time.monotonic()
    assert len(blob.read(0, 2 << 20).raw) == 2 << 20
    assert time.monotonic() - began > 0.4
    clean.admin("POST", "line", {"connection_mib_per_s": 4})
    began = time.monotonic()
    assert len(blob.read(0, 2 << 20).raw) == 2 << 20
    assert time.monotonic() - began > 0.3


@pytest.mark.parametrize("kind", ["cut", "reset"])
def test_an_answer_can_break_off_in_its_middle(clean: Emulator, blob: Blob, kind: str) -> None:
    clean.fault(kind, path="/md-*", after=True)
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        blob.read(0, 1 << 20)
    assert blob.read(0, 1 << 20).status == 206


def test_other_faults_of_the_storage_service(clean: Emulator, blob: Blob) -> None:
    whole = blob.read(0, 4096).raw
    clean.fault("status", path="/md-*", status=503, retry_after=3)
    busy = blob.read(0, 4096)
    assert (busy.status, error_of(busy), busy.headers["retry-after"]) == (503, "ServerBusy", "3")
    clean.fault("malformed", path="/md-*")
    spoilt = blob.read(0, 4096, x_ms_range_get_content_md5="true")
    assert spoilt.raw[1:] == whole[1:]
    assert spoilt.raw != whole
    assert spoilt.headers["content-md5"] == base64.b64encode(hashlib.md5(whole).digest()).decode()
    clean.fault("expired-token", path="/md-*")
    assert error_of(blob.read(0, 4096)) == "AuthenticationFailed"
    clean.fault("slow", path="/md-*", delay_s=0.3)
    began = time.monotonic()
    assert blob.read(0, 4096).raw == whole
    assert time.monotonic() - began >= 0.3
    clean.fault("reset", path="/md-*")
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        blob.read(0, 4096)


def test_a_client_that_leaves_in_the_middle_is_no_error(world: Emulator, blob: Blob) -> None:
    parts = urlsplit(blob.address)
    context = ssl.create_default_context(cafile=world.ca_file)
    connection = http.client.HTTPSConnection(parts.hostname or "", parts.port, context=context, timeout=30)
    connection.request("GET", f"{parts.path}?{parts.query}")
    assert len(connection.getresponse().read(1 << 20)) == 1 << 20
    connection.close()
    for _ in range(20):
        assert blob.read(0, 512).status == 206
    assert "Traceback" not in world.log.read_text()


def test_a_signature_outlives_a_restart(world: Emulator, blob: Blob) -> None:
    before = blob.read(0, 4096).raw
    world.restart()
    assert blob.read(0, 4096).raw == before
