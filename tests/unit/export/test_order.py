"""What cannot be exported is refused in one sentence that says what to type."""

from pathlib import Path
from typing import Any

import pytest

from genreid.export.order import ExportOrder


@pytest.mark.parametrize(
    ("out", "given", "message"),
    [
        ("a.onnx", {"target": "tensorrt"}, "--for must be one of plain, boxmot"),
        ("a.onnx", {"what": "teacher"}, "--what must be one of reid, renderer, swapper"),
        ("a.onnx", {"max_batch": 0}, "--max-batch must be 1 or more, got 0"),
        ("a.pt", {}, r"a name that ends in \.onnx, got --out a.pt; type --out a.onnx"),
        ("a.onnx", {"target": "openvino"}, "type --out a.xml"),
        ("a.onnx", {"target": "roboflow-reid"}, "the name of a folder, got --out a.onnx; type --out a$"),
        (
            "a.onnx",
            {"target": "boxmot", "what": "swapper"},
            "makes pictures, no embeddings; type --for plain, openvino",
        ),
        ("a.onnx", {"what": "renderer", "half": True}, "--half is of re-id networks"),
        ("a", {"target": "roboflow-reid", "half": True}, "computes in float32"),
    ],
)
def test_refused(out: str, given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ExportOrder(Path(out), **given)
