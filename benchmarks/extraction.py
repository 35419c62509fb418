"""Embeddings a second: `Extractor` against the loop that one would write first, on the same decoded images.

    python -m benchmarks.extraction [--backbone NAME] [--weights W] [--size H W] [--count N] [--out F.json]

The plain loop runs the network in evaluation mode in float32, batch after batch; ours folds the batch norms
away, runs channels last, and in bf16 where the hardware has it. Ours in float32 is shown, too, and how near
the embeddings of each way are to the plain ones (the smallest cosine). The three take turns; the load is
noted, since a busy machine decides much.
"""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from genreid.data.bank import ImageBank
from genreid.features.extract import Extractor
from genreid.features.options import FeatureOptions
from genreid.features.pooling import pool
from genreid.models.backbone import BackboneConfig, ReidNetwork, build_reid_network

Embeddings = NDArray[np.float32]


@dataclass(frozen=True)
class Way:
    """One way to embed the images."""

    name: str
    embed: Callable[[], Embeddings]


def main(argv: Sequence[str] | None = None) -> int:
    options = _arguments().parse_args(argv)
    torch.manual_seed(0)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network = build_reid_network(BackboneConfig(options.backbone, options.weights), 751).eval().to(device)
    bank = _smooth_noise(options.count, options.size)
    ways = _ways(network, bank, options.batch_size)
    load, warm = os.getloadavg()[0], [way.embed() for way in ways]
    rates: dict[str, list[float]] = {way.name: [] for way in ways}
    for _ in range(options.repeats):
        for way in ways:
            start = time.perf_counter()
            way.embed()
            rates[way.name].append(round(len(bank) / (time.perf_counter() - start), 1))
    answer = {
        "backbone": options.backbone,
        "size": options.size,
        "images": len(bank),
        "batch_size": options.batch_size,
        "device": torch.cuda.get_device_name()
        if device == "cuda"
        else f"cpu, {torch.get_num_threads()} threads",
        "load": [round(load, 2), round(os.getloadavg()[0], 2)],
        "embeddings_per_second": {
            name: {"median": statistics.median(found), "min": min(found), "max": max(found)}
            for name, found in rates.items()
        },
        "smallest_cosine_to_plain": {
            way.name: round(float((warm[0] * found).sum(1).min()), 5)
            for way, found in zip(ways, warm, strict=True)
        },
    }
    text = json.dumps(answer, indent=2) + "\n"
    if options.out is None:
        sys.stdout.write(text)
    else:
        options.out.write_text(text, encoding="utf-8")
    return 0


def _arguments() -> argparse.ArgumentParser:
    """Return the options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.extraction")
    parser.add_argument("--backbone", default="tf_efficientnet_lite0")
    parser.add_argument(
        "--weights", default="none", help="random ones take as long; cosines need trained ones"
    )
    parser.add_argument("--size", type=int, nargs=2, default=[128, 64], metavar=("H", "W"))
    parser.add_argument("--count", type=int, default=1024)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path)
    return parser


def _smooth_noise(count: int, size: Sequence[int]) -> ImageBank:
    """Return decoded images of coloured blots."""
    height, width = size
    coarse = torch.rand(count, 3, height // 8, width // 8, generator=torch.Generator().manual_seed(0)) * 255
    images = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bilinear")
    return ImageBank(tuple(Path(str(row)) for row in range(count)), images.to(torch.uint8).numpy(), {})


def _ways(network: ReidNetwork, bank: ImageBank, batch_size: int) -> list[Way]:
    """Return the plain loop, ours in float32, and ours as it runs by default."""
    exact, usual = (
        Extractor.of_network(
            network, bank.height_width, FeatureOptions(batch_size=batch_size, precision=precision), {}
        )
        for precision in ("fp32", "auto")
    )
    rows = torch.arange(len(bank))
    return [
        Way("plain loop, fp32", lambda: _plain(network, bank, batch_size)),
        Way("Extractor, fp32", lambda: exact.embed_rows(bank, rows)),
        Way(f"Extractor, {usual.compute.name} (auto)", lambda: usual.embed_rows(bank, rows)),
    ]


def _plain(network: ReidNetwork, bank: ImageBank, batch_size: int) -> Embeddings:
    """Embed as one would write it first."""
    device = next(network.parameters()).device
    found = []
    with torch.no_grad():
        for start in range(0, len(bank), batch_size):
            images = torch.from_numpy(bank.array[start : start + batch_size]).to(device)
            found.append(pool(network.feature_map(images.float() / 127.5 - 1)).cpu().numpy())
    return np.concatenate(found)


if __name__ == "__main__":
    sys.exit(main())
