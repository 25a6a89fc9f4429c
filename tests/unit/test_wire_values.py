from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from azure_ops.wire_values import number, parse_moment, part, parts, text, texts, word


@pytest.mark.parametrize(
    ("wire", "moment"),
    [
        ("2025-05-30T07:52:32.0792065Z", datetime(2025, 5, 30, 7, 52, 32, 79206, tzinfo=UTC)),
        ("2025-05-30T07:52:32", datetime(2025, 5, 30, 7, 52, 32, tzinfo=UTC)),
        ("2025-05-30T09:52:32+02:00", datetime(2025, 5, 30, 7, 52, 32, tzinfo=UTC)),
        ("5/30/2025 7:52:32 PM", datetime(2025, 5, 30, 19, 52, 32, tzinfo=UTC)),
        ("0001-01-01T00:00:00", None),
        ("1753-01-01T01:01:01Z", None),
        ("2001-01-01T00:00:00Z", None),
        ("2001-09-09T01:46:40Z", datetime(2001, 9, 9, 1, 46, 40, tzinfo=UTC)),
        ("9999-12-31T23:59:59.9999999", None),
        ("", None),
        ("soon", None),
        (None, None),
        (17, None),
        ({}, None),
    ],
)
def test_times_are_aware_and_sentinels_are_none(wire: Any, moment: datetime | None) -> None:
    assert parse_moment(wire) == moment


def test_documents_of_any_shape_are_read() -> None:
    document: dict[str, Any] = {
        "a": {"b": 1},
        "list": [{"x": 1}, 2, None],
        "n": 5,
        "t": True,
        "nothing": None,
    }
    assert part(document, "a", "b", "c") == {}
    assert part([], "a") == {}
    assert list(parts(document, "list")) == [{"x": 1}]
    assert list(parts(document, "a")) == []
    assert text(document, "n") == "5"
    assert text(document, "t") == text(document, "a") == text(document, "nothing") == ""
    assert texts(document, "list") == ("2",)
    assert number(document, "t") is None
    assert number({"x": "1.5"}, "x") == 1.5
    assert number({"x": "much"}, "x") is None


def test_enums_of_older_versions_are_numbers() -> None:
    words = {1: "Valid"}
    assert [word(value, words) for value in ("Valid", 1, 7, None, True)] == ["Valid", "Valid", "7", "", ""]
