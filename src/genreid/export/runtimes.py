"""Exported files run as their tools run them: an input tuple of arrays -> a tuple of arrays."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

Arrays = tuple[NDArray[np.float32], ...]
Run = Callable[[Arrays], Arrays]

OPENVINO_EXACT = {"INFERENCE_PRECISION_HINT": "f32"}
"""Without it OpenVINO computes in bfloat16 on CPUs that have it, whatever the file says."""


def run_onnx(path: Path, threads: int = 0) -> Run:
    """Return an ONNX file as a function, by ONNX Runtime on the CPU.

    Args:
        path: The file.
        threads: How many; 0: as many as cores.
    """
    import onnxruntime  # noqa: PLC0415 - an extra

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [item.name for item in session.get_inputs()]
    return lambda arrays: tuple(session.run(None, dict(zip(names, arrays, strict=True))))


def run_openvino(path: Path, threads: int = 0) -> Run:
    """Return an OpenVINO model as a function, on the CPU in float32.

    Args:
        path: The XML file, or an ONNX file.
        threads: How many; 0: as many as cores.
    """
    import openvino  # noqa: PLC0415 - an extra

    settings = {**OPENVINO_EXACT, "INFERENCE_NUM_THREADS": threads}
    compiled: Any = openvino.Core().compile_model(path, "CPU", settings)

    def run(arrays: Arrays) -> Arrays:
        found = compiled(list(arrays))
        return tuple(np.array(found[port]) for port in compiled.outputs)

    return run


def run_torchscript(path: Path) -> Run:
    """Return a TorchScript file as a function, on the CPU.

    Args:
        path: The file.
    """
    load: Callable[..., Any] = torch.jit.load
    return run_module(load(path, map_location="cpu"))


def run_module(module: Callable[..., Any]) -> Run:
    """Return a torch module as a function of arrays.

    Args:
        module: On the CPU, in evaluation mode.
    """

    def run(arrays: Arrays) -> Arrays:
        with torch.inference_mode():
            given = module(*(torch.from_numpy(np.ascontiguousarray(array)) for array in arrays))
        return tuple(one.numpy() for one in (given if isinstance(given, tuple) else (given,)))

    return run
