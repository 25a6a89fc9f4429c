"""Lines of consequences that several actions share."""

from __future__ import annotations

from ..model import FleetItem, PowerState


def what_becomes_of(vm: FleetItem) -> str:
    """What stays as it is while its disks are copied, without an end to the sentence."""
    if vm.power_state is PowerState.RUNNING:
        return "The VM goes on running"
    if vm.power_state in (PowerState.STOPPED, PowerState.DEALLOCATED):
        return f"The VM stays {vm.power_state}"
    return "The VM is left as it is"
