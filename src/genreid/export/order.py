"""What is exported, for which tool; what each tool hands over is a fact of that tool (docs/export.md)."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from genreid.features.onnx_extractor import HandOver

Target = Literal["plain", "boxmot", "ultralytics", "deepstream", "openvino", "roboflow-reid", "torchscript"]
What = Literal["reid", "renderer", "swapper"]


@dataclass(frozen=True)
class Convention:
    """How a tool is served.

    Attributes:
        suffix: What the file's name ends in; nothing: a folder.
        hand_over: What the tool makes of pixels.
        input_name: Name of the graph's input.
        runs_generators: Whether generators are exported for it, too.
    """

    suffix: str = ".onnx"
    hand_over: HandOver = field(default_factory=HandOver)
    input_name: str = "images"
    runs_generators: bool = False


CONVENTIONS: dict[Target, Convention] = {
    "plain": Convention(runs_generators=True),
    "boxmot": Convention(hand_over=HandOver(255.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))),
    "ultralytics": Convention(),
    "deepstream": Convention(hand_over=HandOver(1.0), input_name="input"),
    "openvino": Convention(suffix=".xml", runs_generators=True),
    "roboflow-reid": Convention(suffix=""),
    "torchscript": Convention(suffix=".torchscript"),
}


@dataclass(frozen=True, slots=True)
class ExportOrder:
    """What to export.

    Raises:
        ValueError: If it cannot be meant.
    """

    out: Path
    """The file, or for roboflow-reid the folder."""
    target: Target = "plain"
    """The tool."""
    what: What = "reid"
    """The re-id network, CR-GAN's generator, or DG-Net's generating networks."""
    half: bool = False
    """The backbone in half precision."""
    max_batch: int = 32
    """The largest batch that is tried, and that a tool with a fixed limit is told."""
    force: bool = False
    """Replace what is there even if it is no export."""

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        if self.target not in get_args(Target):
            msg = f"--for must be one of {', '.join(get_args(Target))}, got {self.target!r}"
            raise ValueError(msg)
        if self.what not in get_args(What):
            msg = f"--what must be one of {', '.join(get_args(What))}, got {self.what!r}"
            raise ValueError(msg)
        if self.max_batch < 1:
            msg = f"--max-batch must be 1 or more, got {self.max_batch}"
            raise ValueError(msg)
        suffix = self.convention.suffix
        if self.out.suffix != suffix:
            wanted = f"a name that ends in {suffix}" if suffix else "the name of a folder"
            example = self.out.with_suffix(suffix)
            msg = f"--for {self.target} writes {wanted}, got --out {self.out}; type --out {example}"
            raise ValueError(msg)
        if self.what != "reid" and not self.convention.runs_generators:
            able = ", ".join(name for name, tool in CONVENTIONS.items() if tool.runs_generators)
            msg = f"--for {self.target}: a {self.what} makes pictures, no embeddings; type --for {able}"
            raise ValueError(msg)
        if self.half and self.what != "reid":
            msg = f"--half is of re-id networks; a {self.what} is handed over in float32: leave it out"
            raise ValueError(msg)
        if self.half and self.target == "roboflow-reid":
            msg = "--half: Roboflow's reid computes in float32 whatever the file holds; leave it out"
            raise ValueError(msg)

    @property
    def convention(self) -> Convention:
        """How the tool is served."""
        return CONVENTIONS[self.target]
