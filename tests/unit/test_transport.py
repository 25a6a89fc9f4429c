from __future__ import annotations

import pytest

from azure_ops.services.transport import proxy_for


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def test_proxies_are_those_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert proxy_for("https://management.azure.com/subscriptions") is None
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,.internal")
    assert proxy_for("https://management.azure.com/subscriptions") == "http://proxy:3128"
    assert proxy_for("https://127.0.0.1:8443/x") is None
    assert proxy_for("https://arm.internal/x") is None
    assert proxy_for("http://169.254.169.254/metadata") is None, "no proxy for plain http was named"
