"""Every public thing is documented, and what is documented exists."""

import ast
import re

import pytest

from tests.guards.tree import Definition, Function, Module, decorators, definitions, modules, parameters

SECTION = re.compile(
    r"^(Args|Attributes|Returns|Yields|Raises|Example|Examples|Note|Notes|References|Shape):\s*$"
)
ENTRY = re.compile(r"^ {4}(\*{0,2}\w+)(?: \([^)]*\))?:")


def section(docstring: str, title: str) -> list[str] | None:
    """Return the names listed in a section of a Google docstring, or None where there is no such section."""
    names: list[str] | None = None
    current = ""
    for line in docstring.splitlines():
        heading = SECTION.match(line)
        if heading:
            current = heading[1]
            names = [] if current == title and names is None else names
        elif line and not line.startswith(" "):
            current = ""
        elif current == title and names is not None and (entry := ENTRY.match(line)):
            names.append(entry[1])
    return names


def documented(item: Definition) -> str:
    """Return a definition's docstring, cleaned."""
    return ast.get_docstring(item.node) or ""


def is_named(name: str, text: str) -> bool:
    """Return whether a text names a parameter in backticks: `images`, or `images [B,3,H,W]`."""
    return re.search(rf"`{name}\b[^`]*`", text) is not None


def documents_elsewhere(node: Function) -> bool:
    """Return whether a function's docstring is not its own business: overloads, setters, overrides."""
    return bool(decorators(node) & {"overload", "setter", "override"})


def check_arguments(item: Definition) -> list[str]:
    """Return what is wrong with a function's docstring."""
    assert isinstance(item.node, Function)
    if documents_elsewhere(item.node):
        return []
    names, text = parameters(item), documented(item)
    owner_text = ast.get_docstring(item.owner) or "" if item.owner else ""
    is_constructor = item.node.name == "__init__"
    if not text and not is_constructor:
        return [f"{item.label}: no docstring; say in one line what it does, then Args, Returns, Raises."]
    listed = section(text, "Args")
    if is_constructor and listed is None:
        listed = section(owner_text, "Args")
    if listed is None:
        unsaid = [name for name in names if not is_named(name.lstrip("*"), text + owner_text)]
        how = "add an Args section, or name it as `it` in the text"
        return [f"{item.label}: not a word of {', '.join(unsaid)}; {how}."] if unsaid else []
    if sorted(name.lstrip("*") for name in listed) != sorted(name.lstrip("*") for name in names):
        return [f"{item.label}: Args lists {listed}, the parameters are {names}; make them the same."]
    return []


def record_fields(node: ast.ClassDef) -> list[str] | None:
    """Return the public fields of a dataclass or NamedTuple, or None for another class."""
    bases = {getattr(base, "id", getattr(base, "attr", "")) for base in node.bases}
    if "dataclass" not in decorators(node) and "NamedTuple" not in bases:
        return None
    targets = [item.target for item in node.body if isinstance(item, ast.AnnAssign)]
    return [item.id for item in targets if isinstance(item, ast.Name) and not item.id.startswith("_")]


def fields_with_docstring(node: ast.ClassDef) -> set[str]:
    """Return the fields that have a docstring right under them."""
    found = set()
    for item, following in zip(node.body, node.body[1:], strict=False):
        is_text = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
        if is_text and isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            found.add(item.target.id)
    return found


def check_class(item: Definition) -> list[str]:
    """Return what is wrong with a class's docstring."""
    assert isinstance(item.node, ast.ClassDef)
    if not documented(item):
        return [f"{item.label}: no docstring; say in one line what it is."]
    names = record_fields(item.node)
    if names is None:
        return []
    listed = section(documented(item), "Attributes") or section(documented(item), "Args") or []
    unknown = [name for name in listed if name not in names]
    said = {*listed, *fields_with_docstring(item.node)}
    missing = [name for name in names if name not in said and not is_named(name, documented(item))]
    problems = [f"{item.label}: Attributes lists {unknown}, which are no fields."] if unknown else []
    if missing:
        problems.append(
            f"{item.label}: {missing} undocumented; add Attributes, or a docstring under each field."
        )
    return problems


@pytest.mark.parametrize("module", [item for item in modules() if item.is_public], ids=lambda item: item.name)
def test_docstrings_match_the_code(module: Module) -> None:
    problems = [] if ast.get_docstring(module.tree) else [f"{module.path}: no module docstring."]
    for item in definitions(module):
        if item.is_public:
            problems += check_class(item) if isinstance(item.node, ast.ClassDef) else check_arguments(item)
    assert not problems, "docstrings and code differ:\n  " + "\n  ".join(problems)


def test_the_guard_sees_a_wrong_docstring() -> None:
    text = "Do it.\n\n    Args:\n        a: First.\n            Still.\n        c: Wrong.\n    "
    source = f'def f(a, b):\n    """{text}"""\n'
    module = Module(modules()[0].path, ast.parse(source))
    problems = check_arguments(Definition(module, module.tree.body[0]))  # type: ignore[arg-type]
    assert len(problems) == 1
    assert "Args lists ['a', 'c'], the parameters are ['a', 'b']" in problems[0]


def test_the_guard_sees_an_undocumented_field() -> None:
    source = '@dataclass\nclass C:\n    """A record."""\n\n    a: int\n    """First."""\n    b: int\n'
    module = Module(modules()[0].path, ast.parse(source))
    problems = check_class(Definition(module, module.tree.body[0]))  # type: ignore[arg-type]
    assert len(problems) == 1
    assert "['b'] undocumented" in problems[0]
