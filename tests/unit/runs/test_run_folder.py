"""A run folder: begun once, resumed with the same settings only."""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import torch
import yaml

from genreid.data.image_config import ImageConfig
from genreid.runs.config_file import config_to_dict, read_yaml_mapping
from genreid.runs.run_folder import open_run, read_config, read_job
from genreid.training.baseline_config import BaselineConfig


@dataclass(frozen=True)
class Inner:
    """Settings in settings."""

    rate: float = 1e-5
    drop_at: tuple[float, ...] = (0.5, 0.75)


@dataclass(frozen=True)
class Settings:
    """A small configuration."""

    iterations: int = 30
    inner: Inner = field(default_factory=Inner)


@dataclass(frozen=True)
class InStages:
    """Settings of several stages."""

    width: int = 8
    stage3: Inner = field(default_factory=Inner)
    cluster: Inner = field(default_factory=Inner)


JOB = {"source": "a", "seed": 0, "pretrained": None}


def test_a_new_run_writes_down_what_was_asked_for(tmp_path: Path) -> None:
    run = tmp_path / "deep" / "run"
    open_run(run, Settings(), JOB)
    assert read_yaml_mapping(run / "config.yaml") == config_to_dict(Settings())
    record = read_job(run)
    assert {name: record[name] for name in JOB} == JOB
    assert record["torch"] == torch.__version__
    assert record["version"]


def test_the_same_settings_resume(tmp_path: Path) -> None:
    open_run(tmp_path / "run", Settings(), JOB)
    before = {path: path.read_text() for path in (tmp_path / "run").iterdir()}
    open_run(tmp_path / "run", Settings(), JOB)
    assert {path: path.read_text() for path in (tmp_path / "run").iterdir()} == before


def test_other_settings_are_refused_and_named(tmp_path: Path) -> None:
    run = tmp_path / "run"
    open_run(run, Settings(), JOB)
    (run / "checkpoints" / "identity" / "00000020").mkdir(parents=True)
    other = replace(Settings(), iterations=31, inner=Inner(drop_at=(0.5,)))
    with pytest.raises(ValueError, match="was begun with other settings") as caught:
        open_run(run, other, {**JOB, "seed": 1})
    lines = str(caught.value).splitlines()
    assert "  iterations: 30 there, 31 now" in lines
    assert "  inner.drop_at: [0.5, 0.75] there, [0.5] now" in lines
    assert "  seed: 0 there, 1 now" in lines
    assert len(lines) == 5, "what is the same is not named"
    assert "another --out" in lines[-1]


def test_a_run_of_another_command_is_refused(tmp_path: Path) -> None:
    run = tmp_path / "run"
    open_run(run, Settings(), {**JOB, "command": "train baseline"})
    (run / "checkpoints" / "identity" / "00000020").mkdir(parents=True)
    with pytest.raises(
        ValueError, match="is a run of `genreid train baseline`, this is `genreid train taudl`"
    ) as caught:
        open_run(run, Settings(), {**JOB, "command": "train taudl"})
    assert "give another --out" in str(caught.value)
    assert f"name {run} with --init" in str(caught.value)
    assert read_job(run)["command"] == "train baseline"
    open_run(run, Settings(), {**JOB, "command": "train baseline"})


def test_the_recipe_that_a_run_was_begun_with_is_named(tmp_path: Path) -> None:
    run = tmp_path / "run"
    open_run(run, Settings(), {**JOB, "recipe": "compact"})
    (run / "checkpoints" / "identity" / "00000020").mkdir(parents=True)
    open_run(run, Settings(), {**JOB, "recipe": "paper"})  # the same settings by another name
    with pytest.raises(ValueError, match=r"begun with other settings \(--recipe compact\)"):
        open_run(run, replace(Settings(), iterations=31), {**JOB, "recipe": "paper"})


def test_before_the_first_checkpoint_settings_may_be_mended(tmp_path: Path) -> None:
    open_run(tmp_path / "run", Settings(), JOB)
    open_run(tmp_path / "run", Settings(), {**JOB, "seed": 1})
    assert read_job(tmp_path / "run")["seed"] == 1


def test_settings_of_a_stage_may_change_until_it_has_begun(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run, later = tmp_path / "run", InStages(stage3=Inner(rate=0.5), cluster=Inner(rate=0.7))
    open_run(run, InStages(), {**JOB, "then": "none", "diagnose": False})
    (run / "checkpoints" / "identity" / "00000020").mkdir(parents=True)
    with caplog.at_level(logging.INFO):
        open_run(run, later, {**JOB, "then": "cluster", "diagnose": True})
    assert "cluster.rate: 0.7 instead of 1e-05 from now on" in caplog.text
    assert read_yaml_mapping(run / "config.yaml") == config_to_dict(later)
    assert read_job(run)["then"] == "cluster"

    (run / "checkpoints" / "finetuning" / "00000007").mkdir(parents=True)
    open_run(run, replace(later, cluster=Inner()), {**JOB, "then": "taudl"})
    for changed in (replace(later, stage3=Inner()), replace(later, width=9)):
        with pytest.raises(ValueError, match=r"stage3\.rate: 0\.5 there|width: 8 there"):
            open_run(run, changed, {**JOB, "then": "none"})
    (run / "checkpoints" / "taudl" / "00000001").mkdir(parents=True)
    with pytest.raises(ValueError, match="then: taudl there, none now"):
        open_run(run, later, {**JOB, "then": "none"})


def test_a_run_from_before_a_setting_keeps_what_it_had(tmp_path: Path) -> None:
    """Recipes resize bicubically now; a run that knows nothing of it was begun with bilinear images."""
    run, other = tmp_path / "run", ImageConfig(resampling="bicubic")
    open_run(run, BaselineConfig(), JOB)
    settings = read_yaml_mapping(run / "config.yaml")
    del settings["image"]["resampling"]
    (run / "config.yaml").write_text(yaml.safe_dump(settings))
    (run / "checkpoints" / "identity" / "00000020").mkdir(parents=True)
    open_run(run, BaselineConfig(), JOB)
    with pytest.raises(ValueError, match=r"image\.resampling: bilinear there, bicubic now"):
        open_run(run, BaselineConfig(image=other), JOB)


@pytest.mark.parametrize("text", ["", "{", "[1]", "\x00"])
def test_a_damaged_record_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "job.json").write_text(text)
    with pytest.raises(ValueError, match=rf"{tmp_path}/job\.json is damaged: expected a JSON object"):
        read_job(tmp_path)


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match="is not empty and holds no run; give --out a new or empty folder"):
        open_run(tmp_path, Settings(), JOB)
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]


@pytest.mark.parametrize("killed_after", ["config.yaml", "job.json"])
def test_a_run_that_was_killed_as_it_began_is_taken_over(tmp_path: Path, killed_after: str) -> None:
    open_run(tmp_path / "whole", Settings(), JOB)
    run = tmp_path / "run"
    open_run(run, Settings(), JOB)
    if killed_after == "config.yaml":
        (run / "job.json").unlink()
    for name in (".config.yaml.17.part", ".job.json.a_host-18.part"):
        (run / name).write_text("seed")
    open_run(run, Settings(), JOB)
    whole = tmp_path / "whole"
    assert {
        p.name: p.read_text()
        for p in run.iterdir()
        if not p.name.startswith(".") or killed_after != "job.json"
    } == {p.name: p.read_text() for p in whole.iterdir()}


def test_an_empty_file_of_settings_is_of_a_run_that_was_killed(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("")
    open_run(tmp_path, Settings(), JOB)
    assert read_yaml_mapping(tmp_path / "config.yaml") == config_to_dict(Settings())


@pytest.mark.parametrize("text", ["iterations: 9\n", "a: [1"])
def test_settings_that_somebody_wrote_are_not_replaced(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(ValueError, match="holds no run; give --out a new or empty folder"):
        open_run(tmp_path, Settings(), JOB)
    assert (tmp_path / "config.yaml").read_text() == text


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    """A run folder with a checkpoint."""
    open_run(tmp_path / "run", Settings(), JOB)
    (tmp_path / "run" / "checkpoints" / "identity" / "00000020").mkdir(parents=True)
    return tmp_path / "run"


@pytest.mark.parametrize("lost", [["job.json"], ["config.yaml"], ["config.yaml", "job.json"]])
def test_lost_records_are_written_anew_and_checkpoints_stay(
    begun: Path, caplog: pytest.LogCaptureFixture, lost: list[str]
) -> None:
    before = {name: (begun / name).read_text() for name in ("config.yaml", "job.json")}
    for name in lost:
        (begun / name).unlink()
    with caplog.at_level(logging.WARNING):
        open_run(begun, Settings(), JOB)
    assert {name: (begun / name).read_text() for name in before} == before
    assert f"{begun}: no {' and no '.join(lost)}: written anew as this command has it" in caplog.text
    assert (begun / "checkpoints" / "identity" / "00000020").is_dir()


def test_what_is_left_of_the_records_still_counts(begun: Path) -> None:
    (begun / "config.yaml").unlink()
    with pytest.raises(ValueError, match="seed: 0 there, 1 now"):
        open_run(begun, Settings(), {**JOB, "seed": 1})
    assert not (begun / "config.yaml").exists()


def test_a_run_without_its_record_says_how_to_keep_the_checkpoints(begun: Path) -> None:
    (begun / "job.json").unlink()
    with pytest.raises(
        ValueError, match=r"has checkpoints and no job\.json; type the command .* checkpoint stays"
    ):
        read_job(begun)


def cut(text: str) -> str:
    """Return the text without its last setting."""
    return text[: text.index("  drop_at")]


@pytest.mark.parametrize(
    "damage",
    [lambda _text: "", cut, lambda text: text[: len(text) // 2], lambda text: text[:-1], lambda _t: "a: [1"],
)
def test_damaged_settings_are_refused_in_words(begun: Path, damage: Callable[[str], str]) -> None:
    path = begun / "config.yaml"
    path.write_text(damage(path.read_text()))
    words = rf"{path} is damaged: .*; delete it and type the command that made the run .* checkpoint stays"
    with pytest.raises(ValueError, match=words):
        open_run(begun, Settings(), JOB)
    path.unlink()  # as it says
    open_run(begun, Settings(), JOB)
    assert read_config(begun) == config_to_dict(Settings())


def test_settings_from_before_their_end_was_written_down(begun: Path) -> None:
    record = json.loads((begun / "job.json").read_text())
    del record["config_end"]
    (begun / "job.json").write_text(json.dumps(record))
    open_run(begun, Settings(), JOB)
    (begun / "config.yaml").write_text("")
    with pytest.raises(ValueError, match="it is empty or cut off"):
        open_run(begun, Settings(), JOB)


def test_an_empty_folder_will_do(tmp_path: Path) -> None:
    open_run(tmp_path, Settings(), JOB)
    assert (tmp_path / "job.json").exists()


def test_no_run_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"is no run folder \(no job.json\)"):
        read_job(tmp_path)
