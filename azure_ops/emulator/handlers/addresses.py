"""Addresses for network interfaces that a failover, a drill or a restore makes."""

from __future__ import annotations

import ipaddress

from ..records.compute import NetworkInterface, VirtualNetwork
from ..world import World


def free_address(world: World, network_id: str, subnet: str) -> tuple[str, str]:
    """(subnet id, address): the first free one, the first subnet where the named one does not exist."""
    network = world.store.find(VirtualNetwork, network_id)
    if network is None or not network.subnets:
        return f"{network_id}/subnets/{subnet}", "10.0.0.4"
    chosen = next(
        (each for each in network.subnets if each.name.lower() == subnet.lower()), network.subnets[0]
    )
    subnet_id = f"{network.id}/subnets/{chosen.name}"
    nics = world.store.all(NetworkInterface)
    used = {nic.private_ip for nic in nics if nic.subnet_id.lower() == subnet_id.lower()}
    hosts = list(ipaddress.ip_network(chosen.prefix).hosts())[3:]
    return subnet_id, next((str(host) for host in hosts if str(host) not in used), str(hosts[-1]))


def new_mac(world: World) -> str:
    digits = f"{world.store.random.getrandbits(24):06X}"
    return f"00-0D-3A-{digits[:2]}-{digits[2:4]}-{digits[4:]}"
