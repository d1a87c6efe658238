"""Which cells a target needs, and what it writes; made-up figures in real files."""

from dataclasses import replace

import pyarrow as pa
import pytest

from asd import store
from asd.errors import ParamsError
from asd.layout import Cell
from asd.new_workspace import create
from asd.params import load_workspace
from asd.reproduce import preset, targets
from asd.reproduce.paper import REPORTED, SOURCES
from asd.reproduce_params import ReproduceParams, TargetParams
from asd.tables.rows import WHY_CHANGED


def rows_of(result):
    """Cells of the Markdown table, line by line."""
    lines = [line for line in result.text.splitlines() if line.startswith("| ") and "---" not in line]
    return [[word.strip() for word in line.strip("|").split("|")] for line in lines[1:]]


def test_a_target_needs_the_cells_that_params_name(opened):
    cells = targets.needed(opened, ["fig6", "fig2"])
    assert [str(cell) for cell in cells] == [
        *("digits/badnets/none/0", "digits/badnets/none/1", "digits/badnets/asd/0", "digits/badnets/asd/1"),
        *("digits/badnets/asd_one/0", "digits/badnets/asd_one/1"),
    ]


def test_all_is_what_the_params_offer(opened):
    assert targets.chosen(opened, ["all"]) == ["table1", "fig2", "fig6"]
    assert targets.chosen(opened, ["fig6", "all"]) == ["fig6", "table1", "fig2"]


@pytest.mark.parametrize(
    ("name", "message"),
    [("tabel4", "did you mean 'table4'"), ("table4", "there is no reproduce.table4; `asd init DIR --preset")],
)
def test_a_target_that_is_not_there_is_refused(opened, name, message):
    with pytest.raises(ParamsError, match=message):
        targets.chosen(opened, [name])


def test_cells_that_the_workspace_does_not_list_are_refused(opened):
    wrong = TargetParams(trials=(7,), cells={"Default": {"BadNets": "badnets/asd"}})
    section = opened.params.reproduce.model_copy(update={"fig6": wrong})
    other = replace(opened, params=opened.params.model_copy(update={"reproduce": section}))
    with pytest.raises(ParamsError, match=r"reproduce\.fig6 wants digits/badnets/asd/7"):
        targets.needed(other, ["fig6"])


def test_what_was_not_run_says_so(opened):
    found = targets.produce(opened, "fig6")
    assert rows_of(found)[1] == [
        *("Default", "BadNets", "not run", "–", "not run", "not run", "–", "not run", "0 of 2", "–")
    ]
    assert found.pictures == {}
    assert {claim["verdict"] for claim in found.facts["claims"]} == {"not decidable"}
    assert found.facts["rows"][1]["measured"]["acc"] is None
    assert found.facts["rows"][1]["states"] == ["missing", "missing"]


def test_what_a_dry_run_or_a_stopped_run_marked_as_stale_was_not_run_either(opened, put):
    mark = {"state": "stale", "text": "not run yet", "entry": None}
    marks = {f"stage1@digits-badnets-asd-{trial}": mark for trial in (0, 1)}
    store.write_json(opened.layout.run_record, {"run": None, "params": None, "stages": marks, "seconds": {}})
    found = targets.produce(opened, "fig6")
    assert rows_of(found)[1][2] == "not run"
    assert found.facts["rows"][1]["states"] == ["missing", "missing"]
    assert "not run" in found.facts["claims"][0]["because"]
    put("badnets/asd", 0, 0.9, 0.02)  # and what has figures is stale
    assert targets.produce(opened, "fig6").facts["rows"][1]["states"] == ["stale", "missing"]


def test_a_row_has_the_mean_of_its_trials_beside_the_paper(opened, put):
    put("badnets/asd", 0, 0.9, 0.02, poison=3)
    put("badnets/asd", 1, 0.8, 0.04, poison=5)
    found = targets.produce(opened, "fig6")
    (row,) = [row for row in found.facts["rows"] if row["variant"] == "Default"]
    assert row["measured"]["acc"]["mean"] == 0.85
    assert row["measured"]["asr"]["mean"] == 0.03
    assert row["measured"]["poison_in_pool"] == [3, 5]
    assert (row["n"], row["trials"], row["trials_wanted"]) == ({"acc": 360, "asr": 325}, 2, 2)
    assert (row["seconds"], row["preset"]) == (60.0, "digits (changed)")
    words = rows_of(found)[1]
    assert words[2].startswith("85.0 (")
    assert words[5:] == ["1.0", "–", "3, 5 of 718", "2 of 2", "60"]
    assert "test pictures: 360 (ACC), 325 (ASR)." in found.text
    assert "fig6.svg" in found.pictures
    assert "![Figure 6: without a stage](fig6.svg)" in found.text


def test_a_model_that_guesses_is_known_by_the_classes_of_its_test_set(opened, put):
    put("badnets/asd", 0, 0.12, 0.0)
    put("badnets/asd", 1, 0.9, 0.0)
    (entry,) = [
        e for e in targets.entries(opened, "digits", opened.params.reproduce.fig6) if e.variant == "Default"
    ]
    assert entry.guesses == "the model is of no use (accuracy 12.0, by guessing 10.0)"


def test_a_trial_that_is_missing_is_counted(opened, put):
    put("badnets/asd", 1, 0.8, 0.04)
    found = targets.produce(opened, "fig6")
    assert rows_of(found)[1][8] == "1 of 2"


def test_the_first_model_of_a_transfer_has_a_row_of_its_own(opened, put):
    init = {"acc": 0.4, "n_acc": 360, "asr": 0.1, "n_asr": 325, "asr_base": 0.1}
    put("badnets/asd", 0, 0.9, 0.02, init=init)
    target = TargetParams(
        cells={
            "Transfer-based ASD": {"BadNets": "badnets/asd"},
            "Transfer-based ASD, all": {"BadNets": "badnets/asd"},
        }
    )
    found = targets.entries(opened, "digits", target)
    assert [entry.variant for entry in found] == [
        *("First model", "Transfer-based ASD", "First model, all", "Transfer-based ASD, all")
    ]
    assert found[0].share("acc").mean == 0.4
    assert found[1].share("acc").mean == 0.9
    (first, after) = targets.as_json("table6", found[:2], "p")
    assert first["paper"] == {"acc": 0.526, "asr": 0.089}
    assert after["paper"] == {"acc": 0.929, "asr": 0.024}


def test_the_preset_is_named_and_said_to_be_changed_if_it_is(opened):
    assert preset.named(opened) == "digits (changed)"


def test_table_1_is_what_the_defenses_say_of_themselves(opened):
    found = targets.produce(opened, "table1")
    rows = {row["method"]: row for row in found.facts["rows"]}
    assert rows["ASD"]["plugin"] == "asd"
    assert (
        rows["ASD"]["measured"]
        == rows["ASD"]["paper"]
        == {"initialisation": "fast", "maintenance": "adaptive", "operation": "purify", "selects_hard": True}
    )
    assert rows["DBD"]["measured"] is None
    assert ["ASD", "asd", "fast", "adaptive", "purify", "selected", "the same"] in rows_of(found)
    assert ["DBD", "none here", "slow", "adaptive", "purify", "not selected", "the paper's words"] in rows_of(
        found
    )


def test_every_target_of_the_paper_has_a_title():
    assert set(REPORTED) <= set(SOURCES)
    assert len(SOURCES) == 9


def test_a_cell_of_a_target_is_a_cell(opened):
    assert targets.needed(opened, ["fig6"])[0] == Cell("digits", "badnets", "none", 0)


ROW = {"BadNets": "badnets/asd"}


@pytest.mark.parametrize(
    "section",
    [
        {"fig6": {"cells": {"Default": {}}}},
        {"fig6": {"cells": {"a | b": ROW}}},
        {"fig6": {"cells": {"two\nlines": ROW}}},
        {"fig6": {"cells": {"<script>": ROW}}},
        {"fig6": {"cells": {"![x](http://example.org)": ROW}}},
        {"fig6": {"cells": {"": ROW}}},
        {"fig6": {"cells": {"Default": {"`a`": "badnets/asd"}}}},
        {"preset": "**bold**"},
        {"dataset": "../digits"},
    ],
    ids=str,
)
def test_names_that_would_be_markup_are_refused(opened, section):
    own = ReproduceParams.model_validate({"preset": "digits", "dataset": "digits", **section})
    other = replace(opened, params=opened.params.model_copy(update={"reproduce": own}))
    with pytest.raises(ParamsError, match=r"^reproduce\.") as caught:
        targets.chosen(other, ["all"])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["reproduce", "reproduce-cpu"])
def test_names_of_the_presets_are_taken(name, tmp_path):
    made = load_workspace(create(tmp_path / "w", name).root)
    assert len(targets.chosen(made, ["all"])) == 9
    assert preset.named(made) == name


def test_a_preset_is_looked_for_among_the_presets_only(opened):
    section = opened.params.reproduce.model_copy(update={"preset": "../presets/digits"})
    other = replace(opened, params=opened.params.model_copy(update={"reproduce": section}))
    assert preset.named(other) == "../presets/digits (not one of asd's)"


def test_params_that_changed_after_the_last_run_are_said_so(opened, put):
    put("badnets/asd", 0, 0.9, 0.02)
    store.write_json(
        opened.layout.run_record, {"run": None, "params": "another", "stages": {}, "seconds": {}}
    )
    found = targets.produce(opened, "fig6")
    assert found.facts["warnings"] == [WHY_CHANGED]
    assert WHY_CHANGED in found.text


def curve(opened, put, ends, epochs, **figures):
    """One finished cell of fig7 and fig4 with `ends` of its stages and a curve; its rows."""
    put("badnets/asd", 0, 0.9, 0.02)
    cell = Cell("digits", "badnets", "asd", 0)
    stages = [{"stage": n, "epoch": end, "poisoned": None, "size": None} for n, end in enumerate(ends, 1)]
    pools = store.read_json(opened.layout.audit_pools(cell)) | {"stages": stages}
    store.write_json(opened.layout.audit_pools(cell), pools)
    columns = {"epoch": epochs, **{name: [value] * len(epochs) for name, value in figures.items()}}
    store.write_parquet(opened.layout.curves(cell), pa.table(columns))
    target = TargetParams(cells={"Default": {"BadNets": "badnets/asd"}})
    return targets.entries(opened, "digits", target)


def test_a_stage_without_epochs_has_no_curve(opened, put):
    found = curve(opened, put, [None, 4, 8], [1, 5, 9], acc=0.5, asr=0.1)
    assert targets.epoch_rows(opened.layout, found, "fig7") == []
    assert [row["epoch"] for row in targets.epoch_rows(opened.layout, found, "fig4")] == [1, 5]


def test_a_defense_without_pools_has_its_whole_curve(opened, put):
    found = curve(opened, put, [None, None, None], [1, 5, 9], acc=0.5, asr=0.1)
    assert [row["epoch"] for row in targets.epoch_rows(opened.layout, found, "fig4")] == [1, 5, 9]


def test_accuracy_that_nobody_vouches_for_is_no_curve(opened, put):
    found = curve(opened, put, [2, 4, 8], [1, 3, 5], acc_untrusted=0.5, asr=0.1)
    assert targets.epoch_rows(opened.layout, found, "fig4") == []
    (first, second) = targets.epoch_rows(opened.layout, found, "fig7")
    assert (first["acc"], first["asr"], second["epoch"]) == (None, 0.1, 3)


def test_a_run_without_a_first_model_is_not_called_not_run(opened, put):
    put("badnets/asd", 0, 0.9, 0.02)
    target = TargetParams(cells={"Transfer-based ASD": {"BadNets": "badnets/asd"}})
    first, after = targets.entries(opened, "digits", target)
    assert (first.why_none, after.why_none) == ("no such model", "")
