"""`asd rehearse` with a flow that writes figures instead of training."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from asd import store
from asd.cli import main
from asd.errors import BusyError, DataError, ParamsError
from asd.layout import Cell, Layout
from asd.operations.plan import Plan, PlannedStage
from asd.operations.rehearsal import run as running
from asd.operations.rehearsal.checks import production_cell
from asd.operations.rehearsal.run import Asked, RehearsalError, rehearse
from asd.params import load_workspace
from asd.rehearsals import read_rehearsals
from asd.run_lock import hold_workspace
from asd.seeds.trusted import write_trusted
from asd.shards.manifest import read_index
from asd.types import SampleIndex
from tests.unit.rehearsing import Kennel
from tests.unit.ship.conftest import CLEAN

ASKED = Asked(CLEAN, ("badnets",), fraction=0.25, target="dog")
BARE, DEFENDED = Cell("pets", "badnets", "none", 0), Cell("pets", "badnets", "asd", 0)


class Flow:
    """Stands for `python -m flows`: writes figures by hand, or fails with `code`."""

    def __init__(self, asr_none: float = 0.99, code: int = 0) -> None:
        self.runs: list[list[str]] = []
        self.asr_none, self.code = asr_none, code

    def __call__(self, layout: Layout, cells: Sequence[Cell]) -> int:
        self.runs.append([str(cell) for cell in cells])
        for cell, asr in zip(cells, (self.asr_none, 0.02), strict=True):
            metrics = {"trusted": False, "acc_untrusted": 0.6, "n_acc_untrusted": 300}
            metrics |= {"asr": asr, "n_asr": 225, "asr_base": 0.01, "asr_interval": [asr - 0.01, asr + 0.01]}
            store.write_json(layout.metrics(cell), metrics)
        pools = {
            "samples": 44,
            "planted": 10,
            "verdicts": {"clean": 33, "suspect": 11},
            "suspects": {"poisoned": 9},
            "final": {"size": 20, "poisoned": 1},
        }
        store.write_json(layout.audit_pools(cells[1]), pools)
        return self.code


def said(kennel: Kennel, asked: Asked = ASKED, flow: Flow | None = None) -> tuple[list[str], Flow]:
    flow, lines = flow or Flow(), []
    rehearse(kennel.workspace, asked, lines.append, flow)
    return lines, flow


# -- what must be so before ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"fraction": 0.0}, "--fraction 0: wanted a share above 0 and below 1"),
        ({"fraction": 1.0}, "--fraction 1: wanted"),
        ({"fraction": float("nan")}, "--fraction nan: wanted"),
        ({"fraction": 0.2}, "0.2 of 40 samples are 8; wanted at least 10 planted"),
        ({"attacks": ("badnet",)}, "no attack 'badnet'; did you mean 'badnets'?"),
        ({"attacks": ("none",)}, "attack none plants nothing"),
        ({"attacks": ("imported",)}, "attack imported is in its data already"),
        ({"target": "wolf"}, r"--target 'wolf' is no class.*\(classes: cat, dog, owl, fox\)"),
        ({"fraction": 0.8}, "poison_fraction 0.8 asks for 32 of the 40 samples, but only 30 are outside"),
    ],
)
def test_what_cannot_be_planted_is_refused_before_anything_is_made(
    kennel: Kennel, asked: dict[str, Any], message: str
) -> None:
    flow = Flow()
    with pytest.raises(ParamsError, match=message):
        said(kennel, replace(ASKED, **asked), flow)
    assert (flow.runs, (kennel.root / ".rehearsal").exists()) == ([], False)


def smaller_class(kennel: Kennel, monkeypatch: pytest.MonkeyPatch, counts: Sequence[int]) -> None:
    """Let the index say that the 40 samples have other labels."""
    import numpy as np

    from asd.operations.rehearsal import checks

    def read(folder: Path) -> SampleIndex:
        index = read_index(folder)
        if folder.name == "test":
            return index
        labels = np.repeat(np.arange(4), counts).astype(np.int64)
        return SampleIndex(index.keys, labels, index.content, index.sources)

    monkeypatch.setattr(checks, "read_index", read)
    monkeypatch.setattr(checks, "check_seeds", lambda *_: None)


@pytest.mark.parametrize(("own", "refused"), [(2, True), (3, False)])
def test_a_target_class_must_keep_a_fifth_of_its_own(
    kennel: Kennel, monkeypatch: pytest.MonkeyPatch, own: int, refused: bool
) -> None:
    # 10 planted beside 2 of its own leave it 2 of 12, beside 3 it is 3 of 13 (20% is 2.5)
    smaller_class(kennel, monkeypatch, (38 - own, own, 1, 1))
    if not refused:
        said(kennel)
        return
    with pytest.raises(
        ParamsError, match="target class 'dog' is too small: 10 planted samples beside 2 of"
    ) as e:
        said(kennel)
    assert "or a larger class, such as --target 'cat'" in str(e.value)


def test_without_vouched_seeds_there_is_no_rehearsal(kennel: Kennel) -> None:
    write_trusted(kennel.workspace.layout.trusted_seeds, [])
    with pytest.raises(ParamsError, match=r"no vouched seeds for pets in seeds/trusted.csv: pick some with"):
        said(kennel)
    kennel.change(seeds={"use": "oracle"})
    with pytest.raises(ParamsError, match=r"no vouched seeds: seeds\.use is oracle"):
        said(kennel)
    kennel.change(seeds={"use": "folder"})
    with pytest.raises(ParamsError, match="no vouched seeds: `asd source set seeds PATH`"):
        said(kennel)
    kennel.change(seeds={"use": "sift"})
    with pytest.raises(ParamsError, match=r"^sifted seeds are experimental"):
        said(kennel)


def test_seeds_that_do_not_fit_the_data_are_refused(kennel: Kennel) -> None:
    seeds = kennel.workspace.layout.trusted_seeds
    seeds.write_text(seeds.read_text().replace("train_0000", "train_0999"))
    with pytest.raises(DataError, match=r"seeds: train_0999 of seeds/trusted.csv: no such sample"):
        said(kennel)


def test_data_that_are_not_fetched_or_not_as_they_are_now_are_refused(
    kennel: Kennel, monkeypatch: pytest.MonkeyPatch
) -> None:
    stale = Plan((PlannedStage("fetch@pets", "sources/pets.json modified", ()),), 0.1)
    monkeypatch.setattr(running, "ask_plan", lambda root, cells, look: stale)
    with pytest.raises(ParamsError, match=r"not fetched yet as they are now \(sources/pets.json modified\)"):
        said(kennel)
    (kennel.workspace.layout.fetched("pets", "test") / "manifest.json").unlink()
    with pytest.raises(ParamsError, match=r"the data of pets are not fetched yet, .*: `asd run`"):
        said(kennel)


def test_which_cell_is_meant_must_be_clear(kennel: Kennel) -> None:
    assert production_cell(kennel.workspace, None) == CLEAN
    assert (
        production_cell(kennel.set({"least_acc": 0.1, "promote": str(CLEAN)}, trials=[0, 1]), None) == CLEAN
    )
    both = kennel.set(trials=[0, 1])
    with pytest.raises(ParamsError, match="2 cells can be rehearsed, say which with --cell: pets/none/asd/0"):
        production_cell(both, None)
    assert production_cell(both, "pets/none/asd/1").trial == 1
    planted = kennel.set(attacks=["badnets"])
    with pytest.raises(ParamsError, match="pets/badnets/asd/0 has an attack planted already"):
        production_cell(planted, "pets/badnets/asd/0")
    with pytest.raises(ParamsError, match="pets/badnets/none/0 has no defense"):
        production_cell(planted, "pets/badnets/none/0")
    with pytest.raises(ParamsError, match="needs a cell with a defense on data in which nothing is planted"):
        production_cell(planted, None)


# -- what it does --------------------------------------------------------------------------------


def test_both_cells_run_in_a_workspace_of_their_own_and_one_line_is_written(kennel: Kennel) -> None:
    before = kennel.files()
    lines, flow = said(kennel)
    assert lines == [
        "rehearsal of pets/none/asd/0: badnets on 10 samples of a copy of 40, to be called 'dog'"
    ]
    assert flow.runs == [[str(BARE), str(DEFENDED)]]
    (line,) = read_rehearsals(kennel.workspace.layout)
    assert (line.asr_none, line.asr_defense, line.n, line.asr_base) == (0.99, 0.02, 225, 0.01)
    assert (line.planted, line.planted_called_suspect, line.rest, line.rest_called_suspect) == (10, 9, 34, 2)
    assert (line.samples, line.planted_in_final_pool, line.fraction, line.target) == (44, 1, 0.25, "dog")
    assert (line.acc_name, line.acc_none, line.acc_defense) == ("acc_untrusted", 0.6, 0.6)
    assert line.sentence == (
        "on your data, with a trigger that we planted: attack success 99% -> 2% "
        "(1% without the trigger); 90% of the planted samples were called suspect, 6% of the rest"
    )
    after = kennel.files()
    assert set(after) - set(before) == {"reviews/rehearsals.jsonl"}
    assert {name: after[name] for name in before} == before


def test_the_workspace_of_the_rehearsal_has_the_production_recipe_data_and_seeds(kennel: Kennel) -> None:
    kennel.change(training={"precision": "bf16"}, random_seed=7)
    (kennel.root / "plugins" / "defenses").mkdir(parents=True)
    (kennel.root / "plugins" / "defenses" / "own.py").write_text('"""Of the workspace."""\n')
    said(kennel)
    place = load_workspace(kennel.root / ".rehearsal")
    assert place.cells() == [BARE, DEFENDED]
    assert (place.params.random_seed, place.params.training.precision) == (7, "bf16")
    assert place.params.defenses["asd"]["common"] == {"w": 1}
    assert place.variant("attacks", "badnets").params.target_label == 1
    assert place.variant("datasets", "pets").params.trusted is False
    trusted = kennel.workspace.layout.trusted_seeds
    assert place.layout.trusted_seeds.read_bytes() == trusted.read_bytes()
    assert (place.layout.plugins / "defenses" / "own.py").is_file()
    pointer = json.loads(place.layout.source("pets").read_text())
    assert pointer["kind"] == "folder"
    locations = yaml.safe_load(place.layout.locations.read_text())
    assert locations["pets"] == str(kennel.root / "data" / "fetched" / "pets")


def test_the_seeds_of_the_production_cell_are_those_of_the_rehearsal(kennel: Kennel) -> None:
    """`for_attack` names attacks that the rehearsal's params do not have."""
    kennel.change(seeds={"use": "oracle", "for_attack": {"none": {"use": "keys"}}})
    said(kennel)
    seeds = load_workspace(kennel.root / ".rehearsal").params.seeds
    assert (seeds.use, seeds.for_attack) == ("keys", {})


def test_git_of_the_workspace_never_sees_what_was_planted(kennel: Kennel) -> None:
    said(kennel)
    assert (kennel.root / ".rehearsal" / ".gitignore").read_text().splitlines()[0] == "*"


def test_with_nothing_new_nothing_runs_also_where_the_folder_was_deleted(kennel: Kennel) -> None:
    import shutil

    said(kennel)
    for _ in range(2):
        lines, flow = said(kennel)
        assert (flow.runs, len(read_rehearsals(kennel.workspace.layout))) == ([], 1)
        assert lines[0].startswith("badnets: nothing new since 20")
        shutil.rmtree(kennel.root / ".rehearsal")


@pytest.mark.parametrize("what", ["seeds", "recipe", "fraction"])
def test_whatever_the_figures_depend_on_makes_it_run_again(kennel: Kennel, what: str) -> None:
    said(kennel)
    asked = ASKED
    if what == "seeds":
        seeds = kennel.workspace.layout.trusted_seeds
        seeds.write_text("".join(seeds.read_text().splitlines(keepends=True)[:-1]))
    elif what == "recipe":
        kennel.change(defenses={"asd": {"common": {"w": 2}}, "none": {}})
    else:
        asked = replace(ASKED, fraction=0.3)
    _, flow = said(kennel, asked)
    assert (len(flow.runs), len(read_rehearsals(kennel.workspace.layout))) == (1, 2)


def test_another_attack_beside_it_does_not_make_the_first_run_again(kennel: Kennel) -> None:
    said(kennel)
    _, flow = said(kennel, replace(ASKED, attacks=("badnets", "blend")))
    assert flow.runs == [["pets/blend/none/0", "pets/blend/asd/0"]]
    assert [line.attack for line in read_rehearsals(kennel.workspace.layout)] == ["badnets", "blend"]


def test_a_flow_that_fails_writes_no_line_and_the_next_call_goes_on(kennel: Kennel) -> None:
    with pytest.raises(RehearsalError, match="not finished; `asd rehearse` goes on from here") as caught:
        said(kennel, flow=Flow(code=3))
    assert (caught.value.exit_code, read_rehearsals(kennel.workspace.layout)) == (3, [])
    said(kennel)
    assert len(read_rehearsals(kennel.workspace.layout)) == 1


def test_a_line_that_was_finished_before_a_later_attack_failed_stays(kennel: Kennel) -> None:
    class Second(Flow):
        def __call__(self, layout: Layout, cells: Sequence[Cell]) -> int:
            super().__call__(layout, cells)
            return 130 if cells[0].attack == "blend" else 0

    with pytest.raises(RehearsalError):
        said(kennel, replace(ASKED, attacks=("badnets", "blend")), Second())
    assert [line.attack for line in read_rehearsals(kennel.workspace.layout)] == ["badnets"]


def test_a_second_rehearsal_at_the_same_time_is_refused(kennel: Kennel) -> None:
    layout = Layout(kennel.root / ".rehearsal")
    with hold_workspace(layout), pytest.raises(BusyError, match=r"works in this workspace: .*\.rehearsal"):
        said(kennel)


def test_the_place_of_the_production_data_does_not_win_over_the_copy(
    kennel: Kennel, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, str] = {}
    monkeypatch.setenv("ASD_SOURCE_PETS", "/elsewhere")
    monkeypatch.setattr(running, "run_flows", lambda *_, env, quiet: seen.update(env) or 0)
    assert running.start_flow(kennel.workspace.layout, [BARE]) == 0
    assert "PATH" in seen
    assert "ASD_SOURCE_PETS" not in seen


def test_files_of_production_are_found_from_the_rehearsal(kennel: Kennel) -> None:
    picture = {"picture": "kitty.png", "picture_sha256": "0" * 64}
    kennel.change(attacks={"none": {}, "kitty": {"use": "blend", "prepare": picture}})
    network = {"use": "small_resnet", "weights": "/mnt/w.safetensors", "weights_sha256": "0" * 64}
    kennel.change(model=network)
    said(kennel, replace(ASKED, attacks=("kitty",)))
    place = load_workspace(kennel.root / ".rehearsal")
    assert place.variant("attacks", "kitty").params.prepare.picture == str(kennel.root / "kitty.png")
    assert place.params.model.weights == "/mnt/w.safetensors"


def test_the_patch_is_as_large_beside_the_picture_as_in_the_preset(kennel: Kennel) -> None:
    said(kennel)
    params = load_workspace(kennel.root / ".rehearsal").variant("attacks", "badnets").params
    # of 8x8 pictures: 3 of 32 is less than a pixel, two is the least; 4 of 32 is 1
    assert (params.patch, params.size, params.row, params.column) == ("checker", 2, 1, 1)


# -- the command ---------------------------------------------------------------------------------


def test_the_command_prints_the_sentence_or_the_facts(
    kennel: Kennel, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    flow = Flow()
    monkeypatch.setattr(running, "start_flow", lambda layout, cells, quiet: flow(layout, cells))
    words = ["rehearse", "--attacks", "badnets", "--fraction", "0.25", "--workspace", str(kennel.root)]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[-1].startswith("badnets: on your data, with a trigger that we planted: attack")
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rehearsals"][0]["target"] == "fox"  # label 3, as the paper
    assert main([*words[:2], " , ", *words[3:]]) == 2
    assert "--attacks ' , ' names none" in capsys.readouterr().err


def test_an_error_of_the_flow_gives_the_exit_code_of_the_flow(
    kennel: Kennel, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "start_flow", lambda layout, cells, quiet: 143)
    words = ["rehearse", "--fraction", "0.25", "--workspace", str(kennel.root)]
    assert main(words) == 143
    assert "asd: the rehearsal is not finished; `asd rehearse` goes on from here" in capsys.readouterr().err
