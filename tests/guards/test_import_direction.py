"""A folder imports only from folders above it in the order the data flows."""

import ast
import sys
from collections.abc import Iterator

import pytest

from tests.guards.tree import Module, modules

ROOMS = (
    "data",
    "drawn",
    "masks",
    "models",
    "losses",
    "neighbours",
    "runs",
    "training",
    "generation",
    "features",
    "export",
    "evaluation",
    "quality",
    "search",
    "report",
    "recipes",
    "pipelines",
    "reproduce",
    "cli",
)
"""The rooms in order; ARCHITECTURE.md says what each takes and gives."""
TENSOR_LIBRARIES = {"torch", "torchvision", "timm", "safetensors", "numpy"}
STRICT_ROOMS = {
    "models": TENSOR_LIBRARIES,
    "losses": TENSOR_LIBRARIES,
    "neighbours": {"numpy", "scipy", "numba", "faiss"},
}
"""These know arrays only: nothing of data, files or configs reaches them but as plain arguments."""
USERS_OF_NETWORKS = {"generation", "features", "export", "evaluation", "quality", "search", "report"}
"""These take networks, settings and records from a run folder; how they came about is no matter of theirs."""


def imported(module: Module) -> Iterator[tuple[ast.stmt, str]]:
    """Yield every import of a module, those inside functions among them, as a dotted name."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, (
                f"{module.at(node)}: relative import; write the full name: genreid.ROOM.FILE"
            )
            if node.module == "genreid":
                yield from ((node, f"genreid.{alias.name}") for alias in node.names)
            else:
                yield node, node.module or ""


@pytest.mark.parametrize("module", [item for item in modules() if item.room], ids=lambda item: item.name)
def test_imports_only_from_rooms_above(module: Module) -> None:
    assert module.room in ROOMS, (
        f"{module.path}: {module.room!r} is no room of the house. Put the file into one of "
        f"{', '.join(ROOMS)}; or give the new room its place in ROOMS "
        "(tests/guards/test_import_direction.py) and in ARCHITECTURE.md."
    )
    for node, name in imported(module):
        other = name.split(".")[1] if name.startswith("genreid.") else ""
        if other in ROOMS and ROOMS.index(other) > ROOMS.index(module.room):
            pytest.fail(
                f"{module.at(node)}: {module.room}/ imports {name}, but {other}/ stands below it. Move what "
                f"is needed up into {module.room}/ or above, or pass it in as an argument.",
                pytrace=False,
            )


@pytest.mark.parametrize(
    "module", [item for item in modules() if item.room in STRICT_ROOMS], ids=lambda item: item.name
)
def test_networks_losses_and_neighbours_know_arrays_only(module: Module) -> None:
    libraries = STRICT_ROOMS[module.room]
    for node, name in imported(module):
        top = name.split(".")[0]
        own = name.startswith(f"genreid.{module.room}")
        if not (own or top in libraries or top in sys.stdlib_module_names):
            pytest.fail(
                f"{module.at(node)}: {module.room}/ imports {name}. It may import itself, the standard "
                f"library and {', '.join(sorted(libraries))}; let the caller pass the rest in.",
                pytrace=False,
            )


@pytest.mark.parametrize(
    "module", [item for item in modules() if item.room in USERS_OF_NETWORKS], ids=lambda item: item.name
)
def test_what_uses_a_trained_network_needs_no_training(module: Module) -> None:
    for node, name in imported(module):
        if name.startswith("genreid.training"):
            pytest.fail(
                f"{module.at(node)}: {module.room}/ imports {name}. Run folders are opened by runs/; move "
                "what is needed there, or into the room that it is about.",
                pytrace=False,
            )


def test_the_cards_import_nothing_of_the_package() -> None:
    (cards,) = (item for item in modules() if item.name == "genreid.methods")
    assert [name for _, name in imported(cards) if name.startswith("genreid")] == []
