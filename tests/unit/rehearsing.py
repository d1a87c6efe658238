"""What tests of rehearsals share: a line with known figures, and a workspace that can be rehearsed."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from asd.params import Workspace
from asd.rehearsals import Rehearsal, add_rehearsal, data_of, recipe_of, sentence
from asd.seeds.trusted import Vouched, write_trusted
from asd.shards.manifest import read_index
from tests.unit.ship.conftest import CLASSES, CLEAN, Pets

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
LINE = Rehearsal(
    at="2026-11-22T10:00:00+00:00",
    dataset="pets",
    defense="asd",
    trial=0,
    attack="badnets",
    fraction=0.05,
    target="owl",
    data="a" * 64,
    recipe="b" * 64,
    inputs="c" * 64,
    samples=10_000,
    n=9000,
    asr_none=0.99,
    asr_defense=0.011,
    asr_base=0.01,
    asr_interval=(0.009, 0.013),
    planted=500,
    planted_called_suspect=485,
    rest=9500,
    rest_called_suspect=95,
    planted_in_final_pool=3,
    acc_name="acc",
    acc_none=0.66,
    acc_defense=0.6,
    sentence="on your data",
)


class Kennel(Pets):
    """Pets that nobody vouches for, with seeds that Ada vouches for and nothing planted."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, trusted=False)
        index = read_index(self.workspace.layout.fetched("pets", "train"))
        rows = [
            Vouched("pets", CLASSES[index.labels[i]], index.keys[i], index.content[i], "Ada", "2026-11-01")
            for i in range(12)
        ]
        write_trusted(self.workspace.layout.trusted_seeds, rows)

    def set(self, gates: dict[str, Any] | None = None, **cells: list[Any]) -> Workspace:
        """As for pets, with attack `none` alone, small defenses and picked seeds."""
        lists = {"attacks": ["none"], **cells}
        super().set(gates, **lists)
        return self.change(seeds={"use": "keys"}, attacks={name: {} for name in ["none", *lists["attacks"]]})

    def change(self, **sections: Any) -> Workspace:
        """Replace whole sections of params.yaml."""
        file = self.root / "params.yaml"
        file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), **sections}))
        return self.workspace

    def rehearsed(self, **values: Any) -> Rehearsal:
        """Write a line about the data and params as they are now, but for `values`."""
        opened = self.workspace
        own = {"data": data_of(opened.layout, "pets"), "recipe": recipe_of(opened, CLEAN), **values}
        line = replace(LINE, **own)
        line = replace(line, sentence=sentence(vars(line)))
        add_rehearsal(opened.layout, line)
        return line

    def files(self) -> dict[str, str]:
        """SHA-256 of every file of the workspace but those of the rehearsal and of this machine."""
        return {
            path.relative_to(self.root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.root.rglob("*"))
            if path.is_file() and path.relative_to(self.root).parts[0] not in (".rehearsal", ".asd")
        }
