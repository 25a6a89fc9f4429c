"""What the reader process gives up before it sees the first byte of a disk.

Memory and processor time are bounded everywhere. On Linux a system call filter takes away network, other
programs and opening or changing files; where the filter cannot be set, a network namespace of its own is
tried. What took effect is told to the parent.
"""

from __future__ import annotations

import ctypes
import platform
import resource
import struct

MEMORY = 1024 * 1024 * 1024
MEMORY_FOR_KEYS = 2 * 1024 * 1024 * 1024
"""Argon2 wants up to a half of it for a key slot."""
PROCESSOR_S = 120
"""For one call; a hostile structure that needs more is not read to its end."""

_DENIED = {
    "x86_64": (
        0xC000003E,
        # socket family, clone and exec, ptrace, kill, opening, changing names, mounting, keys, bpf
        (
            41, 42, 43, 49, 50, 53, 56, 57, 58, 59, 62, 101, 2, 85, 76, 82, 83, 84, 86, 87, 88, 90, 92, 133,
            155, 161, 165, 166, 200, 234, 248, 249, 250, 257, 258, 259, 263, 264, 265, 266, 268, 288, 304,
            310, 311, 316, 321, 322, 323, 425, 434, 435, 437,
        ),
    ),
    "aarch64": (
        0xC00000B7,
        (
            198, 199, 200, 201, 202, 203, 220, 221, 117, 129, 130, 131, 56, 33, 34, 35, 36, 37, 38, 39, 40,
            41, 45, 46, 51, 53, 54, 217, 218, 219, 242, 265, 270, 271, 276, 280, 281, 282, 425, 434, 435, 437,
        ),
    ),
}  # fmt: skip
_CLONE = {"x86_64": 56, "aarch64": 220}
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _FILTER = 38, 22, 2
_CLONE_NEWNET, _CLONE_NEWUSER = 0x40000000, 0x10000000


def isolate(for_keys: bool = False) -> tuple[str, ...]:
    """Call once all modules are imported; returns what took effect. Key derivation may have threads."""
    done = []
    memory = MEMORY_FOR_KEYS if for_keys else MEMORY
    for name, limit in (("RLIMIT_AS", memory), ("RLIMIT_CORE", 0), ("RLIMIT_FSIZE", 0)):
        try:
            resource.setrlimit(getattr(resource, name), (limit, limit))
            done.append(name)
        except (ValueError, OSError):
            continue
    if _filter_calls(threads=for_keys):
        done.append("seccomp")
    elif _leave_network():
        done.append("no network")
    return tuple(done)


def allow_processor_time() -> None:
    """Another `PROCESSOR_S` seconds from now on; the soft limit ends the process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(used.ru_utime + used.ru_stime) + PROCESSOR_S
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    if hard == resource.RLIM_INFINITY or limit <= hard:
        resource.setrlimit(resource.RLIMIT_CPU, (limit, hard))


def _filter_calls(threads: bool) -> bool:
    denied = _DENIED.get(platform.machine())
    if denied is None or platform.system() != "Linux" or struct.calcsize("P") != 8:
        return False
    architecture, numbers = denied
    program = [
        _instruction(0x20, 0, 0, 4),
        _instruction(0x15, 1, 0, architecture),
        _instruction(0x06, 0, 0, 0),
        _instruction(0x20, 0, 0, 0),
        *(_threads(_CLONE[platform.machine()]) if threads else ()),
        # The 32-bit numbers of x86-64 would go around the list.
        _instruction(0x35, len(numbers) + 1, 0, 0x40000000),
    ]
    for at, number in enumerate(numbers):
        program.append(_instruction(0x15, len(numbers) - at, 0, number))
    program.append(_instruction(0x06, 0, 0, 0x7FFF0000))
    program.append(_instruction(0x06, 0, 0, 0x00050001))
    raw = b"".join(program)
    buffer = ctypes.create_string_buffer(raw, len(raw))

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))

    filter_ = Program(len(program), ctypes.cast(buffer, ctypes.c_void_p))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        return False
    return not libc.prctl(_PR_SET_SECCOMP, _FILTER, ctypes.byref(filter_), 0, 0)


def _threads(clone: int) -> tuple[bytes, ...]:
    """`clone` is let through if it makes a thread; `clone3` is said not to exist, and libc takes `clone`."""
    return (
        _instruction(0x15, 0, 1, 435),
        _instruction(0x06, 0, 0, 0x00050026),
        _instruction(0x15, 0, 3, clone),
        _instruction(0x20, 0, 0, 16),
        _instruction(0x45, 0, 1, 0x00010000),
        _instruction(0x06, 0, 0, 0x7FFF0000),
        _instruction(0x20, 0, 0, 0),
    )


def _instruction(code: int, when_true: int, when_false: int, value: int) -> bytes:
    return struct.pack("=HBBI", code, when_true, when_false, value)


def _leave_network() -> bool:
    if platform.system() != "Linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    return any(libc.unshare(flags) == 0 for flags in (_CLONE_NEWNET, _CLONE_NEWNET | _CLONE_NEWUSER))
