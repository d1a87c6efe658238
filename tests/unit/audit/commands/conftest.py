"""A workspace with two audited cells of six samples, in the formats of the real steps; nothing is trained.

`digits/badnets/asd/0` gives verdicts, its twin `digits/badnets/none/0` gives none. Sample k4 is
the suspect. `kit.record()` keeps the results as DVC would: objects in the cache, `dvc.lock`.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from asd import cli, store
from asd.audit.purity import pool_figures
from asd.audit.samples import sample_table
from asd.audit.verdict import judge
from asd.layout import Cell, Layout
from asd.new_workspace import create
from asd.pools.history import write_history
from asd.shards.write import write_shards
from asd.types import Sample, content_sha256

ASD, NONE = (Cell("digits", "badnets", defense, 0) for defense in ("asd", "none"))


class Kit:
    """One workspace and what tests do in it."""

    def __init__(self, root: Path, make_record: Any, histories: Any, undefended: Any) -> None:
        self.root = create(root, "digits").root
        self.layout = Layout(self.root)
        self._make_record, self._histories, self._undefended = make_record, histories, undefended
        self.audit(NONE, runs=undefended, seeds=())
        self.audit(ASD)

    def audit(self, cell: Cell = ASD, *, gain: float = 0.01, acc: float = 0.9, **record: Any) -> None:
        """Write the files of a cell; a small `gain` is the virtual loss of k4, and makes it a suspect."""
        runs = record.pop("runs", None) or self.suspicious(gain)
        made = self._make_record(runs=runs, planted=record.pop("planted", None) or self.planted(), **record)
        judged = judge(replace(made, truth=None))
        for stage, history in enumerate(runs, 1):
            write_history(self.layout.stage(cell, stage) / "history.parquet", history.epochs)
        store.write_parquet(self.layout.audit_samples(cell), sample_table(made, judged))
        store.write_json(self.layout.audit_pools(cell), pool_figures(made, judged))
        store.write_json(self.layout.metrics(cell), {"acc": acc, "asr": 0.01, "asr_base": 0.0})

    def suspicious(self, virtual_loss: float) -> list[Any]:
        *earlier, last = self._histories
        fell = last.epochs[0].virtual_loss.copy()
        fell[4] = virtual_loss
        return [
            *earlier,
            replace(last, epochs=(replace(last.epochs[0], virtual_loss=fell), *last.epochs[1:])),
        ]

    @staticmethod
    def planted() -> Any:
        from asd.truth import PoisonTruth

        return PoisonTruth(("k4",), ("poisoned",), np.array([0]))

    def fetched(self, contents: int = 6) -> list[str]:
        """Write training data of six pictures with the keys of the run; their content hashes."""
        images = [np.full((1, 4, 4), 10 * i, dtype=np.uint8) for i in range(contents)]
        labels = (0, 0, 1, 1, 1, 0)
        with store.atomic_directory(self.layout.fetched("digits", "train")) as folder:
            write_shards(
                folder,
                [Sample(f"k{i}", image, labels[i], f"pets.bin#{i}") for i, image in enumerate(images)],
                name="digits",
                split="train",
                class_names=("cat", "dog"),
                image_shape=(1, 4, 4),
                trusted=True,
            )
        return [content_sha256(image) for image in images]

    def record(self, at: str, *cells: Cell) -> None:
        """What `dvc repro` leaves behind: objects in the cache and a `dvc.lock` of the time `at` (UTC)."""
        stages = {}
        for cell in cells or (ASD, NONE):
            suffix = str(cell).replace("/", "-")
            folders = {f"stage{n}": [self.layout.stage(cell, n)] for n in (1, 2, 3)}
            files = {
                "evaluate": [self.layout.metrics(cell)],
                "audit": [self.layout.audit_samples(cell), self.layout.audit_pools(cell)],
            }
            for step, paths in (folders | files).items():
                outs = [
                    {"path": str(p.relative_to(self.root)), "hash": "md5", "md5": self._keep(p)}
                    for p in paths
                ]
                stages[f"{step}@{suffix}"] = {"cmd": "x", "outs": outs}
        lock = self.layout.pipeline_lock
        lock.write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))
        seconds = np.datetime64(at).astype("datetime64[s]").astype(int)
        os.utime(lock, (seconds, seconds))

    @property
    def cache(self) -> Path:
        return self.root / ".dvc" / "cache" / "files" / "md5"

    def _keep(self, path: Path) -> str:
        if path.is_dir():
            names = sorted(file.name for file in path.iterdir())
            entries = [{"md5": self._keep(path / name), "relpath": name} for name in names]
            return self._object(json.dumps(entries).encode(), ".dir")
        return self._object(path.read_bytes())

    def _object(self, content: bytes, suffix: str = "") -> str:
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest() + suffix
        place = self.cache / md5[:2] / md5[2:]
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        return md5

    def asd(self, *words: str) -> int:
        return cli.main([*words, "--workspace", str(self.root)])

    def audited(self, capsys: Any, *words: str) -> Any:
        """The JSON of an `asd audit` command that must succeed."""
        assert self.asd("audit", *words, "--json") == 0
        return json.loads(capsys.readouterr().out)

    def refused(self, capsys: Any, code: int, *words: str) -> str:
        """What a command that must fail with `code` said: one line, no traceback."""
        assert self.asd(*words) == code
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.startswith("asd: ")
        assert captured.err.count("\n") == 1, captured.err
        assert "Traceback" not in captured.err
        return captured.err


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory, make_record: Any) -> Kit:
    """For copying."""
    return Kit(tmp_path_factory.mktemp("audited") / "w", make_record, *_histories())


def _histories() -> tuple[Any, Any]:
    from asd.pools.history import EpochRow, History

    def mask(*rows: int) -> Any:
        return np.isin(np.arange(6), rows)

    nan, even = float("nan"), np.ones(6, dtype=np.float32)
    meta = np.array([0.25, 6.0, 0.5, 0.5, 8.0, 1.0], dtype=np.float32)
    virtual = np.array([0.25, 5.5, 0.5, 0.25, 1.0, 0.5], dtype=np.float32)
    final = np.array([0.1, 0.5, 0.2, 0.2, 9.0, 0.05], dtype=np.float32)
    rows = [
        EpochRow(0, "class-aware", nan, even, mask(0)),
        EpochRow(1, "class-aware", nan, even, mask(0, 2), warnings=("epoch 1: dog is starved",)),
        EpochRow(2, "class-agnostic", nan, even, mask(2, 3)),
        EpochRow(3, "meta-split", 0.25, meta, mask(0, 2, 3), virtual_loss=virtual),
        EpochRow(4, "final", nan, final, mask(0, 2, 3)),
    ]
    defended = [History(tuple(rows[:2])), History(tuple(rows[2:3])), History(tuple(rows[3:]))]
    alone = EpochRow(20, "final", nan, final, mask(*range(6)))
    return defended, [History((alone,)), History(()), History(())]


@pytest.fixture
def kit(template: Kit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kit:
    """A workspace of the test's own, and the process in it."""
    made = object.__new__(Kit)
    made.__dict__ |= template.__dict__
    made.root = Path(shutil.copytree(template.root, tmp_path / "w"))
    made.layout = Layout(made.root)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_NO_ANALYTICS", "1")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    return made
