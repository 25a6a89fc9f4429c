"""What the emulator answers: one module per family of resources, each with its own table of routes."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from ..routing import Routes
from . import authorization, discovery

_EXPECTED = (
    "compute",
    "compute_disks",
    "compute_operations",
    "compute_snapshots",
    "network",
    "vaults",
    "backup",
    "backup_jobs",
    "backup_operations",
    "backup_trigger",
    "site_recovery",
    "site_recovery_jobs",
    "resource_graph",
)


def all_routes() -> Routes:
    routes = Routes()
    modules = [discovery, authorization]
    modules += [import_module(f"{__name__}.{name}") for name in _EXPECTED if find_spec(f"{__name__}.{name}")]
    for module in modules:
        if hasattr(module, "ROUTES"):
            routes.include(module.ROUTES)
    routes.freeze()
    return routes
