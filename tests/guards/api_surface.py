"""The public names of the package, read without importing it. `make api` writes them to api_surface.json."""

import ast
import json
from collections.abc import Iterator

from tests.guards.tree import ROOT, Function, Module, modules

SURFACE_FILE = ROOT / "tests" / "guards" / "api_surface.json"


def public_surface() -> dict[str, list[str]]:
    """Return module -> public names; `cli/` is left out, since its contract is the command line."""
    api = (module for module in modules() if module.is_public and module.room != "cli")
    return {module.name: names for module in api if (names := sorted(_public_names(module)))}


def _public_names(module: Module) -> set[str]:
    """Return `__all__` where there is one, else what the module defines without an underscore."""
    defined = set(_defined_names(module.tree))
    if "__all__" in defined:
        for node in module.tree.body:
            if isinstance(node, ast.Assign) and any(
                getattr(item, "id", "") == "__all__" for item in node.targets
            ):
                return set(ast.literal_eval(node.value))
    return {name for name in defined if not name.startswith("_")}


def _defined_names(tree: ast.Module) -> Iterator[str]:
    """Yield the names of a module's functions, classes and constants."""
    for node in tree.body:
        if isinstance(node, Function | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            made_by = getattr(node.value, "func", None)
            maker = getattr(made_by, "attr", getattr(made_by, "id", ""))
            if maker not in {"TypeVar", "getLogger"}:
                yield from (item.id for item in targets if isinstance(item, ast.Name))


def write() -> None:
    """Write api_surface.json anew."""
    SURFACE_FILE.write_text(json.dumps(public_surface(), indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write()
