"""Changing params.yaml by program, and what is said of mistakes in it."""

import re
from pathlib import Path

import pytest
import yaml

from asd.cli import main
from asd.errors import ParamsError
from asd.new_workspace import create
from asd.params import load_workspace
from asd.params_file import check_engines, check_variants, complete_params, set_params

MISTAKES = {
    "randm_seed=2": r"unknown key randm_seed; did you mean 'random_seed'\?",
    "training.augment.pd=3": r"unknown key .*training\.augment\.pd; did you mean 'pad'\?",
    "training.precision=float16": r"training\.precision: Input should be 'float32' or 'bf16', got 'float16'",
    "random_seed=x": r"random_seed: .*got 'x'",
    "random_seed=-1": r"random_seed: .*greater than or equal to 0, got -1",
    "random_seed.x=3": r"unknown key random_seed\.x: random_seed is a value",
    "seeds.use=orcale": r"seeds\.use: .*got 'orcale'",
    "model.width=[1]": r"unknown key model\.width; did you mean 'widths'\?",
    "model.use=resnet19": r"unknown model 'resnet19'; did you mean 'resnet18'\?",
    "attacks.badnets.poison_fractoin=0.1": r"badnets\.poison_fractoin; did you mean 'poison_fraction'\?",
    "attacks.badnets.poison_fraction=1.5": r"attacks\.badnets\.poison_fraction: .*got 1\.5",
    "attacks.badnet.patch=white": r"there is no attacks\.badnet; did you mean 'badnets'\?",
    "attacks.badnets.use=badnet": r"unknown attack 'badnet'; did you mean 'badnets'\?",
    "cells.attacks=[badnet]": r"lists 'badnet', .*neither .* nor a plug-in; did you mean 'badnets'\?",
    "cells.trials=[]": r"cells\.trials: ",
    "cells.trials=[0,1,0]": r"^params\.yaml\.cells\.trials: 0 twice; list it once, got \[0, 1, 0\]$",
    "cells.datasets=[digits,digits]": r"cells\.datasets: digits twice",
    "cells.attacks=[badnets,badnets]": r"cells\.attacks: badnets twice",
    "cells.defenses=[asd,none,asd]": r"cells\.defenses: asd twice",
    "cell.trials=[0]": r"unknown key cell\.trials; did you mean 'cells'\?",
    "defenses.asd.stage3.gama=0.6": r"defenses\.asd\.stage3\.gama; did you mean 'gamma'\?",
    "defenses.asd.stage1.end=30": r"stage ends must not fall: got stage1\.end 30, stage2\.end 22",
    "datasets=3": r"datasets must hold variants, got 3",
    "random_seed": r"write it as key=value",
    "random_seed=[": r"the value is not valid YAML",
}


@pytest.mark.parametrize(("assignment", "message"), MISTAKES.items())
def test_a_mistake_is_named_and_nothing_is_written(workspace: Path, assignment: str, message: str) -> None:
    before = (workspace / "params.yaml").read_bytes()
    with pytest.raises(ParamsError, match=message) as caught:
        set_params(workspace, ["poison_seed=1", assignment])
    assert "\n" not in str(caught.value)
    assert (workspace / "params.yaml").read_bytes() == before


def test_setting_a_value_changes_that_line_alone_and_keeps_the_comments(workspace: Path) -> None:
    before = (workspace / "params.yaml").read_text().splitlines()
    said = set_params(workspace, ["defenses.asd.stage3.gamma=0.6"])
    after = (workspace / "params.yaml").read_text().splitlines()
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert len(changed) == 1
    assert said == f"-{changed[0][0]}\n+{changed[0][1]}"
    assert changed[0][1].lstrip().startswith("gamma: 0.6 ")
    assert "# share of the data" in changed[0][1]


def test_setting_what_is_so_already_says_nothing_and_writes_nothing(workspace: Path) -> None:
    before = (workspace / "params.yaml").stat().st_mtime_ns
    assert set_params(workspace, ["random_seed=100"]) == ""
    assert (workspace / "params.yaml").stat().st_mtime_ns == before


def test_a_list_may_be_set_and_a_new_plugin_gets_its_section(workspace: Path) -> None:
    set_params(workspace, ["cells.attacks=[badnets, none]", "cells.trials=[0, 1]"])
    opened = load_workspace(workspace)
    assert opened.params.attacks["none"] == {"use": "none", "prepare": {}}
    assert len(opened.cells()) == 8


def test_use_begins_a_new_variant(workspace: Path) -> None:
    set_params(workspace, ["attacks.b20.use=badnets", "attacks.b20.poison_fraction=0.2"])
    assert load_workspace(workspace).variant("attacks", "b20").params.poison_fraction == 0.2


def test_a_listed_name_without_section_gets_all_that_the_pipeline_names(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(
        "cells: {datasets: [digits], attacks: [badnets], defenses: [none], trials: [0]}  # mine\n"
        "datasets: {digits: {}}\nattacks:\n  badnets:\ndefenses: {}\n"
    )
    added = complete_params(tmp_path)
    text = (tmp_path / "params.yaml").read_text()
    assert "# mine" in text
    assert yaml.safe_load(text) == {
        "cells": {"datasets": ["digits"], "attacks": ["badnets"], "defenses": ["none"], "trials": [0]},
        "random_seed": 100,
        "poison_seed": 0,
        "seeds": {},
        "training": {},
        "model": {},
        "datasets": {"digits": {"use": "digits"}},
        "attacks": {"badnets": {"use": "badnets", "prepare": {}}},
        "defenses": {"none": {"use": "none", "common": {}, "stage1": {}, "stage2": {}, "stage3": {}}},
    }
    assert "defenses.none" in added
    check_variants(load_workspace(tmp_path))


def test_completing_what_is_complete_leaves_the_file_alone(workspace: Path) -> None:
    before = (workspace / "params.yaml").stat().st_mtime_ns
    assert complete_params(workspace) == []
    assert (workspace / "params.yaml").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cells: [", "is not valid YAML"),
        ("- 1\n", "must hold sections"),
        ("cells: {datasets: [d], attacks: [a], defenses: [x]}\n", "lists 'd', .*neither a section"),
        (
            "cells: {datasets: [digits]}\ndatasets: {digits: 3}\n",
            r"datasets\.digits must be a section, got 3",
        ),
        ("cells: {datasets: [digits]}\ndatasets: 3\n", r"datasets must hold variants, got 3"),
    ],
)
def test_a_file_that_cannot_be_completed_is_an_error_and_stays(
    tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(ParamsError, match=message):
        complete_params(tmp_path)
    assert (tmp_path / "params.yaml").read_text() == text


def test_no_file_at_all_names_the_cure(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"no params\.yaml in .*`asd init`"):
        complete_params(tmp_path)


def test_another_network_begins_with_its_own_params(workspace):
    set_params(workspace, ["model.use=small_resnet", "model.widths=[8, 16, 32]"])
    changed = set_params(workspace, ["model.use=resnet18"])
    assert [line.split()[:2] for line in changed.splitlines() if "widths" in line] == [["-", "widths:"]]
    set_params(workspace, ["model.use=small_resnet", "model.widths=[4, 8, 16]"])
    assert load_workspace(workspace).params.model.model_dump()["widths"] == [4, 8, 16]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            ["defenses.asd.common.engine=uda", "defenses.asd.common.engine_params={confidence: 2}"],
            "defenses.asd.common.engine_params.confidence: Input should be less than or equal to 1, got 2",
        ),
        (
            ["defenses.asd.common.engine=fixmatch", "defenses.asd.common.engine_params={tau: 1}"],
            "unknown key defenses.asd.common.engine_params.tau",
        ),
        (["defenses.asd.common.engine=mixmach"], "did you mean 'mixmatch'"),
        (
            ["seeds.use=transfer", "seeds.transfer.engine_params={lambda_u: -1}"],
            "seeds.transfer.engine_params.lambda_u: Input should be greater than or equal to 0",
        ),
        (
            ["seeds.use=transfer", "seeds.transfer.class_map=mine.csv"],
            "seeds.transfer.class_map: no file seeds/mine.csv",
        ),
        (
            ["defenses.asd.common.engine=remixmatch", "defenses.asd.common.engine_params={prior: []}"],
            "defenses.asd.common.engine_params.prior: Tuple should have at least 2 items",
        ),
    ],
)
def test_params_of_an_engine_are_checked_before_anything_is_written(
    workspace: Path, changes: list[str], message: str
) -> None:
    before = (workspace / "params.yaml").read_text()
    with pytest.raises(ParamsError, match=re.escape(message)):
        set_params(workspace, changes, also=check_engines)
    assert (workspace / "params.yaml").read_text() == before


def test_a_cell_whose_engine_was_not_checked_is_not_taken_up(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The fault was in params before, in a variant that no cell used."""
    wrong = {"engine": "fixmatch", "engine_params": {"confidence": 2}}
    params = yaml.safe_load((workspace / "params.yaml").read_text())
    params["defenses"]["asd_wrong"] = {**params["defenses"]["asd"], "use": "asd", "common": wrong}
    (workspace / "params.yaml").write_text(yaml.safe_dump(params))
    before = (workspace / "params.yaml").read_text()
    change = "cells.defenses=[asd, asd_wrong]"
    assert main(["run", "-S", change, "--workspace", str(workspace)]) == 2
    assert "engine_params.confidence: Input should be less than or equal to 1" in capsys.readouterr().err
    assert (workspace / "params.yaml").read_text() == before


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """The preset whose variants share sections by `&`, `*` and `<<`."""
    return create(tmp_path / "shared", "reproduce-cpu").root


def every_value(value: object, path: str = "") -> dict[str, object]:
    if not isinstance(value, dict):
        return {path.removesuffix("."): value}
    return {k: v for word, inner in value.items() for k, v in every_value(inner, f"{path}{word}.").items()}


SHARED = {
    "defenses.asd_uda.stage1.n=5": {"defenses.asd_uda.stage1.n"},  # by <<
    "defenses.asd_uda.common.w=5": {"defenses.asd_uda.common.w"},
    "defenses.asd_faster.stage3.meta.every=5": {"defenses.asd_faster.stage3.meta.every"},
    "attacks.badnets_seed1.row=5": {"attacks.badnets_seed1.row"},  # by *
    "seeds.for_attack.badnets_transfer_all.transfer.epochs=5": {
        "seeds.for_attack.badnets_transfer_all.transfer.epochs"
    },
    "attacks.blend.alpha=0.5": {  # the place itself: all who repeat it
        *("attacks.blend.alpha", "attacks.blend_seed1.alpha", "attacks.blend_seed2.alpha"),
        *("attacks.blend_seed3.alpha", "attacks.blend_seed4.alpha"),
    },
}


@pytest.mark.parametrize(("assignment", "wanted"), SHARED.items())
def test_a_variant_that_repeats_another_changes_alone(
    shared: Path, assignment: str, wanted: set[str]
) -> None:
    file = shared / "params.yaml"
    before = every_value(yaml.safe_load(file.read_text()))
    said = set_params(shared, [assignment])
    after = every_value(yaml.safe_load(file.read_text()))
    assert {key for key in after if after[key] != before.get(key)} == wanted
    assert set(before) <= set(after)
    assert len(said.splitlines()) <= 2  # nothing else in the file is laid out anew
