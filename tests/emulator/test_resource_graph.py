"""Resource Graph through the real SDK: what the console asks, paging, scope, formats and refusals."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError
from azure.core.pipeline.transport import AioHttpTransport
from azure.mgmt.resourcegraph.aio import ResourceGraphClient
from azure.mgmt.resourcegraph.models import QueryRequest, QueryRequestOptions, QueryResponse

from ..conftest import EmulatorFactory
from ..support import READER_CLIENT_ID, Emulator

VMS = "resources | where type =~ 'Microsoft.Compute/virtualMachines'"
BACKUP_ITEMS = (
    "recoveryservicesresources | where type =~ "
    "'microsoft.recoveryservices/vaults/backupfabrics/protectioncontainers/protecteditems'"
)
REPLICATED_ITEMS = (
    "recoveryservicesresources | where type =~ 'microsoft.recoveryservices/vaults/replicationfabrics"
    "/replicationprotectioncontainers/replicationprotecteditems'"
)


class Graph:
    def __init__(self, emulator: Emulator, session: aiohttp.ClientSession, client_id: str) -> None:
        self.emulator = emulator
        self.client = ResourceGraphClient(
            _Credential(emulator.token(client_id)),
            base_url=emulator.endpoint,
            transport=AioHttpTransport(session=session, session_owner=False),
        )

    async def ask(self, query: str, **options: Any) -> QueryResponse:
        subscriptions = options.pop("subscriptions", None)
        request = QueryRequest(
            query=query,
            subscriptions=subscriptions,
            options=QueryRequestOptions(**{"result_format": "objectArray", **options}),
        )
        answer: QueryResponse = await self.client.resources(request)
        return answer


class _Credential:
    def __init__(self, token: str) -> None:
        self.token = token

    async def get_token(self, *scopes: str, **kwargs: Any) -> AccessToken:
        return AccessToken(self.token, 2**31)


@pytest.fixture
async def graph(shared_emulator: Emulator) -> AsyncIterator[Graph]:
    context = ssl.create_default_context(cafile=shared_emulator.ca_file)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=context),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
    ) as session:
        # The reader: asking the graph must need no more than reading.
        yield Graph(shared_emulator, session, READER_CLIENT_ID)


async def test_machines_as_the_console_asks_for_them(graph: Graph) -> None:
    answer = await graph.ask(
        f"{VMS} | project id, name, location, resourceGroup, subscriptionId, "
        "size = properties.hardwareProfile.vmSize, os = properties.storageProfile.osDisk.osType, "
        "power = properties.extended.instanceView.powerState.code | order by id asc"
    )
    assert answer.total_records == answer.count == len(answer.data) > 20
    assert answer.result_truncated == "false"
    assert answer.facets == []
    assert [row["id"] for row in answer.data] == sorted(row["id"] for row in answer.data)
    rows = {row["name"]: row for row in answer.data if not row["resourceGroup"].endswith("-asr")}
    assert rows["web-01"] | {"id": ""} == {
        "id": "",
        "name": "web-01",
        "location": "westeurope",
        "resourceGroup": "rg-web-weu",
        "subscriptionId": graph.emulator.subscription_ids[0],
        "size": "Standard_D2s_v5",
        "os": "Linux",
        "power": "PowerState/running",
    }
    assert rows["batch-01"]["power"] == "PowerState/deallocated"
    assert rows["sql-01"]["os"] == "Windows"


async def test_every_column_of_a_row(graph: Graph) -> None:
    answer = await graph.ask(f"{VMS} | where name == 'web-01'")
    row = answer.data[0]
    assert list(row) == [
        "id",
        "name",
        "type",
        "tenantId",
        "kind",
        "location",
        "resourceGroup",
        "subscriptionId",
        "managedBy",
        "sku",
        "plan",
        "properties",
        "tags",
        "identity",
        "zones",
        "extendedLocation",
    ]
    assert row["type"] == "microsoft.compute/virtualmachines"
    assert row["tenantId"] == graph.emulator.tenant_id
    assert row["zones"] == ["1"]
    assert row["properties"]["extended"]["instanceView"]["powerState"]["displayStatus"] == "VM running"


@pytest.mark.parametrize(
    "wanted",
    [
        "resources microsoft.compute/disks",
        "resources microsoft.compute/snapshots",
        "resources microsoft.network/virtualnetworks",
        "resources microsoft.network/networkinterfaces",
        "resources microsoft.storage/storageaccounts",
        "resources microsoft.recoveryservices/vaults",
        "recoveryservicesresources microsoft.recoveryservices/vaults/backuppolicies",
        "recoveryservicesresources microsoft.recoveryservices/vaults/backupjobs",
        "recoveryservicesresources microsoft.recoveryservices/vaults/replicationjobs",
        "resourcecontainers microsoft.resources/subscriptions",
        "resourcecontainers microsoft.resources/subscriptions/resourcegroups",
    ],
)
async def test_every_type_has_rows_and_its_documents_are_those_of_resource_manager(
    graph: Graph, wanted: str
) -> None:
    table, type_ = wanted.split()
    answer = await graph.ask(f"{table} | where type == '{type_}'")
    assert answer.data
    for row in answer.data:
        assert row["type"] == type_
        assert row["id"].lower().startswith("/subscriptions/")
        assert isinstance(row["properties"], dict)
    if table == "resources":
        row = answer.data[0]
        read = graph.emulator.get(row["id"])
        assert read.status == 200
        assert read.body["properties"] == row["properties"]


async def test_items_join_with_their_machines(graph: Graph) -> None:
    answer = await graph.ask(
        f"""
        {VMS} | extend vmId = tolower(id)
        | join kind=leftouter ({BACKUP_ITEMS}
            | project vmId = tolower(tostring(properties.sourceResourceId)),
                backup = properties.lastBackupStatus, state = properties.protectionState) on vmId
        | join kind=leftouter ({REPLICATED_ITEMS}
            | project vmId = tolower(tostring(properties.providerSpecificDetails.fabricObjectId)),
                health = properties.replicationHealth, rpo = properties.providerSpecificDetails.rpoInSeconds)
            on vmId
        | where resourceGroup !endswith '-asr'
        | project name, backup, state, health, rpo
        """
    )
    rows = {row.pop("name"): row for row in answer.data}
    assert (rows["web-01"]["backup"], rows["web-01"]["health"]) == ("Completed", "Normal")
    assert (rows["dc-01"]["backup"], rows["dc-01"]["health"]) == (None, "Critical")
    assert rows["dc-01"]["rpo"] > 3 * 3600
    assert (rows["sql-01"]["backup"], rows["sql-01"]["health"]) == ("Failed", "Warning")
    assert 38 * 60 < rows["sql-01"]["rpo"] < 43 * 60
    assert rows["erp-01"]["state"] == "IRPending"
    assert rows["jump-01"] == {"backup": None, "state": None, "health": None, "rpo": None}


async def test_pages_follow_the_skip_token_and_lose_nothing(graph: Graph) -> None:
    query = f"{VMS} | project id, name | order by id asc"
    whole = await graph.ask(query)
    seen: list[str] = []
    token, pages = None, 0
    while token is not None or not pages:
        answer = await graph.ask(query, top=7, skip_token=token)
        assert answer.total_records == whole.total_records
        assert answer.count == len(answer.data) <= 7
        seen += [row["id"] for row in answer.data]
        token, pages = answer.skip_token, pages + 1
        assert answer.result_truncated == ("true" if token else "false")
    assert seen == [row["id"] for row in whole.data]
    assert pages == -(-len(seen) // 7)
    skipped = await graph.ask(query, top=3, skip=5)
    assert [row["id"] for row in skipped.data] == seen[5:8]


async def test_no_skip_token_without_the_id_or_after_a_limit(graph: Graph) -> None:
    assert (await graph.ask(f"{VMS} | project name", top=5)).skip_token is None
    limited = await graph.ask(f"{VMS} | limit 10", top=5)
    assert (limited.total_records, limited.skip_token) == (10, None)


async def test_table_format(graph: Graph) -> None:
    answer = await graph.ask(
        f"{VMS} | summarize n = count() by location, on = name == 'web-01' | order by location asc, n asc",
        result_format="table",
    )
    columns = [(column["name"], column["type"]) for column in answer.data["columns"]]
    assert columns == [("location", "string"), ("on", "boolean"), ("n", "integer")]
    assert ["westeurope", True, 1] in answer.data["rows"]


async def test_only_the_given_subscriptions(graph: Graph) -> None:
    production, development = graph.emulator.subscription_ids
    here = await graph.ask(f"{VMS} | distinct subscriptionId", subscriptions=[development.upper()])
    assert here.data == [{"subscriptionId": development}]
    both = await graph.ask("resourcecontainers | where type == 'microsoft.resources/subscriptions'")
    assert {row["name"] for row in both.data} == {"Contoso-Prod", "Contoso-Dev"}
    with pytest.raises(HttpResponseError) as refused:
        await graph.ask(VMS, subscriptions=["00000000-0000-0000-0000-000000000000"])
    assert "NoValidSubscriptionsInQueryRequest" in str(refused.value)
    assert production != development


async def test_a_query_that_is_not_understood_is_refused_as_the_service_does(graph: Graph) -> None:
    with pytest.raises(HttpResponseError) as refused:
        await graph.ask("resources | where type = 'x'")
    error = refused.value
    assert error.status_code == 400
    assert error.error is not None
    assert error.error.code == "BadRequest"
    assert "timestamp = 2026-08-22T14:00:00.0000000Z, correlationId = " in error.error.message
    assert [detail.code for detail in error.error.details] == ["InvalidQuery", "ParserFailure"]
    with pytest.raises(HttpResponseError, match="InvalidQueryLanguage"):
        await graph.ask("resources | parse id with * '/x'")
    with pytest.raises(HttpResponseError, match="Table secrets is invalid, unsupported or disallowed"):
        await graph.ask("secrets")
    with pytest.raises(HttpResponseError, match="InvalidSkipToken"):
        await graph.ask(VMS, skip_token="not a token")


def test_quota_headers(emulator: Emulator) -> None:
    answer = emulator.post("/providers/Microsoft.ResourceGraph/resources", {"query": "resources | count"})
    assert answer.body["data"][0]["Count"] > 50
    assert int(answer.headers["x-ms-user-quota-remaining"]) < 15
    assert answer.headers["x-ms-user-quota-resets-after"].startswith("00:00:0")
    assert not [one for one in emulator.requests() if "ResourceGraph" in one["path"]]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"$top": 1001}, "InvalidTop"),
        ({"$top": "many"}, "InvalidTop"),
        ({"$skip": "x"}, "InvalidSkip"),
        ({"$skip": -1}, "InvalidSkip"),
        ({"$skipToken": "bm90IGpzb24="}, "InvalidSkipToken"),
        ({"$skipToken": "eyJSb3dzVG9Ta2lwIjogW119"}, "InvalidSkipToken"),
        ("none", "InvalidOptions"),
    ],
)
def test_options_that_make_no_sense(shared_emulator: Emulator, options: Any, code: str) -> None:
    body = {"query": VMS, "options": options}
    answer = shared_emulator.post("/providers/Microsoft.ResourceGraph/resources", body)
    assert answer.status == 400
    assert answer.body["error"]["details"][-1]["code"] == code


def test_a_page_holds_a_thousand_rows(emulator_factory: EmulatorFactory) -> None:
    emulator = emulator_factory(fleet=1100, throttle=False)
    ask = "/providers/Microsoft.ResourceGraph/resources"
    query = {"query": f"{VMS} | project id | order by id asc"}
    first = emulator.post(ask, query).body
    assert (first["totalRecords"], first["count"], first["resultTruncated"]) == (1100, 1000, "true")
    second = emulator.post(ask, query | {"options": {"$skipToken": first["$skipToken"]}}).body
    assert (second["count"], second["resultTruncated"], "$skipToken" in second) == (100, "false", False)
    assert first["data"][-1]["id"] < second["data"][0]["id"]
    # Before there was a choice of formats, there was the table.
    old = emulator.post(f"{ask}?api-version=2019-04-01", query).body
    assert old["data"]["columns"] == [{"name": "id", "type": "string"}]
