"""Drops made by hand: a workspace, and what a gate would say of some pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from asd.drop_records import DropRecord
from asd.intake.store import Arrival, hold_drops, store_drop
from asd.intake.types import Accepted, Judged, Refused
from asd.intake_params import IntakeParams
from asd.params import Workspace, load_workspace
from asd.shards.drop_folder import Form
from asd.shards.png import encode_png
from asd.types import content_sha256

PARAMS = """
cells: {{datasets: [drops], attacks: [none], defenses: [none]}}
datasets: {{drops: {drops}}}
attacks: {{none: {{}}}}
defenses: {{none: {{}}}}
"""
FORM = Form(None, 3, "stretch")
CLASSES = "class_names: [cat, dog]"


def workspace(root: Path, drops: str = f"{{{CLASSES}}}") -> Workspace:
    root.mkdir(parents=True, exist_ok=True)
    (root / "params.yaml").write_text(PARAMS.format(drops=drops))
    return load_workspace(root)


def picture(number: int, side: int = 8) -> np.ndarray:
    """Shape (3, side, side); like no other number's."""
    rng = np.random.Generator(np.random.PCG64(number))
    return rng.integers(0, 256, (3, side, side), dtype=np.uint8)


def accepted(number: int, label: str = "cat", path: str | None = None, flags: Sequence[str] = ()) -> Accepted:
    image = picture(number)
    png = encode_png(image)
    return Accepted(
        path=path or f"{label}/{number}.jpg",
        label=label,
        png=png,
        width=8,
        height=8,
        file_sha256=hashlib.sha256(b"sent" + png).hexdigest(),
        content_sha256=content_sha256(image),
        trained_sha256=content_sha256(image),
        perceptual_hash=2**64 - 1 - number,
        flags=tuple(flags),
    )


def refused(
    number: int,
    reason: str = "broken-picture",
    label: str | None = "cat",
    path: str | None = None,
    data: bytes | None = None,
) -> Refused:
    data = data or f"evil {number}".encode()
    return Refused(
        path=path or f"cat/bad{number}.jpg",
        reason=reason,
        message="it is bad",
        label=label,
        file_sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        data=data,
    )


def pictures(start: int, count: int) -> list[Judged]:
    return [accepted(n, ("cat", "dog")[n % 2]) for n in range(start, start + count)]


def add(
    space: Workspace,
    judged: Iterable[Judged],
    sent: str = "a",
    params: IntakeParams | None = None,
    source: str = "acme",
) -> DropRecord:
    """Store a drop; `sent` stands for its whole content."""
    arrival = Arrival("july", source, hashlib.sha256(sent.encode()).hexdigest())
    with hold_drops(space):
        return store_drop(space.layout, arrival, judged, FORM, params or IntakeParams(), lambda folder: None)


def files(root: Path) -> dict[str, bytes]:
    """Every file below the workspace but locks, by relative name."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.suffix != ".lock"
    }
