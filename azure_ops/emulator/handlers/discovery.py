"""What clients ask before they work: endpoints, tenants, subscriptions, regions, resource groups."""

from __future__ import annotations

from ..answers import Answer, Json, Refusal
from ..records.backup import Vault
from ..records.compute import Disk, NetworkInterface, Snapshot, StorageAccount, VirtualMachine, VirtualNetwork
from ..records.tenancy import TENANT_ID_FACT, ResourceGroup, Subscription
from ..routing import Context, Routes, paged
from ..store import Record
from ..world import World
from .restore_points import service_group

ROUTES = Routes()

REGIONS = {
    "westeurope": ("West Europe", "Europe", "northeurope"),
    "northeurope": ("North Europe", "Europe", "westeurope"),
    "eastus": ("East US", "US", "westus"),
    "westus": ("West US", "US", "eastus"),
    "eastus2": ("East US 2", "US", "centralus"),
    "centralus": ("Central US", "US", "eastus2"),
    "uksouth": ("UK South", "UK", "ukwest"),
    "ukwest": ("UK West", "UK", "uksouth"),
    "francecentral": ("France Central", "France", "francesouth"),
    "francesouth": ("France South", "France", "francecentral"),
    "germanywestcentral": ("Germany West Central", "Germany", "germanynorth"),
    "germanynorth": ("Germany North", "Germany", "germanywestcentral"),
    "swedencentral": ("Sweden Central", "Sweden", "swedensouth"),
    "swedensouth": ("Sweden South", "Sweden", "swedencentral"),
    "southeastasia": ("Southeast Asia", "Asia Pacific", "eastasia"),
    "eastasia": ("East Asia", "Asia Pacific", "southeastasia"),
    "japaneast": ("Japan East", "Japan", "japanwest"),
    "japanwest": ("Japan West", "Japan", "japaneast"),
}
"""Regions with their display name, geography group and pair."""

PROVIDERS: dict[str, tuple[str, ...]] = {
    "Microsoft.Compute": ("virtualMachines", "disks", "snapshots"),
    "Microsoft.Network": ("virtualNetworks", "networkInterfaces", "publicIPAddresses"),
    "Microsoft.RecoveryServices": ("vaults",),
    "Microsoft.Storage": ("storageAccounts",),
}

LISTED: dict[str, type[Record]] = {
    "Microsoft.Compute/virtualMachines": VirtualMachine,
    "Microsoft.Compute/disks": Disk,
    "Microsoft.Compute/snapshots": Snapshot,
    "Microsoft.Network/networkInterfaces": NetworkInterface,
    "Microsoft.Network/virtualNetworks": VirtualNetwork,
    "Microsoft.RecoveryServices/vaults": Vault,
    "Microsoft.Storage/storageAccounts": StorageAccount,
}
"""What `/resources` lists, by type."""

SUFFIXES = {
    "storage": "core.emulator.local",
    "keyVaultDns": "vault.emulator.local",
    "sqlServerHostname": "database.emulator.local",
    "acrLoginServer": "azurecr.emulator.local",
    "mhsmDns": "managedhsm.emulator.local",
    "storageSyncEndpointSuffix": "afs.emulator.local",
    "azureDataLakeStoreFileSystem": "azuredatalakestore.emulator.local",
    "azureDataLakeAnalyticsCatalogAndJob": "azuredatalakeanalytics.emulator.local",
    "synapseAnalytics": "dev.azuresynapse.emulator.local",
    "attestationEndpoint": "attest.emulator.local",
    "mysqlServerEndpoint": "mysql.database.emulator.local",
    "postgresqlServerEndpoint": "postgres.database.emulator.local",
    "mariadbServerEndpoint": "mariadb.database.emulator.local",
}
CLOUD_ENDPOINTS = {
    "portal": "",
    "graph": "/graph/",
    "graphAudience": "/graph/",
    "gallery": "/",
    "batch": "/batch/",
    "media": "/media/",
    "sqlManagement": "/sql/",
    "vmImageAliasDoc": "/vmImageAliasDoc",
    "resourceManager": "",
    "microsoftGraphResourceId": "/msgraph/",
    "appInsightsResourceId": "/appinsights",
    "appInsightsTelemetryChannelResourceId": "/telemetry",
    "logAnalyticsResourceId": "/loganalytics",
    "ossrdbmsResourceId": "/ossrdbms",
    "activeDirectoryDataLake": "/datalake/",
    "synapseAnalyticsResourceId": "/synapse",
    "attestationResourceId": "/attestation",
    "appServiceResourceId": "/appservice",
}


@ROUTES.get("/metadata/endpoints")
def get_cloud(ctx: Context) -> Answer:
    """The shape of api-version 2022-09-01: one object. Older versions answer a list of one."""
    base = ctx.base_url
    cloud: dict[str, Json] = {"name": "Emulator"}
    cloud |= {name: base + path for name, path in CLOUD_ENDPOINTS.items()}
    cloud["authentication"] = {
        "loginEndpoint": base,
        "audiences": [base],
        "tenant": "common",
        "identityProvider": "AAD",
    }
    cloud["suffixes"] = SUFFIXES
    return Answer(body=[cloud] if ctx.api_version < "2022" else cloud)


@ROUTES.get("/tenants", action="Microsoft.Resources/tenants/read")
def list_tenants(ctx: Context) -> Answer:
    tenant = ctx.world.store.fact(TENANT_ID_FACT)
    domain = "contoso.example"
    return Answer(
        body={
            "value": [
                {
                    "id": f"/tenants/{tenant}",
                    "tenantId": tenant,
                    "countryCode": "NL",
                    "displayName": "Contoso",
                    "domains": [domain],
                    "tenantCategory": "Home",
                    "defaultDomain": domain,
                    "tenantType": "AAD",
                }
            ]
        }
    )


def subscription_document(world: World, subscription: Subscription) -> dict[str, Json]:
    return {
        "id": subscription.id,
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
        "tags": {},
        "subscriptionId": subscription.subscription_id,
        "tenantId": world.store.fact(TENANT_ID_FACT),
        "displayName": subscription.display_name,
        "state": subscription.state,
        "subscriptionPolicies": {
            "locationPlacementId": "Public_2014-09-01",
            "quotaId": "PayAsYouGo_2014-09-01",
            "spendingLimit": "Off",
        },
    }


@ROUTES.get("/subscriptions", action="Microsoft.Resources/subscriptions/read")
def list_subscriptions(ctx: Context) -> Answer:
    found = [subscription_document(ctx.world, each) for each in ctx.world.store.all(Subscription)]
    return Answer(body={"value": found, "count": {"type": "Total", "value": len(found)}})


@ROUTES.get("/subscriptions/{sub}", action="Microsoft.Resources/subscriptions/read")
def get_subscription(ctx: Context) -> Answer:
    found = ctx.world.store.find(Subscription, f"/subscriptions/{ctx.params['sub']}")
    assert found is not None, "the front refuses unknown subscriptions"
    return Answer(body=subscription_document(ctx.world, found))


@ROUTES.get("/subscriptions/{sub}/locations", action="Microsoft.Resources/subscriptions/locations/read")
def list_locations(ctx: Context) -> Answer:
    sub = ctx.params["sub"]
    return Answer(
        body={
            "value": [
                {
                    "id": f"/subscriptions/{sub}/locations/{name}",
                    "name": name,
                    "type": "Region",
                    "displayName": display,
                    "regionalDisplayName": f"({group}) {display}",
                    "metadata": {
                        "regionType": "Physical",
                        "regionCategory": "Recommended",
                        "geographyGroup": group,
                        "pairedRegion": [{"name": pair, "id": f"/subscriptions/{sub}/locations/{pair}"}],
                    },
                }
                for name, (display, group, pair) in REGIONS.items()
            ]
        }
    )


def resource_group_document(group: ResourceGroup) -> dict[str, Json]:
    document: dict[str, Json] = {
        "id": group.id,
        "name": group.name,
        "type": "Microsoft.Resources/resourceGroups",
        "location": group.location,
        "tags": group.tags,
        "properties": {"provisioningState": "Succeeded"},
    }
    if group.managed_by:
        document["managedBy"] = group.managed_by
    return document


@ROUTES.get(
    "/subscriptions/{sub}/resourcegroups", action="Microsoft.Resources/subscriptions/resourceGroups/read"
)
def list_resource_groups(ctx: Context) -> Answer:
    groups = ctx.world.store.all(ResourceGroup, f"/subscriptions/{ctx.params['sub']}")
    return Answer(body=paged(ctx, [resource_group_document(group) for group in groups], 1000))


@ROUTES.get(
    "/subscriptions/{sub}/resourcegroups/{rg}", action="Microsoft.Resources/subscriptions/resourceGroups/read"
)
def get_resource_group(ctx: Context) -> Answer:
    group = find_resource_group(ctx.world, ctx.params["sub"], ctx.params["rg"])
    return Answer(body=resource_group_document(group))


def find_resource_group(world: World, subscription_id: str, name: str) -> ResourceGroup:
    """Raises the front end's 404."""
    group_id = f"/subscriptions/{subscription_id}/resourceGroups/{name}"
    group = world.store.find(ResourceGroup, group_id) or service_group(world, group_id)
    if group is None:
        raise Refusal(
            404,
            "ResourceGroupNotFound",
            f"Resource group '{name}' could not be found.",
            headers={"x-ms-failure-cause": "gateway"},
        )
    return group


def _resources(ctx: Context, under: str) -> Answer:
    """Top-level resources as a list knows them: no properties. `$filter` knows only `resourceType eq`."""
    wanted = ctx.query.get("$filter", "")
    if wanted and not wanted.lower().startswith("resourcetype eq '"):
        raise Refusal(
            400, "InvalidFilterInQueryString", f"Invalid $filter '{wanted}' specified in the query."
        )
    only = wanted.partition("'")[2].rstrip("'").lower()
    found: list[Json] = []
    for kind, record_type in LISTED.items():
        if only in ("", kind.lower()):
            for record in ctx.world.store.all(record_type, under):
                document = {"id": record.id, "name": record.name, "type": kind}
                for name in ("location", "tags"):
                    if value := getattr(record, name, None):
                        document[name] = value
                found.append(document)
    return Answer(body=paged(ctx, found, 1000))


@ROUTES.get("/subscriptions/{sub}/resources", action="Microsoft.Resources/subscriptions/resources/read")
def list_resources(ctx: Context) -> Answer:
    return _resources(ctx, f"/subscriptions/{ctx.params['sub']}")


@ROUTES.get(
    "/subscriptions/{sub}/resourceGroups/{rg}/resources",
    action="Microsoft.Resources/subscriptions/resourceGroups/resources/read",
)
def list_resources_of_group(ctx: Context) -> Answer:
    return _resources(ctx, find_resource_group(ctx.world, ctx.params["sub"], ctx.params["rg"]).id)


def provider_document(subscription_id: str, namespace: str) -> dict[str, Json]:
    return {
        "id": f"/subscriptions/{subscription_id}/providers/{namespace}",
        "namespace": namespace,
        "registrationState": "Registered",
        "registrationPolicy": "RegistrationRequired",
        "resourceTypes": [
            {"resourceType": each, "locations": [display for display, _, _ in REGIONS.values()]}
            for each in PROVIDERS[namespace]
        ],
    }


@ROUTES.get("/subscriptions/{sub}/providers", action="Microsoft.Resources/subscriptions/providers/read")
def list_providers(ctx: Context) -> Answer:
    return Answer(body={"value": [provider_document(ctx.params["sub"], each) for each in PROVIDERS]})


@ROUTES.get(
    "/subscriptions/{sub}/providers/{namespace}", action="Microsoft.Resources/subscriptions/providers/read"
)
def get_provider(ctx: Context) -> Answer:
    asked = ctx.params["namespace"]
    for namespace in PROVIDERS:
        if namespace.lower() == asked.lower():
            return Answer(body=provider_document(ctx.params["sub"], namespace))
    raise Refusal(
        404,
        "InvalidResourceNamespace",
        f"The resource namespace '{asked}' is invalid.",
        headers={"x-ms-failure-cause": "gateway"},
    )
