"""The package logs; only `cli/` writes to the terminal, and it does so on purpose."""

import ast

import pytest

from tests.guards.tree import Module, modules


@pytest.mark.parametrize("module", modules(), ids=lambda item: item.name)
def test_no_print(module: Module) -> None:
    calls = [node for node in ast.walk(module.tree) if isinstance(node, ast.Call)]
    prints = [
        module.at(call) for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"
    ]
    assert not prints, f"print in the package; use logging, or sys.stdout.write / rich in cli/: {prints}"
