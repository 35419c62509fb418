"""The commit that a file names: the package's, and whether the package was changed since."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from genreid.evaluation import provenance


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A repository with a package, whose module stands for `provenance`."""
    place = tmp_path / "src" / "genreid" / "report" / "provenance.py"
    place.parent.mkdir(parents=True)
    place.write_text("")
    monkeypatch.setattr(provenance, "__file__", str(place))
    yield place
    provenance.source_commit.cache_clear()  # other tests ask for the true commit


def git(root: Path, *words: str) -> str:
    who = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.org"]
    done = subprocess.run(["git", "-C", str(root), *who, *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commit_of(module: Path) -> str:
    provenance.source_commit.cache_clear()
    assert module.is_file()
    return provenance.source_commit()


def test_only_the_package_can_be_dirty(tmp_path: Path, module: Path) -> None:
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "one")
    commit = git(tmp_path, "rev-parse", "--short=10", "HEAD")
    assert commit_of(module) == commit
    (tmp_path / "results.json").write_text("{}")
    assert commit_of(module) == commit
    module.write_text("changed = True")
    assert commit_of(module) == f"{commit}-dirty"


def test_a_package_without_a_repository(module: Path) -> None:
    assert commit_of(module) == ""
    assert provenance.made_by().keys() == {"genreid"}
