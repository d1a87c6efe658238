"""Drops in the audit: clean share and suspects of each, provenance, two runs with other drops."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from asd import store
from asd.audit.by_drop import drop_shares
from asd.audit.journal import note_states
from asd.drop_records import write_record
from asd.source_groups import by_drop, drop_of, source_group
from asd.types import SampleIndex
from tests.unit.drops import made
from tests.unit.test_drop_records import record

RUN = "digits/badnets/asd/0"
SOURCES = (
    *("acme/drop-0001/cat/0.jpg", "acme/drop-0001/cat/1.jpg", "acme/drop-0001/x.parquet#2"),
    *("beta/drop-0002/dog/3.jpg", "beta/drop-0002/dog/4.jpg", "acme/drop-0012/cat/5.jpg"),
)


def index(sources: tuple[str, ...] = SOURCES) -> SampleIndex:
    keys = tuple(f"k{i}" for i in range(6))
    return SampleIndex(keys, np.array([0, 0, 1, 1, 1, 0]), tuple(f"{i:064x}" for i in range(6)), sources)


@pytest.fixture
def dropped(kit: Any) -> Any:
    """The pool at the end is k0, k2, k3; k4 is the suspect."""
    kit.audit(index=index())
    for number, name in ((1, "acme"), (2, "beta"), (12, "acme")):
        write_record(kit.layout, replace(record(number, number), source=name))
    return kit


def test_a_source_of_a_drop_says_whose_and_which_and_nothing_else_does() -> None:
    assert drop_of("acme/drop-0012/cat/5.jpg") == ("acme", 12)
    assert source_group("acme/drop-0012/cat/5.jpg", "cat") == "acme/drop-0012"
    assert source_group("acme/drop-0012/drop-0001/5.jpg", "drop-0001") == "acme/drop-0012"
    for other in ("train/0012/5.jpg", "a/b/drop-0001/x", "drop-0001/x.png", "x.parquet#3", ".x/drop-0001/a"):
        assert drop_of(other) is None
    assert by_drop(SOURCES) == {("acme", 1): [0, 1, 2], ("beta", 2): [3, 4], ("acme", 12): [5]}


def test_shares_are_counted_by_drop_and_by_source() -> None:
    pool, suspect = np.isin(np.arange(6), (0, 2, 3)), np.arange(6) == 4
    found = drop_shares(SOURCES, pool, suspect)
    assert found == {
        "per_drop": [
            {"drop": 1, "source": "acme", "samples": 3, "in_pool": 2, "clean_share": 2 / 3, "suspects": 0},
            {"drop": 2, "source": "beta", "samples": 2, "in_pool": 1, "clean_share": 1 / 2, "suspects": 1},
            {"drop": 12, "source": "acme", "samples": 1, "in_pool": 0, "clean_share": 0.0, "suspects": 0},
        ],
        "per_source": [
            {"source": "acme", "samples": 4, "in_pool": 2, "clean_share": 1 / 2, "suspects": 0},
            {"source": "beta", "samples": 2, "in_pool": 1, "clean_share": 1 / 2, "suspects": 1},
        ],
    }
    assert drop_shares(("a.bin#1",), pool[:1], None) is None


def test_the_summary_says_how_each_drop_fared(dropped: Any, capsys: pytest.CaptureFixture[str]) -> None:
    facts = dropped.audited(capsys, "summary", RUN)["runs"][0]["drops"]
    assert [(one["drop"], one["samples"], one["in_pool"], one["suspects"]) for one in facts["per_drop"]] == [
        *((1, 3, 2, 0), (2, 2, 1, 1), (12, 1, 0, 0))
    ]
    assert facts["why_no_accuracy"].startswith("the test set comes from no drop")
    assert dropped.asd("audit", "summary", RUN) == 0
    said = capsys.readouterr().out
    assert "source beta: 2 samples, 50.0% in the clean pool, 1 suspects" in said
    assert "drop 12 of acme: 1 samples, 0.0% in the clean pool" in said
    assert "the test set comes from no drop, so there is no accuracy by drop" in said


def test_with_held_out_pictures_accuracy_stands_beside_it(
    dropped: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    from asd.audit.runs import audited_runs

    metrics = audited_runs(dropped.layout)[0].metrics
    figures = {"acc_untrusted": 0.75, "interval": [0.3, 0.95], "n": 4}
    more = {"per_drop": {"2": {"source": "beta", **figures}}, "per_source": {"beta": figures}}
    store.write_json(metrics, {**store.read_json(metrics), **more})
    assert dropped.asd("audit", "summary", RUN) == 0
    said = capsys.readouterr().out
    assert "drop 2 of beta: 2 samples, 50.0% in the clean pool, 1 suspects, acc_untrusted 75.0% of 4" in said
    assert "drop 1 of acme: 3 samples, 66.7% in the clean pool, 0 suspects\n" in said
    assert dropped.asd("table", RUN, "--json") == 0
    assert json.loads(capsys.readouterr().out)[0]["per_drop"] == more["per_drop"]


def test_a_run_without_drops_says_nothing_of_them(kit: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert kit.audited(capsys, "summary", RUN)["runs"][0]["drops"] is None
    assert kit.asd("table", RUN, "--json") == 0
    assert "per_drop" not in json.loads(capsys.readouterr().out)[0]


def test_sql_tells_drop_source_path_and_time_of_arrival(
    dropped: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    sql = "select drop, source, path, arrived, content_sha256 from provenance where key = 'k2'"
    found = dropped.audited(capsys, "sql", sql, "--cell", RUN)
    rows = found["rows"] if isinstance(found, dict) else found
    assert rows == [
        {
            "drop": 1,
            "source": "acme",
            "path": "x.parquet#2",
            "arrived": "2026-11-23T00:00:00Z",
            "content_sha256": f"{2:064x}",
        }
    ]
    found = dropped.audited(
        capsys, "sql", "select drop, status, accepted from drops order by drop", "--cell", RUN
    )
    rows = found["rows"] if isinstance(found, dict) else found
    assert [(row["drop"], row["status"], row["accepted"]) for row in rows] == [
        *((1, "accepted", 9), (2, "accepted", 9), (12, "accepted", 9))
    ]


def test_a_sample_tells_where_it_comes_from(kit: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """From a drop that lies here: with the hash of the file as sent and its flags."""
    space = made.workspace(kit.root / "other")
    sent = made.accepted(7, "cat", "cat/7.jpg", ["animated"])
    made.add(space, [sent], "x")
    for name in ("drops", "data/drops"):
        (kit.root / name).parent.mkdir(parents=True, exist_ok=True)
        (space.layout.root / name).rename(kit.root / name)
    from asd.shards.drop_folder import picture_key

    key = picture_key(1, "cat/7.jpg")
    keyed = index(("acme/drop-0001/cat/7.jpg", *SOURCES[1:]))
    kit.audit(index=replace(keyed, keys=(key, *keyed.keys[1:])))
    found = kit.audited(capsys, "sample", key, "--cell", RUN)["provenance"]
    assert found == {
        "drop": 1,
        "source": "acme",
        "path": "cat/7.jpg",
        "name": "july",
        "status": "accepted",
        "arrived": found["arrived"],
        "file_sha256": sent.file_sha256,
        "flags": ["animated"],
        "flagged_with": "",
    }
    found = kit.audited(capsys, "sample", "k3", "--cell", RUN)["provenance"]
    assert (found["drop"], found["source"], found["file_sha256"]) == (2, "beta", None)


def test_two_runs_are_compared_drop_by_drop(dropped: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Before, there was no drop 2 and no drop 12: another vendor's pictures stood in their place."""
    earlier = tuple(s.replace("beta/drop-0002", "acme/drop-0001") for s in SOURCES[:5])
    dropped.audit(index=index((*earlier, "acme/drop-0001/cat/6.jpg")))
    dropped.record("2026-01-10T12:00:00")
    note_states(dropped.layout)
    dropped.audit(index=index(), gain=8.0)
    dropped.record("2026-01-12T12:00:00")
    note_states(dropped.layout)
    facts = dropped.audited(capsys, "diff", f"{RUN}@previous", RUN)
    assert facts["drops"] == [
        {
            "drop": 1,
            "source": "acme",
            "samples": {"before": 6, "after": 3},
            "in_pool": {"before": 3, "after": 2},
            "suspects": {"before": 1, "after": 0},
        },
        {
            "drop": 2,
            "source": "beta",
            "samples": {"before": 0, "after": 2},
            "in_pool": {"before": 0, "after": 1},
            "suspects": {"before": 0, "after": 0},
        },
        {
            "drop": 12,
            "source": "acme",
            "samples": {"before": 0, "after": 1},
            "in_pool": {"before": 0, "after": 0},
            "suspects": {"before": 0, "after": 0},
        },
    ]
    assert facts["new_sources"] == {"beta/drop-0002": 2, "acme/drop-0012": 1}
    assert dropped.asd("audit", "diff", f"{RUN}@previous", RUN) == 0
    assert "beta/drop-0002" in capsys.readouterr().out
