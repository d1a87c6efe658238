"""Whether this machine and this workspace are ready to run."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from asd.layout import Layout
from asd.step_lock import is_held

State = Literal["ok", "warn", "fail"]

_GIB = 2**30
_LOW_DISK = 5 * _GIB
_LOW_MEMORY = 2 * _GIB
_OLDEST_PYTHON = (3, 11)
# Prefect dies at import beside too new a FastAPI; only importing this module shows it.
_PREFECT_SERVER = "prefect.server.api.server"


@dataclass(frozen=True)
class Check:
    """One thing looked at; `cure` is what to type when it is not `ok`."""

    name: str
    state: State
    detail: str
    cure: str = ""


def examine(root: Path | None) -> list[Check]:
    """All checks in order; `root` is the workspace, or None outside of one."""
    place = root or Path.cwd()
    checks = [_python(), *_imports(), _git(), _cpu(), _memory(), _disk(place), _writable(place)]
    if root is None:
        checks.append(Check("workspace", "warn", "none here or above", "asd init DIR --preset digits"))
    else:
        checks += [_params(root), _dvc(root), _locks(Layout(root))]
    return checks


def _python() -> Check:
    version = ".".join(str(n) for n in sys.version_info[:3])
    if sys.version_info[:2] < _OLDEST_PYTHON:
        return Check("python", "fail", version, "install Python 3.11 or newer")
    return Check("python", "ok", version)


# -- packages ------------------------------------------------------------------------------


# What to import, the names of the lines it prints, and what to do if it fails. Each is a process
# of its own, where a crash costs one line, and all run at once: torch alone takes seconds.
_INSTALL = "install again from requirements.lock"
_PROBES: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (
        ("torch", "torchvision", "device"),
        "import torch; print(torch.__version__); import torchvision; print(torchvision.__version__); "
        "print(torch.cuda.get_device_name(0) if torch.cuda.is_available() else 'CPU, no CUDA device')",
        f"{_INSTALL}; torch and torchvision must be a pair",
    ),
    (
        ("prefect",),
        f"import prefect, fastapi, {_PREFECT_SERVER}; "
        "print(prefect.__version__, 'with fastapi', fastapi.__version__)",
        "pip install 'fastapi<0.151'; until then `asd run --engine dvc`",
    ),
    (("dvc",), "import dvc.repo; print(dvc.__version__)", _INSTALL),
)


def _imports() -> list[Check]:
    environment = {**os.environ, "DO_NOT_TRACK": "1", "DVC_NO_ANALYTICS": "1"}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for _, code, _ in _PROBES
    ]
    checks = []
    for process, (names, _, cure) in zip(started, _PROBES, strict=True):
        out, error = process.communicate()
        checks += _read_probe(names, cure, process.returncode, out, error)
    return checks


def _read_probe(names: tuple[str, ...], cure: str, code: int, out: str, error: str) -> list[Check]:
    lines = out.strip().splitlines()
    good = [Check(name, "ok", line) for name, line in zip(names, lines, strict=False)]
    if code == 0:
        return good
    last = (error.strip().splitlines() or [f"ended with {code} and no message"])[-1]
    return [*good, Check(names[min(len(good), len(names) - 1)], "fail", last, cure)]


def _git() -> Check:
    if shutil.which("git") is None:
        return Check("git", "warn", "not installed", "install git to keep params and reviews in it")
    done = subprocess.run(["git", "--version"], capture_output=True, text=True, check=False)
    return Check("git", "ok", done.stdout.strip().removeprefix("git version "))


# -- machine -------------------------------------------------------------------------------


def _cpu() -> Check:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Check("cpus", "ok", str(usable))


def _memory() -> Check:
    import psutil

    available = psutil.virtual_memory().available
    detail = f"{available / _GIB:.1f} GiB available"
    if available < _LOW_MEMORY:
        return Check("memory", "warn", detail, "close other programs, or choose a smaller preset")
    return Check("memory", "ok", detail)


def _disk(place: Path) -> Check:
    free = shutil.disk_usage(place).free
    detail = f"{free / _GIB:.1f} GiB free"
    if free < _LOW_DISK:
        return Check(
            "disk", "warn", detail, "free some space; results are kept twice, in data/ and the cache"
        )
    return Check("disk", "ok", detail)


def _writable(place: Path) -> Check:
    probe = place / f".asd-doctor-{os.getpid()}"
    try:
        probe.write_bytes(b"x")
        probe.unlink()
    except OSError as error:
        return Check("writable", "fail", f"{place}: {error.strerror}", f"get the right to write {place}")
    return Check("writable", "ok", str(place))


# -- workspace -----------------------------------------------------------------------------


def _params(root: Path) -> Check:
    from asd.errors import AsdError
    from asd.params import load_workspace
    from asd.params_file import check_variants

    try:
        workspace = load_workspace(root)
        check_variants(workspace)
    except AsdError as error:
        return Check("params", "fail", str(error), "mend params.yaml")
    return Check("params", "ok", f"{len(workspace.cells())} cells")


def _dvc(root: Path) -> Check:
    if not (root / ".dvc" / "config").is_file():
        return Check("dvc repository", "fail", f"no .dvc/config in {root}", "asd init . --preset NAME")
    command = [sys.executable, "-m", "dvc", "stage", "list", "--name-only"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return Check("dvc repository", "fail", last, "asd run says more")
    return Check("dvc repository", "ok", f"{len(done.stdout.split())} stages")


def _locks(layout: Layout) -> Check:
    """Lock files that a living process holds; one whose holder died is free by itself."""
    files = [layout.run_lock, *sorted(layout.step_lock("x").parent.glob("*.lock"))]
    held = [file.name for file in files if file.is_file() and is_held(file)]
    if held:
        return Check("locks", "warn", f"held: {', '.join(held)}", "a run is going on here; wait or stop it")
    if (layout.root / ".dvc" / "tmp" / "rwlock").is_file() and _dead_rwlock(layout.root):
        return Check("locks", "warn", ".dvc/tmp/rwlock is left by a killed dvc", "`asd run` clears it")
    return Check("locks", "ok", "none held")


def _dead_rwlock(root: Path) -> bool:
    """Whether DVC's lock file names a process that is gone, or is cut off."""
    import psutil

    text = (root / ".dvc" / "tmp" / "rwlock").read_text()
    try:
        json.loads(text)
    except ValueError:
        return True
    return any(not psutil.pid_exists(int(pid)) for pid in re.findall(r'"pid": *(\d+)', text))
