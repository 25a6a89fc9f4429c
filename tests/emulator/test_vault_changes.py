"""Vaults made and changed through the real SDKs, and the settings beside them."""

from __future__ import annotations

from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.mgmt.recoveryservices import models
from azure.mgmt.recoveryservicesbackup import models as backup_models

from ..support import READER_CLIENT_ID, Emulator
from .sdk import Clients, collect, group_of, sdk_clients


async def some_vault(clients: Clients) -> tuple[str, str]:
    """Group and name of one that has items."""
    vault = (await collect(clients.vaults.vaults.list_by_subscription_id()))[0]
    return group_of(vault.id), vault.name


def new_vault(location: str = "westeurope", **properties: Any) -> models.Vault:
    return models.Vault(
        location=location,
        sku=models.Sku(name="Standard"),
        properties=models.VaultProperties(public_network_access="Enabled", **properties),
    )


def redundancy(kind: str, across: str = "Disabled") -> models.VaultProperties:
    settings = models.VaultPropertiesRedundancySettings(
        standard_tier_storage_redundancy=kind, cross_region_restore=across
    )
    return models.VaultProperties(redundancy_settings=settings)


async def make(emulator: Emulator, clients: Clients, group: str, name: str, vault: models.Vault) -> Any:
    poller = await clients.vaults.vaults.begin_create_or_update(group, name, vault)
    emulator.advance(10)
    return await poller.result()


async def patch(emulator: Emulator, clients: Clients, group: str, name: str, change: Any) -> Any:
    poller = await clients.vaults.vaults.begin_update(group, name, models.PatchVault(properties=change))
    emulator.advance(10)
    return await poller.result()


async def test_a_vault_is_made(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        group, _ = await some_vault(clients)
        poller = await clients.vaults.vaults.begin_create_or_update(
            group,
            "rsv-new",
            new_vault(redundancy_settings=redundancy("ZoneRedundant").redundancy_settings),
        )
        half_made = await clients.vaults.vaults.get(group, "rsv-new")
        assert half_made.properties.provisioning_state == "Provisioning"
        assert half_made.properties.backup_storage_version is None
        assert half_made.properties.security_settings.multi_user_authorization == "Invalid"
        assert await collect(clients.backup.backup_policies.list("rsv-new", group)) == []
        emulator_env.advance(10)
        vault = await poller.result()
        assert vault.properties.provisioning_state == "Succeeded"
        assert vault.properties.backup_storage_version == "Unassigned"
        kind = vault.properties.redundancy_settings.standard_tier_storage_redundancy
        assert kind == "ZoneRedundant"
        assert vault.etag != half_made.etag
        policies = await collect(clients.backup.backup_policies.list("rsv-new", group))
        assert {one.name for one in policies} == {"HourlyLogBackup", "DefaultPolicy", "EnhancedPolicy"}
        storage = await clients.backup.backup_resource_storage_configs_non_crr.get("rsv-new", group)
        assert storage.properties.storage_type_state == "Unlocked"


def test_the_status_of_a_creation_names_itself(emulator_env: Emulator) -> None:
    groups = emulator_env.get(f"/subscriptions/{emulator_env.subscription_ids[0]}/resourceGroups")
    group = groups.body["value"][0]["id"]
    path = f"{group}/providers/Microsoft.RecoveryServices/vaults/rsv-new"
    made = emulator_env.request("PUT", path, {"location": "West Europe", "sku": {"name": "Standard"}})
    assert made.status == 201
    assert "location" not in made.headers
    status = emulator_env.get(made.headers["azure-asyncoperation"])
    assert status.body["status"] == "InProgress"
    assert status.body["id"].endswith(f"/operationStatus/{status.body['name']}")
    assert "location" in status.headers
    emulator_env.advance(10)
    status = emulator_env.get(made.headers["azure-asyncoperation"])
    assert status.body["status"] == "Succeeded"
    assert "location" not in status.headers
    assert emulator_env.get(path).body["location"] == "westeurope"


@pytest.mark.parametrize(
    ("name", "kind", "across"),
    [
        ("-bad", "GeoRedundant", "Disabled"),
        ("rsv-new", "Tape", "Disabled"),
        ("rsv-new", "LocallyRedundant", "Enabled"),
    ],
)
async def test_vaults_that_cannot_be_made(emulator_env: Emulator, name: str, kind: str, across: str) -> None:
    vault = new_vault(redundancy_settings=redundancy(kind, across).redundancy_settings)
    async with sdk_clients(emulator_env) as clients:
        group, _ = await some_vault(clients)
        with pytest.raises(HttpResponseError, match="BMSUserErrorInvalidInput"):
            await clients.vaults.vaults.begin_create_or_update(group, name, vault)
        names = [one.name for one in await collect(clients.vaults.vaults.list_by_resource_group(group))]
        assert name not in names


async def test_a_vault_of_another_region_or_without_a_group(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        group, name = await some_vault(clients)
        with pytest.raises(HttpResponseError, match="InvalidResourceLocation"):
            await clients.vaults.vaults.begin_create_or_update(group, name, new_vault("japaneast"))
        with pytest.raises(HttpResponseError, match="ResourceGroupNotFound"):
            await clients.vaults.vaults.begin_create_or_update("nobody", "rsv-new", new_vault())
    async with sdk_clients(emulator_env, client_id=READER_CLIENT_ID) as clients:
        with pytest.raises(HttpResponseError, match="AuthorizationFailed"):
            await clients.vaults.vaults.begin_create_or_update(group, "rsv-new", new_vault())


async def test_redundancy_changes_until_something_is_protected(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        group, used = await some_vault(clients)
        await make(emulator_env, clients, group, "rsv-new", new_vault())
        await patch(emulator_env, clients, group, "rsv-new", redundancy("LocallyRedundant"))
        vault = await clients.vaults.vaults.get(group, "rsv-new")
        assert vault.properties.redundancy_settings.standard_tier_storage_redundancy == "LocallyRedundant"
        with pytest.raises(HttpResponseError) as caught:
            await patch(emulator_env, clients, group, used, redundancy("LocallyRedundant"))
        assert (caught.value.status_code, caught.value.error.code) == (400, "StorageModelModifyError")


async def test_cross_region_restore_is_a_one_way_switch(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        group, used = await some_vault(clients)
        await patch(emulator_env, clients, group, used, redundancy("GeoRedundant", "Enabled"))
        storage = await clients.backup.backup_resource_storage_configs_non_crr.get(used, group)
        assert storage.properties.cross_region_restore_flag is True
        vault = await clients.vaults.vaults.get(group, used)
        assert vault.properties.redundancy_settings.cross_region_restore == "Enabled"
        assert vault.properties.backup_storage_version == "V1"
        with pytest.raises(HttpResponseError, match="StorageModelModifyError"):
            await patch(emulator_env, clients, group, used, redundancy("GeoRedundant", "Disabled"))


async def test_the_older_switch_for_cross_region_restore(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        group, used = await some_vault(clients)
        config = backup_models.BackupResourceConfigResource(
            properties=backup_models.BackupResourceConfig(
                storage_model_type="GeoRedundant", cross_region_restore_flag=True
            )
        )
        changed = await clients.backup.backup_resource_storage_configs_non_crr.update(used, group, config)
        assert changed.properties.cross_region_restore_flag is True
        await clients.backup.backup_resource_storage_configs_non_crr.patch(used, group, config)


def immutability(state: str) -> models.VaultProperties:
    settings = models.SecuritySettings(immutability_settings=models.ImmutabilitySettings(state=state))
    return models.VaultProperties(security_settings=settings)


async def test_immutability_is_locked_in_two_steps_for_good(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        group, name = await some_vault(clients)
        refused = "UserErrorUnsupportedVaultImmutabilityStateChange"
        with pytest.raises(HttpResponseError, match=refused):
            await patch(emulator_env, clients, group, name, immutability("Locked"))
        await patch(emulator_env, clients, group, name, immutability("Unlocked"))
        await patch(emulator_env, clients, group, name, immutability("Locked"))
        with pytest.raises(HttpResponseError, match=refused):
            await patch(emulator_env, clients, group, name, immutability("Disabled"))
        vault = await clients.vaults.vaults.get(group, name)
        assert vault.properties.security_settings.immutability_settings.state == "Locked"


def soft_delete(state: str, days: int = 14, **more: Any) -> backup_models.BackupResourceVaultConfigResource:
    return backup_models.BackupResourceVaultConfigResource(
        properties=backup_models.BackupResourceVaultConfig(
            enhanced_security_state="Enabled",
            soft_delete_feature_state=state,
            soft_delete_retention_period_in_days=days,
            **more,
        )
    )


async def test_soft_delete_settings(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        group, name = await some_vault(clients)
        configs = clients.backup.backup_resource_vault_configs
        changed = await configs.update(name, group, soft_delete("Enabled", 30))
        assert changed.properties.soft_delete_retention_period_in_days == 30
        assert (await configs.get(name, group)).properties.soft_delete_retention_period_in_days == 30
        with pytest.raises(HttpResponseError, match="BMSUserErrorInvalidInput"):
            await configs.update(name, group, soft_delete("Enabled", 7))
        await configs.put(name, group, soft_delete("Disabled"))
        vault = await clients.vaults.vaults.get(group, name)
        settings = vault.properties.security_settings.soft_delete_settings
        assert settings.soft_delete_state == "Disabled"
        assert settings.soft_delete_retention_period_in_days == 0
        await configs.update(name, group, soft_delete("AlwaysON"))
        assert (await configs.get(name, group)).properties.is_soft_delete_feature_state_editable is False
        with pytest.raises(HttpResponseError, match="BMSUserErrorInvalidInput"):
            await configs.update(name, group, soft_delete("Disabled"))


GUARD = (
    "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg-guard/providers/"
    "Microsoft.DataProtection/resourceGuards/guard"
)


async def test_a_resource_guard_wants_to_be_named(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        group, name = await some_vault(clients)
        proxy = backup_models.ResourceGuardProxyBaseResource(
            properties=backup_models.ResourceGuardProxyBase(resource_guard_resource_id=GUARD)
        )
        put = await clients.backup.resource_guard_proxy.put(name, group, "VaultProxy", proxy)
        requests = {
            one.vault_critical_operation.rsplit("/", 2)[-2]: one.default_resource_request
            for one in put.properties.resource_guard_operation_details
        }
        assert len(await collect(clients.backup.resource_guard_proxies.get(name, group))) == 1
        vault = await clients.vaults.vaults.get(group, name)
        assert vault.properties.security_settings.multi_user_authorization == "Enabled"
        configs = clients.backup.backup_resource_vault_configs
        with pytest.raises(HttpResponseError, match="UserErrorResourceGuardApprovalRequired"):
            await configs.update(name, group, soft_delete("Disabled"))
        named = soft_delete("Disabled", resource_guard_operation_requests=[requests["backupconfig"]])
        assert (await configs.update(name, group, named)).properties.soft_delete_feature_state == "Disabled"
        with pytest.raises(HttpResponseError, match="UserErrorResourceGuardApprovalRequired"):
            await clients.backup.resource_guard_proxy.delete(name, group, "VaultProxy")
        unlock = backup_models.UnlockDeleteRequest(
            resource_guard_operation_requests=[requests["backupResourceGuardProxies"]]
        )
        answer = await clients.backup.resource_guard_proxy.unlock_delete(name, group, "VaultProxy", unlock)
        assert answer.unlock_delete_expiry_time == "2026-08-22T14:30:00.0000000Z"
        emulator_env.advance(31 * 60)
        with pytest.raises(HttpResponseError, match="UserErrorResourceGuardApprovalRequired"):
            await clients.backup.resource_guard_proxy.delete(name, group, "VaultProxy")
        await clients.backup.resource_guard_proxy.unlock_delete(name, group, "VaultProxy", unlock)
        await clients.backup.resource_guard_proxy.delete(name, group, "VaultProxy")
        assert await collect(clients.backup.resource_guard_proxies.get(name, group)) == []
