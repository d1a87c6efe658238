"""`model.onnx`: the same graph for runtimes without torch. Needs the extra `asd[onnx]`."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import torch

from asd.errors import ParamsError
from asd.ship.network import ShippedNetwork
from asd.ship.predict import Probabilities
from asd.types import Images, Labels

OPSET = 18
INPUT, OUTPUTS = "images", ("probabilities", "labels")
_EXTRA = "onnx needs two packages: `pip install onnx onnxruntime`, or give --format safetensors"


def is_installed() -> bool:
    """Whether the extra is there."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError:
        return False
    return True


def need_installed() -> None:
    """Refuse to go on without the extra.

    Raises:
        ParamsError: onnx or onnxruntime is missing.
    """
    if not is_installed():
        raise ParamsError(_EXTRA)


def write_onnx(path: Path, network: ShippedNetwork, image_shape: tuple[int, int, int]) -> int:
    """Write the graph: uint8 (batch, C, H, W) -> probabilities and labels; any batch size.

    Returns:
        The opset that the file asks for.
    """
    import onnx

    with warnings.catch_warnings():
        # The older exporter, knowingly: equal bytes for equal weights, and no paths of this
        # machine in the file; the newer one writes both stack traces and unstable names.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.zeros(2, *image_shape, dtype=torch.uint8),),
            str(path),
            dynamo=False,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=list(OUTPUTS),
            dynamic_axes={name: {0: "batch"} for name in (INPUT, *OUTPUTS)},
        )
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    return next(int(entry.version) for entry in model.opset_import if entry.domain == "")


def run_onnx(path: Path, images: Images, batch: int = 256) -> tuple[Labels, Probabilities]:
    """Labels (N,) and probabilities (N, K) of uint8 images (N, C, H, W), by onnxruntime on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    parts = [
        session.run(list(OUTPUTS), {INPUT: np.ascontiguousarray(images[start : start + batch])})
        for start in range(0, len(images), batch)
    ]
    return np.concatenate([p[1] for p in parts]), np.concatenate([p[0] for p in parts])
