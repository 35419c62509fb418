"""Graphs: the traps of ONNX files, and what tools hand over."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genreid.data.augment import to_float
from genreid.export.graphs import (
    EXAMPLES,
    IR_VERSION,
    OPSET,
    EmbeddingGraph,
    SwapperGraph,
    to_onnx,
    with_plain_doublings,
)
from genreid.export.order import CONVENTIONS, Convention
from genreid.features.networks import make_ready
from genreid.features.onnx_extractor import HandOver
from genreid.features.options import FeatureOptions
from genreid.generation.swapping import Swapper
from genreid.models.dgnet import DgnetNetworks
from genreid.models.precision import choose_compute
from tests.exported_runs import LITE_SIZE, lite_network
from tests.oracles.export_oracle import handed_over, stripe_maxima
from tests.tiny_dgnet_run import SIZE, appearance_encoder, dgnet_networks

PIXELS = np.random.default_rng(0).integers(0, 256, (3, 3, *SIZE), np.uint8)


@pytest.fixture(scope="module")
def lite() -> Any:
    """EfficientNet-Lite0, whose activations are ReLU6, as ONNX."""
    graph = EmbeddingGraph(make_ready(lite_network(), FeatureOptions()), HandOver()).eval()
    return to_onnx(graph, {"images": torch.rand(EXAMPLES, 3, *LITE_SIZE)}, ("embedding",))


@pytest.mark.parametrize("convention", CONVENTIONS.values(), ids=list(CONVENTIONS))
def test_a_graph_undoes_what_its_tool_does(convention: Convention) -> None:
    ready = make_ready(appearance_encoder(), FeatureOptions())
    graph = EmbeddingGraph(ready, convention.hand_over).eval()
    with torch.inference_mode():
        expected = ready(to_float(torch.from_numpy(PIXELS)))
        found = graph(torch.from_numpy(convention.hand_over(PIXELS)))
        torch.testing.assert_close(found, expected, rtol=0, atol=2e-6)
        for values in (graph.scale, graph.shift):  # a percent of either shows
            values.mul_(1.01)
            assert (
                float((graph(torch.from_numpy(convention.hand_over(PIXELS))) - expected).abs().max()) > 2e-5
            )
            values.div_(1.01)


def test_pixels_are_handed_over_as_the_tool_says() -> None:
    hand_over = CONVENTIONS["boxmot"].hand_over
    few = PIXELS[:1, :, :4, :3]
    np.testing.assert_allclose(
        hand_over(few), handed_over(few, 255, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)), atol=1e-6
    )
    np.testing.assert_array_equal(CONVENTIONS["deepstream"].hand_over(few), few)


def test_the_batch_has_a_name_and_any_size(lite: Any) -> None:
    for described in (*lite.graph.input, *lite.graph.output):
        first, *rest = described.type.tensor_type.shape.dim
        assert first.dim_param == "batch"  # BoxMOT fixes it by this name
        assert all(axis.dim_value > 0 for axis in rest)  # Ultralytics takes height and width from here
    network = make_ready(lite_network(), FeatureOptions())
    session = onnxruntime.InferenceSession(lite.SerializeToString())
    for batch in (1, 2, 7):
        images = torch.rand(batch, 3, *LITE_SIZE)
        with torch.inference_mode():
            expected = network(images * 2 - 1).numpy()
        found = session.run(None, {"images": images.numpy()})[0]
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_weights_lie_in_the_file(lite: Any, tmp_path: Path) -> None:
    onnx.save_model(lite, tmp_path / "network.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["network.onnx"]
    assert all(item.data_location == onnx.TensorProto.DEFAULT for item in lite.graph.initializer)
    assert sum(item.ByteSize() for item in lite.graph.initializer) > 10_000_000


def test_old_runtimes_know_opset_and_format(lite: Any) -> None:
    assert [(item.domain, item.version) for item in lite.opset_import] == [("", OPSET)]
    assert lite.ir_version == IR_VERSION
    assert OPSET <= 19, "ONNX Runtime 1.18 reads opsets up to 21, OpenCV's DNN module fewer"
    assert IR_VERSION <= 10, "ONNX Runtime 1.18 to 1.24 read IR versions up to 10"


def test_no_number_is_float64(lite: Any) -> None:
    double = onnx.TensorProto.DOUBLE
    assert double not in {item.data_type for item in lite.graph.initializer}
    for node in lite.graph.node:
        assert all(attribute.t.data_type != double for attribute in node.attribute), node.name


def test_relu6_is_a_clip_at_6(lite: Any) -> None:
    constants = {item.name: onnx.numpy_helper.to_array(item) for item in lite.graph.initializer}
    clips = [node for node in lite.graph.node if node.op_type == "Clip" and len(node.input) == 3]
    assert len(clips) > 20
    assert {float(constants[node.input[2]]) for node in clips} == {6.0}


def test_a_file_says_nothing_of_this_machine(lite: Any) -> None:
    content = lite.SerializeToString()
    for place in (b"site-packages", b"genreid/", b"stack_trace"):
        assert place not in content


class _Awkward(nn.Module):
    """TensorFlow's SAME padding on odd sizes, and stripes that do not divide the rows."""

    def __init__(self) -> None:
        super().__init__()
        from timm.layers.conv2d_same import Conv2dSame  # noqa: PLC0415 - it takes seconds

        torch.manual_seed(0)
        self.conv = Conv2dSame(3, 4, 3, stride=2)

    def forward(self, images: Tensor) -> Tensor:
        return F.adaptive_max_pool2d(self.conv(images), (3, 1))


def test_same_padding_and_overlapping_stripes() -> None:
    module, images = _Awkward().eval(), torch.rand(5, 3, 13, 7)
    model = to_onnx(module, {"images": images[:EXAMPLES]}, ("maxima",))
    found = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"images": images.numpy()})[0]
    with torch.inference_mode():
        maps = module.conv(images).numpy()
    assert maps.shape[2:] == (7, 4)
    np.testing.assert_allclose(found, stripe_maxima(maps, 3), atol=1e-6)


def test_half_precision_is_of_the_backbone_alone() -> None:
    network = lite_network()
    ready = make_ready(network, FeatureOptions())
    images = torch.rand(2, 3, *LITE_SIZE)
    with torch.inference_mode():
        expected = ready(images * 2 - 1)
        found = EmbeddingGraph(ready, HandOver(), half=True).eval()(images)
    assert found.dtype == torch.float32
    backbone = ready.network.get_submodule("backbone")
    assert {value.dtype for value in backbone.parameters()} == {torch.float16}
    assert next(network.parameters()).dtype == torch.float32, "the given network stays"
    cosines = (found * expected).sum(1)
    assert 0.999 < float(cosines.min()) < 1 - 1e-9


def test_plain_doublings_swap_as_dgnet_does() -> None:
    networks = dgnet_networks()
    swapped = Swapper(networks, SIZE, choose_compute("cpu", "fp32")).swap(PIXELS[:2], PIXELS[1:])
    graph = with_plain_doublings(SwapperGraph(networks)).eval()
    one, other = (torch.from_numpy(some).float() / 255 for some in (PIXELS[:2], PIXELS[1:]))
    with torch.inference_mode():
        found = graph(one, other).numpy()
    assert isinstance(networks, DgnetNetworks)
    assert type(networks.decoder.enlarge[0]).__name__ == "DoublingConv2d", "the given network stays"
    assert np.abs(found * 255 - swapped).max() < 0.51  # a rounded picture
