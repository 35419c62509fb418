"""A third method is files of its own and a card: command, resuming, evaluation, report and rows follow."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import genreid as package
from genreid.reproduce.code import evaluation_code, training_code
from tests.drawn_datasets import draw_market1501

OWN = Path(__file__).parents[1] / "new_method"
NEW = {
    "training/centre_step.py",
    "pipelines/train_centre.py",
    "recipes/centre.py",
    "reproduce/centre_rows.py",
}
EDITED = {"methods.py"}
"""What a new method touches beside its own files, tests and words: CONTRIBUTING.md says so, too."""
KNOWN = ("baseline", "adapt", "dgnet", "cluster", "taudl")
WORKER = """
import contextlib, io, json, sys
from genreid.cli.main import main
from genreid.reproduce.code import evaluation_code, training_code
from genreid.methods import METHODS

answers = []
for words in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(words)
    answers.append([code, out.getvalue(), err.getvalue()])
codes = {name: training_code(name) for name in METHODS}
codes |= {f"{m.paper} evaluation": evaluation_code(m.paper) for m in METHODS.values() if m.paper}
print(json.dumps({"answers": answers, "codes": codes}))
"""


def source_files(folder: Path) -> Mapping[str, bytes]:
    """Return the package's files by name."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.py")}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package with the new method, and a data set."""
    root = tmp_path_factory.mktemp("house")
    here = Path(package.__file__).parent
    shutil.copytree(here, root / "genreid", ignore=shutil.ignore_patterns("__pycache__"))
    for name in NEW:
        shutil.copy(OWN / f"{Path(name).name}.txt", root / "genreid" / name)
    cards = root / "genreid/methods.py"
    text = cards.read_text(encoding="utf-8")
    head, tail = text.split("METHODS: Mapping[str, Method] = {", maxsplit=1)
    assert tail.count("_CLUSTER, _TAUDL)") == 1
    tail = tail.replace("_CLUSTER, _TAUDL)", "_CLUSTER, _TAUDL, _CENTRE)")
    card = (OWN / "card.py.txt").read_text(encoding="utf-8")
    cards.write_text(f"{head}{card}METHODS: Mapping[str, Method] = {{{tail}", encoding="utf-8")
    draw_market1501(root / "market1501", 5, 3, images_per_camera=2, size=(32, 16))
    return root


def types(house: Path, *commands: list[str]) -> dict[str, Any]:
    """Type commands in the copy; returns their exit status, output and errors, and all fingerprints."""
    environment = {**os.environ, "PYTHONPATH": str(house), "GENREID_CACHE": str(house / "cache")}
    worker = [sys.executable, "-c", WORKER, json.dumps(commands)]
    done = subprocess.run(worker, env=environment, cwd=house, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_new_method_is_its_own_files_and_a_card(house: Path) -> None:
    before, after = source_files(Path(package.__file__).parent), source_files(house / "genreid")
    assert after.keys() - before.keys() == NEW
    assert {name for name in before if after[name] != before[name]} == EDITED

    data, run = ["--data", "market1501"], ["--out", "run"]
    train = ["train", "centre", *data, *run, "--device", "cpu", "--precision", "fp32"]
    row = ["reproduce", "centre/market1501/centre", "--market1501", "market1501", "--json"]
    found = types(
        house,
        ["train", "--help"],
        [*train, "--max-minutes", "0", "--json"],
        [*train, "--centre.pull", "0.2"],
        [*train, "--json"],
        ["evaluate", "run", *data, "--json"],
        ["report", "run", "--out", "page.html"],
        ["reproduce", "--list", "centre/"],
        [*row, "--device", "cpu", "--precision", "fp32"],
    )
    listed, stopped, changed, trained, evaluated, told, rows, made = found["answers"]
    assert "  centre     Centre: nobody published it\n" in listed[1]
    assert (stopped[0], json.loads(stopped[1])["finished"]) == (0, False), stopped
    assert changed[0] == 2
    assert "centre.pull: 0.1 there, 0.2 now" in changed[2]
    assert (trained[0], json.loads(trained[1])["finished"]) == (0, True), trained
    assert evaluated[0] == 0, evaluated
    assert told[0] == 0, told
    page = (house / "page.html").read_text(encoding="utf-8")
    assert "Centre: people drawn to their mean" in page
    assert "Drawing together" in page
    assert "Mean squared distance to the mean." in page
    assert "centre/market1501/centre" in rows[1]
    assert made[0] == 0, made
    content = json.loads(made[1])
    assert content["paper"] == "Centre"
    assert content["weights"]["evaluated"]["stage"] == "centre"
    assert content["runs"]["centre"][0]["code"] == found["codes"]["centre"]
    assert content["code"] == found["codes"]["centre evaluation"]


def test_its_code_is_part_of_its_own_rows_only(house: Path) -> None:
    ours = {name: training_code(name) for name in KNOWN}
    ours |= {f"{paper} evaluation": evaluation_code(paper) for paper in ("crgan", "dgnet")}
    before = types(house)["codes"]
    assert {name: before[name] for name in ours} == ours
    with (house / "genreid/training/centre_step.py").open("a", encoding="utf-8") as file:
        file.write("\nMARGIN = 0.3\n")
    after = types(house)["codes"]
    assert {name for name in before if after[name] != before[name]} == {"centre"}
