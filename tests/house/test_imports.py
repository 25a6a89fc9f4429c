"""Who may import whom: read from the source, and seen in `sys.modules` of a fresh interpreter."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIGHT = {
    "model", "errors", "wire", "client", "early_line", "cloud", "paths", "version", "actions", "actions.spec",
    "arm_ids", "failback", "loose_ends", "file_model", "file_places", "secret",
    "points", "recommend", "incident_time", "preflight", "disk_sources", "file_ways",
    "restore_rules", "restore_outputs", "item_recovery", "sizes",
}  # fmt: skip
"""Modules of azure_ops that the console may import; they import the encoder and each other only."""
THIRD_PARTY_OF_LIGHT = {"msgspec", "platformdirs"}


def module_name(path: Path) -> str:
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def package_of(path: Path) -> list[str]:
    return list(path.relative_to(ROOT).parent.parts)


def sources(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def imports(path: Path, *, top_only: bool = False) -> Iterator[str]:
    """Full names of what a file imports; `top_only` leaves out what stands inside functions."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = _top_nodes(tree) if top_only else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package_of(path)[: len(package_of(path)) - node.level + 1] if node.level else []
            name = ".".join([*base, node.module] if node.module else base)
            yield name
            yield from (f"{name}.{alias.name}" for alias in node.names)


def _top_nodes(tree: ast.Module) -> Iterator[ast.AST]:
    """What runs when the module is imported: no function bodies, nothing under TYPE_CHECKING."""
    stack: list[ast.AST] = list(tree.body)
    while stack:
        node = stack.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        stack.extend(ast.iter_child_nodes(node))


def is_within(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


def offences(folder: str, forbidden: tuple[str, ...], *, top_only: bool = False) -> list[str]:
    return [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sources(folder)
        for name in imports(path, top_only=top_only)
        if is_within(name, *forbidden)
    ]


def test_widgets_know_no_azure_sdk_no_store_and_no_tui() -> None:
    assert not offences("widgets", ("azure", "sqlite3", "tui", "aiohttp", "azure_ops.emulator"))


def test_widgets_use_only_the_light_part_of_azure_ops() -> None:
    assert not heavy_imports("widgets")


def test_tui_knows_no_azure_sdk_and_no_store() -> None:
    assert not offences("tui", ("azure", "sqlite3", "aiohttp", "azure_ops.emulator"))


def test_tui_uses_only_the_light_part_of_azure_ops() -> None:
    assert not heavy_imports("tui")


def heavy_imports(folder: str) -> list[str]:
    found = []
    for path in sources(folder):
        for name in imports(path):
            if not is_within(name, "azure_ops") or name == "azure_ops":
                continue
            rest = name.removeprefix("azure_ops.")
            if not any(is_within(rest, light) for light in LIGHT):
                found.append(f"{path.relative_to(ROOT)} imports {name}")
    return found


def test_azure_ops_knows_no_screen() -> None:
    assert not offences("azure_ops", ("textual", "rich", "tui", "widgets"))


def test_only_the_emulator_imports_the_emulator() -> None:
    found = [
        line for line in offences("azure_ops", ("azure_ops.emulator",)) if "azure_ops/emulator/" not in line
    ]
    assert not found


def test_the_emulator_shares_no_code_with_its_client() -> None:
    found = []
    for path in sources("azure_ops/emulator"):
        for name in imports(path):
            ours = is_within(name, "azure_ops") and not is_within(name, "azure_ops.emulator")
            if (ours and name != "azure_ops") or is_within(name, "azure"):
                found.append(f"{path.relative_to(ROOT)} imports {name}")
    assert not found


def test_the_engine_side_imports_no_sdk_at_the_top() -> None:
    found = [
        line
        for line in offences("azure_ops", ("azure", "aiohttp", "msal"), top_only=True)
        if "azure_ops/emulator/" not in line
    ]
    assert not found


def test_file_restore_needs_no_azure_and_no_engine() -> None:
    allowed = {*sys.stdlib_module_names, "aiohttp", "yarl", "msgspec", "cryptography"}
    found = []
    for path in sources("azure_ops/file_restore"):
        for name in imports(path):
            shared = ("azure_ops.file_restore", "azure_ops.errors", "azure_ops.secret")
            ours = is_within(name, *shared) or name == "azure_ops"
            if not ours and name.split(".")[0] not in allowed:
                found.append(f"{path.relative_to(ROOT)} imports {name}")
    assert not found


def light_files() -> list[Path]:
    return [
        path
        for path in sources("azure_ops")
        if any(is_within(module_name(path).removeprefix("azure_ops."), light) for light in LIGHT)
    ]


def test_the_light_part_stays_light() -> None:
    allowed = {*sys.stdlib_module_names, *THIRD_PARTY_OF_LIGHT}
    found = []
    for path in light_files():
        for name in imports(path, top_only=True):
            top = name.split(".")[0]
            if top == "azure_ops":
                rest = name.removeprefix("azure_ops").lstrip(".")
                if rest and not any(is_within(rest, light) for light in LIGHT):
                    found.append(f"{path.relative_to(ROOT)} imports {name}")
            elif top not in allowed:
                found.append(f"{path.relative_to(ROOT)} imports {name}")
    assert not found


@pytest.mark.parametrize(
    ("module", "never"),
    [
        (
            "tui.app",
            ("azure", "aiohttp", "sqlite3", "cryptography", "azure_ops.services", "azure_ops.engine"),
        ),
        ("tui.cli", ("azure", "aiohttp", "sqlite3", "textual", "rich")),
        ("azure_ops.engine.process", ("azure", "textual", "rich", "tui", "widgets", "azure_ops.emulator")),
        (
            "azure_ops.emulator",
            ("azure", "textual", "tui", "widgets", "azure_ops.services", "azure_ops.model"),
        ),
        ("azure_ops.actions", ("azure", "aiohttp", "sqlite3", "textual")),
        (
            "azure_ops.file_restore.reader_process",
            ("azure", "aiohttp", "asyncio", "ssl", "subprocess", "azure_ops.errors", "azure_ops.engine"),
        ),
    ],
)
def test_modules_in_memory_after_an_import(module: str, never: tuple[str, ...]) -> None:
    code = f"import sys, {module}; print('\\n'.join(sorted(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = [name for name in run.stdout.split() if is_within(name, *never)]
    assert not loaded
