"""Functions, files and parameter lists that a person can hold in mind."""

import ast

import pytest

from tests.guards.tree import (
    PACKAGE,
    ROOT,
    Definition,
    Function,
    Module,
    definitions,
    modules,
    parameters,
    repository_files,
)

MAX_BODY_LINES = 80
MAX_FILE_LINES = 600
MAX_PARAMETERS = 6


def body_lines(node: Function) -> int:
    """Return the lines of a function's body without its docstring."""
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


@pytest.mark.parametrize("module", modules(), ids=lambda item: item.name)
def test_functions_fit_a_screen(module: Module) -> None:
    long = [
        f"{module.at(node)} {node.name}: {body_lines(node)} lines"
        for node in ast.walk(module.tree)
        if isinstance(node, Function) and body_lines(node) > MAX_BODY_LINES
    ]
    assert not long, f"longer than {MAX_BODY_LINES} lines without docstring; give a step its own name: {long}"


def test_files_are_short() -> None:
    long = []
    for path in repository_files():
        if path.suffix == ".py":
            lines = len(path.read_text(encoding="utf-8").splitlines())
            long += [f"{path.relative_to(ROOT)}: {lines} lines"] if lines > MAX_FILE_LINES else []
    assert not long, f"longer than {MAX_FILE_LINES} lines; split the file by what it does: {long}"


def public_functions(module: Module) -> list[Definition]:
    """Return the functions, methods and constructors that users may call."""
    found = [item for item in definitions(module) if item.is_public]
    return [item for item in found if isinstance(item.node, Function)]


@pytest.mark.parametrize("module", modules(), ids=lambda item: item.name)
def test_public_functions_take_few_named_parameters(module: Module) -> None:
    for item in public_functions(module):
        names = parameters(item)
        assert len(names) <= MAX_PARAMETERS, (
            f"{item.label} takes {len(names)} parameters ({', '.join(names)}); at most {MAX_PARAMETERS}: "
            "gather those that belong together in a frozen dataclass."
        )
        kwargs = [name for name in names if name.startswith("**")]
        assert not kwargs, (
            f"{item.label} takes {kwargs[0]}; name the parameters, so that types and help know them."
        )


def test_the_guard_sees_the_package() -> None:
    assert PACKAGE.is_dir()
    assert len(modules()) > 10
