"""`genreid data synthesize` as people run it, and `data check` on what it made."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from genreid.cli import data as verb
from genreid.cli import main as program


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENREID_CACHE", str(tmp_path / "cache"))


def run(*words: object) -> "subprocess.CompletedProcess[str]":
    """Run `genreid data` in a process of its own."""
    command = [sys.executable, "-m", "genreid.cli.main", "data", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_what_is_made_passes_the_check(tmp_path: Path) -> None:
    root, masks = tmp_path / "B", tmp_path / "masks"
    small = ("--domain", "B", "--pids", 6, "--height", 64, "--width", 32, "--seed", 5)
    made = run("synthesize", root, *small, "--masks", masks, "--json")
    assert made.returncode == 0, made.stderr
    answer = json.loads(made.stdout)
    assert answer["masks"] == str(masks)
    checked = run("check", root, "--masks", masks, "--json")
    assert checked.returncode == 0, checked.stderr
    counts = json.loads(checked.stdout)
    assert counts["train"]["pids"] == counts["query"]["pids"] == counts["gallery"]["pids"] == 3
    images = counts["train"]["images"] + counts["query"]["images"] + counts["gallery"]["images"]
    assert images + counts["gallery"]["junk"] == answer["images"]
    assert not (counts["unreadable"])
    assert not (counts["unmatched_names"])
    assert not (counts["queries_without_match"])


def test_masks_lie_beside_the_images_by_default(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["synthesize", str(tmp_path), "--pids", "2", "--height", "32", "--width", "16"]
    assert verb.main(words) == 0
    assert f"masks: {tmp_path / 'masks'}" in capsys.readouterr().out
    images = sorted(path.stem for path in (tmp_path / "query").iterdir())
    assert images == sorted(path.stem for path in (tmp_path / "masks" / "query").iterdir())
    assert verb.main(words) == 0
    assert "there before" in capsys.readouterr().out


def test_what_does_not_fit_is_refused_in_one_paragraph(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert program.main(["data", "synthesize", str(tmp_path), "--pids", "1"]) == 2
    told = capsys.readouterr().err
    assert "--pids must be 2 to" in told
    assert "Traceback" not in told
    assert not list(tmp_path.iterdir())


def test_help_says_what_the_domains_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        verb.main(["synthesize", "--help"])
    told = capsys.readouterr().out
    assert "genreid data synthesize" in told
    assert "market town" in told
    assert "station" in told
