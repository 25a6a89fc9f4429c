"""How requests are shown and counted: the path without secrets, the permission needed, whose budget."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote, urlsplit

from ..arm_ids import request_path, resource_type, segment, subscription_of, vault_of

_SECRET_KEYS = frozenset({"t", "c", "s", "h", "sig", "sv", "se", "skn", "$skiptoken", "skiptoken", "code"})
"""Query keys of signed poll URLs and SAS, and paging tokens: long, and not for a screen or a log."""
_SECRET_TEXT = re.compile(
    r"(?i)(\b(?:sig|sastoken|accesssas|access_token|client_secret|password)\b[\"']?\s*[=:]\s*[\"']?)[^\s&\"',}]+"
)
_SIGNED_QUERY = re.compile(r"(?i)([?&](?:t|c|s|h|sig|skn|code)=)[^\s&\"'<>]+")
_BEARER = re.compile(r"(?i)\bbearer\s+[\w.~+/=-]{8,}")
_WORDS_OF_METHOD = {"GET": "read", "HEAD": "read", "PUT": "write", "PATCH": "write", "DELETE": "delete"}
GRAPH_ACTION = "Microsoft.ResourceGraph/resources/read"


def shown_path(url: str) -> str:
    """Path and query, percent-decoded, without host; the values of secret keys are left out."""
    found = urlsplit(url)
    query = [
        f"{key}=…" if key.lower() in _SECRET_KEYS else f"{key}={value}"
        for key, value in parse_qsl(found.query, keep_blank_values=True)
    ]
    return without_secrets(unquote(found.path) + ("?" + "&".join(query) if query else ""))


def without_secrets(text: str) -> str:
    """Text from an answer or an exception, fit for a log or a screen."""
    return _BEARER.sub("Bearer …", _SIGNED_QUERY.sub(r"\1…", _SECRET_TEXT.sub(r"\1…", text)))


def action_of(method: str, path: str) -> str:
    """The permission that a request needs, as Azure counts and names it: `Microsoft.X/types/read`."""
    if path.lower().rstrip("/").endswith("/providers/microsoft.resourcegraph/resources"):
        return GRAPH_ACTION
    method = method.upper()
    path = unquote(path)
    if method == "POST":
        verb = path.rstrip("/").rsplit("/", 1)
        return f"{_type_of(verb[0])}/{verb[-1]}/action" if len(verb) == 2 else ""
    return f"{_type_of(path)}/{_WORDS_OF_METHOD.get(method, method.lower())}"


def _type_of(path: str) -> str:
    if "/providers/" not in path.lower():
        if segment(path, "resourceGroups"):
            return "Microsoft.Resources/subscriptions/resourceGroups"
        return "Microsoft.Resources/subscriptions"
    return resource_type(path) if path.lower().startswith("/subscriptions/") else _tenant_type(path)


def _tenant_type(path: str) -> str:
    rest = re.split(r"(?i)/providers/", path)[-1].strip("/").split("/")
    return "/".join([rest[0], *rest[1::2]])


def scope_of(path: str) -> str:
    """Whose budget: the vault's where there is one, else the subscription's."""
    path = request_path(unquote(path))
    return vault_of(path) or subscription_of(path)
