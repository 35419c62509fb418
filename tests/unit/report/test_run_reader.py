"""Run folders: whole, half, damaged."""

import json
from pathlib import Path

import pytest

from genreid.report.run_reader import StageProgress, read_runs, short_labels
from tests.drawn_runs import draw_run

STATE = "checkpoints/identity/00000060/state.json"


def test_a_whole_run(tmp_path: Path) -> None:
    run = draw_run(tmp_path / "r", tmp_path / "B")
    (found,) = read_runs([run])
    assert found.label == "r"
    assert found.method.startswith("CR-GAN")
    assert found.stages == (StageProgress("identity", 60, 100), StageProgress("rendering", 100, 100))
    assert found.settings == {"image.height": "64", "image.width": "32", "stage2.iterations": "100"}
    assert [path.name for path in found.pictures] == ["renderings.png"]
    assert found.test_set == str(tmp_path / "B")
    assert not found.problems
    assert found.command == (
        f"genreid adapt --source nowhere --target {tmp_path}/B --renderer crgan --holdout 0 --seed 0 "
        f"--config {run}/config.yaml --out NEW_RUN"
    )


def test_a_run_given_twice_counts_once(tmp_path: Path) -> None:
    run = draw_run(tmp_path / "r", tmp_path)
    assert len(read_runs([run, run / ".." / "r"])) == 1


@pytest.mark.parametrize(
    ("file", "content", "problem"),
    [
        ("job.json", b"{", "job.json is damaged."),
        ("job.json", b"[1]", "job.json is damaged."),
        ("job.json", b"\xff", "job.json is damaged."),
        ("job.json", None, "job.json: no such file or directory."),
        ("config.yaml", b"a: [1", "config.yaml is no YAML mapping."),
        ("config.yaml", b"- 1", "config.yaml is no YAML mapping."),
        ("config.yaml", b"!!python/object/apply:os.abort []", "config.yaml is no YAML mapping."),
        ("config.yaml", b" " * 1_000_001, "config.yaml is too large to be shown, or no plain file."),
        ("config.yaml", None, "config.yaml: no such file or directory."),
        (STATE, b"{}", "checkpoints/identity/00000060 is damaged."),
        (STATE, b'{"iterations": 1e999}', "checkpoints/identity/00000060 is damaged."),
        (STATE, None, "checkpoints/identity/00000060 is damaged."),
    ],
)  # fmt: skip
def test_what_is_damaged_is_a_sentence(
    tmp_path: Path, file: str, content: bytes | None, problem: str
) -> None:
    run = draw_run(tmp_path / "r", tmp_path / "B")
    if content is None:
        (run / file).unlink()
    else:
        (run / file).write_bytes(content)
    (found,) = read_runs([run])
    assert found.problems == (problem,)


@pytest.mark.parametrize("part", ["job.json", "config.yaml", "metrics.jsonl", "checkpoints", "images"])
def test_any_part_alone_is_a_run(tmp_path: Path, part: str) -> None:
    whole = draw_run(tmp_path / "whole", tmp_path / "B")
    (tmp_path / "r").mkdir()
    (whole / part).rename(tmp_path / "r" / part)
    (found,) = read_runs([tmp_path / "r"])
    assert found.problems or part in {"job.json", "config.yaml"}


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("")
    for path, words in (
        (tmp_path, "no run folder"),
        (tmp_path / "x.txt", "no folder"),
        (tmp_path / "y", "no folder"),
    ):
        with pytest.raises(ValueError, match=f"is {words}; give the --out"):
            read_runs([path])


@pytest.mark.parametrize(
    ("command", "method"),
    [
        ("adapt", "CR-GAN"),
        ("train baseline", "Baseline"),
        ("train dgnet", "DG-Net"),
        ("train cluster", "Clustering"),
        ("train taudl", "TAUDL"),
    ],
)
def test_methods(tmp_path: Path, command: str, method: str) -> None:
    run = draw_run(tmp_path / "r", tmp_path)
    (run / "job.json").write_text(json.dumps({"command": command, "recipe": "compact", "data": "x"}))
    (found,) = read_runs([run])
    assert found.method.startswith(method)
    assert found.command.startswith(f"genreid {command} --data x --config ")


@pytest.mark.parametrize("job", [{}, {"data": "x"}, {"command": "; rm"}, {"command": ["adapt"]}])
def test_a_run_that_does_not_tell_its_command(tmp_path: Path, job: dict[str, object]) -> None:
    run = draw_run(tmp_path / "r", tmp_path)
    (run / "job.json").write_text(json.dumps(job))
    (found,) = read_runs([run])
    assert (found.method, found.command) == ("Training", "")


def test_labels_are_as_short_as_can_be() -> None:
    assert short_labels([Path("/a/x"), Path("/a/y")]) == ["x", "y"]
    assert short_labels([Path("/a/x"), Path("/b/x")]) == ["a/x", "b/x"]
    assert short_labels([Path("/x"), Path("/x/x")]) == ["//x", "x/x"]
