"""The VM sizes that Site Recovery offers for a target (`targetComputeSizes`); figures as published."""

from __future__ import annotations

from dataclasses import dataclass

from ..answers import Json


@dataclass(frozen=True, slots=True)
class Size:
    name: str
    cores: int
    memory_gb: float
    data_disks: int
    nics: int
    premium: bool = True
    generations: tuple[str, ...] = ("V1", "V2")

    def properties(self) -> dict[str, Json]:
        return {
            "name": self.name,
            "friendlyName": self.name,
            "cpuCoresCount": self.cores,
            "vCPUsAvailable": self.cores,
            "memoryInGB": self.memory_gb,
            "maxDataDiskCount": self.data_disks,
            "maxNicsCount": self.nics,
            "errors": [],
            "highIopsSupported": "Supported" if self.premium else "NotSupported",
            "hyperVGenerations": list(self.generations),
        }


SIZES = (
    Size("Standard_A1_v2", 1, 2.0, 2, 2, premium=False, generations=("V1",)),
    Size("Standard_B2s", 2, 4.0, 4, 3),
    Size("Standard_B2ms", 2, 8.0, 4, 3),
    Size("Standard_B4ms", 4, 16.0, 8, 4),
    Size("Standard_DS1_v2", 1, 3.5, 4, 2),
    Size("Standard_D2s_v3", 2, 8.0, 4, 2),
    Size("Standard_D4s_v3", 4, 16.0, 8, 2),
    Size("Standard_D2s_v5", 2, 8.0, 4, 2),
    Size("Standard_D4s_v5", 4, 16.0, 8, 2),
    Size("Standard_D8s_v5", 8, 32.0, 16, 4),
    Size("Standard_D16s_v5", 16, 64.0, 32, 8),
    Size("Standard_E2s_v5", 2, 16.0, 4, 2),
    Size("Standard_E4s_v5", 4, 32.0, 8, 2),
    Size("Standard_E8s_v5", 8, 64.0, 16, 4),
    Size("Standard_E16s_v5", 16, 128.0, 32, 8),
    Size("Standard_F4s_v2", 4, 8.0, 8, 2),
    Size("Standard_F8s_v2", 8, 16.0, 16, 4),
)
