"""What `asd model export` writes, and that it writes all of it or nothing."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from asd.errors import GateError, ParamsError
from asd.layout import Cell
from asd.ship import export as shipping
from asd.ship.agreement import compare
from asd.ship.format import read_facts
from tests.unit.ship.conftest import CLASSES, CLEAN, PLANTED, Pets


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def test_the_weights_are_the_file_of_stage_3(finished: Pets, tmp_path: Path) -> None:
    shipping.export(finished.workspace, CLEAN, tmp_path / "out", "safetensors")
    stage = finished.workspace.layout.stage(CLEAN, 3) / "model.safetensors"
    assert digest(tmp_path / "out" / "model.safetensors") == digest(stage)
    assert read_facts(tmp_path / "out").weights_sha256 == digest(stage)


def test_one_format_writes_just_its_files(finished: Pets, tmp_path: Path) -> None:
    done = shipping.export(finished.workspace, CLEAN, tmp_path / "out", "safetensors")
    assert done.files == ("MODEL_CARD.md", "model.json", "model.safetensors", "predict.py")
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == sorted(done.files)


def test_model_json_says_how_to_feed_the_network(exported: Path) -> None:
    facts = read_facts(exported)
    assert (facts.image_shape, facts.class_names) == ((3, 8, 8), CLASSES)
    assert (facts.resize.fit, facts.resize.filter) == ("crop", "bilinear")
    assert facts.architecture.params["widths"] == [4, 8]
    assert (facts.mean, facts.std) == ((0.4, 0.5, 0.6), (0.2, 0.25, 0.3))


def test_the_same_cell_gives_the_same_bytes(finished: Pets, tmp_path: Path) -> None:
    for name in ("a", "b"):
        shipping.export(finished.workspace, PLANTED, tmp_path / name)
    files = sorted(file.name for file in (tmp_path / "a").iterdir())
    assert [digest(tmp_path / "a" / f) for f in files] == [digest(tmp_path / "b" / f) for f in files]


def test_256_held_out_images_are_compared(finished: Pets, tmp_path: Path) -> None:
    done = shipping.export(finished.workspace, CLEAN, tmp_path / "out", "safetensors")
    assert (done.agreement.images, done.agreement.largest) == (256, {"safetensors": 0.0})


def test_a_format_that_disagrees_leaves_nothing(
    finished: Pets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def another(trained, written):
        wrong = {name: ((labels + 1) % 4, shares) for name, (labels, shares) in written.items()}
        return compare(trained, wrong)

    monkeypatch.setattr(shipping, "compare", another)
    with pytest.raises(GateError, match="another class on 256 of 256"):
        shipping.export(finished.workspace, CLEAN, tmp_path / "new" / "out", "safetensors")
    assert list((tmp_path / "new").iterdir()) == []


def test_a_folder_with_files_is_never_replaced(finished: Pets, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter.txt").write_text("mine")
    with pytest.raises(ParamsError, match="not empty; give a new folder"):
        shipping.export(finished.workspace, CLEAN, tmp_path / "home")
    assert (tmp_path / "home" / "letter.txt").read_text() == "mine"


def test_a_cell_that_was_not_run_names_the_command(finished: Pets, tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"pets/badnets/none/0 is not finished.*`asd run"):
        shipping.export(finished.workspace, Cell("pets", "badnets", "none", 0), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def card(pets: Pets, cell: Cell, folder: Path) -> str:
    shipping.export(pets.workspace, cell, folder, "safetensors")
    return (folder / "MODEL_CARD.md").read_text()


def test_the_card_states_data_seeds_figures_and_what_was_not_measured(finished: Pets, tmp_path: Path) -> None:
    text = card(finished, CLEAN, tmp_path / "out")
    for line in (
        "Licence: (fill in",
        read_facts(tmp_path / "out").data_revision,
        "- sources: train.bin (40)",
        "- seeds: 4, origin keys: keys that a person named as trusted",
        "- acc: 90.0% (n 300, 95% interval 85.0% to 95.0%)",
        "- lowest of a class: cat, 50.0%",
        "| badnets | 2.0% (n 225) | stopped |",
        "- verdicts: not measured (the audit gives none)",
        "None are set.",
    ):
        assert line in text


def test_the_card_names_an_attack_that_is_not_stopped(finished: Pets, tmp_path: Path) -> None:
    finished.measure(PLANTED, asr=0.7)
    text = card(finished, CLEAN, tmp_path / "out")
    assert "| badnets | 70.0% (n 225) | not stopped |" in text
    assert "- measured not to be stopped (ASR above 10%): badnets" in text


def test_the_card_lists_suspects_per_class_and_source(finished: Pets, tmp_path: Path) -> None:
    finished.audit(CLEAN, suspects={"dog": 3, "cat": 1}, share=0.05)
    text = card(finished, CLEAN, tmp_path / "out")
    assert "- estimated share of poisoned samples: 5.0% (95% interval 2.5% to 10.0%)" in text
    assert "- suspects per class: dog (3), cat (1)" in text
    assert "- suspects per source: train.bin (4)" in text
    assert "- all of this is a sign and no proof" in text


def test_accuracy_on_labels_that_nobody_vouches_for_has_another_name(tmp_path: Path) -> None:
    pets = Pets(tmp_path / "w", trusted=False)
    pets.finish(CLEAN)
    text = card(pets, CLEAN, tmp_path / "out")
    assert "- acc_untrusted: 90.0%" in text
    assert "- acc:" not in text
    assert "because nobody vouches for the labels" in text


def test_plain_text_of_the_gates_is_in_the_card(finished: Pets, tmp_path: Path) -> None:
    finished.set({"least_acc": 0.8})
    assert "- gates.least_acc holds: acc of pets/none/asd/0 0.9000" in card(finished, CLEAN, tmp_path / "o")
