"""A fingerprint of the code that decides a figure: it changes if that code changes.

From the modules where the work begins, imports within the package are followed, those inside functions among
them. Of each module that is reached counts what runs: comments, docstrings and the words of messages do not,
nor does the layout.
"""

import ast
import hashlib
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

_PACKAGE = "genreid"
_MESSAGES = {"msg", "message"}
_LOGGERS = {"logger", "_log", "logging"}


def code_fingerprint(roots: Sequence[str], unused: Sequence[str] = (), source: Path | None = None) -> str:
    """Return the fingerprint of everything that some modules reach.

    Args:
        roots: Dotted names of modules of this package, such as `genreid.pipelines.adapt`.
        unused: Modules that are imported on the way, but play no part: neither they nor what they alone
            reach counts.
        source: The folder that holds the package; default: this package's own.

    Returns:
        16 hexadecimal digits of a SHA-256.

    Raises:
        ValueError: If a root is no module.
    """
    folder = source or Path(__file__).resolve().parents[2]
    digest = hashlib.sha256()
    for name in sorted(reached(roots, unused, folder)):
        digest.update(f"{name}\n{_module(name, folder)}\n".encode())
    return digest.hexdigest()[:16]


def reached(roots: Sequence[str], unused: Sequence[str], folder: Path) -> set[str]:
    """Return the modules that some modules reach by imports, themselves among them.

    Args:
        roots: Where to begin.
        unused: What is not entered.
        folder: The folder that holds the package.

    Raises:
        ValueError: If a root is no module.
    """
    for name in roots:
        if _file_of(name, folder) is None:
            msg = f"{name} is no module below {folder}"
            raise ValueError(msg)
    found, waiting = set[str](), list(roots)
    while waiting:
        name = waiting.pop()
        if name not in found and name not in unused:
            found.add(name)
            waiting += _imports(name, folder)
    return found


@cache
def _module(name: str, folder: Path) -> str:
    """Return what runs of a module, as text that is the same on every version of Python."""
    return repr(_shape(_WithoutProse().visit(_parsed(name, folder))))


@cache
def _imports(name: str, folder: Path) -> tuple[str, ...]:
    """Return the modules of the package that a module imports."""
    return tuple(dict.fromkeys(_imported(_parsed(name, folder), folder)))


def _imported(tree: ast.AST, folder: Path) -> Iterator[str]:
    """Yield the modules of the package that are imported; `from genreid.room import file` means the file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        yield from (name for name in names if _file_of(name, folder) is not None)


def _shape(node: object) -> object:
    """Return a syntax tree as nested tuples, without what some versions of Python leave out."""
    if isinstance(node, ast.JoinedStr):  # some split an f-string with an empty text
        node.values = [part for part in node.values if getattr(part, "value", None) != ""]
    if isinstance(node, ast.AST):
        parts = ((name, _shape(value)) for name, value in ast.iter_fields(node) if value not in (None, []))
        return type(node).__name__, tuple(parts)
    return tuple(map(_shape, node)) if isinstance(node, list) else node


def _parsed(name: str, folder: Path) -> ast.Module:
    """Return a module's syntax tree."""
    path = _file_of(name, folder)
    assert path is not None, name
    return ast.parse(path.read_text(encoding="utf-8"))


def _file_of(name: str, folder: Path) -> Path | None:
    """Return the file of a module; None for what is no module of the package with code in it."""
    if name.split(".", maxsplit=1)[0] != _PACKAGE:
        return None
    path = folder.joinpath(*name.split(".")).with_suffix(".py")
    return path if path.is_file() else None


class _WithoutProse(ast.NodeTransformer):
    """Takes out what nobody computes with: docstrings, log lines, the words of errors."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        """Empty docstrings, those of fields too, and calls of a logger; `node` is a line of its own."""
        if isinstance(node.value, ast.Constant) or _is_log_line(node.value):
            return ast.copy_location(ast.Pass(), node)
        return self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        """Empty a message that a `node` puts together."""
        if len(node.targets) == 1 and getattr(node.targets[0], "id", "") in _MESSAGES:
            node.value = ast.Constant("")
        return self.generic_visit(node)


def _is_log_line(value: ast.expr) -> bool:
    """Tell whether an expression is `logger.something(...)`."""
    function = value.func if isinstance(value, ast.Call) else None
    return isinstance(function, ast.Attribute) and getattr(function.value, "id", "") in _LOGGERS
