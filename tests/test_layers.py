"""The layout is the data flow: who may import whom, read off the code."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import dataflux_core

ROOT = Path(dataflux_core.__file__).parent
LAYERS = ["errors", "_plan", "_wire", "_run", "_data"]
IMPURE = {"socket", "time", "threading", "os", "asyncio", "subprocess", "random", "torch", "pycurl", "requests"}


def imported_modules(path: Path) -> set[str]:
    modules: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules.add(node.module)
    return modules


def room(module: str) -> str:
    return module.split(".")[1] if module.startswith("dataflux_core.") else ""


def sources(layer: str) -> list[Path]:
    return sorted((ROOT / layer).glob("**/*.py"))


@pytest.mark.parametrize("layer", LAYERS[1:])
def test_a_room_imports_only_rooms_before_it(layer: str) -> None:
    allowed = {"", *LAYERS[: LAYERS.index(layer) + 1]}
    for path in sources(layer):
        wrong = {module for module in imported_modules(path) if room(module) not in allowed}
        assert not wrong, f"{path.name} imports {wrong}"


@pytest.mark.parametrize("layer", ["_plan", "_wire"])
def test_decisions_and_translations_do_not_touch_the_world(layer: str) -> None:
    for path in sources(layer):
        wrong = {module for module in imported_modules(path) if module.split(".")[0] in IMPURE}
        assert not wrong, f"{path.name} imports {wrong}"


def test_the_emulator_stands_alone() -> None:
    for path in sources("emulator"):
        wrong = {module for module in imported_modules(path) if room(module) not in {"", "emulator"}}
        assert not wrong, f"{path.name} imports {wrong}"


def test_every_module_says_in_one_sentence_what_it_does() -> None:
    for path in sorted(ROOT.glob("**/*.py")):
        docstring = ast.get_docstring(ast.parse(path.read_text()))
        assert docstring, f"{path} has no docstring"
