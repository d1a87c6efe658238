"""Gates: what is refused at the start of a run, and what fails at its end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from asd.errors import GateError, ParamsError
from asd.ship import figures, gates
from asd.ship.provenance import gather
from tests.unit.rehearsing import Kennel
from tests.unit.ship.conftest import CLEAN, PLANTED, UNDEFENDED, Pets


def judged(pets: Pets, limits: dict[str, Any]) -> list[tuple[str, bool | None]]:
    workspace = pets.set(limits)
    return [(o.gate, o.holds) for o in gates.judge_run(workspace, workspace.cells())]


@pytest.mark.parametrize(
    ("limits", "cells", "message"),
    [
        ({"most_asr": 0.1}, {"attacks": ["none"]}, "gates.most_asr has no figure: every attack .* is none"),
        ({"least_acc": 0.1}, {"defenses": ["none"]}, "gates.least_acc has nothing to judge: every defense"),
        ({"promote": "pets/none/asd/0"}, {}, "gates.promote names a cell but no gate is set"),
        ({"least_acc": 0.1, "promote": "pets/none/asdd/0"}, {}, "lists no cell 'pets/none/asdd/0'"),
        ({"least_acc": 0.1, "promote": "pets"}, {}, "'pets' means 4 cells; name one"),
        ({"least_acc": 0.1, "promote": "pets/none/none"}, {}, "pets/none/none/0 has no defense"),
    ],
)
def test_a_gate_on_a_figure_that_cannot_be_is_refused_at_the_start(
    pets: Pets, limits: dict[str, Any], cells: dict[str, list[Any]], message: str
) -> None:
    workspace = pets.set(limits, **cells)
    with pytest.raises(ParamsError, match=message):
        gates.refuse_impossible(workspace)


@pytest.mark.parametrize("limits", [{}, {"most_asr": 0.1}, {"most_suspects_per_class": 0}])
def test_gates_on_figures_that_can_be_are_taken(pets: Pets, limits: dict[str, Any]) -> None:
    gates.refuse_impossible(pets.set(limits))


@pytest.mark.parametrize(
    "limits", [{"least_acc": 1.5}, {"most_suspects_per_class": -1}, {"most_asr": "low"}, {"least_ac": 0.9}]
)
def test_a_gate_out_of_bounds_or_misspelt_is_an_error_of_params(pets: Pets, limits: dict[str, Any]) -> None:
    with pytest.raises(ParamsError, match=r"params\.yaml\.gates"):
        pets.set(limits)


def test_the_undefended_twin_is_never_judged(finished: Pets) -> None:
    finished.measure(UNDEFENDED, acc=0.1)
    assert judged(finished, {"least_acc": 0.5}) == [("least_acc", True), ("least_acc", True)]


def test_attack_success_is_judged_where_an_attack_is_planted(finished: Pets) -> None:
    assert judged(finished, {"most_asr": 0.05}) == [("most_asr", True)]
    assert judged(finished, {"most_asr": 0.01}) == [("most_asr", False)]


def test_a_limit_itself_holds(finished: Pets) -> None:
    assert judged(finished, {"least_acc": 0.9, "most_asr": 0.02}) == [
        ("least_acc", True),
        ("least_acc", True),
        ("most_asr", True),
    ]


def test_suspects_are_counted_in_the_worst_class_and_source(finished: Pets) -> None:
    finished.audit(CLEAN, suspects={"dog": 3, "cat": 2})
    finished.set({"most_suspects_per_class": 2})
    layout = finished.workspace.layout
    worst = figures.most_suspects(layout, CLEAN, "class")
    assert (worst.value, worst.of) == (3, "pets/none/asd/0, class dog")
    assert figures.most_suspects(layout, CLEAN, "source").value == 5


def test_no_suspect_is_a_figure_of_zero(finished: Pets) -> None:
    finished.audit(CLEAN, suspects={})
    assert figures.most_suspects(finished.workspace.layout, CLEAN, "class").value == 0


@pytest.mark.parametrize(
    "gate", ["most_estimated_poisoned_share", "most_suspects_per_class", "most_suspects_per_source"]
)
def test_what_the_audit_does_not_give_was_not_measured(finished: Pets, gate: str) -> None:
    workspace = finished.set({gate: 0})
    outcomes = gates.judge_run(workspace, [CLEAN])
    assert [o.holds for o in outcomes] == [None]
    with pytest.raises(GateError, match=f"gates.{gate} was not measured: the audit gives no"):
        gates.refuse_failed(outcomes)


def test_an_estimated_share_is_held_against_its_limit(finished: Pets) -> None:
    finished.audit(CLEAN, share=0.04)
    finished.audit(PLANTED, share=0.06)
    assert judged(finished, {"most_estimated_poisoned_share": 0.05}) == [
        ("most_estimated_poisoned_share", True),
        ("most_estimated_poisoned_share", False),
    ]


def test_a_failing_gate_says_which_the_figure_and_the_limit(finished: Pets) -> None:
    workspace = finished.set({"least_acc": 0.95})
    with pytest.raises(GateError) as caught:
        gates.refuse_failed(gates.judge_run(workspace, [CLEAN]))
    first, last = str(caught.value).splitlines()
    assert first == (
        "gates.least_acc fails: acc of pets/none/asd/0 0.9000, n 300, 95% 0.8500 to 0.9500; "
        "wanted at least 0.95"
    )
    assert last == "asd: models/current is left as it was"
    assert caught.value.exit_code == 4


def test_untrusted_accuracy_is_judged_under_its_name(finished: Pets) -> None:
    finished.trusted = False
    finished.measure(CLEAN)
    workspace = finished.set({"least_acc": 0.5})
    (outcome,) = gates.judge_run(workspace, [CLEAN])
    assert (outcome.figure.name, outcome.holds) == ("acc_untrusted", True)


def test_a_promotion_counts_the_attack_success_of_planted_twins(finished: Pets) -> None:
    workspace = finished.set({"most_asr": 0.01})
    (outcome,) = gates.judge_promotion(workspace, CLEAN)
    assert (outcome.figure.of, outcome.holds) == (str(PLANTED), False)


def test_a_run_promotes_the_only_defended_cell_on_unplanted_data(finished: Pets) -> None:
    assert gates.promoted_cell(finished.set({"least_acc": 0.1})) == CLEAN
    assert gates.promoted_cell(finished.set({"least_acc": 0.1}, trials=[0, 1])) is None
    named = {"least_acc": 0.1, "promote": "pets/badnets/asd/0"}
    assert gates.promoted_cell(finished.set(named)) == PLANTED


# -- attack success on data in which nothing is planted ------------------------------------------


@pytest.fixture
def kennel(tmp_path: Path) -> Kennel:
    """Data that nobody vouches for, one defended cell, seeds that Ada vouches for."""
    made = Kennel(tmp_path / "w")
    made.finish(CLEAN)
    return made


def asr_of(kennel: Kennel, limit: float = 0.05, **cells: list[Any]) -> list[gates.Outcome]:
    workspace = kennel.set({"most_asr": limit}, **cells)
    gates.refuse_impossible(workspace)
    return gates.judge_run(workspace, [CLEAN])


def test_without_a_rehearsal_attack_success_was_not_measured(kennel: Kennel) -> None:
    (outcome,) = asr_of(kennel)
    assert outcome.holds is None
    with pytest.raises(GateError, match="there is no rehearsal of pets for asd yet; `asd rehearse`"):
        gates.refuse_failed([outcome])


@pytest.mark.parametrize(("limit", "holds"), [(0.011, True), (0.01, False)])
def test_the_last_rehearsal_is_held_against_the_limit(kennel: Kennel, limit: float, holds: bool) -> None:
    kennel.rehearsed(at="2026-11-01T00:00:00+00:00", asr_defense=0.9)
    kennel.rehearsed()
    (outcome,) = asr_of(kennel, limit)
    assert (outcome.holds, outcome.figure.value, outcome.figure.n) == (holds, 0.011, 9000)
    said = "asr of pets/none/asd/0 (rehearsed with badnets on 2026-11-22; same data and params as now) 0.0110"
    assert said in str(outcome)
    assert str(outcome).endswith(f"wanted at most {limit:g}")
    assert outcome.told().startswith(f"{outcome} (measured ")
    assert gates.judge_promotion(kennel.workspace, CLEAN) == [outcome]


def test_every_rehearsed_attack_must_keep_the_limit(kennel: Kennel) -> None:
    kennel.rehearsed()
    kennel.rehearsed(attack="blend", asr_defense=0.8)
    assert [o.holds for o in asr_of(kennel)] == [True, False]


def test_a_rehearsal_of_other_data_says_so_and_one_of_another_defense_does_not_count(kennel: Kennel) -> None:
    kennel.rehearsed(data="0" * 64)
    (outcome,) = asr_of(kennel)
    assert "on 2026-11-22; the data have changed since) 0.0110" in str(outcome)
    kennel.workspace.layout.rehearsals.unlink()
    kennel.rehearsed(defense="nad")
    assert [o.holds for o in asr_of(kennel)] == [None]


def test_a_trigger_that_did_not_work_measures_nothing(kennel: Kennel) -> None:
    kennel.rehearsed(asr_none=0.3, asr_defense=0.0)
    (outcome,) = asr_of(kennel)
    assert (outcome.holds, outcome.figure.value) == (None, None)
    assert "the trigger hardly worked without a defense either (30%)" in str(outcome)


def test_a_planted_twin_in_the_same_data_counts_instead_of_a_rehearsal(kennel: Kennel) -> None:
    kennel.rehearsed(asr_defense=0.9)
    kennel.finish(PLANTED, seed=1, asr=0.02)
    assert asr_of(kennel, attacks=["none", "badnets"]) == []
    (outcome,) = gates.judge_promotion(kennel.workspace, CLEAN)
    assert (outcome.figure.of, outcome.holds) == (str(PLANTED), True)


def test_without_vouched_seeds_there_can_be_no_rehearsal_and_the_gate_is_refused(kennel: Kennel) -> None:
    kennel.set({"most_asr": 0.1})
    with pytest.raises(ParamsError, match=r"gates\.most_asr has no figure: .*vouch for seeds"):
        gates.refuse_impossible(kennel.change(seeds={"use": "oracle"}))


def test_the_model_card_tells_a_rehearsed_attack_with_its_day(kennel: Kennel) -> None:
    kennel.rehearsed()
    known = gather(kennel.workspace, CLEAN)
    assert [(name, one.value) for name, one in known.success.items()] == [
        ("rehearsed with badnets on 2026-11-22; same data and params as now", 0.011)
    ]
    assert "badnets" not in known.untested
    assert "blend" in known.untested
