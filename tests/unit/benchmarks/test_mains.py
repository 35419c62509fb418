"""Every benchmark runs from end to end; its processes are this one, since each would load torch anew."""

import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.evaluation import our_scores, plain_scores
from benchmarks.gpu_steps import count_flops, main, matrix_rate, waiting_calls
from genreid.features.feature_set import FeatureSet
from genreid.models.precision import Compute

CPU = Compute(torch.device("cpu"), bf16=False)


def here(module: str, function: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Call in this process."""
    found = getattr(importlib.import_module(module), function)(**arguments)
    return {"process_peak_bytes": 1_000_000, **json.loads(json.dumps(found))}


def run(name: str, out: Path, monkeypatch: pytest.MonkeyPatch, *words: str) -> dict[str, Any]:
    """Run a benchmark at its tiny size and return what it writes."""
    module = importlib.import_module(f"benchmarks.{name}")
    monkeypatch.setattr("benchmarks.measure.in_process", here)
    if hasattr(module, "in_process"):
        monkeypatch.setattr(module, "in_process", here)
    assert module.main(["--tiny", "--out", str(out / "found.json"), *words]) == 0
    found = json.loads((out / "found.json").read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    ("name", "targets"),
    [
        ("startup", 1),
        ("dgnet_step", 3),
        ("crgan_step", 2),
        ("crgan_arithmetic", 1),
        ("crgan_finetuning", 1),
        ("spgan_step", 1),
        ("extraction", 4),
        ("evaluation", 2),
        ("ranking", 2),
        ("waiting", 5),
    ],
)
def test_every_benchmark_finds_its_ratios(
    name: str, targets: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = run(name, tmp_path, monkeypatch)
    assert found["name"] == name
    assert len(found["targets"]) == targets
    assert all(target["ratio"] is not None for target in found["targets"])


def test_growth_has_an_exponent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("CR-GAN stage II step, compact", "extraction, EfficientNet-Lite0, 128x64")
    found = run("growth", tmp_path, monkeypatch, "--only", *names)["figures"]
    assert set(found) == set(names)
    assert all(len(cost["seconds"]) == len(cost["sizes"]) == 2 for cost in found.values())


def drawn(rng: np.random.Generator, count: int, first_pid: int) -> FeatureSet:
    """Images around the points of 30 people, some of them distractors, by four cameras."""
    people = np.random.default_rng(0).standard_normal((31, 8))
    pid = rng.integers(first_pid, 31, count)
    points = (people[pid] + 0.6 * rng.standard_normal((count, 8))).astype(np.float32)
    return FeatureSet(points, pid, rng.integers(1, 5, count))


def test_the_plain_loop_ranks_as_the_package() -> None:
    rng = np.random.default_rng(1)
    query, gallery = drawn(rng, 60, 1), drawn(rng, 400, 0)
    expected = our_scores(query, gallery)
    assert 0.2 < expected.mAP < 0.95
    assert plain_scores(query, gallery) == pytest.approx(expected, abs=1e-9)


def test_without_a_gpu_nothing_is_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main([]) == 0
    assert "no GPU here" in capsys.readouterr().out


@pytest.mark.parametrize(("method", "checks"), [("crgan", "yes"), ("dgnet", "no")])
def test_steps_of_a_gpu_run_on_a_cpu_when_tiny(
    method: str, checks: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("--methods", method, "--precisions", "fp32", "--checks", checks)
    found = run("gpu_steps", tmp_path, monkeypatch, *words)["figures"]
    (step,) = found["steps"].values()
    assert "error" not in step
    assert step["gigaflop"] > 0
    assert step["images_per_second"] == pytest.approx(4 / step["seconds"], rel=1e-3)
    assert [check["waits"] for check in found["checks"].values()] == ([[]] if checks == "yes" else [])


def test_flops_are_those_of_forward_and_backward() -> None:
    left, right = torch.randn(8, 16, requires_grad=True), torch.randn(16, 4)
    assert count_flops(lambda: (left @ right).sum().backward()) == 2 * 2 * 8 * 16 * 4  # type: ignore[no-untyped-call]
    assert matrix_rate(CPU, 32) > 0


class Range:
    """A stretch of time, as the profiler has it."""

    def __init__(self, start: float, end: float) -> None:
        self.start, self.end = start, end


class Event:
    """One of the profiler's events."""

    device_type = "DeviceType.CPU"

    def __init__(self, name: str, start: float, end: float) -> None:
        self.name, self.time_range = name, Range(start, end)


def test_only_waits_within_the_step_count() -> None:
    events = [
        Event("cudaDeviceSynchronize", 0, 1),
        Event("one step", 2, 8),
        Event("cudaLaunchKernel", 3, 4),
        Event("cudaStreamSynchronize", 5, 6),
        Event("cudaDeviceSynchronize", 9, 10),
    ]
    assert waiting_calls(events) == ["cudaStreamSynchronize"]
