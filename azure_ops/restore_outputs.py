"""What a restore made or left, as lines to be shown and copied. Pure; a job's words come without secrets."""

from __future__ import annotations

from .model import Job, JobKind, Operation, Output

RESTORES = frozenset({"Restore", "CrossRegionRestore"})
TEMPLATES = ("Create VM Template Blob Uri", "Template Blob Uri")
NO_NAME = "vmName"
"""What the service puts for the target VM of a restore in another region, whatever is made."""
LABELS = (
    ("Target VM Name", "VM name"),
    ("Target resource group", "Resource group"),
    ("Restored disk(s)", "Restored from the disks"),
    ("Create VM Template Blob Uri", "Template"),
    ("Template Blob Uri", "Template"),
    ("Config Blob Uri", "Configuration"),
)


def outputs_of(job: Job | None) -> tuple[Output, ...]:
    if job is None or job.kind is not JobKind.BACKUP or job.operation not in RESTORES:
        return ()
    return tuple(
        Output(label=label, value=job.properties[key])
        for key, label in LABELS
        if job.properties.get(key) and job.properties[key] != NO_NAME
    )


def outputs(operation: Operation | None, job: Job | None) -> tuple[Output, ...]:
    """Of the operation once it has ended, else what its job tells so far."""
    if operation is not None and operation.outputs:
        return operation.outputs
    return outputs_of(job)
