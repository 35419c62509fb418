"""The fingerprint of code changes with what runs, in everything that is reached, and with nothing else."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from genreid.reproduce.code_fingerprint import code_fingerprint, reached

ROOT = "genreid.pipelines.work"
FILES = {
    "pipelines/work": '''"""Work."""
from genreid.losses import plain
from genreid.data.near import near
import numpy


def work(x: int) -> int:
    """Do it."""
    if x < 0:
        msg = f"got {x}"
        raise ValueError(msg)
    logger.info("working")  # now
    return plain.loss(near(x))
''',
    "losses/plain": "def loss(x):\n    return 2 * x\n",
    "data/near": """WIDTH = 3
'Pixels.'


def near(x):
    from genreid.data.far import far
    return far(x)
""",
    "data/far": "def far(x):\n    return x + 1\n",
    "data/unrelated": "def nobody():\n    return 0\n",
}


def write(folder: Path, changes: Mapping[str, tuple[str, str]] | None = None) -> Path:
    """Write a small package, with a text in some of its files replaced by another."""
    for name, text in FILES.items():
        old, new = (changes or {}).get(name, ("", ""))
        assert old in text
        path = folder / "genreid" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace(old, new) if old else text)
    return folder


def fingerprint(folder: Path, unused: tuple[str, ...] = ()) -> str:
    return code_fingerprint((ROOT,), unused, folder)


def test_what_is_reached(tmp_path: Path) -> None:
    folder = write(tmp_path)
    assert reached((ROOT,), (), folder) == {
        ROOT,
        "genreid.losses.plain",
        "genreid.data.near",
        "genreid.data.far",
    }
    assert reached((ROOT,), ("genreid.data.near",), folder) == {ROOT, "genreid.losses.plain"}


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("losses/plain", "2 * x", "2.02 * x"),
        ("data/far", "x + 1", "x - 1"),
        ("data/near", "WIDTH = 3", "WIDTH = 4"),
        ("pipelines/work", "x < 0", "x <= 0"),
        ("pipelines/work", "raise ValueError", "raise OSError"),
    ],
)
def test_what_runs_counts(name: str, old: str, new: str, tmp_path: Path) -> None:
    before = fingerprint(write(tmp_path / "before"))
    assert fingerprint(write(tmp_path / "after", {name: (old, new)})) != before


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("pipelines/work", '"""Do it."""', '"""Do it well."""'),
        ("pipelines/work", "# now", "# later"),
        ("pipelines/work", 'f"got {x}"', 'f"got {x}, expected 0 or more"'),
        ("pipelines/work", '"working"', '"at work"'),
        ("data/near", "'Pixels.'", "'Columns.'"),
        ("losses/plain", "return 2 * x", "return (2*x)"),
        ("data/unrelated", "return 0", "return 1"),
    ],
)
def test_prose_and_layout_and_strangers_do_not(name: str, old: str, new: str, tmp_path: Path) -> None:
    before = fingerprint(write(tmp_path / "before"))
    assert fingerprint(write(tmp_path / "after", {name: (old, new)})) == before


def test_what_plays_no_part_does_not_count(tmp_path: Path) -> None:
    changed = write(tmp_path / "after", {"data/far": ("x + 1", "x - 1")})
    unused = ("genreid.data.near",)
    assert fingerprint(write(tmp_path / "before"), unused) == fingerprint(changed, unused)


def test_it_is_the_same_on_every_python(tmp_path: Path) -> None:
    """Their `ast.unparse` and their f-strings differ: nested quotes, empty texts."""
    nested = """def loss(x):
    return f"{', '.join(x)}" f'{x!r:>{3}}' + f""
"""
    folder = write(tmp_path, {"losses/plain": (FILES["losses/plain"], nested)})
    assert fingerprint(folder) == "97bd4bc42942cc29"


def test_a_root_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"genreid\.pipelines\.play is no module"):
        code_fingerprint(("genreid.pipelines.play",), source=write(tmp_path))
