"""What is installed: everything of the package, its types too, and nothing the type checker does not see."""

import re
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest

import genreid
from tests.guards.api_surface import public_surface
from tests.guards.tree import PACKAGE, ROOT, repository_files


@pytest.fixture(scope="module")
def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_wheel_holds_every_module_and_py_typed(tmp_path: Path) -> None:
    wheel_module = pytest.importorskip("hatchling.builders.wheel")
    (wheel,) = wheel_module.WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(wheel) as archive:
        shipped = set(archive.namelist())
    wanted = {path.relative_to(PACKAGE.parent).as_posix() for path in PACKAGE.rglob("*.py")} | {
        "genreid/py.typed"
    }
    assert wanted <= shipped, (
        f"not in the wheel: {sorted(wanted - shipped)}; see [tool.hatch.build] in pyproject.toml"
    )


def test_version_is_said_once_more_and_equal(project: dict[str, Any]) -> None:
    assert genreid.__version__ == project["project"]["version"], (
        "genreid/__init__.py and pyproject.toml differ"
    )


def test_type_checker_excludes_nothing(project: dict[str, Any]) -> None:
    settings = project["tool"]["mypy"]
    assert settings["strict"] is True
    assert {"src", "tests", "benchmarks", "evidence"} <= set(settings["files"])
    loose = {"exclude", "ignore_errors", "disable_error_code", "follow_imports"}
    for table in [settings, *settings.get("overrides", [])]:
        assert not loose & set(table), (
            f"mypy: {sorted(loose & set(table))} hides errors; mend the types instead"
        )
    hidden = re.compile(r"^\s*# *mypy: *(ignore|disable|allow)", re.MULTILINE)
    python = [path for path in repository_files() if path.suffix == ".py"]
    found = [path.relative_to(ROOT) for path in python if hidden.search(path.read_text(encoding="utf-8"))]
    assert not found, f"`# mypy:` comments hide whole files: {found}"


def test_lock_names_versions_and_hashes_only() -> None:
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    wrong = [
        line
        for line in lines
        if line.strip() and not re.match(r"^(\s*#|[a-z0-9-]+==|\s+--hash=sha256:)", line)
    ]
    assert not wrong, f"requirements.lock holds more than versions and hashes: {wrong[:3]}; type `make lock`"


def test_lock_covers_every_dependency(project: dict[str, Any]) -> None:
    tables = [project["project"]["dependencies"], project["dependency-groups"]["dev"]]
    tables += project["project"]["optional-dependencies"].values()
    wanted = {re.split(r"[^\w.-]", item)[0].lower().replace("_", "-") for table in tables for item in table}
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    locked = set(re.findall(r"^([a-z0-9-]+)==", lock, re.MULTILINE))
    assert wanted <= locked, f"not in requirements.lock: {sorted(wanted - locked)}; type `make lock`"


@pytest.mark.parametrize("name", [name for name in genreid.__all__ if name != "__version__"])
def test_public_names_have_a_home(name: str) -> None:
    """Seen in the source, not by import: that would wait for torch."""
    home = genreid._HOMES[name]
    assert name in public_surface().get(home, []), f"{home} has no {name}; mend _HOMES in genreid/__init__.py"


def test_unknown_public_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'; it has"):
        genreid.Nothing  # noqa: B018
