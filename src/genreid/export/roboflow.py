"""Roboflow's `reid`: a folder with `reid_config.json` and `weights.safetensors` of a timm network.

The tool builds `timm.create_model(NAME, num_classes=0)`, loads all of its weights by name, resizes with
Pillow, normalises with the mean and deviation of the file, and compares by cosine (docs/export.md).
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from genreid.data.whole_file import usual_mode
from genreid.export.runtimes import Run, run_module
from genreid.features.extract import OpenedNetwork
from genreid.features.networks import PooledNetwork, ReadyNetwork
from genreid.features.onnx_extractor import HandOver
from genreid.models.backbone import ReidNetwork

CONFIG, WEIGHTS = "reid_config.json", "weights.safetensors"


def write_roboflow(folder: Path, opened: OpenedNetwork, ready: ReadyNetwork) -> HandOver:
    """Write the two files.

    Args:
        folder: Where to; it is made.
        opened: The network as it was trained.
        ready: How its output becomes an embedding.

    Returns:
        What the tool makes of pixels.

    Raises:
        ValueError: If the network has more than a timm backbone and average pooling.
    """
    network = _expect_plain(opened, ready)
    name = _timm_name(network.backbone)
    std = 0.5 / network.input_scale.flatten()
    mean = 0.5 - network.input_offset.flatten() * std
    hand_over = HandOver(255.0, _three(mean), _three(std))
    config = {
        "architecture": f"timm:{name}",
        "preprocessing": {
            "input_size": list(opened.size),
            "mean": list(hand_over.mean),
            "std": list(hand_over.std),
            "interpolation": "bicubic" if opened.kind == "image_bicubic" else "bilinear",
            "to_rgb": True,
            "resize_mode": "stretch",
        },
    }
    folder.mkdir(parents=True)
    (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    weights = {key: value.cpu().contiguous() for key, value in network.backbone.state_dict().items()}
    with usual_mode(folder / WEIGHTS):
        save_file(weights, folder / WEIGHTS)
    return hand_over


def run_roboflow(folder: Path) -> Run:
    """Return the folder as a function, built as the tool builds it.

    Args:
        folder: With the two files.
    """
    import timm  # noqa: PLC0415 - seconds that only a network needs

    config: dict[str, Any] = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    name = config["architecture"].removeprefix("timm:")
    network = timm.create_model(name, pretrained=False, num_classes=0).eval()
    network.load_state_dict(load_file(folder / WEIGHTS))
    return run_module(network)


def _expect_plain(opened: OpenedNetwork, ready: ReadyNetwork) -> ReidNetwork:
    """Refuse a network that the two files cannot describe."""
    network = opened.network
    extras = {
        "two halves": not isinstance(ready, PooledNetwork),
        "a bottleneck or neck": isinstance(network, ReidNetwork) and network.bottleneck is not None,
        "GeM pooling": isinstance(getattr(network, "gem", None), nn.Module),
        "local max pooling": isinstance(ready, PooledNetwork) and ready.pooling != "average",
        "mirror images": isinstance(ready, PooledNetwork) and ready.mirror == "on",
        "a last map that is not timm's own (last stride 1, or an image size of its own)": _differs_from_timms(
            opened
        ),
    }
    found = [what for what, there in extras.items() if there]
    if found:
        msg = (
            "--for roboflow-reid: its files describe a timm backbone and average pooling and nothing more, "
            f"and this network has {' and '.join(found)}; type --for plain"
        )
        raise ValueError(msg)
    assert isinstance(network, ReidNetwork)
    return network


def _timm_name(backbone: nn.Module) -> str:
    """Return the name by which timm builds a backbone."""
    return str(backbone.pretrained_cfg["architecture"])  # type: ignore[index]


def _differs_from_timms(opened: OpenedNetwork) -> bool:
    """Tell whether a backbone's last map has another shape than timm's own of the same name."""
    import timm  # noqa: PLC0415 - seconds that only a network needs

    backbone = opened.network.backbone
    probe = torch.zeros(1, 3, *opened.size)
    try:
        own = timm.create_model(_timm_name(backbone), pretrained=False, num_classes=0).eval()
        with torch.inference_mode():
            ours, theirs = (network.forward_features(probe).shape for network in (backbone, own))  # type: ignore[operator]
    except (
        AssertionError,
        AttributeError,
        RuntimeError,
        TypeError,
    ):  # timm's fixed sizes, and names that are not its own
        return True
    return bool(ours != theirs)


def _three(values: torch.Tensor) -> tuple[float, float, float]:
    """Return three numbers, rounded to what float32 holds of them."""
    first, second, third = (round(float(value), 7) for value in values.double())
    return first, second, third
