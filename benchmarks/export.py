"""JPEG files to embeddings by torch, ONNX Runtime and OpenVINO, in float32 and int8, on the same files in turns.

    python -m benchmarks.export [--backbone NAME] [--size H W] [--count 256] [--repeats 3] [--run RUN --data DIR]
                                [--tiny] [--out F.json]

Each way decodes every file with the package's decoder and embeds in batches of 32, with all cores; the engines
take turns, so that what else the machine does meets all of them. torch is the `Extractor` in float32, in bf16
where the hardware has it. int8: ONNX Runtime's static quantisation (QDQ, one scale a channel), calibrated on 64
training images. With a run and a data set: rank-1 and mAP of every engine, and what a tool's own resizing costs
(OpenCV's bilinear resize without antialiasing, as BoxMOT has; torch's, as Ultralytics has).
Goals: EfficientNet-Lite0 at 128x64 twice as fast as torch. About 4 minutes.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from benchmarks.drawn import draw_crops
from benchmarks.extraction import TRAINED
from benchmarks.measure import Figures, Sheet, Target, add_options, ratios, seconds_of, spread
from genreid.data.decode import Kind, decode, read_image
from genreid.data.load import open_dataset
from genreid.data.sample import Sample
from genreid.evaluation.ranking import rank
from genreid.export.graphs import EXAMPLES, EmbeddingGraph, to_onnx
from genreid.export.runtimes import run_onnx, run_openvino
from genreid.features.extract import Extractor, OpenedNetwork, open_network
from genreid.features.feature_set import FeatureSet
from genreid.features.networks import make_ready
from genreid.features.onnx_extractor import HandOver
from genreid.features.options import FeatureOptions, Precision
from genreid.models.backbone import BackboneConfig, build_reid_network

BATCH, CALIBRATION = 32, 64
TORCH, TORCH_BF16 = "torch, fp32", "torch, bf16"
ONNX, OPENVINO = "onnxruntime, fp32", "openvino, fp32"
ONNX_INT8, OPENVINO_INT8 = "onnxruntime, int8", "openvino, int8"

Embed = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
Resize = Callable[[Path, tuple[int, int]], NDArray[np.uint8]]


class Case(NamedTuple):
    """The network, the files that are timed, and files for calibration."""

    opened: OpenedNetwork
    paths: list[Path]
    calibration: list[Path]


def main(argv: Sequence[str] | None = None) -> int:
    """Embed the files with every engine, in turns."""
    options = _arguments().parse_args(argv)
    if options.tiny:
        options.count, options.backbone, options.size, options.repeats = 4, "test_resnet", [64, 32], 1
    sheet = Sheet("export", "JPEG files to embeddings: torch, ONNX Runtime, OpenVINO")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        paths = sorted(draw_crops(place / "crops", options.count + CALIBRATION).rglob("*.jpg"))
        case = Case(_opened(options), paths[CALIBRATION:], paths[:CALIBRATION])
        if options.data is not None:
            case = case._replace(calibration=[s.path for s in open_dataset(options.data).train][:CALIBRATION])
        engines = make_engines(case, place)
        rates = measure(case, engines, options.repeats)
        sheet.figures = {
            "backbone": options.backbone if options.run is None else f"of the run {options.run.name}",
            "size": list(case.opened.size),
            "images": len(case.paths),
            "threads": torch.get_num_threads(),
            "images_per_second": {name: spread(found) for name, found in rates.items()},
            "cosines_to_torch": cosines(case, engines),
        }
        if options.run is not None and options.data is not None:
            sheet.figures["drawn_people"] = rankings(options.data, case.opened, engines)
    goal = 2.0 if options.backbone == TRAINED else None
    if goal is not None:
        best = max((ONNX, OPENVINO), key=lambda name: float(np.median(rates[name])))
        times = ratios(rates[best], rates[TORCH])
        label = f"extraction, {TRAINED}, 128x64, {best}"
        sheet.targets.append(
            Target(label, rates[best], rates[TORCH], ">=", goal, "images/s", TORCH) if False else _target(label, times, goal)
        )
    return sheet.finish(options)
