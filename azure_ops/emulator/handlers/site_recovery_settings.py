"""Alert settings and vault settings, supported systems, and whether a machine can be replicated at all."""

from __future__ import annotations

from ..answers import Answer, Json, resource_not_found
from ..records.compute import VirtualMachine
from ..records.site_recovery import AlertSetting
from ..routing import Context, Routes
from .site_recovery import service_list
from .site_recovery_bodies import choice, properties, text
from .site_recovery_ids import ACTION, TYPE, VAULT, bad_request, require, require_vault, service_id

ROUTES = Routes()
ALERT_ACTION = ACTION + "/replicationAlertSettings"
SETTING = VAULT + "/replicationAlertSettings/{setting}"
MACHINE = "/subscriptions/{sub}/resourceGroups/{rg}/providers/Microsoft.Compute/virtualMachines/{vm}"
ELIGIBILITY = MACHINE + "/providers/Microsoft.RecoveryServices/replicationEligibilityResults"
ELIGIBILITY_TYPE = "Microsoft.RecoveryServices/replicationEligibilityResults"
SUPPORTED = {
    ("centos", "linux"): ("7.8", "7.9", "8.3", "8.4", "8.5"),
    ("debian", "linux"): ("10", "11", "12"),
    ("oracle", "linux"): ("7.9", "8.8", "9.2"),
    ("redhat", "linux"): ("7.9", "8.8", "8.10", "9.2", "9.4"),
    ("sles", "linux"): ("12.5", "15.4", "15.5", "15.6"),
    ("ubuntu", "linux"): ("18.04", "20.04", "22.04", "24.04"),
    ("Windows Server 2016 Datacenter", "windows"): ("10.0",),
    ("Windows Server 2019 Datacenter", "windows"): ("10.0",),
    ("Windows Server 2022 Datacenter", "windows"): ("10.0",),
    ("Windows Server 2025 Datacenter", "windows"): ("10.0",),
}


# alert settings ---------------------------------------------------------------------------------------------


def alert_document(setting: AlertSetting) -> dict[str, Json]:
    return {
        "name": setting.name,
        "type": TYPE + "/replicationAlertSettings",
        "id": service_id(setting.id),
        "properties": {
            "sendToOwners": setting.send_to_owners,
            "customEmailAddresses": list(setting.email_addresses),
            "locale": setting.locale,
        },
    }


@ROUTES.get(VAULT + "/replicationAlertSettings", action=ALERT_ACTION + "/read")
def list_alert_settings(ctx: Context) -> Answer:
    settings = ctx.world.store.all(AlertSetting, under=require_vault(ctx))
    return service_list(ctx, [alert_document(setting) for setting in settings])


@ROUTES.get(SETTING, action=ALERT_ACTION + "/read")
def get_alert_setting(ctx: Context) -> Answer:
    return Answer(200, alert_document(require(ctx, AlertSetting, SETTING.format_map(ctx.params))))


@ROUTES.put(SETTING, action=ALERT_ACTION + "/write")
def put_alert_setting(ctx: Context) -> Answer:
    """The one write of this service that answers at once with the resource."""
    vault_id, asked = require_vault(ctx), properties(ctx)
    addresses = asked.get("customEmailAddresses") or []
    if not isinstance(addresses, list) or not all(isinstance(address, str) for address in addresses):
        raise bad_request(ctx, "customEmailAddresses is not a list of strings.", "Correct the property.")
    setting = AlertSetting(
        id=f"{vault_id}/replicationAlertSettings/{ctx.params['setting']}",
        send_to_owners=choice(ctx, asked, "sendToOwners", ("Send", "DoNotSend"), "DoNotSend"),
        email_addresses=list(addresses),
        locale=text(ctx, asked, "locale") or "en_US",
    )
    ctx.world.store.save(setting)
    return Answer(200, alert_document(setting))


# what can be replicated -------------------------------------------------------------------------------------


@ROUTES.get(
    VAULT + "/replicationSupportedOperatingSystems",
    action=ACTION + "/replicationOperatingSystems/read",
)
def get_supported_operating_systems(ctx: Context) -> Answer:
    vault_id = service_id(require_vault(ctx))
    systems = [
        {"osName": name, "osType": kind, "osVersions": [{"version": version} for version in versions]}
        for (name, kind), versions in SUPPORTED.items()
    ]
    body = {
        "id": f"{vault_id}/replicationSupportedOperatingSystems/Default",
        "name": "Default",
        "type": TYPE + "/replicationSupportedOperatingSystems",
        "properties": {"supportedOsList": [{"instanceType": "A2A", "supportedOs": systems}]},
    }
    return Answer(200, body)


def _eligibility(ctx: Context) -> dict[str, Json]:
    machine_id = MACHINE.format_map(ctx.params)
    machine = ctx.world.store.find(VirtualMachine, machine_id)
    if machine is None:
        raise resource_not_found("Microsoft.Compute/virtualMachines", ctx.params["vm"], ctx.params["rg"])
    return {
        "name": "default",
        "type": ELIGIBILITY_TYPE,
        "id": f"{machine_id}/providers/{ELIGIBILITY_TYPE}/default",
        "properties": {"clientRequestId": ctx.client_request_id, "errors": _obstacles(machine)},
    }


def _obstacles(machine: VirtualMachine) -> list[Json]:
    errors = []
    checks = (
        ("ProvisioningState", "provisioning state", machine.provisioning_state.lower(), "succeeded"),
        ("PowerState", "power status", machine.power.lower(), "running"),
    )
    for code, words, found, wanted in checks:
        if found != wanted:
            errors.append(
                {
                    "code": f"AzureVmIsNotInDesired{code}",
                    "message": f"Azure virtual machine with Id ({machine.id}) is with {words} '{found}'. "
                    f"To enable replication, VM's {words} should be '{wanted}'.",
                    "possibleCauses": "Virtual machine is not in desired state.",
                    "recommendedAction": f"Ensure that the VM's {words} is '{wanted}'.",
                    "status": "Error",
                }
            )
    return errors


@ROUTES.get(ELIGIBILITY, action=ELIGIBILITY_TYPE + "/read")
def list_eligibility(ctx: Context) -> Answer:
    """The one list without `nextLink`."""
    return Answer(200, {"value": [_eligibility(ctx)]})


@ROUTES.get(ELIGIBILITY + "/default", action=ELIGIBILITY_TYPE + "/read")
def get_eligibility(ctx: Context) -> Answer:
    return Answer(200, _eligibility(ctx))
