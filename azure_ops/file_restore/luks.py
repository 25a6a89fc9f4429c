"""LUKS1 and LUKS2: what the header of an encrypted volume says, all of it hostile until a key fits."""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .damage import Damaged
from .devices import Device

MAGIC, SECOND_MAGIC = b"LUKS\xba\xbe", b"SKUL\xba\xbe"
SECTOR = 512
MOST_SLOTS = 32
MOST_STRIPES = 8192
MOST_KEY = 128
HASHES = ("sha1", "sha224", "sha256", "sha384", "sha512")
CIPHERS = ("aes-xts-plain64", "aes-xts-plain", "aes-cbc-essiv:sha256", "aes-cbc-plain64", "aes-cbc-plain")
_ENABLED = 0x00AC71F3
_SIZES = tuple(0x4000 << power for power in range(9))
"""That a header of LUKS2 may have, its text included."""
_LARGEST = 1 << 62


@dataclass(frozen=True)
class Kdf:
    kind: str
    """`pbkdf2`, `argon2i` or `argon2id`."""
    salt: bytes
    hash: str = ""
    iterations: int = 0
    memory_kib: int = 0
    lanes: int = 1


@dataclass(frozen=True)
class Slot:
    number: int
    kdf: Kdf
    cipher: str
    cipher_key: int
    hash: str
    """Of the anti-forensic splitter."""
    key: int
    stripes: int
    offset: int


@dataclass(frozen=True)
class Digest:
    hash: str
    iterations: int
    salt: bytes
    value: bytes
    slots: frozenset[int]


@dataclass(frozen=True)
class Luks:
    version: int
    uuid: str
    label: str
    cipher: str
    key: int
    """Bytes of the volume key; 0 where no slot says it."""
    sector: int
    offset: int
    size: int
    """Of the encrypted bytes; 0: up to the end."""
    iv_offset: int
    slots: tuple[Slot, ...]
    digests: tuple[Digest, ...]
    refused: str = ""
    """Why no key would help."""


def read_luks(device: Device) -> Luks:
    head = device.read(0, min(4096, device.size))
    if len(head) < 592 or head[:6] != MAGIC:
        raise Damaged("the header of LUKS is gone")
    version = struct.unpack_from(">H", head, 6)[0]
    if version == 1:
        return _read_first(device, head)
    if version == 2:
        return _read_second(device)
    raise Damaged(f"a header of LUKS version {version}")


def _text(raw: bytes) -> str:
    return raw.split(b"\0")[0].decode("ascii", "replace")


def _read_first(device: Device, head: bytes) -> Luks:
    name, mode, hash_ = (_text(head[at : at + 32]) for at in (8, 40, 72))
    payload, key = struct.unpack_from(">II", head, 104)
    digest, salt, iterations = head[112:132], head[132:164], struct.unpack_from(">I", head, 164)[0]
    cipher = f"{name}-{mode}".lower()
    if not 16 <= key <= MOST_KEY:
        raise Damaged(f"LUKS with a key of {key} bytes")
    slots = []
    for number in range(8):
        at = 208 + 48 * number
        active, rounds = struct.unpack_from(">II", head, at)
        start, stripes = struct.unpack_from(">II", head, at + 40)
        if active != _ENABLED:
            continue
        kdf = Kdf("pbkdf2", head[at + 8 : at + 40], hash_, rounds)
        slots.append(Slot(number, kdf, cipher, key, hash_, key, stripes, start * SECTOR))
    refused = _refused(cipher)
    if not payload:
        refused = "its header is kept apart from its data"
    elif payload * SECTOR >= device.size:
        raise Damaged("the encrypted bytes would begin beyond the end of the volume")
    found = Digest(hash_, iterations, salt, digest, frozenset(range(8)))
    return Luks(
        1, _text(head[168:208]), "", cipher, key, SECTOR, payload * SECTOR, 0, 0, _checked(slots, device),
        (found,), refused,
    )  # fmt: skip


def _refused(cipher: str) -> str:
    return "" if cipher in CIPHERS else f"its cipher {cipher[:40]} is not read"


def _checked(slots: Iterable[Slot], device: Device) -> tuple[Slot, ...]:
    found = []
    for slot in slots:
        length = slot.key * slot.stripes
        if not (1 <= slot.stripes <= MOST_STRIPES and 16 <= slot.key <= MOST_KEY):
            raise Damaged(f"key slot {slot.number} makes no sense")
        if slot.offset < SECTOR or slot.offset + length > device.size:
            raise Damaged(f"key slot {slot.number} lies outside of the volume")
        found.append(slot)
    return tuple(found)


def _read_second(device: Device) -> Luks:
    """The spare header behind the first is taken when the first is damaged."""
    try:
        head, raw = _whole(device, 0, MAGIC)
    except Damaged as problem:
        for offset in _SIZES:
            try:
                head, raw = _whole(device, offset, SECOND_MAGIC)
                break
            except Damaged:
                continue
        else:
            raise problem
    try:
        text = json.loads(raw.split(b"\0")[0])
        if not isinstance(text, dict):
            raise ValueError
        return _described(device, head, text)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Damaged("the description in the header of LUKS2 cannot be understood") from None


def _whole(device: Device, offset: int, magic: bytes) -> tuple[bytes, bytes]:
    if offset + 4096 > device.size:
        raise Damaged("the header of LUKS2 is cut short")
    head = device.read(offset, 4096)
    size = struct.unpack_from(">Q", head, 8)[0]
    place = struct.unpack_from(">Q", head, 256)[0]
    if head[:6] != magic or head[6:8] != b"\0\2" or size not in _SIZES or place != offset:
        raise Damaged("the header of LUKS2 makes no sense")
    if offset + size > device.size or _text(head[72:104]) not in ("sha256", "sha512"):
        raise Damaged("the header of LUKS2 makes no sense")
    text = device.read(offset + 4096, size - 4096)
    digest = hashlib.new(_text(head[72:104]), head[:448] + bytes(64) + head[512:] + text).digest()
    if head[448 : 448 + len(digest)] != digest:
        raise Damaged("the checksum of LUKS2's header does not fit")
    return head, text


def _number(value: Any) -> int:
    """Large ones are written as text there."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError
    number = int(value)
    if not 0 <= number <= _LARGEST:
        raise ValueError
    return number


def _word(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError
    return value


def _bytes(value: Any) -> bytes:
    return base64.b64decode(_word(value), validate=True)


def _described(device: Device, head: bytes, text: dict[str, Any]) -> Luks:
    keyslots, segments = text["keyslots"], text["segments"]
    if len(keyslots) > MOST_SLOTS or len(text["digests"]) > MOST_SLOTS:
        raise ValueError
    refused = ""
    needed = text.get("config", {}).get("requirements", {}).get("mandatory", [])
    if needed:
        refused = f"it needs {', '.join(str(one) for one in needed)[:80]}, which is not read"
    elif len(segments) != 1 or next(iter(segments.values()))["type"] != "crypt":
        refused = "it is not encrypted as a whole with one key (a re-encryption that was not finished?)"
    nothing: tuple[str, dict[str, Any]] = ("", {})
    name, segment = next((item for item in segments.items() if item[1]["type"] == "crypt"), nothing)
    if not segment:
        return Luks(2, _text(head[168:208]), _text(head[24:72]), "", 0, SECTOR, 0, 0, 0, (), (), refused)
    cipher, sector = _word(segment["encryption"]).lower(), _number(segment["sector_size"])
    offset, size = _number(segment["offset"]), 0
    if segment["size"] != "dynamic":
        size = _number(segment["size"])
    if segment.get("integrity"):
        refused = refused or "its sectors carry checksums (dm-integrity), which is not read"
    if not refused and not offset:
        refused = "its header is kept apart from its data"
    if sector not in (512, 1024, 2048, 4096):
        raise ValueError
    if not offset < device.size or offset + size > device.size:
        raise Damaged("the encrypted bytes would lie beyond the end of the volume")
    slots = [_slot(_number(number), slot) for number, slot in keyslots.items() if _is_usable(slot)]
    digests = tuple(
        Digest(
            _word(one["hash"]), _number(one["iterations"]), _bytes(one["salt"]), _bytes(one["digest"]),
            frozenset(_number(number) for number in one["keyslots"]),
        )
        for one in text["digests"].values()
        if one["type"] == "pbkdf2" and name in one["segments"]
    )  # fmt: skip
    return Luks(
        2, _text(head[168:208]), _text(head[24:72]), cipher, slots[0].key if slots else 0, sector, offset,
        size, _number(segment["iv_tweak"]), _checked(slots, device), digests, refused or _refused(cipher),
    )  # fmt: skip


def _is_usable(slot: Any) -> bool:
    return bool(slot["type"] == "luks2" and slot.get("priority") != 0 and slot["area"]["type"] == "raw")


def _slot(number: int, slot: Any) -> Slot:
    area, af, kdf = slot["area"], slot["af"], slot["kdf"]
    if af["type"] != "luks1" or _number(slot["key_size"]) * _number(af["stripes"]) > _number(area["size"]):
        raise ValueError
    kind = _word(kdf["type"])
    if kind == "pbkdf2":
        how = Kdf(kind, _bytes(kdf["salt"]), _word(kdf["hash"]), _number(kdf["iterations"]))
    else:
        how = Kdf(
            kind, _bytes(kdf["salt"]), "", _number(kdf["time"]), _number(kdf["memory"]), _number(kdf["cpus"])
        )
    return Slot(
        number, how, _word(area["encryption"]).lower(), _number(area["key_size"]), _word(af["hash"]),
        _number(slot["key_size"]), _number(af["stripes"]), _number(area["offset"]),
    )  # fmt: skip
