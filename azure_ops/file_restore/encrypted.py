"""What is said of encrypted volumes: LUKS with the way to unlock it, BitLocker with the way around."""

from __future__ import annotations

import msgspec

from .bitlocker import read_bitlocker
from .damage import Damaged
from .devices import Device
from .entries import Volume
from .luks import Luks
from .luks import read_luks as read_luks

UNLOCKED = "/plain"
"""Behind the key of an encrypted volume: what is in it."""
LOOKED_AT = 64 * 1024
_BITLOCKER = (
    "It is not unlocked here. Restore the disk, attach it to a Windows machine and unlock it there with its "
    "recovery password (manage-bde -unlock X: -RecoveryPassword …). With Azure Disk Encryption the key is a "
    "secret in the VM's Key Vault, and restoring the whole VM brings it back."
)
DETACHED = (
    "Its bytes look random: it may be encrypted with a header that is kept elsewhere. Azure Disk Encryption "
    "of Linux keeps that of the OS disk in the boot partition (/boot/luks/osluksheader); this is not "
    "unlocked here. Restore the whole VM, or attach the restored disk to a Linux machine and open it with "
    "cryptsetup --header."
)


def described(volume: Volume, device: Device) -> Volume:
    """The same volume with what its header tells."""
    try:
        if volume.description == "LUKS":
            return _luks(volume, read_luks(device))
        if volume.description == "BitLocker":
            found = read_bitlocker(device)
            protectors = ", ".join(found.protectors) or "none"
            facts = (f"encryption: {found.method}", f"key protectors: {protectors}")
            reason = f"Encrypted with BitLocker ({found.method}; key protectors: {protectors}). {_BITLOCKER}"
            return msgspec.structs.replace(volume, uuid=found.uuid, reason=reason, facts=facts)
        if volume.description == "unknown" and looks_random(device):
            return msgspec.structs.replace(volume, reason=DETACHED)
    except Damaged as exc:
        reason = f"Encrypted with {volume.description}, and its header is not readable: {exc}."
        return msgspec.structs.replace(volume, reason=reason)
    return volume


def _luks(volume: Volume, header: Luks) -> Volume:
    facts = [f"cipher: {header.cipher}, key of {header.key * 8} bits, sectors of {header.sector}"]
    for slot in header.slots:
        kdf = slot.kdf
        cost = f"{kdf.iterations:,} iterations of {kdf.hash}"
        if kdf.kind != "pbkdf2":
            cost = f"{kdf.iterations:,} passes over {kdf.memory_kib >> 10:,} MiB"
        facts.append(f"key slot {slot.number}: {kdf.kind}, {cost}")
    slots = ", ".join(f"{slot.number} ({slot.kdf.kind})" for slot in header.slots) or "none"
    reason = f"Encrypted with LUKS{header.version} ({header.cipher}; key slots: {slots})."
    if header.refused or not header.slots:
        why = header.refused or "it has no key slot"
        reason += f" It cannot be unlocked here: {why}. Restore the disk and attach it to a Linux machine."
    return msgspec.structs.replace(
        volume,
        description=f"LUKS{header.version}",
        label=header.label or volume.label,
        uuid=header.uuid,
        reason=reason,
        facts=tuple(facts),
        unlock="" if header.refused or not header.slots else "passphrase",
    )


def looks_random(device: Device) -> bool:
    """Each value of a byte about as often as any other, over 64 KiB: chi-square far below what files have."""
    if device.size < 2 * LOOKED_AT:
        return False
    for offset in (0, device.size // 2 // 4096 * 4096):
        data = device.read(offset, LOOKED_AT)
        expected = len(data) / 256
        if sum((data.count(value) - expected) ** 2 for value in range(256)) / expected > 360:
            return False
    return True
