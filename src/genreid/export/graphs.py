"""Networks as graphs: from what a tool hands over to unit embeddings, or from pictures to pictures.

Pictures are RGB in [0, 1] at the border of a generator's graph; batches are of any size, height and width are
the network's own.
"""

import copy
import warnings
from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from genreid.features.networks import ReadyNetwork
from genreid.features.onnx_extractor import HandOver
from genreid.models.crgan import ConditionPair, PairRenderer
from genreid.models.dgnet import DgnetNetworks, from_normalised, to_normalised
from genreid.models.dgnet_layers import ReflectConv2d
from genreid.models.doubling import DoublingConv2d

OPSET, IR_VERSION = 18, 10
"""What ONNX Runtime 1.18 and all later ones run; torch's exporter writes newer ones by itself."""
EXAMPLES = 2
"""Images that a graph is traced with: of one, the exporter would make the batch a constant."""


class EmbeddingGraph(nn.Module):
    """What a tool hands over -> embeddings of unit length; conversion, neck, stripes, mirror are inside.

    Args:
        ready: The network; with `half` its backbone is changed in place.
        hand_over: What the tool makes of pixels.
        half: Compute the backbone in float16; input, neck and embedding stay float32.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, ready: ReadyNetwork, hand_over: HandOver, *, half: bool = False) -> None:
        super().__init__()
        self.ready = ready
        self.network = ready.network
        if half:
            self.network.backbone = _HalfBackbone(cast(nn.Module, self.network.backbone))
        # x = (p / divisor - mean) / std of pixels p, and networks take p / 127.5 - 1
        pairs = list(zip(hand_over.mean, hand_over.std, strict=True))
        scale = [hand_over.divisor * std / 127.5 for _, std in pairs]
        shift = [hand_over.divisor * mean / 127.5 - 1 for mean, _ in pairs]
        self.register_buffer("scale", torch.tensor(scale).view(1, 3, 1, 1))
        self.register_buffer("shift", torch.tensor(shift).view(1, 3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Embed `images` [B,3,H,W], as the tool hands them over: [B,D] of unit length."""
        return self.ready(torch.addcmul(self.shift, images, self.scale))


class _HalfBackbone(nn.Module):
    """A backbone in float16 between float32."""

    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.inner = backbone.half()

    def forward_features(self, images: Tensor) -> Tensor:
        """Return the map of [B,3,H,W]."""
        return cast(Tensor, self.inner.forward_features(images.half())).float()  # type: ignore[operator]


class RendererGraph(nn.Module):
    """Source people and target images with their masks -> renderings and context masks.

    Args:
        renderer: CR-GAN's generator.
    """

    def __init__(self, renderer: PairRenderer) -> None:
        super().__init__()
        self.renderer = renderer

    def forward(
        self, source: Tensor, target: Tensor, source_mask: Tensor, target_mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Render pictures.

        Args:
            source: [B,3,H,W] in [0, 1].
            target: [B,3,H,W] in [0, 1].
            source_mask: [B,1,H,W], 1 = person.
            target_mask: [B,1,H,W], 1 = person.

        Returns:
            Images [B,3,H,W], clipped to [0, 1], and context masks [B,1,H,W].
        """
        pair = ConditionPair(2 * source - 1, 2 * target - 1, source_mask, target_mask)
        rendering = self.renderer(pair)
        return ((rendering.image + 1) / 2).clamp(0, 1), rendering.context_mask


class SwapperGraph(nn.Module):
    """The appearance of one picture in the structure of another.

    Args:
        networks: E_a, E_s and G.
    """

    def __init__(self, networks: DgnetNetworks) -> None:
        super().__init__()
        self.appearance, self.structure, self.decoder = networks

    def forward(self, appearance: Tensor, structure: Tensor) -> Tensor:
        """Put `appearance` into `structure`, each [B,3,H,W] in [0, 1]: [B,3,H,W] in [0, 1]."""
        code = self.appearance(to_normalised(2 * appearance - 1)).code
        made = self.decoder(self.structure(to_normalised(2 * structure - 1)), code)
        return (from_normalised(made) + 1) / 2


def with_plain_doublings(graph: nn.Module) -> nn.Module:
    """Return a copy in which DG-Net's fast doublings, which fix the batch when traced, are plain ones.

    Args:
        graph: Any graph.
    """
    copied = copy.deepcopy(graph)
    for name, module in list(copied.named_modules()):
        if isinstance(module, DoublingConv2d):
            plain = ReflectConv2d(module.in_channels, module.out_channels, 5)
            plain.weight, plain.bias = module.weight, module.bias
            copied.set_submodule(name, nn.Sequential(nn.Upsample(scale_factor=2), plain))
    return copied


def to_onnx(graph: nn.Module, examples: Mapping[str, Tensor], outputs: tuple[str, ...]) -> Any:  # noqa: ANN401
    """Write a graph as ONNX: one file, weights inside, a batch of any size called `batch`.

    Args:
        graph: In evaluation mode, on the CPU.
        examples: Name of each input -> `EXAMPLES` rows, in the order of `forward`.
        outputs: Names of what it gives.

    Returns:
        `onnx.ModelProto`, checked.
    """
    import onnx  # noqa: PLC0415 - an extra

    batch = torch.export.Dim("batch")
    given = tuple(examples.values())
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter's own ways
        graph(*given)  # what is computed once and kept is computed now, with numbers
        program = torch.onnx.export(
            graph,
            given,
            input_names=list(examples),
            output_names=list(outputs),
            dynamic_shapes=tuple({0: batch} for _ in given),
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
            custom_translation_table={torch.ops.aten.adaptive_max_pool2d.default: _stripes},
        )
    assert program is not None
    model = program.model_proto
    model.ir_version = IR_VERSION
    for described in (model.graph, *model.graph.node, *model.graph.input, *model.graph.output):
        del described.metadata_props[:]  # torch writes paths of this machine there
    del model.graph.value_info[:]
    onnx.checker.check_model(model)
    return model


def _stripes(maps: Any, output_size: list[int]) -> Any:  # noqa: ANN401
    """Translate adaptive max pooling, which ONNX has not; parts that do not divide a map overlap."""
    from onnxscript import opset18  # noqa: PLC0415 - an extra

    op: Any = opset18

    def pooled(maps: Any, axis: int, parts: int) -> Any:  # noqa: ANN401
        length = int(maps_shape[axis])
        if parts == 1:
            return op.ReduceMax(maps, [axis], keepdims=1)
        cuts = [(part * length // parts, -(-(part + 1) * length // parts)) for part in range(parts)]
        slices = (op.Slice(maps, [start], [stop], [axis]) for start, stop in cuts)
        return op.Concat(*(op.ReduceMax(one, [axis], keepdims=1) for one in slices), axis=axis)

    maps_shape = maps.shape
    rows, columns = output_size
    found = pooled(pooled(maps, 2, rows), 3, columns)
    return found, found  # torch gives the places of the maxima, too; nobody asks for them
