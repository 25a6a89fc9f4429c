"""The little of Microsoft.Network and Microsoft.Storage that the console's pickers and `az vm list -d` read:
virtual networks with subnets, network interfaces, public addresses, storage accounts. Read only."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from ..answers import Answer, Json, resource_not_found
from ..records.compute import NetworkInterface, PublicIpAddress, StorageAccount, Subnet, VirtualNetwork
from ..routing import Context, Routes, paged
from ..store import Record
from .compute_disks import resource_id, scope_of
from .formats import compute_time

ROUTES = Routes()
PAGE = 500
R = TypeVar("R", bound=Record)


def virtual_network_document(network: VirtualNetwork) -> dict[str, Json]:
    return _envelope(
        network,
        "Microsoft.Network/virtualNetworks",
        {
            "provisioningState": "Succeeded",
            "addressSpace": {"addressPrefixes": network.prefixes},
            "subnets": [subnet_document(network, subnet) for subnet in network.subnets],
            "virtualNetworkPeerings": [],
            "enableDdosProtection": False,
        },
    )


def subnet_document(network: VirtualNetwork, subnet: Subnet) -> dict[str, Json]:
    return {
        "name": subnet.name,
        "id": f"{network.id}/subnets/{subnet.name}",
        "properties": {
            "provisioningState": "Succeeded",
            "addressPrefix": subnet.prefix,
            "delegations": [],
            "privateEndpointNetworkPolicies": "Disabled",
            "privateLinkServiceNetworkPolicies": "Enabled",
        },
        "type": "Microsoft.Network/virtualNetworks/subnets",
    }


def network_interface_document(nic: NetworkInterface) -> dict[str, Json]:
    address: dict[str, Json] = {
        "provisioningState": "Succeeded",
        "privateIPAddress": nic.private_ip,
        "privateIPAllocationMethod": "Dynamic",
        **({"publicIPAddress": {"id": nic.public_ip_id}} if nic.public_ip_id else {}),
        "subnet": {"id": nic.subnet_id},
        "primary": True,
        "privateIPAddressVersion": "IPv4",
    }
    configuration = {
        "name": "ipconfig1",
        "id": f"{nic.id}/ipConfigurations/ipconfig1",
        "type": "Microsoft.Network/networkInterfaces/ipConfigurations",
        "properties": address,
    }
    return _envelope(
        nic,
        "Microsoft.Network/networkInterfaces",
        {
            "provisioningState": "Succeeded",
            "ipConfigurations": [configuration],
            "dnsSettings": {"dnsServers": [], "appliedDnsServers": []},
            "macAddress": nic.mac,
            "enableAcceleratedNetworking": False,
            "enableIPForwarding": False,
            "primary": True,
            **({"virtualMachine": {"id": nic.vm_id}} if nic.vm_id else {}),
        },
    )


def public_ip_document(address: PublicIpAddress) -> dict[str, Json]:
    properties = {
        "provisioningState": "Succeeded",
        "ipAddress": address.address,
        "publicIPAddressVersion": "IPv4",
        "publicIPAllocationMethod": "Static",
        "idleTimeoutInMinutes": 4,
    }
    document = _envelope(address, "Microsoft.Network/publicIPAddresses", properties)
    return {**document, "sku": {"name": "Standard", "tier": "Regional"}}


def storage_account_document(account: StorageAccount) -> dict[str, Json]:
    created = compute_time(account.time_created).replace("+00:00", "Z")
    document = _envelope(
        account,
        "Microsoft.Storage/storageAccounts",
        {
            "minimumTlsVersion": "TLS1_2",
            "allowBlobPublicAccess": False,
            "supportsHttpsTrafficOnly": True,
            "provisioningState": "Succeeded",
            "creationTime": created,
            "primaryEndpoints": {"blob": f"https://{account.name}.blob.core.windows.net/"},
            "primaryLocation": account.location,
            "statusOfPrimary": "available",
        },
    )
    return {
        "sku": {"name": account.sku, "tier": account.sku.split("_")[0]},
        "kind": account.kind,
        **document,
    }


def _envelope(
    record: VirtualNetwork | NetworkInterface | PublicIpAddress | StorageAccount,
    kind: str,
    properties: dict[str, Json],
) -> dict[str, Json]:
    return {
        "name": record.name,
        "id": record.id,
        "type": kind,
        "location": record.location,
        "tags": record.tags,
        "properties": properties,
    }


def _serve(provider_type: str, kind: type[R], document: Callable[[R], dict[str, Json]]) -> None:
    """List per subscription and group, and get."""
    action = f"{provider_type}/read"

    def listing(ctx: Context) -> Answer:
        page = paged(ctx, ctx.world.store.all(kind, scope_of(ctx)), PAGE)
        return Answer(200, {**page, "value": [document(record) for record in page["value"]]})

    def one(ctx: Context) -> Answer:
        name = ctx.params["name"]
        record = ctx.world.store.find(kind, resource_id(ctx, provider_type, name))
        if record is None:
            raise resource_not_found(provider_type, name, ctx.params["rg"])
        return Answer(200, document(record))

    group = f"/subscriptions/{{sub}}/resourceGroups/{{rg}}/providers/{provider_type}"
    ROUTES.get(f"/subscriptions/{{sub}}/providers/{provider_type}", action=action)(listing)
    ROUTES.get(group, action=action)(listing)
    ROUTES.get(group + "/{name}", action=action)(one)


_serve("Microsoft.Network/virtualNetworks", VirtualNetwork, virtual_network_document)
_serve("Microsoft.Network/networkInterfaces", NetworkInterface, network_interface_document)
_serve("Microsoft.Network/publicIPAddresses", PublicIpAddress, public_ip_document)
_serve("Microsoft.Storage/storageAccounts", StorageAccount, storage_account_document)

NETWORK = "/subscriptions/{sub}/resourceGroups/{rg}/providers/Microsoft.Network/virtualNetworks/{name}"


def _network(ctx: Context) -> VirtualNetwork:
    name = ctx.params["name"]
    network = ctx.world.store.find(
        VirtualNetwork, resource_id(ctx, "Microsoft.Network/virtualNetworks", name)
    )
    if network is None:
        raise resource_not_found("Microsoft.Network/virtualNetworks", name, ctx.params["rg"])
    return network


@ROUTES.get(NETWORK + "/subnets", action="Microsoft.Network/virtualNetworks/subnets/read")
def list_subnets(ctx: Context) -> Answer:
    network = _network(ctx)
    return Answer(200, {"value": [subnet_document(network, subnet) for subnet in network.subnets]})


@ROUTES.get(NETWORK + "/subnets/{subnet}", action="Microsoft.Network/virtualNetworks/subnets/read")
def get_subnet(ctx: Context) -> Answer:
    network = _network(ctx)
    for subnet in network.subnets:
        if subnet.name.lower() == ctx.params["subnet"].lower():
            return Answer(200, subnet_document(network, subnet))
    raise resource_not_found(
        "Microsoft.Network/virtualNetworks/subnets",
        f"{network.name}/{ctx.params['subnet']}",
        ctx.params["rg"],
    )


@ROUTES.get(
    "/subscriptions/{sub}/resourceGroups/{rg}/providers/Microsoft.ClassicStorage/storageAccounts/{name}",
    action="Microsoft.ClassicStorage/storageAccounts/read",
)
def get_classic_storage_account(ctx: Context) -> Answer:
    """`az backup` asks here before it asks Microsoft.Storage; nothing classic is left."""
    raise resource_not_found("Microsoft.ClassicStorage/storageAccounts", ctx.params["name"], ctx.params["rg"])
