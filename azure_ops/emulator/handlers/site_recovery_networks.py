"""Network mappings, and the lists that an Azure-to-Azure vault answers empty. Read only."""

from __future__ import annotations

from ..answers import Answer, Json
from ..records.site_recovery import Fabric, NetworkMapping
from ..routing import Context, Routes
from ..world import World
from .site_recovery import service_list
from .site_recovery_ids import (
    ACTION,
    CONTAINER,
    FABRIC,
    TYPE,
    VAULT,
    fabric_of,
    last,
    not_found,
    require,
    require_vault,
    service_id,
)

ROUTES = Routes()
NETWORK_MAPPING_READ = ACTION + "/replicationFabrics/replicationNetworks/replicationNetworkMappings/read"
AZURE_NETWORK = "azureNetwork"
"""Every Azure fabric's only network, by name; its mappings hang on it."""


def network_mapping_document(world: World, mapping: NetworkMapping) -> dict[str, Json]:
    """Network ids and names come back in lower case."""
    primary, recovery = mapping.primary_network_id.lower(), mapping.recovery_network_id.lower()
    here = world.store.find(Fabric, fabric_of(mapping.id))
    there = world.store.find(Fabric, mapping.recovery_fabric_id)
    return {
        "type": TYPE + "/replicationFabrics/replicationNetworks/replicationNetworkMappings",
        "id": service_id(mapping.id),
        "name": mapping.name,
        "properties": {
            "state": "Paired",
            "primaryNetworkFriendlyName": last(primary),
            "primaryNetworkId": primary,
            "primaryFabricFriendlyName": here.friendly_name if here else "",
            "recoveryNetworkFriendlyName": last(recovery),
            "recoveryNetworkId": recovery,
            "recoveryFabricArmId": service_id(mapping.recovery_fabric_id),
            "recoveryFabricFriendlyName": there.friendly_name if there else "",
            "fabricSpecificSettings": {
                "instanceType": "AzureToAzure",
                "primaryFabricLocation": here.location if here else "",
                "recoveryFabricLocation": there.location if there else "",
            },
        },
    }


def _require_network(ctx: Context) -> str:
    fabric = require(ctx, Fabric, FABRIC.format_map(ctx.params))
    if ctx.params["network"].lower() != AZURE_NETWORK.lower():
        raise not_found(ctx, ctx.params["network"])
    return f"{fabric.id}/replicationNetworks/{AZURE_NETWORK}"


@ROUTES.get(VAULT + "/replicationNetworkMappings", action=NETWORK_MAPPING_READ)
def list_vault_network_mappings(ctx: Context) -> Answer:
    mappings = ctx.world.store.all(NetworkMapping, under=require_vault(ctx))
    return service_list(ctx, [network_mapping_document(ctx.world, mapping) for mapping in mappings])


@ROUTES.get(FABRIC + "/replicationNetworks/{network}/replicationNetworkMappings", action=NETWORK_MAPPING_READ)
def list_network_mappings(ctx: Context) -> Answer:
    mappings = ctx.world.store.all(NetworkMapping, under=_require_network(ctx))
    return service_list(ctx, [network_mapping_document(ctx.world, mapping) for mapping in mappings])


@ROUTES.get(
    FABRIC + "/replicationNetworks/{network}/replicationNetworkMappings/{mapping}",
    action=NETWORK_MAPPING_READ,
)
def get_network_mapping(ctx: Context) -> Answer:
    mapping_id = f"{_require_network(ctx)}/replicationNetworkMappings/{ctx.params['mapping']}"
    return Answer(200, network_mapping_document(ctx.world, require(ctx, NetworkMapping, mapping_id)))


# providers, and what such a vault has none of ---------------------------------------------------------------


def _empty_under(path: str, action: str) -> None:
    def handler(ctx: Context) -> Answer:
        require_vault(ctx)
        if "fabric" in ctx.params:
            require(ctx, Fabric, FABRIC.format_map(ctx.params))
        return Answer(200, {"value": [], "nextLink": None})

    ROUTES.get(path, action=action)(handler)


for _name in (
    "replicationAppliances",
    "replicationMigrationItems",
    "replicationNetworks",
    "replicationProtectionClusters",
    "replicationProtectionIntents",
    "replicationRecoveryServicesProviders",
    "replicationStorageClassifications",
    "replicationStorageClassificationMappings",
    "replicationvCenters",
):
    _empty_under(f"{VAULT}/{_name}", f"{ACTION}/{_name}/read")
for _name in (
    "replicationLogicalNetworks",
    "replicationNetworks",
    "replicationRecoveryServicesProviders",
    "replicationStorageClassifications",
    "replicationvCenters",
):
    _empty_under(f"{FABRIC}/{_name}", f"{ACTION}/replicationFabrics/{_name}/read")
for _name in ("replicationMigrationItems", "replicationProtectableItems", "replicationProtectionClusters"):
    _empty_under(
        f"{CONTAINER}/{_name}", f"{ACTION}/replicationFabrics/replicationProtectionContainers/{_name}/read"
    )
