"""`models/current`: replaced only when every gate holds, as a whole, and with a way back."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

import asd
from asd.cli import main
from asd.cli import run as run_command
from asd.errors import DataError, GateError, ParamsError
from asd.ship import current, promotion
from asd.ship.format import read_facts
from tests.unit.ship.conftest import CLEAN, PLANTED, UNDEFENDED, Pets


@pytest.fixture(autouse=True)
def only_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """One format is enough here."""
    from asd.ship import export

    monkeypatch.setattr(export, "default_formats", lambda: ("safetensors",))


def current_weights(pets: Pets) -> str:
    return read_facts(pets.root / "models" / "current").weights_sha256


def promote(pets: Pets, seed: int) -> promotion.Promoted:
    """Train the cell anew, so to say, and promote it."""
    pets.finish(CLEAN, seed=seed)
    return promotion.promote(pets.workspace, CLEAN)


def test_a_promoted_model_is_an_export_that_loads(finished: Pets) -> None:
    done = promotion.promote(finished.workspace, CLEAN)
    assert (done.is_new, done.folder.name) == (True, "0001")
    model = asd.load_model(finished.root / "models" / "current")
    assert model.facts.cell == str(CLEAN)
    assert str(done) == "pets/none/asd/0 is now models/current (0001 in the history; no gate is set)"


def test_current_is_a_relative_link_so_that_a_workspace_may_be_moved(finished: Pets) -> None:
    promotion.promote(finished.workspace, CLEAN)
    assert os.readlink(finished.root / "models" / "current") == "history/0001"


def test_the_same_model_again_makes_no_new_entry(finished: Pets) -> None:
    promotion.promote(finished.workspace, CLEAN)
    again = promotion.promote(finished.workspace, CLEAN)
    assert (again.is_new, again.folder.name) == (False, "0001")
    assert len(current.history(finished.workspace.layout)) == 1


def test_a_failing_gate_leaves_the_current_model_alone(finished: Pets) -> None:
    promotion.promote(finished.workspace, CLEAN)
    before = current_weights(finished)
    finished.finish(CLEAN, seed=7, acc=0.5)
    finished.set({"least_acc": 0.8})
    with pytest.raises(GateError, match=r"gates\.least_acc fails"):
        promotion.promote(finished.workspace, CLEAN)
    assert current_weights(finished) == before
    assert [e.number for e in current.history(finished.workspace.layout)] == [1]


def test_a_gate_that_was_not_measured_refuses_too(finished: Pets) -> None:
    finished.set({"most_suspects_per_class": 5})
    with pytest.raises(GateError, match="not measured"):
        promotion.promote(finished.workspace, CLEAN)
    assert not (finished.root / "models").exists()


def test_an_undefended_model_is_never_promoted(finished: Pets) -> None:
    with pytest.raises(ParamsError, match="has no defense and is never promoted"):
        promotion.promote(finished.workspace, UNDEFENDED)


def test_rollback_goes_to_what_the_current_model_replaced(finished: Pets) -> None:
    layout = finished.workspace.layout
    for seed in (1, 2):
        promote(finished, seed)
    assert current.rollback(layout).number == 1
    assert promote(finished, 3).promotion.number == 3
    assert current.rollback(layout).number == 1  # not 2, which was given up
    with pytest.raises(ParamsError, match="there is none before it"):
        current.rollback(layout)


def test_rollback_without_a_current_model_names_the_command(finished: Pets) -> None:
    with pytest.raises(ParamsError, match="`asd model promote CELL`"):
        current.rollback(finished.workspace.layout)


def test_a_folder_of_somebody_else_is_not_replaced(finished: Pets) -> None:
    (finished.root / "models" / "current").mkdir(parents=True)
    with pytest.raises(DataError, match="is not a link that asd made"):
        promotion.promote(finished.workspace, CLEAN)


def test_a_killed_promotion_leaves_the_old_model_current(
    finished: Pets, monkeypatch: pytest.MonkeyPatch
) -> None:
    promote(finished, 1)
    before = current_weights(finished)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(promotion, "make_current", killed)
        with pytest.raises(KeyboardInterrupt):
            promote(finished, 2)
    assert current_weights(finished) == before
    assert promote(finished, 2).promotion.number == 3


# -- asd run -----------------------------------------------------------------------------


@pytest.fixture
def run(finished: Pets, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """`asd run` on finished cells: the pipeline itself has nothing to do."""
    from asd.readiness import Readied

    monkeypatch.setattr("asd.readiness.make_ready", lambda root: Readied(finished.workspace, (), ()))
    monkeypatch.setattr(run_command, "_start", lambda root, arguments: 0)

    def call(*words: str) -> tuple[int, str, str]:
        code = main(["run", *words, "--workspace", str(finished.root)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def test_a_run_without_gates_promotes_nothing(finished: Pets, run) -> None:
    code, out, _ = run()
    assert code == 0
    assert out.startswith(f"next: `asd model export {CLEAN} DIR`")
    assert not (finished.root / "models").exists()


def test_a_run_whose_gates_hold_promotes_the_cell_on_unplanted_data_and_says_so(finished: Pets, run) -> None:
    finished.set({"least_acc": 0.8, "most_asr": 0.1})
    code, out, _ = run()
    assert code == 0
    assert "gates.most_asr holds: asr of pets/badnets/asd/0 0.0200, n 225; wanted at most 0.1" in out
    assert "pets/none/asd/0 is now models/current (0001 in the history; 2 gates hold)" in out
    assert read_facts(finished.root / "models" / "current").cell == str(CLEAN)


def test_a_run_whose_gate_fails_ends_with_4_and_promotes_nothing(finished: Pets, run) -> None:
    finished.set({"least_acc": 0.8, "most_asr": 0.01})
    code, _, err = run()
    assert code == 4
    assert "asd: gates.most_asr fails: asr of pets/badnets/asd/0 0.0200" in err
    assert not (finished.root / "models").exists()


def test_a_run_with_an_impossible_gate_ends_with_2_before_it_starts(
    finished: Pets, run, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished.set({"most_asr": 0.1}, attacks=["none"])
    monkeypatch.setattr(run_command, "_start", lambda *_: pytest.fail("the run began"))
    code, _, err = run()
    assert (code, err.startswith("asd: gates.most_asr has no figure")) == (2, True)


def test_a_run_with_two_candidates_says_why_it_promotes_none(finished: Pets, run) -> None:
    finished.set({"least_acc": 0.8}, datasets=["pets"], trials=[0, 1])
    for cell in finished.workspace.cells():
        finished.finish(cell, asr=0.0 if cell.attack == "badnets" else None)
    code, out, _ = run()
    assert code == 0
    assert "nothing promoted: 2 cells with a defense are on unplanted data" in out


def test_a_gate_that_no_run_can_pass_is_not_written(finished: Pets, run) -> None:
    finished.set({"least_acc": 0.8}, attacks=["none"])
    before = (finished.root / "params.yaml").read_text()
    code, _, said = run("-S", "gates.most_asr=0.05")
    assert code == 2
    assert "take the gate out: `-S gates.most_asr=`" in said
    assert (finished.root / "params.yaml").read_text() == before


def test_a_dry_run_judges_nothing(finished: Pets, run, monkeypatch: pytest.MonkeyPatch) -> None:
    finished.set({"least_acc": 0.99})
    monkeypatch.setattr("asd.cli.dry_run.show", lambda *_, **__: None)
    assert run("--dry-run") == (0, "", "")


# -- commands ----------------------------------------------------------------------------


def test_the_commands_export_predict_promote_list_and_roll_back(
    finished: Pets, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from PIL import Image

    Image.new("RGB", (30, 20), (200, 10, 10)).save(tmp_path / "red.jpg")
    at = ["--workspace", str(finished.root)]
    out = str(tmp_path / "out")
    assert main(["model", "export", "pets/none/asd", out, "--format", "safetensors", "--json", *at]) == 0
    assert json.loads(capsys.readouterr().out)["images_compared"] == 256
    assert main(["predict", out, str(tmp_path / "red.jpg"), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert sum(row["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert row["probabilities"][row["class"]] == row["probability"]
    for seed in (1, 2):
        finished.finish(CLEAN, seed=seed)
        assert main(["model", "promote", "pets/none/asd/0", *at]) == 0
    assert main(["model", "rollback", *at]) == 0
    capsys.readouterr()
    assert main(["model", "list", "--json", *at]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(r["number"], r["current"], r["replaces"]) for r in rows] == [(1, True, None), (2, False, 1)]
    assert main(["model", "list", *at]) == 0
    assert (
        capsys.readouterr()
        .out.splitlines()[0]
        .startswith("* 0001  pets/none/asd/0  acc 90.0%  asr badnets 2.0%")
    )


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["model", "promote", "pets/*/asd/0"], 2, "means 2 cells, wanted one"),
        (["model", "promote", "pets/none/none/0"], 2, "has no defense"),
        (["model", "rollback"], 2, "no model is current"),
        (["predict", "{root}", "x.png"], 2, "is no exported model"),
    ],
)
def test_a_mistake_is_answered_in_a_line(
    finished: Pets, capsys: pytest.CaptureFixture[str], words: list[str], code: int, message: str
) -> None:
    given = [word.format(root=finished.root) for word in words]
    assert main([*given, "--workspace", str(finished.root)]) == code
    err = capsys.readouterr().err
    assert message in err
    assert len(err.splitlines()) <= 2


def test_a_planted_cell_may_be_named_for_promotion(finished: Pets) -> None:
    finished.set({"most_asr": 0.1, "promote": str(PLANTED)})
    lines = promotion.after_run(finished.workspace, finished.workspace.cells())
    assert lines[-1].startswith("pets/badnets/asd/0 is now models/current")
