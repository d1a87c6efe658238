"""Where and how numbers are computed: chosen once per run, stored, and taken again on resume."""

from __future__ import annotations

import contextlib
import os
import resource
import sys
from dataclasses import asdict, dataclass
from typing import Any

import torch

from asd.errors import ParamsError


@dataclass(frozen=True)
class NumericMode:
    """What the bytes of a result depend on besides data, params and code."""

    device: str
    threads: int
    precision: str
    deterministic: bool
    torch_version: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def choose(
    precision: str, deterministic: bool, stored: dict[str, Any] | None = None, threads: int | None = None
) -> NumericMode:
    """The mode for this process: that of an earlier part of the same run, else from the environment.

    `ASD_DEVICE` (`cpu`, `cuda`, `cuda:1`) and `ASD_THREADS` are run-time knobs; by default a GPU
    where there is one, and the threads that params ask for, else all cores.

    Raises:
        ParamsError: the device asked for does not exist, or the thread count is no number.
    """
    device = os.environ.get("ASD_DEVICE") or ("cuda" if torch.cuda.is_available() else "cpu")
    if device.partition(":")[0] not in ("cpu", "cuda"):
        raise ParamsError(f"ASD_DEVICE must be cpu, cuda or cuda:N, got {device!r}")
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise ParamsError(f"ASD_DEVICE={device} but torch sees no CUDA device")
    count = _threads(threads)
    if stored is not None and stored["device"].partition(":")[0] == device.partition(":")[0]:
        count = int(stored["threads"])
    return NumericMode(device, count, precision, deterministic, torch.__version__)


def _threads(wanted: int | None) -> int:
    text = os.environ.get("ASD_THREADS", "")
    if not text and wanted:
        return wanted
    if not text:
        return max(
            1,
            min(os.cpu_count() or 1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1),
        )
    if not text.isdigit() or int(text) < 1:
        raise ParamsError(f"ASD_THREADS must be a whole number of at least 1, got {text!r}")
    return int(text)


def apply(mode: NumericMode) -> torch.device:
    """Set torch up for a mode and give the device."""
    torch.set_num_threads(mode.threads)
    if mode.device.startswith("cuda"):
        torch.backends.cudnn.benchmark = not mode.deterministic
        torch.backends.cuda.matmul.allow_tf32 = not mode.deterministic
        torch.backends.cudnn.allow_tf32 = not mode.deterministic
    if mode.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
    return torch.device(mode.device)


def autocast(mode: NumericMode) -> contextlib.AbstractContextManager[Any]:
    """Mixed precision for the forward pass where the mode asks for bf16."""
    return torch.autocast(
        mode.device.partition(":")[0], dtype=torch.bfloat16, enabled=mode.precision == "bf16"
    )


def peak_bytes(device: torch.device) -> int:
    """Most memory held so far: of the GPU, or of this process on a CPU."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024
