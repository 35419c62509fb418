"""`genreid data check` as people run it: a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from genreid.cli import data as verb
from genreid.cli import main as program
from tests.drawn_datasets import (
    draw_csv,
    draw_cuhk03_np,
    draw_cuhk03_raw,
    draw_dukemtmc,
    draw_folder_tree,
    draw_market1501,
    draw_msmt17,
)

DRAWERS: dict[str, Callable[[Path], Path]] = {
    "market1501": draw_market1501,
    "dukemtmc": draw_dukemtmc,
    "cuhk03-np": draw_cuhk03_np,
    "cuhk03": draw_cuhk03_raw,
    "msmt17": draw_msmt17,
    "folder": draw_folder_tree,
}


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENREID_CACHE", str(tmp_path / "cache"))


def run(*words: object) -> "subprocess.CompletedProcess[str]":
    """Run the command line in a process without a network proxy, at a plain C locale."""
    return subprocess.run(
        [sys.executable, "-m", "genreid.cli.main", "data", "check", *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"},
    )


def test_the_command_answers_in_json_on_stdout_only(tmp_path: Path) -> None:
    root = draw_market1501(tmp_path / "Market", cameras=11, images_per_camera=1)
    broken = root / "bounding_box_train" / os.fsdecode(b"0001_c1s1_caf\xe9_00.jpg")
    broken.write_bytes(b"")
    done = run(root, "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert list(answer) == [
        "train",
        "query",
        "gallery",
        "unreadable",
        "unmatched_names",
        "queries_without_match",
        "files",
        "folders",
    ]
    assert answer["train"] == {"images": 45, "pids": 4, "cameras": 11}
    assert answer["unreadable"] == [
        {"path": f"{root}/bounding_box_train/0001_c1s1_caf\\xe9_00.jpg", "reason": "empty file"}
    ]


def test_text_can_be_printed_at_a_plain_locale(tmp_path: Path) -> None:
    root = draw_market1501(tmp_path / "Market")
    (root / "query" / "caf\u00e9.jpg").write_bytes(b"")
    done = run(root)
    assert done.returncode == 0, done.stderr
    assert "caf\\xe9.jpg" in done.stdout


def test_an_error_is_one_paragraph_with_status_2(tmp_path: Path) -> None:
    done = run(tmp_path / "absent")
    assert done.returncode == 2
    assert "no data set at" in done.stderr
    assert "Traceback" not in done.stderr
    assert not done.stdout


def test_torch_is_not_imported(tmp_path: Path) -> None:
    root = draw_market1501(tmp_path / "Market")
    code = (
        "import sys; from genreid.cli.data import main; "
        f"status = main(['check', {str(root)!r}]); sys.exit(status or 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", DRAWERS)
def test_every_format_is_recognised_and_usable(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    DRAWERS[name](tmp_path / "data")
    assert verb.main(["check", str(tmp_path / "data")]) == 0
    text = capsys.readouterr().out
    assert text.startswith(f"{name}: ")
    assert "usable to train: yes" in text


def test_options_of_the_formats(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    draw_folder_tree(tmp_path / "tree", cameras=12)
    draw_msmt17(tmp_path / "msmt")
    draw_cuhk03_raw(tmp_path / "raw")

    def train(*words: object) -> object:
        assert verb.main(["check", "--json", *map(str, words)]) == 0
        return json.loads(capsys.readouterr().out)["train"]

    pattern = r"(?P<identity>[^/]+)/cam(?P<camera>\d+)"
    assert train(tmp_path / "tree", "--pattern", pattern) == {"images": 24, "pids": 2, "cameras": 12}
    assert train(tmp_path / "msmt", "--msmt-train", "train") == {"images": 20, "pids": 4, "cameras": 12}
    classic = ("--format", "cuhk03", "--boxes", "labeled", "--protocol", "classic", "--classic-split", 1)
    assert train(tmp_path / "raw", *classic) == {"images": 14, "pids": 5, "cameras": 2}
    variants = ("--format", "cuhk03:labeled+classic+split1")
    assert train(tmp_path / "raw", *variants) == {"images": 14, "pids": 5, "cameras": 2}
    assert train(draw_csv(tmp_path / "table")) == {"images": 4, "pids": 2, "cameras": 2}


def test_masks_that_are_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    masks = tmp_path / "masks"
    root = draw_market1501(tmp_path / "Market", masks_root=masks)
    next(masks.rglob("*.png")).unlink()
    assert verb.main(["check", str(root), "--masks", str(masks), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)["masks"]
    assert (answer["images"], answer["found"], len(answer["missing"])) == (38, 37, 1)


def test_status_1_when_nothing_is_usable(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = draw_market1501(tmp_path / "Market")
    for path in root.rglob("*.jpg"):
        path.write_bytes(b"")
    assert verb.main(["check", str(root)]) == 1
    assert "usable to train: NO; to evaluate: NO" in capsys.readouterr().out


def test_words_that_make_no_sense(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["data"], ["data", "check"]):
        assert program.main(words) == 2
        assert "genreid data" in capsys.readouterr().err
    assert program.main(["data", "check", str(tmp_path), "--format", "imagenet"]) == 2
    assert "format 'imagenet' is not known" in capsys.readouterr().err
    assert program.main(["data", "check", str(draw_market1501(tmp_path / "m")), "--workers", "0"]) == 2
