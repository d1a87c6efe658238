"""Mean and deviation over trials, and the forms in which a table is written."""

import csv
import io
import math
from typing import Any

from asd.layout import Cell
from asd.tables import formats, trials
from asd.tables import rows as table


def row(trial: int, acc: float | None, **more: Any) -> dict[str, Any]:
    names = {"dataset": "digits", "attack": "badnets", "defense": "asd"}
    return {**dict.fromkeys(table.COLUMNS), **names, "trial": trial, "acc": acc, **more}


def cell(trial: int) -> Cell:
    return Cell("digits", "badnets", "asd", trial)


def test_mean_and_deviation_of_the_sample_are_those_by_hand() -> None:
    (found,) = trials.over_trials([row(0, 0.9), row(1, 0.8), row(2, 1.0)], {})
    assert (found["trials"], found["acc_n"], found["states"]) == (3, 3, {})
    assert math.isclose(found["acc_mean"], 0.9)
    assert math.isclose(found["acc_sd"], 0.1)  # sqrt((0 + 0.01 + 0.01) / 2)
    assert (found["asr_mean"], found["asr_sd"], found["asr_n"]) == (None, None, 0)


def test_one_trial_has_no_deviation() -> None:
    (found,) = trials.over_trials([row(0, 0.9)], {})
    assert (found["acc_mean"], found["acc_sd"]) == (0.9, None)


def test_missing_and_stale_trials_are_shown_and_count_for_nothing() -> None:
    rows = [row(0, 0.9), row(1, None), row(2, 0.1), row(3, 0.2)]
    states = {cell(1): "missing", cell(2): "stale", cell(3): "failed"}
    (found,) = trials.over_trials(rows, states)
    assert (found["trials"], found["acc_n"], found["acc_mean"]) == (4, 1, 0.9)
    assert found["states"] == {"failed": 1, "missing": 1, "stale": 1}
    titles, words, notes = trials.sheet([found])
    assert (titles[-1], words[0][-1]) == ("state", "1 failed, 1 missing, 1 stale")
    assert trials.WHY_LEFT_OUT in notes


def test_groups_keep_their_order_and_do_not_mix() -> None:
    rows = [row(0, 0.5), {**row(0, 0.7), "defense": "none"}, row(1, 0.5)]
    found = trials.over_trials(rows, {})
    assert [(one["defense"], one["trials"]) for one in found] == [("asd", 2), ("none", 1)]


def test_words_say_percent_deviation_and_how_many_where_some_lack_it() -> None:
    found = trials.over_trials([row(0, 0.9, asr=0.02), row(1, 0.8)], {})
    titles, words, _ = trials.sheet(found)
    assert words[0][titles.index("acc")] == "85.0% ± 7.1"
    assert words[0][titles.index("asr")] == "2.0% (n=1)"


def test_untrusted_accuracy_has_its_own_column_and_says_why() -> None:
    untrusted = row(0, None, acc_untrusted=0.5)
    titles, words, notes = table.sheet([untrusted, row(1, 0.9)])
    assert titles[1:3] == ["acc", "acc_untrusted"]
    assert [one[1:3] for one in words] == [["–", "50.0%"], ["90.0%", "–"]]
    assert notes == [table.UNTRUSTED_NOTE]
    assert table.sheet([untrusted])[0][1] == "acc_untrusted"
    over_titles, _, over_notes = trials.sheet(trials.over_trials([untrusted], {}))
    assert ("acc" in over_titles, "acc_untrusted" in over_titles) == (False, True)
    assert table.UNTRUSTED_NOTE in over_notes


def test_figures_of_an_earlier_run_are_marked_and_nothing_else_is() -> None:
    rows = [row(0, 0.9), row(1, 0.8)]
    assert "state" not in table.render(rows, {cell(0): "done", cell(1): "missing"})
    text = table.render(rows, {cell(0): "done", cell(1): "stale"})
    assert [line.split()[-1] for line in text.splitlines() if line.startswith("digits")] == ["done", "stale"]
    assert table.WHY_OLD in text


def test_csv_has_unrounded_figures_and_empty_places() -> None:
    text = formats.comma_separated([{"a": 1 / 3, "b": None, "s": {"stale": 2}}, {"a": 1.0, "c": "x,y"}])
    assert list(csv.reader(io.StringIO(text))) == [
        ["a", "b", "s", "c"],
        ["0.3333333333333333", "", "stale=2", ""],
        ["1.0", "", "", "x,y"],
    ]


def test_markdown_escapes_bars_and_aligns() -> None:
    text = formats.markdown(["a", "n"], [["x|y", "1"]], ["note"], left=1)
    assert text == "| a | n |\n| --- | ---: |\n| x\\|y | 1 |\n\nnote\n"


def test_latex_escapes_what_is_special_to_it() -> None:
    text = formats.latex(["cell"], [["a_b 5% ± 1"], ["–"]], ["why"], left=1)
    assert text.splitlines()[0] == "% why"
    assert r"a\_b 5\% $\pm$ 1 \\" in text.splitlines()
    assert r"-- \\" in text.splitlines()
