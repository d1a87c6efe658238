"""The audit on real runs: a person's word changes the next run, and the run before can still be asked."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from typing import Any

import pyarrow.parquet as pq
import pytest

from asd import cli
from asd.exclusions import excluded
from asd.layout import Cell
from asd.shards.manifest import read_index

ASD = Cell("digits", "badnets", "asd", 0)


class Audit:
    """Commands of `asd audit` and `asd seeds` in this process."""

    def __init__(self, pipeline: Any, capsys: Any) -> None:
        self.pipeline, self._capsys = pipeline, capsys

    def said(self, *words: str, code: int = 0) -> str:
        assert cli.main([*words, "--workspace", str(self.pipeline.root)]) == code
        captured = self._capsys.readouterr()
        return str(captured.err if code else captured.out)

    def facts(self, *words: str) -> Any:
        return json.loads(self.said("audit", *words, "--json"))

    def run(self) -> str:
        """The steps, and what DVC keeps of them."""
        self.pipeline.steps(
            [ASD], ("prepare", "poison", "seed", "stage1", "stage2", "stage3", "evaluate", "audit")
        )
        done = self.pipeline.command("dvc", "commit", "--force", "--quiet")
        assert done.returncode == 0, done.stdout
        return self.said("audit", "summary")


@pytest.fixture
def audit(make_pipeline: Callable[..., Any], capsys: Any) -> Audit:
    return Audit(make_pipeline("w", "cells.defenses=[asd]"), capsys)


def test_a_picture_confirmed_as_poisoned_leaves_the_next_run(audit: Audit) -> None:
    pipeline = audit.pipeline
    pipeline.step("fetch", ASD)
    audit.run()
    content = set(read_index(pipeline.layout.fetched("digits", "train")).content)
    samples = pq.read_table(pipeline.layout.audit_samples(ASD)).to_pylist()
    stamped = next(row for row in samples if row["content_sha256"] not in content)
    plain = next(row for row in samples if row["content_sha256"] in content and not row["is_seed"])

    note = ("--by", "Ada", "--note", "odd")
    assert "`asd run`" in audit.said("audit", "confirm", plain["key"], "--as", "poisoned", *note)
    said = audit.said("audit", "confirm", stamped["key"], "--as", "poisoned", *note)
    assert "takes nothing out of the data" in said
    said = pipeline.step("fetch", ASD)
    assert f"{stamped['content_sha256']} (by Ada, " in said
    assert [one.key for one in excluded(pipeline.layout, "digits")] == [plain["key"]]
    assert "2 listed, 1 left out by the last fetch: " + plain["key"] in audit.run()

    [run] = audit.facts("summary")["runs"]
    assert run["samples"] == 199
    assert run["exclusions"]["waiting"] == [stamped["content_sha256"]]
    assert audit.facts("diff", f"{ASD}@previous", str(ASD))["gone"] == {"samples": 1, "keys": [plain["key"]]}
    before = audit.facts("sample", plain["key"], "--cell", f"{ASD}@previous")
    assert before["sample"]["verdict"] == plain["verdict"]
    assert len(before["trajectory"]) > 9
    assert [one["note"] for one in before["reviews"]] == ["odd"]

    audit.said("audit", "confirm", plain["key"], "--as", "clean", "--by", "Bob")  # it is no sample now
    assert f"--key {plain['key']}" not in audit.said("seeds", "candidates")  # and not in the data yet
    pipeline.step("fetch", ASD)
    assert f"--key {plain['key']} --by NAME" in audit.said("seeds", "candidates")

    shutil.rmtree(
        pipeline.root / ".dvc" / "cache" / "files"
    )  # as `asd clean --all` does with what nothing names
    assert "`asd clean --all` removes" in audit.said("audit", "summary", f"{ASD}@previous", code=3)
