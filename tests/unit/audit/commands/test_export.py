"""`asd audit export`: each format has the samples as they are, whole or not at all."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from asd.audit import exporting
from asd.audit.queries import SampleFilter
from asd.layout import Cell
from asd.seeds.drawing import read_keys_file
from asd.types import SampleIndex

ASD = Cell("digits", "badnets", "asd", 0)
SOURCES = ("=1+1.png", "-rf.png", 'a "b", c\n.png', "plain.png", "@x.png", "ünï.png")


@pytest.fixture
def odd(kit: Any) -> Any:
    index = SampleIndex(
        tuple(f"k{i}" for i in range(6)),
        np.array([0, 0, 1, 1, 1, 0]),
        tuple(f"{i:064x}" for i in range(6)),
        SOURCES,
    )
    kit.audit(index=index)
    return kit


def test_every_format_has_the_same_samples(odd: Any, tmp_path: Path, capsys: Any) -> None:
    for name in ("a.parquet", "a.csv", "a.jsonl", "a.txt"):
        assert odd.audited(capsys, "export", str(tmp_path / name))["samples"] == 6
    table = pq.read_table(tmp_path / "a.parquet")
    lines = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    wanted = [f"k{i}" for i in range(6)]
    for found in (table["key"].to_pylist(), [line["key"] for line in lines], [row["key"] for row in rows]):
        assert found == wanted
    assert table["source"].to_pylist() == [line["source"] for line in lines] == list(SOURCES)
    assert [row["source"] for row in rows] == ["'=1+1.png", "'-rf.png", *SOURCES[2:4], "'@x.png", SOURCES[5]]
    assert (
        [line["verdict"] for line in lines]
        == [row["verdict"] for row in rows]
        == table["verdict"].to_pylist()
    )
    assert lines[4]["suspicion"] == pytest.approx(float(rows[4]["suspicion"]), rel=1e-5)
    assert lines[1]["first_epoch_in"] is None
    assert (tmp_path / "a.txt").read_text() == "".join(f"{key}\n" for key in wanted)


def test_the_filters_are_those_of_pool(kit: Any, tmp_path: Path, capsys: Any) -> None:
    words = ("--class", "dog", "--in-pool", "--keys-only")
    assert kit.asd("audit", "export", str(tmp_path / "x.txt"), *words) == 0
    assert (tmp_path / "x.txt").read_text() == "k2\nk3\n"


def test_a_keys_file_is_one_that_seeds_read(kit: Any, capsys: Any) -> None:
    file = kit.layout.seeds_by_people / "mine.txt"
    assert kit.asd("audit", "export", str(file), "--verdict", "seed") == 0
    out = capsys.readouterr().out
    assert "Somebody must look at every picture before it is a seed" in out
    assert "asd run -S seeds.use=keys -S seeds.keys_file=mine.txt" in out
    assert list(read_keys_file(file)) == ["k0"]


@pytest.mark.parametrize(
    ("file", "words", "said"),
    [
        ("x.xlsx", (), "wanted a name that ends with .parquet, .csv, .jsonl, .txt"),
        ("x", (), "wanted a name that ends with"),
        ("x.csv", ("--keys-only",), "wanted a name that ends with .txt"),
        ("x.csv", ("--class", "horse"), "no sample of digits/badnets/asd/0 fits; nothing is written"),
        ("x.csv", ("--verdict", "bad"), "no verdict 'bad'"),
        ("w/reviews/exclusions.csv", ("--overwrite",), "lies where the workspace keeps its own files"),
        ("w/data/runs/digits/badnets/asd/0/audit/samples.parquet", ("--overwrite",), "keeps its own files"),
        ("w/seeds/../reviews/log.jsonl", (), "keeps its own files"),
        ("there.csv", (), "is there already; give another name, or --overwrite"),
        ("folder.csv", ("--overwrite",), "is a folder"),
    ],
)
def test_what_is_refused_writes_nothing(
    kit: Any, tmp_path: Path, capsys: Any, file: str, words: tuple[str, ...], said: str
) -> None:
    (tmp_path / "there.csv").write_text("mine")
    (tmp_path / "folder.csv").mkdir()
    before = sorted(str(path) for path in tmp_path.rglob("*") if ".asd" not in path.parts)
    assert said in kit.refused(capsys, 2, "audit", "export", str(tmp_path / file), *words, "--cell", str(ASD))
    assert sorted(str(path) for path in tmp_path.rglob("*") if ".asd" not in path.parts) == before
    assert (tmp_path / "there.csv").read_text() == "mine"


def test_seeds_of_people_are_not_overwritten(kit: Any, capsys: Any) -> None:
    kit.layout.trusted_seeds.write_text("dataset,label,key,content_sha256,by,day\n")
    said = kit.refused(
        capsys, 2, "audit", "export", str(kit.layout.trusted_seeds), "--overwrite", "--cell", str(ASD)
    )
    assert "keeps its own files" in said


def test_overwrite_replaces(kit: Any, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "there.csv").write_text("mine")
    assert kit.asd("audit", "export", str(tmp_path / "there.csv"), "--overwrite") == 0
    assert (tmp_path / "there.csv").read_text().startswith('"run","key"')


def test_parts_become_one_file(tmp_path: Path) -> None:
    class Ledger:
        def batches(self, sql: str, values: object) -> Any:
            return (pa.record_batch({"key": [f"k{part}{i}" for i in range(3)]}) for part in range(4))

    class Run:
        name = "r"

    for suffix in exporting.SUFFIXES:
        file = tmp_path / f"x{suffix}"
        assert exporting.export(Ledger(), Run(), SampleFilter(), file) == 12  # type: ignore[arg-type]
        count = (
            pq.read_metadata(file).num_rows if suffix == ".parquet" else len(file.read_text().splitlines())
        )
        assert count == 12 + (suffix == ".csv")
