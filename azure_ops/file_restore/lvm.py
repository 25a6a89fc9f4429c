"""LVM2: physical volumes, the text that describes a volume group, linear and striped logical volumes.

Physical volumes are matched by UUID over all disks that were opened; of several copies of a group's
description the newest (`seqno`) holds.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from typing import Any

from .damage import Damaged, NotReadable
from .devices import Device, MappedDevice, Piece, StripedDevice

SECTOR = 512
MOST_TEXT = 16 * 1024 * 1024
AREAS = 16
_MAGIC = b" LVM2 x[5A%r0N*>"
_TOKEN = re.compile(r'\s+|#[^\n]*|"((?:[^"\\]|\\.)*)"|([A-Za-z0-9_.+][\w.+-]*|-\d+)|([{}\[\]=,])')


@dataclass
class PhysicalVolume:
    uuid: str
    device: Device
    text: str = ""
    """The volume group's description; a PV may carry none."""


@dataclass
class LogicalVolume:
    group: str
    name: str
    uuid: str
    size: int
    device: Device | None = None
    reason: str = ""


@dataclass
class Group:
    name: str
    description: dict[str, Any]
    seqno: int
    volumes: list[LogicalVolume] = field(default_factory=list)


def read_physical_volume(device: Device) -> PhysicalVolume:
    head = device.read(0, min(4 * SECTOR, device.size))
    for sector in range(0, len(head), SECTOR):
        if head[sector : sector + 8] == b"LABELONE":
            start = sector + struct.unpack_from("<I", head, sector + 20)[0]
            break
    else:
        raise Damaged("the label of the LVM2 physical volume is gone")
    raw = device.read(start, SECTOR)
    uuid = raw[:32].decode("ascii", "replace")
    lists = list(struct.iter_unpack("<QQ", raw[40 : 40 + 16 * ((SECTOR - 40) // 16)]))
    ends = [number for number, (offset, size) in enumerate(lists[: 2 * AREAS]) if not offset and not size]
    if len(ends) < 2:
        raise Damaged("the header of the LVM2 physical volume is damaged")
    areas = lists[ends[0] + 1 : ends[1]]
    newest = ""
    for offset, size in areas:
        try:
            text = _read_text(device, offset, size)
        except Damaged:
            continue
        if text and _seqno(text) >= _seqno(newest):
            newest = text
    return PhysicalVolume(uuid, device, newest)


def _seqno(text: str) -> int:
    found = re.search(r"\bseqno\s*=\s*(\d+)", text)
    return int(found[1]) if found else -1


def _read_text(device: Device, area: int, size: int) -> str:
    header = device.read(area, SECTOR)
    if header[4:20] != _MAGIC:
        raise Damaged("a metadata area of LVM2 is damaged")
    start, length, checksum, flags = struct.unpack_from("<QQII", header, 40)
    if not start or flags & 1:
        return ""
    if length > min(MOST_TEXT, size - SECTOR) or not SECTOR <= start < size:
        raise Damaged("a metadata area of LVM2 makes no sense")
    before_end = min(length, size - start)
    raw = device.read(area + start, before_end)
    if before_end < length:
        # The area is a ring: the text goes on behind the header.
        raw += device.read(area + SECTOR, length - before_end)
    if _crc(raw) != checksum:
        raise Damaged("the checksum of LVM2's metadata does not fit")
    return raw.split(b"\0")[0].decode("utf-8", "replace")


def _table() -> list[int]:
    values = []
    for number in range(256):
        value = number
        for _ in range(8):
            value = value >> 1 ^ (0xEDB88320 if value & 1 else 0)
        values.append(value)
    return values


_CRC = _table()


def _crc(raw: bytes) -> int:
    """LVM's own start value, and no inversion at the end."""
    value = 0xF597A6CF
    for byte in raw:
        value = _CRC[(value ^ byte) & 0xFF] ^ value >> 8
    return value


def parse(text: str) -> dict[str, Any]:
    """LVM's configuration language: sections, strings, numbers and lists."""
    tokens: list[tuple[str, str]] = []
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if not found:
            raise Damaged("the description of the volume group cannot be understood")
        at = found.end()
        if found[1] is not None:
            tokens.append(("value", re.sub(r"\\(.)", r"\1", found[1])))
        elif found[2] is not None:
            tokens.append(("word", found[2]))
        elif found[3] is not None:
            tokens.append(("sign", found[3]))
    top: dict[str, Any] = {}
    stack = [top]
    position = 0
    try:
        while position < len(tokens):
            kind, word = tokens[position]
            if (kind, word) == ("sign", "}"):
                stack.pop()
                position += 1
                continue
            sign = tokens[position + 1]
            if sign == ("sign", "{"):
                inner: dict[str, Any] = {}
                stack[-1][word] = inner
                stack.append(inner)
                position += 2
            elif sign == ("sign", "="):
                stack[-1][word], position = _value(tokens, position + 2)
            else:
                raise Damaged("the description of the volume group cannot be understood")
    except IndexError:
        raise Damaged("the description of the volume group is cut short") from None
    return top


def _value(tokens: list[tuple[str, str]], position: int) -> tuple[Any, int]:
    if tokens[position] != ("sign", "["):
        return _scalar(tokens[position]), position + 1
    position += 1
    values = []
    while tokens[position] != ("sign", "]"):
        if tokens[position] != ("sign", ","):
            values.append(_scalar(tokens[position]))
        position += 1
    return values, position + 1


def _scalar(token: tuple[str, str]) -> Any:
    kind, word = token
    if kind == "word" and re.fullmatch(r"-?\d+", word):
        return int(word)
    return word


def assemble(physical: list[PhysicalVolume]) -> list[Group]:
    """Volume groups over all physical volumes, each logical volume with its device or why it has none."""
    groups: dict[str, Group] = {}
    for volume in physical:
        for name, section in parse(volume.text).items():
            if isinstance(section, dict) and "physical_volumes" in section:
                identity = str(section.get("id", name))
                seqno = int(section.get("seqno", 0))
                if identity not in groups or seqno > groups[identity].seqno:
                    groups[identity] = Group(name, section, seqno)
    present = {volume.uuid: volume.device for volume in physical}
    for group in groups.values():
        group.volumes = list(_logical_volumes(group, present))
    return list(groups.values())


def _logical_volumes(group: Group, present: dict[str, Device]) -> list[LogicalVolume]:
    section = group.description
    unit = _number(section, "extent_size") * SECTOR
    places: dict[str, tuple[Device, int] | None] = {}
    for name, physical in section.get("physical_volumes", {}).items():
        device = present.get(str(physical.get("id", "")).replace("-", ""))
        places[name] = (device, _number(physical, "pe_start") * SECTOR) if device else None
    found = []
    for name, logical in section.get("logical_volumes", {}).items():
        if "VISIBLE" not in logical.get("status", []):
            continue
        segments = [part for key, part in logical.items() if re.fullmatch(r"segment\d+", key)]
        extents = sum(_number(part, "extent_count") for part in segments)
        volume = LogicalVolume(group.name, name, str(logical.get("id", "")), extents * unit)
        try:
            volume.device = _device(segments, unit, places)
        except (NotReadable, Damaged) as exc:
            volume.reason = str(exc)
        found.append(volume)
    return found


def _number(section: dict[str, Any], key: str) -> int:
    value = section.get(key)
    if not isinstance(value, int) or value < 0:
        raise Damaged(f"{key} is missing in the description of the volume group")
    return value


def _device(
    segments: list[dict[str, Any]], unit: int, places: dict[str, tuple[Device, int] | None]
) -> MappedDevice:
    pieces: list[Piece] = []
    end = 0
    for segment in sorted(segments, key=lambda part: _number(part, "start_extent")):
        start = _number(segment, "start_extent") * unit
        length = _number(segment, "extent_count") * unit
        if start != end or not length:
            raise Damaged("the segments of the logical volume leave gaps")
        pieces.append(_piece(segment, start, length, unit, places))
        end = start + length
    if not pieces:
        raise Damaged("the logical volume has no segments")
    return MappedDevice(pieces)


def _piece(
    segment: dict[str, Any],
    start: int,
    length: int,
    unit: int,
    places: dict[str, tuple[Device, int] | None],
) -> Piece:
    kind = str(segment.get("type", ""))
    if kind in ("zero", "error"):
        raise NotReadable(f"a logical volume with a segment of type {kind}")
    if kind != "striped":
        raise NotReadable(f"a logical volume of type {kind or 'unknown'}; only linear and striped are read")
    stripes = segment.get("stripes", [])
    names, extents = stripes[::2], stripes[1::2]
    if len(names) != _number(segment, "stripe_count") or len(extents) != len(names) or not names:
        raise Damaged("the stripes of the logical volume do not fit their number")
    legs: list[tuple[Device, int]] = []
    for name, extent in zip(names, extents, strict=True):
        place = places.get(str(name))
        if place is None:
            raise NotReadable(
                f"a part of the logical volume is on {name}, a physical volume of none of the opened disks; "
                "open all disks of the machine together"
            )
        device, first = place
        legs.append((device, first + int(extent) * unit))
    if any(offset + length // len(legs) > device.size for device, offset in legs):
        raise Damaged("the logical volume lies beyond the end of a physical volume")
    if len(legs) == 1:
        return Piece(start, length, legs[0][0], legs[0][1])
    stripe = _number(segment, "stripe_size") * SECTOR
    if not stripe or length % len(legs) or (length // len(legs)) % stripe:
        raise Damaged("the stripes of the logical volume do not fit its size")
    return Piece(start, length, StripedDevice(legs, stripe, length))
