"""What lies beside an export: JSON of what it is, takes and gives; for DeepStream a block of its YAML."""

from typing import Any, NamedTuple

from genreid import __version__
from genreid.data.whole_file import sha256_of
from genreid.export.graphs import IR_VERSION, OPSET
from genreid.export.order import ExportOrder
from genreid.export.parity import Parity, PictureParity
from genreid.features.onnx_extractor import Card

FORMATS = {".onnx": "onnx", ".xml": "openvino", ".torchscript": "torchscript", "": "safetensors"}


class Described(NamedTuple):
    """What is said of an export.

    Attributes:
        card: Size, resizing, pixels, features.
        inputs: Name -> shape without the batch.
        outputs: Name -> shape without the batch.
    """

    card: Card
    inputs: dict[str, list[int]]
    outputs: dict[str, list[int]]


def describe(order: ExportOrder, described: Described, parity: Parity | PictureParity) -> dict[str, Any]:
    """Return the sidecar; some keys are those that BoxMOT writes beside its own exports and reads.

    Args:
        order: For which tool, where the file is.
        described: What it takes and gives.
        parity: How near it is to torch.
    """
    card = described.card
    boxmot = {
        "schema_version": 1,
        "model_name": "genreid",
        "model_kwargs_schema_version": 1,
        "model_kwargs": {"img_size": list(card.size)},
        "preprocess": "resize",
    }
    onnx = {"opset": OPSET, "ir_version": IR_VERSION}
    return {
        **(boxmot if order.target == "boxmot" else {}),
        "genreid": __version__,
        "for": order.target,
        "what": order.what,
        "format": FORMATS[order.out.suffix],
        "precision": "float16" if order.half else "float32",
        **(onnx if order.out.suffix == ".onnx" else {}),
        "dynamic_batch": True,
        "inputs": {name: ["batch", *shape] for name, shape in described.inputs.items()},
        "outputs": {name: ["batch", *shape] for name, shape in described.outputs.items()},
        **card.to_json(),
        "parity": parity.to_json(),
        **({"artifact_sha256": sha256_of(order.out)} if order.out.is_file() else {}),
    }


def tracker_block(order: ExportOrder, size: tuple[int, int], width: int) -> str:
    """Return the block `ReID` of a DeepStream tracker's YAML.

    Args:
        order: Where the file is, the largest batch, precision.
        size: Height and width of the images.
        width: D, numbers of an embedding.
    """
    name, batch = order.out.name, order.max_batch
    mode = 1 if order.half else 0
    engine = f"{name}_b{batch}_gpu0_{'fp16' if order.half else 'fp32'}.engine"
    return (
        "# The block ReID of the tracker's configuration (ll-config-file); paths are relative to that file.\n"
        "ReID:\n"
        "  reidType: 2  # 1: NvDeepSORT, 2: re-association, 3: both\n"
        f'  onnxFile: "{name}"\n'
        f'  modelEngineFile: "{engine}"\n'
        f"  batchSize: {batch}\n"
        "  workspaceSize: 1000\n"
        f"  reidFeatureSize: {width}\n"
        "  reidHistorySize: 100\n"
        f"  inferDims: [3, {size[0]}, {size[1]}]\n"
        f"  networkMode: {mode}  # 0: fp32, 1: fp16\n"
        "  inputOrder: 0  # NCHW\n"
        "  colorFormat: 0  # RGB\n"
        "  offsets: [0.0, 0.0, 0.0]  # mean and deviation are in the graph\n"
        "  netScaleFactor: 1.0\n"
        "  keepAspc: 0  # people are stretched to the size, as in training\n"
        "  addFeatureNormalization: 0  # embeddings have unit length\n"
    )
