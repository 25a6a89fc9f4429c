"""Two worlds of one seed to which the same is done stay the same, byte for byte, however often one of them is
killed meanwhile. And what a finished operation leaves behind."""

from __future__ import annotations

from datetime import datetime
from itertools import product

from ..conftest import EmulatorFactory
from ..support import NOW, Emulator
from .test_restart import BACKUP, everything
from .test_server import first_item

STEPS_S = (3, 40, 90, 200, 600, 7200)
NEU = "/resourceGroups/rg-recovery/providers/Microsoft.RecoveryServices/vaults/rsv-neu"


def vault_neu(emulator: Emulator) -> str:
    return f"/subscriptions/{emulator.subscription_ids[0]}{NEU}"


def replicated(emulator: Emulator, vm_name: str) -> str:
    items = emulator.get(f"{vault_neu(emulator)}/replicationProtectedItems").body["value"]
    return str(next(item["id"] for item in items if item["properties"]["friendlyName"] == vm_name))


def network(emulator: Emulator) -> str:
    sub = emulator.subscription_ids[0]
    found = emulator.get(f"/subscriptions/{sub}/providers/Microsoft.Network/virtualNetworks").body["value"]
    return str(next(each["id"] for each in found if each["location"] == "northeurope"))


def begin_everything(emulator: Emulator) -> dict[str, str]:
    """A backup, a drill, a failover, a snapshot and a machine that is switched off; the URLs that tell how
    they go, by what they are."""
    vm = (
        f"/subscriptions/{emulator.subscription_ids[0]}/resourceGroups/rg-web-weu/providers/Microsoft.Compute"
    )
    disks = emulator.get(f"{vm}/disks").body["value"]
    drill = {
        "networkType": "VmNetworkAsInput",
        "networkId": network(emulator),
        "failoverDirection": "PrimaryToRecovery",
        "providerSpecificDetails": {"instanceType": "A2A"},
    }
    failover = {
        "failoverDirection": "PrimaryToRecovery",
        "sourceSiteOperations": "NotRequired",
        "providerSpecificDetails": {"instanceType": "A2A"},
    }
    source = {"createOption": "Copy", "sourceResourceId": disks[0]["id"]}
    snapshot = {"location": "westeurope", "properties": {"creationData": source, "incremental": True}}
    accepted = {
        "backup": emulator.post(f"{first_item(emulator)}/backup", BACKUP),
        "drill": emulator.post(f"{replicated(emulator, 'web-02')}/testFailover", {"properties": drill}),
        "failover": emulator.post(
            f"{replicated(emulator, 'app-01')}/unplannedFailover", {"properties": failover}
        ),
        "snapshot": emulator.request("PUT", f"{vm}/snapshots/one", snapshot),
        "switch off": emulator.post(f"{vm}/virtualMachines/web-03/deallocate"),
    }
    assert {name: reply.status for name, reply in accepted.items()} == dict.fromkeys(accepted, 202)
    urls = {name: reply.headers["azure-asyncoperation"] for name, reply in accepted.items()}
    return {name: url.removeprefix(emulator.endpoint) for name, url in urls.items()}


def state_of(emulator: Emulator, urls: dict[str, str]) -> dict[str, object]:
    vault = vault_neu(emulator)
    lists = ("replicationProtectedItems", "replicationJobs", "backupJobs")
    jobs = [job["name"] for job in emulator.get(f"{vault}/replicationJobs").body["value"]]
    paths = [f"{vault}/{each}" for each in lists] + [f"{vault}/replicationJobs/{name}" for name in jobs]
    return everything(emulator) | {path: emulator.get(path).raw for path in [*paths, *urls.values()]}


def statuses(emulator: Emulator, urls: dict[str, str]) -> dict[str, str]:
    return {name: emulator.get(url).body["status"] for name, url in urls.items()}


def test_kills_amid_everything_change_nothing(emulator_factory: EmulatorFactory) -> None:
    calm, killed = (emulator_factory(throttle=False) for _ in range(2))
    urls = begin_everything(calm)
    assert begin_everything(killed) == urls
    seen: set[str] = set()
    for step_s in STEPS_S:
        for emulator in (calm, killed):
            emulator.advance(step_s)
        killed.kill()
        killed.restart()
        seen |= set(statuses(killed, urls).values())
        assert state_of(killed, urls) == state_of(calm, urls)
    assert seen == {"InProgress", "Succeeded"}
    assert statuses(killed, urls) == dict.fromkeys(urls, "Succeeded")
    assert [each["path"] for each in killed.requests()] == [each["path"] for each in calm.requests()]
    assert len(killed.requests()) == len(urls)


def test_refused_reads_leave_chance_alone(emulator_factory: EmulatorFactory) -> None:
    """However often a client asks for what is not there, the next job has the same name."""
    calm, asked = (emulator_factory() for _ in range(2))
    for _, path in product(range(3), ("replicationJobs/none", "replicationFabrics/none", "backupJobs/none")):
        assert asked.get(f"{vault_neu(asked)}/{path}").status >= 400
    assert asked.post("/providers/Microsoft.ResourceGraph/resources", {"query": "what"}).status == 400
    assert begin_everything(calm) == begin_everything(asked)


def test_finished_operations_are_forgotten_after_a_day(emulator: Emulator) -> None:
    urls = begin_everything(emulator)
    jobs = [
        url for name, url in urls.items() if name in ("drill", "failover")
    ]  # an operation of Site Recovery is its job and stays
    emulator.advance(80_000)
    assert set(statuses(emulator, urls).values()) == {"Succeeded"}
    emulator.advance(20_000)
    emulator.restart()
    found = {url: emulator.get(url).status for url in urls.values()}
    assert found == {url: 200 if url in jobs else 404 for url in urls.values()}
    job = emulator.get(f"{vault_neu(emulator).replace('rsv-neu', 'rsv-weu')}/backupJobs").body["value"]
    started = {each["properties"]["startTime"][:16] for each in job}
    assert f"{datetime.fromisoformat(NOW):%Y-%m-%dT%H:%M}" in started
