"""The regions that fleets live in, with the spellings the services use for them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Region:
    name: str
    """`westeurope`"""
    display_name: str
    """`West Europe`"""
    code: str
    """`weu`: what people put into names."""


_REGIONS = (
    Region("westeurope", "West Europe", "weu"),
    Region("northeurope", "North Europe", "neu"),
    Region("eastus", "East US", "eus"),
    Region("westus", "West US", "wus"),
    Region("uksouth", "UK South", "uks"),
    Region("ukwest", "UK West", "ukw"),
    Region("germanywestcentral", "Germany West Central", "gwc"),
    Region("germanynorth", "Germany North", "gno"),
    Region("southeastasia", "Southeast Asia", "sea"),
    Region("eastasia", "East Asia", "eas"),
    Region("centralus", "Central US", "cus"),
    Region("eastus2", "East US 2", "eu2"),
)
REGIONS = {region.name: region for region in _REGIONS}
PAIRS = tuple((_REGIONS[at].name, _REGIONS[at + 1].name) for at in range(0, len(_REGIONS), 2))
"""Regions that fail over to each other."""
