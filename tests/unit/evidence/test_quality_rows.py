"""Rows of quality: runs beside real images and beside source and target as they are."""

import json
from pathlib import Path

import pytest

from evidence import quality_rows, results_page
from genreid.quality import measure
from tests.drawn_datasets import draw_market1501
from tests.tiny_dgnet_run import SIZE
from tests.workflows.test_quality import alexnet_of_chance


def test_a_run_stands_beside_what_it_is_compared_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GENREID_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(measure, "lpips_weights", lambda _name: alexnet_of_chance())
    job: dict[str, object] = {"command": "adapt", "renderer": "none", "holdout": 0}
    for seed, name in enumerate(("source", "target")):
        masks = tmp_path / f"{name}-masks"
        job |= {name: str(draw_market1501(tmp_path / name, 3, 2, size=SIZE, seed=seed, masks_root=masks))}
        job |= {f"{name}_masks": str(masks)}
    run, out = tmp_path / "none", tmp_path / "results" / "quality" / "drawn"
    run.mkdir()
    (run / "job.json").write_text(json.dumps(job))
    (run / "config.yaml").write_text(f"image:\n  height: {SIZE[0]}\n  width: {SIZE[1]}\n")
    words = [str(run), "--data", str(tmp_path / "target"), "--contexts", "2", "--out", str(out)]
    assert quality_rows.main(words) == 0
    rows = {path.name.split(".")[0]: json.loads(path.read_text()) for path in out.iterdir()}
    assert set(rows) == {"none", "real", "source_target"}
    none, both = rows["none"]["figures"], rows["source_target"]["figures"]
    # doing nothing: as source_target, but that a source image is compared with itself, but for JPEG
    assert none["lpips"] < 0.3 * both["lpips"]
    assert none["ssim"] > 0.9 > both["ssim"]
    assert none["context_distance"] == pytest.approx(both["context_distance"], rel=0.5)
    assert both["lpips_diversity"] > none["lpips_diversity"]
    assert rows["real"]["figures"]["dssim_lab"] > 0
    assert "no covariance" not in rows["real"]["missing"]["frechet_vgg16"]
    printed = capsys.readouterr().out
    assert f"({none['lpips'] / both['lpips']:.2f})" in printed
    page = results_page.page(tmp_path / "results")
    assert f"{none['lpips']:.4g} ({none['lpips'] / both['lpips']:.2f})" in page
    assert "| drawn: `source_target` |" in page
