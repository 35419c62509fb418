"""What a run folder holds is opened without anything that trains."""

import json
import subprocess
import sys
from pathlib import Path

import torch

from genreid.models.crgan import Generator, GeneratorConfig
from genreid.runs.checkpoint import CheckpointState, save_checkpoint
from genreid.runs.config_file import config_to_dict
from tests.tiny_dgnet_run import SIZE, save_dgnet, save_teacher

OPENER = """
import sys
sys.modules["genreid.training"] = None  # importing anything of it fails
from genreid import Embedder, Renderer, Swapper
from genreid.evaluation import records
from genreid.features.options import FeatureOptions
from genreid.report import run_reader

dgnet, drawn, generated = sys.argv[1:]
print(type(Embedder.from_run(dgnet).extractor.network.network).__name__)
print(type(Embedder.from_run(dgnet, FeatureOptions("pretrained")).extractor.network.network).__name__)
print(type(Swapper.from_run(dgnet).networks.decoder).__name__)
for run in (drawn, generated):
    print(type(Renderer.from_run(run).network).__name__)
"""


def test_no_network_needs_what_trains_it(tmp_path: Path) -> None:
    dgnet, drawn, generated = (tmp_path / name for name in ("dgnet", "drawn", "generated"))
    save_teacher(dgnet)
    save_dgnet(dgnet)
    for run, renderer in ((drawn, "composite"), (generated, "crgan")):
        run.mkdir()
        (run / "job.json").write_text(json.dumps({"renderer": renderer}))
        (run / "config.yaml").write_text(f"image:\n  height: {SIZE[0]}\n  width: {SIZE[1]}\n")
    config = GeneratorConfig(width=2)
    generator = Generator(config, *SIZE)
    state = CheckpointState("rendering", 4, 4, {"generator": config_to_dict(config), "size": list(SIZE)})
    save_checkpoint(
        generated / "checkpoints" / "rendering",
        state,
        {"generator": generator},
        {"generator": torch.optim.SGD(generator.parameters(), lr=0.1)},
    )

    words = [sys.executable, "-c", OPENER, *map(str, (dgnet, drawn, generated))]
    opened = subprocess.run(words, capture_output=True, text=True, check=False)
    assert opened.returncode == 0, opened.stderr
    assert opened.stdout.split() == ["AppearanceEncoder", "ReidNetwork", "Decoder", "Composite", "Generator"]
