"""`asd attack table`: strength of attacks and what defenses make of them, from small result files."""

import json

import numpy as np
import pytest

from asd import store
from asd.cli import main
from asd.layout import Cell
from asd.params import load_workspace
from asd.tables import attacks
from asd.truth import PoisonTruth, write_truth

NONE, FIRST, SECOND = (Cell("digits", "badnets", *rest) for rest in (("none", 0), ("asd", 0), ("asd", 1)))


@pytest.fixture
def opened(workspace):
    return load_workspace(workspace)


def put(layout, cell, acc, asr, poison, auroc=None):
    figures = {"acc": acc, "n_acc": 360, "asr": asr, "n_asr": 325, "asr_base": 0.01}
    store.write_json(layout.metrics(cell), figures)
    final = {"size": 1000, "poisoned": poison, "auroc_reduction": auroc}
    store.write_json(layout.audit_pools(cell), {"final": final})


def fill(layout):
    truth = PoisonTruth(("a", "b", "c"), ("poisoned", "decoy", "poisoned"), np.array([0, 0, 1]))
    write_truth(layout.truth("digits", "badnets"), truth)
    put(layout, NONE, 0.98, 0.9, 2)
    put(layout, FIRST, 0.96, 0.1, 1, 0.75)
    put(layout, SECOND, 0.98, 0.3, 2, 0.85)
    store.write_json(layout.audit_report_facts(FIRST), {"planted_pictures": {"psnr": 25.52, "ssim": 0.9}})
    seconds = {"prepare@digits-badnets": 3.0, "poison@digits-badnets": 1.25}
    record = {"run": None, "params": None, "stages": {}, "seconds": seconds}
    store.write_json(layout.run_record, record)


def test_a_row_has_means_over_trials(opened):
    fill(opened.layout)
    (row,) = attacks.rows(opened, [NONE, FIRST, SECOND])
    assert (row["poisoned"], row["psnr"], row["ssim"]) == (2, 25.52, 0.9)
    assert (row["seconds_prepare"], row["seconds_poison"]) == (3.0, 1.25)
    assert row["defenses"]["none"]["asr"] == 0.9
    assert row["defenses"]["asd"] == {
        "trials": 2,
        "acc": 0.97,
        "asr": 0.2,
        "asr_base": 0.01,
        "poison_in_pool": 1.5,
        "auroc_reduction": 0.8,
    }


def test_figures_of_an_earlier_run_are_named(opened):
    fill(opened.layout)
    stale = {"state": "stale", "text": "params", "entry": None}
    record = {"run": None, "params": None, "stages": {"stage1@digits-badnets-asd-1": stale}, "seconds": {}}
    store.write_json(opened.layout.run_record, record)
    found = attacks.rows(opened, [NONE, FIRST, SECOND])
    assert found[0]["earlier"] == ["asd"]
    assert attacks.sheet(found)[2][1] == "figures of an earlier run: badnets (asd)"


def test_nothing_run_is_a_row_without_figures(opened):
    (row,) = attacks.rows(opened, [NONE])
    assert row["defenses"]["none"]["trials"] == 0
    titles, words, _ = attacks.sheet([row])
    assert titles[:3] == ["attack", "poisoned", "PSNR"]
    assert words == [["badnets", *["–"] * 8]]


def test_the_command_prints_the_facts_or_a_table(opened, capsys):
    fill(opened.layout)
    words = ["attack", "table", "digits/badnets", "--workspace", str(opened.layout.root)]
    assert main([*words, "--json"]) == 0
    assert [row["attack"] for row in json.loads(capsys.readouterr().out)] == ["badnets"]
    assert main([*words, "--format", "md"]) == 0
    assert "| badnets | 2 | 25.5 | 0.900 | 3.0 s | 1.2 s | 98.0% | 90.0% | 1.0% |" in capsys.readouterr().out
    assert main([*words, "--json", "--format", "md"]) == 2
