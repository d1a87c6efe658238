"""The running `asd serve` of a workspace: who holds it and where its pages are. Imports no Prefect."""

from __future__ import annotations

import hashlib
import os
import platform
import re
from typing import Any

from asd import store
from asd.errors import AsdError
from asd.layout import Layout
from asd.params import load_workspace
from asd.run_lock import service_holder
from asd.service_params import ServiceParams

FLOWS = ("on_drop", "nightly", "rehearse", "audit_revision")


def service_facts(layout: Layout) -> dict[str, Any]:
    """What the running service wrote of itself; empty where none runs."""
    if service_holder(layout) is None:
        return {}
    try:
        found = store.read_json(layout.service_facts)
    except AsdError:
        return {}
    return found if isinstance(found, dict) else {}


def page_address(layout: Layout) -> str:
    """Address of the running audit page, with a slash at its end; empty where none runs."""
    return str(service_facts(layout).get("audit") or "")


def service_params(layout: Layout) -> ServiceParams:
    """The section `service` of the workspace as it is now."""
    return load_workspace(layout.root).params.service


def service_name(layout: Layout) -> str:
    """How the deployments of this workspace are called on a server that several may share."""
    named = service_params(layout).name
    if named:
        return named
    folder = layout.root.resolve()
    digest = hashlib.sha256(f"{platform.node()}:{folder}".encode(errors="surrogateescape")).hexdigest()
    return f"{re.sub(r'[^A-Za-z0-9_-]+', '-', folder.name) or 'asd'}-{digest[:6]}"


def uses_gpu() -> bool:
    """Whether runs of this machine train on a GPU, as far as it shows without torch."""
    wanted = os.environ.get("ASD_DEVICE", "")
    return wanted.startswith("cuda") or (not wanted and gpu_count() > 0)


def gpu_count() -> int:
    """NVIDIA GPUs that this machine has, by their device files."""
    try:
        return sum(re.fullmatch(r"nvidia\d+", name) is not None for name in os.listdir("/dev"))
    except OSError:
        return 0
