"""One export, from a run folder to files that have been tried: what is too far away is not handed over."""

import importlib.util
import json
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import nn

from genreid.data.pictures import read_at_size
from genreid.export.graphs import EXAMPLES, EmbeddingGraph, RendererGraph, SwapperGraph, with_plain_doublings
from genreid.export.order import ExportOrder
from genreid.export.parity import (
    COSINE,
    COSINE_HALF,
    PSNR,
    DrawnFile,
    Parity,
    PictureParity,
    compare_embeddings,
    compare_pictures,
    draw_files,
)
from genreid.export.roboflow import run_roboflow, write_roboflow
from genreid.export.runtimes import Arrays, run_module
from genreid.export.sidecar import Described, describe, tracker_block
from genreid.export.writing import Graph, write_graph
from genreid.features.embedder import Embedder
from genreid.features.extract import Extractor, open_network
from genreid.features.networks import make_ready
from genreid.features.onnx_extractor import INSTALL, Card, HandOver
from genreid.features.options import FeatureOptions
from genreid.runs.trained_networks import load_dgnet
from genreid.runs.trained_renderer import load_renderer

SIDECAR = ".metadata.json"
"""Behind the whole name of the file, where BoxMOT looks for it."""
PACKAGES = ("onnx", "onnxscript", "onnxruntime", "openvino")


class Exported(NamedTuple):
    """What was handed over.

    Attributes:
        files: All of them, the one that was asked for first.
        sidecar: What the file beside it says of it.
    """

    files: tuple[Path, ...]
    sidecar: dict[str, Any]


def export_run(run: Path, order: ExportOrder, options: FeatureOptions) -> Exported:
    """Export a network of a run folder, and hand it over if it gives what torch gives.

    Args:
        run: Folder of `genreid train` or `genreid adapt`.
        order: What, for which tool, where to.
        options: FEATURE OPTIONS of a re-id network; precision and batch size are not looked at.

    Raises:
        ValueError: If the run holds no such network, the tool cannot be told of it, something else lies at
            `order.out`, or what was exported is too far from torch's embeddings or pictures.
    """
    _expect_room(order)
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        msg = f"genreid export needs {', '.join(missing)}; {INSTALL}"
        raise ValueError(msg)
    home = order.out.parent
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home, prefix=".genreid-export-") as folder:
        place = Path(folder)
        (place / "made").mkdir()
        part = replace(order, out=place / "made" / order.out.name)
        described = (
            _export_reid(run, part, options, place)
            if order.what == "reid"
            else _export_generator(run, part, place)
        )
        beside = part.out.with_name(part.out.name + SIDECAR)
        beside.write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
        made = sorted(part.out.parent.iterdir(), key=lambda path: (path != part.out, path.name))
        for path in made:
            if (home / path.name).is_dir():
                shutil.rmtree(home / path.name)
            path.replace(home / path.name)
        return Exported(tuple(home / path.name for path in made), described)


def _expect_room(order: ExportOrder) -> None:
    """Refuse a place where something else lies than an earlier export."""
    known = order.out.with_name(order.out.name + SIDECAR)
    if order.out.exists() and not known.is_file() and not order.force:
        msg = f"--out {order.out} is there and no export of genreid; give another name, or --force"
        raise ValueError(msg)


def _export_reid(run: Path, order: ExportOrder, options: FeatureOptions, place: Path) -> dict[str, Any]:
    """Write a re-id network; return what the sidecar says."""
    opened = open_network(run, replace(options, precision="fp32"))
    opened.network.to("cpu")
    exact = Extractor.of_opened(opened, replace(options, device="cpu", precision="fp32"))
    files = draw_files(place)
    expected = Embedder(exact)([file.path for file in files])
    ready = make_ready(opened.network, options)
    if order.target == "roboflow-reid":
        hand_over = write_roboflow(order.out, opened, ready)
        runner = run_roboflow(order.out)
    else:
        hand_over = order.convention.hand_over
        example = torch.rand(EXAMPLES, 3, *opened.size, generator=torch.Generator().manual_seed(0))
        half = order.half and order.target != "openvino"  # which stores half precision by itself
        graph = EmbeddingGraph(ready, hand_over, half=half).eval()
        card = Card(opened.size, opened.kind, hand_over, exact.metadata)
        runner = write_graph(
            order, Graph(graph, {order.convention.input_name: example}, ("embedding",), card)
        )
    pixels = np.stack([read_at_size(file.path, opened.size, opened.kind) for file in files])
    parity = compare_embeddings(
        pixels, expected, lambda images: runner((hand_over(images),))[0], order.max_batch
    )
    _expect_near(order, parity)
    width = expected.shape[1]
    if order.target == "deepstream":
        order.out.with_suffix(".yml").write_text(tracker_block(order, opened.size, width), encoding="utf-8")
    card = Card(opened.size, opened.kind, hand_over, exact.metadata)
    shapes = ({order.convention.input_name: [3, *opened.size]}, {"embedding": [width]})
    return describe(order, Described(card, *shapes), parity)


def _expect_near(order: ExportOrder, parity: Parity) -> None:
    """Refuse to hand over a network whose embeddings are others."""
    wanted = COSINE_HALF if order.half else COSINE
    if not parity.cosine_min >= wanted:
        advice = "; leave out --half" if order.half else ""
        msg = (
            f"{order.out.name}: its smallest cosine to torch's embedding is {parity.cosine_min:.6f}, "
            f"expected {wanted} or more; nothing is written{advice}"
        )
        raise ValueError(msg)


def _export_generator(run: Path, order: ExportOrder, place: Path) -> dict[str, Any]:
    """Write a generator; return what the sidecar says."""
    module: nn.Module
    names: tuple[str, ...]
    outputs: tuple[str, ...]
    if order.what == "renderer":
        renderer = load_renderer(run)
        if not renderer.network.is_trained:
            msg = f"{run} renders without a network ({type(renderer.network).__name__}): nothing to export"
            raise ValueError(msg)
        card = Card(renderer.size, renderer.kind, HandOver(), {})
        module = RendererGraph(renderer.network).eval()
        names, outputs = ("source", "target", "source_mask", "target_mask"), ("images", "context_masks")
    else:
        dgnet = load_dgnet(run)
        card = Card(dgnet.size, dgnet.kind, HandOver(), {})
        module = SwapperGraph(dgnet.networks).eval()
        names, outputs = ("appearance", "structure"), ("images",)
    inputs = _pairs(draw_files(place), card)[: len(names)]
    examples = {name: torch.from_numpy(one[:EXAMPLES]) for name, one in zip(names, inputs, strict=True)}
    runner = write_graph(order, Graph(with_plain_doublings(module), examples, outputs, card))
    parity: PictureParity = compare_pictures(inputs, run_module(module), runner, order.max_batch)
    if not parity.psnr_min >= PSNR:
        msg = (
            f"{order.out.name}: its pictures are {parity.psnr_min:.1f} dB from torch's, expected {PSNR:.0f} "
            "or more; nothing is written"
        )
        raise ValueError(msg)
    made = runner(tuple(one[:EXAMPLES] for one in inputs))
    taken = {name: list(one.shape[1:]) for name, one in zip(names, inputs, strict=True)}
    given = {name: list(one.shape[1:]) for name, one in zip(outputs, made, strict=True)}
    return describe(order, Described(card, taken, given), parity)


def _pairs(files: list[DrawnFile], card: Card) -> Arrays:
    """Return people, other people, and the masks of both: float32 [N,.,H,W] in [0, 1]."""
    height, width = card.size
    people = np.stack([read_at_size(file.path, card.size, card.kind) for file in files])
    nearest = Image.Resampling.NEAREST
    masks = [np.asarray(Image.fromarray(file.mask).resize((width, height), nearest)) for file in files]
    images = people.astype(np.float32) / np.float32(255)
    people_masks = np.stack(masks)[:, None].astype(np.float32)
    return images, np.roll(images, 5, 0), people_masks, np.roll(people_masks, 5, 0)
