"""Every kind of record the store keeps."""

from __future__ import annotations

from ..store import Record
from . import backup, compute, site_recovery, tenancy

KINDS: list[type[Record]] = [*tenancy.KINDS, *compute.KINDS, *backup.KINDS, *site_recovery.KINDS]
