"""From a passphrase or key file to the key of a LUKS volume.

It runs in a reader process of its own: the parameters come from a hostile header, so memory and time are
bounded here by name and by the process's limits. With the answer the process ends.
"""

from __future__ import annotations

import hashlib
import hmac

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.kdf.argon2 import Argon2i, Argon2id

from .damage import Damaged, NotReadable
from .devices import Device
from .luks import HASHES, SECTOR, Digest, Kdf, Luks, Slot
from .sector_cipher import SectorCipher

MOST_MEMORY_KIB = 1024 * 1024
"""As much as cryptsetup itself takes unless it is told otherwise."""
MOST_PASSES_KIB = 40 * 1024 * 1024
"""Passes over memory: about a second for each GiB."""
MOST_LANES = 16
MOST_ITERATIONS = 150_000_000
LONGEST_SECRET = 8 * 1024 * 1024


class WrongKey(NotReadable):
    """No key slot opens with it."""


def volume_key(device: Device, header: Luks, secret: bytes) -> bytes:
    if header.refused:
        raise NotReadable(f"LUKS{header.version} cannot be unlocked: {header.refused}")
    if not header.slots:
        raise NotReadable("it has no key slot left that a passphrase or key file could open")
    if len(secret) > LONGEST_SECRET:
        raise NotReadable("the key is longer than 8 MiB")
    passed_over = []
    for slot in header.slots:
        digests = [one for one in header.digests if slot.number in one.slots]
        problem = _out_of_bounds(slot, digests)
        if problem:
            passed_over.append(f"key slot {slot.number}: {problem}")
            continue
        try:
            key = _open(device, slot, secret)
        except (UnsupportedAlgorithm, ValueError, MemoryError) as exc:
            passed_over.append(f"key slot {slot.number}: {type(exc).__name__} in {slot.kdf.kind}"[:200])
            continue
        if any(_fits(key, one) for one in digests):
            return key
    if len(passed_over) == len(header.slots):
        raise NotReadable(f"no key slot can be tried: {'; '.join(passed_over)}"[:480])
    more = f"; not tried: {'; '.join(passed_over)}" if passed_over else ""
    raise WrongKey(f"the key is wrong: it fits none of {len(header.slots)} key slots{more}"[:480])


def _out_of_bounds(slot: Slot, digests: list[Digest]) -> str:
    kdf = slot.kdf
    if kdf.kind == "pbkdf2":
        if not 1 <= kdf.iterations <= MOST_ITERATIONS:
            return f"{kdf.iterations:,} iterations"
    elif kdf.kind in ("argon2i", "argon2id"):
        if kdf.memory_kib > MOST_MEMORY_KIB:
            return f"{kdf.kind} with {kdf.memory_kib >> 10:,} MiB of memory; at most 1,024 are taken"
        if kdf.iterations * kdf.memory_kib > MOST_PASSES_KIB:
            return f"{kdf.kind} with {kdf.iterations:,} passes over {kdf.memory_kib >> 10:,} MiB"
        if not (1 <= kdf.lanes <= MOST_LANES and kdf.iterations and kdf.memory_kib >= 8 * kdf.lanes):
            return f"{kdf.kind} with parameters that make no sense"
    else:
        return f"the key derivation {kdf.kind[:40]} is not known"
    names = [slot.hash, *(one.hash for one in digests), *([kdf.hash] if kdf.kind == "pbkdf2" else [])]
    for name in names:
        if name not in HASHES:
            return f"the hash {name[:40]} is not known"
    if not digests:
        return "nothing would tell whether its key is right"
    if any(not 1 <= one.iterations <= MOST_ITERATIONS for one in digests):
        return "the check of its key has parameters that make no sense"
    return ""


def _open(device: Device, slot: Slot, secret: bytes) -> bytes:
    cipher = SectorCipher(slot.cipher, _derive(slot.kdf, secret, slot.cipher_key))
    length = slot.key * slot.stripes
    whole = -(-length // SECTOR) * SECTOR
    if slot.offset + whole > device.size:
        raise Damaged(f"key slot {slot.number} lies outside of the volume")
    split = cipher.decrypt(0, device.read(slot.offset, whole))[:length]
    return merge(split, slot.key, slot.stripes, slot.hash)


def _derive(kdf: Kdf, secret: bytes, length: int) -> bytes:
    if kdf.kind == "pbkdf2":
        return hashlib.pbkdf2_hmac(kdf.hash, secret, kdf.salt, kdf.iterations, length)
    kind = Argon2id if kdf.kind == "argon2id" else Argon2i
    return kind(
        salt=kdf.salt, length=length, iterations=kdf.iterations, lanes=kdf.lanes, memory_cost=kdf.memory_kib
    ).derive(secret)


def merge(split: bytes, length: int, stripes: int, name: str) -> bytes:
    """Undoes LUKS's anti-forensic splitting: one wrong bit anywhere spoils the whole key."""
    mixed = bytes(length)
    for number in range(stripes):
        part = split[number * length : (number + 1) * length]
        mixed = (int.from_bytes(mixed) ^ int.from_bytes(part)).to_bytes(length)
        if number < stripes - 1:
            mixed = _diffused(mixed, name)
    return mixed


def _diffused(data: bytes, name: str) -> bytes:
    width = hashlib.new(name).digest_size
    parts = []
    for number, at in enumerate(range(0, len(data), width)):
        piece = data[at : at + width]
        parts.append(hashlib.new(name, number.to_bytes(4) + piece).digest()[: len(piece)])
    return b"".join(parts)


def _fits(key: bytes, digest: Digest) -> bool:
    value = hashlib.pbkdf2_hmac(digest.hash, key, digest.salt, digest.iterations, len(digest.value) or 1)
    return len(digest.value) >= 16 and hmac.compare_digest(value, digest.value)
