from __future__ import annotations

import pytest

from azure_ops.services.backup_job_documents import backup_job
from azure_ops.services.replication_jobs import replication_job
from azure_ops.services.request_log import action_of, scope_of, shown_path, without_secrets

VAULT = "/subscriptions/s/resourceGroups/g/providers/Microsoft.RecoveryServices/vaults/v"


@pytest.mark.parametrize(
    ("method", "path", "action"),
    [
        ("GET", f"{VAULT}/backupJobs/1", "Microsoft.RecoveryServices/vaults/backupJobs/read"),
        (
            "GET",
            f"{VAULT.replace('/subscriptions', '/Subscriptions')}",
            "Microsoft.RecoveryServices/vaults/read",
        ),
        (
            "POST",
            f"{VAULT}/replicationFabrics/f/replicationProtectionContainers/c/replicationProtectedItems/i/testFailover",
            "Microsoft.RecoveryServices/vaults/replicationFabrics/replicationProtectionContainers"
            "/replicationProtectedItems/testFailover/action",
        ),
        (
            "PUT",
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/snapshots/x",
            "Microsoft.Compute/snapshots/write",
        ),
        ("GET", "/subscriptions", "Microsoft.Resources/subscriptions/read"),
        ("GET", "/subscriptions/s/resourceGroups/g", "Microsoft.Resources/subscriptions/resourceGroups/read"),
        (
            "POST",
            "/providers/Microsoft.ResourceGraph/resources",
            "Microsoft.ResourceGraph/resources/read",
        ),
        (
            "GET",
            "/subscriptions/s/providers/Microsoft.Compute/locations/w/DiskOperations/x",
            "Microsoft.Compute/locations/DiskOperations/read",
        ),
    ],
)
def test_a_request_needs_a_permission(method: str, path: str, action: str) -> None:
    assert action_of(method, path) == action


def test_budgets_belong_to_the_vault_else_to_the_subscription() -> None:
    assert scope_of(f"{VAULT}/backupJobs") == VAULT
    assert scope_of("/Subscriptions/s/providers/Microsoft.Compute/disks") == "s"
    assert scope_of("/providers/Microsoft.ResourceGraph/resources") == ""


def test_signatures_are_never_shown() -> None:
    url = f"https://host:1/{VAULT}/operationsStatus/1?api-version=1&t=63&c=MII&s=abc&h=def&$skiptoken=xyz&a%20b=%1b"
    shown = shown_path(url)
    for secret in ("63", "MII", "abc", "def", "xyz", "host"):
        assert secret not in shown.replace("operationsStatus", "")
    assert "api-version=1" in shown
    text = 'https://md.blob/abcd?sv=1&sig=AbC%2Fd%3D&x=1 and Bearer eyJ0eXAiOiJKV1Q.aa.bb {"accessSAS": "https://q"}'
    clean = without_secrets(text)
    for secret in ("AbC", "eyJ0", "https://q"):
        assert secret not in clean


@pytest.mark.parametrize(
    "text",
    [
        "GET https://management.azure.com/x?api-version=1&t=638&c=MIIsecret&s=SECRET-s&h=SECRET-h failed",
        "upload to https://md-1.blob.core.windows.net/a/b?sv=2018&sr=b&sig=SECRET%3D failed",
    ],
)
def test_signed_addresses_in_the_service_s_own_words_lose_their_signatures(text: str) -> None:
    clean = without_secrets(text)
    assert "secret" not in clean.lower()
    assert clean.endswith(" failed")


def test_what_a_job_says_is_kept_without_signatures() -> None:
    url = "https://md-1.blob.core.windows.net/a?sv=1&sig=SECRET"
    document = {
        "id": f"{VAULT}/replicationJobs/1",
        "properties": {
            "errors": [{"serviceErrorDetails": {"code": "1", "message": f"cannot write {url}"}}],
            "tasks": [{"taskId": "t", "errors": [{"serviceErrorDetails": {"message": url}}]}],
            "customDetails": {"comments": url},
        },
    }
    backup = {
        "id": f"{VAULT}/backupJobs/1",
        "properties": {
            "errorDetails": [{"errorString": url, "recommendations": [url]}],
            "extendedInfo": {
                "tasksList": [{"taskId": "t", "taskExecutionDetails": url}],
                "propertyBag": {"Template Blob Uri": url},
            },
        },
    }
    for job in (replication_job(document), backup_job(backup)):
        assert "blob.core" in str(job)
        assert "SECRET" not in str(job)
