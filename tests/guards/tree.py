"""What the guards look at: the package's modules as syntax trees, and the files that git holds."""

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "genreid"

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """One Python file of the package."""

    path: Path
    tree: ast.Module

    @property
    def name(self) -> str:
        """Dotted name, such as `genreid.data.load`."""
        parts = self.path.relative_to(PACKAGE.parent).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def room(self) -> str:
        """The folder under the package, or `` for the package's own `__init__`."""
        parts = self.path.relative_to(PACKAGE).parts
        return parts[0] if len(parts) > 1 else ""

    @property
    def is_public(self) -> bool:
        """Whether no part of the name begins with an underscore."""
        return not any(part.startswith("_") for part in self.name.split("."))

    def at(self, node: ast.stmt | ast.expr) -> str:
        """Return `path:line`, relative to the repository."""
        return f"{self.path.relative_to(ROOT)}:{node.lineno}"


@cache
def modules() -> tuple[Module, ...]:
    """Return every module of the package."""
    paths = sorted(PACKAGE.rglob("*.py"))
    return tuple(Module(path, ast.parse(path.read_text(encoding="utf-8"))) for path in paths)


@dataclass(frozen=True)
class Definition:
    """A function, method or class, where it stands, and the class it belongs to."""

    module: Module
    node: Function | ast.ClassDef
    owner: ast.ClassDef | None = None

    @property
    def label(self) -> str:
        """Return `path:line name` for messages."""
        prefix = f"{self.owner.name}." if self.owner else ""
        return f"{self.module.at(self.node)} {prefix}{self.node.name}"

    @property
    def is_public(self) -> bool:
        """Whether users may call it: no underscore in the name or the owner's, and `__init__` counts."""
        hidden = self.node.name.startswith("_") and self.node.name != "__init__"
        return self.module.is_public and not hidden and not (self.owner and self.owner.name.startswith("_"))


def definitions(module: Module) -> Iterator[Definition]:
    """Yield the module's functions and classes, and the methods of its classes."""
    for node in module.tree.body:
        if isinstance(node, Function | ast.ClassDef):
            yield Definition(module, node)
        if isinstance(node, ast.ClassDef):
            for member in node.body:
                if isinstance(member, Function | ast.ClassDef):
                    yield Definition(module, member, node)


def parameters(definition: Definition) -> list[str]:
    """Return the names of a function's parameters as its caller sees them: without self and cls; `*` kept."""
    node = definition.node
    assert isinstance(node, Function)
    arguments = node.args
    names = [item.arg for item in (*arguments.posonlyargs, *arguments.args)]
    is_static = "staticmethod" in decorators(node)
    if definition.owner is not None and not is_static:
        names = names[1:]
    names += [f"*{arguments.vararg.arg}"] if arguments.vararg else []
    names += [item.arg for item in arguments.kwonlyargs]
    return names + ([f"**{arguments.kwarg.arg}"] if arguments.kwarg else [])


def decorators(node: Function | ast.ClassDef) -> set[str]:
    """Return the last part of each decorator's name: `dataclass` for `@dataclasses.dataclass()`."""
    names = set()
    for item in node.decorator_list:
        target = item.func if isinstance(item, ast.Call) else item
        names.add(target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", ""))
    return names


@cache
def repository_files() -> tuple[Path, ...]:
    """Return every file that git holds or would hold (not ignored)."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    paths = (ROOT / name for name in answer.stdout.decode().split("\0") if name)
    return tuple(sorted(path for path in paths if path.is_file()))
