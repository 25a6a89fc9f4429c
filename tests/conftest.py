"""Fixtures: emulators as processes of their own, with a frozen clock unless a test asks for another."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from .support import NOW, Emulator
from .warm import start_engines_warm, warm


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--cold", action="store_true", help="start every program as `python -m`, none by a fork")


def pytest_configure() -> None:
    start_engines_warm()


def pytest_runtest_setup(item: pytest.Item) -> None:
    warm.cold = bool(item.config.getoption("--cold")) or item.get_closest_marker("cold") is not None


class EmulatorFactory(Protocol):
    def __call__(
        self,
        fleet: str | int = ...,
        speed: float = ...,
        seed: int = ...,
        now: str | None = ...,
        throttle: bool = ...,
        arguments: tuple[str, ...] = ...,
    ) -> Emulator: ...


def _factory(folder: Path, started: list[Emulator]) -> EmulatorFactory:
    numbers = itertools.count(1)

    def start(
        fleet: str | int = "contoso",
        speed: float = 0,
        seed: int = 1,
        now: str | None = NOW,
        throttle: bool = True,
        arguments: tuple[str, ...] = (),
    ) -> Emulator:
        words = ["--fleet", str(fleet), "--speed", str(speed), "--seed", str(seed)]
        if now is not None:
            words += ["--now", now]
        if not throttle:
            words.append("--no-throttle")
        emulator = Emulator(folder / f"emulator-{next(numbers)}", *words, *arguments)
        started.append(emulator)
        return emulator

    return start


@pytest.fixture
def emulator_factory(tmp_path: Path) -> Iterator[EmulatorFactory]:
    """Starts emulators; all of them end with the test."""
    started: list[Emulator] = []
    yield _factory(tmp_path, started)
    for emulator in started:
        emulator.kill()


@pytest.fixture
def emulator(emulator_factory: EmulatorFactory) -> Emulator:
    """The contoso fleet at a fixed moment that only `advance` moves; a fresh one for each test."""
    return emulator_factory()


@pytest.fixture(scope="session")
def shared_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """One contoso fleet for all tests that only read: never change it, never turn its clock."""
    started: list[Emulator] = []
    yield _factory(tmp_path_factory.mktemp("shared"), started)(throttle=False)
    for emulator in started:
        emulator.kill()


@pytest.fixture
def emulator_env(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Emulator:
    """The test's own process pointed at the emulator, for azure-identity and the SDKs."""
    for name in list(os.environ):
        if name.startswith(("AZURE_", "MSI_", "IDENTITY_", "IMDS_")):
            monkeypatch.delenv(name)
    for name, value in emulator.env.items():
        monkeypatch.setenv(name, value)
    return emulator
