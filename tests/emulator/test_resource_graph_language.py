"""The query language by itself, over a table made of plain rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from azure_ops.emulator.resource_graph.errors import QueryError, unknown_table
from azure_ops.emulator.resource_graph.pipeline import Engine
from azure_ops.emulator.resource_graph.rows import PlainRow, Row
from azure_ops.emulator.resource_graph.syntax import parse
from azure_ops.emulator.resource_graph.values import wire_value

NOW = datetime(2026, 8, 22, 14, 0, tzinfo=UTC)
VM = "microsoft.compute/virtualmachines"
DISK = "microsoft.compute/disks"


def _row(name: str, type_: str, location: str, **properties: Any) -> dict[str, Any]:
    return {"id": f"/{name}", "name": name, "type": type_, "location": location, "properties": properties}


ROWS = [
    _row("web-01", VM, "westeurope", size=2, at="2026-08-22T13:00:00.0000000Z", disks=["a", "b"]),
    _row("Web-02", VM, "northeurope", size=4, at="2026-08-20T13:00:00Z", disks=[]),
    _row("sql-01", VM, "westeurope", size=8, tier={"the name": "Premium"}, on=True),
    _row("web-01_os", DISK, "westeurope", owner="/web-01", size=128),
    _row("sql-01_os", DISK, "westeurope", owner="/sql-01", size=64),
    _row("sql-01_data", DISK, "westeurope", owner="/sql-01", size=512),
]


class Things:
    columns = ("id", "name", "type", "location", "properties")

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.content = rows

    def keep_types(self, wanted: Callable[[str], bool]) -> None:
        self.content = [row for row in self.content if wanted(row["type"])]

    def rows(self) -> Iterator[Row]:
        return (PlainRow(row) for row in self.content)


def ask(query: str) -> list[dict[str, Any]]:
    def table(name: str) -> Any:
        if name.lower() != "resources":
            raise unknown_table(name)
        return Things(ROWS)

    relation = Engine(table, NOW).run(parse(query))
    return [{name: wire_value(row.get(name)) for name in relation.columns} for row in relation.rows]


def names(query: str) -> list[str]:
    return [row["name"] for row in ask(query)]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("name == 'web-01'", ["web-01"]),
        ("name == 'web-02'", []),
        ("name =~ 'web-02'", ["Web-02"]),
        ("name != 'web-01' and type == 'microsoft.compute/virtualmachines'", ["Web-02", "sql-01"]),
        ("name !~ 'WEB-01' and type endswith 'MACHINES'", ["Web-02", "sql-01"]),
        ("name in ('web-01', \"sql-01\")", ["web-01", "sql-01"]),
        ("name in~ ('WEB-01', 'web-02')", ["web-01", "Web-02"]),
        ("name !in~ ('WEB-01', 'web-02') and type =~ 'Microsoft.Compute/virtualMachines'", ["sql-01"]),
        ("name contains 'EB-0' and type has 'virtualmachines'", ["web-01", "Web-02"]),
        ("name contains_cs 'Web'", ["Web-02"]),
        ("name has 'sql' and type has 'disk'", []),
        ("name has 'sql' and type has 'disks'", ["sql-01_os", "sql-01_data"]),
        ("name startswith 'sql' and name !endswith '_os'", ["sql-01", "sql-01_data"]),
        ("properties.size > 4 and properties.size <= 64", ["sql-01", "sql-01_os"]),
        ("properties['tier']['the name'] == 'Premium'", ["sql-01"]),
        ("properties.on == true", ["sql-01"]),
        ("isnotempty(properties.owner)", ["web-01_os", "sql-01_os", "sql-01_data"]),
        ("isempty(properties.owner) and isnull(properties.at)", ["sql-01"]),
        ("todatetime(properties.at) > ago(1d)", ["web-01"]),
        ("properties.at < datetime(2026-08-21)", ["Web-02"]),
        ("now() - todatetime(properties.at) > 2h", ["Web-02"]),
        ("not(type =~ 'microsoft.compute/disks') and not(location == 'westeurope')", ["Web-02"]),
        ("name == 'web-01' or (name == 'sql-01' and properties.size == 8)", ["web-01", "sql-01"]),
        ("array_length(properties.disks) == 2", ["web-01"]),
        ("properties.disks[1] == 'b' and split(name, '-')[0] == 'web'", ["web-01"]),
        ("strcat(tolower(name), '!') == 'web-02!'", ["Web-02"]),
        ("properties.size * 2 + 1 == 9 and -1 < 0", ["Web-02"]),
        ("toint('8') == properties.size", ["sql-01"]),
        ("iff(properties.on, 'yes', 'no') == 'yes'", ["sql-01"]),
        ("name == @'web-01' // a comment with 'quotes'", ["web-01"]),
        ("name == 'w\\u0065b-01'", ["web-01"]),
    ],
)
def test_where(condition: str, expected: list[str]) -> None:
    assert names(f"resources | where {condition}") == expected


def test_operators_shape_the_columns() -> None:
    query = """
        Resources
        | where type =~ 'Microsoft.Compute/virtualMachines'
        | extend size = toint(properties.size), tostring(properties.at)
        | project-away i*, properties
        | project-rename region = location
        | sort by size desc
        | project name, region, size, properties_at, coalesce(properties_at, 'never')
    """
    assert ask(query)[0] == {
        "name": "sql-01",
        "region": "westeurope",
        "size": 8,
        "properties_at": "",
        "Column5": "never",
    }


def test_order_is_descending_unless_told_and_stable() -> None:
    assert names("resources | order by name") == sorted((row["name"] for row in ROWS), reverse=True)
    vms = f"resources | where type == '{VM}'"
    assert names(f"{vms} | order by location asc, name desc") == ["Web-02", "web-01", "sql-01"]
    assert names(f"{vms} | order by tostring(properties.none)") == ["web-01", "Web-02", "sql-01"]
    assert names(f"{vms} | order by todatetime(properties.at) asc") == ["sql-01", "Web-02", "web-01"]
    assert names(f"{vms} | order by todatetime(properties.at) asc nulls last") == [
        "Web-02",
        "web-01",
        "sql-01",
    ]
    assert names("resources | top 2 by toint(properties.size) desc") == ["sql-01_data", "web-01_os"]
    assert names("resources | order by id asc | limit 2") == ["Web-02", "sql-01"]


def test_summaries() -> None:
    assert ask("resources | count") == [{"Count": 6}]
    assert ask("resources | where name == 'none' | summarize count()") == [{"count_": 0}]
    by_type = "resources | summarize n = count(), total = sum(properties.size), max(properties.size) by type"
    assert ask(by_type) == [
        {"type": VM, "n": 3, "total": 14, "max_properties_size": 8},
        {"type": DISK, "n": 3, "total": 704, "max_properties_size": 512},
    ]
    assert ask("resources | distinct location") == [{"location": "westeurope"}, {"location": "northeurope"}]
    assert ask("resources | summarize make_set(location)")[0]["set_location"] == ["westeurope", "northeurope"]


def test_joins() -> None:
    query = f"""
        resources | where type == '{VM}'
        | join kind=leftouter (resources | where type == '{DISK}'
            | project owner = tostring(properties.owner), name, gb = properties.size)
        on $left.id == $right.owner
        | project name, name1, gb
    """
    assert ask(query) == [
        {"name": "web-01", "name1": "web-01_os", "gb": 128},
        {"name": "Web-02", "name1": None, "gb": None},
        {"name": "sql-01", "name1": "sql-01_os", "gb": 64},
        {"name": "sql-01", "name1": "sql-01_data", "gb": 512},
    ]
    assert len(ask(query.replace("leftouter", "inner"))) == 3
    assert len(ask("resources | join kind=inner resources on name")) == 6


def test_expansion_of_arrays() -> None:
    query = f"resources | where type == '{VM}' | mv-expand disk = properties.disks | project name, disk"
    assert [(row["name"], row["disk"]) for row in ask(query)] == [
        ("web-01", "a"),
        ("web-01", "b"),
        ("Web-02", None),
        ("sql-01", None),
    ]


def test_words_of_the_language_are_columns_elsewhere() -> None:
    query = "resources | extend kind = 1, count = 2, top = 3 | where kind == 1 and count > top"
    assert ask(query) == []
    assert len(ask(query.replace("count >", "count <") + " | project on = kind, by = type")) == 6
    assert names("where name == 'web-01'") == ["web-01"]


@pytest.mark.parametrize(
    ("query", "details"),
    [
        (
            "resources | where name =~ web-01' and type == 'x'",
            {"code": "ParserFailure", "line": 1, "characterPositionInLine": 32, "token": "' and type == '"},
        ),
        (
            "resources\n| wher name",
            {"code": "ParserFailure", "line": 2, "characterPositionInLine": 2, "token": "wher"},
        ),
        (
            "resources | where name ==",
            {"code": "ParserFailure", "line": 1, "characterPositionInLine": 25, "token": "<EOF>"},
        ),
        ("resources | limit", {"code": "ParserFailure", "token": "<EOF>", "expectedToken": "number"}),
        ("", {"code": "ParserFailure", "line": 1, "characterPositionInLine": 0, "token": "<EOF>"}),
        ("resources | parse id with * '/x'", {"code": "InvalidQueryLanguage", "token": "parse", "line": -1}),
        ("resources | union other", {"code": "InvalidQueryLanguage", "token": "union"}),
        (
            "resources | extend a = geo_distance(1, 2)",
            {"code": "InvalidQueryLanguage", "token": "geo_distance"},
        ),
        ("secrets | count", {"code": "DisallowedLogicalTableName"}),
        ("resources | project nmae", {"code": "Default"}),
        ("resources | summarize name", {"code": "Default"}),
        ("resources | where tolower() == 'x'", {"code": "Default"}),
    ],
)
def test_refusals(query: str, details: dict[str, Any]) -> None:
    with pytest.raises(QueryError) as refused:
        ask(query)
    last = refused.value.details[-1]
    assert {key: last.get(key) for key in details} == details
    if details["code"] != "DisallowedLogicalTableName":
        assert refused.value.details[0]["code"] == "InvalidQuery"


def test_only_the_rows_of_the_page_are_worked_out() -> None:
    asked: list[str] = []

    class Watched(PlainRow):
        def get(self, column: str) -> Any:
            asked.append(column)
            return super().get(column)

    class Table(Things):
        def rows(self) -> Iterator[Row]:
            return (Watched(row) for row in self.content)

    relation = Engine(lambda name: Table(ROWS), NOW).run(  # type: ignore[arg-type,return-value]
        parse(f"resources | where type == '{VM}' | project id, size = properties.size | order by id asc")
    )
    assert asked == ["id"] * 3
    relation.rows[0].get("size")
    assert asked == ["id"] * 3 + ["properties"]
