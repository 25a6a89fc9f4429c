"""The environment with which unmodified clients (azure-identity, the SDKs, `az`, the console) find the
emulator, and nothing else of Azure."""

from __future__ import annotations

import shlex

from .records.tenancy import (
    ADMIN_CLIENT_ID,
    GUARDED_CLIENT_ID,
    OPERATOR_CLIENT_ID,
    READER_CLIENT_ID,
)
from .state_dir import Run

UNSET = (
    "MSI_ENDPOINT",
    "MSI_SECRET",
    "IMDS_ENDPOINT",
    "IDENTITY_SERVER_THUMBPRINT",
    "AZURE_POD_IDENTITY_AUTHORITY_HOST",
    "AZURE_CLIENT_ID",
)
"""Each of these makes azure-identity speak another protocol or ask for another identity."""


def client_env(run: Run) -> dict[str, str]:
    return {
        "AZRECOVER_ARM_ENDPOINT": run.endpoint,
        "AZRECOVER_CA": run.ca_file,
        "IDENTITY_ENDPOINT": run.identity_endpoint,
        "IDENTITY_HEADER": run.identity_header,
        "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential",
        "REQUESTS_CA_BUNDLE": run.ca_file,
        "NO_PROXY": "127.0.0.1,localhost",
    }


def shell_exports(run: Run) -> str:
    lines = [f"export {name}={shlex.quote(value)}" for name, value in client_env(run).items()]
    lines.append(f"unset {' '.join(UNSET)}")
    lines += [
        f"# tenant {run.tenant_id}",
        *(f"# subscription {each}" for each in run.subscription_ids),
        f"# identities: operator {OPERATOR_CLIENT_ID} (the default), reader {READER_CLIENT_ID},",
        f"#   operator without rights on Resource Guards {GUARDED_CLIENT_ID}, Contributor {ADMIN_CLIENT_ID}",
        "# for another than the operator: export AZURE_CLIENT_ID, or az login --identity --client-id",
    ]
    return "\n".join(lines)
