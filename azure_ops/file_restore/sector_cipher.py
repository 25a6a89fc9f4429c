"""Decryption of whole sectors as dm-crypt does it."""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

SECTOR = 512


class SectorCipher:
    def __init__(self, cipher: str, key: bytes, sector: int = SECTOR, iv_offset: int = 0) -> None:
        """ValueError where key and cipher do not fit."""
        if sector not in (512, 1024, 2048, 4096):
            raise ValueError(f"sectors of {sector} bytes")
        name, mode, iv = cipher.split("-", 2)
        if name != "aes" or mode not in ("xts", "cbc") or iv not in ("plain64", "plain", "essiv:sha256"):
            raise ValueError(f"the cipher {cipher}")
        if mode == "xts" and iv == "essiv:sha256":
            raise ValueError(f"the cipher {cipher}")
        self._aes = algorithms.AES(key)
        self._xts = mode == "xts"
        if self._xts != (len(key) in (32, 64)) and len(key) != 32:
            raise ValueError(f"a key of {len(key)} bytes for {cipher}")
        self._iv = iv
        self._salted = algorithms.AES(hashlib.sha256(key).digest()) if iv == "essiv:sha256" else None
        self._sector = sector
        self._iv_offset = iv_offset

    def decrypt(self, offset: int, data: bytes) -> bytes:
        """Both ends on sectors. Numbers count 512 bytes, however large the sectors are."""
        step = self._sector // SECTOR
        number = offset // SECTOR + self._iv_offset
        view, parts = memoryview(data), []
        for at in range(0, len(data), self._sector):
            iv = self._iv_of(number)
            decryptor = Cipher(self._aes, modes.XTS(iv) if self._xts else modes.CBC(iv)).decryptor()
            parts.append(decryptor.update(view[at : at + self._sector]))
            number += step
        return b"".join(parts)

    def _iv_of(self, number: int) -> bytes:
        width = 32 if self._iv == "plain" else 64
        iv = (number & ((1 << width) - 1)).to_bytes(16, "little")
        if self._salted is None:
            return iv
        return Cipher(self._salted, modes.ECB()).encryptor().update(iv)  # noqa: S305
