"""What one has to read to know one iteration: its functions, from the loop on; no networks, no drawing."""

import ast
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import genreid
from genreid.training.crgan_step import rendering_step
from genreid.training.dgnet_step import dgnet_step
from tests import tiny_dgnet, tiny_stage_two

ROOT = Path(genreid.__file__).parent
LOOP = {"runs/loop.py": {"run_stage", "seed_everything", "_read"}}


def crgan() -> Callable[[], None]:
    """Stage II where every loss and both updates of the generator count."""
    setup, batch = tiny_stage_two.make_setup(), tiny_stage_two.make_batch()

    def run() -> None:
        rendering_step(setup, batch, setup.config.iterations - 1)

    return run


def dgnet() -> Callable[[], None]:
    """DG-Net at the end, where every loss counts."""
    setup, batch = tiny_dgnet.make_setup(), tiny_dgnet.make_batch()

    def run() -> None:
        dgnet_step(setup, batch, setup.config.iterations - 1)

    return run


def entered(run: Callable[[], None]) -> Mapping[str, set[str]]:
    """Return the functions of the rooms training and losses that a call goes through, by file."""
    found: dict[str, set[str]] = {}

    def note(frame: FrameType, event: str, _: Any) -> None:
        path = Path(frame.f_code.co_filename)
        if event == "call" and path.is_relative_to(ROOT):
            found.setdefault(path.relative_to(ROOT).as_posix(), set()).add(frame.f_code.co_name)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        run()
    finally:
        sys.setprofile(before)
    rooms = ("training/", "losses/")
    return {file: found[file] - {"__post_init__"} for file in found if file.startswith(rooms)}


def body_lines(file: str, functions: set[str]) -> int:
    """Count the lines of some functions of a file: no signatures, docstrings, comments or blank lines."""
    text = (ROOT / file).read_text(encoding="utf-8")
    lines = text.splitlines()
    return sum(
        bool(line.strip()) and not line.strip().startswith("#")
        for body in _bodies(ast.parse(text), functions)
        for line in lines[body[0].lineno - 1 : body[-1].end_lineno]
    )


def _bodies(tree: ast.Module, functions: set[str]) -> Iterator[list[ast.stmt]]:
    """Yield what stands below the docstrings of functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name in functions:
            yield node.body[1:] if ast.get_docstring(node) is not None else node.body


@pytest.mark.parametrize(("step", "losses", "others", "lines"), [(crgan, 4, 4, 140), (dgnet, 6, 5, 240)])
def test_an_iteration_is_a_few_files(
    step: Callable[[], Callable[[], None]], losses: int, others: int, lines: int
) -> None:
    """Each loss is a file of its own; of all others there are four, and DG-Net's settings, with ramps."""
    found = {**entered(step()), **LOOP}
    files = sorted(found)
    assert sum(file.startswith("losses/") for file in files) <= losses, files
    assert len(files) <= losses + others, files
    assert sum(body_lines(file, functions) for file, functions in found.items()) <= lines
