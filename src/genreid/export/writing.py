"""A graph -> the file that a tool reads, and that file as its tool runs it."""

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from genreid.export.graphs import to_onnx
from genreid.export.order import ExportOrder
from genreid.export.runtimes import Run, run_onnx, run_openvino, run_torchscript
from genreid.features.onnx_extractor import METADATA_KEY, Card


class Graph(NamedTuple):
    """A graph and what is said of it.

    Attributes:
        module: In evaluation mode, on the CPU.
        examples: Name of each input -> some rows, in the order of `forward`.
        outputs: Names of what it gives.
        card: What a file of a re-id network says of itself.
    """

    module: nn.Module
    examples: Mapping[str, Tensor]
    outputs: tuple[str, ...]
    card: Card


def write_graph(order: ExportOrder, graph: Graph) -> Run:
    """Write the file (for OpenVINO two).

    Args:
        order: For which tool, where to.
        graph: What.

    Returns:
        The written file, as its tool runs it.
    """
    if order.target == "torchscript":
        return _write_torchscript(order.out, graph)
    if order.target != "openvino":
        _write_onnx(order, graph, order.out)
        return run_onnx(order.out)
    import openvino  # noqa: PLC0415 - an extra

    source = order.out.with_suffix(".onnx")
    _write_onnx(order, graph, source)
    openvino.save_model(openvino.convert_model(source), order.out, compress_to_fp16=order.half)
    source.unlink()
    return run_openvino(order.out)


def _write_onnx(order: ExportOrder, graph: Graph, path: Path) -> None:
    """Write a graph as ONNX."""
    import onnx  # noqa: PLC0415 - an extra

    model = to_onnx(graph.module, graph.examples, graph.outputs)
    if order.what == "reid":
        onnx.helper.set_model_props(model, {METADATA_KEY: json.dumps(graph.card.to_json())})
    onnx.save_model(model, path)


def _write_torchscript(path: Path, graph: Graph) -> Run:
    """Write a graph as TorchScript."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # that TorchScript is old, and that heights and widths are constants
        trace: Any = torch.jit.trace
        traced = trace(graph.module, tuple(graph.examples.values()), check_trace=False)
        traced.save(str(path))
        return run_torchscript(path)
