"""Recovery Services vaults through the real SDK, and the configuration documents beside them."""

from __future__ import annotations

import pytest
from azure.core.exceptions import ResourceNotFoundError

from ..support import Emulator
from .sdk import collect, group_of, sdk_clients


async def test_lists_say_less_than_get(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        listed = (await collect(clients.vaults.vaults.list_by_subscription_id()))[0]
        assert (listed.sku.name, listed.sku.tier) == ("RS0", "Standard")
        assert listed.properties.redundancy_settings is None
        group = group_of(listed.id)
        assert listed.id in [
            one.id for one in await collect(clients.vaults.vaults.list_by_resource_group(group))
        ]
        whole = await clients.vaults.vaults.get(group, listed.name)
        assert whole.sku.name == "Standard"
        assert whole.properties.redundancy_settings.standard_tier_storage_redundancy == "GeoRedundant"
        assert whole.properties.security_settings.soft_delete_settings.soft_delete_state == "Enabled"
        assert whole.properties.backup_storage_version == "V1"  # with cross-region restore
        with pytest.raises(ResourceNotFoundError) as caught:
            await clients.vaults.vaults.get(group, "nobody")
        assert caught.value.error.code == "ResourceNotFound"


async def test_configuration_documents(emulator_env: Emulator) -> None:
    async with sdk_clients(emulator_env) as clients:
        vault = (await collect(clients.vaults.vaults.list_by_subscription_id()))[0]
        where = vault.name, group_of(vault.id)
        config = await clients.backup.backup_resource_vault_configs.get(*where)
        assert config.properties.soft_delete_feature_state == "Enabled"
        storage = await clients.backup.backup_resource_storage_configs_non_crr.get(*where)
        assert storage.properties.storage_type_state == "Locked"
        encryption = await clients.backup.backup_resource_encryption_configs.get(*where)
        assert encryption.properties.encryption_at_rest_type == "MicrosoftManaged"
        assert await collect(clients.backup.resource_guard_proxies.get(*where)) == []
        usages = await collect(clients.vaults.usages.list_by_vaults(group_of(vault.id), vault.name))
        counts = {usage.name.value: usage.current_value for usage in usages}
        items = await collect(clients.backup.backup_protected_items.list(*where))
        assert counts["IaaSVMProtectedItemCount"] == len(items) > 0
