"""JPEG files to embeddings: torch, ONNX Runtime and OpenVINO, float32 and int8, on the same files in turns.

    python -m benchmarks.export [--backbone NAME] [--size H W] [--run RUN] [--data DIR] [--count 256]
                                [--repeats 3] [--tiny] [--out F.json]

Each way decodes every file with the package's decoder and embeds in batches of 32; the engines take turns, so
that what else the machine does meets all of them. torch is the `Extractor`, in float32 and in bf16. int8 is
ONNX Runtime's static quantisation (a scale a channel), calibrated on 64 images. With a data set: rank-1 and
mAP with every engine, and with resizing as BoxMOT and Ultralytics do it, which look at two pixels an axis.
OMP_NUM_THREADS=1 gives every engine one thread: on a machine that does other things torch's threads wait for
each other, the others' hardly, so that rates say little and processor seconds more.
Goals: EfficientNet-Lite0 at 128x64 twice as fast as torch; ResNet-50 at 256x128: docs/performance.md.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from benchmarks.drawn import draw_crops
from benchmarks.measure import Figures, Sheet, Target, add_options, ratios, seconds_of, spread
from genreid.data.decode import decode, read_image
from genreid.data.load import open_dataset
from genreid.evaluation.ranking import rank
from genreid.export.graphs import EXAMPLES, EmbeddingGraph, to_onnx
from genreid.export.runtimes import Run, run_onnx, run_openvino
from genreid.features.extract import Extractor, OpenedNetwork, open_network
from genreid.features.feature_set import FeatureSet
from genreid.features.networks import make_ready
from genreid.features.onnx_extractor import HandOver
from genreid.features.options import FeatureOptions
from genreid.models.backbone import BackboneConfig, build_reid_network
from genreid.models.devices import PrecisionName

BATCH, CALIBRATION = 32, 64
TORCH, TORCH_BF16 = "torch, fp32", "torch, bf16"
ONNX, OPENVINO = "onnxruntime, fp32", "openvino, fp32"
ONNX_INT8, OPENVINO_INT8 = "onnxruntime, int8", "openvino, int8"

Embed = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
Turns = dict[str, list[float]]
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
            train = open_dataset(options.data).train
            case = case._replace(calibration=[sample.path for sample in train[:CALIBRATION]])
        engines = make_engines(case, place, torch.get_num_threads())
        rates, costs = measure(case, engines, options.repeats)
        sheet.figures = {
            "network": options.backbone if options.run is None else f"run {options.run.name}",
            "size": list(case.opened.size),
            "images": len(case.paths),
            "threads": torch.get_num_threads(),
            "images_per_second": {name: spread(found) for name, found in rates.items()},
            "processor_seconds_per_image": {name: spread(found) for name, found in costs.items()},
            "smallest_cosine_to_torch": cosines(case, engines),
        }
        if options.data is not None:
            sheet.figures["ranking"] = rankings(options.data, case.opened, engines)
    best = max((ONNX, OPENVINO), key=lambda name: spread(rates[name])["median"])
    sheet.targets.append(
        Target(
            what=f"extraction from JPEG files, {sheet.figures['network']}, {best}",
            ours=f"{spread(rates[best])['median']:.3g} images/s",
            reference=f"{TORCH}: {spread(rates[TORCH])['median']:.3g} images/s",
            ratio=ratios(rates[best], rates[TORCH])["median"],
            bound=2.0,
        )
    )
    return sheet.finish(options)


def _arguments() -> argparse.ArgumentParser:
    """Return the options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.export")
    parser.add_argument("--backbone", default="tf_efficientnet_lite0", help="with random weights")
    parser.add_argument("--size", type=int, nargs=2, default=[128, 64], metavar=("H", "W"))
    parser.add_argument("--run", type=Path, help="a trained network instead")
    parser.add_argument(
        "--data", type=Path, help="rank its gallery with every engine, calibrate on its people"
    )
    parser.add_argument("--count", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=3)
    return add_options(parser)


def _opened(options: argparse.Namespace) -> OpenedNetwork:
    """Return the run's network, or a random one."""
    if options.run is not None:
        return open_network(options.run, FeatureOptions(device="cpu", precision="fp32"))
    torch.manual_seed(0)
    network = build_reid_network(BackboneConfig(options.backbone, "none"), 751).eval()
    return OpenedNetwork(network, (options.size[0], options.size[1]), "image", {})


def make_engines(case: Case, place: Path, threads: int) -> dict[str, Embed]:
    """Return every engine as a function of pixels."""
    import onnx  # noqa: PLC0415 - an extra

    opened, hand_over = case.opened, HandOver()
    graph = EmbeddingGraph(make_ready(opened.network, FeatureOptions()), hand_over).eval()
    onnx.save_model(
        to_onnx(graph, {"images": torch.rand(EXAMPLES, 3, *opened.size)}, ("embedding",)), place / "n.onnx"
    )
    quantise(place / "n.onnx", place / "n8.onnx", read(case.calibration, opened))

    def extractor(precision: PrecisionName) -> Embed:
        return Extractor.of_opened(opened, FeatureOptions(device="cpu", precision=precision)).embed_pixels

    def exported(run: Run) -> Embed:
        return lambda images: run((hand_over(images),))[0]

    return {
        TORCH: extractor("fp32"),
        TORCH_BF16: extractor("bf16"),
        ONNX: exported(run_onnx(place / "n.onnx", threads)),
        OPENVINO: exported(run_openvino(place / "n.onnx", threads)),
        ONNX_INT8: exported(run_onnx(place / "n8.onnx", threads)),
        OPENVINO_INT8: exported(run_openvino(place / "n8.onnx", threads)),
    }


def quantise(path: Path, out: Path, images: NDArray[np.uint8]) -> None:
    """Write a network in int8, its ranges taken from some images."""
    from onnxruntime.quantization import (  # noqa: PLC0415 - an extra
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.left = iter(HandOver()(images))

        def get_next(self) -> dict[str, NDArray[np.float32]] | None:
            image = next(self.left, None)
            return None if image is None else {"images": image[None]}

    kinds = {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8}
    quantize_static(path, out, Reader(), quant_format=QuantFormat.QDQ, per_channel=True, **kinds)


def read(paths: Sequence[Path], opened: OpenedNetwork) -> NDArray[np.uint8]:
    """Decode files as the package does."""
    return np.stack([decode(path, opened.size, opened.kind) for path in paths])


def measure(case: Case, engines: dict[str, Embed], repeats: int) -> tuple[Turns, Turns]:
    """Return images a second and processor seconds an image of every engine, from file to embedding."""
    rates: Turns = {name: [] for name in engines}
    costs: Turns = {name: [] for name in engines}
    for turn in range(repeats + 1):
        for name, embed in engines.items():
            began = time.process_time()
            taken = seconds_of(partial(embed_files, embed, case))
            if turn:  # the first warms up
                rates[name].append(len(case.paths) / taken)
                costs[name].append((time.process_time() - began) / len(case.paths))
    return rates, costs


def embed_files(embed: Embed, case: Case) -> None:
    """Embed all files, batch after batch."""
    for some in cut(case.paths):
        embed(read(some, case.opened))


def cut(paths: Sequence[Path]) -> Iterator[Sequence[Path]]:
    """Yield batches."""
    for start in range(0, len(paths), BATCH):
        yield paths[start : start + BATCH]


def cosines(case: Case, engines: dict[str, Embed]) -> Figures:
    """Return each engine's smallest cosine to torch in float32."""
    found = {name: embed(read(case.paths[:BATCH], case.opened)) for name, embed in engines.items()}
    return {name: float((rows * found[TORCH]).sum(1).min()) for name, rows in found.items()}


def rankings(data: Path, opened: OpenedNetwork, engines: dict[str, Embed]) -> Figures:
    """Return rank-1 and mAP with every engine, and of torch with other ways of resizing."""
    dataset = open_dataset(data)

    def ranked(embed: Embed, resize: Resize) -> Figures:
        sides = []
        for samples in (dataset.query, dataset.gallery):
            parts = [
                embed(np.stack([resize(path, opened.size) for path in some]))
                for some in cut([sample.path for sample in samples])
            ]
            pids, camids = ([getattr(sample, name) for sample in samples] for name in ("pid", "camid"))
            sides.append(FeatureSet(np.concatenate(parts), np.array(pids), np.array(camids)))
        ranking = rank(*sides)
        return {"rank1": float(ranking.cmc[0]), "mAP": float(ranking.mAP), "queries": ranking.valid_queries}

    found = {
        name: ranked(embed, lambda path, size: decode(path, size, opened.kind))
        for name, embed in engines.items()
    }
    return found | {f"{TORCH}, resized with two taps": ranked(engines[TORCH], with_two_taps)}


def with_two_taps(path: Path, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Resize as OpenCV's INTER_LINEAR and torch's bilinear interpolation do: no antialiasing."""
    image = torch.from_numpy(read_image(path).copy()).permute(2, 0, 1)[None].float()
    small = F.interpolate(image, size=size, mode="bilinear", align_corners=False)[0]
    return small.round().clamp(0, 255).to(torch.uint8).numpy()


if __name__ == "__main__":
    sys.exit(main())
